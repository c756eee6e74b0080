//! HTTP/1.1 towards clients: the head of a request, and the head of an answer (RFC 9112).
//!
//! Heads are parsed by `httparse`. What two readers could take differently is refused, however other servers take it.

use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};
use http::{Method, StatusCode, Uri};

use super::fields::{Fields, Line};
use super::framing::{Chunk, Framing, is_chunked, length};
use super::{Arriving, LONGEST_HEAD, MOST_LINES, Nonsense, has_strict_lines, is_value};

/// The head of a request.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The field lines.
    pub fields: Fields,
    /// Whether target or framing could be taken in two ways: such a request is refused, and its connection ends.
    pub is_ambiguous: bool,
    /// Where the body ends; HTTP/2 frames it by itself.
    pub framing: Option<Framing>,
    /// Whether the client understands chunks and interim answers: HTTP/1.0 has none.
    pub is_1_1: bool,
    /// Whether the connection may go on after the answer.
    pub is_kept: bool,
}

/// How many empty lines may stand before a head.
pub(crate) const EMPTY_LINES: usize = 4;

/// Reads the head of a request, however it arrives.
#[derive(Debug, Default)]
pub struct HeadReader {
    arriving: Arriving,
    /// How many empty lines there were.
    empty: usize,
    /// The target of the last request: most of a client's requests have the same, and it is not parsed again.
    before: Uri,
}

impl HeadReader {
    /// A reader of the next head behind a request with this target.
    #[must_use]
    pub fn behind(before: Uri) -> Self {
        Self { before, ..Self::default() }
    }

    /// Takes the head of a request off `buffer`; none while it is not there as a whole.
    ///
    /// # Errors
    /// [`Nonsense`] where it is no head of HTTP/1.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Head>, Nonsense> {
        // Some clients send an empty line behind a body (RFC 9112 §2.2); nobody sends many.
        while buffer.starts_with(b"\r\n") {
            buffer.advance(2);
            self.empty = self.empty.saturating_add(1);
        }
        // The parser passes over bare LFs, and as many as there are.
        if self.empty > EMPTY_LINES || buffer.starts_with(b"\n") {
            return Err(Nonsense);
        }
        if !self.arriving.is_worth_parsing(buffer) {
            return Ok(None);
        }
        let head = take_head(buffer, &self.before)?;
        if head.is_none() {
            self.arriving.is_partial(buffer)?;
        }
        Ok(head)
    }
}

fn take_head(buffer: &mut BytesMut, before: &Uri) -> Result<Option<Head>, Nonsense> {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_LINES];
    let mut parsed = httparse::Request::new(&mut []);
    let length = match parsed.parse_with_uninit_headers(buffer, &mut lines) {
        Ok(httparse::Status::Complete(length)) if length <= LONGEST_HEAD => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) | Err(_) => return Err(Nonsense),
    };
    if !has_strict_lines(buffer.get(..length).unwrap_or_default()) {
        return Err(Nonsense);
    }
    let is_1_1 = match parsed.version {
        Some(1) => true,
        Some(0) => false,
        Some(_) | None => return Err(Nonsense),
    };
    let method = Method::from_bytes(parsed.method.ok_or(Nonsense)?.as_bytes()).map_err(|_| Nonsense)?;
    let target = parsed.path.ok_or(Nonsense)?;
    // No client sends a fragment, and parsers drop it: whoever does means another path than the one before. What is no
    // target at all is at no path that is served.
    let has_fragment = target.contains('#');
    let is_as_before =
        before.authority().is_none() && before.path_and_query().is_some_and(|it| it.as_str() == target);
    let uri = if is_as_before { Some(before.clone()) } else { Uri::try_from(target).ok() };
    let lines = Line::all(buffer, parsed.headers);
    let fields = Fields::new(buffer.split_to(length).freeze(), lines);
    let framing = framing(is_1_1, &fields);
    let is_ambiguous = has_fragment || uri.is_none() || framing.is_err();
    let is_kept = !is_ambiguous
        && !fields.has_option("connection", "close")
        && (is_1_1 || fields.has_option("connection", "keep-alive"));
    Ok(Some(Head {
        method,
        uri: uri.unwrap_or_default(),
        fields,
        is_ambiguous,
        framing: framing.ok(),
        is_1_1,
        is_kept,
    }))
}

/// RFC 9112 §6.3, without what leaves room for a second opinion: a transfer coding other than `chunked`, one beside a
/// length or from HTTP/1.0, and a length that is not one plain number.
fn framing(is_1_1: bool, fields: &Fields) -> Result<Framing, Nonsense> {
    let length = length(fields)?;
    match is_chunked(fields)? {
        true if !is_1_1 || length.is_some() => Err(Nonsense),
        true => Ok(Framing::Chunked(Chunk::Size)),
        false => Ok(Framing::Length(length.unwrap_or(0))),
    }
}

/// The head of an answer to a client.
#[derive(Debug, Clone)]
pub struct Reply {
    status: StatusCode,
    text: Vec<u8>,
    /// Where the lines begin, behind the status.
    begin: usize,
    has_date: bool,
}

impl Reply {
    /// A head that says no more than this.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        let mut text = Vec::with_capacity(1024);
        if status == StatusCode::OK {
            text.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        } else {
            for part in ["HTTP/1.1 ", status.as_str(), " ", status.canonical_reason().unwrap_or_default(), "\r\n"] {
                text.extend_from_slice(part.as_bytes());
            }
        }
        let begin = text.len();
        Self { status, text, begin, has_date: false }
    }

    /// Adds a line. A value that would not be one line is left out.
    pub fn line(&mut self, name: impl AsRef<[u8]>, value: &[u8]) {
        let name = name.as_ref();
        if !is_value(value) {
            return;
        }
        for part in [name, b": ", value, b"\r\n"] {
            self.text.extend_from_slice(part);
        }
        self.has_date |= name.eq_ignore_ascii_case(b"date");
    }

    /// Adds a line whose value is put together of pieces. A value that would not be one line is left out.
    pub fn line_of(&mut self, name: &str, pieces: impl FnOnce(&mut dyn FnMut(&str))) {
        let before = self.text.len();
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b": ");
        let begin = self.text.len();
        pieces(&mut |piece| self.text.extend_from_slice(piece.as_bytes()));
        if is_value(self.text.get(begin..).unwrap_or_default()) {
            self.text.extend_from_slice(b"\r\n");
            self.has_date |= name.eq_ignore_ascii_case("date");
        } else {
            self.text.truncate(before);
        }
    }

    /// Adds a line with a number.
    pub fn number(&mut self, name: &str, number: usize) {
        self.line(name, itoa::Buffer::new().format(number).as_bytes());
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether an answer with this status has no body, whatever it says (RFC 9112 §6.3).
    #[must_use]
    pub fn has_no_body(&self) -> bool {
        matches!(self.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }

    /// Whether it says when it was made.
    #[must_use]
    pub const fn has_date(&self) -> bool {
        self.has_date
    }

    /// The lines, by name and value.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        // No line has a CR or LF in it.
        let lines = self.text.get(self.begin..).unwrap_or_default().split(|byte| *byte == b'\n');
        lines.filter_map(|line| {
            let at = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at_checked(at)?;
            Some((std::str::from_utf8(name).ok()?, value.get(1..)?.trim_ascii()))
        })
    }

    /// The bytes.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.text.extend_from_slice(b"\r\n");
        self.text
    }
}

#[cfg(test)]
mod tests;
