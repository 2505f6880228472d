//! A word to an actor that must be heard, from somebody who cannot wait.

use actix::dev::ToEnvelope;
use actix::prelude::*;

/// Gives the word now; where the mailbox is full, as soon as there is room. An actor that ended needs it no more. Called on an arbiter, for words
/// of which few are under way at a time: what waits has no bound of its own.
pub fn give<A, M>(actor: &Addr<A>, word: M)
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    if let Err(SendError::Full(word)) = actor.try_send(word) {
        let actor = actor.clone();
        actix::spawn(async move {
            actor.send(word).await.ok();
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Counts words.
    struct Listener(usize);

    impl Actor for Listener {
        type Context = Context<Self>;
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Word;

    impl Handler<Word> for Listener {
        type Result = ();
        fn handle(&mut self, _: Word, _: &mut Self::Context) {
            self.0 += 1;
        }
    }

    #[derive(Message)]
    #[rtype(result = "usize")]
    struct Count;

    impl Handler<Count> for Listener {
        type Result = usize;
        fn handle(&mut self, _: Count, _: &mut Self::Context) -> usize {
            self.0
        }
    }

    #[actix::test]
    async fn a_word_to_a_full_mailbox_is_heard_once_there_is_room() {
        let listener = Listener(0).start();
        // It runs on this thread, so it takes nothing until somebody waits here.
        let mut given = 0;
        while listener.try_send(Word).is_ok() {
            given += 1;
        }
        for _ in 0..3 {
            give(&listener, Word);
        }
        let heard = async { while listener.send(Count).await.unwrap() < given + 3 {} };
        tokio::time::timeout(Duration::from_secs(10), heard).await.expect("all are heard");
    }
}
