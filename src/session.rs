//! Session identifiers bound to their owner.
//!
//! The upstream knows no callers, so it would serve a session to anyone who holds its identifier (MCP security
//! best practices, "Session Hijacking"). What the caller gets is the upstream's identifier sealed for him: in
//! another caller's hands it is no session at all. Nothing is stored; replicas with the same key agree.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::caller::Caller;

/// Bytes of the seal that are kept: 128 bits.
const SEAL: usize = 16;
/// The same as base64url text.
const SEAL_TEXT: usize = 22;

/// Seals and unseals identifiers.
pub struct Sealer {
    key: hmac::Key,
}

impl Sealer {
    /// A sealer with this key, which all replicas share.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// The identifier `id` of the upstream, as this caller gets to see it.
    ///
    /// None if `id` is not visible ASCII (MCP 2025-11-25, transports, "Session Management").
    #[must_use]
    pub fn seal(&self, owner: &Caller, id: &str) -> Option<String> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut sealed = URL_SAFE_NO_PAD.encode(self.tag(owner, id).as_ref().get(..SEAL)?);
        sealed.push('.');
        sealed.push_str(id);
        Some(sealed)
    }

    /// The upstream's identifier, if `sealed` was sealed for this caller.
    #[must_use]
    pub fn unseal<'a>(&self, owner: &Caller, sealed: &'a str) -> Option<&'a str> {
        let (seal, rest) = sealed.split_at_checked(SEAL_TEXT)?;
        let id = rest.strip_prefix('.')?;
        let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
        let tag = self.tag(owner, id);
        constant_time::verify_slices_are_equal(tag.as_ref().get(..SEAL)?, &seal).ok()?;
        Some(id)
    }

    fn tag(&self, owner: &Caller, id: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        let client = owner.client_id.as_deref();
        // INVARIANT: every part is preceded by its length, so that no two owners write the same bytes.
        for part in [Some("session"), Some(&*owner.issuer), Some(&*owner.subject), client, Some(id)] {
            let length = part.map_or(u64::MAX, |text| u64::try_from(text.len()).unwrap_or(u64::MAX));
            context.update(&length.to_be_bytes());
            context.update(part.unwrap_or_default().as_bytes());
        }
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::UnixTime;

    fn caller(issuer: &str, subject: &str, client_id: Option<&str>) -> Caller {
        Caller { client_id: client_id.map(Into::into), ..Caller::new(issuer, subject, UnixTime(1)) }
    }

    #[test]
    fn only_the_owner_can_unseal() {
        let sealer = Sealer::new(b"0123456789abcdef0123456789abcdef");
        let owner = caller("i", "alice", None);
        let sealed = sealer.seal(&owner, "abc.def").unwrap();
        assert_eq!(sealer.unseal(&owner, &sealed), Some("abc.def"));
        for other in [
            caller("i", "bob", None),
            caller("j", "alice", None),
            caller("i", "alice", Some("app")),
            caller("i", "alice", Some("")),
            caller("ia", "lice", None),
        ] {
            assert_eq!(sealer.unseal(&other, &sealed), None, "{other:?}");
        }
        assert_eq!(Sealer::new(b"another").unseal(&owner, &sealed), None);
        assert_eq!(Sealer::new(b"0123456789abcdef0123456789abcdef").unseal(&owner, &sealed), Some("abc.def"));
    }

    #[test]
    fn no_changed_byte_is_accepted() {
        let sealer = Sealer::new(b"k");
        let owner = caller("i", "alice", None);
        let sealed = sealer.seal(&owner, "abcdef").unwrap();
        for at in 0..sealed.len() {
            for flip in [1, 2, 4, 8, 16, 32] {
                let mut bytes = sealed.clone().into_bytes();
                bytes[at] ^= flip;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert_eq!(sealer.unseal(&owner, &changed), None, "{changed}");
            }
        }
        for text in ["", ".", "abcdef", sealed.get(1..).unwrap(), &format!("{sealed}x"), "é".repeat(20).as_str()] {
            assert_eq!(sealer.unseal(&owner, text), None, "{text}");
        }
    }

    #[test]
    fn an_identifier_that_is_no_header_value_is_not_sealed() {
        let owner = caller("i", "alice", None);
        for id in ["", "a b", "a\n", "é", "\u{7f}"] {
            assert_eq!(Sealer::new(b"k").seal(&owner, id), None, "{id:?}");
        }
    }
}
