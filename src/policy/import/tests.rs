use proptest::prelude::*;

use super::super::{Grants, Ruling};
use super::*;
use crate::caller::Scopes;
use crate::cel::Facts;

mod envoy;
mod subset;

/// A caller: its claims, with the scopes in `scope`.
struct Caller<'c>(&'c str, &'c str);

fn grants(policy: &Policy, scopes: &str) -> Grants {
    policy.grants(&Scopes::from_names(scopes.split_ascii_whitespace()))
}

/// Whether a caller may call it, with these arguments.
fn may(policy: &Policy, caller: &Caller<'_>, kind: Kind, name: &str, args: Option<&str>) -> bool {
    let Caller(scopes, claims) = *caller;
    let facts = Facts { claims, args, name, ..Facts::default() };
    matches!(policy.decide_call(&grants(policy, scopes), kind, name, &facts), Ruling::Permit(_))
}

fn sees(policy: &Policy, scopes: &str, kind: Kind, name: &str) -> bool {
    matches!(policy.decide(&grants(policy, scopes), kind, name), Ruling::Permit(_))
}

fn configuration(rules: &[&str]) -> String {
    let rules: String = rules.iter().map(|rule| format!("      - {rule}\n")).collect();
    format!("mcp:\n  policies:\n    mcpAuthorization:\n      rules:\n{rules}")
}

#[track_caller]
fn imported(rules: &[&str]) -> Imported {
    let choice = Choice { target: Some("files"), line: None };
    import(Format::Agentgateway, "config.yaml", &configuration(rules), choice).unwrap()
}

/// The rules of the policy, without what stands above them.
#[track_caller]
fn check(rules: &[&str], expected: &str) {
    let Imported { policy, lost, .. } = imported(rules);
    let policy = policy.unwrap_or_else(|| panic!("nothing was imported: {lost:?}"));
    let is_said = |line: &&str| !line.trim_start().starts_with('#') && !line.is_empty() && *line != "version: 1";
    let said: Vec<&str> = policy.lines().filter(is_said).collect();
    assert_eq!(said.join("\n"), expected, "{lost:?}");
}

#[test]
fn a_name_becomes_a_rule() {
    check(&["'mcp.tool.name == \"echo\"'"], "tools:\n  \"echo\": {scopes: []}");
    check(&["'\"echo\" == mcp.tool.name'"], "tools:\n  \"echo\": {scopes: []}");
    check(&["'mcp.prompt.name in [\"a\", \"b\"]'"], "prompts:\n  \"a\": {scopes: []}\n  \"b\": {scopes: []}");
    check(&["'mcp.resource.name == \"docs://a\"'"], "resources:\n  \"docs://a\": {scopes: []}");
    check(&["'mcp.tool.name.startsWith(\"get_\")'"], "tools:\n  \"get_*\": {scopes: []}");
    check(&["'mcp.resource.name.startsWith(\"docs://\")'"], "resources:\n  \"docs://**\": {scopes: []}");
    check(&["'mcp.tool.target == \"files\" && mcp.tool.name == \"a\"'"], "tools:\n  \"a\": {scopes: []}");
    check(
        &["'mcp.tool.name == \"a\" || mcp.tool.name == \"b\"'"],
        "tools:\n  \"a\": {scopes: []}\n  \"b\": {scopes: []}",
    );
}

#[test]
fn a_scope_becomes_a_scope_and_a_claim_a_condition() {
    check(&["'mcp.tool.name == \"x\" && \"y\" in jwt.scope.split(\" \")'"], "tools:\n  \"x\": {scopes: [\"y\"]}");
    check(
        &["'jwt.sub == \"test-user\" && mcp.tool.name == \"get-sum\"'"],
        "tools:\n  \"get-sum\": {scopes: [], when: \"claims.sub == \\\"test-user\\\"\"}",
    );
    check(
        &["'mcp.tool.name == \"get-env\" && jwt.nested.key == \"value\"'"],
        "tools:\n  \"get-env\": {scopes: [], when: \"claims.nested.key == \\\"value\\\"\"}",
    );
    check(
        &["'mcp.tool.name == \"x\" && \"y\" in jwt.scope'"],
        "tools:\n  \"x\": {scopes: [\"y\"], when: \"\\\"y\\\" in claims.scope\"}",
    );
}

