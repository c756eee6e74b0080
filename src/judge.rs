//! The decision about a message: may this caller have what it asks for?
//!
//! One function decides for calls and for what lists show, so that nothing can be hidden and callable, nor shown to
//! whom it is refused whatever the arguments. It neither logs nor counts; what it returns carries its reasons.

pub mod apps;
mod change;

use crate::caller::Caller;
use crate::cel::{self, Facts};
use crate::json::quoted;
use crate::message::agreement::encode;
use crate::message::lists::ListKind;
use crate::message::splice::{Edit, splice};
use crate::message::tasks::{TaskName, TaskRole};
use crate::message::{Ask, List, Message};
use crate::policy::{DenyReason, Grants, Kind, Limit, OnDeny, Policy, Ruling, WouldDeny};
use crate::refusal::Refusal;
use crate::session::task::{Maker, Owner, Task};
pub use change::{Change, change};

/// Evidence that something may be forwarded: only with one the upstream opens. [`what`] makes it for messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Permit<'p> {
    by: Allowed<'p>,
    tasks: Vec<Task>,
    names_unknown: bool,
    /// INVARIANT: each replaces what a client wrote for a task, quotes included, by the identifier that is sealed in
    /// it, or by one that no task has.
    edits: Vec<Edit>,
    name: Option<String>,
}

/// What allows something.
#[derive(Debug, Default, PartialEq, Eq)]
struct Allowed<'p> {
    rule: Option<&'p str>,
    would_deny: Option<WouldDeny<'p>>,
    limits: Vec<Limit<'p>>,
}

impl<'p> Permit<'p> {
    /// The rule that permits it; none where a valid token is enough.
    #[must_use]
    pub const fn rule(&self) -> Option<&'p str> {
        self.by.rule
    }

    /// The caller's own tasks that the message names.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Whether the message asks for a task that is not the caller's. It may be sent, for the server is asked for a
    /// task that does not exist, and answers in its own way, which is the same for all that do not.
    #[must_use]
    pub const fn names_unknown(&self) -> bool {
        self.names_unknown
    }

    /// What `Mcp-Name` says to the server, where it must say something else than it said to the gateway.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The judged `body` as the server gets it, if that is not byte for byte what the client sent: with the server's
    /// own identifiers of tasks in place of their handles, or one that no task has in place of what is none. There is
    /// nothing else that it ever replaces.
    ///
    /// # Errors
    /// [`Refusal::TaskUnknown`] if it is not the body that was judged.
    pub fn rewritten(&self, body: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        if self.edits.is_empty() {
            return Ok(None);
        }
        splice(body, self.edits.clone()).map(Some).ok_or(Refusal::TaskUnknown)
    }

    /// What a rule in shadow would have refused.
    #[must_use]
    pub const fn would_deny(&self) -> Option<WouldDeny<'p>> {
        self.by.would_deny
    }

    /// The rate limits that it counts against. Who has a clock counts.
    #[must_use]
    pub fn limits(&self) -> &[Limit<'p>] {
        &self.by.limits
    }

    /// Permits a caller what carries no message: opening the stream of a session, or ending one (GET and DELETE),
    /// which a valid token is enough for. What arrives on the stream is filtered.
    #[must_use]
    pub fn session(_: &Caller) -> Self {
        Self::default()
    }
}

/// A refusal with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused<'p> {
    /// What the caller is told.
    pub refusal: Refusal,
    /// Why, for the operator: a stable word.
    pub reason: &'static str,
    /// Why a condition has no value, where that is the reason.
    pub error: Option<cel::Error>,
    /// The rule that refuses.
    pub rule: Option<&'p str>,
    /// All scopes that the operation needs, where they can cure it.
    pub needs: Vec<&'p str>,
}

impl From<Refusal> for Refused<'_> {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, reason: refusal.word(), error: None, rule: None, needs: Vec::new() }
    }
}

