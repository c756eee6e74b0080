use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::cel::Facts;

fn wanted(callers: &[&str]) -> Wanted<'static> {
    let callers = callers.iter().map(|caller| Caller::read(caller).unwrap()).collect();
    Wanted {
        name: "reports",
        namespace: Some("agents"),
        target: "backend/reports",
        callers,
        base_protocol: false,
        cel: false,
    }
}

#[track_caller]
fn exported(policy: &str, wanted: &Wanted<'_>) -> Exported {
    let policy = Policy::compile("p.yaml", policy).unwrap();
    x_access_policy(&policy, "p.yaml", wanted).unwrap()
}

const POLICY: &str = "version: 1
scopes: {admin: {implies: [read]}}
tools:
  get_report:    {scopes: [read]}
  delete_report: {scopes: [write]}
  ask:           {scopes: [read], when: args.a == 1}
  mail:          {scopes: [read], rate_limit: {requests: 1, per: 1m}}
  'list_*':      {scopes: [read]}
  list_secret:   {deny: true}
  a_name_of_more_than_twenty: {scopes: [read]}
  tried:         {scopes: [read], mode: shadow}
prompts: {summary: {scopes: []}}
resources: {'docs://a': {scopes: [read]}}
methods: {x/y: {scopes: [read]}}
";

