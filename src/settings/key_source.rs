//! Where an issuer's keys come from, and how often they are fetched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::token::KeySet;

use super::mistake::Flaw;
use super::provider::ProviderUrl;
use super::secret::Secret;
use super::value::read_file;

/// The shortest secret, in bytes.
const SHORTEST_SECRET: usize = 16;
/// One byte more than the longest key set that is read.
const LONGEST_JWKS: u64 = 1024 * 1024 + 1;

/// Where an issuer's keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A key set (RFC 7517 §5).
    JwksFile(PathBuf),
    /// A shared secret.
    SecretFile(PathBuf),
    /// A key set, fetched.
    JwksUri(ProviderUrl),
    /// A key set whose place the issuer at this URL publishes (RFC 8414, OpenID Connect Discovery).
    Discovery(ProviderUrl),
}

impl KeySource {
    /// The file the keys come from, if they come from one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::JwksFile(path) | Self::SecretFile(path) => Some(path),
            Self::JwksUri(_) | Self::Discovery(_) => None,
        }
    }

    /// Reads the keys as they are now, from the file they come from.
    ///
    /// # Errors
    ///
    /// Why there are none, in a sentence for the operator.
    pub fn load(&self) -> Result<KeySet, String> {
        self.read().map_err(|flaw| flaw.message)
    }

    pub(super) fn read(&self) -> Result<KeySet, Flaw> {
        let keys = match self {
            Self::JwksFile(path) => KeySet::from_jwks(&read_file(path, LONGEST_JWKS)?),
            Self::SecretFile(path) => KeySet::from_secret(Secret::read(path, SHORTEST_SECRET)?.expose()),
            Self::JwksUri(url) | Self::Discovery(url) => {
                return Err(Flaw::new(format!("the keys of {url} are not in a file")));
            }
        };
        keys.map_err(|error| Flaw::new(error.to_string()))
    }
}

/// How often fetched keys are fetched again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How old keys get at most while the provider answers: what it withdrew is refused after this time.
    pub refresh_interval: Duration,
    /// The shortest time between two fetches that tokens with unknown keys cause.
    pub min_refetch_interval: Duration,
    /// How old keys get at most while the provider does not answer. After that there are none.
    pub max_stale: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            refresh_interval: Duration::from_secs(10 * 60),
            min_refetch_interval: Duration::from_secs(30),
            max_stale: Duration::from_secs(24 * 3600),
        }
    }
}