/// Decides about `message` for a caller with these grants, who owns the tasks that `owner` has sealed. What `facts` say
/// of the request besides its message is for the conditions of rules.
///
/// # Errors
/// [`Refused`], with what the caller may be told and what only the operator may know.
pub fn what<'p>(
    policy: &'p Policy,
    grants: &Grants,
    message: &Message<'_>,
    owner: &Owner<'_>,
    facts: &Facts<'_>,
) -> Result<Permit<'p>, Refused<'p>> {
    let facts = Facts { method: &message.method, args: message.ask.arguments(), ..*facts };
    let decide = |kind, name: &str| ruling(policy.decide_call(grants, kind, name, &facts), kind);
    let named = Named::unseal(message, owner)?;
    let of_message = match &message.ask {
        // Open to every caller unless the policy speaks of it.
        Ask::Specified | Ask::Task | Ask::List(List::Tasks) if !policy.names_method(&message.method) => {
            Ok(Allowed::default())
        }
        Ask::Specified | Ask::Task | Ask::List(List::Tasks) => decide(Kind::Method, &message.method),
        // A valid token is enough; lists are filtered and never refused.
        Ask::Base | Ask::List(_) => Ok(Allowed::default()),
        Ask::Tool { name, .. } => decide(Kind::Tool, name),
        Ask::Prompt { name, .. } => decide(Kind::Prompt, name),
        Ask::Resource { uri } => decide(Kind::Resource, uri),
        Ask::Listen { uris, .. } => all(uris.iter().map(|uri| decide(Kind::Resource, uri))),
        // The policy must speak of it.
        Ask::Extension => decide(Kind::Method, &message.method),
    };
    // A task is its maker's: whoever may not ask for that any more may not ask for what came of it.
    let makers = named.tasks.iter().filter_map(|task| task.maker.as_ref());
    // What it may do with arguments was decided, and counted, when the task was made.
    let of_tasks = makers.map(|maker| {
        let decided = ruling(policy.decide(grants, maker.kind, &maker.name), maker.kind);
        decided.map(|by| Allowed { limits: Vec::new(), ..by }).map_err(hidden)
    });
    let by = all(std::iter::once(of_message).chain(of_tasks))?;
    let Named { tasks, names_unknown, first, edits } = named;
    let name = first.filter(|_| message.ask == Ask::Task).map(|id| encode(&id));
    Ok(Permit { by, tasks, names_unknown, edits, name })
}

/// Whether a caller with these grants may still have what this made.
#[must_use]
pub fn allows(policy: &Policy, grants: &Grants, maker: &Maker) -> bool {
    matches!(policy.decide(grants, maker.kind, &maker.name), Ruling::Permit(_))
}

/// What a message names, unsealed.
#[derive(Default)]
struct Named {
    /// Tasks of the caller's own.
    tasks: Vec<Task>,
    /// Whether the message asks for others.
    names_unknown: bool,
    /// What stands for what is named first.
    first: Option<Box<str>>,
    edits: Vec<Edit>,
}

impl Named {
    fn unseal(message: &Message<'_>, owner: &Owner<'_>) -> Result<Self, Refusal> {
        let mut named = Self::default();
        for TaskName { role, handle, place } in &message.tasks {
            let id = match role {
                TaskRole::Cursor => Some(owner.unseal_cursor(handle).ok_or(Refusal::ParamsInvalid)?.into()),
                TaskRole::Asked => Some(named.own(owner, handle).unwrap_or_else(|| {
                    named.names_unknown = true;
                    owner.no_task(handle).into()
                })),
                TaskRole::Claimed => Some(named.own(owner, handle).ok_or(Refusal::TaskUnknown)?),
                // Not sealed here: a task of the client's own.
                TaskRole::Remarked => owner.unseal_task(handle).map(|task| task.id),
            };
            if named.first.is_none() {
                named.first.clone_from(&id);
            }
            named.edits.extend(id.map(|id| Edit { place: place.clone(), text: quoted(&id) }));
        }
        Ok(named)
    }

    /// The server's identifier of one of the caller's own tasks.
    fn own(&mut self, owner: &Owner<'_>, handle: &str) -> Option<Box<str>> {
        // A mention opens nothing.
        let task = owner.unseal_task(handle).filter(|task| task.maker.is_some())?;
        let id = task.id.clone();
        self.tasks.push(task);
        Some(id)
    }
}

/// What a caller may not know of is, as a task, one that does not exist.
fn hidden(refused: Refused<'_>) -> Refused<'_> {
    let is_told = matches!(refused.refusal, Refusal::ScopeInsufficient | Refusal::Forbidden);
    Refused { refusal: if is_told { refused.refusal } else { Refusal::TaskUnknown }, ..refused }
}

/// Decides about a batch by what was decided about each of its messages: all of it is forwarded, or none. There are no
/// tasks in batches.
///
/// # Errors
/// The first refusal that no scope cures; else one that names the scopes that all of them together need.
pub fn together<'p>(
    decisions: impl Iterator<Item = Result<Permit<'p>, Refused<'p>>>,
) -> Result<Permit<'p>, Refused<'p>> {
    let rules = decisions.map(|decision| {
        let permit = decision?;
        // Where it says what is to be replaced, it counts from the start of a message, and not of the batch.
        if permit.edits.is_empty() { Ok(permit.by) } else { Err(Refusal::MessageInvalid.into()) }
    });
    Ok(Permit { by: all(rules)?, ..Permit::default() })
}

