//! Keys that are fetched.

use super::super::fetched::{Change, Fetched};
use super::super::files::Followed;
use super::super::http::Client;
use super::*;
use crate::report::metrics::JwksResult;
use crate::settings::{KeySource, ProviderUrl, Reach, Timing};

const TIMING: Timing = Timing {
    refresh_interval: Duration::from_secs(600),
    min_refetch_interval: Duration::from_millis(200),
    max_stale: Duration::from_secs(3600),
};

fn fetched(fake: &Fake, timing: Timing) -> Fetched {
    let url = ProviderUrl::read(&fake.url("/jwks")).unwrap();
    let reach = Reach { literals: vec![url.host().to_owned()], ..Reach::default() };
    Fetched::new("i", &KeySource::JwksUri(url), timing, Client::new(&reach).unwrap()).unwrap()
}

/// What one fetch comes to, in words.
async fn refresh(fetched: &Fetched) -> (&'static str, JwksResult) {
    let found = Mutex::new(None);
    let note = |change: Change, result| {
        let change = match change {
            Change::None => "same",
            Change::Keys(_) => "keys",
            Change::Gone => "gone",
        };
        *found.lock().unwrap() = Some((change, result));
    };
    fetched.refresh(&note).await;
    found.into_inner().unwrap().unwrap()
}

