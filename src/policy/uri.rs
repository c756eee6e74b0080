//! URIs that servers may take for other URIs.
//!
//! A policy compares bytes, and the server gets the bytes that were compared. But servers normalise: `a/../b` is
//! `b` for them, `%62` is `b`, `a\\b` is `a/b`. What a pattern lets through must not become something else there.

/// Whether no reader normalises this URI to another one (RFC 3986 §6.2.2; WHATWG URL).
pub(super) fn is_plain(uri: &str) -> bool {
    // URLs are ASCII: what is not is escaped on the way (WHATWG URL, "percent-encode").
    let is_rewritten = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'\\' | b'#');
    if uri.bytes().any(is_rewritten) {
        return false;
    }
    let (before, path) = split(uri);
    let is_canonical = !before.bytes().any(|byte| byte.is_ascii_uppercase() || matches!(byte, b'@' | b'%'));
    is_canonical && !has_idle_escape(path) && segments_are_plain(path)
}

/// Scheme and authority, and what is behind them.
fn split(uri: &str) -> (&str, &str) {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.split_once(':').unwrap_or(("", uri)) };
    let authority = rest.find(['/', '?']).unwrap_or(rest.len());
    uri.split_at_checked(scheme.len().saturating_add(3).saturating_add(authority)).unwrap_or((uri, ""))
}

fn segments_are_plain(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let path = path.strip_prefix('/').unwrap_or(path);
    let last = path.split('/').count().saturating_sub(1);
    path.split('/')
        .enumerate()
        .all(|(at, segment)| !matches!(segment, "." | "..") && (at == last || !segment.is_empty()))
}

/// Whether an escape stands for what needs none, or for what separates (RFC 3986 §2.3, §2.4), or is none.
fn has_idle_escape(path: &str) -> bool {
    path.split('%').skip(1).any(|rest| {
        let byte = rest.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let is_hex = rest.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
        !is_hex
            || byte.is_none_or(|byte| {
                byte.is_ascii_alphanumeric()
                    || byte < 0x20
                    || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b'\\' | b'%' | 0x7f)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_uris_are_plain() {
        for uri in [
            "file:///public/a.txt",
            "docs://acme/public",
            "docs://acme/{name}",
            "db://t/1?id=5&x=%20",
            "file:///a/b/",
            "https://example.com:8443/a/b",
            "urn:isbn:12",
            "note:x",
            "file:///a/.hidden",
            "file:///a/..b",
            "x:/a/b",
            "ui://tool/view.html",
            "file:///caf%C3%A9",
            "docs://acme/...",
        ] {
            assert!(is_plain(uri), "{uri}");
        }
    }

    #[test]
    fn uris_that_could_be_others_are_not() {
        for uri in [
            "file:///public/../etc/shadow",
            "file:///public/./a",
            "file:///public/%2e%2e/etc",
            "file:///public/%2E./etc",
            "file:///public/..%2fetc",
            "file:///a%2Fb",
            "file:///a%5cb",
            "file:///a\\b",
            "file:///a\tb",
            "file:///a b",
            "file:///public/..",
            "docs://acme/x/../confidential",
            "docs://acme/%63onfidential",
            "DOCS://acme/x",
            "docs://ACME/x",
            "docs://u@acme/x",
            "docs://acme//x",
            "docs://acme/x#y",
            "docs://acme/%zz",
            "docs://acme/%",
            "docs://acme/%00",
            "docs://acme/%252e",
            "docs://%61cme/x",
            "docs://acme/x\u{a0}",
            "file:///caf\u{e9}",
            "docs://acm\u{e9}/x",
        ] {
            assert!(!is_plain(uri), "{uri}");
        }
    }
}
