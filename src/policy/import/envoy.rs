//! An `MCPRoute` of Envoy AI Gateway: the first rule that matches decides, and the default action where none does.
//!
//! Only calls of tools are judged there, and what lists of tools show.

use std::collections::BTreeSet;

use regex::Regex;

use super::super::Kind;
use super::super::document::{self, Entry, Node, Sort};
use super::super::fields::words;
use super::super::flaw::{Findings, Place, Quoted};
use super::clause::{Clause, Names as About};
use super::expression::{Names, Term, claim_is_one_of, is_as_in_re2};
use super::{Choice, Said, Taken, at, items, known, text, texts, value};

const SORT: Sort = Sort { name: "route", blank: "give an MCPRoute" };
const VERSIONS: [&str; 2] = ["aigateway.envoyproxy.io/v1alpha1", "aigateway.envoyproxy.io/v1beta1"];
const SPEC: [&str; 7] =
    ["parentRefs", "path", "headers", "hostnames", "backendRefs", "securityPolicy", "backendSelector"];
/// What of a security policy refuses callers, too.
const RESTRICTING: [&str; 3] = ["oauth", "apiKeyAuth", "extAuth"];

/// What a path stands for.
fn term(path: &[&str]) -> Option<(Term, usize)> {
    match path {
        // It takes the scopes out of the claims.
        ["request", "auth", "jwt", "claims", "scope" | "scp", ..] | ["request", "auth", "jwt", "claims"] => None,
        ["request", "auth", "jwt", "claims", ..] => Some((Term::Claims, 4)),
        ["request", "auth", "jwt", "scopes"] => Some((Term::Scopes, 4)),
        ["request", "mcp", "tool", ..] => Some((Term::Name(Kind::Tool), 3)),
        ["request", "mcp", "backend", ..] => Some((Term::Server(Kind::Tool), 3)),
        ["request", "mcp", "method", ..] => Some((Term::Fixed("tools/call"), 3)),
        ["request", "mcp", "params", "arguments", ..] => Some((Term::Args, 4)),
        ["request", "method", ..] => Some((Term::Fixed("POST"), 2)),
        _ => None,
    }
}

/// Reads the rules of one route.
pub(super) fn read(text: &str, choice: Choice<'_>, findings: &mut Findings) -> Option<Taken> {
    let roots = document::read_all(text, SORT, findings)?;
    let route = chosen(&roots, choice, findings)?;
    let spec = value(route, "spec")?;
    known(&spec.node, "the route", &SPEC, findings)?;
    let mut taken = Taken::default();
    let backend = backend(spec, choice, findings)?;
    let Some(authorization) = at(&spec.node, &["securityPolicy", "authorization"]) else {
        let hint = "if that is meant, write it yourself: `tools: {\"*\": {scopes: []}}`";
        findings.add_with_hint(spec.place, "the route has no `authorization`, so that it allows everything", hint);
        return None;
    };
    tell_others(&spec.node, &mut taken, findings);
    let selector =
        value(backend.node, "toolSelector").map(|selector| Selector::read(selector, &mut taken, findings));
    read_rules(authorization, backend.name, &mut taken, findings);
    if let Some(selector) = selector {
        selector.apply(&mut taken);
    }
    taken.lose(
        spec.place,
        "prompts and resources are not restricted there; here none is allowed until a rule names it",
    );
    Some(taken)
}

fn chosen<'n>(roots: &'n [Node], choice: Choice<'_>, findings: &mut Findings) -> Option<&'n Node> {
    let is_route = |root: &&Node| value(root, "kind").is_some_and(|kind| is_text(kind, "MCPRoute"));
    let routes: Vec<&Node> = roots.iter().filter(is_route).collect();
    let lines: Vec<String> = routes.iter().map(|route| route.place.line.to_string()).collect();
    let route = match (routes.as_slice(), choice.line) {
        ([], _) => {
            findings.add(Place::START, "there is no MCPRoute in this file");
            return None;
        }
        ([one], None) => one,
        ([_, second, ..], None) => {
            let hint = format!("say which is meant: `--line` {}", lines.join(" or "));
            findings.add_with_hint(second.place, format!("there are {} routes", routes.len()), hint);
            return None;
        }
        (several, Some(line)) => {
            let Some(one) = several.iter().find(|route| route.place.line == line) else {
                let hint = format!("they begin on line {}", lines.join(", "));
                findings.add_with_hint(Place { line, column: 1 }, "no route begins on this line", hint);
                return None;
            };
            one
        }
    };
    let version = value(route, "apiVersion").filter(|version| VERSIONS.iter().any(|known| is_text(version, known)));
    if version.is_none() {
        let place = value(route, "apiVersion").map_or(route.place, |version| version.node.place);
        findings.add_with_hint(
            place,
            "this version of MCPRoute is not known",
            format!("it can be {}", words(&VERSIONS)),
        );
        return None;
    }
    if value(route, "spec").is_none() {
        findings.add(route.place, "the route has no `spec`");
    }
    Some(route)
}

