//! A verified caller, with what is worked out once for all of its requests.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use super::callers::{Callers, Key};
use crate::caller::{Caller, UnixTime};
use crate::live::Snapshot;
use crate::policy::Grants;
use crate::record::Told;
use crate::token::Verified;

/// A caller whose token was verified. Nothing of a decision is remembered here: only what a policy makes of the token's
/// scopes, for as long as that policy is in force.
///
/// What each request needs of it stands together, and what many callers have alike is shared: of a hundred thousand in turn,
/// every part that stands by itself has to be waited for.
#[derive(Debug)]
pub struct Known {
    caller: Caller,
    verified: Verified,
    granted: ArcSwapOption<Grants>,
    told: OnceLock<Told>,
    key: OnceLock<Key>,
}

impl Known {
    /// This caller, which was verified so.
    #[must_use]
    pub const fn new(caller: Caller, verified: Verified) -> Self {
        Self {
            caller,
            verified,
            granted: ArcSwapOption::const_empty(),
            told: OnceLock::new(),
            key: OnceLock::new(),
        }
    }

    /// What its scopes are granted under the policy of `snapshot`.
    #[must_use]
    pub fn grants(&self, snapshot: &Snapshot) -> Arc<Grants> {
        if let Some(grants) = self.granted.load().as_ref().filter(|grants| snapshot.policy.has_made(grants)) {
            return Arc::clone(grants);
        }
        let grants = snapshot.grants(&self.caller.scopes);
        self.granted.store(Some(Arc::clone(&grants)));
        grants
    }

    /// When its token ends, leeway included.
    #[must_use]
    pub const fn end(&self) -> UnixTime {
        self.verified.until()
    }

    /// Whether the same token would make the same caller now, if it was verified by a signature.
    #[must_use]
    pub fn is_usable(&self, now: UnixTime, epoch: u64) -> bool {
        self.verified.is_usable(now, epoch)
    }

    /// What it is counted by among `callers`, or those beside them.
    #[must_use]
    pub fn key(&self, callers: &Callers) -> Key {
        *self.key.get_or_init(|| callers.key(&self.caller))
    }

    /// Who it is, as audit lines tell it.
    #[must_use]
    pub fn told(&self) -> &Told {
        self.told.get_or_init(|| Told::new(&self.caller))
    }
}

impl Deref for Known {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Scopes;
    use crate::live::MOST_GRANTS;
    use crate::policy::Policy;

    #[test]
    fn what_one_policy_grants_is_never_taken_for_what_another_does() {
        let snapshot = |scope: &str| {
            let text = format!("version: 1\ntools: {{t: {{scopes: [{scope}]}}}}");
            // The same number, so that it is the policy that tells them apart.
            Snapshot::new(Policy::compile("p", &text).unwrap(), 1)
        };
        let known = |subject, scope| {
            let caller = Caller { scopes: Scopes::from_names([scope]), ..Caller::new("i", subject, UnixTime(1)) };
            let verified = Verified::by_signature(&caller, 2, 0);
            Known::new(caller, verified)
        };
        let (alice, bob, carol) = (known("alice", "a"), known("bob", "a"), known("carol", "b"));
        let (one, two) = (snapshot("a"), snapshot("b"));
        for _ in 0..2 {
            for (known, snapshot) in [(&alice, &one), (&alice, &two), (&bob, &two), (&carol, &two), (&alice, &one)]
            {
                assert_eq!(*known.grants(snapshot), snapshot.policy.grants(&known.scopes));
            }
        }
        assert!(Arc::ptr_eq(&alice.grants(&one), &bob.grants(&one)), "shared");
        assert_eq!(alice.end(), UnixTime(3));
    }

    #[test]
    fn what_is_granted_is_worked_out_once_and_shared_by_so_many() {
        let names: Vec<String> = (0..10).map(|number| format!("s{number}")).collect();
        let policy = format!("version: 1\ntools: {{t: {{scopes: [{}]}}}}", names.join(", "));
        let snapshot = Snapshot::new(Policy::compile("p", &policy).unwrap(), 1);
        let of = |set: usize| Scopes::from_names((0..10).filter(|at| set >> at & 1 == 1).map(|at| &*names[at]));
        let caller = Caller { scopes: of(1), ..Caller::new("i", "alice", UnixTime(1)) };
        let verified = Verified::by_signature(&caller, 2, 0);
        let alice = Known::new(caller, verified);
        let granted = alice.grants(&snapshot);
        assert!(Arc::ptr_eq(&granted, &snapshot.grants(&of(1))), "shared");
        let others: Vec<_> = (2..1024).map(|set| snapshot.grants(&of(set))).collect();
        assert_eq!(others.iter().filter(|other| Arc::strong_count(other) > 1).count(), 1023 % MOST_GRANTS);
        assert!(!Arc::ptr_eq(&granted, &snapshot.grants(&of(1))), "forgotten with the first of many");
        assert!(Arc::ptr_eq(&granted, &alice.grants(&snapshot)), "not worked out again");
    }
}
