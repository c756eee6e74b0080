//! A request on its way in: its head, and its whole body within the limits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;

use super::client::{Client, CutShort, Head};
use super::headers::{self, MCP_METHOD, MCP_NAME, MCP_PROTOCOL_VERSION};
use super::metadata::is_metadata_path;
use super::{Config, within};
use crate::http1::fields::Fields;
use crate::message::agreement::{Field, Mirror};
use crate::refusal::Refusal;
use crate::settings::HostRule;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The MCP endpoint.
    Endpoint,
    /// The protected-resource metadata.
    Metadata,
}

/// Finds out what a request is for, by its path alone and byte for byte.
///
/// # Errors
/// [`Refusal::PathUnknown`], [`Refusal::TransportRetired`].
pub fn route(config: &Config, head: &Head) -> Result<Route, Refusal> {
    let path = head.uri.path();
    if path == config.endpoint {
        Ok(Route::Endpoint)
    } else if is_metadata_path(path, &config.endpoint) {
        Ok(Route::Metadata)
    } else if is_of_retired_transport(path) {
        Err(Refusal::TransportRetired)
    } else {
        Err(Refusal::PathUnknown)
    }
}

/// Whether clients and servers of MCP 2024-11-05 use such paths for its HTTP+SSE transport: by habit, for the
/// specification names none. What is told there is the same whether or not anything is behind it.
fn is_of_retired_transport(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    matches!(path.rsplit('/').next(), Some("sse" | "message" | "messages"))
}

/// Refuses framing that another reader could take differently.
///
/// # Errors
/// [`Refusal::HttpMalformed`].
pub fn refuse_ambiguous_framing(head: &Head) -> Result<(), Refusal> {
    // What was judged would not be what is forwarded.
    let is_judged = |name: &str| name.starts_with("mcp-") || name == "content-type";
    if head.is_ambiguous || headers::nominates(&head.fields, is_judged) {
        return Err(Refusal::HttpMalformed);
    }
    Ok(())
}

/// The host must be ours and the origin, if there is one, on the list (MCP, transports, "Security Warning").
///
/// # Errors
/// [`Refusal::HttpMalformed`], [`Refusal::HostNotAllowed`], [`Refusal::OriginNotAllowed`].
pub fn refuse_foreign_names(config: &Config, head: &Head) -> Result<(), Refusal> {
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = match (authority, head.fields.field("host")) {
        (_, Field::Repeated) => return Err(Refusal::HttpMalformed),
        // Which of the two is meant depends on the reader, whatever RFC 9112 §3.2.2 says.
        (Some(authority), Field::Once(host)) if !authority.eq_ignore_ascii_case(host) => {
            return Err(Refusal::HttpMalformed);
        }
        (Some(authority), _) => authority,
        (None, Field::Once(host)) => host,
        (None, Field::Absent) => return Err(Refusal::HostNotAllowed),
    };
    let Ok(host) = std::str::from_utf8(host) else { return Err(Refusal::HostNotAllowed) };
    if !HostRule::any_allows(&config.allowed_hosts, host) {
        return Err(Refusal::HostNotAllowed);
    }
    match head.fields.field("origin") {
        Field::Absent => Ok(()),
        Field::Once(origin) if config.allowed_origins.iter().any(|allowed| allowed.as_bytes() == origin) => Ok(()),
        Field::Once(origin) if config.allow_loopback_origins && is_loopback_origin(origin) => Ok(()),
        Field::Once(_) | Field::Repeated => Err(Refusal::OriginNotAllowed),
    }
}

fn is_loopback_origin(origin: &[u8]) -> bool {
    let Ok(origin) = std::str::from_utf8(origin) else { return false };
    let Some(host) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else {
        return false;
    };
    HostRule::loopback().any(|allowed| allowed.allows(host))
}

/// The headers that mirror the body.
#[must_use]
pub fn mirror(fields: &Fields) -> Mirror<'_> {
    Mirror {
        version: fields.field(MCP_PROTOCOL_VERSION),
        method: fields.field(MCP_METHOD),
        name: fields.field(MCP_NAME),
    }
}

/// Whether the endpoint knows the method.
///
/// # Errors
/// [`Refusal::HttpMethodNotAllowed`].
pub fn refuse_other_methods(method: &Method) -> Result<(), Refusal> {
    match *method {
        Method::GET | Method::POST | Method::DELETE => Ok(()),
        _ => Err(Refusal::HttpMethodNotAllowed),
    }
}

/// What all bodies of requests, or all answers, that are held at once may take together.
#[derive(Debug)]
pub struct Bodies {
    held: AtomicUsize,
    most: usize,
}

impl Bodies {
    /// Room for so many bytes.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { held: AtomicUsize::new(0), most }
    }

    /// Room for one body, none of it taken yet.
    #[must_use]
    pub const fn room(&self) -> Room<'_> {
        Room { bodies: self, held: 0, taken: 0 }
    }
}

/// What of each body needs no room, in bytes: who fills all there is with large ones keeps nobody from the usual.
const SMALL: usize = 16 * 1024;

/// The room of one body, given back when it is dropped.
pub struct Room<'a> {
    bodies: &'a Bodies,
    held: usize,
    taken: usize,
}

