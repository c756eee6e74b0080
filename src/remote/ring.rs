//! The keys of all issuers as they are now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::fetched::{Change, Fetched};
use super::files::Followed;
use super::http::Client;
use super::runtime::Runtime;
use crate::report::metrics::Metrics;
use crate::settings::{IssuerSettings, PublicUrl};
use crate::token::{Issuer, Issuers, KeySet};

/// The issuers with their keys, kept fresh by a thread of its own until it is dropped.
pub struct KeyRing {
    current: Arc<Current>,
    fetched: Box<[Arc<Fetched>]>,
    _runtime: Option<Runtime>,
}

/// The issuers in force.
struct Current {
    issuers: ArcSwap<Issuers>,
    epoch: AtomicU64,
    /// Held while the issuers are replaced, so that no replacement is lost.
    replacing: Mutex<()>,
}

impl KeyRing {
    /// Reads the keys that are in files, and has those fetched that are not. It does not wait for them.
    ///
    /// # Errors
    /// A file has no keys, or a `ca_file` no certificates.
    pub fn start(
        settings: &[IssuerSettings],
        public_url: &PublicUrl,
        metrics: &Arc<Metrics>,
    ) -> Result<Arc<Self>, String> {
        let (mut issuers, mut fetched, mut followed) = (Vec::new(), Vec::new(), Vec::new());
        for one in settings {
            let about = |trouble: String| format!("issuer `{}`: {trouble}", one.name());
            let mut issuer = one.issuer(public_url);
            if let Some(source) = one.keys() {
                if let Some(file) = Followed::new(source) {
                    issuer.keys = Some(Arc::new(source.load().map_err(about)?));
                    followed.push((issuer.name.clone(), file));
                } else {
                    let client = Client::new(one.reach()).map_err(about)?;
                    fetched.extend(Fetched::new(one.name(), source, one.timing(), client).map(Arc::new));
                }
            }
            issuers.push(issuer);
        }
        let issuers = Issuers::new(issuers).map_err(|error| error.to_string())?;
        let current = Arc::new(Current::new(issuers));
        if fetched.is_empty() && followed.is_empty() {
            return Ok(Arc::new(Self { current, fetched: [].into(), _runtime: None }));
        }
        let runtime = Runtime::start()?;
        for (issuer, file) in followed {
            let current = Arc::clone(&current);
            runtime.spawn(async move {
                let name = issuer.clone();
                file.follow(issuer, |keys| current.replace(&name, Some(&Arc::new(keys)))).await;
            });
        }
        for one in &fetched {
            let (one, current, metrics) = (Arc::clone(one), Arc::clone(&current), Arc::clone(metrics));
            runtime.spawn(async move {
                one.keep_fresh(|change, result| {
                    current.apply(&one.issuer, change);
                    metrics.keys_refreshed(&one.issuer, result);
                })
                .await;
            });
        }
        Ok(Arc::new(Self { current, fetched: fetched.into(), _runtime: Some(runtime) }))
    }

    /// Issuers whose keys never change.
    #[must_use]
    pub fn fixed(issuers: Issuers) -> Arc<Self> {
        Arc::new(Self { current: Arc::new(Current::new(issuers)), fetched: [].into(), _runtime: None })
    }

    /// The issuers with the keys they have now.
    #[must_use]
    pub fn issuers(&self) -> Arc<Issuers> {
        self.current.issuers.load_full()
    }

    /// Counts every change of keys. What was judged by keys read after this number holds as long as it stays.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.current.epoch.load(Ordering::Acquire)
    }

    /// Has the keys of this issuer fetched again, because a token names one that is not known. Whether they changed.
    ///
    /// However many ask, there is one fetch in each `min_refetch_interval`, and nobody waits longer than two seconds.
    pub async fn unknown_key(&self, issuer: &str) -> bool {
        match self.fetched.iter().find(|fetched| *fetched.issuer == *issuer) {
            Some(fetched) => fetched.look_again().await,
            None => false,
        }
    }

    /// Whether keys of this issuer are fetched.
    pub(super) fn has_source(&self, issuer: &str) -> bool {
        self.fetched.iter().any(|fetched| *fetched.issuer == *issuer)
    }

    /// Whether there were keys of every issuer at least once, and are tokens that can be accepted: an issuer that is
    /// down for too long does not take the others with it.
    ///
    /// # Errors
    /// Whose are missing, and why.
    pub fn is_ready(&self) -> Result<(), String> {
        let missing: Vec<String> = self.fetched.iter().filter_map(|fetched| fetched.not_ready()).collect();
        if !missing.is_empty() {
            return Err(missing.join("; "));
        }
        // Without keys and without a place to fetch them, somebody is asked about tokens.
        let is_of_use = |issuer: &Issuer| issuer.keys.is_some() || !self.has_source(&issuer.name);
        let lost = self.lost().filter(|_| !self.issuers().iter().any(is_of_use));
        lost.map_or(Ok(()), Err)
    }

    /// Whose keys are not used any more, and why.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        let lost: Vec<String> = self.fetched.iter().filter_map(|fetched| fetched.lost()).collect();
        (!lost.is_empty()).then(|| lost.join("; "))
    }
}

impl Current {
    fn new(issuers: Issuers) -> Self {
        Self { issuers: ArcSwap::from_pointee(issuers), epoch: AtomicU64::new(0), replacing: Mutex::new(()) }
    }

    fn apply(&self, issuer: &str, change: Change) {
        match change {
            Change::None => {}
            Change::Keys(keys) => self.replace(issuer, Some(&keys)),
            Change::Gone => self.replace(issuer, None),
        }
    }

    fn replace(&self, issuer: &str, keys: Option<&Arc<KeySet>>) {
        let _guard = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.issuers.load_full();
        let renewed = before.iter().map(|one| match *one.name == *issuer {
            true => Issuer { keys: keys.cloned(), ..one.clone() },
            false => one.clone(),
        });
        // The names are those of before, so it is still clear whose a token is.
        if let Ok(issuers) = Issuers::new(renewed.collect()) {
            self.issuers.store(Arc::new(issuers));
            // After the keys: who reads the number first never takes old keys for new ones.
            self.epoch.fetch_add(1, Ordering::Release);
        }
    }
}
