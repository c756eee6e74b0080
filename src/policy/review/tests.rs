//! Claims about what is said of whole policies.

use proptest::prelude::*;

use super::*;
use crate::caller::Scopes;
use crate::policy::{Kind, LimitBy, Policy, RateLimit, Ruling};

fn policy(rest: &str) -> Policy {
    match Policy::compile("p", &format!("version: 1\n{rest}\n")) {
        Ok(policy) => policy,
        Err(flaws) => panic!("{flaws}\n{rest}"),
    }
}

fn told(change: &Change<'_>) -> String {
    let effects: Vec<String> = change
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::Gained(way) => format!("+{way}"),
            Effect::Lost(way) => format!("-{way}"),
            Effect::Told(old, new) => format!("{old:?}>{new:?}"),
            Effect::Condition(old, new) => format!("when {old:?}>{new:?}"),
            Effect::Rate(old, new) => {
                let count = |limit: &Option<RateLimit>| limit.as_ref().map(|limit| limit.requests);
                format!("rate {:?}>{:?}", count(old), count(new))
            }
        })
        .collect();
    format!("{} {} {}", change.kind.word(), change.name, effects.join(" "))
}

#[track_caller]
fn check(old: &str, new: &str, expected: &[&str]) {
    let (old, new) = (policy(old), policy(new));
    let changes: Vec<String> = diff(&old, &new).unwrap().iter().map(told).collect();
    assert_eq!(changes, expected);
}

#[test]
fn the_same_policy_changes_nothing() {
    let text = "tools: {a: {scopes: [x]}, \"b*\": {any_of: [[x], [y, z]]}, c: {deny: true}}";
    check(text, text, &[]);
    check("tools: {a: {scopes: [x, y]}}", "tools: {a: {scopes: [y, x]}}", &[]);
    check(
        "tools: {a: {scopes: [x]}, b: {scopes: [x]}}",
        "tools: {\"?\": {deny: true}}",
        &["tool a -x Challenge>Hide", "tool b -x Challenge>Hide"],
    );
}

#[test]
fn a_rule_that_comes_or_goes() {
    check("", "tools: {a: {scopes: [x]}}", &["tool a +x"]);
    check("tools: {a: {any_of: [[x], [y]]}}", "", &["tool a -x -y"]);
    check(
        "prompts: {a: {scopes: []}}",
        "resources: {\"d://a\": {scopes: []}}",
        &["prompt a -any token", "resource d://a +any token"],
    );
}

#[test]
fn a_rule_that_asks_for_something_else() {
    check("tools: {a: {scopes: [x]}}", "tools: {a: {scopes: [y]}}", &["tool a -x +y"]);
    check("tools: {a: {scopes: [x]}}", "tools: {a: {scopes: [x, y]}}", &["tool a -x"]);
    check("tools: {a: {scopes: [x]}}", "tools: {a: {any_of: [[x], [y]]}}", &["tool a +y"]);
    check("tools: {a: {scopes: [x]}}", "tools: {a: {scopes: [x], on_deny: hide}}", &["tool a Challenge>Hide"]);
}

#[test]
fn a_pattern_that_takes_names_from_another() {
    check(
        "tools: {\"*\": {scopes: [x]}}",
        "tools: {\"*\": {scopes: [x]}, \"delete_*\": {scopes: [x, y]}}",
        &["tool delete_ -x"],
    );
    check(
        "tools: {\"*\": {scopes: [x]}}",
        "tools: {\"*\": {scopes: [x]}, delete: {scopes: [y]}}",
        &["tool delete -x +y"],
    );
}

#[test]
fn what_only_meets_in_some_names_is_found() {
    check(
        "tools: {\"get_*\": {scopes: [x]}, \"*_secret_report\": {scopes: [s]}}",
        "tools: {\"get_*\": {scopes: [x]}, \"*_secret_report\": {scopes: [t]}}",
        &["tool _secret_report -s +t"],
    );
    // Before, the longer pattern had the names in which both meet; now the other has them.
    check(
        "tools: {\"get_*\": {scopes: [x]}, \"*_secret\": {scopes: [s]}}",
        "tools: {\"get_all_*\": {scopes: [x]}, \"*_secret\": {scopes: [s]}}",
        &["tool get_ -x", "tool get_all_secret -s +x"],
    );
}

#[test]
fn conditions_and_limits_that_change() {
    let rule = |more: &str| format!("tools: {{a: {{scopes: [x]{more}}}}}");
    let (plain, asked) = (rule(""), rule(", when: 'args.n == 1'"));
    check(&plain, &asked, &["tool a when None>Some(\"args.n == 1\")"]);
    check(&asked, &plain, &["tool a when Some(\"args.n == 1\")>None"]);
    let (few, many) = (rule(", rate_limit: {requests: 1, per: 1m}"), rule(", rate_limit: {requests: 9, per: 1m}"));
    check(&few, &many, &["tool a rate Some(1)>Some(9)"]);
    check(&plain, &rule(", mode: shadow"), &["tool a +any token"]);
    // A condition on what nobody has yet is part of what is gained.
    check("", &asked, &["tool a +x"]);
}

