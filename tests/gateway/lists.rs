//! Lists lose what the caller may not see and nothing else, wherever they appear.

use crate::support::upstream::{event, json, last_chunk, stream_head, with_length};
use crate::support::{Ask, Gateway, Upstream, eventually, request, token};

/// A list as some server may write it, with a gap for elements.
fn answer(id: &str, elements: &str) -> String {
    format!(
        "{{ \"jsonrpc\":\"2.0\" , \"result\":{{\"x\":1.50,\"tools\":[{elements}],\"nextCursor\":\"\",\"_meta\":{{\"\\u0061\":1}}}},\"id\":{id}}}"
    )
}

const ALL: &str = r#"{"name":"open","x":{"name":"never"}} , {"name":"never"},{"name":"re\u0061d"},{"name":"write"}, {"title":"nameless"},7,{"name":"hidden"}"#;
/// What a caller with the scope `r` sees of it.
const OF_R: &str = r#"{"name":"open","x":{"name":"never"}},{"name":"re\u0061d"}"#;
/// What a caller without scopes sees of it.
const OF_NOBODY: &str = r#"{"name":"open","x":{"name":"never"}}"#;

fn list(scopes: &str) -> Ask {
    Ask::post(&token("alice", scopes), request("1", "tools/list", "{}"))
}

#[test]
fn a_list_in_json_loses_what_the_caller_may_not_see() {
    let upstream = Upstream::new(|_| {
        with_length(
            "200 OK",
            "Content-Type: application/json\r\nETag: \"all\"\r\nCache-Control: public\r\nX-Acme: 1\r\n",
            &answer("1", ALL),
        )
    });
    let gateway = Gateway::before(&upstream);
    for (scopes, seen) in [("r", OF_R), ("", OF_NOBODY), ("x", OF_NOBODY)] {
        let response = gateway.ask(&list(scopes));
        assert_eq!(response.status, 200);
        assert_eq!(response.text(), answer("1", seen), "{scopes}");
        assert_eq!(response.header("etag"), None);
        assert_eq!(response.header("cache-control"), Some("private, no-store"));
        assert_eq!(response.header("vary"), Some("Authorization"));
        assert_eq!(response.header("x-acme"), Some("1"));
    }
    // Counted when the answer is out.
    for (result, count) in [("hidden", 5 + 6 + 6), ("shown", 2 + 1 + 1)] {
        let label = format!("result=\"{result}\"");
        eventually(&label, || (gateway.metric("toolgate_list_items_total", &label) == count).then_some(()));
    }
}

