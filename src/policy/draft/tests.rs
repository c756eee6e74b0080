use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::caller::Scopes;
use crate::catalogue::Entry;
use crate::json::quoted;
use crate::message::lists::ListKind;
use crate::policy::starting::starting;
use crate::policy::{LONGEST_NAME, Ruling};

fn rule(name: &str, asks: Asks) -> DraftRule {
    DraftRule { kind: Kind::Tool, name: name.to_owned(), is_pattern: false, notes: Vec::new(), asks, when: None }
}

fn any_of(sets: &[&[&str]]) -> Asks {
    Asks::AnyOf(sets.iter().map(|set| set.iter().map(ToString::to_string).collect()).collect())
}

fn test(name: &str, scopes: &[&str], is_allowed: bool) -> DraftTest {
    DraftTest {
        name: format!("a test of {name}"),
        subject: "alice".to_owned(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        call: (Kind::Tool, name.to_owned()),
        is_allowed,
    }
}

#[test]
fn what_is_written_means_what_was_asked() {
    let rules = vec![
        rule("never", Asks::Nobody),
        rule("one", any_of(&[&["a", "b"]])),
        rule("two", any_of(&[&["a"], &["b"]])),
        rule("all", any_of(&[&["a"], &[]])),
        rule("none", any_of(&[])),
    ];
    let tests = vec![
        test("never", &["a", "b"], false),
        test("one", &["a"], false),
        test("one", &["a", "b"], true),
        test("two", &["b"], true),
        test("all", &[], true),
        test("none", &["a"], false),
    ];
    let written = Draft { rules, tests, header: vec!["so".into()] }.write().unwrap();
    assert_eq!(written.left_out, [""; 0]);
    assert!(
        written.text.starts_with("# so\nversion: 1\n\ntools:\n  \"never\": {deny: true}\n"),
        "{}",
        written.text
    );
    let policy = Policy::compile("p", &written.text).unwrap();
    assert_eq!((policy.rule_count(), policy.run_tests().len()), (5, 6));
}

#[test]
fn what_cannot_be_said_is_left_out_and_told() {
    let long = "a".repeat(LONGEST_NAME + 1);
    let names = ["good", "", "with*star", "what?", &long, "a\nb", "good", "also good"];
    let mut rules: Vec<_> = names.iter().map(|name| rule(name, Asks::Nobody)).collect();
    rules.push(rule("bad scope", any_of(&[&["a b"]])));
    let tests = vec![test("good", &["a"], true), test("good", &["a"], false)];
    let written = Draft { rules, tests, header: Vec::new() }.write().unwrap();
    let policy = Policy::compile("p", &written.text).unwrap();
    assert_eq!((policy.rule_count(), policy.run_tests().len()), (2, 1), "{}", written.text);
    assert_eq!(written.left_out.len(), 8, "{:?}", written.left_out);
    assert_eq!(written.text.matches("# left out: ").count(), 8, "{}", written.text);
}

#[test]
fn what_is_undecided_is_a_comment() {
    let undecided = |name: &str, kind| DraftRule { kind, ..rule(name, Asks::Undecided) };
    let rules = vec![undecided("x:{a}\n", Kind::Resource), undecided("b", Kind::Tool), rule("c", Asks::Nobody)];
    let written = Draft { rules, ..Draft::default() }.write().unwrap();
    let expected = "version: 1\n\ntools:\n  # \"b\": {scopes: [some:scope]}\n  \"c\": {deny: true}\n\n\
                    # resources:\n  # \"x:{a}\\U0000000a\": {scopes: [some:scope]}\n";
    assert_eq!(written.text, expected);
}

#[test]
fn comments_stay_comments() {
    for hostile in [
        "x\ntools: {evil: {scopes: []}}",
        "x\rtools:",
        "x\u{85}a: b",
        "x\u{2028}a: b",
        "\u{feff}",
        "\u{202e}} []",
        "a\0b",
        "\t- x",
    ] {
        let line = comment(hostile);
        assert!(line.starts_with('#') && line.lines().count() == 1, "{line:?}");
        assert!(line.chars().all(|letter| !letter.is_control() && !('\u{2028}'..='\u{202f}').contains(&letter)));
    }
    assert_eq!(comment("Größe – “quoted”…"), "# Größe – “quoted”…");
    assert_eq!(comment(""), "#");
}

/// A tool as a hostile server may list it.
fn listed(name: &str, description: &str, title: &str) -> Option<Arc<Entry>> {
    let annotations = format!("{{\"readOnlyHint\":true,\"title\":{}}}", quoted(title));
    let element = format!(
        "{{\"name\":{0},\"uri\":{0},\"description\":{1},\"annotations\":{annotations}}}",
        quoted(name),
        quoted(description)
    );
    Entry::alone(ListKind::Tools, &element).map(Arc::new)
}

proptest! {
    #[test]
    fn whatever_a_server_lists_nothing_is_allowed_and_all_that_can_be_named_is_refused(
        names in prop::collection::vec(prop_oneof!["\\PC{0,12}", any::<String>(), "[a-z*?{}\\[\\]:#'\"&!|>%@`, \\-\n]{0,8}"], 0..6),
        description in any::<String>(),
        title in any::<String>(),
    ) {
        let entries: Vec<_> = names.iter().filter_map(|name| listed(name, &description, &title)).collect();
        let draft = starting(&title, &[(Kind::Tool, false, &entries), (Kind::Resource, true, &entries)]);
        let written = draft.write().unwrap();
        let policy = Policy::compile("p", &written.text).unwrap();
        prop_assert!(policy.run_tests().iter().all(crate::policy::TestResult::passed));
        prop_assert!(policy.rules().all(|rule| rule.deny), "{}", written.text);
        let grants = policy.grants(&Scopes::from_names(["some:scope"]));
        for rule in policy.rules() {
            prop_assert!(names.iter().any(|name| name == rule.pattern), "{:?} in {}", rule.pattern, written.text);
        }
        for name in &names {
            for kind in Kind::ALL {
                prop_assert!(matches!(policy.decide(&grants, kind, name), Ruling::Deny(_)));
            }
        }
        // Each is a rule, or was left out and said so.
        let is_ruled = |name: &&String| policy.rules().any(|rule| rule.kind == Kind::Tool && rule.pattern == **name);
        let ruled = names.iter().filter(is_ruled).count();
        prop_assert!(ruled.saturating_add(written.left_out.len()) >= entries.len());
    }

    #[test]
    fn any_text_is_read_back_as_it_was(name in "\\PC{1,24}") {
        prop_assume!(!name.contains(['*', '?', '{']) && name.len() <= LONGEST_NAME);
        let written = Draft { rules: vec![rule(&name, Asks::Nobody)], ..Draft::default() }.write().unwrap();
        let policy = Policy::compile("p", &written.text).unwrap();
        let patterns: Vec<_> = policy.rules().map(|rule| rule.pattern.to_owned()).collect();
        prop_assert_eq!(patterns, [name]);
    }
}
