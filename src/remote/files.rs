//! Keys in files, read again when the files change.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::serve::say;
use crate::settings::KeySource;
use crate::token::KeySet;

/// How often a file is looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// What is seen of a file without reading it. A swapped symlink, a rename and a rewrite all change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look(Option<(u64, u64, u64, i64, i64)>);

impl Look {
    fn at(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let seen = std::fs::metadata(path).ok();
        Self(seen.map(|file| (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec())))
    }
}

/// A file of keys that is looked at from time to time.
pub(super) struct Followed {
    source: KeySource,
    seen: Look,
    is_settled: bool,
}

impl Followed {
    /// Follows the file of this source, if it is one. What is in it now is known.
    pub(super) fn new(source: &KeySource) -> Option<Self> {
        let seen = Look::at(source.path()?);
        Some(Self { source: source.clone(), seen, is_settled: true })
    }

    /// Looks once. New keys, or why there are none although the file changed.
    ///
    /// A file is read when two looks find it alike: what is half written is left alone.
    pub(super) fn look(&mut self) -> Option<Result<KeySet, String>> {
        let look = Look::at(self.source.path()?);
        if look != self.seen {
            self.seen = look;
            self.is_settled = false;
            return None;
        }
        if self.is_settled {
            return None;
        }
        self.is_settled = true;
        Some(self.source.load())
    }

    /// Looks for ever. The last good keys stay where a file has none.
    pub(super) async fn follow(mut self, issuer: Arc<str>, apply: impl Fn(KeySet)) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            match self.look() {
                None => {}
                Some(Ok(keys)) => {
                    say(&format!("issuer `{issuer}`: its keys were read again"));
                    apply(keys);
                }
                Some(Err(trouble)) => {
                    say(&format!("issuer `{issuer}`: the last good keys stay in force: {trouble}"))
                }
            }
        }
    }
}
