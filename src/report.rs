//! What the operator sees: numbers to look at, and a line for every decision.

pub mod audit;
pub mod decisions;
pub mod explained;
pub mod metrics;
