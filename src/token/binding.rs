//! Whether a token was presented by the one it is bound to (RFC 9449 §7, RFC 8705 §3).

use super::bearer::{Bearer, Scheme};
use super::dpop::{self, DpopTerms, ProofId};
use super::thumbprint::Thumbprint;
use crate::caller::{Caller, Confirmation, UnixTime};
use crate::message::agreement::Field;
use crate::refusal::Refusal;

/// How a token came.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The scheme of `Authorization`.
    pub scheme: Scheme,
    /// The token itself.
    pub token: Bearer<'a>,
    /// The header `DPoP`.
    pub dpop: Field<'a>,
    /// The SHA-256 of the certificate with which the client authenticated itself to the TLS of this connection.
    pub certificate_sha256: Option<[u8; 32]>,
    /// The HTTP method.
    pub method: &'a str,
    /// The endpoint as clients know it, without query and fragment.
    pub url: &'a str,
}

/// Whether the token's key is the one whose proof came with it. The proof's identity is returned, for whoever
/// remembers which proofs were seen; `None` where none was needed.
///
/// # Errors
/// `TokenUnbound` where token and presentation do not belong together, `DpopProofInvalid` and `DpopNonceRequired`
/// where it is the proof that is wrong.
pub fn check_binding(
    caller: &Caller,
    presented: &Presented<'_>,
    now: UnixTime,
    terms: &DpopTerms,
) -> Result<Option<ProofId>, Refusal> {
    match (&caller.confirmation, presented.scheme) {
        (Confirmation::Jwk(jkt), Scheme::Dpop) => dpop::check(jkt, presented, now, terms).map(Some),
        // RFC 9449 §7.1: else a stolen token could be used by leaving the proof away, and a proof could be sent
        // along with a token that it proves nothing of.
        (Confirmation::Jwk(_), Scheme::Bearer) => Err(Refusal::TokenUnbound),
        (Confirmation::None | Confirmation::Certificate(_), Scheme::Dpop) => Err(Refusal::TokenUnbound),
        (Confirmation::None | Confirmation::Certificate(_), Scheme::Bearer) if terms.required => {
            Err(Refusal::TokenUnbound)
        }
        (Confirmation::None, Scheme::Bearer) => Ok(None),
        (Confirmation::Certificate(x5t), Scheme::Bearer) => {
            let ours = presented.certificate_sha256.map(Thumbprint::from_digest);
            let is_bound = ours.is_some_and(|ours| ours.as_str() == &**x5t);
            if is_bound { Ok(None) } else { Err(Refusal::TokenUnbound) }
        }
    }
}
