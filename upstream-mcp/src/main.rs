//! The command `upstream-mcp`.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use upstream_mcp::{ENDPOINT, Listen, Options, serve_fixtures, serve_tcp, serve_unix};

/// `EX_CONFIG` of sysexits.h: the settings are refused.
const REFUSED: u8 = 78;

/// An unprivileged sample MCP server. It authenticates nobody: put a gateway in front of it.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen: IP:PORT (port 0 lets the system choose) or unix:PATH
    #[arg(long, value_name = "ADDRESS", env = "MCP_LISTEN", default_value = "127.0.0.1:9000")]
    listen: Listen,

    /// Listen on a TCP address that other machines can reach
    #[arg(long)]
    allow_non_loopback: bool,

    /// Read public.md and confidential.md from here, at each call [default: built-in copies]
    #[arg(long, value_name = "DIR", env = "MCP_DOCUMENTS_DIR")]
    documents: Option<PathBuf>,

    /// Add a tool that returns its arguments; may be given more than once
    #[arg(long = "extra-tool", value_name = "NAME")]
    extra_tools: Vec<String>,

    /// Add a prompt that says its name; may be given more than once
    #[arg(long = "extra-prompt", value_name = "NAME")]
    extra_prompts: Vec<String>,

    /// Add a resource that contains its URI; may be given more than once
    #[arg(long = "extra-resource", value_name = "URI")]
    extra_resources: Vec<String>,

    /// Append one line for each executed operation to this file
    #[arg(long, value_name = "FILE", env = "MCP_CALLS_LOG")]
    calls_log: Option<PathBuf>,

    /// Answer 2026-07-28 requests with event streams only
    #[arg(long)]
    sse_responses: bool,

    /// Serve what the official MCP conformance suite asks for, instead of documents
    #[arg(long, conflicts_with_all = ["allow_non_loopback", "documents", "extra_tools", "calls_log"])]
    conformance: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(refusal) = check(&arguments) {
        say(&refusal);
        return ExitCode::from(REFUSED);
    }
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Refuses settings that would make a server nobody meant.
fn check(arguments: &Arguments) -> Result<(), String> {
    if !arguments.allow_non_loopback {
        arguments.listen.require_loopback().map_err(|error| error.to_string())?;
    }
    match &arguments.documents {
        Some(directory) if !directory.is_dir() => {
            Err(format!("documents directory `{}` is not a directory", directory.display()))
        }
        Some(_) | None => Ok(()),
    }
}

async fn run(arguments: Arguments) -> io::Result<()> {
    let shutdown = shutdown()?;
    let options = Options {
        documents: arguments.documents,
        extra_tools: arguments.extra_tools,
        extra_prompts: arguments.extra_prompts,
        extra_resources: arguments.extra_resources,
        calls_log: arguments.calls_log,
        sse_responses: arguments.sse_responses,
    };
    match arguments.listen {
        Listen::Tcp(address) => {
            let listener = upstream_mcp::bind_tcp(address).await?;
            say(&format!("listening on http://{}{ENDPOINT}", listener.local_addr()?));
            if arguments.conformance {
                return serve_fixtures(listener, &options, shutdown).await;
            }
            serve_tcp(listener, options, shutdown).await
        }
        Listen::Unix(_) if arguments.conformance => Err(io::Error::other("the fixtures are served on TCP only")),
        Listen::Unix(path) => {
            let listener = upstream_mcp::bind_unix(&path)?;
            say(&format!("listening on unix:{}, path {ENDPOINT}", path.display()));
            let served = serve_unix(listener, options, shutdown).await;
            std::fs::remove_file(path)?;
            served
        }
    }
}

/// Completes at the first SIGTERM or Ctrl-C after this call, not only after its first poll.
fn shutdown() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Writes one line to stderr; if that is closed, there is nobody to tell.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "upstream-mcp: {text}");
}
