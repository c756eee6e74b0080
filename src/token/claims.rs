//! What a token claims (RFC 7519 §4), and which of it makes a caller.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::header::Typ;
use super::issuer::Issuer;
use super::thumbprint::is_thumbprint;
use super::value::{Json, Object, find};
use crate::caller::{Caller, Confirmation, Scopes, UnixTime};
use crate::refusal::Refusal;

/// The longest name of a caller, client or token, in bytes.
const MAX_NAME: usize = 1024;

/// The end of the year 9999. What is later was not meant in seconds.
const LAST_TIME: u64 = 253_402_300_799;

/// The claim set of a token. Nothing of it is believed before the signature is verified, except which issuer is to
/// be asked.
pub(super) struct Claims<'a> {
    members: Object<'a>,
    /// As received.
    text: &'a str,
}

impl fmt::Debug for Claims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("members", &self.members).finish_non_exhaustive()
    }
}

impl<'a> Claims<'a> {
    pub(super) fn read(payload: &'a [u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(payload).map_err(|_| Refusal::TokenUnreadable)?;
        let members = Json::read_object_of_text(text).map_err(|_| Refusal::TokenUnreadable)?;
        let claims = Self { members, text };
        if claims.is_marked_as_id_token() { Err(Refusal::TokenTypeWrong) } else { Ok(claims) }
    }

