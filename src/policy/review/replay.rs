//! Recorded decisions, decided again: which of them a new policy changes.
//!
//! Nothing is guessed: where an audit line does not have what a condition looks at, the decision counts as unknown.

use std::collections::BTreeMap;
use std::fmt;

use super::super::recorded::{self, Recorded, Useless};
use super::super::rule::Rule;
use super::super::{Grants, Kind, Matched, Mode, Policy, Ruling};
use crate::caller::Scopes;
use crate::cel::{Facts, Look};
use crate::message::is_specified;

/// The most pairs of a caller and a thing that are told.
const MOST_MOVED: usize = 50_000;

/// Whom recorded decisions are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// `sub`
    pub subject: String,
    /// Who vouches for it, where that was recorded.
    pub issuer: Option<String>,
}

/// How many recorded decisions of one caller about one thing change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Refused before, and allowed now.
    pub gained: usize,
    /// Allowed before, and refused now.
    pub lost: usize,
}

/// Why a recorded decision cannot be decided again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// Names or scopes were cut when the line was written.
    Cut,
    /// The line does not say by which method.
    NoMethod,
    /// Several things may have been asked for, and the line names one.
    Several,
    /// It was about a task, and the line does not say what made it.
    Task,
    /// The condition of this rule looks at what the line does not have.
    Condition {
        /// The rule, as in `tools.echo`.
        rule: String,
        /// What it looks at.
        looks_at: &'static str,
    },
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("names or scopes were cut when they were recorded"),
            Self::NoMethod => f.write_str("the method was not recorded"),
            Self::Several => f.write_str("the line names only one of the resources that may have been asked for"),
            Self::Task => f.write_str("about a task, and what made it was not recorded"),
            Self::Condition { rule, looks_at } => {
                write!(
                    f,
                    "the condition of {} looks at `{looks_at}`, which was not recorded",
                    crate::policy::flaw::Quoted(rule)
                )
            }
        }
    }
}

/// Recorded decisions under two policies.
#[derive(Debug)]
pub struct Replay<'p> {
    old: &'p Policy,
    new: &'p Policy,
    /// What changes, by thing and caller.
    moved: BTreeMap<(usize, String), BTreeMap<Caller, Moved>>,
    pairs: usize,
    /// What cannot be told, and how often.
    pub unknown: BTreeMap<Unknown, usize>,
    /// Decisions that were decided again.
    pub replayed: usize,
    /// Of those, the ones that the old policy decides otherwise than was recorded: another one was in force.
    pub otherwise: usize,
    /// Lines about what needs no rule, or about refusals that no policy makes.
    pub other: usize,
    /// Lines that cannot be read as audit lines.
    pub unreadable: usize,
    /// Decisions that change, and for which there was no room.
    pub beyond: usize,
}

/// What a policy says of a recorded request.
#[derive(Debug)]
enum Said<'p> {
    Allowed,
    Refused,
    /// The condition of this rule decides, and what it looks at is not there.
    Depends(&'p Rule, Look),
}

impl<'p> Replay<'p> {
    /// Nothing was read yet.
    #[must_use]
    pub const fn new(old: &'p Policy, new: &'p Policy) -> Self {
        Self {
            old,
            new,
            moved: BTreeMap::new(),
            pairs: 0,
            unknown: BTreeMap::new(),
            replayed: 0,
            otherwise: 0,
            other: 0,
            unreadable: 0,
            beyond: 0,
        }
    }

    /// Takes one line of an audit.
    pub fn take(&mut self, line: &str) {
        match recorded::read(line) {
            Ok(recorded) => match self.decided(&recorded) {
                Ok((before, after)) => self.note(recorded, before, after),
                Err(unknown) => self.note_unknown(unknown),
            },
            Err(Useless::Cut) => self.note_unknown(Unknown::Cut),
            Err(Useless::Unreadable) => self.unreadable = self.unreadable.saturating_add(1),
            Err(Useless::Other) => self.other = self.other.saturating_add(1),
        }
    }

    /// What changes: each thing, with the callers for whom it does.
    pub fn moved(&self) -> impl Iterator<Item = (Kind, &str, &BTreeMap<Caller, Moved>)> {
        self.moved.iter().filter_map(|((at, name), callers)| Some((*Kind::ALL.get(*at)?, name.as_str(), callers)))
    }

    /// Whether somebody gains something.
    #[must_use]
    pub fn is_looser(&self) -> bool {
        self.moved.values().flat_map(BTreeMap::values).any(|moved| moved.gained > 0)
    }

    /// Whether somebody loses something.
    #[must_use]
    pub fn is_tighter(&self) -> bool {
        self.moved.values().flat_map(BTreeMap::values).any(|moved| moved.lost > 0)
    }

