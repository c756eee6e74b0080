//! What a rule asks for, and another one drops: the most specific rule decides alone, whatever broader patterns ask.

use super::flaw::Quoted;
use super::pattern::{Step, are_apart, covers};
use super::rule::{Effect, Rule};
use super::scope::ScopeId;
use super::{Policy, Warning};

/// The most pairs of rules that are compared; of a policy with more, nothing is told.
const MOST_PAIRS: usize = 2_000_000;

impl Policy {
    /// Rules that never decide, and rules that drop what a broader pattern asks for while they let in the same callers.
    pub(super) fn hidden(&self) -> Vec<Warning> {
        let enforced = || self.rules.iter().filter(|rule| !rule.is_deny() && !rule.is_shadow());
        let asking = |rule: &&Rule| rule.pattern.is_some();
        let broad: Vec<(&Rule, Box<[Step]>)> =
            enforced().filter(asking).filter_map(|rule| Some((rule, rule.pattern.as_ref()?.steps()))).collect();
        if broad.len().saturating_mul(self.rules.len()) > MOST_PAIRS {
            return Vec::new();
        }
        let mut warnings: Vec<Warning> = enforced().filter_map(|rule| self.dropped(rule, &broad)).collect();
        warnings.extend(broad.iter().filter_map(|(rule, steps)| behind(rule, steps, &broad)));
        warnings
    }

    /// What `rule` drops of the nearest broader pattern.
    fn dropped(&self, rule: &Rule, broad: &[(&Rule, Box<[Step]>)]) -> Option<Warning> {
        let steps = rule.pattern.as_ref().map(super::pattern::Pattern::steps);
        let is_broader = |(other, outer): &&(&Rule, Box<[Step]>)| {
            other.kind == rule.kind
                && other.label != rule.label
                && rule.specificity() < other.specificity()
                && steps.as_ref().map_or_else(
                    || other.matches(rule.pattern()),
                    |inner| !are_apart(outer, inner) && covers(outer, inner),
                )
        };
        let (other, _) = broad.iter().filter(is_broader).min_by_key(|(other, _)| other.specificity())?;
        let (name, broader) = (Quoted(rule.pattern()), Quoted(other.pattern()));
        let told = |what: String| {
            let message = format!(
                "{name} drops {what} of {broader} (line {}): the most specific rule decides alone",
                other.line
            );
            Some(Warning { line: rule.line, message })
        };
        if other.body.when.is_some() && rule.body.when.is_none() && self.is_as_open(rule, other) {
            return told("the condition".to_owned());
        }
        // Whoever asks for nothing says so; whoever asks for some of it may have forgotten the rest.
        let (asked, wanted) = (all_of(rule)?, all_of(other)?);
        let missing: Vec<&ScopeId> = wanted.iter().filter(|id| !asked.contains(id)).collect();
        let is_part = !asked.is_empty() && asked.iter().all(|id| wanted.contains(id));
        if !is_part || missing.is_empty() || self.is_equal(rule, other) {
            return None;
        }
        let names: Vec<String> = missing.iter().map(|id| Quoted(self.scopes.name(**id)).to_string()).collect();
        told(format!("the demand for {}", names.join(", ")))
    }

    /// Whether `rule` lets in all whom `other` lets in, as far as single alternatives tell.
    fn is_as_open(&self, rule: &Rule, other: &Rule) -> bool {
        let ways = self.access(other.kind, other.pattern()).ways;
        ways.iter().all(|way| {
            let grants = self.grants(&crate::caller::Scopes::from_names(way.0.iter().map(String::as_str)));
            rule.admits(&self.scopes, &grants)
        })
    }

    /// Whether the scopes that `rule` asks for imply all that `other` asks for.
    fn is_equal(&self, rule: &Rule, other: &Rule) -> bool {
        let names = all_of(rule).into_iter().flatten().map(|id| self.scopes.name(*id));
        let grants = self.grants(&crate::caller::Scopes::from_names(names));
        other.admits(&self.scopes, &grants)
    }
}

