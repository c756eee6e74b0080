//! Tokens, good ones and others.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://idp.test";
pub(crate) const RESOURCE: &str = "http://gateway.test/mcp";
pub(crate) const SECRET: &str = "a-shared-secret-of-more-than-32-bytes";

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A good token.
pub(crate) fn token(subject: &str, scopes: &str) -> String {
    signed(&claims(subject, scopes))
}

/// The claims of a good token.
pub(crate) fn claims(subject: &str, scopes: &str) -> Value {
    json!({"iss": ISSUER, "aud": RESOURCE, "sub": subject, "scope": scopes, "exp": now() + 3600})
}

/// The claims of a good token, with `changes`; null takes a claim away.
pub(crate) fn with(changes: Value) -> Value {
    let mut claims = claims("alice", "r");
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

pub(crate) fn signed(claims: &Value) -> String {
    signed_by(&json!({"alg": "HS256", "typ": "JWT"}), claims, SECRET)
}

pub(crate) fn signed_by(header: &Value, claims: &Value, secret: &str) -> String {
    let text = unsigned(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
}

pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// An issuer with a key pair.
pub(crate) struct Signer {
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn new() -> Self {
        Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    /// The public key as a key set.
    pub(crate) fn jwks(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": x, "y": y}]})
            .to_string()
    }

    /// The private key (PKCS#8).
    pub(crate) fn pem(&self) -> String {
        let der = STANDARD.encode(self.pair.to_pkcs8v1().unwrap());
        format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
    }

    pub(crate) fn sign(&self, kid: &str, claims: &Value) -> String {
        let text = unsigned(&json!({"alg": "ES256", "typ": "at+jwt", "kid": kid}), claims);
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
