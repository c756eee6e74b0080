//! A token that tells the upstream who calls, signed by the gateway, and the keys it is verified by.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue};
use quick_cache::sync::Cache;

use crate::caller::{Caller, UnixTime};
use crate::live::{Held, Reload};
use crate::refusal::Refusal;
use crate::settings::IdentityToken;
use crate::token::{Identity, SigningKey, mint_identity};

/// How many tokens are remembered.
const MOST: usize = 10_000;
/// How long a key that was replaced stays in the key set: tokens it signed are under way, and replicas change over
/// one after the other.
const AFTERLIFE: Duration = Duration::from_secs(600);
/// How many keys that were replaced are in the key set at most.
const MOST_REPLACED: usize = 8;

/// Signs who calls, for the upstream.
#[derive(Debug)]
pub struct IdentityTokens {
    header: HeaderName,
    issuer: Box<str>,
    audience: Box<str>,
    life: u64,
    keys: ArcSwap<Keys>,
    minted: Cache<[u8; 32], Minted>,
    /// Why the newest key file is not in force, if it is not.
    trouble: Mutex<Option<String>>,
}

/// The key in force and those before it.
#[derive(Debug)]
struct Keys {
    signing: SigningKey,
    /// Of the text the key was read from.
    digest: [u8; 32],
    generation: u64,
    replaced: Vec<Replaced>,
}

#[derive(Debug, Clone)]
struct Replaced {
    kid: Box<str>,
    jwk: Box<str>,
    until: Instant,
}

/// A token that was signed, and with which key.
#[derive(Debug, Clone)]
struct Minted {
    value: HeaderValue,
    generation: u64,
    issued: UnixTime,
    renewed: UnixTime,
}

impl IdentityTokens {
    /// Tokens from `issuer`, signed with the key that is written in `key`.
    ///
    /// # Errors
    /// What is wrong with the key.
    pub fn new(settings: &IdentityToken, issuer: &str, key: &str) -> Result<Self, String> {
        let signing = SigningKey::read_es256(key).map_err(|error| error.to_string())?;
        let keys = Keys { signing, digest: sha256(&[key]), generation: 1, replaced: Vec::new() };
        Ok(Self {
            header: settings.header.clone(),
            issuer: issuer.into(),
            audience: settings.audience.as_str().into(),
            life: settings.life.as_secs().max(1),
            keys: ArcSwap::from_pointee(keys),
            minted: Cache::new(MOST),
            trouble: Mutex::default(),
        })
    }

    /// The header that the token is sent in.
    #[must_use]
    pub const fn header(&self) -> &HeaderName {
        &self.header
    }

    /// A token that says who `caller` is, good no longer than `until`: one signed before, for the first half of its
    /// life, or a new one.
    ///
    /// # Errors
    /// [`Refusal::VerificationUnavailable`] where none can be signed: the upstream must not take that for nobody.
    pub fn token(&self, caller: &Caller, until: UnixTime, now: UnixTime) -> Result<HeaderValue, Refusal> {
        let keys = self.keys.load();
        let about = about(caller);
        if let Some(minted) = self.minted.get(&about)
            && minted.generation == keys.generation
            && (minted.issued..minted.renewed).contains(&now)
        {
            return Ok(minted.value);
        }
        let life = self.life.min(until.0.saturating_sub(now.0)).max(1);
        let value = self.mint(&keys.signing, caller, now, life).ok_or(Refusal::VerificationUnavailable)?;
        let renewed = now.plus(life.div_euclid(2));
        let minted = Minted { value: value.clone(), generation: keys.generation, issued: now, renewed };
        self.minted.insert(about, minted);
        Ok(value)
    }

    fn mint(&self, key: &SigningKey, caller: &Caller, issued: UnixTime, life: u64) -> Option<HeaderValue> {
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).ok()?;
        let token_id = &URL_SAFE_NO_PAD.encode(id);
        let identity = Identity { issuer: &self.issuer, audience: &self.audience, issued, life, token_id };
        let mut value = HeaderValue::try_from(mint_identity(key, caller, &identity).ok()?).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The keys that tokens under way can be verified by, as a key set (RFC 7517 §5).
    #[must_use]
    pub fn jwks(&self) -> String {
        let keys = self.keys.load();
        let now = Instant::now();
        let replaced = keys.replaced.iter().filter(|replaced| now < replaced.until);
        let jwks = keys.signing.public_jwk().into_iter().chain(replaced.map(|replaced| replaced.jwk.to_string()));
        format!("{{\"keys\":[{}]}}", jwks.collect::<Vec<_>>().join(","))
    }

