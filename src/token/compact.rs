//! The compact serialization of a JWS (RFC 7515 §7.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::refusal::Refusal;

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
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| Refusal::TokenUnreadable)
}

#[cfg(test)]
mod tests {
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
        fn what_decodes_encodes_to_the_same_text(segment in "[A-Za-z0-9_-]{0,40}") {
            if let Ok(bytes) = decode(&segment) {
                prop_assert_eq!(URL_SAFE_NO_PAD.encode(bytes), segment);
            }
        }
    }
}
