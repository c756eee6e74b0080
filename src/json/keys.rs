//! The keys of objects, and whether one of them stands twice.

use super::scan::{behind_spaces, behind_text, short_string};
use super::{JsonFlaw, unescape};

/// Up to this many keys of one object are compared one by one; more are sorted.
pub(super) const FEW_KEYS: usize = 16;

/// The most keys of an object that are remembered.
const WIDEST: usize = 256;

/// A key of an object.
#[derive(Clone, Copy)]
struct Key<'a> {
    /// The text from its first quote on.
    text: &'a [u8],
    /// How long it is between its quotes, as written.
    length: usize,
    /// How long it is with its quotes and its colon; longer than any text where white space is between these.
    whole: usize,
    /// The first eight bytes of the text, of which the last so many bits are not of the key and its colon.
    first: u64,
    foreign: u32,
    /// Of a key of at most seven bytes, these and a quote; of others the first and last. Two keys in which they differ
    /// differ; nearly all others are the same.
    ends: u64,
    /// Of the first key of an object that is closed, and was not changed since: where its keys end. Of others nothing.
    end: usize,
}

impl<'a> Key<'a> {
    /// A key with which `text` begins, `length` bytes between its quotes.
    #[inline]
    fn new(text: &'a [u8], length: usize, ends: u64) -> Self {
        let whole = length.wrapping_add(3);
        let has_colon = text.get(length.wrapping_add(2)) == Some(&b':');
        match text.first_chunk() {
            Some(first) if has_colon => {
                let foreign = u32::try_from(8_usize.saturating_sub(whole) << 3).unwrap_or_default();
                Self { text, length, whole, first: u64::from_le_bytes(*first), foreign, ends, end: 0 }
            }
            _ => Self { text, length, whole: usize::MAX, first: 0, foreign: 0, ends, end: 0 },
        }
    }

    /// Between its quotes, as written.
    fn raw(&self) -> &'a [u8] {
        self.text.get(1..).and_then(|inside| inside.get(..self.length)).unwrap_or_default()
    }

    fn is_same(&self, other: &Self) -> bool {
        self.ends == other.ends && (self.raw() == other.raw() || self.is_same_decoded(other))
    }

    /// Where an escape stands for a letter. Both were decoded before, so both can be.
    #[cold]
    fn is_same_decoded(&self, other: &Self) -> bool {
        (self.is_escaped() || other.is_escaped()) && decoded(self.raw()) == decoded(other.raw())
    }

    fn is_escaped(&self) -> bool {
        self.raw().contains(&b'\\')
    }

    /// What is behind this key and its colon, if they are what stands here.
    #[inline(always)]
    fn behind<'b>(&self, rest: &'b [u8]) -> Option<&'b [u8]> {
        let differing = u64::from_le_bytes(*rest.first_chunk()?) ^ self.first;
        let is_same = differing.wrapping_shl(self.foreign) == 0 && (self.whole <= 8 || self.is_long_at(rest));
        if is_same { rest.get(self.whole..) } else { None }
    }

    /// Whether this key and its colon stand here, if the first eight bytes do.
    #[inline(never)]
    fn is_long_at(&self, rest: &[u8]) -> bool {
        let (Some(here), Some(there)) = (rest.get(..self.whole), self.text.get(..self.whole)) else { return false };
        if self.whole > 16 { here == there } else { here.last_chunk::<8>() == there.last_chunk() }
    }
}

/// The ends of a key that means `decoded`.
fn ends_of(decoded: &[u8]) -> u64 {
    match (decoded.first_chunk(), decoded.last_chunk()) {
        (Some(first), Some(last)) if decoded.len() > 7 => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => decoded.iter().rfold(u64::from(b'"'), |ends, byte| (ends << 8) | u64::from(*byte)),
    }
}

fn decoded(raw: &[u8]) -> Result<String, JsonFlaw> {
    unescape(std::str::from_utf8(raw).map_err(|_| JsonFlaw::Syntax)?)
}

/// A string, behind its first quote: how long it is as written, and its ends.
#[inline(never)]
fn any_string(inside: &[u8]) -> Result<(usize, u64), JsonFlaw> {
    let (behind, is_escaped) = behind_text(inside).ok_or(JsonFlaw::Syntax)?;
    // In front of the quote.
    let length = inside.len().saturating_sub(behind.len()).saturating_sub(1);
    let raw = inside.get(..length).ok_or(JsonFlaw::Syntax)?;
    Ok((length, if is_escaped { ends_of(decoded(raw)?.as_bytes()) } else { ends_of(raw) }))
}

/// The keys of the objects that are open, those of the innermost last. Behind them are those of an object that was there
/// before, and of one that was in it: what comes next is often like them.
#[derive(Default)]
pub(super) struct Keys<'a> {
    keys: Vec<Key<'a>>,
    /// Where those of the next object begin.
    next: usize,
}

/// Where the keys of an object that is open are.
pub(super) struct Siblings {
    start: usize,
    /// Behind those that were read, with their values.
    read: usize,
    /// INVARIANT: none of those before is another's twin. They are read, or those of the object before.
    distinct: usize,
}

impl<'a> Keys<'a> {
    /// An object with at least one member begins.
    #[inline]
    pub(super) fn open(&mut self) -> Siblings {
        let start = self.next;
        let distinct = self.keys.get(start).map_or(start, |first| first.end.max(start));
        self.next = distinct;
        Siblings { start, read: start, distinct }
    }

