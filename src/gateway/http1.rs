//! HTTP/1.1 as far as it is the same for clients and for the upstream: the lines of a head, where bodies end, and room for
//! what arrives.

pub(super) mod fields;
pub(super) mod filling;
pub(super) mod framing;

/// What is no message of HTTP, or one that two readers could take differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nonsense;

/// The longest head, in bytes, and the most field lines in it.
pub(super) const LONGEST_HEAD: usize = 64 * 1024;
pub(super) const MOST_LINES: usize = 128;

/// A head that arrives byte by byte is not parsed anew for each.
#[derive(Debug, Default)]
pub(super) struct Arriving {
    /// How many bytes were parsed when the head was not there as a whole.
    parsed: usize,
}

impl Arriving {
    /// Whether parsing what is there can tell more than the last time did: only a line end can be the end of a head, and
    /// what is no head shows by the time that twice as much is there.
    pub(super) fn is_worth_parsing(&self, buffer: &[u8]) -> bool {
        let new = buffer.get(self.parsed..).unwrap_or_default();
        let is_more = new.len() >= self.parsed || buffer.len() >= LONGEST_HEAD;
        !new.is_empty() && (is_more || memchr::memchr(b'\n', new).is_some())
    }

    /// Notes that the head was not there as a whole.
    ///
    /// # Errors
    /// [`Nonsense`] where it is longer than any may be.
    pub(super) fn is_partial(&mut self, buffer: &[u8]) -> Result<(), Nonsense> {
        self.parsed = buffer.len();
        if buffer.len() < LONGEST_HEAD { Ok(()) } else { Err(Nonsense) }
    }
}

/// Whether each line of a head ends with CRLF: some readers take a bare LF for a line end, and others do not (RFC 9112
/// §2.2).
pub(super) fn has_strict_lines(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).all(|at| at.checked_sub(1).and_then(|at| head.get(at)) == Some(&b'\r'))
}

/// Whether a value can stand in a line: whatever ends one would begin another (RFC 9110 §5.5).
pub(super) fn is_value(value: &[u8]) -> bool {
    let is_of_value = |byte: u8| (byte >= b' ') & (byte != 0x7f) | (byte == b'\t');
    // Without a way out in the middle the compiler looks at many bytes at once.
    value.iter().fold(true, |is_good, byte| is_good & is_of_value(*byte))
}
