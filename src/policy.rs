//! What callers may do: a policy, compiled from its document, and its rulings.
//!
//! Default is deny. A matching rule with `deny: true` refuses, whatever else matches; else the most specific
//! matching rule decides, never the order of the file. An exact name is more specific than any pattern; among
//! patterns, more literal characters come first, then fewer `**`, then fewer `*`, then fewer variables, then fewer `?`.
//! Patterns that are equally specific and have a name in common do not compile.
//!
//! Scopes decide seeing and calling alike; a condition (`when`) decides calling only. A rule in shadow is evaluated
//! and not enforced: the rules without it decide, and where none of them speaks, the rule in shadow lets through.

mod arguments;
mod compare;
mod compile;
pub(crate) mod document;
pub mod draft;
pub mod export;
pub(crate) mod fields;
pub(crate) mod flaw;
mod hidden;
pub mod import;
mod index;
mod inside;
mod json;
pub mod learn;
pub mod lint;
mod pattern;
mod rate;
mod recorded;
pub mod review;
mod rule;
mod sample;
pub mod schema;
mod scope;
mod selftest;
mod shape;
pub mod starting;
mod suggest;
pub(crate) use suggest::nearest;
mod table;
mod uri;
mod warning;

use std::cell::Cell;
use std::collections::HashSet;

use crate::caller::Scopes;
use crate::cel::{self, Facts};
pub use compare::View;
pub use flaw::{Flaw, Flaws};
pub use rate::{LimitBy, RateLimit};
use rule::{Effect, Rule};
pub use sample::Sample;
pub use scope::Grants;
use scope::ScopeTable;
use selftest::SelfTest;
pub use selftest::TestResult;
use table::RuleTable;
pub use warning::Warning;

/// The longest name of a tool, prompt or method in bytes. A longer name matches no rule.
pub const LONGEST_NAME: usize = 256;
/// The longest resource URI in bytes. A longer URI matches no rule.
pub const LONGEST_URI: usize = 2_048;

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A tool, by its name.
    Tool,
    /// A prompt, by its name.
    Prompt,
    /// A resource or a resource template, by its URI.
    Resource,
    /// A method that the specification does not open to every caller.
    Method,
}

impl Kind {
    /// Every kind, in the order of the document.
    pub const ALL: [Self; 4] = [Self::Tool, Self::Prompt, Self::Resource, Self::Method];

    /// The word for one thing of this kind.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Method => "method",
        }
    }

    /// The section of the document with the rules of this kind.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Resource => "resources",
            Self::Method => "methods",
        }
    }

    const fn longest_name(self) -> usize {
        match self {
            Self::Tool | Self::Prompt | Self::Method => LONGEST_NAME,
            Self::Resource => LONGEST_URI,
        }
    }
}

/// What a caller is told when it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnDeny {
    /// The scopes it needs.
    Challenge,
    /// That the policy does not allow it.
    Explain,
    /// That no such thing exists.
    Hide,
}

impl OnDeny {
    /// Every one, in the order in which they are told.
    pub const ALL: [Self; 3] = [Self::Challenge, Self::Explain, Self::Hide];

    /// The words of all of them.
    pub const WORDS: [&'static str; 3] = [Self::Challenge.word(), Self::Explain.word(), Self::Hide.word()];

    /// The word in a policy.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Challenge => "challenge",
            Self::Explain => "explain",
            Self::Hide => "hide",
        }
    }
}

/// Whether a rule is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// It is.
    #[default]
    Enforce,
    /// It is evaluated and reported.
    Shadow,
}

impl Mode {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::Enforce, Self::Shadow];

    /// The words of both.
    pub const WORDS: [&'static str; 2] = [Self::Enforce.word(), Self::Shadow.word()];

    /// The word in a policy.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
        }
    }
}

/// Why a caller is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DenyReason {
    /// No rule matches.
    NoRule,
    /// A rule refuses everyone.
    RuleDenies,
    /// The rule asks for scopes that the caller does not have.
    ScopesMissing,
    /// The rule's condition is false.
    ConditionFalse,
    /// The rule's condition has no value.
    ConditionError(cel::Error),
}

