//! Where a stream is to go on is asked by whoever was sent it, and by nobody else.

use crate::support::gateway::Setup;
use crate::support::upstream::{Request, chunk, event, fine, last_chunk, stream_head, with_length};
use crate::support::{Ask, Gateway, Response, Step, Upstream, call, request, token};

/// Streams with identifiers under every request; `initialize` begins the session that is asked for, if one is.
fn with_events(request: &Request) -> Vec<Step> {
    let body = String::from_utf8_lossy(&request.body);
    if body.contains("initialize") {
        let session = request.header("mcp-param-session").map(|id| format!("Mcp-Session-Id: {id}\r\n"));
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n{}\r\n",
            session.unwrap_or_default()
        );
        let answer = chunk("id: first\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n");
        return vec![head.into(), answer, last_chunk()];
    }
    if request.line().starts_with("DELETE") {
        return with_length("200 OK", "", "");
    }
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"never"},{"name":"read"}]}}"#;
    vec![
        stream_head(),
        chunk("id: e 1\r\nretry: 5\r\ndata:\r\n\r\n"),
        chunk(": keep-alive\n\nid:\ndata: {\"jsonrpc\":\"2.0\"}\n\n"),
        chunk(&format!("event: message\nid:e-2\ndata: {list}\n\n")),
        chunk("id: e-3\n\n"),
        event("{\"jsonrpc\":\"2.0\"}"),
        last_chunk(),
    ]
}

fn open(gateway: &Gateway, token: &str, session: &str) -> Response {
    let ask = Ask::post(token, request("1", "initialize", "{}"));
    let response = gateway.ask(&if session.is_empty() { ask } else { ask.header("Mcp-Param-Session", session) });
    assert_eq!(response.status, 200);
    response
}

/// The identifiers in a stream, in order.
fn ids(response: &Response) -> Vec<String> {
    response.text().lines().filter_map(|line| line.strip_prefix("id: ")).map(ToOwned::to_owned).collect()
}

fn in_session(ask: Ask, session: Option<&str>) -> Ask {
    match session {
        Some(session) => ask.header("Mcp-Session-Id", session),
        None => ask,
    }
}

#[test]
fn a_stream_goes_on_where_its_owner_says_and_the_upstream_knows_the_event_by_its_own_name() {
    for inner in ["inner", ""] {
        let upstream = Upstream::new(with_events);
        let gateway = Gateway::before(&upstream);
        let alice = token("alice", "r");
        let begun = open(&gateway, &alice, inner);
        let session = begun.header("mcp-session-id");
        let mut sealed = ids(&begun);
        for ask in [Ask::post(&alice, call("open")), Ask::get(&alice)] {
            let response = gateway.ask(&in_session(ask, session));
            let own = ids(&response);
            assert_eq!(own.len(), 3, "{}", response.text());
            let shown = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read"}]}}"#;
            let expected = format!(
                "id: {}\r\nretry: 5\r\ndata:\r\n\r\n: keep-alive\n\nid:\ndata: {{\"jsonrpc\":\"2.0\"}}\n\nevent: \
                 message\nid: {}\ndata: {shown}\n\nid: {}\n\ndata: {{\"jsonrpc\":\"2.0\"}}\n\n",
                own[0], own[1], own[2]
            );
            assert_eq!(response.text(), expected);
            sealed.extend(own);
        }
        let names = ["first", "e 1", "e-2", "e-3", "e 1", "e-2", "e-3"];
        assert_eq!(sealed.len(), names.len());
        for (id, name) in sealed.iter().zip(names) {
            assert!(id.ends_with(&format!(".{name}")), "{id}");
            let before = upstream.requests().len();
            // Another token of the same caller is as good.
            for token in [&alice, &token("alice", "r w")] {
                let get = in_session(Ask::get(token).header("Last-Event-ID", id), session);
                let response = gateway.ask(&get);
                assert_eq!(response.status, 200, "{id}");
                assert!(!response.text().contains("never"), "what is replayed is filtered");
            }
            assert_eq!(upstream.request(before + 1).header("last-event-id"), Some(name));
        }
    }
}

