//! What must hold for whatever arrives on a connection of HTTP/1.1.
//!
//! The first four bytes of an input say how the rest is cut into the pieces in which it arrives.

mod reference;

use bytes::BytesMut;
use http::{Method, StatusCode};

use crate::http1::Nonsense;
use crate::http1::client::{self, Reply};
use crate::http1::fields::Fields;
use crate::http1::framing::{Chunk, Framing, Piece};
use crate::http1::upstream::{self, RequestHead};
use reference::{End, Said};

/// Whatever a client sends: in whichever pieces it arrives it is the same requests, which a strict reader of another make
/// takes for the same, and ends them at the same byte; and what is written of them anew is read as what they were.
pub fn requests(bytes: &[u8]) {
    check(Sender::Client, bytes);
}

/// Whatever the upstream sends: the same for answers.
pub fn answers(bytes: &[u8]) {
    check(Sender::Upstream, bytes);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Client,
    Upstream,
}

/// What of a head tells what its message is and where it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    start: Start,
    lines: Lines,
    framing: Option<Framing>,
    is_kept: bool,
}

type Lines = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    /// Method and path, and whether it is HTTP/1.1.
    Request(Method, String, bool),
    Answer(StatusCode),
}

#[derive(Debug, PartialEq, Eq)]
struct Message {
    head: Head,
    /// As far as it arrived.
    body: Vec<u8>,
    stop: Stop,
}

/// Where a reader stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// At an end.
    End,
    /// Before something that has not arrived.
    More,
    /// At what it does not take.
    Nonsense,
}

/// All that was read of a connection, where its reader stopped, and what it left.
struct Read {
    messages: Vec<Message>,
    stop: Stop,
    rest: Vec<u8>,
}

/// A connection.
struct Line<'a> {
    buffer: BytesMut,
    pieces: std::vec::IntoIter<&'a [u8]>,
}

fn lines(fields: &Fields) -> Lines {
    fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

impl From<client::Head> for Head {
    fn from(head: client::Head) -> Self {
        let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let framing = head.framing.filter(|_| !head.is_ambiguous);
        assert!(framing.is_some() || !head.is_kept, "goes on behind what could be taken in two ways");
        Self {
            start: Start::Request(head.method, path, head.is_1_1),
            lines: lines(&head.fields),
            framing,
            is_kept: head.is_kept,
        }
    }
}

impl From<upstream::Head> for Head {
    fn from(head: upstream::Head) -> Self {
        Self {
            start: Start::Answer(head.status),
            lines: lines(&head.fields),
            framing: Some(head.framing),
            is_kept: head.is_kept,
        }
    }
}

impl Line<'_> {
    fn has_more(&mut self) -> bool {
        self.pieces.next().map(|piece| self.buffer.extend_from_slice(piece)).is_some()
    }

    fn head(&mut self, sender: Sender) -> Result<Head, Stop> {
        let (mut of_request, mut of_answer) = (client::HeadReader::default(), upstream::HeadReader::default());
        loop {
            let head = match sender {
                Sender::Client => of_request.take(&mut self.buffer).map(|head| head.map(Head::from)),
                Sender::Upstream => of_answer.take(&mut self.buffer).map(|head| head.map(Head::from)),
            };
            match head {
                Ok(Some(head)) => return Ok(head),
                Ok(None) if self.has_more() => {}
                Ok(None) => return Err(Stop::More),
                Err(Nonsense) => return Err(Stop::Nonsense),
            }
        }
    }

    fn body(&mut self, mut framing: Framing) -> (Vec<u8>, Stop) {
        let mut body = Vec::new();
        loop {
            match framing.take(&mut self.buffer) {
                Ok(Piece::Data(data)) => {
                    assert!(!data.is_empty(), "a piece of nothing");
                    body.extend_from_slice(&data);
                }
                Ok(Piece::End) => return (body, Stop::End),
                Ok(Piece::More) if self.has_more() => {}
                Ok(Piece::More) if framing == Framing::UntilClose => return (body, Stop::End),
                Ok(Piece::More) => return (body, Stop::More),
                Err(Nonsense) => return (body, Stop::Nonsense),
            }
        }
    }
}

