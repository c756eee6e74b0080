//! From start to end: configuration, changes of the policy, the limit of streams, and signals.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::gateway::{POLICY, Setup};
use crate::support::upstream::{event, fine, json, stream_head};
use crate::support::{Ask, Client, Gate, Gateway, Step, Upstream, call, eventually, request, token};

fn post(body: impl Into<Vec<u8>>) -> Ask {
    Ask::post(&token("alice", "r"), body)
}

/// The policy with one more tool.
fn with_tool(tool: &str) -> String {
    POLICY.replace("tools:\n", &format!("tools:\n  {tool}: {{scopes: []}}\n"))
}

/// Puts a file in the place of another at once.
fn rename_over(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

fn sees(gateway: &Gateway, tool: &str) -> bool {
    let list = gateway.ask(&post(request("1", "tools/list", "{}"))).text();
    let is_called = gateway.ask(&post(call(tool))).json().get("result").is_some();
    list.contains(tool) && is_called
}

fn lists(request: &crate::support::upstream::Request) -> Vec<Step> {
    if String::from_utf8_lossy(&request.body).contains("tools/list") {
        json(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"open"},{"name":"later"},{"name":"last"}]}}"#)
    } else {
        fine(request)
    }
}

#[test]
fn a_tool_appears_when_the_policy_file_is_replaced() {
    let upstream = Upstream::new(lists);
    let gateway = Gateway::before(&upstream);
    assert!(sees(&gateway, "open") && !sees(&gateway, "later"));
    rename_over(&gateway.folder.path().join("policy.yaml"), &with_tool("later"));
    eventually("the new tool", || sees(&gateway, "later").then_some(()));
    // And by a rewrite in place.
    std::fs::write(gateway.folder.path().join("policy.yaml"), with_tool("last")).unwrap();
    eventually("the last tool", || sees(&gateway, "last").then_some(()));
    assert!(!sees(&gateway, "later"));
    assert_eq!(gateway.metric("toolgate_policy_generation", ""), 3);
}

#[test]
fn every_answer_is_of_one_policy_however_often_it_changes() {
    const TOOLS: [&str; 3] = ["open", "later", "last"];
    let upstream = Upstream::new(lists);
    let mut gateway = Gateway::before(&upstream);
    let file = gateway.folder.path().join("policy.yaml");
    // Each policy has a tool of its own: an answer that shows both, or none, is of no policy.
    let policies = ["later", "last"].map(|tool| format!("version: 1\ntools:\n  {tool}: {{scopes: []}}\n"));
    rename_over(&file, &policies[0]);
    eventually("the first policy", || sees(&gateway, "later").then_some(()));
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let counts = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = gateway.connect();
                    let mut seen = [0_u32; 3];
                    while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                        let text = client.ask(&post(request("1", "tools/list", "{}"))).text();
                        let shown: Vec<_> =
                            (0..).zip(TOOLS).filter(|(_, tool)| text.contains(&format!("\"{tool}\""))).collect();
                        let [(at, _)] = shown[..] else { panic!("{text}") };
                        seen[at] += 1;
                        let called = client.ask(&post(call(TOOLS[at]))).json();
                        // The policy may have changed between the two; the answer is one of two all the same.
                        assert!(
                            called["result"]["said"] == "fine" || called["error"]["code"] == -32602,
                            "{called}"
                        );
                    }
                    seen
                })
            })
            .collect();
        for round in 1..=6_u64 {
            rename_over(&file, &policies[usize::try_from(round % 2).unwrap()]);
            eventually("the next policy", || {
                (gateway.metric("toolgate_policy_generation", "") >= 2 + round).then_some(())
            });
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
    });
    for tool in [1, 2] {
        assert!(counts.iter().map(|seen| seen[tool]).sum::<u32>() > 0, "{counts:?}");
    }
    assert!(counts.iter().all(|seen| seen[0] == 0), "{counts:?}");
    gateway.is_well();
}

