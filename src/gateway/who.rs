//! Who calls: the token of a request, verified, and in the hands it is bound to.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::Gateway;
use super::client::{Client, Head};
use super::headers::DPOP;
use super::known::Known;
use crate::caller::{Caller, UnixTime};
use crate::refusal::Refusal;
use crate::remote::Route;
use crate::revoked::{Ear, Revoked, Watch};
use crate::token::{self, Bearer, DpopTerms, Issuers, Presented, ProofId, Scheme, Verified};

/// Who calls.
pub struct Who {
    /// The caller.
    pub known: Arc<Known>,
    /// The list of what is revoked that it was last held against.
    pub revocations: u64,
}

/// The caller of this request, which came at `now` (RFC 6750 §2.1: by the header, and nothing but the header).
///
/// # Errors
/// Why it is nobody.
pub async fn who(gateway: &Gateway, client: &Client, now: UnixTime) -> Result<Who, Refusal> {
    let head = client.head();
    let (scheme, bearer) = presented(head)?;
    let presented = Presented {
        scheme,
        token: bearer,
        dpop: head.fields.field(DPOP),
        certificate_sha256: client.certificate(),
        method: head.method.as_str(),
        url: &gateway.config.resource,
    };
    let caller = verified(gateway, &bearer, &presented, now).await;
    match &caller {
        Ok(who) => gateway.report.verified(Some(&*who.known.issuer), None),
        Err(refusal) => {
            let issuers = gateway.verifier.ring().issuers();
            let claimed = token::claimed_issuer(&bearer, &issuers).map(|issuer| &*issuer.name);
            gateway.report.verified(claimed, Some(*refusal));
        }
    }
    caller
}

/// The token of this request, and how it came.
///
/// # Errors
/// Why there is none.
pub fn presented(head: &Head) -> Result<(Scheme, Bearer<'_>), Refusal> {
    token::presented(head.fields.all("authorization"), head.uri.query())
}

/// Watches over the caller of this request, and the token it came with, from the list of `revocations` on that it was
/// held against.
#[must_use]
pub fn watch<'a>(
    revoked: &'a Revoked,
    caller: &'a Caller,
    revocations: u64,
    client: &Client,
    ear: &'a mut Ear,
) -> Watch<'a> {
    revoked.watch(caller, client.head().fields.first_shared("authorization"), revocations, ear)
}

async fn verified(
    gateway: &Gateway,
    bearer: &Bearer<'_>,
    presented: &Presented<'_>,
    now: UnixTime,
) -> Result<Who, Refusal> {
    // Read before the keys are: what is remembered under it was verified by keys at least as new.
    let epoch = gateway.verifier.ring().epoch();
    let remembered = gateway.verified.get(bearer, epoch, now);
    gateway.report.token_remembered(remembered.is_some());
    let known = match remembered {
        Some(known) => known,
        // Apart, so that requests whose token is remembered do not carry room for asking somebody about it.
        None => Box::pin(verify(gateway, bearer, epoch, now)).await?,
    };
    // Read before the list is: one that comes between the two is held against the caller once more.
    let revocations = gateway.revoked.generation();
    // What is remembered was good once: it is asked each time whether it still is.
    if gateway.revoked.revokes(&known, bearer) {
        return Err(Refusal::TokenRevoked);
    }
    if let Some(proof) = token::check_binding(&known, presented, now, &gateway.dpop)? {
        gateway.proofs.use_once(&proof, now)?;
    }
    Ok(Who { known, revocations })
}

async fn verify(gateway: &Gateway, bearer: &Bearer<'_>, epoch: u64, now: UnixTime) -> Result<Arc<Known>, Refusal> {
    let caller = gateway.verifier.verify(bearer, now).await?;
    gateway.recent.note(&caller, now);
    let issuers = gateway.verifier.ring().issuers();
    let verified = Verified::by_signature(&caller, leeway(&issuers, &caller), epoch);
    let known = Arc::new(Known::new(caller, verified));
    // What was asked for is remembered by whoever asked, for as long as the operator says.
    if let Route::Keys = gateway.verifier.route(bearer, &issuers) {
        gateway.verified.put(bearer, Arc::clone(&known));
    }
    Ok(known)
}