/// Whether a caller with these grants sees the element of a list.
#[must_use]
pub fn sees(policy: &Policy, grants: &Grants, kind: ListKind, name: &str) -> bool {
    let kind = match kind {
        ListKind::Tools => Kind::Tool,
        ListKind::Prompts => Kind::Prompt,
        ListKind::Resources | ListKind::ResourceTemplates => Kind::Resource,
        // Whose a task is cannot be seen in its name.
        ListKind::Tasks => return false,
    };
    matches!(policy.decide(grants, kind, name), Ruling::Permit(_))
}

fn ruling(ruling: Ruling<'_>, kind: Kind) -> Result<Allowed<'_>, Refused<'_>> {
    let denial = match ruling {
        Ruling::Permit(permit) => {
            let limits = permit.limits().collect();
            return Ok(Allowed { rule: permit.rule(), would_deny: permit.would_deny(), limits });
        }
        Ruling::Deny(denial) => denial,
    };
    let refusal = match (denial.reason, denial.on_deny) {
        // There is a cure, and the caller may know it.
        (DenyReason::ScopesMissing, OnDeny::Challenge) => Refusal::ScopeInsufficient,
        // There is a rule, and the caller may know that.
        (DenyReason::ScopesMissing | DenyReason::RuleDenies, OnDeny::Explain) => Refusal::Forbidden,
        // It is in the caller's lists, and other arguments may be allowed.
        (DenyReason::ConditionFalse | DenyReason::ConditionError(_), OnDeny::Challenge | OnDeny::Explain) => {
            Refusal::ConditionFailed
        }
        // As if it did not exist.
        (DenyReason::NoRule, _)
        | (DenyReason::RuleDenies, OnDeny::Challenge | OnDeny::Hide)
        | (DenyReason::ScopesMissing | DenyReason::ConditionFalse | DenyReason::ConditionError(_), OnDeny::Hide) => {
            unknown(kind)
        }
    };
    let error = match denial.reason {
        DenyReason::ConditionError(error) => Some(error),
        DenyReason::NoRule | DenyReason::RuleDenies | DenyReason::ScopesMissing | DenyReason::ConditionFalse => {
            None
        }
    };
    let needs = if refusal == Refusal::ScopeInsufficient { denial.needs } else { Vec::new() };
    Err(Refused { refusal, reason: denial.reason.word(), error, rule: denial.rule, needs })
}

const fn unknown(kind: Kind) -> Refusal {
    match kind {
        Kind::Tool => Refusal::ToolUnknown,
        Kind::Prompt => Refusal::PromptUnknown,
        Kind::Resource => Refusal::ResourceUnknown,
        Kind::Method => Refusal::MethodUnknown,
    }
}

