//! Who is asked about a token, beside the keys of its issuer: introspection, a verifier of one's own, and the
//! endpoint where tokens for the upstream come from.

use std::path::PathBuf;
use std::time::Duration;

use super::draft::{Draft, Shape};
use super::given::Sources;
use super::mistake::Flaw;
use super::provider::{NetworkItem, ProviderUrl, Reach};
use super::secret::Secret;
use super::value::duration;
use crate::token::SigningKey;

/// How an issuer answers for its tokens where their signature does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who is asked.
    pub whom: Whom,
    /// How long what a token was said to be is remembered.
    pub cache: Duration,
    /// How long it is remembered that a token was refused.
    pub negative_cache: Duration,
    /// For one question and its answer.
    pub timeout: Duration,
    /// Whether tokens are asked about that are no JWT.
    pub takes_opaque: bool,
    /// Whether JWTs are asked about that name this issuer; otherwise its keys are what counts.
    pub takes_jwt: bool,
}

/// Who is asked about a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// The issuer (RFC 7662), at this endpoint or at the one it publishes.
    Introspection {
        /// The endpoint.
        endpoint: Option<ProviderUrl>,
        /// As whom toolgate asks.
        client: Client,
    },
    /// A program of the operator's: `{"token": …}` in, `{"active": …, claims…}` out.
    Verifier(ProviderUrl),
}

/// toolgate as a client of an authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// How it proves to be that client.
    pub auth: ClientAuth,
}

/// How a client proves who it is. Files are read anew each time, so that secrets can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_secret_basic` (RFC 6749 §2.3.1).
    Basic(PathBuf),
    /// `client_secret_post` (RFC 6749 §2.3.1).
    Post(PathBuf),
    /// `private_key_jwt` (RFC 7523 §2.2): a key in PEM form, and its `kid` where it has one.
    PrivateKeyJwt(PathBuf, Option<String>),
}

/// Where a token for the upstream comes from (RFC 8693).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamToken {
    /// The token endpoint.
    pub endpoint: ProviderUrl,
    /// As whom toolgate asks.
    pub client: Client,
    /// `audience`: whom the token is to be for.
    pub audience: Option<String>,
    /// `resource`: where the token is to be used.
    pub resource: Option<String>,
    /// `scope`: what the token is to grant.
    pub scope: Option<String>,
    /// How long a token is used at most, however long it lives.
    pub cache: Duration,
    /// How the endpoint may be reached.
    pub reach: Reach,
}

/// The keys of `upstream_token`.
const EXCHANGE: Shape = Shape {
    known: &[
        "exchange.endpoint",
        "exchange.client_id",
        "exchange.client_secret_file",
        "exchange.auth",
        "exchange.key_file",
        "exchange.key_id",
        "exchange.audience",
        "exchange.resource",
        "exchange.scope",
        "exchange.cache",
        "exchange.ca_file",
        "exchange.allow_http",
        "exchange.provider_networks",
        "exchange.timeout",
    ],
    lists: &["exchange.provider_networks"],
};

const SHORT: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
const REMEMBERED: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);

/// How long answers are remembered unless it is said otherwise.
const CACHE: Duration = Duration::from_secs(30);
const NEGATIVE_CACHE: Duration = Duration::from_secs(5);

/// `upstream_token` of the file.
pub(super) fn upstream_token(sources: &mut Sources<'_>) -> Option<UpstreamToken> {
    let entry = sources.entry("upstream_token")?;
    let draft = Draft::of_node(sources, "upstream_token", entry.place, &entry.node, &EXCHANGE)?;
    let Some(origin) = draft.group("exchange").map(ToOwned::to_owned) else {
        let flaw = Flaw::hinted("says nothing", "give `exchange`, with endpoint, client_id and client_secret_file");
        sources.mistake("upstream_token", &draft.origin, flaw);
        return None;
    };
    draft.refuse_empty(sources);
    let mut reach = draft.reach(sources, "exchange.");
    let endpoint = draft.required(sources, "exchange.endpoint", &origin, ProviderUrl::parse);
    if let Some(url) = &endpoint {
        reach.note(url);
        draft.refuse_clear(sources, "exchange.endpoint", url, &reach);
    }
    let client = draft.client(sources, "exchange.", &origin);
    Some(UpstreamToken {
        audience: draft.text("exchange.audience"),
        resource: draft.text("exchange.resource"),
        scope: draft.text("exchange.scope"),
        cache: draft.time(sources, "exchange.cache", Duration::from_secs(300), &REMEMBERED),
        endpoint: endpoint?,
        client: client?,
        reach,
    })
}

impl Draft {
    /// How the servers of a provider are reached, from the keys below `group`.
    pub(super) fn reach(&self, sources: &mut Sources<'_>, group: &str) -> Reach {
        let name = |key: &str| format!("{group}{key}");
        let mut reach = Reach {
            allow_http: self.switch(sources, &name("allow_http"), false),
            ca_file: self.parsed(sources, &name("ca_file"), |text| {
                crate::remote::http::authorities(text.as_ref()).map_err(Flaw::new)?;
                Ok(PathBuf::from(text))
            }),
            timeout: self.time(sources, &name("timeout"), Reach::default().timeout, &SHORT),
            ..Reach::default()
        };
        let networks = name("provider_networks");
        let key = self.key(&networks);
        for given in self.all(&networks).unwrap_or_default().iter().filter(|given| !given.text.is_empty()) {
            if let Some(item) = sources.parse(&key, given, NetworkItem::parse) {
                reach.networks.add(item);
            }
        }
        reach
    }

