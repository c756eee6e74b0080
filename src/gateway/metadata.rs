//! What is told without a token: the protected-resource metadata (RFC 9728) and the rules for other origins.

use http::Method;
use http::header::HeaderName;

use super::Config;
use super::answer::Answer;
use crate::json::quoted;
use crate::refusal::Refusal;
use crate::token::Algorithm;

/// The HTTP methods of the endpoint.
pub const METHODS: &str = "GET, POST, DELETE, OPTIONS";

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Both places where clients look for the metadata of an endpoint at `endpoint` (RFC 9728 §3.1).
#[must_use]
pub fn is_metadata_path(path: &str, endpoint: &str) -> bool {
    path.strip_prefix(WELL_KNOWN).is_some_and(|rest| rest.is_empty() || rest == endpoint)
}

/// The URL of the metadata of the resource `origin` + `endpoint`.
#[must_use]
pub fn metadata_url(origin: &str, endpoint: &str) -> String {
    let suffix = if endpoint == "/" { "" } else { endpoint };
    format!("{origin}{WELL_KNOWN}{suffix}")
}

/// Answers a request for the metadata.
///
/// # Errors
/// [`Refusal::HttpMethodNotAllowed`] for methods other than GET, HEAD and OPTIONS.
pub fn metadata(config: &Config, method: &Method, scopes: &[&str]) -> Result<Answer, Refusal> {
    let mut answer = match *method {
        Method::GET | Method::HEAD => Answer::json(200, document(config, scopes)),
        Method::OPTIONS => {
            let mut answer = Answer::empty(204);
            answer.set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
            answer.set("Access-Control-Allow-Headers", ALLOWED_HEADERS);
            answer
        }
        _ => return Err(Refusal::HttpMethodNotAllowed),
    };
    answer.set("Access-Control-Allow-Origin", "*");
    answer.is_for_all_origins = true;
    answer.set("Cache-Control", "public, max-age=60");
    Ok(answer)
}

fn document(config: &Config, scopes: &[&str]) -> String {
    let list = |items: &[&str]| items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(",");
    let mut members = vec![format!("\"resource\":{}", quoted(&config.resource))];
    if !config.authorization_servers.is_empty() {
        let servers: Vec<&str> = config.authorization_servers.iter().map(String::as_str).collect();
        members.push(format!("\"authorization_servers\":[{}]", list(&servers)));
    }
    // What has no elements is left out (RFC 9728 §3.2): a client that reads an empty list asks for no scope at all.
    if !scopes.is_empty() {
        members.push(format!("\"scopes_supported\":[{}]", list(scopes)));
    }
    members.push("\"bearer_methods_supported\":[\"header\"]".into());
    let proofs: Vec<&str> = Algorithm::ASYMMETRIC.iter().map(|algorithm| algorithm.name()).collect();
    members.push(format!("\"dpop_signing_alg_values_supported\":[{}]", list(&proofs)));
    if config.is_dpop_required {
        members.push("\"dpop_bound_access_tokens_required\":true".into());
    }
    if config.takes_certificates {
        members.push("\"tls_client_certificate_bound_access_tokens\":true".into());
    }
    format!("{{{}}}", members.join(","))
}

/// The headers that MCP clients in browsers send.
const ALLOWED_HEADERS: &str = "authorization, dpop, content-type, accept, mcp-protocol-version, mcp-session-id, \
                               mcp-method, mcp-name, last-event-id";
/// The headers that they must be able to read.
const EXPOSED_HEADERS: &str = "mcp-session-id, mcp-protocol-version, www-authenticate, dpop-nonce, retry-after";

/// Answers a preflight, or any OPTIONS request to the endpoint.
#[must_use]
pub fn preflight(requested_headers: Option<&[u8]>) -> Answer {
    let mut answer = Answer::empty(204);
    answer.set("Allow", METHODS);
    answer.set("Access-Control-Allow-Methods", METHODS);
    // `Mcp-Param-*` cannot be named beforehand.
    let mut allowed = ALLOWED_HEADERS.to_owned();
    for name in requested_headers.and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default().split(',') {
        let name = name.trim().to_ascii_lowercase();
        if name.starts_with("mcp-param-") && HeaderName::try_from(name.as_str()).is_ok() {
            allowed.push_str(", ");
            allowed.push_str(&name);
        }
    }
    answer.set("Access-Control-Allow-Headers", &allowed);
    answer.set("Access-Control-Max-Age", "600");
    answer
}

/// What an answer to an allowed origin says (Fetch, "CORS protocol").
#[must_use]
pub const fn cross_origin(origin: &[u8]) -> [(&'static str, &[u8]); 3] {
    [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", EXPOSED_HEADERS.as_bytes()),
        ("Vary", b"Origin"),
    ]
}
