//! A provider of flesh and blood, and what becomes of tokens while it rotates, lies, sleeps and dies.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use clap::Parser as _;
use serde_json::{Map, Value, json};

use super::fake::{Fake, Gate, Reply, Seen};
use super::*;
use crate::gateway::now;
use crate::report::metrics::Metrics;
use crate::settings::Settings;
use crate::settings::args::{Cli, Task};
use crate::token::SigningKey;

mod asking;
mod exchanging;
mod fetching;

/// A new key of this name, and the same in PEM form.
fn key_and_pem(kid: &str) -> (SigningKey, String) {
    use base64::engine::general_purpose::STANDARD;
    let rule = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let random = aws_lc_rs::rand::SystemRandom::new();
    let key = aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(rule, &random).unwrap();
    let text = STANDARD.encode(key.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    (SigningKey::from_pkcs8(key.as_ref()).unwrap().with_kid(kid), pem)
}

fn key(kid: &str) -> SigningKey {
    key_and_pem(kid).0
}

fn jwks(keys: &[&SigningKey]) -> String {
    let sets = keys.iter().map(|key| serde_json::from_str::<Value>(&key.public_jwks().unwrap()).unwrap());
    json!({ "keys": sets.map(|set| set["keys"][0].clone()).collect::<Vec<_>>() }).to_string()
}

/// Claims of alice from this issuer, changed or extended by `more`.
fn claims(issuer: &str, more: Value) -> Map<String, Value> {
    let claims = json!({
        "iss": issuer, "sub": "alice", "aud": "https://mcp.example.com/mcp", "scope": "a b", "exp": now().0.plus(300).0,
    });
    let (Value::Object(mut claims), Value::Object(more)) = (claims, more) else { panic!("not objects") };
    claims.extend(more);
    claims.retain(|_, value| !value.is_null());
    claims
}

fn token(key: &SigningKey, issuer: &str) -> String {
    key.mint("at+jwt", claims(issuer, json!({}))).unwrap()
}

/// An answer that is always the same.
type Answer = fn(&Seen) -> Reply;
/// An answer that depends.
type Answering = Box<dyn Fn(&Seen) -> Reply + Send>;

/// What a provider publishes, to be changed under the feet of those who ask.
#[derive(Clone)]
struct Published(Arc<Mutex<Answering>>);

impl Published {
    fn new(answer: impl Fn(&Seen) -> Reply + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(answer))))
    }

    fn text(text: String) -> Self {
        Self::new(move |_| Reply::Text(text.clone()))
    }

    fn set(&self, answer: impl Fn(&Seen) -> Reply + Send + 'static) {
        *self.0.lock().unwrap() = Box::new(answer);
    }

    fn set_text(&self, text: String) {
        self.set(move |_| Reply::Text(text.clone()));
    }

    fn start(&self) -> Fake {
        let published = Self::clone(self);
        Fake::start(move |seen| (published.0.lock().unwrap())(seen))
    }
}

/// The settings with these issuers; `@` stands for the folder.
fn settings(folder: &Path, issuers: &str) -> Settings {
    fs::write(folder.join("policy.yaml"), "version: 1\n").unwrap();
    let text = format!(
        "upstream: http://127.0.0.1:9/mcp\npolicy: '@/policy.yaml'\npublic_url: https://mcp.example.com/mcp\n{issuers}\n"
    );
    let file = folder.join("toolgate.yaml");
    fs::write(&file, text.replace('@', &folder.display().to_string())).unwrap();
    let line = ["toolgate", "serve", "--config", file.to_str().unwrap()];
    let Task::Serve(args) = Cli::try_parse_from(line).unwrap().task else { panic!("not serve") };
    Settings::resolve(&args, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

struct Running {
    verifier: Verifier,
    metrics: Arc<Metrics>,
}

/// A verifier with these issuers.
fn start(folder: &Path, issuers: &str) -> Running {
    let settings = settings(folder, &format!("issuers:\n{issuers}"));
    let names: Vec<&str> = settings.issuers.iter().map(IssuerSettings::name).collect();
    let metrics = Arc::new(Metrics::new(names).unwrap());
    let ring = KeyRing::start(&settings.issuers, &settings.public_url_at(80), &metrics).unwrap();
    Running { verifier: Verifier::new(ring, &settings.issuers, &metrics).unwrap(), metrics }
}

impl Running {
    async fn verify(&self, token: &str) -> Result<String, Refusal> {
        let bearer = Bearer::try_from(token).unwrap();
        self.verifier.verify(&bearer, now().0).await.map(|caller| caller.subject.into())
    }

    /// Waits for the first keys of every issuer.
    async fn ready(&self) {
        eventually(|| self.verifier.ring().is_ready().is_ok()).await;
    }
}

/// Waits for what happens in another thread.
async fn eventually(is_so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never was so");
}
