//! What a decision costs under ten, a hundred and ten thousand rules, with and without a condition, and what it costs
//! to load them, and to tell what changes between two policies.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to measure")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use toolgate::caller::Scopes;
use toolgate::cel::Facts;
use toolgate::policy::review::diff;
use toolgate::policy::{Kind, Policy};

const SIZES: [usize; 3] = [10, 100, 10_000];

/// A policy of so many rules, half of them patterns.
fn document(rules: usize, when: &str) -> String {
    let mut text = String::from("version: 1\ntools:\n");
    for number in 0..rules / 2 {
        writeln!(text, "  tool_{number:05}: {{scopes: [s{}]{when}}}", number % 50).unwrap();
        writeln!(text, "  \"group_{number:05}_*\": {{scopes: [s{}]{when}}}", number % 50).unwrap();
    }
    text
}

const WHEN: &str = r#", when: 'args.path.startsWith("/tmp/") && "ops" in claims.groups'"#;
const CLAIMS: &str = r#"{"iss":"https://idp.example.com","sub":"alice","groups":["dev","ops"],"exp":1800000000}"#;
const ARGS: &str = r#"{"path":"/tmp/report.txt","mode":"fast","content":"some text that nobody looks at"}"#;

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    for rules in SIZES {
        for (kind, when) in [("scopes", ""), ("condition", WHEN)] {
            let policy = Policy::compile("bench", &document(rules, when)).unwrap();
            let grants = policy.grants(&Scopes::from_names(["s0", "s3", "s4"]));
            let facts = Facts { claims: CLAIMS, args: Some(ARGS), ..Facts::default() };
            for (what, name) in
                [("exact", "tool_00003"), ("pattern", "group_00003_x"), ("unknown", "nothing_like_it")]
            {
                let id = BenchmarkId::new(format!("decide {kind} {what}"), rules);
                group.bench_function(id, |bench| {
                    bench.iter(|| policy.decide_call(&grants, Kind::Tool, black_box(name), &facts))
                });
            }
        }
        let text = document(rules, "");
        group.bench_function(BenchmarkId::new("load", rules), |bench| {
            bench.iter(|| Policy::compile("bench", black_box(&text)).unwrap())
        });
    }
    for rules in [10, 100, 1_000] {
        // Another scope for each rule: everything changes.
        let texts = [document(rules, ""), document(rules, "").replace("[s", "[t")];
        let [old, new] = texts.map(|text| Policy::compile("bench", &text).unwrap());
        group.bench_function(BenchmarkId::new("diff", rules), |bench| {
            bench.iter(|| diff(black_box(&old), black_box(&new)).unwrap().len())
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
