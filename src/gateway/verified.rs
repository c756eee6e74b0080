//! The memory of verified tokens: a signature is verified once per token, not once per request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::known::Known;
use crate::caller::UnixTime;
use crate::token::{Bearer, TokenDigest, Verified};

#[derive(Clone)]
struct Entry {
    verified: Verified,
    known: Arc<Known>,
}

/// How many bytes an entry takes, about.
#[derive(Clone)]
struct Weight;

impl Weighter<TokenDigest, Entry> for Weight {
    fn weight(&self, _: &TokenDigest, entry: &Entry) -> u64 {
        const FIXED: usize = 512;
        // Each scope is held as a text, and once more in the audit's words.
        let scopes: usize =
            entry.known.scopes.iter().map(|scope| scope.len().saturating_mul(2).saturating_add(32)).sum();
        let bytes = FIXED.saturating_add(entry.known.claims.len()).saturating_add(scopes);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// The token that was looked up last for a connection, and found, so that a client which sends the same with each request does
/// not have it looked up each time: a digest of a token takes as long as all that is decided by it.
///
/// The text is held for as long as the connection, which has it in its buffers, too; it is compared in constant time, since
/// one connection may carry the requests of several callers, and shown to nobody.
#[derive(Default)]
pub struct Latest {
    text: Box<str>,
    entry: Option<Entry>,
}

/// Longer tokens are not held, in bytes: a connection that waits for its next request is to be small.
const LONGEST: usize = 2 * 1024;

impl Latest {
    fn usable(&self, token: &Bearer<'_>, epoch: u64, now: UnixTime) -> Option<Arc<Known>> {
        let entry = self.entry.as_ref().filter(|entry| entry.verified.is_usable(now, epoch))?;
        let is_same = verify_slices_are_equal(self.text.as_bytes(), token.expose().as_bytes()).is_ok();
        is_same.then(|| Arc::clone(&entry.known))
    }

    fn note(&mut self, token: &Bearer<'_>, entry: &Entry) {
        let held = Some((token.expose(), entry)).filter(|(text, _)| text.len() <= LONGEST);
        let (text, entry) = held.map_or_else(Default::default, |(text, entry)| (text.into(), Some(entry.clone())));
        *self = Self { text, entry };
    }
}

/// Verified tokens, by the digest of their text. Only accepted tokens are put in.
pub struct VerifiedCache {
    entries: Option<Cache<TokenDigest, Entry, Weight>>,
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

    /// The caller this token has made, if a new verification would make the same. `latest` is what came last over the same
    /// connection.
    #[must_use]
    pub fn get(&self, token: &Bearer<'_>, epoch: u64, now: UnixTime, latest: &mut Latest) -> Option<Arc<Known>> {
        let found = latest.usable(token, epoch, now).or_else(|| {
            let entry = self.usable(token, epoch, now)?;
            latest.note(token, &entry);
            Some(entry.known)
        });
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn usable(&self, token: &Bearer<'_>, epoch: u64, now: UnixTime) -> Option<Entry> {
        let (entries, digest) = (self.entries.as_ref()?, token.digest());
        let entry = entries.get(&digest)?;
        if entry.verified.is_usable(now, epoch) {
            return Some(entry);
        }
        entries.remove(&digest);
        None
    }

    /// Remembers whom an accepted token has made, for as long as `verified` says.
    pub fn put(&self, token: &Bearer<'_>, verified: Verified, known: Arc<Known>) {
        if let Some(entries) = &self.entries {
            entries.insert(token.digest(), Entry { verified, known });
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

    fn token(text: &str) -> Bearer<'_> {
        Bearer::try_from(text).unwrap()
    }

    fn put(cache: &VerifiedCache, text: &str, subject: &str) {
        let caller = Arc::new(Caller::new("i", subject, UnixTime(1000)));
        let verified = Verified::by_signature(&caller, 0, 1);
        cache.put(&token(text), verified, Arc::new(Known::new(caller, 0)));
    }

    #[test]
    fn a_token_is_remembered_for_its_epoch_and_time() {
        let cache = VerifiedCache::new(100_000);
        put(&cache, "a", "alice");
        put(&cache, "b", "bob");
        let subject = |text, epoch, now| {
            let found = cache.get(&token(text), epoch, UnixTime(now), &mut Latest::default());
            found.map(|it| it.subject.clone())
        };
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
    fn what_came_last_over_a_connection_is_good_for_the_same_text_epoch_and_time_only() {
        let cache = VerifiedCache::new(100_000);
        put(&cache, "alices", "alice");
        put(&cache, "bobs", "bob");
        let mut latest = Latest::default();
        let mut subject = |text: &str, epoch, now| {
            cache.get(&token(text), epoch, UnixTime(now), &mut latest).map(|it| it.subject.clone())
        };
        for (text, expected) in [("alices", "alice"), ("bobs", "bob"), ("alices", "alice"), ("alices", "alice")] {
            assert_eq!(subject(text, 1, 999).as_deref(), Some(expected));
        }
        for other in ["alice", "alices0", "Alices", "alicez", "alices=", "s"] {
            assert_eq!(subject(other, 1, 999), None, "{other}");
            assert_eq!(subject("alices", 1, 999).as_deref(), Some("alice"), "a stranger's token changes nothing");
        }
        assert_eq!(subject("alices", 1, 1000), None, "it has expired");
        assert_eq!(subject("alices", 2, 999), None, "keys or issuers have changed");
        assert_eq!(cache.hits(), 10);
    }

    #[test]
    fn what_is_long_is_not_held_by_connections() {
        let cache = VerifiedCache::new(100_000);
        let mut latest = Latest::default();
        for (length, is_held) in [(LONGEST + 1, false), (LONGEST, true), (LONGEST + 1, false)] {
            let text = "t".repeat(length);
            put(&cache, &text, "alice");
            assert!(cache.get(&token(&text), 1, UnixTime(1), &mut latest).is_some(), "{length}");
            assert_eq!((latest.entry.is_some(), latest.text.len()), (is_held, if is_held { length } else { 0 }));
        }
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
        assert!(cache.get(&token("a"), 1, UnixTime(0), &mut Latest::default()).is_none());
        assert!(cache.is_empty());
    }
}
