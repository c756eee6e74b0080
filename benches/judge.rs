//! What judging costs: a request whose token is remembered, beside a copy of its bytes and the check that they are
//! UTF-8; a list that half of is hidden; and how both grow with rules, tokens and tools.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to measure")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use toolgate::caller::{Caller, Scopes, UnixTime};
use toolgate::cel::Facts;
use toolgate::gateway::known::Known;
use toolgate::gateway::listed::{Listed, Page};
use toolgate::gateway::memo::{self, Filtered, Key};
use toolgate::gateway::verified::VerifiedCache;
use toolgate::judge::{sees, what};
use toolgate::live::Snapshot;
use toolgate::message::agreement::Mirror;
use toolgate::message::batch::Body;
use toolgate::message::lists::{Filter, Freshness, ListKind};
use toolgate::message::sse::{Event, EventStream};
use toolgate::message::{List, recognise};
use toolgate::policy::{Kind, Policy};
use toolgate::session::Sealer;
use toolgate::token::{Bearer, Verified};

#[path = "judge/samples.rs"]
mod samples;

const NOW: UnixTime = UnixTime(1_800_000_000);
const KIB: usize = 1024;
/// The default of `limits.depth`.
const DEPTH: u16 = 128;
const FRESHNESS: Freshness = Freshness { ttl_cap_ms: 60_000, is_required: false };

fn token(number: usize) -> String {
    // As long as a token with a signature of RSA and the usual claims.
    format!("{number:09}.{}.{}", "x".repeat(480), "y".repeat(342))
}

/// A memory with so many tokens.
fn remembered(tokens: usize) -> VerifiedCache {
    let cache = VerifiedCache::new(100_000);
    for number in 0..tokens {
        let caller = Caller {
            scopes: Scopes::from_names(["s0", "s3", "s4"]),
            ..Caller::new("https://idp.example.com", format!("alice-{number}"), NOW.plus(3600))
        };
        let verified = Verified::by_signature(&caller, 60, 0);
        let token = token(number);
        cache.put(&Bearer::try_from(token.as_str()).unwrap(), Arc::new(Known::new(caller, verified)));
    }
    cache
}

/// Our own work for one request: who, what, may he.
fn judge(cache: &VerifiedCache, snapshot: &Snapshot, sealer: &Sealer, token: &Bearer<'_>, body: &[u8]) -> bool {
    let known = cache.get(token, 0, NOW).unwrap();
    let Body::One(message) = Body::read(&Mirror::default(), body, DEPTH, 0).unwrap() else { return false };
    let grants = known.grants(snapshot);
    let facts = Facts { claims: &known.claims, ..Facts::default() };
    what(&snapshot.policy, &grants, &message, &sealer.of(&known), &facts).is_ok()
}

fn requests(criterion: &mut Criterion) {
    let snapshot = Snapshot::new(Policy::compile("bench", &samples::policy(200)).unwrap(), 1);
    let (cache, sealer, token) = (remembered(1000), Sealer::new(b"key"), token(7));
    let token = Bearer::try_from(token.as_str()).unwrap();
    let mut group = criterion.benchmark_group("request");
    for bytes in [300, 4 * KIB, 64 * KIB, KIB * KIB] {
        let of_rows = samples::call_with_rows("tool_00042", bytes);
        for (kind, body) in [("text", samples::call("tool_00042", bytes)), ("rows", of_rows)] {
            let body = body.as_bytes();
            group.throughput(Throughput::Bytes(u64::try_from(body.len()).unwrap()));
            group.bench_function(BenchmarkId::new(format!("judge {kind}"), bytes), |bench| {
                bench.iter(|| assert!(judge(&cache, &snapshot, &sealer, black_box(&token), black_box(body))));
            });
        }
        let body = samples::call("tool_00042", bytes);
        group.bench_function(BenchmarkId::new("copy alone", bytes), |bench| {
            let mut copy = body.clone().into_bytes();
            bench.iter(|| black_box(&mut copy).copy_from_slice(black_box(body.as_bytes())));
        });
        group.bench_function(BenchmarkId::new("utf-8 alone", bytes), |bench| {
            bench.iter(|| std::str::from_utf8(black_box(body.as_bytes())).is_ok());
        });
    }
    group.finish();
}

