//! What expressions are about: values, how they compare, and how JSON becomes one.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;

use super::error::Error;
use crate::json::{JsonFlaw, Kind, Reader};

/// A value. It lives as long as the evaluation it belongs to.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'a>),
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    Timestamp(i128),
    /// Nanoseconds.
    Duration(i128),
    List(Rc<[Self]>),
    Map(Rc<BTreeMap<Text<'a>, Self>>),
    /// A number of the JSON that no type here holds exactly: to look at it is an error.
    Inexact,
}

/// Text that is borrowed where it can be.
#[derive(Debug, Clone)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Shared(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Shared(text) => text,
        }
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}

impl std::borrow::Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

/// What is left of the cost that an evaluation may have.
///
/// One step is about what a comparison costs. Whatever takes longer with larger values takes steps with their size,
/// before it begins.
#[derive(Debug)]
pub(super) struct Fuel(u64);

impl Fuel {
    pub(super) const fn new(steps: u64) -> Self {
        Self(steps)
    }

    /// Takes steps.
    ///
    /// # Errors
    /// [`Error::TooCostly`] when there are not that many left.
    pub(super) fn take(&mut self, steps: u64) -> Result<(), Error> {
        self.0 = self.0.checked_sub(steps).ok_or(Error::TooCostly)?;
        Ok(())
    }

    /// Takes the steps that a walk over so many bytes costs.
    pub(super) fn bytes(&mut self, bytes: usize) -> Result<(), Error> {
        self.take(u64::try_from(bytes >> 5).unwrap_or(u64::MAX))
    }

    pub(super) const fn left(&self) -> u64 {
        self.0
    }
}

impl Value<'_> {
    /// Whether both are equal (CEL, "Equality"): numbers by their value, whatever their types; of two types, never.
    pub(super) fn equals(&self, other: &Self, fuel: &mut Fuel) -> Result<bool, Error> {
        fuel.take(1)?;
        Ok(match (self, other) {
            (Self::Inexact, _) | (_, Self::Inexact) => return Err(Error::Inexact),
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(two)) => one == two,
            (Self::Timestamp(one), Self::Timestamp(two)) | (Self::Duration(one), Self::Duration(two)) => one == two,
            (Self::Text(one), Self::Text(two)) => {
                fuel.bytes(one.len().min(two.len()))?;
                one == two
            }
            (Self::List(one), Self::List(two)) => {
                if one.len() != two.len() {
                    return Ok(false);
                }
                for (one, two) in one.iter().zip(two.iter()) {
                    if !one.equals(two, fuel)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Self::Map(one), Self::Map(two)) => {
                if one.len() != two.len() {
                    return Ok(false);
                }
                for ((key, one), (other_key, two)) in one.iter().zip(two.iter()) {
                    fuel.bytes(key.len().min(other_key.len()))?;
                    if key != other_key || !one.equals(two, fuel)? {
                        return Ok(false);
                    }
                }
                true
            }
            (one, two) => one
                .as_number()
                .zip(two.as_number())
                .is_some_and(|(one, two)| one.compare(two) == Some(Ordering::Equal)),
        })
    }

    /// Which comes first, where that can be asked.
    pub(super) fn compare(&self, other: &Self, fuel: &mut Fuel) -> Result<Option<Ordering>, Error> {
        fuel.take(1)?;
        match (self, other) {
            (Self::Inexact, _) | (_, Self::Inexact) => Err(Error::Inexact),
            (Self::Bool(one), Self::Bool(two)) => Ok(Some(one.cmp(two))),
            (Self::Timestamp(one), Self::Timestamp(two)) | (Self::Duration(one), Self::Duration(two)) => {
                Ok(Some(one.cmp(two)))
            }
            (Self::Text(one), Self::Text(two)) => {
                fuel.bytes(one.len().min(two.len()))?;
                Ok(Some(one.cmp(two)))
            }
            (one, two) => {
                let (one, two) = one.as_number().zip(two.as_number()).ok_or(Error::WrongType)?;
                Ok(one.compare(two))
            }
        }
    }

    const fn as_number(&self) -> Option<Number> {
        match self {
            Self::Int(value) => Some(Number::Int(*value)),
            Self::Uint(value) => Some(Number::Uint(*value)),
            Self::Double(value) => Some(Number::Double(*value)),
            Self::Null
            | Self::Bool(_)
            | Self::Text(_)
            | Self::Timestamp(_)
            | Self::Duration(_)
            | Self::List(_)
            | Self::Map(_)
            | Self::Inexact => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Number {
    Int(i64),
    Uint(u64),
    Double(f64),
}

impl Number {
    /// Exactly, across types; `None` where one is no number.
    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Double(one), Self::Double(two)) => one.partial_cmp(&two),
            (Self::Double(one), two) => against(two.whole(), one).map(Ordering::reverse),
            (one, Self::Double(two)) => against(one.whole(), two),
            (one, two) => Some(one.whole().cmp(&two.whole())),
        }
    }

    fn whole(self) -> i128 {
        match self {
            Self::Int(value) => value.into(),
            Self::Uint(value) => value.into(),
            Self::Double(value) => whole(value).unwrap_or_default(),
        }
    }
}

/// An integer of 64 bits against a double, without rounding either.
fn against(integer: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    let Some(truncated) = whole(double) else {
        return Some(if double > 0.0 { Ordering::Less } else { Ordering::Greater });
    };
    let fraction = double - double.trunc();
    Some(integer.cmp(&truncated).then_with(|| 0.0_f64.total_cmp(&(fraction + 0.0))))
}

