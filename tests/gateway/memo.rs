//! What was made of a list before is told again only where it would be made again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::standing::reload;
use crate::support::gateway::{POLICY, Setup};
use crate::support::upstream::{Request, chunk, event, json, last_chunk, stream_head};
use crate::support::{Ask, Gateway, Step, Upstream, eventually, request, token};

const ALL: &str = r#"{"name":"open"},{"name":"never"},{"name":"read"},{"name":"write"},{"name":"hidden"}"#;
const ROUNDS: u64 = 25;

fn answer(id: &str, elements: &str) -> String {
    format!(r#"{{"result":{{"tools":[{elements}]}},"jsonrpc":"2.0","id":{id}}}"#)
}

/// What a caller with these scopes sees of [`ALL`], by the usual policy.
fn seen(scopes: &str) -> &'static str {
    match scopes {
        "r" => r#"{"name":"open"},{"name":"read"}"#,
        "r w" => r#"{"name":"open"},{"name":"read"},{"name":"write"},{"name":"hidden"}"#,
        "w" => r#"{"name":"open"},{"name":"hidden"}"#,
        _ => r#"{"name":"open"}"#,
    }
}

fn server(request: &Request) -> Vec<Step> {
    json(&answer(&request.id(), ALL))
}

fn ask(gateway: &Gateway, subject: &str, scopes: &str, id: &str) -> String {
    gateway.ask(&Ask::post(&token(subject, scopes), request(id, "tools/list", "{}"))).text()
}

#[test]
fn each_caller_sees_his_own_of_the_same_answer_however_often_they_ask() {
    let upstream = Upstream::new(server);
    let gateway = Gateway::before(&upstream);
    let (mut shown, mut hidden) = (0, 0);
    for round in 0..ROUNDS {
        for (subject, scopes) in
            [("alice", "r"), ("bob", ""), ("carol", "r w"), ("dave", "r"), ("erin", "w"), ("alice", "w")]
        {
            // Of another length now and then.
            let id = (round * 7).to_string();
            assert_eq!(ask(&gateway, subject, scopes, &id), answer(&id, seen(scopes)), "{subject} {scopes}");
            let count = u64::try_from(seen(scopes).matches("name").count()).unwrap();
            (shown, hidden) = (shown + count, hidden + 5 - count);
        }
    }
    for (result, count) in [("hidden", hidden), ("shown", shown)] {
        let label = format!("result=\"{result}\"");
        eventually(&label, || (gateway.metric("toolgate_list_items_total", &label) == count).then_some(()));
    }
    assert_eq!(upstream.requests().len(), usize::try_from(ROUNDS * 6).unwrap(), "the server is asked each time");
}

const PROGRESS: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#;
const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"secret:1"}}"#;
const WORKING: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t","status":"working"}}"#;

/// The same list in a stream, with this before it and behind it, as the request says in a header. `END` is a line end.
fn streaming(request: &Request) -> Vec<Step> {
    let form = request.header("mcp-param-form").unwrap_or("data: LISTENDEND").to_owned();
    let end = request.header("mcp-param-end").map_or("\n", |end| if end == "crlf" { "\r\n" } else { "\r" });
    let text = form.replace("LIST", &answer(&request.id(), ALL)).replace("PROGRESS", PROGRESS);
    let text = text.replace("CHANGED", CHANGED).replace("WORKING", WORKING).replace("BOM", "\u{feff}");
    vec![stream_head(), chunk(&text.replace("END", end)), last_chunk()]
}

#[test]
fn an_event_is_cut_for_each_caller_in_whatever_stream_it_comes() {
    let upstream = Upstream::new(streaming);
    let gateway = Gateway::before(&upstream);
    for (form, told) in [
        ("data: LISTENDEND", "data: LISTENDEND"),
        ("event: messageENDdata:LISTENDEND", "event: messageENDdata: LISTENDEND"),
        ("BOM: hiENDretry: 5ENDdata: LISTENDother: xENDEND", "BOM: hiENDretry: 5ENDdata: LISTENDother: xENDEND"),
        ("data: PROGRESSENDENDdata: LISTENDEND", "data: PROGRESSENDENDdata: LISTENDEND"),
        ("data: CHANGEDENDENDdata: LISTENDEND", "data: LISTENDEND"),
        ("data: LISTENDENDdata: LISTENDEND", "data: LISTENDENDdata: LISTENDEND"),
        ("data: LISTENDENDdata: PROGRESSENDEND", "data: LISTENDENDdata: PROGRESSENDEND"),
        ("data: LIST", ""),
    ] {
        for (round, end) in ["lf", "lf", "lf", "crlf", "cr", "crlf", "lf"].iter().enumerate() {
            for (subject, scopes) in [("alice", "r"), ("bob", ""), ("carol", "r w"), ("dave", "r"), ("erin", "w")] {
                let id = (round * 70).to_string();
                let ask = Ask::post(&token(subject, scopes), request(&id, "tools/list", "{}"));
                let ask = if *end == "lf" { ask } else { ask.header("Mcp-Param-End", end) };
                let response = gateway.ask(&ask.header("Mcp-Param-Form", form));
                let told = told.replace("LIST", &answer(&id, seen(scopes))).replace("PROGRESS", PROGRESS);
                let told = told.replace("BOM", "\u{feff}");
                let end = if *end == "lf" {
                    "\n"
                } else if *end == "cr" {
                    "\r"
                } else {
                    "\r\n"
                };
                assert_eq!(response.text(), told.replace("END", end), "{form} {subject}");
                assert_eq!(response.header("cache-control"), Some("private, no-store"));
            }
        }
    }
}