fn lists(criterion: &mut Criterion) {
    let filter = |sees| Filter { sees, freshness: FRESHNESS, heard: None, pins: None, tasks: &samples::NoTasks };
    let half = filter(&|_, name| samples::is_shown(name));
    let policy = Policy::compile("bench", &samples::policy(200)).unwrap();
    let snapshot = Arc::new(Snapshot::new(policy, 1));
    let grants = Arc::new(snapshot.policy.grants(&Scopes::from_names(["s0", "s3", "s4"])));
    let by_policy = |kind: ListKind, name: &str| sees(&snapshot.policy, &grants, kind, name);
    let request =
        recognise(&Mirror::default(), br#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#, DEPTH).unwrap();
    let page = Page::asked(List::Tools, &request).unwrap();
    let key = Key { snapshot: &snapshot, grants: &grants, page: &page, freshness: FRESHNESS, takes_arrays: false };
    let mut group = criterion.benchmark_group("list");
    for tools in [10, 100, 1000, 10_000] {
        let list = samples::list(tools);
        group.throughput(Throughput::Bytes(u64::try_from(list.len()).unwrap()));
        group.bench_function(BenchmarkId::new("filter", tools), |bench| {
            bench.iter(|| half.message(black_box(list.as_bytes()), &mut Vec::new()).unwrap());
        });
        let asked = filter(&by_policy);
        group.bench_function(BenchmarkId::new("filter by policy", tools), |bench| {
            bench.iter(|| asked.message(black_box(list.as_bytes()), &mut Vec::new()).unwrap());
        });
        let event = samples::event(&list);
        group.bench_function(BenchmarkId::new("filter as an event", tools), |bench| {
            bench.iter(|| {
                let mut out = Vec::new();
                let mut events = EventStream::new(usize::MAX);
                let mut each = |event: Event<'_>| {
                    let data = event.data().unwrap();
                    out.push(half.message(&data, &mut Vec::new()).unwrap());
                };
                events.push(black_box(event.as_bytes()), &mut each).unwrap();
                out
            });
        });
        let listed = Listed::default();
        // Each request has an id of its own.
        let bodies = [3, 4].map(|id| list.replacen("\"id\":3", &format!("\"id\":{id}"), 1));
        let before = |body: &[u8], tallies: &mut Vec<_>| {
            memo::filtered(&listed, Some(&key), &asked, body, tallies, |filter, tallies| {
                filter.message(body, tallies)
            })
        };
        let mut in_turn = bodies.iter().cycle();
        group.bench_function(BenchmarkId::new("filter what was filtered before", tools), |bench| {
            bench.iter(|| before(black_box(in_turn.next().unwrap()).as_bytes(), &mut Vec::new()));
        });
        let events = bodies.each_ref().map(|body| samples::event(body));
        let mut in_turn = events.iter().cycle();
        group.bench_function(BenchmarkId::new("filter an event that was filtered before", tools), |bench| {
            bench.iter(|| {
                streamed(black_box(in_turn.next().unwrap()), |data| before(data, &mut Vec::new()).unwrap())
            });
        });
        group.bench_function(BenchmarkId::new("utf-8 alone", tools), |bench| {
            bench.iter(|| std::str::from_utf8(black_box(list.as_bytes())).is_ok());
        });
    }
    group.finish();
}

/// What is told of a stream, by what becomes of the data of its events.
fn streamed(stream: &str, filter: impl Fn(&[u8]) -> Filtered) -> Vec<u8> {
    let mut out = Vec::new();
    let mut each = |event: Event<'_>| {
        let is_ambiguous = event.is_ambiguous() || event.name() == Some(b"endpoint");
        let data = event.data().filter(|_| !is_ambiguous).unwrap();
        match filter(&data) {
            Filtered::Cut(data) => event.write_with_data(&data, &mut out),
            Filtered::AsIs | Filtered::Nothing => out.extend_from_slice(event.raw()),
        }
    };
    EventStream::new(usize::MAX).push(stream.as_bytes(), &mut each).unwrap();
    out
}

fn growth(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("growth");
    for rules in [10, 10_000] {
        let policy = Policy::compile("bench", &samples::policy(rules)).unwrap();
        let grants = policy.grants(&Scopes::from_names(["s0", "s3", "s4"]));
        for (kind, name) in [("exact", "tool_00004"), ("pattern", "group_00004_x")] {
            group.bench_function(BenchmarkId::new(format!("decide {kind}, rules"), rules), |bench| {
                bench.iter(|| policy.decide_call(&grants, Kind::Tool, black_box(name), &Facts::default()));
            });
        }
    }
    for tokens in [1, 100_000] {
        let cache = remembered(tokens);
        // One after the other, so that it is not always the same that lies in the processor's own memory.
        let tokens: Vec<String> = (0..tokens.min(512)).map(token).collect();
        let bearers: Vec<_> = tokens.iter().filter_map(|text| Bearer::try_from(text.as_str()).ok()).collect();
        let kept: Vec<_> = bearers.iter().filter(|token| cache.get(token, 0, NOW).is_some()).collect();
        let mut turns = kept.iter().cycle();
        group.bench_function(BenchmarkId::new("remembered token, tokens", cache.len()), |bench| {
            bench.iter(|| cache.get(black_box(turns.next().unwrap()), 0, NOW).unwrap());
        });
    }
    group.finish();
}

/// Many short samples: what else runs on the machine falls into few of them, and the median does not see it.
fn settings() -> Criterion {
    let criterion = Criterion::default().sample_size(200);
    criterion.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2))
}

criterion_group!(name = all; config = settings(); targets = requests, lists, growth);
criterion_main!(all);
