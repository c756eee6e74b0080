//! One request after the other to a server, each on a connection of its own.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::json::quoted;
use crate::message::sse::EventStream;
use crate::settings::Upstream;

/// How long one answer may take.
const LONGEST: Duration = Duration::from_secs(30);
/// How large one may be, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("the server wants a token: it answered {0}; give one with --token-file")]
    Unauthorized(u16),
    #[error("the server answered {0}")]
    Status(u16),
    #[error("{0}")]
    Other(String),
}

impl Trouble {
    fn of(what: &str, error: &dyn std::fmt::Display) -> Self {
        Self::Other(format!("{what}: {error}"))
    }
}

/// What a server says to a request.
#[derive(Debug)]
pub(super) enum Said {
    Result {
        /// The whole message.
        document: String,
        /// Its `result`.
        result: String,
    },
    /// `error.code`
    Error(i64),
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Code>,
}

#[derive(Deserialize)]
struct Code {
    code: i64,
}

/// A server, and what must be sent along with every request.
pub(super) struct Line {
    upstream: Upstream,
    authorization: Option<HeaderValue>,
    session: Option<HeaderValue>,
    version: Option<HeaderValue>,
    is_modern: bool,
    next_id: u64,
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Line {
    pub(super) fn new(upstream: &Upstream, token: Option<&str>) -> Result<Self, Trouble> {
        let header = |token: &str| {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_| Trouble::Other("the token cannot be sent in a header".into()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Self {
            upstream: upstream.clone(),
            authorization: token.map(header).transpose()?,
            session: None,
            version: None,
            is_modern: false,
            next_id: 1,
        })
    }

    /// From here on this version is spoken, in the session that the server began, if it did.
    pub(super) fn in_session(&mut self, version: &str) {
        self.version = HeaderValue::from_str(version).ok();
    }

    /// From here on 2026-07-28 is spoken.
    pub(super) fn without_session(&mut self) {
        self.session = None;
        self.version = Some(HeaderValue::from_static("2026-07-28"));
        self.is_modern = true;
    }

    /// Sends a request and waits for what is said to it.
    pub(super) async fn ask(&mut self, method: &str, params: &str) -> Result<Said, Trouble> {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        let params = if self.is_modern { with_meta(params) } else { params.to_owned() };
        let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":{},\"params\":{params}}}", quoted(method));
        let asked = async {
            let answer = self.send(Method::POST, Some(method), body).await?;
            let status = answer.status().as_u16();
            let begun = answer.headers().get(SESSION).cloned().filter(|_| method == "initialize");
            let said = said(answer, id).await;
            match (said, status) {
                (_, 401 | 403) => Err(Trouble::Unauthorized(status)),
                // What is said under another status is said all the same, if it is an error.
                (Ok(Some(said @ Said::Error(_))), _) | (Ok(Some(said)), 200..=299) => Ok((said, begun)),
                (Err(trouble), 200..=299) => Err(trouble),
                (Ok(None), 200..=299) => Err(Trouble::Other(format!("`{method}` was not answered"))),
                _ => Err(Trouble::Status(status)),
            }
        };
        let (said, begun) = in_time(method, asked).await?;
        if begun.is_some() {
            self.session = begun;
        }
        Ok(said)
    }

    /// Sends a notification.
    pub(super) async fn tell(&self, method: &str) -> Result<(), Trouble> {
        let body = format!("{{\"jsonrpc\":\"2.0\",\"method\":{}}}", quoted(method));
        let answer = in_time(method, self.send(Method::POST, Some(method), body)).await?;
        if answer.status().is_success() { Ok(()) } else { Err(Trouble::Status(answer.status().as_u16())) }
    }

    /// Ends the session, if there is one.
    pub(super) async fn end(self) {
        if self.session.is_some() {
            // Whoever does not know how to end one ends it some time.
            let _ = in_time("DELETE", self.send(Method::DELETE, None, String::new())).await;
        }
    }

    async fn send(
        &self,
        method: Method,
        mirrored: Option<&str>,
        body: String,
    ) -> Result<Response<Incoming>, Trouble> {
        let request = Request::builder()
            .method(method)
            .uri(self.upstream.path())
            .header(HOST, self.upstream.authority())
            .header(ACCEPT, "application/json, text/event-stream");
        let request = mirrored.iter().fold(request, |request, _| request.header(CONTENT_TYPE, "application/json"));
        let mirrored = mirrored.filter(|_| self.is_modern);
        let request = mirrored.iter().fold(request, |request, method| request.header("mcp-method", *method));
        let extra = [(AUTHORIZATION, &self.authorization), (SESSION, &self.session), (VERSION, &self.version)];
        let request = extra.into_iter().fold(request, |request, (name, value)| match value {
            Some(value) => request.header(name, value),
            None => request,
        });
        let request =
            request.body(Full::new(Bytes::from(body))).map_err(|error| Trouble::of("the request", &error))?;
        let io = self.connect().await.map_err(|error| Trouble::of("the server cannot be reached", &error))?;
        let broken = |error: hyper::Error| Trouble::of("the server does not speak HTTP", &error);
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(broken)?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(broken)
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Io>> {
        Ok(match &self.upstream {
            Upstream::Tcp { host, port, .. } => Box::new(TcpStream::connect((host.as_str(), *port)).await?),
            Upstream::Unix { socket, .. } => Box::new(UnixStream::connect(socket).await?),
        })
    }
}

async fn in_time<T>(what: &str, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let late = |_| Trouble::Other(format!("`{what}` was not answered within {} seconds", LONGEST.as_secs()));
    timeout(LONGEST, work).await.map_err(late)?
}

/// The parameters with what every request of 2026-07-28 says of its client.
fn with_meta(params: &str) -> String {
    let version = quoted(env!("CARGO_PKG_VERSION"));
    let meta = format!(
        "\"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
         \"io.modelcontextprotocol/clientInfo\":{{\"name\":\"toolgate\",\"version\":{version}}},\
         \"io.modelcontextprotocol/clientCapabilities\":{{}}}}"
    );
    match params.strip_prefix('{') {
        Some("}") | None => format!("{{{meta}}}"),
        Some(rest) => format!("{{{meta},{rest}"),
    }
}

/// What the answer says to the request with this id; nothing where it says nothing to it.
async fn said(answer: Response<Incoming>, id: u64) -> Result<Option<Said>, Trouble> {
    let content = answer.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_stream = content.to_ascii_lowercase().starts_with(b"text/event-stream");
    let mut body = answer.into_body();
    let (mut events, mut whole, mut found, mut taken) = (EventStream::new(LARGEST), Vec::new(), None, 0_usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Trouble::of("the answer broke off", &error))?;
        let Ok(data) = frame.into_data() else { continue };
        taken = taken.saturating_add(data.len());
        if taken > LARGEST {
            return Err(Trouble::Other("the answer is too large".into()));
        }
        if !is_stream {
            whole.extend_from_slice(&data);
            continue;
        }
        let mut take = |event: crate::message::sse::Event<'_>| {
            let data = event.data().unwrap_or_default();
            found = found.take().or_else(|| reply(&data, id));
        };
        events.push(&data, &mut take).map_err(|_| Trouble::Other("an event is too large".into()))?;
        // What comes behind the answer is for others.
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(if is_stream { None } else { reply(&whole, id) })
}

fn reply(document: &[u8], id: u64) -> Option<Said> {
    let document = std::str::from_utf8(document).ok()?;
    let reply: Reply<'_> = serde_json::from_str(document).ok()?;
    let has_id = reply.id.is_some_and(|written| written.get() == id.to_string());
    match (reply.result, reply.error) {
        (Some(result), None) if has_id => {
            Some(Said::Result { result: result.get().to_owned(), document: document.to_owned() })
        }
        // What could not be read has no id that an error could name.
        (None, Some(error)) if has_id || reply.id.is_none_or(|id| id.get() == "null") => {
            Some(Said::Error(error.code))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_answers_the_request_is_taken() {
        let is = |text: &str| match reply(text.as_bytes(), 7) {
            Some(Said::Result { result, .. }) => result,
            Some(Said::Error(code)) => code.to_string(),
            None => "none".to_owned(),
        };
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{"a":1}}"#, r#"{"a":1}"#),
            (r#"{"id":7,"error":{"code":-32601,"message":""}}"#, "-32601"),
            (r#"{"id":null,"error":{"code":-32600,"message":""}}"#, "-32600"),
            (r#"{"error":{"code":-32600,"message":""}}"#, "-32600"),
            (r#"{"id":8,"result":{}}"#, "none"),
            (r#"{"id":"7","result":{}}"#, "none"),
            (r#"{"id":7,"result":{},"error":{"code":1}}"#, "none"),
            (r#"{"id":7,"id":7,"result":{}}"#, "none"),
            (r#"{"id":7,"method":"ping"}"#, "none"),
            (r#"[{"id":7,"result":{}}]"#, "none"),
            ("", "none"),
        ] {
            assert_eq!(is(text), expected, "{text}");
        }
    }

    #[test]
    fn a_modern_request_says_who_asks() {
        for (params, more) in [("{}", 0), ("{\"cursor\":\"a\"}", 1)] {
            let with: serde_json::Value = serde_json::from_str(&with_meta(params)).unwrap();
            assert_eq!(with["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
            assert_eq!(with.as_object().unwrap().len(), 1 + more);
        }
    }
}
