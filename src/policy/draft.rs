//! Policies that are written by this program: from what a server lists, from what was recorded, from other formats.
//!
//! Names and descriptions come from strangers. What is written is compiled before it is handed out, and what would
//! not compile is left out and said so; no text of a stranger can become anything but a name or a comment.

use std::fmt::Write as _;

use super::{Kind, Policy};

/// A policy to be written.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Comments at its beginning, a line each.
    pub header: Vec<String>,
    /// Its rules, in the order of the text within each kind. Of two with one name the first counts.
    pub rules: Vec<DraftRule>,
    /// Its tests.
    pub tests: Vec<DraftTest>,
}

/// A rule to be written.
#[derive(Debug, Clone)]
pub struct DraftRule {
    /// What it is about.
    pub kind: Kind,
    /// The name or pattern.
    pub name: String,
    /// Whether `*` and `?` in the name are wildcards. If not, a name with them cannot be written.
    pub is_pattern: bool,
    /// Comments above it, a line each.
    pub notes: Vec<String>,
    /// What it asks for.
    pub asks: Asks,
    /// Its condition on calls, if it lets anybody in.
    pub when: Option<String>,
}

/// What a rule asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    /// It refuses everyone.
    Nobody,
    /// It is a comment, so that there is no such rule. `deny` on a pattern would win over rules for single names.
    Undecided,
    /// One of these sets of scopes; each set must be held whole. An empty set lets every caller in.
    AnyOf(Vec<Vec<String>>),
}

/// A test to be written: one caller, one call.
#[derive(Debug, Clone)]
pub struct DraftTest {
    /// What it says.
    pub name: String,
    /// The subject.
    pub subject: String,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// What it calls.
    pub call: (Kind, String),
    /// Whether it may.
    pub is_allowed: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The policy.
    pub text: String,
    /// What could not be said in it.
    pub left_out: Vec<String>,
}

/// The most rounds in which flawed parts are left out.
const MOST_ROUNDS: usize = 16;
/// The most characters of a comment that somebody else wrote.
const LONGEST_COMMENT: usize = 160;

