//! The lockfile in force, and what was seen of tools beside it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::catalogue::{Catalogue, Entry};
use crate::live::{Held, Reload};
use crate::message::lists::ListKind;
use crate::pin::{Digest, Drift, Lock, MOST_TOOLS, OnDrift};
use crate::policy::LONGEST_NAME;
use crate::report::metrics::Metrics;
use crate::serve::say;

/// The most tools that the log names, so that a server cannot fill it.
const MOST_TOLD: usize = 1_000;
/// The most names in the detail of `/readyz`.
const MOST_NAMED: usize = 20;

/// The lockfile in force.
#[derive(Debug)]
pub struct Pinned {
    on_drift: OnDrift,
    lock: ArcSwap<Lock>,
    /// Counts up with every lockfile that came into force; whoever holds a stream open listens to it.
    generation: watch::Sender<u64>,
    seen: Mutex<Seen>,
    /// Why the newest file is not in force, if it is not.
    trouble: Mutex<Option<String>>,
    /// What the lockfile in force was read from.
    text: Mutex<Option<String>>,
    metrics: Arc<Metrics>,
}

/// What the server said last of its tools, to whomever.
#[derive(Debug, Default)]
struct Seen {
    /// INVARIANT: at most [`MOST_TOOLS`] that are not locked.
    digests: HashMap<Box<str>, Digest>,
    unlocked: usize,
    changed: usize,
    told: HashSet<(Box<str>, Digest)>,
    /// The tools that a lockfile let out of quarantine or put into it, each with the last generation that did. Those
    /// that there is no room for count as let out or put in by each.
    moved: HashMap<Box<str>, u64>,
    is_full: bool,
}

/// The most tools of which it is remembered which lockfile moved them.
const MOST_MOVED: usize = 4 * MOST_TOOLS;

impl Seen {
    fn note(&mut self, lock: &Lock, name: &str, digest: &Digest) -> Option<Drift> {
        let drift = lock.drift(name, digest);
        let before = self.digests.get(name).map(|before| lock.drift(name, before));
        if before.is_none() && drift == Some(Drift::Unlocked) && self.unlocked >= MOST_TOOLS {
            return drift;
        }
        self.count(before.flatten(), false);
        self.count(drift, true);
        match self.digests.get_mut(name) {
            Some(held) => *held = *digest,
            None => {
                self.digests.insert(name.into(), *digest);
            }
        }
        drift
    }

    const fn count(&mut self, drift: Option<Drift>, is_more: bool) {
        let count = match drift {
            Some(Drift::Changed) => &mut self.changed,
            Some(Drift::Unlocked) => &mut self.unlocked,
            Some(Drift::Missing) | None => return,
        };
        *count = if is_more { count.saturating_add(1) } else { count.saturating_sub(1) };
    }

    fn recount(&mut self, lock: &Lock) {
        (self.unlocked, self.changed) = (0, 0);
        let drifts: Vec<_> = self.digests.iter().map(|(name, digest)| lock.drift(name, digest)).collect();
        drifts.into_iter().for_each(|drift| self.count(drift, true));
        self.told.clear();
    }

    /// How the tool differs from the lockfile, by what was last said of it.
    fn drift(&self, lock: &Lock, name: &str) -> Option<Drift> {
        if !lock.has(name) {
            return Some(Drift::Unlocked);
        }
        self.digests.get(name).and_then(|digest| lock.drift(name, digest))
    }

    /// Notes what changes when one lockfile takes the place of another.
    fn note_moved(&mut self, old: &Lock, new: &Lock, generation: u64) {
        let names: HashSet<&str> = old.names().chain(new.names()).collect();
        let has_moved = |name: &&str| self.drift(old, name).is_some() != self.drift(new, name).is_some();
        let moved: Vec<Box<str>> = names.into_iter().filter(has_moved).map(Box::from).collect();
        for name in moved {
            if self.moved.len() < MOST_MOVED || self.moved.contains_key(&name) {
                self.moved.insert(name, generation);
            } else {
                self.is_full = true;
            }
        }
    }

    /// Whether the log should say it.
    fn is_news(&mut self, name: &str, digest: &Digest) -> bool {
        self.told.len() < MOST_TOLD && self.told.insert((name.into(), *digest))
    }
}

