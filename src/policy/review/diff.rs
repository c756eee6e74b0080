//! What changes for whom between two policies.

use super::super::{Grants, Kind, OnDeny, Policy, RateLimit, Ruling};
use super::access::{Access, Way};
use super::classes::{TooVaried, classes};
use crate::caller::Scopes;

/// What changes about one thing, or about the things that one pattern stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'p> {
    /// What it is.
    pub kind: Kind,
    /// Its name, or an example.
    pub name: String,
    /// The name stands for others that the same rules decide about.
    pub is_example: bool,
    /// The rule that decided, as in `tools.report_*`.
    pub old_rule: Option<&'p str>,
    /// The rule that will decide.
    pub new_rule: Option<&'p str>,
    /// What changes.
    pub effects: Vec<Effect>,
}

/// One change for callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A token with just these scopes opens it now and did not.
    Gained(Way),
    /// A token with just these scopes opened it and does not any more.
    Lost(Way),
    /// Who is refused is told something else.
    Told(OnDeny, OnDeny),
    /// Calls are asked another condition.
    Condition(Option<String>, Option<String>),
    /// The rule lets through another number of calls.
    Rate(Option<RateLimit>, Option<RateLimit>),
}

/// Which way a change goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Nobody may do more or less than before.
    Neutral,
    /// Somebody may do less.
    Tightened,
    /// Somebody may do more.
    Loosened,
}

impl Effect {
    /// Whether it goes this way. What cannot be told goes both ways.
    #[must_use]
    pub fn goes(&self, direction: Direction) -> bool {
        let (is_looser, is_tighter) = match self {
            Self::Gained(_) => (true, false),
            Self::Lost(_) => (false, true),
            Self::Told(..) => (false, false),
            Self::Condition(old, new) => (old.is_some(), new.is_some()),
            Self::Rate(old, new) => rates(old.as_ref(), new.as_ref()),
        };
        match direction {
            Direction::Neutral => !is_looser && !is_tighter,
            Direction::Tightened => is_tighter,
            Direction::Loosened => is_looser,
        }
    }
}

/// Whether the new limit is looser, and whether it is tighter.
fn rates(old: Option<&RateLimit>, new: Option<&RateLimit>) -> (bool, bool) {
    let (Some(old), Some(new)) = (old, new) else { return (old.is_some(), new.is_some()) };
    let is_same_count = old.by == new.by;
    let less = |one: &RateLimit, two: &RateLimit| one.requests <= two.requests && one.per >= two.per;
    (!(is_same_count && less(new, old)), !(is_same_count && less(old, new)))
}

/// All that changes from `old` to `new`, by kind and name.
///
/// # Errors
/// [`TooVaried`] where not everything could be looked at: then nothing is said at all.
pub fn diff<'p>(old: &'p Policy, new: &'p Policy) -> Result<Vec<Change<'p>>, TooVaried> {
    let is_same_hierarchy = old.hierarchy() == new.hierarchy();
    let mut changes = Vec::new();
    for kind in Kind::ALL {
        for class in classes(&[old, new], kind)? {
            let (before, after) = (old.access(kind, &class.name), new.access(kind, &class.name));
            let opens = |policy: &Policy, way: &Way| policy.opens(way, kind, &class.name);
            let lost = candidates(old, &before, is_same_hierarchy, kind)?;
            let lost = least(lost.into_iter().filter(|way| !opens(new, way)));
            let gained = candidates(new, &after, is_same_hierarchy, kind)?;
            let gained = least(gained.into_iter().filter(|way| !opens(old, way)));
            let mut effects: Vec<Effect> = lost.into_iter().map(Effect::Lost).collect();
            effects.extend(gained.into_iter().map(Effect::Gained));
            if before.on_deny != after.on_deny && before.rule.is_some() && after.rule.is_some() {
                effects.push(Effect::Told(before.on_deny, after.on_deny));
            }
            effects.extend(terms(&before, &after));
            if !effects.is_empty() {
                let (name, is_example) = (class.name, !class.is_exact);
                let (old_rule, new_rule) = (before.rule, after.rule);
                changes.push(Change { kind, name, is_example, old_rule, new_rule, effects });
            }
        }
    }
    Ok(changes)
}

/// What changes for those who had it and will have it.
fn terms(before: &Access<'_>, after: &Access<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    if before.ways.is_empty() || after.ways.is_empty() {
        return effects;
    }
    if before.when != after.when {
        effects.push(Effect::Condition(before.when.map(str::to_owned), after.when.map(str::to_owned)));
    }
    if before.rate_limit != after.rate_limit {
        effects.push(Effect::Rate(before.rate_limit, after.rate_limit));
    }
    effects
}

/// The most sets of scopes that are tried for one thing.
const MOST_WAYS: usize = 10_000;

/// The sets of scopes by which to find a difference: where both policies have one hierarchy, the ways of one policy
/// are enough (what holds for the least set holds for every larger one); else all that implies them is tried, too.
fn candidates(policy: &Policy, access: &Access<'_>, is_same: bool, kind: Kind) -> Result<Vec<Way>, TooVaried> {
    if is_same {
        return Ok(access.ways.clone());
    }
    let mut candidates: Vec<Way> = Vec::new();
    for way in &access.ways {
        let mut partial = vec![Vec::new()];
        for scope in &way.0 {
            let suppliers = policy.suppliers(scope);
            partial = partial
                .iter()
                .flat_map(|chosen: &Vec<String>| {
                    suppliers.iter().map(|supplier| chosen.iter().chain([supplier]).cloned().collect())
                })
                .collect();
            if partial.len().saturating_add(candidates.len()) > MOST_WAYS {
                return Err(TooVaried(kind));
            }
        }
        candidates.extend(partial.into_iter().map(|mut scopes| {
            scopes.sort_unstable();
            scopes.dedup();
            Way(scopes)
        }));
    }
    Ok(candidates)
}

/// The ways that contain no other, sorted, each once.
fn least(ways: impl Iterator<Item = Way>) -> Vec<Way> {
    let mut ways: Vec<Way> = ways.collect();
    ways.sort();
    ways.dedup();
    let contains = |large: &Way, small: &Way| large != small && small.0.iter().all(|scope| large.0.contains(scope));
    let is_least = |way: &&Way| !ways.iter().any(|other| contains(way, other));
    ways.iter().filter(is_least).cloned().collect()
}

/// What holders of each of these sets of scopes lose when `new` takes the place of `old`.
///
/// # Errors
/// [`TooVaried`] where not everything could be looked at.
pub fn losses(old: &Policy, new: &Policy, sets: &[Scopes]) -> Result<Vec<Vec<(Kind, String)>>, TooVaried> {
    let mut losses = vec![Vec::new(); sets.len()];
    let before: Vec<Grants> = sets.iter().map(|set| old.grants(set)).collect();
    let after: Vec<Grants> = sets.iter().map(|set| new.grants(set)).collect();
    let permits = |policy: &Policy, grants: &Grants, kind, name: &str| {
        matches!(policy.decide(grants, kind, name), Ruling::Permit(_))
    };
    for kind in Kind::ALL {
        for class in classes(&[old, new], kind)? {
            for (loss, (before, after)) in losses.iter_mut().zip(before.iter().zip(&after)) {
                if permits(old, before, kind, &class.name) && !permits(new, after, kind, &class.name) {
                    loss.push((kind, class.name.clone()));
                }
            }
        }
    }
    Ok(losses)
}
