//! Streams flow event by event and end cleanly: with the upstream, the client, the token or the gateway.

use serde_json::json;

use crate::support::gateway::Setup;
use crate::support::tokens::{now, signed, with};
use crate::support::upstream::{chunk, event, fine, last_chunk, stream_head};
use crate::support::{Ask, Gate, Gateway, Step, Upstream, call, eventually, request, token};

const PROGRESS: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

#[test]
fn each_event_is_passed_on_before_the_next_one_comes() {
    let gates: [Gate; 4] = Default::default();
    let [head, first, second, end] = gates.clone();
    let upstream = Upstream::new(move |_| {
        let wait = |gate: &Gate| Step::Wait(gate.clone());
        let [head, first, second, end] = &gates;
        vec![
            stream_head(),
            wait(head),
            event(PROGRESS),
            wait(first),
            chunk(": keep-alive\n\n"),
            event(PROGRESS),
            wait(second),
            event(RESULT),
            wait(end),
            last_chunk(),
        ]
    });
    let gateway = Gateway::before(&upstream);
    for ask in [Ask::post(&token("alice", "r"), call("open")), Ask::get(&token("alice", "r"))] {
        let mut client = gateway.connect();
        client.send(&ask.bytes());
        // Not even the head waits for what comes after it.
        let response = client.response_head();
        assert_eq!((response.status, response.header("content-type")), (200, Some("text/event-stream")));
        head.open();
        assert_eq!(client.event().unwrap(), format!("data: {PROGRESS}\n\n"));
        first.open();
        let mut text = client.event().unwrap();
        if !text.contains("data") {
            text.push_str(&client.event().unwrap());
        }
        assert_eq!(text, format!(": keep-alive\n\ndata: {PROGRESS}\n\n"));
        second.open();
        assert_eq!(client.event().unwrap(), format!("data: {RESULT}\n\n"));
        end.open();
        assert_eq!(client.event(), None);
        for gate in [&head, &first, &second, &end] {
            gate.shut();
        }
        // The connection is good for more.
        assert_eq!(client.ask(&Ask::post("", call("open"))).status, 401);
    }
}

#[test]
fn a_stream_ends_cleanly_when_its_token_expires() {
    let left = Gate::default();
    let tell = left.clone();
    let upstream = Upstream::new(move |_| vec![stream_head(), event(PROGRESS), Step::UntilLeft(tell.clone())]);
    let gateway = Gateway::before(&upstream);
    // The default leeway: a token that may still be sent may still be listened with.
    let end = now() + 3;
    let expires = end - 60;
    let mut client = gateway.connect();
    client.send(&Ask::get(&signed(&with(json!({"exp": expires})))).bytes());
    assert_eq!(client.response_head().status, 200);
    assert_eq!(client.event().unwrap(), format!("data: {PROGRESS}\n\n"));
    assert_eq!(client.event(), None);
    assert!(now() >= end, "not before its time");
    left.wait();
    let ended = || (gateway.metric("toolgate_streams_ended_total", "reason=\"expired\"") == 1).then_some(());
    eventually("the stream counted", ended);
    eventually("no stream open", || (gateway.metric("toolgate_streams_open", "") == 0).then_some(()));
}

#[test]
fn a_client_that_leaves_takes_the_upstreams_side_with_it() {
    for is_answered in [true, false] {
        let left = Gate::default();
        let tell = left.clone();
        let upstream = Upstream::new(move |_| {
            let mut steps = vec![Step::UntilLeft(tell.clone())];
            if is_answered {
                steps.splice(0..0, [stream_head(), event(PROGRESS)]);
            }
            steps
        });
        let mut gateway = Gateway::before(&upstream);
        let mut client = gateway.connect();
        client.send(&Ask::post(&token("alice", "r"), call("open")).bytes());
        if is_answered {
            client.response_head();
            client.event();
        } else {
            upstream.request(1);
        }
        drop(client);
        left.wait();
        eventually("the upstream's connection closed", || (upstream.open() == 0).then_some(()));
        gateway.is_well();
    }
}