/// Reads what arrives in these pieces, message by message for as long as the connection goes on.
fn read(sender: Sender, pieces: Vec<&[u8]>) -> Read {
    let mut line = Line { buffer: BytesMut::new(), pieces: pieces.into_iter() };
    let mut messages = Vec::new();
    let stop = loop {
        let head = match line.head(sender) {
            Ok(head) => head,
            Err(stop) => break stop,
        };
        let (body, stop) = head.framing.map_or((Vec::new(), Stop::End), |framing| line.body(framing));
        let is_over = stop != Stop::End || !head.is_kept;
        messages.push(Message { head, body, stop });
        if is_over {
            break stop;
        }
    };
    while line.has_more() {}
    Read { messages, stop, rest: line.buffer.to_vec() }
}

/// Cuts a text into pieces of these sizes, again and again.
fn cut(mut text: &[u8], sizes: [u8; 4]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    for size in sizes.into_iter().cycle() {
        if text.is_empty() {
            break;
        }
        let (piece, rest) = text.split_at(usize::from(size).clamp(1, text.len()));
        pieces.push(piece);
        text = rest;
    }
    pieces
}

fn check(sender: Sender, bytes: &[u8]) {
    let Some((sizes, text)) = bytes.split_first_chunk::<4>() else { return };
    let whole = read(sender, vec![text]);
    let mut pieces = cut(text, *sizes);
    let mut parts = read(sender, pieces.clone());
    if (whole.stop, parts.stop) == (Stop::Nonsense, Stop::More) {
        // What drips is not parsed for each byte: that it is no head shows with the next line end at the latest.
        pieces.push(b"\n");
        parts = read(sender, pieces);
    }
    assert_eq!(parts.messages, whole.messages, "other messages in pieces");
    assert_eq!(parts.stop, whole.stop, "another end in pieces");
    if whole.stop != Stop::Nonsense {
        assert_eq!(parts.rest, whole.rest, "another rest in pieces");
    }
    compare(sender, text, &whole);
    for message in whole.messages.iter().filter(|message| message.head.framing.is_some()) {
        write_anew(&message.head, message.body.len());
    }
}

/// A strict reader of another make takes the text for the same messages.
fn compare(sender: Sender, text: &[u8], whole: &Read) {
    let mut rest = text;
    for message in &whole.messages {
        rest = behind_what_is_passed_over(sender, rest);
        let length = reference::length(rest).unwrap_or_else(|| panic!("a head that has no end: {rest:?}"));
        let (head, behind) = rest.split_at(length);
        let Some(head) = reference::Head::read(head) else { panic!("accepted what is no head: {head:?}") };
        let framing = same_head(&head, &message.head);
        let body = match framing {
            // The connection ends here.
            None => reference::plain(behind, 0),
            Some(Framing::Length(length)) => reference::plain(behind, length),
            Some(Framing::Chunked(_)) => reference::chunked(behind),
            Some(Framing::UntilClose) => reference::plain(behind, u64::try_from(behind.len()).unwrap_or(u64::MAX)),
        };
        assert_eq!(body.bytes, message.body, "another body");
        rest = match (message.stop, body.end) {
            (Stop::End, End::At(length)) => &behind[length..],
            (Stop::More, End::Later) | (Stop::Nonsense, End::Nonsense) => return,
            (stop, end) => panic!("a body that ends elsewhere: {stop:?}, {end:?}"),
        };
    }
    match whole.stop {
        Stop::End => assert_eq!(rest, whole.rest, "another end"),
        Stop::More => {
            assert!(reference::length(&whole.rest).is_none(), "a head that is left waiting: {:?}", whole.rest);
            assert_eq!(behind_what_is_passed_over(sender, rest), whole.rest, "another end");
        }
        Stop::Nonsense => {}
    }
}

/// What is behind the empty lines before a request, or behind the interim answers before an answer.
fn behind_what_is_passed_over(sender: Sender, mut text: &[u8]) -> &[u8] {
    match sender {
        Sender::Client => {
            while let Some(rest) = text.strip_prefix(b"\r\n") {
                text = rest;
            }
        }
        Sender::Upstream => {
            while let Some((head, rest)) = reference::length(text).and_then(|length| text.split_at_checked(length))
            {
                let status = reference::Head::read(head).and_then(|head| head.answer());
                if status.is_none_or(|(status, _)| status >= 200) {
                    break;
                }
                text = rest;
            }
        }
    }
    text
}

