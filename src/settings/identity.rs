//! What the upstream is told about the caller.

use super::file::Node;
use super::given::{Given, Sources};
use super::keys::Key;
use super::mistake::Flaw;
use crate::token::IdentityHeaders;

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
