//! What an authorization server publishes about itself (RFC 8414, OpenID Connect Discovery 1.0).

use std::fmt;

use super::document::Document;
use super::http::{Client, Question, Unanswered};
use crate::settings::ProviderUrl;

/// What is read of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Where its keys are.
    pub jwks_uri: Option<ProviderUrl>,
    /// Where it answers for its tokens (RFC 7662).
    pub introspection_endpoint: Option<ProviderUrl>,
}

/// Why there is no metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undiscovered {
    /// No answer from any of the places.
    Unanswered(Unanswered),
    /// A document that is not JSON, or repeats a name.
    NotMetadata(String),
    /// The document of another issuer: it must not be used (RFC 8414 §3.3).
    IssuerWrong(String, String),
}

impl fmt::Display for Undiscovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered(trouble) => write!(f, "{trouble}"),
            Self::NotMetadata(url) => write!(f, "{url} is not the metadata of an authorization server"),
            Self::IssuerWrong(url, issuer) => {
                write!(f, "{url} is the metadata of the issuer {issuer:?}; the issuer must be written exactly so")
            }
        }
    }
}

/// Where the metadata of an issuer can be, in the order of MCP 2026-07-28, authorization-server-discovery,
/// "Authorization Server Metadata Discovery".
#[must_use]
pub(super) fn places(issuer: &ProviderUrl) -> Vec<ProviderUrl> {
    let path = issuer.target().trim_end_matches('/');
    let inserted = |name: &str| issuer.at(&format!("/.well-known/{name}{path}"));
    let appended = || issuer.at(&format!("{path}/.well-known/openid-configuration"));
    let found = [
        inserted("oauth-authorization-server"),
        inserted("openid-configuration"),
        if path.is_empty() { None } else { appended() },
    ];
    found.into_iter().flatten().collect()
}

/// Asks the issuer where its things are.
///
/// # Errors
/// [`Undiscovered`], of the place that came closest.
pub async fn discover(client: &Client, issuer: &ProviderUrl) -> Result<Metadata, Undiscovered> {
    let mut trouble = None;
    for place in places(issuer) {
        let no = match client.ask(&place, Question::Get).await {
            Ok(answer) => match read(&place, issuer, &answer.body) {
                Ok(metadata) => return Ok(metadata),
                Err(no) => no,
            },
            Err(no @ (Unanswered::Status(..) | Unanswered::Redirected(..) | Unanswered::TooLarge(_)))
            | Err(no @ Unanswered::Encoded(_)) => Undiscovered::Unanswered(no),
            // The server is not there: it is not there at another path either.
            Err(no) => return Err(Undiscovered::Unanswered(no)),
        };
        let is_closer = !matches!(no, Undiscovered::Unanswered(_));
        if trouble.is_none() || (is_closer && matches!(trouble, Some(Undiscovered::Unanswered(_)))) {
            trouble = Some(no);
        }
    }
    Err(trouble.unwrap_or_else(|| Undiscovered::NotMetadata(issuer.to_string())))
}

fn read(place: &ProviderUrl, issuer: &ProviderUrl, bytes: &[u8]) -> Result<Metadata, Undiscovered> {
    let document = Document::read(bytes).map_err(|_| Undiscovered::NotMetadata(place.to_string()))?;
    let named = document.text("issuer").ok_or_else(|| Undiscovered::NotMetadata(place.to_string()))?;
    if named != issuer.as_str() {
        return Err(Undiscovered::IssuerWrong(place.to_string(), named.to_owned()));
    }
    let url = |name: &str| document.text(name).and_then(ProviderUrl::read);
    Ok(Metadata { jwks_uri: url("jwks_uri"), introspection_endpoint: url("introspection_endpoint") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(issuer: &str, expected: &[&str]) {
        let found = places(&ProviderUrl::read(issuer).unwrap());
        assert_eq!(found.iter().map(ProviderUrl::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn places_are_those_of_the_specification_in_its_order() {
        check(
            "https://a/tenant1",
            &[
                "https://a/.well-known/oauth-authorization-server/tenant1",
                "https://a/.well-known/openid-configuration/tenant1",
                "https://a/tenant1/.well-known/openid-configuration",
            ],
        );
        let root = [
            "https://a:8443/.well-known/oauth-authorization-server",
            "https://a:8443/.well-known/openid-configuration",
        ];
        check("https://a:8443", &root);
        check("https://a:8443/", &root);
    }

    #[test]
    fn the_issuer_is_compared_letter_by_letter() {
        let (place, issuer) =
            (ProviderUrl::read("https://a/x").unwrap(), ProviderUrl::read("https://a/t").unwrap());
        let read = |text: &str| read(&place, &issuer, text.as_bytes());
        let found =
            read(r#"{"issuer":"https://a/t","jwks_uri":"https://b/k","introspection_endpoint":7}"#).unwrap();
        assert_eq!(found.jwks_uri.unwrap().as_str(), "https://b/k");
        assert_eq!(found.introspection_endpoint, None);
        for wrong in ["https://a/t/", "https://A/t", "https://a:443/t", "https://b/t", ""] {
            let no = read(&format!(r#"{{"issuer":"{wrong}","jwks_uri":"https://b/k"}}"#)).unwrap_err();
            assert!(matches!(no, Undiscovered::IssuerWrong(..)), "{wrong}: {no}");
        }
        for text in
            ["{}", "[]", r#"{"issuer":["https://a/t"]}"#, r#"{"issuer":"https://a/t","issuer":"https://a/t"}"#]
        {
            assert!(matches!(read(text), Err(Undiscovered::NotMetadata(_))), "{text}");
        }
    }
}
