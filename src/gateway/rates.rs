//! Counters of rate limits: a table of fixed size, whatever callers send.
//!
//! Each counter is a number in one of many small sets, and its set is told by a keyed hash. Where a set is full, the
//! counter that is nearest to being forgotten anyway makes place. So memory is bounded, a million callers slow nobody
//! down, and nobody is locked out by others. Who wants his own counter forgotten must bring more debt into its set
//! than he has himself, by calls that are allowed: he gains nothing.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::caller::Caller;
use crate::policy::{Limit, LimitBy, RateLimit};

/// Counters in one set.
const WAYS: usize = 8;
/// Sets. With [`WAYS`] and 24 bytes each: 3 MiB, once there is a limit.
const SETS: usize = 16_384;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// What is counted; zero is nothing.
    key: u128,
    /// What [`RateLimit::count`] gave last.
    due: u64,
}

/// The counters of all rate limits.
#[derive(Debug)]
pub struct Rates {
    sets: OnceLock<Box<[Mutex<[Slot; WAYS]>]>>,
    hashers: [RandomState; 2],
    started: Instant,
}

impl Default for Rates {
    fn default() -> Self {
        Self { sets: OnceLock::new(), hashers: [RandomState::new(), RandomState::new()], started: Instant::now() }
    }
}

/// Who and what is counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// The session, if the request belongs to one.
    pub session: Option<&'a str>,
    /// The name of what is called.
    pub name: &'a str,
}

impl Rates {
    /// Counts a call against a limit.
    ///
    /// # Errors
    /// How long to wait, when it is one too many.
    pub fn count(&self, limit: &Limit<'_>, counted: &Counted<'_>) -> Result<(), Duration> {
        let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.count_at(limit.rate, self.key(limit, counted), now).map_err(Duration::from_nanos)
    }

    /// The same limit of the same rule has the same counters under every policy.
    fn key(&self, limit: &Limit<'_>, counted: &Counted<'_>) -> u128 {
        let Counted { caller, session, name } = *counted;
        let subject = || ("subject", [&*caller.issuer, &*caller.subject]);
        let who = match limit.rate.by {
            LimitBy::Subject => subject(),
            LimitBy::Client => {
                caller.client_id.as_deref().map_or_else(subject, |client| ("client", [&*caller.issuer, client]))
            }
            LimitBy::Tool => ("tool", ["", name]),
            LimitBy::Session => session.map_or_else(subject, |session| ("session", ["", session])),
        };
        let [high, low] = [0, 1].map(|at: usize| {
            let hasher = self.hashers.get(at);
            hasher.map_or(0, |hasher| hasher.hash_one((limit.rule, limit.rate, who)))
        });
        (u128::from(high) << 64) | u128::from(low) | 1
    }

    fn count_at(&self, rate: RateLimit, key: u128, now: u64) -> Result<(), u64> {
        let sets = self.sets.get_or_init(|| (0..SETS).map(|_| Mutex::default()).collect());
        let place = usize::try_from(key >> 64 & 0xffff_ffff).ok().and_then(|hash| hash.checked_rem(sets.len()));
        // A set that cannot be had lets nothing through.
        let Some(Ok(mut set)) = place.and_then(|place| sets.get(place)).map(Mutex::lock) else {
            return Err(rate.per);
        };
        let known = set.iter().position(|slot| slot.key == key);
        let least = set.iter().enumerate().min_by_key(|(_, slot)| slot.due).map(|(at, _)| at);
        let Some(slot) = known.or(least).and_then(|at| set.get_mut(at)) else { return Err(rate.per) };
        let due = if known.is_some() { slot.due } else { 0 };
        *slot = Slot { key, due: rate.count(due, now)? };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::UnixTime;
    use crate::policy::{Mode, Sample};

    const RATE: RateLimit = RateLimit { requests: 2, per: 60_000_000_000, by: LimitBy::Subject };

    fn limit(rule: &str, by: LimitBy) -> Limit<'_> {
        Limit { rule, rate: RateLimit { by, ..RATE }, mode: Mode::Enforce, sample: Sample::ALL }
    }

    #[test]
    fn each_counts_by_itself() {
        let caller = |subject: &str, client: Option<&str>| Caller {
            client_id: client.map(Into::into),
            ..Caller::new("issuer", subject, UnixTime(0))
        };
        let (alice, bob) = (caller("alice", Some("app")), caller("bob", Some("app")));
        let counted = |caller, session, name| Counted { caller, session, name };
        for (by, same, other) in [
            (LimitBy::Subject, counted(&alice, Some("2"), "b"), counted(&bob, Some("1"), "a")),
            (LimitBy::Client, counted(&bob, None, "b"), counted(&caller("alice", None), Some("1"), "a")),
            (LimitBy::Tool, counted(&bob, None, "a"), counted(&alice, Some("1"), "b")),
            (LimitBy::Session, counted(&bob, Some("1"), "b"), counted(&alice, Some("2"), "a")),
        ] {
            let (rates, first) = (Rates::default(), counted(&alice, Some("1"), "a"));
            assert_eq!(rates.count(&limit("tools.a", by), &first), Ok(()));
            assert_eq!(rates.count(&limit("tools.a", by), &same), Ok(()));
            let wait = rates.count(&limit("tools.a", by), &first).unwrap_err();
            assert!(wait > Duration::from_secs(29) && wait <= Duration::from_secs(30), "{by:?} {wait:?}");
            assert_eq!(rates.count(&limit("tools.a", by), &other), Ok(()), "{by:?}");
            assert_eq!(rates.count(&limit("tools.b", by), &first), Ok(()), "{by:?}");
        }
    }

    #[test]
    fn who_has_no_session_or_client_is_counted_by_subject() {
        let (alice, bob) = (Caller::new("i", "alice", UnixTime(0)), Caller::new("i", "bob", UnixTime(0)));
        for by in [LimitBy::Client, LimitBy::Session] {
            let rates = Rates::default();
            let counted = |caller| Counted { caller, session: None, name: "a" };
            for _ in 0..2 {
                assert_eq!(rates.count(&limit("r", by), &counted(&alice)), Ok(()));
            }
            assert!(rates.count(&limit("r", by), &counted(&alice)).is_err());
            assert_eq!(rates.count(&limit("r", by), &counted(&bob)), Ok(()));
        }
    }

    #[test]
    fn a_million_keys_take_no_more_memory_and_lock_nobody_out() {
        let rates = Rates::default();
        for number in 0..1_000_000_u32 {
            let key = rates.hashers[0].hash_one(number);
            let key = (u128::from(key) << 64) | u128::from(number) | 1;
            assert_eq!(rates.count_at(RATE, key, 1), Ok(()), "{number}");
        }
        let sets = rates.sets.get().unwrap();
        let held: usize =
            sets.iter().map(|set| set.lock().unwrap().iter().filter(|slot| slot.key != 0).count()).sum();
        assert!(held <= SETS * WAYS && held > SETS * WAYS / 2, "{held}");
    }

    #[test]
    fn who_is_deep_in_debt_is_forgotten_last() {
        let rates = Rates::default();
        // All in one set.
        let key = |number: u128| (7 << 64) | (number << 1) | 1;
        let slow = RateLimit { requests: 1, per: 3_600_000_000_000, by: LimitBy::Subject };
        assert_eq!(rates.count_at(slow, key(0), 1), Ok(()));
        for number in 1..100_000 {
            assert_eq!(rates.count_at(RATE, key(number), 1), Ok(()));
        }
        assert!(rates.count_at(slow, key(0), 2).is_err());
    }
}
