//! What a rule of another format is about and asks for, in the parts that a policy has: names, scopes, conditions.

use std::collections::BTreeSet;

use super::super::Kind;
use super::super::pattern::{Pattern, Syntax, covers, intersects};
use crate::cel::quoted;

/// One way in which a rule of the source matches: all of this must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Clause {
    /// The kind it is about; none is every kind.
    pub(super) kind: Option<Kind>,
    pub(super) names: Names,
    /// Names that it is not about.
    pub(super) except: Vec<Test>,
    pub(super) scopes: BTreeSet<String>,
    /// Whether the source looks for scopes in `scp`, too.
    pub(super) also_scp: bool,
    /// Conditions in the language of policies; each can stand between `&&`.
    pub(super) conditions: BTreeSet<String>,
}

/// The names that a clause is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Names {
    #[default]
    Any,
    Of(BTreeSet<String>),
    Like(Test),
}

/// A test of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    OneOf(BTreeSet<String>),
    Begins(String),
    Ends(String),
    Has(String),
}

/// A single claim of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Atom {
    Always(bool),
    /// It is of this kind, whatever its name.
    Kind(Kind),
    Name(Kind, Test),
    /// It is of this kind, and the server is one of those that are meant, or is not.
    Server(Kind, bool),
    Scope(String),
    /// A condition in the language of policies, and the kind whose names it uses.
    Condition(Option<Kind>, String),
    /// What cannot be said in a policy.
    Unknown,
}

impl Test {
    pub(super) fn holds(&self, name: &str) -> bool {
        match self {
            Self::OneOf(names) => names.contains(name),
            Self::Begins(text) => name.starts_with(text.as_str()),
            Self::Ends(text) => name.ends_with(text.as_str()),
            Self::Has(text) => name.contains(text.as_str()),
        }
    }

    /// The test as a condition.
    pub(super) fn condition(&self, kind: Kind) -> String {
        let name = name_of(kind);
        match self {
            Self::OneOf(names) => match names.iter().collect::<Vec<_>>().as_slice() {
                [one] => format!("{name} == {}", quoted(one)),
                names => {
                    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
                    format!("{name} in [{}]", names.join(", "))
                }
            },
            Self::Begins(text) => format!("{name}.startsWith({})", quoted(text)),
            Self::Ends(text) => format!("{name}.endsWith({})", quoted(text)),
            Self::Has(text) => format!("{name}.contains({})", quoted(text)),
        }
    }

    /// The test as a pattern of policies; none where its text would mean something else there.
    fn pattern(&self, kind: Kind) -> Option<String> {
        let run = any_name(kind);
        let (text, pattern) = match self {
            Self::OneOf(_) => return None,
            Self::Begins(text) => (text, format!("{text}{run}")),
            Self::Ends(text) => (text, format!("{run}{text}")),
            Self::Has(text) => (text, format!("{run}{text}{run}")),
        };
        (!text.is_empty() && stands_for_itself(text, kind)).then_some(pattern)
    }
}

/// The pattern that all names of this kind match.
pub(super) const fn any_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Tool | Kind::Prompt | Kind::Method => "*",
        Kind::Resource => "**",
    }
}

/// What a condition calls the name.
pub(super) const fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Tool => "tool.name",
        Kind::Prompt => "prompt.name",
        Kind::Resource => "resource.uri",
        Kind::Method => "request.method",
    }
}

/// Whether a policy takes this text for itself, and not for a pattern.
pub(super) fn stands_for_itself(text: &str, kind: Kind) -> bool {
    // A brace may be closed behind the text.
    let has_wildcard = text.contains(['*', '?']);
    !has_wildcard && (kind != Kind::Resource || !text.contains('{'))
}

/// That the caller has a scope, as a condition. Refuses where the claim is missing, or no text.
pub(super) fn has_scope(scope: &str) -> String {
    format!("{} in claims.scope.split(\" \")", quoted(scope))
}

