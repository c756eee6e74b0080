//! Why a caller may have a thing or may not: from claim to scope to rule to decision.

use super::super::suggest::nearest;
use super::super::{Denial, Kind, Mode, Policy, RuleView, Ruling};
use super::access::Way;
use crate::caller::Scopes;
use crate::cel::Facts;

/// A scope of the caller, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The scope.
    pub scope: String,
    /// Where it comes from.
    pub from: Source,
    /// Whether the policy speaks of it at all.
    pub is_known: bool,
}

/// Where a scope comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// From this claim of the token, or from the command line.
    Given(String),
    /// Another scope of the caller implies it.
    ImpliedBy(String),
}

/// Why a caller may have a thing or may not.
#[derive(Debug)]
pub struct Explanation<'p> {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The caller's scopes, first those given, then those implied.
    pub held: Vec<Held>,
    /// The decision.
    pub ruling: Ruling<'p>,
    /// The rule that decides.
    pub rule: Option<RuleView<'p>>,
    /// The other rules that match the name, and why they do not decide.
    pub others: Vec<(RuleView<'p>, &'static str)>,
    /// The least sets of scopes that open it.
    pub ways: Vec<Way>,
    /// The rule whose name is nearest, where none matches.
    pub nearest: Option<&'p str>,
    /// It is about a call, with its condition; else about seeing.
    pub is_call: bool,
}

impl Explanation<'_> {
    /// The scopes of the needed ones that the caller lacks.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        let Ruling::Deny(Denial { needs, .. }) = &self.ruling else { return Vec::new() };
        let is_held = |scope: &str| self.held.iter().any(|held| held.scope == scope);
        needs.iter().copied().filter(|need| !is_held(need)).collect()
    }
}

/// The decision about a thing for holders of these scopes: with `facts` about a call of it, without them about seeing
/// it. A rule's condition is asked only about calls.
fn ruling<'p>(
    policy: &'p Policy,
    given: &[(String, String)],
    kind: Kind,
    name: &str,
    facts: Option<&Facts<'_>>,
) -> Ruling<'p> {
    let grants = policy.grants(&Scopes::from_names(given.iter().map(|(scope, _)| scope.as_str())));
    match facts {
        Some(facts) => policy.decide_call(&grants, kind, name, facts),
        None => policy.decide(&grants, kind, name),
    }
}

/// Explains the decision about the thing called `name`. `given` are the caller's scopes, each with the claim it stands
/// in. With `facts` it is about a call, without them about seeing the thing: a rule's condition is asked only about calls.
#[must_use]
pub fn explain<'p>(
    policy: &'p Policy,
    given: &[(String, String)],
    kind: Kind,
    name: &str,
    facts: Option<&Facts<'_>>,
) -> Explanation<'p> {
    let ruling = ruling(policy, given, kind, name, facts);
    let deciding = policy.rule_for(kind, name).map(|rule| &*rule.label);
    let matching = policy.matches(kind, name);
    let (rule, others): (Vec<_>, Vec<_>) = matching.into_iter().partition(|rule| deciding == Some(rule.label));
    let rule = rule.into_iter().next();
    let why = |other: &RuleView<'_>| match &rule {
        _ if other.mode == Mode::Shadow => "it is in shadow: reported, and not enforced",
        Some(rule) if rule.deny && !other.deny => "`deny` wins",
        Some(_) => "it is less specific",
        None if name.len() > kind.longest_name() => "the name is too long for any rule",
        None => "servers may take this URI for another one: only a rule of just this URI allows it",
    };
    let others = others
        .into_iter()
        .map(|other| {
            let why = why(&other);
            (other, why)
        })
        .collect();
    let known: Vec<&'p str> = policy.rules().filter(|rule| rule.kind == kind).map(|rule| rule.pattern).collect();
    let nearest = if rule.is_none() { nearest(name, &known) } else { None };
    let ways = policy.access(kind, name).ways;
    Explanation {
        kind,
        name: name.to_owned(),
        held: held(policy, given),
        ruling,
        rule,
        others,
        ways,
        nearest,
        is_call: facts.is_some(),
    }
}

