//! The other text of a token with an elliptic signature.
//!
//! Where (r, s) is an ECDSA signature, (r, n - s) is one as well, and everybody can compute it: such a token has two
//! texts, and both verify. What is known by the digest of one text must be known by that of the other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The order n of the group of P-256 (SP 800-186 §3.2.1.3).
const P256: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order n of the group of P-384 (SP 800-186 §3.2.1.4).
const P384: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2,
    0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// The text with (r, n - s) in place of (r, s), if the signature is as long as one of ES256 or ES384. Where it is one
/// of another algorithm, the text is nobody's.
pub(super) fn twin(token: &str) -> Option<String> {
    let (signed, signature) = token.rsplit_once('.')?;
    let mut octets = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let order: &[u8] = match octets.len() {
        64 => &P256,
        96 => &P384,
        _ => return None,
    };
    let (_, s) = octets.split_at_mut_checked(order.len())?;
    let mut is_borrowed = false;
    for (digit, of_order) in s.iter_mut().zip(order).rev() {
        let (difference, is_less) = of_order.overflowing_sub(*digit);
        let (difference, is_still_less) = difference.overflowing_sub(u8::from(is_borrowed));
        is_borrowed = is_less || is_still_less;
        *digit = difference;
    }
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(octets)))
}
