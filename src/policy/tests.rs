//! What a policy means, and agreement with the plainest reading of the rules.

mod bounds;
mod conditions;
mod flaws;
mod shadow;

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn policy(rules: &str) -> Policy {
    Policy::compile("p.yaml", &format!("version: 1\n{rules}")).unwrap_or_else(|flaws| panic!("{flaws}"))
}

fn scopes(list: &str) -> Scopes {
    Scopes::from_names(list.split(' '))
}

/// A ruling in short: `permit tools.a`, or reason, rule, what is told, and what is needed.
fn ruling(policy: &Policy, held: &str, kind: Kind, name: &str) -> String {
    match policy.decide(&policy.grants(&scopes(held)), kind, name) {
        Ruling::Permit(permit) => format!("permit {}", permit.rule().unwrap_or("-")),
        Ruling::Deny(denial) => {
            let Denial { reason, rule, on_deny, needs } = denial;
            format!("{reason:?} {} {on_deny:?} {needs:?}", rule.unwrap_or("-"))
        }
    }
}

#[track_caller]
fn check(rules: &str, held: &str, tool: &str, expected: &str) {
    assert_eq!(ruling(&policy(rules), held, Kind::Tool, tool), expected, "{rules}\n{tool} with {held:?}");
}

const UNKNOWN: &str = "NoRule - Hide []";

#[test]
fn what_no_rule_names_is_refused() {
    for kind in Kind::ALL {
        assert_eq!(ruling(&Policy::empty(), "a b c", kind, "echo"), UNKNOWN);
        assert_eq!(ruling(&policy(""), "a b c", kind, "echo"), UNKNOWN);
    }
    assert!(!Policy::empty().names_method("ping"));
}

#[test]
fn names_are_compared_byte_by_byte() {
    let rules = "tools: {echo: {scopes: []}, \"é\": {scopes: []}}";
    for (name, expected) in [
        ("echo", "permit tools.echo"),
        ("Echo", UNKNOWN),
        ("echo ", UNKNOWN),
        ("ech", UNKNOWN),
        ("ech\u{43e}", UNKNOWN),
        ("echo\0", UNKNOWN),
        ("", UNKNOWN),
        ("é", "permit tools.é"),
        ("e\u{301}", UNKNOWN),
    ] {
        check(rules, "", name, expected);
    }
}

#[test]
fn empty_and_overlong_names_match_not_even_a_star() {
    let all = policy("tools: {\"*\": {scopes: []}}\nresources: {\"**\": {scopes: []}}");
    let name = |length: usize| "x".repeat(length);
    assert_eq!(ruling(&all, "", Kind::Tool, &name(256)), "permit tools.*");
    assert_eq!(ruling(&all, "", Kind::Tool, &name(257)), UNKNOWN);
    assert_eq!(ruling(&all, "", Kind::Resource, &name(2048)), "permit resources.**");
    assert_eq!(ruling(&all, "", Kind::Resource, &name(2049)), UNKNOWN);
    assert_eq!(ruling(&all, "", Kind::Tool, ""), UNKNOWN);
}

#[test]
fn kinds_do_not_mix() {
    let rules = policy("tools: {a: {scopes: []}}\nprompts: {b: {scopes: []}}\nmethods: {x/c: {scopes: []}}");
    for (kind, name, expected) in [
        (Kind::Tool, "a", "permit tools.a"),
        (Kind::Prompt, "a", UNKNOWN),
        (Kind::Resource, "a", UNKNOWN),
        (Kind::Method, "a", UNKNOWN),
        (Kind::Prompt, "b", "permit prompts.b"),
        (Kind::Method, "x/c", "permit methods.x/c"),
        (Kind::Tool, "x/c", UNKNOWN),
    ] {
        assert_eq!(ruling(&rules, "", kind, name), expected, "{kind:?} {name}");
    }
}

