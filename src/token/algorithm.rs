//! The signature algorithms a token may be verified with (RFC 7518 §3.1, RFC 8037 §3.1).

use std::fmt;
use std::str::FromStr;

/// An algorithm the gateway can verify. `none` is not one, so no list can contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// EdDSA on Ed25519, the only curve of it that is supported. `Ed25519` (RFC 9864) is another name for it.
    EdDSA,
}

impl Algorithm {
    /// Every algorithm there is.
    pub const ALL: &'static [Self] = &[
        Self::HS256,
        Self::HS384,
        Self::HS512,
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// The algorithms with public keys: what an issuer with a JWKS accepts unless it is told otherwise.
    pub const ASYMMETRIC: &'static [Self] = &[
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// The algorithms with a shared secret.
    pub const SYMMETRIC: &'static [Self] = &[Self::HS256, Self::HS384, Self::HS512];

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no supported algorithm's. Names are compared exactly: `hs256` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a supported algorithm; use one of HS256/384/512, RS256/384/512, PS256/384/512, ES256, ES384, EdDSA")]
pub struct AlgorithmUnknown;

impl FromStr for Algorithm {
    type Err = AlgorithmUnknown;

    fn from_str(name: &str) -> Result<Self, AlgorithmUnknown> {
        // RFC 9864 §2.2: the fully specified name of EdDSA on Ed25519.
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name).ok_or(AlgorithmUnknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_found_by_its_name() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(*algorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDSA));
    }

    #[test]
    fn no_other_name_is_an_algorithm() {
        for name in ["none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "RS1", "ES512", "ES256K", "Ed448"] {
            assert_eq!(name.parse::<Algorithm>(), Err(AlgorithmUnknown), "{name:?}");
        }
    }

    #[test]
    fn each_algorithm_is_symmetric_or_asymmetric() {
        let both = [Algorithm::SYMMETRIC, Algorithm::ASYMMETRIC].concat();
        assert_eq!(both, Algorithm::ALL);
    }
}
