//! Whose tokens are accepted: `issuers` of the file, or the flags of the one issuer.

use std::time::Duration;

use crate::token::{Algorithm, Issuer, Issuers, TypRule};

use super::address::PublicUrl;
use super::asked::Asked;
use super::draft::{Draft, Shape};
use super::file::{Entry, Node};
use super::given::Sources;
use super::key_source::{KeySource, Timing};
use super::mistake::{Flaw, Quoted};
use super::provider::{ProviderUrl, Reach};
use super::secret::Secret;

/// The length of a secret, in bytes, below which there is a warning.
const GOOD_SECRET: usize = 32;

/// What the issuer is called that is only a shared secret.
const SHARED_SECRET: &str = "shared-secret";

/// The keys of an issuer in the file.
const ISSUER: Shape = Shape {
    known: &[
        "issuer",
        "jwks_uri",
        "jwks_file",
        "secret_file",
        "discovery",
        "audience",
        "algorithms",
        "scope_claims",
        "leeway",
        "required_claims",
        "require_iss",
        "access_tokens_only",
        "client_as_audience",
        "refresh_interval",
        "min_refetch_interval",
        "max_stale",
        "ca_file",
        "allow_http",
        "provider_networks",
        "timeout",
        "introspection.endpoint",
        "introspection.client_id",
        "introspection.client_secret_file",
        "introspection.auth",
        "introspection.key_file",
        "introspection.key_id",
        "introspection.cache",
        "introspection.negative_cache",
        "introspection.opaque",
        "introspection.jwt",
        "verifier.url",
        "verifier.timeout",
        "verifier.cache",
        "verifier.negative_cache",
        "verifier.opaque",
        "verifier.jwt",
    ],
    lists: &["audience", "algorithms", "scope_claims", "required_claims", "provider_networks"],
};

/// The keys of the one issuer that need no list.
const FLAGS: &[&str] =
    &["issuer", "jwks_uri", "jwks_file", "secret_file", "audience", "ca_file", "allow_http", "provider_networks"];

/// The places keys can come from. An issuer has one.
const SOURCES: &[&str] = &["jwks_uri", "jwks_file", "secret_file"];

/// An issuer whose tokens are accepted, where its keys come from, and who else answers for its tokens.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    terms: Issuer,
    audience: Audience,
    keys: Option<KeySource>,
    asked: Option<Asked>,
    reach: Reach,
    timing: Timing,
}

/// Whom a token must be meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Audience {
    PublicUrl,
    Listed(Vec<String>),
    Unchecked,
}

impl IssuerSettings {
    /// The issuer's name: the exact `iss` of its tokens.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.terms.name
    }

    /// Where its keys come from; nowhere, where someone is asked about every token.
    #[must_use]
    pub const fn keys(&self) -> Option<&KeySource> {
        self.keys.as_ref()
    }

    /// Who is asked about its tokens, where keys do not answer for them.
    #[must_use]
    pub const fn asked(&self) -> Option<&Asked> {
        self.asked.as_ref()
    }

    /// How its servers may be reached.
    #[must_use]
    pub const fn reach(&self) -> &Reach {
        &self.reach
    }

    /// How often its keys are fetched, where they are.
    #[must_use]
    pub const fn timing(&self) -> Timing {
        self.timing
    }

    /// The issuer as the judge knows it, without keys yet.
    #[must_use]
    pub fn issuer(&self, public_url: &PublicUrl) -> Issuer {
        let audience = match &self.audience {
            // Without a path a URL is the same with a slash (RFC 3986 §6.2.3), and some clients ask for that one.
            Audience::PublicUrl if public_url.path() == "/" => {
                vec![public_url.as_str().into(), format!("{}/", public_url.as_str()).into()]
            }
            Audience::PublicUrl => vec![public_url.as_str().into()],
            Audience::Listed(names) => names.iter().map(|name| name.as_str().into()).collect(),
            Audience::Unchecked => Vec::new(),
        };
        Issuer { audience: audience.into(), ..self.terms.clone() }
    }
}

