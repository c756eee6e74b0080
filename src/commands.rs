//! The commands, each from its arguments to its exit code. What people read goes to standard error, what programs
//! read to standard output; a reader that has gone is no error.

pub(crate) mod explain;
mod export;
mod healthcheck;
mod import;
mod init;
mod learn;
mod lint;
mod lock;
mod policy;
mod review;
mod token;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::serve;
use crate::settings::Settings;
use crate::settings::args::{Cli, DemoArgs, PolicyTask, ServeArgs, Task};

/// Exit code for wrong usage (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;
/// Exit code for a wrong configuration (`EX_CONFIG`).
const EXIT_CONFIG: u8 = 78;

/// Does what the arguments of this process say.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let task = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli.task,
        Err(error) => {
            let is_asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Standard output or error may be closed already.
            let _ = error.print();
            return if is_asked_for { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) };
        }
    };
    match task {
        Task::Demo(args) => demo(&args),
        Task::Serve(args) => serve(&args),
        Task::Token(args) => token::run(&args),
        Task::Policy(task) => policy_task(task),
        Task::Healthcheck(args) => healthcheck::run(&args),
        Task::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "toolgate", &mut script);
            print(&script)
        }
        Task::Man => man(),
    }
}

fn policy_task(task: PolicyTask) -> ExitCode {
    match task {
        PolicyTask::Check { file, tools, json } => policy::check(&file, tools.as_deref(), json),
        PolicyTask::Init(args) => init::run(&args),
        PolicyTask::Import(args) => import::run(&args),
        PolicyTask::Export(args) => export::run(&args),
        PolicyTask::Schema => print(crate::policy::schema::schema().as_bytes()),
        PolicyTask::Lint { file, access, json } => lint::run(&file, &access, json),
        PolicyTask::Learn { audit, base } => learn::run(&audit, base.as_deref()),
        PolicyTask::Lock(args) => lock::run(&args),
        PolicyTask::Test { file, json, junit } => {
            policy::test::test(&file, policy::test::Told { json, junit: junit.as_deref() })
        }
        PolicyTask::Diff(args) => review::diff(&args),
        PolicyTask::Matrix { file, scopes, format } => review::matrix(&file, &scopes, format),
        PolicyTask::Explain(args) => explain::run(&args),
        PolicyTask::Who { file, can, kind, json } => review::who(&file, &can, kind.as_deref(), json),
        PolicyTask::What { file, scopes, json } => review::what(&file, &scopes, json),
    }
}

