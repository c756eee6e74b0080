//! HTTP/1.1 towards the upstream: the head of a request, and the head and framing of an answer (RFC 9112).
//!
//! Heads are parsed by `httparse`. Which bytes belong to an answer is decided here, and more strictly than RFC 9112 asks
//! a client to: whatever two readers could take differently is no answer, so that no byte of one caller's answer can
//! become part of another's on a connection that is used again.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{Method, StatusCode};

use super::fields::{Fields, Line};
use super::framing::{Chunk, Framing, is_chunked, length};
use super::{Arriving, LONGEST_HEAD, MOST_LINES, Nonsense, has_strict_lines, is_value};

/// The head of a request on its way to the upstream.
#[derive(Debug, Clone)]
pub struct RequestHead {
    text: Vec<u8>,
    has_body: bool,
}

impl RequestHead {
    /// A head that asks for `path`.
    #[must_use]
    pub fn new(method: &Method, path: &str) -> Self {
        let mut text = Vec::with_capacity(1024);
        for part in [method.as_str(), " ", path, " HTTP/1.1\r\n"] {
            text.extend_from_slice(part.as_bytes());
        }
        Self { text, has_body: *method == Method::POST }
    }

    /// Adds a line, its name in small letters. False, and nothing is added, where the value would not be one line.
    #[must_use]
    pub fn line(&mut self, name: impl AsRef<[u8]>, value: &[u8]) -> bool {
        if !is_value(value) {
            return false;
        }
        let start = self.text.len();
        self.text.extend_from_slice(name.as_ref());
        self.text.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
        for part in [b": ", value, b"\r\n"] {
            self.text.extend_from_slice(part);
        }
        true
    }

    /// The bytes, for a body of so many.
    #[must_use]
    pub fn finish(mut self, body: usize) -> Vec<u8> {
        // A method that has no body by itself is not said to have an empty one (RFC 9110 §8.6).
        if body > 0 || self.has_body {
            let _ = self.line("content-length", itoa::Buffer::new().format(body).as_bytes());
        }
        self.text.extend_from_slice(b"\r\n");
        self.text
    }
}

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// The field lines.
    pub fields: Fields,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the connection can be used again once the body was read to its end.
    pub is_kept: bool,
}

/// Reads the head of an answer, however it arrives.
#[derive(Debug, Default)]
pub struct HeadReader {
    arriving: Arriving,
    /// How many bytes of interim answers there were.
    interim: usize,
}

impl HeadReader {
    /// Takes the head of an answer off `buffer`; none while it is not there as a whole. Interim answers (1xx) are passed
    /// over, as long as all of them are no longer than one head may be.
    ///
    /// # Errors
    /// [`Nonsense`] where it is no head of HTTP/1.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Head>, Nonsense> {
        while self.arriving.is_worth_parsing(buffer) {
            let Some((length, head)) = parse_head(buffer)? else {
                self.arriving.is_partial(buffer)?;
                return Ok(None);
            };
            buffer.advance(length);
            self.arriving = Arriving::default();
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
}

/// How long the first head in `bytes` is, and what it says unless it is of an interim answer; none while it is not there
/// as a whole.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, Option<Head>)>, Nonsense> {
    // A parser of requests passes over empty lines, and as many as there are.
    if bytes.first().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        return Err(Nonsense);
    }
    let mut lines = [const { MaybeUninit::uninit() }; MOST_LINES];
    let mut parsed = httparse::Response::new(&mut []);
    let how = httparse::ParserConfig::default();
    let length = match how.parse_response_with_uninit_headers(&mut parsed, bytes, &mut lines) {
        Ok(httparse::Status::Complete(length)) if length <= LONGEST_HEAD => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) | Err(_) => return Err(Nonsense),
    };
    if !has_strict_lines(bytes.get(..length).unwrap_or_default()) {
        return Err(Nonsense);
    }
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
    // Copied, so that a stream that stands for hours does not hold on to the buffer.
    let text = Bytes::copy_from_slice(bytes.get(..length).unwrap_or_default());
    let fields = Fields::new(text, Line::all(bytes, parsed.headers));
    let (framing, is_kept) = framing(status, is_1_1, &fields)?;
    Ok(Some((length, Some(Head { status, fields, framing, is_kept }))))
}

/// RFC 9112 §6.3, without what leaves room for a second opinion: a transfer coding other than `chunked`, one beside a
/// length or from HTTP/1.0, and a length that is not one plain number.
fn framing(status: StatusCode, is_1_1: bool, fields: &Fields) -> Result<(Framing, bool), Nonsense> {
    let length = length(fields)?;
    let framing = match is_chunked(fields)? {
        true if !is_1_1 || length.is_some() => return Err(Nonsense),
        true => Framing::Chunked(Chunk::Size),
        false => length.map_or(Framing::UntilClose, Framing::Length),
    };
    let framing = match status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Framing::Length(0),
        _ => framing,
    };
    let is_kept = is_1_1 && framing != Framing::UntilClose && !fields.has_option("connection", "close");
    Ok((framing, is_kept))
}

#[cfg(test)]
mod tests;
