//! Conditions that hold for no request, beyond those that are constant: parts of a conjunction that contradict each
//! other. What is found is certain; not everything is found.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what demands something is named; the rest is asked to be true"
)]

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::Facts;
use super::eval::Evaluation;
use super::fold::constant;
use super::parser::Binary;
use super::plan::Plan;
use super::value::{Fuel, Value};

/// What a condition demands of one of its parts, to hold.
#[derive(Debug, Clone)]
enum Demand<'a> {
    /// To be one of these.
    OneOf(Vec<Value<'a>>),
    /// To be something else.
    Not(Value<'a>),
    /// To be on this side of a bound.
    Below {
        bound: Value<'a>,
        is_strict: bool,
    },
    Above {
        bound: Value<'a>,
        is_strict: bool,
    },
}

/// The demands on each part. A part is told by how it is written: the same text has the same value in one request.
type Demands<'a> = BTreeMap<String, Vec<Demand<'a>>>;

/// Whether the plan is true for no request.
pub(super) fn is_never_true(plan: &Plan) -> bool {
    let facts = Facts { claims: "{}", ..Facts::default() };
    contradicts(plan, &Demands::new(), &facts)
}

/// Whether the plan cannot be true where `outer` is demanded, too.
fn contradicts<'a>(plan: &'a Plan, outer: &Demands<'a>, facts: &'a Facts<'a>) -> bool {
    let mut parts = Vec::new();
    conjuncts(plan, &mut parts);
    let mut demands = outer.clone();
    let mut choices = Vec::new();
    for part in parts {
        if let Some(Ok(false) | Err(_)) = constant(part) {
            return true;
        }
        match part {
            Plan::Any(list) => choices.push(list),
            // A constant part without a value refuses every call.
            _ => match demand(part, facts) {
                Ok(Some((of, demand))) => add(&mut demands, of, demand),
                Ok(None) => {}
                Err(Never) => return true,
            },
        }
    }
    demands.values().any(|demands| !can_be(demands))
        || choices.iter().any(|list| list.iter().all(|plan| contradicts(plan, &demands, facts)))
}

fn conjuncts<'a>(plan: &'a Plan, parts: &mut Vec<&'a Plan>) {
    match plan {
        Plan::All(list) => list.iter().for_each(|plan| conjuncts(plan, parts)),
        _ => parts.push(plan),
    }
}

/// A part cannot be true.
struct Never;

/// What the plan demands of which part, where that can be told.
fn demand<'a>(plan: &'a Plan, facts: &'a Facts<'a>) -> Result<Option<(&'a Plan, Demand<'a>)>, Never> {
    let (binary, one, two, is_negated) = match plan {
        Plan::Binary(binary, one, two) => (*binary, one, two, false),
        Plan::Not(of) => match &**of {
            Plan::Binary(binary @ (Binary::Equal | Binary::NotEqual), one, two) => (*binary, one, two, true),
            Plan::All(_) | Plan::Any(_) | Plan::Binary(..) => return Ok(None),
            of => return Ok(Some((of, Demand::OneOf(vec![Value::Bool(false)])))),
        },
        plan => return Ok(Some((plan, Demand::OneOf(vec![Value::Bool(true)])))),
    };
    let (of, constant, is_turned) = match (one.is_constant(), two.is_constant()) {
        (false, true) => (&**one, &**two, false),
        (true, false) => (&**two, &**one, true),
        _ => return Ok(None),
    };
    let value = Evaluation::new(facts).value(constant).map_err(|_| Never)?;
    let is_equal = (binary == Binary::Equal) != is_negated;
    let demand = match (binary, is_turned) {
        (Binary::Equal | Binary::NotEqual, _) if is_equal => Demand::OneOf(vec![value]),
        (Binary::Equal | Binary::NotEqual, _) => Demand::Not(value),
        (Binary::In, false) => match value {
            Value::List(items) => Demand::OneOf(items.to_vec()),
            _ => return Ok(None),
        },
        (Binary::Less, false) | (Binary::Greater, true) => Demand::Below { bound: value, is_strict: true },
        (Binary::LessOrEqual, false) | (Binary::GreaterOrEqual, true) => {
            Demand::Below { bound: value, is_strict: false }
        }
        (Binary::Greater, false) | (Binary::Less, true) => Demand::Above { bound: value, is_strict: true },
        (Binary::GreaterOrEqual, false) | (Binary::LessOrEqual, true) => {
            Demand::Above { bound: value, is_strict: false }
        }
        _ => return Ok(None),
    };
    Ok(Some((of, demand)))
}

fn add<'a>(demands: &mut Demands<'a>, of: &Plan, demand: Demand<'a>) {
    // What is not there has no value, and nothing that is demanded of it holds.
    let presence = match of {
        Plan::Member(document, name) => Some(Plan::HasMember(*document, name.clone())),
        _ => None,
    };
    if let Some(presence) = presence {
        demands.entry(format!("{presence:?}")).or_default().push(Demand::OneOf(vec![Value::Bool(true)]));
    }
    demands.entry(format!("{of:?}")).or_default().push(demand);
}

/// Whether some value meets all demands; true also where that cannot be told.
fn can_be(demands: &[Demand<'_>]) -> bool {
    let listed = demands.iter().find_map(|demand| match demand {
        Demand::OneOf(values) => Some(values),
        _ => None,
    });
    if let Some(values) = listed {
        return values.iter().any(|value| demands.iter().all(|demand| meets(value, demand)));
    }
    let bounds = |demand: &Demand<'_>| demands.iter().all(|other| can_both(demand, other));
    demands.iter().all(bounds)
}

fn meets(value: &Value<'_>, demand: &Demand<'_>) -> bool {
    let equals = |other: &Value<'_>| value.equals(other, &mut fuel()).unwrap_or(true);
    // What cannot be compared has no value.
    let order =
        |bound: &Value<'_>| value.compare(bound, &mut fuel()).ok().map(|order| order.unwrap_or(Ordering::Equal));
    match demand {
        Demand::OneOf(values) => values.iter().any(equals),
        Demand::Not(other) => !value.equals(other, &mut fuel()).unwrap_or(false),
        Demand::Below { bound, is_strict } => {
            order(bound).is_some_and(|order| order == Ordering::Less || order == Ordering::Equal && !is_strict)
        }
        Demand::Above { bound, is_strict } => {
            order(bound).is_some_and(|order| order == Ordering::Greater || order == Ordering::Equal && !is_strict)
        }
    }
}

/// Whether some value can be on both sides: what is between them need not be looked for.
fn can_both(one: &Demand<'_>, two: &Demand<'_>) -> bool {
    let (one, two, is_same_side, is_strict) = match (one, two) {
        (Demand::Below { bound: one, is_strict: a }, Demand::Above { bound: two, is_strict: b }) => {
            (one, two, false, *a || *b)
        }
        (Demand::Below { bound: one, .. }, Demand::Below { bound: two, .. })
        | (Demand::Above { bound: one, .. }, Demand::Above { bound: two, .. }) => (one, two, true, false),
        _ => return true,
    };
    match one.compare(two, &mut fuel()) {
        // Bounds of types that nothing can be compared with both of.
        Err(_) => false,
        Ok(Some(Ordering::Less)) => is_same_side,
        Ok(Some(Ordering::Equal)) => is_same_side || !is_strict,
        Ok(Some(Ordering::Greater) | None) => true,
    }
}

/// Enough for two values that stand in a condition.
const fn fuel() -> Fuel {
    Fuel::new(super::eval::MOST_STEPS)
}
