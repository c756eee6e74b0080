//! Whose tokens are accepted: `issuers` of the file, or the flags of the one issuer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::token::{Algorithm, Issuer, Issuers, KeySet, TypRule};

use super::address::PublicUrl;
use super::file::{Entry, Node, Place};
use super::given::{Given, Sources};
use super::mistake::{Flaw, Mistake, Quoted};
use super::secret::Secret;
use super::value::{duration, read_file, switch};

/// The shortest secret, in bytes; below the second, a warning.
const SHORTEST_SECRET: usize = 16;
const GOOD_SECRET: usize = 32;
/// One byte more than the longest key set that is read.
const LONGEST_JWKS: u64 = 1024 * 1024 + 1;

/// What the issuer is called that is only a shared secret.
const SHARED_SECRET: &str = "shared-secret";

const KNOWN: &[&str] = &[
    "issuer",
    "jwks_file",
    "secret_file",
    "audience",
    "algorithms",
    "scope_claims",
    "leeway",
    "required_claims",
    "require_iss",
    "access_tokens_only",
];

const NOT_YET: &[(&str, &str)] = &[
    ("jwks_uri", "fetching keys is not supported in this version; give jwks_file"),
    ("introspection", "introspection is not supported in this version"),
    ("verifier", "verifiers are not supported in this version"),
    ("discovery", "discovery is not supported in this version; give jwks_file"),
];

/// An issuer whose tokens are accepted, and where its keys come from.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    terms: Issuer,
    audience: Audience,
    keys: KeySource,
}

/// Whom a token must be meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Audience {
    PublicUrl,
    Listed(Vec<String>),
    Unchecked,
}

/// Where an issuer's keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A key set (RFC 7517 §5).
    JwksFile(PathBuf),
    /// A shared secret.
    SecretFile(PathBuf),
}

impl KeySource {
    /// The file the keys come from.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::JwksFile(path) | Self::SecretFile(path) => path,
        }
    }

    /// Reads the keys as they are now.
    ///
    /// # Errors
    ///
    /// Why there are none, in a sentence for the operator.
    pub fn load(&self) -> Result<KeySet, String> {
        self.read().map_err(|flaw| flaw.message)
    }

    fn read(&self) -> Result<KeySet, Flaw> {
        let keys = match self {
            Self::JwksFile(path) => KeySet::from_jwks(&read_file(path, LONGEST_JWKS)?),
            Self::SecretFile(path) => KeySet::from_secret(Secret::read(path, SHORTEST_SECRET)?.expose()),
        };
        keys.map_err(|error| Flaw::new(error.to_string()))
    }
}

