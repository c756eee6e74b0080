use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const LEGACY: Freshness = Freshness { ttl_cap_ms: 60_000, is_required: false };
const MODERN: Freshness = Freshness { ttl_cap_ms: 60_000, is_required: true };

fn sees(kind: ListKind, name: &str) -> bool {
    kind != ListKind::Tasks && name.contains("pub")
}

/// Seals by writing a letter before it. The answer to request 1 makes tasks; those with `mine` are known.
struct Known;

impl TaskSeals for Known {
    fn made(&self, answer: &str, task: &str) -> Option<String> {
        (answer == "1").then(|| format!("made-{task}"))
    }

    fn known(&self, task: &str) -> Option<String> {
        task.contains("mine").then(|| format!("known-{task}"))
    }

    fn mention(&self, task: &str) -> Option<String> {
        Some(format!("mention-{task}"))
    }

    fn cursor(&self, cursor: &str) -> Option<String> {
        Some(format!("cursor-{cursor}"))
    }

    fn expects_result(&self) -> bool {
        true
    }
}

fn pass(freshness: Freshness, document: &str) -> Result<(Passed, Vec<Tally>), Opaque> {
    let mut tallies = Vec::new();
    let passed = Filter { sees: &sees, freshness, heard: None, pins: None, tasks: &Known }
        .message(document.as_bytes(), &mut tallies)?;
    Ok((passed, tallies))
}

