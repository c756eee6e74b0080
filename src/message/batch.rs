//! Several messages in one body: JSON-RPC batches, as MCP 2025-03-26 has them and no revision after it.
//!
//! A batch is understood whole or refused whole, and judged alike: what is sent on is the very array that was read.

pub mod answers;

use std::collections::BTreeSet;

use super::agreement::{Field, Mirror};
use super::id::SameId;
use super::{Ask, Message, Shape, Unrecognised, recognise};
use crate::json::{JsonFlaw, Reader};
use crate::refusal::{Era, Refusal};

/// The one revision with batches. Requests of that time carry no version header, and no later ones may do without.
const REVISION: &[u8] = b"2025-03-26";

/// What a request body holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// One message.
    One(Message<'a>),
    /// Requests and notifications, or replies; at least one.
    Batch(Vec<Message<'a>>),
}

impl<'a> Body<'a> {
    /// Understands `body` as [`recognise`] does, or as a batch of at most `most` messages. With `most` 0 there are no
    /// batches.
    ///
    /// # Errors
    /// [`Unrecognised`] with the exact reason; for a batch with the id of the message that it is about.
    pub fn read(mirror: &Mirror<'_>, body: &'a [u8], depth: u16, most: usize) -> Result<Self, Unrecognised<'a>> {
        let is_of_revision = matches!(mirror.version, Field::Absent | Field::Once(REVISION));
        if most == 0 || !is_of_revision || !body.trim_ascii_start().starts_with(b"[") {
            return recognise(mirror, body, depth).map(Self::One);
        }
        let elements = elements(body, depth, most)?;
        // What is inside the array may nest one less deep.
        let inside = depth.saturating_sub(1);
        let messages = elements
            .into_iter()
            .map(|element| recognise(mirror, element.as_bytes(), inside))
            .collect::<Result<Vec<_>, _>>()?;
        check(&messages)?;
        Ok(Self::Batch(messages))
    }
}

fn no<'a>(refusal: Refusal, message: Option<&Message<'a>>) -> Unrecognised<'a> {
    Unrecognised { refusal, id: message.and_then(|message| message.id), era: Era::Legacy, method: None }
}

/// The elements of the array, as written.
fn elements(body: &[u8], depth: u16, most: usize) -> Result<Vec<&str>, Unrecognised<'_>> {
    let flaw = |flaw: JsonFlaw| no(flaw.into(), None);
    let mut reader = Reader::new(body, depth).map_err(flaw)?;
    let (mut elements, mut count) = (Vec::new(), 0_usize);
    let read = reader.array(|element| {
        let text = element.raw()?;
        count = count.saturating_add(1);
        if count <= most {
            elements.push(text);
        }
        Ok::<_, JsonFlaw>(())
    });
    read.and_then(|()| reader.end()).map_err(flaw)?;
    match count {
        // JSON-RPC 2.0 §6: an array with at least one value.
        0 => Err(no(Refusal::MessageInvalid, None)),
        count if count > most => Err(no(Refusal::BatchRefused, None)),
        _ => Ok(elements),
    }
}

