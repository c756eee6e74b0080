//! Answers of introspection endpoints and verifiers.

use super::*;
use crate::caller::{Confirmation, Scopes};

const TERMS: ClaimTerms = ClaimTerms { default_life: 300, iss_required: false };

/// An issuer that is asked; a subject is not required of its answers.
fn asked() -> Issuer {
    Issuer { required_claims: [].into(), ..Issuer::new(A, [HERE.into()]) }
}

fn answer() -> Payload {
    Payload(vec![])
        .with("active", "true")
        .with("sub", r#""alice""#)
        .with("aud", &format!(r#""{HERE}""#))
        .with("exp", "1800000600")
        .with("scope", r#""a b""#)
}

fn accept(issuer: &Issuer, text: &str, terms: ClaimTerms) -> Result<Caller, Refusal> {
    accept_claims(issuer, text.as_bytes(), UnixTime(NOW), terms)
}

#[track_caller]
fn check(claim: &'static str, json: &str, expected: Result<(), Refusal>) {
    let answer = if json.is_empty() { answer().without(claim) } else { answer().with(claim, json) };
    assert_eq!(accept(&asked(), &answer.to_string(), TERMS).map(drop), expected, "{claim}: {json}");
}

#[test]
fn an_active_token_makes_a_caller() {
    let text = answer()
        .with("client_id", r#""robot""#)
        .with("jti", r#""t1""#)
        .with("sid", r#""s1""#)
        .with("username", r#""Alice""#)
        .with("token_type", r#""Bearer""#)
        .with("groups", r#"["x"]"#)
        .to_string();
    let caller = accept(&asked(), &text, TERMS).unwrap();
    assert_eq!((&*caller.issuer, &*caller.subject), (A, "alice"));
    assert_eq!(caller.client_id.as_deref(), Some("robot"));
    assert_eq!((caller.token_id.as_deref(), caller.session_id.as_deref()), (Some("t1"), Some("s1")));
    assert_eq!(caller.scopes, Scopes::from_names(["a", "b"]));
    assert_eq!(caller.expires, UnixTime(1_800_000_600));
    assert_eq!(caller.confirmation, Confirmation::None);
    assert_eq!(*caller.claims, *text);
}

#[test]
fn only_true_is_active() {
    check("active", "true", Ok(()));
    check("active", "false", Err(Refusal::TokenInactive));
    for json in ["", "null", r#""true""#, "1", "[true]", "{}", r#""active""#] {
        check("active", json, Err(Refusal::VerificationUnavailable));
    }
    assert_eq!(accept(&asked(), r#"{"active":false}"#, TERMS), Err(Refusal::TokenInactive));
    assert_eq!(accept(&asked(), r#"{"active":false,"iss":"x","exp":0}"#, TERMS), Err(Refusal::TokenInactive));
}

#[test]
fn what_is_no_answer_says_nothing_about_the_token() {
    let twice = answer().to_string().replacen('{', r#"{"active":true,"#, 1);
    let deep = answer().with("x", &format!("{}{}", "[".repeat(40), "]".repeat(40))).to_string();
    let long = answer().with("x", &format!(r#""{}""#, "a".repeat(256 * 1024))).to_string();
    for text in [
        "",
        "null",
        "true",
        "[]",
        r#"[{"active":true}]"#,
        "<html>",
        r#"{"active":true"#,
        r#"{"active":true}x"#,
        r#"{"Active":true}"#,
        r#"{"active":false,"active":true}"#,
        r#"{"active":false,"\u0061ctive":true}"#,
        "{}",
        &twice,
        &deep,
        &long,
    ] {
        assert_eq!(accept(&asked(), text, TERMS), Err(Refusal::VerificationUnavailable), "{text:.60}");
    }
    let found = accept_claims(&asked(), b"{\"active\":true,\"sub\":\"\xff\"}", UnixTime(NOW), TERMS);
    assert_eq!(found, Err(Refusal::VerificationUnavailable));
}

#[test]
fn times_are_checked_again() {
    for (claim, json, expected) in [
        ("exp", "1799999941", Ok(())),
        ("exp", "1799999940", Err(Refusal::TokenExpired)),
        ("exp", "0", Err(Refusal::TokenExpired)),
        ("exp", "null", Err(Refusal::TokenClaimsInvalid)),
        ("exp", r#""1800000600""#, Err(Refusal::TokenClaimsInvalid)),
        ("nbf", "1800000060", Ok(())),
        ("nbf", "1800000061", Err(Refusal::TokenNotYetValid)),
        ("nbf", "true", Err(Refusal::TokenClaimsInvalid)),
        ("iat", "1800000060", Ok(())),
        ("iat", "1800000061", Err(Refusal::TokenNotYetValid)),
        ("iat", "[]", Err(Refusal::TokenClaimsInvalid)),
    ] {
        check(claim, json, expected);
    }
}

#[test]
fn without_exp_the_answer_is_good_for_a_while() {
    let text = answer().without("exp").to_string();
    let expires = |default_life| accept(&asked(), &text, ClaimTerms { default_life, ..TERMS }).map(|c| c.expires);
    assert_eq!(expires(300), Ok(UnixTime(NOW + 300)));
    assert_eq!(expires(0), Ok(UnixTime(NOW)));
    assert_eq!(expires(u64::MAX), Ok(UnixTime(u64::MAX)));
    let exact = Issuer { leeway: 0, ..asked() };
    assert_eq!(
        accept(&exact, &text, ClaimTerms { default_life: 0, ..TERMS }),
        Err(Refusal::TokenExpired),
        "a life of nothing"
    );
}

#[test]
fn an_issuer_that_is_named_is_the_one_that_was_asked() {
    check("iss", r#""https://a.example""#, Ok(()));
    check("iss", "", Ok(()));
    for json in [r#""https://b.example""#, r#""""#, r#""https://a.example/""#, r#""HTTPS://A.EXAMPLE""#] {
        check("iss", json, Err(Refusal::TokenIssuerUnknown));
    }
    for json in ["null", "7", r#"["https://a.example"]"#] {
        check("iss", json, Err(Refusal::TokenClaimsInvalid));
    }
    let strict = ClaimTerms { iss_required: true, ..TERMS };
    let with = answer().with("iss", r#""https://a.example""#).to_string();
    assert!(accept(&asked(), &with, strict).is_ok());
    assert_eq!(accept(&asked(), &answer().to_string(), strict), Err(Refusal::TokenIssuerUnknown));
}

#[test]
fn the_audience_is_this_server_unless_that_is_off() {
    check("aud", r#"["x","https://mcp.example/mcp"]"#, Ok(()));
    for json in ["", "[]", r#""https://mcp.example""#, r#""https://mcp.example/mcp/""#] {
        check("aud", json, Err(Refusal::TokenAudienceWrong));
    }
    for json in ["null", "7", "{}"] {
        check("aud", json, Err(Refusal::TokenClaimsInvalid));
    }
    let off = Issuer { audience: [].into(), ..asked() };
    for json in [r#""x""#, "[]"] {
        assert!(accept(&off, &answer().with("aud", json).to_string(), TERMS).is_ok());
    }
    assert!(accept(&off, &answer().without("aud").to_string(), TERMS).is_ok());
}

#[test]
fn someone_is_named() {
    let subject = |text: &Payload| accept(&asked(), &text.to_string(), TERMS).map(|caller| caller.subject);
    let nameless = answer().without("sub");
    let (user, client) = (r#""al""#, r#""robot""#);
    assert_eq!(subject(&answer().with("username", user).with("client_id", client)), Ok("alice".into()));
    assert_eq!(subject(&nameless.clone().with("username", user).with("client_id", client)), Ok("al".into()));
    assert_eq!(subject(&nameless.clone().with("client_id", client)), Ok("robot".into()));
    assert_eq!(subject(&nameless.clone().with("azp", client)), Ok("robot".into()));
    assert_eq!(subject(&nameless), Err(Refusal::TokenClaimsInvalid));
    for claim in ["sub", "username", "client_id", "jti", "sid"] {
        for json in ["null", "7", r#""""#, r#"["alice"]"#, r#""a\n""#, &format!(r#""{}""#, "a".repeat(1025))] {
            check(claim, json, Err(Refusal::TokenClaimsInvalid));
        }
    }
    let strict = Issuer { required_claims: ["sub".into(), "tenant".into()].into(), ..asked() };
    let text = answer().with("tenant", r#""t""#);
    assert!(accept(&strict, &text.to_string(), TERMS).is_ok());
    for claim in ["sub", "tenant"] {
        let text = text.clone().without(claim).with("username", r#""al""#).to_string();
        assert_eq!(accept(&strict, &text, TERMS), Err(Refusal::TokenClaimsInvalid), "{claim}");
    }
}

#[test]
fn scopes_and_bindings_are_read_as_in_tokens() {
    for (json, expected) in [
        ("", Ok(())),
        (r#""""#, Ok(())),
        (r#"["a","b"]"#, Ok(())),
        ("null", Err(Refusal::TokenClaimsInvalid)),
        ("7", Err(Refusal::TokenClaimsInvalid)),
        (r#"["a",1]"#, Err(Refusal::TokenClaimsInvalid)),
    ] {
        check("scope", json, expected);
    }
    let bound = answer().with("cnf", r#"{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}"#).to_string();
    let caller = accept(&asked(), &bound, TERMS).unwrap();
    assert_eq!(caller.confirmation, Confirmation::Jwk("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".into()));
    check("cnf", r#"{"jkt":"x"}"#, Err(Refusal::TokenTypeWrong));
    check("cnf", "{}", Err(Refusal::TokenTypeWrong));
}

#[test]
fn other_kinds_of_token_are_active_too_and_refused() {
    for (claim, json) in [
        ("token_type", r#""refresh_token""#),
        ("token_use", r#""refresh_token""#),
        ("token_use", r#""id""#),
        ("typ", r#""Refresh""#),
        ("typ", r#""Offline""#),
        ("typ", r#""ID""#),
        ("nonce", r#""x""#),
    ] {
        check(claim, json, Err(Refusal::TokenTypeWrong));
    }
    for (claim, json) in [
        ("token_type", r#""Bearer""#),
        ("token_type", r#""DPoP""#),
        ("token_type", "null"),
        ("token_use", r#""access_token""#),
        ("typ", r#""Bearer""#),
    ] {
        check(claim, json, Ok(()));
    }
}
