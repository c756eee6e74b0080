//! What the book says of refusals, metrics, settings and policies is what the gateway does.

#![cfg(feature = "gateway")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toolgate::policy::Policy;
use toolgate::policy::export::{Caller, Wanted, x_access_policy};
use toolgate::policy::import::{Choice, Format, import};
use toolgate::refusal::{Era, Refusal};
use toolgate::report::metrics::{IntrospectionResult, JwksResult, MethodLabel, Metrics, Subject};

fn chapter(name: &str) -> String {
    let text = fs::read_to_string(book().join(name)).unwrap_or_default();
    assert!(!text.is_empty(), "{name} cannot be read, or is empty");
    text
}

fn book() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src")
}

/// The fenced blocks of `text` that are marked with exactly `mark`, each with the line it begins on.
fn blocks(text: &str, mark: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = None;
    for (at, line) in (1..).zip(text.lines()) {
        match (line.strip_prefix("```"), open) {
            (Some(info), None) => {
                open = Some(info == mark);
                if info == mark {
                    found.push((at, String::new()));
                }
            }
            (Some(_), Some(_)) => open = None,
            (None, Some(true)) => {
                if let Some((_, block)) = found.last_mut() {
                    block.push_str(line);
                    block.push('\n');
                }
            }
            (None, Some(false) | None) => {}
        }
    }
    assert_eq!(open, None, "a block is not closed");
    found
}

