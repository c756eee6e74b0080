//! Nothing tells of what is hidden: no method that names it, no writing of its name, no form of an answer.

use serde_json::json;

use crate::support::gateway::Setup;
use crate::support::upstream::{Request, chunk, event, fine, json as whole, last_chunk, stream_head, with_length};
use crate::support::{Ask, Gateway, Step, Upstream, call, request, token};

fn post(body: impl Into<Vec<u8>>) -> Ask {
    Ask::post(&token("alice", "r"), body)
}

/// A method, its parameters with a name in them, and what is visible, hidden and absent.
type Way<'a> = (&'static str, &'a dyn Fn(&str) -> String, [&'static str; 3]);

#[test]
fn no_method_that_names_what_is_hidden_reaches_the_server() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let listen = |uris: &str| format!(r#"{{"notifications":{{"resourceSubscriptions":[{uris}]}}}}"#);
    let reference = |kind: &str, member: &str, name: &str| {
        format!(r#"{{"ref":{{"type":"ref/{kind}","{member}":"{name}"}},"argument":{{"name":"a","value":"b"}}}}"#)
    };
    let ways: [Way<'_>; 8] = [
        ("tools/call", &|name| format!(r#"{{"name":"{name}"}}"#), ["read", "hidden", "none"]),
        ("prompts/get", &|name| format!(r#"{{"name":"{name}"}}"#), ["greet", "secret", "none"]),
        ("resources/read", &|uri| format!(r#"{{"uri":"{uri}"}}"#), ["x:r", "x:w", "x:none"]),
        ("resources/subscribe", &|uri| format!(r#"{{"uri":"{uri}"}}"#), ["x:r", "x:w", "x:none"]),
        ("resources/unsubscribe", &|uri| format!(r#"{{"uri":"{uri}"}}"#), ["x:r", "x:w", "x:none"]),
        ("completion/complete", &|name| reference("prompt", "name", name), ["greet", "secret", "none"]),
        ("completion/complete", &|uri| reference("resource", "uri", uri), ["x:r", "x:w", "x:none"]),
        ("subscriptions/listen", &|uri| listen(&format!("\"x:r\",\"{uri}\"")), ["x:r", "x:w", "x:none"]),
    ];
    for (method, params, [visible, hidden, absent]) in ways {
        let before = upstream.requests().len();
        assert_eq!(gateway.ask(&post(request("1", method, &params(visible)))).status, 200, "{method}");
        assert_eq!(upstream.requests().len(), before + 1, "{method}");
        // What is hidden and what is not there are told apart by their names alone.
        let [hidden, absent] = [hidden, absent].map(|name| {
            let response = gateway.ask(&post(request("1", method, &params(name))));
            let mut headers = response.headers.clone();
            headers.retain(|(name, _)| !["date", "content-length"].contains(&name.to_ascii_lowercase().as_str()));
            (response.status, headers, response.text().replace(name, "NAME"))
        });
        assert_eq!(hidden, absent, "{method}");
        assert!(hidden.2.contains("\"error\""), "{method}: {}", hidden.2);
        assert_eq!(upstream.requests().len(), before + 1, "{method}");
    }
}

/// Names that some reader takes for `read`, or for `open`.
const LIKE: &[&str] = &[
    "re\u{430}d",
    "Read",
    "READ",
    "read ",
    " read",
    "read\\u0000",
    "read\\u0000x",
    "re\\u00adad",
    "\u{ff52}\u{ff45}\u{ff41}\u{ff44}",
    "read\\n",
    "./read",
    "read/",
    "%72ead",
    "rea\u{301}d",
    "\\u200bread",
];

#[test]
fn a_name_that_only_looks_like_another_is_another() {
    let all = LIKE.iter().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect::<Vec<_>>().join(",");
    let upstream = Upstream::new(move |_| {
        whole(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{all},{{"name":"read"}}]}}}}"#))
    });
    let gateway = Gateway::before(&upstream);
    let listed = gateway.ask(&post(request("1", "tools/list", "{}"))).json();
    assert_eq!(listed["result"]["tools"], json!([{"name": "read"}]));
    for name in LIKE {
        assert_eq!(gateway.ask(&post(call(name))).json()["error"]["code"], -32602, "{name}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"never"},{"name":"read"}]}}"#;
const SHOWN: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read"}]}}"#;

/// How a server may write the same event, and what of it a client gets; nothing where the stream must end first.
fn framings() -> Vec<(&'static str, String, Option<String>)> {
    let (left, right) = LIST.split_at(40);
    let same = |text: &str| Some(text.replace("LIST", SHOWN));
    let written = |text: &str| text.replace("LIST", LIST);
    let plain = |what, text: &str| (what, written(text), same(text));
    vec![
        plain("CR LF", "data: LIST\r\n\r\n"),
        plain("CR alone", "event: message\rdata: LIST\r\r: more\r\r"),
        plain("mixed line ends", "event: message\r\ndata: LIST\n\r\n"),
        ("no space", format!("data:{LIST}\n\n"), same("data: LIST\n\n")),
        plain("comments around", ": a\nevent: x\n: b\ndata: LIST\n: c\n\n"),
        plain("a retry", "retry: 5\ndata: LIST\n\n"),
        plain("a byte-order mark", "\u{feff}data: LIST\n\n"),
        plain("an unknown field", "dat: x\nfoo: bar\ndata: LIST\n\n"),
        ("several data lines", format!("data: {left}\ndata: {right}\n\n"), None),
        (
            "data lines at a space",
            format!("data: {}\n\n", LIST.replacen("\"result\":", "\"result\":\ndata: ", 1)),
            same("data: LIST\n\n").map(|text| text.replacen("\"result\":", "\"result\":\ndata: ", 1)),
        ),
        ("two messages in one event", format!("data: {LIST}\ndata: {LIST}\n\n"), None),
        ("a message behind no message", format!("data: null\ndata: {LIST}\n\n"), None),
        ("no event at all", LIST.to_owned(), Some(String::new())),
        ("half an event", format!("data: {LIST}"), Some(String::new())),
        ("half an event with its line end", format!("data: {LIST}\n"), Some(String::new())),
        ("a field in another case", format!("Data: {LIST}\n\n"), None),
    ]
}

#[test]
fn a_list_is_found_however_its_stream_is_written() {
    for (what, written, expected) in framings() {
        for size in [1, 7, 10_000] {
            let written = written.clone();
            let upstream = Upstream::new(move |_| {
                let mut steps = vec![stream_head()];
                let pieces: Vec<char> = written.chars().collect();
                steps.extend(pieces.chunks(size).map(|piece| chunk(&piece.iter().collect::<String>())));
                steps.push(last_chunk());
                steps
            });
            let mut gateway = Gateway::before(&upstream);
            let text = gateway.ask(&post(call("open"))).text();
            match &expected {
                Some(expected) => {
                    assert_eq!(text, *expected, "{what} in pieces of {size}");
                    assert!(!text.contains("never"), "{what}: {text}");
                }
                None => assert_eq!(text, "", "{what} in pieces of {size}"),
            }
            gateway.is_well();
        }
    }
}

#[test]
fn several_documents_under_one_type_are_filtered_one_by_one() {
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
    let upstream = Upstream::new(move |_| whole(&format!("{note}\n{LIST}\n{LIST}\n")));
    let gateway = Gateway::before(&upstream);
    let response = gateway.ask(&post(call("open")));
    assert_eq!(response.text(), format!("{note}\n{SHOWN}\n{SHOWN}\n"));
    assert_eq!(response.header("content-length"), Some(&*response.body.len().to_string()));
    // Where a list was asked for, there is one answer.
    assert_eq!(gateway.ask(&post(request("1", "tools/list", "{}"))).status, 502);
}

#[test]
fn an_answer_is_read_as_what_it_is_said_to_be() {
    let says = |asked: &Request| -> Vec<Step> {
        let (kind, body) = match asked.header("mcp-param-way").unwrap() {
            "events as JSON" => ("application/json", format!("data: {LIST}\n\n")),
            "JSON as text" => ("text/plain", LIST.to_owned()),
            "compressed events" => ("text/event-stream\r\nContent-Encoding: gzip", format!("data: {LIST}\n\n")),
            "two types" => ("application/json, text/event-stream", LIST.to_owned()),
            "binary" => ("application/octet-stream", LIST.to_owned()),
            other => panic!("{other}"),
        };
        with_length("200 OK", &format!("Content-Type: {kind}\r\n"), &body)
    };
    let upstream = Upstream::new(says);
    let gateway = Gateway::before(&upstream);
    for way in ["events as JSON", "JSON as text", "compressed events", "two types", "binary"] {
        for body in [call("open"), request("1", "tools/list", "{}")] {
            let response = gateway.ask(&post(body).header("Mcp-Param-Way", way));
            assert_eq!(response.status, 502, "{way}");
            assert!(!response.text().contains("never"), "{way}");
        }
    }
}

#[test]
fn news_of_hidden_resources_does_not_pass_on_any_stream() {
    let news = |uri: &str| {
        format!(r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#)
    };
    let upstream = Upstream::new(move |_| {
        vec![stream_head(), event(&news("x:w")), event(&news("x:r")), event(&news("x:none")), last_chunk()]
    });
    let gateway = Gateway::before(&upstream);
    for ask in [Ask::get(&token("alice", "r")), post(call("open"))] {
        let text = gateway.ask(&ask).text();
        assert_eq!(text.matches("resources/updated").count(), 1, "{text}");
        assert!(text.contains("x:r"), "{text}");
    }
}

#[test]
fn a_uri_that_servers_encode_is_no_way_around_a_rule() {
    let upstream = Upstream::new(fine);
    let setup = Setup::before(&upstream);
    let policy = "version: 1\nresources:\n  'x:**': {scopes: []}\n  'x:caf%C3%A9': {deny: true}\n";
    let file = setup.file("policy.yaml", policy);
    let gateway = setup.arg("--policy", file.to_str().unwrap()).start();
    let read =
        |uri: &str| gateway.ask(&post(request("1", "resources/read", &format!(r#"{{"uri":"{uri}"}}"#)))).json();
    assert_eq!(read("x:tea")["result"]["said"], "fine");
    for uri in ["x:caf%C3%A9", "x:café", r"x:caf\u00e9", "x:cafe\u{301}"] {
        assert!(read(uri)["error"].is_object(), "{uri}");
    }
    assert_eq!(upstream.requests().len(), 1);
}
