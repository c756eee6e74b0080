//! Tokens that must and must not be accepted. The keys are made for the run; the clock stands at [`NOW`].

mod accept;
mod claims;
mod debug;
mod dpop;
mod form;
mod issuer;
mod jwks;
mod kinds;
mod signature;
mod signing;

use std::sync::{Arc, LazyLock};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::caller::{Caller, UnixTime};
use crate::refusal::Refusal;

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"a secret of the prototype, long enough";
const A: &str = "https://a.example";
const B: &str = "https://b.example";
const HERE: &str = "https://mcp.example/mcp";

/// Something that signs tokens.
enum Signer {
    Secret(Vec<u8>),
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

static RSA: LazyLock<Signer> =
    LazyLock::new(|| Signer::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())));
static P256: LazyLock<Signer> = LazyLock::new(Signer::p256);
static P256_OF_B: LazyLock<Signer> = LazyLock::new(Signer::p256);
static P384: LazyLock<Signer> =
    LazyLock::new(|| Signer::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap()));
static ED25519: LazyLock<Signer> = LazyLock::new(|| Signer::Ed25519(Ed25519KeyPair::generate().unwrap()));
static PROTOTYPE: LazyLock<Signer> = LazyLock::new(|| Signer::Secret(SECRET.to_vec()));

impl Signer {
    fn p256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Secret(secret) => {
                hmac::sign(&hmac::Key::new(hmac_of(algorithm), secret), message).as_ref().to_vec()
            }
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(rsa_of(algorithm), &random, message, &mut signature).unwrap();
                signature
            }
            Self::P256(key) | Self::P384(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// The members of its JWK that are numbers, and its kind.
    fn jwk_members(&self) -> String {
        let point = |key: &EcdsaKeyPair, curve: &str| {
            let (x, y) = key.public_key().as_ref()[1..].split_at((key.public_key().as_ref().len()) / 2);
            format!(r#""kty":"EC","crv":"{curve}","x":"{}","y":"{}""#, encode(x), encode(y))
        };
        match self {
            Self::Secret(secret) => format!(r#""kty":"oct","k":"{}""#, encode(secret)),
            Self::Rsa(_) => format!(r#""kty":"RSA","n":"{}","e":"AQAB""#, encode(&self.rsa_modulus())),
            Self::P256(key) => point(key, "P-256"),
            Self::P384(key) => point(key, "P-384"),
            Self::Ed25519(key) => {
                format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, encode(key.public_key().as_ref()))
            }
        }
    }

    /// Its JWK, with further members.
    fn jwk(&self, more: &str) -> String {
        format!("{{{},{more}}}", self.jwk_members())
    }

    /// The modulus, cut out of the DER of a public key of 2048 bits.
    fn rsa_modulus(&self) -> Vec<u8> {
        let Self::Rsa(key) = self else { panic!("not an RSA key") };
        key.public_key().as_ref()[9..265].to_vec()
    }
}

fn hmac_of(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm.name() {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    }
}

fn rsa_of(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm.name() {
        "RS256" => &RSA_PKCS1_SHA256,
        "RS384" => &RSA_PKCS1_SHA384,
        "RS512" => &RSA_PKCS1_SHA512,
        "PS256" => &RSA_PSS_SHA256,
        "PS384" => &RSA_PSS_SHA384,
        _ => &RSA_PSS_SHA512,
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn jwks(keys: &[String]) -> Vec<u8> {
    format!(r#"{{"keys":[{}]}}"#, keys.join(",")).into_bytes()
}

fn key_set(keys: &[String]) -> Option<Arc<KeySet>> {
    Some(Arc::new(KeySet::from_jwks(&jwks(keys)).unwrap()))
}

/// Two issuers with public keys, one whose keys are not loaded yet, and the prototype's secret.
static ISSUERS: LazyLock<Issuers> = LazyLock::new(|| {
    let of_a = key_set(&[
        RSA.jwk(r#""kid":"rsa""#),
        P256.jwk(r#""kid":"p256","alg":"ES256","use":"sig""#),
        P384.jwk(r#""kid":"p384""#),
        ED25519.jwk(r#""kid":"ed""#),
    ]);
    let algorithms = ["RS256", "PS256", "PS512", "ES256", "ES384", "EdDSA"].map(|name| name.parse().unwrap());
    let a =
        Issuer { keys: of_a, algorithms: algorithms.into(), ..Issuer::new(A, [HERE.into(), "urn:here".into()]) };
    let b = Issuer {
        keys: key_set(&[P256_OF_B.jwk(r#""kid":"p256""#)]),
        accept_typ: TypRule::AccessTokenOnly,
        ..Issuer::new(B, [HERE.into()])
    };
    let c = Issuer::new("https://c.example", [HERE.into()]);
    Issuers::new(vec![a, b, c, prototype()]).unwrap()
});

fn prototype() -> Issuer {
    Issuer {
        require_iss: false,
        algorithms: [Algorithm::HS256].into(),
        keys: Some(Arc::new(KeySet::from_secret(SECRET).unwrap())),
        ..Issuer::new("prototype", [])
    }
}

/// The text of a token with this header and payload, signed as `algorithm` by `signer`.
fn token(signer: &Signer, algorithm: Algorithm, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
    let signature = signer.sign(algorithm, signed.as_bytes());
    format!("{signed}.{}", encode(&signature))
}

/// A token of issuer A, signed with ES256, with this header.
fn with_header(header: &str) -> String {
    token(&P256, Algorithm::ES256, header, &Payload::of_a().to_string())
}

/// A token of the prototype with this payload.
fn with_payload(payload: &str) -> String {
    token(&PROTOTYPE, Algorithm::HS256, r#"{"alg":"HS256","typ":"JWT"}"#, payload)
}

/// A claim set, each claim as JSON text.
#[derive(Clone)]
struct Payload(Vec<(&'static str, String)>);

impl Payload {
    fn of_a() -> Self {
        Self(vec![])
            .with("iss", &format!(r#""{A}""#))
            .with("sub", r#""alice""#)
            .with("aud", &format!(r#""{HERE}""#))
            .with("exp", "1800000600")
            .with("iat", "1800000000")
            .with("scope", r#""public:read""#)
    }

    /// What the prototype issues.
    fn of_prototype() -> Self {
        Self(vec![]).with("sub", r#""alice""#).with("scope", r#"["public:read"]"#).with("exp", "1800000600")
    }

    fn with(self, name: &'static str, json: &str) -> Self {
        let mut claims = self.without(name);
        claims.0.push((name, json.to_owned()));
        claims
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(other, _)| *other != name);
        self
    }
}

impl std::fmt::Display for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members: Vec<_> = self.0.iter().map(|(name, json)| format!(r#""{name}":{json}"#)).collect();
        write!(f, "{{{}}}", members.join(","))
    }
}

fn verify_at(token: &str, issuers: &Issuers, now: u64) -> Result<Caller, Refusal> {
    Bearer::try_from(token).and_then(|bearer| verify(&bearer, issuers, UnixTime(now)))
}

#[track_caller]
fn accepts(case: &str, token: &str) -> Caller {
    verify_at(token, &ISSUERS, NOW).unwrap_or_else(|refusal| panic!("{case}: {refusal:?}"))
}

#[track_caller]
fn refuses(case: &str, token: &str, expected: Refusal) {
    assert_eq!(verify_at(token, &ISSUERS, NOW).map(|_| "accepted"), Err(expected), "{case}");
}
