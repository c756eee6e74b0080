//! Why an expression has no value.

/// Why a condition could not be evaluated. It refuses then, whatever else it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Error {
    /// A claim, argument or key that is not there.
    NoSuchKey,
    /// An operation on a value of a type that it is not for.
    WrongType,
    /// A number that the result does not fit into.
    Overflow,
    /// A division by zero.
    DivisionByZero,
    /// A place that a list or a text does not have.
    NoSuchIndex,
    /// Text that is no number, time or duration.
    Unparsable,
    /// A number that cannot be represented exactly.
    Inexact,
    /// JSON that the strict reader refuses.
    Unreadable,
    /// A key that another one in the same object differs from only by case or look.
    Disguised,
    /// The upstream has not listed the tool, so that its annotations are not known.
    NotListed,
    /// The evaluation would cost more than any may.
    TooCostly,
}

impl Error {
    /// The stable word of this error, for the audit.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoSuchKey => "no_such_key",
            Self::WrongType => "wrong_type",
            Self::Overflow => "overflow",
            Self::DivisionByZero => "division_by_zero",
            Self::NoSuchIndex => "no_such_index",
            Self::Unparsable => "unparsable",
            Self::Inexact => "inexact_number",
            Self::Unreadable => "unreadable",
            Self::Disguised => "key_disguised",
            Self::NotListed => "not_listed",
            Self::TooCostly => "too_costly",
        }
    }
}
