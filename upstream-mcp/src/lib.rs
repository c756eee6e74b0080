//! An unprivileged sample MCP server: the demo upstream behind `toolgate` and its test peer.
//!
//! It speaks Streamable HTTP at exactly `/mcp`, in the revisions with sessions (2025-03-26 to
//! 2025-11-25) and in the stateless one (2026-07-28), and asks nobody who they are. Whoever can
//! reach it can call everything, so it belongs on loopback or on a unix socket.

mod calls;
mod changes;
mod completion;
mod conformance;
mod document;
mod listen;
mod logging;
mod prompts;
mod resources;
mod serve;
mod server;
mod tools;

use std::path::PathBuf;

pub use listen::{Listen, ListenError, bind_tcp, bind_unix};
pub use serve::{serve_fixtures, serve_tcp, serve_unix};

/// The path of the MCP endpoint; every other path is answered with 404.
pub const ENDPOINT: &str = "/mcp";

/// What the sample server offers and where it writes down what it did.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The directory of `public.md` and `confidential.md`, read at each call; the built-in copies without it.
    pub documents: Option<PathBuf>,
    /// Names of further tools, each of which returns its arguments.
    pub extra_tools: Vec<String>,
    /// Names of further prompts, each of which says its name.
    pub extra_prompts: Vec<String>,
    /// URIs of further resources, each of which contains its URI.
    pub extra_resources: Vec<String>,
    /// The file that gets one line for each executed operation.
    pub calls_log: Option<PathBuf>,
    /// Answers 2026-07-28 requests with an event stream even where one JSON object would do.
    pub sse_responses: bool,
}