/// A double without its fraction; `None` where it is far outside of 64 bits.
pub(super) fn whole(double: f64) -> Option<i128> {
    if !double.is_finite() {
        return None;
    }
    let bits = double.to_bits();
    let exponent = i32::try_from((bits >> 52) & 0x7ff).ok()?.checked_sub(1_075)?;
    let mantissa = i128::from((bits & 0xf_ffff_ffff_ffff) | (1 << 52));
    let size = if exponent >= 0 {
        let shift = u32::try_from(exponent).ok().filter(|shift| *shift <= 64)?;
        mantissa.checked_shl(shift)?
    } else {
        // More than 127 leave nothing.
        mantissa.checked_shr(exponent.unsigned_abs()).unwrap_or(0)
    };
    Some(if double.is_sign_negative() { 0_i128.saturating_sub(size) } else { size })
}

/// The double nearest to an integer.
pub(super) fn double_of(integer: i128) -> f64 {
    // The standard library reads decimal digits exactly rounded; there is no other conversion without a cast.
    integer.to_string().parse().unwrap_or(f64::NAN)
}

/// The value of a JSON text, as the strict reader has it.
///
/// # Errors
/// [`Error::TooCostly`], or [`Error::Unreadable`] for what the reader refuses.
pub(super) fn of_json<'a>(text: &'a str, fuel: &mut Fuel) -> Result<Value<'a>, Error> {
    fuel.bytes(text.len())?;
    let mut reader = Reader::of_text(text, DEEPEST)?;
    read(&mut reader, fuel)
}

/// The deepest nesting of JSON that is looked at.
const DEEPEST: u16 = 128;

fn read<'a>(reader: &mut Reader<'a>, fuel: &mut Fuel) -> Result<Value<'a>, Error> {
    // A value takes memory.
    fuel.take(4)?;
    Ok(match reader.kind()? {
        Kind::Null => {
            reader.skip()?;
            Value::Null
        }
        Kind::Bool => Value::Bool(reader.raw()? == "true"),
        Kind::Number => number(reader.raw()?),
        Kind::String => Value::Text(text(reader)?),
        Kind::Array => {
            let mut items = Vec::new();
            reader.array(|reader| {
                items.push(read(reader, fuel)?);
                Ok::<_, Error>(())
            })?;
            Value::List(items.into())
        }
        Kind::Object => {
            let mut members = BTreeMap::new();
            reader.object(|key, reader| {
                let value = read(reader, fuel)?;
                members.insert(Text::from(key.to_owned()), value);
                Ok::<_, Error>(())
            })?;
            Value::Map(Rc::new(members))
        }
    })
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<Text<'a>, Error> {
    Ok(match reader.string()?.decode()? {
        std::borrow::Cow::Borrowed(text) => Text::Borrowed(text),
        std::borrow::Cow::Owned(text) => text.into(),
    })
}

/// The members of a JSON object, each value as written.
pub(super) fn members<'a>(text: &'a str, fuel: &mut Fuel) -> Result<Vec<(Box<str>, &'a str)>, Error> {
    fuel.bytes(text.len())?;
    let mut reader = Reader::of_text(text, DEEPEST)?;
    if reader.kind()? != Kind::Object {
        return Err(Error::WrongType);
    }
    let mut members = Vec::new();
    reader.object(|key, reader| {
        fuel.take(4)?;
        members.push((key.into(), reader.raw()?));
        Ok::<_, Error>(())
    })?;
    Ok(members)
}

/// Whole numbers beyond this are not all doubles.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number as written: never another one in its place.
///
/// An integer is one of 64 bits, or [`Value::Inexact`]. A fraction is a double, if it is written with the digits that
/// this double is written with, and so by every program that holds it in one. Servers that read decimals would see
/// another number in more digits: those are [`Value::Inexact`], and so is what is too large for its last digit to count.
pub(super) fn number<'a>(raw: &str) -> Value<'a> {
    if !raw.contains(['.', 'e', 'E']) {
        let int = raw.parse().ok().map(Value::Int);
        return int.or_else(|| raw.parse().ok().map(Value::Uint)).unwrap_or(Value::Inexact);
    }
    match raw.parse::<f64>() {
        // What is not zero must not become zero.
        Ok(double) if double.abs() < EXACT && decimal(raw) == decimal(&format!("{double:e}")) => {
            Value::Double(double)
        }
        Ok(_) | Err(_) => Value::Inexact,
    }
}

/// The digits of a number without the zeros around them, and the power of ten of the last; none of zero. The sign is
/// left out. `None` where the power does not fit.
fn decimal(raw: &str) -> Option<(String, i64)> {
    let (digits, power) = raw.split_once(['e', 'E']).unwrap_or((raw, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = [whole.trim_start_matches('-'), fraction].concat();
    let digits = all.trim_end_matches('0');
    if digits.is_empty() {
        return Some((String::new(), 0));
    }
    let zeros = i64::try_from(all.len().checked_sub(digits.len())?).ok()?;
    let power = power.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(zeros)?;
    Some((digits.trim_start_matches('0').to_owned(), power))
}

impl From<JsonFlaw> for Error {
    fn from(_: JsonFlaw) -> Self {
        Self::Unreadable
    }
}
