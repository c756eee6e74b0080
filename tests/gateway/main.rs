//! Through-gateway tests: the real program before an upstream that does what each test wants.
//!
//! Each test has its own processes and ports. What is waited for has a deadline, and nothing is waited for by
//! sleeping: the upstream sends on when the test has seen what came before.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    reason = "a test that meets the unexpected should fail"
)]

#[path = "../corpus/cases.rs"]
mod corpus_cases;
#[path = "../decisions/cases.rs"]
mod decisions;
mod support;

mod bad_tokens;
mod batches;
mod bodies;
mod bounds;
mod cases;
mod conditions;
mod connections;
mod corpus;
mod doors;
mod explanations;
mod hostile;
mod hostile_policies;
mod identity;
mod in_flight;
mod leaks;
mod lifecycle;
mod lists;
mod memo;
mod moving;
mod pins;
mod pooled;
mod proofs;
mod refusals;
mod resumption;
mod revocations;
mod sessions;
mod smuggling;
mod standing;
mod streams;
mod survey;
mod tasks;
mod tokens;
mod transports;
mod tricks;
