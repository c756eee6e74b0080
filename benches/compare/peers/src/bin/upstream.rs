//! The MCP server behind all gateways: as little as a valid one can do, so that what is measured is the gateway.
//!
//!     upstream ADDRESS=ANSWERS …
//!
//! ADDRESS is IP:PORT or unix:PATH. ANSWERS is the number of tools that are listed, `30`, or `30-sse` for answers as
//! event streams. One thread. `GET /count` tells how many messages came to all addresses; any other GET is an event
//! stream in which nothing happens. What a request says is not checked: that is what gateways are for.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;
use std::rc::Rc;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::LocalSet;

/// What one address answers, and what all addresses count.
struct Server {
    tools: String,
    events: bool,
    messages: Rc<Cell<u64>>,
}

fn main() -> Result<(), Box<dyn StdError>> {
    let addresses: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let messages = Rc::new(Cell::new(0));
        for argument in &addresses {
            let (address, answers) = argument.split_once('=').ok_or("usage: upstream ADDRESS=ANSWERS …")?;
            let (count, events) = match answers.strip_suffix("-sse") {
                Some(count) => (count, true),
                None => (answers, false),
            };
            let server = Server { tools: tools(count.parse()?), events, messages: Rc::clone(&messages) };
            listen(address, Rc::new(server)).await?;
        }
        std::future::pending().await
    })
}

async fn listen(address: &str, server: Rc<Server>) -> io::Result<()> {
    if let Some(path) = address.strip_prefix("unix:") {
        let listener = UnixListener::bind(path)?;
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(connection(stream, Rc::clone(&server)));
            }
        });
        return Ok(());
    }
    let listener = TcpListener::bind(address).await?;
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Without it an answer in two writes would wait for the peer's acknowledgement.
            if stream.set_nodelay(true).is_ok() {
                tokio::task::spawn_local(connection(stream, Rc::clone(&server)));
            }
        }
    });
    Ok(())
}

/// Serves a connection until its client leaves or sends what is no request.
async fn connection<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, server: Rc<Server>) {
    let mut input: Vec<u8> = Vec::with_capacity(2048);
    let mut output: Vec<u8> = Vec::new();
    while let Ok(Some(request)) = read_request(&mut stream, &mut input).await {
        let keeps = request.keeps;
        output.clear();
        let stands_open = answer(&request, &server, &mut output);
        input.drain(..request.length);
        if stream.write_all(&output).await.is_err() {
            return;
        }
        if stands_open {
            drop(input);
            drop(output);
            // Nothing is ever sent; what the client sends ends the stream, as its leaving does.
            let _ = stream.read_u8().await;
            return;
        }
        if !keeps {
            return;
        }
    }
}

/// One request as far as this server looks at it.
struct Request {
    /// Bytes of head and body together, as they stand in the input.
    length: usize,
    head: Vec<u8>,
    body: Vec<u8>,
    keeps: bool,
}

/// Reads until a whole request stands at the beginning of `input`; `None` when the client left.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S, input: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let mut looked = 0;
    let head = loop {
        if let Some(at) = memmem::find(&input[looked..], b"\r\n\r\n") {
            break looked + at + 4;
        }
        looked = input.len().saturating_sub(3);
        if stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    };
    let fields = String::from_utf8_lossy(&input[..head]).to_ascii_lowercase();
    let field =
        |name: &str| fields.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let keeps = match field("connection") {
        Some("close") => false,
        Some(_) => true,
        None => !fields.lines().next().is_some_and(|line| line.ends_with("http/1.0")),
    };
    let chunked = field("transfer-encoding").is_some_and(|value| value.contains("chunked"));
    let length: usize = field("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    if chunked {
        let mut body = Vec::new();
        let mut at = head;
        loop {
            let size = loop {
                if let Some(end) = memmem::find(&input[at..], b"\r\n") {
                    let line = String::from_utf8_lossy(&input[at..at + end]);
                    let digits = line.split(';').next().unwrap_or_default().trim();
                    at += end + 2;
                    break usize::from_str_radix(digits, 16).map_err(io::Error::other)?;
                }
                more(stream, input).await?;
            };
            while input.len() < at + size + 2 {
                more(stream, input).await?;
            }
            body.extend_from_slice(&input[at..at + size]);
            at += size + 2;
            if size == 0 {
                return Ok(Some(Request { length: at, head: input[..head].to_vec(), body, keeps }));
            }
        }
    }
    input.reserve((head + length).saturating_sub(input.len()));
    while input.len() < head + length {
        more(stream, input).await?;
    }
    let body = input[head..head + length].to_vec();
    Ok(Some(Request { length: head + length, head: input[..head].to_vec(), body, keeps }))
}