#[test]
fn in_other_hands_or_another_session_an_event_is_none() {
    let upstream = Upstream::new(with_events);
    let gateway = Gateway::before(&upstream);
    let (alice, bob) = (token("alice", "r"), token("bob", "r"));
    let begun = [&alice, &alice, &bob].map(|token| open(&gateway, token, "inner"));
    let other = open(&gateway, &alice, "other");
    let session = begun[0].header("mcp-session-id").unwrap();
    let bobs = begun[2].header("mcp-session-id").unwrap();
    let id = ids(&begun[0])[0].clone();
    let free = ids(&open(&gateway, &alice, ""))[0].clone();
    let before = upstream.requests().len();
    let bent = format!("{id}x");
    for (token, session, id) in [
        (&bob, Some(bobs), id.as_str()),
        (&bob, None, &id),
        (&bob, None, &free),
        (&alice, other.header("mcp-session-id"), &id),
        (&alice, None, &id),
        (&alice, Some(session), &free),
        (&alice, Some(session), "first"),
        (&alice, None, "first"),
        (&alice, Some(session), &bent),
        (&alice, Some(session), &id[..10]),
        (&alice, Some(session), session),
        (&alice, Some(session), "\u{e9}"),
    ] {
        let response = gateway.ask(&in_session(Ask::get(token).header("Last-Event-ID", id), session));
        assert_eq!(response.status, 400, "{id}");
        assert_eq!(response.json()["error"]["message"], "this Last-Event-ID is not known here");
        assert!(response.json().get("id").is_none());
    }
    let twice = Ask::get(&alice).header("Mcp-Session-Id", session).header("Last-Event-ID", &id);
    assert_eq!(gateway.ask(&twice.header("Last-Event-ID", &id)).status, 400);
    assert_eq!(upstream.requests().len(), before, "the upstream heard of none");
}

#[test]
fn only_a_get_goes_on_after_an_event() {
    let upstream = Upstream::new(with_events);
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    let begun = open(&gateway, &alice, "inner");
    let (session, id) = (begun.header("mcp-session-id").unwrap(), ids(&begun)[0].clone());
    for ask in [Ask::post(&alice, call("open")), Ask::method("DELETE", &alice)] {
        let ask = ask.header("Mcp-Session-Id", session).header("Last-Event-ID", &id);
        assert_eq!(gateway.ask(&ask).status, 200);
    }
    // An empty one is none (HTML, "Server-sent events").
    assert_eq!(gateway.ask(&Ask::get(&alice).header("Last-Event-ID", "")).status, 200);
    assert!(upstream.requests().iter().all(|request| request.header("last-event-id").is_none()));
}

#[test]
fn the_stateless_protocol_has_no_going_on() {
    let upstream =
        Upstream::new(
            |request| if request.line().starts_with("POST") { with_events(request) } else { fine(request) },
        );
    let gateway = Gateway::before(&upstream);
    let meta = r#"{"name":"open","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
    let ask = Ask::post(&token("alice", "r"), request("1", "tools/call", meta))
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", "open")
        .header("Last-Event-ID", "anything");
    let response = gateway.ask(&ask);
    assert_eq!(response.status, 200);
    // Nobody takes these identifiers back: they stay as they are.
    assert!(response.text().contains("id:e-2\n"), "{}", response.text());
    assert_eq!(upstream.request(1).header("last-event-id"), None);
}

#[test]
fn a_stream_goes_on_after_a_restart_with_the_same_key_and_on_other_replicas() {
    let upstream = Upstream::new(with_events);
    let replica = |key: &str| {
        let setup = Setup::before(&upstream);
        let file = setup.file("session", key);
        setup.arg("--session-key-file", file.to_str().unwrap()).start()
    };
    let alice = token("alice", "r");
    let one = replica("0123456789abcdef0123456789abcdef");
    let begun = [open(&one, &alice, "inner"), open(&one, &alice, "")];
    drop(one);
    let (same, other) = (replica("0123456789abcdef0123456789abcdef"), replica("another key of thirty-two bytes!"));
    for (begun, refused) in begun.iter().zip([404, 400]) {
        let get = Ask::get(&alice).header("Last-Event-ID", &ids(begun)[0]);
        let get = in_session(get, begun.header("mcp-session-id"));
        assert_eq!(same.ask(&get).status, 200);
        assert_eq!(other.ask(&get).status, refused);
    }
}
