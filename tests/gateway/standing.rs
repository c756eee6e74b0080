//! Streams that stand open are told what a new policy changes for their caller, and end where it takes away what
//! they rest on.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::gateway::{POLICY, Setup};
use crate::support::upstream::{Request, chunk, event, fine, json as answer, stream_head};
use crate::support::{Ask, Client, Gate, Gateway, Step, Upstream, call, eventually, request, token};

const PROGRESS: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#;
const TOOLS: &str = "notifications/tools/list_changed";
const PROMPTS: &str = "notifications/prompts/list_changed";
const RESOURCES: &str = "notifications/resources/list_changed";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn body(request: &Request) -> String {
    String::from_utf8_lossy(&request.body).into_owned()
}

fn acknowledged(request: &Request) -> String {
    let id = request.id();
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"{SUBSCRIPTION}":{id}}},"notifications":{{}}}}}}"#
    )
}

/// Streams that say one thing and then stand; lists of `open` and `later`; all else is fine.
fn server(request: &Request) -> Vec<Step> {
    let text = body(request);
    if request.line().starts_with("GET") {
        vec![stream_head(), event(PROGRESS), Step::UntilLeft(Gate::default())]
    } else if text.contains("subscriptions/listen") {
        vec![stream_head(), event(&acknowledged(request)), Step::UntilLeft(Gate::default())]
    } else if text.contains("tools/list") {
        answer(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"open"},{"name":"later"}]}}"#)
    } else {
        fine(request)
    }
}

