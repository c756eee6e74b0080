//! The gateway: requests in, judged, forwarded byte for byte, answers filtered.
//!
//! It stands on Pingora's server and listeners with its own forwarding, because nothing may reach the upstream before the
//! whole body is judged.

pub mod answer;
mod batch;
mod bound;
pub mod callers;
pub mod client;
mod decision;
pub mod door;
pub mod downstream;
pub mod exchange;
mod filling;
pub mod headers;
pub mod identity;
pub mod in_flight;
pub mod intake;
pub mod kept;
pub mod known;
pub mod listed;
pub mod memo;
pub mod metadata;
pub mod rates;
pub mod record;
pub mod standing;
pub mod tasks;
pub mod upstream;
pub mod verified;
pub mod who;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use tokio::time::timeout;

use crate::caller::UnixTime;
use crate::live::Live;
use crate::live::recent::Recent;
use crate::pinned::Pinned;
use crate::refusal::Refusal;
use crate::remote::{Exchanger, Verifier};
use crate::revoked::Revoked;
use crate::session::Sealer;
use crate::settings::HostRule;
use crate::token::{DpopTerms, IdentityHeaders};
use answer::{Answer, Gone};
use callers::Callers;
use client::{Client, Next, Reply};
use identity::IdentityTokens;
use in_flight::InFlight;
use intake::Bodies;
use kept::{Alarm, Kept};
use listed::Listed;
use rates::Rates;
use record::Report;
use standing::Changes;
use tasks::Makers;
use upstream::Upstream;
use verified::VerifiedCache;
use who::Proofs;

/// What bounds a request and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request body.
    pub body: usize,
    /// How deep a request body may nest.
    pub depth: u16,
    /// How many messages a batch may hold; 0 where there are no batches.
    pub batch: usize,
    /// Bytes of an answer that is no stream.
    pub response: usize,
    /// Bytes of one event of a stream.
    pub event: usize,
    /// How long the first bytes of a connection may take, and the head of a request beyond the idle time.
    pub header_timeout: Duration,
    /// How long an idle connection is kept.
    pub keepalive: Duration,
    /// How long the body of a request may take in all.
    pub body_timeout: Duration,
    /// Requests and streams that may be under way at once.
    pub streams: usize,
    /// Of these, those of one caller.
    pub streams_per_caller: usize,
    /// How long, in milliseconds, a client may take a list for fresh.
    pub list_ttl_ms: u64,
}

