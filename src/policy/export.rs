//! A policy as an `XAccessPolicy` of kube-agentic-networking (`agentic.networking.x-k8s.io/v1alpha1`).
//!
//! That resource knows who calls by workload identities, and no scopes: which identity stands for which scopes is
//! given. It has single names, at most ten in a list and of at most twenty characters, and no way to refuse. What it
//! does not know is left out, so that it allows nothing which the policy does not allow.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::draft::{comment, text};
use super::{Kind, Mode, Policy, RuleView, Ruling};
use crate::caller::Scopes;

/// The most rules of the resource, and the most names in a list of it.
const MOST: usize = 10;
/// The longest name in it, in characters.
const LONGEST: usize = 20;
/// The longest name of the resource here: the names of its rules begin with it, and have at most 63 characters.
const LONGEST_OWN: usize = 50;

/// A workload, and the scopes that its tokens have.
#[derive(Debug, Clone)]
pub struct Caller {
    scopes: String,
    identity: Identity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Identity {
    ServiceAccount { namespace: Option<String>, name: String },
    Spiffe(String),
}

/// What the resource is to be.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: Option<&'a str>,
    /// What it is about: `gateway/NAME` or `backend/NAME`.
    pub target: &'a str,
    /// Who calls.
    pub callers: Vec<Caller>,
    /// Whether callers may begin and end sessions, list, complete and set log levels there. Its lists are not filtered.
    pub base_protocol: bool,
    /// Whether tools may be named by an expression where they do not fit into lists.
    pub cel: bool,
}

/// What became of a policy.
#[derive(Debug)]
pub struct Exported {
    /// The resource; none where it would have no rule, which would allow everything.
    pub text: Option<String>,
    /// What of the policy is not in it.
    pub lost: Vec<Lost>,
    /// How many rules it has.
    pub rules: usize,
}

/// Something of a policy that the resource does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The line of the policy, where it is about one.
    pub line: Option<usize>,
    /// What it is.
    pub what: String,
}

impl Caller {
    /// Reads `SCOPES=IDENTITY`: scopes separated by spaces or commas, and `serviceaccount:NAME`,
    /// `serviceaccount:NAMESPACE/NAME` or `spiffe://…`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(given: &str) -> Result<Self, String> {
        const HINT: &str = "write `SCOPES=serviceaccount:NAMESPACE/NAME` or `SCOPES=spiffe://…`";
        let (scopes, identity) =
            given.rsplit_once('=').ok_or_else(|| format!("`{given}` names no identity: {HINT}"))?;
        let identity = match identity.strip_prefix("serviceaccount:") {
            Some(account) => {
                let (namespace, name) = match account.split_once('/') {
                    Some((namespace, name)) => (Some(namespace.to_owned()), name),
                    None => (None, account),
                };
                let is_good =
                    is_dns(name, 253) && namespace.as_deref().is_none_or(|namespace| is_dns(namespace, 63));
                is_good.then(|| Identity::ServiceAccount { namespace, name: name.to_owned() })
            }
            None => is_spiffe(identity).then(|| Identity::Spiffe(identity.to_owned())),
        };
        let identity = identity.ok_or_else(|| format!("`{given}` has no identity that can be used: {HINT}"))?;
        let scopes: Vec<&str> = scopes.split([' ', ',']).filter(|scope| !scope.is_empty()).collect();
        Ok(Self { scopes: scopes.join(" "), identity })
    }
}

/// Whether it is a DNS subdomain as Kubernetes wants it.
fn is_dns(name: &str, longest: usize) -> bool {
    let is_good = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let label = |label: &str| {
        let (first, last) = (label.bytes().next(), label.bytes().last());
        first.is_some_and(is_good)
            && last.is_some_and(is_good)
            && label.bytes().all(|letter| is_good(letter) || letter == b'-')
    };
    name.len() <= longest && name.split('.').all(label)
}

