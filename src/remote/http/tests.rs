use std::fs;

use super::super::fake::{Fake, Reply};
use super::*;
use crate::settings::Reach;

/// A reach to which this URL was written by the operator.
fn reach(url: &str) -> Reach {
    let host = ProviderUrl::read(url).unwrap().host().to_owned();
    Reach { literals: vec![host], timeout: Duration::from_secs(5), ..Reach::default() }
}

async fn get(url: &str) -> Result<Answer, Unanswered> {
    Client::new(&reach(url)).unwrap().ask(&ProviderUrl::read(url).unwrap(), Question::Get).await
}

/// Asked, the provider that answers so gives no answer, for this reason.
async fn check(reply: impl Fn() -> Reply + Send + Sync + 'static, expected: &str) {
    let fake = Fake::start(move |_| reply());
    let no = get(&fake.url("/")).await.err().expect(expected).to_string();
    assert!(no.contains(expected), "{no}");
}

#[tokio::test]
async fn asks_for_what_the_url_says() {
    let fake = Fake::start(|_| Reply::With("Cache-Control: public, Max-Age=7", "hello".to_owned()));
    let answer = get(&fake.url("/a/b?c=d")).await.ok().unwrap();
    assert_eq!((&answer.body[..], answer.max_age), (&b"hello"[..], Some(Duration::from_secs(7))));
    let seen = fake.seen();
    assert_eq!(seen[0].line, "GET /a/b?c=d");
    assert!(seen[0].head.contains(&format!("host: {}", fake.address)), "{seen:?}");
    assert!(!seen[0].head.iter().any(|line| line.starts_with("accept-encoding") || line.starts_with("cookie")));
}

#[tokio::test]
async fn posts_forms_and_json() {
    let fake = Fake::start(|_| Reply::Text("{}".to_owned()));
    let (url, text) = (ProviderUrl::read(&fake.url("/x")).unwrap(), "a=b".to_owned());
    let client = Client::new(&reach(&fake.url(""))).unwrap();
    let authorization = Some(HeaderValue::from_static("Basic eDp5"));
    client.ask(&url, Question::Form { body: text, authorization }).await.ok().unwrap();
    client.ask(&url, Question::Json("{}".to_owned())).await.ok().unwrap();
    let seen = fake.seen();
    assert_eq!((seen[0].line.as_str(), seen[0].body.as_str()), ("POST /x", "a=b"));
    assert!(seen[0].head.contains(&"content-type: application/x-www-form-urlencoded".to_owned()));
    assert!(seen[0].head.contains(&"authorization: Basic eDp5".to_owned()));
    assert!(seen[1].head.contains(&"content-type: application/json".to_owned()) && seen[1].body == "{}");
    assert_eq!(seen[0].connection, seen[1].connection, "the connection is used again");
}

#[tokio::test]
async fn only_200_is_an_answer_and_redirects_are_not_followed() {
    let elsewhere = Fake::start(|_| Reply::Text("secret".to_owned()));
    let place = elsewhere.url("/");
    check(move || Reply::To(place.clone()), "answered 302, a redirect").await;
    assert!(elsewhere.seen().is_empty());
    for status in [201, 204, 400, 401, 404, 500, 503] {
        check(move || Reply::Status(status), &format!("answered {status}")).await;
    }
}

#[tokio::test]
async fn answers_are_bounded() {
    let huge = || Reply::Text("x".repeat(MOST_BYTES + 1));
    check(huge, "more than 1 MiB").await;
    check(|| Reply::Text("x".repeat(3 * MOST_BYTES)), "more than 1 MiB").await;
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(17));
    check(move || Reply::Raw(chunked.clone().into_bytes()), "more than 1 MiB").await;
    check(|| Reply::Endless(b"X-A: bcdefghijklmnop\r\n"), "not HTTP").await;
    let fake = Fake::start(|_| Reply::Text("x".repeat(MOST_BYTES)));
    assert_eq!(get(&fake.url("/")).await.ok().unwrap().body.len(), MOST_BYTES);
}

#[tokio::test]
async fn answers_are_whole_plain_http() {
    check(|| Reply::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()), "not HTTP").await;
    check(|| Reply::Raw(Vec::new()), "broke off").await;
    check(|| Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort".to_vec()), "broke off").await;
    check(|| Reply::With("Content-Encoding: gzip", "x".to_owned()), "content encoding").await;
}

