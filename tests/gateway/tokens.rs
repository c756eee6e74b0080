//! Whose tokens are taken. Each way in which a token is refused stands in `refusals`.

use serde_json::{Value, json};

use crate::support::gateway::{METADATA, SCOPES, Setup};
use crate::support::tokens::{ISSUER, RESOURCE, Signer, now, signed, signed_by, with};
use crate::support::{Ask, Gateway, Upstream, call, token};

fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.ask(&Ask::post(token, call("read"))).status
}

#[test]
fn tokens_of_the_prototype_work() {
    let upstream = Upstream::fine();
    let gateway = Setup::before(&upstream).without("--issuer").arg("--audience", "none").start();
    // HS256, scopes as an array, neither issuer nor audience.
    let claims = |scopes: Value| json!({"sub": "alice", "scope": scopes, "exp": now() + 60});
    assert_eq!(status(&gateway, &signed(&claims(json!(["r", "other"])))), 200);
    assert_eq!(status(&gateway, &signed(&claims(json!("r other")))), 200);
    assert_eq!(status(&gateway, &signed(&claims(json!(["other"])))), 403);
    assert_eq!(status(&gateway, &signed(&claims(json!(["r other"])))), 403);
    assert_eq!(status(&gateway, &signed(&json!({"sub": "alice", "scope": ["r"]}))), 401);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_good_token_is_good_in_every_form() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    for changes in [
        json!({}),
        json!({"aud": ["x", RESOURCE]}),
        json!({"scope": ["r"]}),
        json!({"scope": null, "scp": ["r"]}),
        json!({"exp": now() - 30}),
        json!({"nbf": now() - 5, "iat": now() - 5}),
        json!({"iat": now() + 30}),
    ] {
        assert_eq!(status(&gateway, &signed(&with(changes.clone()))), 200, "{changes}");
    }
    let mut client = gateway.connect();
    let ask = Ask::post("", call("read")).header("authorization", &format!("bEARER {}", token("alice", "r")));
    assert_eq!(client.ask(&ask).status, 200);
}

#[test]
fn scopes_are_sets_of_whole_words() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    for (scopes, expected) in
        [("r", 200), ("x r y", 200), ("rr", 403), ("R", 403), ("r:x", 403), ("", 403), ("w", 403), ("w r", 200)]
    {
        assert_eq!(status(&gateway, &token("alice", scopes)), expected, "{scopes:?}");
    }
}

#[test]
fn a_token_refused_says_why_and_nothing_of_itself() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let bad = |changes| signed(&with(changes));
    let forged = signed_by(&json!({"alg": "HS256"}), &with(json!({})), "some-other-secret-of-thirty-two-bytes");
    for (token, sentence) in [
        (bad(json!({"aud": "https://other.test"})), "the token is not meant for this server"),
        (bad(json!({"aud": null})), "the token is not meant for this server"),
        (bad(json!({"aud": format!("{RESOURCE}/")})), "the token is not meant for this server"),
        (bad(json!({"iss": "https://other.test"})), "the token's issuer is not accepted"),
        (bad(json!({"iss": null})), "the token's issuer is not accepted"),
        (bad(json!({"iss": format!("{ISSUER}/")})), "the token's issuer is not accepted"),
        (bad(json!({"exp": now() - 61})), "the token has expired"),
        (forged, "the token's signature is wrong"),
    ] {
        let response = gateway.ask(&Ask::post(&token, call("open")));
        assert_eq!(response.status, 401, "{sentence}");
        let expected = format!(
            "Bearer error=\"invalid_token\", scope=\"{SCOPES}\", {METADATA}, error_description=\"{sentence}\""
        );
        assert_eq!(response.header("www-authenticate"), Some(&*expected));
        assert!(!response.text().contains(&token[..20]) && !response.text().contains("other.test"));
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_public_key_is_never_a_secret() {
    let upstream = Upstream::fine();
    let signer = Signer::new();
    let setup = Setup::before(&upstream).without("--secret-file");
    let keys = setup.file("keys.json", &signer.jwks());
    let gateway = setup.arg("--jwks-file", keys.to_str().unwrap()).start();
    let good = with(json!({}));
    assert_eq!(status(&gateway, &signer.sign("one", &good)), 200);
    assert_eq!(status(&gateway, &Signer::new().sign("one", &good)), 401);
    assert_eq!(status(&gateway, &signed_by(&json!({"alg": "HS256", "kid": "one"}), &good, &signer.jwks())), 401);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn no_token_reaches_the_audit_or_the_log() {
    let upstream = Upstream::fine();
    let setup = Setup::before(&upstream);
    let audit = setup.folder().join("audit.jsonl");
    let mut gateway = setup.arg("--audit-file", audit.to_str().unwrap()).start();
    let good = token("alice", "r");
    let bad = format!("{}x", token("mallory", "r"));
    assert_eq!(status(&gateway, &good), 200);
    assert_eq!(status(&gateway, &bad), 401);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let lines = std::fs::read_to_string(audit).unwrap();
    assert_eq!(lines.lines().count(), 2);
    let written = format!("{lines}{}", gateway.errors());
    for token in [&good, &bad] {
        for part in token.split('.') {
            assert!(!written.contains(part), "{written}");
        }
    }
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let allowed = lines.iter().find(|line| line["decision"] == "allow").unwrap();
    assert_eq!((&allowed["subject"], &allowed["rule"]), (&json!("alice"), &json!("tools.read")));
    let denied = lines.iter().find(|line| line["decision"] == "deny").unwrap();
    assert_eq!((denied.get("subject"), &denied["reason"]), (None, &json!("token_signature_wrong")));
}

/// The audit lines of one call with these arguments.
fn audited(extent: &[&str], arguments: &Value) -> Value {
    let upstream = Upstream::fine();
    let setup = Setup::before(&upstream);
    let audit = setup.folder().join("audit.jsonl");
    let setup = extent.iter().fold(setup.arg("--audit-file", audit.to_str().unwrap()), |setup, extent| {
        setup.arg("--audit-arguments", extent)
    });
    let mut gateway = setup.start();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read", "arguments": arguments}});
    assert_eq!(gateway.ask(&Ask::post(&token("alice", "r s"), body.to_string())).status, 200);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let lines = std::fs::read_to_string(audit).unwrap();
    assert_eq!(lines.lines().count(), 1, "{lines}");
    serde_json::from_str(&lines).unwrap()
}

#[test]
fn the_audit_tells_of_arguments_what_it_was_asked_for() {
    let arguments = json!({"path": "/home/alice", "text": "größe\n"});
    let line = audited(&[], &arguments);
    assert_eq!((line.get("arguments"), &line["scopes"]), (None, &json!(["r", "s"])));
    assert_eq!(audited(&["names"], &arguments)["arguments"], json!(["path", "text"]));
    assert_eq!(audited(&["full"], &arguments)["arguments"], arguments);
    let hashed = audited(&["hashed"], &arguments).to_string();
    assert!(hashed.contains(r#""arguments":{"path":""#) && !hashed.contains("/home/alice"), "{hashed}");
}
