//! Rules that are evaluated and not enforced.

use super::*;

/// A ruling in short: what permits or refuses, and what would have refused.
fn shadowed(rules: &str, held: &str, name: &str) -> String {
    let policy = policy(rules);
    match policy.decide(&policy.grants(&scopes(held)), Kind::Tool, name) {
        Ruling::Permit(permit) => {
            let would = permit
                .would_deny()
                .map(|would| format!(" but {} {}", would.rule.unwrap_or("-"), would.reason.word()));
            format!("permit {}{}", permit.rule().unwrap_or("-"), would.unwrap_or_default())
        }
        Ruling::Deny(denial) => format!("{} {}", denial.rule.unwrap_or("-"), denial.reason.word()),
    }
}

#[test]
fn a_rule_in_shadow_changes_nothing_where_another_is_enforced() {
    let rules = "tools: {'*': {scopes: [base]}, 'delete_*': {scopes: [w], mode: shadow}}";
    for (held, expected) in [
        ("base w", "permit tools.*"),
        ("base", "permit tools.* but tools.delete_* scopes_missing"),
        // It does not open what the others keep closed.
        ("w", "tools.* scopes_missing"),
        ("", "tools.* scopes_missing"),
    ] {
        assert_eq!(shadowed(rules, held, "delete_x"), expected, "{held}");
    }
    assert_eq!(shadowed(rules, "base", "other"), "permit tools.*");
}

#[test]
fn a_rule_in_shadow_lets_through_where_no_other_speaks() {
    let rules = "tools: {a: {scopes: [w], mode: shadow}}";
    assert_eq!(shadowed(rules, "w", "a"), "permit tools.a");
    assert_eq!(shadowed(rules, "", "a"), "permit tools.a but tools.a scopes_missing");
    assert_eq!(shadowed(rules, "", "b"), "- no_rule");
}

#[test]
fn a_deny_in_shadow_opens_nothing() {
    let alone = "tools: {a: {deny: true, mode: shadow}}";
    assert_eq!(shadowed(alone, "w", "a"), "- no_rule");
    let over = "tools: {'*_internal': {deny: true, mode: shadow}, 'a_*': {scopes: [a]}, a_internal: {scopes: [b]}}";
    assert_eq!(shadowed(over, "b", "a_internal"), "permit tools.a_internal but tools.*_internal rule_denies");
    assert_eq!(shadowed(over, "a", "a_internal"), "tools.a_internal scopes_missing");
    assert_eq!(shadowed(over, "a", "a_x_internal"), "permit tools.a_* but tools.*_internal rule_denies");
    // A deny that is enforced wins over all.
    let both = "tools: {'a*': {deny: true}, 'ab*': {scopes: [], mode: shadow}}";
    assert!(Policy::compile("p", &format!("version: 1\n{both}")).is_err(), "impossible");
}

