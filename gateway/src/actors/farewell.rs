//! The last word of an actor, said in `Drop`, also while a panic unwinds.

use actix::dev::ToEnvelope;
use actix::prelude::*;

/// Sends the last word. It must not be lost to a full mailbox: this is the one use of `do_send` in the house.
#[expect(
    clippy::disallowed_methods,
    reason = "a farewell is sent once in an actor's life, so its number is bounded by the number of actors; it must arrive"
)]
pub fn say<A, M>(parent: &Addr<A>, word: M)
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    parent.do_send(word);
}
