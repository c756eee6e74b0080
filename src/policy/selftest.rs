//! The tests a policy carries: what a caller sees, and what becomes of its calls.

use std::cell::Cell;

use super::document::{Entry, Node, Value};
use super::fields::{Fields, text_of, words};
use super::flaw::{Findings, Place, Quoted};
use super::json::json_of;
use super::shape::{CALL, EXPECTATION, REQUEST, SIGHT, TEST};
use super::{Asked, Denial, DenyReason, Kind, Policy, Ruling};
use crate::caller::Scopes;
use crate::cel::{self, Facts};

/// The most steps that all tests of a policy take together: they run whenever it is loaded.
const MOST_STEPS: u64 = 50_000_000;

/// The steps that the tests still have.
pub(super) struct Budget(pub(super) u64);

impl Budget {
    pub(super) const WHOLE: Self = Self(MOST_STEPS);

    /// Takes so many; none where none is left then.
    fn take(&mut self, steps: u64) -> Option<()> {
        self.0 = self.0.saturating_sub(steps);
        (self.0 > 0).then_some(())
    }
}

/// A test of the policy by itself.
#[derive(Debug)]
pub(super) struct SelfTest {
    name: Box<str>,
    line: usize,
    caller: Token,
    sights: Vec<Sight>,
    call: Option<Call>,
}

/// The caller of a test.
#[derive(Debug, Default)]
struct Token {
    /// `sub`
    subject: Option<Box<str>>,
    scopes: Scopes,
    /// All of it as one JSON object.
    claims: Box<str>,
}

/// That the caller sees, or does not see, one thing.
#[derive(Debug)]
struct Sight {
    kind: Kind,
    name: Box<str>,
    visible: bool,
    line: usize,
}

/// That a call is allowed, or refused in a certain way.
#[derive(Debug)]
struct Call {
    kind: Kind,
    name: Box<str>,
    line: usize,
    args: Option<Box<str>>,
    annotations: Option<Box<str>>,
    request: Request,
    expected: Expected,
}

/// What else is known of the request of a test.
#[derive(Debug, Default)]
struct Request {
    session: Box<str>,
    client_address: Box<str>,
    time: i128,
}

/// What must become of a call.
#[derive(Debug, Default)]
struct Expected {
    allowed: bool,
    reason: Option<&'static str>,
    /// The scopes that the caller is told, sorted.
    scopes: Option<Vec<Box<str>>>,
}

/// What became of one test of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult<'p> {
    /// The test's name.
    pub name: &'p str,
    /// The line it begins on.
    pub line: usize,
    /// How many things it claims.
    pub claims: usize,
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
        (self.caller.subject.as_deref().unwrap_or(&self.name), &self.caller.scopes)
    }

    pub(super) fn run<'p>(&'p self, policy: &Policy, budget: &mut Budget) -> TestResult<'p> {
        let claims = self.sights.len().saturating_add(usize::from(self.call.is_some()));
        let mut failures = Vec::new();
        if self.hold(policy, budget, &mut failures).is_none() {
            failures
                .push(format!("the tests of a policy take at most {MOST_STEPS} steps together: it was not run"));
        }
        TestResult { name: &self.name, line: self.line, claims, failures }
    }

    /// Tells what does not hold; none where no steps are left to find out.
    fn hold(&self, policy: &Policy, budget: &mut Budget, failures: &mut Vec<String>) -> Option<()> {
        budget.take(0)?;
        let grants = policy.grants(&self.caller.scopes);
        budget.take(grants.weight())?;
        for sight in &self.sights {
            budget.take(policy.table(sight.kind).weight(&sight.name))?;
            let ruling = policy.decide(&grants, sight.kind, &sight.name);
            let subject = format!("line {}: {} {}", sight.line, sight.kind.word(), Quoted(&sight.name));
            failures.extend(difference(&subject, &ruling, sight.visible));
        }
        if let Some(call) = &self.call {
            let facts = Facts {
                claims: &self.caller.claims,
                args: call.args.as_deref(),
                name: &call.name,
                annotations: call.annotations.as_deref(),
                method: method(call.kind, &call.name),
                session: &call.request.session,
                client_address: &call.request.client_address,
                time: call.request.time,
                vars: &[],
            };
            budget.take(policy.table(call.kind).weight(&call.name))?;
            let asked = Asked { grants: &grants, name: &call.name, facts: Some(&facts), steps: Cell::new(0) };
            call.compare(&policy.rule_on_asked(call.kind, &asked), failures);
            // What was found out counts, also where it took the last steps.
            let _ = budget.take(asked.steps.get());
        }
        Some(())
    }
}

/// The method that a call of this kind is made with.
fn method(kind: Kind, name: &str) -> &str {
    match kind {
        Kind::Tool => "tools/call",
        Kind::Prompt => "prompts/get",
        Kind::Resource => "resources/read",
        Kind::Method => name,
    }
}

