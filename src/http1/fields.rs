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
    lengths: Lengths,
}

/// How long the names are, as bits: most that are asked for are not there, and no line must be looked at to see it.
#[derive(Debug, Clone, Copy, Default)]
struct Lengths(u64);

impl Lengths {
    fn of(lines: &[Line]) -> Self {
        Self(lines.iter().fold(0, |bits, line| bits | Self::bit(line.name.len())))
    }

    const fn has(self, length: usize) -> bool {
        self.0 & Self::bit(length) != 0
    }

    const fn bit(length: usize) -> u64 {
        1 << if length < 63 { length } else { 63 }
    }
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

/// Whether two names of fields are one but for their case. Names are tokens (RFC 9110 §5.1), and `known` has no other signs
/// than `-`. Eight bytes are looked at together: a head is asked for twenty names.
#[must_use]
pub fn is_called(name: &[u8], known: &str) -> bool {
    const OF_LETTERS: u64 = 0x4040_4040_4040_4040;
    let is_same = |(one, other): (&[u8; 8], &[u8; 8])| {
        let (one, other) = (u64::from_le_bytes(*one), u64::from_le_bytes(*other));
        // Where there is a letter, its case may differ.
        (one ^ other) & !((other & OF_LETTERS) >> 1) == 0
    };
    let known = known.as_bytes();
    if name.len() != known.len() {
        return false;
    }
    debug_assert!(known.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'), "it would match others");
    match (name.last_chunk(), known.last_chunk()) {
        (Some(end), Some(of_known)) => {
            is_same((end, of_known)) && name.as_chunks().0.iter().zip(known.as_chunks().0).all(is_same)
        }
        _ => name.eq_ignore_ascii_case(known),
    }
}

/// Where `part` stands in `whole`, which it was cut from.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    start..start.saturating_add(part.len())
}

impl Fields {
    /// The lines that were found in `text`, or in what `text` is a copy of.
    pub(super) fn new(text: Bytes, lines: Vec<Line>) -> Self {
        let lengths = Lengths::of(&lines);
        Self { text, lines, lengths }
    }

    /// All values of lines called `name`, which is compared without case.
    pub fn all<'f, 'n: 'f>(&'f self, name: &'n str) -> impl Iterator<Item = &'f [u8]> {
        self.called(name).map(|line| self.bytes(&line.value))
    }

    /// The lines called `name` as one field.
    #[must_use]
    pub fn field(&self, name: &str) -> Field<'_> {
        let mut field = Field::Absent;
        for line in self.called(name) {
            match field {
                Field::Absent => field = Field::Once(self.bytes(&line.value).trim_ascii()),
                Field::Once(_) | Field::Repeated => return Field::Repeated,
            }
        }
        field
    }

    fn called<'f, 'n: 'f>(&'f self, name: &'n str) -> impl Iterator<Item = &'f Line> {
        let lines = if self.lengths.has(name.len()) { self.lines.as_slice() } else { &[] };
        lines.iter().filter(move |line| line.name.len() == name.len() && is_called(self.bytes(&line.name), name))
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
        Self::new(text.freeze(), lines)
    }
}

impl From<&HeaderMap> for Fields {
    fn from(map: &HeaderMap) -> Self {
        map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn names_differ_by_their_case_alone(known in "[a-z0-9-]{0,40}", other in "[!#$%&'*+.^_`|~0-9A-Za-z-]{1}", at: usize) {
            prop_assert!(is_called(known.as_bytes(), &known));
            prop_assert!(is_called(known.to_ascii_uppercase().as_bytes(), &known));
            prop_assert!(!is_called([&known, "a"].concat().as_bytes(), &known));
            let mut name = known.clone().into_bytes();
            if let Some(place) = at.checked_rem(known.len()).and_then(|at| name.get_mut(at)) {
                *place = other.as_bytes()[0];
            }
            prop_assert_eq!(is_called(&name, &known), name.eq_ignore_ascii_case(known.as_bytes()));
        }
    }

    #[test]
    fn names_of_any_length_are_found() {
        let names: Vec<String> = (1..200).map(|length| "n".repeat(length)).collect();
        for name in &names {
            let one: Fields = [("other", &b"1"[..]), (name, b"2")].into_iter().collect();
            for other in &names {
                let expected = if other == name { Field::Once(&b"2"[..]) } else { Field::Absent };
                assert_eq!(one.field(other), expected, "{} among {}", other.len(), name.len());
                assert_eq!(one.contains(other), other == name);
            }
        }
    }

    #[test]
    fn a_part_is_found_where_it_was_cut_from() {
        let whole = b"name: value";
        let (name, value) = (whole.get(..4).unwrap(), whole.get(6..).unwrap());
        assert_eq!((place(whole, name), place(whole, value)), (0..4, 6..11));
    }
}
