//! A session belongs to the caller it was made for; for all others there is none.

use serde_json::json;

use crate::support::gateway::Setup;
use crate::support::tokens::{signed, with};
use crate::support::upstream::{Request, fine, last_chunk, stream_head, with_length};
use crate::support::{Ask, Gateway, Step, Upstream, call, request, token};

/// Opens the session `inner-1` at `initialize`.
fn with_sessions(request: &Request) -> Vec<Step> {
    let body = String::from_utf8_lossy(&request.body);
    if body.contains("initialize") {
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        with_length("200 OK", "Content-Type: application/json\r\nMcp-Session-Id: inner-1\r\n", answer)
    } else if request.line().starts_with("GET") {
        vec![stream_head(), last_chunk()]
    } else if request.line().starts_with("DELETE") {
        with_length("204 No Content", "", "").into_iter().map(without_length).collect()
    } else {
        fine(request)
    }
}

fn without_length(step: Step) -> Step {
    match step {
        Step::Send(bytes) => String::from_utf8(bytes).unwrap().replace("Content-Length: 0\r\n", "").into(),
        Step::Flood(_) | Step::Wait(_) | Step::Open(_) | Step::UntilLeft(_) | Step::Close => step,
    }
}

fn open(gateway: &Gateway, token: &str) -> String {
    let response = gateway.ask(&Ask::post(token, request("1", "initialize", "{}")));
    assert_eq!(response.status, 200);
    response.header("mcp-session-id").unwrap().to_owned()
}

fn asks(token: &str, session: &str) -> [Ask; 3] {
    [Ask::post(token, call("open")), Ask::get(token), Ask::method("DELETE", token)]
        .map(|ask| ask.header("Mcp-Session-Id", session))
}

#[test]
fn the_owner_uses_its_session_and_the_upstream_knows_it_by_its_own_name() {
    let upstream = Upstream::new(with_sessions);
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    let session = open(&gateway, &alice);
    assert!(session.ends_with("inner-1") && session != "inner-1", "{session}");
    // Another token of the same caller is as good.
    for token in [&alice, &token("alice", "r w")] {
        for (ask, status) in asks(token, &session).iter().zip([200, 200, 204]) {
            let before = upstream.requests().len();
            assert_eq!(gateway.ask(ask).status, status);
            assert_eq!(upstream.request(before + 1).header("mcp-session-id"), Some("inner-1"));
        }
    }
}

#[test]
fn in_other_hands_a_session_is_none() {
    let upstream = Upstream::new(with_sessions);
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    let session = open(&gateway, &alice);
    let of_app = signed(&with(json!({"client_id": "app"})));
    let bent = format!("{}x", session);
    let tries = [
        (token("bob", "r w"), session.as_str()),
        (of_app, &session),
        (alice.clone(), "inner-1"),
        (alice.clone(), &bent),
        (alice.clone(), ""),
        (alice.clone(), "\u{e9}"),
        (alice.clone(), &session[..10]),
    ];
    for (token, session) in &tries {
        for ask in asks(token, session) {
            let response = gateway.ask(&ask);
            assert_eq!(response.status, 404, "{session}");
            assert_eq!(response.json()["error"]["message"], "Session not found");
        }
    }
    let [twice, ..] = asks(&alice, &session);
    assert_eq!(gateway.ask(&twice.header("Mcp-Session-Id", &session)).status, 404);
    assert_eq!(upstream.requests().len(), 1, "the upstream heard of the opening alone");
}

#[test]
fn no_kind_of_message_reaches_the_session_of_another() {
    let upstream = Upstream::new(with_sessions);
    let gateway = Gateway::before(&upstream);
    let session = open(&gateway, &token("alice", "r"));
    let messages = [
        (r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept"}}"#.to_owned(), ""),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}"#.to_owned(), ""),
        (r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#.to_owned(), ""),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(), ""),
        (request("7", "logging/setLevel", r#"{"level":"debug"}"#), "7"),
        (request("7", "tools/list", "{}"), "7"),
        (request("7", "ping", "{}"), "7"),
        (request("7", "initialize", "{}"), "7"),
    ];
    for (body, id) in &messages {
        let foreign = gateway.ask(&Ask::post(&token("bob", "r w"), &**body).header("Mcp-Session-Id", &session));
        assert_eq!(foreign.status, 404, "{body}");
        assert_eq!(foreign.json().get("id").map(ToString::to_string).unwrap_or_default(), *id, "{body}");
    }
    assert_eq!(upstream.requests().len(), 1);
    // Its owner may send them all.
    for (body, _) in &messages[..7] {
        let own = gateway.ask(&Ask::post(&token("alice", "r"), &**body).header("Mcp-Session-Id", &session));
        assert!([200, 202].contains(&own.status), "{body}: {}", own.status);
    }
    assert_eq!(upstream.requests().len(), 8);
}

#[test]
fn replicas_with_the_same_key_share_sessions_and_others_do_not() {
    let upstream = Upstream::new(with_sessions);
    let replica = |key: &str| {
        let setup = Setup::before(&upstream);
        let file = setup.file("session", key);
        setup.arg("--session-key-file", file.to_str().unwrap()).start()
    };
    let one = replica("0123456789abcdef0123456789abcdef");
    let alice = token("alice", "r");
    let session = open(&one, &alice);
    let status = |gateway: &Gateway| gateway.ask(&asks(&alice, &session)[0]).status;
    assert_eq!(status(&replica("0123456789abcdef0123456789abcdef")), 200);
    assert_eq!(status(&replica("another key of thirty-two bytes!")), 404);
    assert_eq!(status(&Gateway::before(&upstream)), 404);
}
