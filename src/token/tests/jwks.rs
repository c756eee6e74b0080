//! Key sets.

use super::*;

/// Checks which of the keys are skipped and why; a good key stands behind them.
#[track_caller]
fn check(keys: &[String], expected: &[(usize, SkipReason)]) {
    let keys = [keys, &[ED25519.jwk(r#""kid":"good""#)]].concat();
    let set = KeySet::from_jwks(&jwks(&keys)).unwrap();
    let skipped: Vec<_> = set.skipped().iter().map(|key| (key.position, key.reason)).collect();
    assert_eq!(skipped, expected, "{keys:?}");
    assert_eq!(set.len().saturating_add(expected.len()), keys.len());
}

fn rsa_with(n: &[u8], e: &[u8]) -> String {
    format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, encode(n), encode(e))
}

#[test]
fn takes_public_keys_of_all_kinds() {
    check(&[RSA.jwk(r#""kid":"1""#), P256.jwk(r#""kid":"2""#), P384.jwk(r#""kid":"3""#)], &[]);
    check(&[RSA.jwk(r#""alg":"PS512","use":"sig","key_ops":["verify"],"x5c":["x"],"x5t":7"#)], &[]);
    check(&[ED25519.jwk(r#""alg":"EdDSA""#), ED25519.jwk(r#""alg":"Ed25519""#)], &[]);
    check(&[P256.jwk(r#""key_ops":["sign","verify"],"unknown":[{}]"#)], &[]);
}

#[test]
fn skips_each_unusable_key_and_says_why() {
    let cases = [
        ("7".to_owned(), SkipReason::NotAnObject),
        ("{}".to_owned(), SkipReason::Malformed),
        (r#"{"kty":7}"#.to_owned(), SkipReason::Malformed),
        (r#"{"kty":"rsa"}"#.to_owned(), SkipReason::KindUnsupported),
        (r#"{"kty":"AKP","alg":"ML-DSA-44"}"#.to_owned(), SkipReason::AlgorithmUnsupported),
        (r#"{"kty":"RSA"}"#.to_owned(), SkipReason::Malformed),
        (PROTOTYPE.jwk(r#""kid":"s""#), SkipReason::Symmetric),
        (PROTOTYPE.jwk(r#""kid":"s","alg":"HS256","use":"sig""#), SkipReason::Symmetric),
        (RSA.jwk(r#""d":"AQAB""#), SkipReason::PrivateKey),
        (RSA.jwk(r#""p":null"#), SkipReason::PrivateKey),
        (P256.jwk(r#""d":"AQAB""#), SkipReason::PrivateKey),
        (ED25519.jwk(r#""d":"AQAB""#), SkipReason::PrivateKey),
        (P256.jwk(r#""k":"AQAB""#), SkipReason::PrivateKey),
        (RSA.jwk(r#""use":"enc""#), SkipReason::NotForSignatures),
        (RSA.jwk(r#""use":"SIG""#), SkipReason::NotForSignatures),
        (RSA.jwk(r#""use":["sig"]"#), SkipReason::Malformed),
        (RSA.jwk(r#""key_ops":["sign"]"#), SkipReason::NotForVerifying),
        (RSA.jwk(r#""key_ops":[]"#), SkipReason::NotForVerifying),
        (RSA.jwk(r#""key_ops":"verify""#), SkipReason::Malformed),
        (RSA.jwk(r#""alg":"RSA-OAEP""#), SkipReason::AlgorithmUnsupported),
        (RSA.jwk(r#""alg":"none""#), SkipReason::AlgorithmUnsupported),
        (RSA.jwk(r#""alg":"rs256""#), SkipReason::AlgorithmUnsupported),
        (RSA.jwk(r#""alg":null"#), SkipReason::Malformed),
        (RSA.jwk(r#""alg":"ES256""#), SkipReason::AlgorithmMismatch),
        (RSA.jwk(r#""alg":"HS256""#), SkipReason::AlgorithmMismatch),
        (P256.jwk(r#""alg":"ES384""#), SkipReason::AlgorithmMismatch),
        (P384.jwk(r#""alg":"ES256""#), SkipReason::AlgorithmMismatch),
        (ED25519.jwk(r#""alg":"ES256""#), SkipReason::AlgorithmMismatch),
        (P256.jwk(r#""kid":7"#), SkipReason::Malformed),
        (P256.jwk(r#""kid":"""#), SkipReason::Malformed),
        (P256.jwk(r#""kid":null"#), SkipReason::Malformed),
        (P256.jwk_members_as("P-521"), SkipReason::KindUnsupported),
        (P256.jwk_members_as("secp256k1"), SkipReason::KindUnsupported),
        (P256.jwk_members_as("p-256"), SkipReason::KindUnsupported),
        (P256.jwk_members_as("P-384"), SkipReason::Malformed),
        (P384.jwk_members_as("P-256"), SkipReason::Malformed),
        (ED25519.jwk_members_as("Ed448"), SkipReason::KindUnsupported),
        (ED25519.jwk_members_as("X25519"), SkipReason::KindUnsupported),
        (format!(r#"{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}"#, encode(&[1; 32])), SkipReason::Malformed),
        (format!(r#"{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}"#, encode(&[0; 32])), SkipReason::Malformed),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, encode(&[9; 31])), SkipReason::Malformed),
        (format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}="}}"#, encode(&[9; 32])), SkipReason::Malformed),
    ];
    for (key, reason) in cases {
        check(&[key], &[(0, reason)]);
    }
}

impl Signer {
    /// Its JWK with another curve named.
    fn jwk_members_as(&self, curve: &str) -> String {
        let members = self.jwk_members();
        let (before, behind) = members.split_once(r#""crv":""#).unwrap();
        let (_, behind) = behind.split_once('"').unwrap();
        format!(r#"{{{before}"crv":"{curve}"{behind}}}"#)
    }
}

/// Octets that would make a good key if only their length were looked at late.
#[test]
fn coordinates_have_their_full_length_each() {
    let Signer::P256(pair) = &*P256 else { panic!("not P-256") };
    let (x, y) = pair.public_key().as_ref()[1..].split_at(31);
    let shifted = format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#, encode(x), encode(y));
    let Signer::Ed25519(pair) = &*ED25519 else { panic!("not Ed25519") };
    let spki = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", pair.public_key().as_ref()].concat();
    let wrapped = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, encode(&spki));
    check(&[shifted, wrapped], &[(0, SkipReason::Malformed), (1, SkipReason::Malformed)]);
}

#[test]
fn an_rsa_key_has_2048_to_8192_bits_and_a_plain_exponent() {
    let odd = |bytes: usize, first: u8| [&vec![first; 1][..], &vec![0xff; bytes - 1]].concat();
    let e = &[1, 0, 1][..];
    for (n, e, reason) in [
        (odd(128, 0xff), e, Some(SkipReason::RsaSize)),
        (odd(255, 0xff), e, Some(SkipReason::RsaSize)),
        (odd(256, 0x7f), e, Some(SkipReason::RsaSize)),
        (odd(256, 0x80), e, None),
        (odd(257, 0x01), e, None),
        (odd(1024, 0xff), e, None),
        (odd(1025, 0x01), e, Some(SkipReason::RsaSize)),
        (odd(257, 0x00), e, Some(SkipReason::Malformed)),
        (vec![0xfe; 256], e, Some(SkipReason::Malformed)),
        (Vec::new(), e, Some(SkipReason::Malformed)),
        (odd(256, 0xff), &[], Some(SkipReason::Malformed)),
        (odd(256, 0xff), &[1], Some(SkipReason::Malformed)),
        (odd(256, 0xff), &[2], Some(SkipReason::Malformed)),
        (odd(256, 0xff), &[0, 1, 0, 1], Some(SkipReason::Malformed)),
        (odd(256, 0xff), &[1, 0, 0, 0, 1], Some(SkipReason::Malformed)),
        (odd(256, 0xff), &[3], None),
    ] {
        let expected: Vec<_> = reason.map(|reason| (0, reason)).into_iter().collect();
        check(&[rsa_with(&n, e)], &expected);
    }
}

#[test]
fn keeps_neither_of_two_keys_that_a_token_could_mean_alike() {
    let other = Signer::p256();
    let repeated = |at| (at, SkipReason::KidRepeated);
    check(&[P256.jwk(r#""kid":"k""#), other.jwk(r#""kid":"k""#)], &[repeated(0), repeated(1)]);
    check(&[P256.jwk(r#""kid":"k""#), P256.jwk(r#""kid":"k""#)], &[repeated(0), repeated(1)]);
    check(&[RSA.jwk(r#""kid":"k""#), RSA.jwk(r#""kid":"k","alg":"RS256""#)], &[repeated(0), repeated(1)]);
    // Different kinds or algorithms may share a name (RFC 7517 §4.5), and keys without a name repeat none.
    check(&[RSA.jwk(r#""kid":"k""#), P256.jwk(r#""kid":"k""#), P384.jwk(r#""kid":"k""#)], &[]);
    check(&[RSA.jwk(r#""kid":"k","alg":"PS256""#), RSA.jwk(r#""kid":"k","alg":"RS256""#)], &[]);
    check(&[P256.jwk(r#""use":"sig""#), other.jwk(r#""use":"sig""#)], &[]);
    // A key that is unusable anyway spoils no other.
    let unusable = other.jwk(r#""kid":"k","use":"enc""#);
    check(&[P256.jwk(r#""kid":"k""#), unusable], &[(1, SkipReason::NotForSignatures)]);
}

#[test]
fn refuses_documents_that_are_no_key_set() {
    let key = P256.jwk(r#""kid":"k""#);
    for document in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        format!("[{key}]"),
        key.clone(),
        format!(r#"{{"keys":{key}}}"#),
        format!(r#"{{"Keys":[{key}]}}"#),
        format!(r#"{{"keys":[{key}]}}x"#),
        format!(r#"{{"keys":[{key}],}}"#),
        format!(r#"{{"keys":[{key}],"keys":[{key}]}}"#),
        format!(r#"{{"keys":[{}]}}"#, P256.jwk(r#""kid":"k","kid":"l""#)),
        "<html>".to_owned(),
    ] {
        assert_eq!(KeySet::from_jwks(document.as_bytes()).err(), Some(KeySetError::NotAKeySet), "{document}");
    }
}

#[test]
fn refuses_sets_that_are_empty_or_too_large() {
    assert_eq!(KeySet::from_jwks(br#"{"keys":[]}"#).err(), Some(KeySetError::NoUsableKey([].into())));
    let error = KeySet::from_jwks(&jwks(&[PROTOTYPE.jwk(r#""kid":"s""#)])).err().unwrap();
    let text = "the key set has no usable key; key 0 (`kid` \"s\"): it is symmetric, and a key set is public";
    assert_eq!(error.to_string(), text);
    let keys =
        |number: usize| jwks(&(0..number).map(|at| P256.jwk(&format!(r#""kid":"{at}""#))).collect::<Vec<_>>());
    assert_eq!(KeySet::from_jwks(&keys(100)).map(|set| set.len()), Ok(100));
    assert_eq!(KeySet::from_jwks(&keys(101)).err(), Some(KeySetError::TooManyKeys));
    let padded = |length: usize| {
        let mut document = keys(1);
        document.resize(length, b' ');
        document
    };
    assert!(KeySet::from_jwks(&padded(1024 * 1024)).is_ok());
    assert_eq!(KeySet::from_jwks(&padded(1024 * 1024 + 1)).err(), Some(KeySetError::TooLarge));
}

#[test]
fn key_sets_can_be_shared_by_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Issuers>();
}

#[test]
fn a_secret_is_long_enough_or_a_demonstration() {
    assert_eq!(KeySet::from_secret(b"").err(), Some(KeySetError::SecretTooShort));
    assert_eq!(KeySet::from_secret(&[7; 15]).err(), Some(KeySetError::SecretTooShort));
    assert_eq!(KeySet::from_secret(&[7; 16]).map(|set| set.len()), Ok(1));
    assert_eq!(KeySet::from_secret_unchecked(b"x").len(), 1);
}