#[test]
fn each_kind_of_list_is_filtered_under_any_request() {
    let results = [
        (r#"{"tools":[{"name":"never"},{"name":"read"}]}"#, r#"{"tools":[{"name":"read"}]}"#),
        (r#"{"prompts":[{"name":"greet"},{"name":"secret"}]}"#, r#"{"prompts":[{"name":"greet"}]}"#),
        (r#"{"resources":[{"uri":"x:w"},{"uri":"x:r"},{"uri":"x:o"}]}"#, r#"{"resources":[{"uri":"x:r"}]}"#),
        (r#"{"resourceTemplates":[{"uriTemplate":"x:{a}"}]}"#, r#"{"resourceTemplates":[]}"#),
    ];
    let result = move |request: &crate::support::upstream::Request| -> String {
        let at: usize = request.header("mcp-param-at").unwrap().parse().unwrap();
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, results[at].0)
    };
    let upstream = Upstream::new(move |request| match request.header("mcp-param-as") {
        Some("json") => json(&result(request)),
        _ => vec![stream_head(), event(&result(request)), last_chunk()],
    });
    let gateway = Gateway::before(&upstream);
    let methods = ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "ping"];
    for (at, (_, seen)) in results.iter().enumerate() {
        for method in methods {
            for form in ["json", "events"] {
                let ask = Ask::post(&token("alice", "r"), request("1", method, "{}"))
                    .header("Mcp-Param-At", &at.to_string())
                    .header("Mcp-Param-As", form);
                let text = gateway.ask(&ask).text();
                assert!(text.contains(seen), "{method} {form}: {text}");
            }
        }
    }
}

#[test]
fn a_list_in_a_stream_is_filtered_and_its_framing_kept() {
    let upstream = Upstream::new(|_| {
        let data = answer("1", ALL);
        vec![
            stream_head(),
            crate::support::upstream::chunk("id: p\r\ndata:\r\n\r\n: note\n\nretry: 10\n\n"),
            crate::support::upstream::chunk("event: message\nid: 7\nda"),
            crate::support::upstream::chunk(&format!("ta: {data}\n")),
            crate::support::upstream::chunk("\n"),
            last_chunk(),
        ]
    });
    let gateway = Gateway::before(&upstream);
    let response = gateway.ask(&list("r"));
    let text = response.text();
    let ids: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    // What identifies an event is sealed for the caller; see `resumption`.
    let [priming, message] = ids[..] else { panic!("{text}") };
    let expected = format!(
        "id: {priming}\r\ndata:\r\n\r\n: note\n\nretry: 10\n\nevent: message\nid: {message}\ndata: {}\n\n",
        answer("1", OF_R)
    );
    assert!(priming.ends_with(".p") && message.ends_with(".7"), "{text}");
    assert_eq!(text, expected);
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
}

#[test]
fn a_list_on_a_get_stream_is_filtered_whatever_id_it_has() {
    let upstream = Upstream::new(|_| {
        vec![
            stream_head(),
            event(&answer("99", ALL)),
            event(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:w"}}"#),
            event(r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:r"}}"#),
            event(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#),
            last_chunk(),
        ]
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send(&Ask::get(&token("alice", "r")).bytes());
    assert_eq!(client.response_head().status, 200);
    assert_eq!(client.event().unwrap(), format!("data: {}\n\n", answer("99", OF_R)));
    let rest = [client.event().unwrap(), client.event().unwrap()].concat();
    assert!(rest.contains("\"x:r\"") && rest.contains("list_changed") && !rest.contains("x:w"), "{rest}");
    assert_eq!(client.event(), None);
}

#[test]
fn what_is_listed_is_what_can_be_called() {
    const TOOLS: [&str; 7] = ["open", "read", "write", "hidden", "told", "never", "none"];
    let upstream = Upstream::new(|request| {
        let all = TOOLS.map(|tool| format!(r#"{{"name":"{tool}"}}"#)).join(",");
        if String::from_utf8_lossy(&request.body).contains("tools/list") {
            json(&answer("1", &all))
        } else {
            crate::support::upstream::fine(request)
        }
    });
    let gateway = Gateway::before(&upstream);
    for scopes in ["", "r", "w", "r w"] {
        let listed = gateway.ask(&list(scopes)).json();
        for tool in TOOLS {
            let is_listed =
                listed["result"]["tools"].as_array().unwrap().iter().any(|listed| listed["name"] == tool);
            let called = gateway.ask(&Ask::post(&token("alice", scopes), crate::support::call(tool)));
            assert_eq!(is_listed, called.json().get("result").is_some(), "{scopes:?} {tool}");
        }
    }
}

#[test]
fn a_list_answered_with_an_error_keeps_its_status() {
    let upstream = Upstream::new(|_| {
        let body = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no"}}"#;
        with_length("400 Bad Request", "Content-Type: application/json\r\n", body)
    });
    let response = Gateway::before(&upstream).ask(&list("r"));
    assert_eq!((response.status, response.json()["error"]["code"].as_i64()), (400, Some(-32000)));
}

#[test]
fn a_list_of_the_stateless_protocol_says_how_long_it_is_fresh() {
    let upstream = Upstream::new(|request| {
        let hints = request.header("mcp-param-hints").unwrap_or_default().to_owned();
        json(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{hints}"tools":[{{"name":"never"}}]}}}}"#))
    });
    let gateway = Gateway::before(&upstream);
    let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
    let ask = Ask::post(&token("alice", "r"), request("1", "tools/list", meta))
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", "tools/list");
    for (hints, ttl) in [
        ("", 60_000),
        (r#""ttlMs":5,"cacheScope":"public","#, 5),
        (r#""ttlMs":99999999,"cacheScope":"private","#, 60_000),
        (r#""ttlMs":"5","#, 60_000),
        // Which clients take for 0 (server/utilities/caching): 60 seconds would be more.
        (r#""ttlMs":-1,"#, -1),
    ] {
        let result = gateway.ask(&ask.clone().header("Mcp-Param-Hints", hints)).json()["result"].clone();
        assert_eq!(result["ttlMs"], ttl, "{hints}");
        assert_eq!(result["cacheScope"], "private", "{hints}");
        assert_eq!(result["tools"].as_array().unwrap().len(), 0);
    }
}

/// A policy under which everybody may read every interface, and few may call every tool.
const INTERFACES: &str = "version: 1
tools:
  chart: {scopes: []}
  admin: {scopes: [admin]}
  gone: {scopes: [admin], on_deny: hide}
resources:
  'ui://**': {scopes: []}
  'x:**': {scopes: []}
";

#[test]
fn the_interface_of_a_hidden_tool_is_neither_listed_nor_read() {
    const TOOLS: &str = r#"[{"name":"chart","_meta":{"ui":{"resourceUri":"ui://chart"}}},{"name":"admin","_meta":{"ui":{"resourceUri":"ui://admin"}}},{"name":"gone","_meta":{"ui/resourceUri":"ui://gone"}}]"#;
    const RESOURCES: &str =
        r#"[{"uri":"ui://chart"},{"uri":"ui://admin"},{"uri":"ui://gone"},{"uri":"x:r"},{"uri":"ui://free"}]"#;
    let upstream = Upstream::new(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let result = match &body {
            body if body.contains("tools/list") => format!("{{\"tools\":{TOOLS}}}"),
            body if body.contains("resources/list") => format!("{{\"resources\":{RESOURCES}}}"),
            _ => r#"{"contents":[]}"#.to_owned(),
        };
        json(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#))
    });
    let setup = crate::support::gateway::Setup::before(&upstream);
    let policy = setup.file("interfaces.yaml", INTERFACES);
    let gateway = setup.arg("--policy", policy.to_str().unwrap()).start();
    let ask = |scopes: &str, method: &str, params: &str| {
        gateway.ask(&Ask::post(&token("alice", scopes), request("1", method, params))).json()
    };
    let listed = |scopes: &str| {
        let answer = ask(scopes, "resources/list", "{}");
        let all = answer["result"]["resources"].as_array().unwrap().clone();
        all.iter().map(|resource| resource["uri"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Whose interfaces these are is not known yet.
    assert_eq!(listed(""), ["x:r"]);
    assert_eq!(listed("admin"), ["x:r"]);
    // It does not matter who asks for the tools.
    assert_eq!(ask("", "tools/list", "{}")["result"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(listed(""), ["ui://chart", "x:r", "ui://free"]);
    assert_eq!(listed("admin"), ["ui://chart", "ui://admin", "ui://gone", "x:r", "ui://free"]);
    for (uri, is_everybodys) in
        [("ui://chart", true), ("ui://free", true), ("ui://admin", false), ("ui://gone", false)]
    {
        let params = format!(r#"{{"uri":"{uri}"}}"#);
        for method in ["resources/read", "resources/subscribe"] {
            let before = upstream.requests().len();
            assert_eq!(ask("", method, &params).get("result").is_some(), is_everybodys, "{method} {uri}");
            assert_eq!(upstream.requests().len() - before, usize::from(is_everybodys), "{method} {uri}");
            assert!(ask("admin", method, &params).get("result").is_some(), "{method} {uri}");
        }
    }
    let absent = ask("", "resources/read", r#"{"uri":"y:none"}"#)["error"].clone();
    let hidden = ask("", "resources/read", r#"{"uri":"ui://gone"}"#)["error"].clone();
    assert_eq!((&absent["code"], &absent["message"]), (&hidden["code"], &hidden["message"]));
}

#[test]
fn a_list_is_fresh_no_longer_than_the_token_and_the_setting() {
    let upstream = Upstream::new(|_| {
        json(r#"{"jsonrpc":"2.0","id":1,"result":{"ttlMs":59000,"cacheScope":"public","tools":[]}}"#)
    });
    let short = crate::support::gateway::Setup::before(&upstream).arg("--limits-list-ttl", "2s").start();
    assert_eq!(short.ask(&list("r")).json()["result"]["ttlMs"], 2000);
    let gateway = Gateway::before(&upstream);
    // The default leeway counts: for so long the token is still accepted.
    let exp = crate::support::tokens::now() - 30;
    let token = crate::support::tokens::signed(&crate::support::tokens::with(serde_json::json!({"exp": exp})));
    let result = gateway.ask(&Ask::post(&token, request("1", "tools/list", "{}"))).json()["result"].clone();
    let ttl = result["ttlMs"].as_u64().unwrap();
    assert!((1..=30_000).contains(&ttl), "{ttl}");
    assert_eq!(result["cacheScope"], "private");
}

#[test]
fn every_page_keeps_its_cursor_even_an_empty_one_and_even_if_nothing_is_left() {
    let upstream = Upstream::new(|request| {
        let cursor = request.header("mcp-param-next").unwrap().to_owned();
        json(&format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{{"name":"never"}}],"nextCursor":{cursor}}}}}"#
        ))
    });
    let gateway = Gateway::before(&upstream);
    for cursor in ["\"\"", "\"a\\u0062\"", "null", "7"] {
        for params in ["{}", r#"{"cursor":""}"#, r#"{"cursor":"x"}"#] {
            let ask = Ask::post(&token("alice", "r"), request("1", "tools/list", params));
            let text = gateway.ask(&ask.header("Mcp-Param-Next", cursor)).text();
            assert!(text.ends_with(&format!(r#""result":{{"tools":[],"nextCursor":{cursor}}}}}"#)), "{text}");
        }
    }
    // The cursor of the request is the server's own business, too.
    assert!(upstream.requests().iter().any(|request| request.body.ends_with(br#""params":{"cursor":""}}"#)));
}