    /// What is behind the next key and its colon, if they are the same as in the object before.
    #[inline(always)]
    pub(super) fn behind_expected<'b>(&self, siblings: &Siblings, rest: &'b [u8]) -> Option<&'b [u8]> {
        if siblings.read < siblings.distinct { self.keys.get(siblings.read)?.behind(rest) } else { None }
    }

    /// What is behind the next key and its colon, if there is one. Else see [`why_no_key`].
    #[inline]
    pub(super) fn behind_key(&mut self, siblings: &mut Siblings, text: &'a [u8]) -> Option<&'a [u8]> {
        let [b'"', inside @ ..] = text else { return None };
        let (length, ends) = match short_string(inside) {
            Some(found) => found,
            None => any_string(inside).ok()?,
        };
        self.push(siblings, Key::new(text, length, ends));
        match inside.get(length.wrapping_add(1)..)? {
            [b':', behind @ ..] => Some(behind),
            spaced => behind_spaces(spaced).strip_prefix(b":"),
        }
    }

    /// As [`Self::behind_key`], for a key that was read elsewhere: `text` from its first quote on, as `written` between its
    /// quotes, and as `decoded`.
    pub(super) fn note(&mut self, siblings: &mut Siblings, text: &'a [u8], written: &str, decoded: &str) {
        if self.behind_expected(siblings, text).is_none() {
            let short = text.get(1..).and_then(short_string);
            let ends = short.map_or_else(|| ends_of(decoded.as_bytes()), |(_, ends)| ends);
            self.push(siblings, Key::new(text, written.len(), ends));
        }
    }

    #[inline]
    fn push(&mut self, siblings: &mut Siblings, key: Key<'a>) {
        // What was expected from here on does not come.
        self.keys.truncate(siblings.read);
        siblings.distinct = siblings.distinct.min(siblings.read);
        if let Some(first) = self.keys.get_mut(siblings.start) {
            first.end = 0;
        } else if self.keys.capacity() == 0 {
            self.keys.reserve(FEW_KEYS);
        }
        self.keys.push(key);
        self.next = self.keys.len();
    }

    /// The value of the key was read, too. Whether it is the twin of one of few before it; if it is one of many, see
    /// [`Self::close`].
    #[inline]
    pub(super) fn compare(&mut self, siblings: &mut Siblings) -> Result<(), JsonFlaw> {
        let Siblings { start, read, distinct } = *siblings;
        siblings.read = read.wrapping_add(1);
        let place = read.wrapping_sub(start);
        if read >= distinct && place >= WIDEST && place.is_power_of_two() {
            return self.compare_so_far(siblings);
        }
        if read >= distinct && place < FEW_KEYS {
            if let Some((key, before)) = self.keys.get(start..siblings.read).and_then(<[_]>::split_last)
                && before.iter().any(|sibling| sibling.is_same(key))
            {
                return Err(JsonFlaw::KeyRepeated);
            }
            siblings.distinct = siblings.read;
        }
        Ok(())
    }

    /// The object ends.
    #[inline]
    pub(super) fn close(&mut self, siblings: &Siblings) -> Result<(), JsonFlaw> {
        let Siblings { start, read, distinct } = *siblings;
        self.next = start;
        if read > distinct {
            self.compare_all(siblings)?;
        }
        if let Some(first) = self.keys.get_mut(start)
            && first.end == 0
        {
            first.end = read;
        }
        Ok(())
    }

    /// Looks at very many keys before there are twice as many: what is refused at the end anyway must not take so much room.
    #[cold]
    fn compare_so_far(&mut self, siblings: &Siblings) -> Result<(), JsonFlaw> {
        let keys = self.keys.get_mut(siblings.start..siblings.read).unwrap_or_default();
        if has_twins(keys)? { Err(JsonFlaw::KeyRepeated) } else { Ok(()) }
    }

    #[cold]
    fn compare_all(&mut self, siblings: &Siblings) -> Result<(), JsonFlaw> {
        self.keys.truncate(siblings.read);
        let keys = self.keys.get_mut(siblings.start..).unwrap_or_default();
        let is_wide = keys.len() > WIDEST;
        let has_twins = if is_wide { has_twins(keys)? } else { has_twins(&mut keys.to_vec())? };
        if has_twins {
            return Err(JsonFlaw::KeyRepeated);
        }
        if is_wide {
            // They are in another order now.
            self.keys.truncate(siblings.start);
        }
        Ok(())
    }
}

impl Siblings {
    /// The key that was expected was read, and its value.
    #[inline(always)]
    pub(super) fn take(&mut self) {
        self.read = self.read.wrapping_add(1);
    }
}

/// What is wrong where no key and colon stand.
#[cold]
pub(super) fn why_no_key(text: &[u8]) -> JsonFlaw {
    let key = text.strip_prefix(b"\"").ok_or(JsonFlaw::Syntax).and_then(any_string);
    key.err().unwrap_or(JsonFlaw::Syntax)
}

/// Whether two of many keys are the same.
fn has_twins(keys: &mut [Key<'_>]) -> Result<bool, JsonFlaw> {
    if keys.iter().any(Key::is_escaped) {
        let mut texts = keys.iter().map(|key| decoded(key.raw())).collect::<Result<Vec<_>, _>>()?;
        texts.sort_unstable();
        return Ok(texts.windows(2).any(|pair| matches!(pair, [a, b] if a == b)));
    }
    keys.sort_unstable_by_key(|key| (key.ends, key.raw()));
    Ok(keys.windows(2).any(|pair| matches!(pair, [a, b] if a.raw() == b.raw())))
}