impl DenyReason {
    /// The stable word of this reason: audit, tests, metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoRule => "no_rule",
            Self::RuleDenies => "rule_denies",
            Self::ScopesMissing => "scopes_missing",
            Self::ConditionFalse => "condition_false",
            Self::ConditionError(_) => "condition_error",
        }
    }

    /// Every reason's word.
    pub const WORDS: [&'static str; 5] =
        ["no_rule", "rule_denies", "scopes_missing", "condition_false", "condition_error"];
}

/// The decision about one thing for one caller.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Ruling<'p> {
    /// The caller may have it.
    Permit(Permit<'p>),
    /// The caller may not have it.
    Deny(Denial<'p>),
}

/// Evidence that a policy permits something: only [`Policy::decide`] makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit<'p> {
    rule: Option<&'p str>,
    would_deny: Option<WouldDeny<'p>>,
    limits: [Option<Limit<'p>>; 2],
}

/// What a rule in shadow would have refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WouldDeny<'p> {
    /// The rule; none where the whole policy is in shadow and no rule matches.
    pub rule: Option<&'p str>,
    /// Why.
    pub reason: DenyReason,
    /// How many of these are audited. All are counted.
    pub sample: Sample,
}

/// A rate limit that a permitted call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit<'p> {
    /// The rule it belongs to.
    pub rule: &'p str,
    /// How many in what time.
    pub rate: RateLimit,
    /// Whether it is enforced, or only reported.
    pub mode: Mode,
    /// How many of those that are only reported are audited. All are counted.
    pub sample: Sample,
}

impl<'p> Permit<'p> {
    /// The rule that permits it, as in `tools.echo`; none where the whole policy is in shadow and no rule matches.
    #[must_use]
    pub const fn rule(&self) -> Option<&'p str> {
        self.rule
    }

    /// What would have refused it, were it enforced.
    #[must_use]
    pub const fn would_deny(&self) -> Option<WouldDeny<'p>> {
        self.would_deny
    }

    /// The rate limits that it counts against.
    pub fn limits(&self) -> impl Iterator<Item = Limit<'p>> {
        self.limits.into_iter().flatten()
    }
}

/// A refusal by policy, and what the caller may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial<'p> {
    /// Why.
    pub reason: DenyReason,
    /// The rule that refuses, as in `tools.echo`.
    pub rule: Option<&'p str>,
    /// What the caller is told. Never [`OnDeny::Challenge`] where scopes cannot cure.
    pub on_deny: OnDeny,
    /// All scopes that the operation needs, for one challenge; empty where scopes cannot cure.
    pub needs: Vec<&'p str>,
}

/// A rule, for listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleView<'p> {
    /// What it is about.
    pub kind: Kind,
    /// The name or pattern it is about.
    pub pattern: &'p str,
    /// Section and pattern, as in `tools.echo`.
    pub label: &'p str,
    /// The line of the document it stands on.
    pub line: usize,
    /// The scopes it asks for, all of them.
    pub scopes: Vec<&'p str>,
    /// The alternatives of which it asks for one; empty where it asks for none.
    pub any_of: Vec<Vec<&'p str>>,
    /// Whether it refuses everyone.
    pub deny: bool,
    /// What a refused caller is told.
    pub on_deny: OnDeny,
    /// The condition on calls, as written.
    pub when: Option<&'p str>,
    /// Whether it is enforced.
    pub mode: Mode,
    /// How often it lets through.
    pub rate_limit: Option<RateLimit>,
}

/// A compiled policy: immutable, and the only maker of permits.
#[derive(Debug)]
pub struct Policy {
    mode: Mode,
    /// How many of the refusals are audited where the whole policy is in shadow.
    sample: Sample,
    rules: Vec<Rule>,
    has_conditions: bool,
    tools: RuleTable,
    prompts: RuleTable,
    resources: RuleTable,
    methods: RuleTable,
    scopes: ScopeTable,
    /// The names of the scopes that rules ask for, sorted, each once.
    asked: Vec<Box<str>>,
    tests: Vec<SelfTest>,
    unused_scopes: Vec<Warning>,
}

