//! The policy in force behind a guard: a new one that takes too much from too many is not put into force unasked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::recent::Recent;
use super::{Held, Live, Reload, compile};
use crate::gateway::now;

/// The policy in force, its guard, and whether the operator asks for the newest file whatever it takes.
pub struct Guarded {
    live: Arc<Live>,
    recent: Arc<Recent>,
    /// Set by SIGHUP.
    asked: Arc<AtomicBool>,
    is_forced: AtomicBool,
}

impl Guarded {
    /// Puts what is new into force in `live` unless `recent` callers speak against it, or `asked` is set.
    #[must_use]
    pub const fn new(live: Arc<Live>, recent: Arc<Recent>, asked: Arc<AtomicBool>) -> Self {
        Self { live, recent, asked, is_forced: AtomicBool::new(false) }
    }
}

impl Held for Guarded {
    fn is_in_force(&self, text: &str) -> bool {
        let is_in_force = self.live.is_in_force(text);
        if is_in_force {
            // What was asked for is there.
            self.is_forced.store(false, Ordering::Relaxed);
        }
        is_in_force
    }

    fn replace(&self, file: &str, text: &str) -> Reload {
        let is_forced = self.is_forced.swap(false, Ordering::Relaxed);
        // What does not compile is refused with its flaws below.
        if !is_forced
            && let Ok(policy) = compile(file, text)
            && let Some(objection) = self.recent.objection(&self.live.snapshot().policy, &policy, now().0)
        {
            return self.live.keep(format!("{file}: {objection}"));
        }
        self.live.replace(file, text)
    }

    fn keep(&self, trouble: String) -> Reload {
        self.is_forced.store(false, Ordering::Relaxed);
        self.live.keep(trouble)
    }

    fn is_asked_for(&self) -> bool {
        let is_asked = self.asked.swap(false, Ordering::Relaxed);
        if is_asked {
            self.is_forced.store(true, Ordering::Relaxed);
        }
        is_asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{Caller, Scopes};

    const ONE: &str = "version: 1\ntools: {a: {scopes: [r]}}\n";
    const LESS: &str = "version: 1\ntools: {a: {scopes: [w]}}\n";

    #[test]
    fn what_takes_too_much_needs_to_be_asked_for() {
        let (live, asked) = (Arc::new(Live::default()), Arc::new(AtomicBool::new(false)));
        let recent = Arc::new(Recent::new(Some(0)));
        let guarded = Guarded::new(Arc::clone(&live), Arc::clone(&recent), Arc::clone(&asked));
        assert_eq!(guarded.replace("p", ONE), Reload::Done(1));
        let caller = Caller { scopes: Scopes::from_names(["r"]), ..Caller::new("i", "alice", now().0.plus(60)) };
        recent.note(&caller, now().0);
        let Reload::Kept(trouble) = guarded.replace("p", LESS) else { panic!("it came into force") };
        assert!(trouble.starts_with("p: the new policy takes something from 1 of 1"), "{trouble}");
        assert!(!guarded.is_asked_for());
        asked.store(true, Ordering::Relaxed);
        assert!(guarded.is_asked_for() && !guarded.is_asked_for());
        assert_eq!(guarded.replace("p", LESS), Reload::Done(2));
        // Asking once is no licence for what comes later.
        assert_eq!(guarded.replace("p", ONE), Reload::Done(3));
        assert!(matches!(guarded.replace("p", LESS), Reload::Kept(_)));
    }

    #[test]
    fn asking_for_what_is_in_force_is_no_licence_for_what_comes_later() {
        let (live, asked) = (Arc::new(Live::default()), Arc::new(AtomicBool::new(true)));
        let recent = Arc::new(Recent::new(Some(0)));
        let guarded = Guarded::new(live, Arc::clone(&recent), asked);
        guarded.replace("p", ONE);
        let caller = Caller { scopes: Scopes::from_names(["r"]), ..Caller::new("i", "alice", now().0.plus(60)) };
        recent.note(&caller, now().0);
        assert!(guarded.is_asked_for() && guarded.is_in_force(ONE));
        assert!(matches!(guarded.replace("p", LESS), Reload::Kept(_)));
    }
}
