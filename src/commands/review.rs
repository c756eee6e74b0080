//! `toolgate policy diff`, `matrix`, `who` and `what`: questions about whole policies.

mod replayed;
mod table;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{counted, print, say};
use crate::caller::Scopes;
use crate::live;
use crate::policy::review::{self, Answer, Change, Direction, Effect, Holder, Replay, TooVaried, Way};
use crate::policy::{Kind, Policy};
use crate::report::explained::rate;
use crate::settings::args::{DiffArgs, FailOn, MatrixFormat};

/// Exit code where the question could not be answered, so that no script takes it for "nothing changed".
pub(super) const UNANSWERED: u8 = 2;

/// `policy diff`.
pub(super) fn diff(args: &DiffArgs) -> ExitCode {
    let (Some(old), Some(new)) = (policy(&args.old), policy(&args.new)) else { return ExitCode::from(UNANSWERED) };
    let changes = match review::diff(&old, &new) {
        Ok(changes) => changes,
        Err(trouble) => return unanswered(trouble),
    };
    let replay = match args.audit.as_deref().map(|audit| replayed::replay(&old, &new, audit)).transpose() {
        Ok(replay) => replay,
        Err(trouble) => {
            say(&trouble);
            return ExitCode::from(UNANSWERED);
        }
    };
    let printed = if args.json {
        let mut report = changes_as_json(&changes);
        if let (Some(replay), Value::Object(report)) = (&replay, &mut report) {
            report.insert("replay".to_owned(), replayed::as_json(replay));
        }
        print(format!("{report}\n").as_bytes())
    } else {
        let replayed = replay.as_ref().map(replayed::as_text).unwrap_or_default();
        print(format!("{}{replayed}", changes_as_text(&changes)).as_bytes())
    };
    let is_looser = goes(&changes, Direction::Loosened) || replay.as_ref().is_some_and(Replay::is_looser);
    let is_tighter = goes(&changes, Direction::Tightened) || replay.as_ref().is_some_and(Replay::is_tighter);
    let is_failure = match args.fail_on {
        None => false,
        Some(FailOn::Any) => !changes.is_empty() || is_looser || is_tighter,
        Some(FailOn::Loosened) => is_looser,
        Some(FailOn::Tightened) => is_tighter,
    };
    if is_failure { ExitCode::FAILURE } else { printed }
}

/// `policy matrix`.
pub(super) fn matrix(file: &Path, scopes: &[String], format: MatrixFormat) -> ExitCode {
    let Some(policy) = policy(file) else { return ExitCode::from(UNANSWERED) };
    let holder = |scopes: &String| {
        let name = if scopes.trim().is_empty() { "(no scope)" } else { scopes };
        Holder { name: name.to_owned(), scopes: Scopes::from_names(scopes.split_ascii_whitespace()) }
    };
    match review::matrix(&policy, scopes.iter().map(holder).collect()) {
        Ok(matrix) => print(table::render(&matrix, format).as_bytes()),
        Err(trouble) => unanswered(trouble),
    }
}

/// `policy who`.
pub(super) fn who(file: &Path, can: &str, kind: Option<&str>, is_for_programs: bool) -> ExitCode {
    let Some(policy) = policy(file) else { return ExitCode::from(UNANSWERED) };
    let kinds: Vec<Kind> =
        Kind::ALL.into_iter().filter(|each| kind.is_none_or(|kind| kind == each.word())).collect();
    let answers = match review::who(&policy, &kinds, can) {
        Ok(answers) => answers,
        Err(trouble) => return unanswered(trouble),
    };
    if is_for_programs {
        let listed: Vec<Value> = answers.iter().map(answer_as_json).collect();
        return print(format!("{}\n", json!({"asked": can, "answers": listed})).as_bytes());
    }
    if answers.is_empty() {
        return print(format!("nobody: no rule is about {can}\n").as_bytes());
    }
    let mut text = String::new();
    for answer in &answers {
        let (kind, thing, rule) = (answer.kind.word(), answer.thing(), place(answer));
        if answer.access.ways.is_empty() {
            let _ = writeln!(text, "{kind} {thing}: nobody ({rule})");
            continue;
        }
        let _ = writeln!(text, "{kind} {thing}: who has ({rule})");
        for way in &answer.access.ways {
            let _ = writeln!(text, "  {way}");
        }
        for (scope, others) in &answer.implied_by {
            let _ = writeln!(text, "  ({scope} is implied by {})", others.join(", "));
        }
    }
    print(text.as_bytes())
}

/// `policy what`.
pub(super) fn what(file: &Path, scopes: &[String], is_for_programs: bool) -> ExitCode {
    let Some(policy) = policy(file) else { return ExitCode::from(UNANSWERED) };
    let names = scopes.iter().flat_map(|scopes| scopes.split([',', ' ']));
    let scopes = Scopes::from_names(names);
    let answers = match review::what(&policy, &scopes) {
        Ok(answers) => answers,
        Err(trouble) => return unanswered(trouble),
    };
    if is_for_programs {
        let list = |wanted: bool| -> Vec<Value> {
            answers.iter().filter(|(_, can)| *can == wanted).map(|(answer, _)| answer_as_json(answer)).collect()
        };
        let scopes: Vec<&str> = scopes.iter().collect();
        let report = json!({"scopes": scopes, "can": list(true), "cannot": list(false)});
        return print(format!("{report}\n").as_bytes());
    }
    let mut text = String::new();
    for (wanted, title) in [(true, "can"), (false, "cannot")] {
        let _ = writeln!(text, "{title}:");
        for (answer, _) in answers.iter().filter(|(_, can)| *can == wanted) {
            let (kind, thing, ways) = (answer.kind.word(), answer.thing(), &answer.access.ways);
            let needs = match (wanted, ways.is_empty()) {
                (true, _) => answer.access.when.map(|when| format!(": when {when}")).unwrap_or_default(),
                (false, true) => ": nobody can".to_owned(),
                (false, false) => format!(": needs {}", joined(ways)),
            };
            let _ = writeln!(text, "  {kind} {thing}{needs}");
        }
    }
    print(text.as_bytes())
}

