//! DPoP proofs: that the sender of a request has the key its token is bound to (RFC 9449 §4).

use aws_lc_rs::digest::{Context, SHA256};

use super::algorithm::Algorithm;
use super::binding::Presented;
use super::claims::time;
use super::compact::Compact;
use super::header::protected;
use super::jwk::{Key, thumbprint};
use super::nonce::Nonces;
use super::thumbprint::Thumbprint;
use super::url::is_same_resource;
use super::value::{Json, Object};
use crate::caller::UnixTime;
use crate::message::agreement::Field;
use crate::refusal::Refusal;

/// The longest proof that is looked at, in bytes. One with an RSA key of 8192 bits has some 3000.
pub const MAX_PROOF: usize = 8 * 1024;
/// The longest `jti` of a proof, in bytes.
const MAX_JTI: usize = 256;
/// The type of a proof (RFC 9449 §4.2).
const TYP: &str = "dpop+jwt";

/// The terms on which proofs are accepted.
#[derive(Debug, Clone)]
pub struct DpopTerms {
    /// Whether every token must be bound to a DPoP key.
    pub required: bool,
    /// How many seconds old a proof may be.
    pub max_age: u64,
    /// By how many seconds the clocks may differ.
    pub leeway: u64,
    /// The algorithms a proof may be signed with. Those with a shared secret are never accepted.
    pub algorithms: Box<[Algorithm]>,
    /// Whether proofs must contain a nonce of this gateway.
    pub nonce: NonceRule,
}

/// Whether proofs must contain a nonce of this gateway (RFC 9449 §9).
#[derive(Debug, Clone, Default)]
pub enum NonceRule {
    /// They need none; one that they have is not looked at.
    #[default]
    Off,
    /// They must have one of these.
    Required(Nonces),
}

impl NonceRule {
    /// The nonce to be told with each answer, for `DPoP-Nonce`.
    #[must_use]
    pub fn fresh(&self, now: UnixTime) -> Option<String> {
        match self {
            Self::Off => None,
            Self::Required(nonces) => Some(nonces.fresh(now)),
        }
    }
}

impl Default for DpopTerms {
    /// Proofs where tokens need them, five minutes old at most, every asymmetric algorithm, no nonce.
    fn default() -> Self {
        Self {
            required: false,
            max_age: 300,
            leeway: 60,
            algorithms: Algorithm::ASYMMETRIC.into(),
            nonce: NonceRule::Off,
        }
    }
}

/// What tells a proof from every other, so that its second use can be noticed (RFC 9449 §11.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofId {
    /// `jti`, unique among the proofs of one key.
    pub jti: Box<str>,
    /// The thumbprint of the key that made the proof.
    pub key: Box<str>,
    /// `iat`.
    pub issued: UnixTime,
    /// From this time on the proof is too old anyway and need not be remembered.
    pub forget: UnixTime,
}

impl ProofId {
    /// What to remember a proof by: the SHA-256 of its key's thumbprint and its `jti`.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        // INVARIANT: a thumbprint has always the same length, so no two pairs write the same bytes.
        context.update(self.key.as_bytes());
        context.update(self.jti.as_bytes());
        let mut octets = [0; 32];
        octets.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        octets
    }
}

/// The checks of RFC 9449 §4.3, for a token bound to the key with the thumbprint `jkt`.
pub(super) fn check(
    jkt: &str,
    presented: &Presented<'_>,
    now: UnixTime,
    terms: &DpopTerms,
) -> Result<ProofId, Refusal> {
    let Field::Once(proof) = presented.dpop else { return Err(Refusal::DpopProofInvalid) };
    let (thumbprint, payload) = signed(proof, terms).ok_or(Refusal::DpopProofInvalid)?;
    if thumbprint.as_str() != jkt {
        return Err(Refusal::TokenUnbound);
    }
    let claims = Json::read_object(&payload).map_err(|_| Refusal::DpopProofInvalid)?;
    let told = Told::read(&claims).ok_or(Refusal::DpopProofInvalid)?;
    if !told.is_about(presented) || !told.is_recent(now, terms) {
        return Err(Refusal::DpopProofInvalid);
    }
    // The nonce last: a proof that is wrong otherwise would not get better by it.
    if let NonceRule::Required(nonces) = &terms.nonce
        && !told.nonce.is_some_and(|nonce| nonces.accepts(nonce, now))
    {
        return Err(Refusal::DpopNonceRequired);
    }
    Ok(ProofId {
        jti: Box::from(told.jti),
        key: Box::from(thumbprint.as_str()),
        issued: told.issued,
        forget: told.issued.plus(terms.max_age).plus(1),
    })
}

/// The payload of a proof that is signed by the key it contains, and that key's thumbprint.
fn signed(proof: &[u8], terms: &DpopTerms) -> Option<(Thumbprint, Vec<u8>)> {
    let proof = std::str::from_utf8(proof).ok().filter(|proof| proof.len() <= MAX_PROOF)?;
    let proof = Compact::read(proof).ok()?;
    let header = protected(&proof.header).ok()?;
    if header.get("typ")?.as_str()? != TYP || header.has("cty") {
        return None;
    }
    let algorithm = header.get("alg")?.as_str()?.parse().ok()?;
    if !terms.algorithms.contains(&algorithm) || !Algorithm::ASYMMETRIC.contains(&algorithm) {
        return None;
    }
    // Refuses symmetric keys and private ones, and those that are meant for something else.
    let jwk = header.get("jwk")?;
    let (key, Json::Object(members)) = (Key::of_jwk(jwk).ok()?, jwk) else { return None };
    let is_signed = key.verifier(algorithm)?.accepts(proof.signed.as_bytes(), &proof.signature);
    is_signed.then_some(())?;
    Some((thumbprint(members)?, proof.payload))
}

/// What a proof says.
struct Told<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    ath: &'a str,
    issued: UnixTime,
    starts: Option<UnixTime>,
    expires: Option<UnixTime>,
    nonce: Option<&'a str>,
}

impl<'a> Told<'a> {
    fn read(claims: &'a Object<'_>) -> Option<Self> {
        let text = |name: &str| claims.get(name)?.as_str();
        let jti = text("jti").filter(|jti| !jti.is_empty() && jti.len() <= MAX_JTI)?;
        let nonce = match claims.get("nonce") {
            Some(nonce) => Some(nonce.as_str()?),
            None => None,
        };
        Some(Self {
            jti: Some(jti).filter(|jti| !jti.contains(char::is_control))?,
            htm: text("htm")?,
            htu: text("htu")?,
            ath: text("ath")?,
            issued: time(claims, "iat").ok()??,
            starts: time(claims, "nbf").ok()?,
            expires: time(claims, "exp").ok()?,
            nonce,
        })
    }

    /// Whether it was made for this request and this token.
    fn is_about(&self, presented: &Presented<'_>) -> bool {
        self.htm == presented.method
            && is_same_resource(self.htu, presented.url)
            && self.ath == Thumbprint::of(presented.token.expose().as_bytes()).as_str()
    }

    /// Whether it was made lately. A proof needs no `exp` and no `nbf`; one that has them means them.
    fn is_recent(&self, now: UnixTime, terms: &DpopTerms) -> bool {
        let starts = [Some(self.issued), self.starts];
        starts.into_iter().flatten().all(|start| start <= now.plus(terms.leeway))
            && now <= self.issued.plus(terms.max_age)
            && self.expires.is_none_or(|expires| now < expires.plus(terms.leeway))
    }
}
