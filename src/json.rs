//! A strict reader of JSON text (RFC 8259) on borrowed bytes.
//!
//! It reads a document once, validates all of it, and refuses what two parsers could understand differently:
//! a key that stands twice in one object (compared after decoding escapes), bytes that are not UTF-8, a
//! byte-order mark, text after the document, nesting beyond a limit. What it hands out are slices of the input,
//! so that answers can be edited by cutting and every other byte stays as it was.

use std::borrow::Cow;
use std::ops::Range;

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonFlaw {
    /// Not one JSON text in UTF-8 without a byte-order mark.
    Syntax,
    /// A key stands twice in one object.
    KeyRepeated,
    /// Nested deeper than the limit.
    TooDeep,
    /// A string that had to be understood has a lone surrogate.
    LoneSurrogate,
}

/// What kind of value stands next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// A string of the input between its quotes, escapes not yet decoded.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// The characters of the string. Borrowed where it has no escape.
    ///
    /// # Errors
    /// [`JsonFlaw::LoneSurrogate`] where a `\u` escape is half of a surrogate pair.
    #[inline]
    pub fn decode(self) -> Result<Cow<'a, str>, JsonFlaw> {
        if self.escaped { unescape(self.raw).map(Cow::Owned) } else { Ok(Cow::Borrowed(self.raw)) }
    }
}

/// Up to this many keys of one object are compared one by one; more are sorted.
const FEW_KEYS: usize = 16;

/// A key of an object that is open.
#[derive(Clone, Copy)]
struct Key<'a> {
    /// Its first and last letters. Two keys in which they differ differ; nearly all others are the same.
    ends: u64,
    text: Text<'a>,
}

impl<'a> Key<'a> {
    /// The key with this text, which is `decoded`.
    fn new(text: Text<'a>, decoded: &str) -> Self {
        let bytes = decoded.as_bytes();
        let ends = match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
            }
            _ => bytes.iter().fold(0, |ends, byte| (ends << 8) | u64::from(*byte)),
        };
        Self { ends, text }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.ends == other.ends && (self.text.raw == other.text.raw || self.is_same_decoded(other))
    }

    /// Where an escape stands for a letter. Both were decoded before, so both can be.
    #[cold]
    fn is_same_decoded(&self, other: &Self) -> bool {
        (self.text.escaped || other.text.escaped) && self.text.decode() == other.text.decode()
    }
}

/// Reads one document from front to back.
pub struct Reader<'a> {
    text: &'a str,
    /// What is not read yet.
    rest: &'a [u8],
    depth_left: u16,
    /// Keys of the objects that are open, those of the innermost last.
    keys: Vec<Key<'a>>,
}

impl<'a> Reader<'a> {
    /// A reader of the document `bytes`, whose objects and arrays may nest `depth` deep.
    ///
    /// # Errors
    /// [`JsonFlaw::Syntax`] if the bytes are not UTF-8 or start with a byte-order mark.
    pub fn new(bytes: &'a [u8], depth: u16) -> Result<Self, JsonFlaw> {
        Self::of_text(std::str::from_utf8(bytes).map_err(|_| JsonFlaw::Syntax)?, depth)
    }

    /// As [`Self::new`], for what is known to be UTF-8.
    ///
    /// # Errors
    /// [`JsonFlaw::Syntax`] if the text starts with a byte-order mark.
    pub fn of_text(text: &'a str, depth: u16) -> Result<Self, JsonFlaw> {
        if text.starts_with('\u{feff}') {
            return Err(JsonFlaw::Syntax);
        }
        let mut reader = Self { text, rest: text.as_bytes(), depth_left: depth, keys: Vec::new() };
        reader.skip_space();
        Ok(reader)
    }

