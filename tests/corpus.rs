//! The corpus of malformed and ambiguous messages against the judge alone.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected should fail"
)]

#[path = "corpus/cases.rs"]
mod cases;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cases::{Case, Expect, Reads};
use serde_json::{Value, json};
use toolgate::caller::{Caller, Scopes, UnixTime};
use toolgate::judge;
use toolgate::message::agreement::{Field, Mirror};
use toolgate::message::content::accept_content;
use toolgate::message::{Ask, Message, recognise};
use toolgate::policy::Policy;
use toolgate::properties::{self, asked_names};
use toolgate::refusal::{Era, Refusal};
use toolgate::session::Sealer;

/// As the gateway has it unless told otherwise.
const DEPTH: u16 = 128;

fn policy() -> Policy {
    Policy::compile("corpus", include_str!("corpus/policy.yaml")).unwrap()
}

fn field<'a>(case: &'a Case, name: &str) -> Field<'a> {
    let lines = case.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    Field::of(lines.map(|(_, value)| value.as_bytes()))
}

fn reads(message: &Message<'_>) -> Reads {
    let name = if matches!(message.ask, Ask::Listen { .. }) { None } else { asked_names(message).pop() };
    let id = message.id.map_or(Value::Null, |id| serde_json::from_str(id).unwrap());
    Reads { method: message.method.to_string(), name, id }
}

/// What the judge says: what it read, and what becomes of it.
fn judge(policy: &Policy, case: &Case) -> (Option<Reads>, Expect, Era) {
    let refused = |refusal: Refusal, era: Era| Expect::Refused {
        refusal: refusal.word().to_owned(),
        status: refusal.status(era),
        code: refusal.code(era).into(),
    };
    if let Err(refusal) = accept_content(field(case, "content-type"), field(case, "content-encoding")) {
        return (None, refused(refusal, Era::Legacy), Era::Legacy);
    }
    let mirror = Mirror {
        version: field(case, "mcp-protocol-version"),
        method: field(case, "mcp-method"),
        name: field(case, "mcp-name"),
    };
    let body = case.body();
    let message = match recognise(&mirror, &body, DEPTH) {
        Ok(message) => message,
        Err(no) => return (None, refused(no.refusal, no.era), no.era),
    };
    let grants = policy.grants(&Scopes::default());
    let (sealer, alice) = (Sealer::new(b"corpus"), Caller::new("corpus", "alice", UnixTime(1)));
    let facts = toolgate::cel::Facts { claims: "{}", ..Default::default() };
    let becomes = match judge::what(policy, &grants, &message, &sealer.of(&alice), &facts) {
        Ok(_) => Expect::Forwarded { forwarded: true },
        Err(no) => refused(no.refusal, message.era),
    };
    (Some(reads(&message)), becomes, message.era)
}

