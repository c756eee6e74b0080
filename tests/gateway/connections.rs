//! Connections stay usable, and what is framed ambiguously is not guessed.

use crate::support::{Ask, Gateway, Upstream, call, request, token};

fn post(body: impl Into<Vec<u8>>) -> Ask {
    Ask::post(&token("alice", "r"), body)
}

fn call_with_id(id: u32) -> String {
    request(&id.to_string(), "tools/call", r#"{"name":"open"}"#)
}

#[test]
fn a_connection_outlives_refusals_even_of_bodies_nobody_read() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    let large = "x".repeat(300_000);
    for round in 1..=3 {
        assert_eq!(client.ask(&Ask::post("", &*large)).status, 401);
        assert_eq!(client.ask(&Ask::post("", &*large).chunked(5000)).status, 401);
        assert_eq!(client.ask(&Ask::post("abc", call("open"))).status, 401);
        assert_eq!(client.ask(&post(&*large)).status, 400);
        assert_eq!(client.ask(&post(call("none"))).status, 200);
        assert_eq!(client.ask(&post(&*large).target("/elsewhere")).status, 404);
        assert_eq!(client.ask(&post(call("open"))).json()["result"]["said"], "fine");
        assert_eq!(upstream.requests().len(), round);
    }
    assert!(upstream.requests().iter().all(|request| request.connection == 1));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    let refused = |id: u32| Ask::post("", call_with_id(id)).bytes();
    let allowed = |id: u32| post(call_with_id(id)).bytes();
    client.send(&[allowed(1), allowed(2)].concat());
    assert_eq!(client.response().json()["id"], 1);
    assert_eq!(client.response().json()["id"], 2);
    client.send(&[refused(3), allowed(4), refused(5), allowed(6)].concat());
    assert_eq!(client.response().status, 401);
    assert_eq!(client.response().json()["id"], 4);
    assert_eq!(client.response().status, 401);
    assert_eq!(client.response().json()["id"], 6);
    assert_eq!(upstream.requests().iter().map(|request| request.id()).collect::<Vec<_>>(), ["1", "2", "4", "6"]);
}

#[test]
fn a_client_that_asks_to_close_is_closed() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    for ask in [post(call("open")), post(call("none")), Ask::post("", call("open"))] {
        let mut client = gateway.connect();
        client.ask(&ask.header("Connection", "close"));
        assert!(client.is_closed());
    }
}

