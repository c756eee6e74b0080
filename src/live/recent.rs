//! Who called lately, and from how many of them a new policy would take something.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use aws_lc_rs::digest;

use crate::caller::{Caller, Scopes, UnixTime};
use crate::policy::Policy;
use crate::policy::review::losses;

/// The most callers that are remembered. Of more, the first are.
const MOST: usize = 10_000;

/// How many things are named to the operator.
const NAMED: usize = 5;

/// The callers whose tokens have not expired, and the bound on taking something from them.
#[derive(Debug, Default)]
pub struct Recent {
    most_lost: Option<usize>,
    callers: Mutex<HashMap<[u8; 32], Known>>,
}

#[derive(Debug)]
struct Known {
    scopes: Scopes,
    expires: UnixTime,
}

impl Recent {
    /// Nobody called yet. A new policy may take something from `most_lost` of those who will have; from any number
    /// where that is not said.
    #[must_use]
    pub fn new(most_lost: Option<usize>) -> Self {
        Self { most_lost, callers: Mutex::default() }
    }

    /// Remembers a caller whose token was verified.
    pub fn note(&self, caller: &Caller, now: UnixTime) {
        if self.most_lost.is_none() {
            return;
        }
        let Ok(mut callers) = self.callers.lock() else { return };
        let key = key(caller);
        if callers.len() >= MOST && !callers.contains_key(&key) {
            callers.retain(|_, known| known.expires > now);
            if callers.len() >= MOST {
                return;
            }
        }
        callers.insert(key, Known { scopes: caller.scopes.clone(), expires: caller.expires });
    }

    /// What speaks against `new` in place of `old`, if it takes something from more callers than it may.
    #[must_use]
    pub fn objection(&self, old: &Policy, new: &Policy, now: UnixTime) -> Option<String> {
        let most_lost = self.most_lost?;
        let mut sets: HashMap<Vec<String>, usize> = HashMap::new();
        {
            // Who cannot be counted cannot be spared.
            let Ok(callers) = self.callers.lock() else {
                return Some("the recent callers are not known".to_owned());
            };
            for known in callers.values().filter(|known| known.expires > now) {
                let count = sets.entry(known.scopes.iter().map(str::to_owned).collect()).or_default();
                *count = count.saturating_add(1);
            }
        }
        let (sets, counts): (Vec<Vec<String>>, Vec<usize>) = sets.into_iter().unzip();
        let scopes: Vec<Scopes> =
            sets.iter().map(|set| Scopes::from_names(set.iter().map(String::as_str))).collect();
        let losses = match losses(old, new, &scopes) {
            Ok(losses) => losses,
            Err(trouble) => {
                return Some(format!("whom the new policy takes something from cannot be told: {trouble}"));
            }
        };
        let (mut lost, mut things): (usize, Vec<String>) = (0, Vec::new());
        for (loss, count) in losses.iter().zip(&counts) {
            if !loss.is_empty() {
                lost = lost.saturating_add(*count);
                things.extend(loss.iter().map(|(kind, name)| format!("{} {name}", kind.word())));
            }
        }
        (lost > most_lost).then(|| told(lost, counts.iter().sum(), most_lost, things))
    }
}

fn told(lost: usize, all: usize, most: usize, mut things: Vec<String>) -> String {
    things.sort_unstable();
    things.dedup();
    let mut text = format!(
        "the new policy takes something from {lost} of {all} recent callers, and `reload.max_lost` is {most}: {}",
        things.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ")
    );
    if things.len() > NAMED {
        let _ = write!(text, " and {} more", things.len().saturating_sub(NAMED));
    }
    text.push_str(
        "\n  hint: `toolgate policy diff OLD NEW` shows all of it; SIGHUP, or a restart, takes it all the same",
    );
    text
}

/// One caller is one subject at one issuer with one client. Their texts are not kept.
fn key(caller: &Caller) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    let client = caller.client_id.as_deref().unwrap_or_default();
    for part in [&*caller.issuer, &*caller.subject, client] {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_000);

    fn policy(rules: &str) -> Policy {
        Policy::compile("p", &format!("version: 1\ntools: {{{rules}}}\n")).unwrap()
    }

    fn caller(name: &str, scopes: &str, expires: u64) -> Caller {
        let scopes = Scopes::from_names(scopes.split(' '));
        Caller { scopes, ..Caller::new("i", name, UnixTime(expires)) }
    }

    #[track_caller]
    fn check(most_lost: Option<usize>, new: &str, expected: Option<&str>) {
        let recent = Recent::new(most_lost);
        for (name, scopes) in [("alice", "r"), ("bob", "r"), ("carol", "w"), ("alice", "r")] {
            recent.note(&caller(name, scopes, 2_000), NOW);
        }
        recent.note(&caller("dave", "r", 999), NOW);
        let objection = recent.objection(&policy("a: {scopes: [r]}, b: {scopes: [w]}"), &policy(new), NOW);
        match (objection, expected) {
            (None, None) => {}
            (Some(objection), Some(expected)) => assert!(objection.contains(expected), "{objection}"),
            (objection, expected) => panic!("{objection:?} {expected:?}"),
        }
    }

    #[test]
    fn a_policy_may_take_something_from_so_many_and_no_more() {
        check(Some(2), "b: {scopes: [w]}", None);
        check(
            Some(1),
            "b: {scopes: [w]}",
            Some("takes something from 2 of 3 recent callers, and `reload.max_lost` is 1: tool a\n"),
        );
        check(
            Some(2),
            "c: {scopes: [w]}",
            Some("from 3 of 3 recent callers, and `reload.max_lost` is 2: tool a, tool b\n"),
        );
        check(Some(0), "b: {scopes: [x]}, a: {scopes: [r]}", Some("from 1 of 3"));
        check(None, "", None);
    }

    #[test]
    fn what_is_given_or_only_told_otherwise_is_no_loss() {
        check(Some(0), "a: {scopes: [r], on_deny: hide}, b: {scopes: []}, c: {scopes: []}", None);
    }

    #[test]
    fn no_more_callers_are_remembered_than_there_is_room_for() {
        let recent = Recent::new(Some(0));
        for number in 0..=MOST {
            recent.note(&caller(&number.to_string(), "r", 2_000), NOW);
        }
        assert_eq!(recent.callers.lock().unwrap().len(), MOST);
        // Those whose tokens have expired make room.
        recent.note(&caller("new", "r", 9_000), UnixTime(2_000));
        assert_eq!(recent.callers.lock().unwrap().len(), 1);
    }
}
