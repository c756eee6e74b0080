//! From a bearer token to its caller: the only way there is.

use super::bearer::Bearer;
use super::claims::Claims;
use super::compact::Compact;
use super::header::Header;
use super::issuer::{Issuer, Issuers};
use crate::caller::{Caller, UnixTime};
use crate::refusal::Refusal;

/// Verifies a token: its form, its kind, its issuer, its algorithm, its signature and its claims, in this order.
///
/// A token that is bound to a key makes a caller whose `confirmation` says so; whether the key's proof came with it
/// is [`check_binding`](super::check_binding)'s to say.
///
/// # Errors
/// The first [`Refusal`] that is true of it. [`Refusal::KeysUnavailable`] is about the gateway, all others are about
/// the token.
pub fn verify(bearer: &Bearer<'_>, issuers: &Issuers, now: UnixTime) -> Result<Caller, Refusal> {
    let token = Compact::read(bearer.expose())?;
    let header = Header::read(&token.header)?;
    let claims = Claims::read(&token.payload)?;
    let issuer = issuers.of(claims.issuer()?)?;
    if !issuer.accept_typ.accepts(header.typ) {
        return Err(Refusal::TokenTypeWrong);
    }
    let algorithm = issuer.algorithm(&header.algorithm)?;
    let keys = issuer.keys.as_deref().ok_or(Refusal::KeysUnavailable)?;
    keys.verify(algorithm, header.kid.as_deref(), token.signed.as_bytes(), &token.signature)?;
    claims.caller(issuer, header.typ, now)
}

/// The configured issuer that a token says it is from, whether or not it is.
///
/// For counting refused tokens and for looking for new keys, never for a decision.
#[must_use]
pub fn claimed_issuer<'a>(bearer: &Bearer<'_>, issuers: &'a Issuers) -> Option<&'a Issuer> {
    let token = Compact::read(bearer.expose()).ok()?;
    let claims = Claims::read(&token.payload).ok()?;
    issuers.of(claims.issuer().ok()?).ok()
}
