//! What is known of a value before there is one.

use std::fmt;

/// The type of an expression, as far as it is known when the policy is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// Known only when it is evaluated: what comes out of JSON.
    Any,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Timestamp,
    Duration,
    List(Box<Self>),
    /// A map from text.
    Map(Box<Self>),
}

impl Type {
    pub(super) fn list(items: Self) -> Self {
        Self::List(Box::new(items))
    }

    pub(super) fn map(values: Self) -> Self {
        Self::Map(Box::new(values))
    }

    pub(super) const fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    /// Whether a value of this type can be one of that.
    pub(super) fn may_be(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::List(one), Self::List(two)) | (Self::Map(one), Self::Map(two)) => one.may_be(two),
            (one, two) => one == two,
        }
    }

    /// Whether values of both types can be equal: numbers of any type can.
    pub(super) fn may_equal(&self, other: &Self) -> bool {
        self.may_be(other)
            || self.is_number() && other.is_number()
            // What is declared is never null, but to ask is no mistake.
            || matches!((self, other), (Self::Null, _) | (_, Self::Null))
            || match (self, other) {
                (Self::List(one), Self::List(two)) | (Self::Map(one), Self::Map(two)) => one.may_equal(two),
                _ => false,
            }
    }

    /// The type of what is one or the other.
    pub(super) fn or(self, other: Self) -> Self {
        match self == other {
            true => other,
            false => Self::Any,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any value",
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Int => "an int",
            Self::Uint => "a uint",
            Self::Double => "a double",
            Self::Text => "a string",
            Self::Timestamp => "a timestamp",
            Self::Duration => "a duration",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        })
    }
}