#[test]
fn scopes_are_asked_for_all_together() {
    let rules = "tools: {t: {scopes: [b, a]}}";
    for (held, expected) in [
        ("a b", "permit tools.t"),
        ("b a c", "permit tools.t"),
        ("a", "ScopesMissing tools.t Challenge [\"b\", \"a\"]"),
        ("", "ScopesMissing tools.t Challenge [\"b\", \"a\"]"),
        ("A B", "ScopesMissing tools.t Challenge [\"b\", \"a\"]"),
        ("ab", "ScopesMissing tools.t Challenge [\"b\", \"a\"]"),
    ] {
        check(rules, held, "t", expected);
    }
    check("tools: {t: {scopes: []}}", "", "t", "permit tools.t");
}

#[test]
fn one_alternative_is_enough_and_comes_on_top_of_scopes() {
    let rules = "tools: {t: {scopes: [s], any_of: [[a, b], [c, s]]}}";
    for (held, expected) in [
        ("s a b", "permit tools.t"),
        ("s c", "permit tools.t"),
        ("a b c", "ScopesMissing tools.t Challenge [\"s\", \"a\", \"b\"]"),
        ("s", "ScopesMissing tools.t Challenge [\"s\", \"c\"]"),
        ("s a", "ScopesMissing tools.t Challenge [\"s\", \"a\", \"b\"]"),
        ("", "ScopesMissing tools.t Challenge [\"s\", \"a\", \"b\"]"),
    ] {
        check(rules, held, "t", expected);
    }
    check("tools: {t: {any_of: [[a, b], [c]]}}", "a", "t", "ScopesMissing tools.t Challenge [\"a\", \"b\"]");
    check("tools: {t: {any_of: [[a, b], [c]]}}", "", "t", "ScopesMissing tools.t Challenge [\"c\"]");
    check("tools: {t: {any_of: [[a]]}}", "a", "t", "permit tools.t");
}

#[test]
fn on_deny_says_what_a_refused_caller_is_told() {
    for (body, expected) in [
        ("scopes: [a]", "ScopesMissing tools.t Challenge [\"a\"]"),
        ("scopes: [a], on_deny: challenge", "ScopesMissing tools.t Challenge [\"a\"]"),
        ("scopes: [a], on_deny: explain", "ScopesMissing tools.t Explain [\"a\"]"),
        ("scopes: [a], on_deny: hide", "ScopesMissing tools.t Hide [\"a\"]"),
        ("deny: true", "RuleDenies tools.t Hide []"),
        ("deny: true, on_deny: hide", "RuleDenies tools.t Hide []"),
        ("deny: true, on_deny: explain", "RuleDenies tools.t Explain []"),
    ] {
        check(&format!("tools: {{t: {{{body}}}}}"), "b", "t", expected);
    }
}

#[test]
fn deny_wins_whatever_else_matches() {
    let rules =
        "tools: {\"get_*\": {scopes: []}, \"*_secret\": {deny: true}, get_x: {deny: true}, \"**\": {scopes: []}}";
    let rules = &rules.replace("\"**\"", "\"*\"");
    for (name, expected) in [
        ("get_a", "permit tools.get_*"),
        ("get_secret", "RuleDenies tools.*_secret Hide []"),
        ("get_very_long_secret", "RuleDenies tools.*_secret Hide []"),
        ("get_x", "RuleDenies tools.get_x Hide []"),
        ("other", "permit tools.*"),
    ] {
        check(rules, "a", name, expected);
    }
}

#[test]
fn the_most_specific_rule_decides_in_any_order_of_the_file() {
    let mut rules = [
        "\"*\": {scopes: [any]}",
        "\"report_*\": {scopes: [report]}",
        "\"report_*_v?\": {scopes: [version]}",
        "report_day: {scopes: [day]}",
    ];
    for _ in 0..2 {
        let rules_text = format!("tools: {{{}}}", rules.join(", "));
        for (name, scope) in
            [("x", "any"), ("report_", "report"), ("report_a_v1", "version"), ("report_day", "day")]
        {
            let rule = rules.iter().find(|rule| rule.contains(&format!("[{scope}]"))).unwrap();
            let rule = rule.split(':').next().unwrap().trim_matches('"');
            check(&rules_text, scope, name, &format!("permit tools.{rule}"));
            check(&rules_text, "", name, &format!("ScopesMissing tools.{rule} Challenge [{scope:?}]"));
        }
        rules.reverse();
    }
}