/// The issuers, and what the operator should know about them.
pub(super) fn read(sources: &mut Sources<'_>, warnings: &mut Vec<String>) -> Vec<IssuerSettings> {
    let mut drafts = Vec::new();
    drafts.extend(Draft::of_keys(sources, FLAGS));
    if let Some(entry) = sources.entry("issuers") {
        let listed = listed(sources, &entry);
        if !drafts.is_empty() {
            let hint = "move the one issuer into the list";
            let flaw = Flaw::hinted("given besides the keys of one issuer", hint);
            sources.mistake("issuers", &sources.origin(entry.place), flaw);
        }
        drafts.extend(listed);
    } else if drafts.is_empty() {
        let hint = "give --issuer URL, or --issuer with --jwks-uri, --jwks-file or --secret-file, or `issuers` in the file";
        sources.mistake(
            "issuers",
            "",
            Flaw::hinted("no issuer is configured, so every token would be refused", hint),
        );
    }
    let origin = drafts.first().map_or_else(String::new, |draft| draft.origin.clone());
    let before = sources.mistakes.len();
    let issuers: Vec<IssuerSettings> =
        drafts.into_iter().filter_map(|draft| draft.read(sources, warnings)).collect();
    if sources.mistakes.len() == before {
        let terms = issuers.iter().map(|issuer| issuer.terms.clone()).collect();
        if let Err(error) = Issuers::new(terms) {
            sources.mistake("issuers", &origin, Flaw::new(error.to_string()));
        }
        let opaque = |issuer: &&IssuerSettings| issuer.asked().is_some_and(|asked| asked.takes_opaque);
        let mut names = issuers.iter().filter(opaque).map(IssuerSettings::name);
        if let (Some(one), Some(other)) = (names.next(), names.next()) {
            let message = format!("tokens that are no JWT could be those of `{one}` and of `{other}`");
            let hint = "set `opaque: false` below `introspection` or `verifier` of all but one";
            sources.mistake("issuers", &origin, Flaw::hinted(message, hint));
        }
    }
    issuers
}

fn listed(sources: &mut Sources<'_>, entry: &Entry) -> Vec<Draft> {
    let origin = sources.origin(entry.place);
    let Node::List(items) = &entry.node else {
        sources.mistake("issuers", &origin, Flaw::new("a list of issuers belongs here"));
        return Vec::new();
    };
    if items.is_empty() {
        sources.mistake("issuers", &origin, Flaw::new("the list is empty, so every token would be refused"));
    }
    items
        .iter()
        .enumerate()
        .filter_map(|(at, (place, node))| Draft::of_node(sources, &format!("issuers[{at}]"), *place, node, &ISSUER))
        .collect()
}

