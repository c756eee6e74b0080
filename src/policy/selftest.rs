//! The tests a policy carries: what a caller with certain scopes sees, and what becomes of its calls.

use super::document::{Entry, Node, Value};
use super::fields::{Fields, text_of, words};
use super::flaw::{Findings, Place, Quoted};
use super::{Kind, Policy, Ruling};
use crate::caller::Scopes;

/// A test of the policy by itself.
#[derive(Debug)]
pub(super) struct SelfTest {
    name: Box<str>,
    line: usize,
    /// `sub` of the token.
    subject: Option<Box<str>>,
    scopes: Scopes,
    claims: Vec<Claim>,
}

/// That the caller may, or may not, have one thing.
#[derive(Debug)]
struct Claim {
    kind: Kind,
    name: Box<str>,
    permitted: bool,
    line: usize,
}

/// What became of one test of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult<'p> {
    /// The test's name.
    pub name: &'p str,
    /// The line it begins on.
    pub line: usize,
    /// One sentence for each claim that does not hold, with its line; none when the test passed.
    pub failures: Vec<String>,
}

impl TestResult<'_> {
    /// Whether every claim of the test holds.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl SelfTest {
    /// Who calls in this test: a name, and the scopes of the token.
    pub(super) fn caller(&self) -> (&str, &Scopes) {
        (self.subject.as_deref().unwrap_or(&self.name), &self.scopes)
    }

    pub(super) fn run<'p>(&'p self, policy: &Policy) -> TestResult<'p> {
        let grants = policy.grants(&self.scopes);
        let mut failures = Vec::new();
        for claim in &self.claims {
            let (word, name, line) = (claim.kind.word(), Quoted(&claim.name), claim.line);
            match (policy.decide(&grants, claim.kind, &claim.name), claim.permitted) {
                (Ruling::Permit(_), true) | (Ruling::Deny(_), false) => {}
                (Ruling::Permit(permit), false) => {
                    let rule = Quoted(permit.rule());
                    failures.push(format!("line {line}: {word} {name} is permitted by {rule}"));
                }
                (Ruling::Deny(denial), true) => {
                    let why = denial.rule.map_or_else(|| "no rule".to_owned(), |rule| Quoted(rule).to_string());
                    failures.push(format!("line {line}: {word} {name} is refused by {why}"));
                }
            }
        }
        TestResult { name: &self.name, line: self.line, failures }
    }
}

/// Reads the section `tests`.
pub(super) fn read(section: &Entry, findings: &mut Findings) -> Vec<SelfTest> {
    let Some(items) = list_of(section, findings) else { return Vec::new() };
    items.iter().filter_map(|item| read_test(item, findings)).collect()
}

fn read_test(item: &Node, findings: &mut Findings) -> Option<SelfTest> {
    const KEYS: [&str; 7] = ["name", "token", "tools", "prompts", "resources", "call", "expect"];
    let before = findings.count();
    let entries = entries_of(item, item.place, "a test", findings)?;
    let fields = Fields::of_entries(entries, "test", &KEYS, findings);
    let name = required(&fields, "name", item.place, findings);
    let name = name.and_then(|entry| text_of(&entry.node, "the name of a test", findings)).unwrap_or_default();
    let token = required(&fields, "token", item.place, findings).map(|token| read_token(token, findings));
    let (subject, scopes) = token.unwrap_or_default();
    let mut claims = Vec::new();
    for kind in [Kind::Tool, Kind::Prompt, Kind::Resource] {
        if let Some(entry) = fields.value(kind.section()) {
            read_visibility(kind, entry, &mut claims, findings);
        }
    }
    let outcome = fields.value("expect").map(|entry| read_outcome(entry, findings));
    match (fields.value("call"), outcome) {
        (Some(call), Some(permitted)) => claims.extend(read_call(call, permitted.unwrap_or(false), findings)),
        (Some(call), None) => {
            read_call(call, false, findings);
            findings.add_with_hint(
                call.place,
                "`call` without `expect`",
                "write `expect: allow` or `expect: deny`",
            );
        }
        (None, Some(_)) => findings.add(item.place, "`expect` without `call`"),
        (None, None) if claims.is_empty() && findings.count() == before => {
            let hint = "write `call` and `expect`, or `tools: {visible: […], hidden: […]}`";
            findings.add_with_hint(item.place, "the test claims nothing", hint);
        }
        (None, None) => {}
    }
    Some(SelfTest { name: name.into(), line: item.place.line, subject, scopes, claims })
}

