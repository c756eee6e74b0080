//! A checked expression: every name is resolved, every regular expression compiled.

use regex::Regex;

use super::functions::Function;
use super::network::Network;
use super::parser::{Binary, Literal};

/// What to do for a value.
#[derive(Debug)]
pub(super) enum Plan {
    Literal(Literal),
    /// The variable of a macro: the innermost is the last.
    Local(usize),
    /// All of a JSON document.
    Document(Document),
    /// A member of a JSON document: only it is read.
    Member(Document, Box<str>),
    HasMember(Document, Box<str>),
    Fact(Fact),
    /// A variable of the rule's URI pattern.
    Variable(usize),
    Select(Box<Self>, Box<str>),
    Has(Box<Self>, Box<str>),
    Index(Box<Self>, Box<Self>),
    Call(Function, Vec<Self>),
    Matches(Box<Self>, Box<Matcher>),
    InNetwork(Box<Self>, Network),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Not(Box<Self>),
    Negate(Box<Self>),
    Binary(Binary, Box<Self>, Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    If(Box<Self>, Box<Self>, Box<Self>),
    Walk(Walk, Box<Self>, Box<Self>, Option<Box<Self>>),
}

/// The JSON documents that an expression can look into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    Claims,
    Args,
    Annotations,
}

/// What else an expression can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    Name,
    Method,
    Session,
    ClientAddress,
    Time,
}

/// The macros that walk over a list, or over the keys of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

/// A regular expression, and what it costs.
#[derive(Debug)]
pub(super) struct Matcher {
    pub(super) regex: Regex,
    /// The most bytes that it takes, compiled.
    pub(super) size: usize,
    /// Steps for each 32 bytes of text.
    pub(super) weight: u64,
}

impl Plan {
    /// Whether the value is the same for every request, as far as this node alone is concerned.
    const fn is_constant_itself(&self) -> bool {
        !matches!(
            self,
            Self::Local(_)
                | Self::Document(_)
                | Self::Member(..)
                | Self::HasMember(..)
                | Self::Fact(_)
                | Self::Variable(_)
        )
    }

    /// Whether the value is the same for every request.
    pub(super) fn is_constant(&self) -> bool {
        let mut is_constant = true;
        self.each(&mut |plan| is_constant &= plan.is_constant_itself() || matches!(plan, Self::Local(_)));
        is_constant
    }

    /// Calls `see` for this node and all below it.
    pub(super) fn each<'p>(&'p self, see: &mut dyn FnMut(&'p Self)) {
        see(self);
        match self {
            Self::Literal(_)
            | Self::Local(_)
            | Self::Document(_)
            | Self::Member(..)
            | Self::HasMember(..)
            | Self::Fact(_)
            | Self::Variable(_) => {}
            Self::Select(one, _)
            | Self::Has(one, _)
            | Self::Matches(one, _)
            | Self::InNetwork(one, _)
            | Self::Not(one)
            | Self::Negate(one) => one.each(see),
            Self::Index(one, two) | Self::Binary(_, one, two) => {
                one.each(see);
                two.each(see);
            }
            Self::Call(_, list) | Self::List(list) | Self::All(list) | Self::Any(list) => {
                list.iter().for_each(|plan| plan.each(see));
            }
            Self::Map(entries) => {
                for (key, value) in entries {
                    key.each(see);
                    value.each(see);
                }
            }
            Self::If(one, two, three) => {
                one.each(see);
                two.each(see);
                three.each(see);
            }
            Self::Walk(_, range, body, more) => {
                range.each(see);
                body.each(see);
                more.iter().for_each(|plan| plan.each(see));
            }
        }
    }
}