/// The head is what the other reader takes it for; its framing.
fn same_head(other: &reference::Head<'_>, head: &Head) -> Option<Framing> {
    let of_other: Lines = other.lines.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    assert_eq!(of_other, head.lines, "other lines");
    let (framing, is_kept) = match &head.start {
        Start::Request(method, path, is_1_1) => {
            let Some((of_other, target, version)) = other.request() else { panic!("accepted no request") };
            assert_eq!((of_other, version), (method.as_str().as_bytes(), *is_1_1), "another method or version");
            let framing = match other.said(version) {
                Said::Nothing => Some(Framing::Length(0)),
                Said::Length(length) => Some(Framing::Length(length)),
                Said::Chunked => Some(Framing::Chunked(Chunk::Size)),
                Said::TwoThings => None,
            };
            let has_fragment = target.contains(&b'#');
            if head.framing.is_none() {
                // What is no target stands for the root.
                let is_target = path != "/" || target == b"/";
                assert!(framing.is_none() || has_fragment || !is_target, "can be taken in one way alone");
                return None;
            }
            assert!(!has_fragment, "a fragment");
            assert_eq!(path.as_bytes(), reference::Head::path(target), "another path");
            (framing, version || other.has_option("keep-alive"))
        }
        Start::Answer(status) => {
            let Some((of_other, version)) = other.answer() else { panic!("accepted no answer") };
            assert_eq!(of_other, status.as_u16(), "another status");
            let framing = match (other.said(version), of_other) {
                (Said::TwoThings, _) => None,
                (_, 204 | 304) => Some(Framing::Length(0)),
                (Said::Nothing, _) => Some(Framing::UntilClose),
                (Said::Length(length), _) => Some(Framing::Length(length)),
                (Said::Chunked, _) => Some(Framing::Chunked(Chunk::Size)),
            };
            (framing, version && framing != Some(Framing::UntilClose))
        }
    };
    assert_eq!(framing, head.framing, "another framing");
    assert_eq!(is_kept && !other.has_option("close"), head.is_kept, "another end of the connection");
    framing
}

/// The lines of a head, without those that frame a body, are read as the same when they were written again.
fn write_anew(head: &Head, length: usize) {
    let is_of_framing = |name: &[u8]| {
        ["content-length", "transfer-encoding"].iter().any(|of| name.eq_ignore_ascii_case(of.as_bytes()))
    };
    let mut lines = head.lines.clone();
    lines.retain(|(name, _)| !is_of_framing(name));
    // One more is written.
    lines.truncate(100);
    let sender = if matches!(head.start, Start::Answer(_)) { Sender::Upstream } else { Sender::Client };
    let text = match &head.start {
        Start::Request(_, path, _) if path.is_empty() => return,
        Start::Request(method, path, _) => {
            let mut written = RequestHead::new(method, path);
            for (name, value) in &mut lines {
                assert!(written.line(&*name, value), "a value that is none: {value:?}");
                name.make_ascii_lowercase();
            }
            written.finish(length)
        }
        Start::Answer(status) => {
            let mut written = Reply::new(*status);
            for (name, value) in &lines {
                written.line(name, value);
            }
            if !written.has_no_body() {
                written.number("Content-Length", length);
            }
            let of_reply: Lines = written.lines().map(|(name, value)| (name.into(), value.to_vec())).collect();
            assert!(of_reply.starts_with(&lines), "other lines: {of_reply:?}");
            written.finish()
        }
    };
    let mut line = Line { buffer: BytesMut::from(&text[..]), pieces: Vec::new().into_iter() };
    let mut again = match line.head(sender) {
        Ok(head) => head,
        Err(stop) => panic!("wrote what is no head: {stop:?}, {}", text.escape_ascii()),
    };
    assert!(line.buffer.is_empty(), "wrote more than a head");
    again.lines.retain(|(name, _)| !is_of_framing(name));
    assert_eq!(again.lines, lines, "wrote other lines");
    let has_length = !matches!(head.start, Start::Answer(StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED));
    let length = u64::try_from(if has_length { length } else { 0 }).unwrap_or(u64::MAX);
    assert_eq!(again.framing, Some(Framing::Length(length)), "wrote another framing");
    match (&again.start, &head.start) {
        (Start::Request(method, path, _), Start::Request(of, at, _)) => assert_eq!((method, path), (of, at)),
        (again, start) => assert_eq!(again, start, "wrote another status"),
    }
}