#[test]
fn a_policy_as_the_resource_has_it() {
    let exported =
        exported(POLICY, &wanted(&["admin=serviceaccount:agents/reader", "write=spiffe://example.org/ns/a"]));
    let text = exported.text.unwrap();
    let (_, resource) = text.split_once("apiVersion").unwrap();
    let expected = ": agentic.networking.x-k8s.io/v1alpha1
kind: XAccessPolicy
metadata:
  name: \"reports\"
  namespace: \"agents\"
spec:
  targetRefs:
    - {group: agentic.networking.x-k8s.io, kind: XBackend, name: \"reports\"}
  action: Allow
  rules:
    - name: reports-1
      source:
        type: ServiceAccount
        serviceAccount: {namespace: \"agents\", name: \"reader\"}
      authorization:
        type: Inline
        mcp:
          methods:
            - name: tools/call
              params: [\"get_report\"]
            - name: prompts/get
              params: [\"summary\"]
    - name: reports-2
      source:
        type: SPIFFE
        spiffe: \"spiffe://example.org/ns/a\"
      authorization:
        type: Inline
        mcp:
          methods:
            - name: tools/call
              params: [\"delete_report\"]
            - name: prompts/get
              params: [\"summary\"]
";
    assert_eq!(resource, expected);
    let told = |line: usize, what: &str| {
        let is_told = exported.lost.iter().any(|lost| lost.line == Some(line) && lost.what.contains(what));
        assert!(is_told, "line {line}, {what}: {:?}", exported.lost);
    };
    told(6, "condition");
    told(7, "rate limit");
    told(8, "patterns");
    told(10, "20 characters");
    told(11, "shadow");
    told(13, "URIs");
    told(14, "methods");
    assert!(!exported.lost.iter().any(|lost| lost.line == Some(9)), "what is refused is not lost");
    assert!(exported.lost.iter().any(|lost| lost.what.contains("scopes of tokens")));
    assert!(text.contains("#   line 6: `tools.ask` is left out"), "{text}");
}

#[test]
fn a_resource_without_rules_is_not_written() {
    let nothing = exported("version: 1\ntools: {'*': {scopes: []}}\n", &wanted(&["a=serviceaccount:b"]));
    assert!(nothing.text.is_none());
    assert!(exported("version: 1\n", &wanted(&["a=serviceaccount:b"])).text.is_none());
}

#[test]
fn what_is_too_much_for_one_resource_is_left_out_and_told() {
    let names: Vec<String> = (0..115).map(|at| format!("tool_{at:03}: {{scopes: []}}")).collect();
    let policy = format!("version: 1\ntools: {{{}}}\n", names.join(", "));
    let exported = exported(&policy, &wanted(&["a=serviceaccount:b"]));
    assert_eq!(exported.rules, 10);
    let text = exported.text.unwrap();
    assert!(text.contains("tool_099") && text.contains("reports-10\n"), "{text}");
    assert!(!text.split_once("apiVersion").unwrap().1.contains("tool_100"), "{text}");
    assert!(exported.lost.iter().any(|lost| lost.what.contains("`tool_114`")), "{:?}", exported.lost);
}

#[test]
fn the_base_protocol_is_open_only_where_that_is_wanted() {
    let policy = "version: 1\ntools: {a: {scopes: []}, b: {scopes: [w]}}\n";
    let mut wanted = wanted(&["=serviceaccount:b"]);
    let closed = exported(policy, &wanted);
    assert!(!closed.text.unwrap().contains("MATCH_BASE"));
    assert!(closed.lost.iter().any(|lost| lost.what.contains("--base-protocol")));
    wanted.base_protocol = true;
    let open = exported(policy, &wanted);
    assert_eq!(open.text.unwrap().matches("MATCH_BASE_PROTOCOL_METHODS").count(), 1);
    assert!(open.lost.iter().any(|lost| lost.what.contains("not filtered")));
}

#[test]
fn what_is_wanted_must_be_possible() {
    let policy = Policy::compile("p", "version: 1\ntools: {a: {scopes: []}}\n").unwrap();
    let good = || wanted(&["a=serviceaccount:b"]);
    let refused = |wanted: Wanted<'_>| assert!(x_access_policy(&policy, "p", &wanted).is_err(), "{wanted:?}");
    refused(Wanted { name: "Reports", ..good() });
    refused(Wanted { name: "", ..good() });
    refused(Wanted { name: &"a".repeat(51), ..good() });
    refused(Wanted { namespace: Some("a b"), ..good() });
    refused(Wanted { target: "reports", ..good() });
    refused(Wanted { target: "service/reports", ..good() });
    refused(Wanted { target: "gateway/", ..good() });
    refused(Wanted { callers: Vec::new(), ..good() });
    refused(wanted(&["a=serviceaccount:b", "c=serviceaccount:b"]));
    for caller in [
        "a",
        "a=",
        "a=bob",
        "a=serviceaccount:",
        "a=serviceaccount:B",
        "a=serviceaccount:a/b/c",
        "a=spiffe://",
        "a=spiffe://x/",
    ] {
        assert!(Caller::read(caller).is_err(), "{caller}");
    }
    assert_eq!(Caller::read("k=v:read,b=serviceaccount:n").unwrap().scopes, "k=v:read b");
}

#[test]
fn tools_that_do_not_fit_can_be_named_by_an_expression() {
    let policy = "version: 1\ntools:\n  a_name_of_more_than_twenty: {scopes: [r]}\n  a: {scopes: [r]}\n  \
                  'a\"request.b which is long': {scopes: [r]}\nprompts: {p: {scopes: [r]}}\n";
    let mut wanted = Wanted { cel: true, ..wanted(&["r=serviceaccount:b"]) };
    let exported = exported(policy, &wanted);
    let text = exported.text.unwrap();
    let expression = "expression: \"request.mcp.tool_name in ['a', 'a_name_of_more_than_twenty']\"";
    assert!(text.contains(expression), "{text}");
    assert!(text.contains("prompts/get\n              params: [\"p\"]"), "{text}");
    assert!(exported.lost.iter().any(|lost| lost.line == Some(5)), "{:?}", exported.lost);
    // Where nothing else does, the list of tools lets a session begin.
    wanted.base_protocol = true;
    let policy = Policy::compile("p", "version: 1\ntools: {a_name_of_more_than_twenty: {scopes: [r]}}\n").unwrap();
    let exported = x_access_policy(&policy, "p", &wanted).unwrap();
    assert!(exported.text.unwrap().contains("- name: tools/list\n          mcpBase"));
}

/// Whether the resource lets an identity call, as its documentation says: any rule that matches allows, and what a
/// rule leaves out is not restricted.
fn allows(resource: &Value, account: &str, method: &str, name: &str) -> bool {
    let Some(rules) = resource["spec"]["rules"].as_array() else { return true };
    rules.iter().any(|rule| {
        let is_source = rule["source"].is_null() || rule["source"]["serviceAccount"]["name"] == account;
        if let Some(expression) = rule["authorization"]["cel"]["expression"].as_str() {
            return is_source && method == "tools/call" && expression.contains(&format!("'{name}'"));
        }
        let is_method = rule["authorization"]["mcp"]["methods"].as_array().is_none_or(|methods| {
            methods.iter().any(|other| {
                other["name"] == method
                    && other["params"].as_array().is_none_or(|params| params.iter().any(|param| param == name))
            })
        });
        is_source && is_method
    })
}

fn rule() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "{scopes: []}",
        "{scopes: [r]}",
        "{scopes: [w]}",
        "{any_of: [[r], [w]]}",
        "{deny: true}",
        "{scopes: [r], when: 'claims.sub == \"a\"'}",
        "{scopes: [], rate_limit: {requests: 1, per: 1m}}",
        "{scopes: [w], mode: shadow}",
        "{deny: true, mode: shadow}",
    ])
    .prop_map(ToOwned::to_owned)
}

proptest! {
    #[test]
    fn a_resource_allows_nothing_that_the_policy_refuses(
        rules in prop::collection::btree_map(
            prop::sample::select(vec!["a", "b", "ab", "'a*'", "'*b'", "'*'", "\"a\\\"b\"", "a_name_of_more_than_twenty"]),
            rule(),
            0..6,
        ),
        mode in prop::sample::select(vec!["enforce", "shadow"]),
        cel in any::<bool>(),
        base_protocol in any::<bool>(),
    ) {
        let rules: Vec<String> = rules.iter().map(|(name, rule)| format!("{name}: {rule}")).collect();
        let rules = rules.join(", ");
        let text = format!("version: 1\nmode: {mode}\ntools: {{{rules}}}\nprompts: {{{rules}}}\n");
        let Ok(policy) = Policy::compile("p", &text) else { return Ok(()) };
        let callers = ["r=serviceaccount:one", "r w=serviceaccount:two", "=serviceaccount:three"];
        let wanted = Wanted { cel, base_protocol, ..wanted(&callers) };
        let Some(exported) = x_access_policy(&policy, "p", &wanted).unwrap().text else { return Ok(()) };
        let resource: Value = serde_saphyr::from_str(&exported).unwrap();
        for (account, scopes) in [("one", "r"), ("two", "r w"), ("three", ""), ("other", "r w")] {
            for (kind, method) in [(Kind::Tool, "tools/call"), (Kind::Prompt, "prompts/get"), (Kind::Resource, "resources/read")] {
                for name in ["a", "b", "ab", "c", "a\"b", "a_name_of_more_than_twenty"] {
                    let grants = policy.grants(&Scopes::from_names(scopes.split(' ')));
                    let facts = Facts { claims: "{}", name, ..Facts::default() };
                    let ruling = policy.decide_call(&grants, kind, name, &facts);
                    let is_open = matches!(&ruling, Ruling::Permit(permit) if permit.would_deny().is_none()) && account != "other";
                    prop_assert!(!allows(&resource, account, method, name) || is_open, "{account} {method} {name}\n{text}\n{exported}");
                }
            }
        }
    }
}
