use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const LEGACY: Freshness = Freshness { ttl_cap_ms: 60_000, is_required: false };
const MODERN: Freshness = Freshness { ttl_cap_ms: 60_000, is_required: true };

fn sees(kind: ListKind, name: &str) -> bool {
    kind != ListKind::Tasks && name.contains("pub")
}

fn pass(freshness: Freshness, document: &str) -> Result<(Passed, Vec<Tally>), Opaque> {
    let mut tallies = Vec::new();
    let passed = Filter { sees: &sees, freshness, heard: None }.message(document.as_bytes(), &mut tallies)?;
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
    leaves(r#"{"result":{"tools":[],"cacheScope":"private","ttlMs":0}}"#);
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
    let filter = Filter { sees: &sees, freshness: LEGACY, heard: None };
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
        let _ = Filter { sees: &sees, freshness: MODERN, heard: None }.messages(&bytes, &mut tallies);
    }
}
