//! The sample server as its clients see it, over real connections.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod command;
mod endpoint;
mod legacy;
mod stateless;
mod support;
