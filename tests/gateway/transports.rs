//! The same gateway over HTTP/2, TLS and unix sockets.

use std::future::Future;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};

use crate::support::gateway::Setup;
use crate::support::upstream::{event, fine, last_chunk, stream_head};
use crate::support::{Ask, Client, DEADLINE, Gate, Gateway, Step, Upstream, call, eventually, token};

/// Runs it to its end, within the deadline.
fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, work).await.expect("not within the deadline") })
}

type Sender = SendRequest<Full<Bytes>>;

async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Sender {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn connect(gateway: &Gateway) -> Sender {
    over(tokio::net::TcpStream::connect(gateway.public).await.unwrap()).await
}

fn post(scheme: &str, token: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::post(format!("{scheme}://gateway.test/mcp"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    let request =
        if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) };
    request.body(Full::new(body.into())).unwrap()
}

async fn read(response: Response<Incoming>) -> (u16, Bytes) {
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

async fn ask(sender: &mut Sender, request: Request<Full<Bytes>>) -> (u16, Bytes) {
    read(sender.send_request(request).await.unwrap()).await
}

fn large_call(size: usize) -> String {
    let body = call("open");
    let space = " ".repeat(size - body.len());
    format!("{body}{space}")
}

#[test]
fn http2_is_judged_and_forwarded_like_http1() {
    let upstream = Upstream::fine();
    let mut gateway = Setup::before(&upstream).arg("--limits-body", "1MiB").start();
    let good = token("alice", "r");
    run(async {
        let mut sender = connect(&gateway).await;
        let mut forwarded = 0;
        for size in [300, 16_384, 65_536, 500_000, 1024 * 1024] {
            let body = large_call(size);
            let (status, answer) = ask(&mut sender, post("http", &good, body.clone())).await;
            assert_eq!(status, 200, "{size}: {answer:?}");
            forwarded += 1;
            assert!(upstream.request(forwarded).body == body.as_bytes(), "{size}");
        }
        let too_large = large_call(1024 * 1024 + 1);
        for (token, body, expected) in [
            ("", call("open"), 401),
            ("abc", call("open"), 401),
            (&good, call("write"), 403),
            (&good, "{".to_owned(), 400),
            (&good, too_large, 413),
            (&good, call("none"), 200),
        ] {
            let (status, answer) = ask(&mut sender, post("http", token, body)).await;
            assert_eq!(status, expected, "{answer:?}");
            // The connection goes on, and the upstream heard nothing.
            assert_eq!(ask(&mut sender, post("http", &good, call("open"))).await.0, 200);
            forwarded += 1;
            assert_eq!(upstream.requests().len(), forwarded);
        }
    });
    gateway.is_well();
}

#[test]
fn http2_hosts_and_paths_are_held_to_the_same_rules() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let good = token("alice", "r");
    run(async {
        let mut sender = connect(&gateway).await;
        for (uri, expected) in [
            ("http://evil.test/mcp", 403),
            ("http://gateway.test/MCP", 404),
            ("http://gateway.test/mcp/", 404),
            ("http://gateway.test/mcp?access_token=x", 400),
        ] {
            let mut request = post("http", &good, call("open"));
            *request.uri_mut() = uri.parse().unwrap();
            assert_eq!(ask(&mut sender, request).await.0, expected, "{uri}");
        }
        let mut origin = post("http", &good, call("open"));
        origin.headers_mut().insert("origin", "https://evil.test".parse().unwrap());
        assert_eq!(ask(&mut sender, origin).await.0, 403);
        let mut twice = post("http", &good, call("open"));
        twice.headers_mut().append("authorization", "Bearer x".parse().unwrap());
        assert_eq!(ask(&mut sender, twice).await.0, 400);
    });
    assert!(upstream.requests().is_empty());
}

#[test]
fn streams_of_one_connection_do_not_wait_for_each_other() {
    let next = Gate::default();
    let wait = next.clone();
    let upstream = Upstream::new(move |request| {
        if request.line().starts_with("GET") {
            let data = "{\"jsonrpc\":\"2.0\"}";
            vec![stream_head(), event(data), Step::Wait(wait.clone()), event(data), last_chunk()]
        } else {
            fine(request)
        }
    });
    let gateway = Gateway::before(&upstream);
    let good = token("alice", "r");
    run(async {
        let mut sender = connect(&gateway).await;
        let mut get = post("http", &good, "");
        *get.method_mut() = http::Method::GET;
        let mut events = sender.send_request(get).await.unwrap().into_body();
        let frame = events.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "data: {\"jsonrpc\":\"2.0\"}\n\n");
        for _ in 0..3 {
            assert_eq!(ask(&mut sender, post("http", &good, call("open"))).await.0, 200);
            assert_eq!(ask(&mut sender, post("http", "", call("open"))).await.0, 401);
        }
        next.open();
        assert_eq!(events.collect().await.unwrap().to_bytes(), "data: {\"jsonrpc\":\"2.0\"}\n\n");
    });
}

