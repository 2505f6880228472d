//! A runtime on a thread of its own for calls to partners: their connections outlive whoever used them first, and neither stations nor
//! people wait for them.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The runtime, until its last handle is dropped.
#[derive(Debug, Clone)]
pub struct Runtime {
    handle: Handle,
    _running: Arc<oneshot::Sender<()>>,
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

    /// Carries work out there. `None`: the node ends.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.handle.spawn(work).await.ok()
    }

    /// Lets work go on there.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
        self.handle.spawn(work).abort_handle()
    }
}
