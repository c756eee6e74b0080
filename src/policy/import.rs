//! Rules of other gateways → a policy.
//!
//! Nothing gets wider: what cannot be said in a policy is left out where it lets in, and refuses more where it
//! refuses. Each such thing is told with its line.

mod agentgateway;
mod clause;
mod emit;
mod envoy;
mod expression;

use std::fmt;

use super::document::{Entry, Node, Value};
use super::draft::{self, Asks, Draft};
use super::flaw::{Findings, Flaws, Place};
use super::{Kind, Policy};
use clause::Clause;
use expression::{Approach, Names, Understood, understand};

/// The most ways in which the rules of a source match.
const MOST_STEPS: usize = 8_192;
/// The most of them that are about parts of names.
const MOST_PATTERNS: usize = 256;

/// A format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The rules `mcpAuthorization` in a configuration of agentgateway.
    Agentgateway,
    /// An `MCPRoute` of Envoy AI Gateway.
    EnvoyAiGateway,
}

impl Format {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Agentgateway, Self::EnvoyAiGateway];

    /// The word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Agentgateway => "agentgateway",
            Self::EnvoyAiGateway => "envoy-ai-gateway",
        }
    }
}

/// What of a source is meant, where it is not all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// The server that toolgate stands before, by its name in the source.
    pub target: Option<&'a str>,
    /// The line of the part that is meant, where there are several.
    pub line: Option<usize>,
}

/// What became of a source.
#[derive(Debug)]
pub struct Imported {
    /// The policy; none where nothing that lets anybody in could be said.
    pub policy: Option<String>,
    /// What is not in it, or is stricter there, in the order of the source.
    pub lost: Vec<Lost>,
    /// How many rules it has.
    pub rules: usize,
}

/// Something of the source that the policy does not say, or says more strictly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The line of the source.
    pub line: usize,
    /// What it is.
    pub what: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// One way in which a rule of the source matches, and what it does then. The first that matches decides.
#[derive(Debug)]
struct Step {
    line: usize,
    allows: bool,
    clause: Clause,
}

/// What was read of a source.
#[derive(Debug, Default)]
struct Taken {
    steps: Vec<Step>,
    lost: Vec<Lost>,
}

/// The policy that allows nothing which the rules in `text` do not allow; `file` is the name of the source in messages.
///
/// # Errors
/// Every place where the source cannot be read, or has what this does not know.
pub fn import(format: Format, file: &str, text: &str, choice: Choice<'_>) -> Result<Imported, Flaws> {
    let mut findings = Findings::of_text(file, text);
    let taken = match format {
        Format::Agentgateway => agentgateway::read(text, choice, &mut findings),
        Format::EnvoyAiGateway => envoy::read(text, choice, &mut findings),
    };
    let taken = taken.unwrap_or_default();
    refuse_excess(&taken.steps, &mut findings);
    let taken = findings.or_flaws(taken)?;
    Ok(written(format, file, taken))
}

/// Refuses what would take too long to be held against each other.
fn refuse_excess(steps: &[Step], findings: &mut Findings) {
    let is_pattern = |step: &&Step| matches!(step.clause.names, clause::Names::Like(_));
    let patterns = steps.iter().filter(is_pattern).nth(MOST_PATTERNS);
    if let Some(step) = steps.get(MOST_STEPS) {
        let message = format!("the rules match in more than {MOST_STEPS} ways");
        findings.add(Place { line: step.line, column: 1 }, message);
    } else if let Some(step) = patterns {
        let message = format!("the rules are about parts of names in more than {MOST_PATTERNS} ways");
        findings.add(Place { line: step.line, column: 1 }, message);
    }
}

fn written(format: Format, file: &str, taken: Taken) -> Imported {
    let Taken { steps, mut lost } = taken;
    let kinds: &[Kind] = match format {
        Format::Agentgateway => &[Kind::Tool, Kind::Prompt, Kind::Resource],
        Format::EnvoyAiGateway => &[Kind::Tool],
    };
    let mut draft = Draft::default();
    let mut places: Vec<(String, usize)> = Vec::new();
    for kind in kinds {
        for (rule, line) in emit::rules(*kind, &steps, &mut lost) {
            places.push((format!("{} {}: ", kind.word(), draft::text(&rule.name)), line));
            draft.rules.push(rule);
        }
    }
    if draft.rules.iter().any(|rule| rule.when.is_some()) {
        let first = steps.iter().find(|step| !step.clause.conditions.is_empty()).or_else(|| steps.first());
        let line = first.map_or(1, |step| step.line);
        let what =
            "conditions on claims, arguments and names decide about calls (`when`); lists show what scopes allow";
        lost.push(Lost { line, what: what.to_owned() });
    }
    lost.sort_by_key(|lost| lost.line);
    lost.dedup();
    let rules = draft.rules.len();
    draft.header.push(format!("Imported from {file} ({}) by `toolgate policy import`.", format.word()));
    draft.header.push(String::new());
    if !lost.is_empty() {
        draft.header.push(
            "It allows nothing that the rules there do not allow. What is left out, or stricter here:".to_owned(),
        );
        draft.header.extend(lost.iter().map(|lost| format!("  {lost}")));
        draft.header.push(String::new());
    }
    let is_open = draft.rules.iter().any(|rule| rule.asks != Asks::Nobody);
    match draft.write().ok().filter(|_| is_open) {
        Some(written) => {
            let count = rules.saturating_sub(written.left_out.len());
            for what in written.left_out {
                let place = places.iter().find(|(name, _)| what.starts_with(name.as_str()));
                let line = place.map_or(1, |(_, line)| *line);
                lost.push(Lost { line, what: format!("left out: {what}") });
            }
            lost.sort_by_key(|lost| lost.line);
            let lets_in =
                Policy::compile(file, &written.text).is_ok_and(|policy| policy.rules().any(|rule| !rule.deny));
            Imported { policy: lets_in.then_some(written.text), lost, rules: count }
        }
        None => Imported { policy: None, lost, rules: 0 },
    }
}