#[test]
fn a_stream_lives_on_in_silence_longer_than_any_other_wait() {
    let go_on = Gate::default();
    let wait = go_on.clone();
    let upstream = Upstream::new(move |_| {
        let keep_alive = chunk(": keep-alive\n\n");
        vec![stream_head(), event(PROGRESS), Step::Wait(wait.clone()), keep_alive, event(PROGRESS), last_chunk()]
    });
    let setup = Setup::before(&upstream);
    let times = ["header-timeout", "body-timeout", "upstream-connect-timeout", "upstream-timeout"];
    let setup = times.iter().fold(setup, |setup, time| setup.arg(&format!("--limits-{time}"), "300ms"));
    let gateway = setup.arg("--limits-keepalive", "1s").start();
    let mut streams = [Ask::get(&token("alice", "r")), Ask::post(&token("alice", "r"), call("open"))].map(|ask| {
        let mut client = gateway.connect();
        client.send(&ask.bytes());
        assert_eq!(client.response_head().status, 200);
        assert_eq!(client.event().unwrap(), format!("data: {PROGRESS}\n\n"));
        client
    });
    // A connection that asks for nothing more is the clock: it is kept longer than anything else here.
    let mut idle = gateway.connect();
    assert_eq!(idle.ask(&Ask::post("", call("open"))).status, 401);
    assert!(idle.is_closed());
    go_on.open();
    for stream in &mut streams {
        let mut text = String::new();
        while let Some(event) = stream.event() {
            text.push_str(&event);
        }
        assert_eq!(text, format!(": keep-alive\n\ndata: {PROGRESS}\n\n"));
    }
}

#[test]
fn a_client_that_leaves_cancels_nothing_in_its_name() {
    // MCP 2025-11-25: that a client leaves should not be read as a cancellation, so none is sent for it. In 2026-07-28
    // the closed connection itself is one.
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let modern = request("1", "tools/call", &format!(r#"{{"name":"open",{meta}}}"#));
    let modern = Ask::post(&token("alice", "r"), modern)
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", "open");
    for ask in [Ask::post(&token("alice", "r"), call("open")), modern] {
        let left = Gate::default();
        let tell = left.clone();
        let upstream =
            Upstream::new(
                move |request| {
                    if request.id() == "1" { vec![Step::UntilLeft(tell.clone())] } else { fine(request) }
                },
            );
        let gateway = Gateway::before(&upstream);
        let mut client = gateway.connect();
        client.send(&ask.bytes());
        upstream.request(1);
        drop(client);
        left.wait();
        // The next thing that the upstream hears is the next request.
        let next = request("2", "tools/call", r#"{"name":"open"}"#);
        assert_eq!(gateway.ask(&Ask::post(&token("alice", "r"), next)).status, 200);
        assert_eq!(upstream.requests().iter().map(|request| request.id()).collect::<Vec<_>>(), ["1", "2"]);
    }
}

#[test]
fn a_stream_that_breaks_off_looks_broken_off() {
    let upstream = Upstream::new(|_| vec![stream_head(), event(PROGRESS), chunk("data: half"), Step::Close]);
    let mut gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send(&Ask::post(&token("alice", "r"), call("open")).bytes());
    assert_eq!(client.response_head().status, 200);
    assert_eq!(client.event().unwrap(), format!("data: {PROGRESS}\n\n"));
    assert!(client.try_chunk().is_err(), "no clean end, and no half of an event");
    gateway.is_well();
}

#[test]
fn a_stream_is_not_read_faster_than_the_client_takes_it() {
    // 64 MiB in events of 64 KiB, to a client that does not read.
    let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":"{}"}}"#, "x".repeat(65_536));
    let all = format!("data: {text}\n\n");
    let framed = format!("{:x}\r\n{all}\r\n", all.len());
    let upstream = Upstream::new(move |_| vec![stream_head(), Step::Flood(framed.clone().into())]);
    let mut gateway = Gateway::before(&upstream);
    let before = gateway.memory();
    let mut client = gateway.connect();
    client.send(&Ask::post(&token("alice", "r"), call("open")).bytes());
    assert_eq!(client.response_head().status, 200);
    // What it reads is in order; what it does not read waits at the upstream.
    for _ in 0..100 {
        assert_eq!(client.event().unwrap().len(), all.len());
    }
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "{grown} bytes more");
    drop(client);
    eventually("the upstream's connection closed", || (upstream.open() == 0).then_some(()));
    gateway.is_well();
}