    /// Whether the request was allowed before, and whether it is now.
    fn decided(&mut self, recorded: &Recorded) -> Result<(bool, bool), Unknown> {
        let method = recorded.method.as_deref().ok_or(Unknown::NoMethod)?;
        if method == "subscriptions/listen" {
            return Err(Unknown::Several);
        }
        if method.starts_with("tasks/") && recorded.kind == Kind::Method {
            return Err(Unknown::Task);
        }
        let (old, new) = (said(self.old, recorded, method), said(self.new, recorded, method));
        let before = match &old {
            Said::Allowed => true,
            Said::Refused => false,
            // What was recorded is what this very rule said.
            Said::Depends(rule, _) if recorded.rule.as_deref() == Some(&*rule.label) => recorded.is_allowed,
            Said::Depends(rule, look) => return Err(depends(rule, *look)),
        };
        let after = match (&old, &new) {
            (_, Said::Allowed) => true,
            (_, Said::Refused) => false,
            // Whatever it says, it says the same.
            (Said::Depends(one, _), Said::Depends(two, _)) if is_same_condition(one, two) => before,
            (_, Said::Depends(rule, look)) => return Err(depends(rule, *look)),
        };
        if before != recorded.is_allowed {
            self.otherwise = self.otherwise.saturating_add(1);
        }
        Ok((before, after))
    }

    fn note(&mut self, recorded: Recorded, before: bool, after: bool) {
        self.replayed = self.replayed.saturating_add(1);
        if before == after {
            return;
        }
        let Recorded { subject, issuer, kind, name, .. } = recorded;
        let at = Kind::ALL.iter().position(|other| *other == kind).unwrap_or_default();
        let (thing, caller) = ((at, name), Caller { subject, issuer });
        let is_known = self.moved.get(&thing).is_some_and(|callers| callers.contains_key(&caller));
        if !is_known && self.pairs >= MOST_MOVED {
            self.beyond = self.beyond.saturating_add(1);
            return;
        }
        self.pairs = self.pairs.saturating_add(usize::from(!is_known));
        let moved = self.moved.entry(thing).or_default().entry(caller).or_default();
        let count = if after { &mut moved.gained } else { &mut moved.lost };
        *count = count.saturating_add(1);
    }

    fn note_unknown(&mut self, unknown: Unknown) {
        let count = self.unknown.entry(unknown).or_default();
        *count = count.saturating_add(1);
    }
}

fn depends(rule: &Rule, look: Look) -> Unknown {
    Unknown::Condition { rule: rule.label.to_string(), looks_at: look.word() }
}

/// Whether both rules ask the same of every request. Variables may be called alike in different patterns.
fn is_same_condition(one: &Rule, two: &Rule) -> bool {
    let source = |rule: &Rule| rule.body.when.as_ref().map(|when| when.source().to_owned());
    one.label == two.label && source(one) == source(two)
}

/// What `policy` says of the request that was recorded.
fn said<'p>(policy: &'p Policy, recorded: &Recorded, method: &str) -> Said<'p> {
    let grants = policy.grants(&Scopes::from_names(recorded.scopes.iter().map(String::as_str)));
    let (kind, name) = (recorded.kind, recorded.name.as_str());
    if kind == Kind::Method && !policy.names_method(name) {
        return if is_specified(name) { Said::Allowed } else { Said::Refused };
    }
    if method.starts_with("tasks/") {
        // Of a task what made it must be allowed, and the method where there is a rule about it; no condition is asked
        // about the former.
        let is_seen = matches!(policy.decide(&grants, kind, name), Ruling::Permit(_));
        return match policy.names_method(method) {
            _ if !is_seen => Said::Refused,
            true => asked(policy, &grants, (Kind::Method, method), method, None),
            false => Said::Allowed,
        };
    }
    asked(policy, &grants, (kind, name), method, recorded.arguments.as_deref())
}

fn asked<'p>(
    policy: &'p Policy,
    grants: &Grants,
    (kind, name): (Kind, &str),
    method: &str,
    arguments: Option<&str>,
) -> Said<'p> {
    if let Ruling::Deny(_) = policy.decide(grants, kind, name) {
        return Said::Refused;
    }
    let Matched { enforced, .. } = policy.rules_for(kind, name);
    let Some((rule, when)) = enforced.and_then(|rule| Some((rule, rule.body.when.as_ref()?))) else {
        return Said::Allowed;
    };
    // Nothing is enforced.
    if policy.mode == Mode::Shadow {
        return Said::Allowed;
    }
    // Only these two carry arguments; a completion of theirs has none.
    let has_arguments = arguments.is_some() || !matches!(method, "tools/call" | "prompts/get");
    if let Some(look) = when.looks_at().into_iter().find(|look| *look != Look::Args || !has_arguments) {
        return Said::Depends(rule, look);
    }
    let facts = Facts { claims: "{}", args: arguments, method, ..Facts::default() };
    match policy.decide_call(grants, kind, name, &facts) {
        Ruling::Permit(_) => Said::Allowed,
        Ruling::Deny(_) => Said::Refused,
    }
}

#[cfg(test)]
mod tests;