#[test]
fn what_a_stream_says_of_tasks_and_where_it_goes_on_is_the_callers_own() {
    let upstream = Upstream::new(streaming);
    let gateway = Gateway::before(&upstream);
    let form = "id: eENDdata: WORKINGENDENDid: fENDdata: LISTENDEND";
    let told = |subject: &str, form: &str| {
        let ask = Ask::post(&token(subject, "r"), request("1", "tools/list", "{}"));
        gateway.ask(&ask.header("Mcp-Param-Form", form)).text()
    };
    let (alice, bob) = (told("alice", form), told("bob", form));
    for (of_alice, of_bob) in alice.lines().zip(bob.lines()) {
        assert_eq!(of_alice != of_bob, of_alice.starts_with("id: ") || of_alice.contains("taskId"), "{of_alice}");
    }
    assert!(alice.ends_with(&format!("data: {}\n\n", answer("1", seen("r")))), "{alice}");
    for _ in 0..4 {
        assert_eq!(told("alice", form), alice);
        assert_eq!(told("bob", form), bob);
        assert_eq!(told("carol", "data: LISTENDEND"), format!("data: {}\n\n", answer("1", seen("r"))));
    }
}

#[test]
fn the_first_list_under_a_new_policy_is_cut_by_it() {
    let upstream = Upstream::new(server);
    let gateway = Gateway::before(&upstream);
    let stricter = POLICY.replace("read: {scopes: [r]}", "read: {scopes: [w]}");
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(ask(&gateway, "alice", "r", "1"), answer("1", seen("r")));
        }
        reload(&gateway, &stricter);
        for _ in 0..4 {
            assert_eq!(ask(&gateway, "alice", "r", "1"), answer("1", r#"{"name":"open"}"#));
        }
        reload(&gateway, POLICY);
    }
}

#[test]
fn what_the_server_says_now_is_told_though_it_was_other_before() {
    let upstream = Upstream::new(|request| {
        let elements = request.header("mcp-param-elements").unwrap_or(ALL).to_owned();
        json(&answer(&request.id(), &elements))
    });
    let gateway = Gateway::before(&upstream);
    let list = |elements: &str| {
        let ask = Ask::post(&token("alice", "r"), request("1", "tools/list", "{}"));
        gateway.ask(&ask.header("Mcp-Param-Elements", elements)).text()
    };
    for _ in 0..3 {
        for (said, told) in [
            (r#"{"name":"read"},{"name":"write"}"#, r#"{"name":"read"}"#),
            (r#"{"name":"read"},{"name":"writ3"}"#, r#"{"name":"read"}"#),
            (r#"{"name":"reaD"},{"name":"write"}"#, ""),
            (r#"{"name":"open"},{"name":"read"}"#, r#"{"name":"open"},{"name":"read"}"#),
        ] {
            for _ in 0..3 {
                assert_eq!(list(said), answer("1", told), "{said}");
            }
        }
    }
}

#[test]
fn a_task_in_a_list_is_known_to_each_by_a_name_of_his_own() {
    let upstream = Upstream::new(|request| {
        let meta = r#""_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}"#;
        let id = request.id();
        json(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{ALL}],{meta}}}}}"#))
    });
    let gateway = Gateway::before(&upstream);
    let (alice, bob) = (ask(&gateway, "alice", "r", "1"), ask(&gateway, "bob", "r", "1"));
    assert_ne!(alice, bob);
    for _ in 0..4 {
        assert_eq!(ask(&gateway, "alice", "r", "1"), alice);
        assert_eq!(ask(&gateway, "bob", "r", "1"), bob);
    }
}

