//! The keys of one issuer that are fetched: when, from where, and what becomes of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::discovery::discover;
use super::http::{Client, Question};
use super::schedule::{Admission, Gate, until_refresh, until_retry};
use crate::report::metrics::JwksResult;
use crate::serve::say;
use crate::settings::{KeySource, ProviderUrl, Timing};
use crate::token::{KeySet, KeySetError};

/// How long what an issuer publishes about itself is believed without asking again.
const METADATA_LIFE: Duration = Duration::from_secs(3600);
/// How long a request waits for a fetch it has asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Where the keys of an issuer are.
enum Place {
    Uri(ProviderUrl),
    /// Where the issuer says, and what it said when.
    Published(ProviderUrl, Mutex<Option<(ProviderUrl, Instant)>>),
}

/// The fetched keys of one issuer.
pub(super) struct Fetched {
    pub(super) issuer: Box<str>,
    place: Place,
    timing: Timing,
    client: Client,
    state: Mutex<State>,
    wanted: Notify,
    /// Counts the fetches that ended.
    ended: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    gate: Gate,
    /// The document in force.
    document: Option<Bytes>,
    /// When it was last seen at the provider.
    confirmed: Option<Instant>,
    was_loaded: bool,
    failures: u32,
    trouble: Option<String>,
    changes: u64,
}

/// What is to become of the keys in force.
pub(super) enum Change {
    /// They stay.
    None,
    /// These take their place.
    Keys(Arc<KeySet>),
    /// They are not to be used any more.
    Gone,
}

/// Why a fetch gave no keys.
enum Trouble {
    /// Nothing was learnt.
    Unknown(String),
    /// The provider has no key that can be used: those it had are withdrawn.
    Withdrawn(String),
}

impl Fetched {
    /// The keys from this source, which is not a file. Nothing is fetched yet.
    pub(super) fn new(issuer: &str, source: &KeySource, timing: Timing, client: Client) -> Option<Self> {
        let place = match source {
            KeySource::JwksUri(url) => Place::Uri(url.clone()),
            KeySource::Discovery(url) => Place::Published(url.clone(), Mutex::new(None)),
            KeySource::JwksFile(_) | KeySource::SecretFile(_) => return None,
        };
        Some(Self {
            issuer: issuer.into(),
            place,
            timing,
            client,
            state: Mutex::default(),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        })
    }

    /// Why there never were keys, as long as there were none.
    pub(super) fn not_ready(&self) -> Option<String> {
        let state = self.state();
        let trouble = state.trouble.as_deref().unwrap_or("they are being fetched");
        (!state.was_loaded).then(|| format!("issuer `{}` has no keys yet: {trouble}", self.issuer))
    }

    /// Why there are no keys any more, where there were some: they are too old, or withdrawn.
    pub(super) fn lost(&self) -> Option<String> {
        let state = self.state();
        let is_lost = state.was_loaded && state.document.is_none();
        let trouble = state.trouble.as_deref().unwrap_or("they are being fetched");
        is_lost.then(|| format!("issuer `{}` has no keys any more: {trouble}", self.issuer))
    }

    /// Has the keys fetched out of turn, if it is time, and waits a little for them. Whether they changed meanwhile.
    pub(super) async fn look_again(&self) -> bool {
        let (mut ended, before) = {
            let mut state = self.state();
            match state.gate.ask(Instant::now(), self.timing.min_refetch_interval, chance) {
                Admission::No => return false,
                Admission::Start => self.wanted.notify_one(),
                Admission::Wait => {}
            }
            // Still locked, so that the end of the fetch comes after this.
            (self.ended.subscribe(), state.changes)
        };
        let _ = timeout(LONGEST_WAIT, ended.changed()).await;
        self.state().changes != before
    }

    /// Fetches whenever it is time, for ever.
    pub(super) async fn keep_fresh(&self, apply: impl Fn(Change, JwksResult)) {
        loop {
            let pause = self.refresh(&apply).await;
            let _ = timeout(pause, self.wanted.notified()).await;
        }
    }