impl Policy {
    /// Compiles a document in YAML or JSON; `file` is its name in messages.
    ///
    /// # Errors
    /// Every flaw of the document.
    pub fn compile(file: &str, text: &str) -> Result<Self, Flaws> {
        compile::compile(file, text)
    }

    /// The policy without rules: it refuses everything.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            mode: Mode::Enforce,
            sample: Sample::ALL,
            rules: Vec::new(),
            has_conditions: false,
            tools: RuleTable::default(),
            prompts: RuleTable::default(),
            resources: RuleTable::default(),
            methods: RuleTable::default(),
            scopes: ScopeTable::default(),
            asked: Vec::new(),
            tests: Vec::new(),
            unused_scopes: Vec::new(),
        }
    }

    /// What a token with these scopes is granted under this policy: they, and all that they imply. Under another
    /// policy the result grants nothing.
    #[must_use]
    pub fn grants(&self, scopes: &Scopes) -> Grants {
        self.scopes.grants(scopes)
    }

    /// Whether these grants were made by this very policy, and not by another or an earlier one.
    #[must_use]
    pub fn has_made(&self, grants: &Grants) -> bool {
        self.scopes.has_made(grants)
    }

    /// Whether a caller with these grants sees the thing called `name`. A permit costs no allocation.
    pub fn decide(&self, grants: &Grants, kind: Kind, name: &str) -> Ruling<'_> {
        self.rule_on(grants, kind, name, None)
    }

    /// Whether a caller with these grants may call it, get it or read it, with what `facts` say of the request: as
    /// [`Policy::decide`], and the condition of the rule must hold. The values of a pattern's variables are told
    /// here and need not be among the facts, nor need the name.
    pub fn decide_call(&self, grants: &Grants, kind: Kind, name: &str, facts: &Facts<'_>) -> Ruling<'_> {
        self.rule_on(grants, kind, name, Some(facts))
    }

    /// Whether the whole policy is enforced.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    fn rule_on(&self, grants: &Grants, kind: Kind, name: &str, facts: Option<&Facts<'_>>) -> Ruling<'_> {
        self.rule_on_asked(kind, &Asked { grants, name, facts, steps: Cell::new(0) })
    }

    fn rule_on_asked(&self, kind: Kind, asked: &Asked<'_>) -> Ruling<'_> {
        let Asked { grants, name, .. } = *asked;
        let Matched { enforced, shadow } = self.rules_for(kind, name);
        let objection = shadow.and_then(|rule| self.objection(rule, asked).map(|reason| (rule, reason)));
        let would_deny = objection.map(|(rule, reason)| {
            let (label, sample) = (&*rule.label, rule.body.sample);
            WouldDeny { rule: Some(label), reason, sample }
        });
        let limits = [enforced, shadow].map(|rule| rule.and_then(|rule| self.limit(rule)));
        let refused = match (enforced, shadow) {
            (Some(rule), _) => self.objection(rule, asked).map(|reason| (Some(rule), reason)),
            // What only a rule in shadow names is let through: not enforcing is what the rule asks for. Not so
            // where it would refuse everyone, since without it the thing would be refused.
            (None, Some(rule)) if !rule.is_deny() => None,
            (None, _) => Some((None, DenyReason::NoRule)),
        };
        let Some((rule, reason)) = refused else {
            let rule = enforced.or(shadow).map(|rule| &*rule.label);
            return Ruling::Permit(Permit { rule, would_deny, limits });
        };
        let label = rule.map(|rule| &*rule.label);
        // What no rule names stays an unknown method, even in shadow.
        if self.mode == Mode::Shadow && (kind != Kind::Method || rule.is_some()) {
            let would_deny = Some(WouldDeny { rule: label, reason, sample: self.sample });
            return Ruling::Permit(Permit { rule: label, would_deny, limits });
        }
        let on_deny = rule.map_or(OnDeny::Hide, |rule| rule.body.on_deny);
        let needs = match (reason, rule) {
            (DenyReason::ScopesMissing, Some(rule)) => rule.needs(&self.scopes, grants),
            _ => Vec::new(),
        };
        Ruling::Deny(Denial { reason, rule: label, on_deny, needs })
    }

    /// Whether any rule has a condition, which may ask for the time.
    #[must_use]
    pub const fn has_conditions(&self) -> bool {
        self.has_conditions
    }

    /// The limit of a rule. In a policy that is wholly in shadow none is enforced.
    fn limit<'p>(&'p self, rule: &'p Rule) -> Option<Limit<'p>> {
        let limit = rule.limit()?;
        let is_enforced = self.mode == Mode::Enforce || limit.mode == Mode::Shadow;
        Some(if is_enforced { limit } else { Limit { mode: Mode::Shadow, sample: self.sample, ..limit } })
    }

    /// Why the rule would refuse what is asked, if it would.
    fn objection(&self, rule: &Rule, asked: &Asked<'_>) -> Option<DenyReason> {
        if rule.is_deny() {
            return Some(DenyReason::RuleDenies);
        }
        if !rule.admits(&self.scopes, asked.grants) {
            return Some(DenyReason::ScopesMissing);
        }
        let (condition, facts) = rule.body.when.as_ref().zip(asked.facts)?;
        let Some(vars) = rule.vars(asked.name) else {
            return Some(DenyReason::ConditionError(cel::Error::Unreadable));
        };
        let (holds, steps) = condition.evaluate(&Facts { name: asked.name, vars: &vars, ..*facts });
        asked.steps.set(asked.steps.get().saturating_add(steps));
        match holds {
            Ok(true) => None,
            Ok(false) => Some(DenyReason::ConditionFalse),
            Err(error) => Some(DenyReason::ConditionError(error)),
        }
    }

    /// The rules that match a name, the one that decides first: a rule that refuses everyone, then the most specific.
    #[must_use]
    pub fn matches(&self, kind: Kind, name: &str) -> Vec<RuleView<'_>> {
        if name.is_empty() || name.len() > kind.longest_name() {
            return Vec::new();
        }
        let deciding = self.rules_for(kind, name);
        let deciding = deciding.enforced.or(deciding.shadow);
        let others = self.rules.iter().filter(|rule| rule.kind == kind && rule.matches(name));
        let mut others: Vec<&Rule> =
            others.filter(|rule| deciding.is_none_or(|deciding| !std::ptr::eq(*rule, deciding))).collect();
        others.sort_by_key(|rule| (!rule.is_deny(), rule.specificity()));
        deciding.into_iter().chain(others).map(|rule| self.view(rule)).collect()
    }

    /// Whether a rule under `methods` is about this method.
    #[must_use]
    pub fn names_method(&self, method: &str) -> bool {
        let Matched { enforced, shadow } = self.rules_for(Kind::Method, method);
        enforced.or(shadow).is_some()
    }

    /// The scopes that rules ask for, sorted, each once.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.asked.iter().map(AsRef::as_ref)
    }

    /// How many rules there are.
    #[must_use]
    pub const fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// The rules, by kind and then in the order of the document.
    pub fn rules(&self) -> impl Iterator<Item = RuleView<'_>> {
        self.rules.iter().map(|rule| self.view(rule))
    }

    /// Runs the tests that the policy carries. Together they take a bounded number of steps: those for which none is
    /// left fail.
    #[must_use]
    pub fn run_tests(&self) -> Vec<TestResult<'_>> {
        let mut budget = selftest::Budget::WHOLE;
        self.tests.iter().map(|test| test.run(self, &mut budget)).collect()
    }

    /// The callers of the tests that the policy carries: the name of `sub`, or of the test, and the scopes.
    pub(crate) fn tested_callers(&self) -> impl Iterator<Item = (&str, &Scopes)> {
        self.tests.iter().map(SelfTest::caller)
    }

    /// The rule that a caller meets: the one that is enforced, or the one in shadow that lets all through.
    fn rule_for(&self, kind: Kind, name: &str) -> Option<&Rule> {
        let Matched { enforced, shadow } = self.rules_for(kind, name);
        enforced.or_else(|| shadow.filter(|rule| !rule.is_deny()))
    }

    /// Whether every caller with a valid token gets what `rule` decides about, since it is not enforced.
    fn is_open(&self, kind: Kind, rule: Option<&Rule>) -> bool {
        rule.is_some_and(Rule::is_shadow) || self.mode == Mode::Shadow && (kind != Kind::Method || rule.is_some())
    }

    /// The rules that decide about a name.
    fn rules_for(&self, kind: Kind, name: &str) -> Matched<'_> {
        if name.is_empty() || name.len() > kind.longest_name() {
            return Matched { enforced: None, shadow: None };
        }
        let is_plain = kind != Kind::Resource || uri::is_plain(name);
        let table = self.table(kind);
        match table.rule_for(name, is_plain, &self.rules) {
            Some(shadow) if shadow.is_shadow() => {
                Matched { enforced: table.enforced_for(name, is_plain, &self.rules), shadow: Some(shadow) }
            }
            enforced => Matched { enforced, shadow: None },
        }
    }

    const fn table(&self, kind: Kind) -> &RuleTable {
        match kind {
            Kind::Tool => &self.tools,
            Kind::Prompt => &self.prompts,
            Kind::Resource => &self.resources,
            Kind::Method => &self.methods,
        }
    }

    const fn table_mut(&mut self, kind: Kind) -> &mut RuleTable {
        match kind {
            Kind::Tool => &mut self.tools,
            Kind::Prompt => &mut self.prompts,
            Kind::Resource => &mut self.resources,
            Kind::Method => &mut self.methods,
        }
    }

    fn view<'p>(&'p self, rule: &'p Rule) -> RuleView<'p> {
        let names = |ids: &[usize]| ids.iter().map(|id| self.scopes.name(*id)).collect::<Vec<_>>();
        let (scopes, any_of) = match &rule.body.effect {
            Effect::Deny => (Vec::new(), Vec::new()),
            Effect::Allow { all, any } => (names(all), any.iter().map(|ids| names(ids)).collect()),
        };
        let (deny, pattern) = (rule.is_deny(), rule.pattern());
        let Rule { kind, line, body: ref says, .. } = *rule;
        let when = says.when.as_ref().map(cel::Condition::source);
        let (on_deny, mode, rate_limit) = (says.on_deny, says.mode, says.limit);
        RuleView { kind, pattern, label: &rule.label, line, scopes, any_of, deny, on_deny, when, mode, rate_limit }
    }

    /// Notes which scopes the rules ask for.
    fn note_asked_scopes(&mut self) {
        // A rule that hides what it is about hides what it asks for, too.
        let shown = self.rules.iter().filter(|rule| rule.body.on_deny != OnDeny::Hide);
        let ids: HashSet<usize> = shown.flat_map(Rule::asked).collect();
        let mut asked: Vec<Box<str>> = ids.into_iter().map(|id| self.scopes.name(id).into()).collect();
        asked.sort_unstable();
        self.asked = asked;
    }
}

/// The keys of the format, of each of its mappings, some of them more than once.
pub fn keys() -> impl Iterator<Item = &'static str> {
    shape::ALL.into_iter().flat_map(|shape| shape.keys).map(|key| key.name)
}

/// The rule that decides, and the rule in shadow that would, were it enforced.
struct Matched<'p> {
    enforced: Option<&'p Rule>,
    shadow: Option<&'p Rule>,
}

/// What is asked of a rule: to see a thing, or to call it where there are facts.
struct Asked<'a> {
    grants: &'a Grants,
    name: &'a str,
    facts: Option<&'a Facts<'a>>,
    /// The steps that conditions took.
    steps: Cell<u64>,
}

#[cfg(test)]
mod tests;
