//! toolgate: an authorization gateway for MCP servers.
//!
//! The crate is two halves. **The judge** is pure: values in, values out; no Pingora, tokio, clock, files,
//! environment or logging below it (`cargo test --no-default-features` builds it alone). **The shell** (feature
//! `gateway`) is thin: it reads requests, asks the judge, forwards the judged bytes and filters the answers.
//!
//! In the order in which a request meets them: [`http1`] (which bytes are a request), [`token`] (who calls), [`message`] on
//! [`json`] (what the body says), [`session`] (whose session it is), [`policy`] and [`judge`] (may he have it),
//! [`refusal`] (what he is told if not).

pub mod caller;
pub mod catalogue;
pub mod cel;
pub mod http1;
pub mod json;
pub mod judge;
pub mod message;
pub mod pin;
pub mod policy;
#[doc(hidden)]
pub mod properties;
pub mod record;
pub mod refusal;
pub mod session;
pub mod token;

#[cfg(feature = "gateway")]
pub mod commands;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "gateway")]
pub mod gateway;
#[cfg(feature = "gateway")]
pub mod live;
#[cfg(feature = "gateway")]
pub mod pinned;
#[cfg(feature = "gateway")]
pub mod remote;
#[cfg(feature = "gateway")]
pub mod report;
#[cfg(feature = "gateway")]
pub mod revoked;
#[cfg(feature = "gateway")]
pub mod serve;
#[cfg(feature = "gateway")]
pub mod settings;
#[cfg(feature = "gateway")]
pub mod survey;
