//! The claims, under the prototype's terms and under issuer A's.

use super::*;
use crate::caller::{Confirmation, Scopes};

/// Checks a token of the prototype with one claim replaced, added, or (where `json` is empty) left out.
#[track_caller]
fn check(claim: &'static str, json: &str, expected: Result<(), Refusal>) {
    let payload = Payload::of_prototype();
    let payload = if json.is_empty() { payload.without(claim) } else { payload.with(claim, json) };
    let found = verify_at(&with_payload(&payload.to_string()), &ISSUERS, NOW).map(drop);
    assert_eq!(found, expected, "{claim}: {json}");
}

#[track_caller]
fn check_for_a(claim: &'static str, json: &str, expected: Result<(), Refusal>) {
    let payload = Payload::of_a();
    let payload = if json.is_empty() { payload.without(claim) } else { payload.with(claim, json) };
    let token = token(&P256, Algorithm::ES256, r#"{"alg":"ES256","kid":"p256"}"#, &payload.to_string());
    assert_eq!(verify_at(&token, &ISSUERS, NOW).map(drop), expected, "{claim}: {json}");
}

const INVALID: Result<(), Refusal> = Err(Refusal::TokenClaimsInvalid);

#[test]
fn the_prototypes_tokens_make_callers() {
    let caller = accepts("prototype", &with_payload(r#"{"sub":"alice","scope":["public:read"],"exp":1800000600}"#));
    assert_eq!(&*caller.subject, "alice");
    assert_eq!(caller.scopes.iter().collect::<Vec<_>>(), ["public:read"]);
    assert_eq!(caller.expires, UnixTime(1_800_000_600));
    assert_eq!((caller.client_id, caller.token_id), (None, None));
}

#[test]
fn refuses_a_payload_that_is_not_one_strict_object() {
    for payload in [
        "",
        "null",
        "[]",
        "alice",
        "{",
        r#"{"sub":"alice","exp":1800000600}x"#,
        r#"{"sub":"alice","sub":"root","exp":1800000600}"#,
        r#"{"sub":"alice","\u0073ub":"root","exp":1800000600}"#,
        r#"{"sub":"alice","exp":1,"exp":1800000600}"#,
        r#"{"sub":"alice","exp":1800000600,"act":{"sub":"a","sub":"b"}}"#,
        r#"{"sub":"alice","exp":1800000600,"x":[{"a":[{"b":1,"b":1}]}]}"#,
        r#"{"sub":"alice","exp":NaN}"#,
        r#"{"sub":"alice","exp":Infinity}"#,
        r#"{"sub":"alice","exp":0x6b49d200}"#,
        r#"{"sub":"alice","exp":01800000600}"#,
        r#"{"sub":"alice","exp":+1800000600}"#,
        "{\"sub\":\"a\nb\",\"exp\":1800000600}",
        r#"{"sub":"\udead","exp":1800000600}"#,
    ] {
        refuses(payload, &with_payload(payload), Refusal::TokenUnreadable);
    }
    let deep = Payload::of_prototype().with("x", &format!("{}{}", "[".repeat(32), "]".repeat(32)));
    refuses("deep", &with_payload(&deep.to_string()), Refusal::TokenUnreadable);
}

#[test]
fn exp_is_a_time_to_come() {
    for json in ["1800000600", "1800000600.5", "1.8000006e9", "18000006E2", "1799999941", "253402300799"] {
        check("exp", json, Ok(()));
    }
    for json in ["1799999940", "1799999940.99", "0", "-0", "-0.0", "0.5", "1e-999"] {
        check("exp", json, Err(Refusal::TokenExpired));
    }
    for json in [
        "",
        "null",
        "true",
        "\"1800000600\"",
        "[1800000600]",
        "{}",
        "-1",
        "-1800000600",
        "-0.5",
        "1e999",
        "-1e999",
        "1e19",
        "253402300800",
        "1800000600000",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999999",
    ] {
        check("exp", json, INVALID);
    }
}

#[test]
fn exp_and_leeway_meet_at_the_second() {
    let token = with_payload(&Payload::of_prototype().to_string());
    for (now, expected) in [
        (0, Ok(())),
        (1_800_000_600, Ok(())),
        (1_800_000_659, Ok(())),
        (1_800_000_660, Err(Refusal::TokenExpired)),
        (u64::MAX, Err(Refusal::TokenExpired)),
    ] {
        assert_eq!(verify_at(&token, &ISSUERS, now).map(drop), expected, "{now}");
    }
    let exact = Issuers::new(vec![Issuer { leeway: 0, ..prototype() }]).unwrap();
    assert_eq!(verify_at(&token, &exact, 1_800_000_599).map(drop), Ok(()));
    assert_eq!(verify_at(&token, &exact, 1_800_000_600).map(drop), Err(Refusal::TokenExpired));
    let endless = Issuers::new(vec![Issuer { leeway: u64::MAX, ..prototype() }]).unwrap();
    assert_eq!(verify_at(&token, &endless, u64::MAX).map(drop), Err(Refusal::TokenExpired));
}

#[test]
fn nbf_and_iat_are_times_gone_by() {
    for claim in ["nbf", "iat"] {
        for json in ["", "0", "1800000000", "1800000060", "1800000060.9"] {
            check(claim, json, Ok(()));
        }
        for json in ["1800000061", "1.8000007e9", "253402300799"] {
            check(claim, json, Err(Refusal::TokenNotYetValid));
        }
        for json in ["null", "\"0\"", "-1", "[0]", "1e999", "1800000000000", "false"] {
            check(claim, json, INVALID);
        }
    }
}

#[test]
fn a_subject_is_a_short_printable_name() {
    for json in [r#""a""#, r#""a b""#, r#""ä""#, r#""\u0061""#, &format!(r#""{}""#, "a".repeat(1024))] {
        check("sub", json, Ok(()));
    }
    for json in [
        "",
        "null",
        r#""""#,
        "7",
        r#"["alice"]"#,
        "{}",
        "true",
        r#""a\n""#,
        r#""\u0000""#,
        r#""\u007f""#,
        r#""\u0085""#,
        &format!(r#""{}""#, "a".repeat(1025)),
    ] {
        check("sub", json, INVALID);
    }
}

#[test]
fn a_client_stands_in_for_a_subject_that_is_not_required() {
    let lenient = Issuers::new(vec![Issuer { required_claims: [].into(), ..prototype() }]).unwrap();
    let subject =
        |payload: Payload| verify_at(&with_payload(&payload.to_string()), &lenient, NOW).map(|c| c.subject);
    let without = || Payload::of_prototype().without("sub");
    assert_eq!(subject(Payload::of_prototype().with("client_id", r#""robot""#)), Ok("alice".into()));
    assert_eq!(subject(without().with("client_id", r#""robot""#)), Ok("robot".into()));
    assert_eq!(subject(without().with("azp", r#""robot""#)), Ok("robot".into()));
    assert_eq!(subject(without()), Err(Refusal::TokenClaimsInvalid));
    for sub in ["null", r#""""#, "7"] {
        let payload = without().with("client_id", r#""robot""#).with("sub", sub);
        assert_eq!(subject(payload), Err(Refusal::TokenClaimsInvalid), "{sub}");
    }
    check("client_id", r#""robot""#, Ok(()));
    let token = with_payload(&without().with("client_id", r#""robot""#).to_string());
    refuses("sub is required", &token, Refusal::TokenClaimsInvalid);
}

#[test]
fn other_names_are_names_too() {
    let payload = Payload::of_prototype().with("client_id", r#""c""#).with("azp", r#""z""#).with("jti", r#""t""#);
    let caller = accepts("names", &with_payload(&payload.to_string()));
    assert_eq!((caller.client_id.as_deref(), caller.token_id.as_deref()), (Some("c"), Some("t")));
    for claim in ["client_id", "azp", "jti"] {
        for json in ["null", "7", r#""""#, r#""a\u001b[0m""#, r#"["a"]"#] {
            check(claim, json, INVALID);
        }
    }
}

#[test]
fn the_audience_must_be_this_server() {
    for json in [
        r#""https://mcp.example/mcp""#,
        r#""urn:here""#,
        r#"["https://mcp.example/mcp"]"#,
        r#"["x","urn:here","y"]"#,
        r#""https:\/\/mcp.example/mcp""#,
    ] {
        check_for_a("aud", json, Ok(()));
    }
    for json in [
        "",
        r#""""#,
        "[]",
        r#"[""]"#,
        r#""https://mcp.example/mcp/""#,
        r#""https://mcp.example/MCP""#,
        r#""https://mcp.example""#,
        r#""https://mcp.example/mcp?x""#,
        r#""https://mcp.example:443/mcp""#,
        r#""https://mcp.example/mcp urn:here""#,
        r#""urn:here,x""#,
        r#""*""#,
        r#"["a","b"]"#,
        r#""https://mcp.example/%6dcp""#,
    ] {
        check_for_a("aud", json, Err(Refusal::TokenAudienceWrong));
    }
    for json in ["null", "7", "{}", r#"["urn:here",7]"#, r#"[["urn:here"]]"#, r#"[null]"#, r#"{"urn:here":1}"#] {
        check_for_a("aud", json, INVALID);
    }
    for json in ["", r#""anyone""#, r#"["a","b"]"#, "[]"] {
        check("aud", json, Ok(()));
    }
    check("aud", "7", INVALID);
}

#[test]
fn required_claims_are_present_and_not_null() {
    let required = ["sub", "tenant", "realm.roles"].map(Box::from);
    let issuers = Issuers::new(vec![Issuer { required_claims: required.into(), ..prototype() }]).unwrap();
    let verified = |payload: &Payload| verify_at(&with_payload(&payload.to_string()), &issuers, NOW).map(drop);
    let good = Payload::of_prototype().with("tenant", r#""t""#).with("realm", r#"{"roles":false}"#);
    assert_eq!(verified(&good), Ok(()));
    assert_eq!(verified(&good.clone().without("tenant")), INVALID);
    assert_eq!(verified(&good.clone().with("tenant", "null")), INVALID);
    assert_eq!(verified(&good.clone().without("realm")), INVALID);
    assert_eq!(verified(&good.clone().with("realm", "{}")), INVALID);
    assert_eq!(verified(&good.clone().with("realm", r#"{"roles":null}"#)), INVALID);
    assert_eq!(verified(&good.with("realm", r#""roles""#)), INVALID);
}

#[test]
fn refuses_tokens_that_are_for_the_client_or_bound_in_a_strange_way() {
    for claim in ["nonce", "at_hash", "c_hash", "s_hash"] {
        check(claim, r#""x""#, Err(Refusal::TokenTypeWrong));
        check(claim, "null", Err(Refusal::TokenTypeWrong));
    }
    let digest = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    for json in [
        r#"{"jkt":"x"}"#,
        r#"{"jkt":""}"#,
        r#"{"jkt":null}"#,
        r#"{"jkt":7}"#,
        r#"{"x5t#S256":"x"}"#,
        "{}",
        "null",
        "[]",
        "true",
        &format!(r#""{digest}""#),
        &format!(r#"["{digest}"]"#),
        &format!(r#"{{"jkt":"{digest}="}}"#),
        &format!(r#"{{"jkt":"{digest}A"}}"#),
        &format!(r#"{{"jkt":["{digest}"]}}"#),
        &format!(r#"{{"JKT":"{digest}"}}"#),
        &format!(r#"{{"jkt":"{digest}","x5t#S256":"{digest}"}}"#),
        &format!(r#"{{"jkt":"{digest}","kid":"x"}}"#),
        &format!(r#"{{"x5t#s256":"{digest}"}}"#),
        &format!(r#"{{"x5t":"{digest}"}}"#),
        &format!(r#"{{"kid":"{digest}"}}"#),
        r#"{"jwk":{"kty":"EC"}}"#,
        r#"{"osc":"x"}"#,
    ] {
        check("cnf", json, Err(Refusal::TokenTypeWrong));
    }
    let twice =
        with_payload(&format!(r#"{{"sub":"a","exp":1800000600,"cnf":{{"jkt":"{digest}","jkt":"{digest}"}}}}"#));
    refuses("jkt twice", &twice, Refusal::TokenUnreadable);
}

#[test]
fn a_bound_token_says_to_what() {
    let digest = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let confirmation = |json: &str| {
        let payload = Payload::of_prototype().with("cnf", json).to_string();
        accepts(json, &with_payload(&payload)).confirmation
    };
    assert_eq!(confirmation(&format!(r#"{{"jkt":"{digest}"}}"#)), Confirmation::Jwk(digest.into()));
    assert_eq!(confirmation(&format!(r#"{{"\u006akt":"{digest}"}}"#)), Confirmation::Jwk(digest.into()));
    assert_eq!(confirmation(&format!(r#"{{"x5t#S256":"{digest}"}}"#)), Confirmation::Certificate(digest.into()));
    let unbound = accepts("unbound", &with_payload(&Payload::of_prototype().to_string()));
    assert_eq!(unbound.confirmation, Confirmation::None);
}

/// What is meant for the client alone, and what well-known providers issue as access tokens, a client's own among
/// them. `client` is a name of this server, which the operator has put on the list.
#[test]
fn a_token_for_its_client_alone_is_taken_for_an_id_token() {
    let issuer = |client_as_audience| {
        let audience = ["client", "api"].map(Box::from).into();
        Issuers::new(vec![Issuer { audience, client_as_audience, required_claims: [].into(), ..prototype() }])
            .unwrap()
    };
    let (strict, lenient) = (issuer(false), issuer(true));
    let verified = |typ: &str, claims: &str, issuers: &Issuers| {
        let header = format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
        let payload = format!(r#"{{"sub":"a","exp":1800000600,{claims}}}"#);
        verify_at(&token(&PROTOTYPE, Algorithm::HS256, &header, &payload), issuers, NOW).map(drop)
    };
    for claims in [
        r#""aud":"client","azp":"client""#,
        r#""aud":"client","client_id":"client""#,
        r#""aud":["client"],"azp":"client""#,
        r#""aud":["client","client"],"azp":"client""#,
        r#""aud":["client","api"],"azp":"client","client_id":"api""#,
        r#""aud":"client","azp":"client","email":"a@b.example","name":"A","roles":["admin"]"#,
        r#""aud":"client","azp":"client","auth_time":1800000000,"acr":"1","sid":"s""#,
        r#""aud":"client","azp":"client","typ":"JWT""#,
    ] {
        assert_eq!(verified("JWT", claims, &strict), Err(Refusal::TokenTypeWrong), "{claims}");
        assert_eq!(verified("JWT", claims, &lenient), Ok(()), "{claims}");
        assert_eq!(verified("at+jwt", claims, &strict), Ok(()), "{claims}: RFC 9068 says what it is");
    }
    for (provider, claims) in [
        ("Keycloak", r#""aud":["api","account"],"azp":"client","typ":"Bearer","scope":"openid""#),
        ("Keycloak, its own audience", r#""aud":"client","azp":"client","typ":"Bearer""#),
        ("Keycloak, DPoP without scope", r#""aud":"client","azp":"client","typ":"DPoP""#),
        ("Entra ID v2", r#""aud":"api","azp":"client","azpacr":"0","scp":"read","ver":"2.0""#),
        ("Entra ID v2, one registration", r#""aud":"client","azp":"client","scp":"read","ver":"2.0""#),
        ("Entra ID v2, a daemon", r#""aud":"client","azp":"client","azpacr":"1","idtyp":"app""#),
        ("Entra ID v1", r#""aud":"api","appid":"client","appidacr":"1","ver":"1.0""#),
        ("Auth0", r#""aud":["api","https://t.example/userinfo"],"azp":"client","scope":"openid""#),
        ("Auth0, a machine", r#""aud":"api","azp":"client","gty":"client-credentials""#),
        ("Cognito, with a resource", r#""aud":"api","client_id":"client","token_use":"access","scope":"a""#),
        ("Cognito, its own audience", r#""aud":"client","client_id":"client","token_use":"access""#),
        ("Okta", r#""aud":"api","cid":"client","scp":["a"]"#),
        ("authentik", r#""aud":"client","azp":"client","uid":"u","scope":"openid email""#),
        ("RFC 9068 without its typ", r#""aud":"api","client_id":"client""#),
        ("nobody in particular", r#""aud":"client""#),
        ("another party", r#""aud":"client","azp":"other""#),
    ] {
        assert_eq!(verified("JWT", claims, &strict), Ok(()), "{provider}");
    }
    // Without an audience there is nothing to compare; Cognito's access tokens have none.
    let open = Issuers::new(vec![prototype()]).unwrap();
    assert_eq!(verified("JWT", r#""client_id":"client""#, &open), Ok(()));
    assert_eq!(verified("JWT", r#""client_id":"client","aud":[]"#, &open), Ok(()));
    assert_eq!(verified("JWT", r#""client_id":"client","aud":"client""#, &open), Err(Refusal::TokenTypeWrong));
}

#[test]
fn refuses_what_its_issuer_calls_another_kind_of_token() {
    // A logout token, whatever its header says (OpenID Connect Back-Channel Logout §2.4, RFC 8417 §2.2).
    let events = r#"{"http://schemas.openid.net/event/backchannel-logout":{}}"#;
    check("events", events, Err(Refusal::TokenTypeWrong));
    check("events", r#"["a claim of somebody's own"]"#, Ok(()));
    for (claim, json) in [
        ("token_use", r#""id""#),
        ("token_use", r#""ID""#),
        ("token_use", r#""refresh""#),
        ("typ", r#""ID""#),
        ("typ", r#""Refresh""#),
        ("typ", r#""Offline""#),
        ("typ", r#""Logout""#),
        ("token_type", r#""refresh_token""#),
        ("token_type", r#""id_token""#),
        ("typ", r#""logout_token""#),
    ] {
        check(claim, json, Err(Refusal::TokenTypeWrong));
    }
    for (claim, json) in [
        ("token_use", r#""access""#),
        ("typ", r#""Bearer""#),
        ("typ", r#""DPoP""#),
        ("typ", "7"),
        ("token_type", r#""Bearer""#),
        ("token_use", r#""identity""#),
    ] {
        check(claim, json, Ok(()));
    }
}

#[test]
fn a_session_and_all_claims_are_told() {
    let payload = r#" { "exp" : 1800000600, "sub":"a\u006cice", "sid":"s1", "groups":["ops", 1.50] } "#;
    let caller = accepts("claims", &with_payload(payload));
    assert_eq!(caller.session_id.as_deref(), Some("s1"));
    assert_eq!((&*caller.subject, &*caller.claims), ("alice", payload));
    for json in ["null", "7", r#""""#, r#""a\n""#, r#"["s"]"#] {
        check("sid", json, INVALID);
    }
}

#[test]
fn scopes_come_from_every_kind_of_claim_in_use() {
    let paths = ["scope", "scopes", "scp", "permissions", "roles", "resource_access.mcp.roles"].map(Box::from);
    let issuers = Issuers::new(vec![Issuer { scope_claims: paths.into(), ..prototype() }]).unwrap();
    let check = |claims: &str, expected: &[&str]| {
        let token = with_payload(&format!(r#"{{"sub":"a","exp":1800000600,{claims}}}"#));
        let found = verify_at(&token, &issuers, NOW).map(|caller| caller.scopes);
        assert_eq!(found, Ok(Scopes::from_names(expected.iter().copied())), "{claims}");
    };
    for claim in ["scope", "scopes", "scp", "permissions", "roles"] {
        check(&format!(r#""{claim}":"b a""#), &["a", "b"]);
        check(&format!(r#""{claim}":["b","a","b"]"#), &["a", "b"]);
        check(&format!(r#""{claim}":[]"#), &[]);
        check(&format!(r#""{claim}":"""#), &[]);
    }
    check(r#""resource_access":{"mcp":{"roles":["r"]},"other":{"roles":["x"]}}"#, &["r"]);
    check(r#""resource_access.mcp.roles":["s"]"#, &["s"]);
    check(r#""resource_access.mcp":{"roles":["s"]}"#, &[]);
    check(r#""Scope":"a","SCP":"b","role":"c""#, &[]);
    check(r#""scope":"a","scopes":["b"],"scp":"c","permissions":["d"],"roles":["e"]"#, &["a", "b", "c", "d", "e"]);
    // What the issuer is not said to put scopes into has none.
    let caller =
        accepts("roles", &with_payload(r#"{"sub":"a","exp":1800000600,"roles":["admin"],"permissions":["x"]}"#));
    assert!(caller.scopes.is_empty());
}

#[test]
fn scopes_are_united_over_their_claims() {
    let paths = ["scope", "scp", "realm_access.roles", "https://x.example/roles"].map(Box::from);
    let issuers = Issuers::new(vec![Issuer { scope_claims: paths.into(), ..prototype() }]).unwrap();
    let check = |claims: &str, expected: Result<&[&str], Refusal>| {
        let token = with_payload(&format!(r#"{{"sub":"a","exp":1800000600{claims}}}"#));
        let found = verify_at(&token, &issuers, NOW).map(|caller| caller.scopes);
        assert_eq!(found, expected.map(|names| Scopes::from_names(names.iter().copied())), "{claims}");
    };
    check("", Ok(&[]));
    check(r#","scope":"""#, Ok(&[]));
    check(r#","scope":" b  a b ""#, Ok(&["a", "b"]));
    check(r#","scope":["b","a","b",""]"#, Ok(&["a", "b"]));
    check(r#","scope":"a,b""#, Ok(&["a,b"]));
    check(r#","scope":["a b"]"#, Ok(&["a b"]));
    check(r#","scope":"A a""#, Ok(&["A", "a"]));
    check(r#","scope":"a\tb""#, Ok(&["a\tb"]));
    check(r#","scope":"a","scp":["b"],"realm_access":{"roles":["c"]}"#, Ok(&["a", "b", "c"]));
    check(r#","https://x.example/roles":"d""#, Ok(&["d"]));
    check(r#","realm_access.roles":"e","realm_access":{"roles":["c"]}"#, Ok(&["e"]));
    check(r#","realm_access":["roles"]"#, Ok(&[]));
    for json in ["null", "7", "true", "{}", r#"["a",7]"#, r#"[["a"]]"#, r#"{"a":true}"#] {
        check(&format!(r#","scp":{json},"scope":"a""#), Err(Refusal::TokenClaimsInvalid));
    }
}

#[test]
fn minted_tokens_are_accepted_on_their_terms() {
    let expires = UnixTime(NOW + 3600);
    let plain = Mint::new("alice", &["public:read"], expires);
    assert_eq!(&*accepts("plain", &mint_hs256(SECRET, &plain)).subject, "alice");
    let full = Mint {
        issuer: Some("prototype"),
        audience: &["urn:here"],
        client_id: Some("cli"),
        issued: Some(UnixTime(NOW)),
        ..plain
    };
    let issuers = Issuers::new(vec![Issuer {
        require_iss: true,
        audience: ["urn:here".into()].into(),
        required_claims: ["sub", "iat", "aud"].map(Box::from).into(),
        ..prototype()
    }])
    .unwrap();
    let caller = verify_at(&mint_hs256(SECRET, &full), &issuers, NOW).unwrap();
    assert_eq!(caller.client_id.as_deref(), Some("cli"));
    assert_eq!(verify_at(&mint_hs256(SECRET, &plain), &issuers, NOW), Err(Refusal::TokenIssuerUnknown));
    let hostile = Mint::new("a\",\"sub\":\"root", &["x\"y", "\\"], expires);
    assert_eq!(&*accepts("quotes", &mint_hs256(SECRET, &hostile)).subject, "a\",\"sub\":\"root");
    refuses("another secret", &mint_hs256(b"x", &plain), Refusal::TokenSignatureWrong);
}

#[test]
fn a_plain_minted_token_has_the_prototypes_three_claims() {
    let token = mint_hs256(SECRET, &Mint::new("alice", &["public:read"], UnixTime(7)));
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload, serde_json::json!({"sub": "alice", "scope": ["public:read"], "exp": 7}));
}
