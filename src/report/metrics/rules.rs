//! What is counted by rule. Rules are those of the policies that were in force, up to a number.

use std::collections::HashSet;
use std::sync::Mutex;

use prometheus::IntCounterVec;

use super::New;

/// The most rules that have series of their own; the others share one.
const MOST: usize = 1_000;
/// The label of what no rule names.
const NONE: &str = "none";

/// What is counted by rule.
#[derive(Debug)]
pub(super) struct RuleNumbers {
    shadow_denials: IntCounterVec,
    limited: IntCounterVec,
    known: Mutex<HashSet<Box<str>>>,
}

impl RuleNumbers {
    pub(super) fn new(new: &New) -> Result<Self, prometheus::Error> {
        let shadow = "Calls that a rule in shadow would have refused.";
        let limited = "Calls that were one too many for the rate limit of a rule.";
        Ok(Self {
            shadow_denials: new.family("shadow_denials_total", shadow, &["rule"])?,
            limited: new.family("rate_limited_total", limited, &["rule"])?,
            known: Mutex::default(),
        })
    }

    pub(super) fn shadow_denial(&self, rule: Option<&str>) {
        self.shadow_denials.with_label_values(&[rule.map_or(NONE, |rule| self.label(rule))]).inc();
    }

    pub(super) fn rate_limited(&self, rule: &str) {
        self.limited.with_label_values(&[self.label(rule)]).inc();
    }

    fn label<'r>(&self, rule: &'r str) -> &'r str {
        let Ok(mut known) = self.known.lock() else { return super::OTHER };
        if known.contains(rule) {
            return rule;
        }
        if known.len() >= MOST {
            return super::OTHER;
        }
        known.insert(rule.into());
        rule
    }
}
