//! Document → policy, or every flaw at once.

use super::document::{self, Entry, Node, Sort, Value};
use super::fields::Fields;
use super::flaw::{Findings, Flaws, Place, Quoted};
use super::pattern::{MOST_RUNS, Pattern, PatternFault, Step, Syntax, intersects};
use super::rule::{Effect, RegexRoom, Rule, read_body};
use super::sample::read_mode;
use super::selftest;
use super::shape::POLICY;
use super::table::{Draft, RuleTable, refuse_conflicts};
use super::{Kind, LONGEST_NAME, LONGEST_URI, Mode, Policy};
use crate::cel::About;

const SORT: Sort = Sort { name: "policy", blank: "a policy that refuses everything is written `version: 1`" };

/// Methods that every authenticated caller may call, or that are judged by the tool, prompt or resource they name.
pub(super) const RESERVED_METHODS: [&str; 15] = [
    "initialize",
    "ping",
    "server/discover",
    "notifications/*",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "subscriptions/listen",
];

/// Compiles the document `text`, which messages call `file`.
pub(super) fn compile(file: &str, text: &str) -> Result<Policy, Flaws> {
    let mut findings = Findings::of_text(file, text);
    let mut policy = Policy::empty();
    if let Some(root) = document::read(text, SORT, &mut findings) {
        read_root(&root, &mut policy, &mut findings);
    }
    findings.or_flaws(policy)
}

fn read_root(root: &Node, policy: &mut Policy, findings: &mut Findings) {
    let entries = match &root.value {
        Value::Map(entries) => entries,
        Value::Broken => return,
        Value::Scalar { .. } | Value::List(_) => {
            let message = format!("a policy must be a mapping, not {}", root.shape());
            findings.add_with_hint(
                root.place,
                message,
                "the smallest policy is `version: 1`; it refuses everything",
            );
            return;
        }
    };
    let fields = Fields::of_entries(entries, POLICY.name, &POLICY.names(), findings);
    check_version(fields.value("version"), findings);
    if let Some((mode, sample)) = fields.value("mode").and_then(|field| read_mode(field, findings)) {
        (policy.mode, policy.sample) = (mode, sample);
    }
    if let Some(section) = fields.value("scopes") {
        policy.scopes.read_hierarchy(section_of(section, findings), findings);
    }
    let mut room = RegexRoom::WHOLE;
    for kind in Kind::ALL {
        if let Some(section) = fields.value(kind.section()) {
            read_rules(kind, section_of(section, findings), policy, &mut room, findings);
        }
    }
    if let Some(tests) = fields.value("tests") {
        policy.tests = selftest::read(tests, findings);
    }
    policy.note_asked_scopes();
    if let Some(Value::Map(section)) = fields.value("scopes").map(|entry| &entry.node.value) {
        policy.note_unused_scopes(section);
    }
}

fn check_version(version: Option<&Entry>, findings: &mut Findings) {
    const HINT: &str = "write `version: 1`";
    let Some(version) = version else {
        findings.add_with_hint(Place::START, "the key `version` is missing", HINT);
        return;
    };
    match &version.node.value {
        Value::Scalar { text, plain: true } if &**text == "1" => {}
        Value::Broken => {}
        Value::Scalar { text, .. } if !version.node.is_absent() => {
            let message = format!("version {} is not supported", Quoted(text));
            findings.add_with_hint(version.value_place(), message, HINT);
        }
        Value::Scalar { .. } | Value::List(_) | Value::Map(_) => {
            let message = format!("`version` must be the number 1, not {}", version.node.shape());
            findings.add_with_hint(version.value_place(), message, HINT);
        }
    }
}

/// The entries of a section, none where it is not a mapping.
fn section_of<'n>(section: &'n Entry, findings: &mut Findings) -> &'n [Entry] {
    match &section.node.value {
        Value::Map(entries) => entries,
        Value::Broken => &[],
        Value::Scalar { .. } | Value::List(_) => {
            let key = &section.key;
            let message = format!("`{key}` must be a mapping, not {}", section.node.shape());
            findings.add_with_hint(section.value_place(), message, format!("remove it, or write `{key}: {{}}`"));
            &[]
        }
    }
}

