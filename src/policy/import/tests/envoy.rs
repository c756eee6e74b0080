//! The routes of Envoy AI Gateway.

use super::subset::{Ask, NAMES, World, ask, worlds};
use super::*;

const ROUTE: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: keys}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: MCPRoute
metadata: {name: route}
spec:
  parentRefs: [{name: gateway, kind: Gateway}]
  backendRefs:
    - name: kiwi
      port: 8080
  securityPolicy:
    oauth: {issuer: "https://idp.example.com"}
    authorization:
      rules:
        - source: {jwt: {scopes: [echo]}}
          target: {tools: [{backend: kiwi, tool: echo}]}
          cel: request.mcp.params.arguments.text.matches("^Hello, .*!$")
        - source:
            jwt:
              scopes: [sum]
              claims:
                - {name: tenant, valueType: String, values: [acme, globex]}
                - {name: org.departments, valueType: StringArray, values: [engineering]}
          target: {tools: [{backend: kiwi, tool: sum}]}
        - target: {tools: [{backend: kiwi, tool: countdown}, {backend: other, tool: elsewhere}]}
        - source: {jwt: {scopes: [all-access]}}
"#;

#[track_caller]
fn route(text: &str) -> Imported {
    import(Format::EnvoyAiGateway, "route.yaml", text, Choice::default()).unwrap()
}

/// A route with these rules, each in braces.
fn with(rules: &[&str], more: &str) -> String {
    let rules: String = rules.iter().map(|rule| format!("        - {rule}\n")).collect();
    format!(
        "apiVersion: aigateway.envoyproxy.io/v1alpha1\nkind: MCPRoute\nspec:\n  backendRefs:\n    - name: files\n{more}  \
         securityPolicy:\n    authorization:\n      defaultAction: Deny\n      rules:\n{rules}"
    )
}

#[test]
fn a_regular_expression_that_matches_other_texts_there_is_not_taken() {
    let policy = |regex: &str| {
        let rule = format!(
            "{{target: {{tools: [{{backend: files, tool: x}}]}}, cel: 'request.mcp.params.arguments.n.matches(\"{regex}\")'}}"
        );
        import(Format::EnvoyAiGateway, "r", &with(&[&rule], ""), Choice::default()).unwrap().policy
    };
    // `\d` is ASCII alone there, and `٣` is a digit here.
    for regex in [r"^\\d+$", r"^\\w$", r"a\\b", "[a&&b]", "[a-z--b]", "[a~~b]", "[[a]b]"] {
        assert_eq!(policy(regex), None, "{regex}");
    }
    for regex in ["^[0-9]+$", r"^\\.[a-z-]+\\[&&--~~$", "^[ab]+[cd]"] {
        assert!(policy(regex).is_some(), "{regex}");
    }
    let chosen = |regex: &str| {
        let rule = "target: {tools: [{backend: files, tool: x}, {backend: files, tool: \u{e9}}]}";
        let more = format!("      toolSelector: {{includeRegex: ['{regex}']}}\n");
        import(Format::EnvoyAiGateway, "r", &with(&[&format!("{{{rule}}}")], &more), Choice::default())
            .unwrap()
            .policy
    };
    assert_eq!(chosen(r"^\w$"), None);
    assert!(!chosen("^[a-z]$").unwrap().contains('\u{e9}'));
}