#[tokio::test]
async fn slow_answers_are_none() {
    for bytes in
        [&b"HTTP/1.1 200 OK\r\nX: y\r\nX: z\r\n"[..], b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\nxxxxxxx"]
    {
        let fake = Fake::start(move |_| Reply::Drip(bytes));
        let reach = Reach { timeout: Duration::from_millis(150), ..reach(&fake.url("/")) };
        let url = ProviderUrl::read(&fake.url("/")).unwrap();
        let no = Client::new(&reach).unwrap().ask(&url, Question::Get).await.err().unwrap();
        assert_eq!(no, Unanswered::TooSlow(url.authority(), Duration::from_millis(150)));
    }
}

#[tokio::test]
async fn nobody_there_is_said_so() {
    let no = get(&format!("http://{}/", Fake::nobody())).await.err().unwrap();
    assert!(matches!(no, Unanswered::Unreachable(..)), "{no}");
    let url = ProviderUrl::read("https://does-not-exist.invalid/").unwrap();
    let no = Client::new(&Reach::default()).unwrap().ask(&url, Question::Get).await.err().unwrap();
    assert!(matches!(no, Unanswered::Unresolved(..)), "{no}");
}

#[tokio::test]
async fn addresses_are_looked_at_before_anything_is_sent() {
    let fake = Fake::start(|_| Reply::Text(String::new()));
    let port = fake.address.port();
    let ask = async |reach: &Reach, url: String| {
        let no = Client::new(reach).unwrap().ask(&ProviderUrl::read(&url).unwrap(), Question::Get).await;
        no.err().map(|no| no.to_string()).unwrap_or_default()
    };
    let strict = Reach::default();
    let clear = Reach { allow_http: true, ..Reach::default() };
    assert!(ask(&strict, fake.url("/")).await.contains("is not https"));
    assert!(ask(&clear, fake.url("/")).await.contains("127.0.0.1, which is not a public one"));
    // A name that leads here: what a name server says is looked at as well.
    assert!(ask(&clear, format!("http://localhost:{port}/")).await.contains("which is not a public one"));
    assert!(ask(&clear, format!("http://[::ffff:127.0.0.1]:{port}/")).await.contains("not a public one"));
    assert!(ask(&clear, format!("https://10.0.0.1:{port}/")).await.contains("not a public one"));
    assert!(ask(&clear, "http://169.254.169.254/latest/meta-data/".to_owned()).await.contains("not a public one"));
    assert!(fake.seen().is_empty());
    let literal = Reach { literals: vec!["localhost".to_owned()], ..Reach::default() };
    assert_eq!(ask(&literal, format!("http://localhost:{port}/")).await, "");
    assert_eq!(fake.seen()[0].head.iter().filter(|line| **line == format!("host: localhost:{port}")).count(), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let fake = Fake::start(|_| Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()));
    let (url, client) = (ProviderUrl::read(&fake.url("/")).unwrap(), Client::new(&reach(&fake.url("/"))).unwrap());
    for _ in 0..10 {
        assert_eq!(&client.ask(&url, Question::Get).await.ok().unwrap().body[..], b"ok");
    }
}

/// A TLS server for `names`, and the authority that vouches for it.
async fn tls_server(names: &[&str]) -> (SocketAddr, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&own, &issuer).unwrap();
    let secret = rustls::pki_types::PrivateKeyDer::try_from(own.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], secret).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            let _ = stream.shutdown().await;
        }
    });
    (address, authority.pem())
}

#[tokio::test]
async fn certificates_are_checked_against_public_authorities_and_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let (address, authority) = tls_server(&["localhost"]).await;
    let file = folder.path().join("ca.pem");
    fs::write(&file, authority).unwrap();
    let literals = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let public = Reach { literals, ..Reach::default() };
    let own = Reach { ca_file: Some(file), ..public.clone() };
    let ask = async |reach: &Reach, host: &str| {
        let url = ProviderUrl::read(&format!("https://{host}:{}/", address.port())).unwrap();
        Client::new(reach).unwrap().ask(&url, Question::Get).await
    };
    assert_eq!(&ask(&own, "localhost").await.ok().unwrap().body[..], b"ok");
    assert!(matches!(ask(&public, "localhost").await.err(), Some(Unanswered::Tls(..))));
    assert!(matches!(ask(&own, "127.0.0.1").await.err(), Some(Unanswered::Tls(..))), "the name is another");
    let clear = Fake::start(|_| Reply::Text(String::new()));
    let no = get(&format!("https://{}/", clear.address)).await.err();
    assert!(matches!(no, Some(Unanswered::Tls(..))), "{no:?}");
}

#[test]
fn what_is_fresh_for_how_long() {
    let age = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CACHE_CONTROL, value.parse().unwrap());
        }
        max_age(&headers).map(|age| age.as_secs())
    };
    assert_eq!(age(&[]), None);
    assert_eq!(age(&["public"]), None);
    assert_eq!(age(&["public, max-age=60"]), Some(60));
    assert_eq!(age(&["public", "MAX-AGE=\"60\""]), Some(60));
    assert_eq!(age(&["max-age=60, no-store"]), Some(0));
    assert_eq!(age(&["max-age=x"]), None);
    assert_eq!(age(&["max-age=-1"]), None);
}
