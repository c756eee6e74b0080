//! Whether two policies show a caller the same things, whatever the server lists.

use super::{Grants, Kind, Policy, Ruling};

/// A policy, and what it grants to one caller.
#[derive(Debug, Clone, Copy)]
pub struct View<'p> {
    /// The policy.
    pub policy: &'p Policy,
    /// What the caller is granted under it.
    pub grants: &'p Grants,
}

impl View<'_> {
    /// Whether the caller may have the thing called `name`.
    #[must_use]
    pub fn permits(self, kind: Kind, name: &str) -> bool {
        matches!(self.policy.decide(self.grants, kind, name), Ruling::Permit(_))
    }

    /// Whether this view and `other` permit the same things of this kind, whatever their names. Where patterns differ
    /// this says no, though there may be no name that shows it.
    #[must_use]
    pub fn permits_the_same(self, other: Self, kind: Kind) -> bool {
        let names = self.exact(kind).chain(other.exact(kind));
        // A name with a rule of its own is asked about; all others are decided by the patterns.
        self.policy.mode == other.policy.mode
            && self.patterns(kind) == other.patterns(kind)
            && names.into_iter().all(|name| self.permits(kind, name) == other.permits(kind, name))
    }

    /// The patterns with what they do with the caller, in an order of their own.
    fn patterns(&self, kind: Kind) -> Vec<(&str, bool, bool, bool)> {
        let rules = self.policy.rules.iter().filter(|rule| rule.kind == kind);
        let rules = rules.filter(|rule| !self.policy.table(kind).is_exact(rule.pattern()));
        let mut patterns: Vec<_> = rules
            .map(|rule| {
                let admits = rule.admits(&self.policy.scopes, self.grants);
                (rule.pattern(), rule.is_deny(), rule.is_shadow(), admits)
            })
            .collect();
        patterns.sort_unstable();
        patterns
    }
}

impl<'p> View<'p> {
    fn exact(&self, kind: Kind) -> impl Iterator<Item = &'p str> {
        self.policy.table(kind).exact_names()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Scopes;

    const BASE: &str = "version: 1\nscopes: {w: {implies: [r]}}\ntools:\n  a: {scopes: [r]}\n  'b*': {scopes: [w]}\n  'c*': {deny: true}\n";

    #[track_caller]
    fn same(scopes: &[&str], one: &str, two: &str) -> bool {
        let policies = [one, two].map(|text| Policy::compile("policy", text).unwrap());
        let scopes = Scopes::from_names(scopes.iter().copied());
        let grants = [&policies[0], &policies[1]].map(|policy| policy.grants(&scopes));
        let [one, two] = [0, 1].map(|at| View { policy: &policies[at], grants: &grants[at] });
        let answer = one.permits_the_same(two, Kind::Tool);
        assert_eq!(answer, two.permits_the_same(one, Kind::Tool));
        answer
    }

    #[test]
    fn what_changes_nothing_for_the_caller_is_the_same() {
        let reader = ["r"];
        for other in [
            BASE.to_owned(),
            format!("{BASE}prompts: {{p: {{scopes: []}}}}\n"),
            format!("{BASE}  x: {{scopes: [w]}}\n"),
            format!("{BASE}  x: {{deny: true}}\n"),
            BASE.replace("a: {scopes: [r]}", "a: {scopes: []}"),
            BASE.replace("a: {scopes: [r]}", "a: {any_of: [[r], [x]], on_deny: hide}"),
            BASE.replace("'b*': {scopes: [w]}", "'b*': {scopes: [w, x]}"),
            BASE.replace("{implies: [r]}", "{implies: [x]}"),
        ] {
            assert!(same(&reader, BASE, &other), "{other}");
        }
    }

    #[test]
    fn what_the_caller_gains_or_loses_is_not() {
        for (scopes, other) in [
            (&["r"][..], BASE.replace("a: {scopes: [r]}", "a: {scopes: [w]}")),
            (&["r"], format!("{BASE}  x: {{scopes: [r]}}\n")),
            (&["r"], BASE.replace("'b*': {scopes: [w]}", "'b*': {scopes: []}")),
            (&["w"], BASE.replace("'b*': {scopes: [w]}", "'bb*': {scopes: [w]}")),
            (&["w"], BASE.replace("{implies: [r]}", "{implies: [x]}")),
            (&["r", "w"], format!("{BASE}  'ba*': {{deny: true}}\n")),
            (&["r"], "version: 1\n".to_owned()),
        ] {
            assert!(!same(scopes, BASE, &other), "{other}");
        }
    }

    #[test]
    fn an_exact_rule_in_place_of_a_pattern_is_asked_about() {
        let other = format!("{BASE}  bx: {{deny: true}}\n");
        assert!(!same(&["w"], BASE, &other));
        assert!(same(&["r"], BASE, &other));
    }
}
