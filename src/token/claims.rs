//! What a token claims (RFC 7519 §4), and which of it makes a caller.

use std::time::Duration;

use super::issuer::Issuer;
use super::value::{Json, Object, find};
use crate::caller::{Caller, Scopes, UnixTime};
use crate::refusal::Refusal;

/// The longest name of a caller, client or token, in bytes.
const MAX_NAME: usize = 1024;

/// The end of the year 9999. What is later was not meant in seconds.
const LAST_TIME: u64 = 253_402_300_799;

/// Claims that only an ID token has (OpenID Connect Core §2, §3.3.2.11).
const OF_AN_ID_TOKEN: [&str; 3] = ["nonce", "at_hash", "c_hash"];

/// The claim set of a token. Nothing of it is believed before the signature is verified, except which issuer is to
/// be asked.
#[derive(Debug)]
pub(super) struct Claims(Object);

impl Claims {
    pub(super) fn read(payload: &[u8]) -> Result<Self, Refusal> {
        let claims = Json::read_object(payload).map_err(|_| Refusal::TokenUnreadable)?;
        if OF_AN_ID_TOKEN.iter().any(|name| claims.contains_key(*name)) {
            return Err(Refusal::TokenTypeWrong);
        }
        Ok(Self(claims))
    }

    /// `iss`, as claimed.
    pub(super) fn issuer(&self) -> Result<Option<&str>, Refusal> {
        self.0.get("iss").map(|iss| iss.as_str().ok_or(Refusal::TokenClaimsInvalid)).transpose()
    }

    /// The caller these claims make, once `issuer` is known to have signed them.
    pub(super) fn caller(&self, issuer: &Issuer, now: UnixTime) -> Result<Caller, Refusal> {
        let expires = self.check_times(issuer.leeway, now)?;
        self.check_audience(&issuer.audience)?;
        if issuer.required_claims.iter().any(|path| matches!(find(&self.0, path), None | Some(Json::Null))) {
            return Err(Refusal::TokenClaimsInvalid);
        }
        // RFC 9449 §7.1, RFC 8705 §3: a token bound to a key is worth nothing without proof of that key.
        if self.0.contains_key("cnf") {
            return Err(Refusal::TokenTypeWrong);
        }
        let client_id = match self.name("client_id")? {
            Some(client_id) => Some(client_id),
            None => self.name("azp")?,
        };
        let subject = self.name("sub")?.or(client_id).ok_or(Refusal::TokenClaimsInvalid)?;
        Ok(Caller {
            issuer: issuer.name.clone(),
            subject: Box::from(subject),
            client_id: client_id.map(Box::from),
            token_id: self.name("jti")?.map(Box::from),
            scopes: self.scopes(&issuer.scope_claims)?,
            expires,
        })
    }

    /// RFC 7519 §4.1.4 to §4.1.6. `exp` is required here.
    fn check_times(&self, leeway: u64, now: UnixTime) -> Result<UnixTime, Refusal> {
        let expires = self.time("exp")?.ok_or(Refusal::TokenClaimsInvalid)?;
        let starts = [self.time("nbf")?, self.time("iat")?];
        if now >= expires.plus(leeway) {
            return Err(Refusal::TokenExpired);
        }
        if starts.into_iter().flatten().any(|start| start > now.plus(leeway)) {
            return Err(Refusal::TokenNotYetValid);
        }
        Ok(expires)
    }

    fn time(&self, name: &str) -> Result<Option<UnixTime>, Refusal> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let Json::Number(text) = value else { return Err(Refusal::TokenClaimsInvalid) };
        let seconds = seconds(text).filter(|seconds| *seconds <= LAST_TIME);
        seconds.map(UnixTime).map(Some).ok_or(Refusal::TokenClaimsInvalid)
    }

    /// RFC 8707 §2, RFC 9068 §4: equality of strings, no likeness of URLs.
    fn check_audience(&self, accepted: &[Box<str>]) -> Result<(), Refusal> {
        let named = match self.0.get("aud") {
            None => Vec::new(),
            Some(Json::String(one)) => vec![&**one],
            Some(other) => other.as_strings().ok_or(Refusal::TokenClaimsInvalid)?,
        };
        let is_for_us = named.iter().any(|audience| accepted.iter().any(|ours| **ours == **audience));
        if accepted.is_empty() || is_for_us { Ok(()) } else { Err(Refusal::TokenAudienceWrong) }
    }

    /// A claim that names someone or something: it ends up in logs, so it has no control characters.
    fn name(&self, claim: &str) -> Result<Option<&str>, Refusal> {
        let Some(value) = self.0.get(claim) else { return Ok(None) };
        let name = value.as_str().filter(|name| !name.is_empty() && name.len() <= MAX_NAME);
        name.filter(|name| !name.contains(char::is_control)).map(Some).ok_or(Refusal::TokenClaimsInvalid)
    }

    /// The union over all scope claims. RFC 6749 §3.3 separates scopes by spaces; an element of an array is one
    /// scope, whatever it contains.
    fn scopes(&self, paths: &[Box<str>]) -> Result<Scopes, Refusal> {
        let mut names = Vec::new();
        for value in paths.iter().filter_map(|path| find(&self.0, path)) {
            if let Some(text) = value.as_str() {
                names.extend(text.split(' '));
            } else {
                names.extend(value.as_strings().ok_or(Refusal::TokenClaimsInvalid)?);
            }
        }
        Ok(Scopes::from_names(names))
    }
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
