//! The rules `mcpAuthorization` of agentgateway: CEL over what is asked for and the claims of the caller.
//!
//! There a rule that refuses wins, then all that are required must match, then one that allows must; where none
//! allows, everything is allowed that is not refused.

use super::super::Kind;
use super::super::document::{self, Entry, Node, Sort, Value};
use super::super::flaw::{Findings, Place, Quoted};
use super::clause::Clause;
use super::expression::{Names, Term};
use super::{Choice, Said, Taken, at, items, known, scalar, text, value};

const SORT: Sort = Sort { name: "configuration", blank: "give a configuration of agentgateway" };
const KEY: &str = "mcpAuthorization";
/// Neighbours of the rules that refuse callers, too.
const RESTRICTING: [&str; 10] = [
    "authorization",
    "extAuthz",
    "mcpGuardrails",
    "jwtAuth",
    "mcpAuthentication",
    "apiKey",
    "basicAuth",
    "localRateLimit",
    "remoteRateLimit",
    "extProc",
];
/// The most ways in which rules that allow and rules that are required match together.
const MOST_TOGETHER: usize = 1_024;

/// What a path stands for.
fn term(path: &[&str]) -> Option<(Term, usize)> {
    let kind = |word: &str| match word {
        "tool" => Some(Kind::Tool),
        "prompt" => Some(Kind::Prompt),
        "resource" => Some(Kind::Resource),
        _ => None,
    };
    match path {
        ["jwt", "scope", ..] => Some((Term::ScopeText, 2)),
        ["jwt", ..] => Some((Term::Claims, 1)),
        ["mcp", word, "name", ..] => Some((Term::Name(kind(word)?), 3)),
        ["mcp", word, "target", ..] => Some((Term::Server(kind(word)?), 3)),
        ["mcp", word] => Some((Term::Kind(kind(word)?), 2)),
        _ => None,
    }
}

/// Reads the rules.
pub(super) fn read(text: &str, choice: Choice<'_>, findings: &mut Findings) -> Option<Taken> {
    let roots = document::read_all(text, SORT, findings)?;
    let mut found = Vec::new();
    roots.iter().for_each(|root| find(root, &mut found));
    let mut taken = Taken::default();
    let resources: Vec<&Node> = roots.iter().filter(|root| is_resource(root)).collect();
    if found.is_empty() && !resources.is_empty() {
        read_resources(&resources, choice, &mut taken, findings);
        return Some(taken);
    }
    let (rules, around) = chosen(&found, choice, findings)?;
    for (other, _) in found.iter().filter(|(other, _)| other.place != rules.place) {
        taken.lose(other.place, format!("another `{KEY}` is not imported"));
    }
    for entry in around.iter().filter(|entry| RESTRICTING.contains(&&*entry.key)) {
        let what = match &*entry.key {
            key @ ("jwtAuth" | "mcpAuthentication") => {
                format!("`{key}` is not imported: issuers and audiences are settings of `toolgate serve`")
            }
            key => format!("`{key}` is not imported: it may refuse what this policy allows"),
        };
        taken.lose(entry.place, what);
    }
    read_rules(rules, choice, &mut taken, findings);
    Some(taken)
}

type Found<'n> = (&'n Entry, &'n [Entry]);

/// Every entry with rules, each with the entries beside it.
fn find<'n>(node: &'n Node, found: &mut Vec<Found<'n>>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                if &*entry.key == KEY {
                    found.push((entry, entries));
                } else {
                    find(&entry.node, found);
                }
            }
        }
        Value::List(items) => items.iter().for_each(|item| find(item, found)),
        Value::Scalar { .. } | Value::Broken => {}
    }
}

fn chosen<'n>(found: &[Found<'n>], choice: Choice<'_>, findings: &mut Findings) -> Option<Found<'n>> {
    let lines: Vec<String> = found.iter().map(|(entry, _)| entry.place.line.to_string()).collect();
    match (found, choice.line) {
        ([], _) => {
            findings.add(Place::START, format!("there is no `{KEY}` in this file"));
            None
        }
        ([one], None) => Some(*one),
        (several, None) => {
            let (second, _) = several.get(1)?;
            let hint = format!("say which is meant: `--line` {}", lines.join(" or "));
            findings.add_with_hint(second.place, format!("`{KEY}` is there {} times", several.len()), hint);
            None
        }
        (several, Some(line)) => {
            let one = several.iter().find(|(entry, _)| entry.place.line == line);
            if one.is_none() {
                let hint = format!("it is on line {}", lines.join(", "));
                findings.add_with_hint(
                    Place { line, column: 1 },
                    format!("there is no `{KEY}` on this line"),
                    hint,
                );
            }
            one.copied()
        }
    }
}

fn is_text(node: &Node, wanted: &str) -> bool {
    matches!(&node.value, Value::Scalar { text, .. } if &**text == wanted)
}

fn read_rules(entry: &Entry, choice: Choice<'_>, taken: &mut Taken, findings: &mut Findings) {
    let before = findings.count();
    known(&entry.node, &format!("`{KEY}`"), &["rules"], findings);
    if findings.count() > before {
        return;
    }
    let rules = value(&entry.node, "rules").map(|rules| items(rules, findings)).unwrap_or_default();
    if rules.is_empty() {
        let hint = "if that is meant, write it yourself: `tools: {\"*\": {scopes: []}}`";
        findings.add_with_hint(entry.place, "there are no rules, so that agentgateway allows everything", hint);
        return;
    }
    let names = Names { term, server: choice.target, also_scp: false, has_re2: false };
    let mut parts = Parts::default();
    for rule in rules {
        let Some((word, said)) = read_rule(rule, findings) else { continue };
        let clauses = taken.understand(&said, &names, findings);
        match word {
            "deny" => taken.push(said.place.line, false, clauses),
            "require" => parts.required.push(clauses),
            _ => parts.allowed.push((said.place.line, clauses)),
        }
    }
    parts.put_together(entry.place, taken);
}

