use super::*;
use crate::caller::UnixTime;

const TOKEN_TEXT: &str = "abc";
/// The SHA-256 of `abc` (FIPS 180-4).
const HEX: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const BASE64: &str = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";

fn alice() -> Caller {
    Caller {
        client_id: Some("robot".into()),
        token_id: Some("t1".into()),
        session_id: Some("s1".into()),
        ..Caller::new("https://a", "alice", UnixTime(1))
    }
}

#[track_caller]
fn list(text: &str) -> Revocations {
    Revocations::parse("revoked.yaml", text).unwrap_or_else(|flaws| panic!("{text}: {flaws}"))
}

/// Whether `text` revokes alice's token.
#[track_caller]
fn check(text: &str, expected: bool) {
    let token = Bearer::try_from(TOKEN_TEXT).unwrap();
    assert_eq!(list(text).revokes(&alice(), &token), expected, "{text}");
}

#[track_caller]
fn check_flaw(text: &str, expected: &str) {
    let flaws = Revocations::parse("r", text).map(|_| "a list").unwrap_err().to_string();
    assert!(flaws.lines().any(|line| line.starts_with(expected)), "{text}:\n{flaws}\nlacks: {expected}");
}

#[test]
fn revokes_what_it_names() {
    for text in [
        "sub: [alice]",
        "sub:\n  - mallory\n  - alice\n",
        r#"{"sub": ["alice"]}"#,
        "jti: [t1]",
        "client_id: [robot]",
        "sid: [s1]",
        "sub: [{issuer: https://a, sub: alice}]",
        "jti: [{issuer: 'https://a', jti: t1}]",
        "client_id: [{issuer: https://a, client_id: robot}]",
        "sid: [{sid: s1, issuer: https://a}]",
        "sub: [mallory]\njti: [x]\nsid: [s1]",
    ] {
        check(text, true);
    }
    for digest in [HEX, &HEX.to_uppercase(), BASE64, &format!("{BASE64}=")] {
        check(&format!("token_sha256: ['{digest}']"), true);
        check(&format!("token_sha256: [{{issuer: https://a, token_sha256: '{digest}'}}]"), true);
        check(&format!("token_sha256: [{{issuer: https://b, token_sha256: '{digest}'}}]"), false);
    }
}

#[test]
fn revokes_nothing_else() {
    for text in [
        "{}",
        "sub: []",
        "sub: [Alice, alic, alicee, '*', robot, t1, s1]",
        "jti: [alice, T1]",
        "client_id: [alice]",
        "sid: [t1]",
        "sub: [{issuer: https://b, sub: alice}]",
        "sub: [{issuer: https://a/, sub: alice}]",
        "token_sha256: ['0000000000000000000000000000000000000000000000000000000000000000']",
    ] {
        check(text, false);
    }
    let token = Bearer::try_from(TOKEN_TEXT).unwrap();
    let bare = Caller::new("https://a", "bob", UnixTime(1));
    assert!(!list("jti: [t1]\nclient_id: [robot]\nsid: [s1]").revokes(&bare, &token));
    assert!(!Revocations::default().revokes(&alice(), &token));
}

#[test]
fn entries_are_counted_once() {
    let text = format!("sub: [a, a, {{issuer: i, sub: a}}]\njti: [a]\ntoken_sha256: ['{HEX}', '{BASE64}']");
    assert_eq!(list(&text).len(), 4);
    assert!(list("{}").is_empty() && list("sub: []").is_empty());
    assert!(!list("sub: [a]").is_empty());
}

#[test]
fn a_list_is_read_strictly_and_flaws_have_places() {
    for (text, expected) in [
        ("", "r:1:1: the revocation list is empty"),
        ("# nothing\n", "r:1:1: the revocation list is empty"),
        ("[alice]", "r:1:1: a revocation list must be a mapping, not a list"),
        ("alice", "r:1:1: a revocation list must be a mapping, not a single value"),
        ("subs: [a]", "r:1:1: unknown key `subs` in a revocation list"),
        ("Sub: [a]", "r:1:1: unknown key `Sub` in a revocation list"),
        ("sub: [a]\nsub: [b]", "r:2:1: `sub` is here twice"),
        ("sub: alice", "r:1:6: `sub` must be a list, not a single value"),
        ("sub:", "r:1:1: `sub` must be a list, not nothing"),
        ("sub: {a: b}", "r:1:6: `sub` must be a list, not a mapping"),
        ("sub: [7]", "r:1:7: `sub` must be text, and YAML may read `7` as something else"),
        ("sub: [true]", "r:1:7: `sub` must be text, and YAML may read `true` as something else"),
        ("sub:\n  -\n", "r:2:"),
        ("sub: [[a]]", "r:1:7: `sub` must be text, not a list"),
        ("sub: ['']", "r:1:7: `` is no `sub`"),
        ("sub: [' alice']", "r:1:7: ` alice` is no `sub`"),
        ("sub: [{issuer: i}]", "r:1:7: a revocation must have `issuer` and `sub`"),
        ("sub: [{sub: a}]", "r:1:7: a revocation must have `issuer` and `sub`"),
        ("sub: [{issuer: i, jti: a}]", "r:1:19: unknown key `jti` in a revocation"),
        ("sub: [{issuer: i, sub: a, sub: b}]", "r:1:27: `sub` is here twice"),
        ("sub: [{issuer: [i], sub: a}]", "r:1:16: `issuer` must be text, not a list"),
        ("sub: [&a alice, *a]", "r:1:"),
        ("sub: [!!str alice]", "r:1:7: tags are not supported"),
        ("sub: [a]\n---\nsub: [b]", "r:2:1: a second document starts here"),
        ("sub: [a", "r:"),
        ("token_sha256: [abc]", "r:1:16: `abc` is no SHA-256 of a token"),
        ("token_sha256: ['']", "r:1:16: "),
    ] {
        check_flaw(text, expected);
    }
    for digest in [
        HEX.replace('a', "g"),
        format!("+{}", HEX.split_at(1).1),
        BASE64.replace("a0", "a1"),
        BASE64.replace('-', "+"),
    ] {
        check_flaw(&format!("token_sha256: ['{digest}']"), "r:1:16: ");
    }
    check_flaw("sub: x\njti: y", "r:1:6: ");
    check_flaw("sub: x\njti: y", "r:2:6: ");
    check_flaw(&format!("sub: ['{}']", "a".repeat(5 * 1024 * 1024)), "r:1:1: the revocation list has ");
}

#[test]
fn a_long_list_is_no_slower_to_ask() {
    let names: Vec<String> = (0..50_000).map(|at| format!("- user{at}\n")).collect();
    let list = list(&format!("sub:\n{}", names.concat()));
    assert_eq!(list.len(), 50_000);
    let token = Bearer::try_from(TOKEN_TEXT).unwrap();
    assert!(list.revokes(&Caller::new("i", "user49999", UnixTime(1)), &token));
    assert!(!list.revokes(&alice(), &token));
}
