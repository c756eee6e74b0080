//! One HTTP/1.1 connection of a client, and the request that is under way on it.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::Uri;
use pingora_core::protocols::l4::stream::Stream as L4Stream;
use pingora_core::protocols::{SocketDigest, Stream};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};
use tokio::time::timeout;

use super::super::answer::Gone;
use super::super::filling::{LEAST_ROOM, MOST_ROOM, poll_fill};
use super::super::kept::Kept;
use super::super::within;
use super::{CutShort, Head, WRITE};
use crate::http1::Nonsense;
use crate::http1::client::HeadReader;
use crate::http1::framing::{Framing, Piece};

/// What of the next requests is read before their turn, in bytes: whether a client left shows behind what it sent.
const AHEAD: usize = 16 * 1024;
/// How much is read of what nobody wants to know, at a time, in bytes.
const SCRAP: usize = 1024;

/// What a client must read in the time of one write, in bytes: about as many a second as the slowest modem did.
const SLOWEST: usize = 64 * 1024;

/// What a client that speaks HTTP/2 without TLS begins with (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection.
pub(in crate::gateway) struct Line {
    io: Stream,
    /// What arrived and was not taken yet.
    buffer: BytesMut,
    /// What of the body of the request is still to come; none where that cannot be known.
    body: Option<Framing>,
    /// Whether another request may come after this one.
    is_kept: bool,
    /// How the answer goes on, if it is a stream.
    stream: Option<Chunks>,
    /// The head of a stream that is not written yet: it goes out with the first part.
    head: Vec<u8>,
    /// What of the time for a head the first one has used up already.
    used: Duration,
}

/// How the parts of a stream are told from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunks {
    /// By their lengths (RFC 9112 §7.1).
    Framed,
    /// Not at all: HTTP/1.0 reads until the connection ends.
    Bare,
}

/// What a connection begins with.
pub(in crate::gateway) enum First {
    /// HTTP/1.
    One(Line),
    /// The preface of HTTP/2, which is still to be read.
    Two(Stream),
    /// Nothing.
    End,
}

/// What comes next on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A request.
    Request,
    /// What is none.
    Malformed,
    /// Nothing: the client has left, or was silent for too long.
    End,
}

impl Line {
    pub(super) fn new(io: Stream) -> Self {
        Self {
            io,
            buffer: BytesMut::new(),
            body: Some(Framing::Length(0)),
            is_kept: true,
            stream: None,
            head: Vec::new(),
            used: Duration::ZERO,
        }
    }

    /// Waits for the first bytes of a connection, for at most so long.
    pub(in crate::gateway) async fn first(io: Stream, limit: Duration) -> First {
        let mut line = Self::new(io);
        let look = async {
            // A request that is no preface shows by its first bytes; the shortest that has a `Host` is longer than one.
            while line.buffer.len() < PREFACE.len() && PREFACE.starts_with(&line.buffer) {
                if !matches!(line.fill(LEAST_ROOM).await, Ok(true)) {
                    return false;
                }
            }
            true
        };
        let began = Instant::now();
        if !matches!(timeout(limit, look).await, Ok(true)) {
            return First::End;
        }
        line.used = began.elapsed();
        if !line.buffer.starts_with(PREFACE) || line.io.get_ssl_digest().is_some() {
            return First::One(line);
        }
        // What was read to find that out is put back.
        match line.io.into_any().downcast::<L4Stream>() {
            Ok(mut io) => {
                io.rewind(&line.buffer);
                First::Two(io)
            }
            Err(_) => First::End,
        }
    }