/// What is wrong when something is not as allowed as it should be.
fn difference(subject: &str, ruling: &Ruling<'_>, allowed: bool) -> Option<String> {
    match (ruling, allowed) {
        (Ruling::Permit(_), true) | (Ruling::Deny(_), false) => None,
        (Ruling::Permit(permit), false) => {
            let rule = permit.rule().unwrap_or("the policy in shadow");
            Some(format!("{subject} is permitted by {}", Quoted(rule)))
        }
        (Ruling::Deny(denial), true) => {
            let rule = denial.rule.map_or_else(|| "no rule".to_owned(), |rule| Quoted(rule).to_string());
            Some(format!("{subject} is refused by {rule}: {}", explained(denial)))
        }
    }
}

fn explained(denial: &Denial<'_>) -> String {
    match denial.reason {
        DenyReason::ScopesMissing if !denial.needs.is_empty() => {
            format!("needs the scopes {}", words(&denial.needs))
        }
        DenyReason::ConditionError(error) => format!("{} ({})", denial.reason.word(), error.word()),
        DenyReason::NoRule | DenyReason::RuleDenies | DenyReason::ScopesMissing | DenyReason::ConditionFalse => {
            denial.reason.word().to_owned()
        }
    }
}

impl Call {
    fn compare(&self, ruling: &Ruling<'_>, failures: &mut Vec<String>) {
        let subject = format!("line {}: {} {}", self.line, self.kind.word(), Quoted(&self.name));
        let Expected { allowed, reason, scopes } = &self.expected;
        if let Some(difference) = difference(&subject, ruling, *allowed) {
            failures.push(difference);
            return;
        }
        let Ruling::Deny(denial) = ruling else { return };
        if let Some(reason) = reason.filter(|reason| *reason != denial.reason.word()) {
            failures
                .push(format!("{subject} is refused for another reason than `{reason}`: {}", explained(denial)));
        }
        if let Some(scopes) = scopes {
            let mut told: Vec<&str> = denial.needs.clone();
            told.sort_unstable();
            if !told.iter().copied().eq(scopes.iter().map(AsRef::as_ref)) {
                let told = if told.is_empty() { "none".to_owned() } else { words(&told) };
                failures.push(format!("{subject} asks for other scopes than expected: {told}"));
            }
        }
    }
}

/// Reads the section `tests`.
pub(super) fn read(section: &Entry, findings: &mut Findings) -> Vec<SelfTest> {
    let Some(items) = list_of(section, findings) else { return Vec::new() };
    items.iter().filter_map(|item| read_test(item, findings)).collect()
}

fn read_test(item: &Node, findings: &mut Findings) -> Option<SelfTest> {
    let before = findings.count();
    let entries = entries_of(item, item.place, "a test", findings)?;
    let fields = Fields::of_entries(entries, TEST.name, &TEST.names(), findings);
    let name = required(&fields, "name", item.place, findings);
    let name = name.and_then(|entry| text_of(&entry.node, "the name of a test", findings)).unwrap_or_default();
    let token = required(&fields, "token", item.place, findings).map(|token| read_token(token, findings));
    let mut sights = Vec::new();
    for kind in [Kind::Tool, Kind::Prompt, Kind::Resource] {
        if let Some(entry) = fields.value(kind.section()) {
            read_visibility(kind, entry, &mut sights, findings);
        }
    }
    let request = fields.value("request");
    let expected = fields.value("expect").map(|entry| read_expected(entry, findings));
    let call = match (fields.value("call"), expected) {
        (Some(call), Some(expected)) => {
            let request = request.map(|request| read_request(request, findings)).unwrap_or_default();
            read_call(call, request, expected.unwrap_or_default(), findings)
        }
        (Some(call), None) => {
            let hint = "write `expect: allow` or `expect: deny`";
            findings.add_with_hint(call.place, "`call` without `expect`", hint);
            None
        }
        (None, Some(_)) => {
            findings.add(item.place, "`expect` without `call`");
            None
        }
        (None, None) => {
            if let Some(request) = request {
                findings.add(request.place, "`request` without `call`");
            } else if sights.is_empty() && findings.count() == before {
                let hint = "write `call` and `expect`, or `tools: {visible: […], hidden: […]}`";
                findings.add_with_hint(item.place, "the test claims nothing", hint);
            }
            None
        }
    };
    Some(SelfTest { name: name.into(), line: item.place.line, caller: token.unwrap_or_default(), sights, call })
}

/// Claims that a test cannot have, since its scopes stand in `scope`.
pub(super) const NO_CLAIMS: [&str; 2] = ["scopes", "scp"];

/// The caller: its claims. `scope` has the scopes, separated by spaces as in a token.
fn read_token(token: &Entry, findings: &mut Findings) -> Token {
    let claims = json_of(&token.node, findings).unwrap_or_else(|| "{}".to_owned());
    let Some(entries) = entries_of(&token.node, token.value_place(), "a token", findings) else {
        return Token::default();
    };
    let entry = |name: &str| entries.iter().find(|entry| &*entry.key == name);
    for name in NO_CLAIMS {
        if let Some(entry) = entry(name) {
            let hint = "write `scope: \"a:scope b:scope\"`";
            findings.add_with_hint(
                entry.place,
                format!("the scopes of a test stand in `scope`, not in `{name}`"),
                hint,
            );
        }
    }
    let sub = entry("sub").and_then(|sub| text_of(&sub.node, "`sub`", findings));
    let scope = entry("scope").and_then(|entry| text_of(&entry.node, "`scope`", findings));
    Token {
        subject: sub.map(Box::from),
        scopes: Scopes::from_names(scope.unwrap_or_default().split(' ')),
        claims: claims.into(),
    }
}

