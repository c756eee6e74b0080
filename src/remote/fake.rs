//! A provider for tests: as helpful, as hostile or as absent as a test wants it.

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Method and target.
    pub(super) line: String,
    /// The header lines, names in lower case.
    pub(super) head: Vec<String>,
    pub(super) body: String,
    /// The number of the connection.
    pub(super) connection: usize,
}

/// What is answered.
pub(super) enum Reply {
    /// 200 and this text.
    Text(String),
    /// 200, this text and this header.
    With(&'static str, String),
    /// This status and no content.
    Status(u16),
    /// A redirect.
    To(String),
    /// These bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// These bytes for ever.
    Endless(&'static [u8]),
    /// These bytes one by one, for ever.
    Drip(&'static [u8]),
    /// 200 and this text, when the gate is open.
    Held(Arc<Gate>, String),
}

/// What holds answers back until it is opened.
#[derive(Default)]
pub(super) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(super) fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        drop(self.opened.wait_while(self.is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
    }
}

/// A fake provider on loopback, gone when it is dropped.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    pub(super) fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (seen, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream.unwrap(), connection, &seen, &*answer));
            }
        });
        Self { address, seen }
    }

    /// Where nobody is.
    pub(super) fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often this was asked for.
    pub(super) fn count(&self, line: &str) -> usize {
        self.seen().iter().filter(|seen| seen.line == line).count()
    }
}

fn serve(mut stream: TcpStream, connection: usize, all: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen) -> Reply) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(seen) = read(&mut reader, connection) {
        all.lock().unwrap().push(seen.clone());
        if write(&mut stream, answer(&seen)).is_none() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>, connection: usize) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let head: Vec<String> = lines[1..]
        .iter()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .collect();
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let line = lines[0].strip_suffix(" HTTP/1.1").unwrap().to_owned();
    Some(Seen { line, head, body: String::from_utf8(body).unwrap(), connection })
}

fn write(stream: &mut impl Write, reply: Reply) -> Option<()> {
    let text = |header: &str, text: &str| {
        format!("HTTP/1.1 200 OK\r\n{header}Content-Length: {}\r\n\r\n{text}", text.len())
    };
    let bytes = match reply {
        Reply::Text(content) => text("", &content).into_bytes(),
        Reply::With(header, content) => text(&format!("{header}\r\n"), &content).into_bytes(),
        Reply::Status(status) => format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").into_bytes(),
        Reply::To(place) => {
            format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n").into_bytes()
        }
        Reply::Held(gate, content) => {
            gate.pass();
            text("", &content).into_bytes()
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes);
            return None;
        }
        Reply::Endless(bytes) => loop {
            stream.write_all(bytes).ok()?;
        },
        Reply::Drip(bytes) => loop {
            for byte in bytes {
                stream.write_all(&[*byte]).ok()?;
                std::thread::sleep(Duration::from_millis(20));
            }
        },
    };
    stream.write_all(&bytes).ok()?;
    stream.flush().ok()
}
