//! What must hold for any bytes at all: the functions that the fuzzers and the property tests call.
//!
//! Each panics where its property does not hold, so it is for tests alone.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "a property that does not hold must be loud")]

mod reference;

use crate::caller::{Scopes, UnixTime};
use crate::json::Reader;
use crate::message::agreement::Mirror;
use crate::message::lists::{Filter, Freshness, ListKind, Passed};
use crate::message::sse::{Event, EventStream};
use crate::message::{Ask, recognise as recognise_body};
use crate::policy::{Kind, Policy, Ruling};
use crate::token::{Algorithm, Issuer, Issuers, KeySet, bearer, verify};
use reference::Members;

/// An accepted body is what a strict reader of another make takes it for: no key twice anywhere, the same method, the
/// same id, the same names.
pub fn recognise(bytes: &[u8]) {
    let Ok(message) = recognise_body(&Mirror::default(), bytes, 64) else { return };
    let text = std::str::from_utf8(bytes).unwrap_or_else(|_| panic!("accepted what is not UTF-8"));
    let Some(reference) = Members::of(text) else {
        panic!("accepted what is no object, or has a key twice: {text}")
    };
    assert_eq!(reference.text("jsonrpc").as_deref(), Some("2.0"), "another version");
    assert_eq!(reference.text("method").unwrap_or_default(), message.method, "another method");
    assert_eq!(reference.raw("id"), message.id, "another id");
    assert_eq!(reference::names(&message.method, &reference), asked_names(&message.ask), "other names");
}

/// What a message asks for, by name.
#[must_use]
pub fn asked_names(ask: &Ask<'_>) -> Vec<String> {
    if let Ask::Tool { name, .. } | Ask::Prompt { name } | Ask::Resource { uri: name } = ask {
        return vec![name.to_string()];
    }
    let Ask::Listen { uris, tasks, .. } = ask else { return Vec::new() };
    uris.iter().chain(tasks).map(ToString::to_string).collect()
}

fn sees(_: ListKind, name: &str) -> bool {
    !name.contains("hidden")
}

/// What passes has no element that may not be seen, and is JSON if it was.
pub fn lists(bytes: &[u8]) {
    let freshness = Freshness { ttl_cap_ms: 60_000, is_required: true };
    let filter = Filter { sees: &sees, freshness, heard: None };
    let mut tallies = Vec::new();
    let passed = match filter.message(bytes, &mut tallies) {
        Ok(Passed::AsIs) => bytes.to_vec(),
        Ok(Passed::Cut(cut)) => cut,
        Ok(Passed::Nothing) | Err(_) => return,
    };
    let mut reader = Reader::new(&passed, 600).unwrap_or_else(|_| panic!("no text any more"));
    assert!(reader.skip().is_ok() && reader.end().is_ok(), "no JSON any more");
    let again = filter.message(&passed, &mut Vec::new());
    assert_eq!(again, Ok(Passed::AsIs), "something was left to cut");
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(&passed) else { return };
    for key in ["tools", "prompts"] {
        for element in value["result"][key].as_array().into_iter().flatten() {
            assert!(element["name"].as_str().is_some_and(|name| sees(ListKind::Tools, name)), "seen: {element}");
        }
    }
}

/// However a stream is cut into pieces, its events and their bytes are the same.
pub fn events(bytes: &[u8]) {
    // The first byte says how the rest is cut.
    let Some((step, stream)) = bytes.split_first() else { return };
    let collect = |size: usize| {
        let (mut raw, mut data) = (Vec::new(), Vec::new());
        let mut events = EventStream::new(1 << 16);
        for piece in stream.chunks(size) {
            let pushed = events.push(piece, &mut |event: Event<'_>| {
                raw.extend_from_slice(event.raw());
                data.extend(event.data().map(|data| data.into_owned()));
            });
            if pushed.is_err() {
                return None;
            }
        }
        Some((raw, data))
    };
    let whole = collect(stream.len().max(1));
    let pieces = collect(usize::from(*step).max(1));
    assert_eq!(whole.as_ref().map(|(_, data)| data), pieces.as_ref().map(|(_, data)| data), "other events");
    if let Some((raw, _)) = pieces {
        assert!(stream.starts_with(&raw), "other bytes");
    }
}

