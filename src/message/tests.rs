use super::agreement::Field;
use super::*;
use crate::message::tasks::TaskRole;

const LEGACY: Mirror<'static> = Mirror { version: Field::Absent, method: Field::Absent, name: Field::Absent };

fn ask_of(body: &str) -> Result<Ask<'_>, Refusal> {
    recognise(&LEGACY, body.as_bytes(), 32).map(|message| message.ask).map_err(|flaw| flaw.refusal)
}

#[track_caller]
fn refuses(body: &str, refusal: Refusal) {
    assert_eq!(ask_of(body), Err(refusal), "{body}");
}

fn call(name: &'static str) -> Ask<'static> {
    Ask::Tool { name: name.into(), arguments: None }
}

#[test]
fn the_arguments_of_a_prompt_are_told_as_written() {
    let body =
        r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p","arguments":{"x": "\u0031"}}}"#;
    let message = recognise(&Mirror::default(), body.as_bytes(), 8).unwrap();
    assert_eq!(message.ask, Ask::Prompt { name: "p".into(), arguments: Some(r#"{"x": "\u0031"}"#) });
}

#[test]
fn names_what_each_method_asks_for() {
    let of =
        |method: &str, params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let check = |method: &str, params: &str, expected: Ask<'_>| {
        let body = of(method, params);
        assert_eq!(ask_of(&body), Ok(expected), "{body}");
    };
    check("initialize", r#"{"protocolVersion":"2025-11-25"}"#, Ask::Base);
    check("ping", "{}", Ask::Base);
    check("server/discover", "{}", Ask::Base);
    check("tools/list", r#"{"cursor":""}"#, Ask::List(List::Tools));
    check("prompts/list", "{}", Ask::List(List::Prompts));
    check("resources/list", "{}", Ask::List(List::Resources));
    check("resources/templates/list", "{}", Ask::List(List::ResourceTemplates));
    check(
        "tools/call",
        r#"{"name":"a","arguments":{"x":[1]}}"#,
        Ask::Tool { name: "a".into(), arguments: Some(r#"{"x":[1]}"#) },
    );
    check("prompts/get", r#"{"name":"p"}"#, Ask::Prompt { name: "p".into(), arguments: None });
    for method in ["resources/read", "resources/subscribe", "resources/unsubscribe"] {
        check(method, r#"{"uri":"file:///x"}"#, Ask::Resource { uri: "file:///x".into() });
    }
    check(
        "completion/complete",
        r#"{"ref":{"type":"ref/prompt","name":"p"},"argument":{}}"#,
        Ask::Prompt { name: "p".into(), arguments: None },
    );
    check(
        "completion/complete",
        r#"{"ref":{"type":"ref/resource","uri":"u:{v}"},"argument":{}}"#,
        Ask::Resource { uri: "u:{v}".into() },
    );
    check(
        "subscriptions/listen",
        r#"{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a","b"]}}"#,
        Ask::Listen { uris: vec!["a".into(), "b".into()], lists: vec![Changed::Tools] },
    );
    check(
        "subscriptions/listen",
        r#"{"notifications":{"resourcesListChanged":true,"toolsListChanged":"true","promptsListChanged":true,"x":1}}"#,
        Ask::Listen { uris: vec![], lists: vec![Changed::Resources, Changed::Prompts] },
    );
    check(
        "subscriptions/listen",
        r#"{"notifications":{"resourcesListChanged":false,"toolsListChanged":null}}"#,
        Ask::Listen { uris: vec![], lists: vec![] },
    );
    check("logging/setLevel", r#"{"level":"debug"}"#, Ask::Specified);
    for method in
        ["x-acme/run", "tools/call ", "TOOLS/CALL", "tools/Call", "", "sampling/createMessage", "tools/call\\u0000"]
    {
        check(method, "{}", Ask::Extension);
    }
}

#[test]
fn a_disguise_of_an_escape_changes_nothing() {
    assert_eq!(
        ask_of(r#"{"jsonrpc":"2.0","id":1,"m\u0065thod":"tools\/c\u0061ll","params":{"n\u0061me":"\u0061"}}"#),
        Ok(call("a"))
    );
}

#[test]
fn refuses_bodies_that_are_no_single_message() {
    refuses("", Refusal::JsonInvalid);
    refuses("\u{feff}{}", Refusal::JsonInvalid);
    refuses(r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, Refusal::JsonInvalid);
    refuses(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{}"#, Refusal::JsonInvalid);
    refuses("[]", Refusal::BatchRefused);
    refuses(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, Refusal::BatchRefused);
    refuses(r#"["2.0","tools/call",1,null]"#, Refusal::BatchRefused);
    for body in [
        "1",
        "\"x\"",
        "null",
        "{}",
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":["ping"]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","result":{},"params":{"name":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","error":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}"#,
    ] {
        refuses(body, Refusal::MessageInvalid);
    }
}

#[test]
fn refuses_keys_twice_or_in_disguise() {
    refuses(r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#, Refusal::KeyRepeated);
    refuses(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n\u0061me":"b"}}"#,
        Refusal::KeyRepeated,
    );
    refuses(
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":{"y":1,"y":2}}}}"#,
        Refusal::KeyRepeated,
    );
    for key in ["Method", "METHOD", "method\\u0000", "method ", "ｍethod"] {
        refuses(
            &format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","{key}":"tools/call"}}"#),
            Refusal::KeyDisguised,
        );
    }
    for key in
        ["Name", "nAme", "name\\u0000", "Arguments", "\\u017f".repeat(0).as_str(), "ta\\u017f\\u212aId", "_Meta"]
    {
        if !key.is_empty() {
            refuses(
                &format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","{key}":"b"}}}}"#),
                Refusal::KeyDisguised,
            );
        }
    }
    refuses(
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p","Name":"q"}}}"#,
        Refusal::KeyDisguised,
    );
    refuses(
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"IO.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        Refusal::KeyDisguised,
    );
    assert_eq!(
        ask_of(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"x":1},"x-y":2},"more":1}"#
        ),
        Ok(call("a"))
    );
}

#[test]
fn refuses_ids_that_are_none() {
    for id in [
        "null",
        "1.0",
        "1.5",
        "1e3",
        "true",
        "{}",
        "[1]",
        "-0",
        "9007199254740992",
        "-9007199254740992",
        "18446744073709551616",
    ] {
        refuses(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#), Refusal::IdInvalid);
    }
    refuses(r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#, Refusal::JsonInvalid);
    refuses(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#, Refusal::IdMissing);
    for id in ["0", "-1", "\"\"", "\"a\\nb\"", "9007199254740991", "-9007199254740991"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(recognise(&LEGACY, body.as_bytes(), 8).unwrap().id, Some(id));
    }
    // The id of an answer is the server's own, and the client's to give back as it was.
    let answer = r#"{"jsonrpc":"2.0","id":9007199254740993,"result":{}}"#;
    assert_eq!(recognise(&LEGACY, answer.as_bytes(), 8).unwrap().id, Some("9007199254740993"));
}

#[test]
fn refuses_parameters_it_cannot_judge() {
    for (method, params) in [
        ("tools/call", "{}"),
        ("tools/call", r#"{"name":1}"#),
        ("tools/call", r#"{"name":["a"]}"#),
        ("tools/call", r#"{"name":""}"#),
        ("tools/call", r#"{"name":null}"#),
        ("prompts/get", r#"{"uri":"a"}"#),
        ("resources/read", r#"{"name":"a"}"#),
        ("resources/read", r#"{"uri":{}}"#),
        ("completion/complete", "{}"),
        ("completion/complete", r#"{"ref":"p"}"#),
        ("completion/complete", r#"{"ref":{"type":"ref/prompt"}}"#),
        ("completion/complete", r#"{"ref":{"type":"ref/tool","name":"a"}}"#),
        ("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"a","uri":"b"}}"#),
        ("completion/complete", r#"{"ref":{"name":"a"}}"#),
        ("subscriptions/listen", r#"{"notifications":[]}"#),
        ("subscriptions/listen", r#"{"notifications":{"resourceSubscriptions":"a"}}"#),
        ("subscriptions/listen", r#"{"notifications":{"resourceSubscriptions":[1]}}"#),
        ("tools/list", r#"{"_meta":1}"#),
        ("tools/list", r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":20260728}}"#),
    ] {
        refuses(
            &format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#),
            Refusal::ParamsInvalid,
        );
    }
    refuses(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\ud800"}}"#, Refusal::JsonInvalid);
    refuses(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, Refusal::ParamsInvalid);
}

#[test]
fn gives_back_the_id_of_a_message_it_refuses() {
    let id_of = |body: &'static str| recognise(&LEGACY, body.as_bytes(), 8).unwrap_err().id;
    assert_eq!(id_of(r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{}}"#), Some("\"x\""));
    assert_eq!(id_of(r#"{"jsonrpc":"2.0","id":7,"method":"ping","Method":"x"}"#), Some("7"));
    assert_eq!(id_of(r#"{"jsonrpc":"2.0","id":7,"method":"ping","method":"x"}"#), None);
    assert_eq!(id_of(r#"{"jsonrpc":"2.0","id":7,"method":"ping""#), None);
}

#[test]
fn tells_shapes_apart() {
    let shape = |body: &'static str| recognise(&LEGACY, body.as_bytes(), 8).map(|m| (m.shape, m.ask));
    assert_eq!(
        shape(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        Ok((Shape::Notification, Ask::Base))
    );
    assert_eq!(
        shape(r#"{"jsonrpc":"2.0","method":"notifications/acme"}"#),
        Ok((Shape::Notification, Ask::Extension))
    );
    assert_eq!(shape(r#"{"jsonrpc":"2.0","id":1,"result":{"roots":[]}}"#), Ok((Shape::Reply, Ask::Base)));
    assert_eq!(
        shape(r#"{"jsonrpc":"2.0","id":"e","error":{"code":1,"message":""}}"#),
        Ok((Shape::Reply, Ask::Base))
    );
}

fn modern(version: &'static str, method: &'static str, name: &'static str) -> Mirror<'static> {
    let field = |text: &'static str| if text.is_empty() { Field::Absent } else { Field::Once(text.as_bytes()) };
    Mirror { version: field(version), method: field(method), name: field(name) }
}

const MODERN_CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

#[test]
fn headers_must_say_what_the_body_says() {
    let judge = |mirror: Mirror<'static>| {
        recognise(&mirror, MODERN_CALL.as_bytes(), 8).map(|message| message.era).map_err(|flaw| flaw.refusal)
    };
    assert_eq!(judge(modern("2026-07-28", "tools/call", "a")), Ok(Era::Modern));
    assert_eq!(judge(modern("2026-07-28", "tools/call", "=?base64?YQ==?=")), Ok(Era::Modern));
    for (version, method, name) in [
        ("", "", ""),
        ("2025-06-18", "tools/call", "a"),
        ("2026-07-28", "", "a"),
        ("2026-07-28", "tools/call", ""),
        ("2026-07-28", "ping", "a"),
        ("2026-07-28", "Tools/call", "a"),
        ("2026-07-28", "tools/call", "b"),
        ("2026-07-28", "tools/call", "A"),
        ("2026-07-28", "tools/call", "a, b"),
        ("2026-07-28", "tools/call", "=?base64?YQ?="),
        ("2026-07-28", "tools/call", "=?BASE64?YQ==?="),
        ("2026-07-28", "tools/call", "=?base64?!!?="),
        ("2027-01-01", "tools/call", "a"),
    ] {
        assert_eq!(judge(modern(version, method, name)), Err(Refusal::HeaderMismatch), "{version} {method} {name}");
    }
    for at in 0..3 {
        let mut mirror = modern("2026-07-28", "tools/call", "a");
        *[&mut mirror.version, &mut mirror.method, &mut mirror.name][at] = Field::Repeated;
        assert_eq!(judge(mirror), Err(Refusal::HeaderMismatch));
    }
}

#[test]
fn a_modern_header_needs_a_modern_body() {
    let judge = |mirror: Mirror<'static>, body: &'static str| {
        recognise(&mirror, body.as_bytes(), 8).map(|message| message.era).map_err(|flaw| flaw.refusal)
    };
    let legacy_call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
    assert_eq!(judge(modern("2026-07-28", "tools/call", "a"), legacy_call), Err(Refusal::MetaMissing));
    assert_eq!(judge(modern("2025-06-18", "", ""), legacy_call), Ok(Era::Legacy));
    assert_eq!(judge(modern("banana", "", ""), legacy_call), Ok(Era::Legacy));
    assert_eq!(judge(modern("2025-06-18", "tools/list", ""), legacy_call), Err(Refusal::HeaderMismatch));
    let note = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(judge(modern("2026-07-28", "", ""), note), Ok(Era::Modern));
    let reply = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(judge(modern("2026-07-28", "", ""), reply), Err(Refusal::MessageInvalid));
    assert_eq!(judge(modern("2025-11-25", "", ""), reply), Ok(Era::Legacy));
}

#[test]
fn an_unknown_version_is_for_the_upstream_to_refuse() {
    let body = MODERN_CALL.replace("2026-07-28", "2027-01-01");
    let message = recognise(&modern("2027-01-01", "tools/call", "a"), body.as_bytes(), 8).unwrap();
    assert_eq!(message.era, Era::Modern);
}

#[test]
fn a_request_that_the_era_does_not_have_is_unknown_whatever_its_parameters() {
    let refused = |version: &'static str, method: &'static str, params: &str| {
        let meta = format!(r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}"}}"#);
        let comma = if params.is_empty() { "" } else { "," };
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{comma}{meta}}}}}"#);
        recognise(&modern(version, method, ""), body.as_bytes(), 8).err().map(|flaw| flaw.refusal)
    };
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        for params in ["", r#""uri":1"#, r#""uri":"""#] {
            assert_eq!(refused("2026-07-28", method, params), Some(Refusal::MethodUnknown), "{method} {params}");
        }
        assert_eq!(
            ask_of(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{}}}}"#)),
            Err(Refusal::ParamsInvalid)
        );
        // With a URI the policy still decides before the server is asked.
        assert_eq!(refused("2026-07-28", method, r#""uri":"x:y""#), None);
    }
    assert_eq!(refused("2026-07-28", "tasks/result", ""), Some(Refusal::MethodUnknown));
    assert_eq!(refused("2026-07-28", "resources/templates/list", ""), None);
    assert_eq!(refused("2026-07-28", "prompts/get", ""), Some(Refusal::ParamsInvalid));
}

/// Where tasks are named in a body, as written, and what is meant.
#[track_caller]
fn names(body: &str) -> Vec<(TaskRole, &str, String)> {
    let message = recognise(&LEGACY, body.as_bytes(), 32).unwrap();
    let names = message.tasks.into_iter();
    names.map(|name| (name.role, body.get(name.place).unwrap(), name.handle.into_owned())).collect()
}

#[test]
fn finds_where_tasks_are_named() {
    use TaskRole::{Asked, Claimed, Cursor, Remarked};
    let of = |method: &str, params: &str| {
        format!(r#"{{ "params" : {params} ,"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)
    };
    let related =
        r#"{"_meta":{"x":1,"io.modelcontextprotocol/related-t\u0061sk":{"y":2, "taskId": "r"}}, "taskId":"t"}"#;
    assert_eq!(ask_of(&of("tasks/list", "{}")), Ok(Ask::List(List::Tasks)));
    for method in ["tasks/get", "tasks/result", "tasks/cancel", "tasks/update"] {
        assert_eq!(ask_of(&of(method, r#"{"taskId":"t"}"#)), Ok(Ask::Task));
        let body = of(method, r#"{"inputResponses":{"taskId":"x"},"taskId" : "\u0074-1"}"#);
        assert_eq!(names(&body), [(Asked, r#""\u0074-1""#, "t-1".to_owned())]);
        assert_eq!(
            names(&of(method, related)),
            [(Asked, r#""t""#, "t".to_owned()), (Claimed, r#""r""#, "r".to_owned())]
        );
    }
    let listen = of("subscriptions/listen", r#"{"notifications":{"taskIds":["a", "b" ]}}"#);
    assert_eq!(names(&listen), [(Asked, r#""a""#, "a".to_owned()), (Asked, r#""b""#, "b".to_owned())]);
    assert_eq!(names(&of("tasks/list", r#"{"cursor":"c"}"#)), [(Cursor, r#""c""#, "c".to_owned())]);
    for cursor in ["{}", r#"{"cursor":""}"#, r#"{"cursor":null}"#] {
        assert_eq!(names(&of("tasks/list", cursor)), []);
    }
    assert_eq!(names(&of("tools/list", r#"{"cursor":"c"}"#)), []);
    // Where a task is named that the method does not know, it belongs to whoever does.
    assert_eq!(names(&of("x-acme/run", r#"{"taskId":"t"}"#)), []);
    for method in ["tools/call", "ping", "x-acme/run"] {
        let params = related.replacen('{', r#"{"name":"a","#, 1);
        assert_eq!(names(&of(method, &params)), [(Claimed, r#""r""#, "r".to_owned())]);
    }
    let news = of("notifications/progress", related).replace(r#""id":1,"#, "");
    assert_eq!(names(&news), [(Remarked, r#""r""#, "r".to_owned())]);
}

#[test]
fn the_tasks_that_a_client_runs_are_its_own() {
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"c","status":"working"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"c","status":"working"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"taskId":"c","status":"working"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tasks":[{"taskId":"c"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":["task"]}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":"task"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"task"}}"#,
    ] {
        assert_eq!(names(body), [], "{body}");
        assert_eq!(ask_of(body), Ok(Ask::Base), "{body}");
    }
    let reply =
        r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"r"}}}}"#;
    assert_eq!(names(reply), [(TaskRole::Remarked, r#""r""#, "r".to_owned())]);
    let spelled = reply.replace("task", "\\u0074ask");
    assert_eq!(names(&spelled.replace("\\u0074askId", "taskId")).len(), 1);
}

#[test]
fn refuses_tasks_that_are_named_by_no_string() {
    let of =
        |method: &str, params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    for params in ["{}", r#"{"taskId":1}"#, r#"{"taskId":""}"#, r#"{"taskId":null}"#, r#"{"taskId":["t"]}"#] {
        refuses(&of("tasks/get", params), Refusal::ParamsInvalid);
    }
    refuses(&of("tasks/get", r#"{"taskId":"t","TaskId":"u"}"#), Refusal::KeyDisguised);
    refuses(&of("tasks/get", r#"{"taskId":"t","ta\u0073kId":"u"}"#), Refusal::KeyRepeated);
    refuses(&of("tasks/get", r#"{"taskId":"\ud800"}"#), Refusal::JsonInvalid);
    refuses(&of("tasks/list", r#"{"cursor":1}"#), Refusal::ParamsInvalid);
    for tasks in ["1", r#""t""#, "[1]", r#"[""]"#, "{}"] {
        let params = format!(r#"{{"notifications":{{"taskIds":{tasks}}}}}"#);
        refuses(&of("subscriptions/listen", &params), Refusal::ParamsInvalid);
    }
    let related =
        |value: &str| of("ping", &format!(r#"{{"_meta":{{"io.modelcontextprotocol/related-task":{value}}}}}"#));
    for value in ["1", "{}", r#""t""#, r#"{"taskId":1}"#, r#"{"taskId":""}"#, "null"] {
        refuses(&related(value), Refusal::ParamsInvalid);
    }
    refuses(&related(r#"{"taskid":"t"}"#), Refusal::KeyDisguised);
    let disguised = related(r#"{"taskId":"t"}"#).replace("related-task", "Related-Task");
    refuses(&disguised, Refusal::KeyDisguised);
}
