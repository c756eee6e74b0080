//! What the operator reads of decisions, past and possible, and what never stands there.

use serde_json::{Value, json};

use crate::support::gateway::Setup;
use crate::support::{Ask, Gateway, Upstream, call, eventually, token};

fn get(gateway: &Gateway, path: &str) -> (u16, Value) {
    let answer = gateway.admin(path);
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

fn post(gateway: &Gateway, question: &Value) -> (u16, Value) {
    let answer = gateway.operator(&Ask::post("", question.to_string()).target("/explain"));
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

#[test]
fn a_refusal_is_explained_by_the_identifier_the_caller_was_told() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let bearer = token("alice", "r other");
    let refused = gateway.ask(&Ask::post(&bearer, call("told")));
    let id = refused.json()["error"]["data"]["decision"].as_str().unwrap().to_owned();
    // It is kept when the request is over, a moment after the answer.
    let told = eventually("the explanation", || {
        let (status, told) = get(&gateway, &format!("/explain?decision={id}"));
        (status == 200).then_some(told)
    });
    assert_eq!(told["decision_then"]["subject"], "alice");
    assert_eq!((&told["decision"], &told["reason"]), (&json!("deny"), &json!("scopes_missing")));
    assert_eq!((&told["rule"]["rule"], &told["missing"]), (&json!("tools.told"), &json!(["w"])));
    assert_eq!(told["is_the_same_policy"], true);
    assert!(!told.to_string().contains(bearer.rsplit('.').next().unwrap()), "{told}");
    // It is no secret to anybody but the callers: the public listener says nothing.
    assert_eq!(gateway.ask(&Ask::get(&bearer).target(&format!("/explain?decision={id}"))).status, 404);
    assert_eq!(get(&gateway, "/explain?decision=0000000000000000").0, 404);
}

#[test]
fn what_would_be_decided_is_told_for_scopes_claims_and_tokens() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let (_, told) = get(&gateway, "/explain?tool=write&scope=r");
    assert_eq!((&told["decision"], &told["missing"]), (&json!("deny"), &json!(["w"])));
    let (_, told) = get(&gateway, "/explain?tool=write&scope=r+w");
    assert_eq!((&told["decision"], &told["rule"]["rule"]), (&json!("allow"), &json!("tools.write")));
    let (_, told) = post(&gateway, &json!({"claims": {"scp": ["r"]}, "tool": "read"}));
    assert_eq!((&told["decision"], &told["scopes"][0]["claim"]), (&json!("allow"), &json!("scp")));
    let (_, told) = post(&gateway, &json!({"token": token("alice", "r"), "prompt": "greet"}));
    assert_eq!((&told["decision"], &told["token"]["verified"]), (&json!("allow"), &json!(true)));
    let forged = format!("{}x", token("alice", "r"));
    let (_, told) = post(&gateway, &json!({"token": forged, "tool": "read"}));
    assert_eq!(told["token"]["verified"], false, "{told}");
    assert!(!told.to_string().contains(forged.split('.').nth(1).unwrap()), "{told}");
    let sentences = gateway.admin("/explain?tool=wirte&format=text").text();
    assert!(sentences.contains("no rule names the tool `wirte`") && sentences.contains("did you mean `write`?"));
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn questions_that_are_none_are_refused() {
    let upstream = Upstream::fine();
    let mut gateway = Setup::before(&upstream).start();
    for path in ["/explain", "/explain?tool=a&prompt=b", "/explain?tool=%zz", "/explain?tool=a&tool=b"] {
        assert_eq!(gateway.admin(path).status, 400, "{path}");
    }
    for question in [
        json!([]),
        json!({"tool": "a"}),
        json!({"tool": "a", "token": "x", "claims": {}}),
        json!({"token": "x.y.z"}),
        json!({"tool": "a", "claims": {}, "args": 1}),
        json!({"tool": "a", "token": "x".repeat(70_000)}),
    ] {
        assert_eq!(post(&gateway, &question).0, 400, "{question}");
    }
    assert_eq!(post(&gateway, &json!({"tool": "a", "token": "x.y.z"})).0, 422);
    gateway.is_well();
}

#[test]
fn a_condition_is_tried_with_the_arguments_that_are_given() {
    let upstream = Upstream::fine();
    let setup = Setup::before(&upstream);
    let policy = "version: 1\ntools: {pay: {scopes: [r], when: 'args.sum <= 10 && claims.team == \"ops\"'}}\n";
    setup.file("policy.yaml", policy);
    let gateway = setup.start();
    let ask = |args: Value, team: &str| {
        let claims = json!({"scope": "r", "team": team});
        let (_, told) = post(&gateway, &json!({"claims": claims, "tool": "pay", "args": args}));
        told["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask(json!({"sum": 10}), "ops"), "permitted");
    assert_eq!(ask(json!({"sum": 11}), "ops"), "condition_false");
    assert_eq!(ask(json!({}), "ops"), "condition_error");
    assert_eq!(ask(json!({"sum": 10}), "dev"), "condition_false");
}

#[test]
fn the_policy_in_force_can_be_read() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let page = gateway.admin("/policy").text();
    assert!(
        page.starts_with("generation 1, ") && page.contains("tools.write (line 5): asks for all of r, w"),
        "{page}"
    );
    let (_, page) = get(&gateway, "/policy?format=json");
    assert_eq!((&page["generation"], &page["trouble"]), (&json!(1), &Value::Null));
}
