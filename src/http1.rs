//! HTTP/1.1 as far as it needs no socket: heads, their lines, and where bodies end. The gateway speaks it with clients and
//! with the upstream, and has no other reader of it.

pub mod client;
pub mod fields;
pub mod framing;
pub mod upstream;

use http::HeaderName;

/// What is no message of HTTP, or one that two readers could take differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonsense;

/// The longest head, in bytes, and the most field lines in it.
const LONGEST_HEAD: usize = 64 * 1024;
const MOST_LINES: usize = 128;

/// A head that arrives byte by byte is not parsed anew for each.
#[derive(Debug, Default)]
struct Arriving {
    /// How many bytes were parsed when the head was not there as a whole.
    parsed: usize,
}

impl Arriving {
    /// Whether parsing what is there can tell more than the last time did: only a line end can be the end of a head, and
    /// what is no head shows by the time that twice as much is there.
    fn is_worth_parsing(&self, buffer: &[u8]) -> bool {
        let new = buffer.get(self.parsed..).unwrap_or_default();
        let is_more = new.len() >= self.parsed || buffer.len() >= LONGEST_HEAD;
        !new.is_empty() && (is_more || memchr::memchr(b'\n', new).is_some())
    }

    /// Notes that the head was not there as a whole.
    ///
    /// # Errors
    /// [`Nonsense`] where it is longer than any may be.
    fn is_partial(&mut self, buffer: &[u8]) -> Result<(), Nonsense> {
        self.parsed = buffer.len();
        if buffer.len() < LONGEST_HEAD { Ok(()) } else { Err(Nonsense) }
    }
}

/// Whether each line of a head ends with CRLF: some readers take a bare LF for a line end, and others do not (RFC 9112
/// §2.2).
fn has_strict_lines(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).all(|at| at.checked_sub(1).and_then(|at| head.get(at)) == Some(&b'\r'))
}

/// Whether a line is that of a field (RFC 9110 §5).
fn is_field(line: &[u8]) -> bool {
    let colon = memchr::memchr(b':', line).and_then(|at| line.split_at_checked(at));
    colon.is_some_and(|(name, value)| HeaderName::from_bytes(name).is_ok() && is_value(value))
}

/// Whether a value can stand in a line: whatever ends one would begin another (RFC 9110 §5.5).
pub(crate) fn is_value(value: &[u8]) -> bool {
    let is_of_value = |byte: u8| (byte >= b' ') & (byte != 0x7f) | (byte == b'\t');
    // Without a way out in the middle the compiler looks at many bytes at once.
    value.iter().fold(true, |is_good, byte| is_good & is_of_value(*byte))
}
