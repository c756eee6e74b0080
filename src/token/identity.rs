//! What the upstream is told about the caller: headers, or a token signed by the gateway.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::signing::{SigningFailed, SigningKey};
use super::value::{Json, Object, find};
use crate::caller::{Caller, UnixTime};
use crate::json::quoted;

/// The longest value of a header, in bytes.
const MAX_VALUE: usize = 8 * 1024;
/// The longest life of an identity token, in seconds.
const MAX_LIFE: u64 = 60;
/// The `typ` of an identity token: no access token, and no other kind that somebody may accept (RFC 8725 §3.11).
const TYP: &str = "toolgate-identity+jwt";

/// Names that mean something to HTTP, to MCP or to whoever judges by them, so that a claim must not set them.
const RESERVED: [&str; 25] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "dpop",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Which header tells which claim.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdentityHeaders(Box<[(Box<str>, Box<str>)]>);

/// Why a list of headers is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityHeaderError {
    /// Not the name of a header (RFC 9110 §5.1), or one with an underscore, which many servers take for a dash.
    #[error("`{0}` is not the name of a header that can be told apart from others")]
    NotAName(Box<str>),
    /// A header that means something else already.
    #[error("`{0}` means something of its own to HTTP or MCP")]
    Reserved(Box<str>),
    /// Two claims for one header.
    #[error("`{0}` is named twice; names of headers are compared without case")]
    Repeated(Box<str>),
    /// A header without a claim.
    #[error("`{0}` names no claim")]
    NoClaim(Box<str>),
}

impl IdentityHeaders {
    /// The given pairs of a header's name and a claim's name or dotted path.
    ///
    /// # Errors
    /// [`IdentityHeaderError`] names the first pair that cannot be.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, IdentityHeaderError> {
        let mut accepted: Vec<(Box<str>, Box<str>)> = Vec::new();
        for (name, claim) in pairs {
            check_name(name)?;
            if accepted.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(IdentityHeaderError::Repeated(name.into()));
            }
            if claim.is_empty() {
                return Err(IdentityHeaderError::NoClaim(name.into()));
            }
            accepted.push((name.into(), claim.into()));
        }
        Ok(Self(accepted.into()))
    }

    /// The names of the headers: what a client sends under them never reaches the upstream.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// The headers for this caller. A claim that is absent, null, an object or too long has none.
    ///
    /// `sub`, `iss`, `client_id` and `scope` are what the gateway judges by, all others are the claims themselves.
    #[must_use]
    pub fn render(&self, caller: &Caller) -> Vec<(&str, String)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let claims = Json::read_object(caller.claims.as_bytes()).unwrap_or_default();
        let rendered = self.0.iter().map(|(name, claim)| Some((&**name, value_of(caller, &claims, claim)?)));
        rendered.flatten().collect()
    }
}

/// Whether a header of this name can tell the upstream who calls.
///
/// # Errors
/// [`IdentityHeaderError::NotAName`] or [`IdentityHeaderError::Reserved`].
pub fn check_name(name: &str) -> Result<(), IdentityHeaderError> {
    let lower = name.to_ascii_lowercase();
    if !is_header_name(name) {
        return Err(IdentityHeaderError::NotAName(name.into()));
    }
    if RESERVED.contains(&&*lower) || lower.starts_with("mcp-") {
        return Err(IdentityHeaderError::Reserved(name.into()));
    }
    Ok(())
}

/// `token` of RFC 9110 §5.6.2, without the underscore.
fn is_header_name(name: &str) -> bool {
    let is_tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~".contains(&b);
    !name.is_empty() && name.len() <= 256 && name.bytes().all(is_tchar)
}

fn value_of(caller: &Caller, claims: &Object<'_>, claim: &str) -> Option<String> {
    let text = match claim {
        "sub" => plain(&caller.subject),
        "iss" => plain(&caller.issuer),
        "client_id" => plain(caller.client_id.as_deref()?),
        "scope" => words(&caller.scopes.iter().collect::<Vec<_>>()),
        _ => told(find(claims, claim)?)?,
    };
    Some(text).filter(|text| !text.is_empty() && text.len() <= MAX_VALUE)
}

/// A claim as the value of a header.
fn told(claim: &Json<'_>) -> Option<String> {
    match claim {
        Json::String(text) => Some(plain(text)),
        Json::Number(number) => Some((*number).to_owned()),
        Json::Bool(bool) => Some(bool.to_string()),
        Json::Array(_) => claim.as_strings().map(|items| words(&items)),
        Json::Null | Json::Object(_) => None,
    }
}

/// Strings joined by spaces. Where one of them could be taken for two, or for JSON, they are a JSON array instead.
fn words(items: &[&str]) -> String {
    let is_one_word =
        |item: &&str| !item.is_empty() && !item.contains(char::is_whitespace) && !item.starts_with('[');
    if items.iter().all(is_one_word) {
        return plain(&items.join(" "));
    }
    plain(&format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(",")))
}

/// The text itself where it is visible ASCII, with spaces between only; else `=?base64?…?=` (MCP 2026-07-28,
/// streamable-http, "Value Encoding"). Text that looks like the latter is encoded too, so it has one meaning.
fn plain(text: &str) -> String {
    let is_visible = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if is_visible && text.trim_ascii() == text && !text.starts_with("=?") {
        return text.to_owned();
    }
    format!("=?base64?{}?=", STANDARD.encode(text))
}

/// What an identity token says besides the caller.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Who says it: `iss`, the public URL of the gateway.
    pub issuer: &'a str,
    /// Whom it is for: `aud`, the upstream.
    pub audience: &'a str,
    /// `iat`.
    pub issued: UnixTime,
    /// For how many seconds it is good: 60 at most.
    pub life: u64,
    /// `jti`: never the same twice.
    pub token_id: &'a str,
}

/// A token for the upstream that says who calls. It is never an access token: its `typ` says so.
///
/// `sub` is unique for one issuer only; `sub_id` (RFC 9493 §3.2.3) has both. `scope` has the caller's scopes, without
/// those that cannot stand in a list of words.
///
/// # Errors
/// [`SigningFailed`] where the key cannot sign.
pub fn mint_identity(key: &SigningKey, caller: &Caller, identity: &Identity<'_>) -> Result<String, SigningFailed> {
    let Identity { issuer, audience, issued, life, token_id } = *identity;
    let claims = [
        ("iss", Some(json!(issuer))),
        ("sub", Some(json!(caller.subject))),
        ("sub_id", Some(json!({"format": "iss_sub", "iss": &*caller.issuer, "sub": caller.subject}))),
        ("aud", Some(json!(audience))),
        ("client_id", caller.client_id.as_deref().map(Value::from)),
        (
            "scope",
            Some(json!(caller.scopes.iter().filter(|name| is_scope_token(name)).collect::<Vec<_>>().join(" "))),
        ),
        ("iat", Some(json!(issued.0))),
        ("exp", Some(json!(issued.plus(life.min(MAX_LIFE)).0))),
        ("jti", Some(json!(token_id))),
    ];
    let claims = claims.into_iter().filter_map(|(name, value)| Some((String::from(name), value?)));
    key.mint(TYP, claims.collect::<Map<_, _>>())
}

/// RFC 6749 §3.3. An element of an array in a token may be any text, and one with a space would be read as two scopes.
fn is_scope_token(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

#[cfg(test)]
mod tests;