    /// Notes a URL that would carry tokens or keys in clear.
    pub(super) fn refuse_clear(&self, sources: &mut Sources<'_>, name: &str, url: &ProviderUrl, reach: &Reach) {
        if !reach.allows_scheme(url) {
            let origin = self.one(name).map_or(self.origin.as_str(), |given| given.origin.as_str());
            let flaw = Flaw::hinted("is not https", "use https, or set `allow_http: true` if the network is safe");
            sources.mistake(&self.key(name), origin, flaw);
        }
    }

    /// Who is asked about tokens of this issuer, if anybody.
    pub(super) fn asked(&self, sources: &mut Sources<'_>, reach: &mut Reach) -> Option<Asked> {
        let introspection = self.group("introspection").map(ToOwned::to_owned);
        let verifier = self.group("verifier").map(ToOwned::to_owned);
        match (introspection, verifier) {
            (None, None) => None,
            (Some(_), Some(origin)) => {
                let flaw = Flaw::new("given besides `introspection`; one of the two has the say");
                sources.mistake(&self.key("verifier"), &origin, flaw);
                None
            }
            (Some(origin), None) => {
                let whom = self.introspection(sources, &origin, reach);
                self.answers(sources, "introspection.", reach.timeout, whom?)
            }
            (None, Some(origin)) => {
                let url = self.required(sources, "verifier.url", &origin, ProviderUrl::parse);
                if let Some(url) = &url {
                    reach.note(url);
                    self.refuse_clear(sources, "verifier.url", url, reach);
                }
                let timeout = self.time(sources, "verifier.timeout", reach.timeout, &SHORT);
                self.answers(sources, "verifier.", timeout, Whom::Verifier(url?))
            }
        }
    }

    fn introspection(&self, sources: &mut Sources<'_>, origin: &str, reach: &mut Reach) -> Option<Whom> {
        let name = "introspection.endpoint";
        let endpoint = self.parsed(sources, name, ProviderUrl::parse);
        if let Some(url) = &endpoint {
            reach.note(url);
            self.refuse_clear(sources, name, url, reach);
        }
        let issuer = self.text("issuer").as_deref().and_then(ProviderUrl::read);
        match issuer {
            Some(issuer) if !self.has(name) => {
                reach.note(&issuer);
                self.refuse_clear(sources, "issuer", &issuer, reach);
            }
            None if !self.has(name) => {
                let hint = "give it, or name the issuer by the URL where it publishes it";
                sources.mistake(&self.key(name), origin, Flaw::hinted("is missing", hint));
            }
            _ => {}
        }
        Some(Whom::Introspection { endpoint, client: self.client(sources, "introspection.", origin)? })
    }

    fn answers(&self, sources: &mut Sources<'_>, group: &str, timeout: Duration, whom: Whom) -> Option<Asked> {
        let name = |key: &str| format!("{group}{key}");
        let read = |text: &str| duration(text, &REMEMBERED);
        Some(Asked {
            whom,
            cache: self.parsed(sources, &name("cache"), read).unwrap_or(CACHE),
            negative_cache: self.parsed(sources, &name("negative_cache"), read).unwrap_or(NEGATIVE_CACHE),
            timeout,
            takes_opaque: self.switch(sources, &name("opaque"), true),
            takes_jwt: self.switch(sources, &name("jwt"), false),
        })
    }

    /// As whom toolgate asks, from the keys below `group`.
    fn client(&self, sources: &mut Sources<'_>, group: &str, origin: &str) -> Option<Client> {
        let name = |key: &str| format!("{group}{key}");
        let some = |text: &str| Ok(text.to_owned());
        let id = self.required(sources, &name("client_id"), origin, some);
        let has_key = self.has(&name("key_file")) && !self.has(&name("client_secret_file"));
        let default = if has_key { "private_key_jwt" } else { "basic" };
        let auth = self.text(&name("auth"));
        let secret_file = |text: &str| Secret::read(text.as_ref(), 1).map(|_| PathBuf::from(text));
        let secret = |draft: &Self, sources: &mut Sources<'_>, unused: &str| {
            draft.refuse_unused(sources, &name(unused), auth.as_deref().unwrap_or(default));
            draft.required(sources, &name("client_secret_file"), origin, secret_file)
        };
        let auth = match auth.as_deref().unwrap_or(default) {
            "basic" => secret(self, sources, "key_file").map(ClientAuth::Basic),
            "post" => secret(self, sources, "key_file").map(ClientAuth::Post),
            "private_key_jwt" => {
                self.refuse_unused(sources, &name("client_secret_file"), "private_key_jwt");
                let key = self.required(sources, &name("key_file"), origin, key_file);
                key.map(|key| ClientAuth::PrivateKeyJwt(key, self.text(&name("key_id"))))
            }
            _ => {
                let flaw = Flaw::new("neither `basic`, `post` nor `private_key_jwt`");
                let place = self.one(&name("auth")).map_or(origin, |given| given.origin.as_str());
                sources.mistake(&self.key(&name("auth")), place, flaw);
                None
            }
        };
        Some(Client { id: id?, auth: auth? })
    }

    fn refuse_unused(&self, sources: &mut Sources<'_>, name: &str, auth: &str) {
        if let Some(given) = self.one(name) {
            let flaw = Flaw::new(format!("is not used with `auth: {auth}`"));
            sources.mistake(&self.key(name), &given.origin, flaw);
        }
    }
}

/// A private key that can sign.
fn key_file(text: &str) -> Result<PathBuf, Flaw> {
    let secret = Secret::read(text.as_ref(), 1)?;
    let read = std::str::from_utf8(secret.expose()).map(SigningKey::read);
    match read {
        Ok(Ok(_)) => Ok(PathBuf::from(text)),
        Ok(Err(error)) => Err(Flaw::new(error.to_string())),
        Err(_) => Err(Flaw::new("the key is not text")),
    }
}