impl IssuerSettings {
    /// The issuer's name: the exact `iss` of its tokens.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.terms.name
    }

    /// Where its keys come from.
    #[must_use]
    pub const fn keys(&self) -> &KeySource {
        &self.keys
    }

    /// The issuer as the judge knows it, without keys yet.
    #[must_use]
    pub fn issuer(&self, public_url: &PublicUrl) -> Issuer {
        let audience = match &self.audience {
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
    drafts.extend(Draft::of_flags(sources));
    if let Some(entry) = sources.entry("issuers") {
        let listed = Draft::of_list(sources, &entry);
        if !drafts.is_empty() {
            let hint = "move the one issuer into the list";
            let flaw = Flaw::hinted("given besides `issuer`, `jwks_file`, `secret_file` or `audience`", hint);
            sources.mistake("issuers", &sources.origin(entry.place), flaw);
        }
        drafts.extend(listed);
    } else if drafts.is_empty() {
        let hint = "give --issuer with --jwks-file or --secret-file, or `issuers` in the file";
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
    }
    issuers
}

/// What was given for one issuer: texts with their places.
struct Draft {
    /// How its keys are named in messages: `issuers[0].`, or nothing.
    prefix: String,
    origin: String,
    values: Vec<(&'static str, Vec<Given>)>,
}

impl Draft {
    fn of_flags(sources: &mut Sources<'_>) -> Option<Self> {
        let names = ["issuer", "jwks_file", "secret_file", "audience"];
        let values: Vec<_> = names.into_iter().filter_map(|name| Some((name, sources.all(name)?))).collect();
        let origin = values
            .iter()
            .find_map(|(_, given)| given.first())
            .map_or_else(String::new, |given| given.origin.clone());
        if values.is_empty() { None } else { Some(Self { prefix: String::new(), origin, values }) }
    }

    fn of_list(sources: &mut Sources<'_>, entry: &Entry) -> Vec<Self> {
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
            .filter_map(|(at, (place, node))| Self::of_item(sources, at, *place, node))
            .collect()
    }

    fn of_item(sources: &mut Sources<'_>, at: usize, place: Place, node: &Node) -> Option<Self> {
        let prefix = format!("issuers[{at}].");
        let origin = sources.origin(place);
        let Node::Map(entries) = node else {
            sources.mistake(
                &format!("issuers[{at}]"),
                &origin,
                Flaw::new("a mapping of keys to values belongs here"),
            );
            return None;
        };
        let mut values = Vec::new();
        for entry in entries {
            let Some(name) = KNOWN.iter().find(|known| **known == entry.key) else {
                sources.unknown_key(&entry.key, entry.place, KNOWN, NOT_YET);
                continue;
            };
            let takes_many = ["audience", "algorithms", "scope_claims", "required_claims"].contains(name);
            values.push((*name, sources.texts(&format!("{prefix}{name}"), entry, takes_many)));
        }
        Some(Self { prefix, origin, values })
    }

    fn all(&self, name: &str) -> Option<&[Given]> {
        self.values.iter().find(|(key, _)| *key == name).map(|(_, given)| given.as_slice())
    }

    fn one(&self, name: &str) -> Option<&Given> {
        self.all(name)?.last()
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn read(self, sources: &mut Sources<'_>, warnings: &mut Vec<String>) -> Option<IssuerSettings> {
        let keys = self.keys(sources, warnings);
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
        let terms = Issuer {
            algorithms: self.algorithms(sources, is_symmetric).into(),
            leeway: self.leeway(sources).as_secs(),
            require_iss: self.switch(sources, "require_iss", !is_nameless),
            accept_typ: if self.switch(sources, "access_tokens_only", false) {
                TypRule::AccessTokenOnly
            } else {
                TypRule::Any
            },
            scope_claims: self.names("scope_claims").unwrap_or(defaults.scope_claims),
            required_claims: self.names("required_claims").unwrap_or(defaults.required_claims),
            ..Issuer::new(name, [])
        };
        self.refuse_empty(sources);
        Some(IssuerSettings { terms, audience, keys: keys? })
    }

    /// The one place its keys come from.
    fn keys(&self, sources: &mut Sources<'_>, warnings: &mut Vec<String>) -> Option<KeySource> {
        let (key, source) = match (self.one("jwks_file"), self.one("secret_file")) {
            (Some(_), Some(secret)) => {
                let flaw =
                    Flaw::new("given besides `jwks_file`; an issuer has public keys or a secret, never both");
                sources.mistake(&self.key("secret_file"), &secret.origin, flaw);
                return None;
            }
            (None, None) if self.values.iter().any(|(name, _)| ["jwks_file", "secret_file"].contains(name)) => {
                return None;
            }
            (None, None) => {
                let hint = "give jwks_file or secret_file; discovery is not supported in this version";
                sources.mistake(&self.key("jwks_file"), &self.origin, Flaw::hinted("the issuer has no keys", hint));
                return None;
            }
            (Some(given), None) => (("jwks_file", given), KeySource::JwksFile(given.text.clone().into())),
            (None, Some(given)) => (("secret_file", given), KeySource::SecretFile(given.text.clone().into())),
        };
        let (name, given) = key;
        if given.text.is_empty() {
            return None;
        }
        match source.read() {
            Ok(keys) => warnings
                .extend(keys.skipped().iter().map(|key| format!("{}: {key} is not used", Quoted(&given.text)))),
            Err(flaw) => {
                sources.mistake(&self.key(name), &given.origin, flaw);
            }
        }
        if Secret::read(source.path(), SHORTEST_SECRET).is_ok_and(|secret| secret.expose().len() < GOOD_SECRET) {
            warnings.push(format!("{}: the secret is shorter than {GOOD_SECRET} bytes", Quoted(&given.text)));
        }
        Some(source)
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
                    "needs public keys (jwks_file)"
                } else {
                    "needs a shared secret (secret_file)"
                };
                Err(Flaw::new(format!("{algorithm} {needs}")))
            }
            Ok(algorithm) => Ok(algorithm),
        };
        given.iter().filter_map(|given| sources.parse(&key, given, read)).collect()
    }

    fn leeway(&self, sources: &mut Sources<'_>) -> Duration {
        let default = Duration::from_secs(60);
        let Some(given) = self.one("leeway") else { return default };
        let range = Duration::ZERO..=Duration::from_secs(600);
        sources.parse(&self.key("leeway"), given, |text| duration(text, &range)).unwrap_or(default)
    }

    fn switch(&self, sources: &mut Sources<'_>, name: &str, default: bool) -> bool {
        let Some(given) = self.one(name) else { return default };
        sources.parse(&self.key(name), given, switch).unwrap_or(default)
    }

    fn names(&self, name: &str) -> Option<Box<[Box<str>]>> {
        Some(self.all(name)?.iter().map(|given| given.text.as_str().into()).collect())
    }

    /// Notes empty texts, and lists that must not be empty.
    fn refuse_empty(&self, sources: &mut Sources<'_>) {
        for (name, given) in &self.values {
            let empty = given.iter().filter(|given| given.text.is_empty() && *name != "issuer");
            sources
                .mistakes
                .extend(empty.map(|given| Mistake::new(&self.key(name), &given.origin, "the value is empty")));
            if *name == "scope_claims" && given.is_empty() {
                let flaw = Flaw::new("without a claim to read scopes from, no token would have any");
                sources.mistake(&self.key(name), &self.origin, flaw);
            }
        }
    }
}