impl Clause {
    /// Narrows the clause; false where it can then never hold.
    pub(super) fn add(&mut self, atom: &Atom, is_negated: bool) -> bool {
        match atom {
            Atom::Always(value) => *value != is_negated,
            // Said to be unknown before it comes here; it is not narrowed by what is not understood.
            Atom::Unknown => true,
            Atom::Kind(_) if is_negated => false,
            Atom::Kind(kind) => self.be(*kind),
            Atom::Server(kind, value) => self.be(*kind) && *value != is_negated,
            Atom::Name(kind, test) if is_negated => self.be(*kind) && self.exclude(test),
            Atom::Name(kind, test) => self.be(*kind) && self.narrow(*kind, test),
            Atom::Scope(scope) => {
                if is_negated {
                    self.conditions.insert(format!("!{}", self.may_have(scope)));
                } else {
                    self.scopes.insert(scope.clone());
                }
                true
            }
            Atom::Condition(kind, text) => {
                let is_possible = kind.is_none_or(|kind| self.be(kind));
                self.conditions.insert(if is_negated { format!("!({text})") } else { text.clone() });
                is_possible
            }
        }
    }

    /// Both clauses together; none where they can never hold together.
    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        let is_possible = other.kind.is_none_or(|kind| both.be(kind));
        let kind = other.kind.unwrap_or(Kind::Tool);
        let is_possible = is_possible
            && match &other.names {
                Names::Any => true,
                Names::Of(names) => both.narrow(kind, &Test::OneOf(names.clone())),
                Names::Like(test) => both.narrow(kind, test),
            };
        let is_possible = is_possible && other.except.iter().all(|test| both.exclude(test));
        both.also_scp |= other.also_scp;
        both.scopes.extend(other.scopes.iter().cloned());
        both.conditions.extend(other.conditions.iter().cloned());
        is_possible.then_some(both)
    }

    fn be(&mut self, kind: Kind) -> bool {
        *self.kind.get_or_insert(kind) == kind
    }

    fn exclude(&mut self, test: &Test) -> bool {
        if !self.except.contains(test) {
            self.except.push(test.clone());
        }
        self.is_about_something()
    }

    /// Takes the names away that it is not about, where it is about single ones.
    fn is_about_something(&mut self) -> bool {
        let Names::Of(names) = &mut self.names else { return true };
        names.retain(|name| !self.except.iter().any(|test| test.holds(name)));
        self.except.clear();
        !names.is_empty()
    }

    fn narrow(&mut self, kind: Kind, test: &Test) -> bool {
        match (&mut self.names, test) {
            (Names::Of(names), _) => names.retain(|name| test.holds(name)),
            (Names::Any, Test::OneOf(names)) => self.names = Names::Of(names.clone()),
            (Names::Like(like), Test::OneOf(names)) => {
                self.names = Names::Of(names.iter().filter(|name| like.holds(name)).cloned().collect());
            }
            (Names::Any, _) if test.pattern(kind).is_some() => self.names = Names::Like(test.clone()),
            (Names::Any | Names::Like(_), _) => {
                self.conditions.insert(test.condition(kind));
            }
        }
        self.is_about_something()
    }

    /// That the caller may have a scope, for refusing: `scp` is not looked into.
    fn may_have(&self, scope: &str) -> String {
        let has = has_scope(scope);
        if self.also_scp { format!("({has} || has(claims.scp))") } else { format!("({has})") }
    }

    /// Whether it says anything beside what it is about.
    pub(super) fn is_bare(&self) -> bool {
        self.scopes.is_empty() && self.conditions.is_empty() && self.except.is_empty()
    }

    /// What must hold beside scopes for the names of `target`, all of which it is about; none where it is about none.
    pub(super) fn conditions_for(&self, target: &Target) -> Option<BTreeSet<String>> {
        let mut conditions = self.conditions.clone();
        for test in &self.except {
            if target.is_pattern {
                conditions.insert(format!("!({})", test.condition(target.kind)));
            } else if test.holds(&target.text) {
                return None;
            }
        }
        Some(conditions)
    }

    /// That it does not hold for what a rule about `target` decides, as a condition.
    pub(super) fn refuted(&self, target: &Target) -> String {
        let name = (!self.names.cover(target)).then(|| self.names.condition(target.kind)).flatten();
        let except = self.except.iter().map(|test| format!("!({})", test.condition(target.kind)));
        let scopes = self.scopes.iter().map(|scope| self.may_have(scope));
        let conditions = self.conditions.iter().cloned();
        let parts: Vec<String> = name.into_iter().chain(except).chain(scopes).chain(conditions).collect();
        format!("!({})", parts.join(" && "))
    }
}

