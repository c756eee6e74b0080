//! Tokens about which somebody is asked.

use super::*;

const SECRET: &str = "client_id: 'to:ol', client_secret_file: '@/secret'";

/// An issuer `i` with introspection at this provider.
fn introspection(folder: &Path, fake: &Fake, more: &str) -> Running {
    fs::write(folder.join("secret"), "s p\n").unwrap();
    let endpoint = fake.url("/introspect");
    start(folder, &format!("  - {{issuer: i, introspection: {{endpoint: '{endpoint}', {SECRET}{more}}}}}"))
}

fn active(more: Value) -> String {
    let mut claims = claims("i", more);
    claims.entry("active").or_insert(json!(true));
    Value::Object(claims).to_string()
}

#[tokio::test]
async fn an_active_token_makes_a_caller_and_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Published::text(active(json!({}))).start();
    let running = introspection(folder.path(), &fake, "");
    for _ in 0..3 {
        assert_eq!(running.verify("opaque-1").await, Ok("alice".to_owned()));
    }
    let seen = fake.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].line.as_str(), seen[0].body.as_str()),
        ("POST /introspect", "token=opaque-1&token_type_hint=access_token")
    );
    // RFC 6749 §2.3.1: both parts form-encoded, `to%3Aol:s%20p`.
    assert!(seen[0].head.contains(&"authorization: Basic dG8lM0FvbDpzJTIwcA==".to_owned()), "{seen:?}");
    assert_eq!(running.verify("opaque-2").await, Ok("alice".to_owned()));
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn a_client_says_who_it_is_in_three_ways() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Published::text(active(json!({}))).start();
    introspection(folder.path(), &fake, ", auth: post").verify("t").await.unwrap();
    let seen = fake.seen();
    assert_eq!(seen[0].body, "token=t&token_type_hint=access_token&client_id=to%3Aol&client_secret=s%20p");
    assert!(!seen[0].head.iter().any(|line| line.starts_with("authorization")));
    let (own, pem) = key_and_pem("k");
    fs::write(folder.path().join("key.pem"), pem).unwrap();
    let endpoint = fake.url("/introspect");
    let issuer = format!(
        "  - {{issuer: 'https://i', introspection: {{endpoint: '{endpoint}', client_id: t, key_file: '@/key.pem', key_id: k}}}}"
    );
    start(folder.path(), &issuer).verify("t").await.unwrap_err();
    let body = fake.seen()[1].body.clone();
    let assertion = body.split("client_assertion=").nth(1).unwrap();
    assert!(body.contains(
        "client_id=t&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    ));
    // Without `key_id` a key in PEM has no name: the thumbprint is none that anybody has agreed on.
    let unnamed = issuer.replace(", key_id: k", "");
    start(folder.path(), &unnamed).verify("t").await.unwrap_err();
    let body = fake.seen()[2].body.clone();
    let header = body.split("client_assertion=").nth(1).unwrap().split('.').next().unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(header).unwrap(), br#"{"alg":"ES256","typ":"JWT"}"#);
    // The key verifies it, and it is for the issuer.
    let mut issuer = Issuer::new("t", ["https://i".into()]);
    issuer.keys = Some(Arc::new(token::KeySet::from_jwks(jwks(&[&own]).as_bytes()).unwrap()));
    let issuers = Issuers::new(vec![issuer]).unwrap();
    let caller = token::verify(&Bearer::try_from(assertion).unwrap(), &issuers, now().0).unwrap();
    assert_eq!((&*caller.subject, caller.token_id.is_some()), ("t", true));
}

#[tokio::test]
async fn secrets_are_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Published::text(active(json!({}))).start();
    let running = introspection(folder.path(), &fake, ", auth: post");
    running.verify("one").await.unwrap();
    fs::write(folder.path().join("secret"), "other").unwrap();
    running.verify("two").await.unwrap();
    assert!(fake.seen()[1].body.ends_with("client_secret=other"));
}

/// The answer to a token makes this of it.
async fn check(answer: String, expected: Result<(), Refusal>) {
    let folder = tempfile::tempdir().unwrap();
    let fake = Published::text(answer.clone()).start();
    let running = introspection(folder.path(), &fake, "");
    let found = running.verify("t").await;
    assert_eq!(found.map(drop), expected, "{answer}");
    // Remembered, whatever it was.
    assert_eq!(running.verify("t").await.map(drop), expected, "{answer}");
    assert_eq!(fake.seen().len(), 1, "{answer}");
    let word = match expected {
        Ok(()) => "active",
        Err(Refusal::VerificationUnavailable) => "unavailable",
        Err(_) => "refused",
    };
    let metrics = running.metrics.render();
    let counted: Vec<&str> =
        metrics.lines().filter_map(|line| line.strip_prefix("toolgate_introspections_total")).collect();
    assert_eq!(counted.len(), 3, "{counted:?}");
    for line in counted {
        assert_eq!(line.ends_with(" 1"), line.contains(word), "{answer}: {line}");
    }
}

