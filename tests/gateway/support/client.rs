//! A client that says exactly what it is told to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

use super::DEADLINE;

/// A request to be written.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    has_length: bool,
}

impl Ask {
    fn new(method: &str) -> Self {
        Self {
            method: method.into(),
            target: "/mcp".into(),
            headers: vec![("Host".into(), "gateway.test".into())],
            body: Vec::new(),
            has_length: false,
        }
    }

    /// A message.
    pub(crate) fn post(token: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut ask = Self::method("POST", token)
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream");
        ask.body = body.into();
        ask.has_length = true;
        ask
    }

    /// A request without a body.
    pub(crate) fn method(method: &str, token: &str) -> Self {
        let ask = Self::new(method);
        if token.is_empty() { ask } else { ask.header("Authorization", &format!("Bearer {token}")) }
    }

    pub(crate) fn get(token: &str) -> Self {
        Self::method("GET", token).header("Accept", "text/event-stream")
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn instead(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    pub(crate) fn instead_of_post(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    pub(crate) fn target(mut self, target: &str) -> Self {
        self.target = target.into();
        self
    }

    /// The framing is what the headers say, right or wrong.
    pub(crate) fn without_length(mut self) -> Self {
        self.has_length = false;
        self
    }

    /// The body in chunks of `size` bytes.
    pub(crate) fn chunked(mut self, size: usize) -> Self {
        let mut body = Vec::new();
        for chunk in self.body.chunks(size) {
            body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        self.body = body;
        self.without_length().header("Transfer-Encoding", "chunked")
    }

    /// Without the body.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.has_length {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        text.into()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header that is there once or not at all.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice in {self:?}");
        first
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// A connection to the gateway.
pub(crate) struct Client {
    stream: BufReader<Box<dyn Wire>>,
    socket: Option<TcpStream>,
    last: Framing,
    method: String,
    /// What came behind an event in the same chunk.
    behind: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClosed,
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let socket = stream.try_clone().unwrap();
        Self { socket: Some(socket), ..Self::over(stream) }
    }

    pub(crate) fn over(stream: impl Wire + 'static) -> Self {
        let stream = BufReader::<Box<dyn Wire>>::new(Box::new(stream));
        Self { stream, socket: None, last: Framing::Length(0), method: String::new(), behind: Vec::new() }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.method = bytes.split(|byte| *byte == b' ').next().map(|m| String::from_utf8_lossy(m).into()).unwrap();
        self.more(bytes);
    }

    /// More of what was begun.
    #[track_caller]
    pub(crate) fn more(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
        self.stream.get_mut().flush().unwrap();
    }

    /// Sends what can be sent: the other side may have had enough.
    pub(crate) fn send_what_goes(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_mut().write_all(bytes).and_then(|()| self.stream.get_mut().flush()).is_ok()
    }

    /// Says that nothing more will come.
    pub(crate) fn end_sending(&self) {
        self.socket.as_ref().unwrap().shutdown(Shutdown::Write).unwrap();
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, ask: &Ask) -> Response {
        self.send(&ask.bytes());
        self.response()
    }

    /// A whole answer.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.response_head();
        match self.last {
            Framing::Length(length) => {
                response.body = vec![0; length];
                self.stream.read_exact(&mut response.body).unwrap();
            }
            Framing::Chunked => {
                while let Some(chunk) = self.chunk() {
                    response.body.extend_from_slice(&chunk);
                }
            }
            Framing::UntilClosed => {
                self.stream.read_to_end(&mut response.body).unwrap();
            }
        }
        response
    }

    /// The head of an answer.
    #[track_caller]
    pub(crate) fn response_head(&mut self) -> Response {
        let line = self.line();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
        let mut response = Response { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            response.headers.push((name.into(), value.trim().into()));
        }
        let length = response.header("content-length").map(|length| length.parse().unwrap());
        self.last = match length {
            _ if self.method == "HEAD" || matches!(status, 204 | 304) || status < 200 => Framing::Length(0),
            Some(length) => Framing::Length(length),
            None if response.header("transfer-encoding").is_some() => Framing::Chunked,
            None => Framing::UntilClosed,
        };
        response
    }

    /// The next chunk of a chunked answer; none at its proper end.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        self.try_chunk().unwrap()
    }

    pub(crate) fn try_chunk(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        if !self.behind.is_empty() {
            return Ok(Some(std::mem::take(&mut self.behind)));
        }
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim_end(), 16);
        let length = length.map_err(|_| std::io::Error::other(format!("no chunk: {line:?}")))?;
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk)?;
        assert!(chunk.ends_with(b"\r\n"));
        chunk.truncate(length);
        Ok((length > 0).then_some(chunk))
    }

    /// What comes next on a stream, up to the blank line that ends an event; none at its proper end.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Option<String> {
        let mut text = Vec::new();
        loop {
            match self.chunk() {
                Some(chunk) => text.extend_from_slice(&chunk),
                None if text.is_empty() => return None,
                None => panic!("half an event: {:?}", String::from_utf8_lossy(&text)),
            }
            if let Some(end) = text.windows(2).position(|end| end == b"\n\n") {
                self.behind = text.split_off(end + 2);
                return Some(String::from_utf8(text).unwrap());
            }
        }
    }

    /// Whether the gateway closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        }
    }

    /// All that comes until the connection ends, however it ends.
    pub(crate) fn rest(&mut self, into: &mut Vec<u8>) {
        let _ = self.stream.read_to_end(into);
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "the connection ended: {line:?}");
        line.truncate(line.len() - 2);
        line
    }
}
