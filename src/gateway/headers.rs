//! Which headers pass, in both directions.

use crate::http1::fields::{Fields, is_called};

/// The method of the message (MCP 2026-07-28, transports, "Standard Headers").
pub const MCP_METHOD: &str = "mcp-method";
/// The name of what the message is about (the same).
pub const MCP_NAME: &str = "mcp-name";
/// The revision of the protocol (MCP, transports, "Protocol Version Header").
pub const MCP_PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// The session (MCP 2025-11-25, transports, "Session Management").
pub const MCP_SESSION_ID: &str = "mcp-session-id";
/// The event that a stream goes on after (HTML, server-sent events).
pub const LAST_EVENT_ID: &str = "last-event-id";
/// A proof of possession (RFC 9449 §4.1).
pub const DPOP: &str = "dpop";

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

/// What mirrors the body.
const MIRRORS: &[&str] = &[MCP_METHOD, MCP_NAME, MCP_PROTOCOL_VERSION];

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

/// What of the client's lines the upstream gets.
pub fn to_upstream(from: &Fields) -> impl Iterator<Item = (&[u8], &[u8])> {
    let nominated = nominated(from);
    from.iter().filter(move |(name, _)| {
        let is_kept = if starts_with(name, PROTOCOL) {
            // What is judged and what is sealed stands under one name alone.
            !reads_as(name, MCP_SESSION_ID) && !MIRRORS.iter().any(|known| is_like(name, known))
        } else {
            is_one_of(name, FROM_CLIENT)
        };
        is_kept && !nominated.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
    })
}

/// What of the upstream's lines the client gets.
pub fn to_client(from: &Fields) -> impl Iterator<Item = (&[u8], &[u8])> {
    let nominated = nominated(from);
    from.iter().filter(move |(name, _)| {
        !is_one_of(name, HOP)
            && !is_one_of(name, FROM_UPSTREAM)
            && !FROM_UPSTREAM_PREFIXES.iter().any(|prefix| starts_with(name, prefix))
            && !nominated.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
    })
}

/// Whether the header is true only of the bytes it came with.
#[must_use]
pub fn is_of_the_bytes(name: &[u8]) -> bool {
    is_one_of(name, OF_THE_BYTES)
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|other| is_called(name, other))
}

/// Whether an upstream may take the one name for the other: what hands headers on as CGI does (RFC 3875 §4.1.18) tells neither
/// letter case nor `-` from `_`.
#[must_use]
pub fn reads_as(name: &[u8], known: &str) -> bool {
    let as_read = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.len() == known.len() && name.iter().zip(known.bytes()).all(|(one, other)| as_read(*one) == as_read(other))
}

/// Whether an upstream may take the one name for the other although they are not the same.
fn is_like(name: &[u8], known: &str) -> bool {
    reads_as(name, known) && !name.eq_ignore_ascii_case(known.as_bytes())
}

fn starts_with(name: &[u8], prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// Whether `Connection` declares a header to be of this hop that `is_meant` knows, by its name in small letters.
#[must_use]
pub fn nominates(fields: &Fields, is_meant: impl Fn(&str) -> bool) -> bool {
    nominated(fields).iter().any(|name| is_meant(name))
}

/// The names that `Connection` declares to be of this hop.
fn nominated(fields: &Fields) -> Vec<String> {
    fields
        .all("connection")
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect()
    }

    /// What passes of these lines, towards the upstream.
    fn passed(lines: &[(&str, &str)]) -> Vec<String> {
        let fields = fields(lines);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        to_upstream(&fields).map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
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
            "Mcp-Session_Id",
            "mcp-session.id",
            "Mcp-Protocol_Version",
            "Last-Event-ID",
            "Origin",
            "Expect",
            "Transfer-Encoding",
            "Content-Length",
            "Upgrade",
            "Connection",
            "Keep-Alive",
            "TE",
            "Accept-Encoding",
            "MCP",
            "mcp",
            "",
        ] {
            assert_eq!(passed(&[(name, "x")]), [""; 0], "{name}");
        }
    }

    #[test]
    fn what_is_the_protocols_passes() {
        let lines = [
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
            ("MCP-Protocol-Version", "2025-11-25"),
            ("mcp-method", "ping"),
            ("Mcp-Name", "x"),
            ("mcp-param-region", "eu"),
            ("traceparent", "00-1-2-01"),
            ("user-agent", "u"),
        ];
        assert_eq!(passed(&lines), lines.map(|(name, value)| format!("{name}: {value}")));
    }

    #[test]
    fn what_connection_names_is_of_this_hop() {
        assert_eq!(passed(&[("connection", "close, BAGGAGE"), ("Baggage", "1"), ("accept", "2")]), ["accept: 2"]);
    }

    #[test]
    fn the_upstreams_challenge_never_passes() {
        let from = fields(&[
            ("WWW-Authenticate", "Bearer x"),
            ("set-cookie", "a=b"),
            ("Access-Control-Allow-Origin", "*"),
            ("mcp-session-id", "raw"),
            ("transfer-encoding", "chunked"),
            ("location", "http://10.0.0.1/"),
            ("content-type", "application/json"),
            ("x-acme", "1"),
        ]);
        let names: Vec<_> = to_client(&from).map(|(name, _)| name).collect();
        assert_eq!(names, [&b"content-type"[..], b"x-acme"]);
    }
}