#[test]
fn a_condition_in_shadow_is_evaluated() {
    let policy = policy("tools: {'*': {scopes: []}, a: {scopes: [], when: args.n > 1, mode: shadow}}");
    let grants = policy.grants(&scopes(""));
    let would = |args| {
        let facts = Facts { claims: "{}", args: Some(args), ..Facts::default() };
        match policy.decide_call(&grants, Kind::Tool, "a", &facts) {
            Ruling::Permit(permit) => permit.would_deny().map(|would| would.reason),
            Ruling::Deny(_) => panic!("refused"),
        }
    };
    assert_eq!(would(r#"{"n":2}"#), None);
    assert_eq!(would(r#"{"n":1}"#), Some(DenyReason::ConditionFalse));
    assert_eq!(would("{}"), Some(DenyReason::ConditionError(cel::Error::NoSuchKey)));
}

#[test]
fn a_policy_in_shadow_enforces_nothing_that_names_things() {
    let rules = "mode: shadow\ntools: {a: {scopes: [w]}, b: {deny: true}}\nmethods: {x-a: {scopes: [m]}}";
    assert_eq!(shadowed(rules, "w", "a"), "permit tools.a");
    assert_eq!(shadowed(rules, "", "a"), "permit tools.a but tools.a scopes_missing");
    assert_eq!(shadowed(rules, "", "b"), "permit tools.b but tools.b rule_denies");
    assert_eq!(shadowed(rules, "", "c"), "permit - but - no_rule");
    let policy = policy(rules);
    let grants = policy.grants(&scopes(""));
    assert!(matches!(policy.decide(&grants, Kind::Method, "x-a"), Ruling::Permit(_)));
    assert!(
        matches!(policy.decide(&grants, Kind::Method, "x-b"), Ruling::Deny(_)),
        "an unknown method stays unknown"
    );
}

#[test]
fn limits_are_those_of_the_rules_that_decide() {
    let limit = "rate_limit: {requests: 3, per: 1m, by: client}";
    let policy = policy(&format!(
        "tools: {{'*': {{scopes: [], {limit}}}, a: {{scopes: [], mode: shadow, rate_limit: {{requests: 1, per: 10s}}}}, b: {{scopes: []}}}}"
    ));
    let grants = policy.grants(&scopes(""));
    let limits = |name| match policy.decide(&grants, Kind::Tool, name) {
        Ruling::Permit(permit) => permit
            .limits()
            .map(|limit| (limit.rule, limit.rate.requests, limit.rate.per, limit.mode))
            .collect::<Vec<_>>(),
        Ruling::Deny(_) => panic!("refused"),
    };
    assert_eq!(limits("x"), [("tools.*", 3, 60_000_000_000, Mode::Enforce)]);
    assert_eq!(limits("b"), []);
    let both = [("tools.*", 3, 60_000_000_000, Mode::Enforce), ("tools.a", 1, 10_000_000_000, Mode::Shadow)];
    assert_eq!(limits("a"), both);
}

#[test]
fn a_policy_in_shadow_enforces_no_limit() {
    let rules = "mode: shadow\ntools: {a: {scopes: [w], rate_limit: {requests: 1, per: 1m}}}";
    let policy = policy(rules);
    for held in ["w", ""] {
        let Ruling::Permit(permit) = policy.decide(&policy.grants(&scopes(held)), Kind::Tool, "a") else {
            panic!("refused")
        };
        assert_eq!(permit.limits().map(|limit| limit.mode).collect::<Vec<_>>(), [Mode::Shadow], "{held}");
    }
}

#[test]
fn what_matches_is_told_in_the_order_in_which_it_decides() {
    let policy = policy("tools: {'*': {scopes: []}, 'a*': {scopes: [a]}, ab: {scopes: [b]}, '*zz': {deny: true}}");
    let labels = |name| policy.matches(Kind::Tool, name).into_iter().map(|rule| rule.label).collect::<Vec<_>>();
    assert_eq!(labels("ab"), ["tools.ab", "tools.a*", "tools.*"]);
    assert_eq!(labels("azz"), ["tools.*zz", "tools.a*", "tools.*"]);
    assert!(labels("").is_empty());
}

#[test]
fn a_rule_in_shadow_says_how_many_of_its_refusals_are_audited() {
    let rules = "tools: {'*': {scopes: []}, a: {scopes: [w], mode: {shadow: 10%}}, b: {scopes: [w], mode: shadow}}";
    let policy = policy(rules);
    let audited = |name: &str| {
        let Ruling::Permit(permit) = policy.decide(&policy.grants(&scopes("")), Kind::Tool, name) else {
            panic!("{name}")
        };
        let would = permit.would_deny().unwrap();
        (0..10_000).filter(|number| would.sample.takes(*number)).count()
    };
    assert!((900..=1_100).contains(&audited("a")), "{}", audited("a"));
    assert_eq!(audited("b"), 10_000);
}

#[test]
fn a_policy_in_shadow_says_it_for_what_its_rules_do_not() {
    let rules = "mode: {shadow: 50%}\ntools: {a: {scopes: [w]}, b: {scopes: [w], mode: {shadow: 10%}}, x: {scopes: [w], rate_limit: {requests: 1, per: 1s}}}";
    let policy = policy(rules);
    let permit = |name: &str| {
        let Ruling::Permit(permit) = policy.decide(&policy.grants(&scopes("")), Kind::Tool, name) else {
            panic!("{name}")
        };
        permit
    };
    let taken = |sample: Sample| (0..1_000).filter(|number| sample.takes(*number)).count();
    let (half, tenth) = (400..=600, 50..=150);
    assert!(half.contains(&taken(permit("a").would_deny().unwrap().sample)));
    assert!(half.contains(&taken(permit("x").limits().next().unwrap().sample)));
    assert!(tenth.contains(&taken(permit("b").would_deny().unwrap().sample)));
}
