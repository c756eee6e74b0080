//! The gateway's own keys, and what they sign.

use serde_json::{Value, json};

use super::*;
use crate::caller::Scopes;
use crate::token::introspection::{Assertion, private_key_jwt};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use base64::engine::general_purpose::STANDARD;

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn p256_der() -> Vec<u8> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    pair.to_pkcs8v1().unwrap().as_ref().to_vec()
}

fn rsa_der() -> Vec<u8> {
    let Signer::Rsa(pair) = &*RSA else { panic!("not an RSA key") };
    AsDer::<Pkcs8V1Der<'_>>::as_der(pair.as_ref()).unwrap().as_ref().to_vec()
}

/// The header and the claims of a token, whoever signed it.
fn opened(token: &str) -> [Value; 2] {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    [parts.next().unwrap(), parts.next().unwrap()].map(|part| serde_json::from_slice(&part).unwrap())
}

fn issuers_with(key: &SigningKey) -> Issuers {
    let keys = KeySet::from_jwks(key.public_jwks().unwrap().as_bytes()).unwrap();
    Issuers::new(vec![Issuer { keys: Some(Arc::new(keys)), ..Issuer::new(A, [HERE.into()]) }]).unwrap()
}

#[test]
fn a_pem_key_signs_what_its_key_set_verifies() {
    let text = pem(&p256_der());
    assert_eq!(SigningKey::read(&text).unwrap().kid(), None, "nobody has said what it is called");
    let key = SigningKey::read_es256(&text).unwrap();
    assert_eq!((key.algorithm(), key.kid().map(str::len)), (Algorithm::ES256, Some(43)));
    let mint = Mint {
        issuer: Some(A),
        audience: &[HERE],
        issued: Some(UnixTime(NOW)),
        ..Mint::new("alice", &["a"], UnixTime(NOW + 60))
    };
    let token = mint_signed(&key, &mint).unwrap();
    let caller = verify_at(&token, &issuers_with(&key), NOW).unwrap();
    assert_eq!((&*caller.subject, caller.scopes), ("alice", Scopes::from_names(["a"])));
    let [header, _] = opened(&token);
    assert_eq!(header, json!({"alg": "ES256", "typ": "at+jwt", "kid": key.kid()}));
    let set: Value = serde_json::from_str(&key.public_jwks().unwrap()).unwrap();
    assert_eq!(set["keys"][0]["kid"], json!(key.kid()));
    assert!(set["keys"][0].get("d").is_none());
    let other = SigningKey::read(&pem(&p256_der())).unwrap().with_kid(key.kid().unwrap());
    let forged = mint_signed(&other, &mint).unwrap();
    assert_eq!(verify_at(&forged, &issuers_with(&key), NOW), Err(Refusal::TokenSignatureWrong));
}

#[test]
fn an_rsa_key_signs_too() {
    let key = SigningKey::read(&pem(&rsa_der())).unwrap();
    assert_eq!((key.algorithm(), key.kid(), key.public_jwks()), (Algorithm::RS256, None, None));
    let mint = Mint { issuer: Some(A), audience: &[HERE], ..Mint::new("alice", &[], UnixTime(NOW + 60)) };
    let token = mint_signed(&key.with_kid("rsa"), &mint).unwrap();
    assert_eq!(&*accepts("rsa", &token).subject, "alice");
}

