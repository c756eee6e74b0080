use std::borrow::Cow;

use super::*;

fn page(catalogue: &Catalogue, cursor: Option<&str>, elements: &str, next: Option<&str>) -> Option<Catalogue> {
    let listing = Listing { kind: ListKind::Tools, elements, next: next.map(Cow::Borrowed) };
    catalogue.with(cursor, &listing)
}

#[track_caller]
fn after(pages: &[(Option<&str>, &str, Option<&str>)]) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for (cursor, elements, next) in pages {
        catalogue = page(&catalogue, *cursor, elements, *next).unwrap_or(catalogue);
    }
    catalogue
}

fn names(catalogue: &Catalogue) -> Vec<&str> {
    let mut names: Vec<_> = catalogue.entries(ListKind::Tools).map(Entry::name).collect();
    names.sort_unstable();
    names
}

fn ever(catalogue: &Catalogue) -> Option<Vec<&str>> {
    let mut names: Vec<_> = catalogue.ever_listed(ListKind::Tools)?.collect();
    names.sort_unstable();
    Some(names)
}

const A: &str = r#"[{"name":"a"}]"#;
const B: &str = r#"[{"name":"b"}]"#;
const C: &str = r#"[{"name":"c"}]"#;

#[test]
fn an_element_is_known_by_what_it_says() {
    let text = r#"[{"name":"\u0061","annotations": {"readOnlyHint": true},"inputSchema":{},"x":1},{"name":"b"}]"#;
    let catalogue = after(&[(None, text, None)]);
    let entry = catalogue.tool("a").unwrap();
    assert_eq!(entry.annotations(), Some(r#"{"readOnlyHint": true}"#));
    assert_eq!(entry.input_schema(), Some("{}"));
    assert_eq!(catalogue.tool("b").unwrap().annotations(), None);
    assert!(catalogue.tool("c").is_none());
    assert!(catalogue.is_complete(ListKind::Tools) && !catalogue.is_complete(ListKind::Prompts));
}

#[test]
fn each_kind_is_named_by_its_own_member() {
    let elements = r#"[{"name":"n","uri":"u","uriTemplate":"t","taskId":"i"}]"#;
    let expected = [Some("n"), Some("n"), Some("u"), Some("t"), None];
    for (kind, name) in ListKind::ALL.into_iter().zip(expected) {
        let catalogue = Catalogue::default().with(None, &Listing { kind, elements, next: None });
        let found = catalogue.as_ref().and_then(|c| c.entries(kind).next().map(Entry::name));
        assert_eq!(found, name, "{kind:?}");
    }
}

#[test]
fn the_same_bytes_again_tell_nothing_new() {
    let catalogue = after(&[(None, A, Some("2")), (Some("2"), B, None)]);
    assert!(page(&catalogue, None, A, Some("2")).is_none());
    assert!(page(&catalogue, Some("2"), B, None).is_none());
    assert!(page(&catalogue, Some("2"), A, None).is_some());
}

#[test]
fn pages_are_united() {
    let catalogue = after(&[(None, A, Some("")), (Some(""), B, Some("3"))]);
    assert_eq!((names(&catalogue), catalogue.is_complete(ListKind::Tools)), (vec!["a", "b"], false));
    assert_eq!(ever(&catalogue), None, "there may be more");
    let catalogue = page(&catalogue, Some("3"), C, None).unwrap();
    assert_eq!((names(&catalogue), catalogue.is_complete(ListKind::Tools)), (vec!["a", "b", "c"], true));
}

#[test]
fn what_is_no_longer_listed_goes_away_with_a_whole_listing() {
    let whole = after(&[(None, A, Some("2")), (Some("2"), B, None)]);
    // The second page comes under another name each time, as cursors do that hold a time.
    let begun = page(&whole, None, C, Some("2'")).unwrap();
    assert_eq!(names(&begun), ["a", "b", "c"]);
    assert!(!begun.is_complete(ListKind::Tools));
    let other = page(&begun, None, A, Some("2''")).unwrap();
    assert_eq!(names(&other), ["a", "b"]);
    let ended = page(&begun, Some("2'"), A, None).unwrap();
    assert_eq!(names(&ended), ["a", "c"]);
    assert_eq!(ever(&ended).unwrap(), ["a", "b", "c"], "another session may still list it");
    let shorter = page(&whole, None, C, None).unwrap();
    assert_eq!((names(&shorter), shorter.is_complete(ListKind::Tools)), (vec!["c"], true));
}

#[test]
fn a_page_that_no_page_leads_to_is_not_believed() {
    let empty = Catalogue::default();
    assert!(page(&empty, Some("2"), B, None).is_none());
    let whole = after(&[(None, A, None)]);
    assert!(page(&whole, Some("made up"), B, None).is_none());
    let begun = after(&[(None, A, Some("2"))]);
    assert!(page(&begun, Some("3"), B, None).is_none());
}

#[test]
fn pages_that_lead_in_a_circle_are_never_whole() {
    let mut catalogue = after(&[(None, A, Some("2")), (Some("2"), B, Some("3")), (Some("3"), C, Some("2"))]);
    for _ in 0..3 {
        catalogue = page(&catalogue, Some("2"), B, Some("3")).unwrap_or(catalogue);
        catalogue = page(&catalogue, Some("3"), C, Some("2")).unwrap_or(catalogue);
    }
    assert_eq!((names(&catalogue), catalogue.is_complete(ListKind::Tools)), (vec!["a", "b", "c"], false));
}

#[test]
fn of_a_tool_listed_twice_with_different_words_nothing_is_told() {
    let twice = r#"[{"name":"a","annotations":{"readOnlyHint":true}},{"name":"a"},{"name":"b"},{"name":"b"}]"#;
    let catalogue = after(&[(None, twice, None)]);
    assert!(catalogue.tool("a").is_none());
    assert_eq!(names(&catalogue), ["b"]);
    assert_eq!(ever(&catalogue).unwrap(), ["a", "b"]);
}

fn digest(element: &str) -> [u8; 32] {
    *after(&[(None, &format!("[{element}]"), None)]).tool("a").unwrap().digest()
}

#[test]
fn a_digest_follows_the_words_and_not_their_order() {
    let one =
        digest(r#"{"name":"a","description":"d/é","inputSchema":{"x":[1,{"b":2,"a":null}],"type":"object"}}"#);
    for same in [
        r#"{"inputSchema":{"type":"object","x":[1,{"a":null,"b":2}]},"description":"d\/\u00e9","name":"a"}"#,
        r#"{ "name" : "a" , "description":"d/é", "inputSchema":{"x":[ 1, {"b":2,"a":null} ],"type":"object"} }"#,
        r#"{"name":"a","description":"d/é","inputSchema":{"x":[1,{"b":2,"a":null}],"type":"object"},"_meta":{},"icons":[]}"#,
    ] {
        assert_eq!(digest(same), one, "{same}");
    }
    for other in [
        r#"{"name":"a"}"#,
        r#"{"name":"a","description":"d/É","inputSchema":{"x":[1,{"b":2,"a":null}],"type":"object"}}"#,
        r#"{"name":"a","description":"d/é","inputSchema":{"x":[{"b":2,"a":null},1],"type":"object"}}"#,
        r#"{"name":"a","description":"d/é","inputSchema":{"x":[1,{"b":2,"a":"null"}],"type":"object"}}"#,
        r#"{"name":"a","description":"d/é","outputSchema":{"x":[1,{"b":2,"a":null}],"type":"object"}}"#,
        r#"{"name":"a","description":"d/é","inputSchema":{"x":[1,{"b":2,"a":null}],"type":"object"},"title":""}"#,
    ] {
        assert_ne!(digest(other), one, "{other}");
    }
}

#[test]
fn a_digest_can_be_made_by_others() {
    use aws_lc_rs::digest::{SHA256, digest as sum};
    let written = r#"{"annotations":{},"description":"d","name":"a"}"#;
    let of = digest(r#"{"name":"a","description":"d", "annotations": { }, "execution":{}}"#);
    assert_eq!(of, sum(&SHA256, written.as_bytes()).as_ref());
}

#[test]
fn more_than_can_be_held_is_not_known_at_all() {
    let many: Vec<String> = (0..=MOST_ENTRIES).map(|n| format!(r#"{{"name":"t{n}"}}"#)).collect();
    let large = format!(r#"[{{"name":"a","description":"{}"}}]"#, "x".repeat(MOST_BYTES));
    for too_much in [format!("[{}]", many.join(",")), large] {
        let catalogue = after(&[(None, A, None), (None, &too_much, None)]);
        assert_eq!(names(&catalogue), [""; 0]);
        assert_eq!(ever(&catalogue), None);
        assert!(page(&catalogue, None, &too_much, None).is_none(), "no news");
        let again = page(&catalogue, None, A, None).unwrap();
        assert_eq!((names(&again), ever(&again).unwrap()), (vec!["a"], vec!["a"]));
    }
    // Page after page, each small.
    let mut catalogue = Catalogue::default();
    for number in 0..2_000 {
        let cursor = (number > 0).then(|| number.to_string());
        let next = (number + 1).to_string();
        let elements = format!(r#"[{{"name":"p{number}"}}]"#);
        catalogue = page(&catalogue, cursor.as_deref(), &elements, Some(&next)).unwrap_or(catalogue);
        assert!(names(&catalogue).len() <= MOST_ENTRIES / 10);
    }
    assert_eq!(ever(&catalogue), None);
}

#[test]
fn elements_without_a_name_are_left_out() {
    let catalogue = after(&[(None, r#"[1,null,{},{"name":1},{"Name":"x"},{"name":"a"},[]]"#, None)]);
    assert_eq!(names(&catalogue), ["a"]);
    assert!(page(&Catalogue::default(), None, "{}", None).is_some_and(|c| names(&c).is_empty()));
}
