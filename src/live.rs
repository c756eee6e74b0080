//! What changes while the gateway runs: the policy in force, what is revoked, and the files they come from.

pub mod guarded;
pub mod recent;

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::caller::Scopes;
use crate::policy::{Grants, Mode, Policy};

/// A policy and its number, seen by one request from beginning to end.
#[derive(Debug)]
pub struct Snapshot {
    /// The policy.
    pub policy: Policy,
    /// Counts up with every policy that came into force; 0 is the empty one before the first.
    pub generation: u64,
    /// What callers were granted: many are alike.
    granted: Mutex<HashSet<Arc<Grants>>>,
}

/// How many different grants are shared. There are as many as there are sets of scopes among the callers; where there are more,
/// those of the moment are.
pub(crate) const MOST_GRANTS: usize = 256;

impl Snapshot {
    /// The policy of this number.
    #[must_use]
    pub fn new(policy: Policy, generation: u64) -> Self {
        Self { policy, generation, granted: Mutex::default() }
    }

    /// What a token with these scopes is granted under the policy: one and the same for all that are granted the same, as far as
    /// these are not too many.
    #[must_use]
    pub fn grants(&self, scopes: &Scopes) -> Arc<Grants> {
        let grants = self.policy.grants(scopes);
        let Ok(mut granted) = self.granted.lock() else { return Arc::new(grants) };
        if let Some(shared) = granted.get(&grants) {
            return Arc::clone(shared);
        }
        let grants = Arc::new(grants);
        if granted.len() >= MOST_GRANTS {
            granted.clear();
        }
        granted.insert(Arc::clone(&grants));
        grants
    }
}

/// The policy in force.
#[derive(Debug)]
pub struct Live {
    /// Whether a policy that is wholly in shadow may come into force.
    takes_shadow: bool,
    current: ArcSwap<Snapshot>,
    /// The number of the policy in force; whoever holds a stream open listens to it.
    generation: watch::Sender<u64>,
    /// Why the newest file is not in force, if it is not.
    trouble: Mutex<Option<String>>,
    /// What the policy in force was compiled from.
    text: Mutex<String>,
}

/// What became of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// What is new is in force under this generation.
    Done(u64),
    /// The last good one stays in force.
    Kept(String),
}

impl Default for Live {
    fn default() -> Self {
        let empty = Snapshot::new(Policy::empty(), 0);
        Self {
            takes_shadow: false,
            current: ArcSwap::from_pointee(empty),
            generation: watch::Sender::new(0),
            trouble: Mutex::new(None),
            text: Mutex::default(),
        }
    }
}

impl Live {
    /// The empty policy; `takes_shadow` says whether one that enforces nothing may come into force.
    #[must_use]
    pub fn new(takes_shadow: bool) -> Self {
        Self { takes_shadow, ..Self::default() }
    }

    /// The policy in force now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Tells of every policy that comes into force from now on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Whether the policy in force enforces nothing.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.snapshot().policy.mode() == Mode::Shadow
    }

    /// Puts the policy written in `text` into force if it compiles and passes its own tests.
    pub fn replace(&self, file: &str, text: &str) -> Reload {
        match compile(file, text) {
            Ok(policy) if policy.mode() == Mode::Shadow && !self.takes_shadow => self.keep(format!(
                "{file}: `mode: shadow` lets every caller with a valid token do everything; \
                 set `allow_policy_shadow: true` if that is meant"
            )),
            Ok(policy) => {
                let generation = self.snapshot().generation.saturating_add(1);
                self.current.store(Arc::new(Snapshot::new(policy, generation)));
                self.set_trouble(None);
                if let Ok(mut held) = self.text.lock() {
                    text.clone_into(&mut held);
                }
                // The policy first: whoever hears of the change must find it.
                self.generation.send_replace(generation);
                Reload::Done(generation)
            }
            Err(flaws) => self.keep(flaws),
        }
    }

    /// Keeps the policy in force, because of `trouble` with a newer one.
    pub fn keep(&self, trouble: String) -> Reload {
        self.set_trouble(Some(trouble.clone()));
        Reload::Kept(trouble)
    }

    fn set_trouble(&self, trouble: Option<String>) {
        if let Ok(mut held) = self.trouble.lock() {
            *held = trouble;
        }
    }

    /// Why the newest file is not in force, if it is not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().ok().and_then(|trouble| trouble.clone())
    }
}

