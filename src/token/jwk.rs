//! One JSON Web Key (RFC 7517), and the algorithms it may be used with and no others.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, EcdsaVerificationAlgorithm, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::algorithm::Algorithm;
use super::thumbprint::Thumbprint;
use super::value::{Json, Object};
use crate::json::quoted;

/// Members that only a private or a symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The RSA algorithms. PSS salts are as long as the hash, as RFC 7518 §3.5 demands.
const RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::RS256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::RS384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::RS512, &RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::PS256, &RSA_PSS_2048_8192_SHA256),
    (Algorithm::PS384, &RSA_PSS_2048_8192_SHA384),
    (Algorithm::PS512, &RSA_PSS_2048_8192_SHA512),
];

/// A key ready to verify: one verifier for each algorithm it may be used with (RFC 8725 §3.1).
pub(super) struct Key {
    pub(super) kid: Option<Box<str>>,
    verifiers: Box<[(Algorithm, Verifier)]>,
}

pub(super) enum Verifier {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Verifier {
    /// Whether `signature` is this key's over `message`. The comparison of secrets takes constant time.
    pub(super) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

/// Why a key of a key set is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SkipReason {
    /// The element of `keys` is no object.
    #[error("it is not an object")]
    NotAnObject,
    /// A member is absent, of the wrong type, or not a number on the curve.
    #[error("a member is missing or malformed")]
    Malformed,
    /// `kty: oct`: a secret that was published verifies nothing.
    #[error("it is symmetric, and a key set is public")]
    Symmetric,
    /// The private part was published with it.
    #[error("it contains private key material, so it must count as stolen")]
    PrivateKey,
    /// `use` is not `sig`.
    #[error("its `use` is not `sig`")]
    NotForSignatures,
    /// `key_ops` does not contain `verify`.
    #[error("its `key_ops` do not contain `verify`")]
    NotForVerifying,
    /// `kty` or `crv` is none that is supported.
    #[error("its `kty` or `crv` is not supported")]
    KindUnsupported,
    /// `alg` is none that is supported.
    #[error("its `alg` is not supported")]
    AlgorithmUnsupported,
    /// `alg` is not one of this kind of key.
    #[error("its `alg` does not fit its `kty` and `crv`")]
    AlgorithmMismatch,
    /// RSA with a modulus below 2048 or above 8192 bits.
    #[error("its RSA modulus is not between 2048 and 8192 bits long")]
    RsaSize,
    /// Another key has the same `kid` and could be meant by the same token.
    #[error("another key has the same `kid` and algorithm")]
    KidRepeated,
}

impl Key {
    /// The key that a shared secret is.
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        let verifiers = [
            (Algorithm::HS256, hmac::HMAC_SHA256),
            (Algorithm::HS384, hmac::HMAC_SHA384),
            (Algorithm::HS512, hmac::HMAC_SHA512),
        ];
        let verifiers =
            verifiers.map(|(name, hash)| (name, Verifier::Secret(Box::new(hmac::Key::new(hash, secret)))));
        Self { kid: None, verifiers: verifiers.into() }
    }

    /// Reads a public key of a key set.
    pub(super) fn of_jwk(jwk: &Json<'_>) -> Result<Self, SkipReason> {
        let Json::Object(jwk) = jwk else { return Err(SkipReason::NotAnObject) };
        let kind = text(jwk, "kty")?.ok_or(SkipReason::Malformed)?;
        if kind == "oct" {
            return Err(SkipReason::Symmetric);
        }
        if PRIVATE_MEMBERS.iter().any(|name| jwk.has(name)) {
            return Err(SkipReason::PrivateKey);
        }
        check_purpose(jwk)?;
        let kid = text(jwk, "kid")?.filter(|kid| !kid.is_empty()).map(Box::from);
        if kid.is_none() && jwk.has("kid") {
            return Err(SkipReason::Malformed);
        }
        let only = text(jwk, "alg")?.map(str::parse).transpose().map_err(|_| SkipReason::AlgorithmUnsupported)?;
        let verifiers = match (kind, text(jwk, "crv")?) {
            ("RSA", _) => rsa(jwk, only)?,
            ("EC", Some("P-256")) => single(only, Algorithm::ES256, || ec(jwk, &ECDSA_P256_SHA256_FIXED, 32))?,
            ("EC", Some("P-384")) => single(only, Algorithm::ES384, || ec(jwk, &ECDSA_P384_SHA384_FIXED, 48))?,
            ("OKP", Some("Ed25519")) => single(only, Algorithm::EdDSA, || ed25519(jwk))?,
            _ => return Err(SkipReason::KindUnsupported),
        };
        Ok(Self { kid, verifiers })
    }

    /// The verifier for `algorithm`, if this key may be used with it.
    pub(super) fn verifier(&self, algorithm: Algorithm) -> Option<&Verifier> {
        self.verifiers.iter().find(|(fits, _)| *fits == algorithm).map(|(_, verifier)| verifier)
    }

