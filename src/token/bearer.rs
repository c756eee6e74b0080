//! The token of a request, before anything of it is believed (RFC 6750 §2.1, RFC 9449 §7.1).

use std::fmt;

use super::thumbprint::sha256;
use super::twin::twin;
use crate::refusal::Refusal;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

/// The query parameter in which RFC 6750 §2.3 allows a token, and MCP does not.
const QUERY_PARAMETER: &str = "access_token";

/// A bearer token: 1 to [`MAX_TOKEN`] characters of `token68` (RFC 9110 §11.2), not verified.
///
/// It has no `Display`, and its `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bearer<'a>(&'a str);

impl<'a> Bearer<'a> {
    /// The token itself. It must reach no log and no answer.
    #[must_use]
    pub const fn expose(self) -> &'a str {
        self.0
    }

    /// The SHA-256 of the token's text, by which it can be remembered without being kept.
    #[must_use]
    pub fn digest(self) -> TokenDigest {
        TokenDigest(sha256(self.0.as_bytes()))
    }

    /// The digest of the other text that the same token may have: see [`twin`].
    #[must_use]
    pub(super) fn twin_digest(self) -> Option<TokenDigest> {
        twin(self.0).map(|other| TokenDigest(sha256(other.as_bytes())))
    }
}

impl fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

/// The SHA-256 of a token's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenDigest(pub [u8; 32]);

impl<'a> TryFrom<&'a str> for Bearer<'a> {
    type Error = Refusal;

    fn try_from(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal::TokenTooLarge);
        }
        if is_token68(token) { Ok(Self(token)) } else { Err(Refusal::TokenMalformed) }
    }
}

/// How a token was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    Bearer,
    /// `Authorization: DPoP` (RFC 9449 §7.1).
    Dpop,
}

impl Scheme {
    /// The scheme of that name. Names of schemes are compared without case (RFC 9110 §11.1).
    fn of(name: &str) -> Option<Self> {
        let schemes = [("Bearer", Self::Bearer), ("DPoP", Self::Dpop)];
        schemes.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, scheme)| scheme)
    }
}

/// The one token of a request that was presented as `Bearer`; to those who know no other scheme.
///
/// # Errors
/// As [`presented`]; `TokenMissing` for other schemes.
pub fn bearer<'a>(
    authorization: impl Iterator<Item = &'a [u8]>,
    query: Option<&str>,
) -> Result<Bearer<'a>, Refusal> {
    match presented(authorization, query)? {
        (Scheme::Bearer, token) => Ok(token),
        (Scheme::Dpop, _) => Err(Refusal::TokenMissing),
    }
}

/// The one token of a request, from all values of its `Authorization` header and its raw query.
///
/// # Errors
/// `TokenInQuery` before all else, `TokenRepeated` for two values of whatever scheme, `TokenMissing` where no
/// token was sent, `TokenMalformed` and `TokenTooLarge`.
pub fn presented<'a>(
    mut authorization: impl Iterator<Item = &'a [u8]>,
    query: Option<&str>,
) -> Result<(Scheme, Bearer<'a>), Refusal> {
    // RFC 6750 §2: a client must not use more than one method, so a good header does not excuse the query.
    if query.is_some_and(names_a_token) {
        return Err(Refusal::TokenInQuery);
    }
    let value = authorization.next().ok_or(Refusal::TokenMissing)?;
    if authorization.next().is_some() {
        return Err(Refusal::TokenRepeated);
    }
    let value = std::str::from_utf8(value).map_err(|_| Refusal::TokenMalformed)?;
    let (scheme, credentials) = value.split_once(' ').unwrap_or((value, ""));
    if let Some(scheme) = Scheme::of(scheme) {
        Bearer::try_from(credentials).map(|token| (scheme, token))
    } else if is_other_scheme(scheme, credentials) {
        Err(Refusal::TokenMissing)
    } else {
        Err(Refusal::TokenMalformed)
    }
}

/// `token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let is_of_body =
        |b: u8| matches!(b, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    // Without a way out in the middle the compiler looks at many bytes at once.
    !body.is_empty() && body.bytes().fold(true, |is_good, b| is_good & is_of_body(b))
}

/// Whether this is well-formed and of another scheme, so that no token was sent (RFC 6750 §3.1).
fn is_other_scheme(scheme: &str, credentials: &str) -> bool {
    let is_tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !scheme.is_empty()
        && scheme.bytes().all(is_tchar)
        && credentials.bytes().all(|b| b == b' ' || b == b'\t' || b.is_ascii_graphic())
}

