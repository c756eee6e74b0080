//! The functions on text, and the conversions.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an operation is for the types that it names; for all others it is the same mistake"
)]

use super::error::Error;
use super::eval::wrong;
use super::functions::Function;
use super::time;
use super::value::{Fuel, Text, Value, double_of, whole};

type Found<'a> = Result<Value<'a>, Error>;

/// Calls any function but those on times.
pub(super) fn call<'a>(function: Function, values: &[Value<'a>], fuel: &mut Fuel) -> Found<'a> {
    for value in values {
        match value {
            Value::Text(text) => fuel.bytes(text.len())?,
            Value::Inexact => return Err(Error::Inexact),
            _ => {}
        }
    }
    match (function, values) {
        (Function::ToDynamic, [value]) => Ok(value.clone()),
        (Function::Size, [value]) => size(value),
        (Function::Join, [Value::List(list)]) => join(list, "", fuel),
        (Function::Join, [Value::List(list), Value::Text(between)]) => join(list, between, fuel),
        (_, [Value::Text(text), rest @ ..]) => of_text(function, text, rest, fuel),
        (_, [value]) => convert(function, value),
        (_, [first, ..]) => Err(wrong(first)),
        (_, []) => Err(Error::WrongType),
    }
}

fn count<'a>(count: usize) -> Found<'a> {
    i64::try_from(count).map(Value::Int).map_err(|_| Error::Overflow)
}

fn size<'a>(value: &Value<'a>) -> Found<'a> {
    match value {
        Value::Text(text) => count(text.chars().count()),
        Value::List(list) => count(list.len()),
        Value::Map(map) => count(map.len()),
        other => Err(wrong(other)),
    }
}

fn of_text<'a>(function: Function, text: &Text<'a>, rest: &[Value<'a>], fuel: &mut Fuel) -> Found<'a> {
    let is = |holds: bool| Ok(Value::Bool(holds));
    match (function, rest) {
        (Function::Contains, [Value::Text(other)]) => {
            is(memchr::memmem::find(text.as_bytes(), other.as_bytes()).is_some())
        }
        (Function::StartsWith, [Value::Text(other)]) => is(text.starts_with(&**other)),
        (Function::EndsWith, [Value::Text(other)]) => is(text.ends_with(&**other)),
        (Function::LowerAscii, []) => Ok(Value::Text(text.to_ascii_lowercase().into())),
        (Function::UpperAscii, []) => Ok(Value::Text(text.to_ascii_uppercase().into())),
        (Function::Trim, []) => Ok(Value::Text(text.trim().to_owned().into())),
        (Function::Split, [Value::Text(at)]) => split(text, at, fuel),
        (Function::Replace, [Value::Text(from), Value::Text(to)]) => replace(text, from, to, fuel),
        (Function::Substring, [Value::Int(from)]) => substring(text, *from, None),
        (Function::Substring, [Value::Int(from), Value::Int(to)]) => substring(text, *from, Some(*to)),
        (Function::CharAt, [Value::Int(at)]) => {
            let at = usize::try_from(*at).map_err(|_| Error::NoSuchIndex)?;
            match text.chars().nth(at) {
                Some(letter) => Ok(Value::Text(letter.to_string().into())),
                // CEL, strings extension: the place behind the last has the empty text.
                None if text.chars().count() == at => Ok(Value::Text(Text::Borrowed(""))),
                None => Err(Error::NoSuchIndex),
            }
        }
        (Function::IndexOf, [Value::Text(other)]) => place(text, text.find(&**other)),
        (Function::LastIndexOf, [Value::Text(other)]) => place(text, text.rfind(&**other)),
        (_, []) => parse(function, text),
        (_, [other, ..]) => Err(wrong(other)),
    }
}

/// A place in bytes as one in characters; -1 for none.
fn place<'a>(text: &str, found: Option<usize>) -> Found<'a> {
    match found.and_then(|at| text.get(..at)) {
        Some(before) => count(before.chars().count()),
        None => Ok(Value::Int(-1)),
    }
}

fn substring<'a>(text: &str, from: i64, to: Option<i64>) -> Found<'a> {
    let length = text.chars().count();
    let from = usize::try_from(from).ok().filter(|from| *from <= length).ok_or(Error::NoSuchIndex)?;
    let to = to.map_or(Ok(length), usize::try_from).ok().filter(|to| *to <= length && from <= *to);
    let wanted = to.and_then(|to| to.checked_sub(from)).ok_or(Error::NoSuchIndex)?;
    Ok(Value::Text(text.chars().skip(from).take(wanted).collect::<String>().into()))
}

fn split<'a>(text: &str, at: &str, fuel: &mut Fuel) -> Found<'a> {
    let part = |part: &str| {
        fuel.take(4)?;
        Ok(Value::Text(part.to_owned().into()))
    };
    let parts: Vec<Value<'a>> = if at.is_empty() {
        // Every character by itself.
        text.split("").filter(|letter| !letter.is_empty()).map(part).collect::<Result<_, Error>>()?
    } else {
        text.split(at).map(part).collect::<Result<_, Error>>()?
    };
    Ok(Value::List(parts.into()))
}