#[tokio::test]
async fn an_outage_keeps_the_last_good_keys() {
    let published = Published::text(jwks(&[&key("a")]));
    let fake = published.start();
    let fetched = fetched(&fake, TIMING);
    assert!(fetched.not_ready().is_some());
    assert_eq!(refresh(&fetched).await, ("keys", JwksResult::Changed));
    assert_eq!(refresh(&fetched).await, ("same", JwksResult::Unchanged));
    let replies: [Answer; 6] = [
        |_| Reply::Status(503),
        |_| Reply::To("https://elsewhere.example/jwks".to_owned()),
        |_| Reply::Text("<html>".to_owned()),
        |_| Reply::Text(r#"{"keys":{}}"#.to_owned()),
        |_| Reply::Text("x".repeat(2_000_000)),
        |_| Reply::Raw(Vec::new()),
    ];
    for reply in replies {
        published.set(reply);
        assert_eq!(refresh(&fetched).await, ("same", JwksResult::Failed));
        assert_eq!(fetched.not_ready(), None);
    }
}

#[tokio::test]
async fn a_set_without_usable_keys_withdraws_those_before() {
    let published = Published::text(jwks(&[&key("a")]));
    let fake = published.start();
    let fetched = fetched(&fake, TIMING);
    refresh(&fetched).await;
    published.set_text(r#"{"keys":[]}"#.to_owned());
    assert_eq!(refresh(&fetched).await, ("gone", JwksResult::Failed));
    assert_eq!(refresh(&fetched).await, ("same", JwksResult::Failed));
    published.set_text(jwks(&[&key("a")]));
    assert_eq!(refresh(&fetched).await, ("keys", JwksResult::Changed));
}

#[tokio::test]
async fn keys_that_are_too_old_are_not_used() {
    let published = Published::text(jwks(&[&key("a")]));
    let fake = published.start();
    let fetched = fetched(&fake, Timing { max_stale: Duration::ZERO, ..TIMING });
    assert_eq!(refresh(&fetched).await, ("keys", JwksResult::Changed));
    published.set(|_| Reply::Status(500));
    assert_eq!(refresh(&fetched).await, ("gone", JwksResult::Failed));
    assert_eq!(fetched.not_ready(), None, "an issuer that is down does not take the others with it");
    assert!(fetched.lost().is_some_and(|why| why.contains("has no keys any more") && why.contains("500")));
    published.set_text(jwks(&[&key("a")]));
    refresh(&fetched).await;
    assert_eq!(fetched.lost(), None);
}

#[tokio::test]
async fn without_any_keys_left_the_gateway_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let published = Published::text(jwks(&[&key("a")]));
    let fake = published.start();
    let short = format!("jwks_uri: '{}', refresh_interval: 1s, max_stale: 1s", fake.url("/jwks"));
    let alone = start(folder.path(), &format!("  - {{issuer: i, {short}}}"));
    fs::write(folder.path().join("jwks.json"), jwks(&[&key("b")])).unwrap();
    let among =
        start(folder.path(), &format!("  - {{issuer: i, {short}}}\n  - {{issuer: j, jwks_file: '@/jwks.json'}}"));
    let url = fake.url("/verify");
    let asking =
        start(folder.path(), &format!("  - {{issuer: i, {short}}}\n  - {{issuer: j, verifier: {{url: '{url}'}}}}"));
    for running in [&alone, &among, &asking] {
        running.ready().await;
        assert_eq!(running.verifier.ring().lost(), None);
    }
    published.set(|_| Reply::Status(500));
    eventually(|| alone.verifier.ring().is_ready().is_err_and(|why| why.contains("no keys any more"))).await;
    for running in [&among, &asking] {
        eventually(|| running.verifier.ring().lost().is_some_and(|why| why.contains("issuer `i`"))).await;
        assert_eq!(running.verifier.ring().is_ready(), Ok(()));
    }
    published.set_text(jwks(&[&key("a")]));
    alone.ready().await;
}

#[tokio::test]
async fn a_storm_of_unknown_keys_is_one_fetch() {
    let fake = Published::text(jwks(&[&key("a")])).start();
    let fetched = Arc::new(fetched(&fake, TIMING));
    let background = Arc::clone(&fetched);
    tokio::spawn(async move { background.keep_fresh(|_, _| {}).await });
    eventually(|| fetched.not_ready().is_none()).await;
    let storm = async || {
        let tasks: Vec<_> = (0..1000)
            .map(|_| Arc::clone(&fetched))
            .map(|fetched| tokio::spawn(async move { fetched.look_again().await }))
            .collect();
        for task in tasks {
            assert!(!task.await.unwrap(), "nothing changed");
        }
    };
    storm().await;
    assert_eq!(fake.count("GET /jwks"), 2, "one in turn at the start, one for a thousand that asked");
    // And the third of it that chance may add.
    tokio::time::sleep(TIMING.min_refetch_interval.mul_f64(1.34)).await;
    storm().await;
    assert_eq!(fake.count("GET /jwks"), 3);
}

#[tokio::test]
async fn who_waits_for_keys_waits_two_seconds_at_most() {
    let gate = Arc::new(Gate::default());
    let (reply, text) = (Arc::clone(&gate), jwks(&[&key("a")]));
    let fake = Fake::start(move |_| Reply::Held(Arc::clone(&reply), text.clone()));
    let fetched = Arc::new(fetched(&fake, TIMING));
    let background = Arc::clone(&fetched);
    tokio::spawn(async move { background.keep_fresh(|_, _| {}).await });
    let asked = std::time::Instant::now();
    assert!(!fetched.look_again().await);
    assert!(asked.elapsed() < Duration::from_secs(4));
    gate.open();
    eventually(|| fetched.not_ready().is_none()).await;
}

#[tokio::test]
async fn a_rotated_key_is_found_when_it_is_needed_and_a_dropped_one_is_worth_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new, newest) = (key("old"), key("new"), key("newest"));
    let published = Published::text(jwks(&[&old]));
    let fake = published.start();
    let issuer = format!("  - {{issuer: i, jwks_uri: '{}', min_refetch_interval: 1s}}", fake.url("/jwks"));
    let running = start(folder.path(), &issuer);
    running.ready().await;
    let epoch = running.verifier.ring().epoch();
    assert_eq!(running.verify(&token(&old, "i")).await, Ok("alice".to_owned()));
    // With overlap.
    published.set_text(jwks(&[&old, &new]));
    eventually_ok(&running, &token(&new, "i")).await;
    assert_eq!(running.verify(&token(&old, "i")).await, Ok("alice".to_owned()));
    assert_eq!(running.verifier.ring().epoch(), epoch + 1);
    // Without.
    published.set_text(jwks(&[&newest]));
    eventually_ok(&running, &token(&newest, "i")).await;
    assert_eq!(running.verify(&token(&old, "i")).await, Err(Refusal::TokenKeyUnknown));
    assert_eq!(running.verify(&token(&new, "i")).await, Err(Refusal::TokenKeyUnknown));
    let metrics = running.metrics.render();
    assert!(metrics.contains("toolgate_jwks_refreshes_total{issuer=\"i\",result=\"changed\"} 3"), "{metrics}");
    assert!(metrics.contains("toolgate_jwks_age_seconds{issuer=\"i\"} 0."), "{metrics}");
}