    pub(super) fn socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.io.get_socket_digest()
    }

    pub(super) fn certificate(&self) -> Option<[u8; 32]> {
        self.io.get_ssl_digest()?.cert_digest.as_slice().try_into().ok()
    }

    /// Waits for the next request for as long as a connection may be idle, and for the rest of its head for as long as that may
    /// take.
    pub(super) async fn next(
        &mut self,
        kept: &mut Kept,
        before: &Uri,
        idle: Duration,
        header: Duration,
    ) -> Result<Head, Next> {
        let (alarm, ended) = (&mut kept.alarm, kept.ended.take());
        if self.buffer.is_empty() {
            let began = ended.unwrap_or_else(Instant::now);
            match alarm.within_since(began.into(), idle, pin!(self.fill(LEAST_ROOM))).await {
                Some(Ok(true)) => {}
                Some(_) | None => return Err(Next::End),
            }
        }
        let used = std::mem::take(&mut self.used);
        let head = match alarm.within(header.saturating_sub(used), pin!(self.head(before))).await {
            Some(head) => head?,
            None => return Err(Next::End),
        };
        self.body = head.framing;
        self.is_kept = head.is_kept;
        (self.stream, self.head) = (None, Vec::new());
        Ok(head)
    }

    async fn head(&mut self, before: &Uri) -> Result<Head, Next> {
        let mut reader = HeadReader::behind(before.clone());
        loop {
            if let Some(head) = reader.take(&mut self.buffer).map_err(|Nonsense| Next::Malformed)? {
                return Ok(head);
            }
            match self.fill(LEAST_ROOM).await {
                Ok(true) => {}
                // Half a head, and nobody is there who could read an answer.
                Ok(false) | Err(_) => return Err(Next::End),
            }
        }
    }

    /// The next piece of the body, or none at its end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, CutShort> {
        self.piece_within(MOST_ROOM).await
    }

    /// The same, with room for at most so much of it at a time.
    async fn piece_within(&mut self, most: usize) -> Result<Option<Bytes>, CutShort> {
        loop {
            let Some(framing) = &mut self.body else { return Err(CutShort) };
            match framing.take(&mut self.buffer) {
                Ok(Piece::Data(data)) => return Ok(Some(data)),
                Ok(Piece::End) => return Ok(None),
                Ok(Piece::More) => {}
                Err(Nonsense) => {
                    self.body = None;
                    return Err(CutShort);
                }
            }
            let wanted = framing.wanted().unwrap_or(LEAST_ROOM).clamp(LEAST_ROOM, most);
            match self.fill(wanted).await {
                Ok(true) => {}
                Ok(false) | Err(_) => {
                    self.body = None;
                    return Err(CutShort);
                }
            }
        }
    }

    /// Whether all of the body has arrived.
    pub(super) fn has_body(&self) -> bool {
        let Some(Framing::Length(left)) = self.body else { return self.is_body_done() };
        usize::try_from(left).is_ok_and(|left| left <= self.buffer.len())
    }

    pub(super) fn is_body_done(&self) -> bool {
        self.body.is_some_and(Framing::is_end)
    }

    pub(super) const fn close_after(&mut self) {
        self.is_kept = false;
    }

    /// From here on the client listens, and sends nothing more.
    pub(super) const fn listen(&mut self, is_1_1: bool) {
        self.stream = Some(if is_1_1 { Chunks::Framed } else { Chunks::Bare });
        // The end of the connection is the end of the stream.
        self.is_kept = self.is_kept && is_1_1;
    }

    /// Has a stream begin with this head, as soon as anything is sent.
    pub(super) fn begin(&mut self, head: Vec<u8>) {
        self.head = head;
    }

    /// Whether the head of a stream is not written yet.
    pub(super) const fn is_holding(&self) -> bool {
        !self.head.is_empty()
    }

    /// What an answer says of the connection, where it is not what the client takes for granted.
    pub(super) const fn connection_option(&self, head: &Head) -> Option<&'static str> {
        match (self.is_kept, head.is_1_1) {
            (false, _) => Some("close"),
            (true, false) => Some("keep-alive"),
            (true, true) => None,
        }
    }

    pub(super) async fn left(&mut self) {
        poll_fn(|context| self.poll_left(context)).await
    }

    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.stream.is_some() || self.buffer.len() < AHEAD {
            let mut scrap = [const { MaybeUninit::uninit() }; SCRAP];
            let mut room = ReadBuf::uninit(&mut scrap);
            let read = ready!(Pin::new(&mut self.io).poll_read(context, &mut room));
            if read.is_err() || room.filled().is_empty() || self.stream.is_some() {
                return Poll::Ready(());
            }
            self.buffer.extend_from_slice(room.filled());
        }
        Poll::Pending
    }

    /// Writes all of these, one behind the other.
    pub(super) async fn write(&mut self, parts: &[&[u8]]) -> Result<(), Gone> {
        let mut written = 0_usize;
        let length: usize = parts.iter().map(|part| part.len()).fold(0, usize::saturating_add);
        // Who reads a large answer slowly is there; who reads nothing for so long is not, or wants to keep the place.
        for _ in 0..=length.div_ceil(SLOWEST) {
            let before = written;
            let write = pin!(poll_fn(|context| self.poll_write(parts, &mut written, context)));
            match within(WRITE, write).await {
                Some(done) => return done.map_err(|_| Gone),
                None if written == before => return Err(Gone),
                None => {}
            }
        }
        Err(Gone)
    }

    fn poll_write(
        &mut self,
        parts: &[&[u8]],
        written: &mut usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut rest = [IoSlice::new(&[]), IoSlice::new(&[]), IoSlice::new(&[])];
            let (mut skip, mut count) = (*written, 0_usize);
            for part in parts {
                let left = part.get(skip.min(part.len())..).unwrap_or_default();
                skip = skip.saturating_sub(part.len());
                if let Some(slot) = rest.get_mut(count).filter(|_| !left.is_empty()) {
                    *slot = IoSlice::new(left);
                    count = count.saturating_add(1);
                }
            }
            let poll = match rest.get(..count).unwrap_or_default() {
                [] => return Pin::new(&mut self.io).poll_flush(context),
                [one] => Pin::new(&mut self.io).poll_write(context, one),
                several => Pin::new(&mut self.io).poll_write_vectored(context, several),
            };
            match ready!(poll)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => *written = written.saturating_add(more),
            }
        }
    }

    /// Sends a part of a stream, with its head before the first and its end behind the last. All of it is one write.
    pub(super) async fn send(&mut self, bytes: &[u8], is_last: bool) -> Result<(), Gone> {
        let mut front = std::mem::take(&mut self.head);
        let is_framed = self.stream == Some(Chunks::Framed);
        let end: &[u8] = match (is_framed, bytes.is_empty(), is_last) {
            (true, false, true) => b"\r\n0\r\n\r\n",
            (true, false, false) => b"\r\n",
            (true, true, true) => b"0\r\n\r\n",
            (true, true, false) | (false, _, _) => b"",
        };
        // A chunk of no bytes would be the last.
        if is_framed && !bytes.is_empty() {
            front.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
        }
        self.write(&[&front, bytes, end]).await
    }

    /// Whether another request may follow at once.
    pub(super) fn is_free(&self) -> bool {
        self.is_kept && self.is_body_done()
    }

    /// Reads the rest of the request, for at most so long. True where another one may follow; where none may, the client gets
    /// to read the answer before the connection is closed.
    pub(super) async fn finish(&mut self, limit: Duration) -> bool {
        if !self.is_body_done() && self.body.is_some() {
            // Anybody can have us read what nobody wants to know: little room for each must do.
            let drain = async { while let Ok(Some(_)) = self.piece_within(AHEAD).await {} };
            let _ = timeout(limit, drain).await;
        }
        if self.is_free() {
            return true;
        }
        let _ = timeout(limit, self.part()).await;
        false
    }

    /// Says that nothing more will come, on a connection on which nothing is under way.
    pub(super) async fn hang_up(&mut self, limit: Duration) {
        let _ = within(limit, pin!(poll_fn(|context| Pin::new(&mut self.io).poll_shutdown(context)))).await;
    }

    /// Closes our side. Where something of the client's is unread, it waits until the client closes its own: a connection that
    /// is closed before is reset, and the answer may be lost with it (RFC 9112 §9.6).
    async fn part(&mut self) {
        let is_read = self.is_body_done() && self.buffer.is_empty();
        if poll_fn(|context| Pin::new(&mut self.io).poll_shutdown(context)).await.is_err() || is_read {
            return;
        }
        let mut scrap = [0; SCRAP];
        while matches!(self.io.read(&mut scrap).await, Ok(count) if count > 0) {}
    }

    /// Reads what there is; false at the end.
    async fn fill(&mut self, room: usize) -> io::Result<bool> {
        poll_fn(|context| poll_fill(&mut self.io, &mut self.buffer, room, context)).await
    }
}

#[cfg(test)]
mod tests;
