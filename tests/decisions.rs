//! The cases of policy/cases/ against the judge alone.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected should fail"
)]

#[path = "decisions/cases.rs"]
mod cases;

use std::collections::{BTreeSet, HashMap};

use cases::{Became, Case, Sheet};
use toolgate::caller::{Caller, Scopes, UnixTime};
use toolgate::cel::Facts;
use toolgate::judge::{self, Permit, Refused};
use toolgate::message::agreement::Mirror;
use toolgate::message::lists::ListKind;
use toolgate::message::recognise;
use toolgate::policy::{self, DenyReason, LimitBy, Mode, Policy, TestResult};
use toolgate::refusal::{Era, Refusal};
use toolgate::session::Sealer;

/// 2026-07-28T12:00:00Z.
const TIME: i128 = 1_785_240_000_000_000_000;

/// Counts the requests of one sheet, all of them in one moment.
#[derive(Default)]
struct Counters(HashMap<(String, String), u64>);

impl Counters {
    /// The rule whose limit is used up, and whether that is enforced.
    fn count(&mut self, permit: &Permit<'_>, caller: &str, name: &str) -> Option<(String, Mode)> {
        let mut over = None;
        for limit in permit.limits() {
            let by = match limit.rate.by {
                // The tokens of the cases name no client, and there is no session.
                LimitBy::Subject | LimitBy::Client | LimitBy::Session => caller,
                LimitBy::Tool => name,
            };
            let due = self.0.entry((limit.rule.to_owned(), by.to_owned())).or_default();
            match limit.rate.count(*due, 1) {
                Ok(next) => *due = next,
                Err(_) => over = Some((limit.rule.to_owned(), limit.mode)),
            }
        }
        over
    }
}

fn refused(refused: &Refused<'_>) -> Became {
    Became {
        is_allowed: false,
        reason: Some(refused.reason.to_owned()),
        would_deny: None,
        rule: refused.rule.map(ToOwned::to_owned),
        needs: refused.needs.iter().map(|need| (*need).to_owned()).collect(),
        status: refused.refusal.status(Era::Legacy),
        code: Some(refused.refusal.code(Era::Legacy).into()),
    }
}

/// Judges the call of a case once.
fn judged(sheet: &Sheet, case: &Case, policy: &Policy, counters: &mut Counters) -> Became {
    let (claims, body) = (case.claims(), case.body());
    let (subject, claims) = (claims["sub"].as_str().unwrap(), claims.to_string());
    let (_, name) = case.call.thing();
    let annotations = sheet.annotations_of(name).to_string();
    let facts = Facts {
        claims: &claims,
        annotations: Some(&annotations),
        client_address: "127.0.0.1:5000",
        time: TIME,
        ..Facts::default()
    };
    let grants = policy.grants(&Scopes::from_names(case.scopes.split(' ')));
    let message = recognise(&Mirror::default(), body.as_bytes(), 128).unwrap();
    let (sealer, caller) = (Sealer::new(b"key"), Caller::new("i", subject, UnixTime(1)));
    let permit = match judge::what(policy, &grants, &message, &sealer.of(&caller), &facts) {
        Ok(permit) => permit,
        Err(no) => return refused(&no),
    };
    let would_deny = permit.would_deny().map(|would| would.reason.word().to_owned());
    let allowed = |would_deny| Became {
        is_allowed: true,
        would_deny,
        rule: permit.rule().map(ToOwned::to_owned),
        status: 200,
        ..Became::default()
    };
    let word = Refusal::RateLimited.word();
    match counters.count(&permit, subject, name) {
        None => allowed(would_deny),
        Some((_, Mode::Shadow)) => allowed(would_deny.or_else(|| Some(word.to_owned()))),
        Some((rule, Mode::Enforce)) => {
            Became { rule: Some(rule), ..refused(&Refused { reason: word, ..Refusal::RateLimited.into() }) }
        }
    }
}

/// Whether the caller sees it in a list.
fn is_listed(case: &Case, policy: &Policy) -> bool {
    let (kind, name) = case.call.thing();
    let kind = match kind {
        "tool" => ListKind::Tools,
        "prompt" => ListKind::Prompts,
        "resource" => ListKind::Resources,
        other => panic!("{}: {other} is in no list", case.name),
    };
    judge::sees(policy, &policy.grants(&Scopes::from_names(case.scopes.split(' '))), kind, name)
}

#[test]
fn each_case_is_judged_as_expected() {
    let mut wrong = Vec::new();
    for sheet in Sheet::all() {
        let policy = Policy::compile(&sheet.file, &sheet.policy).unwrap_or_else(|flaws| panic!("{flaws}"));
        assert!(policy.run_tests().iter().all(TestResult::passed), "{}", sheet.file);
        let mut counters = Counters::default();
        for case in &sheet.cases {
            let became = (0..case.times.unwrap_or(1)).map(|_| judged(&sheet, case, &policy, &mut counters)).last();
            wrong.extend(case.flaw(&sheet, &became.unwrap()));
            if case.listed.is_some_and(|listed| listed != is_listed(case, &policy)) {
                wrong.push(format!("{}: {}: not listed as expected", sheet.file, case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_cases_have_every_key_of_the_format_and_every_reason() {
    let sheets = Sheet::all();
    let policies: String = sheets.iter().map(|sheet| sheet.policy.as_str()).collect();
    for key in policy::keys().chain(["implies", "requests", "per", "by", "visible", "hidden"]) {
        assert!(policies.contains(&format!("{key}:")), "no case has a policy with `{key}`");
    }
    let expects = || sheets.iter().flat_map(|sheet| &sheet.cases).map(|case| &case.expect);
    let reasons: BTreeSet<&str> = expects().filter_map(|expect| expect.reason.as_deref()).collect();
    let would: BTreeSet<&str> = expects().filter_map(|expect| expect.would_deny.as_deref()).collect();
    for reason in DenyReason::WORDS {
        assert!(reasons.contains(reason) && would.contains(reason), "no case has `{reason}`");
    }
}
