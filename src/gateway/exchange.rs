//! The way of one request: in, judged, forwarded, answered, reported.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use pingora_core::server::ShutdownWatch;

use super::answer::{self, Gone};
use super::bound::{Bound, bind, head_for_upstream, last_event_id, under_way};
use super::callers::Place;
use super::client::Client;
use super::decision::asked_name;
use super::downstream::{Ending, Passage, Unpassed, is_events};
use super::headers::{DPOP, MCP_SESSION_ID};
use super::intake::{self, Room, Route};
use super::kept::Kept;
use super::known::Known;
use super::listed::Page;
use super::record::{Record, RequestId};
use super::standing::Standing;
use super::tasks::Context;
use super::who::{self, Who, who};
use super::{Gateway, metadata, now};
use crate::caller::UnixTime;
use crate::judge::{Permit, Refused};
use crate::live::Snapshot;
use crate::message::agreement::Field;
use crate::message::batch::Body;
use crate::message::batch::answers::Arrays;
use crate::message::reply::ErrorReply;
use crate::message::{Ask, Message, Shape, Unrecognised, content};
use crate::refusal::{Challenge, Era, Refusal};

/// What keeps a request from being forwarded.
pub(super) enum Stop<'p> {
    /// It is refused.
    Refused(Box<No<'p>>),
    /// There is nobody to answer.
    Gone,
}

/// A refusal with all that the answer needs.
pub(super) struct No<'p> {
    pub(super) refusal: Refusal,
    pub(super) era: Era,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) needs: Vec<&'p str>,
    /// The ids of the refused requests of a batch.
    pub(super) ids: Vec<String>,
    /// After how long trying again may help.
    pub(super) wait: Option<Duration>,
}

impl From<Refusal> for No<'_> {
    fn from(refusal: Refusal) -> Self {
        let (era, id, name, wait) = (Era::Legacy, None, None, None);
        Self { refusal, era, id, name, needs: Vec::new(), ids: Vec::new(), wait }
    }
}

impl From<Refusal> for Stop<'_> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal.into()))
    }
}

impl From<Gone> for Stop<'_> {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Unrecognised<'_>> for Stop<'_> {
    fn from(no: Unrecognised<'_>) -> Self {
        let Unrecognised { refusal, id, era, .. } = no;
        Self::Refused(Box::new(No { era, id: id.map(Into::into), ..refusal.into() }))
    }
}

/// Serves one request to its end.
///
/// # Errors
/// [`Gone`] when the connection cannot be used any more.
pub async fn serve(
    gateway: &Gateway,
    client: &mut Client,
    shutdown: &ShutdownWatch,
    kept: &mut Kept,
    is_full: bool,
) -> Result<(), Gone> {
    // Before what names its rules.
    let snapshot = gateway.live.snapshot();
    let mut record = Record::new(&gateway.report, client);
    record.generation = snapshot.generation;
    let stop = match route(gateway, client, &snapshot, is_full) {
        Ok(Routed::Endpoint) => judged(gateway, client, shutdown, kept, &snapshot, &mut record).await,
        Ok(Routed::Answered(answer)) => {
            if intake::is_body_uncertain(client) {
                client.close_after();
            }
            gateway.report.answered();
            return super::write(*answer, client, true).await;
        }
        Err(refusal) => Err(refusal.into()),
    };
    let result = match stop {
        Ok(ending) => {
            if matches!(ending, Ending::BrokenOff | Ending::Overloaded) {
                Err(Gone)
            } else {
                Ok(())
            }
        }
        Err(Stop::Gone) => Err(Gone),
        Err(Stop::Refused(no)) => refuse(gateway, client, &snapshot, &no, &mut record).await,
    };
    kept.ended = Some(gateway.report.finished(&record));
    result
}

/// The scopes that a client may ask for from the start: all of the policy. A refresh token is the client's affair and
/// no need of a resource, so that its scope is not among them (MCP 2026-07-28, authorization, "Refresh Tokens").
fn offered(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.policy.scopes().filter(|scope| *scope != "offline_access").collect()
}

