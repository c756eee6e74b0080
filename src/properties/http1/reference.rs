//! A strict reader of HTTP/1.1 for whole texts, to compare the gateway's with. It shares no code with it.
#![expect(clippy::arithmetic_side_effects, reason = "places in a text, and what is read of one")]

/// The head of a message.
pub(super) struct Head<'a> {
    /// The parts of the first line.
    pub(super) start: [&'a [u8]; 3],
    /// The field lines, by name and value.
    pub(super) lines: Vec<(&'a [u8], &'a [u8])>,
}

/// Where a body ends, by what the head says alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It says nothing.
    Nothing,
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// It says it in a way that could be taken in two.
    TwoThings,
}

/// What a body is as far as it is there.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) end: End,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Behind so many bytes of the text.
    At(usize),
    /// Not here.
    Later,
    /// Nowhere: what stands here is no chunk.
    Nonsense,
}

/// The longest line of a chunk's size, and of all trailers.
const LONGEST_LINE: usize = 4096;

fn is_token(text: &[u8]) -> bool {
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_of_token)
}

/// Whether text has nothing in it that could end a line, and no other control.
fn is_text(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Where the first CRLF stands.
fn line_end(text: &[u8]) -> Option<usize> {
    text.windows(2).position(|pair| pair == b"\r\n")
}

/// How long the first head in a text is with the empty line behind it, if it is there as a whole.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    text.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// A field line.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    (is_token(name) && is_text(value)).then_some((name, value))
}

/// The first two parts of a line end with the first two spaces in it; the rest may have more.
fn parts(line: &[u8]) -> Option<[&[u8]; 3]> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    Some([parts.next()?, parts.next()?, parts.next().unwrap_or_default()])
}

impl<'a> Head<'a> {
    /// Reads a text that ends with the empty line.
    pub(super) fn read(text: &'a [u8]) -> Option<Self> {
        let mut rest = text.strip_suffix(b"\r\n")?;
        let mut next = || {
            let end = line_end(rest)?;
            let line = &rest[..end];
            rest = &rest[end + 2..];
            Some(line)
        };
        let first = next()?;
        let mut lines = Vec::new();
        while let Some(line) = next() {
            lines.push(field(line)?);
        }
        (is_text(first) && rest.is_empty()).then_some(Self { start: parts(first)?, lines })
    }

    /// A request's method, target and whether it is HTTP/1.1.
    pub(super) fn request(&self) -> Option<(&'a [u8], &'a [u8], bool)> {
        let [method, target, version] = self.start;
        let is_target = !target.is_empty() && !target.iter().any(|byte| *byte <= b' ');
        (is_token(method) && is_target).then_some((method, target, is_1_1(version)?))
    }

    /// The path and the query of a request's target, if it has a path.
    pub(super) fn path(target: &[u8]) -> Vec<u8> {
        let scheme = target.windows(3).position(|three| three == b"://");
        match (target, scheme) {
            ([b'/', ..] | b"*", _) => target.to_vec(),
            (_, Some(at)) => {
                let authority = &target[at + 3..];
                let begin = authority.iter().position(|byte| b"/?".contains(byte)).unwrap_or(authority.len());
                let path = &authority[begin..];
                if path.starts_with(b"/") { path.to_vec() } else { [b"/", path].concat() }
            }
            _ => Vec::new(),
        }
    }

    /// An answer's status and whether it is HTTP/1.1.
    pub(super) fn answer(&self) -> Option<(u16, bool)> {
        let [version, status, _] = self.start;
        let is_status = status.len() == 3 && status.iter().all(u8::is_ascii_digit);
        let status = std::str::from_utf8(status).ok().filter(|_| is_status)?;
        Some((status.parse().ok()?, is_1_1(version)?))
    }

    fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        let is_called = move |line: &&(&[u8], &[u8])| line.0.eq_ignore_ascii_case(name.as_bytes());
        self.lines.iter().filter(is_called).map(|line| line.1)
    }

    /// Where the body ends.
    pub(super) fn said(&self, is_1_1: bool) -> Said {
        let lengths: Vec<_> = self.values("content-length").collect();
        let codings: Vec<_> = self.values("transfer-encoding").map(<[u8]>::to_ascii_lowercase).collect();
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Said::Nothing,
            ([], [coding]) if coding == b"chunked" && is_1_1 => Said::Chunked,
            ([digits], []) if digits.iter().all(u8::is_ascii_digit) && digits.len() <= 18 => {
                let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                number.map_or(Said::TwoThings, Said::Length)
            }
            _ => Said::TwoThings,
        }
    }

    /// Whether `Connection` names an option.
    pub(super) fn has_option(&self, option: &str) -> bool {
        let mut options = self.values("connection").flat_map(|line| line.split(|byte| *byte == b','));
        options.any(|word| trim(word).eq_ignore_ascii_case(option.as_bytes()))
    }
}

fn is_1_1(version: &[u8]) -> Option<bool> {
    match version {
        b"HTTP/1.1" => Some(true),
        b"HTTP/1.0" => Some(false),
        _ => None,
    }
}

/// A body of so many bytes, at the begin of a text.
pub(super) fn plain(text: &[u8], length: u64) -> Body {
    match usize::try_from(length) {
        Ok(length) if length <= text.len() => Body { bytes: text[..length].to_vec(), end: End::At(length) },
        _ => Body { bytes: text.to_vec(), end: End::Later },
    }
}

/// A body in chunks, at the begin of a text.
pub(super) fn chunked(text: &[u8]) -> Body {
    let mut bytes = Vec::new();
    let mut rest = text;
    let end = loop {
        match chunk(rest, &mut bytes) {
            Ok((next, false)) => rest = next,
            Ok((next, true)) => break trailers(next, text.len() - next.len()),
            Err(end) => break end,
        }
    };
    Body { bytes, end }
}

/// The first line of a text and what is behind it.
fn line(text: &[u8]) -> Result<(&[u8], &[u8]), End> {
    let Some(lf) = text.iter().position(|byte| *byte == b'\n') else {
        // The CR of the line end may be there already.
        return Err(if text.len() <= LONGEST_LINE + 1 { End::Later } else { End::Nonsense });
    };
    let (line, rest) = (&text[..lf], &text[lf + 1..]);
    match line.strip_suffix(b"\r") {
        Some(line) if line.len() <= LONGEST_LINE && is_text(line) => Ok((line, rest)),
        _ => Err(End::Nonsense),
    }
}

/// Takes one chunk off; what is behind it, and whether it was the last.
fn chunk<'t>(text: &'t [u8], bytes: &mut Vec<u8>) -> Result<(&'t [u8], bool), End> {
    let (line, rest) = line(text)?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extension) = line.split_at(digits);
    if !(1..=15).contains(&digits.len()) || !(extension.is_empty() || trim(extension).starts_with(b";")) {
        return Err(End::Nonsense);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| End::Nonsense)?;
    let size = usize::from_str_radix(digits, 16).map_err(|_| End::Nonsense)?;
    if size == 0 {
        return Ok((rest, true));
    }
    bytes.extend_from_slice(&rest[..size.min(rest.len())]);
    match rest.get(size..) {
        None | Some([] | [b'\r']) => Err(End::Later),
        Some([b'\r', b'\n', next @ ..]) => Ok((next, false)),
        Some(_) => Err(End::Nonsense),
    }
}

/// Where the trailers end that begin behind so many bytes.
fn trailers(text: &[u8], before: usize) -> End {
    let (mut rest, mut seen) = (text, 0);
    loop {
        let (line, next) = match line(rest) {
            Ok(found) => found,
            Err(end) => return end,
        };
        if line.is_empty() {
            return End::At(before + text.len() - next.len());
        }
        seen += line.len();
        if seen > LONGEST_LINE || field(line).is_none() {
            return End::Nonsense;
        }
        rest = next;
    }
}