#[test]
fn a_swapped_link_is_followed_as_kubernetes_swaps_it() {
    let upstream = Upstream::new(lists);
    let setup = Setup::before(&upstream);
    let folder = setup.folder().to_owned();
    for (version, text) in [("..one", POLICY.to_owned()), ("..two", with_tool("later"))] {
        std::fs::create_dir(folder.join(version)).unwrap();
        std::fs::write(folder.join(version).join("mounted.yaml"), text).unwrap();
    }
    symlink("..one", folder.join("..data")).unwrap();
    symlink("..data/mounted.yaml", folder.join("mounted.yaml")).unwrap();
    let gateway = setup.arg("--policy", folder.join("mounted.yaml").to_str().unwrap()).start();
    assert!(!sees(&gateway, "later"));
    symlink("..two", folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    std::fs::remove_dir_all(folder.join("..one")).unwrap();
    eventually("the new tool", || sees(&gateway, "later").then_some(()));
}

#[test]
fn a_flawed_policy_leaves_the_last_good_one_and_says_so() {
    let upstream = Upstream::new(lists);
    let gateway = Gateway::before(&upstream);
    let file = gateway.folder.path().join("policy.yaml");
    let kept = || gateway.metric("toolgate_policy_reloads_total", "result=\"kept\"");
    let flawed = [
        "version: 1\ntool: {}\n".to_owned(),
        String::new(),
        format!("{POLICY}tests:\n- {{name: t, token: {{sub: a, scope: r}}, call: {{tool: read}}, expect: deny}}\n"),
    ];
    for (count, text) in (1..).zip(flawed) {
        rename_over(&file, &text);
        eventually("the flaw counted", || (kept() == count).then_some(()));
        let ready = gateway.admin("/readyz");
        assert_eq!(ready.status, 200, "what is in force is good");
        assert!(ready.text().contains("generation 1 stays in force"), "{}", ready.text());
        assert!(sees(&gateway, "open") && !sees(&gateway, "later"));
    }
    assert!(gateway.errors().contains("policy.yaml:2"), "{}", gateway.errors());
    rename_over(&file, &with_tool("later"));
    eventually("the good one", || sees(&gateway, "later").then_some(()));
    assert!(!gateway.admin("/readyz").text().contains("stays in force"));
    assert_eq!(gateway.metric("toolgate_policy_generation", ""), 2);
}

#[test]
fn a_policy_that_takes_too_much_from_callers_waits_for_the_operator() {
    let upstream = Upstream::new(lists);
    let gateway = Setup::before(&upstream).arg("--reload-max-lost", "1").start();
    let file = gateway.folder.path().join("policy.yaml");
    for caller in ["alice", "bob"] {
        assert_eq!(gateway.ask(&Ask::post(&token(caller, "r"), call("read"))).status, 200);
    }
    rename_over(&file, &POLICY.replace("read: {scopes: [r]}", "read: {scopes: [w]}"));
    let told = "the new policy takes something from 2 of 2 recent callers, and `reload.max_lost` is 1: tool read";
    eventually("the objection", || gateway.admin("/readyz").text().contains(told).then_some(()));
    assert_eq!(gateway.metric("toolgate_policy_reloads_total", "result=\"kept\""), 1);
    assert_eq!(gateway.ask(&post(call("read"))).status, 200);
    gateway.signal("HUP");
    eventually("the new policy", || (gateway.ask(&post(call("read"))).status == 403).then_some(()));
    // One caller's loss is within the bound.
    rename_over(&file, &POLICY.replace("open: {scopes: []}", "open: {scopes: [w]}"));
    eventually("the objection to the next", || {
        gateway.admin("/readyz").text().contains("recent callers").then_some(())
    });
    rename_over(&file, &with_tool("later"));
    eventually("what takes nothing", || sees(&gateway, "later").then_some(()));
}

/// Connections that ask all the time while the policy changes, and streams that stand open meanwhile.
const CONNECTIONS: usize = 200;
const STREAMS: usize = 200;
const CHANGES: usize = 12;

/// Whether all of what is shown is of one of the two policies.
#[track_caller]
fn is_of_one_policy(seen: &str) {
    assert_ne!(seen.contains("\"later\""), seen.contains("\"last\""), "{seen}");
    assert!(!seen.contains("\"open\""), "{seen}");
}

/// The next list on an open stream. What the gateway tells of changes may come before it.
#[track_caller]
fn next_list(stream: &mut (Client, String)) -> String {
    loop {
        while let Some(end) = stream.1.find("\n\n") {
            let event: String = stream.1.drain(..end + 2).collect();
            if event.contains("\"result\"") {
                return event;
            }
            assert!(event.contains("notifications/tools/list_changed"), "{event}");
        }
        let more = stream.0.event().expect("the stream ended");
        stream.1.push_str(&more);
    }
}

/// Says that it is over, also where a claim does not hold: whoever waits for that must not wait for ever.
struct Over<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn every_request_and_event_is_judged_by_one_policy_however_often_it_changes() {
    const LIST: &str =
        r#"{"jsonrpc":"2.0","id":9,"result":{"tools":[{"name":"open"},{"name":"later"},{"name":"last"}]}}"#;
    let gates: Vec<Gate> = (0..=CHANGES).map(|_| Gate::default()).collect();
    let waits = gates.clone();
    let upstream = Upstream::new(move |request| {
        if !request.line().starts_with("GET") {
            return lists(request);
        }
        let events = waits.iter().flat_map(|gate| [Step::Wait(gate.clone()), event(LIST)]);
        std::iter::once(stream_head()).chain(events).chain([Step::UntilLeft(Gate::default())]).collect()
    });
    let setup = Setup::before(&upstream);
    let policy = |tool: &str| format!("version: 1\ntools: {{{tool}: {{scopes: []}}}}\n");
    std::fs::write(setup.folder().join("policy.yaml"), policy("later")).unwrap();
    let mut gateway = setup.start();
    let file = gateway.folder.path().join("policy.yaml");
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let list = post(request("1", "tools/list", "{}"));
    let mut streams: Vec<(Client, String)> = (0..STREAMS)
        .map(|number| {
            let mut client = gateway.connect();
            client.send(&Ask::get(&token(&format!("caller {number}"), "r")).bytes());
            assert_eq!(client.response_head().status, 200);
            (client, String::new())
        })
        .collect();
    let asked: usize = std::thread::scope(|scope| {
        let ask = || {
            let mut connections: Vec<Client> = (0..CONNECTIONS / 4).map(|_| gateway.connect()).collect();
            let mut asked = 0;
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                for connection in &mut connections {
                    is_of_one_policy(&connection.ask(&list).text());
                    asked += 1;
                }
            }
            asked
        };
        let askers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        let over = Over(&is_over);
        for (change, gate) in (0..CHANGES).zip(&gates) {
            rename_over(&file, &policy(if change % 2 == 0 { "last" } else { "later" }));
            // Every stream gets a list while the policy changes.
            gate.open();
            let generation = u64::try_from(change).unwrap() + 2;
            eventually("the change", || {
                (gateway.metric("toolgate_policy_generation", "") == generation).then_some(())
            });
            streams.iter_mut().for_each(|stream| is_of_one_policy(&next_list(stream)));
        }
        drop(over);
        askers.into_iter().map(|asker| asker.join().unwrap()).sum()
    });
    assert!(asked >= CONNECTIONS, "every connection has asked");
    // The last change is in force on every stream.
    gates.iter().for_each(Gate::open);
    for stream in &mut streams {
        let seen = next_list(stream);
        assert!(seen.contains("\"later\"") && !seen.contains("\"last\""), "{seen}");
    }
    gateway.is_well();
}

