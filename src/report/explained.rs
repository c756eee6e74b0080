//! Explanations for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::policy::review::{Explanation, Held, Source, Way};
use crate::policy::{DenyReason, Mode, OnDeny, RateLimit, RuleView, Ruling};

/// The explanation in sentences.
#[must_use]
pub fn text(explanation: &Explanation<'_>) -> String {
    let mut text = format!("{}\n\nscopes\n", sentence(explanation));
    if explanation.held.is_empty() {
        text.push_str("  none\n");
    }
    for held in &explanation.held {
        let _ = writeln!(text, "  {}: {}", held.scope, origin(held));
    }
    text.push_str("rule\n");
    match &explanation.rule {
        Some(rule) => {
            let _ = writeln!(text, "  {} (line {}): {}", rule.label, rule.line, asks(rule));
        }
        None => {
            let hint =
                explanation.nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
            let _ = writeln!(text, "  none: what no rule names is refused{hint}");
        }
    }
    if let (Some(_), Ruling::Permit(_)) =
        (explanation.rule.as_ref().and_then(|rule| rule.when), &explanation.ruling)
        && !explanation.is_call
    {
        text.push_str("  the condition is asked of calls: give arguments to try it\n");
    }
    for (rule, why) in &explanation.others {
        let _ = writeln!(text, "  not {} (line {}): {why}", rule.label, rule.line);
    }
    if let Ruling::Deny(_) = explanation.ruling {
        text.push_str("what would open it\n");
        match explanation.ways.as_slice() {
            [] => text.push_str("  no scope\n"),
            ways => ways.iter().for_each(|way| {
                let _ = writeln!(text, "  {way}");
            }),
        }
    }
    text
}

/// The explanation as JSON.
#[must_use]
pub fn json(explanation: &Explanation<'_>) -> Value {
    let held = |held: &Held| {
        let (claim, implied_by) = match &held.from {
            Source::Given(claim) => (Some(claim), None),
            Source::ImpliedBy(scope) => (None, Some(scope)),
        };
        json!({"scope": held.scope, "claim": claim, "implied_by": implied_by, "known": held.is_known})
    };
    let other = |(rule, why): &(RuleView<'_>, &str)| json!({"rule": rule.label, "line": rule.line, "why_not": why});
    let ways: Vec<&Vec<String>> = explanation.ways.iter().map(|Way(scopes)| scopes).collect();
    let (decision, reason) = match &explanation.ruling {
        Ruling::Permit(_) => ("allow", "permitted"),
        Ruling::Deny(denial) => ("deny", denial.reason.word()),
    };
    json!({
        "kind": explanation.kind.word(), "name": explanation.name, "decision": decision, "reason": reason,
        "sentence": sentence(explanation),
        "scopes": explanation.held.iter().map(held).collect::<Vec<_>>(),
        "rule": explanation.rule.as_ref().map(|rule| json!({"rule": rule.label, "line": rule.line, "asks": asks(rule)})),
        "others": explanation.others.iter().map(other).collect::<Vec<_>>(),
        "missing": explanation.missing(), "opened_by": ways, "nearest": explanation.nearest,
    })
}

/// The decision in one sentence.
fn sentence(explanation: &Explanation<'_>) -> String {
    let (kind, name) = (explanation.kind.word(), &explanation.name);
    let denial = match &explanation.ruling {
        Ruling::Permit(permit) => {
            return match permit.would_deny() {
                Some(would) => {
                    format!(
                        "allowed, for what refuses it is not enforced ({}): the {kind} `{name}`",
                        would.reason.word()
                    )
                }
                None => format!("allowed: the {kind} `{name}` is open to this caller"),
            };
        }
        Ruling::Deny(denial) => denial,
    };
    let told = match (denial.reason, denial.on_deny) {
        (DenyReason::ScopesMissing, OnDeny::Challenge) => {
            format!("the caller is told to get a token with `{}`", denial.needs.join(" "))
        }
        (DenyReason::ConditionFalse | DenyReason::ConditionError(_), OnDeny::Challenge | OnDeny::Explain) => {
            "the caller is told that other arguments may be allowed".to_owned()
        }
        (_, OnDeny::Explain) => "the caller is told that the policy does not allow it".to_owned(),
        (_, OnDeny::Challenge | OnDeny::Hide) => format!("the caller is told that there is no such {kind}"),
    };
    let why = match denial.reason {
        DenyReason::NoRule => format!("no rule names the {kind} `{name}`"),
        DenyReason::RuleDenies => format!("a rule refuses the {kind} `{name}` to everyone"),
        DenyReason::ConditionFalse => "the condition of the rule is false".to_owned(),
        DenyReason::ConditionError(error) => format!("the condition of the rule has no value ({})", error.word()),
        DenyReason::ScopesMissing => format!("the caller lacks `{}`", explanation.missing().join(" ")),
    };
    format!("refused: {why}; {told}")
}

fn origin(held: &Held) -> String {
    let from = match &held.from {
        Source::Given(claim) => format!("from {claim}"),
        Source::ImpliedBy(scope) => format!("implied by {scope}"),
    };
    if held.is_known { from } else { format!("{from}; the policy does not speak of it") }
}

/// What a rule asks for.
#[must_use]
pub fn asks(rule: &RuleView<'_>) -> String {
    if rule.deny {
        return "refuses everyone".to_owned();
    }
    let mut asks = Vec::new();
    if !rule.scopes.is_empty() {
        asks.push(format!("all of {}", rule.scopes.join(", ")));
    }
    if !rule.any_of.is_empty() {
        let alternatives: Vec<String> = rule.any_of.iter().map(|scopes| scopes.join(" + ")).collect();
        asks.push(format!("one of {}", alternatives.join(", or ")));
    }
    let mut text =
        if asks.is_empty() { "asks for no scope".to_owned() } else { format!("asks for {}", asks.join(", and ")) };
    if let Some(when) = rule.when {
        let _ = write!(text, "; calls only when {when}");
    }
    if let Some(limit) = &rule.rate_limit {
        let _ = write!(text, "; {}", rate(limit));
    }
    if rule.mode == Mode::Shadow {
        text.push_str("; not enforced, in shadow");
    }
    text
}

/// A rate limit in words.
#[must_use]
pub fn rate(limit: &RateLimit) -> String {
    let by = limit.by.word();
    format!("{} in {:?} for each {by}", limit.requests, Duration::from_nanos(limit.per))
}
