//! Connections to the upstream that are used again: no caller is told what was said to another, or to nobody.

use crate::support::gateway::Setup;
use crate::support::upstream::{fine, json};
use crate::support::{Ask, Gate, Gateway, Step, Upstream, call, request, token};

fn post(body: impl Into<Vec<u8>>) -> Ask {
    Ask::post(&token("alice", "r"), body)
}

/// What an upstream says on a connection that waits in the pool answers nobody's request.
#[test]
fn what_comes_on_an_idle_connection_is_nobodys() {
    const STRAY: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 55\r\n\r\n\
        {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"said\":\"to another\"}}";
    let (idle, said) = (Gate::default(), Gate::default());
    let upstream = Upstream::new({
        let (idle, said) = (idle.clone(), said.clone());
        move |request| {
            let mut steps = fine(request);
            if request.id() == "7" {
                // It goes on to read requests: the connection stays open.
                steps.extend([Step::Wait(idle.clone()), STRAY.into(), Step::Open(said.clone())]);
            }
            steps
        }
    });
    let mut gateway = Setup::before(&upstream).arg("--threads", "1").start();
    for _ in 0..20 {
        idle.shut();
        said.shut();
        assert_eq!(gateway.ask(&post(request("7", "tools/call", r#"{"name":"open"}"#))).status, 200);
        idle.open();
        said.wait();
        let other = gateway.ask(&post(call("open")));
        assert_eq!((other.status, other.json()["result"]["said"].as_str()), (200, Some("fine")));
    }
    gateway.is_well();
}

/// A server that closes nothing by itself is not left with connections that nobody uses.
#[test]
fn a_connection_that_nobody_uses_is_closed() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut upstream = Upstream::fine();
    upstream.url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut one, _) = listener.accept().unwrap();
        one.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        for _ in 0..2 {
            assert!(one.read(&mut [0; 9000]).unwrap() > 0, "both come on this connection");
            one.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
        one.read(&mut [0; 1]).unwrap()
    });
    let gateway = Setup::before(&upstream).arg("--threads", "1").start();
    let progress =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    for _ in 0..2 {
        assert_eq!(gateway.ask(&post(progress)).status, 202);
    }
    assert_eq!(answering.join().unwrap(), 0, "the gateway hangs up");
}

/// The rest of a body that the upstream did not wait for must not be the beginning of the next request.
#[test]
fn a_connection_whose_request_was_answered_early_is_not_used_again() {
    let (seen, early) = (Gate::default(), br#"{"jsonrpc":"2.0","id":1,"result":{"said":"early"}}"#);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut upstream = Upstream::fine();
    upstream.url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let answering = std::thread::spawn({
        let seen = seen.clone();
        move || {
            use std::io::{Read, Write};
            let (mut one, _) = listener.accept().unwrap();
            // The first bytes are enough for this upstream.
            assert!(one.read(&mut [0; 100]).unwrap() > 0);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
            one.write_all(format!("{head} {}\r\n\r\n", early.len()).as_bytes()).unwrap();
            one.write_all(early).unwrap();
            seen.wait();
            let (mut two, _) = listener.accept().unwrap();
            assert!(two.read(&mut [0; 9000]).unwrap() > 0);
            two.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
            let mut rest = Vec::new();
            // Closed, or reset: it has sent more than was read.
            let _ = one.read_to_end(&mut rest);
            rest
        }
    });
    let gateway = Setup::before(&upstream).arg("--threads", "1").arg("--limits-body", "16MiB").start();
    // More than all the buffers on the way take.
    let large = format!(r#"{{"name":"open","arguments":{{"text":"{}"}}}}"#, "x".repeat(12 << 20));
    let first = gateway.ask(&post(request("1", "tools/call", &large)));
    assert_eq!((first.status, first.body), (200, early.to_vec()));
    seen.open();
    let ping = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
    assert_eq!(gateway.ask(&post(ping)).status, 202);
    let rest = answering.join().unwrap();
    assert!(!String::from_utf8_lossy(&rest).contains("POST /mcp"), "a request behind half a body");
}

/// Interim answers are passed over, but they are no way to keep a caller and a thread busy.
#[test]
fn an_upstream_that_says_only_that_it_will_answer_does_not() {
    let upstream = Upstream::new(|request| match request.id().as_str() {
        "2" => vec![Step::Flood(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100))],
        "3" => vec![Step::Flood(b"\r\n".repeat(100))],
        "4" => {
            let mut steps: Vec<Step> = vec![b"HTTP/1.1 102 Processing\r\n\r\n".repeat(20).into()];
            steps.extend(json(r#"{"jsonrpc":"2.0","id":4,"result":{}}"#));
            steps
        }
        _ => fine(request),
    });
    let mut gateway = Gateway::before(&upstream);
    let ask = |id: &str| post(request(id, "tools/call", r#"{"name":"open"}"#));
    assert_eq!(gateway.ask(&ask("2")).status, 502);
    assert_eq!(gateway.ask(&ask("3")).status, 502);
    assert_eq!(gateway.ask(&ask("4")).status, 200);
    gateway.is_well();
}
