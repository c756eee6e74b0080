//! How much of one caller is under way, so that none can take all there is.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Mutex;

use crate::caller::Caller;
use crate::refusal::Refusal;

/// Counts, by caller. A caller is an issuer's subject, whatever client it uses.
#[derive(Debug)]
pub struct Callers {
    most: usize,
    hasher: RandomState,
    under_way: [Mutex<HashMap<u64, usize>>; SHARDS],
}

/// Callers are spread over this many locks.
const SHARDS: usize = 16;

impl Callers {
    /// At most this many requests and streams of each caller.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, hasher: RandomState::new(), under_way: Default::default() }
    }

    /// Counts one more request of `caller`, until the place is dropped.
    ///
    /// # Errors
    /// [`Refusal::CallerBusy`] if there are as many as there may be.
    pub fn enter(&self, caller: &Caller) -> Result<Place<'_>, Refusal> {
        let key = self.hasher.hash_one((&caller.issuer, &caller.subject));
        let mut counts = self.shard(key).ok_or(Refusal::Overloaded)?.lock().map_err(|_| Refusal::Overloaded)?;
        let count = counts.entry(key).or_default();
        if *count >= self.most {
            return Err(Refusal::CallerBusy);
        }
        *count = count.saturating_add(1);
        drop(counts);
        Ok(Place { callers: self, key })
    }

    fn shard(&self, key: u64) -> Option<&Mutex<HashMap<u64, usize>>> {
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
        let first = callers.enter(&alice).unwrap();
        let second = callers.enter(&alice).unwrap();
        assert_eq!(callers.enter(&alice).unwrap_err(), Refusal::CallerBusy);
        assert!(callers.enter(&bob).is_ok());
        drop(first);
        let third = callers.enter(&alice).unwrap();
        assert_eq!(callers.enter(&alice).unwrap_err(), Refusal::CallerBusy);
        drop((second, third));
        assert!(callers.under_way.iter().all(|shard| shard.lock().unwrap().is_empty()), "nothing is kept");
    }

    #[test]
    fn another_issuers_subject_is_another_caller() {
        let callers = Callers::new(1);
        let _alice = callers.enter(&caller("alice")).unwrap();
        let other = Caller { issuer: "other".into(), ..caller("alice") };
        assert!(callers.enter(&other).is_ok());
        let app = Caller { client_id: Some("app".into()), ..caller("alice") };
        assert_eq!(callers.enter(&app).unwrap_err(), Refusal::CallerBusy);
    }
}