#[test]
fn a_policy_that_vanishes_stays_in_force() {
    let upstream = Upstream::new(lists);
    let gateway = Gateway::before(&upstream);
    let file = gateway.folder.path().join("policy.yaml");
    std::fs::remove_file(&file).unwrap();
    eventually("the loss noticed", || gateway.admin("/readyz").text().contains("stays in force").then_some(()));
    assert!(sees(&gateway, "open"));
    std::fs::write(&file, with_tool("later")).unwrap();
    eventually("the new tool", || sees(&gateway, "later").then_some(()));
}

#[test]
fn a_standing_stream_is_filtered_by_the_policy_of_the_moment() {
    let go_on = Gate::default();
    let wait = go_on.clone();
    const LIST: &str = r#"{"jsonrpc":"2.0","id":9,"result":{"tools":[{"name":"later"}]}}"#;
    let upstream = Upstream::new(move |request| {
        if request.line().starts_with("GET") {
            let end = Step::UntilLeft(Gate::default());
            vec![stream_head(), event(LIST), Step::Wait(wait.clone()), event(LIST), end]
        } else {
            lists(request)
        }
    });
    let gateway = Gateway::before(&upstream);
    let mut client = gateway.connect();
    client.send(&Ask::get(&token("alice", "r")).bytes());
    assert_eq!(client.response_head().status, 200);
    assert!(client.event().unwrap().contains("\"tools\":[]"));
    rename_over(&gateway.folder.path().join("policy.yaml"), &with_tool("later"));
    eventually("the new tool", || sees(&gateway, "later").then_some(()));
    assert!(client.event().unwrap().contains("notifications/tools/list_changed"));
    go_on.open();
    assert!(client.event().unwrap().contains("\"later\""));
}

