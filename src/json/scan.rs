//! Where the parts of a JSON text end that have no parts themselves: strings, numbers, literals, white space.
//!
//! All take the bytes that are not read yet and return those behind, or nothing where the part is not well-formed.
//! Short parts are by far the most, so that they are looked at eight bytes at once, and their length is counted from the
//! bits of these: a loop over bytes would be left at another place each time, which a processor cannot foresee.

const HIGH: u64 = 0x8080_8080_8080_8080;

/// What is behind white space: spaces, tabs, line feeds, carriage returns.
#[inline(never)]
pub(super) fn behind_spaces(mut rest: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t' | b'\n' | b'\r', behind)) = rest.split_first() {
        rest = behind;
    }
    rest
}

/// What is behind `true`, `false` or `null`.
#[inline(always)]
pub(super) fn behind_word(rest: &[u8]) -> Option<&[u8]> {
    const TRUE: u32 = u32::from_le_bytes(*b"true");
    const NULL: u32 = u32::from_le_bytes(*b"null");
    const FALSE: u32 = u32::from_le_bytes(*b"fals");
    let (four, behind) = rest.split_first_chunk()?;
    match u32::from_le_bytes(*four) {
        TRUE | NULL => Some(behind),
        FALSE => behind.strip_prefix(b"e"),
        _ => None,
    }
}

/// What is behind a number (RFC 8259 §6), from behind its minus on.
#[inline(never)]
pub(super) fn behind_number(digits: &[u8]) -> Option<&[u8]> {
    let behind = match digits {
        [b'0', behind @ ..] => behind,
        _ => behind_digits(digits)?,
    };
    match behind {
        [b',', ..] => Some(behind),
        [b'.', fraction @ ..] => match behind_digits(fraction)? {
            behind @ [b'e' | b'E', ..] => behind_exponent(behind),
            behind => Some(behind),
        },
        [b'e' | b'E', ..] => behind_exponent(behind),
        _ => Some(behind),
    }
}

/// What is behind the exponent of a number.
#[inline(never)]
fn behind_exponent(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [_, b'+' | b'-', digits @ ..] | [_, digits @ ..] => behind_each_digit(digits),
        [] => None,
    }
}

/// What is behind digits, of which there must be one at least.
#[inline(always)]
fn behind_digits(rest: &[u8]) -> Option<&[u8]> {
    if let Some(eight) = rest.first_chunk()
        && let Some(count) = place_of_first(others_in(u64::from_le_bytes(*eight)))
    {
        return if count > 0 { rest.get(count..) } else { None };
    }
    behind_each_digit(rest)
}

/// The highest bits of the bytes that are no digits. Above the first there may be false ones.
const fn others_in(eight: u64) -> u64 {
    // Digits become 0 to 9. What is more reaches the highest bit, or had it.
    ((eight ^ 0x3030_3030_3030_3030).wrapping_add(0x7676_7676_7676_7676) | eight) & HIGH
}

#[inline(never)]
fn behind_each_digit(rest: &[u8]) -> Option<&[u8]> {
    let (first, mut behind) = rest.split_first()?;
    if !first.is_ascii_digit() {
        return None;
    }
    while let Some((b'0'..=b'9', further)) = behind.split_first() {
        behind = further;
    }
    Some(behind)
}

/// Within a string, behind its first quote: what is behind the last one.
#[inline(always)]
pub(super) fn behind_string(inside: &[u8]) -> Option<&[u8]> {
    let Some((eight, further)) = inside.split_first_chunk() else { return behind_long_string(inside) };
    let Some(stop) = stop_in(eight) else { return behind_long_string(further) };
    match inside.get(stop..)? {
        [b'"', behind @ ..] => Some(behind),
        stop => behind_escapes(stop),
    }
}

#[inline(never)]
fn behind_long_string(inside: &[u8]) -> Option<&[u8]> {
    match from_stop(inside)? {
        [b'"', behind @ ..] => Some(behind),
        stop => behind_escapes(stop),
    }
}

