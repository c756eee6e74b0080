//! Reading values that nobody looks into: most of every document, so that each instruction counts.
//!
//! What is not read yet is handed on and back in registers. So the flaw, which is seldom, is left with the reader.

use super::keys::{Siblings, why_no_key};
use super::scan::{behind_number, behind_spaces, behind_string, behind_word};
use super::{JsonFlaw, Reader};

impl<'a> Reader<'a> {
    /// Reads any value.
    pub(super) fn pass(&mut self) -> Result<(), JsonFlaw> {
        self.flaw = JsonFlaw::Syntax;
        // White space is not part of it.
        let rest = if is_spaced(self.rest) { None } else { self.behind_value(self.rest) };
        self.rest = rest.ok_or(self.flaw)?;
        Ok(())
    }

    #[cold]
    fn refuse<T>(&mut self, flaw: JsonFlaw) -> Option<T> {
        self.flaw = flaw;
        None
    }

    /// What is behind a value, in front of which there may be white space.
    #[inline(always)]
    fn behind_value(&mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        match rest {
            [b'"', inside @ ..] => behind_string(inside),
            [b'0'..=b'9', ..] => behind_number(rest),
            _ => self.behind_other(rest),
        }
    }

    #[inline(never)]
    fn behind_other(&mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        match rest {
            [b'{', inside @ ..] => self.behind_object(inside),
            [b'[', inside @ ..] => self.behind_array(inside),
            [b'-', digits @ ..] => behind_number(digits),
            [b'"', inside @ ..] => behind_string(inside),
            [b'0'..=b'9', ..] => behind_number(rest),
            [b' ' | b'\t' | b'\n' | b'\r', ..] => self.behind_spaced_value(rest),
            _ => behind_word(rest),
        }
    }

    #[inline(never)]
    fn behind_spaced_value(&mut self, spaced: &'a [u8]) -> Option<&'a [u8]> {
        let rest = behind_spaces(spaced);
        // There is none of it any more.
        self.behind_value(rest)
    }

    fn enter(&mut self) -> Option<()> {
        if self.depth >= self.limit {
            return self.refuse(JsonFlaw::TooDeep);
        }
        self.depth = self.depth.wrapping_add(1);
        Some(())
    }

    fn leave(&mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        self.depth = self.depth.wrapping_sub(1);
        Some(rest)
    }

    /// What is behind an array, from behind its opening bracket on.
    #[inline(never)]
    fn behind_array(&mut self, inside: &'a [u8]) -> Option<&'a [u8]> {
        self.enter()?;
        let mut rest = inside;
        if let [b']', behind @ ..] = behind_any_spaces(rest) {
            return self.leave(behind);
        }
        loop {
            rest = self.behind_value(rest)?;
            if let [b',', behind @ ..] = rest {
                rest = behind;
                continue;
            }
            rest = match behind_any_spaces(rest) {
                [b',', behind @ ..] => behind,
                [b']', behind @ ..] => return self.leave(behind),
                _ => return None,
            };
        }
    }

    /// What is behind an object, from behind its opening bracket on.
    #[inline(never)]
    fn behind_object(&mut self, inside: &'a [u8]) -> Option<&'a [u8]> {
        self.enter()?;
        let mut rest = behind_any_spaces(inside);
        if let [b'}', behind @ ..] = rest {
            return self.leave(behind);
        }
        let mut siblings = self.keys.open();
        // The rows of a table have the same keys in the same order. So one is sooner found to be what it was in the row
        // before than it is found to be a key, and need not be compared with its siblings again.
        loop {
            let Some(behind) = self.keys.behind_expected(&siblings, rest) else {
                let further = behind_any_spaces(rest);
                if further.len() == rest.len() {
                    return self.behind_members(rest, siblings);
                }
                rest = further;
                continue;
            };
            rest = self.behind_value(behind)?;
            siblings.take();
            if let [b',', behind @ ..] = rest {
                rest = behind;
                continue;
            }
            rest = match behind_any_spaces(rest) {
                [b',', behind @ ..] => behind,
                rest => return self.behind_last_member(rest, &siblings),
            };
        }
    }

    /// What is behind an object of which some members were read, and the next is not what was expected.
    #[inline(never)]
    fn behind_members(&mut self, at: &'a [u8], mut siblings: Siblings) -> Option<&'a [u8]> {
        let mut rest = at;
        loop {
            let Some(behind) = self.keys.behind_key(&mut siblings, rest) else {
                return self.refuse(why_no_key(rest));
            };
            rest = self.behind_value(behind)?;
            if let Err(flaw) = self.keys.compare(&mut siblings) {
                return self.refuse(flaw);
            }
            rest = match behind_any_spaces(rest) {
                [b',', behind @ ..] => behind_any_spaces(behind),
                rest => return self.behind_last_member(rest, &siblings),
            };
        }
    }

    #[inline]
    fn behind_last_member(&mut self, rest: &'a [u8], siblings: &Siblings) -> Option<&'a [u8]> {
        let [b'}', behind @ ..] = rest else { return None };
        match self.keys.close(siblings) {
            Ok(()) => self.leave(behind),
            Err(flaw) => self.refuse(flaw),
        }
    }
}

#[inline(always)]
fn is_spaced(rest: &[u8]) -> bool {
    rest.first().is_some_and(|byte| *byte <= b' ')
}

#[inline(always)]
fn behind_any_spaces(rest: &[u8]) -> &[u8] {
    if is_spaced(rest) { behind_spaces(rest) } else { rest }
}
