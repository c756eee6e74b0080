//! The access matrix: callers across, things down.

use super::super::{DenyReason, Kind, OnDeny, Policy, Ruling};
use super::classes::{TooVaried, classes};
use crate::caller::Scopes;

/// A caller of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// How the column is headed.
    pub name: String,
    /// The scopes of its token.
    pub scopes: Scopes,
}

/// What a caller gets of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// It sees and may use it.
    Yes,
    /// It sees it, and may use it when the rule's condition holds.
    Conditional,
    /// It would be refused, were the rule enforced.
    Shadow,
    /// It is told which scopes it lacks.
    Challenged,
    /// It is told that the policy refuses.
    Explained,
    /// It is told that there is no such thing.
    Hidden,
}

impl Cell {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Conditional => "when …",
            Self::Shadow => "shadow",
            Self::Challenged => "needs scope",
            Self::Explained => "refused",
            Self::Hidden => "-",
        }
    }
}

/// One thing, or the things a pattern stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub kind: Kind,
    /// Its name, or the pattern.
    pub name: String,
    /// One cell for each caller.
    pub cells: Vec<Cell>,
}

/// What each of some callers may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// The callers.
    pub holders: Vec<Holder>,
    /// The things, by kind and name.
    pub rows: Vec<Row>,
}

/// The matrix of these callers; without any, of those in the policy's tests.
///
/// # Errors
/// [`TooVaried`] where not everything could be looked at.
pub fn matrix(policy: &Policy, holders: Vec<Holder>) -> Result<Matrix, TooVaried> {
    let holders = if holders.is_empty() { tested(policy) } else { holders };
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        for class in classes(&[policy], kind)? {
            let cell = |holder: &Holder| {
                let grants = policy.grants(&holder.scopes);
                match policy.decide(&grants, kind, &class.name) {
                    Ruling::Permit(permit) if permit.would_deny().is_some() => Cell::Shadow,
                    Ruling::Permit(_) if policy.access(kind, &class.name).when.is_some() => Cell::Conditional,
                    Ruling::Permit(_) => Cell::Yes,
                    Ruling::Deny(denial) => match (denial.reason, denial.on_deny) {
                        (DenyReason::ScopesMissing, OnDeny::Challenge) => Cell::Challenged,
                        (_, OnDeny::Explain) => Cell::Explained,
                        (_, OnDeny::Challenge | OnDeny::Hide) => Cell::Hidden,
                    },
                }
            };
            let cells = holders.iter().map(cell).collect();
            let pattern = policy.rule_for(kind, &class.name).map(|rule| rule.pattern().to_owned());
            let name = if class.is_exact { class.name } else { pattern.unwrap_or(class.name) };
            rows.push(Row { kind, name, cells });
        }
    }
    Ok(Matrix { holders, rows })
}

/// The callers of the policy's tests, each set of scopes once, and one without any scope.
fn tested(policy: &Policy) -> Vec<Holder> {
    let mut holders: Vec<Holder> = Vec::new();
    for (name, scopes) in policy.tested_callers() {
        if !holders.iter().any(|holder| holder.scopes == *scopes) {
            holders.push(Holder { name: name.to_owned(), scopes: scopes.clone() });
        }
    }
    if !holders.iter().any(|holder| holder.scopes.is_empty()) {
        holders.push(Holder { name: "(no scope)".to_owned(), scopes: Scopes::default() });
    }
    holders
}
