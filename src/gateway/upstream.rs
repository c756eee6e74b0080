//! The one upstream: connections, the pool, and the exchange of one request.
//!
//! The HTTP client is hyper's, with its connection driven inside the task of the request: dropping an
//! [`Exchange`] closes the connection at once, and no other task is woken on the way.

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::intake::Room;
use crate::judge::Permit;
use crate::refusal::Refusal;

/// Where the upstream listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `host:port`, plain HTTP.
    Tcp(String),
    /// A unix socket.
    Unix(PathBuf),
}

/// How the upstream is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Where it listens.
    pub target: Target,
    /// The path of its MCP endpoint.
    pub path: String,
    /// The `Host` it is told.
    pub host: String,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long the head of an answer may take, and each silence inside an answer that is no stream.
    pub answer_timeout: Duration,
}

/// Idle connections that a thread keeps, and for how long: shorter than servers usually keep theirs.
const IDLE_CONNECTIONS: usize = 256;
const IDLE_TIME: Duration = Duration::from_secs(4);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type Wire = Connection<TokioIo<Box<dyn Io>>, Full<Bytes>>;

/// A connection with its protocol machine.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    wire: Pin<Box<Wire>>,
    is_closed: bool,
    idle_since: Instant,
}

impl Line {
    /// Runs `work` while moving bytes on the connection.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.poll_wire(context);
            work.as_mut().poll(context)
        })
        .await
    }

    fn poll_wire(&mut self, context: &mut Context<'_>) {
        if !self.is_closed && self.wire.as_mut().poll(context).is_ready() {
            self.is_closed = true;
        }
    }
}

/// The upstream.
pub struct Upstream {
    settings: UpstreamSettings,
    /// The path and the host, ready to be sent; nothing where they cannot be.
    uri: Option<Uri>,
    host: Option<HeaderValue>,
    pools: [Pool; POOLS],
}

/// Connections that are idle, the last used last.
type Pool = Mutex<Vec<Line>>;

/// Each thread has a pool of its own, as long as there are no more of them: the system wakes the thread that opened a
/// connection, and no other should need it then.
const POOLS: usize = 16;

/// The pool of this thread.
fn own_pool() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed) & POOLS.wrapping_sub(1));
    NUMBER.with(|number| *number)
}

impl Upstream {
    /// An upstream; no connection is made yet.
    #[must_use]
    pub fn new(settings: UpstreamSettings) -> Self {
        let (uri, host) = (settings.path.parse().ok(), HeaderValue::from_str(&settings.host).ok());
        Self { settings, uri, host, pools: Default::default() }
    }

    /// The `Host` it is told.
    ///
    /// # Errors
    /// [`Refusal::UpstreamDown`] if it is none.
    pub fn host(&self) -> Result<HeaderValue, Refusal> {
        self.host.clone().ok_or(Refusal::UpstreamDown)
    }

    /// How it is reached.
    #[must_use]
    pub const fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    /// Sends a request and waits for the head of the answer. The permit is the evidence that it may be sent.
    ///
    /// # Errors
    /// [`Refusal::UpstreamDown`], [`Refusal::UpstreamTooSlow`], [`Refusal::UpstreamNonsense`].
    pub async fn send(
        &self,
        _permit: &Permit<'_>,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Exchange, Refusal> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone().ok_or(Refusal::UpstreamDown)?;
        *request.headers_mut() = headers;
        match timeout(self.settings.answer_timeout, self.exchange(request)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(Refusal::UpstreamTooSlow),
        }
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Exchange, Refusal> {
        while let Some(mut line) = self.take_idle().await {
            let sent = line.sender.try_send_request(request);
            match line.drive(sent).await {
                Ok(response) => return Ok(Exchange::new(line, response)),
                // The server closed the idle connection before any byte of the request was written.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(refusal_for(error.error())),
                },
            }
        }
        let mut line = self.connect().await?;
        let sent = line.sender.try_send_request(request);
        let response = line.drive(sent).await.map_err(|error| refusal_for(error.error()))?;
        Ok(Exchange::new(line, response))
    }

    /// Opens a connection and closes it: whether the upstream is there at all.
    ///
    /// # Errors
    /// [`Refusal::UpstreamDown`], [`Refusal::UpstreamTooSlow`].
    pub async fn probe(&self) -> Result<(), Refusal> {
        self.open().await.map(drop)
    }