    /// How many keys were in force so far.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.keys.load().generation
    }

    /// Why the newest key file is not in force, if it is not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().ok().and_then(|trouble| trouble.clone())
    }

    fn note(&self, trouble: Option<String>) {
        if let Ok(mut held) = self.trouble.lock() {
            *held = trouble;
        }
    }
}

impl Keys {
    /// The keys once `signing` is in force.
    fn followed_by(&self, signing: SigningKey, digest: [u8; 32], now: Instant) -> Self {
        let before = self.signing.kid().zip(self.signing.public_jwk());
        let before = before.map(|(kid, jwk)| Replaced {
            kid: kid.into(),
            jwk: jwk.into(),
            until: now.checked_add(AFTERLIFE).unwrap_or(now),
        });
        let is_kept = |replaced: &Replaced| now < replaced.until && signing.kid() != Some(&*replaced.kid);
        let replaced = before.into_iter().chain(self.replaced.iter().cloned()).filter(is_kept).take(MOST_REPLACED);
        let replaced = replaced.collect();
        Self { signing, digest, generation: self.generation.saturating_add(1), replaced }
    }
}

impl Held for IdentityTokens {
    fn is_in_force(&self, text: &str) -> bool {
        self.trouble().is_none() && self.keys.load().digest == sha256(&[text])
    }

    fn replace(&self, file: &str, text: &str) -> Reload {
        match SigningKey::read_es256(text) {
            Ok(signing) => {
                let keys = self.keys.load().followed_by(signing, sha256(&[text]), Instant::now());
                self.keys.store(Arc::new(keys));
                self.note(None);
                Reload::Done(self.generation())
            }
            Err(error) => self.keep(format!("{file}: {error}")),
        }
    }

    fn keep(&self, trouble: String) -> Reload {
        self.note(Some(trouble.clone()));
        Reload::Kept(trouble)
    }
}

/// What a token says of a caller, and until when: whoever is alike in it may have the same one.
fn about(caller: &Caller) -> [u8; 32] {
    let expires = caller.expires.0.to_string();
    let names = [&*caller.issuer, &*caller.subject, &*expires, caller.client_id.as_deref().unwrap_or_default()];
    let is_known = if caller.client_id.is_some() { "1" } else { "0" };
    sha256(&names.into_iter().chain([is_known]).chain(caller.scopes.iter()).collect::<Vec<_>>())
}

