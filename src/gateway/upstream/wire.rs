//! HTTP/1.1 towards the upstream, as far as it needs no socket: the head of a request, and the head and framing of an
//! answer (RFC 9112).
//!
//! Heads are parsed by `httparse`. Which bytes belong to an answer is decided here, and more strictly than RFC 9112 asks
//! a client to: whatever two readers could take differently is no answer, so that no byte of one caller's answer can
//! become part of another's on a connection that is used again.

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

/// The longest head of an answer, in bytes, and the most headers in it.
const LONGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 128;
/// The longest line of a chunk's size with its extensions, and of all trailers together, in bytes.
const LONGEST_LINE: usize = 4 * 1024;

/// What is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nonsense;

/// The head of a request: `Content-Length` and the line ends are added to what is given.
pub(super) fn request_head(method: &Method, path: &str, headers: &HeaderMap, body: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    for part in [method.as_str(), " ", path, " HTTP/1.1\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    // A method that has no body by itself is not said to have an empty one (RFC 9110 §8.6).
    if body > 0 || *method == Method::POST {
        head.extend_from_slice(b"content-length: ");
        head.extend_from_slice(body.to_string().as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether the connection can be used again once the body was read to its end.
    pub(super) is_kept: bool,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes more.
    Length(u64),
    /// After the last chunk.
    Chunked(Chunk),
    /// When the upstream closes the connection.
    UntilClose,
}

/// Where in the chunks of a body its reader stands (RFC 9112 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
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

/// Reads the head of an answer, however it arrives.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// How many bytes were parsed when the head was not there as a whole.
    parsed: usize,
    /// How many bytes of interim answers there were.
    interim: usize,
}

impl HeadReader {
    /// Takes the head of an answer off `buffer`; none while it is not there as a whole. Interim answers (1xx) are passed
    /// over, as long as all of them are no longer than one head may be.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Head>, Nonsense> {
        while self.is_worth_parsing(buffer) {
            let (length, head) = match parse_head(buffer)? {
                Some(parsed) => parsed,
                None if buffer.len() < LONGEST_HEAD => {
                    self.parsed = buffer.len();
                    return Ok(None);
                }
                None => return Err(Nonsense),
            };
            buffer.advance(length);
            self.parsed = 0;
            if head.is_some() {
                return Ok(head);
            }
            self.interim = self.interim.saturating_add(length);
            if self.interim > LONGEST_HEAD {
                return Err(Nonsense);
            }
        }
        Ok(None)
    }

    /// A head that arrives byte by byte is not parsed anew for each: only a line end can be the end of it, and what is no
    /// head shows by the time that twice as much is there.
    fn is_worth_parsing(&self, buffer: &[u8]) -> bool {
        let new = buffer.get(self.parsed..).unwrap_or_default();
        let is_more = new.len() >= self.parsed || buffer.len() >= LONGEST_HEAD;
        !new.is_empty() && (is_more || memchr::memchr(b'\n', new).is_some())
    }
}

/// How long the first head in `bytes` is, and what it says unless it is of an interim answer; none while it is not there
/// as a whole.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, Option<Head>)>, Nonsense> {
    // A parser of requests passes over empty lines, and as many as there are.
    if bytes.first().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err(Nonsense);
    }
    let mut lines = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Response::new(&mut lines);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= LONGEST_HEAD => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) | Err(_) => return Err(Nonsense),
    };
    let code = parsed.code.ok_or(Nonsense)?;
    let is_1_1 = match parsed.version {
        Some(1) => true,
        Some(0) => false,
        Some(_) | None => return Err(Nonsense),
    };
    let status = StatusCode::from_u16(code).map_err(|_| Nonsense)?;
    // Nobody asked to speak another protocol.
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Nonsense);
    }
    if status.is_informational() {
        return Ok(Some((length, None)));
    }
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Nonsense)?;
        // Copied, so that a stream that stands for hours does not hold on to the buffer.
        headers.append(name, HeaderValue::from_bytes(line.value).map_err(|_| Nonsense)?);
    }
    let (framing, is_kept) = framing(status, is_1_1, &headers)?;
    Ok(Some((length, Some(Head { status, headers, framing, is_kept }))))
}

/// RFC 9112 §6.3, without what leaves room for a second opinion: a transfer coding other than `chunked`, one beside a
/// length or from HTTP/1.0, and a length that is not one plain number.
fn framing(status: StatusCode, is_1_1: bool, headers: &HeaderMap) -> Result<(Framing, bool), Nonsense> {
    let length = length(headers)?;
    let framing = match transfer_coding(headers)? {
        Some(_) if !is_1_1 || length.is_some() => return Err(Nonsense),
        Some(chunked) => chunked,
        None => length.map_or(Framing::UntilClose, Framing::Length),
    };
    let framing = match status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Framing::Length(0),
        _ => framing,
    };
    let is_kept = is_1_1 && framing != Framing::UntilClose && !says_close(headers);
    Ok((framing, is_kept))
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, Nonsense> {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let digits = line.as_bytes();
    let is_number = !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
    if !is_number || lines.next().is_some() {
        return Err(Nonsense);
    }
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.map(Some).ok_or(Nonsense)
}

fn transfer_coding(headers: &HeaderMap) -> Result<Option<Framing>, Nonsense> {
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(Some(Framing::Chunked(Chunk::Size)))
        }
        (Some(_), _) => Err(Nonsense),
    }
}

fn says_close(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CONNECTION).iter();
    let mut options = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// What the reader of a body finds in its buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Some of the body.
    Data(Bytes),
    /// Nothing before more arrives.
    More,
    /// The end of the body.
    End,
}

impl Framing {
    /// Whether the body ends here.
    pub(super) const fn is_end(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// How many bytes of the body are known to be still to come.
    pub(super) fn wanted(self) -> Option<usize> {
        match self {
            Self::Length(left) | Self::Chunked(Chunk::Data(left)) => {
                Some(usize::try_from(left).unwrap_or(usize::MAX))
            }
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes the next piece of the body off `buffer`.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<Piece, Nonsense> {
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
                    // What they say was never asked for, and is passed to nobody.
                    if *seen > LONGEST_LINE {
                        return Err(Nonsense);
                    }
                    if line.is_empty() {
                        *self = Self::Done;
                    }
                }
                Self::Done => return Ok(Piece::End),
            }
        }
    }
}

/// A line without its CRLF, once it is there as a whole. A bare LF ends no line here (RFC 9112 §2.2 lets readers differ).
fn take_line(buffer: &mut BytesMut) -> Result<Option<BytesMut>, Nonsense> {
    let Some(end) = memchr::memchr(b'\n', buffer) else {
        return if buffer.len() > LONGEST_LINE { Err(Nonsense) } else { Ok(None) };
    };
    let line_end = end.checked_sub(1).ok_or(Nonsense)?;
    if line_end > LONGEST_LINE || buffer.get(line_end) != Some(&b'\r') {
        return Err(Nonsense);
    }
    let line = buffer.split_to(line_end);
    buffer.advance(2);
    if line.contains(&b'\r') { Err(Nonsense) } else { Ok(Some(line)) }
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

#[cfg(test)]
mod tests;
