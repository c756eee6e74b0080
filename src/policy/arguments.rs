//! Conditions on arguments, beside what the tools say that they take.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::flaw::Quoted;
use super::{Policy, Warning};
use crate::catalogue::Entry;
use crate::cel::Types;

/// What the tools take about which one rule decides: by name, of which types. None where a schema does not name all.
type Taken = Option<BTreeMap<String, Types>>;

/// The arguments of the tools that each rule decides about.
#[derive(Default)]
pub(super) struct Arguments<'p>(HashMap<&'p str, Taken>);

/// An argument of a condition that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) rule: String,
    pub(super) line: usize,
    pub(super) argument: String,
    /// It is there, and never of a type that the condition takes it for; else no tool takes it.
    pub(super) is_mistaken: bool,
}

impl<'p> Arguments<'p> {
    /// Notes that the rule decides about the tool.
    pub(super) fn note(&mut self, rule: &'p str, tool: &Entry) {
        let known = self.0.entry(rule).or_insert_with(|| Some(BTreeMap::new()));
        let Some(named) = tool.input_schema().and_then(properties) else {
            *known = None;
            return;
        };
        let Some(known) = known else { return };
        for (name, types) in named {
            known.entry(name).and_modify(|known| *known = known.or(types)).or_insert(types);
        }
    }

    /// What does not fit, in the order of the policy.
    pub(super) fn misfits(&self, policy: &Policy) -> Vec<Misfit> {
        let mut found = Vec::new();
        for rule in policy.rules.iter().filter(|rule| rule.kind == super::Kind::Tool) {
            let (Some(when), Some(Some(known))) = (&rule.body.when, self.0.get(&*rule.label)) else { continue };
            let misfit = |argument: &str, is_mistaken| Misfit {
                rule: rule.label.to_string(),
                line: rule.line,
                argument: argument.to_owned(),
                is_mistaken,
            };
            let unknown = when.args().into_iter().filter(|name| !known.contains_key(*name));
            found.extend(unknown.map(|name| misfit(name, false)));
            let is = |name: &str| known.get(name).copied().unwrap_or(Types::ANY);
            found.extend(when.mistaken(&is).into_iter().map(|name| misfit(name, true)));
        }
        found
    }
}

impl Policy {
    /// What is probably not meant in the conditions on the arguments of these tools, in the order of the text. A rule
    /// about none of them is left alone.
    #[must_use]
    pub fn warnings_about(&self, tools: &[std::sync::Arc<Entry>]) -> Vec<Warning> {
        let mut arguments = Arguments::default();
        for tool in tools {
            for (at, rule) in self.matches(super::Kind::Tool, tool.name()).into_iter().enumerate() {
                // A rule in shadow is there beside the one that decides.
                if at == 0 || rule.mode == super::Mode::Shadow {
                    arguments.note(rule.label, tool);
                }
            }
        }
        let warning = |misfit: Misfit| Warning { line: misfit.line, message: misfit.to_string() };
        arguments.misfits(self).into_iter().map(warning).collect()
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rule, argument) = (Quoted(&self.rule), Quoted(&self.argument));
        if self.is_mistaken {
            write!(f, "the condition of {rule} takes {argument} for something that its schema says it never is")
        } else {
            write!(f, "the condition of {rule} asks for {argument}, which no tool takes there")
        }
    }
}

/// The arguments that a schema names, where it does so in the plain way and leaves no room for others.
fn properties(schema: &str) -> Option<BTreeMap<String, Types>> {
    const OTHERWISE: [&str; 8] =
        ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas"];
    let schema: Map<String, Value> = serde_json::from_str(schema).ok()?;
    if OTHERWISE.iter().any(|key| schema.contains_key(*key)) {
        return None;
    }
    // Whoever says so takes arguments of names that are not told.
    if schema.get("additionalProperties").is_some_and(|others| *others != Value::Bool(false)) {
        return None;
    }
    match schema.get("properties") {
        Some(properties) => {
            Some(properties.as_object()?.iter().map(|(name, schema)| (name.clone(), types(schema))).collect())
        }
        None => Some(BTreeMap::new()),
    }
}