#[test]
fn an_http2_client_that_leaves_takes_the_upstreams_side_with_it() {
    let left = Gate::default();
    let tell = left.clone();
    let upstream =
        Upstream::new(move |_| vec![stream_head(), event("{\"jsonrpc\":\"2.0\"}"), Step::UntilLeft(tell.clone())]);
    let mut gateway = Gateway::before(&upstream);
    run(async {
        let mut sender = connect(&gateway).await;
        let mut events = sender.send_request(post("http", &token("alice", "r"), call("open"))).await.unwrap();
        events.body_mut().frame().await.unwrap().unwrap();
        // Only the one stream is reset; the connection goes on.
        drop(events);
        assert_eq!(ask(&mut sender, post("http", "", call("open"))).await.0, 401);
        tokio::task::spawn_blocking(move || left.wait()).await.unwrap();
    });
    eventually("the upstream's side closed", || (upstream.open() == 0).then_some(()));
    gateway.is_well();
}

/// A certificate for `gateway.test`, its own authority.
struct Certificate {
    pem: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
        Self { pem: made.cert.pem(), key: made.signing_key.serialize_pem(), der: made.cert.der().clone() }
    }

    /// A client that trusts this certificate and no other.
    fn client(&self, protocol: &str) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        Arc::new(config)
    }

    fn before(&self, upstream: &Upstream) -> Gateway {
        let setup = Setup::before(upstream);
        let (cert, key) = (setup.file("tls.crt", &self.pem), setup.file("tls.key", &self.key));
        setup.arg("--tls-cert", cert.to_str().unwrap()).arg("--tls-key", key.to_str().unwrap()).start()
    }
}

#[test]
fn a_token_bound_to_a_certificate_is_good_with_that_certificate_alone() {
    use base64::Engine as _;
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(params, ca_key);
    let made = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["client".to_owned()]).unwrap();
        let der = params.signed_by(&key, &issuer).unwrap().der().clone();
        (der, PrivatePkcs8KeyDer::from(key.serialize_der()))
    };
    let upstream = Upstream::fine();
    let server = Certificate::new();
    let setup = Setup::before(&upstream);
    let files = [setup.file("tls.crt", &server.pem), setup.file("tls.key", &server.key), setup.file("ca.crt", &ca)];
    let [cert, key, ca] = files.map(|file| file.to_str().unwrap().to_owned());
    let gateway = setup.arg("--tls-cert", &cert).arg("--tls-key", &key).arg("--tls-client-ca", &ca).start();
    let client = |shown: Option<(CertificateDer<'static>, PrivatePkcs8KeyDer<'static>)>| {
        let mut roots = RootCertStore::empty();
        roots.add(server.der.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            Some((der, key)) => config.with_client_auth_cert(vec![der], key.into()).unwrap(),
            None => config.with_no_client_auth(),
        };
        tls_client(&gateway, Arc::new(config))
    };
    let ((mine, my_key), other) = (made(), made());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &mine);
    let x5t = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
    let claims = crate::support::tokens::with(serde_json::json!({"cnf": {"x5t#S256": x5t}}));
    let ask = Ask::post(&crate::support::tokens::signed(&claims), call("open"));
    assert_eq!(client(Some((mine, my_key))).ask(&ask).status, 200);
    assert_eq!(client(Some(other)).ask(&ask).status, 401);
    assert_eq!(client(None).ask(&ask).status, 401);
    assert_eq!(client(None).ask(&Ask::post(&token("alice", "r"), call("open"))).status, 200);
    let metadata = Ask::method("GET", "").target("/.well-known/oauth-protected-resource/mcp");
    assert_eq!(client(None).ask(&metadata).json()["tls_client_certificate_bound_access_tokens"], true);
}

fn name() -> ServerName<'static> {
    ServerName::try_from("gateway.test").unwrap()
}

fn tls_client(gateway: &Gateway, config: Arc<ClientConfig>) -> Client {
    let stream = TcpStream::connect(gateway.public).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Client::over(StreamOwned::new(ClientConnection::new(config, name()).unwrap(), stream))
}

