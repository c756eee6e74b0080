//! The decision about a message: may this caller have what it asks for?
//!
//! One function decides for calls and for what lists show, so that nothing can be hidden and callable, or shown
//! and refused. It neither logs nor counts; what it returns carries its reasons.

pub mod apps;
mod change;

use crate::caller::Caller;
use crate::message::lists::ListKind;
use crate::message::{Ask, Message};
use crate::policy::{DenyReason, Grants, Kind, OnDeny, Policy, Ruling};
use crate::refusal::Refusal;
pub use change::{Change, change};

/// Evidence that something may be forwarded: only with one the upstream opens. [`what`] makes it for messages.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit<'p> {
    rule: Option<&'p str>,
}

impl<'p> Permit<'p> {
    /// The rule that permits it; none where a valid token is enough.
    #[must_use]
    pub const fn rule(&self) -> Option<&'p str> {
        self.rule
    }

    /// Permits a caller what carries no message: opening the stream of a session, or ending one (GET and DELETE),
    /// which a valid token is enough for. What arrives on the stream is filtered.
    #[must_use]
    pub const fn session(_: &Caller) -> Self {
        Self { rule: None }
    }
}

/// A refusal with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused<'p> {
    /// What the caller is told.
    pub refusal: Refusal,
    /// Why, for the operator: a stable word.
    pub reason: &'static str,
    /// The rule that refuses.
    pub rule: Option<&'p str>,
    /// All scopes that the operation needs, where they can cure it.
    pub needs: Vec<&'p str>,
}

impl From<Refusal> for Refused<'_> {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, reason: refusal.word(), rule: None, needs: Vec::new() }
    }
}

/// Decides about `message` for a caller with these grants.
///
/// # Errors
/// [`Refused`], with what the caller may be told and what only the operator may know.
pub fn what<'p>(policy: &'p Policy, grants: &Grants, message: &Message<'_>) -> Result<Permit<'p>, Refused<'p>> {
    let decide = |kind, name: &str| ruling(policy.decide(grants, kind, name), kind);
    match &message.ask {
        // A valid token is enough; lists are filtered and never refused.
        Ask::Base | Ask::List(_) => Ok(Permit { rule: None }),
        Ask::Tool { name, .. } => decide(Kind::Tool, name),
        Ask::Prompt { name } => decide(Kind::Prompt, name),
        Ask::Resource { uri } => decide(Kind::Resource, uri),
        Ask::Listen { uris, tasks, .. } if tasks.is_empty() => {
            all(uris.iter().map(|uri| decide(Kind::Resource, uri)))
        }
        // No task is known to be this caller's.
        Ask::Listen { .. } => Err(Refusal::TaskUnknown.into()),
        Ask::Task => Err(Refusal::MethodUnknown.into()),
        // Open to every caller unless the policy speaks of it.
        Ask::Specified if !policy.names_method(&message.method) => Ok(Permit { rule: None }),
        // The policy must speak of it.
        Ask::Specified | Ask::Extension => decide(Kind::Method, &message.method),
    }
}

/// Decides about a batch by what was decided about each of its messages: all of it is forwarded, or none.
///
/// # Errors
/// The first refusal that no scope cures; else one that names the scopes that all of them together need.
pub fn together<'p>(
    decisions: impl Iterator<Item = Result<Permit<'p>, Refused<'p>>>,
) -> Result<Permit<'p>, Refused<'p>> {
    all(decisions)
}

/// Whether a caller with these grants sees the element of a list.
#[must_use]
pub fn sees(policy: &Policy, grants: &Grants, kind: ListKind, name: &str) -> bool {
    let kind = match kind {
        ListKind::Tools => Kind::Tool,
        ListKind::Prompts => Kind::Prompt,
        ListKind::Resources | ListKind::ResourceTemplates => Kind::Resource,
        // No task is known to be this caller's.
        ListKind::Tasks => return false,
    };
    matches!(policy.decide(grants, kind, name), Ruling::Permit(_))
}

