//! A plan → its value, within a bounded number of steps.
//!
//! INVARIANT: the cost of an evaluation is bounded by [`MOST_STEPS`], whatever the request: every node takes a step
//! before it does anything, and what grows with a value takes steps for its size first.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an operation is for the types that it names; for all others it is the same mistake"
)]

use std::collections::BTreeMap;
use std::rc::Rc;

use super::error::Error;
use super::functions::Function;
use super::parser::{Binary, Literal};
use super::plan::{Document, Fact, Plan, Walk};
use super::value::{Fuel, Text, Value, members, of_json};
use super::{Facts, arithmetic, network, text, time};
use crate::message::disguise;

/// The most steps of one evaluation. Each is well under a microsecond.
pub(super) const MOST_STEPS: u64 = 200_000;

type Found<'a> = Result<Value<'a>, Error>;

/// One evaluation.
pub(super) struct Evaluation<'a> {
    facts: &'a Facts<'a>,
    pub(super) fuel: Fuel,
    locals: Vec<Value<'a>>,
    claims: Opened<'a>,
    args: Opened<'a>,
    annotations: Opened<'a>,
}

/// A member of a JSON document: its name, its text, and its value once it was asked for.
type Member<'a> = (Box<str>, &'a str, Option<Value<'a>>);

/// What was read of a JSON document so far.
#[derive(Default)]
struct Opened<'a> {
    members: Option<Vec<Member<'a>>>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(facts: &'a Facts<'a>) -> Self {
        Self {
            facts,
            fuel: Fuel::new(MOST_STEPS),
            locals: Vec::new(),
            claims: Opened::default(),
            args: Opened::default(),
            annotations: Opened::default(),
        }
    }

    /// Whether the condition holds.
    pub(super) fn condition(&mut self, plan: &'a Plan) -> Result<bool, Error> {
        match self.value(plan)? {
            Value::Bool(holds) => Ok(holds),
            Value::Inexact => Err(Error::Inexact),
            _ => Err(Error::WrongType),
        }
    }

    pub(super) fn value(&mut self, plan: &'a Plan) -> Found<'a> {
        self.fuel.take(1)?;
        match plan {
            Plan::Literal(literal) => Ok(of_literal(literal)),
            Plan::Local(at) => self.locals.get(*at).cloned().ok_or(Error::NoSuchKey),
            Plan::Document(document) => {
                let text = self.document(*document)?;
                match of_json(text, &mut self.fuel)? {
                    map @ Value::Map(_) => Ok(map),
                    _ => Err(Error::WrongType),
                }
            }
            Plan::Member(document, name) => self.member(*document, name)?.ok_or(Error::NoSuchKey),
            Plan::HasMember(document, name) => Ok(Value::Bool(self.has_member(*document, name)?)),
            Plan::Fact(fact) => Ok(self.fact(*fact)),
            Plan::Variable(at) => {
                let value = self.facts.vars.get(*at).ok_or(Error::NoSuchKey)?;
                Ok(Value::Text(Text::Borrowed(value)))
            }
            Plan::Select(of, field) => match self.value(of)? {
                Value::Map(map) => entry(&map, field, &mut self.fuel)?.cloned().ok_or(Error::NoSuchKey),
                other => Err(wrong(&other)),
            },
            Plan::Has(of, field) => match self.value(of)? {
                Value::Map(map) => Ok(Value::Bool(entry(&map, field, &mut self.fuel)?.is_some())),
                other => Err(wrong(&other)),
            },
            Plan::Index(of, key) => self.index(of, key),
            Plan::Call(function, arguments) => self.call(*function, arguments),
            Plan::Matches(of, matcher) => {
                let text = self.text(of)?;
                let size = u64::try_from(text.len() >> 5).unwrap_or(u64::MAX);
                self.fuel.take(size.saturating_add(1).saturating_mul(matcher.weight))?;
                Ok(Value::Bool(matcher.regex.is_match(&text)))
            }
            Plan::InNetwork(of, network) => {
                let text = self.text(of)?;
                let address = network::address(&text).ok_or(Error::Unparsable)?;
                Ok(Value::Bool(network.contains(address)))
            }
            Plan::List(items) => {
                let items = items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(Value::List(items.into()))
            }
            Plan::Map(entries) => self.map(entries),
            Plan::Not(of) => Ok(Value::Bool(!self.condition(of)?)),
            Plan::Negate(of) => arithmetic::negate(&self.value(of)?),
            Plan::Binary(binary, one, two) => self.binary(*binary, one, two),
            Plan::All(list) => self.until(list, false),
            Plan::Any(list) => self.until(list, true),
            Plan::If(condition, yes, no) => {
                let branch = if self.condition(condition)? { yes } else { no };
                self.value(branch)
            }
            Plan::Walk(walk, range, body, filter) => self.walk(*walk, range, body, filter.as_deref()),
        }
    }

    /// `&&` stops at false, `||` at true. What decides also decides when another operand has no value (CEL,
    /// "Logical operators"); a cost that is used up is used up for all.
    fn until(&mut self, list: &'a [Plan], decisive: bool) -> Found<'a> {
        let mut failed = None;
        for plan in list {
            match self.condition(plan) {
                Ok(value) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(_) => {}
                Err(Error::TooCostly) => return Err(Error::TooCostly),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn document(&self, document: Document) -> Result<&'a str, Error> {
        match document {
            Document::Claims => Ok(self.facts.claims),
            Document::Args => Ok(self.facts.args.unwrap_or("{}")),
            Document::Annotations => self.facts.annotations.ok_or(Error::NotListed),
        }
    }

    fn opened(&mut self, document: Document) -> Result<&mut Vec<Member<'a>>, Error> {
        let text = self.document(document)?;
        let opened = match document {
            Document::Claims => &mut self.claims,
            Document::Args => &mut self.args,
            Document::Annotations => &mut self.annotations,
        };
        if opened.members.is_none() {
            let read = members(text, &mut self.fuel)?;
            opened.members = Some(read.into_iter().map(|(name, raw)| (name, raw, None)).collect());
        }
        opened.members.as_mut().ok_or(Error::Unreadable)
    }

    /// Where the member called `name` stands in a document.
    fn find(&mut self, document: Document, name: &str) -> Result<Option<usize>, Error> {
        let members = self.opened(document)?;
        let (mut found, mut is_disguised, mut cost) = (None, false, 0_usize);
        for (at, (member, ..)) in members.iter().enumerate() {
            cost = cost.saturating_add(32).saturating_add(member.len());
            if **member == *name {
                found = Some(at);
            } else {
                is_disguised |= disguise::is_disguised(member, &[name]);
            }
        }
        self.fuel.bytes(cost)?;
        if is_disguised { Err(Error::Disguised) } else { Ok(found) }
    }

    fn has_member(&mut self, document: Document, name: &str) -> Result<bool, Error> {
        Ok(self.find(document, name)?.is_some())
    }

    /// A member of a document: only it is read, and once.
    fn member(&mut self, document: Document, name: &str) -> Result<Option<Value<'a>>, Error> {
        let found = self.find(document, name)?;
        let (raw, known) = match found.and_then(|at| self.opened(document).ok()?.get(at)) {
            None => return Ok(None),
            Some((_, raw, known)) => (*raw, known.clone()),
        };
        if known.is_some() {
            return Ok(known);
        }
        let value = of_json(raw, &mut self.fuel)?;
        let members = self.opened(document)?;
        if let Some((.., slot)) = found.and_then(|at| members.get_mut(at)) {
            *slot = Some(value.clone());
        }
        Ok(Some(value))
    }

    const fn fact(&self, fact: Fact) -> Value<'a> {
        let text = match fact {
            Fact::Name => self.facts.name,
            Fact::Method => self.facts.method,
            Fact::Session => self.facts.session,
            Fact::ClientAddress => self.facts.client_address,
            Fact::Time => return Value::Timestamp(self.facts.time),
        };
        Value::Text(Text::Borrowed(text))
    }

    pub(super) fn text(&mut self, plan: &'a Plan) -> Result<Text<'a>, Error> {
        match self.value(plan)? {
            Value::Text(text) => Ok(text),
            other => Err(wrong(&other)),
        }
    }

    fn index(&mut self, of: &'a Plan, key: &'a Plan) -> Found<'a> {
        let (of, key) = (self.value(of)?, self.value(key)?);
        match (of, key) {
            (Value::Map(map), Value::Text(key)) => {
                self.fuel.bytes(key.len())?;
                entry(&map, &key, &mut self.fuel)?.cloned().ok_or(Error::NoSuchKey)
            }
            (Value::List(list), key) => {
                let at = arithmetic::index(&key)?;
                list.get(at).cloned().ok_or(Error::NoSuchIndex)
            }
            (Value::Map(_), key) => Err(wrong(&key)),
            (other, _) => Err(wrong(&other)),
        }
    }

    fn map(&mut self, entries: &'a [(Plan, Plan)]) -> Found<'a> {
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let (key, value) = (self.text(key)?, self.value(value)?);
            self.fuel.bytes(key.len())?;
            if map.insert(key, value).is_some() {
                return Err(Error::WrongType);
            }
        }
        Ok(Value::Map(Rc::new(map)))
    }

    fn binary(&mut self, binary: Binary, one: &'a Plan, two: &'a Plan) -> Found<'a> {
        let (one, two) = (self.value(one)?, self.value(two)?);
        let fuel = &mut self.fuel;
        let ordered = |order: Option<std::cmp::Ordering>, holds: fn(std::cmp::Ordering) -> bool| {
            Ok(Value::Bool(order.is_some_and(holds)))
        };
        match binary {
            Binary::Equal => Ok(Value::Bool(one.equals(&two, fuel)?)),
            Binary::NotEqual => Ok(Value::Bool(!one.equals(&two, fuel)?)),
            Binary::Less => ordered(one.compare(&two, fuel)?, std::cmp::Ordering::is_lt),
            Binary::LessOrEqual => ordered(one.compare(&two, fuel)?, std::cmp::Ordering::is_le),
            Binary::Greater => ordered(one.compare(&two, fuel)?, std::cmp::Ordering::is_gt),
            Binary::GreaterOrEqual => ordered(one.compare(&two, fuel)?, std::cmp::Ordering::is_ge),
            Binary::In => match (&one, &two) {
                (Value::Inexact, _) => Err(Error::Inexact),
                (one, Value::List(list)) => contains(list, one, fuel).map(Value::Bool),
                (Value::Text(key), Value::Map(map)) => {
                    fuel.bytes(key.len())?;
                    Ok(Value::Bool(entry(map, key, fuel)?.is_some()))
                }
                (_, other) => Err(wrong(other)),
            },
            Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder => {
                arithmetic::apply(binary, &one, &two, fuel)
            }
        }
    }

    fn call(&mut self, function: Function, arguments: &'a [Plan]) -> Found<'a> {
        let values = arguments.iter().map(|plan| self.value(plan)).collect::<Result<Vec<_>, _>>()?;
        if let Function::TimePart(part) = function {
            return match values.as_slice() {
                [Value::Timestamp(nanos)] => time::part_of_timestamp(part, *nanos, 0),
                [Value::Timestamp(nanos), Value::Text(zone)] => {
                    time::part_of_timestamp(part, *nanos, time::offset(zone).ok_or(Error::Unparsable)?)
                }
                [Value::Duration(nanos)] => time::part_of_duration(part, *nanos),
                _ => return Err(Error::WrongType),
            }
            .map(Value::Int)
            .ok_or(Error::Overflow);
        }
        text::call(function, &values, &mut self.fuel)
    }

    fn walk(&mut self, walk: Walk, range: &'a Plan, body: &'a Plan, filter: Option<&'a Plan>) -> Found<'a> {
        let elements = match self.value(range)? {
            Value::List(list) => list,
            Value::Map(map) => {
                self.fuel.take(u64::try_from(map.len()).unwrap_or(u64::MAX))?;
                map.keys().map(|key| Value::Text(key.clone())).collect()
            }
            other => return Err(wrong(&other)),
        };
        let depth = self.locals.len();
        let result = self.walk_over(walk, &elements, body, filter);
        self.locals.truncate(depth);
        result
    }

    fn walk_over(
        &mut self,
        walk: Walk,
        elements: &[Value<'a>],
        body: &'a Plan,
        filter: Option<&'a Plan>,
    ) -> Found<'a> {
        let (mut kept, mut count, mut failed) = (Vec::new(), 0_usize, None);
        for element in elements {
            self.fuel.take(1)?;
            self.locals.push(element.clone());
            let found = self.step(walk, body, filter);
            self.locals.pop();
            match (walk, found) {
                (_, Err(Error::TooCostly)) => return Err(Error::TooCostly),
                (Walk::All, Ok(Some(Value::Bool(false)))) => return Ok(Value::Bool(false)),
                (Walk::Exists, Ok(Some(Value::Bool(true)))) => return Ok(Value::Bool(true)),
                // As for `&&` and `||`: a later element may still decide.
                (Walk::All | Walk::Exists, Err(error)) => failed = failed.or(Some(error)),
                (_, Err(error)) => return Err(error),
                (Walk::ExistsOne, Ok(Some(Value::Bool(true)))) => count = count.saturating_add(1),
                (Walk::Filter, Ok(Some(Value::Bool(true)))) => kept.push(element.clone()),
                (Walk::Map, Ok(Some(value))) => kept.push(value),
                (Walk::All | Walk::Exists | Walk::ExistsOne | Walk::Filter | Walk::Map, Ok(_)) => {}
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(match walk {
            Walk::All => Value::Bool(true),
            Walk::Exists => Value::Bool(false),
            Walk::ExistsOne => Value::Bool(count == 1),
            Walk::Filter | Walk::Map => Value::List(kept.into()),
        })
    }

    /// One element: `None` where the filter of a `map` leaves it out.
    fn step(&mut self, walk: Walk, body: &'a Plan, filter: Option<&'a Plan>) -> Result<Option<Value<'a>>, Error> {
        if let Some(filter) = filter
            && !self.condition(filter)?
        {
            return Ok(None);
        }
        if walk == Walk::Map {
            return self.value(body).map(Some);
        }
        self.condition(body).map(|holds| Some(Value::Bool(holds)))
    }
}

/// The value of a key. Where another key differs from it only by case or look, there is none: servers whose decoders
/// do not mind the case could read that one instead (see [`disguise`]).
fn entry<'m, 'a>(
    map: &'m BTreeMap<Text<'a>, Value<'a>>,
    name: &str,
    fuel: &mut Fuel,
) -> Result<Option<&'m Value<'a>>, Error> {
    let mut is_disguised = false;
    for key in map.keys() {
        fuel.take(1)?;
        fuel.bytes(key.len())?;
        is_disguised |= disguise::is_disguised(key, &[name]);
    }
    if is_disguised { Err(Error::Disguised) } else { Ok(map.get(name)) }
}

fn contains(list: &[Value<'_>], wanted: &Value<'_>, fuel: &mut Fuel) -> Result<bool, Error> {
    let mut failed = None;
    for element in list {
        match element.equals(wanted, fuel) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(Error::TooCostly) => return Err(Error::TooCostly),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(false), Err)
}

fn of_literal(literal: &Literal) -> Value<'_> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Uint(value) => Value::Uint(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::Text(text) => Value::Text(Text::Borrowed(text)),
    }
}

/// The error of an operation that is not for this value.
pub(super) const fn wrong(value: &Value<'_>) -> Error {
    if matches!(value, Value::Inexact) { Error::Inexact } else { Error::WrongType }
}
