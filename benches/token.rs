//! What it costs to know who calls: a verification by each algorithm beside the bare check of its signature, a token
//! that is remembered, and the token that tells the upstream.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot be set up has nothing to measure"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use criterion::{Criterion, criterion_group, criterion_main};
use toolgate::caller::UnixTime;
use toolgate::gateway::identity::IdentityTokens;
use toolgate::gateway::known::Known;
use toolgate::gateway::verified::VerifiedCache;
use toolgate::settings::IdentityToken;
use toolgate::token::{Algorithm, Bearer, Issuer, Issuers, KeySet, Verified, verify};

const NOW: UnixTime = UnixTime(1_800_000_000);
const SECRET: &[u8] = b"a secret of sixty-four bytes, as long as the longest digest is: .";
/// What an authorization server issues (RFC 9068 §2.2).
const CLAIMS: &str = r#"{"iss":"https://idp.example.com","sub":"248289761001","aud":"https://mcp.example.com/mcp","exp":1800003600,"iat":1800000000,"jti":"dbe39bf3a3ba4238a513f51d6e1691c4","client_id":"s6BhdRkqt3","scope":"public:read confidential:read reports:read"}"#;

/// Keys of every kind; RSA of 2048 bits.
struct Signers {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

/// A token, the issuers that accept it, and its signature's bare check.
struct Case {
    token: String,
    issuers: Issuers,
    bare: Box<dyn Fn() -> bool>,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hmac_of(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm.name() {
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    }
}

fn rsa_of(algorithm: Algorithm) -> (&'static dyn RsaEncoding, &'static dyn VerificationAlgorithm) {
    match algorithm.name() {
        "RS384" => (&RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384),
        "RS512" => (&RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512),
        "PS256" => (&RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256),
        "PS384" => (&RSA_PSS_SHA384, &RSA_PSS_2048_8192_SHA384),
        "PS512" => (&RSA_PSS_SHA512, &RSA_PSS_2048_8192_SHA512),
        _ => (&RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
    }
}

fn ec_jwk(key: &EcdsaKeyPair, curve: &str) -> String {
    let point = &key.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len().div_euclid(2));
    format!(r#"{{"kty":"EC","kid":"k","crv":"{curve}","x":"{}","y":"{}"}}"#, encode(x), encode(y))
}

impl Signers {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            p384: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
            ed25519: Ed25519KeyPair::generate().unwrap(),
        }
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match algorithm.name() {
            "ES256" => self.p256.sign(&random, message).unwrap().as_ref().to_vec(),
            "ES384" => self.p384.sign(&random, message).unwrap().as_ref().to_vec(),
            "EdDSA" => self.ed25519.sign(message).as_ref().to_vec(),
            _ if Algorithm::SYMMETRIC.contains(&algorithm) => {
                hmac::sign(&hmac::Key::new(hmac_of(algorithm), SECRET), message).as_ref().to_vec()
            }
            _ => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(rsa_of(algorithm).0, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }

    fn key_set(&self, algorithm: Algorithm) -> KeySet {
        let jwk = match algorithm.name() {
            "ES256" => ec_jwk(&self.p256, "P-256"),
            "ES384" => ec_jwk(&self.p384, "P-384"),
            "EdDSA" => {
                let x = encode(self.ed25519.public_key());
                format!(r#"{{"kty":"OKP","kid":"k","crv":"Ed25519","x":"{x}"}}"#)
            }
            _ if Algorithm::SYMMETRIC.contains(&algorithm) => return KeySet::from_secret(SECRET).unwrap(),
            // The modulus, cut out of the DER of a public key of 2048 bits.
            _ => {
                let n = encode(&self.rsa.public_key().as_ref()[9..265]);
                format!(r#"{{"kty":"RSA","kid":"k","n":"{n}","e":"AQAB"}}"#)
            }
        };
        KeySet::from_jwks(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes()).unwrap()
    }

    /// The signature's check as the library does it, with a key that is ready.
    fn bare(&self, algorithm: Algorithm, message: String, signature: Vec<u8>) -> Box<dyn Fn() -> bool> {
        if Algorithm::SYMMETRIC.contains(&algorithm) {
            let key = hmac::Key::new(hmac_of(algorithm), SECRET);
            return Box::new(move || hmac::verify(&key, black_box(message.as_bytes()), &signature).is_ok());
        }
        let key = match algorithm.name() {
            "ES256" => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.p256.public_key()),
            "ES384" => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, self.p384.public_key()),
            "EdDSA" => ParsedPublicKey::new(&ED25519, self.ed25519.public_key()),
            _ => ParsedPublicKey::new(rsa_of(algorithm).1, self.rsa.public_key()),
        }
        .unwrap();
        Box::new(move || key.verify_sig(black_box(message.as_bytes()), &signature).is_ok())
    }

    fn case(&self, algorithm: Algorithm) -> Case {
        let header = format!(r#"{{"alg":"{algorithm}","typ":"at+jwt","kid":"k"}}"#);
        let message = format!("{}.{}", encode(header), encode(CLAIMS));
        let signature = self.sign(algorithm, message.as_bytes());
        let mut issuer = Issuer::new("https://idp.example.com", ["https://mcp.example.com/mcp".into()]);
        issuer.algorithms = [algorithm].into();
        issuer.keys = Some(Arc::new(self.key_set(algorithm)));
        Case {
            token: format!("{message}.{}", encode(&signature)),
            issuers: Issuers::new(vec![issuer]).unwrap(),
            bare: self.bare(algorithm, message, signature),
        }
    }
}

fn verification(criterion: &mut Criterion) {
    let signers = Signers::new();
    for algorithm in Algorithm::ALL {
        let case = signers.case(*algorithm);
        let bearer = Bearer::try_from(case.token.as_str()).unwrap();
        let mut group = criterion.benchmark_group(algorithm.name());
        group.bench_function("verify", |bench| {
            bench.iter(|| verify(black_box(&bearer), &case.issuers, NOW).unwrap());
        });
        group.bench_function("signature alone", |bench| bench.iter(|| assert!((case.bare)())));
        group.finish();
    }
}

fn memory(criterion: &mut Criterion) {
    let case = Signers::new().case(Algorithm::ES256);
    let bearer = Bearer::try_from(case.token.as_str()).unwrap();
    let cache = VerifiedCache::new(10_000_000);
    let caller = verify(&bearer, &case.issuers, NOW).unwrap();
    let verified = Verified::by_signature(&caller, 60, 0);
    cache.put(&bearer, Arc::new(Known::new(caller.clone(), verified)));
    let mut group = criterion.benchmark_group("token");
    group.bench_function("remembered", |bench| bench.iter(|| cache.get(black_box(&bearer), 0, NOW).unwrap()));
    let pem =
        STANDARD.encode(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----");
    let settings = IdentityToken {
        header: http::HeaderName::from_static("x-toolgate-identity"),
        key_file: "identity.pem".into(),
        audience: "http://127.0.0.1:9000/mcp".to_owned(),
        life: Duration::from_secs(60),
    };
    let identity = IdentityTokens::new(&settings, "https://mcp.example.com/mcp", &pem).unwrap();
    let until = caller.expires;
    group.bench_function("identity, remembered", |bench| {
        bench.iter(|| identity.token(black_box(&caller), until, NOW).unwrap());
    });
    let mut now = NOW;
    group.bench_function("identity, signed", |bench| {
        bench.iter(|| {
            // A minute later, the one before is too old.
            now = now.plus(60);
            identity.token(black_box(&caller), now.plus(600), now).unwrap()
        });
    });
    group.finish();
}

/// Many short samples: what else runs on the machine falls into few of them, and the median does not see it.
fn settings() -> Criterion {
    let criterion = Criterion::default().sample_size(1500);
    criterion.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3))
}

criterion_group!(name = token; config = settings(); targets = verification, memory);
criterion_main!(token);
