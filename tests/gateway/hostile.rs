//! An upstream that does what it should not.

use crate::support::gateway::Setup;
use crate::support::upstream::{chunk, event, fine, json, last_chunk, stream_head, with_length};
use crate::support::{Ask, Gateway, Step, Upstream, call, eventually, request, token};

const JSON: &str = "Content-Type: application/json\r\n";
const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"never"}]}}"#;

fn list() -> Ask {
    Ask::post(&token("alice", "r"), request("1", "tools/list", "{}"))
}

/// An answer in bytes, after which the upstream closes.
fn raw(text: &str) -> Vec<Step> {
    vec![text.into(), Step::Close]
}

type Way = (&'static str, fn() -> Vec<Step>);

/// Answers that cannot be passed on.
const WAYS: &[Way] = &[
    ("nothing", || vec![Step::Close]),
    ("no HTTP", || raw("SSH-2.0-OpenSSH_9.6\r\n\r\n")),
    ("half a head", || raw("HTTP/1.1 200 OK\r\nContent-Ty")),
    ("no status", || raw("HTTP/1.1 abc\r\n\r\n")),
    ("a status of two digits", || raw("HTTP/1.1 20 OK\r\n\r\n")),
    ("two lengths", || raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 70\r\n\r\n{}")),
    ("half a body", || raw(&format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 500\r\n\r\n{RESULT}"))),
    ("half a chunk", || raw(&format!("HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\nff\r\n{{"))),
    ("a chunk that is none", || {
        raw(&format!("HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\nzz\r\n{RESULT}\r\n0\r\n\r\n"))
    }),
    ("a length beside chunks", || {
        raw(&format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
    }),
    ("a coding before chunks", || {
        raw(&format!("HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"))
    }),
    ("chunks of HTTP/1.0", || {
        raw(&format!("HTTP/1.0 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"))
    }),
    ("a bare line feed behind a size", || {
        raw(&format!("HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n2\n{{}}\r\n0\r\n\r\n"))
    }),
    ("a length with a sign", || raw(&format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: +2\r\n\r\n{{}}"))),
    ("its own 401", || with_length("401 Unauthorized", "WWW-Authenticate: Bearer realm=\"x\"\r\n", "")),
    ("its own 407", || with_length("407 Proxy Authentication Required", "Proxy-Authenticate: Basic\r\n", "")),
    ("a redirect", || with_length("302 Found", "Location: http://127.0.0.1:1/\r\n", "")),
    ("a lasting redirect", || with_length("308 Permanent Redirect", "Location: /other\r\n", RESULT)),
    ("a switch of protocols", || {
        raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    }),
    ("compressed", || with_length("200 OK", &format!("{JSON}Content-Encoding: gzip\r\n"), RESULT)),
    ("compressed, it says", || with_length("200 OK", &format!("{JSON}Content-Encoding: br, identity\r\n"), RESULT)),
    ("HTML", || with_length("200 OK", "Content-Type: text/html\r\n", RESULT)),
    ("JSON by another name", || with_length("200 OK", "Content-Type: application/problem+json\r\n", RESULT)),
    ("two types", || {
        with_length("200 OK", "Content-Type: application/json\r\nContent-Type: text/html\r\n", RESULT)
    }),
    ("an array", || json(&format!("[{RESULT}]"))),
    ("an array as an error", || with_length("500 No", JSON, &format!("[{RESULT}]"))),
    ("no JSON", || json("hello")),
    ("half a JSON", || json(r#"{"jsonrpc":"2.0","#)),
    ("two documents", || json(&format!("{RESULT}{RESULT}"))),
    ("two results", || {
        json(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]},"result":{"tools":[{"name":"never"}]}}"#)
    }),
    ("two lists", || json(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[{"name":"never"}]}}"#)),
    ("a list that is none", || json(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":{"0":{"name":"never"}}}}"#)),
    ("not UTF-8", || {
        let mut steps = with_length("200 OK", JSON, "{\"a\":\"??\"}");
        if let Some(Step::Send(bytes)) = steps.first_mut() {
            bytes.iter_mut().filter(|byte| **byte == b'?').for_each(|byte| *byte = 0xff);
        }
        steps
    }),
    ("a session id that is none", || with_length("200 OK", &format!("{JSON}Mcp-Session-Id: a b\r\n"), RESULT)),
    ("two session ids", || {
        with_length("200 OK", &format!("{JSON}Mcp-Session-Id: a\r\nMcp-Session-Id: b\r\n"), RESULT)
    }),
];

#[test]
fn what_cannot_be_judged_is_not_passed_on() {
    let upstream = Upstream::new(|request| match request.header("mcp-param-way") {
        Some(way) => WAYS.iter().find(|(name, _)| *name == way).unwrap().1(),
        None => fine(request),
    });
    let mut gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    for (way, _) in WAYS {
        let response = client.ask(&list().header("Mcp-Param-Way", way));
        assert_eq!(response.status, 502, "{way}: {response:?}");
        let answer = response.json();
        assert_eq!((answer["id"].as_i64(), answer["error"]["code"].as_i64()), (Some(1), Some(-32603)), "{way}");
        assert!(!response.text().contains("never"), "{way}: {}", response.text());
        for name in ["www-authenticate", "proxy-authenticate", "location", "mcp-session-id", "content-encoding"] {
            assert_eq!(response.header(name), None, "{way}");
        }
        // The next request on the same connection is served.
        assert_eq!(client.ask(&Ask::post(&token("alice", "r"), call("open"))).status, 200, "{way}");
    }
    eventually("idle connections only", || (upstream.open() <= 1).then_some(()));
    gateway.is_well();
}

/// What stands behind an answer was asked for by nobody: it must not become the answer to somebody else's request.
#[test]
fn what_comes_behind_an_answer_is_nobodys() {
    for behind in [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\n",
        "\r\n",
        "x",
    ] {
        let upstream = Upstream::new(move |request| {
            let mut steps = fine(request);
            if request.header("mcp-param-way").is_some() {
                let Some(Step::Send(bytes)) = steps.last_mut() else { panic!("no answer to add to") };
                bytes.extend_from_slice(behind.as_bytes());
            }
            steps
        });
        let mut gateway = Gateway::before(&upstream);
        let first = gateway.ask(&Ask::post(&token("alice", "r"), call("open")).header("Mcp-Param-Way", "more"));
        assert_eq!(first.status, 200, "{behind:?}: {first:?}");
        for _ in 0..3 {
            let other = gateway.ask(&Ask::post(&token("bob", "r"), call("open")));
            assert_eq!((other.status, other.json()), (200, first.json()), "{behind:?}");
        }
        gateway.is_well();
    }
}

#[test]
fn cookies_and_rules_for_other_origins_stay_behind() {
    let headers = format!(
        "{JSON}Set-Cookie: a=b\r\nAccess-Control-Allow-Origin: *\r\nAlt-Svc: h3\r\nKeep-Alive: timeout=5\r\nX-Acme: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
    );
    let upstream =
        Upstream::new(move |_| with_length("200 OK", &headers, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#));
    let response = Gateway::before(&upstream).ask(&list());
    assert_eq!(response.header("x-acme"), Some("1"));
    for name in ["set-cookie", "access-control-allow-origin", "alt-svc", "keep-alive", "x-hop"] {
        assert_eq!(response.header(name), None, "{name}");
    }
}

/// Streams that must end, and what the client may have seen by then.
const EVENTS: &[(&str, &str)] = &[
    ("an array", "data: [{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"never\"}]}}]\n\n"),
    ("no JSON", "data: never\n\n"),
    ("half a JSON", "data: {\"jsonrpc\":\"2.0\",\"never\n\n"),
    ("a string", "data: \"never\"\n\n"),
    ("two results", "data: {\"id\":1,\"result\":{\"tools\":[]},\"result\":{\"tools\":[{\"name\":\"never\"}]}}\n\n"),
];

#[test]
fn a_stream_that_cannot_be_judged_ends_before_what_cannot() {
    for method in ["POST", "GET"] {
        for (what, bad) in EVENTS {
            let upstream = Upstream::new(move |_| {
                vec![
                    stream_head(),
                    event(r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#),
                    chunk(bad),
                    event(r#"{"jsonrpc":"2.0","method":"notifications/never"}"#),
                    Step::UntilLeft(crate::support::Gate::default()),
                ]
            });
            let mut gateway = Gateway::before(&upstream);
            let ask = if method == "GET" { Ask::get(&token("alice", "r")) } else { list() };
            let response = gateway.ask(&ask);
            assert_eq!(response.status, 200, "{what}");
            assert_eq!(
                response.text(),
                "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n",
                "{method} {what}"
            );
            eventually("the upstream's side closed", || (upstream.open() == 0).then_some(()));
            gateway.is_well();
        }
    }
}

#[test]
fn the_retired_transport_is_answered_in_words_that_say_what_to_do() {
    let upstream = Upstream::new(|_| {
        let endpoint = "event: endpoint\ndata: /messages?sessionId=never\n\n";
        vec![stream_head(), chunk(endpoint), Step::UntilLeft(crate::support::Gate::default())]
    });
    let mut gateway = Gateway::before(&upstream);
    for ask in [Ask::get(&token("alice", "r")), list()] {
        let text = gateway.ask(&ask).text();
        assert!(text.starts_with(": ") && text.contains("use Streamable HTTP"), "{text}");
        // A comment and nothing else: no client dispatches it, and none learns the server's paths.
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        assert!(!text.contains("never") && !text.contains("/messages"), "{text}");
    }
    eventually("the upstream's side closed", || (upstream.open() == 0).then_some(()));
    // Where such servers listen, the words are the same for all, and the endpoint is not named to strangers.
    for path in ["/sse", "/messages/?sessionId=1", "/mcp/sse"] {
        for method in ["GET", "POST"] {
            let response = gateway.ask(&Ask::method(method, "").target(path));
            assert_eq!(response.status, 404, "{path}");
            assert!(response.text().contains("use Streamable HTTP") && !response.text().contains("/mcp"), "{path}");
            assert_eq!(response.header("www-authenticate"), None);
        }
    }
    gateway.is_well();
}

#[test]
fn a_list_in_a_stream_is_found_under_any_id_and_name() {
    for data in [
        r#"{"jsonrpc":"2.0","id":99,"result":{"tools":[{"name":"never"}]}}"#,
        r#"{"jsonrpc":"2.0","id":"\u0031","result":{"tools":[{"name":"n\u0065ver"}]}}"#,
        r#"{"jsonrpc":"2.0","result":{"tools":[{"name":"never"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"re\u0073ult":{"t\u006fols":[{"n\u0061me":"never"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{"tools":[{"name":"never"}]}}"#,
    ] {
        let upstream = Upstream::new(move |_| vec![stream_head(), event(data), last_chunk()]);
        let gateway = Gateway::before(&upstream);
        for ask in [list(), Ask::post(&token("alice", "r"), call("open")), Ask::get(&token("alice", "r"))] {
            let text = gateway.ask(&ask).text();
            assert!(!text.contains("never") && !text.contains("n\\u0065ver"), "{text}");
        }
    }
}

#[test]
fn an_error_page_hides_no_list() {
    const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"never"}]}}"#;
    for content_type in ["application/json", "text/plain", "text/html", ""] {
        for before in ["", "\u{feff}", "junk ", "data: ", "<p>"] {
            let header =
                if content_type.is_empty() { String::new() } else { format!("Content-Type: {content_type}\r\n") };
            let body = format!("{before}{LIST}");
            let upstream = Upstream::new(move |_| with_length("404 Not Found", &header, &body));
            let gateway = Gateway::before(&upstream);
            let response = gateway.ask(&Ask::post(&token("alice", "r"), call("open")));
            assert!(response.status >= 400, "{content_type} {before}");
            assert!(!response.text().contains("never"), "{content_type} {before}: {}", response.text());
        }
    }
    let upstream = Upstream::new(|_| with_length("404 Not Found", "", "Not Found: Session not found"));
    let response = Gateway::before(&upstream).ask(&Ask::post(&token("alice", "r"), call("open")));
    assert_eq!((response.status, response.text().as_str()), (404, "Not Found: Session not found"));
}

#[test]
fn what_a_server_says_beside_accepting_is_dropped() {
    // Express writes the name of the status as text, and no client of MCP reads it.
    let upstream = Upstream::new(|request| {
        let said = if request.header("mcp-param-way").is_some() { RESULT } else { "Accepted" };
        with_length("202 Accepted", "Content-Type: text/plain; charset=utf-8\r\n", said)
    });
    let gateway = Gateway::before(&upstream);
    let told = Ask::post(&token("alice", "r"), r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    for ask in [told.clone(), told.header("Mcp-Param-Way", "x")] {
        let response = gateway.ask(&ask);
        assert_eq!((response.status, response.text().as_str(), response.header("etag")), (202, "", None));
    }
}

#[test]
fn a_get_is_answered_by_a_stream_or_not_at_all() {
    let upstream = Upstream::new(|request| match request.header("mcp-param-status") {
        Some("405") => with_length("405 Method Not Allowed", "Allow: POST\r\n", ""),
        Some("404") => with_length("404 Not Found", JSON, r#"{"jsonrpc":"2.0","error":{"code":1,"message":"no"}}"#),
        _ => json(RESULT),
    });
    let gateway = Gateway::before(&upstream);
    let get = Ask::get(&token("alice", "r"));
    assert_eq!(gateway.ask(&get).status, 502);
    assert_eq!(gateway.ask(&get.clone().header("Mcp-Param-Status", "405")).status, 405);
    assert_eq!(gateway.ask(&get.header("Mcp-Param-Status", "404")).status, 404);
}

#[test]
fn an_answer_of_any_size_costs_no_more_than_the_limit() {
    let piece = format!("10000\r\n{}\r\n", " ".repeat(65_536));
    for (head, status) in [
        (format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 104857600\r\n\r\n"), 502),
        (format!("HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n"), 502),
        (format!("HTTP/1.1 500 Oops\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n"), 502),
    ] {
        let piece = piece.clone();
        let upstream = Upstream::new(move |_| vec![head.clone().into(), Step::Flood(piece.clone().into())]);
        let mut gateway = Setup::before(&upstream).arg("--limits-response", "1MiB").start();
        let before = gateway.memory();
        for _ in 0..10 {
            let response = gateway.ask(&list());
            assert_eq!((response.status, response.json()["error"]["code"].as_i64()), (status, Some(-32603)));
            assert!(response.text().contains("too large"), "{}", response.text());
        }
        let grown = gateway.memory().saturating_sub(before);
        assert!(grown < 24 * 1024 * 1024, "{grown} bytes more");
        eventually("the upstream's side closed", || (upstream.open() == 0).then_some(()));
        gateway.is_well();
    }
}

#[test]
fn an_event_that_never_ends_ends_its_stream() {
    let upstream = Upstream::new(|_| {
        let piece = format!("10000\r\n{}\r\n", "x".repeat(65_536));
        vec![stream_head(), event("{\"jsonrpc\":\"2.0\"}"), chunk("data: "), Step::Flood(piece.into())]
    });
    let mut gateway = Setup::before(&upstream).arg("--limits-response-event", "1MiB").start();
    let response = gateway.ask(&list());
    assert_eq!(response.text(), "data: {\"jsonrpc\":\"2.0\"}\n\n");
    eventually("the upstream's side closed", || (upstream.open() == 0).then_some(()));
    gateway.is_well();
}

#[test]
fn an_upstream_that_is_down_or_resets_is_said_to_be_down_and_leaks_nothing() {
    for upstream in [Upstream::down(), Upstream::resetting()] {
        let mut gateway = Gateway::before(&upstream);
        let mut client = gateway.connect();
        let mut descriptors = None;
        for _ in 0..20 {
            let response = client.ask(&list());
            assert_eq!(response.status, 502);
            assert_eq!(response.json()["error"]["message"], "the MCP server cannot be reached");
            descriptors.get_or_insert_with(|| gateway.descriptors());
        }
        eventually("no more sockets", || (gateway.descriptors() <= descriptors.unwrap() + 1).then_some(()));
        gateway.is_well();
    }
}

#[test]
fn a_body_that_stops_is_not_waited_for_for_ever() {
    let upstream = Upstream::new(|_| {
        let head = format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 500\r\n\r\n{{");
        vec![head.into(), Step::UntilLeft(crate::support::Gate::default())]
    });
    let gateway = Setup::before(&upstream).arg("--limits-upstream-timeout", "300ms").start();
    assert_eq!(gateway.ask(&list()).status, 504);
    eventually("the upstream's side closed", || (upstream.open() == 0).then_some(()));
}
