//! Development tokens, for `toolgate token` and for tests.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::signing::{SigningFailed, SigningKey};
use crate::caller::UnixTime;

/// What a development token says.
#[derive(Debug, Clone, Copy)]
pub struct Mint<'a> {
    /// `sub`.
    pub subject: &'a str,
    /// `scope`, as an array of names.
    pub scopes: &'a [&'a str],
    /// `exp`.
    pub expires: UnixTime,
    /// `iss`, left out where `None`.
    pub issuer: Option<&'a str>,
    /// `aud`, left out where empty.
    pub audience: &'a [&'a str],
    /// `client_id`, left out where `None`.
    pub client_id: Option<&'a str>,
    /// `iat`, left out where `None`.
    pub issued: Option<UnixTime>,
}

impl<'a> Mint<'a> {
    /// A token with `sub`, `scope` and `exp` alone.
    #[must_use]
    pub const fn new(subject: &'a str, scopes: &'a [&'a str], expires: UnixTime) -> Self {
        Self { subject, scopes, expires, issuer: None, audience: &[], client_id: None, issued: None }
    }

    fn claims(&self) -> Map<String, Value> {
        let scopes: Vec<Value> = self.scopes.iter().map(|name| Value::from(*name)).collect();
        let audience: Vec<Value> = self.audience.iter().map(|name| Value::from(*name)).collect();
        let audience = if audience.is_empty() { None } else { Some(Value::from(audience)) };
        let claims = [
            ("sub", Some(Value::from(self.subject))),
            ("scope", Some(Value::from(scopes))),
            ("exp", Some(Value::from(self.expires.0))),
            ("iss", self.issuer.map(Value::from)),
            ("aud", audience),
            ("client_id", self.client_id.map(Value::from)),
            ("iat", self.issued.map(|issued| Value::from(issued.0))),
        ];
        let claims = claims.into_iter().filter_map(|(name, value)| Some((String::from(name), value?)));
        claims.collect()
    }
}

/// A token with these claims, signed with HS256.
#[must_use]
pub fn mint_hs256(secret: &[u8], mint: &Mint<'_>) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let payload = URL_SAFE_NO_PAD.encode(Value::Object(mint.claims()).to_string());
    let signed = format!("{header}.{payload}");
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A token with these claims and `typ` `at+jwt` (RFC 9068 §2.1), signed with this key.
///
/// # Errors
/// [`SigningFailed`] where the key cannot sign.
pub fn mint_signed(key: &SigningKey, mint: &Mint<'_>) -> Result<String, SigningFailed> {
    key.mint("at+jwt", mint.claims())
}