/// By how many seconds the clock of the caller's issuer may differ.
fn leeway(issuers: &Issuers, caller: &Caller) -> u64 {
    issuers.iter().find(|issuer| issuer.name == caller.issuer).map_or(0, |issuer| issuer.leeway)
}

/// The DPoP proofs that were used and could still be used again (RFC 9449 §11.1).
///
/// They are held in two halves that take turns, so that old ones are forgotten all at once.
pub struct Proofs {
    /// The least time, in seconds, that a proof is remembered: no proof is good for longer.
    window: u64,
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    current: HashSet<[u8; 32]>,
    previous: HashSet<[u8; 32]>,
    turn: Option<UnixTime>,
}

/// The most proofs of one half: some 500 a second.
const MOST_PROOFS: usize = 200_000;

impl Proofs {
    /// A memory for proofs on these terms.
    #[must_use]
    pub fn new(terms: &DpopTerms) -> Self {
        // One from a clock ahead of ours is good for longer by as much.
        let window = terms.max_age.saturating_add(terms.leeway).saturating_add(terms.leeway);
        Self { window, halves: Mutex::default() }
    }

    /// Remembers a proof.
    ///
    /// # Errors
    /// [`Refusal::DpopProofInvalid`] if it was used before; [`Refusal::Overloaded`] if no more can be remembered,
    /// so that nobody can make room for a replay.
    pub fn use_once(&self, proof: &ProofId, now: UnixTime) -> Result<(), Refusal> {
        let mut halves = self.halves.lock().map_err(|_| Refusal::Overloaded)?;
        let turn = *halves.turn.get_or_insert_with(|| now.plus(self.window));
        if now >= turn {
            halves.previous = std::mem::take(&mut halves.current);
            halves.turn = Some(now.plus(self.window));
        }
        let digest = proof.digest();
        if halves.current.contains(&digest) || halves.previous.contains(&digest) {
            return Err(Refusal::DpopProofInvalid);
        }
        if halves.current.len() >= MOST_PROOFS {
            return Err(Refusal::Overloaded);
        }
        halves.current.insert(digest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(jti: &str) -> ProofId {
        ProofId { jti: jti.into(), key: "key".into(), issued: UnixTime(1), forget: UnixTime(100) }
    }

    fn proofs() -> Proofs {
        Proofs::new(&DpopTerms { max_age: 80, leeway: 10, ..DpopTerms::default() })
    }

    #[test]
    fn a_proof_is_good_once_for_as_long_as_it_could_be_good() {
        let proofs = proofs();
        assert_eq!(proofs.use_once(&proof("a"), UnixTime(1)), Ok(()));
        assert_eq!(proofs.use_once(&proof("b"), UnixTime(100)), Ok(()));
        for now in [1, 2, 100, 101, 199] {
            assert_eq!(proofs.use_once(&proof("a"), UnixTime(now)), Err(Refusal::DpopProofInvalid), "{now}");
        }
        for now in [101, 199, 200] {
            assert_eq!(proofs.use_once(&proof("b"), UnixTime(now)), Err(Refusal::DpopProofInvalid), "{now}");
        }
    }

    #[test]
    fn what_is_too_old_to_be_used_again_makes_room() {
        let proofs = proofs();
        for number in 0..MOST_PROOFS {
            proofs.use_once(&proof(&number.to_string()), UnixTime(1)).unwrap();
        }
        assert_eq!(proofs.use_once(&proof("new"), UnixTime(100)), Err(Refusal::Overloaded));
        assert_eq!(proofs.use_once(&proof("0"), UnixTime(100)), Err(Refusal::DpopProofInvalid));
        assert_eq!(proofs.use_once(&proof("new"), UnixTime(101)), Ok(()));
    }
}
