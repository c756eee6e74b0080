//! On which terms DPoP proofs are accepted.

use std::time::Duration;

use super::given::Sources;
use super::value::{duration, switch};
use crate::token::{DpopTerms, NonceRule, Nonces};

/// For how many seconds a nonce is good, at least.
const NONCE_LIFE: u64 = 60;

/// `dpop` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dpop {
    /// Whether every token must be bound to a DPoP key.
    pub required: bool,
    /// Whether proofs must contain a nonce of this gateway.
    pub nonce: bool,
    /// How old a proof may be.
    pub max_age: Duration,
}

impl Default for Dpop {
    fn default() -> Self {
        Self { required: false, nonce: false, max_age: Duration::from_secs(DpopTerms::default().max_age) }
    }
}

impl Dpop {
    pub(super) fn read(sources: &mut Sources<'_>) -> Self {
        let default = Self::default();
        let range = Duration::from_secs(1)..=Duration::from_secs(3600);
        Self {
            required: sources.read("dpop.required", default.required, switch),
            nonce: sources.read("dpop.nonce", default.nonce, switch),
            max_age: sources.read("dpop.max_age", default.max_age, |text| duration(text, &range)),
        }
    }

    /// The terms; `key` is what replicas share, so that they know each other's nonces.
    #[must_use]
    pub fn terms(&self, key: &[u8]) -> DpopTerms {
        DpopTerms {
            required: self.required,
            max_age: self.max_age.as_secs().max(1),
            nonce: if self.nonce { NonceRule::Required(Nonces::new(key, NONCE_LIFE)) } else { NonceRule::Off },
            ..DpopTerms::default()
        }
    }
}
