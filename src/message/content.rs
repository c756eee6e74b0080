//! What a request body must be declared as.

use super::agreement::Field;
use crate::refusal::Refusal;

/// Accepts a body declared as JSON in UTF-8 and not encoded, and nothing that some server might read otherwise.
///
/// # Errors
/// [`Refusal::ContentTypeWrong`], [`Refusal::ContentEncoded`].
pub fn accept_content(content_type: Field<'_>, content_encoding: Field<'_>) -> Result<(), Refusal> {
    match content_encoding {
        Field::Absent => {}
        Field::Once(coding) if coding.eq_ignore_ascii_case(b"identity") => {}
        Field::Once(_) | Field::Repeated => return Err(Refusal::ContentEncoded),
    }
    match content_type {
        Field::Once(value) if is_json(value) => Ok(()),
        Field::Absent | Field::Once(_) | Field::Repeated => Err(Refusal::ContentTypeWrong),
    }
}

/// `application/json`, alone or with `charset=utf-8` (RFC 9110 §8.3.1: names and charsets in any case).
fn is_json(value: &[u8]) -> bool {
    let mut parts = value.splitn(2, |byte| *byte == b';');
    let media_type = parts.next().unwrap_or_default().trim_ascii();
    let is_utf_8 = parts.next().is_none_or(|parameter| {
        let parameter = parameter.trim_ascii().to_ascii_lowercase();
        matches!(parameter.as_slice(), b"charset=utf-8" | b"charset=\"utf-8\"")
    });
    media_type.eq_ignore_ascii_case(b"application/json") && is_utf_8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_accepted() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/json; charset=\"utf-8\"",
        ] {
            assert_eq!(accept_content(Field::Once(good.as_bytes()), Field::Absent), Ok(()), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonx",
            "application/json, text/plain",
            "application/vnd.x+json",
            "text/json",
            "application/json; charset=utf-16",
            "application/json; charset=utf-7",
            "application/json; charset=latin1",
            "application/json; charset=utf-8; x=y",
            "application/json;",
            "application/x-www-form-urlencoded",
            "application/json charset=utf-8",
        ] {
            let answer = accept_content(Field::Once(bad.as_bytes()), Field::Absent);
            assert_eq!(answer, Err(Refusal::ContentTypeWrong), "{bad}");
        }
        assert_eq!(accept_content(Field::Absent, Field::Absent), Err(Refusal::ContentTypeWrong));
        assert_eq!(accept_content(Field::Repeated, Field::Absent), Err(Refusal::ContentTypeWrong));
    }

    #[test]
    fn no_encoding_is_accepted() {
        let json = Field::Once(b"application/json");
        assert_eq!(accept_content(json, Field::Once(b"identity")), Ok(()));
        for bad in [Field::Once(b"gzip"), Field::Once(b""), Field::Once(b"identity, gzip"), Field::Repeated] {
            assert_eq!(accept_content(json, bad), Err(Refusal::ContentEncoded));
        }
    }
}
