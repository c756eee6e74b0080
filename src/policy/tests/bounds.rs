//! That no policy takes long to be loaded.

use super::super::selftest::Budget;
use super::*;

#[test]
fn what_all_tests_take_together_is_bounded() {
    // Each stays within what one evaluation may take.
    let bomb = "args.l.all(a, args.l.all(b, args.l.all(c, a + b + c >= 0)))";
    let list = vec!["1"; 24].join(", ");
    let test = format!("  - {{name: t, token: {{}}, call: {{tool: t, args: {{l: [{list}]}}}}, expect: allow}}\n");
    let rules =
        format!("version: 1\ntools:\n  t: {{scopes: [], when: \"{bomb}\"}}\ntests:\n{}", test.repeat(1_000));
    let rules = Policy::compile("p", &rules).unwrap();
    let results = rules.run_tests();
    assert_eq!(results.len(), 1_000);
    let passed = results.iter().take_while(|test| test.passed()).count();
    assert!((250..1_000).contains(&passed), "{passed}");
    let refused = ["the tests of a policy take at most 50000000 steps together: it was not run"];
    assert!(results.iter().skip(passed).all(|test| test.failures == refused));
}

#[test]
fn names_that_must_be_held_against_many_patterns_count_among_the_steps_of_tests() {
    let first = |patterns: &str| {
        let names = vec!["b".repeat(250); 100].join(", ");
        let test = format!("tests:\n  - {{name: t, token: {{}}, tools: {{hidden: [{names}]}}}}\n");
        let rules = Policy::compile("p", &format!("version: 1\ntools:\n{patterns}{test}")).unwrap();
        rules.tests[0].run(&rules, &mut Budget(100_000)).failures
    };
    let loose: String = (1..100).map(|n| format!("  \"*{}*\": {{scopes: []}}\n", "a".repeat(n))).collect();
    let failures = first(&loose);
    assert!(matches!(failures.as_slice(), [one] if one.ends_with("it was not run")), "{failures:?}");
    // Patterns that cannot match by their beginning cost nothing.
    let apart: String = (0..5_000).map(|n| format!("  \"a{n:05}*\": {{scopes: []}}\n")).collect();
    assert_eq!(first(&apart), Vec::<String>::new());
}

#[test]
fn patterns_that_are_many_and_begin_and_end_alike_are_not_all_compared() {
    let compile = |rules: &str| Policy::compile("p", &format!("version: 1\ntools:\n{rules}"));
    // Equally specific, and apart only in the middle.
    let alike: String =
        (0..4_000).map(|n| format!("  \"a{}{n:05}*\": {{deny: true}}\n", "?a".repeat(40))).collect();
    let flaws = compile(&alike).unwrap_err();
    assert_eq!(flaws.iter().count(), 1, "{flaws}");
    assert!(flaws.to_string().contains("too many and too alike"), "{flaws}");
    // Each exact name could be refused by each pattern.
    let denied = (1..250).flat_map(|a| (0..20).map(move |b| (a, b))).filter(|(a, b)| a + b < 250);
    let denied: String =
        denied.map(|(a, b)| format!("  \"*{}{}*\": {{deny: true}}\n", "a".repeat(a), "?".repeat(b))).collect();
    let names: String = (0..6_000).map(|n| format!("  n{n}: {{scopes: []}}\n")).collect();
    let flaws = compile(&format!("{denied}{names}")).unwrap_err();
    assert!(flaws.to_string().contains("too many and too alike"), "{flaws}");
}