impl Pinned {
    /// No lockfile yet.
    #[must_use]
    pub fn new(on_drift: OnDrift, metrics: Arc<Metrics>) -> Self {
        Self {
            on_drift,
            lock: ArcSwap::default(),
            generation: watch::Sender::new(0),
            seen: Mutex::default(),
            trouble: Mutex::default(),
            text: Mutex::default(),
            metrics,
        }
    }

    /// What is done about tools that have drifted.
    #[must_use]
    pub const fn on_drift(&self) -> OnDrift {
        self.on_drift
    }

    /// Notes a tool as it stands in a list on its way out, and says whether it may be shown.
    #[must_use]
    pub fn hear(&self, element: &str) -> bool {
        // What has no name, or one that no rule can have, is shown to nobody.
        let tool = Entry::alone(ListKind::Tools, element).filter(|tool| tool.name().len() <= LONGEST_NAME);
        let Some(tool) = tool else { return self.on_drift != OnDrift::Quarantine };
        let lock = self.lock.load();
        let drift = lock.drift(tool.name(), tool.digest());
        if let Ok(mut seen) = self.seen.lock()
            && seen.digests.get(tool.name()) != Some(tool.digest())
        {
            seen.note(&lock, tool.name(), tool.digest());
            self.show(&seen);
            if let Some(drift) = drift
                && seen.is_news(tool.name(), tool.digest())
            {
                say(&format!("lock: the tool {:?} is not as locked: {}", tool.name(), drift.word()));
            }
        }
        drift.is_none() || self.on_drift != OnDrift::Quarantine
    }

    /// How the tool that is called differs from the lockfile, by what the server last said of it. Of a locked tool
    /// that was not listed yet nothing is known, and nothing held against it.
    #[must_use]
    pub fn drift(&self, name: &str) -> Option<Drift> {
        let lock = self.lock.load();
        let seen = self.seen.lock();
        seen.map_or(Some(Drift::Unlocked), |seen| seen.drift(&lock, name))
    }

    /// The number of the lockfile in force; 0 is none.
    #[must_use]
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Tells of every lockfile that comes into force from now on, where that changes what callers see.
    #[must_use]
    pub fn changes(&self) -> Option<watch::Receiver<u64>> {
        (self.on_drift == OnDrift::Quarantine).then(|| self.generation.subscribe())
    }

    /// Whether one of the lockfiles after `generation` moved a tool that is of `interest` out of quarantine or into it.
    pub fn has_moved(&self, generation: u64, mut interest: impl FnMut(&str) -> bool) -> bool {
        let Ok(seen) = self.seen.lock() else { return true };
        let mut moved = seen.moved.iter().filter(|(_, last)| **last > generation);
        seen.is_full || moved.any(|(name, _)| interest(name))
    }

    /// Whether the tool is in quarantine.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        self.on_drift == OnDrift::Quarantine && self.drift(name).is_some()
    }

    /// Looks which locked tools are gone from the last listing that was seen as a whole.
    pub fn look(&self, catalogue: &Catalogue) {
        self.metrics.tool_drift(Drift::Missing, self.missing(catalogue).len());
    }

    /// What an operator should read about it.
    #[must_use]
    pub fn detail(&self, catalogue: &Catalogue) -> String {
        let lock = self.lock.load();
        let generation = self.generation();
        let mut parts: Vec<String> = Vec::new();
        if let Some(trouble) = self.trouble() {
            parts.push(format!("generation {generation} of the lockfile stays in force: {trouble}"));
        }
        for drift in [Drift::Changed, Drift::Unlocked] {
            parts.extend(named(drift, self.drifted(&lock, drift)));
        }
        parts.extend(named(Drift::Missing, self.missing(catalogue)));
        if parts.is_empty() {
            format!("ok: generation {generation}, {} locked", lock.len())
        } else {
            parts.join("; ")
        }
    }

    fn drifted(&self, lock: &Lock, drift: Drift) -> Vec<Box<str>> {
        let Ok(seen) = self.seen.lock() else { return Vec::new() };
        let drifted = seen.digests.iter().filter(|(name, digest)| lock.drift(name, digest) == Some(drift));
        drifted.map(|(name, _)| name.clone()).collect()
    }

    fn missing(&self, catalogue: &Catalogue) -> Vec<Box<str>> {
        if !catalogue.is_complete(ListKind::Tools) {
            return Vec::new();
        }
        let listed: HashSet<&str> = catalogue.entries(ListKind::Tools).map(Entry::name).collect();
        self.lock.load().names().filter(|name| !listed.contains(name)).map(Box::from).collect()
    }

    fn show(&self, seen: &Seen) {
        self.metrics.tool_drift(Drift::Changed, seen.changed);
        self.metrics.tool_drift(Drift::Unlocked, seen.unlocked);
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().ok().and_then(|trouble| trouble.clone())
    }

    fn note(&self, trouble: Option<String>) {
        if let Ok(mut held) = self.trouble.lock() {
            *held = trouble;
        }
    }
}

