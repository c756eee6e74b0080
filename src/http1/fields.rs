//! The field lines of a head (RFC 9110 §5): the bytes that came, and where names and values stand in them.

use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;

use crate::message::agreement::Field;

/// The field lines of a head, in the order they came in. Nothing is copied or hashed: a head has a dozen of them, and each is
/// asked for once or twice.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    text: Bytes,
    lines: Vec<Line>,
}

/// Where the name and the value of a line stand.
#[derive(Debug, Clone)]
pub(super) struct Line {
    name: Range<usize>,
    value: Range<usize>,
}

impl Line {
    /// The lines that a parser found in `head`.
    pub(super) fn all(head: &[u8], found: &[httparse::Header<'_>]) -> Vec<Self> {
        let line = |line: &httparse::Header<'_>| Self {
            name: place(head, line.name.as_bytes()),
            value: place(head, line.value),
        };
        found.iter().map(line).collect()
    }
}

/// Where `part` stands in `whole`, which it was cut from.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    start..start.saturating_add(part.len())
}

impl Fields {
    /// The lines that were found in `text`, or in what `text` is a copy of.
    pub(super) const fn new(text: Bytes, lines: Vec<Line>) -> Self {
        Self { text, lines }
    }

    /// All values of lines called `name`, which is compared without case.
    pub fn all<'f, 'n: 'f>(&'f self, name: &'n str) -> impl Iterator<Item = &'f [u8]> {
        let lines = self.lines.iter().filter(move |line| {
            line.name.len() == name.len() && self.bytes(&line.name).eq_ignore_ascii_case(name.as_bytes())
        });
        lines.map(|line| self.bytes(&line.value))
    }

    /// The lines called `name` as one field.
    #[must_use]
    pub fn field(&self, name: &str) -> Field<'_> {
        let mut field = Field::Absent;
        for line in &self.lines {
            if line.name.len() == name.len() && self.bytes(&line.name).eq_ignore_ascii_case(name.as_bytes()) {
                match field {
                    Field::Absent => field = Field::Once(self.bytes(&line.value).trim_ascii()),
                    Field::Once(_) | Field::Repeated => return Field::Repeated,
                }
            }
        }
        field
    }

    /// The value of the first line called `name`.
    #[must_use]
    pub fn first<'f, 'n: 'f>(&'f self, name: &'n str) -> Option<&'f [u8]> {
        self.all(name).next()
    }

    /// The same, as a part of the head that can outlive it.
    #[must_use]
    pub fn first_shared(&self, name: &str) -> Option<Bytes> {
        self.first(name).map(|value| self.text.slice_ref(value))
    }

    /// Whether there is a line called `name`.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Whether a list of words, as `Connection` is one, has this word.
    #[must_use]
    pub fn has_option(&self, name: &str, option: &str) -> bool {
        let mut options = self.all(name).flat_map(|line| line.split(|byte| *byte == b','));
        options.any(|word| word.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
    }

    /// All lines, by name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (self.bytes(&line.name), self.bytes(&line.value)))
    }

    fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.text.get(range.clone()).unwrap_or_default()
    }
}

impl<'a> FromIterator<(&'a str, &'a [u8])> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a [u8])>>(from: I) -> Self {
        let (mut text, mut lines) = (BytesMut::new(), Vec::new());
        let mut put = |part: &[u8]| {
            let start = text.len();
            text.put_slice(part);
            start..text.len()
        };
        for (name, value) in from {
            lines.push(Line { name: put(name.as_bytes()), value: put(value) });
        }
        Self { text: text.freeze(), lines }
    }
}

impl From<&HeaderMap> for Fields {
    fn from(map: &HeaderMap) -> Self {
        map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect()
    }

    #[test]
    fn names_have_no_case_and_repetitions_are_seen() {
        let fields = fields(&[("Host", "a"), ("ACCEPT", " b "), ("accept", "c"), ("empty", "")]);
        assert_eq!(fields.field("host"), Field::Once(b"a"));
        assert_eq!(fields.field("HOST"), Field::Once(b"a"));
        assert_eq!(fields.field("accept"), Field::Repeated);
        assert_eq!(fields.field("empty"), Field::Once(b""));
        assert_eq!(fields.field("hos"), Field::Absent);
        assert_eq!(fields.first("accept"), Some(&b" b "[..]));
        assert_eq!(fields.all("Accept").count(), 2);
        assert_eq!(fields.first_shared("host").as_deref(), Some(&b"a"[..]));
        assert!(fields.contains("empty") && !fields.contains("hosts"));
        let names: Vec<_> = fields.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [&b"Host"[..], b"ACCEPT", b"accept", b"empty"]);
    }

    #[test]
    fn a_part_is_found_where_it_was_cut_from() {
        let whole = b"name: value";
        let (name, value) = (whole.get(..4).unwrap(), whole.get(6..).unwrap());
        assert_eq!((place(whole, name), place(whole, value)), (0..4, 6..11));
    }
}