#[test]
fn a_less_specific_rule_does_not_help_where_a_more_specific_one_asks_for_more() {
    check("tools: {\"*\": {scopes: []}, t: {scopes: [a]}}", "", "t", "ScopesMissing tools.t Challenge [\"a\"]");
}

#[test]
fn resources_are_uris_whose_single_star_stops_at_a_slash() {
    let rules = policy("resources: {\"file:///public/**\": {scopes: []}, \"file:///own/*\": {scopes: []}}");
    for (name, expected) in [
        ("file:///public/a/b", "permit resources.file:///public/**"),
        ("file:///own/a", "permit resources.file:///own/*"),
        ("file:///own/a/b", UNKNOWN),
        ("FILE:///own/a", UNKNOWN),
        ("file:///%70ublic/a", UNKNOWN),
    ] {
        assert_eq!(ruling(&rules, "", Kind::Resource, name), expected);
    }
}

#[test]
fn a_scope_brings_what_it_implies_and_not_the_reverse() {
    let hierarchy = "scopes: {admin: {implies: [write]}, write: {implies: [read, list]}}\n";
    let rules = &format!("{hierarchy}tools: {{r: {{scopes: [read]}}, w: {{scopes: [write]}}}}");
    check(rules, "admin", "r", "permit tools.r");
    check(rules, "write", "r", "permit tools.r");
    check(rules, "admin", "w", "permit tools.w");
    check(rules, "read", "w", "ScopesMissing tools.w Challenge [\"write\"]");
    check(rules, "admin", "r", "permit tools.r");
    check(
        "scopes: {a: {implies: [b, c]}, b: {implies: [d]}, c: {implies: [d]}}\ntools: {t: {scopes: [d]}}",
        "a",
        "t",
        "permit tools.t",
    );
}

#[test]
fn more_than_a_word_of_scopes_are_told_apart() {
    let names: Vec<String> = (0..200).map(|n| format!("s{n}")).collect();
    let rules: Vec<String> = names.iter().map(|name| format!("  t{name}: {{scopes: [{name}]}}\n")).collect();
    let policy = policy(&format!("tools:\n{}", rules.concat()));
    for held in ["s0", "s63", "s64", "s127", "s128", "s199"] {
        let grants = policy.grants(&scopes(held));
        let permitted =
            |name: &&String| matches!(policy.decide(&grants, Kind::Tool, &format!("t{name}")), Ruling::Permit(_));
        assert_eq!(names.iter().filter(permitted).collect::<Vec<_>>(), [held]);
    }
}

#[test]
fn grants_of_another_policy_grant_nothing() {
    let [one, two] = [policy("tools: {t: {scopes: [a]}}"), policy("tools: {t: {scopes: [b]}}")];
    let grants = one.grants(&scopes("a"));
    assert!(matches!(one.decide(&grants, Kind::Tool, "t"), Ruling::Permit(_)));
    assert!(matches!(two.decide(&grants, Kind::Tool, "t"), Ruling::Deny(_)));
    assert_eq!(grants, one.grants(&scopes("a unknown")));
    assert_ne!(grants, two.grants(&scopes("b")));
}

#[test]
fn methods_are_named_exactly_or_by_prefix() {
    let rules =
        policy("methods: {logging/setLevel: {scopes: []}, \"x-acme/*\": {scopes: [acme]}, y/z: {deny: true}}");
    for (method, named) in [
        ("logging/setLevel", true),
        ("logging/setlevel", false),
        ("x-acme/a/b", true),
        ("x-acme", false),
        ("y/z", true),
        ("tools/call", false),
        ("", false),
    ] {
        assert_eq!(rules.names_method(method), named, "{method}");
    }
    assert_eq!(ruling(&rules, "", Kind::Method, "x-acme/a"), "ScopesMissing methods.x-acme/* Challenge [\"acme\"]");
}