#[test]
fn a_route_as_the_documentation_has_it() {
    let imported = route(ROUTE);
    let text = imported.policy.unwrap();
    let policy = Policy::compile("p", &text).unwrap();
    let calls = |scopes: &str, claims: &str, name: &str, args: &str| {
        let claims = format!(r#"{{"scope": "{scopes}"{claims}}}"#);
        may(&policy, &Caller(scopes, &claims), Kind::Tool, name, Some(args))
    };
    let hello = r#"{"text": "Hello, world!"}"#;
    assert!(calls("echo", "", "echo", hello));
    assert!(!calls("echo", "", "echo", r#"{"text": "Bye"}"#));
    assert!(!calls("sum", "", "echo", hello));
    assert!(calls("all-access", "", "echo", r#"{"text": "Bye"}"#), "{text}");
    let staff = r#", "tenant": "acme", "org": {"departments": ["sales", "engineering"]}"#;
    assert!(calls("sum", staff, "sum", "{}"));
    assert!(calls("sum", r#", "tenant": "acme", "org": {"departments": "engineering"}"#, "sum", "{}"));
    assert!(!calls("sum", r#", "tenant": "other", "org": {"departments": ["engineering"]}"#, "sum", "{}"));
    assert!(!calls("sum", r#", "tenant": "acme", "org": {"departments": ["sales"]}"#, "sum", "{}"));
    assert!(!calls("sum", "", "sum", "{}"));
    assert!(calls("", "", "countdown", "{}"));
    assert!(!calls("", "", "elsewhere", "{}"));
    assert!(calls("all-access", "", "elsewhere", "{}"));
    assert!(!sees(&policy, "all-access", Kind::Prompt, "p"));
    let told: Vec<String> = imported.lost.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|told| told.contains("line 15: `oauth`")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("prompts and resources")), "{told:?}");
}

#[test]
fn claims_may_have_any_name() {
    for (claim, told) in [
        ("tenant", "claims.tenant in"),
        ("namespace", "claims[\\\"namespace\\\"] in"),
        ("in.a-b", "claims[\\\"in\\\"][\\\"a-b\\\"] in"),
    ] {
        let rule = format!("{{source: {{jwt: {{claims: [{{name: {claim}, values: [a]}}]}}}}}}");
        let policy = route(&with(&[&rule], "")).policy.unwrap_or_default();
        assert!(policy.contains(told), "{policy}");
    }
    let cel = r#"{cel: 'request.auth.jwt.claims["namespace"] == "a"'}"#;
    assert!(route(&with(&[cel], "")).policy.is_some());
}

#[test]
fn what_comes_first_decides() {
    let policy = |rules: &[&str]| Policy::compile("p", &route(&with(rules, "")).policy.unwrap()).unwrap();
    let open = "{target: {tools: [{backend: files, tool: a}]}}";
    let closed = "{action: Deny, target: {tools: [{backend: files, tool: a}]}}";
    assert!(sees(&policy(&[open, closed]), "", Kind::Tool, "a"));
    let later = policy(&[closed, open, "{source: {jwt: {scopes: [s]}}}"]);
    assert!(!sees(&later, "s", Kind::Tool, "a"));
    assert!(sees(&later, "s", Kind::Tool, "b"));
    let some = policy(&["{action: Deny, source: {jwt: {scopes: [bad]}}}", open]);
    let calls =
        |scopes: &str| may(&some, &Caller(scopes, &format!(r#"{{"scope": "{scopes}"}}"#)), Kind::Tool, "a", None);
    assert!(calls("good"));
    assert!(!calls("bad"));
    // It looks for scopes in both claims.
    let by_cel = policy(&["{action: Deny, cel: '\"bad\" in request.auth.jwt.scopes'}", open]);
    let without =
        policy(&["{cel: '!(\"bad\" in request.auth.jwt.scopes)', target: {tools: [{backend: files, tool: a}]}}"]);
    for policy in [some, by_cel, without] {
        let calls = |claims| may(&policy, &Caller("good bad", claims), Kind::Tool, "a", None);
        assert!(!calls(r#"{"scope": "good", "scp": ["bad"]}"#));
        assert!(calls(r#"{"scope": "good"}"#));
    }
}

#[test]
fn a_default_that_allows_allows_here() {
    let text = with(&["{action: Deny, target: {tools: [{backend: files, tool: drop}]}}"], "")
        .replace("Action: Deny", "Action: Allow");
    let policy = Policy::compile("p", &route(&text).policy.unwrap()).unwrap();
    assert!(!sees(&policy, "", Kind::Tool, "drop"));
    assert!(may(&policy, &Caller("", "{}"), Kind::Tool, "other", None));
}

#[test]
fn a_selector_of_tools_counts() {
    let open = "{source: {jwt: {scopes: [s]}}}";
    let named = "{target: {tools: [{backend: files, tool: get_a}, {backend: files, tool: put_a}]}}";
    let policy = |selector: &str| {
        let more = format!("      toolSelector: {selector}\n");
        let policy = route(&with(&[open, named], &more)).policy;
        policy.map(|policy| Policy::compile("p", &policy).unwrap())
    };
    let listed = policy("{include: [get_a, x]}").unwrap();
    assert!(sees(&listed, "", Kind::Tool, "get_a") && sees(&listed, "s", Kind::Tool, "x"));
    assert!(!sees(&listed, "s", Kind::Tool, "put_a") && !sees(&listed, "s", Kind::Tool, "y"));
    let without = policy("{exclude: [get_a]}").unwrap();
    assert!(!sees(&without, "s", Kind::Tool, "get_a") && sees(&without, "", Kind::Tool, "put_a"));
    assert!(may(&without, &Caller("s", r#"{"scope": "s"}"#), Kind::Tool, "y", None));
    let like = policy("{includeRegex: [\"^get_\"]}").unwrap();
    assert!(sees(&like, "", Kind::Tool, "get_a") && !sees(&like, "", Kind::Tool, "put_a"));
    assert!(!sees(&like, "s", Kind::Tool, "get_b"), "which tools the expression takes is not known");
    let unlike = policy("{excludeRegex: [\"_a$\"]}");
    assert!(unlike.is_none());
    assert!(policy("{excludeRegex: [\"(\"]}").is_none(), "what cannot be read excludes everything");
}

#[test]
fn a_route_that_cannot_be_read_is_refused_with_its_place() {
    let refused =
        |text: &str, place, message| refused(Format::EnvoyAiGateway, text, Choice::default(), place, message);
    refused("kind: HTTPRoute\n", (1, 1), "no MCPRoute");
    refused("kind: MCPRoute\napiVersion: a/v1\nspec: {}\n", (2, 13), "this version");
    refused("kind: MCPRoute\nspec: {}\n", (1, 1), "this version");
    let head = "apiVersion: aigateway.envoyproxy.io/v1beta1\nkind: MCPRoute\n";
    refused(head, (1, 1), "no `spec`");
    refused(&format!("{head}spec: {{backends: []}}\n"), (3, 8), "unknown key `backends`");
    refused(&format!("{head}spec: {{}}\n"), (3, 1), "no `backendRefs`");
    refused(&format!("{head}spec: {{backendRefs: [{{name: a}}]}}\n"), (3, 1), "allows everything");
    refused(&format!("{head}spec: {{backendRefs: [{{name: a}}, {{name: b}}]}}\n"), (3, 8), "2 servers");
    refused(&format!("{head}spec: {{}}\n---\n{head}spec: {{}}\n"), (5, 1), "2 routes");
    for (rule, message) in [
        ("{sources: a}", "unknown key `sources`"),
        ("{source: {ip: a}}", "unknown key `ip`"),
        ("{source: {}}", "no `jwt`"),
        ("{source: {jwt: {}}}", "neither scopes nor claims"),
        ("{source: {jwt: {scopes: a}}}", "must be a list"),
        ("{source: {jwt: {claims: [{name: a}]}}}", "`name` and `values`"),
        ("{source: {jwt: {claims: [{name: a, valueType: Int, values: [a]}]}}}", "`valueType`"),
        ("{target: {tools: []}}", "names no tool"),
        ("{target: {tools: [{tool: a}]}}", "`backend` and `tool`"),
        ("{target: {tools: [{backend: files, tool: a, arguments: b}]}}", "unknown key `arguments`"),
        ("{action: Log}", "`Allow` or `Deny`"),
        ("{cel: [a]}", "must be text"),
    ] {
        let flaws = import(Format::EnvoyAiGateway, "r", &with(&[rule], ""), Choice::default()).expect_err(rule);
        assert!(flaws.iter().any(|flaw| flaw.line == 10 && flaw.message.contains(message)), "{rule}: {flaws}");
    }
}

#[test]
fn the_scopes_are_no_claims() {
    for cel in [
        "request.auth.jwt.claims.scope == \"a\"",
        "request.auth.jwt.claims[\"scp\"] == \"a\"",
        "has(request.auth.jwt.claims.scope)",
    ] {
        let imported = route(&with(&[&format!("{{cel: '{cel}'}}")], ""));
        assert!(imported.policy.is_none(), "{cel}");
        assert!(
            imported.lost.iter().any(|lost| lost.line == 10 && lost.what.contains("not understood")),
            "{:?}",
            imported.lost
        );
    }
    let claim = "{source: {jwt: {claims: [{name: scp, valueType: StringArray, values: [a]}]}}}";
    let never = route(&with(&[claim], ""));
    assert!(never.policy.is_none());
    assert!(
        never.lost.iter().any(|lost| lost.line == 10 && lost.what.contains("never matches")),
        "{:?}",
        never.lost
    );
}

/// A rule of a route.
#[derive(Debug, Clone)]
struct Rule {
    allows: bool,
    scopes: Vec<&'static str>,
    sub: Option<&'static str>,
    tools: Vec<(&'static str, &'static str)>,
    cel: Option<Ask>,
}

impl Rule {
    fn matches(&self, world: &World) -> bool {
        let held: Vec<&str> = world.scopes.unwrap_or_default().split(' ').collect();
        self.cel.as_ref().is_none_or(|cel| cel.holds(world, Kind::Tool) == Some(true))
            && (self.tools.is_empty() || self.tools.contains(&("files", world.name)))
            && self.sub.is_none_or(|sub| world.sub == Some(sub))
            && self.scopes.iter().all(|scope| held.contains(scope))
    }

    fn text(&self) -> String {
        let mut parts = vec![format!("action: {}", if self.allows { "Allow" } else { "Deny" })];
        let claims = self.sub.map(|sub| format!("claims: [{{name: sub, valueType: String, values: [{sub}]}}]"));
        let scopes = (!self.scopes.is_empty()).then(|| format!("scopes: [{}]", self.scopes.join(", ")));
        let jwt: Vec<String> = claims.into_iter().chain(scopes).collect();
        if !jwt.is_empty() {
            parts.push(format!("source: {{jwt: {{{}}}}}", jwt.join(", ")));
        }
        let tools: Vec<String> =
            self.tools.iter().map(|(backend, tool)| format!("{{backend: {backend}, tool: {tool}}}")).collect();
        if !tools.is_empty() {
            parts.push(format!("target: {{tools: [{}]}}", tools.join(", ")));
        }
        parts.extend(
            self.cel.as_ref().map(|cel| format!("cel: '{}'", cel.text(Kind::Tool, Format::EnvoyAiGateway))),
        );
        format!("{{{}}}", parts.join(", "))
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let tool = (prop::sample::select(vec!["files", "files", "mail"]), prop::sample::select(NAMES.to_vec()));
    (
        prop::bool::weighted(0.7),
        prop::sample::subsequence(vec!["r", "w"], 0..=2),
        prop::option::weighted(0.3, prop::sample::select(vec!["alice", "bob"])),
        prop::collection::vec(tool, 0..3),
        prop::option::weighted(0.5, ask()),
    )
        .prop_map(|(allows, scopes, sub, tools, cel)| Rule { allows, scopes, sub, tools, cel })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_policy_allows_nothing_that_a_route_refuses(
        rules in prop::collection::vec(rule(), 1..5),
        default in prop::bool::weighted(0.2),
    ) {
        let texts: Vec<String> = rules.iter().map(Rule::text).collect();
        let mut text = with(&texts.iter().map(String::as_str).collect::<Vec<_>>(), "");
        if default {
            text = text.replace("defaultAction: Deny", "defaultAction: Allow");
        }
        if let Some(policy) = route(&text).policy {
            let compiled = Policy::compile("p", &policy).unwrap();
            for world in worlds(&[Kind::Tool]) {
                // A token without scopes has an empty list of them there.
                let there = World { scopes: Some(world.scopes.unwrap_or_default()), ..world.clone() };
                let allows = rules.iter().find(|rule| rule.matches(&there)).map_or(default, |rule| rule.allows);
                prop_assert!(!world.is_open(&compiled) || allows, "{world:?}\n{text}\n{policy}");
            }
        }
    }
}