/// What may stand together (MCP 2025-03-26, transports, "Sending Messages to the Server"; lifecycle,
/// "Initialization").
fn check<'a>(messages: &[Message<'a>]) -> Result<(), Unrecognised<'a>> {
    let mut ids = BTreeSet::new();
    let has_replies = messages.iter().any(|message| message.shape == Shape::Reply);
    for message in messages {
        if has_replies != (message.shape == Shape::Reply) || message.method == "initialize" {
            return Err(no(Refusal::MessageInvalid, Some(message)));
        }
        // No such thing at that revision: listeners are streams of their own, and there are no tasks.
        if matches!(message.ask, Ask::Listen { .. }) || !message.tasks.is_empty() {
            return Err(no(Refusal::MessageInvalid, Some(message)));
        }
        if let Some(id) = message.id.and_then(SameId::of)
            && !ids.insert(id)
        {
            return Err(no(Refusal::IdInUse, Some(message)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(version: &'a str, body: &'a str, most: usize) -> Result<usize, (Refusal, Option<&'a str>)> {
        let version = if version.is_empty() { Field::Absent } else { Field::Once(version.as_bytes()) };
        let mirror = Mirror { version, ..Mirror::default() };
        match Body::read(&mirror, body.as_bytes(), 8, most) {
            Ok(Body::One(_)) => Ok(1),
            Ok(Body::Batch(messages)) => Ok(messages.len()),
            Err(no) => Err((no.refusal, no.id)),
        }
    }

    const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    const TOLD: &str = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
    const CALL: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}"#;
    const TASK: &str = r#"{"jsonrpc":"2.0","id":4,"method":"tasks/get","params":{"taskId":"t"}}"#;
    const REPLY: &str = r#"{"jsonrpc":"2.0","id":3,"result":{}}"#;

    #[test]
    fn a_batch_is_read_message_by_message() {
        let body = format!(" [ {PING} ,\n{TOLD},{CALL}] ");
        let Ok(Body::Batch(messages)) = Body::read(&Mirror::default(), body.as_bytes(), 8, 3) else { panic!() };
        let methods: Vec<_> = messages.iter().map(|message| &*message.method).collect();
        assert_eq!(methods, ["ping", "notifications/cancelled", "tools/call"]);
        assert_eq!(messages[2].ask, Ask::Tool { name: "x".into(), arguments: None });
        assert_eq!(read("2025-03-26", &format!("[{REPLY}]"), 3), Ok(1));
        assert_eq!(read("", PING, 3), Ok(1));
    }

    #[test]
    fn there_are_batches_at_one_revision_alone_and_only_if_they_are_wanted() {
        let body = format!("[{PING}]");
        assert_eq!(read("", &body, 0), Err((Refusal::BatchRefused, None)));
        for version in ["2025-06-18", "2025-11-25", "2026-07-28", "2024-11-05", "2025-03-26 ", "x"] {
            assert!(read(version, &body, 9).is_err(), "{version}");
        }
    }

    #[test]
    fn what_is_no_batch_is_refused_whole() {
        let nested = format!("[{PING},[{CALL}]]");
        let deep = format!("[{}]", CALL.replace("\"x\"", "\"x\",\"a\":[[[[[[1]]]]]]"));
        for (body, refusal, id) in [
            ("[]", Refusal::MessageInvalid, None),
            (&nested, Refusal::BatchRefused, None),
            (&format!("[{PING},{CALL},{TOLD},{TOLD}]"), Refusal::BatchRefused, None),
            (&format!("[{PING},{}]", CALL.replace(":2,", ":\"1\",")), Refusal::IdInUse, Some("\"1\"")),
            (&format!("[{PING},{REPLY}]"), Refusal::MessageInvalid, Some("1")),
            (&format!("[{PING},{}]", CALL.replace("tools/call", "initialize")), Refusal::MessageInvalid, Some("2")),
            (&format!("[{PING},{TASK}]"), Refusal::MessageInvalid, Some("4")),
            (&format!("[{PING},1]"), Refusal::MessageInvalid, None),
            (&format!("[{PING},null]"), Refusal::MessageInvalid, None),
            (&format!("[{PING},{}]", CALL.replace("\"name\"", "\"Name\"")), Refusal::KeyDisguised, Some("2")),
            (&format!("[{PING},{}]", CALL.replace("\"name\"", "\"id\":1,\"id\"")), Refusal::KeyRepeated, None),
            (&format!("[{PING},{}]", CALL.replace(":2,", ":null,")), Refusal::IdInvalid, None),
            (&format!("[{PING},{}]", CALL.replace("\"id\":2,", "")), Refusal::IdMissing, None),
            (&format!("[{PING},]"), Refusal::JsonInvalid, None),
            (&format!("[{PING}][{PING}]"), Refusal::JsonInvalid, None),
            (&format!("[{PING}"), Refusal::JsonInvalid, None),
            (&deep, Refusal::NestingTooDeep, None),
        ] {
            assert_eq!(read("", body, 3), Err((refusal, id)), "{body}");
        }
    }

    #[test]
    fn the_headers_of_later_revisions_do_not_fit_a_batch() {
        let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},"name":"x"}"#;
        let body = format!("[{}]", CALL.replace(r#"{"name":"x"}"#, meta));
        assert_eq!(read("", &body, 3), Err((Refusal::HeaderMismatch, Some("2"))));
        let mirror = Mirror { method: Field::Once(b"ping"), ..Mirror::default() };
        let body = format!("[{PING},{CALL}]");
        assert_eq!(Body::read(&mirror, body.as_bytes(), 8, 3).unwrap_err().refusal, Refusal::HeaderMismatch);
    }
}
