//! The commands that write policies or hold them against what is there: `policy init`, `policy lint`, `policy learn`.

use std::process::Command;

use crate::support::gateway::Setup;
use crate::support::upstream::{Request, event, fine, json, last_chunk, stream_head, with_length};
use crate::support::{Ask, Upstream, call, eventually, token};

/// Runs `toolgate policy`: its exit code, standard output and standard error.
pub(crate) fn policy(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_toolgate"));
    let output = command.arg("policy").args(arguments).env_clear().output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), out, err)
}

fn answer(request: &Request, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, request.id())
}

const HELLO: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"resources":{}},"serverInfo":{"name":"s","version":"1"}}"#;

/// A server of sessions that wants a token, and lists two pages of tools, one as JSON and one as a stream in which
/// something else comes first.
fn legacy() -> Upstream {
    Upstream::new(|request| {
        if request.header("authorization") != Some("Bearer sesame") {
            return with_length("401 Unauthorized", "", "");
        }
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if body.contains("\"initialize\"") {
            let headers = "Content-Type: application/json\r\nMcp-Session-Id: seven\r\n";
            return with_length("200 OK", headers, &answer(request, HELLO));
        }
        let is_in_session = request.header("mcp-session-id") == Some("seven");
        if !is_in_session || request.header("mcp-protocol-version") != Some("2025-06-18") {
            return with_length("400 Bad Request", "", "");
        }
        if body.contains("\"cursor\":\"2\"") {
            let page = answer(
                request,
                r#"{"tools":[{"name":"write","description":"x\n# y","annotations":{"destructiveHint":true}}]}"#,
            );
            let other = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
            return vec![stream_head(), event(other), event(&page), last_chunk()];
        }
        if body.contains("\"tools/list\"") {
            return json(&answer(request, r#"{"tools":[{"name":"read"}],"nextCursor":"2"}"#));
        }
        if body.contains("\"resources/templates/list\"") {
            return json(&answer(request, r#"{"resourceTemplates":[{"uriTemplate":"x:{a}"}]}"#));
        }
        if body.contains("\"resources/list\"") {
            return json(&answer(request, r#"{"resources":[]}"#));
        }
        assert!(!body.contains("prompts/list"), "the server said that it has none");
        fine(request)
    })
}

#[test]
fn what_a_server_of_sessions_lists_becomes_a_policy_that_refuses_it() {
    let upstream = legacy();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "sesame\n").unwrap();
    let token = token.to_str().unwrap();
    let (code, out, err) = policy(&["init", "--upstream", &upstream.url, "--token-file", token]);
    assert_eq!((code, err.contains("3 things")), (0, true), "{err}");
    assert!(out.contains("  \"read\": {deny: true}\n"), "{out}");
    let write = "  # says destructiveHint: true\n  # says: x\n  \"write\": {deny: true}\n";
    assert!(out.contains(write) && out.contains("  # \"x:{a}\": {scopes: [some:scope]}\n"), "{out}");
    let last = upstream.requests().pop().unwrap();
    assert!(last.line().starts_with("DELETE") && last.header("mcp-session-id") == Some("seven"));

    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, &out).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(policy(&["check", file]).0, 0);
    let lint = |file| policy(&["lint", file, "--upstream", &upstream.url, "--token-file", token]);
    let (code, out, _) = lint(file);
    // The template is undecided.
    assert_eq!((code, out.matches('\n').count()), (1, 1), "{out}");
    assert!(out.contains("the resource `x:{a}` is in no rule"), "{out}");
    std::fs::write(file, "version: 1\ntools:\n  read: {scopes: []}\n  'w*': {scopes: [w]}\n  gone: {scopes: []}\nresources: {'x:**': {scopes: []}}\n").unwrap();
    let (code, out, err) = lint(file);
    assert_eq!(code, 1, "{err}");
    assert_eq!(out, format!("{file}:5: `tools.gone` decides about nothing that the server lists\n"));
    std::fs::write(file, "version: 1\ntools: {'*': {scopes: [w]}}\nresources: {'x:**': {scopes: []}}\n").unwrap();
    assert_eq!(lint(file).0, 0);

    let (code, out, err) = policy(&["init", "--upstream", &upstream.url]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("wants a token") && err.contains("401"), "{err}");
    assert_eq!(policy(&["lint", file, "--upstream", &upstream.url]).0, 2);
}

#[test]
fn a_server_without_sessions_is_asked_in_its_own_way() {
    let upstream = Upstream::new(|request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let error = |status: &str, code: i32| {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{code},"message":""}}}}"#, request.id());
            with_length(status, "Content-Type: application/json\r\n", &body)
        };
        let mirrors = [request.header("mcp-protocol-version"), request.header("mcp-method")];
        match mirrors {
            [Some("2026-07-28"), Some("tools/list")] => {
                assert!(body.contains(r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#));
                let result = r#"{"resultType":"complete","tools":[{"name":"a"}],"ttlMs":0,"cacheScope":"private"}"#;
                json(&answer(request, result))
            }
            _ => error("404 Not Found", -32601),
        }
    });
    let (code, out, err) = policy(&["init", "--upstream", &upstream.url]);
    assert_eq!((code, out.contains("  \"a\": {deny: true}\n")), (0, true), "{out}{err}");
}

#[test]
fn a_hostile_server_is_told_from_a_list() {
    type Answer = fn(&Request) -> String;
    let answers: [(&str, Answer); 6] = [
        ("circle", |request| answer(request, r#"{"tools":[],"nextCursor":"again"}"#)),
        ("no list", |request| answer(request, r#"{"tools":{}}"#)),
        ("no list", |request| answer(request, "{}")),
        ("not answered", |_| r#"{"jsonrpc":"2.0","id":999,"result":{"tools":[]}}"#.to_owned()),
        ("not answered", |_| "<html>".to_owned()),
        ("error -32000", |request| {
            format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32000,"message":"x"}}}}"#, request.id())
        }),
    ];
    for (expected, list) in answers {
        let upstream = Upstream::new(move |request| {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            if body.contains("\"initialize\"") {
                json(&answer(request, HELLO))
            } else if body.contains("/list\"") {
                json(&list(request))
            } else {
                fine(request)
            }
        });
        let (code, out, err) = policy(&["init", "--upstream", &upstream.url]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(expected), "{expected}: {err}");
    }
    let (code, _, err) = policy(&["init", "--upstream", &Upstream::down().url]);
    assert_eq!((code, err.contains("cannot be reached")), (1, true), "{err}");
}

#[test]
fn what_a_gateway_recorded_becomes_a_policy_of_what_was_used() {
    let upstream = Upstream::fine();
    let setup = Setup::before(&upstream);
    let audit = setup.folder().join("audit.jsonl");
    let gateway = setup.arg("--audit-file", audit.to_str().unwrap()).start();
    let asked =
        [("alice", "r w openid", "read", 200), ("bob", "r openid", "read", 200), ("bob", "r openid", "write", 403)];
    for (subject, scopes, tool, status) in asked {
        assert_eq!(gateway.ask(&Ask::post(&token(subject, scopes), call(tool))).status, status);
    }
    gateway.ask(&Ask::post("no token", call("read")));
    let lines = || std::fs::read_to_string(&audit).unwrap_or_default();
    eventually("the audit", || (lines().lines().count() == 4).then_some(()));
    std::fs::write(&audit, format!("{}not an audit line\n", lines())).unwrap();
    let base = gateway.folder.path().join("policy.yaml");
    let (code, out, err) = policy(&["learn", audit.to_str().unwrap(), "--base", base.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        err,
        "learned from 3 decisions; 1 line about what needs no rule, or refused for other reasons; 1 line unreadable\n"
    );
    let rules = out.split("tests:").next().unwrap();
    assert!(rules.ends_with("tools:\n  \"read\": {scopes: [\"r\"]}\n\n"), "{out}");
    std::fs::write(&base, &out).unwrap();
    let (code, _, err) = policy(&["test", base.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(policy(&["learn", "nowhere.jsonl"]).0, 1);
}

#[test]
fn what_a_gateway_recorded_is_decided_again_by_another_policy() {
    let upstream = Upstream::new(fine);
    let setup = Setup::before(&upstream);
    let audit = setup.folder().join("audit.jsonl");
    let old = setup.folder().join("policy.yaml");
    let new = setup
        .file("new.yaml", "version: 1\ntools:\n  read: {scopes: [w]}\n  open: {scopes: [], when: args.n < 5}\n");
    let gateway = setup.arg("--audit-file", audit.to_str().unwrap()).arg("--audit-arguments", "full").start();
    let body = |arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"open","arguments":{arguments}}}}}"#
        )
    };
    gateway.ask(&Ask::post(&token("alice", "r"), call("read")));
    gateway.ask(&Ask::post(&token("bob", "w"), call("read")));
    gateway.ask(&Ask::post(&token("bob", "w"), body(r#"{"n":4}"#)));
    gateway.ask(&Ask::post(&token("bob", "w"), body(r#"{"n":5}"#)));
    let bare = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open"}}"#;
    gateway.ask(&Ask::post(&token("bob", "w"), bare));
    eventually("all lines", || {
        let lines = std::fs::read_to_string(&audit).unwrap_or_default();
        (lines.lines().count() == 5).then_some(())
    });
    let [old, new, audit] = [&old, &new, &audit].map(|path| path.to_str().unwrap());
    let (code, out, err) = policy(&["diff", old, new, "--audit", audit, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str()), (0, ""));
    let told: Vec<_> = report["replay"]["changed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["name"].as_str().unwrap(),
                row["subject"].as_str().unwrap(),
                row["gained"].as_u64().unwrap(),
                row["lost"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("open", "bob", 0, 1), ("read", "alice", 0, 1), ("read", "bob", 1, 0)], "{report}");
    // No arguments were sent, which no line tells from arguments that were not recorded.
    assert_eq!(report["replay"]["unknown"][0]["count"], 1, "{report}");
    for (fail_on, expected) in [("loosened", 1), ("tightened", 1), ("any", 1)] {
        assert_eq!(policy(&["diff", old, new, "--audit", audit, "--fail-on", fail_on]).0, expected);
    }
    assert_eq!(policy(&["diff", old, old, "--audit", audit, "--fail-on", "any"]).0, 0);
    assert_eq!(policy(&["diff", old, new, "--audit", "nowhere"]).0, 2);
}