impl Draft {
    fn read(self, sources: &mut Sources<'_>, warnings: &mut Vec<String>) -> Option<IssuerSettings> {
        let mut reach = self.reach(sources, "");
        let asked = self.asked(sources, &mut reach);
        let before = sources.mistakes.len();
        let keys = self.keys(sources, warnings, &mut reach);
        let has_keys = keys.is_some() || sources.mistakes.len() == before;
        let name = self.one("issuer").filter(|given| !given.text.is_empty());
        let is_symmetric = matches!(keys, Some(KeySource::SecretFile(_)));
        // A shared secret by itself, from flags: its tokens name no issuer, and there is no other they could mean.
        let is_nameless = self.prefix.is_empty() && is_symmetric && self.one("issuer").is_none();
        if name.is_none() && !is_nameless {
            let flaw = Flaw::hinted("the issuer has no name", "give the exact `iss` of its tokens");
            sources.mistake(&self.key("issuer"), &self.origin, flaw);
        }
        let name = name.map_or(SHARED_SECRET, |given| given.text.as_str());
        let audience = self.audience(sources);
        if audience == Audience::Unchecked {
            warnings.push(format!(
                "issuer {}: the audience is not checked, so tokens meant for other servers are accepted here",
                Quoted(name),
            ));
        }
        let defaults = Issuer::new(name, []);
        // Answers about tokens of machines often have no `sub` (RFC 7662 §2.2); the client is the subject then.
        let is_only_asked = asked.is_some() && keys.is_none();
        let required = if is_only_asked { Box::default() } else { defaults.required_claims };
        let terms = Issuer {
            algorithms: self.algorithms(sources, is_symmetric).into(),
            leeway: self.time(sources, "leeway", Duration::from_secs(60), &LEEWAY).as_secs(),
            require_iss: self.switch(sources, "require_iss", !is_nameless),
            accept_typ: if self.switch(sources, "access_tokens_only", false) {
                TypRule::AccessTokenOnly
            } else {
                TypRule::Any
            },
            client_as_audience: self.switch(sources, "client_as_audience", false),
            scope_claims: self.names("scope_claims").unwrap_or(defaults.scope_claims),
            required_claims: self.names("required_claims").unwrap_or(required),
            ..Issuer::new(name, [])
        };
        self.refuse_empty(sources);
        if self.all("scope_claims").is_some_and(<[_]>::is_empty) {
            let flaw = Flaw::new("without a claim to read scopes from, no token would have any");
            sources.mistake(&self.key("scope_claims"), &self.origin, flaw);
        }
        let timing = self.timing(sources, keys.as_ref());
        has_keys.then_some(IssuerSettings { terms, audience, keys, asked, reach, timing })
    }

    /// The one place its keys come from. Nothing where there is none, or where it is a mistake.
    fn keys(&self, sources: &mut Sources<'_>, warnings: &mut Vec<String>, reach: &mut Reach) -> Option<KeySource> {
        let given: Vec<_> = SOURCES.iter().filter_map(|name| Some((*name, self.one(name)?))).collect();
        if let [(first, _), (second, given), ..] = given.as_slice() {
            let message = match *second {
                "secret_file" => "an issuer has public keys or a secret, never both",
                _ => "an issuer has one key set",
            };
            sources.mistake(
                &self.key(second),
                &given.origin,
                Flaw::new(format!("given besides `{first}`; {message}")),
            );
            return None;
        }
        match given.first() {
            Some((_, given)) if given.text.is_empty() => None,
            Some(("jwks_uri", given)) => {
                let url = sources.parse(&self.key("jwks_uri"), given, ProviderUrl::parse)?;
                reach.note(&url);
                self.refuse_clear(sources, "jwks_uri", &url, reach);
                Some(KeySource::JwksUri(url))
            }
            Some(("jwks_file", given)) => {
                Some(self.file("jwks_file", KeySource::JwksFile(given.text.clone().into()), sources, warnings))
            }
            Some((name, given)) => {
                Some(self.file(name, KeySource::SecretFile(given.text.clone().into()), sources, warnings))
            }
            None if SOURCES.iter().any(|name| self.has(name)) => None,
            None => self.discovery(sources, reach),
        }
    }

    /// The issuer itself says where its keys are, where nothing else does.
    fn discovery(&self, sources: &mut Sources<'_>, reach: &mut Reach) -> Option<KeySource> {
        let is_asked = self.group("introspection").or_else(|| self.group("verifier")).is_some();
        if !self.switch(sources, "discovery", !is_asked) {
            if !is_asked {
                sources.mistake(&self.key("discovery"), &self.origin, Flaw::hinted("the issuer has no keys", KEYS));
            }
            return None;
        }
        let url = self.text("issuer").as_deref().and_then(ProviderUrl::read);
        // RFC 8414 §2: an issuer identifier has no query and no fragment.
        match url.filter(|url| !url.target().contains('?')) {
            Some(url) => {
                reach.note(&url);
                self.refuse_clear(sources, "issuer", &url, reach);
                Some(KeySource::Discovery(url))
            }
            None => {
                sources.mistake(&self.key("jwks_uri"), &self.origin, Flaw::hinted("the issuer has no keys", KEYS));
                None
            }
        }
    }