fn ruling(ruling: Ruling<'_>, kind: Kind) -> Result<Permit<'_>, Refused<'_>> {
    let denial = match ruling {
        Ruling::Permit(permit) => return Ok(Permit { rule: Some(permit.rule()) }),
        Ruling::Deny(denial) => denial,
    };
    let refusal = match (denial.reason, denial.on_deny) {
        // There is a cure, and the caller may know it.
        (DenyReason::ScopesMissing, OnDeny::Challenge) => Refusal::ScopeInsufficient,
        // There is a rule, and the caller may know that.
        (DenyReason::ScopesMissing | DenyReason::RuleDenies, OnDeny::Explain) => Refusal::Forbidden,
        // As if it did not exist.
        (DenyReason::NoRule, _)
        | (DenyReason::RuleDenies, OnDeny::Challenge | OnDeny::Hide)
        | (DenyReason::ScopesMissing, OnDeny::Hide) => unknown(kind),
    };
    let reason = match denial.reason {
        DenyReason::NoRule => "no_rule",
        DenyReason::RuleDenies => "rule_denies",
        DenyReason::ScopesMissing => "scopes_missing",
    };
    let needs = if refusal == Refusal::ScopeInsufficient { denial.needs } else { Vec::new() };
    Err(Refused { refusal, reason, rule: denial.rule, needs })
}

const fn unknown(kind: Kind) -> Refusal {
    match kind {
        Kind::Tool => Refusal::ToolUnknown,
        Kind::Prompt => Refusal::PromptUnknown,
        Kind::Resource => Refusal::ResourceUnknown,
        Kind::Method => Refusal::MethodUnknown,
    }
}

