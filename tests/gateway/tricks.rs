//! What an upstream, careless or hostile, hides in its answers: row by row, and no client hears of `never`.

use crate::support::gateway::Setup;
use crate::support::upstream::{chunk, fine, json, last_chunk, stream_head, with_length};
use crate::support::{Ask, Gate, Gateway, Step, Upstream, call, request, token};

/// A list of which the caller may see one tool, as it is sent and as it is to arrive.
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"open"},{"name":"never"}]}}"#;
const CUT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"open"}]}}"#;

fn asks() -> [(&'static str, Ask); 3] {
    let token = token("alice", "r");
    [
        ("list", Ask::post(&token, request("1", "tools/list", "{}"))),
        ("call", Ask::post(&token, call("open"))),
        ("GET", Ask::get(&token)),
    ]
}

/// Streams: what is sent, in which `LIST` stands for the list, and what the client gets, in which it is cut.
const STREAMS: &[(&str, &str, &str)] = &[
    ("one line", "data: LIST\n\n", "data: LIST\n\n"),
    ("no space behind the colon", "data:LIST\n\n", "data: LIST\n\n"),
    ("two spaces behind the colon", "data:  LIST\n\n", "data:  LIST\n\n"),
    ("CR", "data: LIST\r\r", "data: LIST\r\r"),
    ("CRLF", "data: LIST\r\n\r\n", "data: LIST\r\n\r\n"),
    ("mixed line ends", "event: message\rid: 1\r\ndata: LIST\n\r\n", "event: message\rid: 1\r\ndata: LIST\n\r\n"),
    ("a byte-order mark before", "\u{feff}data: LIST\n\n", "\u{feff}data: LIST\n\n"),
    ("an empty data line before", "data\ndata: LIST\n\n", "data: \ndata: LIST\n\n"),
    ("comments around", ": a\n:b\ndata: LIST\n: c\n\n", ": a\n:b\ndata: LIST\n: c\n\n"),
    ("another event's name", "event: tools\ndata: LIST\n\n", "event: tools\ndata: LIST\n\n"),
    ("two names", "event: x\nevent: message\ndata: LIST\n\n", "event: x\nevent: message\ndata: LIST\n\n"),
    ("id and retry", "id: 7\nretry: 5\ndata: LIST\nid: 8\n\n", "id: 7\nretry: 5\ndata: LIST\nid: 8\n\n"),
    ("a priming event before", "id: 1\ndata:\n\ndata: LIST\n\n", "id: 1\ndata:\n\ndata: LIST\n\n"),
    ("blank lines before", "\n\n\r\ndata: LIST\n\n", "\n\n\r\ndata: LIST\n\n"),
    ("no blank line at the end", "data: {\"jsonrpc\":\"2.0\"}\n\ndata: LIST\n", "data: {\"jsonrpc\":\"2.0\"}\n\n"),
    ("no end of line at the end", "data: LIST", ""),
    ("twice", "data: LIST\n\ndata: LIST\n\n", "data: LIST\n\ndata: LIST\n\n"),
    ("two messages in one event", "data: LIST\ndata: LIST\n\n", ""),
    ("two messages in one line", "data: LIST LIST\n\n", ""),
    ("an array", "data: [LIST]\n\n", ""),
    ("text behind", "data: LIST x\n\n", ""),
    ("a byte-order mark in the data", "data: \u{feff}LIST\n\n", ""),
    ("JSON and no event", "LIST\n\n", ""),
    ("JSON of an event that goes on", "LIST\ndata: {\"jsonrpc\":\"2.0\"}\n\n", ""),
    ("an array and no event", "[LIST]\n\n", ""),
    ("a field in upper case", "DATA: LIST\n\n", ""),
    ("a field with a capital", "Data: LIST\n\n", ""),
    ("a space before the colon", "data : LIST\n\n", ""),
    ("a space before the field", " data: LIST\n\n", ""),
    ("a tab before the field", "\tdata: LIST\n\n", ""),
    ("a NUL behind the field", "data\0: LIST\n\n", ""),
    ("a second byte-order mark", "\u{feff}\u{feff}data: LIST\n\n", ""),
    ("a byte-order mark in the middle", ": a\n\n\u{feff}data: LIST\n\n", ": a\n\n"),
    ("a full-width field", "ｄata: LIST\n\n", ""),
    (
        "the endpoint of another transport",
        "event: endpoint\ndata: /messages\n\ndata: LIST\n\n",
        ": the HTTP+SSE transport of MCP 2024-11-05 is not served here; use Streamable HTTP\n\n",
    ),
    ("a field of somebody's own", "x-acme: 1\ndata: LIST\n\n", "x-acme: 1\ndata: LIST\n\n"),
];

fn sent(template: &str) -> String {
    template.replace("LIST", LIST)
}

/// The text with the ids of events as the upstream gave them: the gateway's have a seal and a dot before.
fn without_ids(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once("id: ") {
        let end = after.find(['\r', '\n']).unwrap();
        plain.push_str(before);
        plain.push_str("id: ");
        plain.push_str(after[..end].rsplit('.').next().unwrap());
        rest = &after[end..];
    }
    plain + rest
}

#[test]
fn whatever_a_stream_is_framed_like_its_lists_are_cut_or_it_ends() {
    for size in [usize::MAX, 1] {
        let upstream = Upstream::new(move |request| {
            let row: usize = request.header("mcp-param-row").unwrap().parse().unwrap();
            let text = sent(STREAMS[row].1).into_bytes();
            let pieces = text.chunks(size.min(text.len())).map(|piece| {
                let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
                framed.extend_from_slice(piece);
                framed.extend_from_slice(b"\r\n");
                Step::Send(framed)
            });
            std::iter::once(stream_head()).chain(pieces).chain([last_chunk()]).collect()
        });
        let gateway = Gateway::before(&upstream);
        for (row, (what, _, arrives)) in STREAMS.iter().enumerate() {
            for (how, ask) in asks() {
                let text = gateway.ask(&ask.header("Mcp-Param-Row", &row.to_string())).text();
                assert_eq!(without_ids(&text), arrives.replace("LIST", CUT), "{what}, {how}, {size}");
            }
        }
    }
}

/// Results that are JSON, and of which a client must not hear `never`: (what, `result` and what follows).
const RESULTS: &[(&str, &str)] = &[
    ("a name twice", r#"{"tools":[{"name":"open","name":"never"}]}"#),
    ("a name twice, one escaped", r#"{"tools":[{"name":"open","n\u0061me":"never"}]}"#),
    ("a name in disguise", r#"{"tools":[{"name":"open","Name":"never"}]}"#),
    ("a name in disguise alone", r#"{"tools":[{"NAME":"never"}]}"#),
    ("a name with a NUL", r#"{"tools":[{"name":"open\u0000never"}]}"#),
    ("a name with a lone surrogate", r#"{"tools":[{"name":"never\ud800"}]}"#),
    ("a name that is an array", r#"{"tools":[{"name":["never"]}]}"#),
    ("a name that is none", r#"{"tools":[{"name":null,"title":"never"}]}"#),
    ("an element that is a string", r#"{"tools":["never"]}"#),
    ("an element that is an array", r#"{"tools":[[{"name":"never"}]]}"#),
    ("a list in disguise", r#"{"Tools":[{"name":"never"}]}"#),
    ("a list with a NUL", r#"{"tools\u0000":[{"name":"never"}]}"#),
    ("a list in Kelvin", r#"{"tas\u212as":[{"taskId":"never"}],"resource\u017f":[{"uri":"x:never"}]}"#),
    ("a list that is an object", r#"{"tools":{"0":{"name":"never"}}}"#),
    ("two lists of one kind", r#"{"tools":[],"tools":[{"name":"never"}]}"#),
    ("two lists of one kind, one in disguise", r#"{"tools":[],"TOOLS":[{"name":"never"}]}"#),
    (
        "lists of all kinds",
        r#"{"prompts":[{"name":"never"}],"resources":[{"uri":"x:never"}],"resourceTemplates":[{"uriTemplate":"x:never"}]}"#,
    ),
    ("a second result", r#"{"tools":[]},"result":{"tools":[{"name":"never"}]}"#),
    ("a second result, escaped", r#"{"tools":[]},"r\u0065sult":{"tools":[{"name":"never"}]}"#),
    ("a result in disguise", r#"{"tools":[]},"Result":{"tools":[{"name":"never"}]}"#),
    (
        "an update in disguise",
        r#"{},"method":"notifications/resources/updated","params":{"uri":"x:r","URI":"x:never"}"#,
    ),
    (
        "an update of two things",
        r#"{},"method":"notifications/resources/updated","params":{"uri":"x:r","uri":"x:never"}"#,
    ),
    (
        "an update of a thing in disguise",
        r#"{},"method":"notifications/resources/updated","Params":{"uri":"x:never"}"#,
    ),
    (
        "an update whose method is escaped",
        r#"{},"method":"notifications\/resources\/upd\u0061ted","params":{"uri":"x:never"}"#,
    ),
];

#[test]
fn whatever_a_result_looks_like_the_hidden_is_not_in_it() {
    let upstream = Upstream::new(|request| {
        let row: usize = request.header("mcp-param-row").unwrap().parse().unwrap();
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, RESULTS[row].1);
        match request.header("mcp-param-as") {
            Some("json") => json(&body),
            Some("two documents") => json(&format!("{{\"jsonrpc\":\"2.0\"}}\n{body}")),
            Some("404") => with_length("404 Not Found", "Content-Type: application/json\r\n", &body),
            Some("untyped 404") => with_length("404 Not Found", "", &body),
            _ => vec![stream_head(), chunk(&format!("data: {body}\n\n")), last_chunk()],
        }
    });
    let mut gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    for (row, (what, _)) in RESULTS.iter().enumerate() {
        for form in ["json", "two documents", "404", "untyped 404", "events"] {
            for (how, ask) in asks() {
                if how == "GET" && form != "events" {
                    continue;
                }
                let ask = ask.header("Mcp-Param-Row", &row.to_string()).header("Mcp-Param-As", form);
                let text = client.ask(&ask).text();
                assert!(!text.contains("never"), "{what}, {how}, {form}: {text}");
            }
        }
    }
    gateway.is_well();
}

/// Bytes behind or around an answer that HTTP has no place for: (what, the bytes), the connection then staying open.
const AROUND: &[(&str, &str)] = &[
    (
        "a second answer",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n\"never\"",
    ),
    (
        "bytes behind the answer",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}never",
    ),
    (
        "a second answer in chunks",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nnever",
    ),
    (
        "trailers",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Name\r\n\r\n2\r\n{}\r\n0\r\nX-Name: never\r\n\r\n",
    ),
    (
        "early hints",
        "HTTP/1.1 103 Early Hints\r\nLink: </never>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    ),
    ("a body where none may be", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nnever"),
    ("a body behind 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nnever"),
    (
        "both framings",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nnever",
    ),
    (
        "a chunk's extension",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2;never\r\n{}\r\n0;never\r\n\r\n",
    ),
    ("a reason", "HTTP/1.1 200 never\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
];

#[test]
fn what_stands_around_an_answer_reaches_nobody() {
    for (what, bytes) in AROUND {
        let upstream = Upstream::new(move |request| match request.header("mcp-param-row") {
            Some(_) => vec![(*bytes).into()],
            None => fine(request),
        });
        let mut gateway = Gateway::before(&upstream);
        let mut client = gateway.connect();
        let (_, ask) = &asks()[1];
        client.send(&ask.clone().header("Mcp-Param-Row", "1").bytes());
        let first = client.response();
        assert!(!format!("{first:?}").contains("never"), "{what}: {first:?}");
        // Somebody else asks next, and gets the answer to his own question.
        for _ in 0..3 {
            let next = gateway.ask(&Ask::post(&token("bob", "r"), call("open")));
            assert_eq!(
                (next.status, next.json()["result"]["said"].as_str()),
                (200, Some("fine")),
                "{what}: {next:?}"
            );
        }
        gateway.is_well();
    }
}

#[test]
fn a_challenge_of_the_upstream_reaches_no_client_under_any_status() {
    let statuses = ["200 OK", "400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "500 Oops"];
    for status in statuses {
        let upstream = Upstream::new(move |request| {
            let headers = "Content-Type: application/json\r\nWWW-Authenticate: Bearer resource_metadata=\"http://never.test/\"\r\nLink: <http://never.test/>; rel=\"oauth\"\r\nAuthentication-Info: never\r\nProxy-Authenticate: never\r\n";
            let body = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, request.id());
            with_length(status, headers, &body)
        });
        let gateway = Gateway::before(&upstream);
        let response = gateway.ask(&asks()[1].1);
        for name in ["www-authenticate", "authentication-info", "proxy-authenticate"] {
            assert_eq!(response.header(name), None, "{status}");
        }
    }
}

#[test]
fn the_upstreams_own_metadata_is_not_the_gateways() {
    let upstream = Upstream::new(|_| json(r#"{"authorization_servers":["http://never.test"]}"#));
    let gateway = Gateway::before(&upstream);
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/authorize",
        "/token",
        "/register",
    ] {
        for method in ["GET", "POST"] {
            let text = gateway.ask(&Ask::method(method, &token("alice", "r")).target(path)).text();
            assert!(!text.contains("never"), "{method} {path}: {text}");
        }
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_encoded_answer_is_not_passed_on_whatever_it_is() {
    for coding in ["gzip", "deflate", "br", "zstd", "GZIP", "identity, gzip", "x", ""] {
        for form in ["json", "events"] {
            let upstream = Upstream::new(move |_| {
                let media = if form == "json" { "application/json" } else { "text/event-stream" };
                let headers = format!("Content-Type: {media}\r\nContent-Encoding: {coding}\r\n");
                with_length("200 OK", &headers, &format!("data: {LIST}\n\n"))
            });
            let gateway = Gateway::before(&upstream);
            for (how, ask) in asks() {
                let response = gateway.ask(&ask);
                assert_eq!(response.status, 502, "{coding:?} {form} {how}");
                assert!(!response.text().contains("never"), "{coding:?} {form} {how}");
            }
        }
    }
}

#[test]
fn a_list_that_comes_on_a_calls_stream_while_both_are_under_way_is_cut() {
    let listed = Gate::default();
    let upstream = Upstream::new(move |request| {
        // The call waits until there is a list that could be taken for its answer.
        if request.id() == "2" {
            listed.open();
            return vec![
                stream_head(),
                chunk("data: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n\n"),
                last_chunk(),
            ];
        }
        vec![Step::Wait(listed.clone()), stream_head(), chunk(&format!("data: {LIST}\n\n")), last_chunk()]
    });
    let gateway = Gateway::before(&upstream);
    let token = token("alice", "r");
    let mut calling = gateway.connect();
    calling.send(&Ask::post(&token, call("open")).bytes());
    upstream.request(1);
    let listing = gateway.ask(&Ask::post(&token, request("2", "tools/list", "{}")));
    assert_eq!(listing.status, 200);
    assert_eq!(calling.response().text(), format!("data: {CUT}\n\n"));
}

#[test]
fn a_stream_ends_at_an_event_that_is_too_large_whatever_hides_in_it() {
    let filler = "x".repeat(70_000);
    let upstream = Upstream::new(move |_| {
        vec![
            stream_head(),
            chunk(&format!(": {filler}\ndata: {LIST}\n\n")),
            chunk(&format!("data: {LIST}\n\n")),
            last_chunk(),
        ]
    });
    let gateway = Setup::before(&upstream).arg("--limits-response-event", "64KiB").start();
    for (how, ask) in asks() {
        assert_eq!(gateway.ask(&ask).text(), "", "{how}");
    }
}
