//! The one upstream: connections, the pool, and the exchange of one request.
//!
//! A connection is driven inside the task of the request: dropping an [`Exchange`] closes it at once, and no other task is
//! woken on the way. The client is our own (`line`, and [`crate::http1`] below it), because it was measured: hyper's took a
//! fifth of all that a call costs in instructions, and 33 of the 55 KiB of a stream that stands open.

mod line;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use line::{Failure, Io, Line, Request};

use super::intake::Room;
use super::kept::Alarm;
use crate::http1::fields::Fields;
use crate::http1::framing::Framing;
use crate::http1::is_value;
use crate::http1::upstream::Head;
pub use crate::http1::upstream::RequestHead;
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

/// Idle connections that a thread keeps.
const IDLE_CONNECTIONS: usize = 256;
/// How often they are looked through. Those that were idle the last time, too, are closed: sooner than servers close theirs.
const LOOK: Duration = Duration::from_secs(2);

/// The upstream.
pub struct Upstream {
    settings: UpstreamSettings,
    /// The path, as it is sent; nothing where it or the host cannot be.
    path: Option<String>,
    pools: [Mutex<Pool>; POOLS],
}

#[derive(Default)]
struct Pool {
    /// Connections that are idle, the last used last.
    idle: Vec<Line>,
    /// Who looks through them.
    watcher: Option<AbortHandle>,
}

impl Pool {
    /// Takes out those that have been idle since the last look.
    fn look(&mut self) -> Vec<Line> {
        let (old, idle) = std::mem::take(&mut self.idle).into_iter().partition(|line| line.was_idle);
        self.idle = idle;
        self.idle.iter_mut().for_each(|line| line.was_idle = true);
        old
    }

    /// Whether somebody looks through them. A task that ended with its runtime does not any more.
    fn is_watched(&self) -> bool {
        self.watcher.as_ref().is_some_and(|watcher| !watcher.is_finished())
    }
}

/// Each thread has a pool of its own, as long as there are no more of them, so that no two wait for each other. Where tasks
/// move between threads, a connection may be given back to another pool than it was taken from; it works from any.
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
        // A path with a space in it would be something else than a path.
        let path = settings.path.parse::<Uri>().ok().and_then(|uri| uri.path_and_query().map(ToString::to_string));
        let path = path.filter(|_| is_value(settings.host.as_bytes()));
        Self { settings, path, pools: Default::default() }
    }

    /// The head of a request to it, with its `Host` and nothing else.
    ///
    /// # Errors
    /// [`Refusal::UpstreamDown`] if it cannot be asked for anything.
    pub fn request(&self, method: &Method) -> Result<RequestHead, Refusal> {
        let path = self.path.as_deref().ok_or(Refusal::UpstreamDown)?;
        let mut head = RequestHead::new(method, path);
        if head.line("host", self.settings.host.as_bytes()) { Ok(head) } else { Err(Refusal::UpstreamDown) }
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
        head: RequestHead,
        body: Bytes,
        alarm: &mut Alarm,
        now: Instant,
    ) -> Result<Exchange, Refusal> {
        let exchange = pin!(self.exchange(Request::new(head, body)));
        alarm
            .within_since(now.into(), self.settings.answer_timeout, exchange)
            .await
            .unwrap_or(Err(Refusal::UpstreamTooSlow))
    }

    async fn exchange(&self, mut request: Request) -> Result<Exchange, Refusal> {
        while let Some(mut line) = self.take_idle().await {
            match line.exchange(request).await {
                Ok(head) => return Ok(Exchange::new(line, head)),
                // The server closed the idle connection before any byte of the request was written.
                Err(Failure::Unsent(whole)) => request = whole,
                Err(Failure::Failed(refusal)) => return Err(refusal),
            }
        }
        // Apart, so that others do not carry room for it.
        let mut line = Line::new(Box::pin(self.open()).await?);
        match line.exchange(request).await {
            Ok(head) => Ok(Exchange::new(line, head)),
            Err(Failure::Unsent(_)) => Err(Refusal::UpstreamDown),
            Err(Failure::Failed(refusal)) => Err(refusal),
        }
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

    /// An idle connection that is still open, the last used first.
    async fn take_idle(&self) -> Option<Line> {
        loop {
            let mut line = self.pools.get(own_pool())?.lock().ok()?.idle.pop()?;
            // A server that closed it meanwhile must not get the request.
            if line.is_usable().await {
                return Some(line);
            }
        }
    }

    /// Takes back the connection of an answer that was read to its end.
    pub fn give_back(self: &Arc<Self>, exchange: Exchange) {
        let Exchange { mut line, framing, is_kept, .. } = exchange;
        if !is_kept || !framing.is_end() || !line.is_settled() {
            return;
        }
        line.was_idle = false;
        let number = own_pool();
        let Some(Ok(mut pool)) = self.pools.get(number).map(Mutex::lock) else { return };
        if pool.idle.len() >= IDLE_CONNECTIONS {
            pool.idle.remove(0);
        }
        pool.idle.push(line);
        if !pool.is_watched() {
            pool.watcher = Some(tokio::spawn(look_through(Arc::downgrade(self), number)).abort_handle());
        }
    }
}

/// Looks through a pool for as long as there is something in it.
async fn look_through(upstream: Weak<Upstream>, number: usize) {
    loop {
        sleep(LOOK).await;
        let Some(upstream) = upstream.upgrade() else { return };
        let Some(Ok(mut pool)) = upstream.pools.get(number).map(Mutex::lock) else { return };
        let old = pool.look();
        let is_over = pool.idle.is_empty();
        if is_over {
            pool.watcher = None;
        }
        // Closing takes a moment, in which nobody else should have to wait.
        drop(pool);
        drop(old);
        if is_over {
            return;
        }
    }
}

/// A request that was answered: the head, and the body as it comes. Dropping it closes the connection.
pub struct Exchange {
    line: Line,
    status: StatusCode,
    fields: Fields,
    framing: Framing,
    is_kept: bool,
}

impl Exchange {
    fn new(line: Line, head: Head) -> Self {
        let Head { status, fields, framing, is_kept } = head;
        Self { line, status, fields, framing, is_kept }
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The field lines of the answer.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The next piece of the body, or none at its end.
    ///
    /// # Errors
    /// [`Refusal::UpstreamDown`] if the upstream broke off, [`Refusal::UpstreamNonsense`] if its framing is wrong.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Refusal> {
        if self.framing.is_end() {
            return Ok(None);
        }
        self.line.piece(&mut self.framing).await
    }

    /// The whole body, if it is at most `limit` bytes long and there is room for it.
    ///
    /// # Errors
    /// As [`Self::chunk`]; [`Refusal::UpstreamTooLarge`], and [`Refusal::UpstreamTooSlow`] after a silence of
    /// `silence`; [`Refusal::Overloaded`].
    pub async fn whole(
        &mut self,
        limit: usize,
        silence: Duration,
        alarm: &mut Alarm,
        room: &mut Room<'_>,
    ) -> Result<Bytes, Refusal> {
        let mut first: Option<Bytes> = None;
        let mut all = Vec::new();
        while let Some(chunk) =
            alarm.within(silence, pin!(self.chunk())).await.unwrap_or(Err(Refusal::UpstreamTooSlow))?
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
