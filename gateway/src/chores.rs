//! What a node does by the clock, all of it ended before the store is closed: a chore that met a closed store would cry wolf.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long chores may take to end. Each ends at its next wait, so this is only the bound.
const PATIENCE: Duration = Duration::from_secs(5);

/// The chores of one node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Chores {
    leaving: CancellationToken,
    tasks: TaskTracker,
}

// === impl Chores ===

impl Chores {
    /// Starts work on the calling arbiter; it is dropped at its next wait once the node leaves. What it had under way in the store is
    /// then committed or not, so it must be harmless to do again.
    pub fn start(&self, work: impl Future<Output = ()> + 'static) {
        let ended = self.leaving.clone().run_until_cancelled_owned(work);
        self.tasks.spawn_local(async move {
            ended.await;
        });
    }

    /// Ends all of them and waits until they are gone.
    pub async fn end(&self) {
        self.leaving.cancel();
        self.tasks.close();
        if tokio::time::timeout(PATIENCE, self.tasks.wait()).await.is_err() {
            tracing::warn!(chores = self.tasks.len(), "chores do not end");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test]
    async fn after_the_end_no_chore_runs() {
        let rounds = Rc::new(Cell::new(0_u32));
        let chores = Chores::default();
        LocalSet::new()
            .run_until(async {
                let counted = Rc::clone(&rounds);
                chores.start(async move {
                    loop {
                        counted.set(counted.get() + 1);
                        tokio::task::yield_now().await;
                    }
                });
                while rounds.get() < 3 {
                    tokio::task::yield_now().await;
                }
                chores.end().await;
                assert_eq!(Rc::strong_count(&rounds), 1, "the chore is gone with all it held");
            })
            .await;
    }
}
