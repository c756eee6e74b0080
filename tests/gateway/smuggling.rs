//! One connection, one request after the other: nothing inside a request is taken for the next.

use std::time::{Duration, Instant};

use crate::support::gateway::Setup;
use crate::support::upstream::{event, fine, stream_head};
use crate::support::{Ask, Client, Gate, Gateway, Step, Upstream, call, eventually, token};

/// A whole request that an attacker hides in the body of another.
fn hidden() -> Vec<u8> {
    Ask::post(&token("alice", "r"), call("hidden")).bytes()
}

#[test]
fn a_body_where_none_means_anything_is_no_request() {
    for framing in ["length", "chunks"] {
        let upstream = Upstream::new(fine);
        let mut gateway = Gateway::before(&upstream);
        let mut client = gateway.connect();
        let (inner, ask) = (hidden(), Ask::method("DELETE", &token("alice", "r")).without_length());
        let (ask, body) = if framing == "length" {
            (ask.header("Content-Length", &inner.len().to_string()), inner)
        } else {
            let mut chunk = format!("{:x}\r\n", inner.len()).into_bytes();
            chunk.extend_from_slice(&inner);
            chunk.extend_from_slice(b"\r\n0\r\n\r\n");
            (ask.header("Transfer-Encoding", "chunked"), chunk)
        };
        client.send(&ask.head());
        // The gateway has the head and waits: the connection counts as one with a request under way.
        assert!(upstream.requests().is_empty(), "{framing}: nothing goes on before the body is read");
        client.more(&body);
        client.response();
        let next = client.ask(&Ask::post(&token("alice", "r"), call("open")));
        assert_eq!(next.status, 200, "{framing}");
        let lines: Vec<String> = upstream.requests().iter().map(|request| request.line().to_owned()).collect();
        assert_eq!(lines, ["DELETE /mcp HTTP/1.1", "POST /mcp HTTP/1.1"], "{framing}");
        gateway.is_well();
    }
}

#[test]
fn after_broken_framing_nothing_more_is_read() {
    let upstream = Upstream::new(fine);
    let mut gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    let ask = Ask::post(&token("alice", "r"), "").without_length().header("Transfer-Encoding", "chunked");
    client.send(&ask.head());
    client.more(b"zz\r\n");
    client.more(&hidden());
    let response = client.response();
    assert_eq!((response.status, response.header("connection")), (400, Some("close")));
    assert!(client.is_closed());
    assert!(upstream.requests().is_empty());
    gateway.is_well();
}

#[test]
fn one_byte_more_does_not_hide_that_a_listener_left() {
    let left = Gate::default();
    let tell = left.clone();
    let upstream = Upstream::new(move |_| vec![stream_head(), event("{}"), Step::UntilLeft(tell.clone())]);
    let mut gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send(&Ask::get(&token("alice", "r")).bytes());
    assert_eq!(client.response_head().status, 200);
    client.event();
    client.more(b"P");
    drop(client);
    left.wait();
    eventually("no stream open", || (gateway.metric("toolgate_streams_open", "") == 0).then_some(()));
    gateway.is_well();
}

#[test]
fn a_connection_that_never_begins_ends() {
    let upstream = Upstream::new(fine);
    let mut gateway = Setup::before(&upstream).arg("--limits-header-timeout", "1s").start();
    for beginning in [&b""[..], b"POST /m", b"PRI * HTTP/2.0\r\n\r\nSM\r\n"] {
        let began = Instant::now();
        let mut client = gateway.connect();
        if !beginning.is_empty() {
            client.send(beginning);
        }
        assert!(client.is_closed(), "{beginning:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "{beginning:?}");
    }
    gateway.is_well();
}

#[test]
fn what_connection_declares_of_one_hop_cannot_be_what_was_judged() {
    let upstream = Upstream::new(fine);
    let gateway = Gateway::before(&upstream);
    for name in ["mcp-method", "Mcp-Protocol-Version", "content-type"] {
        let ask = Ask::post(&token("alice", "r"), call("open")).header("Connection", name);
        assert_eq!(gateway.ask(&ask).status, 400, "{name}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_body_that_nobody_asked_for_is_not_looked_for_in_the_next_request() {
    let upstream = Upstream::new(fine);
    let mut gateway = Gateway::before(&upstream);
    for expect in [&["100-continue"][..], &["100-Continue, x"], &["x", "100-continue"], &["x"]] {
        for (public, line) in [(true, "POST /mcp"), (true, "POST /nowhere"), (false, "PUT /")] {
            let address = if public { gateway.public } else { gateway.admin };
            let mut client = Client::connect(address);
            let mut head = format!("{line} HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 40\r\n");
            expect.iter().for_each(|value| head.push_str(&format!("Expect: {value}\r\n")));
            client.send(format!("{head}\r\n").as_bytes());
            let response = client.response();
            assert!(response.status >= 400, "{line} {expect:?}");
            assert_eq!(response.header("connection"), Some("close"), "{line} {expect:?}");
        }
    }
    gateway.is_well();
}

#[test]
fn who_has_been_refused_takes_nobodys_place() {
    let upstream = Upstream::new(fine);
    let mut gateway = Setup::before(&upstream).arg("--limits-streams", "2").start();
    let refused: Vec<_> = (0..4)
        .map(|_| {
            let mut client = gateway.connect();
            client.send(b"POST /nowhere HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 999\r\n\r\n");
            assert_eq!(client.response().status, 404);
            client
        })
        .collect();
    assert_eq!(gateway.ask(&Ask::post(&token("alice", "r"), call("open"))).status, 200);
    drop(refused);
    gateway.is_well();
}