#[tokio::test]
async fn what_an_answer_says_counts_as_what_a_token_says() {
    check(active(json!({})), Ok(())).await;
    check(active(json!({"iss": null})), Ok(())).await;
    check(active(json!({"exp": null})), Ok(())).await;
    check(r#"{"active":false}"#.to_owned(), Err(Refusal::TokenInactive)).await;
    check(active(json!({"active": false})), Err(Refusal::TokenInactive)).await;
    check(active(json!({"iss": "j"})), Err(Refusal::TokenIssuerUnknown)).await;
    check(active(json!({"aud": "https://elsewhere"})), Err(Refusal::TokenAudienceWrong)).await;
    check(active(json!({"aud": null})), Err(Refusal::TokenAudienceWrong)).await;
    check(active(json!({"exp": 1})), Err(Refusal::TokenExpired)).await;
    check(active(json!({"sub": null})), Err(Refusal::TokenClaimsInvalid)).await;
}

/// RFC 7662 §2.2: `sub` is optional, and a machine that calls for itself has none.
#[tokio::test]
async fn a_machine_is_its_own_subject() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Published::text(active(json!({"sub": null, "client_id": "robot"}))).start();
    assert_eq!(introspection(folder.path(), &fake, "").verify("t").await, Ok("robot".to_owned()));
    let issuer = |more: &str| {
        format!("  - {{issuer: i, {more} introspection: {{endpoint: '{}', {SECRET}}}}}", fake.url("/introspect"))
    };
    let strict = start(folder.path(), &issuer("required_claims: [sub],"));
    assert_eq!(strict.verify("t").await, Err(Refusal::TokenClaimsInvalid));
    // Whoever has keys too issues tokens that say whom they are about.
    fs::write(folder.path().join("jwks.json"), jwks(&[&key("k")])).unwrap();
    let both = start(folder.path(), &issuer("jwks_file: '@/jwks.json',"));
    assert_eq!(both.verify("t").await, Err(Refusal::TokenClaimsInvalid));
}

#[tokio::test]
async fn what_is_no_answer_refuses_for_now_and_never_the_token() {
    let no = Err(Refusal::VerificationUnavailable);
    for answer in
        ["", "{}", "true", "[]", r#"{"active":"true"}"#, r#"{"active":1}"#, r#"{"active":true,"active":true}"#]
    {
        check(answer.to_owned(), no).await;
    }
    check("x".repeat(2_000_000), no).await;
    let replies: [Answer; 5] = [
        |_| Reply::Status(500),
        |_| Reply::Status(401),
        |_| Reply::To("http://127.0.0.1/".to_owned()),
        |_| Reply::Raw(b"nonsense".to_vec()),
        |_| Reply::Status(204),
    ];
    for reply in replies {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Fake::start(reply));
        let running = introspection(folder.path(), &fake, "");
        assert_eq!(running.verify("t").await.map(drop), no);
        assert_eq!(running.verify("t").await.map(drop), no);
        assert_eq!(fake.seen().len(), 1, "who does not answer is not asked at once again");
    }
    let folder = tempfile::tempdir().unwrap();
    let running =
        start(folder.path(), &format!("  - {{issuer: i, verifier: {{url: 'http://{}'}}}}", Fake::nobody()));
    assert_eq!(running.verify("t").await.map(drop), no);
}