async fn eventually_ok(running: &Running, token: &str) {
    for _ in 0..40 {
        match running.verify(token).await {
            Ok(_) => return,
            Err(refusal) => assert_eq!(refusal, Refusal::TokenKeyUnknown),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the new key was never found");
}

#[tokio::test]
async fn the_gateway_starts_without_its_provider_and_other_issuers_work() {
    let folder = tempfile::tempdir().unwrap();
    let (there, away) = (key("a"), key("b"));
    fs::write(folder.path().join("jwks.json"), jwks(&[&there])).unwrap();
    let nobody = Fake::nobody();
    let issuers = format!("  - {{issuer: i, jwks_file: '@/jwks.json'}}\n  - {{issuer: 'http://{nobody}'}}");
    let running = start(folder.path(), &issuers);
    assert_eq!(running.verify(&token(&there, "i")).await, Ok("alice".to_owned()));
    let away = token(&away, &format!("http://{nobody}"));
    assert_eq!(running.verify(&away).await, Err(Refusal::KeysUnavailable));
    eventually(|| running.verifier.ring().is_ready().is_err_and(|no| no.contains("cannot be reached"))).await;
    let metrics = || running.metrics.render();
    let series = format!("toolgate_jwks_refreshes_total{{issuer=\"http://{nobody}\",result=\"failed\"}}");
    eventually(|| metrics().contains(&series)).await;
}

#[tokio::test]
async fn an_issuer_says_where_its_keys_are() {
    let folder = tempfile::tempdir().unwrap();
    let own = key("a");
    let published = Published::new(|_| Reply::Status(404));
    let fake = published.start();
    let (issuer, keys) = (fake.url("/tenant"), jwks(&[&own]));
    let metadata = json!({"issuer": issuer, "jwks_uri": fake.url("/keys")}).to_string();
    published.set(move |seen| match seen.line.as_str() {
        "GET /tenant/.well-known/openid-configuration" => Reply::Text(metadata.clone()),
        "GET /keys" => Reply::With("Content-Type: text/plain", keys.clone()),
        _ => Reply::Status(404),
    });
    let running = start(folder.path(), &format!("  - {{issuer: '{issuer}'}}"));
    running.ready().await;
    assert_eq!(running.verify(&token(&own, &issuer)).await, Ok("alice".to_owned()));
    let lines: Vec<String> = fake.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        [
            "GET /.well-known/oauth-authorization-server/tenant",
            "GET /.well-known/openid-configuration/tenant",
            "GET /tenant/.well-known/openid-configuration",
            "GET /keys"
        ]
    );
}

#[tokio::test]
async fn a_document_cannot_turn_the_gateway_elsewhere() {
    let keys = jwks(&[&key("a")]);
    let victim = Fake::start(move |_| Reply::Text(keys.clone()));
    let port = victim.address.port();
    // Where this leads is not what the operator wrote: neither the name nor the address.
    let places = [
        (format!("http://localhost:{port}/"), "is not https"),
        (format!("https://localhost:{port}/"), "not a public one"),
        (format!("https://[::1]:{port}/"), "not a public one"),
        ("http://169.254.169.254/latest".to_owned(), "is not https"),
        ("file:///etc/passwd".to_owned(), "names no usable `jwks_uri`"),
    ];
    for (place, expected) in places {
        let published = Published::new(|_| Reply::Status(404));
        let fake = published.start();
        published.set_text(json!({"issuer": fake.url(""), "jwks_uri": place}).to_string());
        let folder = tempfile::tempdir().unwrap();
        let running = start(folder.path(), &format!("  - {{issuer: '{}'}}", fake.url("")));
        eventually(|| running.verifier.ring().is_ready().is_err_and(|no| no.contains(expected))).await;
    }
    assert!(victim.seen().is_empty());
}

#[tokio::test]
async fn the_document_of_another_issuer_is_not_used() {
    let published = Published::new(|_| Reply::Status(404));
    let fake = published.start();
    let keys = fake.url("/keys");
    published.set_text(json!({"issuer": "https://honest.example", "jwks_uri": keys}).to_string());
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path(), &format!("  - {{issuer: '{}'}}", fake.url("")));
    let is_said = |no: String| no.contains("is the metadata of the issuer \"https://honest.example\"");
    eventually(|| running.verifier.ring().is_ready().is_err_and(is_said)).await;
    assert_eq!(fake.count("GET /keys"), 0);
}

#[tokio::test]
async fn keys_in_a_file_are_read_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (key("old"), key("new"));
    let file = folder.path().join("jwks.json");
    fs::write(&file, jwks(&[&old])).unwrap();
    let mut followed = Followed::new(&KeySource::JwksFile(file.clone())).unwrap();
    assert!(followed.look().is_none() && followed.look().is_none());
    fs::write(&file, jwks(&[&old, &new])).unwrap();
    assert!(followed.look().is_none(), "it may be half written");
    assert_eq!(followed.look().unwrap().unwrap().len(), 2);
    assert!(followed.look().is_none());
    fs::write(&file, "{").unwrap();
    assert!(followed.look().is_none());
    assert!(followed.look().unwrap().is_err());
    fs::remove_file(&file).unwrap();
    assert!(followed.look().is_none());
    assert!(followed.look().unwrap().is_err());
    // The same behind a verifier: the last good keys stay.
    fs::write(&file, jwks(&[&old])).unwrap();
    let running = start(folder.path(), "  - {issuer: i, jwks_file: '@/jwks.json'}");
    fs::write(&file, jwks(&[&new])).unwrap();
    eventually_ok(&running, &token(&new, "i")).await;
    assert_eq!(running.verify(&token(&old, "i")).await, Err(Refusal::TokenKeyUnknown));
    assert_eq!(running.verifier.ring().epoch(), 1);
}
