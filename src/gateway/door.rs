//! The door of the public listeners: nobody stands in it without saying anything.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::server::ShutdownWatch;

use super::Gateway;
use super::client::{Client, First, Line};

/// A gateway whose connections must begin within the time for heads.
pub struct Door(Arc<Gateway>);

impl Door {
    /// The door of this gateway.
    #[must_use]
    pub fn new(gateway: Gateway) -> Self {
        Self(Arc::new(gateway))
    }
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            return ServerApp::process_new(&self.0, stream, shutdown).await;
        }
        // A task of its own: Pingora's has room for a handshake of TLS, which would be most of what a stream takes.
        let (gateway, shutdown) = (Arc::clone(&self.0), shutdown.clone());
        tokio::spawn(async move {
            match Line::first(stream, gateway.config.limits.header_timeout).await {
                First::One(line) => gateway.converse(Client::over(line), &shutdown).await,
                First::Two(stream) => {
                    ServerApp::process_new(&gateway, stream, &shutdown).await;
                }
                First::End => {}
            }
        });
        None
    }
}