#[tokio::test]
async fn answers_are_remembered_no_longer_than_they_are_true() {
    let folder = tempfile::tempdir().unwrap();
    // One time for all: a second may pass between two looks at the clock.
    let start = now().0;
    let published = Published::text(active(json!({"exp": start.0.saturating_sub(59)})));
    let fake = published.start();
    let running = introspection(folder.path(), &fake, "");
    let bearer = Bearer::try_from("t").unwrap();
    let at = |seconds| running.verifier.verify(&bearer, start.plus(seconds));
    at(0).await.unwrap();
    assert_eq!(at(2).await.map(drop), Err(Refusal::TokenExpired), "a minute of leeway, and it is over");
    // Nothing is remembered where that is asked for.
    let running = introspection(folder.path(), &fake, ", cache: 0s, negative_cache: 0s");
    published.set_text(active(json!({})));
    running.verify("u").await.unwrap();
    published.set_text(r#"{"active":false}"#.to_owned());
    assert_eq!(running.verify("u").await, Err(Refusal::TokenInactive));
    published.set_text(active(json!({})));
    running.verify("u").await.unwrap();
}

#[tokio::test]
async fn a_token_that_many_bring_is_asked_about_once() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let reply = Arc::clone(&gate);
    let fake = Fake::start(move |_| Reply::Held(Arc::clone(&reply), active(json!({}))));
    let running = Arc::new(introspection(folder.path(), &fake, ""));
    let ask = || Arc::clone(&running);
    let tasks: Vec<_> =
        (0..200).map(|_| ask()).map(|one| tokio::spawn(async move { one.verify("t").await })).collect();
    eventually(|| fake.seen().len() == 1).await;
    gate.open();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok("alice".to_owned()));
    }
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn the_endpoint_can_be_found_where_the_issuer_publishes_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "s").unwrap();
    let published = Published::new(|_| Reply::Status(404));
    let fake = published.start();
    let issuer = fake.url("");
    let metadata = json!({"issuer": issuer, "introspection_endpoint": fake.url("/check")}).to_string();
    let answer = active(json!({"iss": issuer}));
    published.set(move |seen| match seen.line.as_str() {
        "GET /.well-known/oauth-authorization-server" => Reply::Text(metadata.clone()),
        "POST /check" => Reply::Text(answer.clone()),
        _ => Reply::Status(404),
    });
    let running = start(folder.path(), &format!("  - {{issuer: '{issuer}', introspection: {{{SECRET}}}}}"));
    assert_eq!(running.verify("t").await, Ok("alice".to_owned()));
    assert_eq!(running.verify("u").await, Ok("alice".to_owned()));
    assert_eq!(fake.seen().len(), 3, "the place is remembered");
}

#[tokio::test]
async fn a_verifier_of_ones_own_has_the_say() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Published::text(active(json!({"iss": null}))).start();
    let issuer = format!("  - {{issuer: custom, verifier: {{url: '{}', jwt: true}}}}", fake.url("/verify"));
    let running = start(folder.path(), &issuer);
    assert_eq!(running.verify("t").await, Ok("alice".to_owned()));
    let seen = fake.seen();
    assert_eq!((seen[0].line.as_str(), seen[0].body.as_str()), ("POST /verify", r#"{"token":"t"}"#));
    let forged = token(&key("k"), "custom");
    assert_eq!(running.verify(&forged).await, Ok("alice".to_owned()));
}

#[tokio::test]
async fn a_slow_verifier_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start(|_| Reply::Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n{"));
    let issuer = format!("  - {{issuer: custom, verifier: {{url: '{}', timeout: 100ms}}}}", fake.url("/"));
    let running = start(folder.path(), &issuer);
    assert_eq!(running.verify("t").await.map(drop), Err(Refusal::VerificationUnavailable));
}

#[tokio::test]
async fn each_token_goes_where_it_belongs() {
    let folder = tempfile::tempdir().unwrap();
    let own = key("k");
    fs::write(folder.path().join("jwks.json"), jwks(&[&own])).unwrap();
    let fake = Published::text(active(json!({"iss": null}))).start();
    let url = fake.url("/");
    let issuers = format!(
        "  - {{issuer: keys, jwks_file: '@/jwks.json'}}
  - {{issuer: opaque, verifier: {{url: '{url}'}}}}
  - {{issuer: jwt, verifier: {{url: '{url}', jwt: true, opaque: false}}}}
  - {{issuer: both, jwks_file: '@/jwks.json', verifier: {{url: '{url}', opaque: false}}}}"
    );
    let running = start(folder.path(), &issuers);
    let asked = async |token: &str| {
        let before = fake.seen().len();
        let found = running.verifier.verify(&Bearer::try_from(token).unwrap(), now().0).await;
        (found.map(|caller| caller.issuer.to_string()), fake.seen().len() - before)
    };
    let by = |name: &str| Ok(name.to_owned());
    assert_eq!(asked(&token(&own, "keys")).await, (by("keys"), 0));
    assert_eq!(asked(&token(&own, "both")).await, (by("both"), 0));
    assert_eq!(asked(&token(&own, "jwt")).await, (by("jwt"), 1));
    assert_eq!(asked(&token(&own, "opaque")).await, (Err(Refusal::TokenTypeWrong), 0));
    assert_eq!(asked(&token(&own, "stranger")).await, (Err(Refusal::TokenIssuerUnknown), 0));
    assert_eq!(asked(&token(&key("k"), "keys")).await, (Err(Refusal::TokenSignatureWrong), 0));
    for opaque in ["t", "a.b", "a.b.c", "a.b.c.d.e", "W10.b.c", "e30..c", "e30.b.", "e30.b.c+"] {
        assert_eq!(asked(opaque).await, (by("opaque"), 1), "{opaque}");
    }
    // JSON in front makes it a JWT, and a JWT that cannot be read is nobody's.
    assert_eq!(asked("e30.e30.YQ").await, (Err(Refusal::TokenUnreadable), 0));
}
