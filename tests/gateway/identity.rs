//! What the upstream is told of the caller: headers, and a token of its own.

use std::path::Path;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::gateway::Setup;
use crate::support::tokens::{ISSUER, RESOURCE, Signer, now, signed, with};
use crate::support::upstream::{json, with_length};
use crate::support::{Ask, Gateway, Upstream, call, eventually, token};

#[test]
fn claims_are_told_and_nothing_the_client_says_under_their_names() {
    let upstream = Upstream::fine();
    let setup = Setup::before(&upstream);
    let config = setup.file(
        "toolgate.yaml",
        "identity_headers: {X-Subject: sub, X-Team: org.team, User-Agent: agent, X-Roles: roles}\n",
    );
    let gateway = setup.arg("--config", config.to_str().unwrap()).start();
    let claims = with(json!({"sub": "zoë", "org": {"team": "red"}, "roles": ["a", "b"]}));
    let ask = Ask::post(&signed(&claims), call("open"))
        .header("X-Subject", "mallory")
        .header("x_subject", "mallory")
        .header("X-Team", "mallory")
        .header("User-Agent", "mallory");
    assert_eq!(gateway.ask(&ask).status, 200);
    let seen = upstream.request(1);
    assert_eq!(seen.header("x-subject"), Some("=?base64?em/Dqw==?="));
    assert_eq!(seen.header("x-team"), Some("red"));
    assert_eq!(seen.header("x-roles"), Some("a b"));
    assert_eq!(seen.header("user-agent"), None, "a claim that is absent is told by nobody");
    assert!(!seen.head.contains("mallory"), "{}", seen.head);
}

#[test]
fn flags_name_headers_too_and_bad_names_do_not_start() {
    let upstream = Upstream::fine();
    let gateway = Setup::before(&upstream).arg("--identity-headers", "X-Subject=sub").start();
    assert_eq!(gateway.ask(&Ask::post(&token("alice", "r"), call("open"))).status, 200);
    assert_eq!(upstream.request(1).header("x-subject"), Some("alice"));
    for bad in
        ["X-Subject", "X-Subject=", "=sub", "Host=sub", "Mcp-Name=sub", "X_S=sub", "Connection=sub", "A B=sub"]
    {
        let (status, errors) = Setup::before(&upstream).arg("--identity-headers", bad).fail();
        assert_eq!(status.code(), Some(78), "{bad}: {errors}");
        assert!(errors.contains("identity_headers"), "{bad}: {errors}");
    }
}

fn exchanging(upstream: &Upstream, endpoint: &Upstream) -> Gateway {
    let setup = Setup::before(upstream);
    let secret = setup.file("client-secret", "the-secret-of-the-client");
    let config = setup.file("toolgate.yaml", &exchange(&endpoint.url, &secret));
    setup.arg("--config", config.to_str().unwrap()).start()
}

fn exchange(endpoint: &str, secret: &Path) -> String {
    format!(
        "upstream_token:\n  exchange:\n    endpoint: {endpoint}\n    client_id: toolgate\n    client_secret_file: {}\n    \
         audience: up\n    allow_http: true\n    provider_networks: [127.0.0.0/8]\n",
        secret.display()
    )
}