enum Routed {
    Endpoint,
    Answered(Box<answer::Answer>),
}

/// What can be said without a token: where things are, and who may ask.
fn route(gateway: &Gateway, client: &Client, snapshot: &Snapshot, is_full: bool) -> Result<Routed, Refusal> {
    let (config, head) = (&gateway.config, client.head());
    let answered = |answer| Ok(Routed::Answered(Box::new(answer)));
    match intake::route(config, head)? {
        Route::Metadata => answered(metadata::metadata(config, &head.method, &offered(snapshot))?),
        Route::Endpoint => {
            intake::refuse_ambiguous_framing(head)?;
            intake::refuse_foreign_names(config, head)?;
            if head.method == Method::OPTIONS {
                return answered(metadata::preflight(head.fields.first("access-control-request-headers")));
            }
            if is_full { Err(Refusal::Overloaded) } else { Ok(Routed::Endpoint) }
        }
    }
}

async fn judged<'p>(
    gateway: &Gateway,
    client: &mut Client,
    shutdown: &ShutdownWatch,
    kept: &mut Kept,
    snapshot: &'p Arc<Snapshot>,
    record: &mut Record<'p>,
) -> Result<Ending, Stop<'p>> {
    let now = record.time();
    let Who { known: caller, revocations } = who(gateway, client, UnixTime(now.as_secs())).await?;
    record.caller = Some(Arc::clone(&caller));
    let method = client.head().method.clone();
    intake::refuse_other_methods(&method)?;
    // Before its body comes: else a caller could take every place with bodies that never do.
    let is_there = method == Method::POST && client.has_body() && !intake::expects_continue(client.head());
    let arriving = if is_there { None } else { Some(arrive(gateway, &caller)?) };
    let mut passage = passage(gateway, snapshot, &caller, revocations, now);
    passage.nonce = nonce(gateway, client);
    let mut turn = Turn { gateway, client, shutdown, kept, snapshot, record, arriving };
    if method == Method::POST {
        turn.message(&mut passage).await
    } else {
        passage.standing = (method == Method::GET).then(Standing::of_session);
        Box::pin(turn.session(method, &mut passage)).await
    }
}

fn passage<'a>(
    gateway: &'a Gateway,
    snapshot: &Arc<Snapshot>,
    caller: &'a Known,
    revocations: u64,
    now: Duration,
) -> Passage<'a> {
    Passage {
        config: &gateway.config,
        report: &gateway.report,
        live: &gateway.live,
        snapshot: Arc::clone(snapshot),
        caller,
        revocations,
        grants: caller.grants(snapshot),
        silence: gateway.upstream.settings().answer_timeout,
        answers: &gateway.answers,
        is_list: false,
        listed: &gateway.listed,
        pinned: gateway.pinned.as_deref(),
        locked: gateway.pinned.as_ref().map_or(0, |pinned| pinned.generation()),
        page: None,
        is_stream: false,
        arrays: if gateway.config.limits.batch > 0 { Arrays::Any } else { Arrays::None },
        standing: None,
        changes: &gateway.changes,
        hints_required: false,
        remaining: Duration::from_secs(caller.end().0).saturating_sub(now),
        owner: gateway.sealer.of(caller),
        tasks: Context::default(),
        makers: &gateway.makers,
        session_id: None,
        events: None,
        in_flight: None,
        nonce: None,
        tallies: Vec::new(),
        ending: None,
    }
}

/// One request of a known caller.
pub(super) struct Turn<'a, 'p> {
    pub(super) gateway: &'a Gateway,
    pub(super) client: &'a mut Client,
    shutdown: &'a ShutdownWatch,
    kept: &'a mut Kept,
    /// What it is judged by.
    pub(super) snapshot: &'p Snapshot,
    pub(super) record: &'a mut Record<'p>,
    /// Its place among what arrives, or is forwarded and makes room. What has arrived and takes a place of the other sort
    /// needs none.
    arriving: Option<Place<'a>>,
}