/// No bytes are a token that the key did not sign.
pub fn token(bytes: &[u8]) {
    let mut issuer = Issuer::new("fuzz", []);
    issuer.require_iss = false;
    issuer.algorithms = Algorithm::SYMMETRIC.into();
    issuer.keys = Some(std::sync::Arc::new(KeySet::from_secret_unchecked(b"a key that no input contains")));
    let Ok(issuers) = Issuers::new(vec![issuer]) else { return };
    let Ok(bearer) = bearer(std::iter::once(bytes), None) else { return };
    assert!(verify(&bearer, &issuers, UnixTime(1_800_000_000)).is_err(), "accepted what nobody signed");
}

/// Any text compiles or has flaws; what compiles refuses what it has no rule for.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(policy) = Policy::compile("fuzz", text) else { return };
    let nobody = policy.grants(&Scopes::default());
    if policy.rule_count() == 0 {
        assert!(matches!(policy.decide(&nobody, Kind::Tool, "x"), Ruling::Deny(_)), "allowed without a rule");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Bytes that look like what the property is about, damaged here and there.
    fn like(samples: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
        let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..4);
        (prop::sample::select(samples), damage).prop_map(|(sample, damage)| {
            let mut bytes = sample.as_bytes().to_vec();
            for (at, byte, how) in damage {
                if bytes.is_empty() {
                    break;
                }
                let at = at.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    2 => drop(bytes.remove(at)),
                    _ => bytes.extend_from_within(at..),
                }
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn recognise(bytes in like(&[
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":[1,{"y":null}]}}}"#,
            r#"{"id":"\u0041","m\u0065thod":"prompts/get","params":{"name":"p","_meta":{"k":1}},"jsonrpc":"2.0"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":3,"result":{"a":1e400}}"#,
            r#"{"jsonrpc":"2.0","id":4,"method":"resources/read","params":{"uri":"x:a","n\u00e4me":"\ud83d\ude00"}}"#,
            r#"{"jsonrpc":"2.0","id":5,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"}}}"#,
            r#"{"jsonrpc":"2.0","id":6,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["x:a","x:b"]}}}"#,
        ])) {
            super::recognise(&bytes);
        }

        /// Pieces of messages in any order: far from a message, and sometimes one.
        #[test]
        fn recognise_pieces(pieces in prop::collection::vec(prop::sample::select(&[
            "{", "}", "[", "]", ",", ":", " ", "\n", "\"", "\\u0000", "\\u006e", "\u{feff}", "\"jsonrpc\":\"2.0\"", "\"id\":1", "\"id\":-0",
            "\"method\":\"tools/call\"", "\"m\\u0065thod\":\"ping\"", "\"params\":{\"name\":\"a\"}", "\"params\":{", "\"name\":\"a\"",
            "\"Name\":\"b\"", "\"n\\u0061me\":\"b\"", "\"result\":{}", "null", "1e400", "\"\\ud800\"", "\"x\":1",
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",", "\"params\":{\"name\":\"a\",\"arguments\":{}}}",
        ][..]), 0..8)) {
            super::recognise(pieces.concat().as_bytes());
        }

        #[test]
        fn lists(bytes in like(&[
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"hidden"},{"name":"b"}],"nextCursor":"x"}}"#,
            r#"{"result":{"prompts":[ {"name":"hidden"} , {"name":"a"} ],"ttlMs":1,"cacheScope":"public"},"id":1}"#,
            r#"{"result":{"resources":[{"uri":"hidden"}],"resourceTemplates":[{"uriTemplate":"x"}]}}"#,
        ])) {
            super::lists(&bytes);
        }

        #[test]
        fn events(bytes in like(&[
            "\u{3}data: {}\nid: 1\n\n: ping\n\nevent: message\r\ndata: a\r\ndata: b\r\n\r\nretry: 5\r\r",
            "\u{1}\u{feff}data:x\n\ndata\n\n\n\nid:7\ndata: \n\n",
        ])) {
            super::events(&bytes);
        }

        #[test]
        fn token(bytes in like(&["Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIiwiZXhwIjo0MDAwMDAwMDAwfQ.AAAA", "bearer a.b.c"])) {
            super::token(&bytes);
        }

        #[test]
        fn policy(bytes in like(&[
            "version: 1\ntools:\n  a: {scopes: [x]}\n  'b*': {any_of: [[x], [y]]}\nscopes:\n  x: {implies: [y]}\n",
            "{\"version\": 1, \"tools\": {\"a\": {\"deny\": true}}}",
        ])) {
            super::policy(&bytes);
        }
    }
}
