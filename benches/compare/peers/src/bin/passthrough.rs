//! Pingora's own way to be a reverse proxy: `ProxyHttp` with nothing but `upstream_peer`.
//!
//!     passthrough LISTEN UPSTREAM [CERTIFICATE KEY]
//!
//! LISTEN and UPSTREAM are IP:PORT. One thread, connections to the upstream are kept.

use std::error::Error as StdError;
use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::Result;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

struct Passthrough {
    upstream: String,
}

#[async_trait]
impl ProxyHttp for Passthrough {
    type CTX = ();

    fn new_ctx(&self) -> Self::CTX {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream.as_str(), false, String::new())))
    }
}

fn main() -> Result<(), Box<dyn StdError>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (listen, upstream, tls) = match arguments.as_slice() {
        [listen, upstream] => (listen, upstream, None),
        [listen, upstream, certificate, key] => (listen, upstream, Some((certificate, key))),
        _ => return Err("usage: passthrough LISTEN UPSTREAM [CERTIFICATE KEY]".into()),
    };
    let settings = ServerConf { threads: 1, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, settings);
    server.bootstrap();
    let passthrough = Passthrough { upstream: upstream.clone() };
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), passthrough);
    match tls {
        None => service.add_tcp(listen),
        Some((certificate, key)) => {
            let mut settings = TlsSettings::intermediate(certificate, key)?;
            settings.enable_h2();
            service.add_tls_with_settings(listen, None, settings);
        }
    }
    server.add_service(service);
    server.run_forever()
}