    /// The kind of the value that stands next, by its first byte.
    ///
    /// # Errors
    /// [`JsonFlaw::Syntax`] if no value can start so.
    pub fn kind(&self) -> Result<Kind, JsonFlaw> {
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(JsonFlaw::Syntax),
        }
    }

    /// Where in the input the reader stands, in bytes.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    /// Whether everything was read.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends the reading: nothing but white space may follow the document.
    ///
    /// # Errors
    /// [`JsonFlaw::Syntax`] if something does.
    pub fn end(mut self) -> Result<(), JsonFlaw> {
        self.skip_space();
        if self.is_at_end() { Ok(()) } else { Err(JsonFlaw::Syntax) }
    }

    /// Reads an object. `member` is called with each key, stands before the value, and must read exactly it.
    ///
    /// # Errors
    /// What `member` returns; [`JsonFlaw`] if this is no object, or one with a repeated key.
    pub fn object<E: From<JsonFlaw>>(
        &mut self,
        mut member: impl FnMut(&str, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{')?;
        let first_key = self.keys.len();
        if self.peek() == Some(b'}') {
            self.close();
            return Ok(());
        }
        loop {
            let text = self.string()?;
            let decoded = text.decode()?;
            self.expect(b':')?;
            self.skip_space();
            member(&decoded, self)?;
            self.note_key(Key::new(text, &decoded), first_key)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.advance(),
                Some(b'}') => break,
                _ => return Err(JsonFlaw::Syntax.into()),
            }
            self.skip_space();
        }
        self.forget_keys(first_key)?;
        self.close();
        Ok(())
    }

    /// Reads an array. `element` stands before each value and must read exactly it.
    ///
    /// # Errors
    /// What `element` returns; [`JsonFlaw`] if this is no array.
    pub fn array<E: From<JsonFlaw>>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'[')?;
        if self.peek() == Some(b']') {
            self.close();
            return Ok(());
        }
        loop {
            element(self)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.advance(),
                Some(b']') => break,
                _ => return Err(JsonFlaw::Syntax.into()),
            }
            self.skip_space();
        }
        self.close();
        Ok(())
    }

    /// Reads a string.
    ///
    /// # Errors
    /// [`JsonFlaw::Syntax`] if this is no string.
    pub fn string(&mut self) -> Result<Text<'a>, JsonFlaw> {
        let inside = self.position().saturating_add(1);
        let escaped = self.pass_string()?;
        // In front of the quote.
        let raw = self.text.get(inside..self.position().saturating_sub(1)).ok_or(JsonFlaw::Syntax)?;
        Ok(Text { raw, escaped })
    }

    /// Reads a string, and says whether it has an escape.
    #[inline]
    fn pass_string(&mut self) -> Result<bool, JsonFlaw> {
        let Some((b'"', inside)) = self.rest.split_first() else { return Err(JsonFlaw::Syntax) };
        let stop = from_stop(inside).ok_or(JsonFlaw::Syntax)?;
        let is_escaped = match stop.split_first() {
            Some((b'"', behind)) => {
                self.rest = behind;
                false
            }
            _ => {
                self.rest = behind_escapes(stop).ok_or(JsonFlaw::Syntax)?;
                true
            }
        };
        Ok(is_escaped)
    }

    /// Reads any value and returns where it stood.
    ///
    /// # Errors
    /// [`JsonFlaw`] if it is no valid value.
    pub fn skip(&mut self) -> Result<Range<usize>, JsonFlaw> {
        let start = self.position();
        self.pass()?;
        Ok(start..self.position())
    }

    /// Reads any value.
    fn pass(&mut self) -> Result<(), JsonFlaw> {
        match self.kind()? {
            Kind::Object => self.object(|_, reader| reader.pass()),
            Kind::Array => self.array(Self::pass),
            Kind::String => self.pass_string().map(drop),
            Kind::Number => self.number(),
            Kind::Bool | Kind::Null => self.literal(),
        }
    }

    /// Reads any value and returns its text.
    ///
    /// # Errors
    /// [`JsonFlaw`] if it is no valid value.
    pub fn raw(&mut self) -> Result<&'a str, JsonFlaw> {
        let range = self.skip()?;
        self.text.get(range).ok_or(JsonFlaw::Syntax)
    }

    /// Reads a string without moving.
    ///
    /// # Errors
    /// [`JsonFlaw::Syntax`] if this is no string.
    pub fn peek_string(&mut self) -> Result<Text<'a>, JsonFlaw> {
        let here = self.rest;
        let text = self.string();
        self.rest = here;
        text
    }

    /// Skips white space: space, tab, line feed, carriage return.
    pub fn skip_space(&mut self) {
        while let Some((b' ' | b'\t' | b'\n' | b'\r', behind)) = self.rest.split_first() {
            self.rest = behind;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    const fn advance(&mut self) {
        if let Some((_, behind)) = self.rest.split_first() {
            self.rest = behind;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonFlaw> {
        self.skip_space();
        if self.peek() != Some(byte) {
            return Err(JsonFlaw::Syntax);
        }
        self.advance();
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<(), JsonFlaw> {
        if self.peek() != Some(bracket) {
            return Err(JsonFlaw::Syntax);
        }
        self.depth_left = self.depth_left.checked_sub(1).ok_or(JsonFlaw::TooDeep)?;
        self.advance();
        self.skip_space();
        Ok(())
    }

    /// Leaves an object or array, at its closing bracket.
    const fn close(&mut self) {
        self.depth_left = self.depth_left.saturating_add(1);
        self.advance();
    }

    fn note_key(&mut self, key: Key<'a>, first_key: usize) -> Result<(), JsonFlaw> {
        let siblings = self.keys.get(first_key..).unwrap_or_default();
        if siblings.len() < FEW_KEYS && siblings.iter().any(|sibling| sibling.is_same(&key)) {
            return Err(JsonFlaw::KeyRepeated);
        }
        self.keys.push(key);
        Ok(())
    }

    fn forget_keys(&mut self, first_key: usize) -> Result<(), JsonFlaw> {
        let siblings = self.keys.get_mut(first_key..).unwrap_or_default();
        if siblings.len() > FEW_KEYS && has_twins(siblings)? {
            return Err(JsonFlaw::KeyRepeated);
        }
        self.keys.truncate(first_key);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonFlaw> {
        let before = self.rest.len();
        while let Some((b'0'..=b'9', behind)) = self.rest.split_first() {
            self.rest = behind;
        }
        if self.rest.len() == before { Err(JsonFlaw::Syntax) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), JsonFlaw> {
        if self.peek() == Some(b'-') {
            self.advance();
        }
        if self.peek() == Some(b'0') {
            self.advance();
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.advance();
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.advance();
            if let Some(b'+' | b'-') = self.peek() {
                self.advance();
            }
            self.digits()?;
        }
        Ok(())
    }

    fn literal(&mut self) -> Result<(), JsonFlaw> {
        self.rest = match self.rest {
            [b't', b'r', b'u', b'e', behind @ ..]
            | [b'f', b'a', b'l', b's', b'e', behind @ ..]
            | [b'n', b'u', b'l', b'l', behind @ ..] => behind,
            _ => return Err(JsonFlaw::Syntax),
        };
        Ok(())
    }
}

/// Whether two of many keys are the same. They may be sorted for that.
#[cold]
fn has_twins(keys: &mut [Key<'_>]) -> Result<bool, JsonFlaw> {
    if keys.iter().any(|key| key.text.escaped) {
        let mut texts = keys.iter().map(|key| key.text.decode()).collect::<Result<Vec<_>, _>>()?;
        texts.sort_unstable();
        return Ok(texts.windows(2).any(|pair| matches!(pair, [a, b] if a == b)));
    }
    keys.sort_unstable_by_key(|key| (key.ends, key.text.raw));
    Ok(keys.windows(2).any(|pair| matches!(pair, [a, b] if a.text.raw == b.text.raw)))
}

/// The bytes from the first quote, backslash or control character on, of which there must be one.
fn from_stop(bytes: &[u8]) -> Option<&[u8]> {
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
fn behind_escapes(stop: &[u8]) -> Option<&[u8]> {
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
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let eight = u64::from_le_bytes(*eight);
    // What borrows from its highest bit is one: `b ^ 2` is below 0x21 for control characters and the quote alone,
    // `b ^ 0x5c` is below 1 for the backslash alone. Above the first there may be false ones, to which it carried on;
    // bytes that had the bit are part of longer characters.
    let quotes = (eight ^ 0x0202_0202_0202_0202).wrapping_sub(0x2121_2121_2121_2121);
    let backslashes = (eight ^ 0x5c5c_5c5c_5c5c_5c5c).wrapping_sub(0x0101_0101_0101_0101);
    let stops = (quotes | backslashes) & !eight & HIGH;
    if stops == 0 { None } else { usize::try_from(stops.trailing_zeros() >> 3).ok() }
}

/// Decodes escapes whose form [`Reader::string`] has checked.
fn unescape(raw: &str) -> Result<String, JsonFlaw> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut chars = escape.chars();
        let decoded = match chars.next().ok_or(JsonFlaw::Syntax)? {
            'u' => unicode_escape(&mut chars)?,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            same => same,
        };
        text.push(decoded);
        rest = chars.as_str();
    }
    text.push_str(rest);
    Ok(text)
}

/// Behind `\u`: four hexadecimal digits, and the second half of a surrogate pair where they are the first.
fn unicode_escape(chars: &mut std::str::Chars<'_>) -> Result<char, JsonFlaw> {
    let first = four_digits(chars)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char::from_u32(first).ok_or(JsonFlaw::LoneSurrogate);
    }
    if chars.next() != Some('\\') || chars.next() != Some('u') {
        return Err(JsonFlaw::LoneSurrogate);
    }
    let second = four_digits(chars)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Err(JsonFlaw::LoneSurrogate);
    }
    let high = (first & 0x3FF) << 10;
    let low = second & 0x3FF;
    char::from_u32(0x1_0000_u32.saturating_add(high | low)).ok_or(JsonFlaw::LoneSurrogate)
}

fn four_digits(chars: &mut std::str::Chars<'_>) -> Result<u32, JsonFlaw> {
    let mut value = 0;
    for _ in 0..4 {
        let digit = chars.next().and_then(|digit| digit.to_digit(16)).ok_or(JsonFlaw::Syntax)?;
        value = (value << 4) | digit;
    }
    Ok(value)
}

/// `text` as a JSON string, quotes included.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    push_quoted(&mut out, text);
    out
}

/// Appends `text` to `out` as a JSON string, quotes included.
pub fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    // Nearly every text is plain.
    if text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~')) {
        out.push_str(text);
        out.push('"');
        return;
    }
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Line separators too: the text may end in a log that is split at them.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
