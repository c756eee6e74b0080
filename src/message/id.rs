//! When two request ids are the same to some server.

use std::borrow::Cow;

use crate::json::{Kind, Reader};

/// What an id comes down to for the least careful server that compares it.
///
/// Servers keep requests under their ids in maps of all sorts. Some turn the id into text first, so that `1` and
/// `"1"` are one; some keep numbers as doubles, so that `9007199254740993` and `9007199254740992` are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SameId<'a> {
    /// A number, or text that reads as one: the bits of the double.
    Number(u64),
    /// Any other text, decoded.
    Text(Cow<'a, str>),
}

impl<'a> SameId<'a> {
    /// What the id that is written `raw` comes down to; none if that is no string and no number.
    #[must_use]
    pub fn of(raw: &'a str) -> Option<Self> {
        let mut reader = Reader::new(raw.as_bytes(), 1).ok()?;
        let text = match reader.kind().ok()? {
            Kind::Number => Cow::Borrowed(raw.trim_ascii()),
            Kind::String => reader.string().ok()?.decode().ok()?,
            Kind::Object | Kind::Array | Kind::Bool | Kind::Null => return None,
        };
        Some(number(&text).map_or(Self::Text(text), Self::Number))
    }

    /// The same, on its own.
    #[must_use]
    pub fn into_owned(self) -> SameId<'static> {
        match self {
            Self::Number(bits) => SameId::Number(bits),
            Self::Text(text) => SameId::Text(Cow::Owned(text.into_owned())),
        }
    }
}

/// The double that `text` reads as, if it looks like a number. Zero has one sign.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let looks_like = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    if !text.bytes().all(looks_like) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    Some(if value == 0.0 { 0 } else { value.to_bits() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_some_server_takes_for_the_same_are_the_same() {
        for (one, other) in [
            ("1", "\"1\""),
            ("1", "\" 1\""),
            ("1", "\"1.0\""),
            ("1", "\"01\""),
            ("1", "\"\\u0031\""),
            ("0", "-0"),
            ("100", "\"1e2\""),
            ("9007199254740993", "9007199254740992"),
            ("\"a\"", "\"\\u0061\""),
        ] {
            assert_eq!(SameId::of(one), SameId::of(other), "{one} {other}");
            assert!(SameId::of(one).is_some(), "{one}");
        }
    }

    #[test]
    fn other_ids_are_not() {
        let ids =
            ["1", "2", "-1", "10", "\"\"", "\"a\"", "\"A\"", "\"a \"", "\"1a\"", "\"0x1\"", "\"inf\"", "\"-\""];
        for (at, id) in ids.iter().enumerate() {
            assert!(ids[..at].iter().all(|other| SameId::of(other) != SameId::of(id)), "{id}");
        }
        assert_eq!(SameId::of("null"), None);
        assert_eq!(SameId::of("\"\\ud800\""), None);
    }
}