fn arrive<'a>(gateway: &'a Gateway, caller: &Known) -> Result<Place<'a>, Refusal> {
    gateway.arriving.enter(caller.key(&gateway.callers))
}

impl<'a, 'p> Turn<'a, 'p> {
    /// A place for what is answered or stands; what makes room keeps its place among what arrives.
    pub(super) fn enter(&mut self, caller: &Known, is_held: bool) -> Result<Option<Place<'a>>, Refusal> {
        if !is_held {
            if self.arriving.is_none() {
                self.arriving = Some(arrive(self.gateway, caller)?);
            }
            return Ok(None);
        }
        let place = self.gateway.callers.enter(caller.key(&self.gateway.callers))?;
        self.arriving = None;
        Ok(Some(place))
    }

    /// GET and DELETE: the stream of a session, and its end.
    async fn session(&mut self, method: Method, passage: &mut Passage<'_>) -> Result<Ending, Stop<'p>> {
        // A body means nothing here, but its bytes must not be taken for the next request.
        let limits = &self.gateway.config.limits;
        let mut room = self.gateway.bodies.room();
        intake::body(self.client, limits.body, limits.body_timeout, &mut room).await?;
        drop(room);
        let mut bound = bind(self.gateway, self.client, passage.caller, Era::Legacy, self.record)?;
        if method == Method::GET {
            bound.last_event_id = last_event_id(self.gateway, self.client, passage.caller, &bound)?;
        }
        // Ending a session makes room.
        let is_held = method == Method::GET;
        let _place = self.enter(passage.caller, is_held)?;
        let permit = Permit::session(passage.caller);
        self.record.permitted(&permit);
        self.forward(Forward { permit, method, body: Bytes::new(), bound, room: None }, passage).await
    }

    /// POST: one message.
    async fn message(&mut self, passage: &mut Passage<'_>) -> Result<Ending, Stop<'p>> {
        let fields = &self.client.head().fields;
        content::accept_content(fields.field("content-type"), fields.field("content-encoding"))?;
        let limits = &self.gateway.config.limits;
        let mut room = self.gateway.bodies.room();
        let body = intake::body(self.client, limits.body, limits.body_timeout, &mut room).await?;
        let mirror = intake::mirror(&self.client.head().fields);
        let read = Body::read(&mirror, &body, limits.depth, limits.batch).map_err(|no| {
            self.record.method(no.method.as_deref().unwrap_or_default());
            unread(no, &body)
        })?;
        let message = match read {
            Body::One(message) => message,
            Body::Batch(messages) => return Box::pin(self.batch(messages, &body, room, passage)).await,
        };
        self.record.message(&message);
        self.record.arguments = self.gateway.report.arguments(&message);
        // What answers a request of the server, or takes one of the caller's back, makes room.
        let is_held = message.shape == Shape::Request;
        let _place = self.enter(passage.caller, is_held).map_err(|refusal| no(&message, refusal.into()))?;
        let bound = bind(self.gateway, self.client, passage.caller, message.era, self.record)
            .map_err(|refusal| no(&message, refusal.into()))?;
        let permit = self.decide(&message, passage).map_err(|refused| {
            self.record.refused(&refused);
            no(&message, refused)
        })?;
        self.record.permitted(&permit);
        if let Err(wait) = self.within_limits(&permit, &message, passage.caller) {
            return Err(match no(&message, Refusal::RateLimited.into()) {
                Stop::Refused(no) => Stop::Refused(Box::new(No { wait: Some(wait), ..*no })),
                gone @ Stop::Gone => gone,
            });
        }
        passage.in_flight =
            under_way(self.gateway, &bound, &message).map_err(|refusal| no(&message, refusal.into()))?;
        if let Ask::List(list) = message.ask {
            passage.is_list = true;
            passage.page = Page::asked(list, &message);
        }
        passage.standing = standing(&message, &permit);
        passage.makers.note(&passage.owner, permit.tasks());
        passage.tasks = Context::of(&message, &permit);
        let rewritten = permit.rewritten(&body).map_err(|refusal| no(&message, refusal.into()))?;
        passage.hints_required = message.era == Era::Modern;
        if message.era == Era::Modern {
            passage.arrays = Arrays::None;
        }
        let (era, id) = (message.era, id_to_answer(&message));
        // From here on the body is the upstream's: a stream may be long, and a body large.
        let body = rewritten.map_or(body, Bytes::from);
        let forward = Forward { permit, method: Method::POST, body, bound, room: Some(room) };
        self.forward(forward, passage).await.map_err(|stop| match stop {
            Stop::Refused(no) => Stop::Refused(Box::new(No { era, id, ..no.refusal.into() })),
            gone @ Stop::Gone => gone,
        })
    }

    pub(super) async fn forward(
        &mut self,
        forward: Forward<'_>,
        passage: &mut Passage<'_>,
    ) -> Result<Ending, Stop<'p>> {
        let Forward { permit, method, body, bound, room } = forward;
        let upstream = &self.gateway.upstream;
        let head = head_for_upstream(self.gateway, self.client, &method, passage.caller, &bound, &permit).await?;
        let started = Instant::now();
        let revoked = &self.gateway.revoked;
        let Kept { alarm, ear, .. } = &mut *self.kept;
        let mut watch = who::watch(revoked, passage.caller, passage.revocations, self.client, ear);
        let sent = tokio::select! {
            biased;
            () = self.client.left() => {
                self.record.abandoned();
                return Err(Stop::Gone);
            }
            () = watch.until_revoked() => {
                self.record.abandoned();
                return Err(Refusal::TokenRevoked.into());
            }
            sent = upstream.send(&permit, head, body, alarm, started) => sent,
        };
        self.record.upstream(started.elapsed(), sent.as_ref().map(|exchange| exchange.status().as_u16()));
        let mut exchange = sent?;
        drop(room);
        let told = match exchange.fields().field(MCP_SESSION_ID) {
            Field::Absent => None,
            Field::Once(id) => Some(std::str::from_utf8(id).map_err(|_| Refusal::UpstreamNonsense)?),
            Field::Repeated => return Err(Refusal::UpstreamNonsense.into()),
        };
        let sealer = &self.gateway.sealer;
        let sealed = told.map(|id| sealer.seal(passage.caller, id).ok_or(Refusal::UpstreamNonsense));
        passage.session_id = sealed.transpose()?;
        if bound.era == Era::Legacy && is_events(exchange.fields()) {
            // What the answer to `initialize` streams belongs to the session that it begins.
            passage.events = Some(Box::new(sealer.events(passage.caller, told.or(bound.session_id.as_deref()))));
        }
        self.record.status = exchange.status().as_u16();
        let passed = passage.pass(self.client, &mut exchange, self.shutdown, &mut watch, alarm).await;
        self.record.tallies = std::mem::take(&mut passage.tallies);
        self.record.is_stream = passage.is_stream;
        self.record.ending = passage.ending;
        match passed {
            Ok(ending) => {
                upstream.give_back(exchange);
                Ok(ending)
            }
            Err(Unpassed::Gone) => Err(Stop::Gone),
            Err(Unpassed::Refused(refusal)) => {
                if refusal == Refusal::TokenRevoked {
                    self.record.abandoned();
                } else if refusal != Refusal::Overloaded {
                    self.record.upstream_refused(refusal);
                }
                Err(refusal.into())
            }
        }
    }
}

