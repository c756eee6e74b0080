//! The functions of the language, and which types they are for.

use super::types::Type;

/// A function that takes values to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
    Trim,
    Split,
    Join,
    Replace,
    Substring,
    CharAt,
    IndexOf,
    LastIndexOf,
    ToInt,
    ToUint,
    ToDouble,
    ToText,
    ToBool,
    ToTimestamp,
    ToDuration,
    ToDynamic,
    TimePart(TimePart),
    /// A regular expression: the text it is for comes first, and the expression is compiled apart.
    Matches,
}

/// A part of a time of day, a date or a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimePart {
    FullYear,
    Month,
    DayOfYear,
    DayOfMonth,
    Date,
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// The types of one use of a function.
#[derive(Debug)]
pub(super) struct Overload {
    pub(super) name: &'static str,
    pub(super) function: Function,
    /// Whether the first of `takes` stands before the name.
    pub(super) is_method: bool,
    pub(super) takes: &'static [Simple],
    pub(super) gives: Simple,
}

/// The types that overloads are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Simple {
    Any,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Timestamp,
    Duration,
    List,
    Texts,
    Map,
}

impl Simple {
    pub(super) fn to_type(self) -> Type {
        match self {
            Self::Any => Type::Any,
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Uint => Type::Uint,
            Self::Double => Type::Double,
            Self::Text => Type::Text,
            Self::Timestamp => Type::Timestamp,
            Self::Duration => Type::Duration,
            Self::List => Type::list(Type::Any),
            Self::Texts => Type::list(Type::Text),
            Self::Map => Type::map(Type::Any),
        }
    }
}

use Simple::{Any, Bool, Double, Duration, Int, List, Map, Text, Texts, Timestamp, Uint};

const fn method(name: &'static str, function: Function, takes: &'static [Simple], gives: Simple) -> Overload {
    Overload { name, function, is_method: true, takes, gives }
}

const fn global(name: &'static str, function: Function, takes: &'static [Simple], gives: Simple) -> Overload {
    Overload { name, function, is_method: false, takes, gives }
}

const fn part(name: &'static str, part: TimePart, takes: &'static [Simple]) -> Overload {
    method(name, Function::TimePart(part), takes, Int)
}

const TIME: &[Simple] = &[Timestamp];
const ZONED: &[Simple] = &[Timestamp, Text];
const SPAN: &[Simple] = &[Duration];

/// Every use of every function.
pub(super) const OVERLOADS: &[Overload] = &[
    global("size", Function::Size, &[Text], Int),
    global("size", Function::Size, &[List], Int),
    global("size", Function::Size, &[Map], Int),
    method("size", Function::Size, &[Text], Int),
    method("size", Function::Size, &[List], Int),
    method("size", Function::Size, &[Map], Int),
    method("contains", Function::Contains, &[Text, Text], Bool),
    method("startsWith", Function::StartsWith, &[Text, Text], Bool),
    method("endsWith", Function::EndsWith, &[Text, Text], Bool),
    method("lowerAscii", Function::LowerAscii, &[Text], Text),
    method("upperAscii", Function::UpperAscii, &[Text], Text),
    method("trim", Function::Trim, &[Text], Text),
    method("split", Function::Split, &[Text, Text], Texts),
    method("join", Function::Join, &[Texts], Text),
    method("join", Function::Join, &[Texts, Text], Text),
    method("replace", Function::Replace, &[Text, Text, Text], Text),
    method("substring", Function::Substring, &[Text, Int], Text),
    method("substring", Function::Substring, &[Text, Int, Int], Text),
    method("charAt", Function::CharAt, &[Text, Int], Text),
    method("indexOf", Function::IndexOf, &[Text, Text], Int),
    method("lastIndexOf", Function::LastIndexOf, &[Text, Text], Int),
    method("matches", Function::Matches, &[Text, Text], Bool),
    global("matches", Function::Matches, &[Text, Text], Bool),
    global("int", Function::ToInt, &[Int], Int),
    global("int", Function::ToInt, &[Uint], Int),
    global("int", Function::ToInt, &[Double], Int),
    global("int", Function::ToInt, &[Text], Int),
    global("int", Function::ToInt, &[Timestamp], Int),
    global("uint", Function::ToUint, &[Int], Uint),
    global("uint", Function::ToUint, &[Uint], Uint),
    global("uint", Function::ToUint, &[Double], Uint),
    global("uint", Function::ToUint, &[Text], Uint),
    global("double", Function::ToDouble, &[Int], Double),
    global("double", Function::ToDouble, &[Uint], Double),
    global("double", Function::ToDouble, &[Double], Double),
    global("double", Function::ToDouble, &[Text], Double),
    global("string", Function::ToText, &[Text], Text),
    global("string", Function::ToText, &[Int], Text),
    global("string", Function::ToText, &[Uint], Text),
    global("string", Function::ToText, &[Bool], Text),
    global("bool", Function::ToBool, &[Bool], Bool),
    global("bool", Function::ToBool, &[Text], Bool),
    global("timestamp", Function::ToTimestamp, &[Text], Timestamp),
    global("timestamp", Function::ToTimestamp, &[Timestamp], Timestamp),
    global("duration", Function::ToDuration, &[Text], Duration),
    global("duration", Function::ToDuration, &[Duration], Duration),
    global("dyn", Function::ToDynamic, &[Any], Any),
    part("getFullYear", TimePart::FullYear, TIME),
    part("getFullYear", TimePart::FullYear, ZONED),
    part("getMonth", TimePart::Month, TIME),
    part("getMonth", TimePart::Month, ZONED),
    part("getDayOfYear", TimePart::DayOfYear, TIME),
    part("getDayOfYear", TimePart::DayOfYear, ZONED),
    part("getDayOfMonth", TimePart::DayOfMonth, TIME),
    part("getDayOfMonth", TimePart::DayOfMonth, ZONED),
    part("getDate", TimePart::Date, TIME),
    part("getDate", TimePart::Date, ZONED),
    part("getDayOfWeek", TimePart::DayOfWeek, TIME),
    part("getDayOfWeek", TimePart::DayOfWeek, ZONED),
    part("getHours", TimePart::Hours, TIME),
    part("getHours", TimePart::Hours, ZONED),
    part("getHours", TimePart::Hours, SPAN),
    part("getMinutes", TimePart::Minutes, TIME),
    part("getMinutes", TimePart::Minutes, ZONED),
    part("getMinutes", TimePart::Minutes, SPAN),
    part("getSeconds", TimePart::Seconds, TIME),
    part("getSeconds", TimePart::Seconds, ZONED),
    part("getSeconds", TimePart::Seconds, SPAN),
    part("getMilliseconds", TimePart::Milliseconds, TIME),
    part("getMilliseconds", TimePart::Milliseconds, ZONED),
    part("getMilliseconds", TimePart::Milliseconds, SPAN),
];