fn is_text(entry: &Entry, wanted: &str) -> bool {
    matches!(&entry.node.value, document::Value::Scalar { text, .. } if &**text == wanted)
}

/// A server behind the route.
#[derive(Clone, Copy)]
struct Backend<'n> {
    name: &'n str,
    node: &'n Node,
}

/// The server that is meant.
fn backend<'n>(spec: &'n Entry, choice: Choice<'_>, findings: &mut Findings) -> Option<Backend<'n>> {
    let Some(list) = value(&spec.node, "backendRefs") else {
        findings.add(spec.place, "the route has no `backendRefs`");
        return None;
    };
    let mut backends: Vec<Backend<'n>> = Vec::new();
    for node in items(list, findings) {
        let Some(name) = value(node, "name") else {
            findings.add(node.place, "a server has no `name`");
            continue;
        };
        backends.extend(text(name, findings).map(|name| Backend { name, node }));
    }
    let names: Vec<&str> = backends.iter().map(|backend| backend.name).collect();
    match (backends.as_slice(), choice.target) {
        ([one], None) => Some(*one),
        (_, None) => {
            let hint = format!("say before which toolgate stands: `--target`, one of {}", words(&names));
            findings.add_with_hint(list.place, format!("the route has {} servers", names.len()), hint);
            None
        }
        (several, Some(target)) => {
            let one = several.iter().find(|backend| backend.name == target).copied();
            if one.is_none() {
                let hint = format!("it has {}", words(&names));
                findings.add_with_hint(list.place, format!("the route has no server {}", Quoted(target)), hint);
            }
            one
        }
    }
}

/// Tells what else restricts callers there.
fn tell_others(spec: &Node, taken: &mut Taken, findings: &mut Findings) {
    for key in ["headers", "backendSelector"] {
        if let Some(entry) = value(spec, key) {
            taken.lose(entry.place, format!("`{key}` is not imported: it may refuse what this policy allows"));
        }
    }
    let Some(security) = value(spec, "securityPolicy") else { return };
    let keys: Vec<&str> = RESTRICTING.into_iter().chain(["authorization"]).collect();
    let entries = known(&security.node, "`securityPolicy`", &keys, findings).unwrap_or_default();
    for entry in entries.iter().filter(|entry| RESTRICTING.contains(&&*entry.key)) {
        let what = match &*entry.key {
            "oauth" => "`oauth` is not imported: issuers and audiences are settings of `toolgate serve`".to_owned(),
            key => format!("`{key}` is not imported: it may refuse what this policy allows"),
        };
        taken.lose(entry.place, what);
    }
}

fn read_rules(authorization: &Entry, server: &str, taken: &mut Taken, findings: &mut Findings) {
    if known(&authorization.node, "`authorization`", &["defaultAction", "rules"], findings).is_none() {
        return;
    }
    let rules = value(&authorization.node, "rules").map(|rules| items(rules, findings)).unwrap_or_default();
    for rule in rules {
        let _ = read_rule(rule, server, taken, findings);
    }
    if let Some(entry) = value(&authorization.node, "defaultAction")
        && action(entry, findings) == Some(true)
    {
        taken.lose(entry.place, "every tool is allowed which no rule refuses: here, too");
        taken.push(entry.place.line, true, vec![any_tool()]);
    }
}

fn any_tool() -> Clause {
    Clause { kind: Some(Kind::Tool), also_scp: true, ..Clause::default() }
}