/// What is allowed, and what must hold for all of it.
#[derive(Default)]
struct Parts {
    allowed: Vec<(usize, Vec<Clause>)>,
    required: Vec<Vec<Clause>>,
}

impl Parts {
    fn put_together(mut self, place: Place, taken: &mut Taken) {
        if self.allowed.is_empty() {
            taken.lose(place, "no rule allows, so that everything is allowed which is not refused: here, too");
            self.allowed.push((place.line, vec![Clause::default()]));
        }
        for (line, clauses) in self.allowed {
            match self.required.iter().try_fold(clauses, |clauses, required| together(&clauses, required)) {
                Some(clauses) => taken.push(line, true, clauses),
                None => taken.lose(
                    Place { line, column: 1 },
                    "left out: with the rules that are required it matches in too many ways",
                ),
            }
        }
    }
}

/// The ways in which both hold; none where they are too many.
fn together(one: &[Clause], two: &[Clause]) -> Option<Vec<Clause>> {
    (one.len().saturating_mul(two.len()) <= MOST_TOGETHER)
        .then(|| one.iter().flat_map(|one| two.iter().filter_map(|two| one.and(two))).collect())
}

fn is_resource(root: &Node) -> bool {
    value(root, "kind").is_some_and(|kind| is_text(&kind.node, "AgentgatewayPolicy"))
}

/// Reads the rules of one `AgentgatewayPolicy`.
fn read_resources(resources: &[&Node], choice: Choice<'_>, taken: &mut Taken, findings: &mut Findings) {
    let lines: Vec<String> = resources.iter().map(|root| root.place.line.to_string()).collect();
    let resource = match (resources, choice.line) {
        ([one], None) => Some(one),
        (_, None) => None,
        (_, Some(line)) => resources.iter().find(|root| root.place.line == line),
    };
    let Some(resource) = resource else {
        let hint = format!("say which is meant: `--line` {}", lines.join(" or "));
        findings.add_with_hint(Place::START, format!("there are {} policies", resources.len()), hint);
        return;
    };
    let Some(entry) = at(resource, &["spec", "backend", "mcp", "authorization"]) else {
        findings.add(
            resource.place,
            "the policy has no `spec.backend.mcp.authorization`, so that it allows everything",
        );
        return;
    };
    if let Some(traffic) = at(resource, &["spec", "traffic"]) {
        taken.lose(traffic.place, "`traffic` is not imported: it may refuse what this policy allows");
    }
    let _ = read_authorization(entry, choice, taken, findings);
}

/// Of several expressions the documentation says that all must hold, and the program takes each for a rule: taken here
/// as what allows less.
fn read_authorization(entry: &Entry, choice: Choice<'_>, taken: &mut Taken, findings: &mut Findings) -> Option<()> {
    known(&entry.node, "`authorization`", &["action", "policy"], findings)?;
    let action = value(&entry.node, "action").map_or(Some("Allow"), |action| text(action, findings))?;
    if !["Allow", "Deny", "Require"].contains(&action) {
        findings.add(entry.place, format!("the action {} is not known", Quoted(action)));
        return None;
    }
    let Some(policy) = value(&entry.node, "policy") else {
        findings.add(entry.place, "`authorization` has no `policy`");
        return None;
    };
    known(&policy.node, "`policy`", &["matchExpressions"], findings)?;
    let expressions = value(&policy.node, "matchExpressions").map(|list| items(list, findings)).unwrap_or_default();
    if expressions.is_empty() {
        findings.add(policy.place, "`policy` has no expression");
    }
    let names = Names { term, server: choice.target, also_scp: false, has_re2: false };
    let (mut parts, mut all) = (Parts::default(), Some(vec![Clause::default()]));
    for node in expressions {
        let text = scalar(node, "an expression", findings)?;
        let said = Said { text, place: node.place, allows: action != "Deny" };
        let clauses = taken.understand(&said, &names, findings);
        match action {
            "Deny" => taken.push(node.place.line, false, clauses),
            "Require" => parts.required.push(clauses),
            _ => all = all.and_then(|all| together(&all, &clauses)),
        }
    }
    if action == "Allow" {
        if expressions.len() > 1 {
            taken.lose(
                policy.place,
                "all of the expressions must hold here; write a policy for each if one is enough",
            );
        }
        parts.allowed.push((policy.place.line, all.unwrap_or_default()));
    }
    parts.put_together(entry.place, taken);
    Some(())
}

/// A rule: text, or `{allow: …}`, `{deny: …}`, `{require: …}`.
fn read_rule<'n>(rule: &'n Node, findings: &mut Findings) -> Option<(&'static str, Said<'n>)> {
    const WORDS: [&str; 3] = ["allow", "deny", "require"];
    let (word, node) = match &rule.value {
        Value::Map(_) => {
            let entries = known(rule, "a rule", &WORDS, findings)?;
            let [entry] = entries else {
                findings.add(rule.place, "a rule has exactly one of `allow`, `deny`, `require`");
                return None;
            };
            (WORDS.into_iter().find(|word| *word == &*entry.key)?, &entry.node)
        }
        Value::Scalar { .. } | Value::List(_) | Value::Broken => ("allow", rule),
    };
    let text = scalar(node, "a rule", findings)?;
    Some((word, Said { text, place: node.place, allows: word != "deny" }))
}
