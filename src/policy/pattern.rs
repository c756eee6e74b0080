//! Patterns for names and URIs.
//!
//! In names (tools, prompts, methods) `*` stands for any run of characters and `?` for one character. In resource
//! URIs `*` stands for any run without `/`, `**` for any run, and `?` for one character other than `/`. There is no
//! escape. A variable as in `{owner}` stands for one or more characters other than `/`, up to the end of its segment.
//! Everything else stands for itself, byte by byte: no normalisation, no folding of case.

use std::cmp::Reverse;
use std::sync::Arc;

/// The two languages of patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Name,
    Uri,
}

/// A pattern: text with at least one wildcard or variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    // Shared, since a rule and the tables that find it have the same.
    parts: Arc<[Part]>,
    specificity: Specificity,
    variables: Arc<[Variable]>,
}

/// A variable of a URI pattern: a segment, behind the text that it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    name: Box<str>,
    segment: usize,
    prefix: usize,
}

/// How specific a pattern is; the more specific is the smaller. More literal characters come first, then fewer
/// `**`, then fewer `*`, then fewer variables, then fewer `?`. A name without wildcards is more specific than any pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Specificity {
    literals: Reverse<usize>,
    deep_runs: usize,
    runs: usize,
    variables: usize,
    ones: usize,
}

/// `slash` says whether the wildcard may stand for `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    One {
        slash: bool,
    },
    Run {
        slash: bool,
    },
    /// The first character of a variable.
    Some,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatternFault {
    /// `**` in a name, or three `*` in a row.
    TooManyStars,
    /// More runs than [`MOST_RUNS`].
    TooManyRuns,
    /// A variable whose value could not be told.
    Variable(&'static str),
}

/// The most `*` and `**` in one pattern: it bounds what matching can cost.
pub(super) const MOST_RUNS: usize = 16;

impl Pattern {
    /// The pattern written as `text`; `None` when it has no wildcard and stands for itself.
    pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Option<Self>, PatternFault> {
        let mut parts = Vec::new();
        let mut variables = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(name) = leading_variable(rest, syntax) {
                let (before, after) =
                    (text.len().saturating_sub(rest.len()), rest.get(name.len().saturating_add(2)..));
                rest = after.unwrap_or_default();
                variables.push(variable(name, text.get(..before).unwrap_or_default(), rest, &variables)?);
                parts.extend([Part::Some, Part::Run { slash: false }]);
                continue;
            }
            let (piece, after) = rest.split_at_checked(piece_length(rest, syntax)).unwrap_or((rest, ""));
            parts.push(part(piece, syntax)?);
            rest = after;
        }
        if parts.iter().all(|part| matches!(part, Part::Text(_))) {
            return Ok(None);
        }
        let specificity = Specificity::of(&parts);
        let runs = specificity.runs.saturating_add(specificity.deep_runs).saturating_add(specificity.variables);
        if runs > MOST_RUNS {
            return Err(PatternFault::TooManyRuns);
        }
        Ok(Some(Self { parts: parts.into(), specificity, variables: variables.into() }))
    }

    /// The names of the variables, in the order of the pattern.
    pub(super) fn variables(&self) -> Box<[Box<str>]> {
        self.variables.iter().map(|variable| variable.name.clone()).collect()
    }

    /// The values of the variables in a URI that matches, percent-decoded; `None` where one is no text then.
    pub(super) fn values(&self, uri: &str) -> Option<Vec<String>> {
        let value = |variable: &Variable| {
            let segment = uri.split('/').nth(variable.segment)?;
            decoded(segment.get(variable.prefix..)?)
        };
        self.variables.iter().map(value).collect()
    }

    pub(super) const fn specificity(&self) -> Specificity {
        self.specificity
    }

    /// Whether the pattern begins with a literal character.
    pub(super) fn starts_literally(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Text(_)))
    }

    /// The text that it begins with and the text that it ends with, empty where that is a wildcard.
    pub(super) fn frame(&self) -> (&str, &str) {
        (text_of(self.parts.first()), text_of(self.parts.last()))
    }

    /// Whether `name` begins and ends with the text that the pattern begins and ends with: a cheap "no".
    pub(super) fn frames(&self, name: &str) -> bool {
        !matches!(self.parts.first(), Some(Part::Text(beginning)) if !name.starts_with(&**beginning))
            && !matches!(self.parts.last(), Some(Part::Text(ending)) if !name.ends_with(&**ending))
    }

    /// Whether `name` is in the pattern's language. Does not allocate.
    ///
    /// Leftmost first: each piece of text is taken where it first occurs, and only the last `*` and the last `**`
    /// are ever widened. Widening an earlier one could only skip what the later one may skip as well.
    pub(super) fn matches(&self, name: &str) -> bool {
        if !self.frames(name) {
            return false;
        }
        let name = name.as_bytes();
        let (mut part, mut at) = (0_usize, 0_usize);
        let (mut near, mut far) = (None, None);
        loop {
            let next = match self.parts.get(part) {
                None if at == name.len() => return true,
                None => None,
                Some(Part::Run { slash }) => {
                    let retry = Some(Retry { part: part.saturating_add(1), at });
                    (near, far) = if *slash { (None, retry) } else { (retry, far) };
                    Some(at)
                }
                Some(Part::Text(text)) => after_text(name, at, text),
                Some(Part::One { slash }) => after_one(name, at, *slash),
                Some(Part::Some) => after_one(name, at, false),
            };
            if let Some(next) = next {
                (part, at) = (part.saturating_add(1), next);
                continue;
            }
            near = near.and_then(|retry| retry.widened(name, false));
            if near.is_none() {
                far = far.and_then(|retry| retry.widened(name, true));
            }
            let Some(retry) = near.or(far) else { return false };
            (part, at) = (retry.part, retry.at);
        }
    }

    /// The pattern in single steps, for [`intersects`] and [`covers`].
    pub(super) fn steps(&self) -> Box<[Step]> {
        let mut steps: Vec<Step> = Vec::new();
        for part in &*self.parts {
            match part {
                Part::Text(text) => steps.extend(text.chars().map(Step::Exactly)),
                Part::Run { slash } => steps.push(Step::Run { slash: *slash }),
                // `*?` and `?*` are one language: the fixed part goes first.
                Part::One { slash } => push_one(&mut steps, *slash),
                Part::Some => push_one(&mut steps, false),
            }
        }
        steps.into()
    }
}

