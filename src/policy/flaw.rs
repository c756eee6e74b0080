//! What is wrong with a policy, and where.

use std::fmt;
use std::sync::Arc;

/// A place in the text: line and column count from one, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// The first character of the text.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// One flaw of a policy document. Its text is `file:line:column: message`, and the hint on a line of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The name of the document, as given to the compiler.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where that can be said.
    pub hint: Option<String>,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
    }
}

/// Every flaw of a policy document, in the order of the text; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaws(Vec<Flaw>);

impl Flaws {
    /// The flaws, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Flaw> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Flaws {
    type Item = &'a Flaw;
    type IntoIter = std::slice::Iter<'a, Flaw>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, flaw) in self.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            flaw.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Flaws {}

/// Gathers flaws while a document is read.
#[derive(Debug)]
pub(crate) struct Findings {
    file: Arc<str>,
    /// The document, for places within its values.
    text: Arc<str>,
    flaws: Vec<Flaw>,
    /// Flaws that were found and are not told: more than anybody reads.
    untold: usize,
}

/// The most flaws that are told.
const MOST_FLAWS: usize = 1_000;

impl Findings {
    pub(crate) fn new(file: &str) -> Self {
        Self::of_text(file, "")
    }

    /// As [`Findings::new`], where flaws can lie within the values of `text`.
    pub(crate) fn of_text(file: &str, text: &str) -> Self {
        Self { file: file.into(), text: text.into(), flaws: Vec::new(), untold: 0 }
    }

    /// The place of the byte `at` of the value `text` that begins at `start`.
    pub(crate) fn place_within(&self, start: Place, text: &str, at: usize) -> Place {
        /// More flaws than anybody reads need not all be found to the letter.
        const MOST: usize = 100;
        if self.flaws.len() > MOST {
            return start;
        }
        super::inside::place_within(&self.text, start, text, at)
    }

    pub(crate) fn add(&mut self, place: Place, message: impl Into<String>) {
        self.push(place, message.into(), None);
    }

    pub(crate) fn add_with_hint(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.push(place, message.into(), Some(hint.into()));
    }

    fn push(&mut self, place: Place, message: String, hint: Option<String>) {
        let Place { line, column } = place;
        if self.flaws.len() >= MOST_FLAWS {
            self.untold = self.untold.saturating_add(1);
            return;
        }
        self.flaws.push(Flaw { file: Arc::clone(&self.file), line, column, message, hint });
    }

    pub(crate) const fn count(&self) -> usize {
        self.flaws.len().saturating_add(self.untold)
    }

    /// `value`, provided that nothing was found.
    pub(crate) fn or_flaws<T>(mut self, value: T) -> Result<T, Flaws> {
        if self.flaws.is_empty() {
            return Ok(value);
        }
        self.flaws.sort_by_key(|flaw| (flaw.line, flaw.column));
        if self.untold > 0 {
            let (line, column) = self.flaws.last().map_or((1, 1), |last| (last.line, last.column));
            let message = format!("there are {} more flaws", self.untold);
            self.flaws.push(Flaw { file: self.file, line, column, message, hint: None });
        }
        Err(Flaws(self.flaws))
    }
}

/// Text of the document in a message: in backticks, on one line, harmless to a terminal, not endless.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 100;
        f.write_str("`")?;
        for letter in self.0.chars().take(SHOWN) {
            match letter.is_control() {
                true => write!(f, "{}", letter.escape_default())?,
                false => write!(f, "{letter}")?,
            }
        }
        f.write_str(if self.0.chars().nth(SHOWN).is_some() { "…`" } else { "`" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaw_reads_as_a_compiler_error() {
        let mut findings = Findings::new("p.yaml");
        findings.add_with_hint(Place { line: 3, column: 7 }, "unknown key `x`", "remove it");
        findings.add(Place::START, "first");
        let flaws = findings.or_flaws(()).unwrap_err();
        assert_eq!(flaws.to_string(), "p.yaml:1:1: first\np.yaml:3:7: unknown key `x`\n  hint: remove it");
        assert_eq!(flaws.iter().count(), 2);
    }

    #[test]
    fn nothing_found_gives_the_value() {
        assert_eq!(Findings::new("p.yaml").or_flaws(7), Ok(7));
    }

    #[test]
    fn of_very_many_flaws_the_first_are_told_and_the_others_counted() {
        let mut findings = Findings::new("p.yaml");
        (0..500_000).for_each(|_| findings.add(Place { line: 2, column: 1 }, "again"));
        assert_eq!(findings.count(), 500_000);
        let flaws = findings.or_flaws(()).unwrap_err();
        assert_eq!(flaws.iter().count(), MOST_FLAWS + 1);
        assert!(flaws.to_string().ends_with("p.yaml:2:1: there are 499000 more flaws"));
    }

    #[test]
    fn quoted_text_is_harmless_and_bounded() {
        assert_eq!(Quoted("a\u{1b}[2J\nb").to_string(), r"`a\u{1b}[2J\nb`");
        assert_eq!(Quoted(&"x".repeat(101)).to_string(), format!("`{}…`", "x".repeat(100)));
    }
}
