//! SHA-256 as tokens use it: of keys (RFC 7638), of certificates (RFC 8705 §3.1), of tokens (RFC 9449 §4.2).

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The SHA-256 of `bytes`.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut octets = [0; 32];
    // Both sides have 32 bytes, so nothing is left over and nothing stays zero.
    octets.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    octets
}

/// A SHA-256 as JOSE writes it: 43 characters of base64url. One text for one digest, so texts can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thumbprint(Box<str>);

impl Thumbprint {
    /// The thumbprint of `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::from_digest(sha256(bytes))
    }

    pub(super) fn from_digest(digest: [u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(digest).into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is the base64url of 32 bytes, without padding and bits to spare.
pub(super) fn is_thumbprint(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|octets| octets.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_everybody_does() {
        // FIPS 180-4, the example "abc".
        assert_eq!(Thumbprint::of(b"abc").as_str(), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
        assert_eq!(sha256(b"")[..4], [0xe3, 0xb0, 0xc4, 0x42]);
    }

    #[test]
    fn a_thumbprint_has_one_spelling() {
        let good = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
        assert!(is_thumbprint(good));
        let bad = [
            "",
            "x",
            good.split_at(1).1,
            &format!("{good}="),
            &format!("{good}A"),
            &good.replace('-', "+"),
            &good.replace("a0", "a1"),
        ];
        for text in bad {
            assert!(!is_thumbprint(text), "{text}");
        }
    }
}
