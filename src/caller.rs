//! Who calls: what a verified token says about its bearer.

use std::fmt;
use std::sync::Arc;

/// Seconds since 1970-01-01T00:00:00Z. Time is always an argument of the judge, never read by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// This time moved `seconds` into the future, at most to the end of time.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// The scopes of a token: a set, made once per token. Order and repetition in the token mean nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(Box<[Box<str>]>);

impl Scopes {
    /// The set of the given names. Names are split nowhere: one item is one scope.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into_iter().map(Box::from).collect())
    }

    /// The names, sorted, each once.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether no scope was granted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// To which key of its bearer a token is bound (RFC 7800 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Confirmation {
    /// To none: whoever holds the token may use it.
    #[default]
    None,
    /// To the key with this thumbprint, `cnf.jkt` (RFC 9449 §6.1).
    Jwk(Box<str>),
    /// To the client certificate with this thumbprint, `cnf["x5t#S256"]` (RFC 8705 §3.1).
    Certificate(Box<str>),
}

/// A caller whose token was verified.
///
/// Its `Debug` does not show the claims: the named fields are what logs may know.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    /// The configured issuer whose key verified the token: its `iss`, or the configured name where the issuer's
    /// tokens need no `iss`.
    pub issuer: Arc<str>,
    /// `sub` (RFC 7519 §4.1.2).
    pub subject: Box<str>,
    /// `client_id`, or `azp` where the former is absent (RFC 9068 §2.2).
    pub client_id: Option<Box<str>>,
    /// `jti` (RFC 7519 §4.1.7).
    pub token_id: Option<Box<str>>,
    /// `sid`: the session at the issuer in which the token was made (OpenID Connect Front-Channel Logout §3).
    pub session_id: Option<Box<str>>,
    /// To which key the token is bound. Until [`check_binding`](crate::token::check_binding) has seen proof of that
    /// key, a caller with a confirmation is only claimed to be one.
    pub confirmation: Confirmation,
    /// What the token grants.
    pub scopes: Scopes,
    /// `exp`: the token is no longer valid at this time (leeway not included).
    pub expires: UnixTime,
    /// All claims: one JSON object, as received, in which no name occurs twice.
    pub claims: Arc<str>,
}

impl Caller {
    /// A caller of whom nothing but the names and the end is known.
    pub fn new(issuer: impl Into<Arc<str>>, subject: impl Into<Box<str>>, expires: UnixTime) -> Self {
        Self {
            issuer: issuer.into(),
            subject: subject.into(),
            client_id: None,
            token_id: None,
            session_id: None,
            confirmation: Confirmation::None,
            scopes: Scopes::default(),
            expires,
            claims: Arc::from("{}"),
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { issuer, subject, client_id, token_id, session_id, confirmation, scopes, expires, claims: _ } =
            self;
        f.debug_struct("Caller")
            .field("issuer", issuer)
            .field("subject", subject)
            .field("client_id", client_id)
            .field("token_id", token_id)
            .field("session_id", session_id)
            .field("confirmation", confirmation)
            .field("scopes", scopes)
            .field("expires", expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_set() {
        let scopes = Scopes::from_names(["b", "a", "b", ""]);
        assert_eq!(scopes.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(scopes, Scopes::from_names(["a", "b"]));
    }

    #[test]
    fn debug_does_not_show_the_claims() {
        let caller =
            Caller { claims: Arc::from(r#"{"email":"hidden"}"#), ..Caller::new("i", "alice", UnixTime(1)) };
        let shown = format!("{caller:?}");
        assert!(shown.contains("alice") && !shown.contains("hidden"), "{shown}");
    }
}