    async fn open(&self) -> Result<Box<dyn Io>, Refusal> {
        let stream = async {
            Ok::<Box<dyn Io>, std::io::Error>(match &self.settings.target {
                Target::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
                Target::Unix(path) => Box::new(UnixStream::connect(path).await?),
            })
        };
        match timeout(self.settings.connect_timeout, stream).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(_)) => Err(Refusal::UpstreamDown),
            Err(_elapsed) => Err(Refusal::UpstreamTooSlow),
        }
    }

    async fn connect(&self) -> Result<Line, Refusal> {
        let stream = TokioIo::new(self.open().await?);
        let (sender, wire) = http1::handshake(stream).await.map_err(|_| Refusal::UpstreamDown)?;
        Ok(Line { sender, wire: Box::pin(wire), is_closed: false, idle_since: Instant::now() })
    }

    /// An idle connection that is still open, the last used first.
    async fn take_idle(&self) -> Option<Line> {
        loop {
            let mut line = self.pools.get(own_pool())?.lock().ok()?.pop()?;
            if line.idle_since.elapsed() > IDLE_TIME {
                continue;
            }
            // One look at the socket: a server that closed it meanwhile must not get the request.
            poll_fn(|context| {
                line.poll_wire(context);
                Poll::Ready(())
            })
            .await;
            if !line.is_closed && line.sender.is_ready() {
                return Some(line);
            }
        }
    }

    /// Takes back the connection of an answer that was read to its end.
    pub async fn give_back(&self, exchange: Exchange) {
        let Exchange { mut line, is_complete, .. } = exchange;
        if !is_complete || line.is_closed {
            return;
        }
        // One look: the machine notices that it is idle.
        poll_fn(|context| {
            line.poll_wire(context);
            Poll::Ready(())
        })
        .await;
        if line.is_closed || !line.sender.is_ready() {
            return;
        }
        line.idle_since = Instant::now();
        let Some(Ok(mut idle)) = self.pools.get(own_pool()).map(Mutex::lock) else { return };
        if idle.len() >= IDLE_CONNECTIONS {
            idle.remove(0);
        }
        idle.push(line);
    }

    /// Closes connections that have been idle for too long.
    pub fn reap(&self) {
        for mut idle in self.pools.iter().filter_map(|pool| pool.lock().ok()) {
            idle.retain(|line| line.idle_since.elapsed() <= IDLE_TIME);
        }
    }
}

fn refusal_for(error: &hyper::Error) -> Refusal {
    if error.is_parse() || error.is_parse_status() { Refusal::UpstreamNonsense } else { Refusal::UpstreamDown }
}

/// A request that was answered: the head, and the body as it comes. Dropping it closes the connection.
pub struct Exchange {
    line: Line,
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    is_complete: bool,
}

impl Exchange {
    fn new(line: Line, response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let is_complete = hyper::body::Body::is_end_stream(&body);
        Self { line, status: head.status, headers: head.headers, body, is_complete }
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers of the answer.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The next piece of the body, or none at its end.
    ///
    /// # Errors
    /// [`Refusal::UpstreamDown`] if the upstream broke off, [`Refusal::UpstreamNonsense`] if its framing is wrong.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Refusal> {
        while !self.is_complete {
            let Some(frame) = self.line.drive(self.body.frame()).await else {
                self.is_complete = true;
                return Ok(None);
            };
            let frame = frame.map_err(|error| refusal_for(&error))?;
            self.is_complete = hyper::body::Body::is_end_stream(&self.body);
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The whole body, if it is at most `limit` bytes long and there is room for it.
    ///
    /// # Errors
    /// As [`Self::chunk`]; [`Refusal::UpstreamTooLarge`], and [`Refusal::UpstreamTooSlow`] after a silence of
    /// `silence`; [`Refusal::Overloaded`].
    pub async fn whole(&mut self, limit: usize, silence: Duration, room: &mut Room<'_>) -> Result<Bytes, Refusal> {
        let mut first: Option<Bytes> = None;
        let mut all = Vec::new();
        while let Some(chunk) =
            timeout(silence, self.chunk()).await.map_err(|_elapsed| Refusal::UpstreamTooSlow)??
        {
            let held = first.as_ref().map_or(all.len(), Bytes::len);
            if held.saturating_add(chunk.len()) > limit {
                return Err(Refusal::UpstreamTooLarge);
            }
            room.take(chunk.len())?;
            match first.take() {
                None if all.is_empty() => first = Some(chunk),
                None => all.extend_from_slice(&chunk),
                Some(before) => {
                    all.extend_from_slice(&before);
                    all.extend_from_slice(&chunk);
                }
            }
        }
        Ok(first.unwrap_or_else(|| all.into()))
    }
}
