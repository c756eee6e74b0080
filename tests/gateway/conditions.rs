//! What a rule says beyond scopes, as callers and operators see it: conditions, rules in shadow, rate limits.

use std::path::Path;

use serde_json::{Value, json};
use toolgate::caller::Scopes;
use toolgate::policy::{Kind, Policy, Ruling};

use crate::support::gateway::Setup;
use crate::support::tokens::{signed, with};
use crate::support::upstream::{fine, json as answer};
use crate::support::{Ask, Gateway, Response, Upstream, eventually, request, token};

fn setup(upstream: &Upstream, policy: &str) -> Setup {
    let setup = Setup::before(upstream);
    let file = setup.file("policy.yaml", &format!("version: 1\n{policy}"));
    let audit = setup.folder().join("audit.jsonl");
    setup.arg("--policy", file.to_str().unwrap()).arg("--audit-file", audit.to_str().unwrap())
}

fn call(gateway: &Gateway, token: &str, tool: &str, args: &str) -> Response {
    let params = format!(r#"{{"name":"{tool}","arguments":{args}}}"#);
    gateway.ask(&Ask::post(token, request("1", "tools/call", &params)))
}

/// The audit line of the request that was answered so.
///
/// Lines of requests that overlap stand in any order: whoever asks for one waits for those before it.
fn audited(folder: &Path, count: usize) -> Value {
    eventually("an audit line", || {
        let text = std::fs::read_to_string(folder.join("audit.jsonl")).ok()?;
        let line = text.lines().nth(count - 1)?;
        serde_json::from_str(line).ok()
    })
}

#[test]
fn a_condition_decides_by_the_arguments_as_they_were_sent() {
    let upstream = Upstream::fine();
    let policy = "tools:
  move:
    scopes: [r]
    when: 'args.to.startsWith(\"/tmp/\") && args.amount <= 10 && \"ops\" in claims.groups'
  shy: {scopes: [], when: args.ok == true, on_deny: hide}
prompts: {greet: {scopes: [], when: args.name == claims.sub}}
";
    let gateway = setup(&upstream, policy).start();
    let alice = signed(&with(json!({"sub": "alice", "scope": "r", "groups": ["ops"]})));
    assert_eq!(call(&gateway, &alice, "move", r#"{"to":"/tmp/\u0061","amount":10}"#).status, 200);
    audited(gateway.folder.path(), 1);
    let seen = upstream.requests().len();
    for (at, args, reason, detail) in [
        (2, r#"{"to":"/etc/a","amount":1}"#, "condition_false", None),
        (3, r#"{"to":"/tmp/a","amount":11}"#, "condition_false", None),
        (4, r#"{"to":"/tmp/a"}"#, "condition_error", Some("no_such_key")),
        (5, r#"{"to":"/tmp/a","amount":10.0000000000000000001e30}"#, "condition_error", Some("inexact_number")),
        (6, r#"{"to":["/tmp/a"],"amount":1}"#, "condition_error", Some("wrong_type")),
    ] {
        let response = call(&gateway, &alice, "move", args);
        assert_eq!(response.status, 200, "{args}");
        let error = &response.json()["error"];
        assert_eq!(error["code"], 40_303, "{args}");
        let line = audited(gateway.folder.path(), at);
        assert_eq!(error["data"]["decision"], line["decision_id"], "{args}");
        assert_eq!(
            (&line["decision"], &line["reason"], &line["rule"]),
            (&json!("deny"), &json!(reason), &json!("tools.move"))
        );
        assert_eq!(line.get("detail").and_then(Value::as_str), detail, "{args}");
        assert!(!response.text().contains("amount") && !response.text().contains("groups"), "{}", response.text());
    }
    assert_eq!(gateway.metric("toolgate_decisions_total", "condition_error"), 3);
    assert_eq!(gateway.metric("toolgate_decisions_total", "condition_false"), 2);
    let hidden = call(&gateway, &alice, "shy", "{}").json();
    assert_eq!(
        (&hidden["error"]["code"], &hidden["error"]["message"]),
        (&json!(-32602), &json!("Unknown tool: shy"))
    );
    let greet = |name: &str| {
        let params = format!(r#"{{"name":"greet","arguments":{{"name":"{name}"}}}}"#);
        gateway.ask(&Ask::post(&alice, request("1", "prompts/get", &params)))
    };
    assert_eq!(greet("bob").json()["error"]["code"], 40_303);
    assert_eq!(upstream.requests().len(), seen, "nothing of it reached the upstream");
    assert!(greet("alice").json()["error"].is_null());
}

#[test]
fn annotations_are_those_that_the_server_listed() {
    let upstream = Upstream::new(|request| {
        if String::from_utf8_lossy(&request.body).contains("tools/list") {
            answer(
                r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"safe","annotations":{"readOnlyHint":true}},{"name":"plain"}]}}"#,
            )
        } else {
            fine(request)
        }
    });
    let policy =
        "tools: {'*': {scopes: [], when: has(tool.annotations.readOnlyHint) && tool.annotations.readOnlyHint}}\n";
    let gateway = setup(&upstream, policy).start();
    let alice = token("alice", "");
    assert_eq!(call(&gateway, &alice, "safe", "{}").json()["error"]["code"], 40_303);
    assert_eq!(audited(gateway.folder.path(), 1)["detail"], "not_listed");
    let list = gateway.ask(&Ask::post(&alice, request("1", "tools/list", "{}")));
    assert!(list.text().contains("plain"), "a condition hides nothing: {}", list.text());
    assert!(call(&gateway, &alice, "safe", "{}").json()["error"].is_null());
    audited(gateway.folder.path(), 3);
    assert_eq!(call(&gateway, &alice, "plain", "{}").json()["error"]["code"], 40_303);
    assert_eq!(audited(gateway.folder.path(), 4)["reason"], "condition_false");
}

#[test]
fn a_rule_in_shadow_is_reported_and_not_enforced() {
    let upstream = Upstream::fine();
    let gateway = setup(&upstream, "tools: {'*': {scopes: []}, 'delete_*': {scopes: [w], mode: shadow}}\n").start();
    for (at, scopes, would) in [(1, "", Some("scopes_missing")), (2, "w", None)] {
        assert_eq!(call(&gateway, &token("alice", scopes), "delete_a", "{}").status, 200);
        let line = audited(gateway.folder.path(), at);
        assert_eq!((&line["decision"], &line["rule"]), (&json!("allow"), &json!("tools.*")));
        assert_eq!(line.get("would_deny").and_then(Value::as_str), would);
        assert_eq!(line.get("would_deny_rule").and_then(Value::as_str), would.map(|_| "tools.delete_*"));
    }
    assert_eq!(gateway.metric("toolgate_shadow_denials_total", "rule=\"tools.delete_*\""), 1);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn of_a_rule_in_shadow_a_share_is_audited_and_all_are_counted() {
    const RULES: &str = "tools: {a: {scopes: [w], mode: {shadow: 50%}}}\n";
    let upstream = Upstream::fine();
    let gateway = setup(&upstream, RULES).start();
    let alice = token("alice", "");
    (0..40).for_each(|_| assert_eq!(call(&gateway, &alice, "a", "{}").status, 200));
    // What was answered is counted a moment later, and then written.
    audited(gateway.folder.path(), 40);
    assert_eq!(gateway.metric("toolgate_shadow_denials_total", "rule=\"tools.a\""), 40);
    let policy = Policy::compile("p", &format!("version: 1\n{RULES}")).unwrap();
    let Ruling::Permit(permit) = policy.decide(&policy.grants(&Scopes::default()), Kind::Tool, "a") else {
        panic!()
    };
    let sample = permit.would_deny().unwrap().sample;
    let text = std::fs::read_to_string(gateway.folder.path().join("audit.jsonl")).unwrap();
    for line in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        // Whoever reads the line can tell whether it is in the sample.
        let number = u64::from_str_radix(line["request_id"].as_str().unwrap(), 16).unwrap();
        let told = line.get("would_deny").and_then(Value::as_str);
        assert_eq!(told, sample.takes(number).then_some("scopes_missing"), "{line}");
        assert_eq!(line.get("would_deny_rule").is_some(), told.is_some());
    }
}

#[test]
fn a_policy_in_shadow_must_be_allowed() {
    let upstream = Upstream::fine();
    let shadow = "mode: shadow\ntools: {a: {scopes: [w]}}\n";
    let (status, errors) = setup(&upstream, shadow).fail();
    assert_eq!(status.code(), Some(78));
    assert!(errors.contains("allow_policy_shadow"), "{errors}");

    let gateway = setup(&upstream, shadow).arg("--allow-policy-shadow", "true").start();
    assert!(gateway.errors().contains("warning: the policy is in shadow"), "{}", gateway.errors());
    assert!(gateway.admin("/readyz").json()["policy"].as_str().unwrap().contains("in shadow"));
    assert_eq!(gateway.metric("toolgate_policy_shadow", ""), 1);
    for (at, tool, rule) in [(1, "a", Some("tools.a")), (2, "b", None)] {
        assert!(call(&gateway, &token("alice", ""), tool, "{}").json()["error"].is_null());
        let line = audited(gateway.folder.path(), at);
        assert_eq!(line["would_deny"], if rule.is_some() { "scopes_missing" } else { "no_rule" });
        assert_eq!(line.get("would_deny_rule").and_then(Value::as_str), rule);
    }
    assert_eq!(gateway.metric("toolgate_shadow_denials_total", "rule=\"none\""), 1);
    let unknown = gateway.ask(&Ask::post(&token("alice", ""), request("1", "x/y", "{}")));
    assert_eq!(unknown.json()["error"]["code"], -32601, "an unknown method stays unknown");
}

#[test]
fn a_reload_does_not_open_a_gateway_by_shadow() {
    let gateway = setup(&Upstream::fine(), "tools: {a: {scopes: [w]}}\n").start();
    replace(&gateway, "mode: shadow\ntools: {a: {scopes: [w]}}\n");
    eventually("the refusal", || (gateway.metric("toolgate_policy_reloads_total", "kept") == 1).then_some(()));
    assert_eq!(call(&gateway, &token("alice", ""), "a", "{}").status, 403);
    assert_eq!(gateway.metric("toolgate_policy_shadow", ""), 0);
}

/// Puts a policy in place as a whole.
fn replace(gateway: &Gateway, policy: &str) {
    let file = gateway.folder.path().join("policy.yaml");
    let new = file.with_extension("new");
    std::fs::write(&new, format!("version: 1\n{policy}")).unwrap();
    std::fs::rename(&new, &file).unwrap();
}

#[test]
fn a_rate_limit_counts_each_caller_and_outlives_a_reload() {
    let upstream = Upstream::fine();
    let rule = "a: {scopes: [], rate_limit: {requests: 2, per: 1h}}";
    let gateway = setup(&upstream, &format!("tools: {{{rule}, b: {{scopes: [r]}}}}\n")).start();
    let (alice, bob) = (token("alice", ""), token("bob", ""));
    for _ in 0..2 {
        assert_eq!(call(&gateway, &alice, "a", "{}").status, 200);
    }
    audited(gateway.folder.path(), 2);
    let seen = upstream.requests().len();
    let limited = call(&gateway, &alice, "a", "{}");
    assert_eq!(limited.status, 429);
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((1_700..=1_800).contains(&wait), "{wait}");
    assert_eq!((&limited.json()["id"], &limited.json()["error"]["code"]), (&json!(1), &json!(42_900)));
    let line = audited(gateway.folder.path(), 3);
    assert_eq!(
        (&line["reason"], &line["rule"], &line["decision"]),
        (&json!("rate_limited"), &json!("tools.a"), &json!("deny"))
    );
    assert_eq!(gateway.metric("toolgate_rate_limited_total", "rule=\"tools.a\""), 1);
    assert_eq!(upstream.requests().len(), seen, "nothing of it reached the upstream");
    assert_eq!(call(&gateway, &bob, "a", "{}").status, 200);

    replace(&gateway, &format!("tools: {{{rule}, c: {{scopes: [r]}}}}\n"));
    eventually("the reload", || (gateway.metric("toolgate_policy_generation", "") == 2).then_some(()));
    assert_eq!(call(&gateway, &alice, "a", "{}").status, 429);
    assert_eq!(call(&gateway, &bob, "a", "{}").status, 200);
}

#[test]
fn each_message_of_a_batch_is_judged_and_counted_as_one_alone() {
    let upstream = Upstream::new(|request| {
        let batch: Value = serde_json::from_slice(&request.body).unwrap();
        let answers: Vec<Value> = batch
            .as_array()
            .unwrap()
            .iter()
            .map(|message| json!({"jsonrpc": "2.0", "id": message["id"], "result": {}}))
            .collect();
        answer(&json!(answers).to_string())
    });
    let policy = "tools:
  a: {scopes: [], when: args.n < 5}
  b: {scopes: [], rate_limit: {requests: 3, per: 1h}}
prompts: {greet: {scopes: [], when: args.name == claims.sub}}
";
    let gateway = setup(&upstream, policy).arg("--limits-batch", "5").start();
    let send = |messages: &[(&str, &str)]| {
        let messages: Vec<String> =
            (1..).zip(messages).map(|(id, (method, params))| request(&format!("{id}"), method, params)).collect();
        gateway.ask(&Ask::post(&token("alice", ""), format!("[{}]", messages.join(","))))
    };
    let (fine, bad) = (r#"{"name":"a","arguments":{"n":1}}"#, r#"{"name":"a","arguments":{"n":9}}"#);
    assert_eq!(send(&[("tools/call", fine), ("tools/call", fine)]).status, 200);
    let seen = upstream.requests().len();
    for messages in [
        [("tools/call", fine), ("tools/call", bad)],
        [("tools/call", bad), ("tools/call", fine)],
        [("tools/call", fine), ("tools/call", r#"{"name":"a","arguments":{"n":1,"N":9}}"#)],
        [("tools/call", fine), ("prompts/get", r#"{"name":"greet","arguments":{"name":"bob"}}"#)],
        // A completion has no arguments that a condition could look at.
        [
            ("tools/call", fine),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"name","value":"alice"}}"#,
            ),
        ],
    ] {
        assert!(send(&messages).text().contains("40303"), "{messages:?}");
    }
    assert_eq!(upstream.requests().len(), seen, "nothing of them reached the upstream");
    let limited = ("tools/call", r#"{"name":"b"}"#);
    assert_eq!(send(&[limited, limited]).status, 200);
    let refused = send(&[limited, limited]);
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));
    // Elsewhere than in a batch it is the same counter.
    assert_eq!(call(&gateway, &token("alice", ""), "b", "{}").status, 429);
    assert_eq!(upstream.requests().len(), seen + 1);
}