    /// Fetches once, and says how long to wait for the next time.
    pub(super) async fn refresh(&self, apply: &impl Fn(Change, JwksResult)) -> Duration {
        self.state().gate.begin();
        let fetched = self.fetch().await;
        let chance = chance();
        let mut state = self.state();
        let (change, result, pause) = match fetched {
            Ok((document, keys, max_age)) => {
                let pause = until_refresh(&self.timing, max_age, chance);
                let (change, result) = self.confirm(&mut state, document, keys);
                (change, result, pause)
            }
            Err(trouble) => {
                let change = self.fail(&mut state, trouble);
                (change, JwksResult::Failed, until_retry(&self.timing, state.failures, chance))
            }
        };
        if !matches!(change, Change::None) {
            state.changes = state.changes.saturating_add(1);
        }
        // Applied before anybody is told that the fetch has ended.
        apply(change, result);
        state.gate.end();
        let pause = self.until_stale(&state).map_or(pause, |stale| pause.min(stale));
        drop(state);
        self.ended.send_modify(|ended| *ended = ended.wrapping_add(1));
        pause
    }

    fn confirm(&self, state: &mut State, document: Bytes, keys: KeySet) -> (Change, JwksResult) {
        if state.failures > 0 {
            say(&format!("issuer `{}`: its keys can be fetched again", self.issuer));
        }
        state.failures = 0;
        state.trouble = None;
        state.was_loaded = true;
        state.confirmed = Some(Instant::now());
        if state.document.as_ref() == Some(&document) {
            return (Change::None, JwksResult::Unchanged);
        }
        say(&format!("issuer `{}`: keys in force: {}", self.issuer, keys.len()));
        for key in keys.skipped() {
            say(&format!("issuer `{}`: {key} is not used", self.issuer));
        }
        state.document = Some(document);
        (Change::Keys(Arc::new(keys)), JwksResult::Changed)
    }

    fn fail(&self, state: &mut State, trouble: Trouble) -> Change {
        let (trouble, is_withdrawn) = match trouble {
            Trouble::Unknown(trouble) => (trouble, false),
            Trouble::Withdrawn(trouble) => (trouble, true),
        };
        state.failures = state.failures.saturating_add(1);
        if state.trouble.as_ref() != Some(&trouble) {
            say(&format!("issuer `{}`: its keys cannot be fetched: {trouble}", self.issuer));
        }
        state.trouble = Some(trouble);
        let is_stale = self.until_stale(state).is_some_and(|left| left.is_zero());
        if state.document.is_none() || !(is_withdrawn || is_stale) {
            return Change::None;
        }
        let why = if is_withdrawn { "it has none that can be used" } else { "they are too old" };
        say(&format!("issuer `{}`: its keys are not used any more: {why}", self.issuer));
        state.document = None;
        Change::Gone
    }

    /// How long the keys in force may still be used without being seen again.
    fn until_stale(&self, state: &State) -> Option<Duration> {
        let confirmed = state.confirmed.filter(|_| state.document.is_some())?;
        Some(self.timing.max_stale.saturating_sub(confirmed.elapsed()))
    }

    async fn fetch(&self) -> Result<(Bytes, KeySet, Option<Duration>), Trouble> {
        let place = self.locate().await?;
        let answer = match self.client.ask(&place, Question::Get).await {
            Ok(answer) => answer,
            Err(no) => {
                self.forget_place();
                return Err(Trouble::Unknown(no.to_string()));
            }
        };
        match KeySet::from_jwks(&answer.body) {
            Ok(keys) => Ok((answer.body, keys, answer.max_age)),
            Err(error @ KeySetError::NoUsableKey(_)) => Err(Trouble::Withdrawn(format!("{place}: {error}"))),
            Err(error) => {
                self.forget_place();
                Err(Trouble::Unknown(format!("{place}: {error}")))
            }
        }
    }

    async fn locate(&self) -> Result<ProviderUrl, Trouble> {
        let (issuer, known) = match &self.place {
            Place::Uri(url) => return Ok(url.clone()),
            Place::Published(issuer, known) => (issuer, known),
        };
        let known_place = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((place, _)) = known_place.filter(|(_, since)| since.elapsed() < METADATA_LIFE) {
            return Ok(place);
        }
        let metadata = discover(&self.client, issuer).await.map_err(|no| Trouble::Unknown(no.to_string()))?;
        let none = || Trouble::Unknown(format!("the metadata of {issuer} names no usable `jwks_uri`"));
        let place = metadata.jwks_uri.ok_or_else(none)?;
        *known.lock().unwrap_or_else(PoisonError::into_inner) = Some((place.clone(), Instant::now()));
        Ok(place)
    }

    /// Next time the issuer is asked where its keys are: they may have moved.
    fn forget_place(&self) {
        if let Place::Published(_, known) = &self.place {
            *known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number by chance. Without chance replicas ask at once, which is all that is lost.
fn chance() -> u8 {
    let mut byte = [0];
    let _ = aws_lc_rs::rand::fill(&mut byte);
    u8::from_be_bytes(byte)
}