#[test]
fn the_upstream_gets_a_token_of_its_own_and_never_the_callers() {
    let upstream = Upstream::fine();
    let endpoint =
        Upstream::new(|_| json(r#"{"access_token":"for-upstream","token_type":"Bearer","expires_in":300}"#));
    let gateway = exchanging(&upstream, &endpoint);
    let token = token("alice", "r");
    for count in 1..=2 {
        assert_eq!(gateway.ask(&Ask::post(&token, call("open"))).status, 200);
        let seen = upstream.request(count);
        assert_eq!(seen.header("authorization"), Some("Bearer for-upstream"));
        assert!(!seen.head.contains(&token));
    }
    assert_eq!(endpoint.requests().len(), 1, "what was exchanged is remembered");
    assert!(String::from_utf8(endpoint.request(1).body).unwrap().contains(&format!("subject_token={token}")));
    // What is refused by the policy is not exchanged.
    assert_eq!(gateway.ask(&Ask::post(&crate::support::token("bob", "r"), call("never"))).status, 200);
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn without_a_token_for_it_the_upstream_is_never_contacted() {
    for (status, expected) in [("400 Bad Request", 502), ("503 Service Unavailable", 503), ("200 OK", 503)] {
        let upstream = Upstream::fine();
        let endpoint = Upstream::new(move |_| with_length(status, "Content-Type: application/json\r\n", "{}"));
        let gateway = exchanging(&upstream, &endpoint);
        let refused = gateway.ask(&Ask::post(&token("alice", "r"), call("open")));
        assert_eq!(refused.status, expected, "{status}: {}", refused.text());
        assert_eq!(refused.json()["id"], 1);
        assert!(upstream.requests().is_empty());
    }
}

/// A gateway that signs who calls.
fn signing(upstream: &Upstream, more: &str) -> Gateway {
    let setup = Setup::before(upstream);
    let key = setup.file("identity.pem", &Signer::new().pem());
    let config = setup.file(
        "toolgate.yaml",
        &format!("identity_token: {{key_file: {}{more}}}\nidentity_headers: {{X-Subject: sub}}\n", key.display()),
    );
    setup.arg("--config", config.to_str().unwrap()).start()
}

/// The claims of an identity token, as an upstream takes them that knows the admin listener alone.
#[track_caller]
fn verified(gateway: &Gateway, token: &str) -> Value {
    let keys = gateway.admin("/.well-known/jwks.json");
    assert_eq!((keys.status, keys.header("content-type")), (200, Some("application/jwk-set+json")));
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let header: Value = serde_json::from_slice(&decode(header)).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("toolgate-identity+jwt")));
    let keys = keys.json();
    let keys = keys["keys"].as_array().unwrap();
    let named: Vec<&Value> = keys.iter().filter(|key| key["kid"] == header["kid"]).collect();
    let [key] = named[..] else { panic!("{header} {keys:?}") };
    assert_eq!((&key["use"], key.get("d")), (&json!("sig"), None));
    let point = [&[4], &*decode(key["x"].as_str().unwrap()), &*decode(key["y"].as_str().unwrap())].concat();
    let signed = token.rsplit_once('.').unwrap().0;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &decode(signature)).unwrap();
    serde_json::from_slice(&decode(payload)).unwrap()
}

#[test]
fn the_upstream_can_check_that_the_gateway_spoke() {
    let upstream = Upstream::fine();
    let gateway = signing(&upstream, "");
    let claims = with(json!({"client_id": "app", "scope": "w r"}));
    let ask = Ask::post(&signed(&claims), call("open"))
        .header("X-Toolgate-Identity", "forged.by.mallory")
        .header("x-toolgate-identity", "again.by.mallory")
        .header("X_Toolgate_Identity", "another.by.mallory");
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.ask(&ask).status, 200);
    }
    let seen = upstream.request(1);
    assert!(!seen.head.contains("mallory"), "{}", seen.head);
    let token = seen.header("x-toolgate-identity").unwrap();
    let told = verified(&gateway, token);
    assert_eq!(
        (&told["iss"], &told["sub"], &told["client_id"], &told["scope"], &told["aud"]),
        (&json!(RESOURCE), &json!("alice"), &json!("app"), &json!("r w"), &json!(upstream.url)),
    );
    assert_eq!(told["sub_id"], json!({"format": "iss_sub", "iss": ISSUER, "sub": "alice"}));
    let (issued, expires) = (told["iat"].as_u64().unwrap(), told["exp"].as_u64().unwrap());
    assert!(expires == issued + 60 && issued <= now() && now() <= issued + 30);
    // The same one while it is fresh; never that of another.
    assert_eq!(upstream.request(2).header("x-toolgate-identity"), Some(token));
    assert_eq!(upstream.request(3).header("x-toolgate-identity"), Some(token));
    assert_eq!(gateway.ask(&Ask::post(&crate::support::token("bob", "r"), call("open"))).status, 200);
    let of_bob = upstream.request(4);
    assert_eq!(verified(&gateway, of_bob.header("x-toolgate-identity").unwrap())["sub"], "bob");
    // It opens nothing at the gateway itself.
    assert_eq!(gateway.ask(&Ask::post(token, call("open"))).status, 401);
    assert_eq!(gateway.ask(&Ask::method("GET", "").target("/.well-known/jwks.json")).status, 404, "admin alone");
}