#[test]
fn ambiguous_framing_is_refused_and_nothing_is_smuggled() {
    let upstream = Upstream::fine();
    let mut gateway = Gateway::before(&upstream);
    let inner = String::from_utf8(post(call("open")).bytes()).unwrap();
    let body = format!("0\r\n\r\n{inner}");
    let framings: &[&[(&str, &str)]] = &[
        &[("Content-Length", "LENGTH"), ("Transfer-Encoding", "chunked")],
        &[("Transfer-Encoding", "chunked"), ("Content-Length", "LENGTH")],
        &[("Transfer-Encoding", "chunked"), ("content-length", "0")],
        &[("Content-Length", "4"), ("Content-Length", "LENGTH")],
        &[("Content-Length", "4, LENGTH")],
        &[("Content-Length", "+4")],
        &[("Content-Length", "-1")],
        &[("Content-Length", "0x10")],
        &[("Content-Length", "4 4")],
        &[("Content-Length", "")],
        &[("Transfer-Encoding", "gzip, chunked")],
        &[("Transfer-Encoding", "chunked, identity")],
        &[("Transfer-Encoding", "xchunked")],
        &[("Transfer-Encoding", "identity")],
        &[("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")],
        &[("Transfer-Encoding ", "chunked"), ("Content-Length", "LENGTH")],
        &[("Transfer-Encoding", "chunked\r\n ,x")],
        &[("Content-Length ", "4")],
        &[("X y", "z"), ("Content-Length", "LENGTH")],
    ];
    for framing in framings {
        let mut ask = post(&*body).without_length();
        for (name, value) in *framing {
            ask = ask.header(name, &value.replace("LENGTH", &body.len().to_string()));
        }
        let mut client = gateway.connect();
        client.send(&ask.bytes());
        // One answer, and the connection ends: where the next request begins cannot be known.
        let mut answer = Vec::new();
        client.rest(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4"), "{framing:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{framing:?}: {answer}");
        assert!(upstream.requests().is_empty(), "{framing:?}");
    }
    gateway.is_well();
}

#[test]
fn an_old_version_of_http_frames_by_length_alone() {
    let upstream = Upstream::fine();
    let mut gateway = Gateway::before(&upstream);
    let old = |ask: &Ask| String::from_utf8(ask.bytes()).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1);
    let inner = String::from_utf8(post(call("open")).bytes()).unwrap();
    // HTTP/1.0 has no chunks (RFC 9112 §6.1): who sends some to it means to be read in two ways.
    let chunked = post(format!("0\r\n\r\n{inner}")).without_length();
    let both = post(format!("0\r\n\r\n{inner}")).header("Transfer-Encoding", "chunked");
    for ask in [chunked.header("Transfer-Encoding", "chunked"), both] {
        let mut client = gateway.connect();
        client.send(old(&ask).as_bytes());
        client.end_sending();
        let mut answer = Vec::new();
        client.rest(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.matches("HTTP/1.").count() <= 1 && !answer.contains(" 200 "), "{answer}");
        assert!(upstream.requests().is_empty());
    }
    let mut client = gateway.connect();
    client.send(old(&post(call("open"))).as_bytes());
    let response = client.response();
    assert_eq!(response.status, 200);
    assert!(client.is_closed(), "{response:?}");
    gateway.is_well();
}

#[test]
fn heads_that_are_no_http_are_refused() {
    let upstream = Upstream::fine();
    let mut gateway = Gateway::before(&upstream);
    for head in [
        "\r\n\r\n\r\n\r\n x",
        "GET\r\n\r\n",
        "POST /mcp HTTP/9.9\r\nHost: gateway.test\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost gateway.test\r\n\r\n",
        "POST /mcp HTTP/1.1\r\n: x\r\n\r\n",
        "POST /m cp HTTP/1.1\r\nHost: gateway.test\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}\r\n\r\n",
    ] {
        let mut client = gateway.connect();
        client.send(head.as_bytes());
        client.end_sending();
        // A status, or nothing at all; never a request to the upstream.
        let mut answer = Vec::new();
        client.rest(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{head:?}: {answer}");
    }
    let long = Ask::get(&token("alice", "r")).header("X-Long", &"x".repeat(2 * 1024 * 1024));
    let mut client = gateway.connect();
    client.send_what_goes(&long.bytes());
    let mut answer = Vec::new();
    client.rest(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"));
    assert!(upstream.requests().is_empty());
    gateway.is_well();
}

#[test]
fn an_upgrade_is_ignored() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    for upgrade in ["websocket", "h2c", "TLS/1.0"] {
        let ask = post(call("open"))
            .header("Connection", "Upgrade, HTTP2-Settings")
            .header("Upgrade", upgrade)
            .header("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA");
        assert_eq!(gateway.ask(&ask).json()["result"]["said"], "fine", "{upgrade}");
    }
    for request in upstream.requests() {
        assert_eq!(request.header("upgrade"), None);
        assert_eq!(request.header("connection"), None);
        assert_eq!(request.header("http2-settings"), None);
    }
}

#[test]
fn the_upstream_is_told_nothing_that_speaks_for_the_caller() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let ask = post(call("open"))
        .header("Cookie", "a=b")
        .header("X-Forwarded-User", "root")
        .header("X_Forwarded_User", "root")
        .header("Proxy-Authorization", "Basic eDp5")
        .header("Last-Event-ID", "9")
        .header("Accept-Encoding", "gzip")
        .header("X-User-Id", "root")
        .header("Cf-Access-Jwt-Assertion", "x")
        .header("Connection", "Baggage")
        .header("Baggage", "of-this-hop")
        .header("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_eq!(gateway.ask(&ask).status, 200);
    let head = upstream.request(1).head.to_ascii_lowercase();
    for word in [
        "authorization",
        "bearer",
        "cookie",
        "forwarded",
        "last-event",
        "gzip",
        "of-this-hop",
        "gateway.test",
        "root",
        "cf-access",
    ] {
        assert!(!head.contains(word), "{word}: {head}");
    }
    assert!(head.contains("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), "{head}");
    assert_eq!(upstream.request(1).header("accept-encoding"), Some("identity"));
    assert_eq!(upstream.request(1).line(), "POST /mcp HTTP/1.1");
}

#[test]
fn connections_to_the_upstream_are_used_again_and_closed_ones_are_not() {
    let upstream = Upstream::new(|request| {
        let mut steps = crate::support::upstream::fine(request);
        if request.id() == "3" {
            steps.push(crate::support::Step::Close);
        }
        steps
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    for id in 1..=3 {
        assert_eq!(client.ask(&post(call_with_id(id))).json()["id"], id);
    }
    crate::support::eventually("the connection closed", || (upstream.open() == 0).then_some(()));
    for id in 4..=6 {
        assert_eq!(client.ask(&post(call_with_id(id))).json()["id"], id);
    }
    let connections: Vec<usize> = upstream.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [1, 1, 1, 2, 2, 2]);
}