/// The digest of texts, each with its length, so that none can pass for part of another.
fn sha256(texts: &[&str]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for text in texts {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    }
    // SHA-256 has 32 bytes; were it not so, nothing would be found again.
    context.finish().as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Scopes;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn key() -> String {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        use base64::engine::general_purpose::STANDARD;
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = STANDARD.encode(pair.to_pkcs8v1().unwrap());
        format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
    }

    fn tokens(key: &str, life: u64) -> IdentityTokens {
        let settings = IdentityToken {
            header: HeaderName::from_static("x-identity"),
            key_file: "key".into(),
            audience: "up".to_owned(),
            life: Duration::from_secs(life),
        };
        IdentityTokens::new(&settings, "https://mcp.example/mcp", key).unwrap()
    }

    fn caller(subject: &str) -> Caller {
        Caller {
            scopes: Scopes::from_names(["a", "b"]),
            ..Caller::new("https://idp.example", subject, NOW.plus(600))
        }
    }

    fn claims(token: &HeaderValue) -> serde_json::Value {
        let payload = token.to_str().unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    #[test]
    fn a_token_is_signed_once_in_half_its_life() {
        let tokens = tokens(&key(), 60);
        let told = |subject: &str, at: u64| tokens.token(&caller(subject), NOW.plus(600), UnixTime(at)).unwrap();
        let first = told("alice", NOW.0);
        assert_eq!(told("alice", NOW.0 + 29), first);
        assert_ne!(told("alice", NOW.0 + 30), first);
        assert_ne!(told("alice", NOW.0 - 1), first, "a clock that was set back");
        assert_ne!(told("bob", NOW.0), first);
        assert!(first.is_sensitive());
    }

    #[test]
    fn whoever_differs_in_anything_told_gets_another() {
        let tokens = tokens(&key(), 60);
        let alice = caller("alice");
        let others = [
            alice.clone(),
            Caller { issuer: "https://other.example".into(), ..alice.clone() },
            Caller { client_id: Some("".into()), ..alice.clone() },
            Caller { client_id: Some("app".into()), ..alice.clone() },
            Caller { scopes: Scopes::from_names(["a"]), ..alice.clone() },
            Caller { scopes: Scopes::from_names(["a", "b", "c"]), ..alice.clone() },
            Caller { scopes: Scopes::default(), ..alice.clone() },
            Caller { expires: NOW.plus(599), ..alice },
        ];
        let mut seen = std::collections::HashSet::new();
        for other in &others {
            assert!(seen.insert(tokens.token(other, NOW.plus(600), NOW).unwrap()), "{other:?}");
        }
    }

    #[test]
    fn a_token_is_good_no_longer_than_the_callers() {
        let tokens = tokens(&key(), 60);
        for (left, life) in [(600, 60), (60, 60), (7, 7), (1, 1), (0, 1)] {
            let caller = caller(&format!("left {left}"));
            let claims = claims(&tokens.token(&caller, NOW.plus(left), NOW).unwrap());
            assert_eq!(claims["exp"], NOW.0 + life, "{left}");
            assert_eq!((&claims["iat"], &claims["aud"]), (&NOW.0.into(), &"up".into()));
        }
    }

    #[test]
    fn a_new_key_signs_at_once_and_the_old_one_stays_known() {
        let (old, new) = (key(), key());
        let tokens = tokens(&old, 60);
        let before = tokens.token(&caller("alice"), NOW.plus(600), NOW).unwrap();
        let kids = || {
            let set: serde_json::Value = serde_json::from_str(&tokens.jwks()).unwrap();
            set["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect::<Vec<_>>()
        };
        let first = kids();
        assert!(tokens.is_in_force(&old) && !tokens.is_in_force(&new));
        assert_eq!(tokens.replace("key", &new), Reload::Done(2));
        assert!(tokens.is_in_force(&new));
        assert_ne!(tokens.token(&caller("alice"), NOW.plus(600), NOW).unwrap(), before);
        assert_eq!(kids().len(), 2);
        assert_eq!(kids()[1..], first);
        // Back again: no key stands twice.
        assert_eq!(tokens.replace("key", &old), Reload::Done(3));
        assert_eq!((kids().len(), &kids()[0]), (2, &first[0]));
        for generation in 4..30 {
            assert_eq!(tokens.replace("key", &key()), Reload::Done(generation));
        }
        assert_eq!(kids().len(), 1 + MOST_REPLACED);
        assert!(!tokens.jwks().contains("\"d\""), "{}", tokens.jwks());
    }

    #[test]
    fn a_key_that_was_replaced_is_forgotten_some_time() {
        let (signing, digest) = (SigningKey::read_es256(&key()).unwrap(), [0; 32]);
        let keys = Keys { signing, digest, generation: 1, replaced: Vec::new() };
        let start = Instant::now();
        let next = || SigningKey::read_es256(&key()).unwrap();
        let keys = keys.followed_by(next(), digest, start);
        assert_eq!(keys.followed_by(next(), digest, start + AFTERLIFE - Duration::from_secs(1)).replaced.len(), 2);
        assert_eq!(keys.followed_by(next(), digest, start + AFTERLIFE).replaced.len(), 1);
    }

    #[test]
    fn a_flawed_key_leaves_the_last_good_one_in_force() {
        let good = key();
        let tokens = tokens(&good, 60);
        for flawed in ["", "x", "{}", &good.replace("PRIVATE", "PUBLIC"), &format!("{good}{good}")] {
            assert!(matches!(tokens.replace("key", flawed), Reload::Kept(_)), "{flawed}");
            assert!(tokens.trouble().is_some_and(|trouble| !trouble.contains("MIG")));
            assert_eq!(tokens.generation(), 1);
            assert!(!tokens.is_in_force(&good), "it is to be read again");
        }
        assert_eq!(tokens.replace("key", &good), Reload::Done(2));
        assert_eq!(tokens.trouble(), None);
    }
}
