//! The keys of one issuer.

use std::fmt;

use super::algorithm::Algorithm;
use super::jwk::{Key, SkipReason};
use super::value::Json;
use crate::refusal::Refusal;

/// The longest key set that is read, in bytes.
const MAX_DOCUMENT: usize = 1024 * 1024;
/// The most keys a set may have.
const MAX_KEYS: usize = 100;
/// The most keys that are tried for a token that does not name its key.
const MAX_TRIED: usize = 4;
/// The shortest secret that is accepted, in bytes.
const MIN_SECRET: usize = 16;

/// The keys of one issuer: those of a JWKS, or one shared secret. Never both, so a public key is never a secret.
///
/// Its `Debug` shows no key.
pub struct KeySet {
    keys: Keys,
    skipped: Box<[SkippedKey]>,
}

enum Keys {
    Public(Box<[Key]>),
    Secret(Key),
}

/// A key of a JWKS that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in `keys`, from 0.
    pub position: usize,
    /// Its `kid`, if it has one.
    pub kid: Option<Box<str>>,
    /// Why it is not used.
    pub reason: SkipReason,
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} (`kid` {:?}): {}", self.position, self.kid.as_deref().unwrap_or_default(), self.reason)
    }
}

/// Why there is no key set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// The document is longer than any that is read.
    #[error("the key set is longer than 1 MiB")]
    TooLarge,
    /// Not an object with an array `keys` (RFC 7517 §5), in JSON without repeated names.
    #[error("the key set is not a JSON object with an array `keys`, or repeats a name")]
    NotAKeySet,
    /// The set has more keys than any that is read.
    #[error("the key set has more than 100 keys")]
    TooManyKeys,
    /// No key of the set can be used.
    #[error("the key set has no usable key{}", listed(.0))]
    NoUsableKey(Box<[SkippedKey]>),
    /// The secret could be guessed.
    #[error("the secret is shorter than 16 bytes")]
    SecretTooShort,
}

fn listed(skipped: &[SkippedKey]) -> String {
    skipped.iter().map(|key| format!("; {key}")).collect()
}

impl KeySet {
    /// Reads a JWKS (RFC 7517 §5). A key that cannot be used does not spoil the set, see [`KeySet::skipped`].
    ///
    /// # Errors
    /// [`KeySetError`] if the document is no key set or no key of it can be used.
    pub fn from_jwks(bytes: &[u8]) -> Result<Self, KeySetError> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(KeySetError::TooLarge);
        }
        let document = Json::read_object(bytes).map_err(|_| KeySetError::NotAKeySet)?;
        let Some(Json::Array(jwks)) = document.get("keys") else { return Err(KeySetError::NotAKeySet) };
        if jwks.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let read: Vec<(usize, Result<Key, SkipReason>)> = jwks.iter().map(Key::of_jwk).enumerate().collect();
        let confusable = confusable(&read);
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (position, key) in read {
            let key = if confusable.contains(&position) { Err(SkipReason::KidRepeated) } else { key };
            match key {
                Ok(key) => keys.push(key),
                Err(reason) => skipped.push(SkippedKey { position, kid: kid_at(jwks, position), reason }),
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey(skipped.into()));
        }
        Ok(Self { keys: Keys::Public(keys.into()), skipped: skipped.into() })
    }

    /// The set of one shared secret, for HS256, HS384 and HS512.
    ///
    /// # Errors
    /// [`KeySetError::SecretTooShort`] below 16 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeySetError> {
        if secret.len() < MIN_SECRET {
            return Err(KeySetError::SecretTooShort);
        }
        Ok(Self::from_secret_unchecked(secret))
    }

    /// As [`KeySet::from_secret`], however short the secret is. For demonstrations alone.
    #[must_use]
    pub fn from_secret_unchecked(secret: &[u8]) -> Self {
        Self { keys: Keys::Secret(Key::of_secret(secret)), skipped: [].into() }
    }

    /// How many keys can be used. Never 0.
    #[expect(clippy::len_without_is_empty, reason = "an empty key set cannot be made")]
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.keys {
            Keys::Public(keys) => keys.len(),
            Keys::Secret(_) => 1,
        }
    }

    /// The keys of the document that are not used, each with its reason.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Whether `signature` over `message` is that of the key `kid`, or of a key that fits where none is named.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let fitting = || self.candidates(kid).filter_map(|key| key.verifier(algorithm));
        // To try some of many would make the answer depend on the order of the set.
        if !(1..=MAX_TRIED).contains(&fitting().count()) {
            return Err(Refusal::TokenKeyUnknown);
        }
        let is_signed = fitting().any(|verifier| verifier.accepts(message, signature));
        if is_signed { Ok(()) } else { Err(Refusal::TokenSignatureWrong) }
    }

    /// A secret has no `kid`, so one in the token says nothing there.
    fn candidates<'a>(&'a self, kid: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        let (keys, kid) = match &self.keys {
            Keys::Public(keys) => (&**keys, kid),
            Keys::Secret(key) => (std::slice::from_ref(key), None),
        };
        keys.iter().filter(move |key| kid.is_none() || key.kid.as_deref() == kid)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("len", &self.len()).field("skipped", &self.skipped).finish_non_exhaustive()
    }
}

/// The places of keys that share their `kid` and an algorithm with another: it is not known which one is meant.
fn confusable(read: &[(usize, Result<Key, SkipReason>)]) -> Vec<usize> {
    let usable = || read.iter().filter_map(|(at, key)| key.as_ref().ok().map(|key| (*at, key)));
    let has_twin = |at: usize, key: &Key| usable().any(|(other, twin)| other != at && key.is_confusable_with(twin));
    usable().filter(|(at, key)| has_twin(*at, key)).map(|(at, _)| at).collect()
}

fn kid_at(jwks: &[Json<'_>], position: usize) -> Option<Box<str>> {
    let Json::Object(jwk) = jwks.get(position)? else { return None };
    jwk.get("kid")?.as_str().map(Box::from)
}
