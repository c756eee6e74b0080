//! MCP 2026-07-28, without sessions.

use std::path::PathBuf;

use http::StatusCode;
use serde_json::{Value, json};
use upstream_mcp::Options;

use crate::support::{Answer, Upstream, fresh_path, names, text};

/// Sends one request with the headers and the `_meta` of the revision, on a connection of its own.
async fn start(upstream: &Upstream, method: &str, params: Value) -> Answer {
    let mut params = params;
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
    if meta.get("io.modelcontextprotocol/clientCapabilities").is_none() {
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    }
    let name = params["name"].as_str().or_else(|| params["uri"].as_str()).unwrap_or_default().to_owned();
    let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
    if !name.is_empty() {
        headers.push(("mcp-name", &name));
    }
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    upstream.client().await.post(&headers, &message).await
}

async fn ask(upstream: &Upstream, method: &str, params: Value) -> Value {
    start(upstream, method, params).await.last().await
}

#[tokio::test]
async fn lists_and_calls_tools() {
    let upstream = Upstream::start().await;
    let answer = start(&upstream, "tools/list", json!({})).await;
    assert!(!answer.is_event_stream());
    assert!(!answer.headers.contains_key("mcp-session-id"));
    let list = answer.last().await;
    assert_eq!(list["result"]["resultType"], "complete");
    assert_eq!(names(&list["result"]["tools"])[..2], ["get_public_info", "get_confidential_info"]);

    let document = ask(&upstream, "tools/call", json!({ "name": "get_confidential_info" })).await;
    assert!(text(&document).starts_with("# Acme Corp - Confidential Strategy Document\n"));
    assert_eq!(upstream.calls(), ["tool get_confidential_info"]);
}

#[tokio::test]
async fn answers_with_event_streams_when_told_to() {
    let upstream = Upstream::start_with(Options { sse_responses: true, ..Options::default() }).await;
    let answer = start(&upstream, "tools/call", json!({ "name": "get_public_info" })).await;
    assert!(answer.is_event_stream());
    assert!(text(&answer.last().await).starts_with("# Acme Corp - Public Company Information\n"));
}

#[tokio::test]
async fn refuses_what_it_does_not_have_and_runs_nothing() {
    let upstream = Upstream::start().await;
    for (method, params, status, code, message) in [
        ("tools/call", json!({ "name": "nope" }), StatusCode::OK, -32602, "Unknown tool: nope"),
        ("prompts/get", json!({ "name": "nope" }), StatusCode::OK, -32602, "Unknown prompt: nope"),
        ("resources/read", json!({ "uri": "docs://acme/nope" }), StatusCode::OK, -32602, "Resource not found"),
        ("logging/setLevel", json!({ "level": "info" }), StatusCode::NOT_FOUND, -32601, "logging/setLevel"),
        ("nope", json!({}), StatusCode::NOT_FOUND, -32601, "nope"),
    ] {
        let answer = start(&upstream, method, params).await;
        assert_eq!(answer.status, status, "{method}");
        let error = &answer.last().await["error"];
        assert_eq!((error["code"].as_i64(), error["message"].as_str()), (Some(code), Some(message)), "{method}");
    }
    assert_eq!(upstream.calls(), [""; 0]);
}

#[tokio::test]
async fn completes_names() {
    let upstream = Upstream::start().await;
    for (reference, argument, value, expected) in [
        (json!({ "type": "ref/prompt", "name": "summarize_public" }), "audience", "p", json!(["press"])),
        (json!({ "type": "ref/resource", "uri": "docs://acme/{name}" }), "name", "c", json!(["confidential"])),
    ] {
        let params = json!({ "ref": reference, "argument": { "name": argument, "value": value } });
        let answer = ask(&upstream, "completion/complete", params).await;
        assert_eq!(answer["result"]["completion"]["values"], expected);
    }
    assert_eq!(upstream.calls(), ["completion summarize_public", "completion docs://acme/{name}"]);
}

