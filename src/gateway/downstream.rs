//! An answer on its way out: judged whole where it is one document, event by event where it is a stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use pingora_core::server::ShutdownWatch;
use tokio::sync::watch;

use super::Config;
use super::answer::Gone;
use super::client::{Client, Reply};
use super::headers::{is_of_the_bytes, to_client};
use super::in_flight::Held;
use super::intake::{Bodies, Room};
use super::kept::{Alarm, deadline};
use super::known::Known;
use super::listed::{Listed, Page};
use super::memo::{self, Filtered, Key};
use super::record::Report;
use super::standing::{Changes, Seen, Standing};
use super::tasks::{Context, Makers, Told};
use super::upstream::Exchange;
use crate::http1::fields::Fields;
use crate::judge::{self, apps};
use crate::live::{Live, Snapshot};
use crate::message::agreement::Field;
use crate::message::batch::answers::Arrays;
use crate::message::lists::{Filter, Freshness, ListKind, Listing, Opaque, Tally};
use crate::message::sse::{Event, EventStream};
use crate::pinned::Pinned;
use crate::policy::Grants;
use crate::refusal::Refusal;
use crate::revoked::Watch;
use crate::session::EventSealer;
use crate::session::task::Owner;

/// For whom, and under which policy, an answer is passed on.
pub struct Passage<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Where streams are counted.
    pub report: &'a Report,
    /// The policies.
    pub live: &'a Live,
    /// The policy that the request was judged by.
    pub snapshot: Arc<Snapshot>,
    /// The caller.
    pub caller: &'a Known,
    /// The list of what is revoked that it was last held against.
    pub revocations: u64,
    /// What it is granted under `snapshot`.
    pub grants: Arc<Grants>,
    /// How long the server may be silent inside an answer that is no stream.
    pub silence: Duration,
    /// What all answers that are held take together.
    pub answers: &'a Bodies,
    /// Whether the request asked for a list.
    pub is_list: bool,
    /// Where it is noted what the server lists.
    pub listed: &'a Listed,
    /// What the server may say of its tools, where that is locked.
    pub pinned: Option<&'a Pinned>,
    /// The number of the lockfile that the request was judged by.
    pub locked: u64,
    /// The page of a list that was asked for, where the answer is to be noted.
    pub page: Option<Page>,
    /// Whether the answer is a stream, once it is known.
    pub is_stream: bool,
    /// Which arrays of messages the answer may hold.
    pub arrays: Arrays,
    /// What a stream stands for that is not the answer to one request; none where it is.
    pub standing: Option<Standing>,
    /// What new policies change for whom.
    pub changes: &'a Changes,
    /// Whether lists must have caching hints.
    pub hints_required: bool,
    /// How long the token is still good for.
    pub remaining: Duration,
    /// Whose handles the caller gets in place of the server's identifiers of tasks.
    pub owner: Owner<'a>,
    /// What the request says of tasks.
    pub tasks: Context,
    /// What is remembered of tasks.
    pub makers: &'a Makers,
    /// What the client is to know the session by.
    pub session_id: Option<String>,
    /// What seals the events of a stream, where one can be gone on with.
    pub events: Option<Box<EventSealer>>,
    /// The request's ids, taken until the upstream has answered.
    pub in_flight: Option<Held>,
    /// The nonce that its next proof must contain, where proofs need one.
    pub nonce: Option<String>,
    /// What was cut out so far.
    pub tallies: Vec<Tally>,
    /// How a stream ended, once it has.
    pub ending: Option<Ending>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All of it was passed on, or the upstream ended its stream.
    Complete,
    /// The upstream broke off in the middle.
    BrokenOff,
    /// The token expired.
    TokenExpired,
    /// The token or its caller was revoked.
    Revoked,
    /// A new policy took away what the stream rests on.
    PermissionLost,
    /// The gateway is going down.
    Shutdown,
    /// The stream carried something that cannot be understood.
    Opaque,
    /// There was no room for what the stream carries.
    Overloaded,
    /// The client left.
    ClientLeft,
}

