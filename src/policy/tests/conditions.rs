//! Conditions of rules, and tests that look at them.

use super::*;
use crate::cel::Error;

fn call(policy: &Policy, held: &str, kind: Kind, name: &str, args: &str) -> String {
    let facts = Facts { claims: r#"{"sub":"alice","groups":["ops"]}"#, args: Some(args), ..Facts::default() };
    match policy.decide_call(&policy.grants(&scopes(held)), kind, name, &facts) {
        Ruling::Permit(permit) => format!("permit {}", permit.rule().unwrap_or("-")),
        Ruling::Deny(denial) => format!("{:?} {:?} {:?}", denial.reason, denial.on_deny, denial.needs),
    }
}

const RULES: &str = "
tools:
  delete_file: {scopes: [w], when: 'args.path.startsWith(\"/tmp/\") && \"ops\" in claims.groups'}
  told: {scopes: [], when: 'args.n > 1', on_deny: hide}
resources:
  'file:///users/{owner}/**': {scopes: [], when: vars.owner == claims.sub}
  'file:///users/{owner}/public/*': {scopes: []}
";

#[test]
fn a_condition_decides_about_calls_and_not_about_lists() {
    let rules = policy(RULES);
    for (held, args, expected) in [
        ("w", r#"{"path":"/tmp/a"}"#, "permit tools.delete_file"),
        ("w", r#"{"path":"/etc/a"}"#, "ConditionFalse Challenge []"),
        ("w", "{}", "ConditionError(NoSuchKey) Challenge []"),
        // Without the scope the condition is not looked at.
        ("", "{}", "ScopesMissing Challenge [\"w\"]"),
    ] {
        assert_eq!(call(&rules, held, Kind::Tool, "delete_file", args), expected, "{held} {args}");
    }
    assert_eq!(ruling(&rules, "w", Kind::Tool, "delete_file"), "permit tools.delete_file");
    assert_eq!(call(&rules, "", Kind::Tool, "told", r#"{"n":1}"#), "ConditionFalse Hide []");
}

#[test]
fn variables_of_the_uri_are_the_deciding_rules() {
    let rules = policy(RULES);
    for (uri, expected) in [
        ("file:///users/alice/x/y", "permit resources.file:///users/{owner}/**"),
        ("file:///users/%61lice/x", "NoRule Hide []"),
        ("file:///users/bob/x", "ConditionFalse Challenge []"),
        ("file:///users/bob/public/x", "permit resources.file:///users/{owner}/public/*"),
        ("file:///users/%ff/x", &format!("{:?} Challenge []", DenyReason::ConditionError(Error::Unreadable))),
        ("file:///users//x", "NoRule Hide []"),
        ("file:///users/alice/../bob/x", "NoRule Hide []"),
    ] {
        assert_eq!(call(&rules, "", Kind::Resource, uri, "{}"), expected, "{uri}");
    }
}

#[test]
fn tests_of_a_policy_look_at_conditions() {
    let failures = |test: &str| {
        let policy = policy(&format!("{RULES}tests:\n  - {test}\n"));
        policy.run_tests().into_iter().flat_map(|test| test.failures).collect::<Vec<_>>()
    };
    let token = "name: t, token: {sub: alice, scope: w, groups: [ops], level: 3}";
    for (test, expected) in [
        (r#"call: {tool: delete_file, args: {path: /tmp/a}}, expect: allow"#, None),
        (r#"call: {tool: delete_file, args: {path: /etc/a}}, expect: deny"#, None),
        (
            r#"call: {tool: delete_file, args: {path: /etc/a}}, expect: {decision: deny, reason: condition_false, scopes: []}"#,
            None,
        ),
        (r#"call: {tool: delete_file}, expect: {decision: deny, reason: condition_error}"#, None),
        (r#"call: {tool: delete_file, args: {path: 1}}, expect: {decision: deny, reason: condition_error}"#, None),
        (
            r#"call: {tool: delete_file, args: {path: "1"}}, expect: {decision: deny, reason: condition_false}"#,
            None,
        ),
        (r#"call: {resource: "file:///users/alice/a"}, expect: allow"#, None),
        (r#"call: {tool: none}, expect: {decision: deny, reason: no_rule}"#, None),
        (
            r#"call: {tool: delete_file, args: {path: /etc/a}}, expect: allow"#,
            Some("tool `delete_file` is refused by `tools.delete_file`: condition_false"),
        ),
        (
            r#"call: {tool: delete_file}, expect: allow"#,
            Some("tool `delete_file` is refused by `tools.delete_file`: condition_error (no_such_key)"),
        ),
        (
            r#"call: {tool: delete_file}, expect: {decision: deny, reason: scopes_missing}"#,
            Some(
                "tool `delete_file` is refused for another reason than `scopes_missing`: condition_error (no_such_key)",
            ),
        ),
        (
            r#"call: {tool: delete_file, args: {path: /tmp/a}}, expect: deny"#,
            Some("tool `delete_file` is permitted by `tools.delete_file`"),
        ),
    ] {
        let found = failures(&format!("{{{token}, {test}}}"));
        let expected: Vec<String> = expected.iter().map(|text| format!("line 10: {text}")).collect();
        assert_eq!(found, expected, "{test}");
    }
    let poor = "name: t, token: {scope: x}, call: {tool: delete_file}";
    let asks = failures(&format!("{{{poor}, expect: {{decision: deny, scopes: [x]}}}}"));
    assert_eq!(asks, ["line 10: tool `delete_file` asks for other scopes than expected: `w`"]);
    assert!(
        failures(&format!("{{{poor}, expect: {{decision: deny, reason: scopes_missing, scopes: [w]}}}}"))
            .is_empty()
    );
}

#[test]
fn tests_can_say_when_and_from_where_a_request_comes() {
    let rules = "
tools:
  a: {scopes: [], when: 'request.time.getHours() < 18 && cidr(\"10.0.0.0/8\").containsIP(request.client_address)'}
  b: {scopes: [], when: tool.annotations.readOnlyHint}
tests:
  - {name: a, token: {}, call: {tool: a}, request: {time: '2026-07-28T17:59:59Z', client_address: '10.0.0.1'}, expect: allow}
  - {name: b, token: {}, call: {tool: a}, request: {time: '2026-07-28T18:00:00Z', client_address: '10.0.0.1'}, expect: deny}
  - {name: c, token: {}, call: {tool: a}, request: {time: '2026-07-28T17:00:00Z', client_address: '192.168.0.1'}, expect: deny}
  - {name: d, token: {}, call: {tool: b, annotations: {readOnlyHint: true}}, expect: allow}
  - {name: e, token: {}, call: {tool: b, annotations: {}}, expect: {decision: deny, reason: condition_error}}
  - {name: f, token: {}, call: {tool: b}, expect: deny}
";
    for test in policy(rules).run_tests() {
        assert!(test.passed(), "{}: {:?}", test.name, test.failures);
    }
}
