//! The endpoint: its path, its names, its listeners, its end.

use http::{Method, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tokio::{net::UnixStream, sync::oneshot};
use upstream_mcp::{ENDPOINT, Listen, ListenError, Options, bind_unix, serve_unix};

use crate::support::{Client, Upstream, fresh_path, request, within};

#[tokio::test]
async fn answers_404_everywhere_else() {
    let upstream = Upstream::start().await;
    let mut client = upstream.client().await;
    for path in ["/", "/mcp/", "/mcpx", "/MCP", "/mcp/mcp", "/.well-known/oauth-protected-resource"] {
        let request = request(Method::GET, path, &[]).body(Full::default()).unwrap();
        assert_eq!(client.send(request).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn accepts_only_loopback_names_on_loopback() {
    let upstream = Upstream::start().await;
    for (host, status) in [
        ("localhost", StatusCode::OK),
        ("127.0.0.1:9000", StatusCode::OK),
        ("[::1]:9000", StatusCode::OK),
        ("evil.example", StatusCode::FORBIDDEN),
    ] {
        let answer = upstream.client().await.post(&[("host", host)], &initialize()).await;
        assert_eq!(answer.status, status, "{host}");
    }
}

#[tokio::test]
async fn serves_a_unix_socket_under_any_name() {
    let path = fresh_path();
    // What a server leaves behind that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = bind_unix(&path).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { stopped.await.unwrap_or_default() };
    let served = tokio::spawn(serve_unix(listener, Options::default(), shutdown));
    let mut client = Client::over(UnixStream::connect(&path).await.unwrap()).await;
    let answer = client.post(&[("host", "documents.internal")], &initialize()).await;
    assert_eq!(answer.last().await["result"]["serverInfo"]["name"], "upstream-mcp");
    assert!(bind_unix(&path).is_err(), "a socket in use is not taken away");
    stop.send(()).unwrap();
    within(served).await.unwrap().unwrap();
}

#[tokio::test]
async fn stops_with_a_stream_open() {
    let upstream = Upstream::start().await;
    let mut client = upstream.client().await;
    let answer = client.post(&[], &initialize()).await;
    let session = answer.headers["mcp-session-id"].to_str().unwrap().to_owned();
    answer.last().await;
    let request = request(Method::GET, ENDPOINT, &[("mcp-session-id", &session)]);
    let mut stream = client.send(request.body(Full::default()).unwrap()).await;
    assert!(stream.is_event_stream());
    upstream.stop().await;
    assert_eq!(stream.next().await, None);
}

#[test]
fn reads_listen_addresses() {
    let check = |text: &str, expected| assert_eq!(text.parse::<Listen>(), expected, "{text}");
    check("127.0.0.1:0", Ok(Listen::Tcp("127.0.0.1:0".parse().unwrap())));
    check("[::1]:9000", Ok(Listen::Tcp("[::1]:9000".parse().unwrap())));
    check("unix:/run/a.sock", Ok(Listen::Unix("/run/a.sock".into())));
    check("unix:", Err(ListenError::Malformed("unix:".to_owned())));
    check("9000", Err(ListenError::Malformed("9000".to_owned())));
}

fn initialize() -> serde_json::Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    } })
}
