//! Documents are edited by splicing: some bytes are replaced, all others stay as they were.

use std::ops::Range;

/// A replacement of some bytes of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Which bytes, counted from the start of the document.
    pub place: Range<usize>,
    /// What stands there afterwards.
    pub text: String,
}

/// The document after `edits`, which may come in any order. None if they overlap or lie outside of it.
#[must_use]
pub fn splice(document: &[u8], mut edits: Vec<Edit>) -> Option<Vec<u8>> {
    edits.sort_by_key(|edit| (edit.place.start, edit.place.end));
    let mut out = Vec::with_capacity(document.len());
    let mut at = 0;
    for edit in &edits {
        let Range { start, end } = edit.place;
        out.extend_from_slice(document.get(at..start)?);
        out.extend_from_slice(edit.text.as_bytes());
        at = if end < start { return None } else { end };
    }
    out.extend_from_slice(document.get(at..)?);
    Some(out)
}

/// Where in `document` the slice `part` of it lies. None if it is no slice of it.
#[must_use]
pub fn place_of(document: &[u8], part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(document.as_ptr().addr())?;
    let place = start..start.checked_add(part.len())?;
    // The same address, and the same bytes there: it is the slice, or makes no difference.
    (document.get(place.clone())? == part.as_bytes()).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(place: Range<usize>, text: &str) -> Edit {
        Edit { place, text: text.into() }
    }

    #[test]
    fn all_other_bytes_stay() {
        let edits = vec![edit(4..5, "X"), edit(0..1, ""), edit(2..2, "--")];
        assert_eq!(splice(b"abcdef", edits).unwrap(), b"b--cdXf");
        assert_eq!(splice(b"abc", Vec::new()).unwrap(), b"abc");
    }

    #[test]
    fn edits_that_overlap_or_lie_outside_are_none() {
        assert_eq!(splice(b"abc", vec![edit(0..2, ""), edit(1..3, "")]), None);
        assert_eq!(splice(b"abc", vec![edit(2..4, "")]), None);
        let (start, end) = (2, 1);
        assert_eq!(splice(b"abc", vec![edit(start..end, "")]), None);
    }

    #[test]
    fn a_slice_is_found_where_it_lies() {
        let document = "abcabc";
        assert_eq!(place_of(document.as_bytes(), document.get(3..5).unwrap()), Some(3..5));
        assert_eq!(place_of(document.as_bytes(), document.get(6..).unwrap()), Some(6..6));
        assert_eq!(place_of(document.as_bytes(), &String::from("ab")), None);
        assert_eq!(place_of(&document.as_bytes()[1..], document), None);
        assert_eq!(place_of(&document.as_bytes()[..4], document.get(3..5).unwrap()), None);
    }
}
