//! Who calls: what a verified token says about its bearer.

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
        let mut names: Vec<Box<str>> = names.into_iter().filter(|name| !name.is_empty()).map(Box::from).collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into())
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

/// A caller whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The configured issuer whose key verified the token: its `iss`, or the configured name where the issuer's
    /// tokens need no `iss`.
    pub issuer: Box<str>,
    /// `sub` (RFC 7519 §4.1.2).
    pub subject: Box<str>,
    /// `client_id`, or `azp` where the former is absent (RFC 9068 §2.2).
    pub client_id: Option<Box<str>>,
    /// `jti` (RFC 7519 §4.1.7).
    pub token_id: Option<Box<str>>,
    /// What the token grants.
    pub scopes: Scopes,
    /// `exp`: the token is no longer valid at this time (leeway not included).
    pub expires: UnixTime,
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
}
