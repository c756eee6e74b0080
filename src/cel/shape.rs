//! What a condition takes arguments to be, beside what a schema says that they are.
#![expect(clippy::wildcard_enum_match_arm, reason = "what asks for a type is named; the rest takes any")]

use super::Facts;
use super::eval::Evaluation;
use super::parser::Binary;
use super::plan::{Document, Plan};
use super::value::Value;

/// The types of JSON that an argument may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Types {
    /// Text.
    pub text: bool,
    /// Numbers, integers among them.
    pub number: bool,
    /// `true` and `false`.
    pub boolean: bool,
    /// Arrays.
    pub list: bool,
    /// Objects.
    pub map: bool,
    /// `null`.
    pub null: bool,
}

impl Types {
    /// What may be anything.
    pub const ANY: Self = Self { text: true, number: true, boolean: true, list: true, map: true, null: true };

    /// What may be of one or the other.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            text: self.text || other.text,
            number: self.number || other.number,
            boolean: self.boolean || other.boolean,
            list: self.list || other.list,
            map: self.map || other.map,
            null: self.null || other.null,
        }
    }

    /// Whether something can be of one and of the other.
    const fn meets(self, other: Self) -> bool {
        (self.text && other.text)
            || (self.number && other.number)
            || (self.boolean && other.boolean)
            || (self.list && other.list)
            || (self.map && other.map)
            || (self.null && other.null)
    }
}

/// The arguments that the plan takes for something that they cannot be, each once.
pub(super) fn mistaken<'p>(plan: &'p Plan, is: &dyn Fn(&str) -> Types) -> Vec<&'p str> {
    let facts = Facts { claims: "{}", ..Facts::default() };
    let mut found: Vec<&str> = Vec::new();
    let mut check = |of: &'p Plan, wanted: Types| {
        if let Plan::Member(Document::Args, name) = of
            && !is(name).meets(wanted)
            && !found.contains(&&**name)
        {
            found.push(name);
        }
    };
    let truth = Types { boolean: true, ..Types::default() };
    let text = Types { text: true, ..Types::default() };
    check(plan, truth);
    plan.each(&mut |plan| match plan {
        Plan::Not(of) => check(of, truth),
        Plan::All(list) | Plan::Any(list) => list.iter().for_each(|of| check(of, truth)),
        Plan::If(of, ..) => check(of, truth),
        Plan::Matches(of, _) | Plan::InNetwork(of, _) => check(of, text),
        Plan::Binary(binary, one, two) => {
            for (of, other, is_first) in [(one, two, true), (two, one, false)] {
                let wanted = other.is_constant().then(|| Evaluation::new(&facts).value(other).ok()).flatten();
                let wanted = wanted.and_then(|value| compared(*binary, &value, is_first));
                wanted.into_iter().for_each(|wanted| check(of, wanted));
            }
        }
        _ => {}
    });
    found
}

/// What must be of the type of `other` for the two to be compared.
fn compared(binary: Binary, other: &Value<'_>, is_first: bool) -> Option<Types> {
    match (binary, other) {
        // To ask for null is to ask whether there is something.
        (Binary::Equal | Binary::NotEqual, Value::Null) => None,
        (Binary::In, Value::List(items)) if is_first => {
            items.iter().map(types).reduce(|one, two| Some(one?.or(two?))).flatten()
        }
        (Binary::In, Value::Map(_)) if is_first => Some(Types { text: true, ..Types::default() }),
        (Binary::In, _) if !is_first => Some(Types { list: true, map: true, ..Types::default() }),
        (
            Binary::Equal
            | Binary::NotEqual
            | Binary::Less
            | Binary::LessOrEqual
            | Binary::Greater
            | Binary::GreaterOrEqual,
            other,
        ) => types(other),
        _ => None,
    }
}

fn types(value: &Value<'_>) -> Option<Types> {
    let none = Types::default();
    Some(match value {
        Value::Null => Types { null: true, ..none },
        Value::Bool(_) => Types { boolean: true, ..none },
        Value::Int(_) | Value::Uint(_) | Value::Double(_) => Types { number: true, ..none },
        Value::Text(_) => Types { text: true, ..none },
        Value::List(_) => Types { list: true, ..none },
        Value::Map(_) => Types { map: true, ..none },
        // No JSON is one of these.
        Value::Timestamp(_) | Value::Duration(_) => none,
        Value::Inexact => return None,
    })
}