/// All of several decisions, with all scopes that are missing in one refusal. The last rule is told.
fn all<'p>(decisions: impl Iterator<Item = Result<Allowed<'p>, Refused<'p>>>) -> Result<Allowed<'p>, Refused<'p>> {
    let mut allowed = Allowed::default();
    let mut curable: Option<Refused<'p>> = None;
    for decision in decisions {
        match decision {
            Ok(next) => {
                allowed.rule = next.rule.or(allowed.rule);
                allowed.would_deny = allowed.would_deny.or(next.would_deny);
                // One message counts once against one limit.
                let new = next.limits.into_iter().filter(|limit| !allowed.limits.contains(limit));
                let new: Vec<_> = new.collect();
                allowed.limits.extend(new);
            }
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
    curable.map_or(Ok(allowed), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{Scopes, UnixTime};
    use crate::message::agreement::{Field, Mirror};
    use crate::message::recognise;
    use crate::refusal::Era;
    use crate::session::Sealer;

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
        let (sealer, caller) = (Sealer::new(b"k"), Caller::new("i", "alice", UnixTime(1)));
        let facts = Facts { claims: "{}", ..Facts::default() };
        what(&policy, &grants, &message, &sealer.of(&caller), &facts)
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
        assert_eq!(judge(&["r"], "tasks/run", r#"{"taskId":"t"}"#).unwrap_err().0, Refusal::MethodUnknown);
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

    /// A caller `alice`, with tasks that the tools `read` and `hidden` made for her.
    struct Stage {
        policy: Policy,
        sealer: Sealer,
    }

    impl Stage {
        fn new() -> Self {
            Self { policy: Policy::compile("policy", POLICY).unwrap(), sealer: Sealer::new(b"k") }
        }

        fn handle(&self, subject: &str, tool: &str) -> String {
            let maker = Maker { kind: Kind::Tool, name: tool.into() };
            let caller = Caller::new("i", subject, UnixTime(1));
            self.sealer.of(&caller).seal_task(Some(&maker), "t-\"1\"").unwrap()
        }

        fn mention(&self) -> String {
            self.sealer.of(&Caller::new("i", "alice", UnixTime(1))).seal_task(None, "t-\"1\"").unwrap()
        }

        /// What alice's message becomes, with `Mcp-Name` where that changes.
        fn send(&self, scopes: &[&str], body: &str) -> Result<(String, Option<String>), Refusal> {
            let alice = Caller::new("i", "alice", UnixTime(1));
            let grants = self.policy.grants(&Scopes::from_names(scopes.iter().copied()));
            let message = recognise(&Mirror::default(), body.as_bytes(), 8).unwrap();
            let permit = what(&self.policy, &grants, &message, &self.sealer.of(&alice), &Facts::default())
                .map_err(|no| no.refusal)?;
            let body = permit.rewritten(body.as_bytes())?.unwrap_or_else(|| body.into());
            Ok((String::from_utf8(body).unwrap(), permit.name().map(ToOwned::to_owned)))
        }
    }

    /// Ways to name a task in a request.
    const ASKING: &[&str] = &[
        r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{ "taskId" : "TASK" }}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tasks/result","params":{"taskId":"TASK"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tasks/cancel","params":{"taskId":"TASK"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tasks/update","params":{"inputResponses":{"a":1.0},"taskId":"TASK"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"taskIds":["TASK","TASK"]}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"open","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"TASK"}}}}"#,
    ];

    /// Ways to remark in passing what a message belongs to.
    const REMARKING: &[&str] = &[
        r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"TASK"}}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"TASK"}}}}"#,
    ];

    #[test]
    fn the_server_gets_its_own_identifier_and_nothing_else_is_changed() {
        let stage = Stage::new();
        let handle = stage.handle("alice", "read");
        for body in ASKING.iter().chain(REMARKING) {
            let (sent, name) = stage.send(&["r"], &body.replace("TASK", &handle)).unwrap();
            assert_eq!(sent, body.replace("TASK", r#"t-\"1\""#));
            let is_mirrored = body.contains("\"tasks/");
            assert_eq!(name.as_deref(), is_mirrored.then_some("t-\"1\""), "{body}");
        }
        for body in [r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list"}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#]
        {
            assert_eq!(stage.send(&[], body), Ok((body.to_owned(), None)));
        }
    }

    #[test]
    fn for_a_task_that_is_not_the_callers_the_server_is_asked_for_one_that_does_not_exist() {
        let stage = Stage::new();
        let own = stage.handle("alice", "read");
        let long = format!("{own}A");
        for task in [
            &stage.handle("bob", "read"),
            &stage.mention(),
            "t-1",
            "t-\\\"1\\\"",
            &long,
            own.get(1..).unwrap(),
            "é",
        ] {
            for body in &ASKING[..5] {
                let (sent, _) = stage.send(&[], &body.replace("TASK", task)).unwrap();
                let (before, after) = body.split_once("TASK").unwrap();
                let id = sent.strip_prefix(before).and_then(|rest| rest.get(..44)).unwrap();
                assert!(id.starts_with("toolgate-no-such-task-"), "{sent}");
                assert_eq!(sent, format!("{before}{id}{}", after.replace("TASK", id)));
            }
            // What a request only claims to belong to is no question that the server could answer.
            assert_eq!(stage.send(&["r"], &ASKING[5].replace("TASK", task)), Err(Refusal::TaskUnknown), "{task}");
            // One task of her own does not open others.
            let (sent, _) = stage.send(&["r"], &ASKING[4].replacen("TASK", &own, 1).replace("TASK", task)).unwrap();
            assert!(sent.contains(r#"["t-\"1\"","toolgate-no-such-task-"#), "{sent}");
        }
    }

    #[test]
    fn a_mention_comes_back_and_the_tasks_that_a_client_runs_pass() {
        let stage = Stage::new();
        for body in REMARKING {
            let (sent, _) = stage.send(&[], &body.replace("TASK", &stage.mention())).unwrap();
            assert_eq!(sent, body.replace("TASK", r#"t-\"1\""#));
            let own = body.replace("TASK", "of the client");
            assert_eq!(stage.send(&[], &own), Ok((own, None)));
        }
    }

    #[test]
    fn a_task_needs_what_made_it() {
        let stage = Stage::new();
        for body in ASKING {
            let send = |tool: &str, scopes: &[&str]| {
                stage.send(scopes, &body.replace("TASK", &stage.handle("alice", tool))).err()
            };
            assert_eq!(send("read", &["r"]), None);
            assert_eq!(send("read", &[]), Some(Refusal::ScopeInsufficient));
            assert_eq!(send("told", &[]), Some(Refusal::Forbidden));
            for lost in ["hidden", "never", "none"] {
                assert_eq!(send(lost, &[]), Some(Refusal::TaskUnknown), "{lost}");
            }
        }
    }

    #[test]
    fn a_policy_can_restrict_methods_about_tasks() {
        let mut stage = Stage::new();
        let text = format!("{POLICY}  tasks/list: {{deny: true}}\n  tasks/get: {{scopes: [poll]}}\n");
        stage.policy = Policy::compile("policy", &text).unwrap();
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list"}"#;
        assert_eq!(stage.send(&[], list), Err(Refusal::MethodUnknown));
        let get = ASKING[0].replace("TASK", &stage.handle("alice", "read"));
        assert_eq!(stage.send(&["r"], &get), Err(Refusal::ScopeInsufficient));
        assert_eq!(stage.send(&["poll"], &get), Err(Refusal::ScopeInsufficient));
        assert!(stage.send(&["r", "poll"], &get).is_ok());
        let result = ASKING[1].replace("TASK", &stage.handle("alice", "read"));
        assert!(stage.send(&["r"], &result).is_ok());
    }

    #[test]
    fn a_cursor_of_tasks_is_the_owners() {
        let stage = Stage::new();
        let list = |cursor: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tasks/list","params":{{"cursor":"{cursor}"}}}}"#)
        };
        let seal = |subject| {
            let caller = Caller::new("i", subject, UnixTime(1));
            stage.sealer.of(&caller).seal_cursor("c\n").unwrap()
        };
        assert_eq!(stage.send(&[], &list(&seal("alice"))), Ok((list("c\\n"), None)));
        for other in [&seal("bob"), "c", &stage.handle("alice", "read")] {
            assert_eq!(stage.send(&[], &list(other)), Err(Refusal::ParamsInvalid));
        }
    }

    #[test]
    fn a_mirrored_task_agrees_with_the_body_before_and_after() {
        let stage = Stage::new();
        let alice = Caller::new("i", "alice", UnixTime(1));
        let maker = Maker { kind: Kind::Tool, name: "open".into() };
        let grants = stage.policy.grants(&Scopes::default());
        for id in ["t-1", "ü", " t ", "=?base64?dA==?=", "a\nb", "", "x".repeat(300).as_str()] {
            let handle = stage.sealer.of(&alice).seal_task(Some(&maker), id).unwrap();
            let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{{"taskId":"{handle}",{meta}}}}}"#
            );
            let read = |body: &[u8], name: &[u8]| {
                let (version, method) = (Field::Once(b"2026-07-28"), Field::Once(b"tasks/get"));
                let mirror = Mirror { version, method, name: Field::Once(name) };
                recognise(&mirror, body, 8).map(|message| message.era).map_err(|no| no.refusal)
            };
            assert_eq!(read(body.as_bytes(), handle.as_bytes()), Ok(Era::Modern));
            assert_eq!(read(body.as_bytes(), id.as_bytes()), Err(Refusal::HeaderMismatch));
            let modern = Mirror {
                version: Field::Once(b"2026-07-28"),
                method: Field::Once(b"tasks/get"),
                name: Field::Once(handle.as_bytes()),
            };
            let message = recognise(&modern, body.as_bytes(), 8).unwrap();
            let permit =
                what(&stage.policy, &grants, &message, &stage.sealer.of(&alice), &Facts::default()).unwrap();
            let sent = permit.rewritten(body.as_bytes()).unwrap().unwrap();
            let name = permit.name().unwrap();
            assert!(name.bytes().all(|byte| byte.is_ascii_graphic()), "{name:?}");
            let expected = if id.is_empty() { Err(Refusal::ParamsInvalid) } else { Ok(Era::Modern) };
            assert_eq!(read(&sent, name.as_bytes()), expected, "{id:?}");
        }
    }
}