impl From<&crate::settings::Limits> for Limits {
    fn from(limits: &crate::settings::Limits) -> Self {
        Self {
            body: limits.body,
            depth: limits.depth,
            batch: limits.batch,
            response: limits.response,
            event: limits.response_event,
            header_timeout: limits.header_timeout,
            keepalive: limits.keepalive,
            body_timeout: limits.body_timeout,
            streams: limits.streams,
            streams_per_caller: limits.streams_per_caller,
            // A policy that changes is seen within this time.
            list_ttl_ms: u64::try_from(limits.list_ttl.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::from(&crate::settings::Limits::default())
    }
}

/// What the gateway was told at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The path of the endpoint, as clients see it.
    pub endpoint: String,
    /// The resource identifier (RFC 8707): the public URL of the endpoint.
    pub resource: String,
    /// Where clients find the protected-resource metadata (RFC 9728).
    pub metadata_url: String,
    /// The issuers that clients can get tokens from.
    pub authorization_servers: Vec<String>,
    /// Host names this gateway answers for.
    pub allowed_hosts: Vec<HostRule>,
    /// Origins whose pages may use it.
    pub allowed_origins: Vec<String>,
    /// Whether pages served from this machine may use it.
    pub allow_loopback_origins: bool,
    /// Which headers tell the upstream who calls.
    pub identity_headers: IdentityHeaders,
    /// Whether every token must be bound to a DPoP key, as clients are told.
    pub is_dpop_required: bool,
    /// Whether tokens may be bound to certificates of clients, as clients are told.
    pub takes_certificates: bool,
    /// What bounds a request.
    pub limits: Limits,
}

/// The application behind the public listeners.
pub struct Gateway {
    config: Config,
    live: Arc<Live>,
    recent: Arc<Recent>,
    revoked: Arc<Revoked>,
    verifier: Verifier,
    verified: VerifiedCache,
    dpop: DpopTerms,
    proofs: Proofs,
    bodies: Bodies,
    answers: Bodies,
    in_flight: Arc<InFlight>,
    sealer: Sealer,
    makers: Makers,
    upstream: Arc<Upstream>,
    exchanger: Option<Exchanger>,
    listed: Arc<Listed>,
    pinned: Option<Arc<Pinned>>,
    identity: Option<Arc<IdentityTokens>>,
    changes: Changes,
    callers: Callers,
    rates: Rates,
    arriving: Callers,
    report: Arc<Report>,
    under_way: Arc<AtomicUsize>,
    /// How many of these have their answer, and only the rest of their body is still waited for.
    parting: AtomicUsize,
    options: HttpServerOptions,
}

/// The parts a gateway is made of.
pub struct Parts {
    /// What it was told.
    pub config: Config,
    /// The policy in force.
    pub live: Arc<Live>,
    /// Who called lately.
    pub recent: Arc<Recent>,
    /// What is revoked.
    pub revoked: Arc<Revoked>,
    /// Whose tokens it takes.
    pub verifier: Verifier,
    /// On which terms DPoP proofs are accepted.
    pub dpop: DpopTerms,
    /// What binds sessions and tasks to their owners.
    pub sealer: Sealer,
    /// Where it forwards to.
    pub upstream: Arc<Upstream>,
    /// Where tokens for it come from, if it gets one.
    pub exchanger: Option<Exchanger>,
    /// What signs who calls, if the upstream is told so.
    pub identity: Option<Arc<IdentityTokens>>,
    /// What the server may say of its tools, where that is locked.
    pub pinned: Option<Arc<Pinned>>,
    /// What the server lists.
    pub listed: Arc<Listed>,
    /// Where it reports to.
    pub report: Arc<Report>,
    /// How many requests are under way, for whoever waits for their end.
    pub under_way: Arc<AtomicUsize>,
}

/// Counts a request for as long as it is under way.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn enter(count: &'a AtomicUsize) -> (Self, usize) {
        let before = count.fetch_add(1, Ordering::Relaxed);
        (Self(count), before)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What verified tokens that are remembered take, in bytes: room for some 100,000 usual ones.
const VERIFIED: u64 = 128 * 1024 * 1024;

/// Bytes of request bodies that are held at once, at least, and of answers: room for 64 of the largest bodies and 16 of
/// the largest answers. What is small needs none.
const BODIES: usize = 256 * 1024 * 1024;

impl Gateway {
    /// A gateway of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { config, live, recent, revoked, verifier, dpop, sealer, upstream, .. } = parts;
        let Parts { exchanger, identity, pinned, listed, report, under_way, .. } = parts;
        // A server that is told who calls may list other things to each.
        let tells_names = config.identity_headers.names().next().is_some();
        let is_same_for_all = exchanger.is_none() && identity.is_none() && !tells_names;
        let callers = Callers::new(config.limits.streams_per_caller);
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        options.h2_idle_timeout = Some(config.limits.keepalive);
        Self {
            in_flight: Arc::default(),
            changes: Changes::new(is_same_for_all),
            arriving: callers.beside(),
            callers,
            bodies: Bodies::new(BODIES.max(config.limits.body.saturating_mul(4))),
            answers: Bodies::new(BODIES.max(config.limits.response.max(config.limits.event).saturating_mul(4))),
            config,
            live,
            recent,
            revoked,
            verifier,
            verified: VerifiedCache::new(VERIFIED),
            proofs: Proofs::new(&dpop),
            dpop,
            sealer,
            makers: Makers::default(),
            upstream,
            exchanger,
            listed,
            pinned,
            identity,
            rates: Rates::default(),
            report,
            under_way,
            parting: AtomicUsize::new(0),
            options,
        }
    }

