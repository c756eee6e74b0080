//! A task belongs to the caller who made it; for all others there is none, in both eras.

use serde_json::{Value, json};

use crate::support::gateway::{POLICY, Setup};
use crate::support::tokens::{signed, with};
use crate::support::upstream::{Request, event, fine, json, last_chunk, stream_head, with_length};
use crate::support::{Ask, Gateway, Response, Step, Upstream, eventually, request, token};

const RELATED: &str = "io.modelcontextprotocol/related-task";

/// What the server says of a task that it does not know.
const NO_TASK: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"there is no such task here"}}"#;

/// A server that keeps no task apart from another: whoever names `inner-1` gets it.
fn with_tasks(request: &Request) -> Vec<Step> {
    let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let id = request.id();
    if message["params"]["taskId"].as_str().is_some_and(|task| !matches!(task, "inner-1" | "of-the-client")) {
        return json(NO_TASK);
    }
    let answer = |result: &str| json(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
    let task = r#"{"taskId":"inner-1","status":"working","createdAt":"x","ttl":60000}"#;
    match message["method"].as_str() {
        Some("initialize") => {
            let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tasks":{"list":{}}}}}"#;
            with_length("200 OK", "Content-Type: application/json\r\nMcp-Session-Id: s\r\n", answer)
        }
        Some("tools/call") if request.header("mcp-protocol-version") == Some("2026-07-28") => {
            answer(r#"{ "resultType":"task", "taskId" : "inner-1" ,"status":"working","ttlMs":60000}"#)
        }
        Some("tools/call") => answer(&format!(r#"{{ "task":{task},"_meta":{{"x":1.0}} }}"#)),
        Some("tasks/get") => answer(
            r#"{"taskId":"inner-1","status":"completed","result":{"tools":[{"name":"never"},{"name":"read"}]}}"#,
        ),
        Some("tasks/cancel" | "tasks/update") => answer(task),
        Some("tasks/result") => {
            let related = format!(r#""_meta":{{"{RELATED}":{{"taskId":"inner-1"}}}}"#);
            vec![
                stream_head(),
                event(&format!(
                    r#"{{"jsonrpc":"2.0","id":9,"method":"elicitation/create","params":{{{related}}}}}"#
                )),
                event(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],{related}}}}}"#)),
                last_chunk(),
            ]
        }
        Some("tasks/list") => answer(&format!(
            r#"{{"tasks":[{{"taskId":"of-others","status":"x"}},{task}],"nextCursor":"of-others"}}"#
        )),
        Some("subscriptions/listen") => vec![
            stream_head(),
            event(&format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}}"#,
                message["params"]
            )),
            event(r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"of-others"}}"#),
            event(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/tasks","params":{task}}}"#)),
            last_chunk(),
        ],
        _ if request.line().starts_with("GET") => vec![
            stream_head(),
            event(r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"of-others"}}"#),
            event(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{task}}}"#)),
            event(r#"{"jsonrpc":"2.0","id":7,"method":"tasks/get","params":{"taskId":"of-the-client"}}"#),
            last_chunk(),
        ],
        _ => fine(request),
    }
}