/// Takes one rule; none where a flaw says why not.
fn read_rule(rule: &Node, server: &str, taken: &mut Taken, findings: &mut Findings) -> Option<()> {
    let entries = known(rule, "a rule", &["source", "target", "cel", "action"], findings)?;
    let said = entries.iter().find(|entry| &*entry.key == "action");
    let allows = said.map_or(Some(true), |entry| action(entry, findings))?;
    let mut clauses = vec![any_tool()];
    for entry in entries {
        let more: Vec<Clause> = match &*entry.key {
            "source" => {
                let before = findings.count();
                let source = read_source(entry, findings);
                if source.is_none() && findings.count() == before {
                    taken.lose(entry.place, "this source never matches: `scope` and `scp` are no claims there");
                }
                source.into_iter().collect()
            }
            "target" => read_target(entry, server, findings).into_iter().collect(),
            "cel" => {
                let text = text(entry, findings)?;
                if text.trim().is_empty() {
                    continue;
                }
                let said = Said { text, place: entry.node.place, allows };
                taken.understand(
                    &said,
                    &Names { term, server: Some(server), also_scp: true, has_re2: true },
                    findings,
                )
            }
            _ => continue,
        };
        clauses = clauses.iter().flat_map(|one| more.iter().filter_map(|two| one.and(two))).collect();
    }
    taken.push(rule.place.line, allows, clauses);
    Some(())
}

/// Whether it allows.
fn action(entry: &Entry, findings: &mut Findings) -> Option<bool> {
    match text(entry, findings)? {
        "Allow" => Some(true),
        "Deny" => Some(false),
        other => {
            findings
                .add(entry.node.place, format!("`{}` must be `Allow` or `Deny`, not {}", entry.key, Quoted(other)));
            None
        }
    }
}

/// The tools of this server; none where there are none.
fn read_target(entry: &Entry, server: &str, findings: &mut Findings) -> Option<Clause> {
    known(&entry.node, "`target`", &["tools"], findings)?;
    let tools = value(&entry.node, "tools").map(|tools| items(tools, findings)).unwrap_or_default();
    if tools.is_empty() {
        findings.add(entry.place, "`target` names no tool");
    }
    let mut names = BTreeSet::new();
    for tool in tools {
        known(tool, "a tool", &["backend", "tool"], findings)?;
        let (Some(backend), Some(name)) = (value(tool, "backend"), value(tool, "tool")) else {
            findings.add(tool.place, "a tool has `backend` and `tool`");
            continue;
        };
        let (backend, name) = (text(backend, findings)?, text(name, findings)?);
        names.extend((backend == server).then(|| name.to_owned()));
    }
    let about = Clause { kind: Some(Kind::Tool), names: About::Of(names), ..Clause::default() };
    (!matches!(&about.names, About::Of(names) if names.is_empty())).then_some(about)
}

/// The callers; none where there can be none.
fn read_source(entry: &Entry, findings: &mut Findings) -> Option<Clause> {
    known(&entry.node, "`source`", &["jwt"], findings)?;
    let Some(jwt) = value(&entry.node, "jwt") else {
        findings.add(entry.place, "`source` has no `jwt`");
        return None;
    };
    known(&jwt.node, "`jwt`", &["scopes", "claims"], findings)?;
    let mut clause = any_tool();
    clause.scopes.extend(value(&jwt.node, "scopes").map(|scopes| texts(scopes, findings)).unwrap_or_default());
    for claim in value(&jwt.node, "claims").map(|claims| items(claims, findings)).unwrap_or_default() {
        clause.conditions.insert(read_claim(claim, findings)?);
    }
    if clause.is_bare() {
        findings.add(jwt.place, "`jwt` has neither scopes nor claims");
    }
    Some(clause)
}