#[test]
fn a_jwk_is_read_with_its_name() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let d: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
    let d = encode(d.as_ref());
    let public = Signer::P256(pair).jwk_members();
    let read = |more: &str| SigningKey::read(&format!("{{{public}{more}}}"));
    let key = read(&format!(r#","d":"{d}""#)).unwrap();
    assert_eq!(key.kid(), None);
    let named = read(&format!(r#","d":"{d}","kid":"mine","alg":"ES256""#)).unwrap();
    assert_eq!(named.kid(), Some("mine"));
    let as_identity = SigningKey::read_es256(&format!(r#"{{{public},"d":"{d}","kid":"mine"}}"#)).unwrap();
    assert_eq!(as_identity.kid().map(str::len), Some(43), "no two keys of the gateway are called alike");
    let mint = Mint { issuer: Some(A), audience: &[HERE], ..Mint::new("alice", &[], UnixTime(NOW + 60)) };
    let token = mint_signed(&named, &mint).unwrap();
    assert!(verify_at(&token, &issuers_with(&key.with_kid("mine")), NOW).is_ok());
    for (more, expected) in [
        (String::new(), SigningKeyError::Public),
        (r#","d":"AAAA""#.into(), SigningKeyError::Unsupported),
        (format!(r#","d":"{}""#, encode(&[1; 32])), SigningKeyError::Unsupported),
        (format!(r#","d":"{d}","alg":"ES384""#), SigningKeyError::Unsupported),
        (format!(r#","d":"{d}","alg":7"#), SigningKeyError::Unsupported),
        (format!(r#","d":"{d}","d":"{d}""#), SigningKeyError::NotAKey),
    ] {
        assert_eq!(read(&more).err(), Some(expected), "{more}");
    }
}

#[test]
fn a_key_of_another_kind_does_not_sign_identities() {
    assert_eq!(SigningKey::read_es256(&pem(&rsa_der())).err(), Some(SigningKeyError::NotP256));
    assert_eq!(SigningKey::read_es256("hello").err(), Some(SigningKeyError::NotAKey));
}

#[test]
fn what_is_no_signing_key_is_refused() {
    let (good, rsa) = (pem(&p256_der()), pem(&rsa_der()));
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    for (text, expected) in [
        (String::new(), SigningKeyError::NotAKey),
        ("-----BEGIN PRIVATE KEY-----".into(), SigningKeyError::NotAKey),
        (good.replace("PRIVATE", "EC PRIVATE"), SigningKeyError::NotAKey),
        (good.replace("PRIVATE", "PUBLIC"), SigningKeyError::NotAKey),
        (format!("{good}{rsa}"), SigningKeyError::NotAKey),
        (format!("a comment\n{good}"), SigningKeyError::NotAKey),
        (good.replacen('\n', "\n!", 1), SigningKeyError::NotAKey),
        (good.repeat(500), SigningKeyError::NotAKey),
        (pem(b"x"), SigningKeyError::Unsupported),
        (pem(b""), SigningKeyError::Unsupported),
        (pem(&rsa_der()[..100]), SigningKeyError::Unsupported),
        (pem(p384.to_pkcs8v1().unwrap().as_ref()), SigningKeyError::Unsupported),
        (r#"{"kty":"oct","k":"AAAA","d":"AAAA"}"#.into(), SigningKeyError::Unsupported),
        ("{".into(), SigningKeyError::NotAKey),
        ("{}".into(), SigningKeyError::Public),
    ] {
        assert_eq!(SigningKey::read(&text).err(), Some(expected), "{text:.60}");
    }
}

#[test]
fn an_assertion_is_about_the_client_itself() {
    let key = SigningKey::from_pkcs8(&p256_der()).unwrap();
    let assertion = Assertion {
        client_id: "tool\"gate",
        audience: "https://idp.example/introspect",
        issued: UnixTime(NOW),
        life: 60,
        token_id: "once",
    };
    let [header, claims] = opened(&private_key_jwt(&key, &assertion).unwrap());
    assert_eq!(header["alg"], "ES256");
    assert_eq!(
        claims,
        json!({
            "iss": "tool\"gate", "sub": "tool\"gate", "aud": "https://idp.example/introspect",
            "jti": "once", "iat": NOW, "exp": NOW + 60,
        })
    );
}

#[test]
fn an_identity_is_short_and_for_the_upstream_alone() {
    let key = SigningKey::from_pkcs8(&p256_der()).unwrap();
    let caller = Caller {
        client_id: Some("robot".into()),
        scopes: Scopes::from_names(["b", "a"]),
        ..Caller::new(B, "a\",\"sub\":\"root", UnixTime(NOW + 600))
    };
    let identity = Identity {
        issuer: HERE,
        audience: "http://127.0.0.1:9000/mcp",
        issued: UnixTime(NOW),
        life: 3600,
        token_id: "once",
    };
    let token = mint_identity(&key, &caller, &identity).unwrap();
    let [header, claims] = opened(&token);
    assert_eq!(header["typ"], "toolgate-identity+jwt");
    assert_eq!(
        claims,
        json!({
            "iss": HERE, "sub": "a\",\"sub\":\"root", "aud": "http://127.0.0.1:9000/mcp",
            "sub_id": {"format": "iss_sub", "iss": B, "sub": "a\",\"sub\":\"root"},
            "client_id": "robot", "scope": "a b", "iat": NOW, "exp": NOW + 60, "jti": "once",
        })
    );
    let short =
        mint_identity(&key, &Caller::new(B, "x", UnixTime(NOW)), &Identity { life: 5, ..identity }).unwrap();
    let [_, claims] = opened(&short);
    assert_eq!((&claims["exp"], claims.get("client_id")), (&json!(NOW + 5), None));
    // The gateway itself takes it for no access token, whatever it says.
    let keys = KeySet::from_jwks(key.public_jwks().unwrap().as_bytes()).unwrap();
    let gateway = Issuer { keys: Some(Arc::new(keys)), ..Issuer::new(HERE, []) };
    let found = verify_at(&token, &Issuers::new(vec![gateway]).unwrap(), NOW);
    assert_eq!(found, Err(Refusal::TokenTypeWrong));
}

#[test]
fn no_scope_of_an_identity_can_be_read_as_two() {
    let key = SigningKey::from_pkcs8(&p256_der()).unwrap();
    let identity = Identity { issuer: HERE, audience: "u", issued: UnixTime(NOW), life: 60, token_id: "once" };
    for (scopes, expected) in [
        (&["a", "b:c/d"][..], "a b:c/d"),
        (&["a", "admin read"], "a"),
        (&["admin\tread", "admin\u{a0}read", "\u{fc}", "\"", "\\", "admin\n", "z"], "z"),
        (&["two words"], ""),
        (&[], ""),
    ] {
        let scopes = Scopes::from_names(scopes.iter().copied());
        let caller = Caller { scopes, ..Caller::new(B, "x", UnixTime(NOW)) };
        let [_, claims] = opened(&mint_identity(&key, &caller, &identity).unwrap());
        assert_eq!(claims["scope"], expected, "{caller:?}");
    }
}

#[test]
fn debug_does_not_show_the_key() {
    let shown = format!("{:?}", SigningKey::from_pkcs8(&p256_der()).unwrap().with_kid("k"));
    assert_eq!(shown, "SigningKey { algorithm: ES256, kid: Some(\"k\"), .. }");
}
