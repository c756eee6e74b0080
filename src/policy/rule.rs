//! One rule: what it is about, and what it asks for.

use super::document::{Entry, Value};
use super::fields::{Fields, is_true, refuse_word, text_of, words};
use super::flaw::{Findings, Place};
use super::pattern::{Pattern, Specificity};
use super::rate::{self, RateLimit};
use super::sample::{Sample, read_mode};
use super::scope::{Grants, LONGEST_LIST, ScopeId, ScopeTable};
use super::shape::RULE;
use super::{Kind, Limit, Mode, OnDeny};
use crate::cel::{self, About, Condition, Declared};

/// A rule, ready to run.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) kind: Kind,
    /// Section and name, as in `tools.echo`.
    pub(super) label: Box<str>,
    pub(super) line: usize,
    pub(super) body: Body,
    /// The pattern, where its variables are needed.
    pub(super) pattern: Option<Pattern>,
}

/// What a rule says, apart from what it is about.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) effect: Effect,
    pub(super) on_deny: OnDeny,
    pub(super) when: Option<Condition>,
    pub(super) mode: Mode,
    /// How many of the refusals are audited, in shadow.
    pub(super) sample: Sample,
    pub(super) limit: Option<RateLimit>,
}

/// What a rule does with a caller.
#[derive(Debug)]
pub(super) enum Effect {
    /// Refuses everyone.
    Deny,
    /// Lets in who holds all of `all`, and all of one alternative of `any` where there are any.
    Allow { all: Box<[ScopeId]>, any: Box<[Box<[ScopeId]>]> },
}

impl Rule {
    /// The name or pattern the rule is about.
    pub(super) fn pattern(&self) -> &str {
        let section = self.kind.section().len().saturating_add(1);
        self.label.split_at_checked(section).map_or("", |(_, pattern)| pattern)
    }

    pub(super) const fn is_deny(&self) -> bool {
        matches!(self.body.effect, Effect::Deny)
    }

    pub(super) const fn is_shadow(&self) -> bool {
        matches!(self.body.mode, Mode::Shadow)
    }

    /// Whether the rule is about `name`.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.pattern.as_ref().map_or_else(|| self.pattern() == name, |pattern| pattern.matches(name))
    }

    /// How specific it is; the more specific is the smaller.
    pub(super) fn specificity(&self) -> Option<Specificity> {
        self.pattern.as_ref().map(Pattern::specificity)
    }

    /// The limit of the rule, if it has one.
    pub(super) fn limit(&self) -> Option<Limit<'_>> {
        self.body.limit.map(|rate| Limit {
            rule: &self.label,
            rate,
            mode: self.body.mode,
            sample: self.body.sample,
        })
    }

    /// The values of the pattern's variables in `name`; `None` where one is no text.
    pub(super) fn vars(&self, name: &str) -> Option<Vec<String>> {
        self.pattern.as_ref().map_or_else(|| Some(Vec::new()), |pattern| pattern.values(name))
    }

    /// The scopes that it names, some of them more than once.
    pub(super) fn asked(&self) -> impl Iterator<Item = ScopeId> {
        let (all, any): (&[ScopeId], &[Box<[ScopeId]>]) = match &self.body.effect {
            Effect::Deny => (&[], &[]),
            Effect::Allow { all, any } => (all, any),
        };
        all.iter().chain(any.iter().flatten()).copied()
    }

    /// Whether the rule lets in a caller with these grants.
    pub(super) fn admits(&self, scopes: &ScopeTable, grants: &Grants) -> bool {
        let holds_all = |ids: &[ScopeId]| ids.iter().all(|id| scopes.is_granted(grants, *id));
        match &self.body.effect {
            Effect::Deny => false,
            Effect::Allow { all, any } => {
                holds_all(all) && (any.is_empty() || any.iter().any(|ids| holds_all(ids)))
            }
        }
    }

    /// All scopes a caller with these grants should come back with: `all`, and of the alternatives the one that
    /// lacks the fewest, the first of those that lack equally few. In the rule's order, each once.
    pub(super) fn needs<'s>(&self, scopes: &'s ScopeTable, grants: &Grants) -> Vec<&'s str> {
        let Effect::Allow { all, any } = &self.body.effect else { return Vec::new() };
        let missing = |ids: &[ScopeId]| ids.iter().filter(|id| !scopes.is_granted(grants, **id)).count();
        let cheapest = any.iter().min_by_key(|ids| missing(ids));
        let mut needs: Vec<ScopeId> = Vec::new();
        for id in all.iter().chain(cheapest.into_iter().flatten()) {
            if !needs.contains(id) {
                needs.push(*id);
            }
        }
        needs.into_iter().map(|id| scopes.name(id)).collect()
    }
}

