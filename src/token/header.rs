//! The protected header of a token (RFC 7515 §4), of which three members are believed in.

use std::borrow::Cow;

use super::value::{Json, Object};
use crate::refusal::Refusal;

/// Members that change what a token is. A reader that does not act on them must not go on (RFC 7515 §4.1.11,
/// RFC 7797 §6, RFC 7516 §4.1).
const CHANGES_MEANING: [&str; 4] = ["crit", "b64", "zip", "enc"];

/// What the header says. `jku`, `jwk`, `x5u` and `x5c` are not even read: keys come from configuration alone.
#[derive(Debug)]
pub(super) struct Header<'a> {
    /// As sent; whether it is an algorithm at all is the issuer's list to say.
    pub(super) algorithm: Cow<'a, str>,
    pub(super) kid: Option<Cow<'a, str>>,
    pub(super) typ: Typ,
}

/// The kinds of token that can be an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typ {
    /// No `typ`, or `JWT`: older authorization servers.
    Plain,
    /// `at+jwt` (RFC 9068 §2.1).
    AccessToken,
}

impl<'a> Header<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut members = protected(bytes)?;
        let mut text = |name: &str| match members.remove(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::TokenUnreadable),
        };
        let algorithm = text("alg")?.ok_or(Refusal::TokenUnreadable)?;
        let kid = text("kid")?;
        let typ = Typ::of(text("typ")?.as_deref())?;
        // RFC 7519 §5.2: the content is another token, or at least no claim set.
        if text("cty")?.is_some() {
            return Err(Refusal::TokenTypeWrong);
        }
        Ok(Self { algorithm, kid, typ })
    }
}

/// The members of a protected header, if nothing of it changes how the rest is to be read.
pub(super) fn protected(bytes: &[u8]) -> Result<Object<'_>, Refusal> {
    let members = Json::read_object(bytes).map_err(|_| Refusal::TokenUnreadable)?;
    let changes_meaning = CHANGES_MEANING.iter().any(|name| members.has(name));
    if changes_meaning { Err(Refusal::TokenUnreadable) } else { Ok(members) }
}

impl Typ {
    /// RFC 8725 §3.11: every type that is not an access token's is another token's, and refused.
    fn of(typ: Option<&str>) -> Result<Self, Refusal> {
        let Some(typ) = typ else { return Ok(Self::Plain) };
        // Media types are compared without case, and `application/` may be left off (RFC 7515 §4.1.9).
        let is = |name: &str| typ.eq_ignore_ascii_case(name);
        if is("jwt") {
            Ok(Self::Plain)
        } else if is("at+jwt") || is("application/at+jwt") {
            Ok(Self::AccessToken)
        } else {
            Err(Refusal::TokenTypeWrong)
        }
    }
}