/// `^spiffe://[a-z0-9._-]+(?:/[A-Za-z0-9._-]+)*$`
fn is_spiffe(id: &str) -> bool {
    let Some(rest) = id.strip_prefix("spiffe://") else { return false };
    let mut parts = rest.split('/');
    let is_domain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    let is_path =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    parts.next().is_some_and(is_domain) && parts.all(is_path)
}

/// The resource. `file` is what the policy is called in it.
///
/// # Errors
/// What is wrong with what is wanted.
pub fn x_access_policy(policy: &Policy, file: &str, wanted: &Wanted<'_>) -> Result<Exported, String> {
    let reference = checked(wanted)?;
    let mut lost = unsaid(policy, wanted);
    let mut rules: Vec<AccessRule<'_>> = Vec::new();
    for caller in &wanted.callers {
        let found = access(policy, caller, wanted);
        if found.is_empty() {
            let what = format!("a caller with the scopes `{}` gets nothing that can be said", caller.scopes);
            lost.push(Lost { line: None, what });
        }
        rules.extend(found.into_iter().map(|body| AccessRule { caller, body }));
    }
    for AccessRule { caller, body } in rules.iter().skip(MOST) {
        let names: Vec<String> = body.names().map(|name| format!("`{name}`")).collect();
        let what = format!("more than {MOST} rules: left out for `{}`: {}", caller.scopes, names.join(", "));
        lost.push(Lost { line: None, what });
    }
    rules.truncate(MOST);
    if rules.is_empty() {
        return Ok(Exported { text: None, lost, rules: 0 });
    }
    let mut page = head(file, wanted, &reference, &lost);
    for (at, AccessRule { caller, body }) in rules.iter().enumerate() {
        let _ = writeln!(page, "    - name: {}-{}", wanted.name, at.saturating_add(1));
        write_source(caller, &mut page);
        body.write(wanted.base_protocol, &mut page);
    }
    Ok(Exported { text: Some(page), lost, rules: rules.len() })
}

/// A rule of the resource.
struct AccessRule<'w> {
    caller: &'w Caller,
    body: Body,
}

/// What a rule of the resource lets in.
enum Body {
    /// Names of tools and prompts. What begins a session may go with it; so does the list of tools where it has no names.
    Names { tools: Vec<String>, prompts: Vec<String> },
    /// Tools, by an expression.
    Tools(Vec<String>),
}

impl Body {
    fn names(&self) -> impl Iterator<Item = &String> {
        let (tools, prompts): (&[String], &[String]) = match self {
            Self::Names { tools, prompts } => (tools, prompts),
            Self::Tools(tools) => (tools, &[]),
        };
        tools.iter().chain(prompts)
    }

    fn write(&self, base_protocol: bool, page: &mut String) {
        let (tools, prompts) = match self {
            Self::Names { tools, prompts } => (tools, prompts),
            Self::Tools(tools) => {
                let names: Vec<String> = tools.iter().map(|name| format!("'{name}'")).collect();
                let expression = text(&format!("request.mcp.tool_name in [{}]", names.join(", ")));
                page.push_str("      authorization:\n        type: CEL\n        cel:\n");
                let _ = writeln!(page, "          expression: {expression}");
                return;
            }
        };
        page.push_str("      authorization:\n        type: Inline\n        mcp:\n          methods:\n");
        for (method, names) in [("tools/call", tools), ("prompts/get", prompts)] {
            // A list without names would stand for all names.
            if !names.is_empty() {
                let names: Vec<String> = names.iter().map(|name| text(name)).collect();
                let _ =
                    writeln!(page, "            - name: {method}\n              params: [{}]", names.join(", "));
            }
        }
        // A rule without methods would stand for all methods.
        if tools.is_empty() && prompts.is_empty() {
            page.push_str("            - name: tools/list\n");
        }
        if base_protocol {
            page.push_str("          mcpBaseProtocolMethodsOption: MATCH_BASE_PROTOCOL_METHODS\n");
        }
    }
}

