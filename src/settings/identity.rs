//! What the upstream is told about the caller.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderName;

use super::address::Upstream;
use super::file::Node;
use super::given::{Given, Sources};
use super::keys::Key;
use super::mistake::{Flaw, Quoted};
use super::secret::Secret;
use super::value::duration;
use crate::token::{IdentityHeaders, SigningKey, check_name};

const NAME: &str = "identity_headers";

/// `identity_headers`: a mapping of headers to claims in the file, `NAME=CLAIM` elsewhere.
pub(super) fn headers(sources: &mut Sources<'_>) -> IdentityHeaders {
    let Some((origin, pairs)) = given(sources) else { return IdentityHeaders::default() };
    let pairs = pairs.iter().map(|(name, claim)| (name.as_str(), claim.as_str()));
    IdentityHeaders::new(pairs).unwrap_or_else(|error| {
        sources.mistake(NAME, &origin, Flaw::new(error.to_string()));
        IdentityHeaders::default()
    })
}

type Pairs = Vec<(String, String)>;

fn given(sources: &mut Sources<'_>) -> Option<(String, Pairs)> {
    let is_outside = Key::named(NAME).is_some_and(|key| sources.outside_file(key).is_some());
    if !is_outside
        && let Some(entry) = sources.entry(NAME)
        && let Node::Map(entries) = &entry.node
    {
        let mut pairs = Vec::new();
        for inner in entries {
            let claim = sources.texts(&format!("{NAME}.{}", inner.key), inner, false).pop();
            pairs.extend(claim.map(|claim| (inner.key.clone(), claim.text)));
        }
        return Some((sources.origin(entry.place), pairs));
    }
    let given = sources.all(NAME)?;
    let origin = given.first().map_or_else(String::new, |given| given.origin.clone());
    Some((origin, given.iter().filter_map(|given| pair(sources, given)).collect()))
}

fn pair(sources: &mut Sources<'_>, given: &Given) -> Option<(String, String)> {
    sources.parse(NAME, given, |text| {
        let pair = text.split_once('=').map(|(name, claim)| (name.to_owned(), claim.to_owned()));
        pair.ok_or_else(|| Flaw::hinted("no claim is named", "write NAME=CLAIM, such as X-Toolgate-Subject=sub"))
    })
}

/// A token that tells the upstream who calls, signed by the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityToken {
    /// The header it is sent in.
    pub header: HeaderName,
    /// The private key, in PEM or as a JWK.
    pub key_file: PathBuf,
    /// Whom it is for.
    pub audience: String,
    /// For how long it is good.
    pub life: Duration,
}

/// How long an identity token is good at most, and unless it is said otherwise.
const LONGEST_LIFE: Duration = Duration::from_secs(60);

/// In which header an identity token is sent unless it is said otherwise.
const HEADER: &str = "x-toolgate-identity";

/// The keys of `identity_token`.
const TOKEN: [&str; 4] =
    ["identity_token.key_file", "identity_token.header", "identity_token.audience", "identity_token.life"];

/// `identity_token`: there is one where a key signs it, and without a key nothing of it may be set.
pub(super) fn token(
    sources: &mut Sources<'_>,
    headers: &IdentityHeaders,
    upstream: Option<&Upstream>,
) -> Option<IdentityToken> {
    let [key, header, audience, life] = TOKEN.map(|name| (name, sources.one(name)));
    let origin = [&key, &header, &audience, &life]
        .into_iter()
        .find_map(|(_, given)| Some(given.as_ref()?.origin.clone()))?;
    if key.1.is_none() && !sources.mistakes.iter().any(|mistake| mistake.key == key.0) {
        let hint = "make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`";
        sources.mistake(key.0, &origin, Flaw::hinted("is missing", hint));
    }
    let key_file = key.1.and_then(|given| sources.parse(key.0, &given, es256_key));
    let named = match header.1 {
        Some(given) => sources.parse(header.0, &given, |text| header_name(text, headers)),
        None => header_name(HEADER, headers).map_err(|flaw| sources.mistake(header.0, &origin, flaw)).ok(),
    };
    let range = Duration::from_secs(2)..=LONGEST_LIFE;
    let short = life.1.and_then(|given| sources.parse(life.0, &given, |text| duration(text, &range)));
    Some(IdentityToken {
        header: named.unwrap_or(HeaderName::from_static(HEADER)),
        audience: audience.1.map(|given| given.text).or_else(|| upstream.map(ToString::to_string))?,
        life: short.unwrap_or(LONGEST_LIFE),
        key_file: key_file?,
    })
}

fn header_name(text: &str, headers: &IdentityHeaders) -> Result<HeaderName, Flaw> {
    check_name(text).map_err(|error| Flaw::new(error.to_string()))?;
    if headers.names().any(|other| other.eq_ignore_ascii_case(text)) {
        return Err(Flaw::new(format!("{} is one of `identity_headers` too", Quoted(text))));
    }
    HeaderName::try_from(text).map_err(|error| Flaw::new(error.to_string()))
}

/// A private key that can sign identity tokens.
fn es256_key(text: &str) -> Result<PathBuf, Flaw> {
    let secret = Secret::read(Path::new(text), 1)?;
    let text_of_key = std::str::from_utf8(secret.expose()).map_err(|_| Flaw::new("the key is not text"))?;
    SigningKey::read_es256(text_of_key).map_err(|error| Flaw::new(error.to_string()))?;
    Ok(PathBuf::from(text))
}
