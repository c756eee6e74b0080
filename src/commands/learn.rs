//! `toolgate policy learn`: a policy from what was recorded.

use std::path::Path;
use std::process::ExitCode;

use super::review::policy;
use super::{audit_lines, counted, print, say};
use crate::policy::learn::Observed;

/// Reads the audit, and prints.
pub(super) fn run(audit: &Path, base: Option<&Path>) -> ExitCode {
    let base = match base.map(policy) {
        Some(None) => return ExitCode::FAILURE,
        base => base.flatten(),
    };
    let mut observed = Observed::default();
    if let Err(trouble) = audit_lines(audit, |line| observed.take(line)) {
        say(&trouble);
        return ExitCode::FAILURE;
    }
    let (draft, undecided) = observed.learn(base.as_ref());
    match draft.write() {
        Ok(written) => {
            undecided.iter().for_each(|what| say(what));
            written.left_out.iter().for_each(|what| say(&format!("left out: {what}")));
            say(&summary(&observed));
            print(written.text.as_bytes())
        }
        Err(trouble) => {
            say(&format!("no policy can be written: {trouble}"));
            ExitCode::FAILURE
        }
    }
}

fn summary(observed: &Observed) -> String {
    let mut text = format!("learned from {}", counted(observed.used, "decision"));
    for (count, what) in [
        (observed.other, "about what needs no rule, or refused for other reasons"),
        (observed.unreadable, "unreadable"),
        (observed.cut, "cut short"),
        (observed.beyond, "beyond what can be held"),
    ] {
        if count > 0 {
            text.push_str(&format!("; {} {what}", counted(count, "line")));
        }
    }
    text
}
