//! What binds a request to others: the session, the stream that it goes on with, and its id.

use http::HeaderValue;
use pingora_core::protocols::http::ServerSession;

use super::in_flight::Held;
use super::record::Record;
use super::{Gateway, intake};
use crate::caller::Caller;
use crate::message::agreement::Field;
use crate::message::id::SameId;
use crate::message::{Message, Shape};
use crate::refusal::{Era, Refusal};

/// What a request is bound to: the upstream's identifiers, unsealed for their owner.
pub(super) struct Bound {
    pub(super) era: Era,
    /// The session as the caller knows it.
    pub(super) sealed: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) last_event_id: Option<HeaderValue>,
}

/// A session in another caller's hands is none (MCP 2025-11-25, "Session Management"). Modern requests have none.
pub(super) fn bind(
    gateway: &Gateway,
    session: &ServerSession,
    caller: &Caller,
    era: Era,
    record: &mut Record,
) -> Result<Bound, Refusal> {
    let mut bound = Bound { era, sealed: None, session_id: None, last_event_id: None };
    if era == Era::Modern {
        return Ok(bound);
    }
    let sealed = match intake::field(&session.req_header().headers, "mcp-session-id") {
        Field::Absent => return Ok(bound),
        Field::Once(sealed) => std::str::from_utf8(sealed).map_err(|_| Refusal::SessionUnknown)?,
        Field::Repeated => return Err(Refusal::SessionUnknown),
    };
    record.session(sealed);
    bound.session_id = Some(gateway.sealer.unseal(caller, sealed).ok_or(Refusal::SessionUnknown)?.to_owned());
    bound.sealed = Some(sealed.to_owned());
    Ok(bound)
}

/// The event that the caller wants to go on after: one that it was sent in this session, or outside of any.
pub(super) fn last_event_id(
    gateway: &Gateway,
    session: &ServerSession,
    caller: &Caller,
    bound: &Bound,
) -> Result<Option<HeaderValue>, Refusal> {
    let sealed = match intake::field(&session.req_header().headers, "last-event-id") {
        Field::Absent | Field::Once(b"") => return Ok(None),
        Field::Once(sealed) => sealed,
        Field::Repeated => return Err(Refusal::HttpMalformed),
    };
    let events = gateway.sealer.events(caller, bound.session_id.as_deref());
    let id = events.unseal(sealed).ok_or(Refusal::EventUnknown)?;
    Ok(Some(HeaderValue::from_bytes(id).map_err(|_| Refusal::EventUnknown)?))
}

/// Notes a request as under way in its session, if it is one and has one.
pub(super) fn under_way(gateway: &Gateway, bound: &Bound, message: &Message<'_>) -> Result<Option<Held>, Refusal> {
    let (Some(sealed), Shape::Request) = (&bound.sealed, message.shape) else { return Ok(None) };
    gateway.in_flight.enter(sealed, message.id.and_then(SameId::of).into_iter()).map(Some)
}
