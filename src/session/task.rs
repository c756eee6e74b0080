//! Task identifiers bound to their owner, and to what made the task.
//!
//! A server that knows no callers gives a task's state and result to anyone who names it (MCP 2025-11-25, tasks,
//! "Task Isolation and Access Control"; SEP-2663, "Security Implications"). What the caller gets in place of the
//! identifier is a handle: the identifier and the name of what made the task, encrypted and authenticated for this
//! caller. The name is in it so that the policy can be asked again whenever the task is named, by any replica and
//! after any restart.
//!
//! A handle can do something, so it is given out only where it is known whose the task is. Where a server speaks of
//! a task that this caller is not known to own, he gets a *mention*: a text that can be sent back as a remark, and
//! that opens nothing. The server's own identifiers are told to nobody.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Sealer, add};
use crate::caller::Caller;
use crate::policy::Kind;

/// What made a task: the policy is asked about it whenever the task is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// What kind of thing was asked for.
    pub kind: Kind,
    /// Its name.
    pub name: Box<str>,
}

/// A task as its owner may name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What made it; none for a mention.
    pub maker: Option<Maker>,
    /// The server's own identifier.
    pub id: Box<str>,
}

/// A sealer for one owner.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    sealer: &'a Sealer,
    caller: &'a Caller,
}

/// What the sealed texts are for, so that one is never taken for the other.
const TASK: &str = "task";
const CURSOR: &str = "tasks cursor";

/// The key for what must not be read, made of the key for what must not be changed.
pub(super) fn hiding(key: &hmac::Key) -> Option<LessSafeKey> {
    let derived = hmac::sign(key, b"toolgate: identifiers of tasks, AES-256-GCM-SIV");
    UnboundKey::new(&AES_256_GCM_SIV, derived.as_ref()).ok().map(LessSafeKey::new)
}

/// There is one nonce. The mode of RFC 8452 is made for that: it shows whether two texts are the same, which is
/// wanted here. A client must see one task under one handle, whoever sealed it.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

impl Sealer {
    /// This sealer, for one owner.
    #[must_use]
    pub const fn of<'a>(&'a self, caller: &'a Caller) -> Owner<'a> {
        Owner { sealer: self, caller }
    }
}

impl Owner<'_> {
    /// The handle of a task: the same text each time. Without a maker it is a mention.
    #[must_use]
    pub fn seal_task(&self, maker: Option<&Maker>, id: &str) -> Option<String> {
        let name = maker.map(|maker| maker.name.as_bytes()).unwrap_or_default();
        let mut plain = vec![maker.map_or(0, |maker| number(maker.kind))];
        plain.extend_from_slice(&u32::try_from(name.len()).ok()?.to_be_bytes());
        plain.extend_from_slice(name);
        plain.extend_from_slice(id.as_bytes());
        self.hide(TASK, plain)
    }

    /// The task, if `sealed` was sealed for this owner.
    #[must_use]
    pub fn unseal_task(&self, sealed: &str) -> Option<Task> {
        let plain = self.uncover(TASK, sealed)?;
        let (kind, rest) = plain.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (name, id) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        let maker = match kind {
            0 if name.is_empty() => None,
            kind => Some(Maker { kind: kind_of(*kind)?, name: std::str::from_utf8(name).ok()?.into() }),
        };
        Some(Task { maker, id: std::str::from_utf8(id).ok()?.into() })
    }

    /// What the server is asked for in place of what is no handle of this owner: an identifier that no task has.
    #[must_use]
    pub fn no_task(&self, named: &str) -> String {
        format!("toolgate-no-such-task-{}", URL_SAFE_NO_PAD.encode(self.digest("no task", named)))
    }

    /// A cursor of `tasks/list` as this owner gets to see it. Servers make them of identifiers.
    #[must_use]
    pub fn seal_cursor(&self, cursor: &str) -> Option<String> {
        self.hide(CURSOR, cursor.into())
    }

    /// The server's cursor, if `sealed` was sealed for this owner.
    #[must_use]
    pub fn unseal_cursor(&self, sealed: &str) -> Option<String> {
        String::from_utf8(self.uncover(CURSOR, sealed)?).ok()
    }

    /// By what this owner's task is found in a memory.
    #[must_use]
    pub fn digest_of_task(&self, id: &str) -> [u8; 16] {
        self.digest("memory of tasks", id)
    }

    fn digest(&self, purpose: &str, text: &str) -> [u8; 16] {
        let mut context = self.sealer.context(purpose, self.caller);
        add(&mut context, Some(text.as_bytes()));
        let tag = context.sign();
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }

    fn hide(&self, purpose: &str, mut text: Vec<u8>) -> Option<String> {
        let key = self.sealer.hiding.as_ref()?;
        key.seal_in_place_append_tag(
            nonce(),
            Aad::from(self.sealer.context(purpose, self.caller).sign()),
            &mut text,
        )
        .ok()?;
        Some(URL_SAFE_NO_PAD.encode(text))
    }

    fn uncover(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let key = self.sealer.hiding.as_ref()?;
        let mut text = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let length = key
            .open_in_place(nonce(), Aad::from(self.sealer.context(purpose, self.caller).sign()), &mut text)
            .ok()?
            .len();
        text.truncate(length);
        Some(text)
    }
}

const fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Tool => 1,
        Kind::Prompt => 2,
        Kind::Resource => 3,
        Kind::Method => 4,
    }
}

const fn kind_of(number: u8) -> Option<Kind> {
    match number {
        1 => Some(Kind::Tool),
        2 => Some(Kind::Prompt),
        3 => Some(Kind::Resource),
        4 => Some(Kind::Method),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::caller::UnixTime;

    fn caller(issuer: &str, subject: &str, client_id: Option<&str>) -> Caller {
        Caller { client_id: client_id.map(Into::into), ..Caller::new(issuer, subject, UnixTime(1)) }
    }

    fn tool(name: &str) -> Maker {
        Maker { kind: Kind::Tool, name: name.into() }
    }

    #[test]
    fn only_the_owner_can_name_his_task() {
        let sealer = Sealer::new(b"0123456789abcdef0123456789abcdef");
        let alice = caller("i", "alice", None);
        let handle = sealer.of(&alice).seal_task(Some(&tool("read")), "t-1").unwrap();
        let task = Task { maker: Some(tool("read")), id: "t-1".into() };
        assert_eq!(sealer.of(&alice).unseal_task(&handle), Some(task.clone()));
        for other in [
            caller("i", "bob", None),
            caller("j", "alice", None),
            caller("i", "alice", Some("app")),
            caller("i", "alice", Some("")),
            caller("ia", "lice", None),
        ] {
            assert_eq!(sealer.of(&other).unseal_task(&handle), None, "{other:?}");
        }
        let replica = Sealer::new(b"0123456789abcdef0123456789abcdef");
        assert_eq!(replica.of(&alice).unseal_task(&handle), Some(task));
        assert_eq!(replica.of(&alice).seal_task(Some(&tool("read")), "t-1"), Some(handle.clone()), "one text");
        assert_eq!(Sealer::new(b"another").of(&alice).unseal_task(&handle), None);
    }

    #[test]
    fn a_handle_shows_nothing_of_the_servers_identifier() {
        let sealer = Sealer::new(b"k");
        let alice = caller("i", "alice", None);
        let handle = sealer.of(&alice).seal_task(Some(&tool("read")), "task-1").unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&handle).unwrap();
        for secret in ["task-1", "read", "alice"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }

    #[test]
    fn one_purpose_is_not_taken_for_another() {
        let sealer = Sealer::new(b"k");
        let alice = caller("i", "alice", None);
        let owner = sealer.of(&alice);
        let mention = owner.seal_task(None, "t").unwrap();
        assert_eq!(owner.unseal_task(&mention), Some(Task { maker: None, id: "t".into() }));
        assert_eq!(owner.unseal_cursor(&mention), None);
        let cursor = owner.seal_cursor("t").unwrap();
        assert_eq!(owner.unseal_cursor(&cursor).as_deref(), Some("t"));
        assert_eq!(owner.unseal_task(&cursor), None);
        assert_eq!(sealer.unseal(&alice, &mention), None);
        let session = sealer.seal(&alice, "t").unwrap();
        assert_eq!(owner.unseal_task(&session), None);
        assert_eq!(owner.unseal_task("t"), None);
        assert_eq!(owner.unseal_task(""), None);
    }

    #[test]
    fn names_and_identifiers_do_not_run_into_each_other() {
        let sealer = Sealer::new(b"k");
        let alice = caller("i", "alice", None);
        let owner = sealer.of(&alice);
        assert_ne!(owner.seal_task(Some(&tool("ab")), "c"), owner.seal_task(Some(&tool("a")), "bc"));
        let prompt = Maker { kind: Kind::Prompt, ..tool("a") };
        assert_ne!(owner.seal_task(Some(&tool("a")), "t"), owner.seal_task(Some(&prompt), "t"));
        assert_ne!(owner.digest_of_task("a"), owner.digest_of_task("b"));
        assert_ne!(owner.digest_of_task("a"), sealer.of(&caller("i", "bob", None)).digest_of_task("a"));
    }

    proptest! {
        #[test]
        fn any_identifier_comes_back_and_no_changed_handle_does(
            id in ".*", name in ".*", at in any::<prop::sample::Index>(), flip in 0_u8..6,
        ) {
            let sealer = Sealer::new(b"k");
            let alice = caller("i", "alice", None);
            let owner = sealer.of(&alice);
            for kind in [Kind::Tool, Kind::Prompt, Kind::Resource, Kind::Method] {
                let maker = Maker { kind, name: name.as_str().into() };
                let handle = owner.seal_task(Some(&maker), &id).unwrap();
                let task = owner.unseal_task(&handle).unwrap();
                prop_assert_eq!(&*task.id, id.as_str());
                prop_assert_eq!(task.maker, Some(maker));
                prop_assert!(handle.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
                let mut bytes = handle.into_bytes();
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << flip;
                if let Ok(changed) = std::str::from_utf8(&bytes) {
                    prop_assert_eq!(owner.unseal_task(changed), None);
                }
            }
        }
    }
}