/// The refusal of a body that was not understood. What stands in an array is no request that an error could answer.
fn unread<'p>(no: Unrecognised<'_>, body: &[u8]) -> Stop<'p> {
    let is_batch = body.trim_ascii_start().starts_with(b"[");
    match (Stop::from(no), is_batch) {
        (Stop::Refused(mut no), true) => {
            no.ids = no.id.take().into_iter().collect();
            Stop::Refused(no)
        }
        (stop, _) => stop,
    }
}

/// What the stream of a listener stands for.
fn standing(message: &Message<'_>, permit: &Permit<'_>) -> Option<Standing> {
    let Ask::Listen { uris, lists, .. } = &message.ask else { return None };
    let uris = uris.iter().map(|uri| uri.clone().into_owned()).collect();
    let makers = permit.tasks().iter().filter_map(|task| task.maker.clone()).collect();
    Some(Standing::subscription(message.id?, lists, uris, makers))
}

/// The refusal of a message that was understood.
fn no<'p>(message: &Message<'_>, refused: Refused<'p>) -> Stop<'p> {
    let name = asked_name(message);
    let is_named =
        matches!(refused.refusal, Refusal::ToolUnknown | Refusal::PromptUnknown | Refusal::ResourceUnknown);
    Stop::Refused(Box::new(No {
        refusal: refused.refusal,
        era: message.era,
        id: id_to_answer(message),
        name: name.filter(|_| is_named).map(ToOwned::to_owned),
        needs: refused.needs,
        ids: Vec::new(),
        wait: None,
    }))
}

