//! Which scopes open a thing under one policy.

use std::collections::BTreeSet;
use std::fmt;

use super::super::rule::{Effect, Rule};
use super::super::scope::ScopeId;
use super::super::{Kind, OnDeny, Policy, RateLimit, Ruling};
use crate::caller::Scopes;

/// Scopes that open a thing together: a token needs all of them, or scopes that imply them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way(pub Vec<String>);

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("any token") } else { f.write_str(&self.0.join(" + ")) }
    }
}

/// Who may have a thing: the rule that decides, and every way to meet it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access<'p> {
    /// The rule that decides, as in `tools.echo`.
    pub rule: Option<&'p str>,
    /// The line it stands on.
    pub line: usize,
    /// The least sets of scopes that meet it; none where nobody can.
    pub ways: Vec<Way>,
    /// What a caller is told who cannot.
    pub on_deny: OnDeny,
    /// The condition on calls, as written.
    pub when: Option<&'p str>,
    /// How often the rule lets through.
    pub rate_limit: Option<RateLimit>,
    /// Everybody gets it because the rule, or the whole policy, is not enforced.
    pub is_shadow: bool,
}

impl Policy {
    /// Who may have the thing called `name`.
    #[must_use]
    pub fn access(&self, kind: Kind, name: &str) -> Access<'_> {
        let rule = self.rule_for(kind, name);
        let is_shadow = self.is_open(kind, rule);
        let ways = match rule {
            _ if is_shadow => vec![Way(Vec::new())],
            Some(rule) => self.ways(rule),
            None => Vec::new(),
        };
        let view = rule.map(|rule| self.view(rule));
        Access {
            rule: rule.map(|rule| &*rule.label),
            line: rule.map_or(0, |rule| rule.line),
            ways,
            on_deny: rule.map_or(OnDeny::Hide, |rule| rule.body.on_deny),
            // What is not enforced asks for nothing.
            when: view.as_ref().filter(|_| !is_shadow).and_then(|view| view.when),
            rate_limit: view.as_ref().filter(|_| !is_shadow).and_then(|view| view.rate_limit),
            is_shadow,
        }
    }

    /// Whether a token with just these scopes may have the thing.
    pub(super) fn opens(&self, way: &Way, kind: Kind, name: &str) -> bool {
        let grants = self.grants(&Scopes::from_names(way.0.iter().map(String::as_str)));
        matches!(self.decide(&grants, kind, name), Ruling::Permit(_))
    }

    /// The scopes whose holders hold this one too.
    pub(super) fn suppliers(&self, scope: &str) -> Vec<String> {
        let holds = |name: &str| {
            let grants = self.grants(&Scopes::from_names([name]));
            self.scopes.id(scope).is_some_and(|id| self.scopes.is_granted(&grants, id))
        };
        let mut suppliers: Vec<String> =
            self.scopes.names().filter(|name| holds(name)).map(str::to_owned).collect();
        if !suppliers.iter().any(|name| name == scope) {
            suppliers.push(scope.to_owned());
        }
        suppliers
    }

    /// What each scope implies, directly or not, itself left out.
    pub(super) fn hierarchy(&self) -> BTreeSet<(String, String)> {
        let mut pairs = BTreeSet::new();
        for name in self.scopes.names() {
            let grants = self.grants(&Scopes::from_names([name]));
            let implied = self
                .scopes
                .names()
                .enumerate()
                .filter(|(id, other)| *other != name && self.scopes.is_granted(&grants, *id));
            pairs.extend(implied.map(|(_, other)| (name.to_owned(), other.to_owned())));
        }
        pairs
    }

    fn ways(&self, rule: &Rule) -> Vec<Way> {
        let Effect::Allow { all, any } = &rule.body.effect else { return Vec::new() };
        let alternatives: Vec<&[ScopeId]> =
            if any.is_empty() { vec![&[]] } else { any.iter().map(AsRef::as_ref).collect() };
        let mut ways: Vec<Way> = Vec::new();
        for alternative in alternatives {
            let names: BTreeSet<&str> = all.iter().chain(alternative).map(|id| self.scopes.name(*id)).collect();
            let way = self.least(&names);
            if !ways.iter().any(|known| self.meets(&way, known)) {
                ways.retain(|known| !self.meets(known, &way));
                ways.push(way);
            }
        }
        ways
    }

    /// The same scopes without those that others of them imply.
    fn least(&self, names: &BTreeSet<&str>) -> Way {
        let is_implied = |name: &str| {
            let others = names.iter().copied().filter(|other| *other != name);
            let grants = self.grants(&Scopes::from_names(others));
            self.scopes.id(name).is_some_and(|id| self.scopes.is_granted(&grants, id))
        };
        Way(names.iter().filter(|name| !is_implied(name)).map(|name| (*name).to_owned()).collect())
    }

    /// Whether who has `held` has all that `way` needs.
    fn meets(&self, held: &Way, way: &Way) -> bool {
        let grants = self.grants(&Scopes::from_names(held.0.iter().map(String::as_str)));
        way.0.iter().all(|name| self.scopes.id(name).is_some_and(|id| self.scopes.is_granted(&grants, id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: &str, expected: &[&str]) {
        let text = format!(
            "version: 1\nscopes: {{admin: {{implies: [write]}}, write: {{implies: [read]}}}}\ntools: {{t: {rule}}}\n"
        );
        let policy = Policy::compile("p", &text).unwrap();
        let ways: Vec<String> = policy.access(Kind::Tool, "t").ways.iter().map(ToString::to_string).collect();
        assert_eq!(ways, expected, "{rule}");
        for way in policy.access(Kind::Tool, "t").ways {
            assert!(policy.opens(&way, Kind::Tool, "t"), "{way}");
        }
    }

    #[test]
    fn a_way_for_each_alternative() {
        check("{scopes: [b, a]}", &["a + b"]);
        check("{scopes: []}", &["any token"]);
        check("{deny: true}", &[]);
        check("{scopes: [x], any_of: [[a], [b, c]]}", &["a + x", "b + c + x"]);
    }

    #[test]
    fn what_is_implied_is_not_asked_for() {
        check("{scopes: [admin, read]}", &["admin"]);
        check("{any_of: [[write], [read], [x]]}", &["read", "x"]);
        check("{any_of: [[read], [admin]]}", &["read"]);
    }

    #[test]
    fn nobody_may_have_what_no_rule_names() {
        let policy = Policy::compile("p", "version: 1\n").unwrap();
        assert_eq!(policy.access(Kind::Tool, "t").ways, []);
    }

    #[test]
    fn suppliers_are_all_that_imply() {
        let text = "version: 1\nscopes: {admin: {implies: [write]}, write: {implies: [read]}}\n";
        let policy = Policy::compile("p", text).unwrap();
        let mut suppliers = policy.suppliers("read");
        suppliers.sort();
        assert_eq!(suppliers, ["admin", "read", "write"]);
        assert_eq!(policy.suppliers("other"), ["other"]);
        assert!(policy.hierarchy().contains(&("admin".to_owned(), "read".to_owned())));
    }
}
