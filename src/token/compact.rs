//! The compact serialization of a JWS (RFC 7515 §7.1).

use base64::Engine;

use crate::refusal::Refusal;

/// Base64url without padding and with no bits to spare, as fast as this processor can.
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
static BASE64URL: std::sync::LazyLock<base64::engine::Simd> =
    std::sync::LazyLock::new(|| base64::engine::Simd::url_safe(base64::engine::general_purpose::NO_PAD));
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
static BASE64URL: base64::engine::GeneralPurpose = base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A token cut into its three segments, each decoded.
///
/// INVARIANT: each segment is the only way to write its bytes (no padding, no line breaks, no bits left over),
/// so that two different texts are never the same token.
pub(super) struct Compact<'a> {
    /// The first two segments and the dot between them: the bytes that were signed, as received.
    pub(super) signed: &'a str,
    pub(super) header: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Cuts and decodes. Five segments, a JWE, are as wrong as two: the alphabet has no dot.
    pub(super) fn read(text: &'a str) -> Result<Self, Refusal> {
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::TokenUnreadable)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::TokenUnreadable)?;
        Ok(Self { signed, header: decode(header)?, payload: decode(payload)?, signature: decode(signature)? })
    }
}

fn decode(segment: &str) -> Result<Vec<u8>, Refusal> {
    // This engine refuses padding and non-zero trailing bits.
    BASE64URL.decode(segment).map_err(|_| Refusal::TokenUnreadable)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(token: &str, is_readable: bool) {
        assert_eq!(Compact::read(token).is_ok(), is_readable, "{token}");
    }

    #[test]
    fn reads_three_canonical_segments() {
        check("YQ.YWI.YWJj", true);
        check("YQ.YWI.", true);
        check("-_8.YWI.YQ", true);
    }

    #[test]
    fn refuses_other_shapes() {
        for token in ["YQ", "YQ.YQ", "YQ.YQ.YQ.YQ", "YQ.YQ.YQ.YQ.YQ", ".", "...", "YQ..YQ.", ".YQ..YQ"] {
            check(token, false);
        }
    }

    #[test]
    fn refuses_segments_that_could_be_written_otherwise() {
        for segment in ["YR", "YQ=", "YQ==", "YWJ", "Y", "+/8", "Y~", "YWJjY"] {
            check(&format!("YQ.YQ.{segment}"), false);
            check(&format!("YQ.{segment}.YQ"), false);
            check(&format!("{segment}.YQ.YQ"), false);
        }
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_the_same_text(segment in "[A-Za-z0-9_-]{0,40}|[A-Za-z0-9_-]{60,300}") {
            if let Ok(bytes) = decode(&segment) {
                prop_assert_eq!(URL_SAFE_NO_PAD.encode(bytes), segment);
            }
        }

        #[test]
        fn decodes_what_the_plain_engine_does_and_nothing_else(
            segment in "[A-Za-z0-9_-]{0,300}",
            at in any::<prop::sample::Index>(),
            letter in prop::option::of(any::<char>()),
        ) {
            let mut segment: Vec<char> = segment.chars().collect();
            if let (Some(letter), false) = (letter, segment.is_empty()) {
                let at = at.index(segment.len());
                segment[at] = letter;
            }
            let segment: String = segment.into_iter().collect();
            prop_assert_eq!(decode(&segment).ok(), URL_SAFE_NO_PAD.decode(&segment).ok());
        }
    }
}
