//! The binary: its line, its refusals, its exit codes.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

fn upstream_mcp(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_upstream-mcp"));
    command.args(arguments).stderr(Stdio::piped()).env_remove("MCP_DOCUMENTS_DIR").env_remove("MCP_CALLS_LOG");
    command
}

#[test]
fn refuses_a_non_loopback_address() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9000"] {
        let output = upstream_mcp(&["--listen", address]).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{address}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.starts_with(&format!("upstream-mcp: refusing to listen on `{address}`")), "{message}");
        assert!(message.contains("--allow-non-loopback"), "{message}");
    }
}

#[test]
fn refuses_a_documents_directory_that_is_none() {
    let output = upstream_mcp(&["--listen", "127.0.0.1:0", "--documents", "/dev/null"]).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn says_where_it_listens_and_ends_well_when_told_to() {
    for (signal, arguments) in
        [("-TERM", &["--listen", "127.0.0.1:0"][..]), ("-INT", &["--listen", "0.0.0.0:0", "--allow-non-loopback"])]
    {
        let mut server = upstream_mcp(arguments).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("upstream-mcp: listening on http://"), "{line}");
        assert!(line.ends_with("/mcp\n") && !line.contains(":0/"), "{line}");
        assert!(Command::new("kill").args([signal, &server.id().to_string()]).status().unwrap().success());
        assert_eq!(server.wait().unwrap().code(), Some(0), "{signal}");
    }
}
