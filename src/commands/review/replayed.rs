//! Recorded decisions under two policies, as text and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::commands::{audit_lines, counted};
use crate::policy::Policy;
use crate::policy::flaw::Quoted;
use crate::policy::review::{Caller, Replay};

/// Decides again what `audit` has.
///
/// # Errors
/// Why the file cannot be read, for people.
pub(super) fn replay<'p>(old: &'p Policy, new: &'p Policy, audit: &Path) -> Result<Replay<'p>, String> {
    let mut replay = Replay::new(old, new);
    audit_lines(audit, |line| replay.take(line))?;
    Ok(replay)
}

/// What changes for whom, what is unknown, and how many lines said something.
pub(super) fn as_text(replay: &Replay<'_>) -> String {
    let mut text = String::from("recorded decisions\n");
    let (mut gained, mut lost) = (0_usize, 0_usize);
    for (kind, name, callers) in replay.moved() {
        let _ = writeln!(text, "  {} {}", kind.word(), Quoted(name));
        for (caller, moved) in callers {
            gained = gained.saturating_add(moved.gained);
            lost = lost.saturating_add(moved.lost);
            for (sign, word, count) in [("+", "gained", moved.gained), ("-", "lost", moved.lost)] {
                if count > 0 {
                    let count = counted(count, "decision");
                    let _ = writeln!(text, "    {sign} {word} by {}: {count}", named(caller));
                }
            }
        }
    }
    for (unknown, count) in &replay.unknown {
        let _ = writeln!(text, "  ? unknown: {}: {unknown}", counted(*count, "decision"));
    }
    let _ = writeln!(text, "{} replayed: {gained} gained, {lost} lost", counted(replay.replayed, "decision"));
    for (count, what) in [
        (replay.otherwise, "decided otherwise by the old policy than was recorded: another one was in force"),
        (replay.other, "about what needs no rule, or refused for other reasons"),
        (replay.unreadable, "unreadable"),
        (replay.beyond, "beyond what can be held"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{} {what}", counted(count, "line"));
        }
    }
    text
}

fn named(Caller { subject, issuer }: &Caller) -> String {
    let issuer = issuer.as_deref().map(|issuer| format!(" of {}", Quoted(issuer))).unwrap_or_default();
    format!("{}{issuer}", Quoted(subject))
}

/// The same for programs.
pub(super) fn as_json(replay: &Replay<'_>) -> Value {
    let mut changed = Vec::new();
    for (kind, name, callers) in replay.moved() {
        for (Caller { subject, issuer }, moved) in callers {
            changed.push(json!({
                "kind": kind.word(), "name": name, "subject": subject, "issuer": issuer,
                "gained": moved.gained, "lost": moved.lost,
            }));
        }
    }
    let unknown = |(unknown, count): (&crate::policy::review::Unknown, &usize)| json!({"reason": unknown.to_string(), "count": count});
    json!({
        "replayed": replay.replayed,
        "changed": changed,
        "unknown": replay.unknown.iter().map(unknown).collect::<Vec<_>>(),
        "otherwise": replay.otherwise, "other": replay.other,
        "unreadable": replay.unreadable, "beyond": replay.beyond,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(tell: impl Fn(&Replay<'_>) -> String) -> String {
        let policy = |rule: &str| Policy::compile("p", &format!("version: 1\ntools: {{x: {rule}}}\n")).unwrap();
        let (old, new) = (policy("{scopes: [r]}"), policy("{scopes: [w], when: args.n == 1}"));
        let folder = tempfile::tempdir().unwrap();
        let audit = folder.path().join("audit.jsonl");
        let line = |subject: &str, scope: &str| {
            json!({"subject": subject, "issuer": "i", "scopes": [scope], "method": "tools/call", "kind": "tool",
                "name": "x", "decision": "allow", "reason": "permitted", "rule": "tools.x"})
            .to_string()
        };
        let lines = [line("alice", "r"), line("al\u{7}ice", "r"), line("bob", "w"), "{}".to_owned()];
        std::fs::write(&audit, lines.join("\n")).unwrap();
        tell(&replay(&old, &new, &audit).unwrap())
    }

    #[test]
    fn people_read_who_loses_what_and_what_is_unknown() {
        let expected = "recorded decisions
  tool `x`
    - lost by `al\\u{7}ice` of `i`: 1 decision
    - lost by `alice` of `i`: 1 decision
  ? unknown: 1 decision: the condition of `tools.x` looks at `args`, which was not recorded
2 decisions replayed: 0 gained, 2 lost
1 line unreadable
";
        // The old policy refuses `bob`, who was let in, whatever the arguments; what the new one says depends on them.
        assert_eq!(told(as_text), expected);
    }

    #[test]
    fn programs_read_the_same() {
        let report: Value = serde_json::from_str(&told(|replay| as_json(replay).to_string())).unwrap();
        let first = &report["changed"][0];
        assert_eq!(
            (&first["subject"], &first["lost"], &first["gained"]),
            (&json!("al\u{7}ice"), &json!(1), &json!(0))
        );
        assert_eq!((&report["replayed"], &report["unknown"][0]["count"]), (&json!(2), &json!(1)));
    }
}
