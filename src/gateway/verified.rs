//! The memory of verified tokens: a signature is verified once per token, not once per request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::known::Known;
use crate::caller::UnixTime;
use crate::token::{Bearer, TokenDigest};

/// How many bytes an entry takes, about.
#[derive(Clone)]
struct Weight;

impl Weighter<TokenDigest, Arc<Known>> for Weight {
    fn weight(&self, _: &TokenDigest, known: &Arc<Known>) -> u64 {
        const FIXED: usize = 512;
        // Each scope is held as a text, and once more in the audit's words.
        let scopes: usize = known.scopes.iter().map(|scope| scope.len().saturating_mul(2).saturating_add(32)).sum();
        let bytes = FIXED.saturating_add(known.claims.len()).saturating_add(scopes);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Verified tokens, by the digest of their text. Only accepted tokens are put in.
pub struct VerifiedCache {
    entries: Option<Cache<TokenDigest, Arc<Known>, Weight>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl VerifiedCache {
    /// A memory of `bytes` for verified tokens, which forgets those that are rarely used first; 0 remembers none.
    ///
    /// An entry has the token's claims and what was made of them, a kilobyte for most, and not the token.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        const USUAL: u64 = 1024;
        let tokens = usize::try_from(bytes.div_euclid(USUAL)).unwrap_or(usize::MAX);
        let entries = (bytes > 0).then(|| Cache::with_weighter(tokens, bytes, Weight));
        Self { entries, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// The caller this token has made, if a new verification would make the same.
    #[must_use]
    pub fn get(&self, token: &Bearer<'_>, epoch: u64, now: UnixTime) -> Option<Arc<Known>> {
        let found = self.usable(token, epoch, now);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn usable(&self, token: &Bearer<'_>, epoch: u64, now: UnixTime) -> Option<Arc<Known>> {
        let (entries, digest) = (self.entries.as_ref()?, token.digest());
        let known = entries.get(&digest)?;
        if known.is_usable(now, epoch) {
            return Some(known);
        }
        entries.remove(&digest);
        None
    }

    /// Remembers whom an accepted token has made, for as long as it is that caller.
    pub fn put(&self, token: &Bearer<'_>, known: Arc<Known>) {
        if let Some(entries) = &self.entries {
            entries.insert(token.digest(), known);
        }
    }

    /// How many tokens are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, Cache::len)
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often a token was remembered.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// How often it was not.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Caller;
    use crate::token::Verified;

    fn token(text: &str) -> Bearer<'_> {
        Bearer::try_from(text).unwrap()
    }

    fn put(cache: &VerifiedCache, text: &str, subject: &str) {
        let caller = Caller::new("i", subject, UnixTime(1000));
        let verified = Verified::by_signature(&caller, 0, 1);
        cache.put(&token(text), Arc::new(Known::new(caller, verified)));
    }

    #[test]
    fn a_token_is_remembered_for_its_epoch_and_time() {
        let cache = VerifiedCache::new(100_000);
        put(&cache, "a", "alice");
        put(&cache, "b", "bob");
        let subject = |text, epoch, now| cache.get(&token(text), epoch, UnixTime(now)).map(|it| it.subject.clone());
        assert_eq!(subject("a", 1, 999), Some("alice".into()));
        assert_eq!(subject("b", 1, 999), Some("bob".into()));
        assert_eq!(subject("c", 1, 999), None);
        assert_eq!(subject("A", 1, 999), None);
        assert_eq!(subject("a", 2, 999), None, "keys or issuers have changed");
        assert_eq!(subject("a", 1, 999), None, "what became useless is forgotten");
        assert_eq!(subject("b", 1, 1000), None, "it has expired");
        assert_eq!((cache.hits(), cache.misses(), cache.len()), (2, 5, 0));
    }

    #[test]
    fn it_is_bounded() {
        let cache = VerifiedCache::new(1_000_000);
        for at in 0..10_000 {
            put(&cache, &format!("t{at}"), "alice");
        }
        // 514 bytes each.
        assert!((1000..=1945).contains(&cache.len()), "{}", cache.len());
    }

    #[test]
    fn a_capacity_of_none_remembers_nothing() {
        let cache = VerifiedCache::new(0);
        put(&cache, "a", "alice");
        assert!(cache.get(&token("a"), 1, UnixTime(0)).is_none());
        assert!(cache.is_empty());
    }
}
