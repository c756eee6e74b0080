//! `toolgate policy lock`: what the tools of a server say of themselves, pinned.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::{counted, print, say};
use crate::live;
use crate::message::lists::ListKind;
use crate::pin::Lock;
use crate::policy::flaw::Quoted;
use crate::settings::Secret;
use crate::settings::args::LockArgs;
use crate::survey::survey;

/// Asks the server, and writes or compares.
pub(super) fn run(args: &LockArgs) -> ExitCode {
    match (asked(args), &args.check, &args.output) {
        (Err(trouble), _, _) => {
            say(&trouble);
            ExitCode::FAILURE
        }
        (Ok(lock), Some(file), _) => check(file, &lock),
        (Ok(lock), None, None) => print(lock.render().as_bytes()),
        (Ok(lock), None, Some(file)) => write(file, &lock),
    }
}

/// What the server lists to each of the callers.
fn asked(args: &LockArgs) -> Result<Lock, String> {
    let mut tokens: Vec<Option<String>> = Vec::new();
    for file in &args.token_files {
        tokens.push(Some(token(file)?));
    }
    if tokens.is_empty() {
        tokens.push(None);
    }
    let mut lock = Lock::default();
    for token in tokens {
        let survey = survey(&args.upstream, token.as_deref(), &[ListKind::Tools])?;
        for tool in survey.tools {
            if let Err(trouble) = lock.add(&tool) {
                say(&format!("not locked: {trouble}"));
            }
        }
    }
    Ok(lock)
}

/// The token in a file.
pub(super) fn token(file: &Path) -> Result<String, String> {
    let secret = Secret::load(file).map_err(|trouble| format!("{}: {trouble}", file.display()))?;
    let text =
        String::from_utf8(secret.expose().to_vec()).map_err(|_| format!("{}: is no text", file.display()))?;
    Ok(text.trim().to_owned())
}

fn check(file: &Path, new: &Lock) -> ExitCode {
    let old = match read(file) {
        Ok(old) => old,
        Err(trouble) => {
            say(&trouble);
            return ExitCode::FAILURE;
        }
    };
    let changes = changes(&old, new);
    let printed = print(changes.as_bytes());
    if changes.is_empty() { printed } else { ExitCode::FAILURE }
}

fn write(file: &Path, lock: &Lock) -> ExitCode {
    if let Ok(old) = read(file) {
        say(changes(&old, lock).trim_end());
    }
    // Whoever watches the file sees the old one or the new one.
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let written = std::fs::write(&beside, lock.render()).and_then(|()| std::fs::rename(&beside, file));
    match written {
        Ok(()) => {
            say(&format!("{}: {} locked", file.display(), counted(lock.len(), "tool")));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("{}: cannot be written: {error}", file.display()));
            ExitCode::FAILURE
        }
    }
}

fn read(file: &Path) -> Result<Lock, String> {
    Lock::parse(&file.display().to_string(), &live::read(file)?).map_err(|flaws| flaws.to_string())
}

/// What is in one lockfile and not in the other, a line for each tool.
fn changes(old: &Lock, new: &Lock) -> String {
    let mut text = String::new();
    for name in new.names() {
        match (old.digests(name), new.digests(name)) {
            (None, _) => {
                let _ = writeln!(text, "+ {}", Quoted(name));
            }
            (before, after) if before != after => {
                let _ = writeln!(text, "~ {}", Quoted(name));
            }
            _ => {}
        }
    }
    for name in old.names().filter(|name| !new.has(name)) {
        let _ = writeln!(text, "- {}", Quoted(name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Entry;

    #[test]
    fn changes_are_told_by_name() {
        let lock = |tools: &[&str]| {
            let mut lock = Lock::default();
            tools.iter().for_each(|text| lock.add(&Entry::alone(ListKind::Tools, text).unwrap()).unwrap());
            lock
        };
        let old = lock(&[r#"{"name":"same"}"#, r#"{"name":"other"}"#, r#"{"name":"gone"}"#]);
        let new = lock(&[r#"{"name":"same"}"#, r#"{"name":"other","title":"x"}"#, r#"{"name":"new"}"#]);
        assert_eq!(changes(&old, &new), "+ `new`\n~ `other`\n- `gone`\n");
        assert_eq!(changes(&old, &old), "");
    }
}
