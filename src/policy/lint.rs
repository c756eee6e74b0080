//! A policy beside what a server lists: rules about nothing, and things without a rule.

use std::collections::HashSet;

use super::arguments::{Arguments, Misfit};
use super::starting::Listed;
use super::{Kind, Mode, Policy, RuleView};

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A rule that decides about nothing that is listed.
    Idle {
        /// The rule, as in `tools.echo`.
        rule: String,
        /// The line it stands on.
        line: usize,
    },
    /// A condition on an argument that none of the tools has about which the rule decides.
    Argument {
        /// The rule, as in `tools.echo`.
        rule: String,
        /// The line it stands on.
        line: usize,
        /// The argument.
        argument: String,
    },
    /// A condition on an argument that is of no type, in any of these tools, that the condition takes it for.
    Mistaken {
        /// The rule, as in `tools.echo`.
        rule: String,
        /// The line it stands on.
        line: usize,
        /// The argument.
        argument: String,
    },
    /// A thing that no rule is about, so that nobody can have it.
    Uncovered {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
    },
}

/// All that does not fit between the policy and what is `listed`: first the rules, in the order of the policy.
/// Rules about methods are left out, since no server lists them; so are rules about resources that a listed
/// template may stand for.
#[must_use]
pub fn lint(policy: &Policy, listed: &[Listed<'_>]) -> Vec<Finding> {
    let mut busy = HashSet::new();
    let mut uncovered = Vec::new();
    let mut arguments = Arguments::default();
    let mut templates = Vec::new();
    for (kind, is_template, entries) in listed {
        for entry in *entries {
            let name = entry.name();
            let rules = policy.matches(*kind, name);
            // A rule in shadow is there beside the one that decides.
            let at_work = rules.iter().enumerate().filter(|(at, rule)| *at == 0 || rule.mode == Mode::Shadow);
            at_work.for_each(|(_, rule)| {
                busy.insert(rule.label);
                arguments.note(rule.label, entry);
            });
            if rules.is_empty() {
                uncovered.push(Finding::Uncovered { kind: *kind, name: name.to_owned() });
            }
            if *is_template {
                templates.push(name);
            }
        }
    }
    let may_stand_for = |rule: &RuleView<'_>| {
        rule.kind == Kind::Resource && templates.iter().any(|template| may_meet(template, rule.pattern))
    };
    let idle = policy.rules().filter(|rule| {
        let is_listed = rule.kind != Kind::Method;
        is_listed && !busy.contains(rule.label) && !may_stand_for(rule)
    });
    let idle = idle.map(|rule| Finding::Idle { rule: rule.label.to_owned(), line: rule.line });
    let misfits = arguments.misfits(policy).into_iter().map(|Misfit { rule, line, argument, is_mistaken }| {
        if is_mistaken {
            Finding::Mistaken { rule, line, argument }
        } else {
            Finding::Argument { rule, line, argument }
        }
    });
    idle.chain(misfits).chain(uncovered).collect()
}

/// Whether a URI could be of the template and of the rule, as far as what both begin with tells.
fn may_meet(template: &str, pattern: &str) -> bool {
    let literal = |text: &str, marks: &[char]| text.split(marks).next().unwrap_or_default().to_owned();
    let (template, pattern) = (literal(template, &['{']), literal(pattern, &['{', '*', '?']));
    template.starts_with(&pattern) || pattern.starts_with(&template)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalogue::Entry;
    use crate::message::lists::ListKind;

    const POLICY: &str = "
version: 1
tools:
  echo: {scopes: []}
  gone: {scopes: [a]}
  'get_*': {scopes: [a]}
  'put_*': {deny: true}
prompts: {old: {scopes: []}}
resources:
  'x:a/one': {scopes: []}
  'y:two': {scopes: []}
methods: {x-acme/run: {scopes: []}}
";

    fn entries(kind: ListKind, names: &[&str]) -> Vec<Arc<Entry>> {
        let member = kind.name_member();
        names
            .iter()
            .map(|name| Arc::new(Entry::alone(kind, &format!("{{\"{member}\":\"{name}\"}}")).unwrap()))
            .collect()
    }

    #[test]
    fn rules_about_nothing_and_things_without_a_rule_are_found() {
        let policy = Policy::compile("p", POLICY).unwrap();
        let tools = entries(ListKind::Tools, &["echo", "get_a", "new"]);
        let templates = entries(ListKind::ResourceTemplates, &["x:a/{name}"]);
        let listed = [(Kind::Tool, false, tools.as_slice()), (Kind::Resource, true, &templates)];
        let found: Vec<String> = lint(&policy, &listed)
            .into_iter()
            .map(|finding| match finding {
                Finding::Idle { rule, line } => format!("{line} {rule}"),
                Finding::Argument { rule, line, argument } | Finding::Mistaken { rule, line, argument } => {
                    format!("{line} {rule} {argument}")
                }
                Finding::Uncovered { kind, name } => format!("{} {name}", kind.word()),
            })
            .collect();
        let expected = [
            "5 tools.gone",
            "7 tools.put_*",
            "8 prompts.old",
            "11 resources.y:two",
            "tool new",
            "resource x:a/{name}",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn conditions_on_arguments_that_no_tool_has_are_found() {
        let policy = "version: 1\ntools:\n  a: {scopes: [], when: 'args.path == \"x\" && args.pth != \"y\"'}\n  'b*': {scopes: [], when: 'args.two == 2'}\n";
        let policy = Policy::compile("p", policy).unwrap();
        let find = |schemas: [&str; 3]| {
            let tools: Vec<_> = ["a", "b1", "b2"]
                .iter()
                .zip(schemas)
                .map(|(name, schema)| format!("{{\"name\":\"{name}\",\"inputSchema\":{schema}}}"))
                .map(|text| Arc::new(Entry::alone(ListKind::Tools, &text).unwrap()))
                .collect();
            let found = lint(&policy, &[(Kind::Tool, false, &tools)]);
            found
                .into_iter()
                .map(|finding| match finding {
                    Finding::Argument { rule, argument, .. } => format!("{rule} {argument}"),
                    Finding::Mistaken { .. } | Finding::Idle { .. } | Finding::Uncovered { .. } => {
                        panic!("{finding:?}")
                    }
                })
                .collect::<Vec<_>>()
        };
        let (path, two) = (r#"{"properties":{"path":{}}}"#, r#"{"type":"object","properties":{"two":{}}}"#);
        assert_eq!(find([path, two, path]), ["tools.a pth"]);
        assert_eq!(find([path, path, "{}"]), ["tools.a pth", "tools.b* two"]);
        assert_eq!(find([path, r#"{"$ref":"x"}"#, path]), ["tools.a pth"]);
        assert_eq!(find(["7", "[]", path]), [""; 0]);
    }

    #[test]
    fn a_policy_that_fits_has_no_findings() {
        let policy = Policy::compile("p", "version: 1\ntools: {'*': {scopes: [a]}}\n").unwrap();
        let tools = entries(ListKind::Tools, &["a", "b"]);
        assert_eq!(lint(&policy, &[(Kind::Tool, false, tools.as_slice())]), []);
        assert_eq!(lint(&Policy::empty(), &[]), []);
    }
}
