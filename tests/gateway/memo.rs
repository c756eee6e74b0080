//! What was made of a list before is told again only where it would be made again.

use crate::standing::reload;
use crate::support::gateway::{POLICY, Setup};
use crate::support::upstream::{Request, json};
use crate::support::{Ask, Gateway, Step, Upstream, eventually, request, token};

const ALL: &str = r#"{"name":"open"},{"name":"never"},{"name":"read"},{"name":"write"},{"name":"hidden"}"#;
const ROUNDS: u64 = 25;

fn answer(id: &str, elements: &str) -> String {
    format!(r#"{{"result":{{"tools":[{elements}]}},"jsonrpc":"2.0","id":{id}}}"#)
}

/// What a caller with these scopes sees of [`ALL`], by the usual policy.
fn seen(scopes: &str) -> &'static str {
    match scopes {
        "r" => r#"{"name":"open"},{"name":"read"}"#,
        "r w" => r#"{"name":"open"},{"name":"read"},{"name":"write"},{"name":"hidden"}"#,
        "w" => r#"{"name":"open"},{"name":"hidden"}"#,
        _ => r#"{"name":"open"}"#,
    }
}

fn server(request: &Request) -> Vec<Step> {
    json(&answer(&request.id(), ALL))
}

fn ask(gateway: &Gateway, subject: &str, scopes: &str, id: &str) -> String {
    gateway.ask(&Ask::post(&token(subject, scopes), request(id, "tools/list", "{}"))).text()
}

#[test]
fn each_caller_sees_his_own_of_the_same_answer_however_often_they_ask() {
    let upstream = Upstream::new(server);
    let gateway = Gateway::before(&upstream);
    let (mut shown, mut hidden) = (0, 0);
    for round in 0..ROUNDS {
        for (subject, scopes) in
            [("alice", "r"), ("bob", ""), ("carol", "r w"), ("dave", "r"), ("erin", "w"), ("alice", "w")]
        {
            // Of another length now and then.
            let id = (round * 7).to_string();
            assert_eq!(ask(&gateway, subject, scopes, &id), answer(&id, seen(scopes)), "{subject} {scopes}");
            let count = u64::try_from(seen(scopes).matches("name").count()).unwrap();
            (shown, hidden) = (shown + count, hidden + 5 - count);
        }
    }
    for (result, count) in [("hidden", hidden), ("shown", shown)] {
        let label = format!("result=\"{result}\"");
        eventually(&label, || (gateway.metric("toolgate_list_items_total", &label) == count).then_some(()));
    }
    assert_eq!(upstream.requests().len(), usize::try_from(ROUNDS * 6).unwrap(), "the server is asked each time");
}

#[test]
fn the_first_list_under_a_new_policy_is_cut_by_it() {
    let upstream = Upstream::new(server);
    let gateway = Gateway::before(&upstream);
    let stricter = POLICY.replace("read: {scopes: [r]}", "read: {scopes: [w]}");
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(ask(&gateway, "alice", "r", "1"), answer("1", seen("r")));
        }
        reload(&gateway, &stricter);
        for _ in 0..4 {
            assert_eq!(ask(&gateway, "alice", "r", "1"), answer("1", r#"{"name":"open"}"#));
        }
        reload(&gateway, POLICY);
    }
}

#[test]
fn what_the_server_says_now_is_told_though_it_was_other_before() {
    let upstream = Upstream::new(|request| {
        let elements = request.header("mcp-param-elements").unwrap_or(ALL).to_owned();
        json(&answer(&request.id(), &elements))
    });
    let gateway = Gateway::before(&upstream);
    let list = |elements: &str| {
        let ask = Ask::post(&token("alice", "r"), request("1", "tools/list", "{}"));
        gateway.ask(&ask.header("Mcp-Param-Elements", elements)).text()
    };
    for _ in 0..3 {
        for (said, told) in [
            (r#"{"name":"read"},{"name":"write"}"#, r#"{"name":"read"}"#),
            (r#"{"name":"read"},{"name":"writ3"}"#, r#"{"name":"read"}"#),
            (r#"{"name":"reaD"},{"name":"write"}"#, ""),
            (r#"{"name":"open"},{"name":"read"}"#, r#"{"name":"open"},{"name":"read"}"#),
        ] {
            for _ in 0..3 {
                assert_eq!(list(said), answer("1", told), "{said}");
            }
        }
    }
}

#[test]
fn a_task_in_a_list_is_known_to_each_by_a_name_of_his_own() {
    let upstream = Upstream::new(|request| {
        let meta = r#""_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}"#;
        let id = request.id();
        json(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{ALL}],{meta}}}}}"#))
    });
    let gateway = Gateway::before(&upstream);
    let (alice, bob) = (ask(&gateway, "alice", "r", "1"), ask(&gateway, "bob", "r", "1"));
    assert_ne!(alice, bob);
    for _ in 0..4 {
        assert_eq!(ask(&gateway, "alice", "r", "1"), alice);
        assert_eq!(ask(&gateway, "bob", "r", "1"), bob);
    }
}

#[test]
fn a_list_is_never_told_fresh_for_longer_than_its_token() {
    let upstream = Upstream::new(|request| {
        let id = request.id();
        json(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"ttlMs":59000,"tools":[{ALL}]}}}}"#))
    });
    let gateway = Setup::before(&upstream).start();
    let near = crate::support::tokens::now() - 30;
    let near = crate::support::tokens::signed(&crate::support::tokens::with(serde_json::json!({"exp": near})));
    for _ in 0..4 {
        assert!(ask(&gateway, "alice", "", "1").contains(r#""ttlMs":59000"#));
        let short = gateway.ask(&Ask::post(&near, request("1", "tools/list", "{}"))).json();
        assert!((1..=30_000).contains(&short["result"]["ttlMs"].as_u64().unwrap()), "{short}");
    }
}