/// The names of what differs in one way, as far as there is room.
fn named(drift: Drift, mut names: Vec<Box<str>>) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    names.sort_unstable();
    let more = names.len().saturating_sub(MOST_NAMED);
    let list: Vec<String> = names.iter().take(MOST_NAMED).map(|name| format!("{name:?}")).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("{}: {}{more}", drift.word(), list.join(", ")))
}

impl Held for Pinned {
    fn is_in_force(&self, text: &str) -> bool {
        self.trouble().is_none() && self.text.lock().is_ok_and(|held| held.as_deref() == Some(text))
    }

    fn replace(&self, file: &str, text: &str) -> Reload {
        let lock = match Lock::parse(file, text) {
            Ok(lock) => lock,
            Err(flaws) => return self.keep(flaws.to_string()),
        };
        let generation = self.generation().saturating_add(1);
        if let Ok(mut seen) = self.seen.lock() {
            seen.note_moved(&self.lock.load(), &lock, generation);
            seen.recount(&lock);
            self.lock.store(Arc::new(lock));
            self.show(&seen);
        }
        self.note(None);
        if let Ok(mut held) = self.text.lock() {
            *held = Some(text.to_owned());
        }
        // The lockfile first: whoever hears of the change must find it.
        self.generation.send_replace(generation);
        Reload::Done(generation)
    }