#[test]
fn a_list_is_never_told_fresh_for_longer_than_its_token() {
    let upstream = Upstream::new(|request| {
        let id = request.id();
        json(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"ttlMs":59000,"tools":[{ALL}]}}}}"#))
    });
    let gateway = Setup::before(&upstream).start();
    let near = crate::support::tokens::now() - 30;
    let near = crate::support::tokens::signed(&crate::support::tokens::with(serde_json::json!({"exp": near})));
    for _ in 0..4 {
        assert!(ask(&gateway, "alice", "", "1").contains(r#""ttlMs":59000"#));
        let short = gateway.ask(&Ask::post(&near, request("1", "tools/list", "{}"))).json();
        assert!((1..=30_000).contains(&short["result"]["ttlMs"].as_u64().unwrap()), "{short}");
    }
}

/// Policies come and go while many ask, also for lists that change: whoever asks between two changes gets what is his by
/// the policy of the moment, in the same words by one document and by a stream, either of which may be remembered.
#[test]
#[expect(clippy::too_many_lines, reason = "one walk")]
fn who_asks_while_policies_change_gets_his_own_by_the_one_of_the_moment() {
    let upstream = Upstream::new(|request| {
        let elements = request.header("mcp-param-elements").unwrap_or(ALL).to_owned();
        let said = answer(&request.id(), &elements);
        if request.header("mcp-param-stream").is_some() {
            vec![stream_head(), event(&said), last_chunk()]
        } else {
            json(&said)
        }
    });
    let gateway = Gateway::before(&upstream);
    let other = POLICY.replace("read: {scopes: [r]}", "read: {scopes: [w]}");
    // Even while one is in force, odd while it changes.
    let epoch = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let checked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (at, (subject, scopes)) in
            [("alice", "r"), ("bob", "w"), ("carol", "r w"), ("dave", "r")].iter().enumerate()
        {
            let (gateway, epoch, is_over, checked) = (&gateway, &epoch, &is_over, &checked);
            scope.spawn(move || {
                let token = token(subject, scopes);
                for round in 0_usize.. {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    let id = format!("\"{subject}-{round}\"");
                    let before = epoch.load(Ordering::SeqCst);
                    let said = if round % 9 == at { r#"{"name":"read"},{"name":"told"}"# } else { ALL };
                    let mut ask =
                        Ask::post(&token, request(&id, "tools/list", "{}")).header("Mcp-Param-Elements", said);
                    let is_stream = round % 2 == 1;
                    if is_stream {
                        ask = ask.header("Mcp-Param-Stream", "1");
                    }
                    let told = gateway.ask(&ask).text();
                    let names = |scope: &str| -> &[&str] {
                        match (scope, said == ALL) {
                            ("read", true) => &["open", "read"],
                            ("", true) => &["open"],
                            ("read", false) => &["read"],
                            (_, _) => &[],
                        }
                    };
                    let seen = |policy: usize| {
                        let has = |wanted: &str| scopes.split(' ').any(|scope| scope == wanted);
                        let reads = has(if policy == 0 { "r" } else { "w" });
                        let mut all = names(if reads { "read" } else { "" }).to_vec();
                        match (said == ALL, has("w"), has("r")) {
                            (true, true, true) => all.extend(["write", "hidden"]),
                            (true, true, false) => all.push("hidden"),
                            (false, true, _) => all.push("told"),
                            (_, false, _) => {}
                        }
                        let all: Vec<_> = all.iter().map(|name| format!("{{\"name\":\"{name}\"}}")).collect();
                        let whole = answer(&id, &all.join(","));
                        if is_stream { format!("data: {whole}\n\n") } else { whole }
                    };
                    let after = epoch.load(Ordering::SeqCst);
                    if before == after && before % 2 == 0 {
                        assert_eq!(told, seen(before / 2 % 2), "{subject} {scopes}");
                        checked.fetch_add(1, Ordering::SeqCst);
                    } else {
                        assert!([0, 1].map(seen).contains(&told), "{subject} {scopes}: {told}");
                    }
                }
            });
        }
        for round in 1..13 {
            epoch.fetch_add(1, Ordering::SeqCst);
            reload(&gateway, if round % 2 == 1 { &other } else { POLICY });
            epoch.fetch_add(1, Ordering::SeqCst);
            let wanted = checked.load(Ordering::SeqCst) + 60;
            eventually("answers", || (checked.load(Ordering::SeqCst) >= wanted).then_some(()));
        }
        is_over.store(true, Ordering::SeqCst);
    });
}
