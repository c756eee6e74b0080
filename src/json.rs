//! A strict reader of JSON text (RFC 8259) on borrowed bytes.
//!
//! It reads a document once, validates all of it, and refuses what two parsers could understand differently:
//! a key that stands twice in one object (compared after decoding escapes), bytes that are not UTF-8, a
//! byte-order mark, text after the document, nesting beyond a limit. What it hands out are slices of the input,
//! so that answers can be edited by cutting and every other byte stays as it was.

mod keys;
mod scan;
mod skip;

use std::borrow::Cow;
use std::ops::Range;

use keys::Keys;

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

/// Reads one document from front to back.
pub struct Reader<'a> {
    text: &'a str,
    /// What is not read yet.
    rest: &'a [u8],
    /// How deep objects and arrays may nest.
    limit: usize,
    /// How many of them are open.
    depth: usize,
    keys: Keys<'a>,
    /// What was wrong, where [`Self::pass`] gives up.
    flaw: JsonFlaw,
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
        let rest = scan::behind_spaces(text.as_bytes());
        let limit = usize::from(depth);
        Ok(Self { text, rest, limit, depth: 0, keys: Keys::default(), flaw: JsonFlaw::Syntax })
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
        self.members(|key, reader| member(&key, reader))
    }

    /// As [`Self::object`], for those who keep the keys.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub fn members<E: From<JsonFlaw>>(
        &mut self,
        mut member: impl FnMut(Cow<'a, str>, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{')?;
        if self.peek() == Some(b'}') {
            self.close();
            return Ok(());
        }
        let mut siblings = self.keys.open();
        loop {
            let at = self.rest;
            let text = self.string()?;
            let decoded = text.decode()?;
            self.expect(b':')?;
            self.skip_space();
            self.keys.note(&mut siblings, at, text.raw, &decoded);
            member(decoded, self)?;
            self.keys.compare(&mut siblings)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.advance(),
                Some(b'}') => break,
                _ => return Err(JsonFlaw::Syntax.into()),
            }
            self.skip_space();
        }
        self.keys.close(&siblings)?;
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
        let Some((b'"', inside)) = self.rest.split_first() else { return Err(JsonFlaw::Syntax) };
        let start = self.position().saturating_add(1);
        let escaped = match scan::from_stop(inside).ok_or(JsonFlaw::Syntax)? {
            [b'"', behind @ ..] => {
                self.rest = behind;
                false
            }
            stop => {
                self.rest = scan::behind_escapes(stop).ok_or(JsonFlaw::Syntax)?;
                true
            }
        };
        // In front of the quote.
        let raw = self.text.get(start..self.position().saturating_sub(1)).ok_or(JsonFlaw::Syntax)?;
        Ok(Text { raw, escaped })
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
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.rest = scan::behind_spaces(self.rest);
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

    /// Enters an object or array, at its opening bracket, and stands before its first part or its end.
    fn open(&mut self, bracket: u8) -> Result<(), JsonFlaw> {
        if self.peek() != Some(bracket) {
            return Err(JsonFlaw::Syntax);
        }
        if self.depth >= self.limit {
            return Err(JsonFlaw::TooDeep);
        }
        self.depth = self.depth.saturating_add(1);
        self.advance();
        self.skip_space();
        Ok(())
    }

    /// Leaves an object or array, at its closing bracket.
    const fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.advance();
    }
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
    push_escaped(out, text);
    out.push('"');
}

/// Appends `text` to `out` as a part of a JSON string.
pub fn push_escaped(out: &mut String, text: &str) {
    // Nearly every text is plain.
    if text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~')) {
        out.push_str(text);
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
}

#[cfg(test)]
mod tests;
