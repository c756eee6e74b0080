//! What a request is bound to, and what tells the upstream so: sessions, events, who calls.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use pingora_core::protocols::http::ServerSession;

use super::headers::{LAST_EVENT_ID, MCP_NAME, MCP_SESSION_ID};
use super::in_flight::Held;
use super::known::Known;
use super::record::Record;
use super::who::presented;
use super::{Gateway, headers, intake, now};
use crate::caller::Caller;
use crate::judge::Permit;
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
    let sealed = match intake::field(&session.req_header().headers, &MCP_SESSION_ID) {
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
    let sealed = match intake::field(&session.req_header().headers, &LAST_EVENT_ID) {
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

/// The `Authorization` that the upstream gets, where it gets one. It is never the caller's own.
async fn token_for_upstream(
    gateway: &Gateway,
    session: &ServerSession,
    caller: &Caller,
) -> Result<Option<HeaderValue>, Refusal> {
    let Some(exchanger) = &gateway.exchanger else { return Ok(None) };
    let (_, token) = presented(session.req_header())?;
    // Apart, so that other requests do not carry room for it.
    let token = Box::pin(exchanger.exchange(&token, caller, now().0)).await?;
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| Refusal::VerificationUnavailable)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// What the upstream gets beside the body.
pub(super) async fn headers_of(
    gateway: &Gateway,
    session: &ServerSession,
    caller: &Known,
    bound: &Bound,
    permit: &Permit<'_>,
) -> Result<HeaderMap, Refusal> {
    let mut headers = upstream_headers(gateway, session, caller, bound)?;
    // INVARIANT: a header that mirrors a handle says what the body says, before and after.
    if let Some(name) = permit.name()
        && headers.contains_key(&MCP_NAME)
    {
        headers.insert(&MCP_NAME, HeaderValue::from_str(name).map_err(|_| Refusal::TaskUnknown)?);
    }
    if let Some(token) = token_for_upstream(gateway, session, caller).await? {
        headers.insert(header::AUTHORIZATION, token);
    }
    Ok(headers)
}

fn upstream_headers(
    gateway: &Gateway,
    session: &ServerSession,
    caller: &Known,
    bound: &Bound,
) -> Result<HeaderMap, Refusal> {
    let mut headers = headers::to_upstream(&session.req_header().headers);
    headers.insert(header::HOST, gateway.upstream.host()?);
    if let Some(id) = &bound.session_id {
        let id = HeaderValue::from_str(id).map_err(|_| Refusal::SessionUnknown)?;
        headers.insert(&MCP_SESSION_ID, id);
    }
    if let Some(id) = &bound.last_event_id {
        headers.insert(&LAST_EVENT_ID, id.clone());
    }
    let identity = &gateway.config.identity_headers;
    // A claim that a caller lacks must not be told by the caller itself.
    for name in identity.names() {
        headers.remove(name);
    }
    for (name, value) in identity.render(caller) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    if let Some(tokens) = &gateway.identity {
        let token = tokens.token(caller, caller.end(), now().0)?;
        // In place of all that the client sent under this name.
        headers.insert(tokens.header().clone(), token);
    }
    Ok(headers)
}