impl Draft {
    /// Writes the policy. It compiles, and its tests pass.
    ///
    /// # Errors
    /// It cannot be written at all: what the compiler says.
    pub fn write(&self) -> Result<Written, String> {
        let mut out = self.unnameable();
        for _ in 0..MOST_ROUNDS {
            let (text, places) = self.render(&out);
            let flawed: Vec<(usize, String)> = match Policy::compile("policy", &text) {
                Err(flaws) => flaws.iter().map(|flaw| (flaw.line, flaw.message.clone())).collect(),
                Ok(policy) => {
                    let failed = policy.run_tests().into_iter().filter(|test| !test.passed());
                    failed.map(|test| (test.line, test.failures.join("; "))).collect()
                }
            };
            if flawed.is_empty() {
                let left_out = out.iter().map(|(part, why)| format!("{}: {why}", self.name(*part))).collect();
                return Ok(Written { text, left_out });
            }
            let before = out.len();
            for (line, why) in &flawed {
                let part = places.iter().rev().find(|(from, _)| from <= line).map(|(_, part)| *part);
                if let Some(part) = part
                    && !out.iter().any(|(other, _)| *other == part)
                {
                    out.push((part, why.clone()));
                }
            }
            if out.len() == before {
                return Err(flawed.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; "));
            }
        }
        Err("the names cannot be written as one policy".to_owned())
    }

    /// Parts that must not be tried: they would compile, and mean something else.
    fn unnameable(&self) -> Vec<(Part, String)> {
        let mut seen = std::collections::HashSet::new();
        let why = |rule: &DraftRule| {
            let is_wild = rule.name.contains(['*', '?']) && !rule.is_pattern;
            is_wild.then_some("`*` and `?` in a name stand for other names in a policy")
        };
        let rules = self.rules.iter().enumerate();
        rules
            .filter_map(|(at, rule)| {
                let is_first = seen.insert((rule.kind, &rule.name));
                let twice = (!is_first).then_some("it is there twice");
                Some((Part::Rule(at), why(rule).or(twice)?.to_owned()))
            })
            .collect()
    }

    fn name(&self, part: Part) -> String {
        match part {
            Part::Rule(at) => self
                .rules
                .get(at)
                .map_or_else(String::new, |rule| format!("{} {}", rule.kind.word(), text(&rule.name))),
            Part::Test(at) => {
                self.tests.get(at).map_or_else(String::new, |test| format!("the test {}", text(&test.name)))
            }
        }
    }

    /// The text, and the lines on which its parts begin.
    fn render(&self, out: &[(Part, String)]) -> (String, Vec<(usize, Part)>) {
        let mut page = Page::default();
        self.header.iter().for_each(|line| page.line(&comment(line)));
        page.line("version: 1");
        let is_in = |part: Part| !out.iter().any(|(other, _)| *other == part);
        for kind in Kind::ALL {
            let mut is_begun = false;
            let rules = self.rules.iter().enumerate().filter(|(_, rule)| rule.kind == kind);
            let rules: Vec<_> = rules.filter(|(at, _)| is_in(Part::Rule(*at))).collect();
            // A section of comments alone would be empty.
            let mark = if rules.iter().all(|(_, rule)| rule.asks == Asks::Undecided) { "# " } else { "" };
            for (at, rule) in rules {
                if !is_begun {
                    page.line("");
                    page.line(&format!("{mark}{}:", kind.section()));
                    is_begun = true;
                }
                page.places.push((page.lines.saturating_add(1), Part::Rule(at)));
                rule.notes.iter().for_each(|note| page.line(&format!("  {}", comment(note))));
                let mark = if rule.asks == Asks::Undecided { "# " } else { "" };
                page.line(&format!("  {mark}{}: {}", text(&rule.name), rule.asks.render(rule.when.as_deref())));
            }
        }
        let tests: Vec<_> = self.tests.iter().enumerate().filter(|(at, _)| is_in(Part::Test(*at))).collect();
        if !tests.is_empty() {
            page.line("");
            page.line("tests:");
        }
        for (at, test) in tests {
            page.places.push((page.lines.saturating_add(1), Part::Test(at)));
            page.line(&format!("  - name: {}", text(&test.name)));
            let (kind, name) = &test.call;
            page.line(&format!(
                "    token: {{sub: {}, scope: {}}}",
                text(&test.subject),
                text(&test.scopes.join(" "))
            ));
            page.line(&format!("    call: {{{}: {}}}", kind.word(), text(name)));
            page.line(&format!("    expect: {}", if test.is_allowed { "allow" } else { "deny" }));
        }
        for (part, why) in out {
            page.line(&comment(&format!("left out: {}: {why}", self.name(*part))));
        }
        (page.text, page.places)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Rule(usize),
    Test(usize),
}

#[derive(Default)]
struct Page {
    text: String,
    lines: usize,
    places: Vec<(usize, Part)>,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines = self.lines.saturating_add(1);
    }
}

impl Asks {
    fn render(&self, when: Option<&str>) -> String {
        let list = |scopes: &Vec<String>| {
            let scopes: Vec<String> = scopes.iter().map(|scope| text(scope)).collect();
            format!("[{}]", scopes.join(", "))
        };
        let when = when.map_or_else(String::new, |when| format!(", when: {}", text(when)));
        match self {
            Self::Nobody => "{deny: true}".to_owned(),
            Self::Undecided => "{scopes: [some:scope]}".to_owned(),
            // An alternative that asks for nothing is always met.
            Self::AnyOf(sets) if sets.iter().any(Vec::is_empty) => format!("{{scopes: []{when}}}"),
            Self::AnyOf(sets) => match sets.as_slice() {
                [] => "{deny: true}".to_owned(),
                [one] => format!("{{scopes: {}{when}}}", list(one)),
                sets => format!("{{any_of: [{}]{when}}}", sets.iter().map(list).collect::<Vec<_>>().join(", ")),
            },
        }
    }
}

/// A text as YAML in double quotes: ASCII, letters and digits as they are, all else escaped, so that nothing invisible
/// and nothing that turns the writing stands in the file.
#[must_use]
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            ' ' => out.push(' '),
            _ if letter.is_ascii_graphic() || (!letter.is_ascii() && letter.is_alphanumeric()) => out.push(letter),
            _ => {
                let _ = write!(out, "\\U{:08x}", u32::from(letter));
            }
        }
    }
    out.push('"');
    out
}

/// A comment of one line, whatever the text is.
#[must_use]
pub fn comment(text: &str) -> String {
    let is_plain = |letter: char| {
        letter == ' '
            || letter.is_ascii_graphic()
            || (!letter.is_ascii() && letter.is_alphanumeric())
            || matches!(letter, '‐'..='‧' | '‰'..='⁞' | '¡'..='¬' | '®'..='¿')
    };
    let is_long = text.chars().nth(LONGEST_COMMENT).is_some();
    let letters = text.chars().take(LONGEST_COMMENT).map(|letter| if is_plain(letter) { letter } else { '?' });
    let line: String = letters.chain(is_long.then_some('…')).collect();
    if line.is_empty() { "#".to_owned() } else { format!("# {line}") }
}

#[cfg(test)]
mod tests;
