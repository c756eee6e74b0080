//! The revisions with `initialize` and sessions.

use http::{Method, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use upstream_mcp::{ENDPOINT, Options};

use crate::support::{Answer, Client, Upstream, names, request, text};

const REVISION: &str = "2025-11-25";

/// An initialized session.
struct Session {
    client: Client,
    id: String,
}

impl Session {
    async fn open(upstream: &Upstream) -> Self {
        let mut client = upstream.client().await;
        let answer = client.post(&[], &initialize(REVISION)).await;
        let id = answer.headers["mcp-session-id"].to_str().unwrap().to_owned();
        answer.last().await;
        let mut session = Self { client, id };
        let status = session.post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await.status;
        assert_eq!(status, StatusCode::ACCEPTED);
        session
    }

    /// The same session on a connection of its own, since one that waits for an answer is busy.
    async fn beside(&self, upstream: &Upstream) -> Self {
        Self { client: upstream.client().await, id: self.id.clone() }
    }

    async fn post(&mut self, message: &Value) -> Answer {
        self.client.post(&[("mcp-session-id", &self.id), ("mcp-protocol-version", REVISION)], message).await
    }

    async fn start(&mut self, method: &str, params: Value) -> Answer {
        self.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })).await
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.start(method, params).await.last().await
    }

    async fn listen(&mut self) -> Answer {
        let request =
            request(Method::GET, ENDPOINT, &[("mcp-session-id", &self.id), ("mcp-protocol-version", REVISION)]);
        self.client.send(request.body(Full::default()).unwrap()).await
    }
}

fn initialize(revision: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": revision,
        "capabilities": { "elicitation": {} },
        "clientInfo": { "name": "test", "version": "1" },
    } })
}

#[tokio::test]
async fn negotiates_every_revision_with_sessions() {
    let upstream = Upstream::start().await;
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let answer = upstream.client().await.post(&[], &initialize(revision)).await;
        assert!(answer.headers.contains_key("mcp-session-id"), "{revision} has sessions");
        assert_eq!(answer.last().await["result"]["protocolVersion"], revision);
    }
}

#[tokio::test]
async fn lists_and_calls_tools() {
    let upstream =
        Upstream::start_with(Options { extra_tools: vec!["added".to_owned()], ..Options::default() }).await;
    let mut session = Session::open(&upstream).await;
    let list = session.ask("tools/list", json!({})).await;
    let expected = [
        "get_public_info",
        "get_confidential_info",
        "echo",
        "show_headers",
        "count_slowly",
        "ask_name",
        "announce_change",
        "added",
    ];
    assert_eq!(names(&list["result"]["tools"]), expected);
    assert_eq!(list["result"]["tools"][1]["annotations"]["readOnlyHint"], true);

    let document = session.ask("tools/call", json!({ "name": "get_confidential_info" })).await;
    assert!(text(&document).starts_with("# Acme Corp - Confidential Strategy Document\n"));
    let echo = session.ask("tools/call", json!({ "name": "added", "arguments": { "a": [1] } })).await;
    assert_eq!(echo["result"]["structuredContent"], json!({ "a": [1] }));
    assert_eq!(upstream.calls(), ["tool get_confidential_info", "tool added"]);
}

#[tokio::test]
async fn gives_the_prompts_and_resources_that_were_added() {
    let (extra_prompts, extra_resources) = (vec!["added".to_owned()], vec!["x:added".to_owned()]);
    let upstream = Upstream::start_with(Options { extra_prompts, extra_resources, ..Options::default() }).await;
    let mut session = Session::open(&upstream).await;
    let prompts = session.ask("prompts/list", json!({})).await;
    assert_eq!(names(&prompts["result"]["prompts"]).last(), Some(&"added"));
    let prompt = session.ask("prompts/get", json!({ "name": "added" })).await;
    assert_eq!(prompt["result"]["messages"][0]["content"]["text"], "added");
    let resources = session.ask("resources/list", json!({})).await;
    assert_eq!(resources["result"]["resources"].as_array().unwrap().last().unwrap()["uri"], "x:added");
    let resource = session.ask("resources/read", json!({ "uri": "x:added" })).await;
    assert_eq!(resource["result"]["contents"][0]["text"], "x:added");
    assert_eq!(upstream.calls(), ["prompt added", "resource x:added"]);
}

#[tokio::test]
async fn gives_the_documents_as_resources_and_prompts() {
    let upstream = Upstream::start().await;
    let mut session = Session::open(&upstream).await;
    let resources = session.ask("resources/list", json!({})).await;
    assert_eq!(resources["result"]["resources"][1]["uri"], "docs://acme/confidential");
    let templates = session.ask("resources/templates/list", json!({})).await;
    assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "docs://acme/{name}");
    let prompts = session.ask("prompts/list", json!({})).await;
    assert_eq!(names(&prompts["result"]["prompts"]), ["summarize_public", "summarize_confidential"]);

    let resource = session.ask("resources/read", json!({ "uri": "docs://acme/public" })).await;
    let contents = &resource["result"]["contents"][0];
    assert_eq!(contents["mimeType"], "text/markdown");
    assert!(contents["text"].as_str().unwrap().starts_with("# Acme Corp - Public Company Information\n"));
    let arguments = json!({ "name": "summarize_public", "arguments": { "audience": "press" } });
    let prompt = session.ask("prompts/get", arguments).await;
    assert_eq!(prompt["result"]["messages"][0]["content"]["text"], "Summarize this document for press.");
    assert_eq!(upstream.calls(), ["resource docs://acme/public", "prompt summarize_public"]);
}