/// Reads what stands under the name of a rule; `None` where a flaw says why it cannot be used.
pub(super) fn read_body(
    entry: &Entry,
    about: About,
    pattern: Option<&Pattern>,
    (scopes, room): (&mut ScopeTable, &mut RegexRoom),
    findings: &mut Findings,
) -> Option<Body> {
    let before = findings.count();
    let fields = Fields::of_shape(entry, &RULE, findings)?;
    let on_deny = fields.value("on_deny").map(|field| (field, read_on_deny(field, findings)));
    let effect = read_effect(entry, &fields, scopes, findings);
    let on_deny = match (&effect, on_deny) {
        (Effect::Allow { .. }, None) => OnDeny::Challenge,
        // No scope cures a refusal by `deny`.
        (Effect::Deny, None) => OnDeny::Hide,
        (Effect::Deny, Some((field, Some(OnDeny::Challenge)))) => {
            let message = "`on_deny: challenge` cannot go with `deny`: no scope would help the caller";
            findings.add_with_hint(field.value_place(), message, "write `hide` (the default here) or `explain`");
            OnDeny::Hide
        }
        (_, Some((_, on_deny))) => on_deny.unwrap_or(OnDeny::Hide),
    };
    let vars = pattern.map(Pattern::variables).unwrap_or_default();
    let declared = Declared { about, vars: &vars };
    let when = fields.value("when").and_then(|field| read_when(field, declared, room, findings));
    let limit = fields.value("rate_limit").and_then(|field| rate::read(field, findings));
    let mode = fields.value("mode").and_then(|field| read_mode(field, findings));
    let (mode, sample) = mode.unwrap_or((Mode::Enforce, Sample::ALL));
    if matches!(effect, Effect::Deny) {
        for field in ["when", "rate_limit"].into_iter().filter_map(|key| fields.value(key)) {
            let message = format!("`{}` cannot go with `deny`: the rule refuses everyone", field.key);
            findings.add_with_hint(field.place, message, "say with `scopes` whom it lets in");
        }
    }
    (findings.count() == before).then_some(Body { effect, on_deny, when, mode, sample, limit })
}

/// What the regular expressions of all conditions of a policy may still take, compiled, in bytes.
#[derive(Debug)]
pub(super) struct RegexRoom(usize);

impl RegexRoom {
    /// All the room that a policy has.
    pub(super) const WHOLE: Self = Self(16 * 1024 * 1024);

    /// Takes what a condition needs. A regular expression that does not compile was tried up to the largest size.
    fn take(&mut self, text: &str, compiled: Option<&Condition>) {
        let size = compiled.map_or_else(
            || text.matches("matches").count().saturating_mul(cel::LARGEST_REGEX),
            Condition::regex_size,
        );
        self.0 = self.0.saturating_sub(size);
    }
}

fn read_when(
    field: &Entry,
    declared: Declared<'_>,
    room: &mut RegexRoom,
    findings: &mut Findings,
) -> Option<Condition> {
    if field.node.is_absent() {
        findings.add_with_hint(field.place, "`when` has no value", "write a condition, as in `args.size < 10`");
        return None;
    }
    let Value::Scalar { text, .. } = &field.node.value else {
        text_of(&field.node, "`when`", findings)?;
        return None;
    };
    if room.0 == 0 {
        let message = "the regular expressions of this policy are too many, or too large, together";
        findings.add_with_hint(
            field.place,
            message,
            "write smaller ones, or compare text with `startsWith` and `in`",
        );
        return None;
    }
    let compiled = Condition::compile(text, declared);
    room.take(text, compiled.as_ref().ok());
    match compiled {
        Ok(condition) => Some(condition),
        Err(fault) => {
            let place = findings.place_within(field.node.place, text, fault.at);
            let message = format!("`when`: {}", fault.message);
            match fault.hint {
                Some(hint) => findings.add_with_hint(place, message, hint),
                None => findings.add(place, message),
            }
            None
        }
    }
}