/// What the caller holds: what was given, and what that implies.
fn held(policy: &Policy, given: &[(String, String)]) -> Vec<Held> {
    let known: Vec<&str> = policy.scopes.names().collect();
    let mut held: Vec<Held> = Vec::new();
    for (scope, claim) in given {
        if !held.iter().any(|held| held.scope == *scope) {
            let is_known = known.contains(&scope.as_str());
            held.push(Held { scope: scope.clone(), from: Source::Given(claim.clone()), is_known });
        }
    }
    let mut implied: Vec<Held> = Vec::new();
    for (scope, _) in given {
        let grants = policy.grants(&Scopes::from_names([scope.as_str()]));
        for (id, name) in known.iter().enumerate() {
            let is_new = !held.iter().chain(&implied).any(|held| held.scope == **name);
            if is_new && policy.scopes.is_granted(&grants, id) {
                let from = Source::ImpliedBy(scope.clone());
                implied.push(Held { scope: (*name).to_owned(), from, is_known: true });
            }
        }
    }
    held.extend(implied);
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "version: 1
scopes: {admin: {implies: [write]}, write: {implies: [read]}}
tools:
  get_file: {scopes: [read]}
  \"get_*\": {scopes: [admin, audit]}
  \"*_everything\": {deny: true}
resources:
  \"d://a/**\": {scopes: [read]}
";

    fn explained<'p>(policy: &'p Policy, scopes: &str, kind: Kind, name: &str) -> Explanation<'p> {
        let given: Vec<(String, String)> =
            scopes.split_whitespace().map(|scope| (scope.to_owned(), "scope".to_owned())).collect();
        explain(policy, &given, kind, name, None)
    }

    #[track_caller]
    fn check(scopes: &str, kind: Kind, name: &str, rule: Option<&str>, others: &[(&str, &str)], missing: &[&str]) {
        let policy = Policy::compile("p", POLICY).unwrap();
        let explained = explained(&policy, scopes, kind, name);
        assert_eq!(explained.rule.as_ref().map(|rule| rule.label), rule);
        let told: Vec<_> = explained.others.iter().map(|(rule, why)| (rule.label, *why)).collect();
        assert_eq!(told, others);
        assert_eq!(explained.missing(), missing);
    }

    #[test]
    fn the_rule_that_decides_and_why_the_others_do_not() {
        let less = "it is less specific";
        check("read", Kind::Tool, "get_file", Some("tools.get_file"), &[("tools.get_*", less)], &[]);
        check("write", Kind::Tool, "get_it", Some("tools.get_*"), &[], &["admin", "audit"]);
        check("audit", Kind::Tool, "get_it", Some("tools.get_*"), &[], &["admin"]);
        check("", Kind::Tool, "get_everything", Some("tools.*_everything"), &[("tools.get_*", "`deny` wins")], &[]);
        check("", Kind::Tool, "other", None, &[], &[]);
        let rewritten = "servers may take this URI for another one: only a rule of just this URI allows it";
        check("read", Kind::Resource, "d://a/../b", None, &[("resources.d://a/**", rewritten)], &[]);
    }

    #[test]
    fn scopes_say_where_they_come_from() {
        let policy = Policy::compile("p", POLICY).unwrap();
        let held = explained(&policy, "write other", Kind::Tool, "get_file").held;
        let given = |scope: &str, is_known| Held {
            scope: scope.to_owned(),
            from: Source::Given("scope".to_owned()),
            is_known,
        };
        let read = Held { scope: "read".to_owned(), from: Source::ImpliedBy("write".to_owned()), is_known: true };
        assert_eq!(held, [given("write", true), given("other", false), read]);
    }

    #[test]
    fn a_slip_of_the_finger_is_named() {
        let policy = Policy::compile("p", POLICY).unwrap();
        assert_eq!(explained(&policy, "", Kind::Tool, "gte_file").nearest, Some("get_file"));
        assert_eq!(explained(&policy, "", Kind::Tool, "elsewhere").nearest, None);
    }
}
