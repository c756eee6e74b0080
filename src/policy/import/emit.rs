//! Clauses in the order of the source → the rules of a policy.
//!
//! A rule of the policy decides alone about its names. So each rule that is written allows no more than the source
//! does for any name that it could decide about: it may be left out, or fail to be found, and nothing gets wider.

use std::collections::{BTreeSet, HashSet};

use super::super::Kind;
use super::super::draft::{Asks, DraftRule};
use super::clause::{Clause, Target, stands_for_itself};
use super::expression::has_scopes;
use super::{Lost, Step};

/// The most rules that are written for one kind.
const MOST_RULES: usize = 4_096;

/// One way to get something: scopes, and conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    /// The line it comes from.
    line: usize,
    scopes: BTreeSet<String>,
    conditions: BTreeSet<String>,
}

/// The rules of one kind, each with the line it comes from. The first step that matches decides; where none does, the
/// source refuses.
pub(super) fn rules(kind: Kind, steps: &[Step], lost: &mut Vec<Lost>) -> Vec<(DraftRule, usize)> {
    let steps: Vec<&Step> =
        steps.iter().filter(|step| step.clause.kind.is_none_or(|about| about == kind)).collect();
    let targets = targets(kind, &steps, lost);
    let found: Vec<(Target, Vec<Way>)> =
        targets.into_iter().map(|target| (target.clone(), ways(&target, &steps))).collect();
    let open: Vec<&Target> = found.iter().filter(|(_, ways)| !ways.is_empty()).map(|(target, _)| target).collect();
    let rules = found.iter().filter_map(|(target, ways)| {
        let asks = if ways.is_empty() {
            // Refusing what would be refused anyway hides it. A pattern that refuses would take from others.
            let is_beside = open.iter().any(|other| target.meets(other));
            let is_alone =
                !target.is_pattern && is_beside || !is_beside && refusing(target, &steps).next().is_some();
            is_alone.then_some((Asks::Nobody, None))
        } else {
            Some(said(ways))
        };
        let (asks, when) = asks?;
        let lines: BTreeSet<usize> = match asks {
            Asks::Nobody => refusing(target, &steps).collect(),
            Asks::Undecided | Asks::AnyOf(_) => ways.iter().map(|way| way.line).collect(),
        };
        let line = lines.first().copied().unwrap_or(1);
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let notes = if lines.is_empty() { Vec::new() } else { vec![format!("from line {}", lines.join(", "))] };
        let Target { kind, text, is_pattern } = target.clone();
        Some((DraftRule { kind, name: text, is_pattern, notes, asks, when }, line))
    });
    rules.collect()
}

/// What rules of a policy can be about, each once.
fn targets(kind: Kind, steps: &[&Step], lost: &mut Vec<Lost>) -> Vec<Target> {
    let (mut targets, mut known) = (Vec::new(), HashSet::new());
    for step in steps {
        for target in step.clause.names.targets(kind) {
            if !target.is_pattern && !stands_for_itself(&target.text, kind) {
                let what = format!("the {} `{}` cannot be named in a policy", kind.word(), target.text);
                lost.push(Lost { line: step.line, what });
            } else if targets.len() == MOST_RULES {
                let what = format!("more than {MOST_RULES} {}: the others are refused", kind.section());
                lost.push(Lost { line: step.line, what });
                return targets;
            } else if known.insert((target.text.clone(), target.is_pattern)) {
                targets.push(target);
            }
        }
    }
    targets
}

/// The lines that refuse all of the target, whoever asks.
fn refusing(target: &Target, steps: &[&Step]) -> impl Iterator<Item = usize> {
    let refuses = |step: &&&Step| !step.allows && step.clause.is_bare() && step.clause.names.cover(target);
    steps.iter().filter(refuses).map(|step| step.line)
}

/// The ways in which every name of the target is open in the source.
fn ways(target: &Target, steps: &[&Step]) -> Vec<Way> {
    let mut ways: Vec<Way> = Vec::new();
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.allows && step.clause.names.cover(target)) {
        let earlier = steps.iter().take(at).filter(|earlier| !earlier.allows);
        let Some(guards) = guards(target, earlier.map(|earlier| &earlier.clause)) else { continue };
        let Some(conditions) = step.clause.conditions_for(target) else { continue };
        let way = Way {
            line: step.line,
            scopes: step.clause.scopes.clone(),
            conditions: conditions.into_iter().chain(guards).collect(),
        };
        let is_within =
            |one: &Way, two: &Way| two.scopes.is_subset(&one.scopes) && two.conditions.is_subset(&one.conditions);
        if !ways.iter().any(|known| is_within(&way, known)) {
            ways.retain(|known| !is_within(known, &way));
            ways.push(way);
        }
    }
    ways
}

/// What must hold so that no earlier step refuses; none where one always does.
fn guards<'s>(target: &Target, earlier: impl Iterator<Item = &'s Clause>) -> Option<Vec<String>> {
    let mut guards = Vec::new();
    for clause in earlier.filter(|clause| !clause.names.miss(target)) {
        if clause.is_bare() && clause.names.cover(target) {
            return None;
        }
        guards.push(clause.refuted(target));
    }
    Some(guards)
}

/// The ways as a policy says them: scopes, and a condition.
fn said(ways: &[Way]) -> (Asks, Option<String>) {
    let sets = ways.iter().map(|way| way.scopes.iter().cloned().collect()).collect();
    let joined = |conditions: &BTreeSet<String>| conditions.iter().cloned().collect::<Vec<_>>().join(" && ");
    let first = ways.first().map(|way| &way.conditions);
    if ways.iter().all(|way| Some(&way.conditions) == first) {
        let when = first.filter(|conditions| !conditions.is_empty()).map(joined);
        return (Asks::AnyOf(sets), when);
    }
    // The condition of one way must not open another, so the scopes stand in the condition, too.
    let each = ways.iter().map(|way| {
        let scopes = has_scopes(way.scopes.iter());
        let conditions = (!way.conditions.is_empty()).then(|| joined(&way.conditions));
        let both: Vec<String> = scopes.into_iter().chain(conditions).collect();
        if both.is_empty() { "true".to_owned() } else { both.join(" && ") }
    });
    (Asks::AnyOf(sets), Some(each.collect::<Vec<_>>().join(" || ")))
}
