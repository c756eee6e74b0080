//! What may be remembered of a verified token, and until when.

use crate::caller::{Caller, UnixTime};

/// For how long the caller that a token has made may be used again for the same token.
///
/// It is found by the SHA-256 of the token's whole text. That digest needs no comparison in constant time: whoever
/// could learn it bit by bit would have the digest of a token, and not the token, and a digest opens nothing. Only
/// tokens that were accepted are remembered. A refused one is judged anew each time, for it may be about to become
/// valid, and remembering it would let strangers fill the memory.
///
/// What depends on the request and not on the token alone (its binding to a key, whether it was revoked since) is
/// not part of it and is checked every time.
#[derive(Debug, Clone, Copy)]
pub struct Verified {
    until: UnixTime,
    epoch: u64,
}

impl Verified {
    /// A caller whose token's signature was verified in this epoch, by an issuer with this leeway.
    ///
    /// The epoch is a number that changes whenever the issuers' configuration or a key set of theirs does.
    #[must_use]
    pub fn by_signature(caller: &Caller, leeway: u64, epoch: u64) -> Self {
        let until = caller.expires.plus(leeway);
        Self { until, epoch }
    }

    /// When the token ends, leeway included.
    #[must_use]
    pub const fn until(&self) -> UnixTime {
        self.until
    }

    /// Whether a new verification would still give the same: the token has not expired, and issuers and keys are
    /// those of then.
    #[must_use]
    pub fn is_usable(&self, now: UnixTime, epoch: u64) -> bool {
        self.epoch == epoch && now < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(entry: &Verified, now: u64, epoch: u64, expected: bool) {
        assert_eq!(entry.is_usable(UnixTime(now), epoch), expected, "at {now} in epoch {epoch}");
    }

    fn caller(expires: u64) -> Caller {
        Caller::new("i", "alice", UnixTime(expires))
    }

    #[test]
    fn a_signature_is_good_until_the_token_expires() {
        let entry = Verified::by_signature(&caller(1000), 60, 7);
        for (now, expected) in
            [(0, true), (999, true), (1000, true), (1059, true), (1060, false), (u64::MAX, false)]
        {
            check(&entry, now, 7, expected);
        }
        check(&Verified::by_signature(&caller(1000), 0, 7), 999, 7, true);
        check(&Verified::by_signature(&caller(1000), 0, 7), 1000, 7, false);
        check(&Verified::by_signature(&caller(u64::MAX), u64::MAX, 7), u64::MAX, 7, false);
    }

    #[test]
    fn another_epoch_makes_it_useless() {
        let entry = Verified::by_signature(&caller(1000), 60, 7);
        check(&entry, 0, 6, false);
        check(&entry, 0, 8, false);
        check(&entry, 0, 0, false);
        check(&entry, 0, u64::MAX, false);
    }
}