#[test]
fn http1_over_tls_is_served_and_clear_text_is_not() {
    let upstream = Upstream::fine();
    let certificate = Certificate::new();
    let mut gateway = certificate.before(&upstream);
    let mut client = tls_client(&gateway, certificate.client("http/1.1"));
    for _ in 0..2 {
        assert_eq!(client.ask(&Ask::post(&token("alice", "r"), large_call(200_000))).status, 200);
        assert_eq!(client.ask(&Ask::post("", large_call(200_000))).status, 401);
    }
    let mut clear = gateway.connect();
    clear.send(&Ask::post(&token("alice", "r"), call("open")).bytes());
    let mut answer = Vec::new();
    clear.rest(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{:?}", String::from_utf8_lossy(&answer));
    assert_eq!(upstream.requests().len(), 2);
    gateway.is_well();
}

#[test]
fn http2_over_tls_is_agreed_on() {
    let upstream = Upstream::fine();
    let certificate = Certificate::new();
    let gateway = certificate.before(&upstream);
    run(async {
        let stream = tokio::net::TcpStream::connect(gateway.public).await.unwrap();
        let stream = TlsConnector::from(certificate.client("h2")).connect(name(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut sender = over(stream).await;
        let body = large_call(300_000);
        assert_eq!(ask(&mut sender, post("https", &token("alice", "r"), body.clone())).await.0, 200);
        assert!(upstream.request(1).body == body.as_bytes());
        assert_eq!(ask(&mut sender, post("https", "", call("open"))).await.0, 401);
    });
}

/// Pingora's own timeouts have a clock that ticks a hundred times a second, which is most of what a gateway at rest would do.
#[test]
fn a_clock_ticks_for_http2_alone() {
    let upstream = Upstream::fine();
    let certificate = Certificate::new();
    let gateway = certificate.before(&upstream);
    let ticks = || gateway.threads().iter().any(|name| name == "Timer thread");
    let stream = TcpStream::connect(gateway.public).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let connection = ClientConnection::new(certificate.client("http/1.1"), name()).unwrap();
    let mut client = Client::over(StreamOwned::new(connection, stream));
    assert_eq!(client.ask(&Ask::post(&token("alice", "r"), call("open"))).status, 200);
    assert_eq!(gateway.admin("/readyz").status, 200);
    assert!(!ticks(), "{:?}", gateway.threads());
    run(async {
        let stream = tokio::net::TcpStream::connect(gateway.public).await.unwrap();
        let stream = TlsConnector::from(certificate.client("h2")).connect(name(), stream).await.unwrap();
        let mut sender = over(stream).await;
        assert_eq!(ask(&mut sender, post("https", &token("alice", "r"), call("open"))).await.0, 200);
        eventually("the clock under the name that it was looked for", || ticks().then_some(()));
    });
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart() {
    let upstream = Upstream::fine();
    let (old, new) = (Certificate::new(), Certificate::new());
    let gateway = old.before(&upstream);
    let is_served = |certificate: &Certificate| {
        let stream = TcpStream::connect(gateway.public).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let connection = ClientConnection::new(certificate.client("http/1.1"), name()).unwrap();
        let mut client = Client::over(StreamOwned::new(connection, stream));
        client.send_what_goes(&Ask::post("", call("open")).bytes()) && client.response().status == 401
    };
    assert!(is_served(&old) && !is_served(&new));
    // The key alone does not fit: the pair in use stays.
    std::fs::write(gateway.folder.path().join("tls.key"), &new.key).unwrap();
    eventually("the misfit noticed", || gateway.errors().contains("the certificate in use stays").then_some(()));
    assert!(is_served(&old));
    std::fs::write(gateway.folder.path().join("tls.crt"), &new.pem).unwrap();
    eventually("the new certificate", || is_served(&new).then_some(()));
}

#[test]
fn an_upstream_on_a_unix_socket_is_reached_at_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::unix(&folder.path().join("mcp.sock"), fine);
    let gateway = Gateway::before(&upstream);
    assert_eq!(gateway.admin("/readyz").status, 200);
    let mut client = gateway.connect();
    let body = large_call(1024 * 1024);
    assert_eq!(client.ask(&Ask::post(&token("alice", "r"), &*body)).status, 200);
    assert_eq!(client.ask(&Ask::post(&token("alice", "r"), call("none"))).status, 200);
    assert_eq!(client.ask(&Ask::post(&token("alice", "r"), call("open"))).status, 200);
    assert_eq!(upstream.requests().len(), 2);
    let request = upstream.request(1);
    assert!(request.body == body.as_bytes());
    assert_eq!((request.line(), request.header("host")), ("POST /mcp HTTP/1.1", Some("localhost")));
    std::fs::remove_file(folder.path().join("mcp.sock")).unwrap();
    assert_eq!(gateway.admin("/readyz").status, 503);
}

#[test]
fn a_unix_listener_serves_whoever_may_open_it() {
    let upstream = Upstream::fine();
    let setup = Setup::before(&upstream);
    let path = setup.folder().join("public.sock");
    let gateway =
        setup.arg("--listen", "127.0.0.1:0").also("--listen", &format!("unix:{}", path.display())).start();
    let stream = eventually("the socket", || std::os::unix::net::UnixStream::connect(&path).ok());
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut client = Client::over(stream);
    assert_eq!(client.ask(&Ask::post(&token("alice", "r"), call("open"))).status, 200);
    assert_eq!(client.ask(&Ask::post("", call("open"))).status, 401);
    assert_eq!(gateway.ask(&Ask::post("", call("open"))).status, 401);
}
