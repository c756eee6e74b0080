//! What must hold for any bytes at all: the functions that the fuzzers and the property tests call.
//!
//! Each panics where its property does not hold, so it is for tests alone.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "a property that does not hold must be loud")]

pub mod http1;
mod reference;

use crate::caller::{Caller, Scopes, UnixTime};
use crate::cel::{self, About, Condition, Declared, Facts};
use crate::json::{Reader, quoted};
use crate::judge;
use crate::message::agreement::Mirror;
use crate::message::lists::{Filter, Freshness, ListKind, Passed, TaskSeals};
use crate::message::sse::{Event, EventStream};
use crate::message::tasks::TaskRole;
use crate::message::{Ask, Message, recognise as recognise_body};
use crate::policy::import::{self, Choice, Format};
use crate::policy::{Kind, Mode, Policy, Ruling};
use crate::session::Sealer;
use crate::session::task::Maker;
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
    assert_eq!(reference::names(&message.method, &reference), asked_names(&message), "other names");
}

/// What a message asks for, by name.
#[must_use]
pub fn asked_names(message: &Message<'_>) -> Vec<String> {
    let ask = &message.ask;
    if let Ask::Tool { name, .. } | Ask::Prompt { name, .. } | Ask::Resource { uri: name } = ask {
        return vec![name.to_string()];
    }
    let Ask::Listen { uris, .. } = ask else { return Vec::new() };
    let tasks = message.tasks.iter().filter(|name| name.role == TaskRole::Asked).map(|name| &name.handle);
    uris.iter().chain(tasks).map(ToString::to_string).collect()
}

fn sees(_: ListKind, name: &str) -> bool {
    !name.contains("hidden")
}

/// Seals nothing, but shows where it was asked to: handles begin with `h-`, mentions with `m-`.
struct Letters;

impl Letters {
    fn mark(letter: &str, text: &str) -> Option<String> {
        let is_marked =
            text.starts_with(letter) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let hex = || text.bytes().fold(letter.to_owned(), |hex, byte| format!("{hex}{byte:02x}"));
        Some(if is_marked { text.to_owned() } else { hex() })
    }
}

impl TaskSeals for Letters {
    fn made(&self, answer: &str, task: &str) -> Option<String> {
        if answer == "1" { Self::mark("h-", task) } else { None }
    }

    fn known(&self, task: &str) -> Option<String> {
        if task.starts_with("h-") || task.contains("mine") { Self::mark("h-", task) } else { None }
    }

    fn mention(&self, task: &str) -> Option<String> {
        Self::mark("m-", task)
    }

    fn cursor(&self, cursor: &str) -> Option<String> {
        Self::mark("c-", cursor)
    }

    fn expects_result(&self) -> bool {
        true
    }
}

/// Where `TASK` stands in a message, its owner names a task, and the server is told of it by its own identifier: no
/// other byte changes, the message says the same, and nobody else can send it.
pub fn tasks(bytes: &[u8]) {
    const TASK: &str = "\u{1}\"own";
    let sealer = Sealer::new(b"a key");
    let (alice, bob) = (Caller::new("i", "alice", UnixTime(1)), Caller::new("i", "bob", UnixTime(1)));
    let maker = Maker { kind: Kind::Tool, name: "t".into() };
    let Some(handle) = sealer.of(&alice).seal_task(Some(&maker), TASK) else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let body = text.replace("TASK", &handle);
    let Ok(message) = recognise_body(&Mirror::default(), body.as_bytes(), 64) else { return };
    let text =
        "version: 1\ntools: {'*': {scopes: []}}\nprompts: {'*': {scopes: []}}\nresources: {'**': {scopes: []}}\n";
    let Ok(policy) = Policy::compile("fuzz", text) else { panic!("{text}") };
    let nobody = policy.grants(&Scopes::default());
    let has = |role| message.tasks.iter().any(|name| name.role == role);
    if let Ok(of_other) = judge::what(&policy, &nobody, &message, &sealer.of(&bob), &Facts::default()) {
        assert!(!has(TaskRole::Claimed) && !has(TaskRole::Cursor), "another caller's task");
        assert_eq!(of_other.names_unknown(), has(TaskRole::Asked), "another caller's task");
        assert!(of_other.tasks().is_empty(), "another caller's task");
    }
    let Ok(permit) = judge::what(&policy, &nobody, &message, &sealer.of(&alice), &Facts::default()) else {
        return;
    };
    if permit.names_unknown() {
        return;
    }
    let Ok(rewritten) = permit.rewritten(body.as_bytes()) else { panic!("not the body that was judged") };
    let mut places: Vec<_> =
        message.tasks.iter().filter(|name| name.handle == handle).map(|name| &name.place).collect();
    assert_eq!(rewritten.is_some(), !places.is_empty(), "changed without a task, or not changed with one");
    let Some(sent) = rewritten else { return };
    // What was written can be taken back, and then it is what was said.
    places.sort_by_key(|place| place.start);
    let (mut back, mut read, mut rest) = (Vec::new(), 0, sent.as_slice());
    for place in places {
        let (same, written) = rest.split_at(place.start.saturating_sub(read));
        back.extend_from_slice(same);
        back.extend_from_slice(&body.as_bytes()[place.clone()]);
        read = place.end;
        rest = &written[quoted(TASK).len()..];
    }
    back.extend_from_slice(rest);
    assert_eq!(back, body.as_bytes(), "other bytes were changed");
    let again = recognise_body(&Mirror::default(), &sent, 64);
    let Ok(again) = again else { panic!("no message any more") };
    assert_eq!(
        (&again.method, again.id, &again.ask),
        (&message.method, message.id, &message.ask),
        "another message"
    );
}

