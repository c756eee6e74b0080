//! Every flaw, with its place.

use super::super::Policy;

/// The flaws of `text` without the file's name, hints apart.
#[track_caller]
fn flaws(text: &str) -> Vec<String> {
    let flaws = Policy::compile("p.yaml", text).expect_err(text);
    flaws.iter().map(|flaw| format!("{}:{}: {}", flaw.line, flaw.column, flaw.message)).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(flaws(text), expected, "{text:.300}");
}

/// Checks one tool rule, whose body begins in column 6 of line 3.
#[track_caller]
fn check_rule(body: &str, expected: &[&str]) {
    check(&format!("version: 1\ntools:\n  t: {body}\n"), expected);
}

#[track_caller]
fn check_hint(text: &str, hint: &str) {
    let flaws = Policy::compile("p.yaml", text).expect_err(text);
    assert!(flaws.to_string().contains(&format!("\n  hint: {hint}")), "{text}\n{flaws}");
}

#[test]
fn nothing_is_not_an_empty_policy() {
    for text in ["", "\n\n", "---\n", "# only a comment\n", "\u{feff}"] {
        check(text, &["1:1: the policy is empty"]);
    }
    check("~", &["1:1: a policy must be a mapping, not a single value"]);
    check("''", &["1:1: a policy must be a mapping, not a single value"]);
    check("[]", &["1:1: a policy must be a mapping, not a list"]);
}