#[test]
fn a_policy_lists_its_rules_and_scopes() {
    let rules = policy(
        "scopes: {z: {implies: [y]}}\nprompts: {p: {deny: true}}\ntools: {\"t*\": {scopes: [c], any_of: [[b], [a, c]]}}",
    );
    assert_eq!(rules.scopes().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(rules.rule_count(), 2);
    let views: Vec<_> = rules.rules().collect();
    let tool = RuleView {
        kind: Kind::Tool,
        pattern: "t*",
        label: "tools.t*",
        line: 4,
        scopes: vec!["c"],
        any_of: vec![vec!["b"], vec!["a", "c"]],
        deny: false,
        on_deny: OnDeny::Challenge,
        when: None,
        mode: Mode::Enforce,
        rate_limit: None,
    };
    assert_eq!(views[0], tool);
    assert_eq!((views[1].label, views[1].deny, views[1].on_deny), ("prompts.p", true, OnDeny::Hide));
    assert!(Policy::empty().rules().next().is_none());
}

#[test]
fn json_is_read_like_yaml() {
    let json = "{\"version\": 1,\n\t\"tools\": {\"\\u0061b\": {\"scopes\": [\"x\"], \"on_deny\": \"hide\"}, \"c\": {\"deny\": true}}}";
    let policy = Policy::compile("p.json", json).unwrap();
    assert_eq!(ruling(&policy, "x", Kind::Tool, "ab"), "permit tools.ab");
    assert_eq!(ruling(&policy, "x", Kind::Tool, "c"), "RuleDenies tools.c Hide []");
    let long = format!("{{\"version\": 1, \"resources\": {{\"{}\": {{\"scopes\": []}}}}}}", "\\u0061".repeat(2048));
    assert_eq!(Policy::compile("p.json", &long).map(|policy| policy.rule_count()), Ok(1));
}

#[test]
fn keys_are_the_text_that_was_written() {
    let rules = policy(
        "tools: {no: {scopes: []}, 1: {scopes: []}, ~: {scopes: []}, 0x10: {scopes: []}, true: {scopes: []}, 1.50: {scopes: []}}",
    );
    for name in ["no", "1", "~", "0x10", "true", "1.50"] {
        assert_eq!(ruling(&rules, "", Kind::Tool, name), format!("permit tools.{name}"));
    }
    assert_eq!(ruling(&rules, "", Kind::Tool, "16"), UNKNOWN);
}

#[test]
fn the_smallest_policies_compile() {
    for text in [
        "version: 1",
        "version: 1\n",
        "---\nversion: 1\n...\n",
        "\u{feff}version: 1\n",
        "version: 1\r\n",
        "{version: 1}",
        "version: 1\ntools: {}\nscopes: {}\ntests: []\n",
    ] {
        assert_eq!(Policy::compile("p.yaml", text).map(|policy| policy.rule_count()), Ok(0), "{text:?}");
    }
}

#[test]
fn a_policy_runs_its_own_tests() {
    let rules = policy(
        "tools: {a: {scopes: [x]}, b: {scopes: [y]}}
methods: {m/n: {scopes: []}}
tests:
  - name: good
    token: {sub: s, scope: \"x z\"}
    tools: {visible: [a], hidden: [b, c]}
    call: {tool: b, args: {n: 1}}
    expect: deny
  - name: bad
    token: {}
    tools: {visible: [a, c]}
    call: {method: m/n}
    expect: deny
",
    );
    let results = rules.run_tests();
    assert_eq!(results.len(), 2);
    assert!(results[0].passed() && results[0].name == "good" && results[0].line == 5);
    let failures = [
        "line 12: tool `a` is refused by `tools.a`: needs the scopes `x`",
        "line 12: tool `c` is refused by no rule: no_rule",
        "line 13: method `m/n` is permitted by `methods.m/n`",
    ];
    assert_eq!(results[1].failures, failures);
    assert!(!results[1].passed());
}

#[test]
fn the_sample_is_sound_and_gives_the_promised_matrix() {
    let sample = Policy::compile("sample.yaml", include_str!("../../policy/sample.yaml")).unwrap();
    let results = sample.run_tests();
    assert!(results.len() >= 4);
    for result in results {
        assert_eq!(result.failures, Vec::<String>::new(), "{}", result.name);
    }
    let tools = |held: &str| {
        let grants = sample.grants(&scopes(held));
        let rules = sample.rules().filter(|rule| rule.kind == Kind::Tool);
        let seen =
            rules.filter(|rule| matches!(sample.decide(&grants, Kind::Tool, rule.pattern), Ruling::Permit(_)));
        seen.map(|rule| rule.pattern.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tools("public:read"), ["get_public_info"]);
    assert_eq!(tools("public:read confidential:read"), ["get_public_info", "get_confidential_info"]);
    assert_eq!(tools("demo:tools"), ["echo", "count_slowly", "ask_name", "announce_change", "show_headers"]);
    assert!(tools("").is_empty());
    assert_eq!(sample.scopes().collect::<Vec<_>>(), ["confidential:read", "demo:tools", "public:read"]);
}

#[test]
fn ten_thousand_rules_load_quickly() {
    let exact: String = (0..10_000).map(|n| format!("  tool_{n}: {{scopes: [scope:{}]}}\n", n % 500)).collect();
    let patterns: String = (0..1_000).map(|n| format!("  \"team_{n:04}_*\": {{scopes: [scope:{n}]}}\n")).collect();
    let denied: String = (0..200).map(|n| format!("  \"*_x{n:03}\": {{deny: true}}\n")).collect();
    let started = Instant::now();
    let policy = policy(&format!("tools:\n{exact}{patterns}{denied}"));
    let took = started.elapsed();
    assert_eq!(policy.rule_count(), 11_200);
    assert!(took < Duration::from_secs(10), "took {took:?}, unoptimised");
    println!("11,200 rules: {took:?}");
}

#[test]
fn patterns_that_are_too_many_or_too_alike_are_refused() {
    let patterns =
        |count: usize| (0..count).map(|n| format!("  \"t{n:05}*\": {{scopes: []}}\n")).collect::<String>();
    let compile = |rules: &str| Policy::compile("p", &format!("version: 1\nprompts:\n{rules}"));
    assert_eq!(compile(&patterns(20_000)).map(|policy| policy.rule_count()), Ok(20_000));
    let flaws = compile(&patterns(20_001)).unwrap_err().to_string();
    assert!(flaws.starts_with("p:20003:3: more than 20000 patterns in one section\n"), "{flaws}");
    let alike: String = (0..700).map(|n| format!("  \"*{n:03}{}*\": {{deny: true}}\n", "x".repeat(240))).collect();
    let flaws = compile(&alike).unwrap_err().to_string();
    assert!(flaws.contains("match some of the same names") || flaws.contains("too many and too alike"), "{flaws}");
}

/// A generated rule: a name or pattern, and what it asks for; `None` is `deny: true`.
type Generated = (String, Option<(Vec<u8>, Vec<Vec<u8>>)>);

fn generated() -> impl Strategy<Value = Vec<Generated>> {
    let list = || prop::collection::btree_set(0_u8..4, 0..3).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    let some = prop::collection::btree_set(0_u8..4, 1..3).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    let ask = (list(), prop::collection::vec(some, 0..3));
    let effect = prop_oneof![3 => ask.prop_map(Some), 1 => Just(None)];
    prop::collection::vec(("[ab?*]{1,4}", effect), 0..5)
}

fn document(rules: &[Generated]) -> String {
    let mut text = "version: 1\ntools:\n  x: {scopes: []}\n".to_owned();
    let list = |ids: &[u8]| format!("[{}]", ids.iter().map(|id| format!("s{id}")).collect::<Vec<_>>().join(", "));
    for (name, effect) in rules {
        let body = match effect {
            None => "deny: true".to_owned(),
            Some((all, any)) if any.is_empty() => format!("scopes: {}", list(all)),
            Some((all, any)) => {
                let any: Vec<_> = any.iter().map(|ids| list(ids)).collect();
                format!("scopes: {}, any_of: [{}]", list(all), any.join(", "))
            }
        };
        text += &format!("  \"{name}\": {{{body}}}\n");
    }
    text
}

/// Whether a name fits a pattern, by the plainest recursion.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => fits(rest, name) || matches!(name, [_, after @ ..] if fits(pattern, after)),
        ([b'?', rest @ ..], [_, after @ ..]) => fits(rest, after),
        ([p, rest @ ..], [c, after @ ..]) => p == c && fits(rest, after),
        ([_, ..], []) | ([], [_, ..]) => false,
    }
}

/// The decision by the plainest reading of the rules.
fn permitted_plainly(rules: &[Generated], held: &[u8], name: &str) -> bool {
    let matching: Vec<_> = rules.iter().filter(|(pattern, _)| fits(pattern.as_bytes(), name.as_bytes())).collect();
    if matching.iter().any(|(_, effect)| effect.is_none()) {
        return false;
    }
    let wildcards = |pattern: &str, wild: &str| pattern.chars().filter(|c| wild.contains(*c)).count();
    let rank = |pattern: &str| {
        let (stars, ones) = (wildcards(pattern, "*"), wildcards(pattern, "?"));
        (wildcards(pattern, "*?") > 0, Reverse(pattern.len().saturating_sub(wildcards(pattern, "*?"))), stars, ones)
    };
    let Some((_, Some((all, any)))) = matching.iter().min_by_key(|(pattern, _)| rank(pattern)) else {
        return false;
    };
    let holds = |ids: &Vec<u8>| ids.iter().all(|id| held.contains(id));
    holds(all) && (any.is_empty() || any.iter().any(holds))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn decisions_agree_with_the_plainest_reading(
        rules in generated(), held in prop::collection::btree_set(0_u8..4, 0..4), name in "[ab]{1,5}",
    ) {
        let held: Vec<u8> = held.into_iter().collect();
        // Sets of rules that contradict each other do not compile; what does compile must be read alike.
        if let Ok(policy) = Policy::compile("p.yaml", &document(&rules)) {
            let names: Vec<String> = held.iter().map(|id| format!("s{id}")).collect();
            let grants = policy.grants(&Scopes::from_names(names.iter().map(String::as_str)));
            let permitted = matches!(policy.decide(&grants, Kind::Tool, &name), Ruling::Permit(_));
            prop_assert_eq!(permitted, permitted_plainly(&rules, &held, &name), "{}", document(&rules));
        }
    }

    #[test]
    fn needed_scopes_cure_the_refusal(rules in generated(), name in "[ab]{1,5}") {
        if let Ok(policy) = Policy::compile("p.yaml", &document(&rules)) {
            let none = policy.grants(&Scopes::default());
            if let Ruling::Deny(Denial { reason: DenyReason::ScopesMissing, needs, .. }) = policy.decide(&none, Kind::Tool, &name) {
                let grants = policy.grants(&Scopes::from_names(needs));
                prop_assert!(matches!(policy.decide(&grants, Kind::Tool, &name), Ruling::Permit(_)));
            }
        }
    }

    #[test]
    fn no_text_makes_the_compiler_panic(text in "(version: 1\n)?[a-z:{}\\[\\]*&!?\"'\n\t ,|>#%@~<-]{0,60}") {
        let _ = Policy::compile("p.yaml", &text);
    }
}

#[test]
fn a_pattern_allows_no_uri_that_servers_take_for_another() {
    let policy = policy(
        "resources: {'docs://acme/**': {scopes: [a]}, 'docs://acme/b/../c': {scopes: [a]}, 'docs://acme/secret': {deny: true}}",
    );
    assert_eq!(ruling(&policy, "a", Kind::Resource, "docs://acme/b/c"), "permit resources.docs://acme/**");
    // Who wrote just this one meant it.
    assert_eq!(ruling(&policy, "a", Kind::Resource, "docs://acme/b/../c"), "permit resources.docs://acme/b/../c");
    for uri in [
        "docs://acme/x/../secret",
        "docs://acme/./secret",
        "docs://acme/%73ecret",
        "docs://acme//secret",
        "docs://ACME/secret",
        "docs://acme/x%2f..%2fsecret",
        "docs://acme/secret#x",
    ] {
        let ruling = ruling(&policy, "a", Kind::Resource, uri);
        assert!(ruling.starts_with("NoRule"), "{uri}: {ruling}");
    }
}
