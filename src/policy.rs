//! What callers may do: a policy, compiled from its document, and its rulings.
//!
//! Default is deny. A matching rule with `deny: true` refuses, whatever else matches; else the most specific
//! matching rule decides, never the order of the file. An exact name is more specific than any pattern; among
//! patterns, more literal characters come first, then fewer `**`, then fewer `*`, then fewer `?`. Patterns that are
//! equally specific and have a name in common do not compile.

mod compare;
mod compile;
pub(crate) mod document;
pub(crate) mod fields;
pub(crate) mod flaw;
mod pattern;
pub mod review;
mod rule;
mod scope;
mod selftest;
mod suggest;
mod table;
mod uri;

use crate::caller::Scopes;
pub use compare::View;
pub use flaw::{Flaw, Flaws};
use rule::{Effect, Rule};
pub use scope::Grants;
use scope::ScopeTable;
use selftest::SelfTest;
pub use selftest::TestResult;
use table::RuleTable;

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

/// Why a caller is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DenyReason {
    /// No rule matches.
    NoRule,
    /// A rule refuses everyone.
    RuleDenies,
    /// The rule asks for scopes that the caller does not have.
    ScopesMissing,
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
    rule: &'p str,
}

impl<'p> Permit<'p> {
    /// The rule that permits it, as in `tools.echo`.
    #[must_use]
    pub const fn rule(&self) -> &'p str {
        self.rule
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
}

/// A compiled policy: immutable, and the only maker of permits.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    tools: RuleTable,
    prompts: RuleTable,
    resources: RuleTable,
    methods: RuleTable,
    scopes: ScopeTable,
    /// The names of the scopes that rules ask for, sorted, each once.
    asked: Vec<Box<str>>,
    tests: Vec<SelfTest>,
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
            rules: Vec::new(),
            tools: RuleTable::default(),
            prompts: RuleTable::default(),
            resources: RuleTable::default(),
            methods: RuleTable::default(),
            scopes: ScopeTable::default(),
            asked: Vec::new(),
            tests: Vec::new(),
        }
    }

    /// What a token with these scopes is granted under this policy: they, and all that they imply. Under another
    /// policy the result grants nothing.
    #[must_use]
    pub fn grants(&self, scopes: &Scopes) -> Grants {
        self.scopes.grants(scopes)
    }

    /// Whether a caller with these grants may have the thing called `name`. A permit costs no allocation.
    pub fn decide(&self, grants: &Grants, kind: Kind, name: &str) -> Ruling<'_> {
        let Some(rule) = self.rule_for(kind, name) else {
            let (reason, on_deny) = (DenyReason::NoRule, OnDeny::Hide);
            return Ruling::Deny(Denial { reason, rule: None, on_deny, needs: Vec::new() });
        };
        if rule.admits(&self.scopes, grants) {
            return Ruling::Permit(Permit { rule: &rule.label });
        }
        let reason = if rule.is_deny() { DenyReason::RuleDenies } else { DenyReason::ScopesMissing };
        let needs = rule.needs(&self.scopes, grants);
        Ruling::Deny(Denial { reason, rule: Some(&rule.label), on_deny: rule.on_deny, needs })
    }

    /// Whether a rule under `methods` is about this method.
    #[must_use]
    pub fn names_method(&self, method: &str) -> bool {
        self.rule_for(Kind::Method, method).is_some()
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

    /// Runs the tests that the policy carries.
    #[must_use]
    pub fn run_tests(&self) -> Vec<TestResult<'_>> {
        self.tests.iter().map(|test| test.run(self)).collect()
    }

    /// The callers of the tests that the policy carries: the name of `sub`, or of the test, and the scopes.
    pub(crate) fn tested_callers(&self) -> impl Iterator<Item = (&str, &Scopes)> {
        self.tests.iter().map(SelfTest::caller)
    }

    fn rule_for(&self, kind: Kind, name: &str) -> Option<&Rule> {
        if name.is_empty() || name.len() > kind.longest_name() {
            return None;
        }
        let is_plain = kind != Kind::Resource || uri::is_plain(name);
        self.table(kind).rule_for(name, is_plain, &self.rules)
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
        let (scopes, any_of) = match &rule.effect {
            Effect::Deny => (Vec::new(), Vec::new()),
            Effect::Allow { all, any } => (names(all), any.iter().map(|ids| names(ids)).collect()),
        };
        let (deny, pattern) = (rule.is_deny(), rule.pattern());
        let Rule { kind, line, on_deny, .. } = *rule;
        RuleView { kind, pattern, label: &rule.label, line, scopes, any_of, deny, on_deny }
    }

    /// Notes which scopes the rules ask for.
    fn note_asked_scopes(&mut self) {
        // A rule that hides what it is about hides what it asks for, too.
        let views = self.rules().filter(|rule| rule.on_deny != OnDeny::Hide);
        let mut asked: Vec<Box<str>> =
            views.flat_map(|rule| rule.any_of.into_iter().flatten().chain(rule.scopes)).map(Box::from).collect();
        asked.sort_unstable();
        asked.dedup();
        self.asked = asked;
    }
}

#[cfg(test)]
mod tests;