#[test]
fn what_is_not_plain_yaml_is_refused_where_it_stands() {
    for (text, expected) in [
        ("version: 1\n---\nversion: 1\n", "2:1: a second document starts here"),
        ("%YAML 1.2\n---\nversion: 1\n", "1:1: not readable as YAML: YAML directives are disallowed"),
        ("version: 1\ntools:\n\tx: {scopes: []}\n", "3:1: a tab indents this line"),
        ("version: 1\ntools:\n  x:\n  \tscopes: []\n", "4:3: a tab indents this line"),
        (
            "version: 1\ntools: {x: {scopes: [}}\n",
            "2:21: not readable as YAML: mismatched bracket '[' closed by '}'",
        ),
        ("version: 1\nkey", "2:1: not readable as YAML: simple key expected ':'"),
        ("version: 1\ntools:\n  x: &a {scopes: []}\n", "3:6: anchors are not supported"),
        ("version: 1\ntools: *a\n", "2:8: aliases are not supported"),
        ("version: 1\n*a : 1\n", "2:1: aliases are not supported"),
        ("version: 1\ntools:\n  <<: {x: {scopes: []}}\n", "3:3: merge keys are not supported"),
        ("version: 1\ntools:\n  x: !!map {scopes: []}\n", "3:6: tags are not supported"),
        ("version: 1\ntools:\n  x: {deny: !!bool true}\n", "3:13: tags are not supported"),
        ("version: 1\ntools:\n  [a]: {scopes: []}\n", "3:3: a list cannot be a key"),
        ("version: 1\ntools:\n  ? {b: c}\n  : {scopes: []}\n", "3:5: a mapping cannot be a key"),
        ("{\"version\": 1,\n\t\"tools\": {]}", "2:11: not readable as YAML: mismatched bracket '{' closed by ']'"),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn bombs_do_not_go_off() {
    let deep = format!("version: 1\ntools: {}", "[".repeat(100_000));
    check(&deep, &["2:40: nested more than 32 levels deep"]);
    let large = format!("version: 1 #{}", "x".repeat(4 * 1024 * 1024));
    check(&large, &["1:1: the policy has 4194316 bytes, more than 4194304"]);
    // A million rules are refused by their size, and as many as the size allows are no trouble.
    let rules = |count: usize| {
        let rules: String = (0..count).map(|number| format!(" a{number}: {{deny: true}}\n")).collect();
        format!("version: 1\ntools:\n{rules}")
    };
    assert!(flaws(&rules(1_000_000))[0].contains("bytes, more than 4194304"));
    assert_eq!(Policy::compile("p", &rules(150_000)).map(|policy| policy.rule_count()), Ok(150_000));
    // Each of them has two: no key that is known, and none that is needed.
    let flawed = flaws(&rules(150_000).replace("deny", "den"));
    assert_eq!((flawed.len(), flawed[1_000].as_str()), (1_001, "502:9: there are 299000 more flaws"));
    let laughs = "version: 1\na: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n";
    assert_eq!(flaws(laughs).iter().filter(|flaw| flaw.contains("not supported")).count(), 7);
}

#[test]
fn regular_expressions_have_a_bounded_size_one_by_one_and_together() {
    let compile = |count: usize, regex: &str| {
        let rule = |number: usize| format!("  t{number}: {{scopes: [], when: 'args.x.matches(\"{regex}\")'}}\n");
        Policy::compile("p", &format!("version: 1\ntools:\n{}", (0..count).map(rule).collect::<String>()))
    };
    assert!(
        compile(1, "(a{1000}){1000}").unwrap_err().to_string().contains("this regular expression is too large")
    );
    assert!(compile(1, "((((a?){9}){9}){9}){9}b").is_err());
    assert_eq!(compile(1_000, "^[a-z]+$").map(|policy| policy.rule_count()), Ok(1_000));
    // Those that are too large cost as much as the largest: few of them are tried.
    for (regex, tried) in [("(a{1000}){1000}", 64), ("[ab]{5,300}a[ab]{200}", 1_000)] {
        let flaws = compile(2_000, regex).unwrap_err();
        let told = flaws.iter().filter(|flaw| flaw.message.contains("too many, or too large, together")).count();
        assert!(told >= 1_000 - tried, "{regex}: {told}");
    }
}

#[test]
fn what_yaml_1_1_takes_for_something_else_must_stand_in_quotes() {
    for word in ["no", "NO", "off", "y: yes", "1.0", "0x1F", "1_000", "~", "null", "1e3", "12:30:45"] {
        let word = word.trim_start_matches("y: ");
        let found = flaws(&format!("version: 1\ntools: {{a: {{scopes: [{word}]}}}}\n"));
        let quoted = format!("version: 1\ntools: {{a: {{scopes: ['{word}']}}}}\n");
        let told = found.first().is_some_and(|flaw| flaw.starts_with("2:22: a scope"));
        assert!(told && Policy::compile("p", &quoted).is_ok(), "{word}: {found:?}");
        // A name is what was written, whatever type YAML might give it.
        let named = Policy::compile("p", &format!("version: 1\ntools:\n  {word}: {{scopes: []}}\n"));
        assert_eq!(named.map(|policy| policy.rule_count()), Ok(1), "{word}");
    }
}

/// Half of all digests and identifiers have letters that no number has.
#[test]
fn what_no_yaml_takes_for_a_number_needs_no_quotes() {
    for word in ["0b5a019c", "0B02", "0o78", "0xyz", "-0b12", "0b1f_", "e10", "1f", "0.1.x"] {
        let text = format!("version: 1\ntools: {{a: {{scopes: [{word}]}}}}\n");
        assert_eq!(Policy::compile("p", &text).map(|policy| policy.rule_count()), Ok(1), "{word}");
    }
    for word in ["0b10", "0B1_0", "0o17", "0x1f", "+0x1F", "-0b1", "0x"] {
        let text = format!("version: 1\ntools: {{a: {{scopes: [{word}]}}}}\n");
        assert!(Policy::compile("p", &text).is_err(), "{word}");
    }
}

#[test]
fn every_flaw_is_told_at_once_in_the_order_of_the_text() {
    check(
        "verson: 1\ntools:\n  a: {scope: [x]}\n  a: {deny: true}\n  b: {deny: yes}\nresources: []\nprompts:\n",
        &[
            "1:1: unknown key `verson` in a policy",
            "1:1: the key `version` is missing",
            "3:3: the rule has neither `scopes` nor `any_of` nor `deny`",
            "3:7: unknown key `scope` in a rule",
            "4:3: `a` is here twice, first on line 3",
            "5:13: `deny` can only be `true`",
            "6:12: `resources` must be a mapping, not a list",
            "7:1: `prompts` must be a mapping, not nothing",
        ],
    );
}

#[test]
fn the_version_is_the_number_one() {
    for (text, expected) in [
        ("tools: {}", "1:1: the key `version` is missing"),
        ("version: 2", "1:10: version `2` is not supported"),
        ("version: \"1\"", "1:10: version `1` is not supported"),
        ("version: 1.0", "1:10: version `1.0` is not supported"),
        ("version: 01", "1:10: version `01` is not supported"),
        ("version:", "1:1: `version` must be the number 1, not nothing"),
        ("version: [1]", "1:10: `version` must be the number 1, not a list"),
        ("version: 1\nversion: 1", "2:1: `version` is here twice, first on line 1"),
    ] {
        check(text, &[expected]);
    }
}

#[test]
fn unknown_keys_are_refused_with_the_word_that_was_meant() {
    check("version: 1\ntool: {}\n", &["2:1: unknown key `tool` in a policy"]);
    check_hint("version: 1\ntool: {}\n", "did you mean `tools`?");
    check_hint("version: 1\nTools: {}\n", "did you mean `tools`?");
    check_hint("version: 1\ntools: {t: {scope: [a]}}\n", "did you mean `scopes`?");
    check_hint("version: 1\ntools: {t: {deny: true, ondeny: hide}}\n", "did you mean `on_deny`?");
    check_hint("version: 1\ntools: {t: {allow: true}}\n", "a rule knows `scopes`, `any_of`, `deny`, `on_deny`");
    check("version: 1\nscopes: {a: {implied: [b]}}\n", &["2:14: unknown key `implied` in a scope"]);
    check_hint("version: 1\nscopes: {a: {implied: [b]}}\n", "did you mean `implies`?");
}

#[test]
fn a_condition_is_checked_when_the_policy_is_loaded() {
    check_rule("{scopes: [a], when: }", &["3:20: `when` has no value"]);
    check_rule("{scopes: [a], when: [x]}", &["3:26: `when` must be text, not a list"]);
    check_rule("{scopes: [a], when: arg.n > 1}", &["3:26: `when`: `arg` is not declared here"]);
    check_rule(
        "{scopes: [a], when: 'args.n > 1 && 1'}",
        &["3:41: `when`: `&&` needs a boolean, and this is an int"],
    );
    check_rule(r#"{scopes: [a], when: "args.a == \"x\" && b"}"#, &["3:46: `when`: `b` is not declared here"]);
    check(
        "version: 1\ntools:\n  t:\n    scopes: []\n    when: |\n      args.n > 1\n      && nope\n",
        &["7:10: `when`: `nope` is not declared here"],
    );
    check(
        "version: 1\ntools:\n  t:\n    scopes: []\n    when: >-\n      args.n > 1\n      && nope\n",
        &["7:10: `when`: `nope` is not declared here"],
    );
    check(
        "version: 1\ntools:\n  t:\n    scopes: []\n    when: args.n > 1\n      && nope\n",
        &["6:10: `when`: `nope` is not declared here"],
    );
    check(
        "version: 1\ntools: {t: {deny: true, when: args.a}}\n",
        &["2:25: `when` cannot go with `deny`: the rule refuses everyone"],
    );
    check(
        "version: 1\nresources: {'x:/{a}': {scopes: [], when: vars.b == ''}}\n",
        &["2:47: `when`: `vars` has no `b`"],
    );
}

#[test]
fn modes_and_limits_are_read_strictly() {
    check_rule("{scopes: [], mode: }", &["3:19: `mode` has no value"]);
    check_rule(
        "{scopes: [], mode: off}",
        &["3:25: `mode` must be text, and YAML may read `off` as something else"],
    );
    check_rule("{scopes: [], mode: shadows}", &["3:25: `mode` cannot be `shadows`"]);
    check_rule("{scopes: [], rate_limit: 10}", &["3:31: a rate limit must be a mapping, not a single value"]);
    check_rule(
        "{scopes: [], rate_limit: {}}",
        &["3:19: the rate limit has no `requests`", "3:19: the rate limit has no `per`"],
    );
    for requests in ["0", "-1", "1.5", "1e3", "'10'", "1000001", "99999999999999999999", "[1]"] {
        check_rule(
            &format!("{{scopes: [], rate_limit: {{per: 1m, requests: {requests}}}}}"),
            &["3:51: `requests` must be a whole number from 1 to 1000000"],
        );
    }
    for per in ["0s", "1w", "m", "-1m", "25h", "1.5h", "99999999999999999999s", "é"] {
        check_rule(
            &format!("{{scopes: [], rate_limit: {{requests: 1, per: {per}}}}}"),
            &[&format!("3:50: `per` cannot be `{per}`")],
        );
    }
    check_rule("{scopes: [], rate_limit: {requests: 1, per: 1m, by: user}}", &["3:58: `by` cannot be `user`"]);
    check_rule(
        "{deny: true, rate_limit: {requests: 1, per: 1m}}",
        &["3:19: `rate_limit` cannot go with `deny`: the rule refuses everyone"],
    );
}

#[test]
fn a_rule_says_what_it_asks_for() {
    for body in ["{}", "{on_deny: hide}"] {
        check_rule(body, &["3:3: the rule has neither `scopes` nor `any_of` nor `deny`"]);
    }
    check_hint("version: 1\ntools: {t: {}}", "`scopes: []` lets every authenticated caller in");
    check_rule("", &["3:3: a rule must be a mapping, not nothing"]);
    check_rule("~", &["3:6: a rule must be a mapping, not a single value"]);
    check_rule("public:read", &["3:6: a rule must be a mapping, not a single value"]);
    check_rule("[public:read]", &["3:6: a rule must be a mapping, not a list"]);
}

#[test]
fn deny_is_true_and_stands_alone() {
    for value in ["yes", "on", "True", "TRUE", "y", "1", "\"true\"", "~", "false", "no", "[true]", "{}"] {
        check_rule(&format!("{{deny: {value}}}"), &["3:13: `deny` can only be `true`"]);
    }
    check_rule("{deny: }", &["3:7: `deny` can only be `true`"]);
    check_hint("version: 1\ntools: {t: {deny: yes}}", "write `deny: true`; no other spelling is accepted");
    check_hint("version: 1\ntools: {t: {deny: false}}", "remove `deny`: a rule says what it asks for");
    let both = "3:20: `deny` cannot go with `scopes` or `any_of`";
    check_rule("{scopes: [a], deny: true}", &[both]);
    check_rule("{scopes: [],  deny: true}", &[both]);
    check_rule("{deny: true, any_of: [[a]]}", &["3:7: `deny` cannot go with `scopes` or `any_of`"]);
}

#[test]
fn scopes_are_a_list_of_scope_tokens() {
    for (value, expected) in [
        ("public:read", "3:15: `scopes` must be a list"),
        ("", "3:7: `scopes` must be a list of scopes, not nothing"),
        ("{a: b}", "3:15: `scopes` must be a list of scopes, not a mapping"),
        ("[a, a]", "3:19: the scope `a` is listed twice"),
        ("[[a]]", "3:16: a scope must be text, not a list"),
        ("[\"\"]", "3:16: a scope cannot be empty"),
        ("[\"a b\"]", "3:16: `a b` is more than one scope"),
        ("[\" a\"]", "3:16: ` a` is not a scope"),
        ("['a\"b']", "3:16: `a\"b` is not a scope"),
        ("['a\\b']", "3:16: `a\\b` is not a scope"),
        ("[é]", "3:16: `é` is not a scope"),
        ("[\"a\\tb\"]", "3:16: `a\\tb` is more than one scope"),
        ("[\"a\\x7f\"]", "3:16: `a\\u{7f}` is not a scope"),
        ("[1]", "3:16: a scope must be text, and YAML may read `1` as something else"),
        ("[no]", "3:16: a scope must be text, and YAML may read `no` as something else"),
        ("[~]", "3:16: a scope must be text, and YAML may read `~` as something else"),
        ("[0x1F]", "3:16: a scope must be text, and YAML may read `0x1F` as something else"),
        ("[1.5e3]", "3:16: a scope must be text, and YAML may read `1.5e3` as something else"),
    ] {
        check_rule(&format!("{{scopes: {value}}}"), &[expected]);
    }
    check_hint("version: 1\ntools: {t: {scopes: a b}}", "write `scopes: [a, b]`");
    for value in ["[\"1\"]", "[a:b, a.b/c-d_e~f!]", "[n0]", "['[#]']"] {
        let text = format!("version: 1\ntools: {{t: {{scopes: {value}}}}}");
        assert!(Policy::compile("p.yaml", &text).is_ok(), "{text}");
    }
}

#[test]
fn alternatives_are_lists_that_can_be_met_and_missed() {
    for (value, expected) in [
        ("[]", "3:15: `any_of` without alternatives can never be met"),
        ("[[]]", "3:16: an empty alternative is always met"),
        ("[[a], []]", "3:21: an empty alternative is always met"),
        ("[a]", "3:16: an alternative must be a list of scopes, not a single value"),
        ("[[a, a]]", "3:20: the scope `a` is listed twice"),
        ("a", "3:15: `any_of` must be a list of lists of scopes, not a single value"),
        ("", "3:7: `any_of` must be a list of lists of scopes, not nothing"),
    ] {
        check_rule(&format!("{{any_of: {value}}}"), &[expected]);
    }
    check_hint("version: 1\ntools: {t: {any_of: [a]}}", "write `any_of: [[a:scope], [b:scope, c:scope]]`");
}

#[test]
fn lists_that_fit_into_no_challenge_are_refused() {
    let list = |count: usize| (0..count).map(|n| format!("s{n:03}")).collect::<Vec<_>>().join(",");
    check_rule(&format!("{{scopes: [{}]}}", list(257)), &["3:1296: more than 256 scopes in one list"]);
    let alternatives = vec!["[a]"; 257].join(",");
    check_rule(&format!("{{any_of: [{alternatives}]}}"), &["3:1040: more than 256 alternatives"]);
    let text = format!("version: 1\ntools: {{t: {{scopes: [{}]}}}}", list(256));
    assert!(Policy::compile("p.yaml", &text).is_ok());
}

#[test]
fn on_deny_is_one_of_three_words() {
    for (value, expected) in [
        ("hidden", "3:28: `on_deny` cannot be `hidden`"),
        ("Hide", "3:28: `on_deny` cannot be `Hide`"),
        ("true", "3:28: `on_deny` must be text, and YAML may read `true` as something else"),
        ("[hide]", "3:28: `on_deny` must be text, not a list"),
        ("", "3:19: `on_deny` has no value"),
    ] {
        check_rule(&format!("{{deny: true, on_deny: {value}}}"), &[expected]);
    }
    check_hint("version: 1\ntools: {t: {scopes: [], on_deny: Hide}}", "did you mean `hide`?");
    let expected = "3:28: `on_deny: challenge` cannot go with `deny`: no scope would help the caller";
    check_rule("{deny: true, on_deny: challenge}", &[expected]);
}

#[test]
fn names_are_not_empty_not_endless_and_printable() {
    for (section, key, expected) in [
        ("tools", "\"\"", "3:3: the name of a tool cannot be empty"),
        ("tools", "? ", "4:3: the name of a tool cannot be empty"),
        ("prompts", "\"a\\u0000b\"", "3:3: the prompt `a\\u{0}b` contains a control character"),
        ("resources", "\"a\\x1b[2J\"", "3:3: the resource `a\\u{1b}[2J` contains a control character"),
        ("tools", "\"get_**\"", "3:3: `**` means nothing in the pattern `get_**`"),
        ("resources", "\"a:***\"", "3:3: `***` means nothing in the pattern `a:***`"),
    ] {
        let key = if key == "? " { "? \n  ".to_owned() } else { key.to_owned() };
        check(&format!("version: 1\n{section}:\n  {key}: {{scopes: []}}\n"), &[expected]);
    }
    let name = |section: &str, length: usize| {
        let name = "x".repeat(length);
        Policy::compile("p.yaml", &format!("version: 1\n{section}:\n  {name}: {{scopes: []}}\n"))
    };
    for (section, longest) in [("tools", 256), ("prompts", 256), ("methods", 256), ("resources", 2048)] {
        assert!(name(section, longest).is_ok(), "{section}");
        let flaws = name(section, longest + 1).unwrap_err().to_string();
        assert!(flaws.starts_with("p.yaml:3:3: the ") && flaws.ends_with(&format!("longer than {longest} bytes")));
    }
}

#[test]
fn methods_that_are_not_for_the_policy_to_open_or_close_are_refused() {
    for method in [
        "initialize",
        "ping",
        "server/discover",
        "notifications/x",
        "\"notifications/*\"",
        "tools/list",
        "tools/call",
        "prompts/list",
        "prompts/get",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "completion/complete",
        "subscriptions/listen",
        "\"tools/*\"",
        "\"n*\"",
        "\"pin?\"",
        "Tools/Call",
        "PING",
    ] {
        let flaws = flaws(&format!("version: 1\nmethods:\n  {method}: {{scopes: []}}\n"));
        assert!(flaws.len() == 1 && flaws[0].contains("cannot have a rule under `methods`"), "{method}: {flaws:?}");
        assert!(flaws[0].starts_with("3:3: "), "{flaws:?}");
    }
    for method in ["*", "?x", "*/list"] {
        let expected = format!("3:3: the method pattern `{method}` must begin with a literal character");
        check(&format!("version: 1\nmethods:\n  \"{method}\": {{scopes: []}}\n"), &[&expected]);
    }
    check_hint("version: 1\nmethods: {tools/call: {scopes: []}}", "calls are decided by the rules under `tools`");
}

#[test]
fn rules_that_can_never_apply_are_refused() {
    let impossible = |name: &str, deny: &str, line: usize| {
        format!("impossible rule: `{deny}` (line {line}) denies all that `{name}` matches, and `deny` wins")
    };
    check(
        "version: 1\ntools:\n  drop_a: {scopes: []}\n  \"drop_*\": {deny: true}\n",
        &[&format!("3:3: {}", impossible("drop_a", "drop_*", 4))],
    );
    check(
        "version: 1\ntools:\n  \"d*\": {deny: true}\n  \"do_*_x?\": {scopes: [a]}\n",
        &[&format!("4:3: {}", impossible("do_*_x?", "d*", 3))],
    );
    check(
        "version: 1\nresources:\n  \"a:/**\": {deny: true}\n  \"a:/b/*\": {scopes: [a]}\n",
        &[&format!("4:3: {}", impossible("a:/b/*", "a:/**", 3))],
    );
    for rules in [
        "tools: {\"drop_*\": {scopes: []}, drop_a: {deny: true}}",
        "tools: {\"drop_*\": {deny: true}, drop_a: {deny: true, on_deny: explain}}",
        "tools: {\"drop_*\": {deny: true}}\nprompts: {drop_a: {scopes: []}}",
        "resources: {\"a:/*\": {deny: true}, \"a:/b/**\": {scopes: []}}",
    ] {
        assert!(Policy::compile("p.yaml", &format!("version: 1\n{rules}")).is_ok(), "{rules}");
    }
}

#[test]
fn patterns_of_which_neither_is_more_specific_must_not_meet() {
    check(
        "version: 1\ntools:\n  \"a_*\": {scopes: [x]}\n  \"*_a\": {scopes: [y]}\n",
        &["4:3: `*_a` and `a_*` (line 3) match some of the same names, and neither is more specific"],
    );
    check(
        "version: 1\ntools:\n  \"?*\": {scopes: [x]}\n  \"*?\": {scopes: [x]}\n",
        &["4:3: `*?` and `?*` (line 3) match some of the same names, and neither is more specific"],
    );
    for rules in [
        "tools: {\"a_*\": {scopes: [x]}, \"b_*\": {scopes: [y]}}",
        "tools: {\"a_*\": {scopes: [x]}, \"*_ab\": {scopes: [y]}}",
        "tools: {\"a_*\": {scopes: [x]}}\nprompts: {\"*_a\": {scopes: [y]}}",
        "tools: {\"a?\": {scopes: [x]}, \"a*\": {scopes: [y]}}",
        "resources: {\"a/*\": {scopes: [x]}, \"a?/\": {scopes: [y]}}",
    ] {
        assert!(Policy::compile("p.yaml", &format!("version: 1\n{rules}")).is_ok(), "{rules}");
    }
}

#[test]
fn the_hierarchy_is_strict_and_without_circles() {
    for (scopes, expected) in [
        ("{a: {implies: [b]}, b: {implies: [a]}}", "2:43: scopes imply each other in a circle: `a → b → a`"),
        ("{a: {implies: [a]}}", "2:24: scopes imply each other in a circle: `a → a`"),
        ("{a: {implies: b}}", "2:23: `implies` must be a list"),
        ("{a: {implies: [\"b c\"]}}", "2:24: `b c` is more than one scope"),
        ("{\"a b\": {}}", "2:10: `a b` is more than one scope"),
        ("{a: [b]}", "2:13: a scope must be a mapping, not a list"),
        ("{a: }", "2:10: a scope must be a mapping, not nothing"),
        ("[a]", "2:9: `scopes` must be a mapping, not a list"),
    ] {
        check(&format!("version: 1\nscopes: {scopes}\n"), &[expected]);
    }
    let long = "version: 1\nscopes:\n  a: {implies: [b]}\n  b: {implies: [c, d]}\n  c: {}\n  d: {implies: [e]}\n  e: {implies: [b]}\n";
    check(long, &["7:17: scopes imply each other in a circle: `b → d → e → b`"]);
    assert!(Policy::compile("p", "version: 1\nscopes: {a: {}, b: {implies: []}, c: {implies: [a, b, x]}}").is_ok());
}

#[test]
fn a_long_chain_of_scopes_is_no_trouble() {
    let chain: String = (0..20_000).map(|n| format!("  s{n}: {{implies: [s{}]}}\n", n + 1)).collect();
    let text = format!("version: 1\nscopes:\n{chain}tools: {{t: {{scopes: [s20000]}}}}\n");
    let policy = Policy::compile("p", &text).unwrap();
    let grants = policy.grants(&crate::caller::Scopes::from_names(["s0"]));
    assert!(matches!(policy.decide(&grants, super::Kind::Tool, "t"), super::Ruling::Permit(_)));
}

#[test]
fn of_very_many_circles_the_first_are_told() {
    let circles: String = (0..5_000).map(|n| format!("  s{n}: {{implies: [s{}, s0]}}\n", n + 1)).collect();
    assert_eq!(flaws(&format!("version: 1\nscopes:\n{circles}")).len(), 20);
}

#[test]
fn tests_in_a_policy_are_read_strictly() {
    for (test, expected) in [
        ("{token: {}, tools: {hidden: [a]}}", "2:10: the test has no `name`"),
        ("{name: n, tools: {hidden: [a]}}", "2:10: the test has no `token`"),
        ("{name: n, token: {}}", "2:10: the test claims nothing"),
        ("{name: n, token: {}, call: {tool: a}}", "2:31: `call` without `expect`"),
        ("{name: n, token: {}, expect: deny}", "2:10: `expect` without `call`"),
        ("{name: n, token: {}, call: {tool: a}, expect: refuse}", "2:56: `expect` cannot be `refuse`"),
        (
            "{name: n, token: {}, call: {}, expect: deny}",
            "2:31: a call names exactly one of `tool`, `prompt`, `resource`, `method`",
        ),
        (
            "{name: n, token: {}, call: {tool: a, method: b}, expect: deny}",
            "2:31: a call names exactly one of `tool`, `prompt`, `resource`, `method`",
        ),
        (
            "{name: n, token: {}, tools: {seen: [a]}, call: {tool: a}, expect: deny}",
            "2:39: unknown key `seen` in a list of claims",
        ),
        (
            "{name: n, token: {scopes: a}, tools: {hidden: [a]}}",
            "2:28: the scopes of a test stand in `scope`, not in `scopes`",
        ),
        ("{name: n, token: {}, tools: {hidden: a}}", "2:47: `hidden` must be a list, not a single value"),
        ("nothing", "2:10: a test must be a mapping, not a single value"),
    ] {
        let found = flaws(&format!("version: 1\ntests: [ {test} ]\n"));
        assert_eq!(found.first().map(String::as_str), Some(expected), "{test}\n{found:?}");
    }
    check("version: 1\ntests: {}\n", &["2:8: `tests` must be a list, not a mapping"]);
}

#[test]
fn a_share_of_shadow_is_a_percentage() {
    let hint = "is no share of what would be refused";
    for (mode, expected) in [
        ("{shadow: 0%}", format!("2:41: `0%` {hint}")),
        ("{shadow: 101%}", format!("2:41: `101%` {hint}")),
        ("{shadow: ten}", format!("2:41: `ten` {hint}")),
        ("{shadow: 0.1}", "2:41: the share must be text, and YAML may read `0.1` as something else".to_owned()),
        ("{shadow: [10%]}", "2:41: the share must be text, not a list".to_owned()),
        ("{}", "2:32: `mode` says nothing".to_owned()),
        ("{shdow: 10%}", "2:33: unknown key `shdow` in a mode".to_owned()),
        ("{enforce: 10%}", "2:33: unknown key `enforce` in a mode".to_owned()),
        ("[shadow]", "2:32: `mode` must be text, not a list".to_owned()),
    ] {
        let found = flaws(&format!("version: 1\ntools: {{a: {{scopes: [x], mode: {mode}}}}}\n"));
        assert_eq!(found.first(), Some(&expected), "{mode}\n{found:?}");
    }
}