impl Room<'_> {
    /// Takes room for so many bytes more.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] when there is none.
    pub fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.hold(self.held.saturating_add(bytes))
    }

    /// Takes room, or gives it back, so that it is for so many bytes in all.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] when there is none.
    pub fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.held = bytes;
        let wanted = bytes.saturating_sub(SMALL);
        let taken = std::mem::replace(&mut self.taken, wanted);
        let Some(more) = wanted.checked_sub(taken).filter(|more| *more > 0) else {
            self.bodies.held.fetch_sub(taken.saturating_sub(wanted), Ordering::Relaxed);
            return Ok(());
        };
        let before = self.bodies.held.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > self.bodies.most { Err(Refusal::Overloaded) } else { Ok(()) }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.bodies.held.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

/// Reads the whole body.
///
/// # Errors
/// [`Refusal::BodyTooLarge`], announced or not; [`Refusal::BodyTooSlow`]; [`Refusal::BodyCutShort`];
/// [`Refusal::Overloaded`] when there is no room for more bodies.
pub async fn body(
    client: &mut Client,
    limit: usize,
    time: Duration,
    room: &mut Room<'_>,
) -> Result<Bytes, Refusal> {
    let announced = client.announced();
    if announced.is_some_and(|length| length > limit) {
        return Err(Refusal::BodyTooLarge);
    }
    if expects_continue(client.head()) && !client.is_body_done() {
        // RFC 9110 §10.1.1: whoever waits for it gets it once the head is judged.
        client.tell_to_continue().await.map_err(|_| Refusal::BodyCutShort)?;
    }
    let read = std::pin::pin!(collect(client, limit, announced.unwrap_or(0), room));
    within(time, read).await.ok_or(Refusal::BodyTooSlow)?
}

async fn collect(
    client: &mut Client,
    limit: usize,
    announced: usize,
    room: &mut Room<'_>,
) -> Result<Bytes, Refusal> {
    let next = async |client: &mut Client| client.piece().await.map_err(|CutShort| Refusal::BodyCutShort);
    let Some(first) = next(client).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(Refusal::BodyTooLarge);
    }
    room.take(first.len())?;
    let mut all: Option<BytesMut> = None;
    while let Some(chunk) = next(client).await? {
        let held = all.get_or_insert_with(|| {
            // Room for what was announced, but never more than a little in advance of what came.
            let mut held = BytesMut::with_capacity(announced.min(256 * 1024).max(first.len()));
            held.extend_from_slice(&first);
            held
        });
        if held.len().saturating_add(chunk.len()) > limit {
            return Err(Refusal::BodyTooLarge);
        }
        room.take(chunk.len())?;
        held.extend_from_slice(&chunk);
    }
    Ok(all.map_or(first, BytesMut::freeze))
}

/// Whether the client waits for `100 Continue` before it sends its body.
#[must_use]
pub fn expects_continue(head: &Head) -> bool {
    head.fields.has_option("expect", "100-continue")
}

/// Whether a client still sends the body that it was not told to send cannot be known (RFC 9110 §10.1.1).
pub fn is_body_uncertain(client: &mut Client) -> bool {
    client.head().fields.contains("expect") && !client.is_body_done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_share_a_room_and_small_ones_need_none() {
        let bodies = Bodies::new(100);
        let (mut one, mut two, mut small) = (bodies.room(), bodies.room(), bodies.room());
        assert_eq!(one.take(SMALL), Ok(()));
        assert_eq!(one.take(100), Ok(()));
        assert_eq!(two.take(SMALL + 1), Err(Refusal::Overloaded));
        drop(two);
        assert_eq!(small.take(SMALL), Ok(()));
        assert_eq!(one.hold(SMALL + 50), Ok(()));
        assert_eq!(small.take(50), Ok(()));
        assert_eq!(one.take(1), Err(Refusal::Overloaded));
        assert_eq!(one.hold(0), Ok(()));
        assert_eq!(small.take(50), Ok(()));
        drop((one, small));
        assert_eq!(bodies.held.into_inner(), 0, "nothing is kept");
    }

    #[test]
    fn paths_of_the_retired_transport_are_known() {
        for path in ["/sse", "/sse/", "/message", "/messages/", "/mcp/sse", "/api/messages"] {
            assert!(is_of_retired_transport(path), "{path}");
        }
        for path in ["/", "", "/mcp", "/SSE", "/sse/x", "/ssex", "/mcp/", "/sse//"] {
            assert!(!is_of_retired_transport(path), "{path}");
        }
    }

    #[test]
    fn only_loopback_names_are_loopback_origins() {
        for origin in ["http://localhost", "http://localhost:5173", "https://127.0.0.1:1", "http://[::1]:80"] {
            assert!(is_loopback_origin(origin.as_bytes()), "{origin}");
        }
        for origin in [
            "null",
            "http://localhost.evil.com",
            "http://evil.com",
            "file://",
            "http://localhost@evil.com",
            "http://127.0.0.1.evil.com:80",
            "http://localhost/",
            "ws://localhost",
        ] {
            assert!(!is_loopback_origin(origin.as_bytes()), "{origin}");
        }
    }
}