#[tokio::test]
async fn reads_the_documents_at_each_call() {
    let directory = fresh_path();
    std::fs::create_dir_all(&directory).unwrap();
    let options = Options { documents: Some(PathBuf::from(&directory)), ..Options::default() };
    let upstream = Upstream::start_with(options).await;
    for content in ["first", "second"] {
        std::fs::write(directory.join("public.md"), content).unwrap();
        assert_eq!(text(&ask(&upstream, "tools/call", json!({ "name": "get_public_info" })).await), content);
    }
    let missing = ask(&upstream, "tools/call", json!({ "name": "get_confidential_info" })).await;
    assert_eq!(missing["result"]["isError"], true);
}

#[tokio::test]
async fn shows_the_headers_it_received() {
    let upstream = Upstream::start().await;
    let answer = ask(&upstream, "tools/call", json!({ "name": "show_headers" })).await;
    let headers = &answer["result"]["structuredContent"]["headers"];
    assert_eq!(headers["mcp-name"], json!(["show_headers"]));
    assert_eq!(headers.get("authorization"), None);
}

#[tokio::test]
async fn asks_for_a_name_in_two_rounds() {
    let upstream = Upstream::start().await;
    let meta = json!({ "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} } });
    let first = ask(&upstream, "tools/call", json!({ "name": "ask_name", "_meta": meta })).await;
    assert_eq!(first["result"]["resultType"], "input_required");
    assert_eq!(first["result"]["inputRequests"]["name"]["method"], "elicitation/create");
    let second = json!({
        "name": "ask_name",
        "_meta": meta,
        "inputResponses": { "name": { "action": "accept", "content": { "name": "Ada" } } },
        "requestState": first["result"]["requestState"],
    });
    assert_eq!(text(&ask(&upstream, "tools/call", second).await), "Hello, Ada!");

    let incapable = start(&upstream, "tools/call", json!({ "name": "ask_name" })).await;
    assert_eq!(incapable.status, StatusCode::BAD_REQUEST);
    assert_eq!(incapable.last().await["error"]["code"], -32021);
}

#[tokio::test]
async fn logs_only_to_who_asks_for_it() {
    let upstream = Upstream::start().await;
    let arguments = json!({ "steps": 1, "interval_ms": 0 });
    let silent = start(&upstream, "tools/call", json!({ "name": "count_slowly", "arguments": arguments })).await;
    assert!(!silent.is_event_stream());
    let meta = json!({ "io.modelcontextprotocol/logLevel": "info" });
    let params = json!({ "name": "count_slowly", "arguments": arguments, "_meta": meta });
    let mut wordy = start(&upstream, "tools/call", params).await;
    assert_eq!(wordy.next().await.unwrap()["params"]["data"], "counting to 1");
    assert_eq!(text(&wordy.next().await.unwrap()), "counted to 1");
}

#[tokio::test]
async fn announces_changes_to_subscriptions() {
    let upstream = Upstream::start().await;
    let wanted = json!({
        "toolsListChanged": true,
        "resourceSubscriptions": ["docs://acme/public", "docs://acme/nope"],
    });
    let mut stream = start(&upstream, "subscriptions/listen", json!({ "notifications": wanted })).await;
    let acknowledged = stream.next().await.unwrap();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["notifications"]["resourceSubscriptions"], json!(["docs://acme/public"]));
    upstream.recorded("subscribe docs://acme/public").await;
    ask(&upstream, "tools/call", json!({ "name": "announce_change" })).await;
    for method in ["notifications/tools/list_changed", "notifications/resources/updated"] {
        assert_eq!(stream.next().await.unwrap()["method"], method);
    }
}

#[tokio::test]
async fn stops_counting_when_the_client_leaves() {
    let upstream = Upstream::start().await;
    let arguments = json!({ "steps": 100, "interval_ms": 100 });
    let params = json!({ "name": "count_slowly", "arguments": arguments, "_meta": { "progressToken": "t" } });
    let mut answer = start(&upstream, "tools/call", params).await;
    answer.next().await.unwrap();
    drop(answer);
    upstream.recorded("cancelled count_slowly").await;
}