    /// Whether a token could mean this key and `other` alike.
    pub(super) fn is_confusable_with(&self, other: &Self) -> bool {
        self.kid.is_some()
            && self.kid == other.kid
            && self.verifiers.iter().any(|(algorithm, _)| other.verifier(*algorithm).is_some())
    }
}

/// The thumbprint of a key that [`Key::of_jwk`] has read: its required members alone, sorted, as they were written
/// (RFC 7638 §3.2, RFC 8037 §2).
pub(super) fn thumbprint(jwk: &Object<'_>) -> Option<Thumbprint> {
    let members: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let written: Option<Vec<String>> =
        members.iter().map(|name| Some(format!("{}:{}", quoted(name), quoted(jwk.get(name)?.as_str()?)))).collect();
    Some(Thumbprint::of(format!("{{{}}}", written?.join(",")).as_bytes()))
}

/// RFC 7517 §4.2, §4.3: a key that says what it is for is for nothing else.
fn check_purpose(jwk: &Object<'_>) -> Result<(), SkipReason> {
    if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(SkipReason::NotForSignatures);
    }
    let Some(operations) = jwk.get("key_ops") else { return Ok(()) };
    let operations = operations.as_strings().ok_or(SkipReason::Malformed)?;
    if operations.contains(&"verify") { Ok(()) } else { Err(SkipReason::NotForVerifying) }
}

fn rsa(jwk: &Object<'_>, only: Option<Algorithm>) -> Result<Box<[(Algorithm, Verifier)]>, SkipReason> {
    let (n, e) = (octets(jwk, "n")?, octets(jwk, "e")?);
    check_rsa(&n, &e)?;
    let components = RsaPublicKeyComponents { n, e };
    let fitting = RSA.into_iter().filter(|(algorithm, _)| only.is_none_or(|only| only == *algorithm));
    let verifiers: Result<Box<[_]>, SkipReason> = fitting
        .map(|(algorithm, parameters)| {
            let key = components.to_parsed_public_key(parameters).map_err(|_| SkipReason::Malformed)?;
            Ok((algorithm, Verifier::Public(key)))
        })
        .collect();
    verifiers.and_then(|found| if found.is_empty() { Err(SkipReason::AlgorithmMismatch) } else { Ok(found) })
}

/// RFC 7518 §3.3: 2048 bits or more. Both numbers are odd and without leading zeros; the exponent is at least 3 and
/// fits 32 bits.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), SkipReason> {
    let is_plain_odd = |number: &[u8]| {
        number.first().is_some_and(|byte| *byte != 0) && number.last().is_some_and(|byte| byte & 1 == 1)
    };
    if !is_plain_odd(n) || !is_plain_odd(e) || e == [1] || e.len() > 4 {
        return Err(SkipReason::Malformed);
    }
    // Whole octets are enough to tell the sizes in use apart; the top bit tells 2047 from 2048.
    let is_full = n.first().is_some_and(|byte| byte & 0x80 != 0);
    match n.len() {
        256 if is_full => Ok(()),
        257..=1024 => Ok(()),
        _ => Err(SkipReason::RsaSize),
    }
}

/// A key that fits one algorithm alone.
fn single(
    only: Option<Algorithm>,
    fits: Algorithm,
    key: impl FnOnce() -> Result<ParsedPublicKey, SkipReason>,
) -> Result<Box<[(Algorithm, Verifier)]>, SkipReason> {
    if only.is_some_and(|only| only != fits) {
        return Err(SkipReason::AlgorithmMismatch);
    }
    Ok([(fits, Verifier::Public(key()?))].into())
}

/// RFC 7518 §6.2.1: both coordinates in full length. That the point is on the curve is checked by the parser.
fn ec(
    jwk: &Object<'_>,
    curve: &'static EcdsaVerificationAlgorithm,
    length: usize,
) -> Result<ParsedPublicKey, SkipReason> {
    let (x, y) = (octets(jwk, "x")?, octets(jwk, "y")?);
    if x.len() != length || y.len() != length {
        return Err(SkipReason::Malformed);
    }
    let uncompressed = [&[4], &*x, &*y].concat();
    ParsedPublicKey::new(curve, uncompressed).map_err(|_| SkipReason::Malformed)
}

/// RFC 8037 §2.
fn ed25519(jwk: &Object<'_>) -> Result<ParsedPublicKey, SkipReason> {
    let x = octets(jwk, "x")?;
    if x.len() != 32 {
        return Err(SkipReason::Malformed);
    }
    ParsedPublicKey::new(&ED25519, x).map_err(|_| SkipReason::Malformed)
}

fn text<'a>(jwk: &'a Object<'_>, name: &str) -> Result<Option<&'a str>, SkipReason> {
    jwk.get(name).map(|value| value.as_str().ok_or(SkipReason::Malformed)).transpose()
}

fn octets(jwk: &Object<'_>, name: &str) -> Result<Vec<u8>, SkipReason> {
    let text = text(jwk, name)?.ok_or(SkipReason::Malformed)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| SkipReason::Malformed)
}