/// The scopes of the caller: `{sub: …, scope: "a b"}`, the scopes separated by spaces as in a token.
fn read_token(token: &Entry, findings: &mut Findings) -> (Option<Box<str>>, Scopes) {
    let Some(fields) = Fields::of(token, "token", &["sub", "scope"], findings) else { return Default::default() };
    let sub = fields.value("sub").and_then(|sub| text_of(&sub.node, "`sub`", findings)).map(Box::from);
    let scope = fields.value("scope").and_then(|entry| text_of(&entry.node, "`scope`", findings));
    (sub, Scopes::from_names(scope.unwrap_or_default().split(' ')))
}

fn read_visibility(kind: Kind, entry: &Entry, claims: &mut Vec<Claim>, findings: &mut Findings) {
    let Some(fields) = Fields::of(entry, "list of claims", &["visible", "hidden"], findings) else { return };
    for (key, permitted) in [("visible", true), ("hidden", false)] {
        let Some(names) = fields.value(key).and_then(|entry| list_of(entry, findings)) else { continue };
        for item in names {
            let name = text_of(item, kind.word(), findings);
            claims.extend(name.map(|name| Claim { kind, name: name.into(), permitted, line: item.place.line }));
        }
    }
}

/// `{tool: name}`, or another kind. `args` may be given; no rule of this version looks at them.
fn read_call(call: &Entry, permitted: bool, findings: &mut Findings) -> Option<Claim> {
    let fields = Fields::of(call, "call", &["tool", "prompt", "resource", "method", "args"], findings)?;
    if let Some(args) = fields.value("args") {
        entries_of(&args.node, args.value_place(), "`args`", findings);
    }
    let mut named = Kind::ALL.into_iter().filter_map(|kind| fields.value(kind.word()).map(|entry| (kind, entry)));
    let (Some((kind, entry)), None) = (named.next(), named.next()) else {
        let message = format!("a call names exactly one of {}", words(&Kind::ALL.map(Kind::word)));
        findings.add(call.place, message);
        return None;
    };
    let name = text_of(&entry.node, kind.word(), findings)?;
    Some(Claim { kind, name: name.into(), permitted, line: entry.place.line })
}

fn read_outcome(entry: &Entry, findings: &mut Findings) -> Option<bool> {
    match text_of(&entry.node, "`expect`", findings)? {
        "allow" => Some(true),
        "deny" => Some(false),
        other => {
            let message = format!("`expect` cannot be {}", Quoted(other));
            findings.add_with_hint(entry.node.place, message, "write `allow` or `deny`");
            None
        }
    }
}

fn required<'n>(fields: &Fields<'n>, key: &str, place: Place, findings: &mut Findings) -> Option<&'n Entry> {
    let entry = fields.value(key);
    if entry.is_none() {
        findings.add(place, format!("the test has no `{key}`"));
    }
    entry
}

fn list_of<'n>(entry: &'n Entry, findings: &mut Findings) -> Option<&'n [Node]> {
    match &entry.node.value {
        Value::List(items) => Some(items),
        Value::Broken => None,
        Value::Scalar { .. } | Value::Map(_) => {
            let message = format!("`{}` must be a list, not {}", entry.key, entry.node.shape());
            findings.add(entry.value_place(), message);
            None
        }
    }
}

fn entries_of<'n>(node: &'n Node, place: Place, what: &str, findings: &mut Findings) -> Option<&'n [Entry]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        Value::Broken => None,
        Value::Scalar { .. } | Value::List(_) => {
            findings.add(place, format!("{what} must be a mapping, not {}", node.shape()));
            None
        }
    }
}