/// A rule of the source: its expression, and what it does.
struct Said<'n> {
    text: &'n str,
    place: Place,
    allows: bool,
}

impl Taken {
    /// Takes an expression apart, and tells what is not understood.
    fn understand(&mut self, said: &Said<'_>, names: &Names<'_>, findings: &Findings) -> Vec<Clause> {
        let approach = if said.allows { Approach::Within } else { Approach::Around };
        let Understood { clauses, unknown } = understand(said.text, names, approach);
        for (at, why) in unknown {
            let place = findings.place_within(said.place, said.text, at);
            let then = if said.allows { "what rests on it is left out" } else { "more is refused here" };
            self.lose(place, format!("not understood: {why} (column {}); {then}", place.column));
        }
        clauses
    }

    fn lose(&mut self, place: Place, what: impl Into<String>) {
        self.lost.push(Lost { line: place.line, what: what.into() });
    }

    fn push(&mut self, line: usize, allows: bool, clauses: Vec<Clause>) {
        self.steps.extend(clauses.into_iter().map(|clause| Step { line, allows, clause }));
    }
}

/// The value of a key, where the node is a mapping that has it.
fn value<'n>(node: &'n Node, key: &str) -> Option<&'n Entry> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| &*entry.key == key)
}

/// The value at the end of a path of keys.
fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Entry> {
    let (first, rest) = path.split_first()?;
    let entry = value(node, first)?;
    if rest.is_empty() { Some(entry) } else { at(&entry.node, rest) }
}

/// The one text under a key; a flaw where it is something else.
fn text<'n>(entry: &'n Entry, findings: &mut Findings) -> Option<&'n str> {
    scalar(&entry.node, &format!("`{}`", entry.key), findings)
}

fn scalar<'n>(node: &'n Node, what: &str, findings: &mut Findings) -> Option<&'n str> {
    match &node.value {
        Value::Scalar { text, .. } if !node.is_absent() => Some(text),
        Value::Broken => None,
        Value::Scalar { .. } | Value::List(_) | Value::Map(_) => {
            findings.add(node.place, format!("{what} must be text, not {}", node.shape()));
            None
        }
    }
}

/// The items of a list; none, and a flaw, where it is something else.
fn items<'n>(entry: &'n Entry, findings: &mut Findings) -> &'n [Node] {
    match &entry.node.value {
        Value::List(items) => items,
        Value::Broken => &[],
        Value::Scalar { .. } | Value::Map(_) => {
            findings
                .add(entry.value_place(), format!("`{}` must be a list, not {}", entry.key, entry.node.shape()));
            &[]
        }
    }
}

/// A list of texts.
fn texts(entry: &Entry, findings: &mut Findings) -> Vec<String> {
    let what = format!("an item of `{}`", entry.key);
    items(entry, findings).iter().filter_map(|item| scalar(item, &what, findings).map(ToOwned::to_owned)).collect()
}

/// The entries of a mapping, of which all keys must be known.
fn known<'n>(node: &'n Node, what: &str, keys: &[&str], findings: &mut Findings) -> Option<&'n [Entry]> {
    let Value::Map(entries) = &node.value else {
        if !matches!(node.value, Value::Broken) {
            findings.add(node.place, format!("{what} must be a mapping, not {}", node.shape()));
        }
        return None;
    };
    for entry in entries.iter().filter(|entry| !keys.contains(&&*entry.key)) {
        let hint =
            format!("{what} is known to have {}; another version may mean more by it", super::fields::words(keys));
        let key = super::flaw::Quoted(&entry.key);
        findings.add_with_hint(
            entry.place,
            format!("{what} has the unknown key {key}, which may restrict it"),
            hint,
        );
    }
    Some(entries)
}

#[cfg(test)]
mod tests;