/// All of several decisions, with all scopes that are missing in one refusal.
fn all<'p>(decisions: impl Iterator<Item = Result<Permit<'p>, Refused<'p>>>) -> Result<Permit<'p>, Refused<'p>> {
    let mut permit = Permit { rule: None };
    let mut curable: Option<Refused<'p>> = None;
    for decision in decisions {
        match decision {
            Ok(next) => permit = next,
            Err(refused) if refused.refusal != Refusal::ScopeInsufficient => return Err(refused),
            Err(refused) => match &mut curable {
                None => curable = Some(refused),
                Some(first) => {
                    let more = refused.needs.into_iter().filter(|need| !first.needs.contains(need));
                    let more: Vec<_> = more.collect();
                    first.needs.extend(more);
                }
            },
        }
    }
    curable.map_or(Ok(permit), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Scopes;
    use crate::message::agreement::Mirror;
    use crate::message::recognise;

    const POLICY: &str = "
version: 1
tools:
  open: {scopes: []}
  read: {scopes: [r]}
  hidden: {scopes: [r], on_deny: hide}
  told: {scopes: [r], on_deny: explain}
  never: {deny: true}
  never_told: {deny: true, on_deny: explain}
prompts: {p: {scopes: [r]}}
resources:
  'x:r': {scopes: [r]}
  'x:s': {scopes: [s]}
methods:
  x-acme/run: {scopes: [acme]}
  logging/setLevel: {scopes: [log]}
";

    fn judge(
        scopes: &[&str],
        method: &str,
        params: &str,
    ) -> Result<Option<String>, (Refusal, String, Vec<String>)> {
        let policy = Policy::compile("policy", POLICY).unwrap();
        let grants = policy.grants(&Scopes::from_names(scopes.iter().copied()));
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let message = recognise(&Mirror::default(), body.as_bytes(), 8).unwrap();
        what(&policy, &grants, &message)
            .map(|permit| permit.rule().map(str::to_owned))
            .map_err(|no| (no.refusal, no.reason.to_owned(), no.needs.iter().map(ToString::to_string).collect()))
    }

    fn call(scopes: &[&str], tool: &str) -> Result<Option<String>, (Refusal, String, Vec<String>)> {
        judge(scopes, "tools/call", &format!(r#"{{"name":"{tool}"}}"#))
    }

    fn no(
        refusal: Refusal,
        reason: &str,
        needs: &[&str],
    ) -> Result<Option<String>, (Refusal, String, Vec<String>)> {
        Err((refusal, reason.to_owned(), needs.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn each_way_to_refuse_a_tool() {
        assert_eq!(call(&[], "open"), Ok(Some("tools.open".into())));
        assert_eq!(call(&["r"], "read"), Ok(Some("tools.read".into())));
        assert_eq!(call(&[], "read"), no(Refusal::ScopeInsufficient, "scopes_missing", &["r"]));
        assert_eq!(call(&[], "hidden"), no(Refusal::ToolUnknown, "scopes_missing", &[]));
        assert_eq!(call(&[], "told"), no(Refusal::Forbidden, "scopes_missing", &[]));
        assert_eq!(call(&["r"], "never"), no(Refusal::ToolUnknown, "rule_denies", &[]));
        assert_eq!(call(&["r"], "never_told"), no(Refusal::Forbidden, "rule_denies", &[]));
        assert_eq!(call(&["r"], "none"), no(Refusal::ToolUnknown, "no_rule", &[]));
        assert_eq!(call(&["r"], "Read"), no(Refusal::ToolUnknown, "no_rule", &[]));
    }

    #[test]
    fn the_base_of_the_protocol_needs_no_scope() {
        for method in ["initialize", "ping", "server/discover", "tools/list", "prompts/list", "resources/list"] {
            assert_eq!(judge(&[], method, "{}"), Ok(None), "{method}");
        }
    }

    #[test]
    fn other_methods_are_unknown_unless_the_policy_names_them() {
        assert_eq!(judge(&["acme"], "x-acme/run", "{}"), Ok(Some("methods.x-acme/run".into())));
        assert_eq!(judge(&[], "x-acme/run", "{}"), no(Refusal::ScopeInsufficient, "scopes_missing", &["acme"]));
        assert_eq!(judge(&["acme"], "x-acme/other", "{}"), no(Refusal::MethodUnknown, "no_rule", &[]));
        assert_eq!(
            judge(&[], "logging/setLevel", "{}"),
            no(Refusal::ScopeInsufficient, "scopes_missing", &["log"])
        );
        assert_eq!(judge(&["r"], "tasks/get", r#"{"taskId":"t"}"#).unwrap_err().0, Refusal::MethodUnknown);
    }

    #[test]
    fn a_listener_needs_what_every_uri_needs_in_one_challenge() {
        let listen = |scopes: &[&str], uris: &str| {
            judge(
                scopes,
                "subscriptions/listen",
                &format!(r#"{{"notifications":{{"resourceSubscriptions":{uris}}}}}"#),
            )
        };
        assert_eq!(listen(&[], "[]"), Ok(None));
        assert_eq!(listen(&["r", "s"], r#"["x:r","x:s"]"#), Ok(Some("resources.x:s".into())));
        assert_eq!(listen(&[], r#"["x:r","x:s"]"#), no(Refusal::ScopeInsufficient, "scopes_missing", &["r", "s"]));
        assert_eq!(listen(&[], r#"["x:r","x:none"]"#), no(Refusal::ResourceUnknown, "no_rule", &[]));
        let tasks = judge(&["r"], "subscriptions/listen", r#"{"notifications":{"taskIds":["t"]}}"#);
        assert_eq!(tasks.unwrap_err().0, Refusal::TaskUnknown);
    }

    #[test]
    fn what_is_seen_is_what_may_be_called() {
        let policy = Policy::compile("policy", POLICY).unwrap();
        for scopes in [&[][..], &["r"], &["r", "s"]] {
            let grants = policy.grants(&Scopes::from_names(scopes.iter().copied()));
            for tool in ["open", "read", "hidden", "told", "never", "never_told", "none"] {
                assert_eq!(sees(&policy, &grants, ListKind::Tools, tool), call(scopes, tool).is_ok(), "{tool}");
            }
        }
    }
}
