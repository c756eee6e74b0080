//! Signs many tokens at once, one a line on standard output, each of another subject.
//!
//!     mint ALGORITHM KEY KID ISSUER AUDIENCE SCOPE EXPIRES COUNT
//!     mint jwk ALGORITHM KEY KID
//!
//! ALGORITHM is HS256, RS256 or ES256. KEY is a file: the secret's bytes, or a private key in PKCS #8 (DER). A `*` in
//! KID stands for the number of the token. EXPIRES is in seconds of the epoch. `jwk` prints the public key.

use std::error::Error as StdError;
use std::fs;
use std::io::{BufWriter, Write as _, stdout};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use ring::{hmac, rsa};
use serde_json::json;

type Outcome<T> = Result<T, Box<dyn StdError>>;

enum Key {
    Hs256(hmac::Key),
    Rs256(RsaKeyPair),
    Es256(EcdsaKeyPair),
}

impl Key {
    fn read(algorithm: &str, file: &str) -> Outcome<Self> {
        let bytes = fs::read(file)?;
        Ok(match algorithm {
            "HS256" => Self::Hs256(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
            "RS256" => Self::Rs256(rsa::KeyPair::from_pkcs8(&bytes).map_err(|e| e.to_string())?),
            "ES256" => {
                let random = SystemRandom::new();
                Self::Es256(
                    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, &random)
                        .map_err(|e| e.to_string())?,
                )
            }
            other => return Err(format!("{other} is not known").into()),
        })
    }

    fn sign(&self, text: &[u8], random: &SystemRandom) -> Outcome<Vec<u8>> {
        match self {
            Self::Hs256(key) => Ok(hmac::sign(key, text).as_ref().to_vec()),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, random, text, &mut signature).map_err(|_| "the key cannot sign")?;
                Ok(signature)
            }
            Self::Es256(key) => Ok(key.sign(random, text).map_err(|_| "the key cannot sign")?.as_ref().to_vec()),
        }
    }

    fn jwk(&self, kid: &str) -> Outcome<serde_json::Value> {
        match self {
            Self::Hs256(_) => Err("a secret has no public key".into()),
            Self::Rs256(key) => {
                let parts: PublicKeyComponents<Vec<u8>> = key.public().into();
                let (n, e) = (BASE64.encode(parts.n), BASE64.encode(parts.e));
                Ok(json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": n, "e": e}))
            }
            Self::Es256(key) => {
                // An uncompressed point: 4, then both coordinates.
                let point = key.public_key().as_ref();
                let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..65]));
                Ok(json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": x, "y": y}))
            }
        }
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["jwk", algorithm, key, kid] => {
            println!("{}", Key::read(algorithm, key)?.jwk(kid)?);
            Ok(())
        }
        [algorithm, key, kid, issuer, audience, scope, expires, count] => {
            let key = Key::read(algorithm, key)?;
            let expires: u64 = expires.parse()?;
            let random = SystemRandom::new();
            let mut output = BufWriter::new(stdout().lock());
            for number in 0..count.parse::<u64>()? {
                let kid = kid.replace('*', &number.to_string());
                let head = json!({"alg": algorithm, "typ": "at+jwt", "kid": kid});
                let claims = json!({
                    "iss": issuer, "aud": audience, "sub": format!("user-{number}"), "exp": expires,
                    "iat": expires.saturating_sub(36_000), "jti": format!("{number:016x}"),
                    "client_id": "load", "scope": scope,
                });
                let signed = format!("{}.{}", BASE64.encode(head.to_string()), BASE64.encode(claims.to_string()));
                let signature = key.sign(signed.as_bytes(), &random)?;
                writeln!(output, "{signed}.{}", BASE64.encode(signature))?;
            }
            Ok(output.flush()?)
        }
        _ => Err("usage: see the head of mint.rs".into()),
    }
}
