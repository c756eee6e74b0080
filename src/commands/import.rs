//! `toolgate policy import`: the rules of another gateway as a policy.

use std::process::ExitCode;

use super::{counted, print, say};
use crate::live;
use crate::policy::import::{Choice, Format, import};
use crate::settings::args::ImportArgs;

/// Reads the source, tells what is lost, and prints what is not.
pub(super) fn run(args: &ImportArgs) -> ExitCode {
    let ImportArgs { from, file, target, line } = args;
    let name = file.display().to_string();
    // The words of the command line are those of the formats.
    let Some(format) = Format::ALL.into_iter().find(|format| format.word() == from) else {
        return ExitCode::FAILURE;
    };
    let text = match live::read(file) {
        Ok(text) => text,
        Err(trouble) => {
            say(&trouble);
            return ExitCode::FAILURE;
        }
    };
    let imported = match import(format, &name, &text, Choice { target: target.as_deref(), line: *line }) {
        Ok(imported) => imported,
        Err(flaws) => {
            say(&flaws.to_string());
            return ExitCode::FAILURE;
        }
    };
    for lost in &imported.lost {
        say(&format!("{name}:{}: {}", lost.line, lost.what));
    }
    let Some(policy) = imported.policy else {
        say("nothing that lets anybody in can be said in a policy: none is printed");
        return ExitCode::FAILURE;
    };
    say(&format!(
        "{}; {} left out or stricter",
        counted(imported.rules, "rule"),
        counted(imported.lost.len(), "thing")
    ));
    print(policy.as_bytes())
}
