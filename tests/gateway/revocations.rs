//! Whoever is revoked is refused at once, and his streams end.

use std::path::Path;

use crate::support::gateway::Setup;
use crate::support::tokens::{ISSUER, signed, with};
use crate::support::upstream::{event, fine, stream_head};
use crate::support::{Ask, Gate, Gateway, Step, Upstream, call, eventually, request, token};

fn setup(upstream: &Upstream, list: &str) -> Setup {
    let setup = Setup::before(upstream);
    let file = setup.file("revoked.yaml", list);
    setup.arg("--revocations", file.to_str().unwrap())
}

/// Puts a list in place as a whole, as people who deploy do.
fn revoke(gateway: &Gateway, list: &str) {
    let file = gateway.folder.path().join("revoked.yaml");
    let new = file.with_extension("new");
    std::fs::write(&new, list).unwrap();
    std::fs::rename(&new, &file).unwrap();
}

fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.ask(&Ask::post(token, call("open"))).status
}

#[test]
fn a_revoked_caller_is_refused_though_its_token_was_remembered() {
    let upstream = Upstream::fine();
    let gateway = setup(&upstream, "{}").start();
    let (alice, bob) = (token("alice", "r"), token("bob", "r"));
    assert_eq!((status(&gateway, &alice), status(&gateway, &bob)), (200, 200));
    revoke(&gateway, &format!("sub: [{{issuer: '{ISSUER}', sub: alice}}]"));
    eventually("the refusal", || (status(&gateway, &alice) == 401).then_some(()));
    let seen = upstream.requests().len();
    let refused = gateway.ask(&Ask::post(&alice, call("open")));
    assert!(refused.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    assert!(refused.text().contains("revoked"), "{}", refused.text());
    assert_eq!(upstream.requests().len(), seen, "nothing of it reached the upstream");
    assert_eq!(status(&gateway, &bob), 200);
    assert!(gateway.metric("toolgate_token_verifications_total", "token_revoked") > 0);
    assert_eq!(gateway.metric("toolgate_revocations_reloads_total", "done"), 1);
    revoke(&gateway, "{}");
    eventually("the return", || (status(&gateway, &alice) == 200).then_some(()));
}

#[test]
fn tokens_clients_and_sessions_are_revoked_from_the_start() {
    let upstream = Upstream::fine();
    let gateway = setup(&upstream, "jti: [t1]\nclient_id: [c1]\nsid: [s1]\n").start();
    for (claim, revoked, good) in [("jti", "t1", "t2"), ("client_id", "c1", "c2"), ("sid", "s1", "s2")] {
        let with = |value: &str| signed(&with(serde_json::json!({claim: value})));
        assert_eq!(status(&gateway, &with(revoked)), 401, "{claim}");
        assert_eq!(status(&gateway, &with(good)), 200, "{claim}");
    }
}

#[test]
fn every_open_stream_of_a_revoked_caller_ends_and_no_other() {
    let gate = Gate::default();
    let left = gate.clone();
    let upstream = Upstream::new(move |asked| {
        if asked.line().starts_with("GET") || asked.id() == "7" {
            vec![stream_head(), event(r#"{"jsonrpc":"2.0","method":"x"}"#), Step::UntilLeft(left.clone())]
        } else {
            fine(asked)
        }
    });
    let gateway = setup(&upstream, "{}").start();
    let slow = request("7", "tools/call", r#"{"name":"open","arguments":{}}"#);
    let open = |ask: &Ask| {
        let mut client = gateway.connect();
        client.send(&ask.bytes());
        assert_eq!(client.response_head().status, 200);
        assert!(client.event().unwrap().starts_with("data: "));
        client
    };
    let (alice, bob) = (token("alice", "r"), token("bob", "r"));
    let (mut standing, mut answer) = (open(&Ask::get(&alice)), open(&Ask::post(&alice, &*slow)));
    let _other = open(&Ask::get(&bob));
    revoke(&gateway, "sub: [alice]");
    assert_eq!(standing.event(), None);
    assert_eq!(answer.event(), None);
    gate.wait();
    eventually("the count", || {
        (gateway.metric("toolgate_streams_ended_total", "reason=\"revoked\"") == 2).then_some(())
    });
    assert_eq!(gateway.metric("toolgate_streams_open", ""), 1);
}

#[test]
fn a_request_that_still_waits_is_given_up_and_its_caller_told_why() {
    // Before the head of the answer, and in the middle of an answer that is held whole.
    let half = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"jsonrpc\"";
    for begun in ["", half] {
        let gate = Gate::default();
        let left = gate.clone();
        let upstream = Upstream::new(move |_| vec![begun.into(), Step::UntilLeft(left.clone())]);
        let setup = setup(&upstream, "{}");
        let audit = setup.folder().join("audit.jsonl");
        let mut gateway = setup.arg("--audit-file", audit.to_str().unwrap()).start();
        let mut client = gateway.connect();
        client.send(&Ask::post(&token("alice", "r"), request("7", "tools/call", r#"{"name":"open"}"#)).bytes());
        upstream.request(1);
        revoke(&gateway, "sub: [alice]");
        let refused = client.response();
        assert_eq!((refused.status, &refused.json()["id"]), (401, &serde_json::json!(7)));
        assert!(refused.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
        gate.wait();
        let line = eventually("the audit", || {
            let lines = std::fs::read_to_string(&audit).unwrap_or_default();
            lines.ends_with('\n').then(|| serde_json::from_str::<serde_json::Value>(&lines).unwrap())
        });
        assert_eq!((&line["decision"], &line["reason"]), (&"deny".into(), &"token_revoked".into()), "{line}");
        gateway.is_well();
    }
}

#[test]
fn a_stream_that_nobody_reads_ends_too() {
    let text = format!(r#"{{"jsonrpc":"2.0","method":"x","params":"{}"}}"#, "x".repeat(65_536));
    let all = format!("data: {text}\n\n");
    let framed = format!("{:x}\r\n{all}\r\n", all.len());
    let upstream = Upstream::new(move |_| vec![stream_head(), Step::Flood(framed.clone().into())]);
    let mut gateway = setup(&upstream, "{}").start();
    let mut client = gateway.connect();
    client.send(&Ask::get(&token("alice", "r")).bytes());
    assert_eq!(client.response_head().status, 200);
    assert_eq!(client.event().unwrap().len(), all.len());
    revoke(&gateway, "sub: [alice]");
    eventually("the upstream's connection closed", || (upstream.open() == 0).then_some(()));
    eventually("the count", || {
        (gateway.metric("toolgate_streams_ended_total", "reason=\"revoked\"") == 1).then_some(())
    });
    gateway.is_well();
}

#[test]
fn a_flawed_or_missing_list_leaves_the_last_good_one_in_force() {
    let upstream = Upstream::fine();
    let gateway = setup(&upstream, "sub: [mallory]").start();
    let mallory = token("mallory", "r");
    revoke(&gateway, "subject: [alice]");
    eventually("the trouble", || gateway.admin("/readyz").text().contains("stays in force").then_some(()));
    assert_eq!(gateway.admin("/readyz").status, 200);
    // The count and the words come a moment after the trouble is known.
    eventually("the count", || (gateway.metric("toolgate_revocations_reloads_total", "kept") == 1).then_some(()));
    eventually("the words", || {
        gateway.errors().contains("revocations: the last good one stays in force").then_some(())
    });
    assert_eq!((status(&gateway, &mallory), status(&gateway, &token("alice", "r"))), (401, 200));
    std::fs::remove_file(gateway.folder.path().join("revoked.yaml")).unwrap();
    eventually("the loss", || (gateway.metric("toolgate_revocations_reloads_total", "kept") == 2).then_some(()));
    assert_eq!(status(&gateway, &mallory), 401);
}

#[test]
fn no_gateway_starts_without_the_list_it_was_told_of() {
    let upstream = Upstream::fine();
    for list in ["", "subject: [alice]", "sub: alice"] {
        let (status, errors) = setup(&upstream, list).fail();
        assert_eq!(status.code(), Some(78), "{list}: {errors}");
        assert!(errors.contains("revoked.yaml"), "{errors}");
    }
    let missing = Path::new("/nowhere/revoked.yaml").to_str().unwrap();
    let (status, errors) = Setup::before(&upstream).arg("--revocations", missing).fail();
    assert_eq!(status.code(), Some(78), "{errors}");
    assert!(errors.contains("revocations"), "{errors}");
}