/// A call that makes a task.
fn make(tool: &str) -> String {
    request("1", "tools/call", &format!(r#"{{"name":"{tool}","task":{{"ttl":60000}}}}"#))
}

fn modern(token: &str, method: &str, name: &str, params: &str) -> Ask {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let params = params.replacen('{', &format!("{{{meta},"), 1);
    let ask = Ask::post(token, request("1", method, &params))
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", method);
    if name.is_empty() { ask } else { ask.header("Mcp-Name", name) }
}

/// The handle that a legacy call of `tool` gets.
#[track_caller]
fn handle(gateway: &Gateway, token: &str, tool: &str) -> String {
    let response = gateway.ask(&Ask::post(token, make(tool)));
    response.json()["result"]["task"]["taskId"].as_str().unwrap().to_owned()
}

/// Each way to ask for a task.
fn ways(token: &str, task: &str) -> Vec<Ask> {
    let named = format!(r#"{{"taskId":"{task}"}}"#);
    let listened = format!(r#"{{"notifications":{{"taskIds":["{task}"]}}}}"#);
    let related = format!(r#"{{"name":"open","_meta":{{"{RELATED}":{{"taskId":"{task}"}}}}}}"#);
    let legacy = |method: &str, params: &str| Ask::post(token, request("1", method, params));
    vec![
        legacy("tasks/get", &named),
        legacy("tasks/result", &named),
        legacy("tasks/cancel", &named),
        legacy("tools/call", &related),
        modern(token, "tasks/get", task, &named),
        modern(token, "tasks/update", task, &named),
        modern(token, "tasks/cancel", task, &named),
        modern(token, "subscriptions/listen", "", &listened),
    ]
}

/// What the gateway says itself where it cannot let the server speak.
const LOST: &str =
    r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Failed to retrieve task: Task not found"}}"#;

/// Whether the answer to the way `at` says of a task that there is none.
#[track_caller]
fn is_unknown(at: usize, response: &Response) {
    assert_eq!(response.status, 200);
    match at {
        // What a call claims to belong to is no question to the server.
        3 => assert_eq!(response.text(), LOST),
        7 => {
            assert!(response.text().contains(r#""taskIds":[]"#), "{}", response.text());
            for id in ["inner-1", "of-others"] {
                assert!(!response.text().contains(id), "{}", response.text());
            }
        }
        _ => assert_eq!(response.text(), NO_TASK),
    }
}

#[test]
fn a_task_that_a_call_makes_is_told_by_its_handle() {
    let upstream = Upstream::new(with_tasks);
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    let legacy = gateway.ask(&Ask::post(&alice, make("read")));
    let task = legacy.json()["result"]["task"]["taskId"].as_str().unwrap().to_owned();
    assert!(!task.contains("inner"), "{task}");
    let expected = r#"{"jsonrpc":"2.0","id":1,"result":{ "task":{"taskId":"TASK","status":"working","createdAt":"x","ttl":60000},"_meta":{"x":1.0} }}"#;
    assert_eq!(legacy.text(), expected.replace("TASK", &task));
    let modern = gateway.ask(&modern(&alice, "tools/call", "read", r#"{"name":"read"}"#));
    let expected = r#"{"jsonrpc":"2.0","id":1,"result":{ "resultType":"task", "taskId" : "TASK" ,"status":"working","ttlMs":60000}}"#;
    assert_eq!(modern.text(), expected.replace("TASK", &task), "one task, one handle");
    assert_eq!(gateway.ask(&Ask::post(&alice, make("write"))).status, 403, "it needs what the plain call needs");
    let sent = String::from_utf8(upstream.request(1).body).unwrap();
    assert_eq!(sent, make("read"));
}

#[test]
fn the_owner_names_its_task_and_the_server_knows_it_by_its_own_identifier() {
    let upstream = Upstream::new(with_tasks);
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    let task = handle(&gateway, &alice, "read");
    for (at, ask) in ways(&alice, &task).iter().enumerate() {
        let response = gateway.ask(ask);
        assert_eq!(response.status, 200, "{}", response.text());
        assert!(!response.text().contains("inner-1"), "{}", response.text());
        let arrived = upstream.request(at + 2);
        let sent = String::from_utf8(ask.bytes()).unwrap().replace(&task, "inner-1");
        assert!(sent.ends_with(&String::from_utf8(arrived.body.clone()).unwrap()), "{sent}");
        let body: Value = serde_json::from_slice(&arrived.body).unwrap();
        if let Some(name) = arrived.header("mcp-name") {
            assert_eq!(body["params"]["taskId"], name, "header and body agree");
        }
    }
    // Another token of the same caller is as good.
    let [get, ..] = &ways(&token("alice", "r w"), &task)[..] else { panic!() };
    let state = gateway.ask(get).json();
    assert_eq!(state["result"]["taskId"], task);
    assert_eq!(state["result"]["result"], json!({"tools": [{"name": "read"}]}), "what came of it is filtered");
}

#[test]
fn in_other_hands_a_task_does_not_exist() {
    let upstream = Upstream::new(with_tasks);
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    let task = handle(&gateway, &alice, "read");
    let before = upstream.requests().len();
    let of_app = signed(&with(json!({"client_id": "app"})));
    let longer = format!("{task}A");
    for (token, task) in [
        (token("bob", "r w"), task.as_str()),
        (of_app, &task),
        (alice.clone(), "inner-1"),
        (alice.clone(), "of-others"),
        (alice.clone(), &longer),
        (alice, &task[1..]),
    ] {
        for (at, ask) in ways(&token, task).iter().enumerate() {
            is_unknown(at, &gateway.ask(ask));
        }
    }
    for heard in &upstream.requests()[before..] {
        let said = format!("{}{}", heard.head, String::from_utf8_lossy(&heard.body));
        assert!(said.contains("toolgate-no-such-task-") && !said.contains("inner-1"), "{said}");
        let body: Value = serde_json::from_slice(&heard.body).unwrap();
        if let Some(name) = heard.header("mcp-name") {
            assert_eq!(body["params"]["taskId"], name, "header and body agree");
        }
    }
    // The operator sees who tries.
    let forgotten = "toolgate_decisions_total";
    eventually(forgotten, || (gateway.metric(forgotten, "task_unknown") == 6 * 8).then_some(()));
}

#[test]
fn replicas_with_the_same_key_know_a_task_and_others_do_not() {
    let upstream = Upstream::new(with_tasks);
    let replica = |key: &str| {
        let setup = Setup::before(&upstream);
        let file = setup.file("session", key);
        setup.arg("--session-key-file", file.to_str().unwrap()).start()
    };
    let alice = token("alice", "r");
    let task = handle(&replica("0123456789abcdef0123456789abcdef"), &alice, "read");
    let restarted = replica("0123456789abcdef0123456789abcdef");
    for ask in ways(&alice, &task) {
        let response = restarted.ask(&ask);
        assert!(response.status == 200 && !response.text().contains("error"), "{}", response.text());
        assert!(!response.text().contains("inner-1"), "{}", response.text());
    }
    for other in [replica("another key of thirty-two bytes!"), Gateway::before(&upstream)] {
        for (at, ask) in ways(&alice, &task).iter().enumerate() {
            is_unknown(at, &other.ask(ask));
        }
    }
}

#[test]
fn a_list_of_tasks_has_only_those_that_are_known_to_be_the_callers() {
    let upstream = Upstream::new(with_tasks);
    let gateway = Gateway::before(&upstream);
    let (alice, bob) = (token("alice", "r"), token("bob", "r"));
    let task = handle(&gateway, &alice, "read");
    let list = |token: &str, cursor: &str| {
        gateway.ask(&Ask::post(token, request("1", "tasks/list", &format!(r#"{{"cursor":"{cursor}"}}"#))))
    };
    let of_alice = list(&alice, "").json();
    assert_eq!(of_alice["result"]["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(of_alice["result"]["tasks"][0]["taskId"], task);
    let of_bob = list(&bob, "");
    assert_eq!(of_bob.json()["result"]["tasks"], json!([]));
    // A cursor may be made of another caller's task.
    assert!(!of_bob.text().contains("of-others"), "{}", of_bob.text());
    let cursor = of_alice["result"]["nextCursor"].as_str().unwrap();
    assert_eq!(list(&alice, cursor).status, 200);
    let sent: Value = serde_json::from_slice(&upstream.request(4).body).unwrap();
    assert_eq!(sent["params"]["cursor"], "of-others");
    for (token, cursor) in [(&bob, cursor), (&alice, "of-others")] {
        assert_eq!(list(token, cursor).json()["error"]["code"], -32602);
    }
    assert_eq!(upstream.requests().len(), 4);
}

#[test]
fn streams_tell_of_the_callers_own_tasks_alone() {
    let upstream = Upstream::new(with_tasks);
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    let task = handle(&gateway, &alice, "read");
    let events = |ask: &Ask| {
        let text = gateway.ask(ask).text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap()).collect::<Vec<Value>>()
    };
    let own = json!({"jsonrpc": "2.0", "id": 7, "method": "tasks/get", "params": {"taskId": "of-the-client"}});
    let heard = events(&Ask::get(&alice));
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(heard[0]["params"]["taskId"], task);
    assert_eq!(heard[1], own, "the tasks that a client runs are its own");
    assert_eq!(events(&Ask::get(&token("bob", "r"))), [own]);
    let listened = events(ways(&alice, &task).last().unwrap());
    assert_eq!(listened.len(), 2, "{listened:?}");
    assert_eq!(listened[0]["params"]["notifications"]["taskIds"], json!([task]));
    assert_eq!(listened[1]["params"]["taskId"], task);
    let results = events(&ways(&alice, &task)[1]);
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["params"]["_meta"][RELATED]["taskId"], task);
    assert_eq!(results[1]["result"]["_meta"][RELATED]["taskId"], task);
}

#[test]
fn an_answer_to_the_server_names_its_task_and_tasks_of_the_client_pass() {
    let upstream = Upstream::new(with_tasks);
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    let task = handle(&gateway, &alice, "read");
    let reply = |task: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":9,"result":{{"action":"accept","_meta":{{"{RELATED}":{{"taskId":"{task}"}}}}}}}}"#
        )
    };
    let bodies = [
        (reply(&task), reply("inner-1")),
        (reply("of-the-client"), reply("of-the-client")),
        (
            r#"{"jsonrpc":"2.0","id":9,"result":{"task":{"taskId":"of-the-client","status":"working"}}}"#
                .to_owned(),
            r#"{"jsonrpc":"2.0","id":9,"result":{"task":{"taskId":"of-the-client","status":"working"}}}"#
                .to_owned(),
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"of-the-client"}}"#
                .to_owned(),
            r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"of-the-client"}}"#
                .to_owned(),
        ),
    ];
    for (at, (said, heard)) in bodies.iter().enumerate() {
        assert_eq!(gateway.ask(&Ask::post(&alice, said.as_str())).status, if at < 3 { 200 } else { 202 });
        assert_eq!(String::from_utf8(upstream.request(at + 2).body).unwrap(), *heard);
    }
}

#[test]
fn a_task_is_lost_with_the_permission_for_what_made_it() {
    let upstream = Upstream::new(with_tasks);
    let setup = Setup::before(&upstream);
    let gateway = setup.start();
    let task = handle(&gateway, &token("alice", "r"), "read");
    let without = token("alice", "");
    let before = upstream.requests().len();
    for ask in ways(&without, &task) {
        let response = gateway.ask(&ask);
        assert_eq!(response.status, 403, "{}", response.text());
        assert!(response.header("www-authenticate").unwrap().contains("insufficient_scope"));
    }
    assert_eq!(upstream.requests().len(), before);
    let list = gateway.ask(&Ask::post(&without, request("1", "tasks/list", "{}")));
    assert_eq!(list.json()["result"]["tasks"], json!([]));
    let policy = POLICY.replace("read: {scopes: [r]}", "read: {deny: true}");
    let generation = || gateway.metric("toolgate_policy_generation", "");
    let old = generation();
    std::fs::write(gateway.folder.path().join("policy.yaml"), policy).unwrap();
    eventually("the new policy", || (generation() > old).then_some(()));
    for ask in ways(&token("alice", "r"), &task) {
        let response = gateway.ask(&ask);
        assert_eq!((response.status, response.text().as_str()), (200, LOST));
    }
}

#[test]
fn a_mirrored_name_must_be_the_task_that_the_body_names() {
    let upstream = Upstream::new(with_tasks);
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    let task = handle(&gateway, &alice, "read");
    let params = format!(r#"{{"taskId":"{task}"}}"#);
    for name in ["inner-1", "x", ""] {
        let response = gateway.ask(&modern(&alice, "tasks/get", name, &params));
        assert_eq!((response.status, response.json()["error"]["code"].as_i64()), (400, Some(-32020)), "{name}");
    }
    let legacy = Ask::post(&alice, request("1", "tasks/result", &params));
    assert_eq!(gateway.ask(&legacy.clone().header("Mcp-Name", "inner-1")).status, 400);
    assert_eq!(upstream.requests().len(), 1);
    assert_eq!(gateway.ask(&legacy.header("Mcp-Name", &task)).status, 200);
    assert_eq!(upstream.request(2).header("mcp-name"), Some("inner-1"));
}

#[test]
fn a_task_that_was_forgotten_looks_like_one_that_never_was() {
    let upstream = Upstream::new(|request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        if body["method"] == "tools/call" { with_tasks(request) } else { json(NO_TASK) }
    });
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    let task = handle(&gateway, &alice, "read");
    for method in ["tasks/get", "tasks/result", "tasks/cancel", "tasks/update"] {
        let ask = |token: &str| {
            let response =
                gateway.ask(&Ask::post(token, request("1", method, &format!(r#"{{"taskId":"{task}"}}"#))));
            (
                response.status,
                response.text(),
                response.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(),
            )
        };
        assert_eq!(ask(&alice), ask(&token("bob", "r")));
    }
}

#[test]
fn a_server_that_does_not_look_at_identifiers_tells_nothing_of_others() {
    let upstream = Upstream::new(|request: &Request| {
        let result =
            |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"taskId":"inner-1","status":"x"}}}}"#);
        match request.header("mcp-param-as") {
            Some("events") => vec![stream_head(), event(&result("1")), last_chunk()],
            _ => json(&result("1")),
        }
    });
    let gateway = Gateway::before(&upstream);
    for method in ["tasks/get", "tasks/result"] {
        let ask = Ask::post(&token("bob", "r"), request("1", method, r#"{"taskId":"x"}"#));
        assert_eq!(gateway.ask(&ask).status, 502);
        assert_eq!(gateway.ask(&ask.header("Mcp-Param-As", "events")).text(), "");
    }
}

#[test]
fn methods_that_the_server_does_not_have_are_the_servers_to_refuse() {
    const NO_METHOD: &str = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no such method"}}"#;
    let upstream = Upstream::new(|_| with_length("404 Not Found", "Content-Type: application/json\r\n", NO_METHOD));
    let gateway = Gateway::before(&upstream);
    for method in ["tasks/get", "tasks/result", "tasks/list", "tasks/update", "tasks/cancel"] {
        let name = if matches!(method, "tasks/result" | "tasks/list") { "" } else { "x" };
        let response = gateway.ask(&modern(&token("bob", "r"), method, name, r#"{"taskId":"x"}"#));
        assert_eq!((response.status, response.text().as_str()), (404, NO_METHOD), "{method}");
    }
}