fn text_of(part: Option<&Part>) -> &str {
    match part {
        Some(Part::Text(text)) => text,
        Some(Part::One { .. } | Part::Run { .. } | Part::Some) | None => "",
    }
}

fn push_one(steps: &mut Vec<Step>, slash: bool) {
    let run = Step::Run { slash };
    let runs_before = steps.iter().rev().take_while(|step| **step == run).count();
    steps.insert(steps.len().saturating_sub(runs_before), Step::One { slash });
}

/// The name of the variable that `text` begins with. Other braces are those of templates, and stand for themselves.
fn leading_variable(text: &str, syntax: Syntax) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (syntax == Syntax::Uri && is_name).then_some(name)
}

/// The length of the wildcard or text that `text` begins with.
fn piece_length(text: &str, syntax: Syntax) -> usize {
    let length = match text.bytes().next() {
        Some(b'?') => Some(1),
        Some(b'*') => text.find(|c: char| c != '*'),
        _ => {
            let stops = |(at, letter): (usize, char)| {
                let is_variable =
                    letter == '{' && text.get(at..).is_some_and(|rest| leading_variable(rest, syntax).is_some());
                (matches!(letter, '*' | '?') || is_variable).then_some(at)
            };
            text.char_indices().find_map(stops)
        }
    };
    length.unwrap_or(text.len())
}