/// What a caller gets, in as many rules as that takes.
fn access(policy: &Policy, caller: &Caller, wanted: &Wanted<'_>) -> Vec<Body> {
    let mut tools = names(policy, caller, Kind::Tool);
    let mut prompts = names(policy, caller, Kind::Prompt);
    let mut bodies = Vec::new();
    if wanted.cel && (tools.len() > MOST || !tools.iter().all(|name| fits(name))) {
        tools.retain(|name| is_quotable(name));
        if !tools.is_empty() {
            bodies.push(Body::Tools(std::mem::take(&mut tools)));
        }
    }
    tools.retain(|name| fits(name));
    prompts.retain(|name| fits(name));
    let (mut tools, mut prompts) = (tools.chunks(MOST), prompts.chunks(MOST));
    loop {
        let (tools, prompts) = (tools.next().unwrap_or_default(), prompts.next().unwrap_or_default());
        if tools.is_empty() && prompts.is_empty() {
            break;
        }
        bodies.push(Body::Names { tools: tools.to_vec(), prompts: prompts.to_vec() });
    }
    let begins = bodies.iter().any(|body| matches!(body, Body::Names { .. }));
    if wanted.base_protocol && !bodies.is_empty() && !begins {
        bodies.push(Body::Names { tools: Vec::new(), prompts: Vec::new() });
    }
    bodies
}

/// Whether a name can stand in an expression there, where names are looked for also within texts.
fn is_quotable(name: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"_-./".contains(&letter);
    name.bytes().all(is_plain) && !name.contains("request.")
}

/// The reference to the target, where all that is wanted can be.
fn checked(wanted: &Wanted<'_>) -> Result<(&'static str, &'static str, String), String> {
    if !is_dns(wanted.name, LONGEST_OWN) {
        return Err(format!("`{}` is no name of a resource with at most {LONGEST_OWN} characters", wanted.name));
    }
    if let Some(namespace) = wanted.namespace.filter(|namespace| !is_dns(namespace, 63)) {
        return Err(format!("`{namespace}` is no namespace"));
    }
    if wanted.callers.is_empty() {
        return Err("a caller must be given: without one, all would be meant".to_owned());
    }
    for (at, caller) in wanted.callers.iter().enumerate() {
        if wanted.callers.iter().take(at).any(|other| other.identity == caller.identity) {
            return Err("one identity is given twice: it has one set of scopes".to_owned());
        }
    }
    let (group, kind, name) = match wanted.target.split_once('/') {
        Some(("gateway", name)) => ("gateway.networking.k8s.io", "Gateway", name),
        Some(("backend", name)) => ("agentic.networking.x-k8s.io", "XBackend", name),
        _ => return Err(format!("`{}` is no target: write `gateway/NAME` or `backend/NAME`", wanted.target)),
    };
    if !is_dns(name, 253) {
        return Err(format!("`{name}` is no name of a resource"));
    }
    Ok((group, kind, name.to_owned()))
}

fn head(file: &str, wanted: &Wanted<'_>, (group, kind, name): &(&str, &str, String), lost: &[Lost]) -> String {
    let mut page = String::new();
    let _ = writeln!(page, "{}", comment(&format!("Exported from {file} by `toolgate policy export`.")));
    let _ = writeln!(page, "#\n# It allows nothing that the policy does not allow. What is left out:");
    for Lost { line, what } in lost {
        let what = line.map_or_else(|| what.clone(), |line| format!("line {line}: {what}"));
        let _ = writeln!(page, "{}", comment(&format!("  {what}")));
    }
    let _ = writeln!(page, "apiVersion: agentic.networking.x-k8s.io/v1alpha1\nkind: XAccessPolicy\nmetadata:");
    let _ = writeln!(page, "  name: {}", text(wanted.name));
    if let Some(namespace) = wanted.namespace {
        let _ = writeln!(page, "  namespace: {}", text(namespace));
    }
    let _ = writeln!(page, "spec:\n  targetRefs:\n    - {{group: {group}, kind: {kind}, name: {}}}", text(name));
    page.push_str("  action: Allow\n  rules:\n");
    page
}

