//! Whether two URLs name the same resource, as far as a DPoP proof needs it (RFC 9449 §4.3, RFC 3986 §6.2.2, §6.2.3).

/// Whether `claimed` names what `ours` names: scheme and host in any case, the default port written or not, an empty
/// path for `/`, needless percent-encoding undone. Nothing else is alike.
///
/// A query or fragment in `claimed` is refused (RFC 9449 §4.2), as are user names, dot segments, and any byte that
/// is none of a URL's.
pub(super) fn is_same_resource(claimed: &str, ours: &str) -> bool {
    match (Location::read(claimed), Location::read(ours)) {
        (Some(claimed), Some(ours)) => claimed == ours,
        _ => false,
    }
}

#[derive(PartialEq, Eq)]
struct Location {
    scheme: String,
    host: String,
    port: u16,
    path: String,
}

impl Location {
    fn read(url: &str) -> Option<Self> {
        let is_of_a_url = |byte: u8| byte.is_ascii_graphic() && !b"?#\\\"<>^`{|}".contains(&byte);
        if !url.bytes().all(is_of_a_url) {
            return None;
        }
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match &*scheme {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at_checked(at)?,
            None => (rest, "/"),
        };
        let (host, port) = host_and_port(authority)?;
        let port = if port.is_empty() { default_port } else { number(port)? };
        let path = path_of(path)?;
        Some(Self { scheme, host: host.to_ascii_lowercase(), port, path })
    }
}

/// Cuts an authority without user name; an IPv6 address keeps its brackets.
fn host_and_port(authority: &str) -> Option<(&str, &str)> {
    if authority.contains(['@', '%']) {
        return None;
    }
    let end_of_address = authority.rfind(']').map_or(0, |at| at.saturating_add(1));
    let (address, rest) = authority.split_at_checked(end_of_address)?;
    let (host, port) = if address.is_empty() {
        rest.split_once(':').unwrap_or((rest, ""))
    } else {
        (address, if rest.is_empty() { "" } else { rest.strip_prefix(':')? })
    };
    let is_host =
        address.starts_with('[') || (address.is_empty() && !host.is_empty() && !host.contains(['[', ']']));
    is_host.then_some((host, port))
}

fn number(port: &str) -> Option<u16> {
    if port.bytes().all(|byte| byte.is_ascii_digit()) && port.len() <= 5 { port.parse().ok() } else { None }
}

/// A path whose unreserved characters stand for themselves and whose other escapes are written in capitals.
fn path_of(path: &str) -> Option<String> {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, escape)) = rest.split_once('%') {
        let (digits, after) = escape.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let byte = char::from(u8::from_str_radix(digits, 16).ok()?);
        plain.push_str(before);
        if byte.is_ascii_alphanumeric() || "-._~".contains(byte) {
            plain.push(byte);
        } else {
            plain.push('%');
            plain.push_str(&digits.to_ascii_uppercase());
        }
        rest = after;
    }
    plain.push_str(rest);
    let has_dots = plain.split('/').any(|segment| segment == "." || segment == "..");
    if has_dots { None } else { Some(plain) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://mcp.example/mcp";

    #[test]
    fn names_the_same_resource() {
        for claimed in [
            OURS,
            "HTTPS://mcp.example/mcp",
            "https://MCP.Example/mcp",
            "https://mcp.example:443/mcp",
            "https://mcp.example:/mcp",
            "https://mcp.example/%6dcp",
            "https://mcp.example/%6Dc%70",
        ] {
            assert!(is_same_resource(claimed, OURS), "{claimed}");
        }
        for (claimed, ours) in [
            ("http://a", "http://a/"),
            ("http://a:80", "http://a"),
            ("http://a/", "http://A:080/"),
            ("https://[::1]:443/x", "https://[::1]/x"),
            ("https://[2001:DB8::1]/x", "https://[2001:db8::1]/x"),
            ("https://a/%2f%c3%a4", "https://a/%2F%C3%A4"),
            ("https://a:8443/x", "https://a:8443/x"),
        ] {
            assert!(is_same_resource(claimed, ours), "{claimed}");
        }
    }

    #[test]
    fn names_another_resource_or_none() {
        for claimed in [
            "",
            "/mcp",
            "mcp.example/mcp",
            "//mcp.example/mcp",
            "http://mcp.example/mcp",
            "https:/mcp.example/mcp",
            "https:///mcp",
            "https://mcp.example",
            "https://mcp.example/",
            "https://mcp.example/mcp/",
            "https://mcp.example/MCP",
            "https://mcp.example//mcp",
            "https://mcp.example/mcp?",
            "https://mcp.example/mcp?x=1",
            "https://mcp.example/mcp#",
            "https://mcp.example/mcp#x",
            "https://mcp.example/./mcp",
            "https://mcp.example/x/../mcp",
            "https://mcp.example/x/%2e%2E/mcp",
            "https://mcp.example/mc%70%",
            "https://mcp.example/%6",
            "https://mcp.example/%zzmcp",
            "https://mcp.example/%2Fmcp",
            "https://mcp.example:80/mcp",
            "https://mcp.example:8443/mcp",
            "https://mcp.example:+443/mcp",
            "https://mcp.example:65979/mcp",
            "https://mcp.example:443:443/mcp",
            "https://mcp.example./mcp",
            "https://www.mcp.example/mcp",
            "https://mcp.example@evil.example/mcp",
            "https://user@mcp.example/mcp",
            "https://mcp%2Eexample/mcp",
            "https://[mcp.example]/mcp",
            "https://mcp.example]/mcp",
            "https://mcp.example\\@x/mcp",
            "https://mcp.example/mcp ",
            " https://mcp.example/mcp",
            "https://mcp.example/m\tcp",
            "https://mcp.example/mcp\0",
            "https://mcp.exämple/mcp",
            "https://mcp.example/%C3%28é",
        ] {
            assert!(!is_same_resource(claimed, OURS), "{claimed:?}");
        }
        for same in ["ftp://a/x", "https://a/./x", "https://a/x/..", "https://a/?", "https://a:99999/", "x"] {
            assert!(!is_same_resource(same, same), "{same}: what is no URL of ours is not even like itself");
        }
    }
}