/// The types that a schema names; all where it says nothing of them that is plain.
fn types(schema: &Value) -> Types {
    let word = |word: &Value| {
        let none = Types::default();
        match word.as_str() {
            Some("string") => Types { text: true, ..none },
            Some("number" | "integer") => Types { number: true, ..none },
            Some("boolean") => Types { boolean: true, ..none },
            Some("array") => Types { list: true, ..none },
            Some("object") => Types { map: true, ..none },
            Some("null") => Types { null: true, ..none },
            Some(_) | None => Types::ANY,
        }
    };
    match schema.get("type") {
        Some(Value::Array(words)) => words.iter().map(word).reduce(Types::or).unwrap_or(Types::ANY),
        Some(one) => word(one),
        None => Types::ANY,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::lists::ListKind;

    #[track_caller]
    fn check(when: &str, schema: &str, expected: &[&str]) {
        let text = format!("version: 1\ntools:\n  a: {{scopes: [], when: '{when}'}}\n");
        let policy = Policy::compile("p", &text).unwrap_or_else(|flaws| panic!("{flaws}"));
        let tool = format!(r#"{{"name":"a","inputSchema":{schema}}}"#);
        let tools = [Arc::new(Entry::alone(ListKind::Tools, &tool).unwrap())];
        let told: Vec<String> = policy.warnings_about(&tools).iter().map(ToString::to_string).collect();
        assert_eq!(told, expected, "{when} {schema}");
    }

    const SCHEMA: &str = r#"{"type":"object","properties":{"path":{"type":"string"},"n":{"type":["integer","null"]},"flag":{"type":"boolean"},"list":{"type":"array"},"any":{}},"additionalProperties":false}"#;

    #[test]
    fn what_no_tool_takes_is_told() {
        let unknown = ["the condition of `tools.a` asks for `pth`, which no tool takes there"];
        check("args.pth == \"x\"", SCHEMA, &unknown);
        check("!has(args.pth)", &SCHEMA.replace(",\"additionalProperties\":false", ""), &unknown);
        check(
            "args.pth == \"x\"",
            &SCHEMA.replace("\"additionalProperties\":false", "\"additionalProperties\":{}"),
            &[],
        );
        check("args.pth == \"x\"", &SCHEMA.replace(":false}", ":true}"), &[]);
        check("args.pth == \"x\"", r#"{"anyOf":[]}"#, &[]);
        check("args.path == \"x\" && args.n < 3 && args.any", SCHEMA, &[]);
    }

    #[test]
    fn what_is_never_of_the_type_that_is_asked_for_is_told() {
        for when in [
            "args.path == 3",
            "args.path < 3",
            "args.path in [1, 2]",
            "\"x\" in args.path",
            "args.n == \"3\"",
            "args.n > 1.5 && args.path",
            "args.path == timestamp(\"2026-01-01T00:00:00Z\")",
            "!args.list",
            "args.flag.matches(\"x\")",
            "cidr(\"10.0.0.0/8\").containsIP(args.n)",
        ] {
            let name =
                ["path", "n", "list", "flag"].into_iter().rfind(|name| when.contains(&format!("args.{name}")));
            let name = if when.contains("&& args.path") { "path" } else { name.unwrap() };
            let told =
                format!("the condition of `tools.a` takes `{name}` for something that its schema says it never is");
            check(when, SCHEMA, &[&told]);
        }
        for when in [
            "args.n == null || args.n == 3",
            "args.path == null",
            "args.path in [1, \"x\"]",
            "args.path.size() > 3",
            "\"x\" in args.list",
            "args.flag",
            "args.any == 3 && args.any != \"x\"",
            "args.path == claims.sub",
            "args.n >= 1.5",
        ] {
            check(when, SCHEMA, &[]);
        }
    }
}