fn serve(args: &ServeArgs) -> ExitCode {
    match Settings::resolve(args, &|name| std::env::var_os(name)) {
        Ok(settings) => serve::run(&settings),
        Err(mistakes) => {
            for mistake in &mistakes {
                say(&mistake.to_string());
            }
            say(&format!("{} in the configuration", counted(mistakes.len(), "mistake")));
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

#[cfg(feature = "demo")]
fn demo(args: &DemoArgs) -> ExitCode {
    crate::demo::run(args)
}

#[cfg(not(feature = "demo"))]
fn demo(_: &DemoArgs) -> ExitCode {
    say("this toolgate was built without the demo");
    ExitCode::from(EXIT_USAGE)
}

/// One page with all commands, each after the other.
fn man() -> ExitCode {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    if clap_mangen::Man::new(command.clone()).render(&mut page).is_err() {
        return ExitCode::FAILURE;
    }
    let mut rest: Vec<clap::Command> =
        command.get_subcommands().filter(|task| task.get_name() != "help").cloned().collect();
    rest.reverse();
    while let Some(task) = rest.pop() {
        let name = task.get_display_name().unwrap_or_else(|| task.get_name()).replace('-', " ");
        let about = task.get_about().map(ToString::to_string).unwrap_or_default();
        page.extend_from_slice(format!(".SH {}\n{about}\n", name.to_uppercase()).as_bytes());
        let man = clap_mangen::Man::new(task.clone());
        if man.render_synopsis_section(&mut page).and_then(|()| man.render_options_section(&mut page)).is_err() {
            return ExitCode::FAILURE;
        }
        rest.extend(task.get_subcommands().filter(|task| task.get_name() != "help").cloned());
    }
    print(&page)
}

/// Writes what a program reads.
fn print(bytes: &[u8]) -> ExitCode {
    let mut output = std::io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read it had enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Tells people one thing.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The longest line of an audit that is read, in bytes: none is as long.
const LONGEST_LINE: u64 = 1024 * 1024;

/// Hands on the lines of an audit, one after the other.
///
/// # Errors
/// Why the file cannot be read, for people.
fn audit_lines(audit: &Path, mut take: impl FnMut(&str)) -> Result<(), String> {
    let about = |error: std::io::Error| format!("{}: cannot be read: {error}", audit.display());
    let mut lines = BufReader::new(File::open(audit).map_err(about)?);
    loop {
        let mut line = Vec::new();
        if lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(about)? == 0 {
            return Ok(());
        }
        // What is too long is read as several lines, none of which is one.
        take(std::str::from_utf8(&line).unwrap_or_default());
    }
}

fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_serve_says_its_variable() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        for argument in serve.get_arguments().filter(|argument| argument.get_id() != "help") {
            let flag = argument.get_long().unwrap();
            let variable = format!("[env: TOOLGATE_{}]", flag.replace('-', "_").to_uppercase());
            assert!(argument.get_help().unwrap().to_string().ends_with(&variable), "{flag}");
        }
    }

    #[test]
    fn all_that_the_design_names_can_be_parsed() {
        for line in [
            "serve --upstream http://127.0.0.1:9000/mcp --policy policy.yaml --issuer a --secret-file s --audience none",
            "demo --listen 127.0.0.1:0 --admin 127.0.0.1:0 --secret dev-secret-change-me --documents d --policy p",
            "token --sub alice --scope public:read --scope a --exp-hours 1",
            "policy check policy.yaml --tools tools.json --json",
            "policy init --upstream unix:/run/mcp/server.sock#/mcp --token-file a",
            "policy schema",
            "policy import --from agentgateway config.yaml --target files --line 20",
            "policy import --from envoy-ai-gateway route.yaml",
            "policy export --to x-access-policy policy.yaml --name p --namespace n --target backend/b --caller a=serviceaccount:s --base-protocol --cel",
            "policy lint policy.yaml --upstream http://127.0.0.1:9000/mcp --json",
            "policy learn audit.jsonl --base policy.yaml",
            "policy lock --upstream http://127.0.0.1:9000/mcp --token-file a --token-file b -o tools.lock",
            "policy diff old.yaml new.yaml --audit audit.jsonl --fail-on loosened --json",
            "policy matrix policy.yaml --scopes a --scopes b --format markdown",
            "policy explain policy.yaml --tool a --scope b --scope-claim c --json",
            "policy explain policy.yaml --resource x:y --token-file -",
            "policy who policy.yaml --can delete_* --kind tool --json",
            "policy what policy.yaml --scope a,b --json",
            "policy test policy.yaml --json --junit report.xml",
            "healthcheck --admin http://127.0.0.1:9090",
            "completions bash",
            "man",
        ] {
            let words = std::iter::once("toolgate").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }

    #[test]
    fn wrong_usage_is_not_a_wrong_configuration() {
        let code = |line: &str| format!("{:?}", run(line.split(' ').map(OsString::from)));
        assert_eq!(code("toolgate serve --no-such-flag"), format!("{:?}", ExitCode::from(64)));
        assert_eq!(code("toolgate serve --threads 1 --threads 2"), format!("{:?}", ExitCode::from(64)));
        assert_eq!(code("toolgate token"), format!("{:?}", ExitCode::from(64)));
        assert_eq!(code("toolgate serve --config /nowhere/at/all"), format!("{:?}", ExitCode::from(78)));
        assert_eq!(code("toolgate --version"), format!("{:?}", ExitCode::SUCCESS));
    }
}
