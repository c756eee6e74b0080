//! Which headers pass, in both directions.

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

/// The method of the message (MCP 2026-07-28, transports, "Standard Headers").
pub static MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// The name of what the message is about (the same).
pub static MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");
/// The revision of the protocol (MCP, transports, "Protocol Version Header").
pub static MCP_PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The session (MCP 2025-11-25, transports, "Session Management").
pub static MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// The event that a stream goes on after (HTML, server-sent events).
pub static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A proof of possession (RFC 9449 §4.1).
pub static DPOP: HeaderName = HeaderName::from_static("dpop");

/// Headers of one hop (RFC 9110 §7.6.1), and those that we set ourselves.
const HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "content-length",
];

/// Request headers that the upstream gets. Everything else could speak for the caller: proxies have a hundred
/// names for who calls, and the upstream believes what comes from us.
const FROM_CLIENT: &[&str] = &[
    "accept",
    "accept-language",
    "baggage",
    "cache-control",
    "content-type",
    "traceparent",
    "tracestate",
    "user-agent",
];
/// The protocol's own, but for what we set ourselves.
const PROTOCOL: &str = "mcp-";

/// Answer headers that never reach the client: another server's challenge, cookies and cross-origin rules.
const FROM_UPSTREAM: &[&str] = &[
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "proxy-authentication-info",
    "set-cookie",
    "alt-svc",
    "location",
    "mcp-session-id",
    "dpop-nonce",
];
const FROM_UPSTREAM_PREFIXES: &[&str] = &["access-control-"];

/// Answer headers that are true only of the bytes they came with.
const OF_THE_BYTES: &[&str] = &["etag", "digest", "content-digest", "repr-digest", "content-md5", "accept-ranges"];

/// What of the client's headers the upstream gets.
#[must_use]
pub fn to_upstream(from: &HeaderMap) -> HeaderMap {
    let nominated = nominated(from);
    // Room for ours, too.
    let mut to = HeaderMap::with_capacity(FROM_CLIENT.len().saturating_mul(2));
    for (name, value) in from {
        let text = name.as_str();
        let is_kept = FROM_CLIENT.contains(&text) || (text.starts_with(PROTOCOL) && text != "mcp-session-id");
        if is_kept && !nominated.iter().any(|other| other == text) {
            to.append(name.clone(), value.clone());
        }
    }
    // Answers are read: they must come as they are.
    to.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    to
}

/// What of the upstream's headers the client gets.
pub fn to_client(from: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let nominated = nominated(from);
    from.iter().filter(move |(name, _)| {
        let text = name.as_str();
        !HOP.contains(&text)
            && !FROM_UPSTREAM.contains(&text)
            && !FROM_UPSTREAM_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
            && !nominated.iter().any(|other| other == text)
    })
}

/// Whether the header is true only of the bytes it came with.
#[must_use]
pub fn is_of_the_bytes(name: &HeaderName) -> bool {
    OF_THE_BYTES.contains(&name.as_str())
}

/// Whether `Connection` declares a header to be of this hop that `is_meant` knows.
#[must_use]
pub fn nominates(headers: &HeaderMap, is_meant: impl Fn(&str) -> bool) -> bool {
    nominated(headers).iter().any(|name| is_meant(name))
}

/// The names that `Connection` declares to be of this hop.
fn nominated(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn nothing_that_speaks_for_the_caller_reaches_the_upstream() {
        for name in [
            "Authorization",
            "Cookie",
            "Proxy-Authorization",
            "DPoP",
            "X-Forwarded-User",
            "X-Forwarded-For",
            "Forwarded",
            "X-Real-IP",
            "X-Auth-Request-Email",
            "X-Remote-User",
            "Remote-User",
            "X-HTTP-Method-Override",
            "Host",
            "X-Toolgate-Subject",
            "X_Forwarded_User",
            "X-User-Id",
            "X-Api-Key",
            "X-WebAuth-User",
            "Cf-Access-Jwt-Assertion",
            "X-Amzn-Oidc-Identity",
            "X-Ms-Client-Principal",
            "Tailscale-User-Login",
            "X-Goog-IAP-JWT-Assertion",
            "X-Consumer-Username",
            "True-Client-Ip",
            "X-Original-Host",
            "Mcp-Session-Id",
            "Last-Event-ID",
            "Origin",
            "Expect",
            "Transfer-Encoding",
            "Content-Length",
            "Upgrade",
            "Connection",
            "Keep-Alive",
            "TE",
        ] {
            let out = to_upstream(&headers(&[(name, "x")]));
            assert_eq!(out.len(), 1, "{name}: {out:?}");
            assert_eq!(out.get("accept-encoding").unwrap(), "identity");
        }
    }

    #[test]
    fn what_is_the_protocols_passes() {
        let lines = [
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2025-11-25"),
            ("mcp-method", "ping"),
            ("mcp-name", "x"),
            ("mcp-param-region", "eu"),
            ("traceparent", "00-1-2-01"),
            ("user-agent", "u"),
        ];
        let out = to_upstream(&headers(&lines));
        for (name, value) in lines {
            assert_eq!(out.get(name).unwrap(), value);
        }
    }

    #[test]
    fn what_connection_names_is_of_this_hop() {
        let out = to_upstream(&headers(&[("connection", "close, Baggage"), ("baggage", "1"), ("accept", "2")]));
        assert!(out.get("baggage").is_none());
        assert!(out.get("accept").is_some());
    }

    #[test]
    fn the_upstreams_challenge_never_passes() {
        let from = headers(&[
            ("www-authenticate", "Bearer x"),
            ("set-cookie", "a=b"),
            ("access-control-allow-origin", "*"),
            ("mcp-session-id", "raw"),
            ("transfer-encoding", "chunked"),
            ("location", "http://10.0.0.1/"),
            ("content-type", "application/json"),
            ("x-acme", "1"),
        ]);
        let names: Vec<_> = to_client(&from).map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-type", "x-acme"]);
    }
}