#[test]
fn the_direction_of_a_change() {
    let limit = |requests, by| Some(RateLimit { requests, per: 1_000, by });
    let when = |text: &str| Some(text.to_owned());
    for (effect, is_looser, is_tighter) in [
        (Effect::Gained(Way(Vec::new())), true, false),
        (Effect::Lost(Way(Vec::new())), false, true),
        (Effect::Condition(None, when("a")), false, true),
        (Effect::Condition(when("a"), None), true, false),
        (Effect::Condition(when("a"), when("b")), true, true),
        (Effect::Rate(None, limit(1, LimitBy::Subject)), false, true),
        (Effect::Rate(limit(1, LimitBy::Subject), limit(2, LimitBy::Subject)), true, false),
        (Effect::Rate(limit(2, LimitBy::Subject), limit(1, LimitBy::Subject)), false, true),
        (Effect::Rate(limit(1, LimitBy::Subject), limit(1, LimitBy::Client)), true, true),
    ] {
        assert_eq!(
            (effect.goes(Direction::Loosened), effect.goes(Direction::Tightened)),
            (is_looser, is_tighter),
            "{effect:?}"
        );
        assert_eq!(effect.goes(Direction::Neutral), !is_looser && !is_tighter, "{effect:?}");
    }
}

#[test]
fn a_hierarchy_that_changes() {
    let tools = "tools: {a: {scopes: [read]}}";
    let with = format!("scopes: {{write: {{implies: [read]}}}}\n{tools}");
    check(tools, &with, &["tool a +write"]);
    check(&with, tools, &["tool a -write"]);
}

#[test]
fn who_can_says_every_way() {
    let policy = policy(
        "scopes: {admin: {implies: [write]}}\ntools: {delete_file: {scopes: [write]}, \"*_all\": {deny: true}, get: {scopes: []}}\nprompts: {delete_me: {scopes: []}}",
    );
    let told = |pattern: &str, kinds: &[Kind]| -> Vec<String> {
        let answers = who(&policy, kinds, pattern);
        let told = |answer: &Answer<'_>| {
            let ways: Vec<String> = answer.access.ways.iter().map(ToString::to_string).collect();
            format!("{} {} [{}] {:?}", answer.kind.word(), answer.thing(), ways.join("|"), answer.implied_by)
        };
        answers.unwrap().iter().map(told).collect()
    };
    assert_eq!(told("delete_*", &[Kind::Prompt]), ["prompt delete_me [any token] []"]);
    assert_eq!(
        told("delete_*", &[Kind::Tool]),
        ["tool delete_file [write] [(\"write\", [\"admin\"])]", "tool *_all [] []",]
    );
    assert_eq!(told("get", &[Kind::Tool]), ["tool get [any token] []"]);
    assert_eq!(told("drop", &[Kind::Tool]), [""; 0]);
}

fn names() -> impl Strategy<Value = String> {
    "[ab*?]{1,4}".prop_filter("a name has no two stars in a row", |name| !name.contains("**"))
}

fn rules() -> impl Strategy<Value = String> {
    let scopes = prop::collection::btree_set("[xyz]", 0..3);
    let rule = (names(), scopes, any::<bool>());
    prop::collection::vec(rule, 0..5).prop_map(|rules| {
        let mut seen = std::collections::BTreeSet::new();
        let line = |(name, scopes, deny): (String, std::collections::BTreeSet<String>, bool)| {
            let list: Vec<String> = scopes.into_iter().collect();
            let body = if deny { "deny: true".to_owned() } else { format!("scopes: [{}]", list.join(", ")) };
            seen.insert(name.clone()).then(|| format!("  {name:?}: {{{body}}}\n"))
        };
        let lines: String = rules.into_iter().filter_map(line).collect();
        if lines.is_empty() { String::new() } else { format!("tools:\n{lines}") }
    })
}

proptest! {
    /// The diff is complete and true: for every short name and every set of scopes, a difference between the
    /// rulings is one that the diff tells, and the diff tells no other.
    #[test]
    fn the_diff_tells_all_differences_and_no_others(old in rules(), new in rules()) {
        let texts = [old, new].map(|rules| format!("version: 1\n{rules}"));
        let [Ok(old), Ok(new)] = texts.each_ref().map(|text| Policy::compile("p", text)) else { return Ok(()) };
        let changes = diff(&old, &new).unwrap();
        let sets: Vec<Vec<&str>> = (0_usize..8)
            .map(|bits| ["x", "y", "z"].into_iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, s)| s).collect())
            .collect();
        let permits = |policy: &Policy, name: &str, set: &[&str]| {
            let grants = policy.grants(&Scopes::from_names(set.iter().copied()));
            matches!(policy.decide(&grants, Kind::Tool, name), Ruling::Permit(_))
        };
        for change in &changes {
            for effect in &change.effects {
                let (way, before) = match effect {
                    Effect::Gained(way) => (way, false),
                    Effect::Lost(way) => (way, true),
                    Effect::Told(..) | Effect::Condition(..) | Effect::Rate(..) => continue,
                };
                let set: Vec<&str> = way.0.iter().map(String::as_str).collect();
                prop_assert_eq!(permits(&old, &change.name, &set), before);
                prop_assert_eq!(permits(&new, &change.name, &set), !before);
            }
        }
        for name in short_names() {
            let rule = |policy: &Policy| policy.access(Kind::Tool, &name).rule.map(str::to_owned);
            for set in &sets {
                if permits(&old, &name, set) == permits(&new, &name, set) {
                    continue;
                }
                let is_told = changes.iter().any(|change| {
                    change.old_rule.map(str::to_owned) == rule(&old) && change.new_rule.map(str::to_owned) == rule(&new)
                        && change.effects.iter().any(|effect| !matches!(effect, Effect::Told(..)))
                });
                prop_assert!(is_told, "{name} with {set:?}: {:?} {:?}", rule(&old), rule(&new));
            }
        }
    }
}

/// Every name of up to five of these letters.
fn short_names() -> Vec<String> {
    let mut names = vec![String::new()];
    let mut all = Vec::new();
    for _ in 0..5 {
        names = names.iter().flat_map(|name| ["a", "b", "c"].map(|letter| format!("{name}{letter}"))).collect();
        all.extend(names.iter().cloned());
    }
    all
}
