//! The issuers whose tokens are accepted, and on which terms.

use std::sync::Arc;

use super::algorithm::Algorithm;
use super::header::Typ;
use super::keys::KeySet;
use crate::refusal::Refusal;

/// An issuer and the terms on which its tokens are accepted.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The exact `iss` of its tokens.
    pub name: Arc<str>,
    /// Whether its tokens must have an `iss`. At most one issuer may do without.
    pub require_iss: bool,
    /// The audiences of which a token must name one. Empty: the check is off.
    pub audience: Box<[Box<str>]>,
    /// The algorithms its tokens may be signed with (RFC 8725 §3.1).
    pub algorithms: Box<[Algorithm]>,
    /// The claims whose scopes are united, by name or dotted path.
    pub scope_claims: Box<[Box<str>]>,
    /// By how many seconds the clocks may differ.
    pub leeway: u64,
    /// The claims, by name or dotted path, that must be present and not null.
    pub required_claims: Box<[Box<str>]>,
    /// Which values of `typ` are accepted.
    pub accept_typ: TypRule,
    /// Whether a token may be meant for nobody but the client that got it, as ID tokens are.
    pub client_as_audience: bool,
    /// Its keys. `None` as long as they could not be loaded.
    pub keys: Option<Arc<KeySet>>,
}

/// Which values of a token's `typ` header an issuer's tokens may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TypRule {
    /// `at+jwt`, `JWT`, or none. The types of other kinds of token are refused.
    #[default]
    Any,
    /// `at+jwt` alone (RFC 9068 §4).
    AccessTokenOnly,
}

impl TypRule {
    pub(super) fn accepts(self, typ: Typ) -> bool {
        match self {
            Self::Any => true,
            Self::AccessTokenOnly => typ == Typ::AccessToken,
        }
    }
}

impl Issuer {
    /// An issuer on the default terms: asymmetric algorithms, scopes in `scope` and `scp`, a minute of leeway,
    /// `sub` required, no keys yet.
    pub fn new(name: impl Into<Arc<str>>, audience: impl IntoIterator<Item = Box<str>>) -> Self {
        Self {
            name: name.into(),
            require_iss: true,
            audience: audience.into_iter().collect(),
            algorithms: Algorithm::ASYMMETRIC.into(),
            scope_claims: ["scope", "scp"].map(Box::from).into(),
            leeway: 60,
            required_claims: ["sub"].map(Box::from).into(),
            accept_typ: TypRule::Any,
            client_as_audience: false,
            keys: None,
        }
    }

    /// The algorithm of that name, if it is on the list. `none` in any spelling is on no list.
    pub(super) fn algorithm(&self, name: &str) -> Result<Algorithm, Refusal> {
        let algorithm = name.parse().map_err(|_| Refusal::TokenAlgorithmRefused)?;
        if self.algorithms.contains(&algorithm) { Ok(algorithm) } else { Err(Refusal::TokenAlgorithmRefused) }
    }
}

/// All configured issuers. For any token at most one of them is asked.
#[derive(Debug, Clone, Default)]
pub struct Issuers(Box<[Issuer]>);

impl Issuers {
    /// The given issuers, if it is clear which of them a token belongs to.
    ///
    /// # Errors
    /// [`IssuersError`] says which of them are not.
    pub fn new(issuers: Vec<Issuer>) -> Result<Self, IssuersError> {
        for (at, issuer) in issuers.iter().enumerate() {
            if issuer.name.is_empty() {
                return Err(IssuersError::NameEmpty);
            }
            if issuer.algorithms.is_empty() {
                return Err(IssuersError::NoAlgorithms(issuer.name.clone()));
            }
            let mut before = issuers.iter().take(at);
            if before.clone().any(|other| other.name == issuer.name) {
                return Err(IssuersError::NameRepeated(issuer.name.clone()));
            }
            if let Some(other) = before.find(|other| !other.require_iss && !issuer.require_iss) {
                return Err(IssuersError::TwoWithoutIss(other.name.clone(), issuer.name.clone()));
            }
        }
        Ok(Self(issuers.into()))
    }

    /// The issuers, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.0.iter()
    }

    /// The one issuer a token with this `iss` can come from. A foreign `iss` never falls back to the issuer that
    /// does without.
    pub(super) fn of(&self, iss: Option<&str>) -> Result<&Issuer, Refusal> {
        let found = match iss {
            Some(name) => self.0.iter().find(|issuer| *issuer.name == *name),
            None => self.0.iter().find(|issuer| !issuer.require_iss),
        };
        found.ok_or(Refusal::TokenIssuerUnknown)
    }
}

/// Why a list of issuers is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuersError {
    /// An issuer has no name.
    #[error("an issuer's name is empty")]
    NameEmpty,
    /// Two issuers have the same name.
    #[error("issuer `{0}` is configured twice")]
    NameRepeated(Arc<str>),
    /// Two issuers do without `iss`, so that a token without one could be either's.
    #[error("issuers `{0}` and `{1}` both have `require_iss: false`; only one may")]
    TwoWithoutIss(Arc<str>, Arc<str>),
    /// An issuer accepts no algorithm, so none of its tokens.
    #[error("issuer `{0}` has an empty list of algorithms, so none of its tokens could be accepted")]
    NoAlgorithms(Arc<str>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(name: &str, require_iss: bool) -> Issuer {
        Issuer { require_iss, ..Issuer::new(name, []) }
    }

    #[track_caller]
    fn check<const N: usize>(issuers: [Issuer; N], expected: impl Into<Option<IssuersError>>) {
        assert_eq!(Issuers::new(issuers.into()).err(), expected.into());
    }

    #[test]
    fn refuses_lists_that_leave_it_open_whose_a_token_is() {
        check([issuer("a", true), issuer("b", false), issuer("c", true)], None);
        check([issuer("", true)], IssuersError::NameEmpty);
        check([issuer("a", true), issuer("b", true), issuer("a", false)], IssuersError::NameRepeated("a".into()));
        check(
            [issuer("a", false), issuer("b", true), issuer("c", false)],
            IssuersError::TwoWithoutIss("a".into(), "c".into()),
        );
        check([Issuer { algorithms: [].into(), ..issuer("a", true) }], IssuersError::NoAlgorithms("a".into()));
    }

    #[test]
    fn a_foreign_iss_does_not_fall_back_to_the_issuer_without() {
        let issuers = Issuers::new(vec![issuer("a", true), issuer("b", false)]).unwrap();
        let of = |iss| issuers.of(iss).map(|issuer| &*issuer.name);
        assert_eq!(of(None), Ok("b"));
        assert_eq!(of(Some("b")), Ok("b"));
        assert_eq!(of(Some("a")), Ok("a"));
        for iss in ["c", "", "A", "a/", "a "] {
            assert_eq!(of(Some(iss)), Err(Refusal::TokenIssuerUnknown), "{iss:?}");
        }
    }

    #[test]
    fn the_default_terms_are_the_strict_ones() {
        let issuer = issuer("a", true);
        assert!(issuer.algorithms.iter().all(|algorithm| !Algorithm::SYMMETRIC.contains(algorithm)));
        assert!(issuer.keys.is_none());
        assert_eq!(issuer.required_claims, ["sub".into()].into());
    }
}
