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
    pub fn decode(self) -> Result<Cow<'a, str>, JsonFlaw> {
        if self.escaped { unescape(self.raw).map(Cow::Owned) } else { Ok(Cow::Borrowed(self.raw)) }
    }
}

/// Up to this many keys of one object are compared one by one; more are sorted.
const FEW_KEYS: usize = 16;

/// Reads one document from front to back.
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth_left: u16,
    /// Keys of the objects that are open, those of the innermost last.
    keys: Vec<Cow<'a, str>>,
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
        let mut reader = Self { text, at: 0, depth_left: depth, keys: Vec::new() };
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
        self.at
    }

    /// Whether everything was read.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
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
            let key = self.string()?.decode()?;
            self.expect(b':')?;
            self.skip_space();
            member(&key, self)?;
            self.note_key(key, first_key)?;
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
        if self.peek() != Some(b'"') {
            return Err(JsonFlaw::Syntax);
        }
        self.advance();
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at = self.at.saturating_add(plain_length(self.bytes_from(self.at))?);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.skip_escape()?;
                }
                _ => return Err(JsonFlaw::Syntax),
            }
        }
        let raw = self.text.get(start..self.at).ok_or(JsonFlaw::Syntax)?;
        self.advance();
        Ok(Text { raw, escaped })
    }

    /// Reads any value and returns where it stood.
    ///
    /// # Errors
    /// [`JsonFlaw`] if it is no valid value.
    pub fn skip(&mut self) -> Result<Range<usize>, JsonFlaw> {
        let start = self.at;
        match self.kind()? {
            Kind::Object => self.object(|_, reader| reader.skip().map(drop))?,
            Kind::Array => self.array(|reader| reader.skip().map(drop))?,
            Kind::String => drop(self.string()?),
            Kind::Number => self.number()?,
            Kind::Bool | Kind::Null => self.literal()?,
        }
        Ok(start..self.at)
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
        let here = self.at;
        let text = self.string();
        self.at = here;
        text
    }

    /// Skips white space: space, tab, line feed, carriage return.
    pub fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.advance();
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn bytes_from(&self, at: usize) -> &'a [u8] {
        self.text.as_bytes().get(at..).unwrap_or_default()
    }

    const fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
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

    fn note_key(&mut self, key: Cow<'a, str>, first_key: usize) -> Result<(), JsonFlaw> {
        let siblings = self.keys.get(first_key..).unwrap_or_default();
        if siblings.len() < FEW_KEYS && siblings.contains(&key) {
            return Err(JsonFlaw::KeyRepeated);
        }
        self.keys.push(key);
        Ok(())
    }

    fn forget_keys(&mut self, first_key: usize) -> Result<(), JsonFlaw> {
        let siblings = self.keys.get_mut(first_key..).unwrap_or_default();
        if siblings.len() > FEW_KEYS {
            siblings.sort_unstable();
            if siblings.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
                return Err(JsonFlaw::KeyRepeated);
            }
        }
        self.keys.truncate(first_key);
        Ok(())
    }

    /// At a backslash: skips the escape, whose form is checked.
    fn skip_escape(&mut self) -> Result<(), JsonFlaw> {
        match self.bytes_from(self.at) {
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => {
                self.at = self.at.saturating_add(2);
                Ok(())
            }
            [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
                self.at = self.at.saturating_add(6);
                Ok(())
            }
            _ => Err(JsonFlaw::Syntax),
        }
    }

    fn digits(&mut self) -> Result<(), JsonFlaw> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.advance();
        }
        if self.at == start { Err(JsonFlaw::Syntax) } else { Ok(()) }
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
        let rest = self.bytes_from(self.at);
        let found = [&b"true"[..], b"false", b"null"].into_iter().find(|word| rest.starts_with(word));
        self.at = self.at.saturating_add(found.ok_or(JsonFlaw::Syntax)?.len());
        Ok(())
    }
}

/// How many bytes stand before the first quote, backslash or control character, of which there must be one.
fn plain_length(bytes: &[u8]) -> Result<usize, JsonFlaw> {
    /// Most strings are this short: names, numbers as text. Setting up a wide search would cost more than it saves.
    const SHORT: usize = 32;
    let mut at: usize = 0;
    while at < SHORT {
        let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) else { break };
        let stops = stops_in(u64::from_le_bytes(*eight));
        if stops != 0 {
            let place = stops.trailing_zeros() >> 3;
            return Ok(at.saturating_add(usize::try_from(place).unwrap_or_default()));
        }
        at = at.saturating_add(8);
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let stop = memchr::memchr2(b'"', b'\\', rest).ok_or(JsonFlaw::Syntax)?;
    let plain = rest.get(..stop).ok_or(JsonFlaw::Syntax)?;
    // No early exit, so that the compiler makes it wide.
    if plain.iter().fold(false, |seen, byte| seen | (*byte < 0x20)) {
        return Err(JsonFlaw::Syntax);
    }
    Ok(at.saturating_add(stop))
}

/// The highest bit of each of eight bytes that is a quote, a backslash or a control character. Above the first that is
/// one there may be false ones, since what is borrowed there carries on.
const fn stops_in(eight: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // A byte that equals the wanted one is zero after the XOR, and borrows from the bit above it.
    let quote = eight ^ 0x2222_2222_2222_2222;
    let backslash = eight ^ 0x5c5c_5c5c_5c5c_5c5c;
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    let controls = eight.wrapping_sub(0x2020_2020_2020_2020) & !eight;
    (quotes | backslashes | controls) & HIGH
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