/// A variable between `before` and `after`: its value must be told by its segment alone.
fn variable(name: &str, before: &str, after: &str, others: &[Variable]) -> Result<Variable, PatternFault> {
    let segment = before.rsplit('/').next().unwrap_or_default();
    if others.iter().any(|other| &*other.name == name) {
        return Err(PatternFault::Variable("it has a variable twice"));
    }
    if before.contains("**") {
        return Err(PatternFault::Variable("a variable cannot stand behind `**`"));
    }
    if segment.contains(['*', '?', '{']) || !(after.is_empty() || after.starts_with('/')) {
        return Err(PatternFault::Variable("a variable goes up to the next `/`, with nothing but text before it"));
    }
    Ok(Variable { name: name.into(), segment: before.matches('/').count(), prefix: segment.len() })
}

/// The text that percent-encoding stands for (RFC 3986 §2.1); `None` where it is not UTF-8.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut pieces = segment.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let (digits, text) = piece.split_at_checked(2)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
        bytes.extend_from_slice(text.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn part(piece: &str, syntax: Syntax) -> Result<Part, PatternFault> {
    match (piece, syntax) {
        ("?", Syntax::Name) => Ok(Part::One { slash: true }),
        ("?", Syntax::Uri) => Ok(Part::One { slash: false }),
        ("*", Syntax::Name) | ("**", Syntax::Uri) => Ok(Part::Run { slash: true }),
        ("*", Syntax::Uri) => Ok(Part::Run { slash: false }),
        (stars, _) if stars.starts_with('*') => Err(PatternFault::TooManyStars),
        (text, _) => Ok(Part::Text(text.into())),
    }
}

impl Specificity {
    fn of(parts: &[Part]) -> Self {
        let count = |wanted: fn(&Part) -> bool| parts.iter().filter(|part| wanted(part)).count();
        let variables = count(|part| matches!(part, Part::Some));
        let literals = parts.iter().map(|part| if let Part::Text(text) = part { text.chars().count() } else { 0 });
        Self {
            literals: Reverse(literals.sum()),
            // The `*` of a name may cross `/` and is compared only with its like.
            deep_runs: count(|part| matches!(part, Part::Run { slash: true })),
            // A variable is a run of its own that is never empty.
            runs: count(|part| matches!(part, Part::Run { slash: false })).saturating_sub(variables),
            variables,
            ones: count(|part| matches!(part, Part::One { .. })),
        }
    }
}

/// Where matching goes on after a run, if what follows does not fit.
#[derive(Debug, Clone, Copy)]
struct Retry {
    part: usize,
    at: usize,
}

impl Retry {
    /// The run with one byte more.
    fn widened(self, name: &[u8], slash: bool) -> Option<Self> {
        let taken = name.get(self.at)?;
        (slash || *taken != b'/').then_some(Self { part: self.part, at: self.at.saturating_add(1) })
    }
}

fn after_text(name: &[u8], at: usize, text: &str) -> Option<usize> {
    name.get(at..)?.starts_with(text.as_bytes()).then_some(at.saturating_add(text.len()))
}

/// The position after the one character at `at`. A run may have stopped inside a character: nothing begins there.
fn after_one(name: &[u8], at: usize, slash: bool) -> Option<usize> {
    let length = match *name.get(at)? {
        b'/' if !slash => return None,
        0x00..=0x7F => 1,
        0x80..=0xBF => return None,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xFF => 4,
    };
    Some(at.saturating_add(length))
}

/// One step of a pattern over characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Exactly(char),
    One { slash: bool },
    Run { slash: bool },
}

impl Step {
    const fn is_run(self) -> bool {
        matches!(self, Self::Run { .. })
    }

