//! A runtime on a thread of its own for calls to partners: their connections outlive whoever used them first, and neither stations nor
//! people wait for them.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The runtime, until its last handle is dropped.
#[derive(Debug, Clone)]
pub struct Runtime {
    handle: Handle,
    _running: Arc<oneshot::Sender<()>>,
}

/// Work that ends with whoever waits for it.
struct Waited<T>(JoinHandle<T>);

impl<T> Drop for Waited<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

// === impl Runtime ===

impl Runtime {
    /// Starts it.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name("roaming".to_owned()).spawn(move || {
            // It ends by being dropped, which is what is waited for.
            runtime.block_on(ended).ok();
        })?;
        Ok(Self { handle, _running: Arc::new(running) })
    }

    /// Carries work out there; it ends when nobody waits for it any more. `None`: the node ends.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let mut task = Waited(self.handle.spawn(work));
        (&mut task.0).await.ok()
    }

    /// Carries work out there that goes on when nobody waits for it any more. `None`: the node ends.
    pub async fn finish<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.handle.spawn(work).await.ok()
    }

    /// Lets work go on there.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
        self.handle.spawn(work).abort_handle()
    }
}
