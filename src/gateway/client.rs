//! The client's side of a connection: requests in, answers out.
//!
//! HTTP/1.1 is spoken by a server of our own (`line`, and [`crate::http1`] below it), for the reasons that the upstream's
//! side has one, too: what is read and what is framed is decided here and nowhere else, and it costs a fraction. HTTP/2 is
//! Pingora's.

mod line;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::date::get_cached_date;
use pingora_http::ResponseHeader;

use super::answer::Gone;
use super::kept::Kept;
use super::record::address;
pub use crate::http1::client::{Head, Reply};
use crate::http1::fields::Fields;
use crate::http1::framing::Framing;
pub use line::Next;
pub(super) use line::{First, Line};

/// Who asks, and over what.
pub struct Client {
    head: Head,
    remote: Option<Arc<str>>,
    certificate: Option<[u8; 32]>,
    link: Link,
}

enum Link {
    One(Line),
    Two(Box<ServerSession>),
}

/// The body of a request ended before its end, or is framed wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutShort;

/// How long a client may leave what is written to it unread.
const WRITE: Duration = Duration::from_secs(60);

/// How long an answered request's unread rest may go on, so that the connection stays usable.
const DRAIN: Duration = Duration::from_secs(2);

/// A body of so many bytes at most stands behind its head in one piece: to copy it costs less than to have the kernel gather
/// two.
pub(super) const TOGETHER: usize = 4 * 1024;

impl Client {
    /// The client at the other end of a connection that nobody has read from, and on which HTTP/1 is spoken.
    #[must_use]
    pub fn on(stream: Stream) -> Self {
        Self::over(Line::new(stream))
    }

    /// The client at the other end of an HTTP/1.1 connection, of which nothing was read yet but what `line` holds.
    pub(super) fn over(line: Line) -> Self {
        let digest = line.socket_digest();
        let remote = digest.as_ref().and_then(|digest| digest.peer_addr()).map(|peer| address(peer).into());
        Self { head: Head::default(), remote, certificate: line.certificate(), link: Link::One(line) }
    }

    /// The client of one HTTP/2 request, whose head was read.
    pub(super) fn of(mut session: Box<ServerSession>) -> Self {
        session.set_write_timeout(Some(WRITE));
        session.set_total_drain_timeout(Some(DRAIN));
        let from = session.req_header();
        let head = Head {
            method: from.method.clone(),
            uri: from.uri.clone(),
            fields: Fields::from(&from.headers),
            is_ambiguous: false,
            framing: None,
            is_1_1: true,
            is_kept: true,
        };
        let certificate = session.digest().and_then(|digest| digest.ssl_digest.as_ref());
        let certificate = certificate.and_then(|ssl| ssl.cert_digest.as_slice().try_into().ok());
        let remote = session.client_addr().map(|peer| address(peer).into());
        Self { head, remote, certificate, link: Link::Two(session) }
    }

    /// The head of the request that is under way.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The address that it comes from, as text.
    #[must_use]
    pub const fn remote(&self) -> Option<&Arc<str>> {
        self.remote.as_ref()
    }

    /// The SHA-256 of the certificate that the client showed to our own TLS, if it did.
    #[must_use]
    pub const fn certificate(&self) -> Option<[u8; 32]> {
        self.certificate
    }

    /// Waits for the next request, and reads its head. HTTP/1.1 alone has a next one.
    pub async fn next(&mut self, kept: &mut Kept, idle: Duration, header: Duration) -> Next {
        let Link::One(line) = &mut self.link else { return Next::End };
        let next = line.next(kept, &self.head.uri, idle, header).await;
        match next {
            Ok(head) => {
                self.head = head;
                Next::Request
            }
            Err(Next::End) => {
                // With TLS an end that is not said looks like one that an attacker made (RFC 8446 §6.1).
                line.hang_up(DRAIN).await;
                Next::End
            }
            Err(next) => next,
        }
    }

    /// Tells a client that waits for it to send its body (RFC 9110 §10.1.1).
    ///
    /// # Errors
    /// [`Gone`]
    pub async fn tell_to_continue(&mut self) -> Result<(), Gone> {
        match &mut self.link {
            Link::One(_) if !self.head.is_1_1 => Ok(()),
            Link::One(line) => line.write(&[b"HTTP/1.1 100 Continue\r\n\r\n"]).await,
            Link::Two(session) => Box::pin(session.write_continue_response()).await.map_err(|_| Gone),
        }
    }

    /// The next piece of the body, or none at its end.
    ///
    /// # Errors
    /// [`CutShort`]
    pub async fn piece(&mut self) -> Result<Option<Bytes>, CutShort> {
        match &mut self.link {
            Link::One(line) => line.piece().await,
            Link::Two(session) => Box::pin(session.read_request_body()).await.map_err(|_| CutShort),
        }
    }

    /// How long the body is, where the head announces it.
    #[must_use]
    pub fn announced(&self) -> Option<usize> {
        match self.head.framing {
            Some(Framing::Length(length)) => Some(usize::try_from(length).unwrap_or(usize::MAX)),
            Some(Framing::Chunked(_) | Framing::UntilClose) => None,
            None => {
                let digits = std::str::from_utf8(self.head.fields.first("content-length")?).ok()?;
                // More digits than fit is more than any limit.
                Some(digits.trim().parse().unwrap_or(usize::MAX))
            }
        }
    }

    /// Whether all of the body is there already.
    #[must_use]
    pub fn has_body(&self) -> bool {
        match &self.link {
            Link::One(line) => line.has_body(),
            Link::Two(_) => false,
        }
    }

