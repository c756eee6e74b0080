//! Who calls: from the bytes of the `Authorization` header to a verified [`Caller`](crate::caller::Caller).
//!
//! ```text
//! header values, query ── bearer ──▶ Bearer ── verify(issuers, now) ──▶ Caller
//!                                                compact  three canonical base64url segments
//!                                                header   alg, kid, typ; nothing else of it is trusted
//!                                                issuer   chosen by `iss`, never by trial
//!                                                keys     chosen by `kid`, each bound to its algorithms
//!                                                claims   against the time given, never a clock
//!     answer of an introspection ─────────────── accept_claims(issuer, now) ──▶ Caller
//!     Caller, DPoP proof or certificate ── check_binding ──▶ whether the token is in its owner's hands
//!     Caller, Bearer ── Revocations::revokes ──▶ whether it was taken back
//! ```
//!
//! Every doubt is a [`Refusal`](crate::refusal::Refusal) and the first one wins. Nothing that a token names is
//! fetched or trusted.

mod accept;
mod algorithm;
mod bearer;
mod binding;
mod cache;
mod claims;
mod compact;
mod dpop;
mod granted;
mod header;
mod identity;
pub mod introspection;
mod issuer;
mod jwk;
mod keys;
mod kind;
mod mint;
mod nonce;
mod revocation;
mod signing;
mod thumbprint;
mod twin;
mod url;
mod value;
mod verify;

#[cfg(test)]
mod tests;

pub use accept::{ClaimTerms, accept_claims};
pub use algorithm::{Algorithm, AlgorithmUnknown};
pub use bearer::{Bearer, MAX_TOKEN, Scheme, TokenDigest, bearer, presented};
pub use binding::{Presented, check_binding};
pub use cache::Verified;
pub use dpop::{DpopTerms, MAX_PROOF, NonceRule, ProofId};
pub use granted::{Granted, granted};
pub use identity::{Identity, IdentityHeaderError, IdentityHeaders, check_name, mint_identity};
pub use issuer::{Issuer, Issuers, IssuersError, TypRule};
pub use jwk::SkipReason;
pub use keys::{KeySet, KeySetError, SkippedKey};
pub use mint::{Mint, mint_hs256, mint_signed};
pub use nonce::Nonces;
pub use revocation::Revocations;
pub use signing::{SigningFailed, SigningKey, SigningKeyError};
pub use verify::{claimed_issuer, verify};