/// The id that an error answers; that of a reply belongs to the server's request.
fn id_to_answer(message: &Message<'_>) -> Option<String> {
    message.id.filter(|_| message.shape == Shape::Request).map(Into::into)
}

/// What is sent to the upstream.
pub(super) struct Forward<'p> {
    pub(super) permit: Permit<'p>,
    pub(super) method: Method,
    pub(super) body: Bytes,
    pub(super) bound: Bound,
    /// The room that the body takes until the upstream has it.
    pub(super) room: Option<Room<'p>>,
}

/// What the next proof of a caller who uses proofs must contain (RFC 9449 §8.2, §9).
fn nonce(gateway: &Gateway, client: &Client) -> Option<String> {
    let is_proven = client.head().fields.contains(DPOP);
    if is_proven { gateway.dpop.nonce.fresh(now().0) } else { None }
}

async fn refuse(
    gateway: &Gateway,
    client: &mut Client,
    snapshot: &Snapshot,
    no: &No<'_>,
    record: &mut Record<'_>,
) -> Result<(), Gone> {
    let offered;
    let scopes = match no.refusal.challenge() {
        Challenge::None => &[],
        _ if no.refusal == Refusal::ScopeInsufficient => &*no.needs,
        // What a token for this server can hold: the client asks for it when it has none that is good.
        Challenge::Bare | Challenge::Error(_) | Challenge::Dpop(_) => {
            offered = self::offered(snapshot);
            &*offered
        }
    };
    let ids: Vec<&str> = no.ids.iter().map(String::as_str).collect();
    let is_told = matches!(
        no.refusal,
        Refusal::ScopeInsufficient | Refusal::Forbidden | Refusal::ConditionFailed | Refusal::RateLimited
    );
    let decision = is_told.then(|| record.id());
    let reply = ErrorReply {
        id: no.id.as_deref(),
        era: no.era,
        name: no.name.as_deref(),
        required_scopes: &no.needs,
        ids: &ids,
        // What looks like any server's answer must not be told apart by it.
        decision: decision.as_ref().map(RequestId::as_str),
    };
    let mut answer = answer::refusal(&gateway.config, no.refusal, &reply, scopes, no.wait);
    if let Some(nonce) = nonce(gateway, client) {
        answer.set("DPoP-Nonce", &nonce);
    }
    // What comes next on a connection whose framing broke could be anything.
    let is_broken = matches!(no.refusal, Refusal::BodyCutShort | Refusal::BodyTooSlow | Refusal::HttpMalformed);
    if is_broken || intake::is_body_uncertain(client) {
        client.close_after();
    }
    record.refusal = Some(no.refusal);
    record.status = answer.reply.status().as_u16();
    // These come before the origin is looked at, or because of it.
    let is_origin_allowed = !matches!(
        no.refusal,
        Refusal::HttpMalformed
            | Refusal::PathUnknown
            | Refusal::TransportRetired
            | Refusal::HostNotAllowed
            | Refusal::OriginNotAllowed
    );
    super::write(answer, client, is_origin_allowed).await
}
