//! What is recorded of a decision: one line of JSON, fields only, never a token.

pub mod arguments;

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The most characters of any one text in a record. Names come from callers; a line must stay a line.
const LONGEST: usize = 256;

/// Milliseconds since 1970-01-01T00:00:00Z. Shown as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub u64);

/// Whether what was asked was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
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
#[derive(Debug, Clone, Serialize)]
pub struct AuditRecord<'a> {
    /// When the request was decided.
    #[serde(serialize_with = "rfc3339")]
    pub time: Moment,
    /// The request.
    #[serde(serialize_with = "text")]
    pub request_id: &'a str,
    /// The decision, as told to a refused caller.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<&'a str>,
    /// `sub` of a verified token.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub subject: Option<&'a str>,
    /// The issuer that vouches for it.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub issuer: Option<&'a str>,
    /// The client it was issued to.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub client_id: Option<&'a str>,
    /// The scopes of its token, the first 64.
    #[serde(serialize_with = "texts", skip_serializing_if = "Option::is_none")]
    pub scopes: Option<&'a [&'a str]>,
    /// The JSON-RPC method, or the HTTP method where there is no message.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    /// What kind of thing is asked for: `tool`, `prompt`, `resource`, `method`, …
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'a str>,
    /// Its name, as the caller wrote it.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// What is recorded of the arguments: see [`arguments`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<&'a RawValue>,
    /// What was decided.
    pub decision: Outcome,
    /// Why: the word of the refusal or of the rule's verdict.
    #[serde(serialize_with = "text")]
    pub reason: &'a str,
    /// More about the reason: why a condition has no value.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
    /// The rule that decided.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    /// Why it would have been refused, were a rule in shadow enforced.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub would_deny: Option<&'a str>,
    /// That rule.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub would_deny_rule: Option<&'a str>,
    /// How the tool differs from the lockfile, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_drift: Option<&'a str>,
    /// The policy that was asked.
    pub policy_generation: u64,
    /// A digest of the session's identifier; the identifier itself would be a key to the session.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub session: Option<&'a str>,
    /// The status the caller got.
    pub http_status: u16,
    /// The status the upstream gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// From the request's head to the end of the answer, in microseconds.
    pub duration_us: u64,
    /// Of that, waiting for the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_us: Option<u64>,
    /// Why the stream ended, if the answer was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_end: Option<&'a str>,
    /// The address the request came from.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub remote: Option<&'a str>,
    /// The trace the request belongs to.
    #[serde(serialize_with = "optional", skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<&'a str>,
}

impl AuditRecord<'_> {
    /// The record as one line of JSON with its line end.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(512);
        // Writing plain fields to memory cannot fail; were it to, an empty line is still a line.
        if serde_json::to_writer(&mut line, self).is_err() {
            line.clear();
        }
        line.push(b'\n');
        line
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn rfc3339<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(moment)
}

fn text<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&harmless(text))
}

fn optional<S: Serializer>(text: &Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&harmless(text.unwrap_or_default()))
}

/// The most texts of a list in a record.
pub const MOST_TEXTS: usize = 64;

fn texts<S: Serializer>(texts: &Option<&[&str]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.unwrap_or_default().iter().take(MOST_TEXTS).map(|text| harmless(text)))
}

/// The text, cut where it is too long, and without what a terminal or a log reader could take for a command: JSON
/// escapes the C0 controls, but neither DEL, C1, the line separators nor the marks that reverse the writing.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |letter: char| matches!(letter, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    let is_long = text.len() > LONGEST && text.chars().nth(LONGEST).is_some();
    if !is_long && !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let letters = text
        .chars()
        .take(LONGEST)
        .map(|letter| if is_harmful(letter) { char::REPLACEMENT_CHARACTER } else { letter });
    Cow::Owned(letters.chain(is_long.then_some('…')).collect())
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, milliseconds) = (self.0.div_euclid(1000), self.0.rem_euclid(1000));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (hour, minute) = (second.div_euclid(3600), second.rem_euclid(3600).div_euclid(60));
        let (year, month, day) = civil(days);
        let second = second.rem_euclid(60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
    }
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar.
///
/// Days are counted from 0000-03-01, so that the leap day ends a year (H. Hinnant, "chrono-compatible low-level
/// date algorithms", `civil_from_days`).
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let without_leap_days = day_of_era
        .saturating_sub(day_of_era.div_euclid(1_460))
        .saturating_add(day_of_era.div_euclid(36_524))
        .saturating_sub(day_of_era.div_euclid(146_096));
    let year_of_era = without_leap_days.div_euclid(365);
    let leap_days = year_of_era.div_euclid(4).saturating_sub(year_of_era.div_euclid(100));
    let day_of_year = day_of_era.saturating_sub(year_of_era.saturating_mul(365).saturating_add(leap_days));
    let shifted = day_of_year.saturating_mul(5).saturating_add(2).div_euclid(153);
    let first = shifted.saturating_mul(153).saturating_add(2).div_euclid(5);
    let day = day_of_year.saturating_sub(first).saturating_add(1);
    let month = if shifted < 10 { shifted.saturating_add(3) } else { shifted.saturating_sub(9) };
    let year = era.saturating_mul(400).saturating_add(year_of_era);
    (if month <= 2 { year.saturating_add(1) } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AuditRecord<'static> {
        AuditRecord {
            time: Moment(1_753_690_000_007),
            request_id: "r1",
            decision_id: Some("d1"),
            subject: Some("alice"),
            issuer: Some("https://idp.example.com"),
            client_id: Some("cli"),
            scopes: Some(&["files:read"]),
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
        let line = String::from_utf8(record().line()).unwrap();
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
        let line = AuditRecord { name: Some(name), ..record() }.line();
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