    /// Keys from a file: they are read now, so that a mistake is found now.
    fn file(
        &self,
        name: &str,
        source: KeySource,
        sources: &mut Sources<'_>,
        warnings: &mut Vec<String>,
    ) -> KeySource {
        let (origin, text) = self.one(name).map_or(("", ""), |given| (given.origin.as_str(), given.text.as_str()));
        match source.read() {
            Ok(keys) => {
                warnings.extend(keys.skipped().iter().map(|key| format!("{}: {key} is not used", Quoted(text))));
            }
            Err(flaw) => sources.mistake(&self.key(name), origin, flaw),
        }
        if let KeySource::SecretFile(path) = &source
            && Secret::read(path, 1).is_ok_and(|secret| secret.expose().len() < GOOD_SECRET)
        {
            warnings.push(format!("{}: the secret is shorter than {GOOD_SECRET} bytes", Quoted(text)));
        }
        source
    }

    fn timing(&self, sources: &mut Sources<'_>, keys: Option<&KeySource>) -> Timing {
        let default = Timing::default();
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let day = hour.saturating_mul(24);
        let timing = Timing {
            refresh_interval: self.time(sources, "refresh_interval", default.refresh_interval, &(second..=day)),
            min_refetch_interval: self.time(
                sources,
                "min_refetch_interval",
                default.min_refetch_interval,
                &(second..=hour),
            ),
            max_stale: self.time(sources, "max_stale", default.max_stale, &(second..=day.saturating_mul(7))),
        };
        if timing.max_stale < timing.refresh_interval {
            let flaw = Flaw::new("is shorter than `refresh_interval`, so keys would be lost between two fetches");
            sources.mistake(&self.key("max_stale"), &self.origin, flaw);
        }
        let is_fetched = keys.is_none_or(|keys| keys.path().is_none());
        for name in ["refresh_interval", "min_refetch_interval", "max_stale"] {
            if let Some(given) = self.one(name).filter(|_| !is_fetched) {
                let flaw = Flaw::new("says nothing about a file, which is read again when it changes");
                sources.mistake(&self.key(name), &given.origin, flaw);
            }
        }
        timing
    }

    fn audience(&self, sources: &mut Sources<'_>) -> Audience {
        let Some(given) = self.all("audience") else { return Audience::PublicUrl };
        let texts: Vec<String> = given.iter().map(|given| given.text.clone()).collect();
        let is_none = texts.iter().any(|text| text == "none");
        if is_none && texts.len() > 1 {
            let origin = given.first().map_or("", |given| given.origin.as_str());
            sources.mistake(&self.key("audience"), origin, Flaw::new("`none` stands beside other audiences"));
        }
        if is_none || texts.is_empty() { Audience::Unchecked } else { Audience::Listed(texts) }
    }

    fn algorithms(&self, sources: &mut Sources<'_>, is_symmetric: bool) -> Vec<Algorithm> {
        let Some(given) = self.all("algorithms") else {
            return if is_symmetric { vec![Algorithm::HS256] } else { Algorithm::ASYMMETRIC.to_vec() };
        };
        let key = self.key("algorithms");
        let read = |text: &str| match text.parse::<Algorithm>() {
            Err(error) => Err(Flaw::new(format!("{} is {error}", Quoted(text)))),
            Ok(algorithm) if Algorithm::SYMMETRIC.contains(&algorithm) != is_symmetric => {
                let needs = if is_symmetric {
                    "needs public keys (jwks_uri or jwks_file)"
                } else {
                    "needs a shared secret (secret_file)"
                };
                Err(Flaw::new(format!("{algorithm} {needs}")))
            }
            Ok(algorithm) => Ok(algorithm),
        };
        given.iter().filter_map(|given| sources.parse(&key, given, read)).collect()
    }
}

/// What is missing where an issuer has no keys.
const KEYS: &str =
    "give jwks_uri, jwks_file or secret_file, or name the issuer by the URL where it publishes its keys";

const LEEWAY: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);