#[test]
fn the_identity_is_said_as_it_is_configured_and_on_every_method() {
    let upstream = Upstream::new(|_| with_length("200 OK", "Content-Type: application/json\r\n", "{}"));
    let gateway = signing(&upstream, ", header: User-Agent, audience: up, life: 10s");
    let ask = Ask::method("DELETE", &token("alice", "r")).header("User-Agent", "mallory/1.0");
    gateway.ask(&ask);
    let seen = upstream.request(1);
    assert!(seen.line().starts_with("DELETE") && !seen.head.contains("mallory"), "{}", seen.head);
    let told = verified(&gateway, seen.header("user-agent").unwrap());
    assert_eq!((&told["aud"], told["exp"].as_u64().unwrap() - told["iat"].as_u64().unwrap()), (&json!("up"), 10));
}

#[test]
fn a_new_key_is_in_force_without_a_restart() {
    let upstream = Upstream::fine();
    let gateway = signing(&upstream, "");
    let ask = Ask::post(&token("alice", "r"), call("open"));
    let told = |count| {
        assert_eq!(gateway.ask(&ask).status, 200);
        upstream.request(count).header("x-toolgate-identity").unwrap().to_owned()
    };
    let old = told(1);
    let ready = || gateway.admin("/readyz").json()["identity_key"].as_str().unwrap().to_owned();
    assert_eq!(ready(), "ok: generation 1");
    let replace = |text: &str| {
        let file = gateway.folder.path().join("identity.pem");
        std::fs::write(file.with_extension("new"), text).unwrap();
        std::fs::rename(file.with_extension("new"), file).unwrap();
    };
    replace("no key");
    eventually("the trouble", || ready().contains("generation 1 stays in force").then_some(()));
    assert_eq!(told(2), old);
    let pem = Signer::new().pem();
    replace(&pem);
    eventually("the new key", || (ready() == "ok: generation 2").then_some(()));
    let new = told(3);
    assert_ne!(new, old);
    assert_eq!(
        (verified(&gateway, &new)["sub"].as_str(), verified(&gateway, &old)["sub"].as_str()),
        (Some("alice"), Some("alice"))
    );
    let secret = pem.lines().nth(1).unwrap();
    assert!(!gateway.errors().contains(secret), "{}", gateway.errors());
}

#[test]
fn without_a_key_nothing_is_signed_and_with_a_bad_one_nothing_starts() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let ask = Ask::post(&token("alice", "r"), call("open")).header("X-Toolgate-Identity", "mallory");
    assert_eq!(gateway.ask(&ask).status, 200);
    assert_eq!(upstream.request(1).header("x-toolgate-identity"), None);
    assert_eq!(gateway.admin("/.well-known/jwks.json").status, 404);
    assert_eq!(gateway.admin("/readyz").json()["identity_key"], "none is configured");
    let public = Signer::new().jwks();
    for bad in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", &public] {
        let setup = Setup::before(&upstream);
        let key = setup.file("identity.pem", bad);
        let (status, errors) = setup.arg("--identity-token-key-file", key.to_str().unwrap()).fail();
        assert_eq!(status.code(), Some(78), "{bad}: {errors}");
        assert!(errors.contains("identity_token.key_file: "), "{bad}: {errors}");
    }
}
