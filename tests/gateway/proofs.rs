//! Tokens that are bound to a key of their owner (RFC 9449).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::gateway::{ALGS, METADATA, SCOPES, Setup};
use crate::support::tokens::{RESOURCE, now, signed, unsigned, with};
use crate::support::{Ask, Gateway, Response, Upstream, call, token};

/// The key of a client.
struct Key {
    pair: EcdsaKeyPair,
    token: String,
}

fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

impl Key {
    fn new() -> Self {
        let mut key =
            Self { pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(), token: String::new() };
        let [x, y] = key.point();
        let thumbprint = sha256(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        key.token = signed(&with(json!({"cnf": {"jkt": thumbprint}})));
        key
    }

    fn point(&self) -> [String; 2] {
        let point = self.pair.public_key().as_ref();
        [URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..])]
    }

    fn proof(&self, jti: &str, age: u64, nonce: Option<&str>) -> String {
        let [x, y] = self.point();
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        let mut claims = json!({
            "jti": jti, "htm": "POST", "htu": RESOURCE, "iat": now() - age, "ath": sha256(&self.token),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = Value::from(nonce);
        }
        let text = unsigned(&json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}), &claims);
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn ask(&self, gateway: &Gateway, proof: &str) -> Response {
        let ask = Ask::post("", call("open")).header("Authorization", &format!("DPoP {}", self.token));
        gateway.ask(&ask.header("DPoP", proof))
    }
}

fn metadata(gateway: &Gateway) -> Value {
    gateway.ask(&Ask::method("GET", "").target("/.well-known/oauth-protected-resource/mcp")).json()
}

#[test]
fn a_nonce_is_asked_for_once_and_told_with_every_answer() {
    let upstream = Upstream::fine();
    let gateway = Setup::before(&upstream).arg("--dpop-nonce", "true").start();
    let key = Key::new();
    let refused = key.ask(&gateway, &key.proof("1", 0, None));
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("DPoP error=\"use_dpop_nonce\""));
    let nonce = refused.header("dpop-nonce").unwrap().to_owned();
    let answered = key.ask(&gateway, &key.proof("2", 0, Some(&nonce)));
    assert_eq!(answered.status, 200, "{}", answered.text());
    assert!(answered.header("dpop-nonce").is_some());
    assert_eq!(key.ask(&gateway, &key.proof("2", 0, Some(&nonce))).status, 401, "a proof is good once");
    assert_eq!(key.ask(&gateway, &key.proof("3", 0, Some("another"))).status, 401);
    assert_eq!(upstream.requests().len(), 1);
    let plain = gateway.ask(&Ask::post(&token("alice", "r"), call("open")));
    assert_eq!((plain.status, plain.header("dpop-nonce")), (200, None), "who uses no proofs needs no nonce");
}

#[test]
fn where_proofs_are_required_a_token_without_a_key_is_refused() {
    let upstream = Upstream::fine();
    let gateway = Setup::before(&upstream).arg("--dpop-required", "true").start();
    let key = Key::new();
    let answered = key.ask(&gateway, &key.proof("1", 0, None));
    assert_eq!((answered.status, answered.header("dpop-nonce")), (200, None));
    // No challenge asks for what would be refused: none is of the scheme `Bearer`.
    let unbound = "the token is not bound to the proof that was presented with it";
    for (token, expected) in [
        ("", format!("DPoP {METADATA}, scope=\"{SCOPES}\", {ALGS}")),
        (
            &*token("alice", "r"),
            format!(
                "DPoP error=\"invalid_token\", scope=\"{SCOPES}\", {METADATA}, error_description=\"{unbound}\", {ALGS}"
            ),
        ),
    ] {
        let refused = gateway.ask(&Ask::post(token, call("open")));
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(&*expected)));
    }
    assert_eq!(metadata(&gateway)["dpop_bound_access_tokens_required"], true);
    let usual = metadata(&Gateway::before(&upstream));
    assert!(usual["dpop_signing_alg_values_supported"].as_array().unwrap().contains(&json!("ES256")));
    assert_eq!(usual["dpop_bound_access_tokens_required"], Value::Null);
}

#[test]
fn a_proof_may_be_as_old_as_is_configured() {
    let upstream = Upstream::fine();
    let gateway = Setup::before(&upstream).arg("--dpop-max-age", "60s").start();
    let key = Key::new();
    assert_eq!(key.ask(&gateway, &key.proof("1", 10, None)).status, 200);
    assert_eq!(key.ask(&gateway, &key.proof("2", 90, None)).status, 401);
}
