//! Callers from claims that somebody else has verified: an introspection endpoint (RFC 7662) or a verifier.

use super::claims::Claims;
use super::issuer::Issuer;
use super::value::Json;
use crate::caller::{Caller, UnixTime};
use crate::refusal::Refusal;

/// The longest answer that is looked at, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// What else is to be known of claims that came as an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimTerms {
    /// How many seconds a token without `exp` is good for from now on.
    pub default_life: u64,
    /// Whether `iss` must be there. Where it is, it must be the issuer's name in any case.
    pub iss_required: bool,
}

/// The caller that the answer `claims` about a token makes, on the terms of the `issuer` that was asked.
///
/// The subject is `sub`, or `username` without it, or the client without either (RFC 7662 §2.2): `username` before
/// the client, for else all users of one client would be one caller.
///
/// # Errors
/// `TokenInactive` for `active: false`. `VerificationUnavailable` for what is no answer: no JSON object, a name
/// twice, an `active` that is not a boolean. Else the first [`Refusal`] that would be true of a token with such
/// claims.
pub fn accept_claims(issuer: &Issuer, claims: &[u8], now: UnixTime, terms: ClaimTerms) -> Result<Caller, Refusal> {
    if claims.len() > MAX_ANSWER {
        return Err(Refusal::VerificationUnavailable);
    }
    let is_unreadable = |refusal| refusal == Refusal::TokenUnreadable;
    let claims = Claims::read(claims)
        .map_err(|refusal| if is_unreadable(refusal) { Refusal::VerificationUnavailable } else { refusal })?;
    match claims.get("active") {
        Some(Json::Bool(true)) => {}
        Some(Json::Bool(false)) => return Err(Refusal::TokenInactive),
        _ => return Err(Refusal::VerificationUnavailable),
    }
    match claims.issuer()? {
        Some(name) if *name == *issuer.name => {}
        None if !terms.iss_required => {}
        _ => return Err(Refusal::TokenIssuerUnknown),
    }
    let expires = claims.time("exp")?.unwrap_or_else(|| now.plus(terms.default_life));
    let names = [claims.name("sub")?, claims.name("username")?, claims.client_id()?];
    let subject = names.into_iter().flatten().next().ok_or(Refusal::TokenClaimsInvalid)?;
    claims.caller_as(subject, expires, issuer, now)
}
