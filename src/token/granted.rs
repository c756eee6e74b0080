//! What a token says of scopes, for explanations. Nothing is verified here, and nothing is decided by it.

use super::MAX_TOKEN;
use super::compact::Compact;
use super::value::{Json, find};
use crate::refusal::Refusal;

/// The scopes that stand in a claim set or in a JWT that nobody verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Granted {
    /// `sub`, where it is a text.
    pub subject: Option<String>,
    /// Each scope with the claim it stands in, in the order of the claims.
    pub scopes: Vec<(String, String)>,
    /// The claim set.
    pub claims: String,
}

/// Reads the scopes from `text`, a JSON object of claims or a JWT; `paths` are the claims to look at.
///
/// # Errors
/// [`Refusal::TokenUnreadable`] if it is neither, [`Refusal::TokenClaimsInvalid`] if a claim of scopes holds no scopes.
pub fn granted(text: &str, paths: &[Box<str>]) -> Result<Granted, Refusal> {
    let text = text.trim();
    if text.len() > MAX_TOKEN {
        return Err(Refusal::TokenUnreadable);
    }
    let payload = if text.starts_with('{') { text.as_bytes().to_vec() } else { Compact::read(text)?.payload };
    let members = Json::read_object(&payload).map_err(|_| Refusal::TokenUnreadable)?;
    let mut scopes = Vec::new();
    for path in paths {
        let Some(value) = find(&members, path) else { continue };
        let names: Vec<&str> = match value.as_str() {
            Some(text) => text.split(' ').filter(|name| !name.is_empty()).collect(),
            None => value.as_strings().ok_or(Refusal::TokenClaimsInvalid)?,
        };
        scopes.extend(names.into_iter().map(|name| (name.to_owned(), path.to_string())));
    }
    let subject = members.get("sub").and_then(Json::as_str).map(str::to_owned);
    let claims = String::from_utf8(payload).map_err(|_| Refusal::TokenUnreadable)?;
    Ok(Granted { subject, scopes, claims })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[(&str, &str)], Refusal>) {
        let paths: Vec<Box<str>> = ["scope", "scp", "realm_access.roles"].map(Box::from).into();
        let found = granted(text, &paths).map(|granted| granted.scopes);
        let own = |(scope, claim): &(&str, &str)| ((*scope).to_owned(), (*claim).to_owned());
        assert_eq!(found, expected.map(|expected| expected.iter().map(own).collect()), "{text}");
    }

    #[test]
    fn every_scope_with_its_claim() {
        check(r#"{"scope":"a b","scp":["c"]}"#, Ok(&[("a", "scope"), ("b", "scope"), ("c", "scp")]));
        check(r#"{"realm_access":{"roles":["r"]}}"#, Ok(&[("r", "realm_access.roles")]));
        check(r#"{"other":"a"}"#, Ok(&[]));
        check(" e30.eyJzY29wZSI6ImEifQ.YQ\n", Ok(&[("a", "scope")]));
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", "a.b", "a.b.c.d", "e30.!.YQ", "e30.bm8.YQ", "{", r#"{"scope":"a","scope":"b"}"#] {
            check(text, Err(Refusal::TokenUnreadable));
        }
        check(r#"{"scope":7}"#, Err(Refusal::TokenClaimsInvalid));
    }
}
