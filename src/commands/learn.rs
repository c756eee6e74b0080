//! `toolgate policy learn`: a policy from what was recorded.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::ExitCode;

use super::review::policy;
use super::{counted, print, say};
use crate::policy::learn::Observed;

/// The longest line, in bytes: no audit line is as long.
const LONGEST_LINE: u64 = 1024 * 1024;

/// Reads the audit, and prints.
pub(super) fn run(audit: &Path, base: Option<&Path>) -> ExitCode {
    let base = match base.map(policy) {
        Some(None) => return ExitCode::FAILURE,
        base => base.flatten(),
    };
    let observed = match read(audit) {
        Ok(observed) => observed,
        Err(error) => {
            say(&format!("{}: cannot be read: {error}", audit.display()));
            return ExitCode::FAILURE;
        }
    };
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

fn read(audit: &Path) -> std::io::Result<Observed> {
    let mut lines = BufReader::new(File::open(audit)?);
    let mut observed = Observed::default();
    loop {
        let mut line = Vec::new();
        if lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(observed);
        }
        // What is too long is read as several lines, none of which is one.
        observed.take(std::str::from_utf8(&line).unwrap_or_default());
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