fn join<'a>(list: &[Value<'a>], between: &str, fuel: &mut Fuel) -> Found<'a> {
    let mut joined = String::new();
    for (at, item) in list.iter().enumerate() {
        let Value::Text(text) = item else { return Err(wrong(item)) };
        fuel.take(1)?;
        fuel.bytes(text.len().saturating_add(between.len()))?;
        if at > 0 {
            joined.push_str(between);
        }
        joined.push_str(text);
    }
    Ok(Value::Text(joined.into()))
}

fn replace<'a>(text: &str, from: &str, to: &str, fuel: &mut Fuel) -> Found<'a> {
    // What comes out can be much longer than what goes in.
    let times = text.matches(from).count();
    fuel.bytes(times.saturating_mul(to.len()).saturating_add(text.len()))?;
    Ok(Value::Text(text.replace(from, to).into()))
}

fn parse<'a>(function: Function, text: &Text<'a>) -> Found<'a> {
    let found = match function {
        Function::ToText => Some(Value::Text(text.clone())),
        Function::ToInt => text.parse().ok().filter(|_| !text.starts_with('+')).map(Value::Int),
        Function::ToUint => text.parse().ok().filter(|_| !text.starts_with('+')).map(Value::Uint),
        Function::ToDouble => {
            let is_decimal = text.starts_with(|c: char| matches!(c, '0'..='9' | '-' | '.'));
            text.parse().ok().filter(|double: &f64| is_decimal && double.is_finite()).map(Value::Double)
        }
        Function::ToBool => match &**text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Function::ToTimestamp => time::parse_timestamp(text).map(Value::Timestamp),
        Function::ToDuration => time::parse_duration(text).map(Value::Duration),
        _ => return Err(Error::WrongType),
    };
    found.ok_or(Error::Unparsable)
}

fn convert<'a>(function: Function, value: &Value<'a>) -> Found<'a> {
    let int = |value: Option<i128>| {
        value.and_then(|value| i64::try_from(value).ok()).map(Value::Int).ok_or(Error::Overflow)
    };
    let uint = |value: Option<i128>| {
        value.and_then(|value| u64::try_from(value).ok()).map(Value::Uint).ok_or(Error::Overflow)
    };
    match (function, value) {
        (Function::ToInt, Value::Int(_))
        | (Function::ToUint, Value::Uint(_))
        | (Function::ToDouble, Value::Double(_))
        | (Function::ToBool, Value::Bool(_))
        | (Function::ToTimestamp, Value::Timestamp(_))
        | (Function::ToDuration, Value::Duration(_)) => Ok(value.clone()),
        (Function::ToInt, Value::Uint(value)) => int(Some((*value).into())),
        (Function::ToInt, Value::Double(value)) => int(whole(*value)),
        (Function::ToInt, Value::Timestamp(nanos)) => int(Some(nanos.div_euclid(1_000_000_000))),
        (Function::ToUint, Value::Int(value)) => uint(Some((*value).into())),
        (Function::ToUint, Value::Double(value)) => uint(whole(*value)),
        (Function::ToDouble, Value::Int(value)) => Ok(Value::Double(double_of((*value).into()))),
        (Function::ToDouble, Value::Uint(value)) => Ok(Value::Double(double_of((*value).into()))),
        (Function::ToText, Value::Int(value)) => Ok(Value::Text(value.to_string().into())),
        (Function::ToText, Value::Uint(value)) => Ok(Value::Text(value.to_string().into())),
        (Function::ToText, Value::Bool(value)) => Ok(Value::Text(value.to_string().into())),
        (_, other) => Err(wrong(other)),
    }
}