fn read_rules(kind: Kind, section: &[Entry], policy: &mut Policy, room: &mut RegexRoom, findings: &mut Findings) {
    let mut drafts: Vec<Draft<'_>> = Vec::with_capacity(section.len());
    let mut table = RuleTable::default();
    for entry in section {
        let pattern = read_name(kind, entry, findings);
        let about = about(kind);
        let into = (&mut policy.scopes, &mut *room);
        let body = read_body(entry, about, pattern.as_ref().and_then(Option::as_ref), into, findings);
        let Some(pattern) = pattern else { continue };
        // A rule in shadow is not enforced, so it hides no other.
        let is_deny = body.as_ref().map(|body| matches!(body.effect, Effect::Deny) && body.mode == Mode::Enforce);
        if let Some(body) = body {
            let (id, is_shadow) = (policy.rules.len(), body.mode == Mode::Shadow);
            let is_deny = matches!(body.effect, Effect::Deny);
            match pattern.clone() {
                Some(pattern) => table.insert_pattern(pattern, id, is_deny, is_shadow),
                None => table.insert_exact(&entry.key, id, is_shadow),
            }
            let label = format!("{}.{}", kind.section(), entry.key).into();
            let pattern = pattern.clone();
            policy.has_conditions |= body.when.is_some();
            policy.rules.push(Rule { kind, label, line: entry.place.line, body, pattern });
        }
        drafts.push(Draft { name: &entry.key, place: entry.place, pattern, is_deny });
    }
    refuse_conflicts(&drafts, findings);
    table.sort();
    *policy.table_mut(kind) = table;
}

const fn about(kind: Kind) -> About {
    match kind {
        Kind::Tool => About::Tool,
        Kind::Prompt => About::Prompt,
        Kind::Resource => About::Resource,
        Kind::Method => About::Method,
    }
}

/// What a rule is about: `Some(None)` is an exact name; `None` is a flaw.
fn read_name(kind: Kind, entry: &Entry, findings: &mut Findings) -> Option<Option<Pattern>> {
    let (name, place) = (&*entry.key, entry.place);
    let (syntax, longest) = match kind {
        Kind::Tool | Kind::Prompt | Kind::Method => (Syntax::Name, LONGEST_NAME),
        Kind::Resource => (Syntax::Uri, LONGEST_URI),
    };
    let word = kind.word();
    if name.is_empty() {
        findings.add(place, format!("the name of a {word} cannot be empty"));
        return None;
    }
    if name.len() > longest {
        findings.add(place, format!("the {word} {} is longer than {longest} bytes", Quoted(name)));
        return None;
    }
    if name.contains(char::is_control) {
        findings.add(place, format!("the {word} {} contains a control character", Quoted(name)));
        return None;
    }
    match Pattern::parse(name, syntax) {
        Ok(pattern) if kind == Kind::Method => {
            method_is_free(name, pattern.as_ref(), place, findings).then_some(pattern)
        }
        Ok(pattern) => Some(pattern),
        Err(fault) => {
            refuse_pattern(name, syntax, fault, place, findings);
            None
        }
    }
}

fn refuse_pattern(name: &str, syntax: Syntax, fault: PatternFault, place: Place, findings: &mut Findings) {
    let name = Quoted(name);
    match (fault, syntax) {
        (PatternFault::TooManyStars, Syntax::Name) => {
            let hint = "write `*`: it stands for any run of characters here";
            findings.add_with_hint(place, format!("`**` means nothing in the pattern {name}"), hint);
        }
        (PatternFault::TooManyStars, Syntax::Uri) => {
            let hint = "`*` stands for any run without `/`, `**` for any run";
            findings.add_with_hint(place, format!("`***` means nothing in the pattern {name}"), hint);
        }
        (PatternFault::Variable(reason), _) => {
            let hint = "a variable is a whole segment, as in `file:///users/{owner}/**`";
            findings.add_with_hint(place, format!("the pattern {name} cannot be used: {reason}"), hint);
        }
        (PatternFault::TooManyRuns, _) => {
            findings.add(place, format!("the pattern {name} has more than {MOST_RUNS} `*`"));
        }
    }
}

/// Whether a rule may be about this method, or pattern of methods.
fn method_is_free(name: &str, pattern: Option<&Pattern>, place: Place, findings: &mut Findings) -> bool {
    if pattern.is_some_and(|pattern| !pattern.starts_literally()) {
        let message = format!("the method pattern {} must begin with a literal character", Quoted(name));
        findings.add_with_hint(place, message, "name the methods, as in `x-acme/*`");
        return false;
    }
    // In lower case, since a method in disguise is meant to be taken for the one it resembles.
    let steps = steps_of(&name.to_lowercase());
    let Some(reserved) = RESERVED_METHODS.iter().find(|reserved| intersects(&steps, &steps_of(reserved))) else {
        return true;
    };
    let message = format!("{} cannot have a rule under `methods`: it matches `{reserved}`", Quoted(name));
    let hint = match *reserved {
        "tools/call" => "calls are decided by the rules under `tools`",
        "prompts/get" => "prompts are decided by the rules under `prompts`",
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" | "subscriptions/listen" => {
            "resources are decided by the rules under `resources`"
        }
        "completion/complete" => "completions are decided by the rules under `prompts` and `resources`",
        "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" => {
            "every authenticated caller may list, and sees what the rules let it call"
        }
        _ => "every authenticated caller may send it",
    };
    findings.add_with_hint(place, message, hint);
    false
}

fn steps_of(name: &str) -> Box<[Step]> {
    match Pattern::parse(name, Syntax::Name) {
        Ok(Some(pattern)) => pattern.steps(),
        Ok(None) | Err(_) => name.chars().map(Step::Exactly).collect(),
    }
}
