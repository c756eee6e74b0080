//! Where bodies begin and end (RFC 9112 §6 and §7), for requests of clients and for answers of the upstream alike.
//!
//! It is decided more strictly than RFC 9112 asks for: whatever two readers could take differently is nonsense, so that no
//! byte of one message can become part of another on a connection that is used again.

use bytes::{Buf as _, Bytes, BytesMut};

use super::fields::Fields;
use super::{Nonsense, is_field, is_value};

/// The longest line of a chunk's size with its extensions, and of all trailers together, in bytes.
pub(super) const LONGEST_LINE: usize = 4 * 1024;

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes more.
    Length(u64),
    /// After the last chunk.
    Chunked(Chunk),
    /// When the upstream closes the connection.
    UntilClose,
}

/// Where in the chunks of a body its reader stands (RFC 9112 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// Before the line that says how long the next is.
    Size,
    /// With so many bytes of one still to come.
    Data(u64),
    /// Before the line end behind one.
    End,
    /// Among the trailers, of which there were so many bytes.
    Trailers(usize),
    /// Behind all of it.
    Done,
}

/// The length that a head announces: one plain number, or nothing.
///
/// # Errors
/// [`Nonsense`]: two of them, even if they say the same, or one with a sign, a comma or too many digits.
pub(super) fn length(fields: &Fields) -> Result<Option<u64>, Nonsense> {
    let mut lines = fields.all("content-length");
    let Some(digits) = lines.next() else { return Ok(None) };
    let is_number = !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
    if !is_number || lines.next().is_some() {
        return Err(Nonsense);
    }
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.map(Some).ok_or(Nonsense)
}

/// Whether a body comes in chunks.
///
/// # Errors
/// [`Nonsense`]: any other transfer coding (RFC 9112 §6.1).
pub(super) fn is_chunked(fields: &Fields) -> Result<bool, Nonsense> {
    let mut lines = fields.all("transfer-encoding");
    match (lines.next(), lines.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(true),
        (Some(_), _) => Err(Nonsense),
    }
}

/// What the reader of a body finds in its buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Some of the body.
    Data(Bytes),
    /// Nothing before more arrives.
    More,
    /// The end of the body.
    End,
}

impl Framing {
    /// Whether the body ends here.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// How many bytes of the body are known to be still to come.
    #[must_use]
    pub fn wanted(self) -> Option<usize> {
        match self {
            Self::Length(left) | Self::Chunked(Chunk::Data(left)) => {
                Some(usize::try_from(left).unwrap_or(usize::MAX))
            }
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes the next piece of the body off `buffer`.
    ///
    /// # Errors
    /// [`Nonsense`] where the body is framed wrongly.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Result<Piece, Nonsense> {
        match self {
            Self::Length(left) => Ok(take_data(left, buffer)
                .map_or_else(|| if *left == 0 { Piece::End } else { Piece::More }, Piece::Data)),
            Self::UntilClose if buffer.is_empty() => Ok(Piece::More),
            Self::UntilClose => Ok(Piece::Data(buffer.split().freeze())),
            Self::Chunked(chunk) => chunk.take(buffer),
        }
    }
}

/// At most `left` bytes of `buffer`; none if there are none.
fn take_data(left: &mut u64, buffer: &mut BytesMut) -> Option<Bytes> {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    if length == 0 {
        return None;
    }
    *left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
    Some(buffer.split_to(length).freeze())
}

impl Chunk {
    fn take(&mut self, buffer: &mut BytesMut) -> Result<Piece, Nonsense> {
        loop {
            match self {
                Self::Size => {
                    let Some(line) = take_line(buffer)? else { return Ok(Piece::More) };
                    *self = match chunk_size(&line)? {
                        0 => Self::Trailers(0),
                        size => Self::Data(size),
                    };
                }
                Self::Data(left) => {
                    if let Some(data) = take_data(left, buffer) {
                        if *left == 0 {
                            *self = Self::End;
                        }
                        return Ok(Piece::Data(data));
                    }
                    return Ok(Piece::More);
                }
                Self::End => {
                    match buffer.get(..2) {
                        Some(b"\r\n") => buffer.advance(2),
                        None if b"\r".starts_with(buffer) => return Ok(Piece::More),
                        Some(_) | None => return Err(Nonsense),
                    }
                    *self = Self::Size;
                }
                Self::Trailers(seen) => {
                    let Some(line) = take_line(buffer)? else { return Ok(Piece::More) };
                    *seen = seen.saturating_add(line.len());
                    if line.is_empty() {
                        *self = Self::Done;
                    } else if *seen > LONGEST_LINE || !is_field(&line) {
                        // What they say was never asked for, and is passed to nobody.
                        return Err(Nonsense);
                    }
                }
                Self::Done => return Ok(Piece::End),
            }
        }
    }
}

/// A line without its CRLF, once it is there as a whole. A bare LF ends no line here (RFC 9112 §2.2 lets readers differ), and
/// no other control stands in one.
fn take_line(buffer: &mut BytesMut) -> Result<Option<BytesMut>, Nonsense> {
    let Some(end) = memchr::memchr(b'\n', buffer) else {
        // The CR of the line end may be there already.
        return if buffer.len().saturating_sub(1) > LONGEST_LINE { Err(Nonsense) } else { Ok(None) };
    };
    let line_end = end.checked_sub(1).ok_or(Nonsense)?;
    if line_end > LONGEST_LINE || buffer.get(line_end) != Some(&b'\r') {
        return Err(Nonsense);
    }
    let line = buffer.split_to(line_end);
    buffer.advance(2);
    if is_value(&line) { Ok(Some(line)) } else { Err(Nonsense) }
}

/// `chunk-size [ chunk-ext ]`: the extensions mean nothing to anybody (RFC 9112 §7.1.1).
fn chunk_size(line: &[u8]) -> Result<u64, Nonsense> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    let (digits, extension) = line.split_at_checked(end).ok_or(Nonsense)?;
    let is_extension = extension.is_empty() || extension.trim_ascii_start().starts_with(b";");
    // More digits than any body has bytes could overflow somebody's number.
    if digits.is_empty() || digits.len() > 15 || !is_extension {
        return Err(Nonsense);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| Nonsense)?;
    u64::from_str_radix(digits, 16).map_err(|_| Nonsense)
}