#[test]
fn readiness_follows_the_upstream() {
    let gateway = Gateway::before(&Upstream::down());
    assert_eq!(gateway.admin("/livez").status, 200);
    let ready = gateway.admin("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("the MCP server cannot be reached"), "{}", ready.text());
    let upstream = Upstream::fine();
    assert_eq!(Gateway::before(&upstream).admin("/readyz").status, 200);
}

#[test]
fn streams_are_counted_and_given_free_again() {
    let upstream = Upstream::new(|request| {
        if request.line().starts_with("GET") {
            vec![stream_head(), Step::UntilLeft(Gate::default())]
        } else {
            fine(request)
        }
    });
    let gateway = Setup::before(&upstream).arg("--limits-streams", "3").start();
    let open = || -> Client {
        let mut client = gateway.connect();
        client.send(&Ask::get(&token("alice", "r")).bytes());
        assert_eq!(client.response_head().status, 200);
        client
    };
    let mut held: Vec<Client> = (0..3).map(|_| open()).collect();
    eventually("three streams", || (gateway.metric("toolgate_streams_open", "") == 3).then_some(()));
    for ask in [post(call("open")), Ask::get(&token("alice", "r"))] {
        let response = gateway.ask(&ask);
        assert_eq!((response.status, response.header("retry-after")), (503, Some("5")));
    }
    assert_eq!(upstream.requests().len(), 3);
    // What costs nothing is still told.
    let metadata = Ask::method("GET", "").target("/.well-known/oauth-protected-resource");
    assert_eq!(gateway.ask(&metadata).status, 200);
    held.pop();
    eventually("room again", || (gateway.ask(&post(call("open"))).status == 200).then_some(()));
}

#[test]
fn sigterm_lets_what_is_under_way_finish() {
    let go_on = Gate::default();
    let wait = go_on.clone();
    let upstream = Upstream::new(move |request| {
        if request.line().starts_with("GET") {
            return vec![stream_head(), event("{\"jsonrpc\":\"2.0\"}"), Step::UntilLeft(Gate::default())];
        }
        let mut steps = vec![Step::Wait(wait.clone())];
        steps.extend(fine(request));
        steps
    });
    let mut gateway = Setup::before(&upstream).arg("--limits-shutdown-delay", "500ms").start();
    let mut standing = gateway.connect();
    standing.send(&Ask::get(&token("alice", "r")).bytes());
    assert_eq!(standing.response_head().status, 200);
    standing.event();
    let mut slow = gateway.connect();
    slow.send(&post(call("open")).bytes());
    upstream.request(2);
    gateway.signal("TERM");
    // Still listening, so that whoever asks learns that it is going.
    eventually("readiness withdrawn", || {
        let ready = gateway.admin("/readyz");
        (ready.status == 503 && ready.text().contains("\"draining\":true")).then_some(())
    });
    assert_eq!(standing.event(), None, "a clean end");
    go_on.open();
    let response = slow.response();
    assert_eq!((response.status, response.json()["result"]["said"].as_str()), (200, Some("fine")));
    assert_eq!(gateway.wait().code(), Some(0), "{}", gateway.errors());
}

#[test]
fn sigterm_does_not_wait_longer_than_its_grace() {
    let upstream = Upstream::new(|_| vec![Step::UntilLeft(Gate::default())]);
    let mut gateway = Setup::before(&upstream).arg("--limits-grace", "1s").start();
    let mut slow = gateway.connect();
    slow.send(&post(call("open")).bytes());
    upstream.request(1);
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn other_signals_end_it_at_once_or_not_at_all() {
    let upstream = Upstream::fine();
    // One thread and several run on different kinds of runtimes.
    for threads in ["1", "2", "3"] {
        let mut gateway = Setup::before(&upstream).arg("--threads", threads).start();
        gateway.signal("HUP");
        assert_eq!(gateway.ask(&post(call("open"))).status, 200);
        gateway.signal("INT");
        assert_eq!(gateway.wait().code(), Some(0), "{threads} threads");
    }
}

#[test]
fn all_mistakes_of_a_configuration_are_told_at_once() {
    let upstream = Upstream::fine();
    let setup = Setup::before(&upstream);
    let config = setup.file("toolgate.yaml", "limits: {body: much}\nthread: 2\nlisten: [nowhere]\n");
    let (status, said) = setup
        .without("--policy")
        .without("--listen")
        .arg("--config", config.to_str().unwrap())
        .arg("--upstream", "ftp://x")
        .arg("--limits-depth", "1")
        .fail();
    assert_eq!(status.code(), Some(78), "{said}");
    for part in [
        "limits.body",
        "toolgate.yaml:1",
        "thread",
        "toolgate.yaml:2",
        "listen",
        "upstream",
        "limits.depth",
        "policy",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn what_cannot_start_says_why_and_exits_with_78() {
    let upstream = Upstream::fine();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().to_string();
    let with_file = |flag: &str, text: &str| {
        let setup = Setup::before(&upstream);
        let file = setup.file("flawed", text);
        setup.arg(flag, file.to_str().unwrap())
    };
    let setups = [
        (with_file("--policy", "version: 1\ntools: {a: {}}\n"), "flawed:2"),
        (with_file("--policy", ""), "flawed"),
        (with_file("--secret-file", "short"), "secret"),
        (with_file("--secret-file", "dev-secret-change-me"), "secret"),
        (with_file("--session-key-file", "short"), "session_key_file"),
        (Setup::before(&upstream).arg("--policy", "/nowhere/policy.yaml"), "/nowhere/policy.yaml"),
        (Setup::before(&upstream).without("--issuer").without("--secret-file"), "issuer"),
    ];
    for (setup, part) in setups {
        let (status, said) = setup.fail();
        assert_eq!(status.code(), Some(78), "{said}");
        assert!(said.contains(part), "{part}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let (status, said) = Setup::before(&upstream).arg("--listen", &taken).fail();
    assert_eq!((status.code(), said.contains(&taken)), (Some(78), true), "{said}");
}

#[test]
fn wrong_usage_exits_with_64() {
    let upstream = Upstream::fine();
    let (status, said) = Setup::before(&upstream).arg("--no-such-flag", "x").fail();
    assert_eq!(status.code(), Some(64), "{said}");
}
