//! A thread of its own for work that belongs to no request.

use std::future::Future;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A small runtime on one thread. Dropping it ends the thread and all work on it.
pub struct Runtime {
    handle: Handle,
    /// Dropping it is what ends the thread.
    _running: oneshot::Sender<()>,
}

impl Runtime {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start() -> Result<Self, String> {
        let about = |error: std::io::Error| format!("cannot start the thread that fetches keys: {error}");
        let runtime = Builder::new_current_thread().enable_all().build().map_err(about)?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        let work = move || {
            let _ = runtime.block_on(ended);
            // What is stuck in a name server must not hold up the end.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("remote".to_owned()).spawn(work).map_err(about)?;
        Ok(Self { handle, _running: running })
    }

    /// Has this done, some time.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }
}