    /// Whether all of the body was read.
    pub fn is_body_done(&mut self) -> bool {
        match &mut self.link {
            Link::One(line) => line.is_body_done(),
            Link::Two(session) => session.is_body_done(),
        }
    }

    /// Has the connection end after this answer.
    pub fn close_after(&mut self) {
        match &mut self.link {
            Link::One(line) => line.close_after(),
            Link::Two(session) => session.set_keepalive(None),
        }
    }

    /// Waits until the client has left. What it sends meanwhile is its next request, and kept as far as there is room; while it
    /// listens to a stream there is no next one, and whoever sends something has left.
    pub async fn left(&mut self) {
        match &mut self.link {
            Link::One(line) => line.left().await,
            Link::Two(session) => {
                let _ = Box::pin(session.read_body_or_idle(true)).await;
            }
        }
    }

    /// Sends a whole answer.
    ///
    /// # Errors
    /// [`Gone`]
    pub async fn answer(&mut self, mut reply: Reply, body: impl AsRef<[u8]> + Into<Bytes>) -> Result<(), Gone> {
        // Neither has a length (RFC 9110 §8.6).
        if !reply.has_no_body() {
            reply.number("Content-Length", body.as_ref().len());
        }
        let has_none = self.head.method == Method::HEAD || reply.has_no_body();
        match &mut self.link {
            Link::One(line) => {
                let mut head = finished(reply, line.connection_option(&self.head));
                let body = if has_none { &[] } else { body.as_ref() };
                if body.len() > TOGETHER {
                    return line.write(&[&head, body]).await;
                }
                head.extend_from_slice(body);
                line.write(&[&head]).await
            }
            Link::Two(session) => {
                let body = if has_none { Bytes::new() } else { body.into() };
                Box::pin(answer_two(session, &reply, body)).await
            }
        }
    }

    /// Begins a stream. Its head goes out with what is sent first, if only nothing: a stream may be silent for long.
    ///
    /// # Errors
    /// [`Gone`]
    pub async fn begin(&mut self, mut reply: Reply) -> Result<(), Gone> {
        match &mut self.link {
            Link::One(line) => {
                line.listen(self.head.is_1_1);
                if self.head.is_1_1 {
                    reply.line("Transfer-Encoding", b"chunked");
                }
                line.begin(finished(reply, line.connection_option(&self.head)));
                Ok(())
            }
            // It has frames for heads.
            Link::Two(session) => Box::pin(begin_two(session, &reply)).await,
        }
    }

    /// Whether the head of a stream waits for something to be sent.
    pub const fn is_holding(&self) -> bool {
        match &self.link {
            Link::One(line) => line.is_holding(),
            Link::Two(_) => false,
        }
    }

    /// Sends some more of a stream.
    ///
    /// # Errors
    /// [`Gone`]
    pub async fn send(&mut self, bytes: Vec<u8>) -> Result<(), Gone> {
        match &mut self.link {
            Link::One(line) => line.send(&bytes, false).await,
            Link::Two(_) if bytes.is_empty() => Ok(()),
            Link::Two(session) => {
                Box::pin(session.write_response_body(bytes.into(), false)).await.map_err(|_| Gone)
            }
        }
    }

    /// Sends the last of a stream.
    ///
    /// # Errors
    /// [`Gone`]
    pub async fn end(&mut self, bytes: Vec<u8>) -> Result<(), Gone> {
        match &mut self.link {
            Link::One(line) => line.send(&bytes, true).await,
            Link::Two(session) => Box::pin(session.write_response_body(bytes.into(), true)).await.map_err(|_| Gone),
        }
    }

    /// Whether the next request can follow at once.
    #[must_use]
    pub fn is_free(&self) -> bool {
        match &self.link {
            Link::One(line) => line.is_free(),
            Link::Two(_) => false,
        }
    }

    /// Ends the request, after an answer. True where the connection can have another one.
    pub async fn finish(&mut self) -> bool {
        match &mut self.link {
            Link::One(line) => line.is_free() || Box::pin(line.finish(DRAIN)).await,
            Link::Two(_) => false,
        }
    }

    /// Closes what must not live on: nobody is there, or an answer was broken off.
    pub(super) async fn abort(self) {
        // Dropping the line closes it, without the end that a whole answer has.
        if let Link::Two(mut session) = self.link {
            session.shutdown().await;
        }
    }

    /// Ends an HTTP/2 request after its answer.
    pub(super) async fn finish_two(self) {
        if let Link::Two(session) = self.link {
            let _ = session.finish().await;
        }
    }
}

/// The head of an answer as HTTP/1.1 has it.
fn finished(mut reply: Reply, connection: Option<&'static str>) -> Vec<u8> {
    if !reply.has_date() {
        reply.line("Date", get_cached_date().as_bytes());
    }
    if let Some(option) = connection {
        reply.line("Connection", option.as_bytes());
    }
    reply.finish()
}

async fn begin_two(session: &mut ServerSession, reply: &Reply) -> Result<(), Gone> {
    let mut head = ResponseHeader::build_no_case(reply.status(), None).map_err(|_| Gone)?;
    for (name, value) in reply.lines() {
        head.append_header(name.to_ascii_lowercase(), value).map_err(|_| Gone)?;
    }
    session.write_response_header(Box::new(head)).await.map_err(|_| Gone)
}

async fn answer_two(session: &mut ServerSession, reply: &Reply, body: Bytes) -> Result<(), Gone> {
    begin_two(session, reply).await?;
    session.write_response_body(body, true).await.map_err(|_| Gone)
}
