//! Identifiers of sessions and of events, bound to their owner.
//!
//! The upstream knows no callers, so it would serve a session to anyone who holds its identifier (MCP security
//! best practices, "Session Hijacking"), and replay a stream to anyone who knows one of its events. What the caller
//! gets is the upstream's identifier sealed for him: in another caller's hands it is none at all. Nothing is stored;
//! replicas with the same key agree. [`task`] does the same for tasks.

pub mod task;

use aws_lc_rs::aead::LessSafeKey;
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
    /// For tasks. Without it, which cannot be, no task is anybody's.
    hiding: Option<LessSafeKey>,
}

impl Sealer {
    /// A sealer with this key, which all replicas share.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Self { hiding: task::hiding(&key), key }
    }

    /// The identifier `id` of the upstream, as this caller gets to see it.
    ///
    /// None if `id` is not visible ASCII (MCP 2025-11-25, transports, "Session Management").
    #[must_use]
    pub fn seal(&self, owner: &Caller, id: &str) -> Option<String> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let sealed = seal(self.context("session", owner), id.as_bytes());
        String::from_utf8(sealed).ok()
    }

    /// The upstream's identifier, if `sealed` was sealed for this caller.
    #[must_use]
    pub fn unseal<'a>(&self, owner: &Caller, sealed: &'a str) -> Option<&'a str> {
        let id = unseal(self.context("session", owner), sealed.as_bytes())?;
        std::str::from_utf8(id).ok()
    }

    /// What seals the events of this caller's streams in the upstream's session `session`, or outside of any.
    ///
    /// Where a server has no sessions, its event identifiers are unique for "that specific client" (MCP 2025-11-25,
    /// transports, "Resumability and Redelivery"), and so they are sealed.
    #[must_use]
    pub fn events(&self, owner: &Caller, session: Option<&str>) -> EventSealer {
        let mut context = self.context("event", owner);
        add(&mut context, session.map(str::as_bytes));
        EventSealer { context }
    }

    fn context(&self, purpose: &str, owner: &Caller) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.key);
        let client = owner.client_id.as_deref();
        for part in [Some(purpose), Some(&*owner.issuer), Some(&*owner.subject), client] {
            add(&mut context, part.map(str::as_bytes));
        }
        context
    }
}

/// Seals and unseals the identifiers of events.
///
/// A client sends one back as `Last-Event-ID` to get what came after it, on whatever stream that was. They are
/// opaque to clients; what they get is as good an identifier: without NUL, CR and LF, if the server's is.
pub struct EventSealer {
    context: hmac::Context,
}

impl EventSealer {
    /// The identifier `id` of an event, as this caller gets to see it. White space around it does not count: no
    /// header could carry it back.
    ///
    /// None for an empty one, which says that there is none (HTML, "Server-sent events").
    #[must_use]
    pub fn seal(&self, id: &[u8]) -> Option<Vec<u8>> {
        let id = id.trim_ascii();
        (!id.is_empty()).then(|| seal(self.context.clone(), id))
    }

    /// The upstream's identifier, if `sealed` was sealed for this caller and session.
    #[must_use]
    pub fn unseal<'a>(&self, sealed: &'a [u8]) -> Option<&'a [u8]> {
        unseal(self.context.clone(), sealed)
    }
}

/// INVARIANT: every part is preceded by its length, so that no two lists of parts write the same bytes.
fn add(context: &mut hmac::Context, part: Option<&[u8]>) {
    let length = part.map_or(u64::MAX, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    context.update(&length.to_be_bytes());
    context.update(part.unwrap_or_default());
}

/// The tag over all of `context` and `id`, as text, a dot, and `id` itself.
fn seal(mut context: hmac::Context, id: &[u8]) -> Vec<u8> {
    add(&mut context, Some(id));
    let tag = context.sign();
    let mut sealed = URL_SAFE_NO_PAD.encode(tag.as_ref().get(..SEAL).unwrap_or_default()).into_bytes();
    sealed.push(b'.');
    sealed.extend_from_slice(id);
    sealed
}

fn unseal(mut context: hmac::Context, sealed: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = sealed.split_at_checked(SEAL_TEXT)?;
    let id = rest.strip_prefix(b".")?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    add(&mut context, Some(id));
    constant_time::verify_slices_are_equal(context.sign().as_ref().get(..SEAL)?, &tag).ok()?;
    Some(id)
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
    fn an_event_is_known_to_its_caller_in_its_session_alone() {
        let sealer = Sealer::new(b"k");
        let alice = caller("i", "alice", None);
        for id in ["e-7", "a b:c", "\u{e9}", "1"] {
            let sealed = sealer.events(&alice, Some("s")).seal(id.as_bytes()).unwrap();
            let unsealed = |sealer: &Sealer, owner: &Caller, session| {
                sealer.events(owner, session).unseal(&sealed).map(<[u8]>::to_vec)
            };
            assert_eq!(unsealed(&sealer, &alice, Some("s")), Some(id.as_bytes().to_vec()));
            assert_eq!(unsealed(&Sealer::new(b"k"), &alice, Some("s")), Some(id.as_bytes().to_vec()));
            assert_eq!(unsealed(&sealer, &alice, Some("t")), None);
            assert_eq!(unsealed(&sealer, &alice, Some("")), None);
            assert_eq!(unsealed(&sealer, &alice, None), None);
            assert_eq!(unsealed(&sealer, &caller("i", "bob", None), Some("s")), None);
            assert_eq!(unsealed(&sealer, &caller("i", "alice", Some("s")), None), None);
            assert_eq!(unsealed(&Sealer::new(b"l"), &alice, Some("s")), None);
            assert_eq!(sealer.events(&alice, Some("s")).unseal(id.as_bytes()), None);
        }
        // A session is no event, and an event no session.
        let session = sealer.seal(&alice, "x").unwrap();
        assert_eq!(sealer.events(&alice, None).unseal(session.as_bytes()), None);
        let event = sealer.events(&alice, None).seal(b"x").unwrap();
        assert_eq!(sealer.unseal(&alice, std::str::from_utf8(&event).unwrap()), None);
    }

    #[test]
    fn a_sealed_event_survives_the_way_through_a_header() {
        let events = Sealer::new(b"k").events(&caller("i", "alice", None), None);
        let sealed = events.seal(b" \te 7 ").unwrap();
        assert_eq!(sealed.trim_ascii(), sealed);
        assert_eq!(events.unseal(&sealed), Some(&b"e 7"[..]));
        assert!(sealed.iter().all(|byte| !matches!(byte, 0 | b'\r' | b'\n')));
        assert_eq!(events.seal(b""), None);
        assert_eq!(events.seal(b"  "), None);
    }

    #[test]
    fn an_identifier_that_is_no_header_value_is_not_sealed() {
        let owner = caller("i", "alice", None);
        for id in ["", "a b", "a\n", "é", "\u{7f}"] {
            assert_eq!(Sealer::new(b"k").seal(&owner, id), None, "{id:?}");
        }
    }
}