    /// Whether some character fits both steps.
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::Exactly(one), Self::Exactly(two)) => one == two,
            (Self::Exactly(c), Self::One { slash } | Self::Run { slash })
            | (Self::One { slash } | Self::Run { slash }, Self::Exactly(c)) => slash || c != '/',
            (Self::One { .. } | Self::Run { .. }, Self::One { .. } | Self::Run { .. }) => true,
        }
    }

    /// Whether every character that fits `other` fits this step.
    fn takes_all_of(self, other: Self) -> bool {
        match (self, other) {
            (Self::Exactly(one), Self::Exactly(two)) => one == two,
            (Self::Exactly(_), Self::One { .. } | Self::Run { .. }) => false,
            (Self::One { slash } | Self::Run { slash }, Self::Exactly(c)) => slash || c != '/',
            (Self::One { slash } | Self::Run { slash }, Self::One { slash: may } | Self::Run { slash: may }) => {
                slash || !may
            }
        }
    }
}

/// Whether two patterns differ in the text before the first wildcard or after the last: a cheap "no".
pub(super) fn are_apart(one: &[Step], two: &[Step]) -> bool {
    clash(one.iter().zip(two)) || clash(one.iter().rev().zip(two.iter().rev()))
}

fn clash<'s>(pairs: impl Iterator<Item = (&'s Step, &'s Step)>) -> bool {
    for pair in pairs {
        let (Step::Exactly(one), Step::Exactly(two)) = pair else { return false };
        if one != two {
            return true;
        }
    }
    false
}

/// Whether some text is in the language of both patterns. Exact.
///
/// A walk over the product of both: `reached[j]` in round `i` says that some text leads through the first `i` steps
/// of one and the first `j` of the other.
pub(super) fn intersects(one: &[Step], two: &[Step]) -> bool {
    table(one, two, |near| {
        let both = near.diagonal && near.singles().is_some_and(|(a, b)| a.meets(b));
        // Downwards: the row's step is an empty run, or takes a character that the run ahead in the column takes.
        let down = near.above
            && near
                .row_step
                .is_some_and(|a| a.is_run() || near.column_ahead.is_some_and(|b| b.is_run() && a.meets(b)));
        let right = near.left
            && near
                .column_step
                .is_some_and(|b| b.is_run() || near.row_ahead.is_some_and(|a| a.is_run() && b.meets(a)));
        both || down || right
    })
}

/// Whether every text of `inner` is in the language of `outer`. Never wrongly true; false also where telling would
/// take more than comparing step by step.
pub(super) fn covers(outer: &[Step], inner: &[Step]) -> bool {
    table(outer, inner, |near| {
        let both = near.diagonal && near.singles().is_some_and(|(a, b)| a.takes_all_of(b));
        let down = near.above && near.row_step.is_some_and(Step::is_run);
        let right = near.left
            && matches!((near.row_ahead, near.column_step), (Some(a), Some(b)) if a.is_run() && a.takes_all_of(b));
        both || down || right
    })
}

/// What is known around a cell: the three cells before it, the steps that lead to it, and those ahead.
struct Near {
    diagonal: bool,
    above: bool,
    left: bool,
    row_step: Option<Step>,
    column_step: Option<Step>,
    row_ahead: Option<Step>,
    column_ahead: Option<Step>,
}

impl Near {
    /// The two steps that lead to the cell diagonally, each taking one character.
    fn singles(&self) -> Option<(Step, Step)> {
        self.row_step.zip(self.column_step).filter(|(a, b)| !a.is_run() && !b.is_run())
    }
}

/// Fills the product row by row and gives its last cell.
fn table(rows: &[Step], columns: &[Step], cell: impl Fn(&Near) -> bool) -> bool {
    let mut reached = vec![false; columns.len().saturating_add(1)];
    for row in 0..=rows.len() {
        let row_step = row.checked_sub(1).and_then(|before| rows.get(before)).copied();
        let (mut diagonal, mut left) = (false, false);
        for (column, here) in reached.iter_mut().enumerate() {
            let column_step = column.checked_sub(1).and_then(|before| columns.get(before)).copied();
            let (row_ahead, column_ahead) = (rows.get(row).copied(), columns.get(column).copied());
            let start = row == 0 && column == 0;
            let near = Near { diagonal, above: *here, left, row_step, column_step, row_ahead, column_ahead };
            diagonal = *here;
            *here = start || cell(&near);
            left = *here;
        }
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests;
