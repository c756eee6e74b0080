//! How much of one caller is under way, so that none can take all there is.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher};
use std::sync::Mutex;

use crate::caller::Caller;
use crate::refusal::Refusal;

/// Counts, by caller. A caller is an issuer's subject, whatever client it uses.
#[derive(Debug)]
pub struct Callers {
    most: usize,
    hasher: RandomState,
    under_way: [Mutex<HashMap<u64, usize, BuildHasherDefault<AsItIs>>>; SHARDS],
}

/// Keys are hashes already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = self.0.rotate_left(8) ^ key;
    }
}

/// What a caller is counted by: the hash of its name under a key of this process alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u64);

/// Callers are spread over this many locks.
const SHARDS: usize = 16;

impl Callers {
    /// At most this many requests and streams of each caller.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, hasher: RandomState::new(), under_way: Default::default() }
    }

    /// Another count of the same callers, under the same keys.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { most: self.most, hasher: self.hasher.clone(), under_way: Default::default() }
    }

    /// What this caller is counted by.
    #[must_use]
    pub fn key(&self, caller: &Caller) -> Key {
        Key(self.hasher.hash_one((&caller.issuer, &caller.subject)))
    }

    /// Counts one more request of the caller with this key, until the place is dropped.
    ///
    /// # Errors
    /// [`Refusal::CallerBusy`] if there are as many as there may be.
    pub fn enter(&self, Key(key): Key) -> Result<Place<'_>, Refusal> {
        let mut counts = self.shard(key).ok_or(Refusal::Overloaded)?.lock().map_err(|_| Refusal::Overloaded)?;
        let count = counts.entry(key).or_default();
        if *count >= self.most {
            return Err(Refusal::CallerBusy);
        }
        *count = count.saturating_add(1);
        drop(counts);
        Ok(Place { callers: self, key })
    }

    fn shard(&self, key: u64) -> Option<&Mutex<HashMap<u64, usize, BuildHasherDefault<AsItIs>>>> {
        self.under_way.get(usize::try_from(key & 0xf).ok()?)
    }
}

/// The place that one request takes.
#[derive(Debug)]
pub struct Place<'a> {
    callers: &'a Callers,
    key: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(Ok(mut counts)) = self.callers.shard(self.key).map(Mutex::lock) else { return };
        if let Some(count) = counts.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::UnixTime;

    fn caller(subject: &str) -> Caller {
        Caller::new("issuer", subject, UnixTime(1))
    }

    #[test]
    fn each_caller_has_its_own_number_of_places() {
        let callers = Callers::new(2);
        let (alice, bob) = (caller("alice"), caller("bob"));
        let first = callers.enter(callers.key(&alice)).unwrap();
        let second = callers.enter(callers.key(&alice)).unwrap();
        assert_eq!(callers.enter(callers.key(&alice)).unwrap_err(), Refusal::CallerBusy);
        assert!(callers.enter(callers.key(&bob)).is_ok());
        drop(first);
        let third = callers.enter(callers.key(&alice)).unwrap();
        assert_eq!(callers.enter(callers.key(&alice)).unwrap_err(), Refusal::CallerBusy);
        drop((second, third));
        assert!(callers.under_way.iter().all(|shard| shard.lock().unwrap().is_empty()), "nothing is kept");
    }

    #[test]
    fn another_issuers_subject_is_another_caller() {
        let callers = Callers::new(1);
        let _alice = callers.enter(callers.key(&caller("alice"))).unwrap();
        let other = Caller { issuer: "other".into(), ..caller("alice") };
        assert!(callers.enter(callers.key(&other)).is_ok());
        let app = Caller { client_id: Some("app".into()), ..caller("alice") };
        assert_eq!(callers.enter(callers.key(&app)).unwrap_err(), Refusal::CallerBusy);
    }
}
