//! Numbers, times and durations that are added, multiplied and converted: exactly, or not at all.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an operation is for the types that it names; for all others it is the same mistake"
)]

use super::error::Error;
use super::eval::wrong;
use super::parser::Binary;
use super::time;
use super::value::{Fuel, Value, whole};

type Found<'a> = Result<Value<'a>, Error>;

/// The operators that make a new value.
pub(super) fn apply<'a>(binary: Binary, one: &Value<'a>, two: &Value<'a>, fuel: &mut Fuel) -> Found<'a> {
    match (one, two) {
        (Value::Inexact, _) | (_, Value::Inexact) => Err(Error::Inexact),
        (Value::Int(one), Value::Int(two)) => {
            refuse_zero(binary, *two == 0)?;
            let result = match binary {
                Binary::Add => one.checked_add(*two),
                Binary::Subtract => one.checked_sub(*two),
                Binary::Multiply => one.checked_mul(*two),
                Binary::Divide => one.checked_div(*two),
                Binary::Remainder => one.checked_rem(*two),
                _ => return Err(Error::WrongType),
            };
            result.map(Value::Int).ok_or(Error::Overflow)
        }
        (Value::Uint(one), Value::Uint(two)) => {
            refuse_zero(binary, *two == 0)?;
            let result = match binary {
                Binary::Add => one.checked_add(*two),
                Binary::Subtract => one.checked_sub(*two),
                Binary::Multiply => one.checked_mul(*two),
                Binary::Divide => one.checked_div(*two),
                Binary::Remainder => one.checked_rem(*two),
                _ => return Err(Error::WrongType),
            };
            result.map(Value::Uint).ok_or(Error::Overflow)
        }
        (Value::Double(one), Value::Double(two)) => {
            refuse_zero(binary, *two == 0.0)?;
            let result = match binary {
                Binary::Add => one + two,
                Binary::Subtract => one - two,
                Binary::Multiply => one * two,
                Binary::Divide => one / two,
                _ => return Err(Error::WrongType),
            };
            // Stricter than CEL: what is no number is neither more nor less than a bound, so that a condition on the
            // contrary would hold.
            if result.is_finite() { Ok(Value::Double(result)) } else { Err(Error::Overflow) }
        }
        (Value::Text(one), Value::Text(two)) if binary == Binary::Add => {
            fuel.bytes(one.len().saturating_add(two.len()))?;
            Ok(Value::Text([&**one, &**two].concat().into()))
        }
        (Value::List(one), Value::List(two)) if binary == Binary::Add => {
            fuel.take(u64::try_from(one.len().saturating_add(two.len())).unwrap_or(u64::MAX))?;
            Ok(Value::List(one.iter().chain(two.iter()).cloned().collect()))
        }
        _ => moments(binary, one, two),
    }
}

fn moments<'a>(binary: Binary, one: &Value<'a>, two: &Value<'a>) -> Found<'a> {
    match (one, binary, two) {
        (Value::Timestamp(one), Binary::Add, Value::Duration(two))
        | (Value::Duration(one), Binary::Add, Value::Timestamp(two)) => {
            time::timestamp(one.checked_add(*two)).map(Value::Timestamp)
        }
        (Value::Timestamp(one), Binary::Subtract, Value::Duration(two)) => {
            time::timestamp(one.checked_sub(*two)).map(Value::Timestamp)
        }
        (Value::Timestamp(one), Binary::Subtract, Value::Timestamp(two))
        | (Value::Duration(one), Binary::Subtract, Value::Duration(two)) => {
            time::duration(one.checked_sub(*two)).map(Value::Duration)
        }
        (Value::Duration(one), Binary::Add, Value::Duration(two)) => {
            time::duration(one.checked_add(*two)).map(Value::Duration)
        }
        _ => Err(Error::WrongType),
    }
}

fn refuse_zero(binary: Binary, is_zero: bool) -> Result<(), Error> {
    let divides = matches!(binary, Binary::Divide | Binary::Remainder);
    if divides && is_zero { Err(Error::DivisionByZero) } else { Ok(()) }
}

pub(super) fn negate<'a>(value: &Value<'a>) -> Found<'a> {
    match value {
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or(Error::Overflow),
        Value::Double(value) => Ok(Value::Double(-value)),
        other => Err(wrong(other)),
    }
}

/// A place in a list: a whole number that is not negative.
pub(super) fn index(value: &Value<'_>) -> Result<usize, Error> {
    let place = match value {
        Value::Int(value) => usize::try_from(*value).ok(),
        Value::Uint(value) => usize::try_from(*value).ok(),
        Value::Double(value) if value.fract() == 0.0 => whole(*value).and_then(|value| usize::try_from(value).ok()),
        Value::Double(_) => return Err(Error::WrongType),
        other => return Err(wrong(other)),
    };
    place.ok_or(Error::NoSuchIndex)
}