/// The policy in a file. Its own tests are not run: a question about a policy that fails them is a good one.
pub(super) fn policy(file: &Path) -> Option<Policy> {
    let compiled = live::read(file)
        .and_then(|text| Policy::compile(&file.display().to_string(), &text).map_err(|flaws| flaws.to_string()));
    compiled.map_err(|trouble| say(trouble.trim_end())).ok()
}

fn unanswered(trouble: TooVaried) -> ExitCode {
    say(&format!("{trouble}\n  hint: use fewer patterns that begin with `*`"));
    ExitCode::from(UNANSWERED)
}

fn goes(changes: &[Change<'_>], direction: Direction) -> bool {
    changes.iter().flat_map(|change| &change.effects).any(|effect| effect.goes(direction))
}

fn changes_as_text(changes: &[Change<'_>]) -> String {
    if changes.is_empty() {
        return "nothing changes for anybody\n".to_owned();
    }
    let mut text = String::new();
    for change in changes {
        let thing = thing(change);
        let _ = writeln!(text, "{} {thing}", change.kind.word());
        for effect in &change.effects {
            let _ = match effect {
                Effect::Gained(way) => writeln!(text, "  + gained by {way}"),
                Effect::Lost(way) => writeln!(text, "  - lost by {way}"),
                Effect::Told(old, new) => writeln!(text, "  ~ on_deny: {} → {}", old.word(), new.word()),
                Effect::Condition(old, new) => {
                    writeln!(text, "  ~ when: {} → {}", written(old.as_deref()), written(new.as_deref()))
                }
                Effect::Rate(old, new) => {
                    let (old, new) = (old.as_ref().map(rate), new.as_ref().map(rate));
                    writeln!(text, "  ~ rate_limit: {} → {}", written(old.as_deref()), written(new.as_deref()))
                }
            };
        }
        let (old, new) = (change.old_rule.unwrap_or("no rule"), change.new_rule.unwrap_or("no rule"));
        let _ = writeln!(text, "    {old} → {new}");
    }
    let count = |wanted: Direction| {
        changes.iter().filter(|change| change.effects.iter().any(|effect| effect.goes(wanted))).count()
    };
    let (loosened, tightened) = (count(Direction::Loosened), count(Direction::Tightened));
    let _ = writeln!(text, "{}: {loosened} loosened, {tightened} tightened", counted(changes.len(), "change"));
    text
}

/// How people call what changes.
fn thing(change: &Change<'_>) -> String {
    if change.is_example { format!("{} (for example)", change.name) } else { change.name.clone() }
}

fn changes_as_json(changes: &[Change<'_>]) -> Value {
    let effect = |effect: &Effect| {
        let (word, old, new) = match effect {
            Effect::Gained(Way(scopes)) => {
                return json!({"effect": "gained", "direction": "loosened", "scopes": scopes});
            }
            Effect::Lost(Way(scopes)) => {
                return json!({"effect": "lost", "direction": "tightened", "scopes": scopes});
            }
            Effect::Told(old, new) => ("on_deny", Some(old.word().to_owned()), Some(new.word().to_owned())),
            Effect::Condition(old, new) => ("when", old.clone(), new.clone()),
            Effect::Rate(old, new) => ("rate_limit", old.as_ref().map(rate), new.as_ref().map(rate)),
        };
        let direction = match (effect.goes(Direction::Loosened), effect.goes(Direction::Tightened)) {
            (true, true) => "unknown",
            (true, false) => "loosened",
            (false, true) => "tightened",
            (false, false) => "neutral",
        };
        json!({"effect": word, "direction": direction, "old": old, "new": new})
    };
    let change = |change: &Change<'_>| {
        let effects: Vec<Value> = change.effects.iter().map(effect).collect();
        json!({
            "kind": change.kind.word(), "name": change.name, "example": change.is_example,
            "old_rule": change.old_rule, "new_rule": change.new_rule, "effects": effects,
        })
    };
    json!({
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
        "loosened": goes(changes, Direction::Loosened),
        "tightened": goes(changes, Direction::Tightened),
    })
}

fn answer_as_json(answer: &Answer<'_>) -> Value {
    let ways: Vec<&Vec<String>> = answer.access.ways.iter().map(|Way(scopes)| scopes).collect();
    json!({
        "kind": answer.kind.word(), "name": answer.thing(), "rule": answer.access.rule,
        "line": answer.access.line, "any_of": ways, "when": answer.access.when, "shadow": answer.access.is_shadow,
    })
}

fn place(answer: &Answer<'_>) -> String {
    let rule = answer.access.rule.unwrap_or("no rule");
    format!("{rule}, line {}", answer.access.line)
}

/// What is or is not there.
fn written(text: Option<&str>) -> &str {
    text.unwrap_or("none")
}

fn joined(ways: &[Way]) -> String {
    ways.iter().map(ToString::to_string).collect::<Vec<_>>().join(", or ")
}
