//! The corpus of malformed and ambiguous messages through the running gateway.

use std::collections::BTreeMap;

use crate::corpus_cases::{Case, Expect};
use crate::support::gateway::{Gateway, Setup};
use crate::support::{Ask, Response, Upstream, token};

fn ask(case: &Case, token: &str) -> Ask {
    let mut ask = Ask::post(token, case.body()).without("Content-Type").without("Accept");
    for (name, value) in &case.headers {
        ask = ask.header(name, value);
    }
    let Some(http) = &case.http else { return ask };
    if let Some(method) = &http.method {
        ask = ask.instead_of_post(method);
    }
    if let Some(target) = &http.target {
        ask = ask.target(target);
    }
    match http.framing.as_deref() {
        None => ask,
        Some("chunked") => ask.chunked(10),
        Some("both") => ask.chunked(10).header("Content-Length", "5"),
        Some(other) => panic!("{}: {other}", case.name),
    }
}

/// What is wrong with the answer to a case that is to be refused.
fn flaw(case: &Case, response: &Response, status: u16, code: i64) -> Option<String> {
    if response.status != status {
        return Some(format!("{} {}, not {status} ({:?})", response.status, response.text(), case.era));
    }
    if case.http.as_ref().is_some_and(|http| http.method.as_deref() == Some("HEAD")) {
        return None;
    }
    let answer = response.json();
    let id = case.reads.as_ref().map(|reads| &reads.id);
    if answer["error"]["code"] != code || id.is_some_and(|id| answer["id"] != *id) {
        return Some(format!("{answer}, not {code} {id:?}"));
    }
    None
}

/// How often each word of a refusal is in the metrics.
fn outcomes(gateway: &Gateway, cases: &[Case]) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let mut expected = BTreeMap::new();
    for case in cases {
        if let Expect::Refused { refusal, .. } = &case.expect {
            *expected.entry(refusal.clone()).or_insert(0) += 1;
        }
    }
    let metric = |word: &String| {
        let label = format!("outcome=\"{word}\"");
        (word.clone(), gateway.metric("toolgate_requests_total", &label))
    };
    let counted = expected.keys().map(metric).collect();
    (expected, counted)
}

#[test]
fn the_upstream_gets_what_the_corpus_permits_as_it_was_and_hears_of_nothing_else() {
    let upstream = Upstream::fine();
    let setup = Setup::before(&upstream);
    let policy = setup.file("corpus.yaml", include_str!("../corpus/policy.yaml"));
    let mut gateway = setup.arg("--policy", policy.to_str().unwrap()).start();
    let (cases, token) = (Case::all(), token("alice", ""));
    let (mut arrived, mut wrong) = (0, Vec::new());
    for case in &cases {
        let response = gateway.ask(&ask(case, &token));
        if case.expect == (Expect::Forwarded { forwarded: true }) {
            arrived += 1;
            if response.status >= 300 {
                wrong.push(format!("{}: {} {}", case.name, response.status, response.text()));
            }
        }
        let requests = upstream.requests();
        if requests.len() != arrived {
            wrong.push(format!("{}: {} requests at the upstream, not {arrived}", case.name, requests.len()));
            arrived = requests.len();
        }
        match case.expect {
            Expect::Forwarded { .. } => {
                if requests.last().is_none_or(|request| request.body != case.body()) {
                    wrong.push(format!("{}: other bytes", case.name));
                }
            }
            Expect::Refused { status, code, .. } => {
                wrong.extend(flaw(case, &response, status, code).map(|flaw| format!("{}: {flaw}", case.name)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    let (expected, counted) = outcomes(&gateway, &cases);
    assert_eq!(counted, expected);
    gateway.is_well();
}
