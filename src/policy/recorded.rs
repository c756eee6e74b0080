//! Decisions as audit lines have them, read back.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{DenyReason, Kind};
use crate::record::MOST_TEXTS;

/// What stands in an audit line, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    subject: Option<String>,
    issuer: Option<String>,
    scopes: Option<Vec<String>>,
    method: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    arguments: Option<Box<RawValue>>,
    decision: Option<String>,
    reason: Option<String>,
    rule: Option<String>,
}

/// A decision of a policy about one thing for one caller.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) subject: String,
    pub(super) issuer: Option<String>,
    pub(super) scopes: BTreeSet<String>,
    pub(super) method: Option<String>,
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The arguments as JSON, where all of them were recorded.
    pub(super) arguments: Option<String>,
    pub(super) is_allowed: bool,
    pub(super) rule: Option<String>,
}

/// Why a line says nothing about a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Useless {
    /// It is no audit line.
    Unreadable,
    /// It is about what needs no rule, or about a refusal that no policy makes.
    Other,
    /// Its texts were cut when they were written, so that they name nothing for certain.
    Cut,
}

/// Reads one line of an audit.
///
/// # Errors
/// Why it says nothing about a policy.
pub(super) fn read(line: &str) -> Result<Recorded, Useless> {
    let line: Line = serde_json::from_str(line).map_err(|_| Useless::Unreadable)?;
    // A line of another log has no decision.
    let decision = line.decision.ok_or(Useless::Unreadable)?;
    let (Some(subject), Some(word)) = (line.subject, line.kind) else { return Err(Useless::Other) };
    let is_allowed = match decision.as_str() {
        "allow" => true,
        "deny" => false,
        _ => return Err(Useless::Unreadable),
    };
    // Whoever was refused for another reason might have been let in.
    let is_ruled = is_allowed || line.reason.is_some_and(|reason| DenyReason::WORDS.contains(&reason.as_str()));
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word);
    let (Some(kind), Some(name), Some(scopes), true) = (kind, line.name, line.scopes, is_ruled) else {
        return Err(Useless::Other);
    };
    let is_cut = |text: &String| text.ends_with('…') || text.contains(char::REPLACEMENT_CHARACTER);
    if is_cut(&name) || scopes.iter().any(is_cut) || scopes.len() >= MOST_TEXTS {
        return Err(Useless::Cut);
    }
    let arguments = line.arguments.map(|raw| raw.get().to_owned()).filter(|text| is_whole(text));
    let (issuer, method, rule, scopes) = (line.issuer, line.method, line.rule, scopes.into_iter().collect());
    Ok(Recorded { subject, issuer, scopes, method, kind, name, arguments, is_allowed, rule })
}

/// Whether recorded arguments are the arguments themselves: neither their names, which are a list, nor digests of
/// their values. Values that look like digests are taken for them.
fn is_whole(arguments: &str) -> bool {
    let Ok(members) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(arguments) else {
        return false;
    };
    let is_digest = |value: &serde_json::Value| {
        value.as_str().is_some_and(|text| text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    members.is_empty() || !members.values().all(is_digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::arguments::{Arguments, Extent};

    #[track_caller]
    fn check(extent: Extent, arguments: &str, is_known: bool) {
        let recorded = Arguments::new(extent, b"key").record(arguments).unwrap();
        let line = format!(
            r#"{{"subject":"a","scopes":[],"kind":"tool","name":"x","decision":"allow","arguments":{recorded}}}"#
        );
        assert_eq!(read(&line).unwrap().arguments.is_some(), is_known, "{line}");
    }

    #[test]
    fn only_arguments_that_were_recorded_in_full_are_taken_for_arguments() {
        check(Extent::Full, r#"{"path":"/tmp"}"#, true);
        check(Extent::Full, r#"{"a":"0123456789abcdef01234567","n":1}"#, true);
        check(Extent::Full, "{}", true);
        check(Extent::Names, r#"{"path":"/tmp"}"#, false);
        check(Extent::Hashed, r#"{"path":"/tmp","n":1}"#, false);
        // Too long for a line, so that only names are there.
        check(Extent::Full, &format!(r#"{{"path":"{}"}}"#, "x".repeat(5_000)), false);
    }
}