    fn keep(&self, trouble: String) -> Reload {
        self.note(Some(trouble.clone()));
        Reload::Kept(trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::lists::Listing;

    fn pinned(on_drift: OnDrift, locked: &[&str]) -> Pinned {
        let pinned = Pinned::new(on_drift, Arc::new(Metrics::new([]).unwrap()));
        assert_eq!(pinned.replace("l", &lock(locked)), Reload::Done(1));
        pinned
    }

    fn lock(tools: &[&str]) -> String {
        let mut lock = Lock::default();
        tools.iter().for_each(|text| lock.add(&Entry::alone(ListKind::Tools, text).unwrap()).unwrap());
        lock.render()
    }

    #[test]
    fn what_a_lockfile_moves_is_remembered_with_its_number() {
        let (a, b, other) = (r#"{"name":"a"}"#, r#"{"name":"b"}"#, r#"{"name":"a","title":"x"}"#);
        let held = pinned(OnDrift::Quarantine, &[a]);
        let moved = |generation: u64| {
            let mut names = Vec::new();
            held.has_moved(generation, |name| {
                names.push(name.to_owned());
                false
            });
            names.sort_unstable();
            names
        };
        // From nothing to the first.
        assert_eq!((moved(0), moved(1)), (vec!["a".to_owned()], vec![]));
        let _ = held.hear(other);
        held.replace("l", &lock(&[a, b]));
        assert_eq!(moved(1), ["b"]);
        // What was said last is locked now.
        held.replace("l", &lock(&[other, b]));
        assert_eq!((moved(1), moved(2)), (vec!["a".to_owned(), "b".to_owned()], vec!["a".to_owned()]));
        held.replace("l", &lock(&[other, b]));
        assert_eq!(moved(3), [""; 0]);
        held.replace("l", &lock(&[]));
        assert_eq!(moved(4), ["a", "b"]);
        assert!(held.changes().is_some_and(|changes| *changes.borrow() == 5));
        assert!(pinned(OnDrift::Warn, &[]).changes().is_none());
    }

    fn counted(pinned: &Pinned) -> [u64; 2] {
        let text = pinned.metrics.render();
        [Drift::Changed, Drift::Unlocked].map(|drift| {
            let start = format!("toolgate_tool_drift{{state=\"{}\"}} ", drift.word());
            text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
        })
    }

    const A: &str = r#"{"name":"a","description":"good"}"#;
    const EVIL: &str = r#"{"name":"a","description":"evil"}"#;
    const B: &str = r#"{"name":"b"}"#;

    #[test]
    fn what_is_not_as_locked_is_in_quarantine_until_it_is() {
        let pinned = pinned(OnDrift::Quarantine, &[A]);
        assert_eq!((pinned.drift("a"), pinned.drift("b")), (None, Some(Drift::Unlocked)));
        assert!(pinned.hear(A) && !pinned.hear(B));
        assert_eq!(counted(&pinned), [0, 1]);
        assert!(!pinned.hear(EVIL) && !pinned.hear(EVIL));
        assert_eq!((pinned.drift("a"), counted(&pinned)), (Some(Drift::Changed), [1, 1]));
        assert!(pinned.hear(A));
        assert_eq!((pinned.drift("a"), counted(&pinned)), (None, [0, 1]));
        assert!(!pinned.hear(EVIL));
        // Locked anew: what was seen is not forgotten.
        assert_eq!(pinned.replace("l", &lock(&[EVIL, B])), Reload::Done(2));
        assert_eq!((pinned.drift("a"), pinned.drift("b"), counted(&pinned)), (None, None, [0, 0]));
        assert!(!pinned.hear(A));
    }

    #[test]
    fn without_quarantine_all_is_shown_and_counted() {
        for on_drift in [OnDrift::Warn, OnDrift::Shadow] {
            let pinned = pinned(on_drift, &[A]);
            assert!(pinned.hear(EVIL) && pinned.hear(B) && pinned.hear("{}"));
            assert_eq!(counted(&pinned), [1, 1]);
        }
    }

    #[test]
    fn what_cannot_be_named_or_read_is_not_shown_in_quarantine() {
        let pinned = pinned(OnDrift::Quarantine, &[A]);
        let long = format!("{{\"name\":\"{}\"}}", "a".repeat(LONGEST_NAME + 1));
        for text in ["{}", "7", "{\"name\":1}", "{", &long] {
            assert!(!pinned.hear(text), "{text}");
        }
        assert_eq!(counted(&pinned), [0, 0]);
    }

    #[test]
    fn a_server_cannot_fill_the_memory_and_a_locked_tool_is_always_watched() {
        let pinned = pinned(OnDrift::Quarantine, &[A]);
        for at in 0..MOST_TOOLS + 10 {
            assert!(!pinned.hear(&format!("{{\"name\":\"x{at}\"}}")));
        }
        assert_eq!(counted(&pinned), [0, u64::try_from(MOST_TOOLS).unwrap()]);
        assert!(!pinned.hear(EVIL));
        assert_eq!(pinned.drift("a"), Some(Drift::Changed));
        assert!(pinned.seen.lock().unwrap().told.len() <= MOST_TOLD);
        assert!(pinned.detail(&Catalogue::default()).len() < 1_000);
    }

    #[test]
    fn a_flawed_lockfile_leaves_the_last_good_one_in_force() {
        let pinned = pinned(OnDrift::Quarantine, &[A]);
        assert!(matches!(pinned.replace("l", ""), Reload::Kept(_)));
        assert!(pinned.hear(A) && pinned.detail(&Catalogue::default()).starts_with("generation 1 "));
        assert_eq!(pinned.replace("l", &lock(&[A, B])), Reload::Done(2));
        assert!(pinned.hear(B));
        assert_eq!(pinned.detail(&Catalogue::default()), "ok: generation 2, 2 locked");
    }

    #[test]
    fn a_locked_tool_that_is_listed_no_more_is_missing() {
        let pinned = pinned(OnDrift::Quarantine, &[A, B]);
        let list = |catalogue: &Catalogue, elements, next: Option<&'static str>| {
            let next = next.map(Into::into);
            catalogue.with(None, &Listing { kind: ListKind::Tools, elements, next }).unwrap()
        };
        let half = list(&Catalogue::default(), "[]", Some("2"));
        assert_eq!(pinned.detail(&half), "ok: generation 1, 2 locked");
        let whole = list(&half, "[{\"name\":\"b\"}]", None);
        assert_eq!(pinned.detail(&whole), "missing: \"a\"");
        assert_eq!(pinned.drift("a"), None);
    }
}