/// As [`behind_string`], and whether there is an escape between the quotes.
#[inline(never)]
pub(super) fn behind_text(inside: &[u8]) -> Option<(&[u8], bool)> {
    match from_stop(inside)? {
        [b'"', behind @ ..] => Some((behind, false)),
        stop => behind_escapes(stop).map(|behind| (behind, true)),
    }
}

/// A string, behind its first quote, that ends before its eighth byte and has no escape: how long it is, and its bytes with
/// the last quote.
#[inline]
pub(super) fn short_string(inside: &[u8]) -> Option<(usize, u64)> {
    let eight = u64::from_le_bytes(*inside.first_chunk()?);
    let stops = stops_in(eight);
    let length = place_of_first(stops)?;
    // All bits up to the highest of the byte that stops.
    if inside.get(length) == Some(&b'"') { Some((length, eight & (stops ^ stops.wrapping_sub(1)))) } else { None }
}

/// The bytes from the first quote, backslash or control character on, of which there must be one.
#[inline(always)]
pub(super) fn from_stop(bytes: &[u8]) -> Option<&[u8]> {
    // Most strings are shorter than sixteen bytes: names, numbers as text. Setting up a wide search would cost more than
    // it saves.
    let Some((eight, behind)) = bytes.split_first_chunk() else { return from_far_stop(bytes) };
    if let Some(stop) = stop_in(eight) {
        return bytes.get(stop..);
    }
    let Some((eight, far)) = behind.split_first_chunk() else { return from_far_stop(behind) };
    if let Some(stop) = stop_in(eight) {
        return behind.get(stop..);
    }
    from_far_stop(far)
}

/// The same where it may be far away.
#[inline(never)]
fn from_far_stop(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    while let Some((block, behind)) = rest.split_first_chunk() {
        if has_stop(block) {
            break;
        }
        rest = behind;
    }
    while let Some((eight, behind)) = rest.split_first_chunk() {
        if let Some(stop) = stop_in(eight) {
            return rest.get(stop..);
        }
        rest = behind;
    }
    let stop = rest.iter().position(|byte| is_stop(*byte))?;
    rest.get(stop..)
}

/// Within a string, at what is not plain: what is behind the quote that ends it. The form of its escapes is checked.
#[inline(never)]
pub(super) fn behind_escapes(stop: &[u8]) -> Option<&[u8]> {
    let mut rest = stop;
    loop {
        let behind = match rest {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', behind @ ..] => behind,
            [b'\\', b'u', a, b, c, d, behind @ ..]
                if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) =>
            {
                behind
            }
            _ => return None,
        };
        rest = from_stop(behind)?;
    }
}

/// Whether there is a quote, backslash or control character. No early exit, so that the compiler makes it wide.
fn has_stop(block: &[u8; 32]) -> bool {
    block.iter().fold(false, |seen, byte| seen | is_stop(*byte))
}

const fn is_stop(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// Which of eight bytes is the first that is a quote, a backslash or a control character.
fn stop_in(eight: &[u8; 8]) -> Option<usize> {
    place_of_first(stops_in(u64::from_le_bytes(*eight)))
}

/// The highest bits of the bytes that are quotes, backslashes or control characters. Above the first there may be false
/// ones.
const fn stops_in(eight: u64) -> u64 {
    // What borrows from its highest bit is one: `b ^ 2` is below 0x21 for control characters and the quote alone,
    // `b ^ 0x5c` is below 1 for the backslash alone. It carries on to those above; bytes that had the bit are part of
    // longer characters.
    let quotes = (eight ^ 0x0202_0202_0202_0202).wrapping_sub(0x2121_2121_2121_2121);
    let backslashes = (eight ^ 0x5c5c_5c5c_5c5c_5c5c).wrapping_sub(0x0101_0101_0101_0101);
    (quotes | backslashes) & !eight & HIGH
}

/// The place of the first byte of eight whose highest bit is set, where the others have none.
fn place_of_first(highest: u64) -> Option<usize> {
    if highest == 0 { None } else { usize::try_from(highest.trailing_zeros() >> 3).ok() }
}
