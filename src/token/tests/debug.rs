//! What may hold a secret does not show it.

use super::*;
use crate::token::claims::Claims;
use crate::token::value::Json;

#[track_caller]
fn check(shown: &str) {
    // Numbers too: a secret printed as bytes is a secret printed.
    for secret in ["hush", "68757368", "104, 117", "[104", "aHVzaA"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let secret = b"hush, this is a secret";
    let keys = KeySet::from_secret(secret).unwrap();
    check(&format!("{keys:?} {keys:#?}"));
    let issuer = Issuer { keys: Some(Arc::new(keys)), ..Issuer::new("i", []) };
    check(&format!("{issuer:?}"));
    check(&format!("{:?}", Issuers::new(vec![issuer]).unwrap()));
    check(&format!("{:?}", KeySet::from_secret(b"hush")));
    check(&format!("{:?}", Bearer::try_from("hush").unwrap()));
    check(&format!("{:?}", Bearer::try_from("hush,")));

    let published = jwks(&[format!(r#"{{"kty":"oct","k":"{}"}}"#, encode(secret))]);
    let error = KeySet::from_jwks(&published).err().unwrap();
    check(&format!("{error:?} {error}"));

    let payload = br#"{"password":"hush","list":["hush",104],"inner":{"hush":"hush"}}"#;
    check(&format!("{:?}", Claims::read(payload).unwrap()));
    check(&format!("{:?}", Json::read_object(payload).unwrap()));
}