/// The scopes of a rule that asks for all of one list.
fn all_of(rule: &Rule) -> Option<&[ScopeId]> {
    match &rule.body.effect {
        Effect::Allow { all, any } if any.is_empty() => Some(all),
        Effect::Allow { .. } | Effect::Deny => None,
    }
}

/// Says so where a more specific pattern matches all that this one does.
fn behind(rule: &Rule, steps: &[Step], patterns: &[(&Rule, Box<[Step]>)]) -> Option<Warning> {
    let hides = |(other, outer): &&(&Rule, Box<[Step]>)| {
        other.kind == rule.kind
            && other.specificity() < rule.specificity()
            && !are_apart(outer, steps)
            && covers(outer, steps)
    };
    let (other, _) = patterns.iter().find(hides)?;
    let (name, other, line) = (Quoted(rule.pattern()), Quoted(other.pattern()), other.line);
    let message =
        format!("{name} never decides: {other} (line {line}) matches all its names, and is more specific");
    Some(Warning { line: rule.line, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &str, expected: &[&str]) {
        let policy =
            Policy::compile("p", &format!("version: 1\n{rules}")).unwrap_or_else(|flaws| panic!("{flaws}"));
        let found: Vec<String> =
            policy.warnings().iter().map(|warning| format!("{}: {warning}", warning.line)).collect();
        assert_eq!(found, expected, "{rules}");
    }

    const ALONE: &str = "of `a*` (line 3): the most specific rule decides alone";

    #[test]
    fn a_condition_that_the_same_callers_get_round_is_told() {
        let dropped = format!("drops the condition {ALONE}");
        let with = |rule: &str| format!("tools:\n  'a*': {{scopes: [r], when: args.n > 1}}\n  {rule}\n");
        check(&with("ab: {scopes: [r]}"), &[&format!("4: `ab` {dropped}")]);
        check(&with("'ab*': {scopes: []}"), &[&format!("4: `ab*` {dropped}")]);
        check(&with("ab: {any_of: [[x], [r]]}"), &[&format!("4: `ab` {dropped}")]);
        // Whoever asks for more, has a condition of its own, refuses or matches other names, may well mean it.
        for rule in [
            "ab: {scopes: [admin]}",
            "ab: {scopes: [r, admin]}",
            "ab: {scopes: [r], when: args.n > 2}",
            "ab: {deny: true}",
            "ab: {scopes: [r], mode: shadow}",
            "b: {scopes: [r]}",
            "'*bc*': {scopes: [r]}",
        ] {
            check(&with(rule), &[]);
        }
    }

    #[test]
    fn a_scope_that_is_forgotten_is_told() {
        let with = |rule: &str| format!("tools:\n  'a*': {{scopes: [admin, mfa]}}\n  {rule}\n");
        check(&with("ab: {scopes: [admin]}"), &[&format!("4: `ab` drops the demand for `mfa` {ALONE}")]);
        for rule in
            ["ab: {scopes: []}", "ab: {scopes: [other]}", "ab: {scopes: [admin, mfa]}", "ab: {any_of: [[admin]]}"]
        {
            check(&with(rule), &[]);
        }
        // The hierarchy asks for it in the rule's place.
        check(
            "scopes: {admin: {implies: [mfa]}}\ntools: {'a*': {scopes: [admin, mfa]}, ab: {scopes: [admin]}}",
            &[],
        );
        // Only the nearest counts: what it drops itself is told of it.
        check(&with("'ab*': {scopes: [x]}\n  abc: {scopes: [admin]}"), &[]);
    }

    #[test]
    fn a_rule_behind_another_is_told() {
        check(
            "resources:\n  'd://x/?*': {scopes: [a]}\n  'd://x/{name}': {scopes: [b]}\n",
            &["3: `d://x/?*` never decides: `d://x/{name}` (line 4) matches all its names, and is more specific"],
        );
        check("resources:\n  'd://x/*': {scopes: [a]}\n  'd://x/{name}': {scopes: [b]}\n", &[]);
    }
}