#[track_caller]
fn cuts(document: &str, expected: &str) {
    let (passed, _) = pass(LEGACY, document).unwrap();
    let Passed::Cut(bytes) = passed else { panic!("not cut: {passed:?}") };
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[track_caller]
fn leaves(document: &str) {
    assert_eq!(pass(LEGACY, document).unwrap().0, Passed::AsIs, "{document}");
}

#[test]
fn cuts_elements_and_nothing_else() {
    cuts(
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"pub1","x":1.0},{"name":"sec"} , {"name":"pub2"}],"nextCursor":"","_meta":{"b":1,"a":2}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"pub1","x":1.0} , {"name":"pub2"}],"nextCursor":"","_meta":{"b":1,"a":2}}}"#,
    );
    cuts(r#"{"result":{"tools":[{"name":"sec"}]}}"#, r#"{"result":{"tools":[]}}"#);
    cuts(r#"{"result":{"tools":[ {"name":"s1"}, {"name":"pub"} ]}}"#, r#"{"result":{"tools":[ {"name":"pub"} ]}}"#);
    cuts(r#"{"result":{"tools":[{"name":"pub"},{"name":"s"}]}}"#, r#"{"result":{"tools":[{"name":"pub"}]}}"#);
    cuts(
        r#"{"result":{"tools":[{"name":"s"},{"name":"t"},{"name":"pub"},{"name":"u"},{"name":"pub2"}]}}"#,
        r#"{"result":{"tools":[{"name":"pub"},{"name":"pub2"}]}}"#,
    );
    cuts(
        r#"{"result":{"resources":[{"uri":"x:sec"},{"uri":"x:pub"}]}}"#,
        r#"{"result":{"resources":[{"uri":"x:pub"}]}}"#,
    );
    cuts(r#"{"result":{"resourceTemplates":[{"uriTemplate":"x:{a}"}]}}"#, r#"{"result":{"resourceTemplates":[]}}"#);
    cuts(r#"{"result":{"prompts":[{"name":"x"}]}}"#, r#"{"result":{"prompts":[]}}"#);
    cuts(
        r#"{"result":{"tasks":[{"taskId":"t"},{"title":"no task of MCP"}]}}"#,
        r#"{"result":{"tasks":[{"title":"no task of MCP"}]}}"#,
    );
}

#[test]
fn an_element_it_cannot_name_is_cut() {
    cuts(
        r#"{"result":{"tools":[1,"pub",{},{"name":1},{"name":null},{"Name":"pub"},{"name":"\ud800pub"},null]}}"#,
        r#"{"result":{"tools":[]}}"#,
    );
}

#[test]
fn sees_through_escapes_and_disguises_of_the_list_itself() {
    cuts(r#"{"result":{"to\u006fls":[{"n\u0061me":"s\u0065c"}]}}"#, r#"{"result":{"to\u006fls":[]}}"#);
    cuts(r#"{"re\u0073ult":{"Tools":[{"name":"sec"}]}}"#, r#"{"re\u0073ult":{"Tools":[]}}"#);
}

#[test]
fn leaves_what_is_no_list() {
    for document in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"sec"}],"structuredContent":{"tools":[{"name":"sec"}]}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true}}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"x","data":{"tools":[{"name":"s"}]}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"uri":"x:sec"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"pub"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
    ] {
        leaves(document);
    }
}

#[test]
fn refuses_what_it_cannot_understand() {
    for document in [
        "",
        "x",
        "[]",
        "1",
        r#"[{"result":{"tools":[{"name":"sec"}]}}]"#,
        r#"{"result":{"tools":[{"name":"a"}]}"#,
        r#"{"result":{"tools":[]},"result":{}}"#,
        r#"{"result":{"tools":[{"name":"pub","name":"sec"}]}}"#,
        "{} {}",
        "\u{feff}{}",
        r#"{"Result":{"tools":[{"name":"sec"}]}}"#,
        r#"{"result":{"Tools":{"0":{"name":"sec"}}}}"#,
        r#"{"result":{"tools":{"0":{"name":"sec"}}}}"#,
    ] {
        assert_eq!(pass(LEGACY, document).map(drop), Err(Opaque), "{document}");
    }
}

#[test]
fn news_of_a_resource_goes_only_to_who_may_read_it() {
    let news = |uri: &str| {
        let document =
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{{uri}}}}}"#);
        pass(LEGACY, &document).unwrap().0
    };
    assert_eq!(news(r#""uri":"x:pub""#), Passed::AsIs);
    assert_eq!(news(r#""uri":"x:sec""#), Passed::Nothing);
    assert_eq!(news(""), Passed::Nothing);
    assert_eq!(news(r#""uri":1"#), Passed::Nothing);
}

#[test]
fn a_list_is_never_public_and_no_fresher_than_the_cap() {
    cuts(
        r#"{"result":{"tools":[],"cacheScope":"public","ttlMs":300000}}"#,
        r#"{"result":{"tools":[],"cacheScope":"private","ttlMs":60000}}"#,
    );
    cuts(
        r#"{"result":{"contents":[],"ttlMs":1e9,"cacheScope":"\u0070ublic"}}"#,
        r#"{"result":{"contents":[],"ttlMs":60000,"cacheScope":"private"}}"#,
    );
    // Some languages write every number like this; none is ever made larger.
    for ttl in ["0", "5e2", "1000.0", "0.5", "6E+4", "-1"] {
        leaves(&format!(r#"{{"result":{{"tools":[],"cacheScope":"private","ttlMs":{ttl}}}}}"#));
    }
    for ttl in ["60001", "60000.5", "1e99", "null", "\"5\"", "[]"] {
        let with = |ttl: &str| format!(r#"{{"result":{{"tools":[],"ttlMs":{ttl}}}}}"#);
        cuts(&with(ttl), &with("60000"));
    }
    cuts(r#"{"result":{"tools":[],"ttlMs":300000}}"#, r#"{"result":{"tools":[],"ttlMs":60000}}"#);
    leaves(r#"{"result":{"resultType":"task","taskId":"t","ttlMs":3600000}}"#);
    let (passed, _) = pass(MODERN, r#"{"result":{"tools":[]}}"#).unwrap();
    assert_eq!(passed, Passed::Cut(br#"{"result":{"ttlMs":60000,"cacheScope":"private","tools":[]}}"#.to_vec()));
    let (passed, _) = pass(MODERN, r#"{"result":{"ttlMs":5,"tools":[{"name":"s"}]}}"#).unwrap();
    assert_eq!(passed, Passed::Cut(br#"{"result":{"cacheScope":"private","ttlMs":5,"tools":[]}}"#.to_vec()));
    assert_eq!(pass(MODERN, r#"{"result":{"resultType":"complete"}}"#).unwrap().0, Passed::AsIs);
}

#[test]
fn counts_what_it_did() {
    let (_, tallies) = pass(LEGACY, r#"{"result":{"tools":[{"name":"pub"},{"name":"sec"}]}}"#).unwrap();
    assert_eq!(tallies, [Tally { kind: ListKind::Tools, shown: 1, hidden: 1, bytes_removed: 15 }]);
}

#[test]
fn several_documents_are_filtered_one_by_one() {
    let filter = Filter { sees: &sees, freshness: LEGACY, heard: None, pins: None, tasks: &Known };
    let mut tallies = Vec::new();
    let two = "{\"method\":\"x\"}\n{\"result\":{\"tools\":[{\"name\":\"sec\"}]}}\n";
    let passed = filter.messages(two.as_bytes(), &mut tallies).unwrap();
    assert_eq!(passed, Passed::Cut(b"{\"method\":\"x\"}\n{\"result\":{\"tools\":[]}}\n".to_vec()));
    assert_eq!(filter.messages(b"{} {}\n", &mut tallies), Ok(Passed::AsIs));
    assert_eq!(filter.messages(b"{} x", &mut tallies), Err(Opaque));
    assert_eq!(filter.messages(b"{}[{}]", &mut tallies), Err(Opaque));
}

fn any_list() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(
        prop_oneof![
            "(pub|sec)[a-z]{0,3}".prop_map(|name| json!({"name": name, "inputSchema": {"name": "pub"}})),
            "(pub|sec)[\u{e9}\"\\\\ ]{0,3}".prop_map(|name| json!({"title": [1, {"x": null}], "name": name})),
            Just(json!(null)),
            Just(json!({"name": 1})),
        ],
        0..12,
    )
}

proptest! {
    #[test]
    fn agrees_with_a_filter_on_values(list in any_list(), pretty in any::<bool>()) {
        let document = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": list, "nextCursor": "x"}});
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        let (passed, tallies) = pass(LEGACY, &text).unwrap();
        let mut expected = document;
        let tools = expected["result"]["tools"].as_array_mut().unwrap();
        let before = tools.len();
        tools.retain(|tool| tool["name"].as_str().is_some_and(|name| name.contains("pub")));
        let count = |number: u64| usize::try_from(number).unwrap();
        prop_assert_eq!(count(tallies[0].shown), tools.len());
        prop_assert_eq!(count(tallies[0].shown.saturating_add(tallies[0].hidden)), before);
        match passed {
            Passed::AsIs => prop_assert_eq!(before, tools.len()),
            Passed::Cut(bytes) => {
                prop_assert_eq!(text.len(), bytes.len().saturating_add(count(tallies[0].bytes_removed)));
                prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
            }
            Passed::Nothing => prop_assert!(false),
        }
    }

    #[test]
    fn no_hidden_name_survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut tallies = Vec::new();
        let _ = Filter { sees: &sees, freshness: MODERN, heard: None, pins: None, tasks: &Known }.messages(&bytes, &mut tallies);
    }
}

/// Passes `before` on: `after` if it is changed, the same otherwise.
#[track_caller]
fn tells(before: &str, after: &str) {
    if before == after { leaves(before) } else { cuts(before, after) }
}

#[test]
fn a_task_that_was_just_made_is_told_by_its_handle() {
    tells(
        r#"{ "jsonrpc":"2.0","id":1,"result":{"task":{"taskId" : "t\u002d1","status":"working","ttl":1.0},"_meta":{"x":1}} }"#,
        r#"{ "jsonrpc":"2.0","id":1,"result":{"task":{"taskId" : "made-t-1","status":"working","ttl":1.0},"_meta":{"x":1}} }"#,
    );
    let flat = |id: &str| {
        format!(r#"{{"result":{{"taskId":"{id}","resultType":"task","status":"working","ttlMs":9999999}},"id":1}}"#)
    };
    tells(&flat("t"), &flat("made-t"));
}

#[test]
fn only_the_answer_to_the_request_makes_a_task() {
    let made = |id: &str, task: &str| format!(r#"{{"id":{id},"result":{{"task":{{"taskId":"{task}"}}}}}}"#);
    tells(&made("2", "t"), &made("2", "mention-t"));
    tells(&made("\"1\"", "t"), &made("\"1\"", "mention-t"));
    tells(&made("2", "mine"), &made("2", "known-mine"));
    tells(r#"{"result":{"task":{"taskId":"t"}}}"#, r#"{"result":{"task":{"taskId":"mention-t"}}}"#);
    tells(
        r#"{"id":1,"method":"x","result":{"task":{"taskId":"t"}}}"#,
        r#"{"id":1,"method":"x","result":{"task":{"taskId":"mention-t"}}}"#,
    );
    let within = |task: &str| {
        format!(
            r#"{{"id":1,"result":{{"taskId":"{task}mine","status":"completed","result":{{"task":{{"taskId":"{task}t"}}}}}}}}"#
        )
    };
    let nested = within("").replace("\"mine", "\"known-mine").replace("\"t\"", "\"mention-t\"");
    tells(&within(""), &nested);
}

#[test]
fn the_state_of_a_task_is_told_under_its_handle() {
    let state = |id: &str| {
        format!(r#"{{"id":7,"result":{{"resultType":"complete","taskId":"{id}","status":"working","ttl":null}}}}"#)
    };
    tells(&state("mine"), &state("known-mine"));
    tells(&state("theirs"), &state("mention-theirs"));
    // The identifier of some tool's own.
    leaves(r#"{"id":1,"result":{"content":[],"taskId":"t","structuredContent":{"taskId":"t","status":"x"}}}"#);
    leaves(r#"{"id":1,"result":{"taskId":5,"status":"x","task":"t"}}"#);
    leaves(r#"{"id":1,"error":{"code":-32602,"message":"x","data":{"taskId":"t","status":"x"}}}"#);
}

#[test]
fn a_list_of_tasks_has_only_those_that_are_known_to_be_the_callers() {
    tells(
        r#"{"id":1,"result":{"tasks":[{"taskId":"theirs","status":"x"}, {"status":"x","taskId":"mine"} ,{"taskId":"t"}],"nextCursor":"theirs","_meta":{}}}"#,
        r#"{"id":1,"result":{"tasks":[{"status":"x","taskId":"known-mine"}],"nextCursor":"cursor-theirs","_meta":{}}}"#,
    );
    tells(
        r#"{"result":{"nextCursor":"","tasks":[{"taskId":5},{"TaskId":"mine"},{"taskId":"mine","TASKID":"theirs"},"mine",{"taskId":"\ud800mine"}]}}"#,
        r#"{"result":{"nextCursor":"","tasks":[]}}"#,
    );
    leaves(r#"{"result":{"tools":[],"nextCursor":"next"}}"#);
}

#[test]
fn news_of_tasks_goes_only_to_their_owner() {
    for method in ["notifications/tasks/status", "notifications/tasks", "notifications/tasks/later"] {
        let news = |params: &str| format!(r#"{{"params":{params},"method":"{method}"}}"#);
        tells(
            &news(r#"{"taskId":"mine","status":"completed","result":{"tools":[{"name":"sec"}]}}"#),
            &news(r#"{"taskId":"known-mine","status":"completed","result":{"tools":[]}}"#),
        );
        for other in [
            r#"{"taskId":"mine","TaskId":"theirs"}"#,
            r#"{"taskId":"theirs"}"#,
            "{}",
            "[]",
            r#"{"taskId":5}"#,
            r#"{"TaskId":"mine"}"#,
        ] {
            assert_eq!(pass(LEGACY, &news(other)).unwrap().0, Passed::Nothing, "{other}");
        }
        assert_eq!(pass(LEGACY, &format!(r#"{{"method":"{method}"}}"#)).unwrap().0, Passed::Nothing);
    }
    leaves(r#"{"method":"notifications/tasksx","params":{"taskId":"theirs"}}"#);
}

#[test]
fn a_listener_is_told_of_its_own_tasks() {
    tells(
        r#"{"method":"notifications/subscriptions/acknowledged","params":{"notifications":{"taskIds":["theirs", "mine",5],"toolsListChanged":true}}}"#,
        r#"{"method":"notifications/subscriptions/acknowledged","params":{"notifications":{"taskIds":["known-mine"],"toolsListChanged":true}}}"#,
    );
}

#[test]
fn a_related_task_is_told_by_a_handle_or_a_mention() {
    let meta =
        |task: &str| format!(r#""_meta":{{"a":1,"io.modelcontextprotocol/related-task":{{"taskId":"{task}"}}}}"#);
    for (before, after) in [("mine", "known-mine"), ("theirs", "mention-theirs")] {
        let result = |task: &str| format!(r#"{{"id":1,"result":{{"content":[],{}}}}}"#, meta(task));
        tells(&result(before), &result(after));
        for method in ["elicitation/create", "sampling/createMessage", "notifications/progress"] {
            let said = |task: &str| format!(r#"{{"id":1,"params":{{{}}},"method":"{method}"}}"#, meta(task));
            tells(&said(before), &said(after));
        }
    }
}

#[test]
fn the_tasks_that_a_client_runs_are_its_own() {
    for method in ["tasks/get", "tasks/result", "tasks/list", "tasks/cancel"] {
        leaves(&format!(
            r#"{{"id":1,"method":"{method}","params":{{"taskId":"mine","_meta":{{"io.modelcontextprotocol/related-task":{{"taskId":"mine"}}}}}}}}"#
        ));
    }
    leaves(r#"{"id":1,"method":"sampling/createMessage","params":{"task":{"ttl":5},"messages":[]}}"#);
}

#[test]
fn an_identifier_that_cannot_be_understood_is_not_passed_on() {
    for document in [
        r#"{"id":1,"result":{"task":{"taskId":"\ud800"}}}"#,
        r#"{"id":1,"result":{"status":"x","taskId":"\ud800"}}"#,
        r#"{"result":{"tasks":[],"nextCursor":"\ud800"}}"#,
        r#"{"result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"\ud800"}}}}"#,
    ] {
        assert_eq!(pass(LEGACY, document).map(drop), Err(Opaque), "{document}");
    }
}

#[test]
fn there_is_no_result_of_a_task_that_does_not_exist() {
    let filter = Filter { sees: &sees, freshness: LEGACY, heard: None, pins: None, tasks: &NoTasks(false) };
    let pass = |document: &str| filter.message(document.as_bytes(), &mut Vec::new());
    for result in ["{}", "1", "null", r#"{"taskId":"t","status":"working"}"#, r#"{"content":[]}"#] {
        assert_eq!(pass(&format!(r#"{{"id":1,"result":{result}}}"#)), Err(Opaque), "{result}");
    }
    assert_eq!(pass(r#"{"id":1,"error":{"code":-32602,"message":"no"}}"#), Ok(Passed::AsIs));
}