async fn more<S: AsyncRead + Unpin>(stream: &mut S, input: &mut Vec<u8>) -> io::Result<()> {
    if stream.read_buf(input).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Writes the answer to `output`; whether the answer is a stream that stands open.
fn answer(request: &Request, server: &Server, output: &mut Vec<u8>) -> bool {
    if request.head.starts_with(b"GET /count ") {
        let count = server.messages.get().to_string();
        write_answer(output, "text/plain", &count);
        return false;
    }
    if request.head.starts_with(b"GET ") {
        output.extend_from_slice(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        return true;
    }
    server.messages.set(server.messages.get() + 1);
    let Some((id, method)) = envelope(&request.body) else {
        output.extend_from_slice(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
        return false;
    };
    let result = match method.as_str() {
        "initialize" => INITIALIZED,
        "tools/list" => server.tools.as_str(),
        "tools/call" => CALLED,
        _ => "{}",
    };
    let mut message = String::with_capacity(result.len() + 64);
    // Writing to a `String` cannot fail.
    let _ = write!(message, r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    if server.events {
        write_answer(output, "text/event-stream", &format!("event: message\ndata: {message}\n\n"));
    } else {
        write_answer(output, "application/json", &message);
    }
    false
}

fn write_answer(output: &mut Vec<u8>, kind: &str, body: &str) {
    output.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: ");
    output.extend_from_slice(kind.as_bytes());
    output.extend_from_slice(b"\r\ncontent-length: ");
    output.extend_from_slice(body.len().to_string().as_bytes());
    output.extend_from_slice(b"\r\n\r\n");
    output.extend_from_slice(body.as_bytes());
}

/// Identifier and method of a request; `None` for a notification.
///
/// Looks at the beginning first, where our own load generator writes both: a body of 1 MiB need not be parsed by the
/// server for the gateways to be measured. What is written otherwise is parsed.
fn envelope(body: &[u8]) -> Option<(String, String)> {
    const BEGINNING: &[u8] = br#"{"jsonrpc":"2.0","id":"#;
    const METHOD: &str = r#","method":""#;
    if let Some(rest) = body.strip_prefix(BEGINNING) {
        let rest = std::str::from_utf8(&rest[..rest.len().min(80)]).ok();
        let found = rest.and_then(|rest| {
            let (id, rest) = rest.split_once(METHOD)?;
            let (method, _) = rest.split_once('"')?;
            Some((id.to_owned(), method.to_owned()))
        });
        if found.is_some() {
            return found;
        }
    }
    let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
    Some((envelope.id?.get().to_owned(), envelope.method))
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: String,
}

const INITIALIZED: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"upstream","version":"0.1.0"}}"#;
const CALLED: &str = r#"{"content":[{"type":"text","text":"four sunny days and then a week of rain, says the weather"}],"isError":false}"#;

/// The result of `tools/list`: `count` tools of about 386 bytes each.
fn tools(count: usize) -> String {
    let tools: Vec<String> = (0..count)
        .map(|number| {
            format!(
                r#"{{"name":"tool_{number}","title":"Tool {number}","description":"Looks up what is known under a key and returns it as text, with a note of when it was last changed and by whom.","inputSchema":{{"type":"object","properties":{{"key":{{"type":"string","description":"what to look for"}},"limit":{{"type":"integer","minimum":1,"maximum":100}}}},"required":["key"]}},"annotations":{{"readOnlyHint":true}}}}"#
            )
        })
        .collect();
    format!(r#"{{"tools":[{}]}}"#, tools.join(","))
}