#[test]
fn a_text_that_has_a_scope_as_a_part_of_a_longer_word_is_no_way_in() {
    // There `in` looks for a part of a text, so that `superadmin` has `admin`.
    let text = Caller("superadmin", r#"{"scope": "superadmin"}"#);
    let list = |scope| format!(r#"{{"scope": ["{scope}"]}}"#);
    for rules in [
        ["'mcp.tool.name == \"x\"'", "{deny: '\"admin\" in jwt.scope'}"],
        ["'mcp.tool.name == \"x\"'", "{require: '!(\"admin\" in jwt.scope)'}"],
        ["'mcp.tool.name == \"x\" && !(\"admin\" in jwt.scope)'", "{require: 'true'}"],
    ] {
        let policy = Policy::compile("p", &imported(&rules).policy.unwrap()).unwrap();
        assert!(!may(&policy, &text, Kind::Tool, "x", None), "{rules:?}");
        assert!(!may(&policy, &Caller("admin", &list("admin")), Kind::Tool, "x", None), "{rules:?}");
        assert!(may(&policy, &Caller("superadmin", &list("superadmin")), Kind::Tool, "x", None), "{rules:?}");
    }
}

#[test]
fn several_rules_about_one_name_are_alternatives() {
    check(
        &[
            "'mcp.tool.name == \"x\" && \"a\" in jwt.scope.split(\" \")'",
            "'mcp.tool.name == \"x\" && \"b\" in jwt.scope.split(\" \")'",
        ],
        "tools:\n  \"x\": {any_of: [[\"a\"], [\"b\"]]}",
    );
    // Who has the general permission has it for the name that another rule is about, too.
    check(
        &["'\"admin\" in jwt.scope.split(\" \") && mcp.tool.name.startsWith(\"x\")'", "'mcp.tool.name == \"x1\"'"],
        "tools:\n  \"x*\": {scopes: [\"admin\"]}\n  \"x1\": {scopes: []}",
    );
    let policy = imported(&[
        "'mcp.tool.name == \"x\" && \"a\" in jwt.scope.split(\" \")'",
        "'mcp.tool.name == \"x\" && jwt.sub == \"bob\"'",
    ]);
    let policy = Policy::compile("p", &policy.policy.unwrap()).unwrap();
    let may = |scopes, claims| may(&policy, &Caller(scopes, claims), Kind::Tool, "x", None);
    assert!(may("a", r#"{"sub": "alice", "scope": "a"}"#));
    assert!(may("", r#"{"sub": "bob", "scope": ""}"#));
    assert!(!may("", r#"{"sub": "alice", "scope": ""}"#));
}

#[test]
fn what_is_refused_there_is_refused_here() {
    check(
        &["'mcp.tool.name.startsWith(\"get_\")'", "{deny: 'mcp.tool.name == \"get_secret\"'}"],
        "tools:\n  \"get_secret\": {deny: true}\n  \"get_*\": {scopes: [], when: \"!(tool.name == \\\"get_secret\\\")\"}",
    );
    check(
        &["'mcp.tool.name == \"a\"'", "{deny: 'jwt.sub == \"mallory\"'}"],
        "tools:\n  \"a\": {scopes: [], when: \"!(claims.sub == \\\"mallory\\\")\"}",
    );
    check(
        &[
            "'mcp.tool.name in [\"a\", \"b\"]'",
            "{require: 'mcp.tool.name != \"b\"'}",
            "{require: 'jwt.ok == true'}",
        ],
        "tools:\n  \"a\": {scopes: [], when: \"claims.ok == true\"}",
    );
}

#[test]
fn where_no_rule_allows_all_is_allowed_that_is_not_refused() {
    check(
        &["{deny: 'mcp.tool.name == \"drop\"'}"],
        "tools:\n  \"drop\": {deny: true}\n  \"*\": {scopes: [], when: \"!(tool.name == \\\"drop\\\")\"}\n\
         prompts:\n  \"*\": {scopes: []}\nresources:\n  \"**\": {scopes: []}",
    );
}

/// What is lost, with its line.
#[track_caller]
fn lost(rules: &[&str], line: usize, what: &str) -> Option<String> {
    let Imported { policy, lost, .. } = imported(rules);
    let is_told = lost.iter().any(|lost| lost.line == line && lost.what.contains(what));
    assert!(is_told, "{lost:?}");
    policy
}

#[test]
fn what_is_not_understood_is_left_out_and_told() {
    for (rule, what) in [
        ("'request.path == \"/mcp\" && mcp.tool.name == \"x\"'", "`request`"),
        ("'mcp.tool.name == \"x\" && cidr(\"10.0.0.0/8\").containsIP(source.address)'", "`source`"),
        ("'mcp.tool.name == \"x\" && jwt.?a.orValue(\"\") == \"b\"'", "not understood"),
        ("'mcp.task.name == \"x\"'", "`mcp`"),
        ("'mcp.tool.name == \"x\" && flatten(jwt.a)'", "flatten"),
        ("'mcp.tool.name == '", "not understood"),
    ] {
        let policy = lost(&["'mcp.tool.name == \"kept\"'", rule], 6, what);
        let policy = Policy::compile("p", &policy.unwrap()).unwrap();
        let caller = Caller("", r#"{"a": "b"}"#);
        assert!(may(&policy, &caller, Kind::Tool, "kept", None));
        assert!(!may(&policy, &caller, Kind::Tool, "x", None), "{rule}");
        assert!(!may(&policy, &caller, Kind::Prompt, "x", None), "{rule}");
    }
}

#[test]
fn a_refusal_that_is_not_understood_refuses_more() {
    let deny = "{deny: 'mcp.tool.name == \"x\" && request.headers[\"a\"] == \"b\"'}";
    let policy = lost(&["'mcp.tool.name in [\"x\", \"y\"]'", deny], 6, "more is refused here");
    let policy = Policy::compile("p", &policy.unwrap()).unwrap();
    assert!(!may(&policy, &Caller("", "{}"), Kind::Tool, "x", None));
    assert!(may(&policy, &Caller("", "{}"), Kind::Tool, "y", None));
    // Where nothing of it is understood, it may refuse everything.
    assert_eq!(
        lost(&["'mcp.tool.name == \"x\"'", "{deny: 'request.path == \"/\"'}"], 6, "more is refused here"),
        None
    );
}

#[test]
fn a_requirement_that_is_not_understood_refuses_all() {
    assert_eq!(lost(&["'true'", "{require: 'request.path == \"/\"'}"], 6, "not understood"), None);
}

#[test]
fn a_server_must_be_named_to_be_told_apart() {
    let text = configuration(&["'mcp.tool.target == \"files\"'", "'mcp.tool.name == \"x\"'"]);
    let unnamed = import(Format::Agentgateway, "c", &text, Choice::default()).unwrap();
    assert!(unnamed.lost.iter().any(|lost| lost.line == 5 && lost.what.contains("--target")), "{:?}", unnamed.lost);
    let policy = Policy::compile("p", &unnamed.policy.unwrap()).unwrap();
    assert!(!sees(&policy, "", Kind::Tool, "other"));
    check(&["'mcp.tool.target == \"files\"'"], "tools:\n  \"*\": {scopes: []}");
    check(&["'mcp.tool.target == \"mail\"'", "'mcp.tool.name == \"x\"'"], "tools:\n  \"x\": {scopes: []}");
}

#[test]
fn names_that_mean_more_in_a_policy_are_left_out() {
    for rule in ["'mcp.tool.name == \"a*\"'", "'mcp.resource.name == \"docs://{id}\"'", "'mcp.tool.name == \"a?\"'"]
    {
        let policy = lost(&["'mcp.tool.name == \"kept\"'", rule], 6, "cannot be named");
        assert!(!policy.unwrap().contains("scopes: []}\n  \"a"), "{rule}");
    }
    // That something is no tool says nothing that a policy could say.
    let policy = imported(&["'mcp.tool.name == \"kept\"'", "'!has(mcp.tool)'"]).policy.unwrap();
    assert!(!policy.contains("prompts"), "{policy}");
    // As the beginning of names it can still be asked for.
    let policy = imported(&["'mcp.tool.name.startsWith(\"a*\")'"]).policy.unwrap();
    let policy = Policy::compile("p", &policy).unwrap();
    assert!(may(&policy, &Caller("", "{}"), Kind::Tool, "a*b", None));
    assert!(!may(&policy, &Caller("", "{}"), Kind::Tool, "ab", None));
}

#[test]
fn a_rule_that_a_policy_does_not_take_is_told_with_its_line() {
    // They meet in some names, and neither is more specific.
    let rules = ["'mcp.tool.name.startsWith(\"ab\")'", "'mcp.tool.name.endsWith(\"cd\")'"];
    let policy = lost(&rules, 6, "left out: tool \"*cd\"").unwrap();
    assert!(policy.contains("\"ab*\": {scopes: []}"), "{policy}");
}

#[test]
fn a_variable_of_a_macro_cannot_take_the_place_of_a_name() {
    for rule in [
        "'mcp.tool.name == \"x\" && jwt.groups.exists(jwt, jwt == \"a\")'",
        "'mcp.tool.name == \"x\" && jwt.groups.exists(claims, claims == jwt.sub)'",
    ] {
        assert_eq!(lost(&[rule], 5, "means something else"), None);
    }
    check(
        &["'mcp.tool.name == \"x\" && jwt.groups.exists(group, group == \"a\")'"],
        "tools:\n  \"x\": {scopes: [], when: \"claims.groups.exists(group, group == \\\"a\\\")\"}",
    );
}

/// The source is refused at this place.
#[track_caller]
fn refused(format: Format, text: &str, choice: Choice<'_>, place: (usize, usize), message: &str) {
    let flaws = import(format, "source.yaml", text, choice).expect_err("it was imported");
    let found = flaws.iter().any(|flaw| (flaw.line, flaw.column) == place && flaw.message.contains(message));
    assert!(found, "{flaws}");
}

#[test]
fn a_source_that_cannot_be_read_is_refused_with_its_place() {
    let refused =
        |text: &str, place, message| refused(Format::Agentgateway, text, Choice::default(), place, message);
    refused("", (1, 1), "empty");
    refused("# nothing\n", (1, 1), "empty");
    refused("a: [", (1, 4), "not readable");
    refused("binds: []\n", (1, 1), "no `mcpAuthorization`");
    refused("kind: AgentgatewayPolicy\n", (1, 1), "no `spec.backend.mcp.authorization`");
    let resource = |authorization: &str| {
        format!("kind: AgentgatewayPolicy\nspec: {{backend: {{mcp: {{authorization: {authorization}}}}}}}\n")
    };
    refused(&resource("{action: Log}"), (2, 24), "`Log` is not known");
    refused(&resource("{action: Allow}"), (2, 24), "no `policy`");
    refused(&resource("{policy: {matchExpressions: []}}"), (2, 40), "no expression");
    refused(&resource("{policy: {expressions: []}}"), (2, 49), "unknown key `expressions`");
    refused(&format!("{0}---\n{0}", resource("{}")), (1, 1), "2 policies");
    refused("mcpAuthorization: [a]\n", (1, 19), "must be a mapping");
    refused("mcpAuthorization: {rules: a}\n", (1, 27), "must be a list");
    refused("mcpAuthorization: {rules: []}\n", (1, 1), "allows everything");
    refused("mcpAuthorization: {}\n", (1, 1), "allows everything");
    refused("mcpAuthorization: {rules: [a], mode: strict}\n", (1, 32), "unknown key `mode`");
    refused("mcpAuthorization:\n  rules:\n    - {allow: a, deny: b}\n", (3, 7), "exactly one");
    refused("mcpAuthorization:\n  rules:\n    - {permit: a}\n", (3, 8), "unknown key `permit`");
    refused("mcpAuthorization:\n  rules:\n    - [a]\n", (3, 7), "must be text");
    refused("a: &x {mcpAuthorization: {rules: [b]}}\nc: *x\n", (1, 4), "anchors");
    refused("- mcpAuthorization: {rules: [a]}\n- mcpAuthorization: {rules: [a]}\n", (2, 3), "2 times");
    refused(&"a".repeat(5 * 1024 * 1024), (1, 1), "more than");
    let nested = format!("{}a{}", "[".repeat(100), "]".repeat(100));
    assert!(import(Format::Agentgateway, "s", &nested, Choice::default()).is_err());
}

#[test]
fn what_would_take_too_long_is_refused() {
    let rules = |count: usize, rule: fn(usize) -> String| {
        let rules: Vec<String> = (0..count).map(rule).collect();
        configuration(&rules.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let refused =
        |text: &str, place, message| refused(Format::Agentgateway, text, Choice::default(), place, message);
    let pattern = |at| format!("'mcp.tool.name.startsWith(\"{at}\")'");
    refused(&rules(257, pattern), (261, 1), "parts of names");
    let name = |at| format!("'mcp.tool.name == \"{at}\"'");
    refused(&rules(8193, name), (8197, 1), "8192 ways");
    let text = rules(5000, name);
    let imported = import(Format::Agentgateway, "c", &text, Choice::default()).unwrap();
    assert_eq!(imported.rules, 4096);
    assert!(imported.lost.iter().any(|lost| lost.line == 4101 && lost.what.contains("more than 4096")));
}

#[test]
fn one_of_several_can_be_chosen() {
    let text = "- mcpAuthorization: {rules: ['mcp.tool.name == \"a\"']}\n- mcpAuthorization: {rules: ['true']}\n";
    let choice = |line| Choice { target: None, line: Some(line) };
    let policy = import(Format::Agentgateway, "c", text, choice(1)).unwrap();
    assert!(policy.lost.iter().any(|lost| lost.line == 2), "{:?}", policy.lost);
    assert!(policy.policy.unwrap().contains("\"a\": {scopes: []}"));
    refused(Format::Agentgateway, text, choice(3), (3, 1), "on this line");
}

/// The rules of a resource of Kubernetes.
#[track_caller]
fn resource(action: &str, expressions: &str) -> Imported {
    let text = format!(
        "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nspec:\n  traffic: {{}}\n  backend:\n    mcp:\n      \
         authorization:\n        action: {action}\n        policy: {{matchExpressions: [{expressions}]}}\n"
    );
    import(Format::Agentgateway, "p.yaml", &text, Choice::default()).unwrap()
}

#[test]
fn a_resource_of_kubernetes_is_read_as_what_allows_less() {
    let one = resource("Allow", "'mcp.tool.name in [\"a\", \"b\"]'");
    assert!(one.lost.iter().any(|lost| lost.line == 4 && lost.what.contains("`traffic`")), "{:?}", one.lost);
    let policy = Policy::compile("p", &one.policy.unwrap()).unwrap();
    assert!(sees(&policy, "", Kind::Tool, "a") && sees(&policy, "", Kind::Tool, "b"));
    let both = "'mcp.tool.name in [\"a\", \"b\"]', 'mcp.tool.name == \"a\"'";
    let narrowed = resource("Allow", both);
    assert!(narrowed.lost.iter().any(|lost| lost.line == 9 && lost.what.contains("all of")), "{:?}", narrowed.lost);
    let policy = Policy::compile("p", &narrowed.policy.unwrap()).unwrap();
    assert!(sees(&policy, "", Kind::Tool, "a") && !sees(&policy, "", Kind::Tool, "b"));
    let policy = Policy::compile("p", &resource("Require", both).policy.unwrap()).unwrap();
    assert!(sees(&policy, "", Kind::Tool, "a") && !sees(&policy, "", Kind::Tool, "b"));
    let policy = Policy::compile("p", &resource("Deny", both).policy.unwrap()).unwrap();
    let may = |name| may(&policy, &Caller("", "{}"), Kind::Tool, name, None);
    assert!(!may("a") && !may("b") && may("c"));
}

#[test]
fn what_else_restricts_there_is_told() {
    let text = "policies:\n  extAuthz: {host: a}\n  mcpAuthorization: {rules: ['mcp.tool.name == \"a\"']}\n";
    let imported = import(Format::Agentgateway, "c", text, Choice::default()).unwrap();
    assert!(
        imported.lost.iter().any(|lost| lost.line == 2 && lost.what.contains("`extAuthz`")),
        "{:?}",
        imported.lost
    );
    let policy = imported.policy.unwrap();
    assert!(policy.contains("#   line 2: `extAuthz`"), "{policy}");
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in "[a-z:{}\\[\\]'\" \n&*|>!-]{0,80}", rule in "\\PC{0,40}") {
        for format in Format::ALL {
            let _ = import(format, "t", &text, Choice::default());
        }
        let quoted = draft::text(&rule);
        let Ok(imported) = import(Format::Agentgateway, "t", &configuration(&[&quoted]), Choice::default()) else {
            return Ok(());
        };
        if let Some(policy) = imported.policy {
            prop_assert!(Policy::compile("p", &policy).is_ok());
        }
    }
}
