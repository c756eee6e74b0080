//! The operator's listener: metrics, health and explanations, and nothing that a caller of the gateway can reach.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;

use super::questions;
use super::signals::Signals;
use crate::gateway::answer::Answer;
use crate::gateway::client::{Client, Next};
use crate::gateway::identity::IdentityTokens;
use crate::gateway::intake::{expects_continue, is_body_uncertain};
use crate::gateway::kept::Kept;
use crate::gateway::listed::Listed;
use crate::gateway::upstream::Upstream;
use crate::gateway::within;
use crate::json::quoted;
use crate::live::Live;
use crate::pinned::Pinned;
use crate::remote::KeyRing;
use crate::report::decisions::Decisions;
use crate::report::metrics::Metrics;
use crate::revoked::Revoked;

/// Where the keys are by which identity tokens are verified.
const JWKS: &str = "/.well-known/jwks.json";
/// Where it is asked why.
const EXPLAIN: &str = "/explain";

/// The application behind the admin listener.
pub struct Admin {
    /// The policy.
    pub live: Arc<Live>,
    /// What is revoked.
    pub revoked: Arc<Revoked>,
    /// The keys of issuers.
    pub keys: Arc<KeyRing>,
    /// What signs who calls, if the upstream is told so.
    pub identity: Option<Arc<IdentityTokens>>,
    /// What the server may say of its tools, where that is locked.
    pub pinned: Option<Arc<Pinned>>,
    /// What the server lists.
    pub listed: Arc<Listed>,
    /// The upstream.
    pub upstream: Arc<Upstream>,
    /// The last decisions.
    pub decisions: Arc<Decisions>,
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// Whether the end has begun.
    pub signals: Arc<Signals>,
}

impl Admin {
    async fn answer(&self, client: &mut Client) -> Answer {
        let (method, uri) = (client.head().method.clone(), client.head().uri.clone());
        let query = uri.query().unwrap_or_default();
        if method == Method::POST && uri.path() == EXPLAIN {
            return match body(client).await {
                Some(body) => questions::posted(self, &body),
                None => text(400, "the question must come whole, and within 64 KiB\n".into()),
            };
        }
        if !matches!(method, Method::GET | Method::HEAD) {
            let mut answer = text(405, "only GET and HEAD, and POST for /explain\n".into());
            answer.set("Allow", "GET, HEAD");
            return answer;
        }
        match uri.path() {
            EXPLAIN => questions::asked(self, query),
            "/policy" => questions::policy(self, query),
            "/metrics" => {
                if let Some(pinned) = &self.pinned {
                    pinned.look(&self.listed.catalogue());
                }
                typed(200, "text/plain; version=0.0.4; charset=utf-8", self.metrics.render())
            }
            "/livez" => text(200, "ok\n".into()),
            "/readyz" => self.ready().await,
            JWKS => self.jwks(),
            "/" => text(200, format!("toolgate admin: /metrics /livez /readyz /explain /policy {JWKS}\n")),
            _ => text(404, "nothing is served at this path\n".into()),
        }
    }

    /// The keys by which an upstream knows that the gateway spoke.
    fn jwks(&self) -> Answer {
        let Some(tokens) = &self.identity else { return text(404, "no identity token is configured\n".into()) };
        let mut answer = typed(200, "application/jwk-set+json", tokens.jwks());
        // A key may be in use as soon as it is here.
        answer.set("Cache-Control", "max-age=60");
        answer
    }

