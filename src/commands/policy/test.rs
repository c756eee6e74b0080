//! `toolgate policy test`: what a policy's own tests say of it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::super::{counted, print, say};
use crate::live;
use crate::policy::{Policy, TestResult};

/// How the result is told, besides to people.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands) struct Told<'a> {
    /// As JSON to standard output.
    pub(in crate::commands) json: bool,
    /// As JUnit XML to this file.
    pub(in crate::commands) junit: Option<&'a Path>,
}

/// Runs the tests that the policy in `file` carries. A policy without tests passes none, and fails.
pub(in crate::commands) fn test(file: &Path, told: Told<'_>) -> ExitCode {
    let name = file.display().to_string();
    let text = match live::read(file) {
        Ok(text) => text,
        Err(trouble) => {
            say(&trouble);
            return ExitCode::FAILURE;
        }
    };
    let policy = match Policy::compile(&name, &text) {
        Ok(policy) => policy,
        Err(flaws) => {
            say(&flaws.to_string());
            return ExitCode::FAILURE;
        }
    };
    let results = policy.run_tests();
    if let Some(report) = told.junit
        && let Err(error) = std::fs::write(report, junit(&name, &results))
    {
        say(&format!("{}: cannot be written: {error}", report.display()));
        return ExitCode::FAILURE;
    }
    if told.json {
        let _ = print(format!("{}\n", in_json(&name, &results)).as_bytes());
    } else {
        say(&for_people(&name, &results));
    }
    let is_good = !results.is_empty() && results.iter().all(TestResult::passed);
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failed(results: &[TestResult<'_>]) -> usize {
    results.iter().filter(|test| !test.passed()).count()
}

fn for_people(file: &str, results: &[TestResult<'_>]) -> String {
    let mut text = String::new();
    for test in results {
        let word = if test.passed() { "ok  " } else { "FAIL" };
        let _ = writeln!(text, "{word}  {} ({file}:{})", harmless(test.name), test.line);
        for failure in &test.failures {
            let _ = writeln!(text, "      {failure}");
        }
    }
    let claims: usize = results.iter().map(|test| test.claims).sum();
    let (passed, failed) = (results.len().saturating_sub(failed(results)), failed(results));
    if results.is_empty() {
        let _ = write!(text, "{file}: there are no tests; write some under `tests`");
    } else {
        let (passed, claims) = (counted(passed, "test"), counted(claims, "claim"));
        let _ = write!(text, "{file}: {passed} passed, {failed} failed, {claims}");
    }
    text
}

/// Names come from the file; what is printed stays text.
fn harmless(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

fn in_json(file: &str, results: &[TestResult<'_>]) -> serde_json::Value {
    let tests: Vec<_> = results
        .iter()
        .map(|test| {
            let TestResult { name, line, claims, failures } = test;
            json!({"name": name, "line": line, "claims": claims, "passed": test.passed(), "failures": failures})
        })
        .collect();
    let is_good = !results.is_empty() && failed(results) == 0;
    json!({"file": file, "ok": is_good, "tests": tests})
}

/// The report as JUnit XML, which build servers read.
fn junit(file: &str, results: &[TestResult<'_>]) -> String {
    let file = escaped(file);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (count, failed) = (results.len(), failed(results));
    let _ = writeln!(xml, "<testsuite name=\"{file}\" tests=\"{count}\" failures=\"{failed}\">");
    for test in results {
        let (name, line) = (escaped(test.name), test.line);
        let _ = write!(xml, "  <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{line}\"");
        if test.passed() {
            xml.push_str("/>\n");
            continue;
        }
        let message = escaped(&test.failures.join("\n"));
        let _ = writeln!(xml, ">\n    <failure message=\"{message}\"/>\n  </testcase>");
    }
    xml.push_str("</testsuite>\n");
    xml
}

/// Text in an attribute: nothing that ends it, and no character that XML 1.0 (§2.2) does not have.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            letter if letter.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version: 1
tools: {a: {scopes: [x]}}
tests:
  - {name: \"good <&> \\u0007\", token: {scope: x}, call: {tool: a}, expect: allow}
  - {name: bad, token: {scope: y}, tools: {visible: [a], hidden: [b]}}
";

    fn report(tell: impl Fn(&[TestResult<'_>]) -> String) -> String {
        tell(&Policy::compile("p", TEXT).unwrap().run_tests())
    }

    #[test]
    fn people_read_what_failed_and_why() {
        let expected = "ok    good <&> \u{fffd} (p:4)
FAIL  bad (p:5)
      line 5: tool `a` is refused by `tools.a`: needs the scopes `x`
p: 1 test passed, 1 failed, 3 claims";
        assert_eq!(report(|results| for_people("p", results)), expected);
        assert!(for_people("p", &[]).contains("there are no tests"));
    }

    #[test]
    fn programs_read_the_same() {
        let found: serde_json::Value =
            serde_json::from_str(&report(|results| in_json("p", results).to_string())).unwrap();
        assert_eq!(found["ok"], false);
        assert_eq!((&found["tests"][0]["passed"], &found["tests"][1]["line"]), (&json!(true), &json!(5)));
        assert_eq!(in_json("p", &[])["ok"], false);
    }

    #[test]
    fn build_servers_read_xml() {
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuite name=\"p\" tests=\"2\" failures=\"1\">
  <testcase classname=\"p\" name=\"good &lt;&amp;&gt; \u{fffd}\" file=\"p\" line=\"4\"/>
  <testcase classname=\"p\" name=\"bad\" file=\"p\" line=\"5\">
    <failure message=\"line 5: tool `a` is refused by `tools.a`: needs the scopes `x`\"/>
  </testcase>
</testsuite>
";
        assert_eq!(report(|results| junit("p", results)), expected);
    }

    #[test]
    fn what_is_told_is_whether_all_passed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.yaml");
        let junit = folder.path().join("report.xml");
        let run = |text: &str| {
            std::fs::write(&file, text).unwrap();
            test(&file, Told { json: false, junit: Some(&junit) })
        };
        assert_eq!(run(TEXT), ExitCode::FAILURE);
        assert!(std::fs::read_to_string(&junit).unwrap().contains("<failure"));
        assert_eq!(run(&TEXT.replace("scope: y", "scope: x")), ExitCode::SUCCESS);
        assert_eq!(run("version: 1"), ExitCode::FAILURE);
        assert_eq!(run("version: 2"), ExitCode::FAILURE);
    }
}