/// What a claim must be; none where it can never be.
fn read_claim(claim: &Node, findings: &mut Findings) -> Option<String> {
    known(claim, "a claim", &["name", "valueType", "values"], findings)?;
    let (Some(name), Some(values)) = (value(claim, "name"), value(claim, "values")) else {
        findings.add(claim.place, "a claim has `name` and `values`");
        return None;
    };
    let (name, values) = (text(name, findings)?, texts(values, findings));
    let may_be_list = match value(claim, "valueType").map(|kind| (kind, text(kind, findings))) {
        None | Some((_, Some("String"))) => false,
        Some((_, Some("StringArray"))) => true,
        Some((_, None)) => return None,
        Some((kind, Some(other))) => {
            let message = format!("`valueType` must be `String` or `StringArray`, not {}", Quoted(other));
            findings.add(kind.node.place, message);
            return None;
        }
    };
    // It takes these two out of the claims before it looks.
    let is_taken = ["scope", "scp"].contains(&name.split('.').next().unwrap_or_default());
    (!is_taken).then(|| claim_is_one_of(name, &values, may_be_list))
}

/// Which tools of a server are there at all.
#[derive(Default)]
struct Selector {
    include: Option<Vec<String>>,
    exclude: Vec<String>,
    /// None among them where one cannot be read: then nothing is included for certain, or not excluded.
    include_like: Option<Vec<Option<Regex>>>,
    exclude_like: Vec<Option<Regex>>,
    line: usize,
}

impl Selector {
    fn read(entry: &Entry, taken: &mut Taken, findings: &mut Findings) -> Self {
        let keys = ["include", "includeRegex", "exclude", "excludeRegex"];
        if known(&entry.node, "`toolSelector`", &keys, findings).is_none() {
            return Self::default();
        }
        let list = |key: &str, findings: &mut Findings| value(&entry.node, key).map(|list| texts(list, findings));
        let like = |list: Vec<String>, taken: &mut Taken| {
            let one = |text: &String| {
                let regex = Regex::new(text).ok().filter(|_| is_as_in_re2(text));
                if regex.is_none() {
                    taken.lose(
                        entry.place,
                        format!(
                            "the expression {} of `toolSelector` means something else here, or nothing",
                            Quoted(text)
                        ),
                    );
                }
                regex
            };
            list.iter().map(one).collect::<Vec<_>>()
        };
        Self {
            include: list("include", findings).filter(|names| !names.is_empty()),
            exclude: list("exclude", findings).unwrap_or_default(),
            include_like: list("includeRegex", findings)
                .filter(|list| !list.is_empty())
                .map(|list| like(list, &mut *taken)),
            exclude_like: list("excludeRegex", findings).map(|list| like(list, &mut *taken)).unwrap_or_default(),
            line: entry.place.line,
        }
    }

    fn selects(&self, name: &str) -> bool {
        let is_excluded = self.exclude.iter().any(|other| other == name)
            || self.exclude_like.iter().any(|regex| regex.as_ref().is_none_or(|regex| regex.is_match(name)));
        let is_included = self.include.as_ref().is_none_or(|names| names.iter().any(|other| other == name))
            && self
                .include_like
                .as_ref()
                .is_none_or(|list| list.iter().flatten().any(|regex| regex.is_match(name)));
        is_included && !is_excluded
    }

    /// Takes from the rules that allow what is not selected.
    fn apply(&self, taken: &mut Taken) {
        let mut kept = Vec::new();
        let Taken { steps, lost } = taken;
        for mut step in steps.drain(..) {
            if step.allows {
                if let Some(include) = &self.include {
                    let listed = Clause {
                        kind: Some(Kind::Tool),
                        names: About::Of(include.iter().cloned().collect()),
                        ..Clause::default()
                    };
                    let Some(narrowed) = step.clause.and(&listed) else { continue };
                    step.clause = narrowed;
                }
                if let About::Of(names) = &mut step.clause.names {
                    names.retain(|name| self.selects(name));
                    if names.is_empty() {
                        continue;
                    }
                } else if self.include_like.is_some() || !self.exclude_like.is_empty() {
                    let what = "left out: it is about more tools than it names, of which `toolSelector` takes some by \
                                regular expressions";
                    lost.push(super::Lost { line: step.line, what: what.to_owned() });
                    continue;
                }
            }
            kept.push(step);
        }
        if !self.exclude.is_empty() {
            let names = About::Of(self.exclude.iter().cloned().collect());
            let clause = Clause { kind: Some(Kind::Tool), names, ..Clause::default() };
            kept.insert(0, super::Step { line: self.line, allows: false, clause });
        }
        *steps = kept;
    }
}
