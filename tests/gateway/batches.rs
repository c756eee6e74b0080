//! Batches of MCP 2025-03-26: refused unless they are wanted, and then judged message by message.

use serde_json::{Value, json};

use crate::support::gateway::Setup;
use crate::support::upstream::{Request, event, json as whole, last_chunk, stream_head, with_length};
use crate::support::{Ask, Gate, Gateway, Step, Upstream, call, eventually, request, token};

fn post(body: impl Into<Vec<u8>>) -> Ask {
    Ask::post(&token("alice", "r"), body)
}

fn calls(tools: &[&str]) -> String {
    let calls = (1..).zip(tools).map(|(id, tool)| {
        request(&format!("{id}"), "tools/call", &format!(r#"{{"name":"{tool}","arguments":{{}}}}"#))
    });
    format!("[ {} ]", calls.collect::<Vec<_>>().join(" ,\n"))
}

/// Runs every message of the batch, as servers do that take batches at every revision.
fn obedient(asked: &Request) -> Vec<Step> {
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    if asked.header("mcp-param-session").is_some() {
        let headers = "Content-Type: application/json\r\nMcp-Session-Id: inner\r\n";
        return with_length("200 OK", headers, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    }
    let messages = body.as_array().cloned().unwrap_or_else(|| vec![body]);
    let answers: Vec<Value> = messages
        .iter()
        .filter(|message| message.get("id").is_some() && message.get("method").is_some())
        .map(|message| {
            let result = match message["method"].as_str().unwrap() {
                "tools/list" => json!({"tools": [{"name": "never"}, {"name": "read"}]}),
                _ => json!({"said": message["params"]["name"]}),
            };
            json!({"jsonrpc": "2.0", "id": message["id"], "result": result})
        })
        .collect();
    match asked.header("mcp-param-as") {
        _ if answers.is_empty() => with_length("202 Accepted", "", ""),
        Some("events") => {
            let mut steps = vec![stream_head()];
            steps.extend(answers.iter().map(|answer| event(&answer.to_string())));
            steps.push(last_chunk());
            steps
        }
        Some("array event") => vec![stream_head(), event(&json!(answers).to_string()), last_chunk()],
        _ => whole(&json!(answers).to_string()),
    }
}

fn allowing(upstream: &Upstream) -> Gateway {
    Setup::before(upstream).arg("--limits-batch", "5").start()
}

#[test]
fn a_batch_is_forwarded_as_it_came_and_its_answers_are_filtered() {
    let upstream = Upstream::new(obedient);
    let mut gateway = allowing(&upstream);
    let list = request("1", "tools/list", "{}");
    let body = format!(
        " [{list} , {},{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"}}]\n",
        call("read").replace(":1,", ":\"two\",")
    );
    for form in ["json", "events", "array event"] {
        for version in ["", "2025-03-26"] {
            let before = upstream.requests().len();
            let ask = post(&*body).header("Mcp-Param-As", form);
            let ask = if version.is_empty() { ask } else { ask.header("MCP-Protocol-Version", version) };
            let response = gateway.ask(&ask);
            assert_eq!(response.status, 200, "{}", response.text());
            assert!(upstream.request(before + 1).body == body.as_bytes());
            let text = response.text();
            assert!(text.contains("\"two\"") && text.contains("read") && !text.contains("never"), "{form}: {text}");
        }
    }
    let answers = gateway.ask(&post(&*body)).json();
    assert_eq!(answers[0]["result"]["tools"], json!([{"name": "read"}]));
    assert_eq!(answers[1]["id"], "two");
    assert_eq!(gateway.ask(&post(r#"[{"jsonrpc":"2.0","id":9,"result":{}}]"#)).status, 202);
    gateway.is_well();
}

#[test]
fn one_message_that_is_refused_refuses_all() {
    let upstream = Upstream::new(obedient);
    let gateway = allowing(&upstream);
    let error = |body: String, status: u16| {
        let response = gateway.ask(&post(body));
        assert_eq!(response.status, status, "{}", response.text());
        let answer = response.json();
        assert!(answer.get("id").is_none(), "{answer}");
        (answer["error"].clone(), response.header("www-authenticate").map(str::to_owned))
    };
    let (curable, challenge) = error(calls(&["open", "write", "read"]), 403);
    assert_eq!(curable["data"]["ids"], json!([2]));
    assert_eq!(curable["data"]["requiredScopes"], json!(["r", "w"]));
    assert!(challenge.unwrap().contains("scope=\"r w\""));
    let (hidden, challenge) = error(calls(&["open", "never", "read", "none"]), 400);
    assert_eq!(hidden, json!({"code": -32602, "message": "Unknown tool", "data": {"ids": [2, 4]}}));
    assert_eq!(challenge, None);
    // What no scope cures comes before what one would.
    assert_eq!(error(calls(&["write", "never"]), 400).0["data"]["ids"], json!([1, 2]));
    assert!(upstream.requests().is_empty());
    // Each is found under its own name.
    let counted = |kind: &str| gateway.metric("toolgate_decisions_total", &format!("kind=\"{kind}\""));
    eventually("nine decisions", || (counted("tool") == 9).then_some(()));
}

#[test]
fn what_may_not_be_in_a_batch_is_refused() {
    let upstream = Upstream::new(obedient);
    let mut gateway = allowing(&upstream);
    let one = call("open");
    let refused = |ask: &Ask, code: i64, ids: Value| {
        let response = gateway.ask(ask);
        assert_eq!(response.status, 400, "{}", response.text());
        let error = response.json()["error"].clone();
        assert_eq!((error["code"].as_i64(), error["data"]["ids"].clone()), (Some(code), ids), "{error}");
    };
    for body in ["[]", "[[]]", "[1]", "[null]"] {
        refused(&post(body), -32600, Value::Null);
    }
    refused(&post(calls(&["open"; 6])), -32600, Value::Null);
    refused(&post(format!("[[{one}]]")), -32600, Value::Null);
    refused(&post(format!("[{one},")), -32700, Value::Null);
    refused(&post(format!("[{one},{one}]")), -32600, json!([1]));
    refused(&post(format!("[{}]", request("1", "initialize", "{}"))), -32600, json!([1]));
    refused(&post(format!("[{},{one}]", one.replace(":1,", ":null,"))), -32600, Value::Null);
    refused(&post(format!("[{}]", one.replace("\"name\"", "\"Name\""))), -32600, json!([1]));
    refused(&post(format!(r#"[{one},{{"jsonrpc":"2.0","id":7,"result":{{}}}}]"#)), -32600, json!([1]));
    for version in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        refused(&post(calls(&["open"])).header("MCP-Protocol-Version", version), -32600, Value::Null);
    }
    assert!(upstream.requests().is_empty());
    gateway.is_well();
}

#[test]
fn without_the_setting_there_are_no_batches() {
    let upstream = Upstream::new(obedient);
    let gateway = Gateway::before(&upstream);
    for body in [calls(&["open"]), calls(&["open", "never"]), "[]".into()] {
        let response = gateway.ask(&post(body).header("MCP-Protocol-Version", "2025-03-26"));
        assert_eq!((response.status, response.json()["error"]["code"].as_i64()), (400, Some(-32600)));
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn an_answer_to_something_else_is_not_passed_on() {
    for answer in [
        r#"[{"jsonrpc":"2.0","id":9,"result":{"tools":[{"name":"never"}]}}]"#,
        r#"{"jsonrpc":"2.0","id":9,"result":{"content":"never"}}"#,
        r#"[[{"jsonrpc":"2.0","id":1,"result":{"content":"never"}}]]"#,
        r#"["never"]"#,
        "[]",
    ] {
        let upstream = Upstream::new(move |asked| match asked.header("mcp-param-as") {
            Some("events") => vec![stream_head(), event(answer), last_chunk()],
            _ => whole(answer),
        });
        let mut gateway = allowing(&upstream);
        let response = gateway.ask(&post(calls(&["open", "read"])));
        assert_eq!(response.status, 502, "{answer}");
        let streamed = gateway.ask(&post(calls(&["open", "read"])).header("Mcp-Param-As", "events"));
        assert_eq!((streamed.status, streamed.text().as_str()), (200, ""), "{answer}");
        gateway.is_well();
    }
}

#[test]
fn the_ids_of_a_batch_are_under_way_like_all_others() {
    let gate = Gate::default();
    let wait = gate.clone();
    let upstream = Upstream::new(move |asked| {
        let mut steps = Vec::new();
        if asked.header("mcp-param-slow").is_some() {
            steps.push(Step::Wait(wait.clone()));
        }
        steps.extend(obedient(asked));
        steps
    });
    let gateway = allowing(&upstream);
    let begun = gateway.ask(&post(request("1", "initialize", "{}")).header("Mcp-Param-Session", "1"));
    let session = begun.header("mcp-session-id").unwrap().to_owned();
    let ask = |body: String| post(body).header("Mcp-Session-Id", &session);
    let mut slow = gateway.connect();
    slow.send(&ask(calls(&["open", "read"])).header("Mcp-Param-Slow", "1").bytes());
    upstream.request(2);
    assert_eq!(gateway.ask(&ask(call("open"))).status, 400);
    assert_eq!(gateway.ask(&ask(format!("[{}]", call("open").replace(":1,", ":\"2\",")))).status, 400);
    assert_eq!(gateway.ask(&ask(call("open").replace(":1,", ":3,"))).status, 200);
    gate.open();
    assert_eq!(slow.response().status, 200);
    assert_eq!(gateway.ask(&ask(calls(&["open", "read"]))).status, 200);
}