fn write_source(caller: &Caller, page: &mut String) {
    let _ = match &caller.identity {
        Identity::Spiffe(id) => writeln!(page, "      source:\n        type: SPIFFE\n        spiffe: {}", text(id)),
        Identity::ServiceAccount { namespace, name } => {
            let namespace = namespace.iter().map(|namespace| format!("namespace: {}, ", text(namespace)));
            let account: String = namespace.chain([format!("name: {}", text(name))]).collect();
            writeln!(page, "      source:\n        type: ServiceAccount\n        serviceAccount: {{{account}}}")
        }
    };
}

/// The names of one kind that the caller gets, whatever it sends and however often.
fn names(policy: &Policy, caller: &Caller, kind: Kind) -> Vec<String> {
    let grants = policy.grants(&Scopes::from_names(caller.scopes.split(' ')));
    let names: BTreeSet<&str> = policy.table(kind).exact_names().collect();
    let gets = |name: &&str| {
        let Ruling::Permit(permit) = policy.decide(&grants, kind, name) else { return false };
        let is_limited = permit.limits().next().is_some() || permit.would_deny().is_some();
        let rule = permit.rule().and_then(|label| policy.rules().find(|rule| rule.label == label));
        !is_limited && rule.is_some_and(|rule| rule.when.is_none() && rule.mode == Mode::Enforce)
    };
    names.into_iter().filter(gets).map(ToOwned::to_owned).collect()
}

fn fits(name: &str) -> bool {
    name.chars().nth(LONGEST).is_none()
}

/// What of the policy the resource cannot say.
fn unsaid(policy: &Policy, wanted: &Wanted<'_>) -> Vec<Lost> {
    let mut lost: Vec<Lost> = policy
        .rules()
        .filter_map(|rule| {
            let what = reason(policy, &rule, wanted.cel)?;
            Some(Lost { line: Some(rule.line), what: format!("`{}` is left out: {what}", rule.label) })
        })
        .collect();
    let whole = "scopes of tokens are not looked at: an identity stands for the scopes that were given with it";
    lost.push(Lost { line: None, what: whole.to_owned() });
    let base = if wanted.base_protocol {
        "lists of tools are not filtered, and completions and log levels are open to all callers (`--base-protocol`)"
    } else {
        "no session can begin by this alone: `initialize` and `tools/list` need `--base-protocol`, or another rule there"
    };
    lost.push(Lost { line: None, what: base.to_owned() });
    lost
}

/// Why a rule cannot be said; none where it can, or refuses.
fn reason(policy: &Policy, rule: &RuleView<'_>, by_cel: bool) -> Option<&'static str> {
    if rule.deny {
        return None;
    }
    match rule.kind {
        Kind::Resource => return Some("the URIs of resources cannot be named there"),
        Kind::Method => return Some("methods of your own cannot be named there"),
        Kind::Tool | Kind::Prompt => {}
    }
    if !policy.table(rule.kind).is_exact(rule.pattern) {
        return Some("there are no patterns: name what you want to export");
    }
    let is_named = if by_cel && rule.kind == Kind::Tool { is_quotable(rule.pattern) } else { fits(rule.pattern) };
    let too_long =
        (!is_named).then_some("names have at most 20 characters there; `--cel` helps where plain tools have more");
    let when = rule.when.map(|_| "its condition cannot be said there");
    let rate = rule.rate_limit.map(|_| "its rate limit cannot be said there");
    let shadow = (rule.mode == Mode::Shadow).then_some("it is in shadow");
    too_long.or(when).or(rate).or(shadow)
}

#[cfg(test)]
mod tests;
