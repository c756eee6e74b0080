//! A request body is read whole and judged before the upstream hears of it, and what it hears are those very bytes.

use std::fmt::Write as _;

use crate::support::gateway::Setup;
use crate::support::{Ask, Client, Gateway, Response, Upstream, call, eventually, token};

fn post(body: impl Into<Vec<u8>>) -> Ask {
    Ask::post(&token("alice", "r"), body)
}

/// The call of `open`, `size` bytes long, written as no serializer would write it.
fn call_of(size: usize) -> String {
    let (begin, end) = (
        "\r\n{ \"params\" :{\"arguments\":{\"z\":1.0e0,\"\\u0061\":\"\\/\u{e9}\\ud83d\\ude00\",\"x\":\"",
        "\"},\"name\":\"op\\u0065n\"},\t\"method\":\"tools/call\",\"id\":  7,\"jsonrpc\":\"2.0\"} \n",
    );
    let mut body = String::with_capacity(size);
    body.push_str(begin);
    let mut at = 0_u64;
    while body.len() + end.len() < size {
        at += 1;
        // Never the same twice: what is reordered or repeated would show.
        let _ = write!(body, "{at:x}.");
    }
    body.truncate(size.saturating_sub(end.len()).max(begin.len()));
    body.push_str(end);
    body
}

const SIZES: [usize; 9] = [300, 4095, 4096, 16 * 1024, 65_535, 65_537, 500_000, 1024 * 1024 + 1, 4 * 1024 * 1024];

#[test]
fn what_is_forwarded_is_byte_for_byte_what_was_judged() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    let mut count = 0;
    for size in SIZES {
        let body = call_of(size);
        assert_eq!(body.len(), size);
        for ask in [post(&*body), post(&*body).chunked(size), post(&*body).chunked(1000)] {
            let response = client.ask(&ask);
            assert_eq!(response.status, 200, "{size}: {response:?}");
            count += 1;
            let request = upstream.request(count);
            assert!(request.body == body.as_bytes(), "{size}");
            assert_eq!(request.header("content-length"), Some(&*size.to_string()));
        }
    }
}

#[test]
fn a_body_is_judged_however_its_bytes_arrive() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let body = call_of(400);
    for ask in [post(&*body), post(&*body).chunked(7)] {
        let mut client = gateway.connect();
        let before = upstream.requests().len();
        let bytes = ask.bytes();
        for byte in &bytes[..bytes.len() - 1] {
            client.more(&[*byte]);
        }
        assert_eq!(upstream.requests().len(), before, "nothing is forwarded before the last byte");
        client.more(&bytes[bytes.len() - 1..]);
        assert_eq!(client.response().status, 200);
        assert!(upstream.request(before + 1).body == body.as_bytes());
    }
}

#[test]
fn the_limit_holds_to_the_byte_announced_or_not() {
    let upstream = Upstream::fine();
    let gateway = Setup::before(&upstream).arg("--limits-body", "64KiB").start();
    for size in [65_536, 65_537] {
        for chunk in [None, Some(65_536), Some(10_000)] {
            let before = upstream.requests().len();
            let ask = post(call_of(size));
            let ask = chunk.map_or_else(|| ask.clone(), |chunk| ask.clone().chunked(chunk));
            let is_in = size <= 65_536;
            assert_eq!(gateway.ask(&ask).status, if is_in { 200 } else { 413 }, "{size} {chunk:?}");
            assert_eq!(upstream.requests().len(), before + usize::from(is_in));
        }
    }
}

#[test]
fn a_body_announced_too_large_is_refused_before_it_is_sent() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    for length in ["4194305", "99999999999", "18446744073709551615", "18446744073709551616"] {
        let mut client = gateway.connect();
        client.send(&post("").without_length().header("Content-Length", length).bytes());
        let status = client.response_head().status;
        assert!([413, 400].contains(&status), "{length}: {status}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_body_that_never_ends_is_refused_at_the_limit_and_costs_no_more_than_that() {
    let upstream = Upstream::fine();
    let mut gateway = Gateway::before(&upstream);
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(65_536));
    let endless = |client: &mut Client| -> Response {
        client.send(&post("").without_length().header("Transfer-Encoding", "chunked").bytes());
        // 8 MiB are twice the limit: by then the answer is there, or the connection closed.
        for _ in 0..128 {
            if !client.send_what_goes(chunk.as_bytes()) {
                break;
            }
        }
        client.response_head()
    };
    assert_eq!(endless(&mut gateway.connect()).status, 413);
    let (memory, descriptors) = (gateway.memory(), gateway.descriptors());
    for _ in 0..10 {
        assert_eq!(endless(&mut gateway.connect()).status, 413);
    }
    eventually("connections closed", || (gateway.descriptors() <= descriptors).then_some(()));
    let grown = gateway.memory().saturating_sub(memory);
    assert!(grown < 24 * 1024 * 1024, "{grown} bytes more");
    assert!(upstream.requests().is_empty());
    gateway.is_well();
}

#[test]
fn a_client_that_waits_for_continue_is_told_so_only_when_its_head_is_good() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let ask = |token: &str| Ask::post(token, call("open")).header("Expect", "100-continue");
    let mut client = gateway.connect();
    for count in 1..=2 {
        client.send(&ask(&token("alice", "r")).head());
        assert_eq!(client.response_head().status, 100);
        assert_eq!(upstream.requests().len(), count - 1);
        client.more(call("open").as_bytes());
        assert_eq!(client.response().status, 200);
        assert_eq!(upstream.request(count).header("expect"), None);
    }
    let mut client = gateway.connect();
    client.send(&ask("").head());
    assert_eq!(client.response().status, 401);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_client_that_leaves_in_the_middle_leaves_nothing_behind() {
    let upstream = Upstream::fine();
    let mut gateway = Gateway::before(&upstream);
    assert_eq!(gateway.ask(&post(call("open"))).status, 200);
    let descriptors = eventually("a quiet gateway", || {
        let before = gateway.descriptors();
        (before == gateway.descriptors()).then_some(before)
    });
    let whole = post(call_of(100_000)).bytes();
    let chunked = post(call_of(100_000)).chunked(10_000).bytes();
    for at in [1, 20, 200, 600, 5_000, 99_999] {
        drop({
            let mut client = gateway.connect();
            client.send(&whole[..at]);
            client
        });
        drop({
            let mut client = gateway.connect();
            client.send(&chunked[..at]);
            client
        });
    }
    eventually("connections closed", || (gateway.descriptors() <= descriptors).then_some(()));
    assert_eq!(upstream.requests().len(), 1);
    gateway.is_well();
}

#[test]
fn chunks_that_are_none_are_refused() {
    let upstream = Upstream::fine();
    let mut gateway = Gateway::before(&upstream);
    for body in
        ["zz\r\nx\r\n0\r\n\r\n", "-1\r\nx\r\n0\r\n\r\n", "5\r\nabcdefgh\r\n0\r\n\r\n", "ffffffffffffffffff\r\nx"]
    {
        let mut client = gateway.connect();
        client.send(&post("").without_length().header("Transfer-Encoding", "chunked").bytes());
        client.more(body.as_bytes());
        assert_eq!(client.response_head().status, 400, "{body:?}");
    }
    assert!(upstream.requests().is_empty());
    gateway.is_well();
}
