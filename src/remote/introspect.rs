//! Asking about a token: its issuer (RFC 7662), or a verifier of the operator's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use super::client;
use super::discovery::discover;
use super::http::{Client, Question, Unanswered};
use super::memory::{Memory, Told};
use crate::caller::{Caller, UnixTime};
use crate::json::quoted;
use crate::refusal::Refusal;
use crate::report::metrics::{IntrospectionResult, Metrics};
use crate::serve::say;
use crate::settings::{Asked, IssuerSettings, ProviderUrl, Whom};
use crate::token::{Bearer, ClaimTerms, Issuer, accept_claims};

/// How many questions are under way at once.
const MOST_QUESTIONS: usize = 64;
/// What an active token is good for, in seconds, of which it is not said when it expires.
const DEFAULT_LIFE: u64 = 300;
/// How long what an issuer publishes about itself is believed, and how long it is that it could not be had.
const METADATA_LIFE: Duration = Duration::from_secs(3600);
const METADATA_PAUSE: Duration = Duration::from_secs(1);
/// For so long nobody is asked again about a token about which there was no answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks about the tokens of one issuer.
pub struct Introspector {
    issuer: Box<str>,
    /// The issuer as a URL, where it is one.
    url: Option<ProviderUrl>,
    asked: Asked,
    client: Client,
    published: Mutex<Option<Published>>,
    memory: Memory<Caller>,
    questions: Semaphore,
    is_failing: AtomicBool,
    metrics: Arc<Metrics>,
}

/// What the issuer said about itself, and when.
struct Published {
    endpoint: Result<ProviderUrl, String>,
    at: Instant,
}

impl Introspector {
    /// Who is asked about the tokens of this issuer, if anybody.
    ///
    /// # Errors
    /// What is wrong with its `ca_file`.
    pub fn new(settings: &IssuerSettings, metrics: &Arc<Metrics>) -> Result<Option<Self>, String> {
        let Some(asked) = settings.asked() else { return Ok(None) };
        Ok(Some(Self {
            issuer: settings.name().into(),
            url: ProviderUrl::read(settings.name()),
            asked: asked.clone(),
            client: Client::new(settings.reach())?,
            published: Mutex::new(None),
            memory: Memory::new(),
            questions: Semaphore::new(MOST_QUESTIONS),
            is_failing: AtomicBool::new(false),
            metrics: Arc::clone(metrics),
        }))
    }

    /// The name of the issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Which tokens are asked about.
    #[must_use]
    pub const fn asked(&self) -> &Asked {
        &self.asked
    }

    /// The caller whom this token makes, on the terms of `issuer`: remembered, or asked for.
    ///
    /// # Errors
    /// [`Refusal::VerificationUnavailable`] where nobody answers, or with nonsense; else what is true of the token.
    pub async fn check(&self, token: &Bearer<'_>, issuer: &Issuer, now: UnixTime) -> Result<Caller, Refusal> {
        let caller = self.memory.recall(token.digest(), self.told(token, issuer, now)).await?;
        // What is remembered was true at another time.
        if now < caller.expires.plus(issuer.leeway) { Ok(caller) } else { Err(Refusal::TokenExpired) }
    }

    async fn told(&self, token: &Bearer<'_>, issuer: &Issuer, now: UnixTime) -> Told<Caller> {
        let answer = match self.ask(token, now).await {
            Ok(body) => self.judge(&body, issuer, now),
            Err(trouble) => {
                self.note(Some(&trouble));
                Err(Refusal::VerificationUnavailable)
            }
        };
        let (life, result) = match &answer {
            Ok(caller) => {
                let left = caller.expires.plus(issuer.leeway).0.saturating_sub(now.0);
                (self.asked.cache.min(Duration::from_secs(left)), IntrospectionResult::Active)
            }
            Err(Refusal::VerificationUnavailable) => (PAUSE, IntrospectionResult::Unavailable),
            Err(_) => (self.asked.negative_cache, IntrospectionResult::Refused),
        };
        self.metrics.introspected(&self.issuer, result);
        Told { answer, life }
    }

    fn judge(&self, body: &[u8], issuer: &Issuer, now: UnixTime) -> Result<Caller, Refusal> {
        let terms = ClaimTerms { default_life: DEFAULT_LIFE, iss_required: false };
        let judged = accept_claims(issuer, body, now, terms);
        match judged {
            Err(Refusal::VerificationUnavailable) => self.note(Some("the answer makes no sense")),
            _ => self.note(None),
        }
        judged
    }

    async fn ask(&self, token: &Bearer<'_>, now: UnixTime) -> Result<bytes::Bytes, String> {
        let time = self.asked.timeout;
        let place = timeout(time, self.questions.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err("too many questions are under way".to_owned()) };
        let (url, question) = match &self.asked.whom {
            Whom::Verifier(url) => {
                (url.clone(), Question::Json(format!("{{\"token\":{}}}", quoted(token.expose()))))
            }
            Whom::Introspection { endpoint, client } => {
                let url = match endpoint {
                    Some(url) => url.clone(),
                    None => timeout(time, self.endpoint())
                        .await
                        .map_err(|_elapsed| format!("issuer `{}` did not say where in time", self.issuer))??,
                };
                let parameters = [("token", token.expose()), ("token_type_hint", "access_token")];
                let audience = self.url.as_ref().map_or_else(|| url.as_str(), ProviderUrl::as_str);
                let question = client::form(client, &parameters, audience, now)?;
                (url, question)
            }
        };
        match self.client.ask_within(time, &url, question).await {
            Ok(answer) => Ok(answer.body),
            Err(no) => {
                if matches!(no, Unanswered::Status(..) | Unanswered::Redirected(..) | Unanswered::Unresolved(..)) {
                    // The endpoint may have moved.
                    *self.published.lock().await = None;
                }
                Err(no.to_string())
            }
        }
    }

    /// The endpoint that the issuer publishes.
    async fn endpoint(&self) -> Result<ProviderUrl, String> {
        let mut published = self.published.lock().await;
        if let Some(known) = &*published {
            let life = if known.endpoint.is_ok() { METADATA_LIFE } else { METADATA_PAUSE };
            if known.at.elapsed() < life {
                return known.endpoint.clone();
            }
        }
        let endpoint = self.discover().await;
        *published = Some(Published { endpoint: endpoint.clone(), at: Instant::now() });
        endpoint
    }

    async fn discover(&self) -> Result<ProviderUrl, String> {
        let issuer = self.url.as_ref().ok_or("the issuer is not a URL")?;
        let metadata = discover(&self.client, issuer).await.map_err(|no| no.to_string())?;
        metadata
            .introspection_endpoint
            .ok_or_else(|| format!("the metadata of {issuer} names no usable `introspection_endpoint`"))
    }

    /// Tells the operator when it stops working, and when it works again.
    fn note(&self, trouble: Option<&str>) {
        let was_failing = self.is_failing.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some(trouble) if !was_failing => {
                say(&format!("issuer `{}`: tokens cannot be asked about: {trouble}", self.issuer));
            }
            None if was_failing => say(&format!("issuer `{}`: tokens can be asked about again", self.issuer)),
            _ => {}
        }
    }
}
