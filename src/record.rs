//! What is recorded of a decision: one line of JSON, fields only, never a token.

pub mod arguments;
mod line;

use serde_json::value::RawValue;

use line::{Line, key};
pub use line::{MOST_TEXTS, Told};

/// Milliseconds since 1970-01-01T00:00:00Z. Shown as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub u64);

/// Whether what was asked was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was forwarded.
    Allow,
    /// It was refused.
    Deny,
}

impl Outcome {
    /// The stable word: audit `decision`, metric label.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// One decision. Absent fields are left out; texts are cut at 256 characters.
#[derive(Debug, Clone)]
pub struct AuditRecord<'a> {
    /// When the request was decided.
    pub time: Moment,
    /// The request.
    pub request_id: &'a str,
    /// The decision, as told to a refused caller.
    pub decision_id: Option<&'a str>,
    /// Who it is, once its token is verified.
    pub caller: Option<&'a Told>,
    /// The JSON-RPC method, or the HTTP method where there is no message.
    pub method: Option<&'a str>,
    /// What kind of thing is asked for: `tool`, `prompt`, `resource`, `method`, …
    pub kind: Option<&'a str>,
    /// Its name, as the caller wrote it.
    pub name: Option<&'a str>,
    /// What is recorded of the arguments: see [`arguments`].
    pub arguments: Option<&'a RawValue>,
    /// What was decided.
    pub decision: Outcome,
    /// Why: the word of the refusal or of the rule's verdict.
    pub reason: &'a str,
    /// More about the reason: why a condition has no value.
    pub detail: Option<&'a str>,
    /// The rule that decided.
    pub rule: Option<&'a str>,
    /// Why it would have been refused, were a rule in shadow enforced.
    pub would_deny: Option<&'a str>,
    /// That rule.
    pub would_deny_rule: Option<&'a str>,
    /// How the tool differs from the lockfile, if it does.
    pub tool_drift: Option<&'a str>,
    /// The policy that was asked.
    pub policy_generation: u64,
    /// A digest of the session's identifier; the identifier itself would be a key to the session.
    pub session: Option<&'a str>,
    /// The status the caller got.
    pub http_status: u16,
    /// The status the upstream gave.
    pub upstream_status: Option<u16>,
    /// From the request's head to the end of the answer, in microseconds.
    pub duration_us: u64,
    /// Of that, waiting for the upstream.
    pub upstream_us: Option<u64>,
    /// Why the stream ended, if the answer was one.
    pub stream_end: Option<&'a str>,
    /// The address the request came from.
    pub remote: Option<&'a str>,
    /// The trace the request belongs to.
    pub trace_id: Option<&'a str>,
}

impl AuditRecord<'_> {
    /// The record as one line of JSON with its line end.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut line = Line::begin(self.time);
        line.text(key!("request_id"), self.request_id);
        line.optional(key!("decision_id"), self.decision_id);
        if let Some(caller) = self.caller {
            line.told(caller);
        }
        line.optional(key!("method"), self.method);
        line.optional(key!("kind"), self.kind);
        line.optional(key!("name"), self.name);
        if let Some(arguments) = self.arguments {
            line.json(key!("arguments"), arguments);
        }
        line.text(key!("decision"), self.decision.word());
        line.text(key!("reason"), self.reason);
        line.optional(key!("detail"), self.detail);
        line.optional(key!("rule"), self.rule);
        line.optional(key!("would_deny"), self.would_deny);
        line.optional(key!("would_deny_rule"), self.would_deny_rule);
        line.optional(key!("tool_drift"), self.tool_drift);
        line.number(key!("policy_generation"), self.policy_generation);
        line.optional(key!("session"), self.session);
        line.number(key!("http_status"), self.http_status.into());
        if let Some(status) = self.upstream_status {
            line.number(key!("upstream_status"), status.into());
        }
        line.number(key!("duration_us"), self.duration_us);
        if let Some(time) = self.upstream_us {
            line.number(key!("upstream_us"), time);
        }
        line.optional(key!("stream_end"), self.stream_end);
        line.optional(key!("remote"), self.remote);
        line.optional(key!("trace_id"), self.trace_id);
        line.end()
    }
}