#[tokio::test]
async fn refuses_what_it_does_not_have_and_runs_nothing() {
    let upstream = Upstream::start().await;
    let mut session = Session::open(&upstream).await;
    for (method, params, code, message) in [
        ("tools/call", json!({ "name": "nope" }), -32602, "Unknown tool: nope"),
        ("prompts/get", json!({ "name": "nope" }), -32602, "Unknown prompt: nope"),
        ("resources/read", json!({ "uri": "docs://acme/nope" }), -32002, "Resource not found"),
        ("resources/subscribe", json!({ "uri": "docs://acme/nope" }), -32002, "Resource not found"),
        ("nope", json!({}), -32601, "nope"),
    ] {
        let answer = session.start(method, params).await;
        assert_eq!(answer.status, StatusCode::OK, "{method}");
        let error = &answer.last().await["error"];
        assert_eq!((error["code"].as_i64(), error["message"].as_str()), (Some(code), Some(message)), "{method}");
    }
    assert_eq!(upstream.calls(), [""; 0]);
}

#[tokio::test]
async fn counts_with_progress() {
    let upstream = Upstream::start().await;
    let mut session = Session::open(&upstream).await;
    let arguments = json!({ "steps": 2, "interval_ms": 0 });
    let params = json!({ "name": "count_slowly", "arguments": arguments, "_meta": { "progressToken": "t" } });
    let mut answer = session.start("tools/call", params).await;
    for step in ["1 of 2", "2 of 2"] {
        assert_eq!(answer.next().await.unwrap()["params"]["message"], step);
    }
    assert_eq!(text(&answer.next().await.unwrap()), "counted to 2");
}

#[tokio::test]
async fn refuses_arguments_outside_the_schema() {
    let upstream = Upstream::start().await;
    let mut session = Session::open(&upstream).await;
    for arguments in
        [json!({ "steps": 0 }), json!({ "steps": 101 }), json!({ "interval_ms": 1001 }), json!({ "x": 1 })]
    {
        let answer = session.ask("tools/call", json!({ "name": "count_slowly", "arguments": arguments })).await;
        assert_eq!(answer["result"]["isError"], true, "{arguments}");
    }
}

#[tokio::test]
async fn stops_counting_when_cancelled() {
    let upstream = Upstream::start().await;
    let mut session = Session::open(&upstream).await;
    let mut beside = session.beside(&upstream).await;
    let arguments = json!({ "steps": 100, "interval_ms": 100 });
    let params = json!({ "name": "count_slowly", "arguments": arguments, "_meta": { "progressToken": "t" } });
    let mut answer = session.start("tools/call", params).await;
    answer.next().await.unwrap();
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    assert_eq!(beside.post(&cancel).await.status, StatusCode::ACCEPTED);
    upstream.recorded("cancelled count_slowly").await;
}

#[tokio::test]
async fn announces_changes_on_the_sessions_stream() {
    let upstream = Upstream::start().await;
    let mut session = Session::open(&upstream).await;
    session.ask("resources/subscribe", json!({ "uri": "docs://acme/public" })).await;
    session.ask("logging/setLevel", json!({ "level": "warning" })).await;
    let mut beside = session.beside(&upstream).await;
    let mut stream = beside.listen().await;
    // A log message below the level is not among them.
    let announced = session.ask("tools/call", json!({ "name": "announce_change" })).await;
    assert_eq!(text(&announced), "announced");
    for method in [
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
    ] {
        assert_eq!(stream.next().await.unwrap()["method"], method);
    }
    session.ask("logging/setLevel", json!({ "level": "notice" })).await;
    session.ask("tools/call", json!({ "name": "announce_change" })).await;
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/message");
}

#[tokio::test]
async fn asks_for_a_name_by_elicitation() {
    let upstream = Upstream::start().await;
    let mut session = Session::open(&upstream).await;
    let mut beside = session.beside(&upstream).await;
    let mut answer = session.start("tools/call", json!({ "name": "ask_name" })).await;
    let question = answer.next().await.unwrap();
    assert_eq!(question["method"], "elicitation/create");
    let name = json!({ "action": "accept", "content": { "name": "Ada" } });
    let reply = json!({ "jsonrpc": "2.0", "id": question["id"], "result": name });
    assert_eq!(beside.post(&reply).await.status, StatusCode::ACCEPTED);
    assert_eq!(text(&answer.next().await.unwrap()), "Hello, Ada!");
}