    /// Ready when requests can be judged and forwarded. What is wrong stands in the body.
    async fn ready(&self) -> Answer {
        let snapshot = self.live.snapshot();
        let upstream = self.upstream.probe().await;
        let is_draining = self.signals.is_draining();
        let has_policy = snapshot.generation > 0;
        let keys = self.keys.is_ready();
        let is_ready = has_policy && keys.is_ok() && upstream.is_ok() && !is_draining;
        let upstream = upstream.map_or_else(|refusal| refusal.sentence(), |()| "ok");
        let policy = match self.live.trouble() {
            // What is in force is good; the operator should still see that the newest file is not.
            Some(trouble) => format!("generation {} stays in force: {trouble}", snapshot.generation),
            None if self.live.is_shadow() => {
                format!("generation {} is in shadow: nothing it says is enforced", snapshot.generation)
            }
            None if has_policy => format!("ok: generation {}", snapshot.generation),
            None => "none is in force".to_owned(),
        };
        let generation = self.revoked.generation();
        let revocations = match self.revoked.trouble() {
            Some(trouble) => format!("generation {generation} stays in force: {trouble}"),
            None if generation > 0 => format!("ok: generation {generation}, {} entries", self.revoked.len()),
            None => "none are configured".to_owned(),
        };
        let identity = match self.identity.as_ref().map(|tokens| (tokens.generation(), tokens.trouble())) {
            Some((generation, Some(trouble))) => format!("generation {generation} stays in force: {trouble}"),
            Some((generation, None)) => format!("ok: generation {generation}"),
            None => "none is configured".to_owned(),
        };
        let lock = self.pinned.as_ref().map(|pinned| pinned.detail(&self.listed.catalogue()));
        let lock = lock.unwrap_or_else(|| "none is configured".to_owned());
        // Who is lost among others does not make it unready; the operator should still see it.
        let keys = keys.err().or_else(|| self.keys.lost()).unwrap_or_else(|| "ok".to_owned());
        let body = format!(
            "{{\"ready\":{is_ready},\"policy\":{},\"revocations\":{},\"identity_key\":{},\"lock\":{},\"keys\":{},\"upstream\":{},\"draining\":{is_draining}}}\n",
            quoted(&policy),
            quoted(&revocations),
            quoted(&identity),
            quoted(&lock),
            quoted(&keys),
            quoted(upstream)
        );
        Answer::json(if is_ready { 200 } else { 503 }, body)
    }
}

/// The most bytes of a question.
const MOST: usize = 64 * 1024;

/// The body of a request, if it comes whole, in time and within bounds.
async fn body(client: &mut Client) -> Option<Vec<u8>> {
    let read = pin!(async {
        if expects_continue(client.head()) && !client.is_body_done() {
            client.tell_to_continue().await.ok()?;
        }
        let mut body = Vec::new();
        while let Some(chunk) = client.piece().await.ok()? {
            if body.len().saturating_add(chunk.len()) > MOST {
                return None;
            }
            body.extend_from_slice(&chunk);
        }
        Some(body)
    });
    within(Duration::from_secs(5), read).await?
}

pub(super) fn text(status: u16, body: String) -> Answer {
    let mut answer = typed(status, "text/plain; charset=utf-8", body);
    answer.set("X-Content-Type-Options", "nosniff");
    answer
}

fn typed(status: u16, media: &str, body: String) -> Answer {
    let mut answer = Answer { body: body.into(), ..Answer::empty(status) };
    answer.set("Content-Type", media);
    answer
}

/// How long an idle connection is kept, and how long a head may take.
const KEEPALIVE: Duration = Duration::from_secs(75);
const HEADER: Duration = Duration::from_secs(10);

#[async_trait]
impl ServerApp for Admin {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let (mut client, mut kept) = (Client::on(stream), Kept::default());
        loop {
            let answer = match client.next(&mut kept, KEEPALIVE, HEADER).await {
                Next::Request if client.head().is_ambiguous => text(400, "this is no request\n".into()),
                Next::Request => self.answer(&mut client).await,
                Next::Malformed => {
                    client.close_after();
                    Answer::empty(400)
                }
                Next::End => return None,
            };
            if *shutdown.borrow() || is_body_uncertain(&mut client) {
                client.close_after();
            }
            client.answer(answer.reply, answer.body).await.ok()?;
            if !client.finish().await {
                return None;
            }
        }
    }
}