impl Held for Live {
    fn is_in_force(&self, text: &str) -> bool {
        self.trouble().is_none() && self.text.lock().is_ok_and(|held| *held == text)
    }

    fn replace(&self, file: &str, text: &str) -> Reload {
        Self::replace(self, file, text)
    }

    fn keep(&self, trouble: String) -> Reload {
        Self::keep(self, trouble)
    }
}

/// What is held of a file, and replaced when the file is.
pub trait Held {
    /// Whether what `text` says is in force, and nothing newer was refused.
    fn is_in_force(&self, text: &str) -> bool;
    /// Puts what `text` says into force, if it is good.
    fn replace(&self, file: &str, text: &str) -> Reload;
    /// Keeps what is in force, because of `trouble` with the file.
    fn keep(&self, trouble: String) -> Reload;
    /// Whether the file is to be read even if it looks the same. Asked once for each look.
    fn is_asked_for(&self) -> bool {
        false
    }
}

/// Compiles a policy and runs the tests it carries.
///
/// # Errors
/// All flaws, or all tests that fail, as text for people.
pub fn compile(file: &str, text: &str) -> Result<Policy, String> {
    let policy = Policy::compile(file, text).map_err(|flaws| flaws.to_string())?;
    let tests = policy.run_tests();
    let mut failed = tests.iter().filter(|test| !test.passed());
    let told: Vec<String> = failed
        .by_ref()
        .take(MOST_TOLD)
        .map(|test| format!("{file}:{}: test `{}` fails: {}", test.line, test.name, test.failures.join("; ")))
        .collect();
    let more = match failed.count() {
        0 => String::new(),
        more => format!("\n{file}: {more} more tests fail"),
    };
    drop(tests);
    if told.is_empty() { Ok(policy) } else { Err(told.join("\n") + &more) }
}

/// The most failing tests that are told.
const MOST_TOLD: usize = 1_000;

/// The largest file that is read.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Reads a policy, or a list of what is revoked; of what has no end, no more than may be.
///
/// # Errors
/// What the operator should read about it.
pub fn read(path: &Path) -> Result<String, String> {
    let name = path.display();
    let about = |error: std::io::Error| format!("{name}: cannot be read: {error}");
    let too_long = |length: &str| format!("{name}: {length} bytes are more than the {MOST_BYTES} it may have");
    let file = File::open(path).map_err(about)?;
    let length = file.metadata().map_err(about)?.len();
    if length > MOST_BYTES {
        return Err(too_long(&length.to_string()));
    }
    // A device has no length, and a file may grow while it is read.
    let mut text = String::new();
    let read = file.take(MOST_BYTES.saturating_add(1)).read_to_string(&mut text).map_err(about)?;
    if u64::try_from(read).is_ok_and(|read| read <= MOST_BYTES) { Ok(text) } else { Err(too_long("these")) }
}

/// The same for a running gateway: only a file, since a pipe could keep it waiting for ever.
///
/// # Errors
/// As [`read`].
pub fn read_file(path: &Path) -> Result<String, String> {
    let name = path.display();
    // Whoever puts a pipe there just after this look could as well put another policy there.
    match std::fs::metadata(path) {
        Ok(seen) if seen.is_file() => read(path),
        Ok(_) => Err(format!("{name}: is not a file")),
        Err(error) => Err(format!("{name}: cannot be read: {error}")),
    }
}

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// What is seen of a file without reading it. A swapped symlink, a rename and a rewrite all change it.
#[derive(Debug, PartialEq, Eq)]
struct Look(Option<(u64, u64, u64, i64, i64)>);

impl Look {
    fn at(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        // The path is resolved anew each time, so that Kubernetes' swapped `..data` link is followed.
        let seen = std::fs::metadata(path).ok();
        Self(seen.map(|file| (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec())))
    }
}