#[test]
fn the_judge_refuses_and_reads_what_the_corpus_says() {
    let policy = policy();
    let mut wrong = Vec::new();
    for case in Case::all().iter().filter(|case| case.http.is_none()) {
        let (read, mut becomes, era) = judge(&policy, case);
        if let (Expect::Refused { status: 200, .. }, Some(Reads { id: Value::Null, .. })) = (&becomes, &read)
            && let Expect::Refused { status, .. } = &mut becomes
        {
            // There is no request whose id a 200 could answer.
            *status = 400;
        }
        let is_modern = case.era == cases::Era::Modern;
        if read != case.reads || becomes != case.expect || is_modern != (era == Era::Modern) {
            let expected = (&case.reads, &case.expect, &case.era);
            wrong.push(format!("{}: {:?}, not {expected:?}", case.name, (&read, &becomes, era)));
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_refusal_of_a_message_has_a_case_and_no_case_another_word() {
    let cases = Case::all();
    for http in cases.iter().filter_map(|case| case.http.as_ref()) {
        assert!(http.framing.is_none() || (http.method.is_none() && http.target.is_none()), "one thing at a time");
    }
    let words: Vec<&str> = cases
        .iter()
        .filter_map(|case| match &case.expect {
            Expect::Refused { refusal, .. } => Some(refusal.as_str()),
            Expect::Forwarded { .. } => None,
        })
        .collect();
    for word in &words {
        assert!(Refusal::ALL.iter().any(|refusal| refusal.word() == *word), "{word}");
    }
    let of_messages = [
        Refusal::JsonInvalid,
        Refusal::KeyRepeated,
        Refusal::KeyDisguised,
        Refusal::NestingTooDeep,
        Refusal::BatchRefused,
        Refusal::MessageInvalid,
        Refusal::IdInvalid,
        Refusal::IdMissing,
        Refusal::ParamsInvalid,
        Refusal::MetaMissing,
        Refusal::HeaderMismatch,
        Refusal::MethodUnknown,
        Refusal::ContentTypeWrong,
        Refusal::ContentEncoded,
    ];
    for refusal in of_messages {
        assert!(words.contains(&refusal.word()), "{refusal:?}");
    }
}

/// A small generator (xorshift), so that the same messages are made on every machine.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.throw(from.len())]
    }

    fn space(&mut self) -> &'static str {
        self.pick(&["", "", "", "", " ", "\n", "\t", "\r\n "])
    }

    /// A string in JSON, some of its characters escaped.
    fn spell(&mut self, text: &str) -> String {
        let mut spelled = String::from("\"");
        for char in text.chars() {
            match self.throw(8) {
                _ if u32::from(char) < 0x20 || char == '"' || char == '\\' => {
                    spelled.push_str(&format!("\\u{:04x}", u32::from(char)));
                }
                0 => char
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| spelled.push_str(&format!("\\u{unit:04X}"))),
                1 if char == '/' => spelled.push_str("\\/"),
                _ => spelled.push(char),
            }
        }
        spelled + "\""
    }

    fn value(&mut self, depth: usize) -> String {
        match self.throw(if depth == 0 { 3 } else { 5 }) {
            0 => {
                self.pick(&["null", "true", "false", "0", "-0", "1.50", "1e400", "9007199254740993", "1E-7"]).into()
            }
            1 => self.pick(&["\"\"", "\"\\ud800\"", "\"\\u0000\"", "\"\u{2028}\"", "\"Name\""]).into(),
            2 => self.spell("é/\u{1f600}\u{ffff}k"),
            3 => {
                let elements: Vec<String> = (0..self.throw(4)).map(|_| self.value(depth - 1)).collect();
                format!("[{}]", elements.join(","))
            }
            _ => {
                let keys = ["name", "Name", "method", "__proto__", "id", ""];
                let count = self.throw(keys.len());
                let members = (0..count).map(|at| (keys[at].to_owned(), self.value(depth - 1))).collect();
                self.object(members)
            }
        }
    }

    /// The members in some order, with white space, and sometimes one that should not be there.
    fn object(&mut self, mut members: Vec<(String, String)>) -> String {
        for at in (1..members.len()).rev() {
            let other = self.throw(at + 1);
            members.swap(at, other);
        }
        let mut text = String::from("{");
        for (at, (key, value)) in members.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let (a, b, c, d) = (self.space(), self.space(), self.space(), self.space());
            text.push_str(&format!("{comma}{a}{}{b}:{c}{value}{d}", self.spell(key)));
        }
        text + "}"
    }

    fn message(&mut self) -> Vec<u8> {
        const NAMES: &[&str] =
            &["permitted", "a b", "é", "\u{1f600}", "x:y/z", "__proto__", "\0", "Name", "\"\\", "ſK"];
        let name = self.pick(NAMES);
        let (method, key) = [
            ("tools/call", "name"),
            ("prompts/get", "name"),
            ("resources/read", "uri"),
            ("resources/subscribe", "uri"),
            ("completion/complete", "ref"),
            ("subscriptions/listen", "notifications"),
            ("tools/list", "cursor"),
            ("notifications/progress", "x"),
        ][self.throw(8)];
        let named = self.spell(name);
        let named = match key {
            "ref" => self.object(vec![("type".into(), "\"ref/prompt\"".into()), ("name".into(), named)]),
            "notifications" => self.object(vec![("resourceSubscriptions".into(), format!("[{named},\"x:b\"]"))]),
            _ => named,
        };
        let mut params = vec![(key.to_owned(), named), ("_meta".into(), "{\"a\":1}".into())];
        for more in ["arguments", "x-acme", "Name", "argument\0", "name", "__proto__", "toString"] {
            if self.throw(6) == 0 {
                params.push((more.to_owned(), self.value(3)));
            }
        }
        let mut members = vec![
            ("jsonrpc".to_owned(), "\"2.0\"".to_owned()),
            ("method".to_owned(), self.spell(method)),
            ("params".to_owned(), self.object(params)),
        ];
        if !method.starts_with("notifications/") {
            let id = self.pick(&[
                "0",
                "-1",
                "7",
                "9007199254740991",
                "\"\"",
                "\"7\"",
                "\"\\u0037\"",
                "1.0",
                "null",
                "-0",
            ]);
            members.push(("id".into(), id.into()));
        }
        if self.throw(8) == 0 {
            members.push((self.pick(&["x", "Method", "__proto__", "method\u{200b}", "id"]).into(), self.value(2)));
        }
        let mut bytes = self.object(members).into_bytes();
        if self.throw(4) == 0 {
            let (at, byte) = (self.throw(bytes.len()), u8::try_from(self.throw(256)).unwrap());
            bytes[at] = byte;
        }
        bytes
    }
}

/// A line for tests/corpus/agree.py: the bytes, and what was read of them.
fn line(bytes: &[u8], message: &Message<'_>) -> String {
    let id: Value = message.id.map_or(Value::Null, |id| serde_json::from_str(id).unwrap());
    let names = asked_names(message);
    json!({"body": STANDARD.encode(bytes), "method": message.method, "names": names, "id": id}).to_string() + "\n"
}

#[test]
fn what_is_accepted_is_written_down_for_other_decoders() {
    let mut lines = String::new();
    let (mut accepted, mut dice) = (0, Dice(0x2026_0728));
    let mut take = |bytes: &[u8]| {
        properties::recognise(bytes);
        if let Ok(message) = recognise(&Mirror::default(), bytes, DEPTH) {
            lines.push_str(&line(bytes, &message));
            accepted += 1;
        }
    };
    let cases = Case::all();
    cases.iter().for_each(|case| take(&case.body()));
    (0..12_000).for_each(|_| take(&dice.message()));
    assert!((4_000..12_000).contains(&accepted), "{accepted}: both kinds should be many");
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("accepted.jsonl"), lines).unwrap();
}