fn read_visibility(kind: Kind, entry: &Entry, sights: &mut Vec<Sight>, findings: &mut Findings) {
    let Some(fields) = Fields::of_shape(entry, &SIGHT, findings) else { return };
    for (key, visible) in [("visible", true), ("hidden", false)] {
        let Some(names) = fields.value(key).and_then(|entry| list_of(entry, findings)) else { continue };
        for item in names {
            let name = text_of(item, kind.word(), findings);
            sights.extend(name.map(|name| Sight { kind, name: name.into(), visible, line: item.place.line }));
        }
    }
}

/// `{tool: name, args: {…}}`, or another kind.
fn read_call(call: &Entry, request: Request, expected: Expected, findings: &mut Findings) -> Option<Call> {
    let fields = Fields::of_shape(call, &CALL, findings)?;
    let mut object = |key: &str| {
        let entry = fields.value(key)?;
        entries_of(&entry.node, entry.value_place(), &format!("`{key}`"), findings)?;
        json_of(&entry.node, findings).map(Box::from)
    };
    let (args, annotations) = (object("args"), object("annotations"));
    let mut named = Kind::ALL.into_iter().filter_map(|kind| fields.value(kind.word()).map(|entry| (kind, entry)));
    let (Some((kind, entry)), None) = (named.next(), named.next()) else {
        let message = format!("a call names exactly one of {}", words(&Kind::ALL.map(Kind::word)));
        findings.add(call.place, message);
        return None;
    };
    let name = text_of(&entry.node, kind.word(), findings)?.into();
    Some(Call { kind, name, line: entry.place.line, args, annotations, request, expected })
}

fn read_request(entry: &Entry, findings: &mut Findings) -> Request {
    let Some(fields) = Fields::of_shape(entry, &REQUEST, findings) else { return Request::default() };
    let mut text = |key: &str| {
        let text = fields.value(key).and_then(|entry| text_of(&entry.node, &format!("`{key}`"), findings));
        Box::<str>::from(text.unwrap_or_default())
    };
    let (session, client_address) = (text("session"), text("client_address"));
    let time = fields.value("time").and_then(|entry| {
        let text = text_of(&entry.node, "`time`", findings)?;
        let time = cel::parse_timestamp(text);
        if time.is_none() {
            let hint = "write it as `\"2026-07-28T12:00:00Z\"`";
            findings.add_with_hint(entry.value_place(), format!("{} is no time", Quoted(text)), hint);
        }
        time
    });
    Request { session, client_address, time: time.unwrap_or_default() }
}

/// `allow`, `deny`, or `{decision: deny, reason: …, scopes: […]}`.
fn read_expected(entry: &Entry, findings: &mut Findings) -> Option<Expected> {
    if !matches!(entry.node.value, Value::Map(_)) {
        return Some(Expected { allowed: read_decision(entry, findings)?, ..Expected::default() });
    }
    let fields = Fields::of_shape(entry, &EXPECTATION, findings)?;
    let decision = fields.value("decision");
    if decision.is_none() {
        findings.add_with_hint(
            entry.place,
            "`expect` has no `decision`",
            "write `decision: allow` or `decision: deny`",
        );
    }
    let allowed = read_decision(decision?, findings)?;
    let reason = fields.value("reason").and_then(|entry| read_reason(entry, findings));
    let scopes = fields.value("scopes").and_then(|entry| {
        let names = list_of(entry, findings)?.iter().filter_map(|item| text_of(item, "a scope", findings));
        let mut names: Vec<Box<str>> = names.map(Box::from).collect();
        names.sort_unstable();
        Some(names)
    });
    if allowed && let Some(entry) = fields.value("reason").or_else(|| fields.value("scopes")) {
        findings.add(entry.place, format!("`{}` goes with `decision: deny` only", entry.key));
    }
    Some(Expected { allowed, reason, scopes })
}

fn read_reason(entry: &Entry, findings: &mut Findings) -> Option<&'static str> {
    let text = text_of(&entry.node, "`reason`", findings)?;
    let known = DenyReason::WORDS.into_iter().find(|word| *word == text);
    if known.is_none() {
        let hint = format!("it can be {}", words(&DenyReason::WORDS));
        findings.add_with_hint(entry.value_place(), format!("`reason` cannot be {}", Quoted(text)), hint);
    }
    known
}

fn read_decision(entry: &Entry, findings: &mut Findings) -> Option<bool> {
    let key = &entry.key;
    match text_of(&entry.node, &format!("`{key}`"), findings)? {
        "allow" => Some(true),
        "deny" => Some(false),
        other => {
            let message = format!("`{key}` cannot be {}", Quoted(other));
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
