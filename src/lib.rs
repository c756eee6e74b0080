//! toolgate: an authorization gateway for MCP servers.
//!
//! The crate is two halves. **The judge** is pure: values in, values out; no Pingora, tokio, clock, files,
//! environment or logging below it (`cargo test --no-default-features` builds it alone). **The shell** (feature
//! `gateway`) is thin: it reads requests, asks the judge, forwards the judged bytes and filters the answers.

pub mod caller;
pub mod refusal;
pub mod json;
pub mod message;
pub mod policy;
pub mod token;
