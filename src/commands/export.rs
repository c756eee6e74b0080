//! `toolgate policy export`: a policy as a resource of another project.

use std::path::Path;
use std::process::ExitCode;

use super::review::policy;
use super::{counted, print, say};
use crate::policy::export::{Caller, Wanted, x_access_policy};
use crate::settings::args::ExportArgs;

/// Reads the policy, tells what is lost, and prints what is not.
pub(super) fn run(args: &ExportArgs) -> ExitCode {
    let ExportArgs { to: _, file, name, namespace, target, caller, base_protocol, cel } = args;
    let Some(policy) = policy(file) else { return ExitCode::FAILURE };
    let callers: Result<Vec<Caller>, String> = caller.iter().map(|caller| Caller::read(caller)).collect();
    let callers = match callers {
        Ok(callers) => callers,
        Err(trouble) => {
            say(&trouble);
            return ExitCode::FAILURE;
        }
    };
    let (namespace, base_protocol, cel) = (namespace.as_deref(), *base_protocol, *cel);
    let wanted = Wanted { name, namespace, target, callers, base_protocol, cel };
    let exported = match x_access_policy(&policy, &file.display().to_string(), &wanted) {
        Ok(exported) => exported,
        Err(trouble) => {
            say(&trouble);
            return ExitCode::FAILURE;
        }
    };
    tell(file, &exported.lost);
    let Some(text) = exported.text else {
        say(
            "nothing can be said as an XAccessPolicy: none is printed, since one without rules would allow everything",
        );
        return ExitCode::FAILURE;
    };
    say(&format!("{}; {} left out", counted(exported.rules, "rule"), counted(exported.lost.len(), "thing")));
    print(text.as_bytes())
}

fn tell(file: &Path, lost: &[crate::policy::export::Lost]) {
    let file = file.display();
    for lost in lost {
        match lost.line {
            Some(line) => say(&format!("{file}:{line}: {}", lost.what)),
            None => say(&format!("{file}: {}", lost.what)),
        }
    }
}