/// What a rule of a policy may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) kind: Kind,
    /// The name or pattern, as it stands in the policy.
    pub(super) text: String,
    pub(super) is_pattern: bool,
}

impl Target {
    fn parsed(&self) -> Option<Pattern> {
        let syntax = if self.kind == Kind::Resource { Syntax::Uri } else { Syntax::Name };
        Pattern::parse(&self.text, syntax).ok().flatten()
    }

    /// Whether some name is about both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self.is_pattern, other.is_pattern) {
            (false, false) => self.text == other.text,
            (true, false) => self.parsed().is_none_or(|pattern| pattern.matches(&other.text)),
            (false, true) => other.meets(self),
            (true, true) => match (self.parsed(), other.parsed()) {
                (Some(one), Some(two)) => intersects(&one.steps(), &two.steps()),
                _ => true,
            },
        }
    }

    /// Whether all names of the other are names of this.
    fn covers(&self, other: &Self) -> bool {
        match (self.is_pattern, other.is_pattern) {
            (false, _) => !other.is_pattern && self.text == other.text,
            (true, false) => self.parsed().is_some_and(|pattern| pattern.matches(&other.text)),
            (true, true) => match (self.parsed(), other.parsed()) {
                (Some(outer), Some(inner)) => covers(&outer.steps(), &inner.steps()),
                _ => false,
            },
        }
    }
}

impl Names {
    /// The rules that a policy can have for these names.
    pub(super) fn targets(&self, kind: Kind) -> Vec<Target> {
        let pattern = |text: String| vec![Target { kind, text, is_pattern: true }];
        match self {
            Self::Any => pattern(any_name(kind).to_owned()),
            Self::Like(test) => test.pattern(kind).map(pattern).unwrap_or_default(),
            Self::Of(names) => {
                let target = |name: &String| Target { kind, text: name.clone(), is_pattern: false };
                names.iter().map(target).collect()
            }
        }
    }

    /// Whether every name that a rule about `target` decides is one of these.
    pub(super) fn cover(&self, target: &Target) -> bool {
        match self {
            Self::Any => true,
            Self::Of(names) => !target.is_pattern && names.contains(&target.text),
            Self::Like(test) if !target.is_pattern => test.holds(&target.text),
            Self::Like(_) => self.targets(target.kind).iter().any(|own| own.covers(target)),
        }
    }

    /// Whether none of them is decided by a rule about `target`.
    pub(super) fn miss(&self, target: &Target) -> bool {
        match self {
            Self::Any => false,
            Self::Of(names) if !target.is_pattern => !names.contains(&target.text),
            Self::Like(test) if !target.is_pattern => !test.holds(&target.text),
            Self::Of(names) => {
                target.parsed().is_some_and(|pattern| !names.iter().any(|name| pattern.matches(name)))
            }
            Self::Like(_) => !self.targets(target.kind).iter().any(|own| own.meets(target)),
        }
    }

    fn condition(&self, kind: Kind) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Of(names) => Some(Test::OneOf(names.clone()).condition(kind)),
            Self::Like(test) => Some(test.condition(kind)),
        }
    }
}