#[test]
fn every_refusal_is_described_with_its_status_and_code() {
    let page = chapter("refusals.md");
    let both = |of: &dyn Fn(Era) -> String| {
        let (legacy, modern) = (of(Era::Legacy), of(Era::Modern));
        if legacy == modern { legacy } else { format!("{legacy} / {modern}") }
    };
    for refusal in Refusal::ALL {
        let status = both(&|era| refusal.status(era).to_string());
        let code = both(&|era| refusal.code(era).to_string());
        let row = format!("| `{}` | {status} | {code} | {} |", refusal.word(), refusal.sentence());
        assert!(page.contains(&row), "refusals.md lacks: {row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, Refusal::ALL.len(), "refusals.md describes what is no refusal");
}

#[test]
fn every_metric_is_described() {
    let page = chapter("observability.md");
    let metrics = Metrics::new(["an issuer"]).unwrap();
    // A family without series is not rendered.
    metrics.request(MethodLabel::none(), None, Duration::ZERO, None);
    metrics.decision(Subject::Base, None);
    metrics.verification(None, None);
    metrics.keys_refreshed("an issuer", JwksResult::Changed);
    metrics.introspected("an issuer", IntrospectionResult::Active);
    metrics.shadow_denial(None);
    metrics.rate_limited("tools.a");
    let text = metrics.render();
    let names: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in &names {
        assert!(page.contains(&format!("| `{name}")), "observability.md lacks {name}");
    }
    for row in page.lines().filter_map(|line| line.strip_prefix("| `toolgate_")) {
        let name = format!("toolgate_{}", row.split(['{', '`']).next().unwrap_or_default());
        assert!(names.contains(&name.as_str()), "observability.md describes {name}, which is no metric");
    }
}

#[test]
fn every_policy_of_the_book_compiles_and_passes_its_own_tests() {
    check_policies("policy.md", &chapter("policy.md"), "yaml policy", 5);
    check_policies("README.md", &chapter("../../README.md"), "yaml", 1);
}

#[track_caller]
fn check_policies(name: &str, text: &str, mark: &str, fewest: usize) {
    let samples = blocks(text, mark);
    assert!(samples.len() >= fewest, "{name} has {} policies", samples.len());
    for (line, sample) in samples {
        let compiled = Policy::compile(&format!("{name}, block at line {line}"), &sample);
        assert!(compiled.is_ok(), "{}", compiled.err().map(|flaws| flaws.to_string()).unwrap_or_default());
        // What the book shows is meant.
        let warnings: Vec<_> = compiled.iter().flat_map(Policy::warnings).collect();
        assert_eq!(warnings, [], "{name}, block at line {line}");
        for test in compiled.iter().flat_map(Policy::run_tests) {
            assert!(test.passed(), "{name}, block at line {line}: {:?}", test.failures);
        }
    }
}

#[test]
fn what_the_book_moves_becomes_what_it_says() {
    let page = chapter("moving.md");
    check_policies("moving.md", &page, "yaml policy", 2);
    let without_head = |text: &str| {
        let lines: Vec<&str> = text.lines().skip_while(|line| line.starts_with('#')).collect();
        format!("{}\n", lines.join("\n"))
    };
    let results = blocks(&page, "yaml policy");
    for (at, (format, target)) in
        [(Format::Agentgateway, Some("files")), (Format::EnvoyAiGateway, None)].into_iter().enumerate()
    {
        let (_, source) = blocks(&page, &format!("yaml {}", format.word())).remove(0);
        let imported = import(format, "source", &source, Choice { target, line: None }).unwrap();
        assert_eq!(without_head(&imported.policy.unwrap()), results[at].1, "{:#?}", imported.lost);
    }
    let (_, source) = blocks(&page, "yaml source of x-access-policy").remove(0);
    let policy = Policy::compile("policy.yaml", &source).unwrap();
    let callers =
        ["reports:read=serviceaccount:agents/reader", "reports:write=spiffe://example.com/ns/agents/sa/writer"];
    let wanted = Wanted {
        name: "reports",
        namespace: Some("agents"),
        target: "backend/reports",
        callers: callers.iter().map(|caller| Caller::read(caller).unwrap()).collect(),
        base_protocol: false,
        cel: false,
    };
    let exported = x_access_policy(&policy, "policy.yaml", &wanted).unwrap();
    assert_eq!(without_head(&exported.text.unwrap()), blocks(&page, "yaml x-access-policy")[0].1);
}

#[test]
fn every_setting_is_described() {
    use clap::CommandFactory as _;
    let page = chapter("configuration.md");
    let command = toolgate::settings::args::Cli::command();
    let serve = command.find_subcommand("serve").unwrap();
    for flag in serve.get_arguments().filter_map(|argument| argument.get_long()).filter(|flag| *flag != "help") {
        let variable = format!("TOOLGATE_{}", flag.replace('-', "_").to_uppercase());
        assert!(page.contains(&format!("| `--{flag}` | `{variable}` |")), "configuration.md lacks --{flag}");
    }
    for row in page.lines().filter(|line| line.starts_with("| `") && line.contains("| `--")) {
        let flag = row.split("`--").nth(1).and_then(|rest| rest.split('`').next()).unwrap_or_default();
        let is_flag = serve.get_arguments().any(|argument| argument.get_long() == Some(flag));
        assert!(is_flag, "configuration.md describes --{flag}, which is no flag");
    }
}

#[test]
fn every_chapter_is_in_the_summary_and_every_link_leads_somewhere() {
    let summary = chapter("SUMMARY.md");
    let pages = fs::read_dir(book()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let chapters: String = pages.map(|path| fs::read_to_string(path).unwrap()).collect();
    for entry in fs::read_dir(book()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "images" {
            for picture in fs::read_dir(&path).unwrap() {
                let picture = picture.unwrap().file_name().into_string().unwrap();
                assert!(chapters.contains(&format!("](images/{picture})")), "no chapter shows {picture}");
            }
            continue;
        }
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name} is not in SUMMARY.md");
        check_links(&name, &fs::read_to_string(&path).unwrap(), &book());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["README.md", "ARCHITECTURE.md", "SECURITY.md", "policy/README.md"] {
        let path = root.join(name);
        check_links(name, &fs::read_to_string(&path).unwrap(), path.parent().unwrap());
    }
}

#[track_caller]
fn check_links(name: &str, text: &str, folder: &Path) {
    for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let file = link.split('#').next().unwrap_or_default();
        let is_elsewhere = link.contains("://") || file.is_empty();
        assert!(is_elsewhere || folder.join(file).exists(), "{name} links to {link}, which is not there");
    }
}
