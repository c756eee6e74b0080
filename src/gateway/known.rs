//! A verified caller, with what is worked out once for all of its requests.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;

use super::callers::{Callers, Key};
use crate::caller::{Caller, UnixTime};
use crate::policy::{Grants, Policy};
use crate::record::Told;

/// A caller whose token was verified. Nothing of a decision is remembered here: only what a policy makes of the token's
/// scopes, for as long as that policy is in force.
#[derive(Debug)]
pub struct Known {
    caller: Arc<Caller>,
    /// By how many seconds the clock of its issuer may differ.
    leeway: u64,
    granted: ArcSwapOption<Grants>,
    told: OnceLock<Told>,
    key: OnceLock<Key>,
}

impl Known {
    /// This caller, whose issuer's clock may differ by so many seconds.
    #[must_use]
    pub const fn new(caller: Arc<Caller>, leeway: u64) -> Self {
        Self { caller, leeway, granted: ArcSwapOption::const_empty(), told: OnceLock::new(), key: OnceLock::new() }
    }

    /// What its scopes are granted under `policy`.
    #[must_use]
    pub fn grants(&self, policy: &Policy) -> Arc<Grants> {
        if let Some(grants) = self.granted.load().as_ref().filter(|grants| policy.has_made(grants)) {
            return Arc::clone(grants);
        }
        let grants = Arc::new(policy.grants(&self.caller.scopes));
        self.granted.store(Some(Arc::clone(&grants)));
        grants
    }

    /// When its token ends, leeway included.
    #[must_use]
    pub fn end(&self) -> UnixTime {
        self.caller.expires.plus(self.leeway)
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

    #[test]
    fn what_one_policy_grants_is_never_taken_for_what_another_does() {
        let policy = |scope: &str| {
            Policy::compile("p", &format!("version: 1\ntools: {{t: {{scopes: [{scope}]}}}}")).unwrap()
        };
        let caller = Caller { scopes: Scopes::from_names(["a"]), ..Caller::new("i", "alice", UnixTime(1)) };
        let known = Known::new(Arc::new(caller), 2);
        let (one, two) = (policy("a"), policy("b"));
        for _ in 0..2 {
            for policy in [&one, &two, &one] {
                assert_eq!(*known.grants(policy), policy.grants(&known.scopes));
            }
        }
        assert!(Arc::ptr_eq(&known.grants(&one), &known.grants(&one)), "worked out once");
        assert_eq!(known.end(), UnixTime(3));
    }
}