    /// What the server last listed, as far as callers asked for it.
    #[must_use]
    pub const fn listed(&self) -> &Arc<Listed> {
        &self.listed
    }

    /// Serves one HTTP/1.1 connection to its end.
    async fn converse(&self, mut client: Client, shutdown: &ShutdownWatch) {
        let limits = &self.config.limits;
        let mut kept = Kept::default();
        loop {
            match client.next(&mut kept, limits.keepalive, limits.header_timeout).await {
                Next::Request => {}
                Next::Malformed => {
                    let status = self.malformed();
                    client.close_after();
                    if client.answer(Reply::new(status), Bytes::new()).await.is_ok() {
                        client.finish().await;
                    }
                    return;
                }
                Next::End => return,
            }
            let (_guard, is_full) = self.enter();
            if *shutdown.borrow() {
                client.close_after();
            }
            // Apart, so that a connection that waits for its next request is small.
            if Box::pin(exchange::serve(self, &mut client, shutdown, &mut kept, is_full)).await.is_err() {
                // Nobody is there, or the answer was broken off: the connection must not live on.
                return client.abort().await;
            }
            // Anybody can have a body go on after a refusal: it takes nobody's place.
            let _parting = UnderWay::enter(&self.parting);
            if !client.is_free() {
                // It is idle from the end of what is still to come.
                kept.ended = None;
                if !client.finish().await {
                    return;
                }
            }
        }
    }

    /// Counts a request as under way; whether there were already as many as there may be.
    fn enter(&self) -> (UnderWay<'_>, bool) {
        let (guard, before) = UnderWay::enter(&self.under_way);
        let is_full = before.saturating_sub(self.parting.load(Ordering::Relaxed)) >= self.config.limits.streams;
        (guard, is_full)
    }

    /// Counts what is no HTTP; the status to answer it with.
    fn malformed(&self) -> StatusCode {
        self.report.malformed();
        let status = Refusal::HttpMalformed.status(crate::refusal::Era::Legacy);
        StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)
    }
}

/// HTTP/2: each of its streams is a request of its own.
#[async_trait]
impl HttpServerApp for Gateway {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let mut session = Box::new(session);
        if !session.is_http2() {
            return None;
        }
        let limits = &self.config.limits;
        match timeout(limits.header_timeout, session.read_request()).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) | Err(_) => return None,
            Ok(Err(_)) => {
                let _ = session.respond_error(self.malformed().as_u16()).await;
                return None;
            }
        }
        let mut client = Client::of(session);
        let (_guard, is_full) = self.enter();
        match exchange::serve(self, &mut client, shutdown, &mut Kept::default(), is_full).await {
            Ok(()) => client.finish_two().await,
            Err(Gone) => client.abort().await,
        }
        None
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}

/// The time, for the judge.
pub(crate) fn now() -> (UnixTime, Duration) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (UnixTime(since.as_secs()), since)
}

/// Waits for at most so long. What is ready at once needs no timer.
pub(crate) async fn within<T>(limit: Duration, work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    Alarm::default().within(limit, work).await
}

/// Writes an answer of the gateway's own, readable for an allowed origin.
async fn write(answer: Answer, client: &mut Client, is_origin_allowed: bool) -> Result<(), Gone> {
    let mut answer = answer;
    if is_origin_allowed
        && !answer.is_for_all_origins
        && let Some(origin) = client.head().fields.first("origin")
    {
        for (name, value) in metadata::cross_origin(origin) {
            answer.reply.line(name, value);
        }
    }
    client.answer(answer.reply, answer.body).await
}
