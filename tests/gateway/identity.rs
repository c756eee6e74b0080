//! What the upstream is told of the caller: headers, and a token of its own.

use std::path::Path;

use serde_json::json;

use crate::support::gateway::Setup;
use crate::support::tokens::{signed, with};
use crate::support::upstream::{json, with_length};
use crate::support::{Ask, Gateway, Upstream, call, token};

#[test]
fn claims_are_told_and_nothing_the_client_says_under_their_names() {
    let upstream = Upstream::fine();
    let setup = Setup::before(&upstream);
    let config = setup.file(
        "toolgate.yaml",
        "identity_headers: {X-Subject: sub, X-Team: org.team, User-Agent: agent, X-Roles: roles}\n",
    );
    let gateway = setup.arg("--config", config.to_str().unwrap()).start();
    let claims = with(json!({"sub": "zoë", "org": {"team": "red"}, "roles": ["a", "b"]}));
    let ask = Ask::post(&signed(&claims), call("open"))
        .header("X-Subject", "mallory")
        .header("x_subject", "mallory")
        .header("X-Team", "mallory")
        .header("User-Agent", "mallory");
    assert_eq!(gateway.ask(&ask).status, 200);
    let seen = upstream.request(1);
    assert_eq!(seen.header("x-subject"), Some("=?base64?em/Dqw==?="));
    assert_eq!(seen.header("x-team"), Some("red"));
    assert_eq!(seen.header("x-roles"), Some("a b"));
    assert_eq!(seen.header("user-agent"), None, "a claim that is absent is told by nobody");
    assert!(!seen.head.contains("mallory"), "{}", seen.head);
}

#[test]
fn flags_name_headers_too_and_bad_names_do_not_start() {
    let upstream = Upstream::fine();
    let gateway = Setup::before(&upstream).arg("--identity-headers", "X-Subject=sub").start();
    assert_eq!(gateway.ask(&Ask::post(&token("alice", "r"), call("open"))).status, 200);
    assert_eq!(upstream.request(1).header("x-subject"), Some("alice"));
    for bad in
        ["X-Subject", "X-Subject=", "=sub", "Host=sub", "Mcp-Name=sub", "X_S=sub", "Connection=sub", "A B=sub"]
    {
        let (status, errors) = Setup::before(&upstream).arg("--identity-headers", bad).fail();
        assert_eq!(status.code(), Some(78), "{bad}: {errors}");
        assert!(errors.contains("identity_headers"), "{bad}: {errors}");
    }
}

fn exchanging(upstream: &Upstream, endpoint: &Upstream) -> Gateway {
    let setup = Setup::before(upstream);
    let secret = setup.file("client-secret", "the-secret-of-the-client");
    let config = setup.file("toolgate.yaml", &exchange(&endpoint.url, &secret));
    setup.arg("--config", config.to_str().unwrap()).start()
}

fn exchange(endpoint: &str, secret: &Path) -> String {
    format!(
        "upstream_token:\n  exchange:\n    endpoint: {endpoint}\n    client_id: toolgate\n    client_secret_file: {}\n    \
         audience: up\n    allow_http: true\n    provider_networks: [127.0.0.0/8]\n",
        secret.display()
    )
}

#[test]
fn the_upstream_gets_a_token_of_its_own_and_never_the_callers() {
    let upstream = Upstream::fine();
    let endpoint =
        Upstream::new(|_| json(r#"{"access_token":"for-upstream","token_type":"Bearer","expires_in":300}"#));
    let gateway = exchanging(&upstream, &endpoint);
    let token = token("alice", "r");
    for count in 1..=2 {
        assert_eq!(gateway.ask(&Ask::post(&token, call("open"))).status, 200);
        let seen = upstream.request(count);
        assert_eq!(seen.header("authorization"), Some("Bearer for-upstream"));
        assert!(!seen.head.contains(&token));
    }
    assert_eq!(endpoint.requests().len(), 1, "what was exchanged is remembered");
    assert!(String::from_utf8(endpoint.request(1).body).unwrap().contains(&format!("subject_token={token}")));
    // What is refused by the policy is not exchanged.
    assert_eq!(gateway.ask(&Ask::post(&crate::support::token("bob", "r"), call("never"))).status, 200);
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn without_a_token_for_it_the_upstream_is_never_contacted() {
    for (status, expected) in [("400 Bad Request", 502), ("503 Service Unavailable", 503), ("200 OK", 503)] {
        let upstream = Upstream::fine();
        let endpoint = Upstream::new(move |_| with_length(status, "Content-Type: application/json\r\n", "{}"));
        let gateway = exchanging(&upstream, &endpoint);
        let refused = gateway.ask(&Ask::post(&token("alice", "r"), call("open")));
        assert_eq!(refused.status, expected, "{status}: {}", refused.text());
        assert_eq!(refused.json()["id"], 1);
        assert!(upstream.requests().is_empty());
    }
}
