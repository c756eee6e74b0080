//! `toolgate policy lint`: a policy beside what a server lists.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::init::{asked, listed};
use super::review::{UNANSWERED, policy};
use super::{counted, print, say};
use crate::policy::flaw::Quoted;
use crate::policy::lint::{Finding, lint};
use crate::settings::args::Access;

/// Asks the server, and compares.
pub(super) fn run(file: &Path, access: &Access, is_for_programs: bool) -> ExitCode {
    let Some(policy) = policy(file) else { return ExitCode::from(UNANSWERED) };
    let survey = match asked(access) {
        Ok(survey) => survey,
        Err(trouble) => {
            say(&trouble);
            return ExitCode::from(UNANSWERED);
        }
    };
    let findings = lint(&policy, &listed(&survey));
    let name = file.display().to_string();
    let printed = if is_for_programs {
        let listed: Vec<Value> = findings.iter().map(as_json).collect();
        print(format!("{}\n", json!({"file": name, "findings": listed})).as_bytes())
    } else {
        let text: String = findings.iter().map(|finding| format!("{}\n", as_text(&name, finding))).collect();
        say(&counted(findings.len(), "finding"));
        print(text.as_bytes())
    };
    if findings.is_empty() { printed } else { ExitCode::FAILURE }
}

fn as_text(file: &str, finding: &Finding) -> String {
    match finding {
        Finding::Idle { rule, line } => {
            format!("{file}:{line}: {} decides about nothing that the server lists", Quoted(rule))
        }
        Finding::Argument { rule, line, argument } => {
            let argument = Quoted(argument);
            format!(
                "{file}:{line}: the condition of {} asks for {argument}, which no tool takes there",
                Quoted(rule)
            )
        }
        Finding::Mistaken { rule, line, argument } => {
            let argument = Quoted(argument);
            format!(
                "{file}:{line}: the condition of {} takes {argument} for something that its schema says it never is",
                Quoted(rule)
            )
        }
        Finding::Uncovered { kind, name } => {
            format!("{file}: the {} {} is in no rule: nobody can have it", kind.word(), Quoted(name))
        }
    }
}

fn as_json(finding: &Finding) -> Value {
    match finding {
        Finding::Idle { rule, line } => json!({"finding": "idle_rule", "rule": rule, "line": line}),
        Finding::Argument { rule, line, argument } => {
            json!({"finding": "unknown_argument", "rule": rule, "line": line, "argument": argument})
        }
        Finding::Mistaken { rule, line, argument } => {
            json!({"finding": "mistaken_argument", "rule": rule, "line": line, "argument": argument})
        }
        Finding::Uncovered { kind, name } => json!({"finding": "uncovered", "kind": kind.word(), "name": name}),
    }
}
