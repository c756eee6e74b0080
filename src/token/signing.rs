//! Private keys of the gateway itself: for identity tokens, client assertions and development tokens.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::algorithm::Algorithm;
use super::thumbprint::Thumbprint;
use super::value::{Json, Object};

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
/// The longest text of a key, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// A private key that signs with ES256 or RS256. Its `Debug` does not show it.
pub struct SigningKey {
    pair: Pair,
    kid: Option<Box<str>>,
}

enum Pair {
    P256(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

/// Why there is no signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// Neither PEM nor a JWK.
    #[error("the key is neither a JWK nor PEM with one `BEGIN PRIVATE KEY` (PKCS#8)")]
    NotAKey,
    /// A key, but none of a kind that is used for signing here.
    #[error("the key is neither on P-256 nor RSA of 2048 to 8192 bits, or is damaged")]
    Unsupported,
    /// A public JWK.
    #[error("the key has no private part")]
    Public,
    /// A key for another algorithm than ES256.
    #[error("the key is not on P-256, which ES256 needs")]
    NotP256,
}

/// The key could not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key could not sign")]
pub struct SigningFailed;

impl SigningKey {
    /// Reads a private key: PKCS#8 in PEM (RFC 5958, RFC 7468), or a JWK (RFC 7517).
    ///
    /// # Errors
    /// [`SigningKeyError`] says what it is instead.
    pub fn read(text: &str) -> Result<Self, SigningKeyError> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(SigningKeyError::NotAKey);
        }
        if text.starts_with('{') { Self::from_jwk(text) } else { Self::from_pkcs8(&pem(text)?) }
    }

    /// Reads a key for ES256, and calls it by its thumbprint (RFC 7638) whatever it was called: so no two are
    /// called alike.
    ///
    /// # Errors
    /// [`SigningKeyError`] says what it is instead.
    pub fn read_es256(text: &str) -> Result<Self, SigningKeyError> {
        let key = Self::read(text)?;
        let thumbprint = key.thumbprint().ok_or(SigningKeyError::NotP256)?;
        Ok(key.with_kid(&thumbprint))
    }

    /// Reads PKCS#8 in DER.
    ///
    /// # Errors
    /// [`SigningKeyError::Unsupported`] for whatever is no such key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SigningKeyError> {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            return Ok(Self::of(Pair::P256(Box::new(pair))));
        }
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| SigningKeyError::Unsupported)?;
        Ok(Self::of(Pair::Rsa(Box::new(pair))))
    }

    fn from_jwk(text: &str) -> Result<Self, SigningKeyError> {
        let jwk = Json::read_object(text.as_bytes()).map_err(|_| SigningKeyError::NotAKey)?;
        if !jwk.has("d") {
            return Err(SigningKeyError::Public);
        }
        let pair = match jwk.get("kty").and_then(Json::as_str) {
            Some("EC") => p256(&jwk),
            Some("RSA") => rsa(&jwk),
            _ => None,
        };
        let key = Self::of(pair.ok_or(SigningKeyError::Unsupported)?);
        let is_fit = jwk.get("alg").is_none_or(|alg| alg.as_str() == Some(key.algorithm().name()));
        if !is_fit {
            return Err(SigningKeyError::Unsupported);
        }
        match jwk.get("kid").and_then(Json::as_str) {
            Some(kid) => Ok(key.with_kid(kid)),
            None => Ok(key),
        }
    }

    /// A key without a name: whoever verifies may not know it by any that could be thought of here.
    const fn of(pair: Pair) -> Self {
        Self { pair, kid: None }
    }

    /// The thumbprint of the public key (RFC 7638). `None` for RSA.
    fn thumbprint(&self) -> Option<String> {
        let Pair::P256(pair) = &self.pair else { return None };
        let (x, y) = coordinates(pair)?;
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Some(Thumbprint::of(members.as_bytes()).as_str().to_owned())
    }

    /// This key under another name, as the one who verifies knows it.
    #[must_use]
    pub fn with_kid(self, kid: &str) -> Self {
        Self { kid: Some(kid.into()), ..self }
    }

    /// The name of the key, `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithm it signs with: ES256 or RS256.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::P256(_) => Algorithm::ES256,
            Pair::Rsa(_) => Algorithm::RS256,
        }
    }

    /// The key set with which others verify what this key has signed (RFC 7517 §5). `None` for RSA.
    #[must_use]
    pub fn public_jwks(&self) -> Option<String> {
        Some(format!("{{\"keys\":[{}]}}", self.public_jwk()?))
    }

    /// The public part of this key (RFC 7517 §4). `None` for RSA.
    #[must_use]
    pub fn public_jwk(&self) -> Option<String> {
        let Pair::P256(pair) = &self.pair else { return None };
        let (x, y) = coordinates(pair)?;
        let mut jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "use": "sig"});
        if let (Some(kid), Some(jwk)) = (self.kid(), jwk.as_object_mut()) {
            jwk.insert("kid".into(), kid.into());
        }
        Some(jwk.to_string())
    }

    /// A JWT with this `typ` and these claims, signed by this key.
    ///
    /// # Errors
    /// [`SigningFailed`] where the key cannot sign.
    pub fn mint(&self, typ: &str, claims: Map<String, Value>) -> Result<String, SigningFailed> {
        let mut header = Map::new();
        header.insert("alg".into(), self.algorithm().name().into());
        header.insert("typ".into(), typ.into());
        if let Some(kid) = self.kid() {
            header.insert("kid".into(), kid.into());
        }
        let [header, payload] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(Value::Object(part).to_string()));
        let signed = format!("{header}.{payload}");
        let signature = self.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        // The library takes the randomness of a signature from its own generator; neither scheme needs ours.
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) => {
                pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()).map_err(|_| SigningFailed)
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(|_| SigningFailed)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// The one private key of a PEM text; a second one, or any other kind of block, is refused.
fn pem(text: &str) -> Result<Vec<u8>, SigningKeyError> {
    let body = text.strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END));
    let body: String = body.ok_or(SigningKeyError::NotAKey)?.split_ascii_whitespace().collect();
    STANDARD.decode(body).map_err(|_| SigningKeyError::NotAKey)
}

