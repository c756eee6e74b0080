//! An MCP server that does what a test says, byte for byte, and remembers all that it was told.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{Gate, eventually};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The number of its connection, from 1.
    pub(crate) connection: usize,
    /// Request line and headers, as written.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.head.lines().skip(1).filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        let first = found.next();
        assert!(found.next().is_none(), "{name} twice in {}", self.head);
        first
    }

    /// The id of the message, as written.
    pub(crate) fn id(&self) -> String {
        let message: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        message["id"].to_string()
    }
}

/// What the upstream does next.
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Sends these bytes over and over, until the other side has had enough.
    Flood(Vec<u8>),
    /// Waits for the test.
    Wait(Gate),
    /// Tells the test that it has come this far.
    Open(Gate),
    /// Waits until the gateway closes the connection, and tells the test.
    UntilLeft(Gate),
    Close,
}

impl<T: Into<Vec<u8>>> From<T> for Step {
    fn from(bytes: T) -> Self {
        Self::Send(bytes.into())
    }
}

/// A whole answer in JSON.
pub(crate) fn json(body: &str) -> Vec<Step> {
    with_length("200 OK", "Content-Type: application/json\r\n", body)
}

/// A whole answer with a length.
pub(crate) fn with_length(status: &str, headers: &str, body: &str) -> Vec<Step> {
    vec![format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into()]
}

/// A successful answer to any request.
pub(crate) fn fine(request: &Request) -> Vec<Step> {
    if request.line().starts_with("POST") && request.id() != "null" {
        json(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"said":"fine"}}}}"#, request.id()))
    } else {
        with_length("202 Accepted", "", "")
    }
}

/// The head of a stream.
pub(crate) fn stream_head() -> Step {
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".into()
}

pub(crate) fn chunk(text: &str) -> Step {
    format!("{:x}\r\n{text}\r\n", text.len()).into()
}

/// One event with this data, as a chunk.
pub(crate) fn event(data: &str) -> Step {
    chunk(&format!("data: {data}\n\n"))
}

pub(crate) fn last_chunk() -> Step {
    "0\r\n\r\n".into()
}

type Answer = dyn Fn(&Request) -> Vec<Step> + Send + Sync;

/// The upstream.
pub(crate) struct Upstream {
    /// As `--upstream` wants it.
    pub(crate) url: String,
    state: Arc<State>,
}

struct State {
    answer: Box<Answer>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    open: AtomicUsize,
}

trait Wire: Read + Write + Send {
    fn close(&self);
}

impl Wire for TcpStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Wire for UnixStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Upstream {
    pub(crate) fn new(answer: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let state = State::new(answer);
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                let _ = stream.set_nodelay(true);
                serving.accept(stream);
            }
        });
        Self { url, state }
    }

    /// One that says [`fine`] to everything.
    pub(crate) fn fine() -> Self {
        Self::new(fine)
    }

    /// One that resets each connection as soon as it is told something.
    pub(crate) fn resetting() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                // What is closed with something unread is reset.
                std::thread::spawn(move || stream.peek(&mut [0]));
            }
        });
        Self { url, state: State::new(fine) }
    }

    /// One that nobody reaches.
    pub(crate) fn down() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { url: format!("http://{}/mcp", listener.local_addr().unwrap()), state: State::new(fine) }
    }

    pub(crate) fn unix(path: &Path, answer: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let state = State::new(answer);
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                serving.accept(stream);
            }
        });
        Self { url: format!("unix:{}#/mcp", path.display()), state }
    }

    /// What arrived so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The last request, once `count` have arrived.
    #[track_caller]
    pub(crate) fn request(&self, count: usize) -> Request {
        eventually(&format!("request {count} at the upstream"), || self.requests().get(count - 1).cloned())
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

impl State {
    fn new(answer: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            requests: Mutex::default(),
            connections: AtomicUsize::default(),
            open: AtomicUsize::default(),
        })
    }

    fn accept(self: &Arc<Self>, mut stream: impl Wire + 'static) {
        let number = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        self.open.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(self);
        std::thread::spawn(move || {
            let _ = state.serve(&mut stream, number);
            stream.close();
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
    }

    fn serve(&self, stream: &mut dyn Wire, connection: usize) -> std::io::Result<()> {
        let mut held = Vec::new();
        while let Some(request) = read_request(stream, &mut held, connection)? {
            self.requests.lock().unwrap().push(request.clone());
            for step in (self.answer)(&request) {
                match step {
                    Step::Send(bytes) => stream.write_all(&bytes)?,
                    Step::Flood(bytes) => loop {
                        stream.write_all(&bytes)?;
                    },
                    Step::Wait(gate) => gate.wait(),
                    Step::Open(gate) => gate.open(),
                    Step::UntilLeft(left) => {
                        while stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {}
                        left.open();
                        return Ok(());
                    }
                    Step::Close => return Ok(()),
                }
            }
        }
        Ok(())
    }
}

/// Reads one request with its length or its chunks. What comes after it stays in `held`.
fn read_request(stream: &mut dyn Wire, held: &mut Vec<u8>, connection: usize) -> std::io::Result<Option<Request>> {
    let end = loop {
        if let Some(at) = held.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if !more(stream, held)? {
            return Ok(None);
        }
    };
    let head = String::from_utf8(held.drain(..end).collect()).unwrap();
    let mut request = Request { connection, head, body: Vec::new() };
    assert_eq!(request.header("transfer-encoding"), None, "what is judged whole has a length");
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    while held.len() < length {
        if !more(stream, held)? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    request.body = held.drain(..length).collect();
    Ok(Some(request))
}

fn more(stream: &mut dyn Wire, held: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut buffer = vec![0; 64 * 1024];
    let count = stream.read(&mut buffer)?;
    held.extend_from_slice(&buffer[..count]);
    Ok(count > 0)
}