fn read_effect(entry: &Entry, fields: &Fields<'_>, scopes: &mut ScopeTable, findings: &mut Findings) -> Effect {
    let (all, any, deny) = (fields.value("scopes"), fields.value("any_of"), fields.value("deny"));
    let asked = all.is_some() || any.is_some();
    if let Some(deny) = deny {
        is_true(deny, findings);
        if asked {
            let message = "`deny` cannot go with `scopes` or `any_of`";
            findings.add_with_hint(deny.place, message, "a rule either refuses everyone or says whom it lets in");
        }
    } else if !asked {
        let hint = "`scopes: []` lets every authenticated caller in, `deny: true` refuses everyone";
        findings.add_with_hint(entry.place, "the rule has neither `scopes` nor `any_of` nor `deny`", hint);
    }
    let ids = |list: Vec<(ScopeId, _)>| list.into_iter().map(|(id, _)| id).collect();
    let all = all.map_or_else(Vec::new, |field| scopes.read_list(field, "scopes", findings));
    let any = any.map_or_else(Vec::new, |field| read_alternatives(field, scopes, findings));
    match deny {
        Some(_) => Effect::Deny,
        None => Effect::Allow { all: ids(all), any: any.into_iter().map(ids).collect() },
    }
}

type Alternative = Vec<(ScopeId, Place)>;

fn read_alternatives(field: &Entry, scopes: &mut ScopeTable, findings: &mut Findings) -> Vec<Alternative> {
    const HINT: &str = "write `any_of: [[a:scope], [b:scope, c:scope]]`";
    let items = match &field.node.value {
        Value::List(items) => items,
        Value::Broken => return Vec::new(),
        Value::Scalar { .. } | Value::Map(_) => {
            let message = format!("`any_of` must be a list of lists of scopes, not {}", field.node.shape());
            findings.add_with_hint(field.value_place(), message, HINT);
            return Vec::new();
        }
    };
    if items.is_empty() {
        let hint = "name at least one alternative; `deny: true` refuses everyone";
        findings.add_with_hint(field.node.place, "`any_of` without alternatives can never be met", hint);
    }
    if let Some(excess) = items.get(LONGEST_LIST) {
        findings.add(excess.place, format!("more than {LONGEST_LIST} alternatives"));
        return Vec::new();
    }
    let mut alternatives = Vec::with_capacity(items.len());
    for item in items {
        match &item.value {
            Value::List(names) if names.is_empty() => {
                let hint = "remove it; `scopes: []` without `any_of` lets every authenticated caller in";
                findings.add_with_hint(item.place, "an empty alternative is always met", hint);
            }
            Value::List(names) => alternatives.push(scopes.read_items(names, findings)),
            Value::Broken => {}
            Value::Scalar { .. } | Value::Map(_) => {
                let message = format!("an alternative must be a list of scopes, not {}", item.shape());
                findings.add_with_hint(item.place, message, HINT);
            }
        }
    }
    alternatives
}

fn read_on_deny(field: &Entry, findings: &mut Findings) -> Option<OnDeny> {
    if field.node.is_absent() {
        findings.add_with_hint(
            field.place,
            "`on_deny` has no value",
            format!("it can be {}", words(&OnDeny::WORDS)),
        );
        return None;
    }
    let text = text_of(&field.node, "`on_deny`", findings)?;
    let known = OnDeny::ALL.into_iter().find(|on_deny| on_deny.word() == text);
    if known.is_none() {
        refuse_word(field, text, &OnDeny::WORDS, findings);
    }
    known
}