/// The trace id of a `traceparent` header (W3C Trace Context §3.2).
#[must_use]
pub fn trace_id(traceparent: &str) -> Option<&str> {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_whole = version.len() == 2 && trace.len() == 32 && parent.len() == 16 && flags.len() == 2;
    let is_known = version != "ff" && (version != "00" || parts.next().is_none());
    let is_sound = [version, trace, parent, flags].into_iter().all(is_hex) && !is_zero(trace) && !is_zero(parent);
    (is_whole && is_known && is_sound).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{Caller, Scopes, UnixTime};

    fn alice() -> Told {
        let scopes = Scopes::from_names(["files:read"]);
        let caller = Caller::new("https://idp.example.com", "alice", UnixTime(1));
        Told::new(&Caller { client_id: Some("cli".into()), scopes, ..caller })
    }

    fn record(caller: &Told) -> AuditRecord<'_> {
        AuditRecord {
            time: Moment(1_753_690_000_007),
            request_id: "r1",
            decision_id: Some("d1"),
            caller: Some(caller),
            method: Some("tools/call"),
            kind: Some("tool"),
            name: Some("delete_file"),
            arguments: None,
            decision: Outcome::Deny,
            reason: "scopes_missing",
            detail: None,
            rule: Some("tools.delete_file"),
            would_deny: None,
            tool_drift: None,
            would_deny_rule: None,
            policy_generation: 3,
            session: Some("9f86d081"),
            http_status: 403,
            upstream_status: None,
            duration_us: 120,
            upstream_us: None,
            stream_end: None,
            remote: Some("10.0.0.1:5000"),
            trace_id: None,
        }
    }

    #[test]
    fn a_record_is_one_line_in_a_fixed_order() {
        let line = String::from_utf8(record(&alice()).line()).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"time":"2025-07-28T08:06:40.007Z","request_id":"r1","decision_id":"d1","subject":"alice","#,
                r#""issuer":"https://idp.example.com","client_id":"cli","scopes":["files:read"],"method":"tools/call","kind":"tool","#,
                r#""name":"delete_file","decision":"deny","reason":"scopes_missing","rule":"tools.delete_file","#,
                r#""policy_generation":3,"session":"9f86d081","http_status":403,"duration_us":120,"#,
                r#""remote":"10.0.0.1:5000"}"#,
                "\n"
            )
        );
    }

    #[track_caller]
    fn check_name(name: &str, expected: &str) {
        let line = AuditRecord { name: Some(name), ..record(&alice()) }.line();
        assert_eq!(line.iter().filter(|byte| byte.is_ascii_control()).count(), 1, "only the line end");
        let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(read["name"], expected);
    }

    #[test]
    fn a_name_cannot_break_the_line_or_speak_to_a_terminal() {
        check_name("a\"b\\c", "a\"b\\c");
        check_name("a\nb\r\u{1b}[2J\0", "a\nb\r\u{1b}[2J\0");
        check_name("a\u{7f}\u{9b}\u{2028}\u{202e}b", "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}b");
        check_name("\",\"decision\":\"allow", "\",\"decision\":\"allow");
        check_name("größe", "größe");
    }

    #[test]
    fn a_name_is_cut_by_characters() {
        check_name(&"ä".repeat(256), &"ä".repeat(256));
        check_name(&"ä".repeat(257), &format!("{}…", "ä".repeat(256)));
        check_name(&"x".repeat(1_000_000), &format!("{}…", "x".repeat(256)));
    }

    #[test]
    fn moments_are_written_as_rfc_3339() {
        for (moment, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Moment(moment).to_string(), expected);
        }
    }

    #[test]
    fn a_trace_id_comes_only_from_a_sound_header() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let header = |version: &str, trace: &str, rest: &str| format!("{version}-{trace}-{rest}");
        let parent = "00f067aa0ba902b7-01";
        assert_eq!(trace_id(&header("00", trace, parent)), Some(trace));
        assert_eq!(trace_id(&header("01", trace, &format!("{parent}-more"))), Some(trace));
        for bad in [
            String::new(),
            header("ff", trace, parent),
            header("00", trace, &format!("{parent}-more")),
            header("00", &trace.to_uppercase(), parent),
            header("00", &"0".repeat(32), parent),
            header("00", trace, "0000000000000000-01"),
            header("00", trace, "00f067aa0ba902b7"),
            header("0", trace, parent),
            header("00", &format!("{trace}0"), parent),
        ] {
            assert_eq!(trace_id(&bad), None, "{bad}");
        }
    }
}
