//! `toolgate policy check`: every flaw of a policy at once.

pub(super) mod test;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{counted, print, say};
use crate::catalogue::Entry;
use crate::live;
use crate::message::lists::ListKind;
use crate::policy::{Policy, Warning};

/// One thing that is wrong with a policy.
struct Finding {
    line: usize,
    column: usize,
    message: String,
    hint: Option<String>,
}

/// Checks a policy as `serve` would before it takes it: that it compiles, and that its own tests pass.
/// Where `tools` are given, the conditions of its rules are held against their schemas.
pub(super) fn check(file: &Path, tools: Option<&Path>, is_for_programs: bool) -> ExitCode {
    let name = file.display().to_string();
    let read = live::read(file).and_then(|text| Ok((text, tools.map(listed).transpose()?.unwrap_or_default())));
    let (text, tools) = match read {
        Ok(read) => read,
        Err(trouble) => {
            say(&trouble);
            return ExitCode::FAILURE;
        }
    };
    let Checked { findings, warnings, rules } = findings(&name, &text, &tools);
    if is_for_programs {
        let listed: Vec<_> = findings
            .iter()
            .map(|finding| {
                let Finding { line, column, message, hint } = finding;
                json!({"file": name, "line": line, "column": column, "message": message, "hint": hint})
            })
            .collect();
        let odd: Vec<_> = warnings.iter().map(|odd| json!({"line": odd.line, "message": odd.message})).collect();
        let is_good = findings.is_empty();
        let report = json!({"file": name, "ok": is_good, "rules": rules, "flaws": listed, "warnings": odd});
        let printed = print(format!("{report}\n").as_bytes());
        return if findings.is_empty() { printed } else { ExitCode::FAILURE };
    }
    for Finding { line, column, message, hint } in &findings {
        say(&format!("{name}:{line}:{column}: {message}"));
        if let Some(hint) = hint {
            say(&format!("  hint: {hint}"));
        }
    }
    for Warning { line, message } in &warnings {
        say(&format!("{name}:{line}: warning: {message}"));
    }
    if findings.is_empty() {
        let odd =
            if warnings.is_empty() { String::new() } else { format!(", {}", counted(warnings.len(), "warning")) };
        say(&format!("{name}: {}, no flaw{odd}", counted(rules, "rule")));
        return ExitCode::SUCCESS;
    }
    say(&counted(findings.len(), "flaw"));
    ExitCode::FAILURE
}

/// What was found.
#[derive(Default)]
struct Checked {
    /// What keeps the policy from being used.
    findings: Vec<Finding>,
    /// What is probably not meant.
    warnings: Vec<Warning>,
    rules: usize,
}

/// The tools in a file with what a server answered to `tools/list`: the whole answer, its result, or the list alone.
fn listed(file: &Path) -> Result<Vec<Arc<Entry>>, String> {
    let name = file.display();
    let text = live::read(file)?;
    let document: Value = serde_json::from_str(&text).map_err(|error| format!("{name}: is no JSON: {error}"))?;
    let result = document.get("result").unwrap_or(&document);
    let list = result.get("tools").unwrap_or(result);
    if list.as_object().is_some_and(|tools| tools.values().all(Value::is_array)) {
        return Err(format!("{name}: a lockfile has no schemas; give what the server answers to `tools/list`"));
    }
    let list = list.as_array().ok_or_else(|| format!("{name}: has no list of tools"))?;
    Ok(list.iter().filter_map(|tool| Entry::alone(ListKind::Tools, &tool.to_string())).map(Arc::new).collect())
}

/// What is wrong or odd, and how many rules there are.
fn findings(name: &str, text: &str, tools: &[Arc<Entry>]) -> Checked {
    let policy = match Policy::compile(name, text) {
        Ok(policy) => policy,
        Err(flaws) => {
            let finding = |flaw: &crate::policy::Flaw| Finding {
                line: flaw.line,
                column: flaw.column,
                message: flaw.message.clone(),
                hint: flaw.hint.clone(),
            };
            return Checked { findings: flaws.iter().map(finding).collect(), ..Checked::default() };
        }
    };
    let failed = policy.run_tests().into_iter().filter(|test| !test.passed());
    let findings = failed.flat_map(|test| {
        let message = |failure: &String| format!("test `{}` fails: {failure}", test.name);
        let finding = |message| Finding { line: test.line, column: 1, message, hint: None };
        test.failures.iter().map(|failure| finding(message(failure))).collect::<Vec<_>>()
    });
    let mut warnings = policy.warnings();
    warnings.extend(policy.warnings_about(tools));
    warnings.sort();
    Checked { findings: findings.collect(), warnings, rules: policy.rule_count() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, places: &[(usize, usize)], rules: usize) {
        let Checked { findings, rules: counted, .. } = findings("p.yaml", text, &[]);
        let found: Vec<_> = findings.iter().map(|finding| (finding.line, finding.column)).collect();
        assert_eq!((found.as_slice(), counted), (places, rules));
    }

    #[test]
    fn every_flaw_is_found_with_its_place() {
        check("version: 1\ntools: {a: {scopes: []}}\n", &[], 1);
        check("version: 1\ntools:\n  a: {scope: []}\nprompt: {}\n", &[(3, 3), (3, 7), (4, 1)], 0);
    }

    #[test]
    fn tools_are_read_as_a_server_lists_them_and_a_lockfile_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tools.json");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            listed(&file)
        };
        let list = r#"[{"name":"a","inputSchema":{"properties":{"x":{}}}},7,{"title":"nameless"}]"#;
        for text in [
            list.to_owned(),
            format!("{{\"tools\":{list}}}"),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"tools\":{list}}}}}"),
        ] {
            let tools = read(&text).unwrap();
            assert_eq!(tools.iter().map(|tool| tool.name()).collect::<Vec<_>>(), ["a"], "{text}");
            let policy = "version: 1\ntools: {a: {scopes: [], when: args.y == 1}}\n";
            assert_eq!(findings("p", policy, &tools).warnings.len(), 1);
            assert_eq!(findings("p", &policy.replace("args.y", "args.x"), &tools).warnings, []);
        }
        let lock = format!("{{\"version\":1,\"tools\":{{\"a\":[\"sha256:{}\"]}}}}", "0".repeat(64));
        assert!(read(&lock).unwrap_err().contains("a lockfile has no schemas"));
        for text in ["", "{}", "7", "{\"tools\":7}"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_policy_that_fails_its_own_tests_is_flawed() {
        let text = "version: 1\ntools: {a: {scopes: [x]}}\ntests:\n  - name: t\n    token: {scope: \"\"}\n    tools: {visible: [a]}\n";
        check(text, &[(4, 1)], 1);
    }
}
