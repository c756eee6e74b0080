//! Tokens for the upstream.

use super::super::exchange::Exchanger;
use super::*;

fn exchanger(folder: &Path, fake: &Fake) -> (Exchanger, Arc<Metrics>) {
    fs::write(folder.join("secret"), "0123456789abcdef0123456789abcdef").unwrap();
    let text = format!(
        "issuers: [{{issuer: i, secret_file: '@/secret'}}]
upstream_token:
  exchange:
    endpoint: '{}'
    client_id: t
    client_secret_file: '@/secret'
    audience: up
    resource: https://up.example
    scope: a b",
        fake.url("/token")
    );
    let metrics = Arc::new(Metrics::new(["i"]).unwrap());
    (Exchanger::new(&settings(folder, &text).upstream_token.unwrap(), &metrics).unwrap(), metrics)
}

fn caller(seconds: u64) -> Caller {
    Caller::new("i", "alice", now().0.plus(seconds))
}

async fn exchange(exchanger: &Exchanger, token: &str, caller: &Caller) -> Result<String, Refusal> {
    let bearer = Bearer::try_from(token).unwrap();
    exchanger.exchange(&bearer, caller, now().0).await.map(|token| token.to_string())
}

fn answer(token: &str, life: u64) -> String {
    json!({"access_token": token, "token_type": "Bearer", "expires_in": life}).to_string()
}

#[tokio::test]
async fn a_token_is_exchanged_once_and_remembered_for_its_owner() {
    let (folder, published) = (tempfile::tempdir().unwrap(), Published::text(answer("one", 300)));
    let fake = published.start();
    let (exchanger, metrics) = exchanger(folder.path(), &fake);
    assert_eq!(exchange(&exchanger, "mine", &caller(300)).await, Ok("one".to_owned()));
    published.set_text(answer("two", 300));
    assert_eq!(exchange(&exchanger, "mine", &caller(300)).await, Ok("one".to_owned()));
    assert_eq!(exchange(&exchanger, "yours", &caller(300)).await, Ok("two".to_owned()));
    let seen = fake.seen();
    assert_eq!(
        seen[0].body,
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=mine\
         &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
         &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
         &audience=up&resource=https%3A%2F%2Fup.example&scope=a%20b"
    );
    assert!(seen[0].head.iter().any(|line| line.starts_with("authorization: Basic ")));
    let text = metrics.render();
    assert!(text.contains("toolgate_token_exchanges_total{result=\"done\"} 2"), "{text}");
    assert!(text.contains("toolgate_token_exchanges_total{result=\"refused\"} 0"), "{text}");
}

#[tokio::test]
async fn a_token_that_is_about_to_expire_is_not_used_again() {
    let (folder, published) = (tempfile::tempdir().unwrap(), Published::text(answer("one", 5)));
    let (exchanger, _) = exchanger(folder.path(), &published.start());
    assert_eq!(exchange(&exchanger, "t", &caller(300)).await, Ok("one".to_owned()));
    published.set_text(answer("two", 300));
    assert_eq!(exchange(&exchanger, "t", &caller(0)).await, Ok("two".to_owned()));
    published.set_text(answer("three", 300));
    assert_eq!(exchange(&exchanger, "t", &caller(300)).await, Ok("three".to_owned()));
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_on() {
    let replies: [(Answer, Refusal); 6] = [
        (|_| Reply::Status(400), Refusal::UpstreamUnauthorized),
        (|_| Reply::Status(401), Refusal::UpstreamUnauthorized),
        (|_| Reply::Status(503), Refusal::VerificationUnavailable),
        (|_| Reply::To("http://127.0.0.1/".to_owned()), Refusal::VerificationUnavailable),
        (|_| Reply::Text("{}".to_owned()), Refusal::VerificationUnavailable),
        (|_| Reply::Raw(Vec::new()), Refusal::VerificationUnavailable),
    ];
    for (reply, expected) in replies {
        let (folder, fake) = (tempfile::tempdir().unwrap(), Fake::start(reply));
        let (exchanger, metrics) = exchanger(folder.path(), &fake);
        for _ in 0..3 {
            assert_eq!(exchange(&exchanger, "t", &caller(300)).await, Err(expected));
        }
        assert_eq!(fake.seen().len(), 1);
        let word = if expected == Refusal::UpstreamUnauthorized { "refused" } else { "unavailable" };
        let line = format!("toolgate_token_exchanges_total{{result=\"{word}\"}} 1");
        assert!(metrics.render().contains(&line), "{line}");
    }
}

#[tokio::test]
async fn the_callers_own_token_is_none_for_the_upstream() {
    let (folder, published) = (tempfile::tempdir().unwrap(), Published::text(answer("mine", 300)));
    let (exchanger, _) = exchanger(folder.path(), &published.start());
    assert_eq!(exchange(&exchanger, "mine", &caller(300)).await, Err(Refusal::VerificationUnavailable));
    assert_eq!(exchange(&exchanger, "yours", &caller(300)).await, Ok("mine".to_owned()));
}
