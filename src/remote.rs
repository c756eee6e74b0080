//! What is asked over the network about tokens: keys, introspection, a verifier of the operator's, other tokens.
//!
//! Nothing that a caller sends decides whom is asked: providers are those of the configuration, and the places they
//! publish under their own name.

mod client;
mod discovery;
mod document;
pub mod exchange;
#[cfg(test)]
mod fake;
mod fetched;
mod files;
pub mod http;
pub mod introspect;
mod memory;
mod ring;
mod runtime;
mod schedule;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::caller::{Caller, UnixTime};
use crate::refusal::Refusal;
use crate::report::metrics::Metrics;
use crate::settings::IssuerSettings;
use crate::token::{self, Bearer, Issuer, Issuers, claimed_issuer};
pub use discovery::{Metadata, Undiscovered, discover};
use document::Document;
pub use exchange::Exchanger;
pub use introspect::Introspector;
pub use ring::KeyRing;
pub use runtime::Runtime;

/// Who has the say about a token.
pub enum Route<'a> {
    /// The keys of the issuer it names.
    Keys,
    /// Whom this issuer has asked.
    Asked(&'a Introspector, &'a Issuer),
    /// Nobody: its issuer answers for other tokens alone.
    Nobody,
}

/// Verifies tokens, by keys or by asking.
pub struct Verifier {
    ring: Arc<KeyRing>,
    asked: Box<[Introspector]>,
}

impl Verifier {
    /// A verifier for these issuers, whose keys are on the ring.
    ///
    /// # Errors
    /// What is wrong with a `ca_file`.
    pub fn new(ring: Arc<KeyRing>, settings: &[IssuerSettings], metrics: &Arc<Metrics>) -> Result<Self, String> {
        let mut asked = Vec::new();
        for issuer in settings {
            asked.extend(
                Introspector::new(issuer, metrics).map_err(|no| format!("issuer `{}`: {no}", issuer.name()))?,
            );
        }
        Ok(Self { ring, asked: asked.into() })
    }

    /// The keys.
    #[must_use]
    pub const fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// Verifies a token: chooses who has the say about it, and asks again where a key is not known yet.
    ///
    /// # Errors
    /// The first [`Refusal`] that is true of it; [`Refusal::KeysUnavailable`] and
    /// [`Refusal::VerificationUnavailable`] are about the gateway.
    pub async fn verify(&self, bearer: &Bearer<'_>, now: UnixTime) -> Result<Caller, Refusal> {
        let issuers = self.ring.issuers();
        match self.route(bearer, &issuers) {
            Route::Asked(introspector, issuer) => introspector.check(bearer, issuer, now).await,
            Route::Keys => self.by_keys(bearer, &issuers, now).await,
            Route::Nobody => Err(Refusal::TokenTypeWrong),
        }
    }

    /// Who has the say about this token.
    #[must_use]
    pub fn route<'a>(&'a self, bearer: &Bearer<'_>, issuers: &'a Issuers) -> Route<'a> {
        if self.asked.is_empty() {
            return Route::Keys;
        }
        let asked = |introspector: &'a Introspector| {
            let issuer = issuers.iter().find(|issuer| *issuer.name == *introspector.issuer());
            issuer.map_or(Route::Nobody, |issuer| Route::Asked(introspector, issuer))
        };
        if !is_jwt(bearer) {
            // The settings see to it that there is one at most.
            return self.asked.iter().find(|one| one.asked().takes_opaque).map_or(Route::Keys, asked);
        }
        let Some(claimed) = claimed_issuer(bearer, issuers) else { return Route::Keys };
        match self.asked.iter().find(|one| *one.issuer() == *claimed.name) {
            Some(one) if one.asked().takes_jwt => asked(one),
            // No keys now, and none to come.
            Some(_) if claimed.keys.is_none() && !self.ring.has_source(&claimed.name) => Route::Nobody,
            _ => Route::Keys,
        }
    }

    async fn by_keys(&self, bearer: &Bearer<'_>, issuers: &Arc<Issuers>, now: UnixTime) -> Result<Caller, Refusal> {
        let verified = token::verify(bearer, issuers, now);
        if verified.as_ref().err() != Some(&Refusal::TokenKeyUnknown) {
            return verified;
        }
        let Some(claimed) = claimed_issuer(bearer, issuers) else { return verified };
        self.ring.unknown_key(&claimed.name).await;
        let renewed = self.ring.issuers();
        // Also where another fetch was faster.
        if Arc::ptr_eq(issuers, &renewed) { verified } else { token::verify(bearer, &renewed, now) }
    }
}

/// Whether a token looks like a signed JWT: three segments of base64url, the first of them a JSON object.
fn is_jwt(bearer: &Bearer<'_>) -> bool {
    let segments: Vec<&str> = bearer.expose().split('.').collect();
    let [header, _, _] = segments.as_slice() else { return false };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_segment = |text: &&str| !text.is_empty() && text.bytes().all(is_letter);
    let header = URL_SAFE_NO_PAD.decode(header).ok();
    segments.iter().all(is_segment) && header.is_some_and(|header| Document::read(&header).is_ok())
}

#[cfg(test)]
mod tests;