/// Why no answer of the upstream was passed on.
pub enum Unpassed {
    /// The gateway answers itself.
    Refused(Refusal),
    /// There is nobody to answer.
    Gone,
}

impl From<Refusal> for Unpassed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Gone> for Unpassed {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

enum Content {
    Json,
    Events,
    Empty,
    Other,
}

const JSON: &[u8] = b"application/json";
const EVENTS: &[u8] = b"text/event-stream";

/// The media type of a `Content-Type`, without parameters.
fn media(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

/// Whether an answer with these headers is a stream of events.
pub fn is_events(fields: &Fields) -> bool {
    matches!(fields.field("content-type"), Field::Once(value) if media(value).eq_ignore_ascii_case(EVENTS))
}

impl Passage<'_> {
    /// Passes the answer in `exchange` on. At a refusal nothing has been written yet.
    ///
    /// # Errors
    /// [`Unpassed`].
    pub async fn pass(
        &mut self,
        client: &mut Client,
        exchange: &mut Exchange,
        shutdown: &ShutdownWatch,
        watch: &mut Watch<'_>,
        alarm: &mut Alarm,
    ) -> Result<Ending, Unpassed> {
        let content = self.inspect(client, exchange)?;
        self.page = self.page.take().filter(|_| exchange.status().is_success());
        if let Content::Events = content {
            // Apart, so that others do not carry room for it.
            return Box::pin(self.stream(client, exchange, shutdown, watch)).await;
        }
        let limit = self.config.limits.response;
        // Until the client has read it.
        let mut room = self.answers.room();
        let body = tokio::select! {
            biased;
            () = client.left() => return Err(Unpassed::Gone),
            () = watch.until_revoked() => return Err(Refusal::TokenRevoked.into()),
            body = exchange.whole(limit, self.silence, alarm, &mut room) => body?,
        };
        // Before the client can know the answer, and use the id again.
        self.in_flight = None;
        let (body, is_cut) = self.filter_whole(&content, exchange.status(), body)?;
        client.answer(self.head(client, exchange, is_cut || self.is_list), body).await?;
        Ok(Ending::Complete)
    }

    /// Finds out what the answer is, and refuses answers that cannot be passed on whatever they contain.
    fn inspect(&self, client: &Client, exchange: &Exchange) -> Result<Content, Refusal> {
        let status = exchange.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
            return Err(Refusal::UpstreamUnauthorized);
        }
        if status.is_informational() || status.is_redirection() {
            return Err(Refusal::UpstreamNonsense);
        }
        match exchange.fields().field("content-encoding") {
            Field::Absent => {}
            Field::Once(coding) if coding.eq_ignore_ascii_case(b"identity") => {}
            Field::Once(_) | Field::Repeated => return Err(Refusal::UpstreamNonsense),
        }
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Content::Empty);
        }
        let content = match exchange.fields().field("content-type") {
            Field::Repeated => return Err(Refusal::UpstreamNonsense),
            Field::Absent => Content::Empty,
            Field::Once(value) => match media(value) {
                media if media.eq_ignore_ascii_case(JSON) => Content::Json,
                media if media.eq_ignore_ascii_case(EVENTS) => Content::Events,
                _ => Content::Other,
            },
        };
        let is_get = client.head().method == http::Method::GET;
        match content {
            // A success must be readable, so that nothing hides in it.
            Content::Other if status.is_success() && status != StatusCode::ACCEPTED => {
                Err(Refusal::UpstreamNonsense)
            }
            // MCP, transports: a GET is answered by a stream or by 405.
            Content::Json | Content::Empty if is_get && status.is_success() => Err(Refusal::UpstreamNonsense),
            Content::Json | Content::Events | Content::Empty | Content::Other => Ok(content),
        }
    }

    fn filter_whole(
        &mut self,
        content: &Content,
        status: StatusCode,
        body: Bytes,
    ) -> Result<(Bytes, bool), Refusal> {
        if body.trim_ascii().is_empty() {
            return Ok((body, false));
        }
        let is_object = body.trim_ascii_start().starts_with(b"{");
        // MCP has no body there, and no client reads one.
        if status == StatusCode::ACCEPTED && !(is_object && matches!(content, Content::Json)) {
            return Ok((Bytes::new(), true));
        }
        let is_json = is_object || matches!(content, Content::Json);
        if !is_json {
            // An error page is no message of MCP and needs to be none, but it must not hide one either.
            return match (status.is_success(), is_harmless_text(&body)) {
                (true, _) => Err(Refusal::UpstreamNonsense),
                (false, true) => Ok((body, false)),
                (false, false) => Ok((Bytes::new(), true)),
            };
        }
        let mut tallies = std::mem::take(&mut self.tallies);
        let passed = self.with_filter(|filter| {
            let key = Key::of(self, filter);
            memo::filtered(self.listed, key.as_ref(), filter, &body, &mut tallies, |filter, tallies| {
                let is_array = body.trim_ascii_start().starts_with(b"[");
                // Some servers answer a single request in several documents.
                let may_be_several = !self.is_list && !is_array && !matches!(self.arrays, Arrays::Of(_));
                if may_be_several {
                    filter.messages(&body, tallies)
                } else {
                    self.arrays.filter(filter, &body, tallies)
                }
            })
        });
        self.tallies = tallies;
        match passed {
            Ok(Filtered::AsIs) => Ok((body, false)),
            Ok(Filtered::Cut(bytes)) => Ok((bytes, true)),
            Ok(Filtered::Nothing) => Ok((Bytes::new(), true)),
            Err(Opaque) => Err(Refusal::UpstreamNonsense),
        }
    }

    fn with_filter<T>(&self, work: impl FnOnce(&Filter<'_>) -> T) -> T {
        let snapshot = if self.standing.is_some() { self.live.snapshot() } else { Arc::clone(&self.snapshot) };
        let newer = (snapshot.generation != self.snapshot.generation).then(|| self.caller.grants(&snapshot));
        let grants = newer.as_ref().unwrap_or(&self.grants);
        let allows = |kind, name: &str| judge::sees(&snapshot.policy, grants, kind, name);
        let shows = |uri: &str| {
            let is_held = |tool: &str| self.pinned.is_some_and(|pinned| pinned.holds(tool));
            let sees = |tool: &str| allows(ListKind::Tools, tool) && !is_held(tool);
            !apps::is_interface(uri) || apps::shows(&self.listed.catalogue(), uri, true, sees)
        };
        let sees = |kind, name: &str| allows(kind, name) && (kind != ListKind::Resources || shows(name));
        let remaining = u64::try_from(self.remaining.as_millis()).unwrap_or(u64::MAX);
        let freshness = Freshness {
            ttl_cap_ms: self.config.limits.list_ttl_ms.min(remaining),
            is_required: self.hints_required && self.is_list,
        };
        let heard = |listing: &Listing<'_>| {
            if let Some(page) = &self.page {
                self.listed.hear(page, listing);
            }
        };
        let allows = |maker: &_| judge::allows(&snapshot.policy, grants, maker);
        let tasks = Told { owner: self.owner, context: &self.tasks, makers: self.makers, allows: &allows };
        let hear = |element: &str| self.pinned.is_none_or(|pinned| pinned.hear(element));
        let pins: Option<&dyn Fn(&str) -> bool> = if self.pinned.is_some() { Some(&hear) } else { None };
        work(&Filter { sees: &sees, freshness, heard: Some(&heard), pins, tasks: &tasks })
    }

    fn head(&self, client: &Client, exchange: &Exchange, is_of_this_caller: bool) -> Reply {
        let mut reply = Reply::new(exchange.status());
        for (name, value) in to_client(exchange.fields()) {
            let is_replaced =
                is_of_this_caller && (is_of_the_bytes(name) || name.eq_ignore_ascii_case(b"cache-control"));
            if !is_replaced {
                reply.line(name, value);
            }
        }
        if is_of_this_caller {
            reply.line("Cache-Control", b"private, no-store");
            reply.line("Vary", b"Authorization");
        }
        if let Some(nonce) = &self.nonce {
            reply.line("DPoP-Nonce", nonce.as_bytes());
        }
        if let Some(id) = &self.session_id {
            reply.line("Mcp-Session-Id", id.as_bytes());
        }
        if let Some(origin) = client.head().fields.first("origin") {
            for (name, value) in super::metadata::cross_origin(origin) {
                reply.line(name, value);
            }
        }
        reply
    }

    async fn stream(
        &mut self,
        client: &mut Client,
        exchange: &mut Exchange,
        shutdown: &ShutdownWatch,
        watch: &mut Watch<'_>,
    ) -> Result<Ending, Unpassed> {
        client.begin(self.head(client, exchange, self.is_list)).await?;
        self.is_stream = true;
        let counted = Counted::begin(self.report);
        let mut waiting = Waiting { bytes: Vec::new(), room: self.answers.room() };
        let pumped = self.pump(client, exchange, shutdown.clone(), watch, &mut waiting).await;
        // What was not admitted, or will not be read any more, takes no room while the rest is written.
        let _ = waiting.room.hold(waiting.bytes.len());
        // Before the client can know that it was answered.
        self.in_flight = None;
        let ended = match pumped {
            Ok(ending) => self.end(client, watch, ending, std::mem::take(&mut waiting.bytes)).await,
            Err(torn) => Err(torn),
        };
        let (Ok(ending) | Err(Torn(ending))) = ended;
        counted.end(ending);
        self.ending = Some(ending);
        if ended.is_err() || ending == Ending::ClientLeft { Err(Unpassed::Gone) } else { Ok(ending) }
    }

    /// Writes what is `left` of a stream, and its end.
    async fn end(
        &self,
        client: &mut Client,
        watch: &mut Watch<'_>,
        ending: Ending,
        mut left: Vec<u8>,
    ) -> Result<Ending, Torn> {
        let is_broken = match ending {
            Ending::ClientLeft => return Ok(ending),
            // What was broken off must look so: a clean end would say that this was all.
            Ending::BrokenOff | Ending::Overloaded => true,
            Ending::Complete
            | Ending::TokenExpired
            | Ending::Revoked
            | Ending::PermissionLost
            | Ending::Shutdown
            | Ending::Opaque => false,
        };
        let is_more = !left.is_empty();
        let write = async {
            if is_broken {
                client.close_after();
                return client.send(left).await;
            }
            left.extend(self.last_words(ending).unwrap_or_default().bytes());
            client.end(left).await
        };
        tokio::select! {
            biased;
            () = watch.until_revoked(), if is_more => Err(Torn(Ending::Revoked)),
            written = write => Ok(if written.is_ok() { ending } else { Ending::ClientLeft }),
        }
    }

    /// What a client is to read at the end. Without it, it may take the end for a break and connect again: so it
    /// should where a new token helps.
    fn last_words(&self, ending: Ending) -> Option<String> {
        let is_graceful = matches!(ending, Ending::PermissionLost | Ending::Shutdown);
        self.standing.as_ref().filter(|_| is_graceful)?.last_words()
    }

    /// Passes event after event on until something ends the stream; what is still to be written then is `waiting`. Events that
    /// are at hand together are written together.
    async fn pump(
        &mut self,
        client: &mut Client,
        exchange: &mut Exchange,
        mut shutdown: ShutdownWatch,
        watch: &mut Watch<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Ending, Torn> {
        // What answers one request has no use for these.
        let is_standing = self.standing.is_some();
        let mut policies = is_standing.then(|| self.live.changes());
        let mut locks = self.pinned.filter(|_| is_standing).and_then(Pinned::changes);
        // A change that came before it could be heard of counts too.
        policies.iter_mut().chain(&mut locks).for_each(watch::Receiver::mark_changed);
        let mut view = is_standing.then(|| Seen::of(Arc::clone(&self.snapshot), self.caller));
        let mut events = EventStream::new(self.config.limits.event);
        let expiry = tokio::time::sleep_until(deadline(self.remaining));
        tokio::pin!(expiry);
        loop {
            let before = waiting.bytes.len();
            let is_waiting = before > 0 || client.is_holding();
            let mut is_due = false;
            let ending = tokio::select! {
                biased;
                () = client.left() => return Ok(Ending::ClientLeft),
                () = watch.until_revoked() => {
                    waiting.bytes.clear();
                    return Ok(Ending::Revoked);
                }
                // What was asked for while the token was good is answered.
                () = &mut expiry, if is_standing => return Ok(Ending::TokenExpired),
                _ = shutdown.wait_for(|is_down| *is_down), if is_standing => return Ok(Ending::Shutdown),
                () = next(&mut policies), if is_standing => self.reloaded(view.as_mut()),
                () = next(&mut locks), if is_standing => self.relocked(view.as_ref()),
                chunk = exchange.chunk() => match chunk {
                    Ok(Some(chunk)) => self.chunk(&mut events, &chunk, &mut waiting.bytes),
                    Ok(None) => return Ok(Ending::Complete),
                    Err(_) => return Ok(Ending::BrokenOff),
                },
                // Nothing more is at hand, and nobody waits for what may take long.
                () = std::future::ready(()), if is_waiting => {
                    is_due = true;
                    None
                }
            };
            if let Some(standing) = self.standing.as_mut().filter(|_| ending.is_none()) {
                standing.tell(&mut waiting.bytes);
            }
            if waiting.room.hold(waiting.bytes.len().saturating_add(events.held())).is_err() {
                waiting.bytes.truncate(before);
                return Ok(Ending::Overloaded);
            }
            if let Some(ending) = ending {
                return Ok(ending);
            }
            if is_due || waiting.bytes.len() >= MOST_AT_ONCE {
                tokio::select! {
                    biased;
                    () = watch.until_revoked() => return Err(Torn(Ending::Revoked)),
                    written = client.send(std::mem::take(&mut waiting.bytes)) => if written.is_err() {
                        return Ok(Ending::ClientLeft);
                    }
                }
                // A stream may be silent for hours now.
                let _ = waiting.room.hold(events.held());
            }
        }
    }

    /// Notes what the policy of the moment changes; an ending where it takes away what the stream rests on.
    fn reloaded(&mut self, view: Option<&mut Seen>) -> Option<Ending> {
        let (standing, view) = (self.standing.as_mut()?, view?);
        let snapshot = self.live.snapshot();
        if snapshot.generation == view.generation() {
            return None;
        }
        let after = Seen::of(snapshot, self.caller);
        let catalogue = self.listed.catalogue();
        if standing.is_lost(after.view(), &catalogue, &|tool| self.pinned.is_some_and(|pinned| pinned.holds(tool)))
        {
            return Some(Ending::PermissionLost);
        }
        standing.note(self.changes.between(view, &after, &catalogue));
        *view = after;
        None
    }

    /// Notes what the lockfile of the moment changes; an ending where it takes away what the stream rests on.
    fn relocked(&mut self, view: Option<&Seen>) -> Option<Ending> {
        let (standing, pinned, view) = (self.standing.as_mut()?, self.pinned?, view?);
        let (before, catalogue) = (self.locked, self.listed.catalogue());
        self.locked = pinned.generation();
        if standing.is_lost(view.view(), &catalogue, &|tool| pinned.holds(tool)) {
            return Some(Ending::PermissionLost);
        }
        standing.note(self.changes.by_lock(pinned, before, view.view(), &catalogue));
        None
    }

    /// Writes what of these bytes is to be passed on; an ending where they cannot be understood.
    fn chunk(&mut self, events: &mut EventStream, chunk: &[u8], out: &mut Vec<u8>) -> Option<Ending> {
        let mut flaw = None;
        let fits = events.push(chunk, &mut |event| {
            if flaw.is_none() && self.event(&event, out).is_err() {
                flaw = Some(Opaque);
            }
        });
        (flaw.is_some() || fits.is_err()).then_some(Ending::Opaque)
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Opaque> {
        if event.is_ambiguous() {
            return Err(Opaque);
        }
        // HTTP+SSE of 2024-11-05: answers would come by another way than the requests we judge.
        if event.name() == Some(b"endpoint") {
            out.extend_from_slice(RETIRED);
            return Err(Opaque);
        }
        let bare = event.without_bom();
        let event = if self.standing.as_ref().is_some_and(Standing::has_spoken) { &bare } else { event };
        let seal = |id: &[u8]| self.events.as_ref().and_then(|events| events.seal(id));
        let renamed = event.with_ids(&seal);
        let event = renamed.as_deref().map_or(*event, |raw| event.over(raw));
        let Some(data) = event.data().filter(|data| !data.is_empty()) else {
            out.extend_from_slice(event.raw());
            return Ok(());
        };
        let mut tallies = std::mem::take(&mut self.tallies);
        let filtered = self.with_filter(|filter| {
            let key = Key::of(self, filter);
            memo::filtered(self.listed, key.as_ref(), filter, &data, &mut tallies, |filter, tallies| {
                self.arrays.filter(filter, &data, tallies)
            })
        });
        self.tallies = tallies;
        let filtered = filtered?;
        if let Some(standing) = self.standing.as_mut().filter(|_| filtered != Filtered::Nothing) {
            standing.begin();
        }
        match filtered {
            Filtered::AsIs => out.extend_from_slice(event.raw()),
            Filtered::Cut(data) => event.write_with_data(&data, out),
            Filtered::Nothing => {}
        }
        Ok(())
    }
}

/// What of a stream is still to be written, and the room that it takes.
struct Waiting<'a> {
    bytes: Vec<u8>,
    room: Room<'a>,
}

