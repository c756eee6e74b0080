use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::caller::Scopes;

fn caller(claims: &str) -> Caller {
    Caller {
        client_id: Some("robot".into()),
        scopes: Scopes::from_names(["b", "a"]),
        claims: Arc::from(claims),
        ..Caller::new("https://idp.example", "alice", UnixTime(1))
    }
}

/// The value of a header that tells the claim `path` of `claims`.
#[track_caller]
fn check(claims: &str, path: &str, expected: Option<&str>) {
    let headers = IdentityHeaders::new([("X-Claim", path)]).unwrap();
    let caller = caller(claims);
    let found = headers.render(&caller);
    assert_eq!(
        found,
        expected.map(|value| ("X-Claim", value.to_owned())).into_iter().collect::<Vec<_>>(),
        "{claims} {path}"
    );
}

#[track_caller]
fn check_value(json: &str, expected: Option<&str>) {
    check(&format!(r#"{{"c":{json}}}"#), "c", expected);
}

#[test]
fn text_stands_as_it_is_where_it_can() {
    for (json, expected) in [
        (r#""alice""#, "alice"),
        (r#""Alice B. <a@b.example>; \"x\", y""#, r#"Alice B. <a@b.example>; "x", y"#),
        (r#""a  b""#, "a  b"),
        (r#""\u0061""#, "a"),
        (r#""[\"admin\"]""#, r#"["admin"]"#),
        ("7", "7"),
        ("-1.50e3", "-1.50e3"),
        ("true", "true"),
        ("false", "false"),
    ] {
        check_value(json, Some(expected));
    }
}

#[test]
fn text_that_could_do_harm_is_encoded() {
    for (json, expected) in [
        (r#""a\r\nX-Admin: yes""#, "=?base64?YQ0KWC1BZG1pbjogeWVz?="),
        (r#""a\nb""#, "=?base64?YQpi?="),
        (r#""a\u0000""#, "=?base64?YQA=?="),
        (r#""a\tb""#, "=?base64?YQli?="),
        (r#""\u007f""#, "=?base64?fw==?="),
        (r#""ä""#, "=?base64?w6Q=?="),
        (r#""a\u2028b""#, "=?base64?YeKAqGI=?="),
        (r#"" a""#, "=?base64?IGE=?="),
        (r#""a ""#, "=?base64?YSA=?="),
        (r#""=?base64?YQ==?=""#, "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        (r#""=?BASE64?YQ==?=""#, "=?base64?PT9CQVNFNjQ/WVE9PT89?="),
        (r#""=?utf-8?B?YQ==?=""#, "=?base64?PT91dGYtOD9CP1lRPT0/PQ==?="),
    ] {
        check_value(json, Some(expected));
    }
}

#[test]
fn words_are_told_apart() {
    for (json, expected) in [
        (r#"["ops"]"#, "ops"),
        (r#"["ops","dev"]"#, "ops dev"),
        (r#"["ops","a b"]"#, r#"["ops","a b"]"#),
        (r#"["ops admin"]"#, r#"["ops admin"]"#),
        (r#"["ops",""]"#, r#"["ops",""]"#),
        (r#"["[\"admin\"]"]"#, r#"["[\"admin\"]"]"#),
        (r#"["a\nb"]"#, r#"["a\nb"]"#),
        (r#"["é"]"#, "=?base64?w6k=?="),
        (r#"["a\u00a0b"]"#, "=?base64?WyJhwqBiIl0=?="),
        (r#"["a","\r\nX: y"]"#, r#"["a","\r\nX: y"]"#),
    ] {
        check_value(json, Some(expected));
    }
}

#[test]
fn what_cannot_be_told_is_left_out() {
    for json in ["null", "{}", r#"{"a":1}"#, "[]", "[1]", r#"["a",null]"#, r#"[["a"]]"#, r#""""#] {
        check_value(json, None);
    }
    check_value(&format!(r#""{}""#, "a".repeat(8193)), None);
    let longest = "a".repeat(8192);
    check_value(&format!(r#""{longest}""#), Some(&longest));
    check("{}", "c", None);
    check(r#"{"C":"x"}"#, "c", None);
    check("not JSON", "c", None);
    check(r#"{"c":"a","c":"b"}"#, "c", None);
}

#[test]
fn claims_are_found_by_name_before_path() {
    let claims = r#"{"a":{"b":"path"},"a.b":"name","https://x.example/roles":["r"],"realm":{"roles":["p","q"]}}"#;
    check(claims, "a.b", Some("name"));
    check(claims, "realm.roles", Some("p q"));
    check(claims, "https://x.example/roles", Some("r"));
    check(claims, "realm", None);
    check(claims, "realm.", None);
}

#[test]
fn names_are_those_the_gateway_judges_by() {
    let claims = r#"{"sub":"root","iss":"x","client_id":"y","scope":"z","azp":"w"}"#;
    check(claims, "sub", Some("alice"));
    check(claims, "iss", Some("https://idp.example"));
    check(claims, "client_id", Some("robot"));
    check(claims, "scope", Some("a b"));
    check(claims, "azp", Some("w"));
    let bare = Caller::new("i", "alice", UnixTime(1));
    let headers = IdentityHeaders::new([("X-Client", "client_id"), ("X-Scope", "scope")]).unwrap();
    assert_eq!(headers.render(&bare), []);
}

#[test]
fn headers_keep_their_order_and_names() {
    let headers = IdentityHeaders::new([("X-Toolgate-Subject", "sub"), ("X-None", "none"), ("x-c", "c")]).unwrap();
    let caller = caller(r#"{"c":1}"#);
    assert_eq!(headers.render(&caller), [("X-Toolgate-Subject", "alice".into()), ("x-c", "1".into())]);
    assert_eq!(headers.names().collect::<Vec<_>>(), ["X-Toolgate-Subject", "X-None", "x-c"]);
    assert_eq!(IdentityHeaders::default().render(&caller), []);
}

#[test]
fn refuses_headers_that_mean_something_else() {
    #[track_caller]
    fn check(pairs: &[(&str, &str)], expected: IdentityHeaderError) {
        assert_eq!(IdentityHeaders::new(pairs.iter().copied()), Err(expected));
    }
    for name in ["", "X Y", "X:", "X\r\nY", "X-Ä", "X_Y", "X-\0", &"x".repeat(257)] {
        check(&[(name, "sub")], IdentityHeaderError::NotAName(name.into()));
    }
    for name in [
        "Authorization",
        "COOKIE",
        "host",
        "Content-Length",
        "Transfer-Encoding",
        "Mcp-Session-Id",
        "mcp-x",
        "DPoP",
    ] {
        check(&[(name, "sub")], IdentityHeaderError::Reserved(name.into()));
    }
    check(&[("X-A", "sub"), ("x-a", "iss")], IdentityHeaderError::Repeated("x-a".into()));
    check(&[("X-A", "")], IdentityHeaderError::NoClaim("X-A".into()));
}

proptest! {
    #[test]
    fn no_claim_leaves_its_header(text in any::<String>(), items in proptest::collection::vec(any::<String>(), 0..4)) {
        let claims = serde_json::json!({"one": text, "many": items}).to_string();
        let headers = IdentityHeaders::new([("X-One", "one"), ("X-Many", "many")]).unwrap();
        for (_, value) in headers.render(&caller(&claims)) {
            prop_assert!(value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{:?}", value);
            prop_assert_eq!(value.trim(), &value);
            prop_assert!(!value.is_empty());
        }
    }

    #[test]
    fn no_two_texts_look_alike(one in "[ -~é\\n]{1,12}", other in "[ -~é\\n]{1,12}") {
        prop_assume!(one != other);
        prop_assert_ne!(plain(&one), plain(&other));
    }
}
