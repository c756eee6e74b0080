//! The rules `mcpAuthorization` of agentgateway: CEL over what is asked for and the claims of the caller.
//!
//! There a rule that refuses wins, then all that are required must match, then one that allows must; where none
//! allows, everything is allowed that is not refused.

use super::super::Kind;
use super::super::document::{self, Entry, Node, Sort, Value};
use super::super::flaw::{Findings, Place};
use super::clause::Clause;
use super::expression::{Names, Term};
use super::{Choice, Said, Taken, items, known, scalar, value};

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
    let (rules, around) = chosen(&roots, &found, choice, findings)?;
    let mut taken = Taken::default();
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

fn chosen<'n>(
    roots: &[Node],
    found: &[Found<'n>],
    choice: Choice<'_>,
    findings: &mut Findings,
) -> Option<Found<'n>> {
    let lines: Vec<String> = found.iter().map(|(entry, _)| entry.place.line.to_string()).collect();
    match (found, choice.line) {
        ([], _) => {
            let is_resource = roots
                .iter()
                .filter_map(|root| value(root, "kind"))
                .find(|kind| is_text(&kind.node, "AgentgatewayPolicy"));
            let hint = format!("write its rules as `{KEY}: {{rules: [\"…\", {{deny: \"…\"}}]}}`");
            match is_resource {
                Some(kind) => findings.add_with_hint(kind.place, "an AgentgatewayPolicy cannot be imported", hint),
                None => findings.add(Place::START, format!("there is no `{KEY}` in this file")),
            }
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
    let names = Names { term, server: choice.target };
    let mut allowed: Vec<(usize, Vec<Clause>)> = Vec::new();
    let mut required: Vec<Vec<Clause>> = Vec::new();
    let mut has_allow = false;
    for rule in rules {
        let Some((word, said)) = read_rule(rule, findings) else { continue };
        let clauses = taken.understand(&said, &names, findings);
        match word {
            "deny" => taken.push(said.place.line, false, clauses),
            "require" => required.push(clauses),
            _ => {
                has_allow = true;
                allowed.push((said.place.line, clauses));
            }
        }
    }
    if !has_allow {
        taken.lose(entry.place, "no rule allows, so that everything is allowed which is not refused: here, too");
        allowed.push((entry.place.line, vec![Clause::default()]));
    }
    for (line, clauses) in allowed {
        let together = required.iter().try_fold(clauses, |clauses, required| {
            let is_bounded = clauses.len().saturating_mul(required.len()) <= MOST_TOGETHER;
            is_bounded
                .then(|| clauses.iter().flat_map(|one| required.iter().filter_map(|two| one.and(two))).collect())
        });
        match together {
            Some(clauses) => taken.push(line, true, clauses),
            None => taken.lost.push(super::Lost {
                line,
                what: "left out: with the rules that are required it matches in too many ways".to_owned(),
            }),
        }
    }
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