/// Looks at `path` until `stop`, and puts what it finds into force.
///
/// The path is looked at rather than watched: a watch on a file is lost when the file is replaced, one on its
/// folder misses what lies behind a link, and neither works on every file system. A look costs one system call.
pub fn watch(path: &Path, held: &dyn Held, stop: &AtomicBool, mut report: impl FnMut(&Reload)) {
    let name = path.display().to_string();
    let mut seen = Look::at(path);
    // It may have changed since it was read at the start.
    let mut settled = false;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(INTERVAL);
        let look = Look::at(path);
        if look != seen {
            // Read only what has not changed since the last look: a file half written is left alone.
            seen = look;
            settled = false;
            continue;
        }
        if settled && !held.is_asked_for() {
            continue;
        }
        settled = true;
        let reload = match read_file(path) {
            Ok(text) if held.is_in_force(&text) => continue,
            Ok(text) => held.replace(&name, &text),
            Err(trouble) => held.keep(trouble),
        };
        report(&reload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "version: 1\ntools: {a: {scopes: []}}\n";

    #[test]
    fn a_flawed_policy_leaves_the_last_good_one_in_force() {
        let live = Live::default();
        assert_eq!(live.snapshot().policy.rule_count(), 0);
        assert_eq!(live.replace("p", ONE), Reload::Done(1));
        for flawed in ["", "version: 2", "version: 1\ntool: {}", "\0", "version: 1\ntools: {a: {}}"] {
            assert!(matches!(live.replace("p", flawed), Reload::Kept(_)), "{flawed:?}");
            assert_eq!(live.snapshot().generation, 1);
            assert_eq!(live.snapshot().policy.rule_count(), 1);
            assert!(live.trouble().is_some());
        }
        assert_eq!(live.replace("p", ONE), Reload::Done(2));
        assert_eq!(live.trouble(), None);
    }

    #[test]
    fn of_many_failing_tests_only_so_many_are_told() {
        let test = "  - {name: t, token: {sub: a}, call: {tool: x}, expect: allow}\n";
        let text = |tests: usize| format!("version: 1\ntests:\n{}", test.repeat(tests));
        let trouble = compile("p", &text(MOST_TOLD)).unwrap_err();
        assert_eq!(trouble.lines().count(), MOST_TOLD);
        let trouble = compile("p", &text(MOST_TOLD + 7)).unwrap_err();
        assert_eq!(trouble.lines().count(), MOST_TOLD + 1);
        assert!(trouble.ends_with("\np: 7 more tests fail"), "{}", trouble.lines().last().unwrap());
    }

    #[test]
    fn a_change_between_reading_and_watching_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.yaml");
        let live = Live::default();
        live.replace("p", ONE);
        // Written before the first look.
        std::fs::write(&file, "version: 1\n").unwrap();
        let stop = AtomicBool::new(false);
        watch(&file, &live, &stop, |reload| {
            assert_eq!(*reload, Reload::Done(2));
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(live.snapshot().policy.rule_count(), 0);
    }

    #[test]
    fn no_more_is_read_than_a_policy_may_have() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.yaml");
        let large = File::create(&file).unwrap();
        // It takes no room, and to read it would.
        large.set_len(100_000_000_000).unwrap();
        assert!(read(&file).unwrap_err().ends_with("100000000000 bytes are more than the 4194304 it may have"));
        large.set_len(MOST_BYTES).unwrap();
        assert_eq!(read(&file).map(|text| text.len()), Ok(4_194_304));
        // What has no end and says that it is empty.
        let endless = read(Path::new("/dev/zero")).unwrap_err();
        assert!(endless.ends_with("these bytes are more than the 4194304 it may have"), "{endless}");
        std::fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(read(&file).unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn a_running_gateway_reads_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // Nobody ever writes into it.
        for path in [&pipe, folder.path(), Path::new("/dev/zero")] {
            let trouble = read_file(path).unwrap_err();
            assert!(trouble.ends_with("is not a file"), "{trouble}");
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        for path in [&link, &folder.path().join("nowhere")] {
            assert!(read_file(path).unwrap_err().contains("cannot be read"));
        }
        std::fs::write(folder.path().join("policy"), ONE).unwrap();
        assert_eq!(read_file(&folder.path().join("policy")).as_deref(), Ok(ONE));
    }

    #[test]
    fn a_snapshot_outlives_a_reload() {
        let live = Live::default();
        live.replace("p", ONE);
        let held = live.snapshot();
        live.replace("p", "version: 1\n");
        assert_eq!(held.policy.rule_count(), 1);
    }
}
