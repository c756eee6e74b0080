//! Another token for the upstream in exchange for the caller's (RFC 8693): the caller's own never leaves the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::client;
use super::document::Document;
use super::http::{Client, Unanswered};
use super::memory::{Memory, Told};
use crate::caller::{Caller, UnixTime};
use crate::refusal::Refusal;
use crate::report::metrics::{ExchangeResult, Metrics};
use crate::serve::say;
use crate::settings::UpstreamToken;
use crate::token::Bearer;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// How many exchanges are under way at once.
const MOST_EXCHANGES: usize = 64;
/// So long before it expires a token is no longer used: it must still be good when it arrives.
const MARGIN: u64 = 10;
/// How long, in seconds, a token is taken to live of which it is not said.
const DEFAULT_LIFE: u64 = 60;
/// For so long a refusal is remembered, and that there was no answer.
const NEGATIVE_LIFE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// Exchanges tokens at one endpoint.
pub struct Exchanger {
    settings: UpstreamToken,
    client: Client,
    memory: Memory<Arc<str>>,
    exchanges: Semaphore,
    is_failing: AtomicBool,
    metrics: Arc<Metrics>,
}

/// Why there is no token.
enum NoToken {
    /// The server will not give one.
    Refused(String),
    /// The server does not answer, or with nonsense.
    Unavailable(String),
}

impl Exchanger {
    /// An exchanger; nothing is asked yet.
    ///
    /// # Errors
    /// What is wrong with its `ca_file`.
    pub fn new(settings: &UpstreamToken, metrics: &Arc<Metrics>) -> Result<Self, String> {
        Ok(Self {
            client: Client::new(&settings.reach)?,
            settings: settings.clone(),
            memory: Memory::new(),
            exchanges: Semaphore::new(MOST_EXCHANGES),
            is_failing: AtomicBool::new(false),
            metrics: Arc::clone(metrics),
        })
    }

    /// The token for the upstream that this caller gets for his: remembered, or asked for.
    ///
    /// # Errors
    /// [`Refusal::UpstreamUnauthorized`] where the server will give none, [`Refusal::VerificationUnavailable`] where
    /// it does not answer, or with nonsense.
    pub async fn exchange(&self, token: &Bearer<'_>, caller: &Caller, now: UnixTime) -> Result<Arc<str>, Refusal> {
        self.memory.recall(token.digest(), self.told(token, caller, now)).await
    }

    async fn told(&self, token: &Bearer<'_>, caller: &Caller, now: UnixTime) -> Told<Arc<str>> {
        let (result, told) = match self.ask(token, now).await {
            Ok((answer, life)) => {
                self.note(None);
                // Never beyond what the caller himself is still good for.
                let left = life.saturating_sub(MARGIN).min(caller.expires.0.saturating_sub(now.0));
                let life = self.settings.cache.min(Duration::from_secs(left));
                (ExchangeResult::Done, Told { answer: Ok(answer), life })
            }
            Err(NoToken::Refused(trouble)) => {
                self.note(Some(&trouble));
                let told = Told { answer: Err(Refusal::UpstreamUnauthorized), life: NEGATIVE_LIFE };
                (ExchangeResult::Refused, told)
            }
            Err(NoToken::Unavailable(trouble)) => {
                self.note(Some(&trouble));
                let told = Told { answer: Err(Refusal::VerificationUnavailable), life: PAUSE };
                (ExchangeResult::Unavailable, told)
            }
        };
        self.metrics.exchanged(result);
        told
    }

    async fn ask(&self, token: &Bearer<'_>, now: UnixTime) -> Result<(Arc<str>, u64), NoToken> {
        let place = timeout(self.settings.reach.timeout, self.exchanges.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(NoToken::Unavailable("too many exchanges are under way".to_owned()));
        };
        let endpoint = &self.settings.endpoint;
        let mut parameters = vec![
            ("grant_type", GRANT),
            ("subject_token", token.expose()),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", ACCESS_TOKEN),
        ];
        let UpstreamToken { audience, resource, scope, .. } = &self.settings;
        for (name, value) in [("audience", audience), ("resource", resource), ("scope", scope)] {
            parameters.extend(value.as_deref().map(|value| (name, value)));
        }
        let question = client::form(&self.settings.client, &parameters, endpoint.as_str(), now);
        let answer = self.client.ask(endpoint, question.map_err(NoToken::Unavailable)?).await;
        match answer {
            Ok(answer) => {
                let no = |why: &str| NoToken::Unavailable(format!("the answer of {endpoint} is {why}"));
                let found = read(&answer.body).ok_or_else(|| no("no token that can be sent"))?;
                // INVARIANT: the caller's own token never leaves the gateway, whoever hands it back.
                if *found.0 == *token.expose() { Err(no("the caller's own token")) } else { Ok(found) }
            }
            Err(no @ Unanswered::Status(_, 400..=499)) => Err(NoToken::Refused(no.to_string())),
            Err(no) => Err(NoToken::Unavailable(no.to_string())),
        }
    }

    fn note(&self, trouble: Option<&str>) {
        let was_failing = self.is_failing.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some(trouble) if !was_failing => say(&format!("upstream_token: no exchange: {trouble}")),
            None if was_failing => say("upstream_token: tokens are exchanged again"),
            _ => {}
        }
    }
}

/// The token of an answer (RFC 8693 §2.2.1), and for how many seconds it lives. Only a bearer token can be sent on.
fn read(body: &[u8]) -> Option<(Arc<str>, u64)> {
    let document = Document::read(body).ok()?;
    let token = Bearer::try_from(document.text("access_token")?).ok()?;
    document.text("token_type").filter(|kind| kind.eq_ignore_ascii_case("Bearer"))?;
    let is_access_token = ["urn:ietf:params:oauth:token-type:jwt", ACCESS_TOKEN];
    document.text("issued_token_type").is_none_or(|kind| is_access_token.contains(&kind)).then_some(())?;
    let life = if document.has("expires_in") { document.seconds("expires_in")? } else { DEFAULT_LIFE };
    Some((Arc::from(token.expose()), life))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_that_can_be_sent_is_one() {
        let read = |text: &str| read(text.as_bytes()).map(|(token, life)| (token.to_string(), life));
        let good = r#"{"access_token":"t","token_type":"bearer","expires_in":300,"issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#;
        assert_eq!(read(good), Some(("t".to_owned(), 300)));
        assert_eq!(read(r#"{"access_token":"t","token_type":"Bearer"}"#), Some(("t".to_owned(), 60)));
        for text in [
            "",
            "{}",
            r#"{"access_token":"t"}"#,
            r#"{"access_token":"","token_type":"Bearer"}"#,
            r#"{"access_token":"a b","token_type":"Bearer"}"#,
            r#"{"access_token":"a\r\nX: y","token_type":"Bearer"}"#,
            r#"{"access_token":"t","token_type":"DPoP"}"#,
            r#"{"access_token":"t","token_type":"N_A"}"#,
            r#"{"access_token":"t","token_type":"Bearer","expires_in":-1}"#,
            r#"{"access_token":"t","token_type":"Bearer","expires_in":"300"}"#,
            r#"{"access_token":"t","token_type":"Bearer","issued_token_type":"urn:ietf:params:oauth:token-type:id_token"}"#,
            r#"{"access_token":"t","access_token":"u","token_type":"Bearer"}"#,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
