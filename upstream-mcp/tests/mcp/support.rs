//! A server to test, and a small client for it.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use upstream_mcp::{ENDPOINT, Options, serve_tcp};

/// A path in this build's own temporary directory that no other test has.
pub(crate) fn fresh_path() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("upstream-{}-{count}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

/// A running server on a loopback port.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    calls_log: PathBuf,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls_log = fresh_path();
        let options = Options { calls_log: Some(calls_log.clone()), ..options };
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve_tcp(listener, options, async { stopped.await.unwrap_or_default() }));
        Self { address, calls_log, stop, served }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::over(TcpStream::connect(self.address).await.unwrap()).await
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        std::fs::read_to_string(&self.calls_log).unwrap().lines().map(str::to_owned).collect()
    }

    /// Waits for a call to be recorded.
    pub(crate) async fn recorded(&self, call: &str) {
        let recorded = async {
            while !self.calls().iter().any(|line| line == call) {
                tokio::task::yield_now().await;
            }
        };
        within(recorded).await;
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        within(self.served).await.unwrap().unwrap();
    }
}

/// Fails instead of hanging.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.unwrap()
}

/// One HTTP/1.1 connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    /// Sends any request.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Answer {
        within(self.sender.ready()).await.unwrap();
        Answer::new(within(self.sender.send_request(request)).await.unwrap())
    }

    /// Posts `message` to the endpoint.
    pub(crate) async fn post(&mut self, headers: &[(&str, &str)], message: &Value) -> Answer {
        let request = request(Method::POST, ENDPOINT, headers).header("content-type", "application/json");
        self.send(request.body(Full::from(message.to_string())).unwrap()).await
    }
}

/// Starts a request that accepts what an MCP client accepts.
pub(crate) fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> http::request::Builder {
    let request =
        Request::builder().method(method).uri(path).header("accept", "application/json, text/event-stream");
    let has_host = headers.iter().any(|(name, _)| *name == "host");
    let request = if has_host { request } else { request.header("host", "localhost") };
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

/// An answer whose messages can be read one by one, whether it is JSON or an event stream.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    unread: String,
}

impl Answer {
    fn new(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status, headers: head.headers, body, unread: String::new() }
    }

    pub(crate) fn is_event_stream(&self) -> bool {
        self.headers.get("content-type").is_some_and(|value| value == "text/event-stream")
    }

    /// The next message, or `None` at the end of the body.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let separator = if self.is_event_stream() { self.unread.find("\n\n") } else { None };
            if let Some(at) = separator {
                let rest = self.unread.split_off(at);
                let event = std::mem::replace(&mut self.unread, rest.trim_start_matches('\n').to_owned());
                // A priming event and a comment have no message.
                if let Some(message) = event.lines().find_map(|line| line.strip_prefix("data: {")) {
                    return Some(serde_json::from_str(&format!("{{{message}")).unwrap());
                }
                continue;
            }
            match within(self.body.frame()).await {
                Some(frame) => {
                    self.unread.push_str(std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap())
                }
                None if self.is_event_stream() || self.unread.is_empty() => return None,
                None => return Some(serde_json::from_str(&std::mem::take(&mut self.unread)).unwrap()),
            }
        }
    }

    /// The last message, with everything before it thrown away.
    pub(crate) async fn last(mut self) -> Value {
        let mut last = Value::Null;
        while let Some(message) = self.next().await {
            last = message;
        }
        last
    }
}

/// The `name`s of a list.
pub(crate) fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

/// The text of a tool's result.
pub(crate) fn text(message: &Value) -> &str {
    message["result"]["content"][0]["text"].as_str().unwrap()
}
