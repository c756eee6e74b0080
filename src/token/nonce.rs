//! Nonces for DPoP proofs (RFC 9449 §8): made of the time alone, so that nothing is stored and replicas with the
//! same key agree.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::caller::UnixTime;

/// Bytes of a nonce: 128 bits.
const LENGTH: usize = 16;

/// Makes nonces and knows them again. Its `Debug` does not show the key.
#[derive(Clone)]
pub struct Nonces {
    key: Box<hmac::Key>,
    life: u64,
}

impl Nonces {
    /// Nonces under this key, each good for `life` seconds at least and twice that at most; `life` is 1 or more.
    #[must_use]
    pub fn new(key: &[u8], life: u64) -> Self {
        Self { key: Box::new(hmac::Key::new(hmac::HMAC_SHA256, key)), life: life.max(1) }
    }

    /// The nonce to be told at this time, for the header `DPoP-Nonce`.
    #[must_use]
    pub fn fresh(&self, now: UnixTime) -> String {
        self.of_window(self.window(now))
    }

    /// Whether `nonce` is the one of this time or of the window before it.
    #[must_use]
    pub fn accepts(&self, nonce: &str, now: UnixTime) -> bool {
        let this = self.window(now);
        [Some(this), this.checked_sub(1)].into_iter().flatten().any(|window| {
            let ours = self.of_window(window);
            constant_time::verify_slices_are_equal(ours.as_bytes(), nonce.as_bytes()).is_ok()
        })
    }

    const fn window(&self, now: UnixTime) -> u64 {
        match now.0.checked_div(self.life) {
            Some(window) => window,
            None => 0,
        }
    }

    fn of_window(&self, window: u64) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"dpop-nonce");
        context.update(&window.to_be_bytes());
        let tag = context.sign();
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..LENGTH).unwrap_or_default())
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("life", &self.life).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_its_window_and_the_next() {
        let nonces = Nonces::new(b"0123456789abcdef0123456789abcdef", 60);
        let nonce = nonces.fresh(UnixTime(6000));
        for (now, expected) in [(5999, false), (6000, true), (6059, true), (6119, true), (6120, false), (0, false)]
        {
            assert_eq!(nonces.accepts(&nonce, UnixTime(now)), expected, "{now}");
        }
        assert_eq!(nonces.fresh(UnixTime(6059)), nonce);
        assert_ne!(nonces.fresh(UnixTime(6060)), nonce);
        assert!(nonces.accepts(&nonces.fresh(UnixTime(0)), UnixTime(0)));
        assert!(nonces.accepts(&nonces.fresh(UnixTime(u64::MAX)), UnixTime(u64::MAX)));
    }

    #[test]
    fn no_other_text_is_a_nonce() {
        let nonces = Nonces::new(b"0123456789abcdef0123456789abcdef", 60);
        let (now, nonce) = (UnixTime(6000), nonces.fresh(UnixTime(6000)));
        let (_, cut) = nonce.split_at(1);
        for text in ["", "A", cut, &format!("{nonce}="), &format!("{nonce}A"), &nonce.to_lowercase()] {
            assert!(!nonces.accepts(text, now), "{text}");
        }
        assert!(!Nonces::new(b"another", 60).accepts(&nonce, now));
        assert!(nonces.accepts(&Nonces::new(b"0123456789abcdef0123456789abcdef", 60).fresh(now), now));
    }

    #[test]
    fn a_life_of_nothing_is_a_second() {
        let nonces = Nonces::new(b"k", 0);
        assert!(nonces.accepts(&nonces.fresh(UnixTime(7)), UnixTime(8)));
        assert!(!nonces.accepts(&nonces.fresh(UnixTime(7)), UnixTime(9)));
    }

    #[test]
    fn debug_does_not_show_the_key() {
        assert_eq!(format!("{:?}", Nonces::new(b"k", 60)), "Nonces { life: 60, .. }");
    }
}