fn put_policy(gateway: &Gateway, text: &str) {
    let path = gateway.folder.path().join("policy.yaml");
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Puts a policy into force and waits until it is.
pub(crate) fn reload(gateway: &Gateway, text: &str) {
    let before = gateway.metric("toolgate_policy_generation", "");
    put_policy(gateway, text);
    eventually("the policy", || (gateway.metric("toolgate_policy_generation", "") == before + 1).then_some(()));
}

/// The policy with one more line in this section.
fn with(policy: &str, section: &str, line: &str) -> String {
    policy.replace(&format!("{section}:\n"), &format!("{section}:\n  {line}\n"))
}

/// A request of the stateless protocol.
fn modern(token: &str, id: &str, method: &str, params: &str) -> Ask {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let params = if params.is_empty() { format!("{{{meta}}}") } else { format!("{{{meta},{params}}}") };
    Ask::post(token, request(id, method, &params))
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", method)
}

fn listen(token: &str, id: &str, notifications: &str) -> Ask {
    modern(token, id, "subscriptions/listen", &format!(r#""notifications":{notifications}"#))
}

/// An open stream, event by event: several may come in one piece.
struct Stream {
    client: Client,
    held: String,
}

impl Stream {
    fn begin(gateway: &Gateway, ask: &Ask) -> Self {
        let mut client = gateway.connect();
        client.send(&ask.bytes());
        assert_eq!(client.response_head().status, 200);
        Self { client, held: String::new() }
    }

    /// The event that comes next; none at the proper end.
    #[track_caller]
    fn event(&mut self) -> Option<String> {
        if self.held.is_empty() {
            self.held = self.client.event()?;
        }
        let end = self.held.find("\n\n").unwrap() + 2;
        Some(self.held.drain(..end).collect())
    }

    /// The message that comes next.
    #[track_caller]
    fn next(&mut self) -> Value {
        let event = self.event().expect("the stream ended");
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        serde_json::from_str(data).unwrap()
    }
}

/// An open stream of which the first event was read.
#[track_caller]
fn open(gateway: &Gateway, ask: &Ask) -> Stream {
    let mut stream = Stream::begin(gateway, ask);
    assert!(stream.event().unwrap().starts_with("data: "));
    stream
}

/// The message of a changed list, as the stream of a session is told it.
fn told(method: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": method})
}

/// The same for a subscription.
fn told_to(method: &str, id: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": {"_meta": {SUBSCRIPTION: id}}})
}

#[test]
fn each_stream_is_told_exactly_what_changes_for_its_caller() {
    let upstream = Upstream::new(server);
    let gateway = Gateway::before(&upstream);
    let (alice, bob) = (token("alice", "r"), token("bob", "r w"));
    let all = r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}"#;
    let mut alices = open(&gateway, &Ask::get(&alice));
    let mut bobs = open(&gateway, &Ask::get(&bob));
    let mut alice_listens = open(&gateway, &listen(&alice, r#""listen:0""#, all));
    let mut bob_listens = open(&gateway, &listen(&bob, "7", r#"{"toolsListChanged":true}"#));
    let mut deaf = open(&gateway, &listen(&bob, "8", r#"{"toolsListChanged":false}"#));

    // A tool for bob alone, then a prompt for both, then nothing for anybody, then all for alice, too.
    let first = with(POLICY, "tools", "for_bob: {scopes: [w]}");
    reload(&gateway, &first);
    assert_eq!(bobs.next(), told(TOOLS));
    assert_eq!(bob_listens.next(), told_to(TOOLS, json!(7)));
    let second = with(&first, "prompts", "more: {scopes: [r]}");
    reload(&gateway, &second);
    assert_eq!(bobs.next(), told(PROMPTS));
    assert_eq!(alices.next(), told(PROMPTS), "not of bob's tool");
    assert_eq!(alice_listens.next(), told_to(PROMPTS, json!("listen:0")), "not of bob's tool");
    reload(&gateway, &format!("# The same in other words.\n{second}"));
    reload(&gateway, &second.replace("told: {scopes: [w], on_deny: explain}", "told: {scopes: [w]}"));
    let last =
        "version: 1\ntools: {'*': {scopes: []}}\nprompts: {'*': {scopes: []}}\nresources: {'x:*': {scopes: []}}\n";
    reload(&gateway, last);
    for method in [TOOLS, PROMPTS, RESOURCES] {
        assert_eq!(alices.next(), told(method));
        assert_eq!(bobs.next(), told(method));
        assert_eq!(alice_listens.next(), told_to(method, json!("listen:0")));
    }
    assert_eq!(bob_listens.next(), told_to(TOOLS, json!(7)), "and not of a prompt");
    assert_eq!(gateway.metric("toolgate_streams_open", ""), 5);
    assert_eq!(gateway.metric("toolgate_streams_ended_total", ""), 0);
    // What was never told to the one that wants to hear of nothing.
    drop(gateway);
    let mut rest = Vec::new();
    deaf.client.rest(&mut rest);
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

#[test]
fn where_the_whole_list_is_known_only_what_is_listed_counts() {
    let upstream = Upstream::new(server);
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    assert_eq!(gateway.ask(&Ask::post(&alice, request("1", "tools/list", "{}"))).status, 200);
    let mut stream = open(&gateway, &Ask::get(&alice));
    // The server has no such tools; and then one that it has.
    let patterns = with(POLICY, "tools", "'not_there_*': {scopes: []}");
    reload(&gateway, &patterns);
    reload(&gateway, &with(&patterns, "prompts", "more: {scopes: []}"));
    assert_eq!(stream.next(), told(PROMPTS), "of no tool");
    reload(&gateway, &with(&patterns, "tools", "'late*': {scopes: []}"));
    assert_eq!(stream.next(), told(TOOLS));
    assert_eq!(stream.next(), told(PROMPTS));
}

#[test]
fn a_server_that_knows_who_calls_may_list_other_things_to_each() {
    let upstream = Upstream::new(server);
    let gateway = Setup::before(&upstream).arg("--identity-headers", "X-Who=sub").start();
    let alice = token("alice", "r");
    assert_eq!(gateway.ask(&Ask::post(&alice, request("1", "tools/list", "{}"))).status, 200);
    let mut stream = open(&gateway, &Ask::get(&token("bob", "r")));
    reload(&gateway, &with(POLICY, "tools", "for_bob: {scopes: []}"));
    assert_eq!(stream.next(), told(TOOLS));
}

#[test]
fn what_is_told_never_stands_inside_an_event() {
    let go_on = Gate::default();
    let wait = go_on.clone();
    let upstream = Upstream::new(move |_| {
        let (half, rest) = PROGRESS.split_at(20);
        vec![
            stream_head(),
            chunk(&format!("data: {PROGRESS}\n\nretry: 5\ndata: {half}")),
            Step::Wait(wait.clone()),
            chunk(&format!("{rest}\n\n")),
            Step::UntilLeft(Gate::default()),
        ]
    });
    let gateway = Gateway::before(&upstream);
    let mut stream = open(&gateway, &Ask::get(&token("alice", "r")));
    put_policy(&gateway, &with(POLICY, "tools", "more: {scopes: []}"));
    assert_eq!(stream.event().unwrap(), format!("event: message\ndata: {}\n\n", told(TOOLS)));
    go_on.open();
    assert_eq!(stream.event().unwrap(), format!("retry: 5\ndata: {PROGRESS}\n\n"));
}

#[test]
fn a_byte_order_mark_behind_what_was_told_is_none_any_more() {
    let go_on = Gate::default();
    let wait = go_on.clone();
    let upstream = Upstream::new(move |_| {
        let first = chunk(&format!("\u{feff}data: {PROGRESS}\n\n"));
        vec![stream_head(), Step::Wait(wait.clone()), first, Step::UntilLeft(Gate::default())]
    });
    let gateway = Gateway::before(&upstream);
    let mut stream = Stream::begin(&gateway, &Ask::get(&token("alice", "r")));
    put_policy(&gateway, &with(POLICY, "tools", "more: {scopes: []}"));
    assert_eq!(stream.next(), told(TOOLS));
    go_on.open();
    assert_eq!(stream.event().unwrap(), format!("data: {PROGRESS}\n\n"));
}

#[test]
fn nothing_is_told_before_a_subscription_is_acknowledged() {
    let go_on = Gate::default();
    let wait = go_on.clone();
    let upstream = Upstream::new(move |request| {
        let ack = event(&acknowledged(request));
        vec![stream_head(), chunk(": wait\n\n"), Step::Wait(wait.clone()), ack, Step::UntilLeft(Gate::default())]
    });
    let gateway = Gateway::before(&upstream);
    let mut stream = Stream::begin(&gateway, &listen(&token("alice", "r"), "1", r#"{"toolsListChanged":true}"#));
    let mut comment = stream.event().unwrap();
    reload(&gateway, &with(POLICY, "tools", "more: {scopes: []}"));
    go_on.open();
    while !comment.contains("data") {
        comment = stream.event().unwrap();
    }
    assert!(comment.contains("acknowledged"), "{comment}");
    assert_eq!(stream.next(), told_to(TOOLS, json!(1)));
}

#[test]
fn the_answer_to_a_request_is_told_of_no_change() {
    let go_on = Gate::default();
    let wait = go_on.clone();
    let upstream = Upstream::new(move |_| {
        let result = event(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        vec![
            stream_head(),
            event(PROGRESS),
            Step::Wait(wait.clone()),
            result,
            crate::support::upstream::last_chunk(),
        ]
    });
    let gateway = Gateway::before(&upstream);
    let mut stream = open(&gateway, &Ask::post(&token("alice", "r"), call("read")));
    // What it called is taken away: it was judged when it was asked for.
    reload(&gateway, "version: 1\n");
    go_on.open();
    assert_eq!(stream.next(), json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    assert_eq!(stream.event(), None);
}

#[test]
fn a_subscription_ends_when_a_resource_is_lost_and_other_streams_go_on() {
    let upstream = Upstream::new(server);
    let setup = Setup::before(&upstream);
    let audit = setup.folder().join("audit.jsonl");
    let gateway = setup.arg("--audit-file", audit.to_str().unwrap()).start();
    let (alice, bob) = (token("alice", "r"), token("bob", "r w"));
    let wants = r#"{"toolsListChanged":true,"resourceSubscriptions":["x:r"]}"#;
    let mut lost = open(&gateway, &listen(&alice, r#""a""#, wants));
    let mut kept = open(&gateway, &listen(&bob, "2", wants));
    let mut without = open(&gateway, &listen(&alice, "3", r#"{"resourcesListChanged":true}"#));
    let mut session = open(&gateway, &Ask::get(&alice));
    reload(&gateway, &POLICY.replace(r#""x:r": {scopes: [r]}"#, r#""x:r": {scopes: [r, w]}"#));
    let closed =
        json!({"jsonrpc": "2.0", "id": "a", "result": {"resultType": "complete", "_meta": {SUBSCRIPTION: "a"}}});
    assert_eq!(lost.next(), closed);
    assert_eq!(lost.event(), None, "a clean end");
    // The connection is good for more, and whoever asks again learns what is missing.
    let again = lost.client.ask(&listen(&alice, "4", wants));
    assert_eq!(again.status, 403);
    assert!(again.header("www-authenticate").unwrap().contains("insufficient_scope"));
    assert_eq!(without.next(), told_to(RESOURCES, json!(3)));
    assert_eq!(session.next(), told(RESOURCES));
    eventually("the count", || {
        (gateway.metric("toolgate_streams_ended_total", "reason=\"policy\"") == 1).then_some(())
    });
    assert_eq!(gateway.metric("toolgate_streams_open", ""), 3);
    // Whoever has lost everything still has its session: it is told, and sees nothing.
    reload(&gateway, "version: 1\n");
    assert_eq!(kept.next()["id"], 2);
    assert_eq!(kept.event(), None);
    for method in [TOOLS, PROMPTS] {
        assert_eq!(session.next(), told(method));
    }
    eventually("the audit", || (ends(&audit) == ["policy", "policy"]).then_some(()));
}

#[test]
fn a_subscription_to_the_interface_of_a_tool_ends_when_a_lockfile_takes_the_tool() {
    const LIST: &str =
        r#"{"tools":[{"name":"open"},{"name":"chart","_meta":{"ui":{"resourceUri":"ui://chart"}}}]}"#;
    let upstream = Upstream::new(|request| {
        if !body(request).contains("\"tools/list\"") {
            return server(request);
        }
        answer(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{LIST}}}"#, request.id()))
    });
    let setup = Setup::before(&upstream);
    let rules =
        "version: 1\ntools: {open: {scopes: []}, chart: {scopes: []}}\nresources: {'ui://**': {scopes: []}}\n";
    setup.file("policy.yaml", rules);
    let lock = setup.folder().join("tools.lock");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_toolgate"));
    command.args(["policy", "lock", "--upstream", &upstream.url, "-o", lock.to_str().unwrap()]).env_clear();
    assert!(command.status().unwrap().success());
    let gateway = setup.arg("--lock-file", lock.to_str().unwrap()).start();
    let alice = token("alice", "r");
    assert!(gateway.ask(&Ask::post(&alice, request("1", "tools/list", "{}"))).text().contains("chart"));
    let wants = |uri: &str| format!(r#"{{"toolsListChanged":true,"resourceSubscriptions":["{uri}"]}}"#);
    let mut lost = open(&gateway, &listen(&alice, "1", &wants("ui://chart")));
    let mut session = open(&gateway, &Ask::get(&alice));
    let mut text: Value = serde_json::from_str(&std::fs::read_to_string(&lock).unwrap()).unwrap();
    assert!(text["tools"].as_object_mut().unwrap().remove("chart").is_some());
    std::fs::write(&lock, text.to_string()).unwrap();
    assert_eq!(lost.next()["result"]["resultType"], "complete");
    assert_eq!(lost.event(), None, "a clean end");
    // Whoever has a session is told of both: the tool, and its interface.
    assert_eq!((session.next(), session.next()), (told(TOOLS), told(RESOURCES)));
    assert!(gateway.ask(&listen(&alice, "2", &wants("ui://chart"))).json().get("error").is_some());
}

#[test]
fn a_subscription_ends_when_what_made_a_task_is_lost() {
    let upstream = Upstream::new(|request| {
        if body(request).contains("tools/call") {
            answer(r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"t","status":"working"}}}"#)
        } else {
            server(request)
        }
    });
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    let made = gateway.ask(&Ask::post(&alice, call("read"))).json();
    let task = made["result"]["task"]["taskId"].as_str().unwrap();
    let wants = format!(r#"{{"taskIds":["{task}"]}}"#);
    let mut lost = open(&gateway, &listen(&alice, "2", &wants));
    let mut of_nobody = open(&gateway, &listen(&token("bob", "r"), "3", &wants));
    reload(&gateway, &with(POLICY, "tools", "other: {scopes: [r]}"));
    reload(&gateway, &POLICY.replace("read: {scopes: [r]}", "read: {scopes: [r, w]}"));
    assert_eq!(lost.next()["id"], 2);
    assert_eq!(lost.event(), None, "a clean end");
    assert_eq!(gateway.ask(&listen(&alice, "4", &wants)).status, 403, "whoever asks again learns what is missing");
    assert_eq!(gateway.metric("toolgate_streams_open", ""), 1);
    reload(&gateway, "version: 1\n");
    gateway.signal("TERM");
    assert_eq!(of_nobody.next()["id"], 3, "what rests on nothing goes on");
}

/// Why streams ended, as the audit says.
fn ends(audit: &Path) -> Vec<String> {
    let lines = std::fs::read_to_string(audit).unwrap_or_default();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line["stream_end"].as_str().map(ToOwned::to_owned)).collect()
}

#[test]
fn a_subscription_is_told_that_the_gateway_goes_down() {
    let upstream = Upstream::new(server);
    let mut gateway = Gateway::before(&upstream);
    let mut stream = open(&gateway, &listen(&token("alice", "r"), "1", "{}"));
    gateway.signal("TERM");
    let closed =
        json!({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete", "_meta": {SUBSCRIPTION: 1}}});
    assert_eq!(stream.next(), closed);
    assert_eq!(stream.event(), None);
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn one_caller_cannot_take_every_place() {
    let upstream = Upstream::new(server);
    let gateway = Setup::before(&upstream).arg("--limits-streams-per-caller", "2").start();
    let (alice, other) = (token("alice", "r"), token("alice", "r w"));
    let mut held = vec![open(&gateway, &Ask::get(&alice)), open(&gateway, &listen(&other, "1", "{}"))];
    for ask in [Ask::get(&alice), Ask::post(&other, call("open")), listen(&alice, "1", "{}")] {
        let refused = gateway.ask(&ask);
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("5")));
    }
    // What takes nothing is never refused for it: otherwise a caller at its limit could not come down from it.
    let said = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(gateway.ask(&Ask::post(&alice, said)).status, 202);
    assert_eq!(gateway.ask(&Ask::post(&alice, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)).status, 200);
    assert_eq!(gateway.ask(&Ask::method("DELETE", &alice)).status, 202);
    assert_eq!(gateway.ask(&Ask::post(&token("bob", "r"), call("open"))).status, 200);
    held.pop();
    eventually("room again", || (gateway.ask(&Ask::post(&alice, call("open"))).status == 200).then_some(()));
}
