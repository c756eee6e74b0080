//! Rules of the repository that no lint knows.
#![expect(clippy::unwrap_used, reason = "a rule that cannot be checked is broken")]

use std::fs;
use std::path::{Path, PathBuf};

/// The judge: values in, values out.
const JUDGE: &[&str] = &[
    "caller",
    "catalogue",
    "cel",
    "http1",
    "json",
    "judge",
    "message",
    "pin",
    "policy",
    "record",
    "refusal",
    "session",
    "token",
];

/// What the judge never touches: clocks, files, the environment, tasks, logs, the host it runs in.
const IMPURE: &[&str] = &[
    "SystemTime",
    "Instant",
    "std::fs",
    "std::env",
    "std::net",
    "std::thread",
    "std::process",
    "tokio",
    "pingora",
    "hyper",
    "async ",
    ".await",
    "log::",
    "tracing",
    "println!",
    "eprintln!",
];

fn sources(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![under.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
}

/// The code of a file without its comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_judge_is_pure() {
    let src = root().join("src");
    let mut seen = 0;
    for module in JUDGE {
        let files = sources(&src).into_iter().filter(|path| {
            let inside = path.strip_prefix(&src).unwrap();
            inside.starts_with(module) || inside == Path::new(&format!("{module}.rs"))
        });
        for path in files.filter(|path| !is_test(path)) {
            seen += 1;
            let code = code(&path);
            for word in IMPURE {
                assert!(!code.contains(word), "{} contains `{word}`", path.display());
            }
        }
    }
    assert!(seen > JUDGE.len(), "the judge was not found");
}

#[test]
fn a_file_can_be_read_at_one_sitting() {
    for path in sources(&root().join("src")).into_iter().filter(|path| !is_test(path)) {
        let lines = code(&path).lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 500, "{} has {lines} lines of code", path.display());
    }
}

#[test]
fn the_repository_speaks_of_the_product_alone() {
    // Put together here, so that this file does not contain them.
    let hosts = [["crates", ".io"].concat(), ["npmjs", ".org"].concat(), ["pypi", ".org"].concat()];
    let root = root();
    let mut files: Vec<PathBuf> =
        ["src", "tests", "upstream-mcp"].iter().flat_map(|at| sources(&root.join(at))).collect();
    files.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].iter().map(|name| root.join(name)));
    assert!(files.len() > 40);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for host in &hosts {
            assert!(!text.contains(host.as_str()), "{} names {host}", path.display());
        }
    }
}
