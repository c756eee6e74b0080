//! The door of the public listeners: nobody stands in it without saying anything.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use tokio::time::timeout;

use super::Gateway;

/// A gateway whose connections must begin within the time for heads.
pub struct Door(Arc<Gateway>);

/// As many bytes as the preface of HTTP/2 has; the shortest request that has a `Host` has more.
const FIRST_BYTES: usize = 24;

impl Door {
    /// The door of this gateway.
    #[must_use]
    pub fn new(gateway: Gateway) -> Self {
        Self(Arc::new(gateway))
    }
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let limit = self.0.config.limits.header_timeout;
        // Pingora looks for the preface of HTTP/2 without a bound. Once so many bytes are there it need not wait.
        timeout(limit, stream.try_peek(&mut [0; FIRST_BYTES])).await.ok()?.ok()?;
        ServerApp::process_new(&self.0, stream, shutdown).await
    }
}