/// What passes has no element that may not be seen, and is JSON if it was.
pub fn lists(bytes: &[u8]) {
    let freshness = Freshness { ttl_cap_ms: 60_000, is_required: true };
    let filter = Filter { sees: &sees, freshness, heard: None, pins: None, tasks: &Letters };
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
    told(&value);
}

const RELATED: &str = "io.modelcontextprotocol/related-task";

/// No identifier of the server is left where MCP has one.
fn told(value: &serde_json::Value) {
    let result = &value["result"];
    let is_sealed =
        |id: &serde_json::Value| id.as_str().is_none_or(|id| id.starts_with("h-") || id.starts_with("m-"));
    assert!(is_sealed(&result["task"]["taskId"]), "told: {result}");
    assert!(!result["status"].is_string() || is_sealed(&result["taskId"]), "told: {result}");
    assert!(is_sealed(&result["_meta"][RELATED]["taskId"]), "told: {result}");
    let is_handle = |id: &serde_json::Value| id.as_str().is_some_and(|id| id.starts_with("h-"));
    for task in result["tasks"].as_array().into_iter().flatten() {
        assert!(task["taskId"].is_null() || is_handle(&task["taskId"]), "seen: {task}");
    }
    let method = value["method"].as_str().unwrap_or_default();
    let params = &value["params"];
    if method == "notifications/tasks" || method == "notifications/tasks/status" {
        assert!(is_handle(&params["taskId"]), "seen: {params}");
    }
    if !method.starts_with("tasks/") {
        assert!(is_sealed(&params["_meta"][RELATED]["taskId"]), "told: {params}");
    }
    for task in params["notifications"]["taskIds"].as_array().into_iter().flatten() {
        assert!(is_handle(task), "seen: {task}");
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

/// However a stream is cut into pieces, the caller reads the same messages in it.
pub fn stream(bytes: &[u8]) {
    let Some((step, stream)) = bytes.split_first() else { return };
    let freshness = Freshness { ttl_cap_ms: 60_000, is_required: false };
    let filter = Filter { sees: &sees, freshness, heard: None, pins: None, tasks: &Letters };
    let collect = |size: usize| {
        let mut out = Vec::new();
        let mut is_opaque = false;
        let mut events = EventStream::new(1 << 16);
        for piece in stream.chunks(size) {
            let pushed = events.push(piece, &mut |event: Event<'_>| {
                let Some(data) = event.data().filter(|data| !data.is_empty()) else { return };
                match filter.message(&data, &mut Vec::new()) {
                    Ok(Passed::AsIs) if !is_opaque => out.push(data.into_owned()),
                    Ok(Passed::Cut(cut)) if !is_opaque => out.push(cut),
                    Ok(_) => {}
                    Err(_) => is_opaque = true,
                }
            });
            if pushed.is_err() {
                return None;
            }
        }
        Some(out)
    };
    assert_eq!(collect(stream.len().max(1)), collect(usize::from(*step).max(1)), "another stream");
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
    if policy.rule_count() == 0 && policy.mode() == Mode::Enforce {
        assert!(matches!(policy.decide(&nobody, Kind::Tool, "x"), Ruling::Deny(_)), "allowed without a rule");
    }
}

/// Any text is imported or has flaws; what is written compiles.
pub fn import(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for format in Format::ALL {
        let Ok(imported) = import::import(format, "fuzz", text, Choice::default()) else { continue };
        if let Some(policy) = imported.policy {
            assert!(Policy::compile("fuzz", &policy).is_ok(), "wrote what does not compile: {policy}");
        }
    }
}

/// A condition, and behind a line end the arguments of a call: any text compiles or has a fault within it, and what
/// compiles is told, the same way each time, in a bounded number of steps.
pub fn condition(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (source, args) = text.split_once('\n').unwrap_or((text, "{}"));
    let vars = ["owner".into()];
    for about in [About::Tool, About::Prompt, About::Resource, About::Method] {
        let condition = match Condition::compile(source, Declared { about, vars: &vars }) {
            Ok(condition) => condition,
            Err(fault) => {
                assert!(source.is_char_boundary(fault.at), "a fault outside of the text: {fault:?}");
                continue;
            }
        };
        let vars = ["alice".to_owned()];
        let facts = Facts { claims: r#"{"sub":"alice"}"#, args: Some(args), vars: &vars, ..Facts::default() };
        let (told, steps) = condition.evaluate(&facts);
        assert!(steps <= Condition::MOST_STEPS, "took {steps} steps");
        assert_eq!(condition.evaluate(&facts), (told, steps), "told another thing the second time");
        if let Some(Ok(constant)) = condition.constant() {
            assert!(told.is_err() || told == Ok(constant), "folded wrongly");
        }
        let Ok(printed) = cel::parse(source).map(|expr| cel::print(&expr)) else {
            panic!("compiled what has no tree")
        };
        // Escapes may make it longer than a condition can be, and brackets deeper.
        if let Ok(again) = Condition::compile(&printed, Declared { about, vars: &["owner".into()] }) {
            assert_eq!(again.evaluate(&facts).0, told, "printed as something else: {printed}");
        }
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
            r#"{"id":1,"result":{"task":{"taskId":"t","status":"working"},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}}"#,
            r#"{"id":2,"result":{"taskId":"mine","status":"completed","resultType":"task","result":{"tools":[{"name":"hidden"}]}}}"#,
            r#"{"result":{"tasks":[{"taskId":"mine"},{"taskId":"theirs"} , {"taskId":"mine too","status":"x"}],"nextCursor":"t"},"id":1}"#,
            r#"{"method":"notifications/tasks/status","params":{"taskId":"mine","status":"working"}}"#,
            r#"{"params":{"notifications":{"taskIds":["theirs","mine"]}},"method":"notifications/subscriptions/acknowledged"}"#,
            r#"{"id":1,"method":"tasks/get","params":{"taskId":"t","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}}"#,
        ])) {
            super::lists(&bytes);
        }

        #[test]
        fn tasks(bytes in like(&[
            r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"TASK"}}"#,
            r#"{"jsonrpc":"2.0","id":"a","method":"tasks/update","params":{ "taskId" : "TASK" ,"inputResponses":{"k":1.50}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"taskIds":["TASK", "TASK"]}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"TASK","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"TASK"}}}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"TASK"}},"content":"TASK"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"TASK"}}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list","params":{"cursor":"TASK"}}"#,
        ])) {
            super::tasks(&bytes);
        }

        #[test]
        fn events(bytes in like(&[
            "\u{3}data: {}\nid: 1\n\n: ping\n\nevent: message\r\ndata: a\r\ndata: b\r\n\r\nretry: 5\r\r",
            "\u{1}\u{feff}data:x\n\ndata\n\n\n\nid:7\ndata: \n\n",
        ])) {
            super::events(&bytes);
        }

        #[test]
        fn stream(bytes in like(&[
            "\u{5}data: {\"id\":1,\"result\":\ndata: {\"task\":{\"taskId\":\"t\"}}}\n\nid: 1\r\ndata: {\"method\":\"notifications/tasks\",\"params\":{\"taskId\":\"mine\"}}\r\n\r\n",
            "\u{2}: hi\n\ndata:{\"result\":{\"tasks\":[{\"taskId\":\"mine\"},{\"taskId\":\"t\"}]}}\r\rdata: {\"result\":{\"tools\":[{\"name\":\"hidden\"}]}}\n\n",
        ])) {
            super::stream(&bytes);
        }

        #[test]
        fn requests(bytes in like(&[
            "\u{1}\u{2}\u{3}\u{7f}POST /mcp?a HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\nX: \r\n\r\n{\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
            "\u{7f}\u{1}\u{9}\u{1}\r\n\r\nPOST / HTTP/1.1\r\ntransfer-encoding:\tChunked \r\n\r\n2;a=\"b\"\r\n{}\r\n1 ; c\r\n\n\r\n0\r\nA: b\r\n\r\nDELETE * HTTP/1.1\r\n\r\n",
            "\u{7f}\u{7f}\u{7f}\u{7f}GET http://a?b HTTP/1.1\r\nConnection: x, Close\r\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n",
            "\u{1}\u{1}\u{1}\u{1}\r\n\n\r\n\r\n",
            "\u{3}\u{3}\u{3}\u{3}OPTIONS /a%20b HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 01\r\n\r\nxPOST /#a HTTP/1.1\r\n\r\n",
        ])) {
            super::http1::requests(&bytes);
        }

        #[test]
        fn answers(bytes in like(&[
            "\u{5}\u{1}\u{7f}\u{2}HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 204 No\r\n\r\n",
            "\u{7f}\u{1}\u{9}\u{1}HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n00;x\r\nA: b\r\n\r\n",
            "\u{2}\u{7f}\u{1}\u{1}HTTP/1.1 500 a b\r\nConnection: close\r\nX:\t a\t\r\n\r\nto the end",
            "\u{1}\u{1}\u{1}\u{1}HTTP/1.0 304 No\r\nContent-Length: 9\r\n\r\n",
        ])) {
            super::http1::answers(&bytes);
        }

        #[test]
        fn token(bytes in like(&["Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIiwiZXhwIjo0MDAwMDAwMDAwfQ.AAAA", "bearer a.b.c"])) {
            super::token(&bytes);
        }

        #[test]
        fn condition(bytes in like(&[
            "args.path.startsWith(\"/tmp/\") && \"ops\" in claims.groups\n{\"path\":\"/tmp/a\",\"n\":1}",
            "args.list.all(x, x > 1 || x.matches('^[a-z]+$')) ? size(args.m) == 2u : !has(args.b.c)\n{\"list\":[2,\"a\"],\"m\":{\"a\":1e3}}",
            "request.time.getHours('+02:00') < 16 && timestamp('2026-01-01T00:00:00Z') + duration('1h30m') < request.time",
            "args.a.split(',').map(x, int(x) * 2 / 3 % 5).exists_one(x, x in [1, -2, 3]) // c\n{\"a\":\"1,2,\\u0033\"}",
            "cidr('10.0.0.0/8').containsIP(args.ip) && {'a': [1, 2.5, null]}.a[1] == 2.5\n{\"ip\":\"10.1.2.3\"}",
        ])) {
            super::condition(&bytes);
        }

        #[test]
        fn policy(bytes in like(&[
            "version: 1\ntools:\n  a: {scopes: [x]}\n  'b*': {any_of: [[x], [y]]}\nscopes:\n  x: {implies: [y]}\n",
            "{\"version\": 1, \"tools\": {\"a\": {\"deny\": true}}}",
        ])) {
            super::policy(&bytes);
        }

        #[test]
        fn import(bytes in like(&[
            "mcpAuthorization:\n  rules:\n    - 'mcp.tool.name == \"a\" && \"r\" in jwt.scope.split(\" \")'\n    - deny: '!(jwt.x in [1])'\n",
            "{\"apiVersion\": \"aigateway.envoyproxy.io/v1beta1\", \"kind\": \"MCPRoute\", \"spec\": {\"backendRefs\": [{\"name\": \"a\"}], \
             \"securityPolicy\": {\"authorization\": {\"rules\": [{\"target\": {\"tools\": [{\"backend\": \"a\", \"tool\": \"t\"}]}, \
             \"cel\": \"request.mcp.tool != 't'\"}]}}}}",
        ])) {
            super::import(&bytes);
        }
    }
}
