//! Who can have something, and what somebody can have.

use super::super::pattern::{Pattern, Syntax, intersects};
use super::super::{Kind, Policy};
use super::access::{Access, Way};
use super::classes::{TooVaried, classes};
use crate::caller::Scopes;

/// One thing, or the things one pattern stands for, and who may have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'p> {
    /// What it is.
    pub kind: Kind,
    /// Its name, or an example.
    pub name: String,
    /// The name stands for others that the same rule decides about.
    pub is_example: bool,
    /// Who may have it.
    pub access: Access<'p>,
    /// Scopes of which each is implied by the one before it, as in (`read`, [`write`, `admin`]): the second are as good.
    pub implied_by: Vec<(String, Vec<String>)>,
}

impl Answer<'_> {
    /// The pattern or name as the rule writes it.
    #[must_use]
    pub fn thing(&self) -> &str {
        let label = self.access.rule.and_then(|rule| rule.split_once('.')).map(|(_, pattern)| pattern);
        label.unwrap_or(&self.name)
    }
}

/// Who can have what `pattern` matches: one answer for each rule that decides about some of it.
///
/// # Errors
/// [`TooVaried`] where not everything could be looked at.
pub fn who<'p>(policy: &'p Policy, kinds: &[Kind], pattern: &str) -> Result<Vec<Answer<'p>>, TooVaried> {
    let mut answers = Vec::new();
    for kind in kinds.iter().copied() {
        for class in classes(&[policy], kind)? {
            let access = policy.access(kind, &class.name);
            let label = access.rule.and_then(|rule| rule.split_once('.')).map_or("", |(_, pattern)| pattern);
            let written = if class.is_exact { &class.name } else { label };
            if !can_meet(kind, pattern, written) {
                continue;
            }
            let mut scopes: Vec<&String> = access.ways.iter().flat_map(|way| &way.0).collect();
            scopes.sort_unstable();
            scopes.dedup();
            let stronger = |scope: &String| {
                let others: Vec<String> =
                    policy.suppliers(scope).into_iter().filter(|other| other != scope).collect();
                (!others.is_empty()).then(|| (scope.clone(), others))
            };
            let implied_by = scopes.into_iter().filter_map(stronger).collect();
            answers.push(Answer { kind, name: class.name, is_example: !class.is_exact, access, implied_by });
        }
    }
    Ok(answers)
}

/// What a token with these scopes can have, and what it cannot and why.
///
/// # Errors
/// [`TooVaried`] where not everything could be looked at.
pub fn what<'p>(policy: &'p Policy, scopes: &Scopes) -> Result<Vec<(Answer<'p>, bool)>, TooVaried> {
    let held = Way(scopes.iter().map(str::to_owned).collect());
    let mut answers = Vec::new();
    for kind in Kind::ALL {
        for class in classes(&[policy], kind)? {
            let access = policy.access(kind, &class.name);
            let can = policy.opens(&held, kind, &class.name);
            let answer =
                Answer { kind, name: class.name, is_example: !class.is_exact, access, implied_by: Vec::new() };
            answers.push((answer, can));
        }
    }
    Ok(answers)
}

/// Whether some name is matched by both.
fn can_meet(kind: Kind, one: &str, two: &str) -> bool {
    let syntax = if kind == Kind::Resource { Syntax::Uri } else { Syntax::Name };
    match (Pattern::parse(one, syntax), Pattern::parse(two, syntax)) {
        (Ok(Some(one)), Ok(Some(two))) => intersects(&one.steps(), &two.steps()),
        (Ok(Some(pattern)), Ok(None)) => pattern.matches(two),
        (Ok(None), Ok(Some(pattern))) => pattern.matches(one),
        (Ok(None), Ok(None)) => one == two,
        // A pattern that is none asks about everything of another syntax: `**` of resources about no tool.
        (Err(_), _) | (_, Err(_)) => false,
    }
}