    /// The member of this very name.
    pub(super) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.members.get(name)
    }

    /// `iss`, as claimed.
    pub(super) fn issuer(&self) -> Result<Option<&str>, Refusal> {
        self.get("iss").map(|iss| iss.as_str().ok_or(Refusal::TokenClaimsInvalid)).transpose()
    }

    /// The caller these claims make, once `issuer` is known to have signed them.
    pub(super) fn caller(&self, issuer: &Issuer, typ: Typ, now: UnixTime) -> Result<Caller, Refusal> {
        if typ != Typ::AccessToken && !issuer.client_as_audience && self.is_like_an_id_token()? {
            return Err(Refusal::TokenTypeWrong);
        }
        let expires = self.time("exp")?.ok_or(Refusal::TokenClaimsInvalid)?;
        let client_id = self.client_id()?;
        let subject = self.name("sub")?.or(client_id).ok_or(Refusal::TokenClaimsInvalid)?;
        self.caller_as(subject, expires, issuer, now)
    }

    /// As [`Claims::caller`], for whoever told `subject` and `expires` from these claims.
    pub(super) fn caller_as(
        &self,
        subject: &str,
        expires: UnixTime,
        issuer: &Issuer,
        now: UnixTime,
    ) -> Result<Caller, Refusal> {
        self.check_kind()?;
        self.check_times(expires, issuer.leeway, now)?;
        self.check_audience(&issuer.audience)?;
        if issuer.required_claims.iter().any(|path| matches!(find(&self.members, path), None | Some(Json::Null))) {
            return Err(Refusal::TokenClaimsInvalid);
        }
        Ok(Caller {
            issuer: issuer.name.clone(),
            subject: Box::from(subject),
            client_id: self.client()?.map(Box::from),
            token_id: self.name("jti")?.map(Box::from),
            session_id: self.name("sid")?.map(Box::from),
            confirmation: self.confirmation()?,
            scopes: self.scopes(&issuer.scope_claims)?,
            expires,
            claims: Arc::from(self.text),
        })
    }

    /// `client_id`, or `azp` where it is absent.
    pub(super) fn client_id(&self) -> Result<Option<&str>, Refusal> {
        match self.name("client_id")? {
            Some(client_id) => Ok(Some(client_id)),
            None => self.name("azp"),
        }
    }

    /// The client that got the token: `client_id` or `azp`, else Okta's `cid` or the `appid` of Entra ID, where these
    /// are names. Other issuers mean other things by the latter two, so that they never stand in for a subject.
    pub(super) fn client(&self) -> Result<Option<&str>, Refusal> {
        let of_vendors = || ["cid", "appid"].into_iter().find_map(|claim| self.name(claim).ok().flatten());
        Ok(self.client_id()?.or_else(of_vendors))
    }

    /// RFC 7800 §3.1. A token bound in a way that cannot be checked is no token that can be used.
    fn confirmation(&self) -> Result<Confirmation, Refusal> {
        let Some(cnf) = self.get("cnf") else { return Ok(Confirmation::None) };
        let Json::Object(methods) = cnf else { return Err(Refusal::TokenTypeWrong) };
        let mut methods = methods.iter();
        let (Some((method, thumbprint)), None) = (methods.next(), methods.next()) else {
            return Err(Refusal::TokenTypeWrong);
        };
        let thumbprint = thumbprint.as_str().filter(|text| is_thumbprint(text)).ok_or(Refusal::TokenTypeWrong)?;
        match method {
            "jkt" => Ok(Confirmation::Jwk(Box::from(thumbprint))),
            "x5t#S256" => Ok(Confirmation::Certificate(Box::from(thumbprint))),
            _ => Err(Refusal::TokenTypeWrong),
        }
    }

    /// RFC 7519 §4.1.4 to §4.1.6.
    fn check_times(&self, expires: UnixTime, leeway: u64, now: UnixTime) -> Result<(), Refusal> {
        let starts = [self.time("nbf")?, self.time("iat")?];
        if now >= expires.plus(leeway) {
            return Err(Refusal::TokenExpired);
        }
        if starts.into_iter().flatten().any(|start| start > now.plus(leeway)) {
            return Err(Refusal::TokenNotYetValid);
        }
        Ok(())
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<UnixTime>, Refusal> {
        time(&self.members, name)
    }

    /// RFC 8707 §2, RFC 9068 §4: equality of strings, no likeness of URLs.
    fn check_audience(&self, accepted: &[Box<str>]) -> Result<(), Refusal> {
        let is_ours = |audience: &str| accepted.iter().any(|ours| **ours == *audience);
        let is_for_us = match self.get("aud") {
            None => false,
            Some(Json::String(one)) => is_ours(one),
            Some(other) => other.as_strings().ok_or(Refusal::TokenClaimsInvalid)?.into_iter().any(is_ours),
        };
        if accepted.is_empty() || is_for_us { Ok(()) } else { Err(Refusal::TokenAudienceWrong) }
    }

    /// A claim that names someone or something: it ends up in logs, so it has no control characters.
    pub(super) fn name(&self, claim: &str) -> Result<Option<&str>, Refusal> {
        let Some(value) = self.get(claim) else { return Ok(None) };
        let name = value.as_str().filter(|name| !name.is_empty() && name.len() <= MAX_NAME);
        name.filter(|name| !has_control(name)).map(Some).ok_or(Refusal::TokenClaimsInvalid)
    }

    /// The union over all scope claims. RFC 6749 §3.3 separates scopes by spaces; an element of an array is one
    /// scope, whatever it contains.
    fn scopes(&self, paths: &[Box<str>]) -> Result<Scopes, Refusal> {
        let mut names = Vec::new();
        for value in paths.iter().filter_map(|path| find(&self.members, path)) {
            if let Some(text) = value.as_str() {
                names.extend(text.split(' '));
            } else {
                names.extend(value.as_strings().ok_or(Refusal::TokenClaimsInvalid)?);
            }
        }
        Ok(Scopes::from_names(names))
    }
}

/// Whether there is a control character, of which some are two bytes long.
fn has_control(name: &str) -> bool {
    // Nearly all names are plain. No early exit, so that the compiler makes it wide.
    let is_plain = name.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    !is_plain && name.contains(char::is_control)
}

/// A member that is a time.
pub(super) fn time(members: &Object<'_>, name: &str) -> Result<Option<UnixTime>, Refusal> {
    let Some(value) = members.get(name) else { return Ok(None) };
    let Json::Number(text) = value else { return Err(Refusal::TokenClaimsInvalid) };
    let seconds = seconds(text).filter(|seconds| *seconds <= LAST_TIME);
    seconds.map(UnixTime).map(Some).ok_or(Refusal::TokenClaimsInvalid)
}

/// A `NumericDate` (RFC 7519 §2) in whole seconds, fractions cut off.
fn seconds(number: &str) -> Option<u64> {
    if let Ok(whole) = number.parse() {
        return Some(whole);
    }
    // Refuses what is negative, infinite or beyond 64 bits.
    let fractional: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(fractional.floor()).ok().map(|time| time.as_secs())
}
