//! What a request is bound to, and what tells the upstream so: sessions, events, who calls.

use http::Method;

use super::client::Client;
use super::headers::{LAST_EVENT_ID, MCP_NAME, MCP_SESSION_ID};
use super::in_flight::Held;
use super::known::Known;
use super::record::Record;
use super::upstream::RequestHead;
use super::who::presented;
use super::{Gateway, headers, now};
use crate::caller::Caller;
use crate::http1::is_value;
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
    pub(super) last_event_id: Option<Vec<u8>>,
}

/// A session in another caller's hands is none (MCP 2025-11-25, "Session Management"). Modern requests have none.
pub(super) fn bind(
    gateway: &Gateway,
    client: &Client,
    caller: &Caller,
    era: Era,
    record: &mut Record<'_>,
) -> Result<Bound, Refusal> {
    let mut bound = Bound { era, sealed: None, session_id: None, last_event_id: None };
    if era == Era::Modern {
        return Ok(bound);
    }
    let sealed = match client.head().fields.field(MCP_SESSION_ID) {
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
    client: &Client,
    caller: &Caller,
    bound: &Bound,
) -> Result<Option<Vec<u8>>, Refusal> {
    let sealed = match client.head().fields.field(LAST_EVENT_ID) {
        Field::Absent | Field::Once(b"") => return Ok(None),
        Field::Once(sealed) => sealed,
        Field::Repeated => return Err(Refusal::HttpMalformed),
    };
    let events = gateway.sealer.events(caller, bound.session_id.as_deref());
    let id = events.unseal(sealed).ok_or(Refusal::EventUnknown)?;
    if is_value(id) { Ok(Some(id.to_owned())) } else { Err(Refusal::EventUnknown) }
}

/// Notes a request as under way in its session, if it is one and has one.
pub(super) fn under_way(gateway: &Gateway, bound: &Bound, message: &Message<'_>) -> Result<Option<Held>, Refusal> {
    let (Some(sealed), Shape::Request) = (&bound.sealed, message.shape) else { return Ok(None) };
    gateway.in_flight.enter(sealed, message.id.and_then(SameId::of).into_iter()).map(Some)
}

/// The `Authorization` that the upstream gets, where it gets one. It is never the caller's own.
async fn token_for_upstream(
    gateway: &Gateway,
    client: &Client,
    caller: &Caller,
) -> Result<Option<String>, Refusal> {
    let Some(exchanger) = &gateway.exchanger else { return Ok(None) };
    let (_, token) = presented(client.head())?;
    // Apart, so that other requests do not carry room for it.
    let token = Box::pin(exchanger.exchange(&token, caller, now().0)).await?;
    Ok(Some(format!("Bearer {token}")))
}

/// What the upstream gets before the body.
pub(super) async fn head_for_upstream(
    gateway: &Gateway,
    client: &Client,
    method: &Method,
    caller: &Known,
    bound: &Bound,
    permit: &Permit<'_>,
) -> Result<RequestHead, Refusal> {
    let mut head = gateway.upstream.request(method)?;
    let mut line = |name: &[u8], value: &[u8], otherwise: Refusal| {
        if head.line(name, value) { Ok(()) } else { Err(otherwise) }
    };
    let identity = &gateway.config.identity_headers;
    // A claim that a caller lacks must not be told by the caller itself, and what is told is told once.
    let is_ours = |name: &[u8]| {
        identity.names().any(|ours| headers::reads_as(name, ours))
            || gateway.identity.as_ref().is_some_and(|tokens| headers::reads_as(name, tokens.header().as_str()))
    };
    for (name, value) in headers::to_upstream(&client.head().fields) {
        if is_ours(name) {
            continue;
        }
        match permit.name() {
            // INVARIANT: a header that mirrors a handle says what the body says, before and after.
            Some(unsealed) if name.eq_ignore_ascii_case(MCP_NAME.as_bytes()) => {
                // Beyond ASCII readers of headers differ.
                if !unsealed.is_ascii() {
                    return Err(Refusal::TaskUnknown);
                }
                line(name, unsealed.as_bytes(), Refusal::TaskUnknown)?;
            }
            Some(_) | None => line(name, value, Refusal::HttpMalformed)?,
        }
    }
    // Answers are read: they must come as they are.
    line(b"accept-encoding", b"identity", Refusal::UpstreamDown)?;
    if let Some(id) = &bound.session_id {
        line(MCP_SESSION_ID.as_bytes(), id.as_bytes(), Refusal::SessionUnknown)?;
    }
    if let Some(id) = &bound.last_event_id {
        line(LAST_EVENT_ID.as_bytes(), id, Refusal::EventUnknown)?;
    }
    for (name, value) in identity.render(caller) {
        // A claim that cannot stand in a header is not told.
        let _ = head.line(name, value.as_bytes());
    }
    if let Some(tokens) = &gateway.identity {
        let token = tokens.token(caller, caller.end(), now().0)?;
        let _ = head.line(tokens.header().as_str(), token.as_bytes());
    }
    if let Some(token) = token_for_upstream(gateway, client, caller).await?
        && !(token.is_ascii() && head.line("authorization", token.as_bytes()))
    {
        return Err(Refusal::VerificationUnavailable);
    }
    Ok(head)
}
