//! What is sent to an introspection endpoint (RFC 7662 §2.1), and how the gateway says who it is there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::bearer::Bearer;
use super::signing::{SigningFailed, SigningKey};
use crate::caller::UnixTime;

/// The content type of [`form`].
pub const FORM: &str = "application/x-www-form-urlencoded";

/// `client_assertion_type` of a signed assertion (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The body that asks about `token`, with further parameters: those of [`assertion_parameters`], or `client_id` and
/// `client_secret` where the endpoint wants them so.
#[must_use]
pub fn form(token: Bearer<'_>, more: &[(&str, &str)]) -> String {
    let asked = [("token", token.expose()), ("token_type_hint", "access_token")];
    let pairs = asked.iter().chain(more).map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The value of `Authorization` for a client with a secret. Both parts are form-encoded first (RFC 6749 §2.3.1), so
/// that a colon in either stays where it is.
#[must_use]
pub fn basic(client_id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret))))
}

/// What an assertion says of the client (RFC 7523 §3, `private_key_jwt`).
#[derive(Debug, Clone, Copy)]
pub struct Assertion<'a> {
    /// Who the gateway is there: `iss` and `sub`.
    pub client_id: &'a str,
    /// Whom it is for: `aud`, the endpoint or the issuer.
    pub audience: &'a str,
    /// `iat`.
    pub issued: UnixTime,
    /// For how many seconds it is good.
    pub life: u64,
    /// `jti`: never the same twice.
    pub token_id: &'a str,
}

/// The assertion, signed by the client's key.
///
/// # Errors
/// [`SigningFailed`] where the key cannot sign.
pub fn private_key_jwt(key: &SigningKey, assertion: &Assertion<'_>) -> Result<String, SigningFailed> {
    let Assertion { client_id, audience, issued, life, token_id } = *assertion;
    let claims: [(&str, Value); 6] = [
        ("iss", json!(client_id)),
        ("sub", json!(client_id)),
        ("aud", json!(audience)),
        ("jti", json!(token_id)),
        ("iat", json!(issued.0)),
        ("exp", json!(issued.plus(life).0)),
    ];
    let claims: Map<_, _> = claims.into_iter().map(|(name, value)| (name.into(), value)).collect();
    key.mint("JWT", claims)
}

/// The parameters with which an assertion is sent.
#[must_use]
pub const fn assertion_parameters<'a>(client_id: &'a str, assertion: &'a str) -> [(&'static str, &'a str); 3] {
    [("client_id", client_id), ("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)]
}

/// Form-encoded text. A space is written `%20`, which those who expect `+` read as well.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_cannot_be_extended_from_within() {
        let token = Bearer::try_from("a.b-c_d~e+f/g==").unwrap();
        assert_eq!(form(token, &[]), "token=a.b-c_d%7Ee%2Bf%2Fg%3D%3D&token_type_hint=access_token");
        let more = [("client_id", "a&token=x"), ("client_secret", "p=1 %ä\r\n")];
        assert_eq!(
            form(Bearer::try_from("t").unwrap(), &more),
            "token=t&token_type_hint=access_token&client_id=a%26token%3Dx&client_secret=p%3D1%20%25%C3%A4%0D%0A"
        );
    }

    #[test]
    fn basic_encodes_each_part_before_joining() {
        #[track_caller]
        fn check(client_id: &str, secret: &str, expected: &str) {
            let value = basic(client_id, secret);
            let text = STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
        check("toolgate", "s3cret", "toolgate:s3cret");
        check("a:b", "c:d", "a%3Ab:c%3Ad");
        check("https://mcp.example/", "p+q r/=", "https%3A%2F%2Fmcp.example%2F:p%2Bq%20r%2F%3D");
        check("ü", "", "%C3%BC:");
        assert_eq!(
            basic("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw"),
            "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"
        );
    }

    #[test]
    fn an_assertion_goes_with_its_type() {
        let parameters = assertion_parameters("me", "a.b.c");
        assert_eq!(
            form(Bearer::try_from("t").unwrap(), &parameters),
            "token=t&token_type_hint=access_token&client_id=me\
             &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
             &client_assertion=a.b.c"
        );
    }
}