/// Whether the raw query has a parameter `access_token`, however its name is written.
fn names_a_token(query: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        percent_decoded(name).eq_ignore_ascii_case(QUERY_PARAMETER.as_bytes())
    })
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let [first, tail @ ..] = rest {
        let escape = if let (b'%', [high, low, ..]) = (first, tail) { hex_byte(*high, *low) } else { None };
        decoded.push(escape.unwrap_or(*first));
        rest = if escape.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    decoded
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? << 4) | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&str], query: Option<&str>, expected: Result<&str, Refusal>) {
        let found = bearer(values.iter().map(|value| value.as_bytes()), query).map(Bearer::expose);
        assert_eq!(found, expected, "{values:?} {query:?}");
    }

    #[test]
    fn takes_the_token_of_one_bearer_header() {
        check(&["Bearer a.b.c"], None, Ok("a.b.c"));
        check(&["bearer a.b.c"], None, Ok("a.b.c"));
        check(&["BEARER Az09-._~+/=="], Some("x=1&y"), Ok("Az09-._~+/=="));
    }

    #[test]
    fn refuses_what_is_not_exactly_scheme_space_token() {
        for value in [
            "",
            " ",
            "Bearer",
            "Bearer ",
            "Bearer  a",
            " Bearer a",
            "Bearer a ",
            "Bearer\ta",
            "Bearer a b",
            "Bearer =",
            "Bearer a=b",
            "Bearer a,b",
            "Bearer a, Bearer b",
            "Bearer \"a\"",
            "Bearer a\r\nX: y",
            "Bearer a\0",
            "Bearer ä",
            "Bearer:a",
            "Bearer=a",
            "Bäsic x",
            "Basic \u{7f}",
            "Bearer a;b",
        ] {
            check(&[value], None, Err(Refusal::TokenMalformed));
        }
        assert_eq!(bearer([&b"Bearer \xff"[..]].into_iter(), None), Err(Refusal::TokenMalformed));
    }

    #[test]
    fn another_scheme_is_no_bearer_token() {
        for value in ["Basic dTpw", "DPoP a.b.c", "Negotiate", "BearerX a", "Digest a=\"b\", c=d"] {
            check(&[value], None, Err(Refusal::TokenMissing));
        }
        check(&[], None, Err(Refusal::TokenMissing));
        check(&[], Some("token=a"), Err(Refusal::TokenMissing));
    }

    #[test]
    fn a_token_is_presented_by_one_of_two_schemes() {
        let found = |value: &'static str| presented([value.as_bytes()].into_iter(), None);
        for value in ["DPoP a.b.c", "dpop a.b.c", "DPOP a.b.c"] {
            assert_eq!(found(value), Ok((Scheme::Dpop, Bearer("a.b.c"))), "{value}");
        }
        assert_eq!(found("bEARER a.b.c"), Ok((Scheme::Bearer, Bearer("a.b.c"))));
        for value in
            ["DPoP", "DPoP ", "DPoP  a", "DPoP a b", "DPoP a,b", "DPoP\ta", "DPoP a, Bearer a", "DPoP \"a\""]
        {
            assert_eq!(found(value), Err(Refusal::TokenMalformed), "{value}");
        }
        for value in ["DPo a", "DPoPx a", "D-PoP a"] {
            assert_eq!(found(value), Err(Refusal::TokenMissing), "{value}");
        }
        let two = ["DPoP a".as_bytes(), b"Bearer a"];
        assert_eq!(presented(two.into_iter(), None), Err(Refusal::TokenRepeated));
        assert_eq!(presented([&b"DPoP a"[..]].into_iter(), Some("access_token=a")), Err(Refusal::TokenInQuery));
    }

    #[test]
    fn refuses_two_headers_whatever_they_say() {
        check(&["Bearer a", "Bearer a"], None, Err(Refusal::TokenRepeated));
        check(&["Bearer a", "Basic b"], None, Err(Refusal::TokenRepeated));
        check(&["Basic b", ""], None, Err(Refusal::TokenRepeated));
    }

    #[test]
    fn refuses_a_token_in_the_query_even_beside_a_good_header() {
        for query in [
            "access_token=a",
            "access_token",
            "access_token=",
            "x=1&access_token=a",
            "x;access_token=a",
            "&&access_token=a&y",
            "access%5Ftoken=a",
            "%61ccess_token=a",
            "%61%63%63%65%73%73%5f%74%6F%6b%65%6e=a",
            "Access_Token=a",
            "ACCESS%5ftoken",
        ] {
            check(&["Bearer a"], Some(query), Err(Refusal::TokenInQuery));
            check(&[], Some(query), Err(Refusal::TokenInQuery));
            check(&["Bearer a", "Bearer a"], Some(query), Err(Refusal::TokenInQuery));
        }
    }

    #[test]
    fn other_parameters_are_no_token() {
        for query in
            ["", "%", "%6", "%zz=1", "q=access_token", "access_tokens=a", "my_access_token=a", "access%255Ftoken=a"]
        {
            check(&["Bearer a"], Some(query), Ok("a"));
        }
    }

    #[test]
    fn refuses_a_token_beyond_the_limit() {
        let longest = "a".repeat(MAX_TOKEN);
        check(&[&format!("Bearer {longest}")], None, Ok(&longest));
        check(&[&format!("Bearer {longest}a")], None, Err(Refusal::TokenTooLarge));
    }

    #[test]
    fn debug_does_not_show_the_token() {
        assert_eq!(format!("{:?}", Bearer("s3cret")), "Bearer(…)");
    }
}