/// So much of a stream is written without a look whether more is at hand, in bytes.
const MOST_AT_ONCE: usize = 64 * 1024;

/// A write was given up half-way: whatever comes next on the connection would be taken for its rest.
struct Torn(Ending);

/// Counts a stream as open until it ends, however it ends.
struct Counted<'a> {
    report: &'a Report,
    ending: Ending,
}

impl<'a> Counted<'a> {
    fn begin(report: &'a Report) -> Self {
        report.stream_began();
        // What a task that is dropped half-way ends with.
        Self { report, ending: Ending::ClientLeft }
    }

    fn end(mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.report.stream_ended(self.ending);
    }
}

/// What a client reads in place of the `endpoint` event: a comment, which no client takes for a message.
const RETIRED: &[u8] = b": the HTTP+SSE transport of MCP 2024-11-05 is not served here; use Streamable HTTP\n\n";

/// Whether a text of the upstream is a sentence, and no data that somebody could take for a message.
fn is_harmless_text(body: &[u8]) -> bool {
    const LONGEST: usize = 1024;
    body.len() <= LONGEST && body.is_ascii() && !body.iter().any(|byte| matches!(byte, b'{' | b'[' | b'<'))
}

/// Waits for the next change; for ever where there is none to come.
async fn next(changes: &mut Option<watch::Receiver<u64>>) {
    if let Some(changes) = changes
        && changes.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