/// Both coordinates of the public key, as JOSE writes them. The point is uncompressed: 4, x, y.
fn coordinates(pair: &EcdsaKeyPair) -> Option<(String, String)> {
    let (x, y) = pair.public_key().as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
    Some((URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)))
}

/// RFC 7518 §6.2. That private and public part belong together is checked by the parser.
fn p256(jwk: &Object<'_>) -> Option<Pair> {
    let (x, y, d) = (octets(jwk, "x")?, octets(jwk, "y")?, octets(jwk, "d")?);
    if jwk.get("crv")?.as_str()? != "P-256" || [&x, &y, &d].iter().any(|part| part.len() != 32) {
        return None;
    }
    let public = [&[4], &*x, &*y].concat();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &d, &public);
    pair.ok().map(|pair| Pair::P256(Box::new(pair)))
}

/// RFC 7518 §6.3, keys of two primes.
fn rsa(jwk: &Object<'_>) -> Option<Pair> {
    if jwk.has("oth") {
        return None;
    }
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: octets(jwk, "n")?, e: octets(jwk, "e")? },
        d: octets(jwk, "d")?,
        p: octets(jwk, "p")?,
        q: octets(jwk, "q")?,
        dP: octets(jwk, "dp")?,
        dQ: octets(jwk, "dq")?,
        qInv: octets(jwk, "qi")?,
    };
    RsaKeyPair::from_components(&components).ok().map(|pair| Pair::Rsa(Box::new(pair)))
}

fn octets(jwk: &Object<'_>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok()
}
