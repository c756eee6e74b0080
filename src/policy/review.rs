//! Questions about whole policies: who may have what, what changes between two of them, and why.
//!
//! The answers are complete, not samples: the sets of scopes that open something are finite, and so are the ways in
//! which patterns can meet (`classes`).

mod access;
mod classes;
mod diff;
mod explain;
mod matrix;
mod query;
mod replay;

pub use access::{Access, Way};
pub use classes::TooVaried;
pub use diff::{Change, Direction, Effect, diff, losses};
pub use explain::{Explanation, Held, Source, explain};
pub use matrix::{Cell, Holder, Matrix, Row, matrix};
pub use query::{Answer, what, who};
pub use replay::{Caller, Moved, Replay, Unknown};

#[cfg(test)]
mod tests;
