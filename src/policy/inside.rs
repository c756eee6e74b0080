//! Places within a value: where in the document a character of a scalar was written.

use super::flaw::Place;

/// The place in `document` of the byte `at` of `value`, the scalar that begins at `start`.
///
/// White space is what YAML folds and indents, so the other characters are counted. `at` never points at white space.
pub(super) fn place_within(document: &str, start: Place, value: &str, at: usize) -> Place {
    let is_solid = |letter: &char| !letter.is_whitespace();
    let before = value.get(..at).unwrap_or(value).chars().filter(is_solid).count();
    let mut letters = Letters::from(document, start);
    let style = letters.rest.chars().next().unwrap_or_default();
    match style {
        '"' | '\'' => drop(letters.next()),
        // The header of a block is no part of it.
        '|' | '>' => while letters.next().is_some_and(|letter| letter != '\n') {},
        _ => {}
    }
    let mut seen = 0_usize;
    loop {
        let here = letters.place;
        let Some(letter) = letters.next() else { return start };
        let solid = match (style, letter) {
            ('\'', '\'') => letters.next().is_some(),
            ('"', '\\') => letters.skip_escape(),
            (_, letter) => !letter.is_whitespace(),
        };
        if solid && seen == before {
            return here;
        }
        seen = seen.saturating_add(usize::from(solid));
    }
}

struct Letters<'t> {
    rest: &'t str,
    place: Place,
}

impl<'t> Letters<'t> {
    fn from(document: &'t str, start: Place) -> Self {
        let mut rest = document;
        for _ in 1..start.line {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let mut letters = Self { rest, place: Place { line: start.line, column: 1 } };
        while letters.place.line == start.line && letters.place.column < start.column && letters.next().is_some() {}
        letters
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = self.rest.get(letter.len_utf8()..).unwrap_or_default();
        let Place { line, column } = self.place;
        self.place = if letter == '\n' {
            Place { line: line.saturating_add(1), column: 1 }
        } else {
            Place { line, column: column.saturating_add(1) }
        };
        Some(letter)
    }

    /// Behind a backslash between double quotes: whether the escape stands for something that is no white space.
    fn skip_escape(&mut self) -> bool {
        let Some(letter) = self.next() else { return false };
        let digits = match letter {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        for _ in 0..digits {
            self.next();
        }
        !matches!(letter, 'n' | 't' | 'r' | ' ' | '\t' | '\n' | 'v' | 'f' | 'N' | 'L' | 'P' | '_')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_every_style() {
        for (document, start, value, needle, place) in [
            ("when: a && bad", (1, 7), "a && bad", "bad", (1, 12)),
            ("when: 'a == ''x'' && bad'", (1, 7), "a == 'x' && bad", "bad", (1, 22)),
            (r#"when: "a == \"x\" && bad""#, (1, 7), "a == \"x\" && bad", "bad", (1, 22)),
            (r#"when: "\u0061 &&\n bad""#, (1, 7), "a &&\n bad", "bad", (1, 20)),
            ("when: |\n  a\n  && bad\n", (1, 7), "a\n&& bad\n", "bad", (3, 6)),
            ("when: >-\n  a\n  && bad\n", (1, 7), "a && bad", "bad", (3, 6)),
            ("x: 1\nwhen: a\n  && bad\n", (2, 7), "a && bad", "bad", (3, 6)),
            ("when: 'é == bad'", (1, 7), "é == bad", "bad", (1, 13)),
        ] {
            let start = Place { line: start.0, column: start.1 };
            let found = place_within(document, start, value, value.find(needle).unwrap());
            assert_eq!((found.line, found.column), place, "{document}");
        }
    }

    #[test]
    fn a_place_that_is_not_there_is_the_beginning() {
        let start = Place { line: 1, column: 7 };
        assert_eq!(place_within("when: a", start, "a b c d", 6), start);
        assert_eq!(place_within("", start, "a", 0), start);
    }
}
