//! A table of tokens that must not pass, through the gateway: the exact reason for the operator, the same text for
//! every caller who is refused for it, and nothing for the upstream.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use toolgate::refusal::{Era, Refusal};

use crate::support::gateway::Setup;
use crate::support::{Ask, Gateway, Upstream, call};
use rows::{Keys, Row};

/// The least number of rows.
const FEWEST: usize = 150;

/// A gateway that knows all keys of the table.
fn gateway(upstream: &Upstream, keys: &Keys) -> Gateway {
    let setup = Setup::before(upstream).without("--issuer").without("--secret-file");
    let own = setup.file("keys.json", &keys.jwks());
    let other = setup.file("other.json", &keys.jwks_of_the_other_issuer());
    let secret = setup.file("shared", rows::SECRET);
    let config = format!(
        "issuers:
  - {{issuer: {}, jwks_file: {}, algorithms: [RS256, PS256, ES256, ES384, EdDSA]}}
  - {{issuer: {}, jwks_file: {}, access_tokens_only: true}}
  - {{issuer: {}, secret_file: {secret}, require_iss: false, algorithms: [HS256]}}\n",
        rows::ISSUER,
        own.display(),
        rows::OTHER_ISSUER,
        other.display(),
        rows::SHARED,
        secret = secret.display(),
    );
    let config = setup.file("toolgate.yaml", &config);
    let audit = setup.folder().join("audit.jsonl");
    setup.arg("--config", config.to_str().unwrap()).arg("--audit-file", audit.to_str().unwrap()).start()
}

/// The audit lines, each under the number of its row.
fn audit(gateway: &Gateway) -> BTreeMap<usize, Value> {
    let lines = std::fs::read_to_string(gateway.folder.path().join("audit.jsonl")).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (usize::from_str_radix(line["trace_id"].as_str().unwrap(), 16).unwrap(), line)).collect()
}

/// What the caller of this row is told, without what differs from answer to answer.
fn ask(client: &mut crate::support::Client, number: usize, token: &str) -> (u16, String) {
    let trace = format!("00-{number:032x}-00000000000000ff-01");
    let response = client.ask(&Ask::post(token, call("open")).header("traceparent", &trace));
    let challenge = response.header("www-authenticate").unwrap_or_default();
    let told = format!("{challenge}\n{}", response.text());
    let longest = token.split('.').max_by_key(|part| part.len()).unwrap_or_default();
    assert!(longest.len() < 12 || !told.contains(longest), "row {number}: the answer repeats the token");
    (response.status, told)
}

#[test]
fn each_bad_token_is_refused_for_its_own_reason_in_the_same_words() {
    let keys = Keys::new();
    let rows: Vec<Row> = rows::all(&keys);
    let distinct: BTreeSet<&str> = rows.iter().map(|row| row.token.as_str()).collect();
    assert!(rows.len() >= FEWEST && distinct.len() == rows.len(), "{} rows, {} tokens", rows.len(), distinct.len());
    let upstream = Upstream::fine();
    let mut gateway = gateway(&upstream, &keys);
    let mut client = gateway.connect();
    // What they are made of is good: a row is refused for what is wrong with it, and nothing else.
    let good = rows::good(&keys);
    for (at, (case, token)) in good.iter().enumerate() {
        assert_eq!(ask(&mut client, rows.len() + 1 + at, token).0, 200, "{case}");
    }
    let mut texts: BTreeMap<Refusal, String> = BTreeMap::new();
    for (number, row) in (1..).zip(&rows) {
        let (status, told) = ask(&mut client, number, &row.token);
        assert_eq!(status, row.reason.status(Era::Legacy), "{}: {told}", row.case);
        assert!(told.contains(row.reason.sentence()), "{}: {told}", row.case);
        let same = texts.entry(row.reason).or_insert_with(|| told.clone());
        assert_eq!(*same, told, "{}", row.case);
    }
    assert_eq!(upstream.requests().len(), good.len(), "the upstream hears of good tokens alone");
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let lines = audit(&gateway);
    for (number, row) in (1..).zip(&rows) {
        let line = &lines[&number];
        assert_eq!(
            (&line["decision"], &line["reason"]),
            (&"deny".into(), &row.reason.word().into()),
            "{}",
            row.case
        );
        assert_eq!(line.get("subject"), None, "{}: nobody is named by a token that does not count", row.case);
    }
    assert_eq!(lines.len(), rows.len() + good.len());
}

/// Each refusal that is about a token, but for those that need something else: a list, a proof, somebody to ask.
#[test]
fn the_table_knows_every_way_a_token_is_bad() {
    let found: BTreeSet<Refusal> = rows::all(&Keys::new()).iter().map(|row| row.reason).collect();
    let expected = [
        Refusal::TokenMalformed,
        Refusal::TokenTooLarge,
        Refusal::TokenUnreadable,
        Refusal::TokenTypeWrong,
        Refusal::TokenAlgorithmRefused,
        Refusal::TokenIssuerUnknown,
        Refusal::TokenKeyUnknown,
        Refusal::TokenSignatureWrong,
        Refusal::TokenExpired,
        Refusal::TokenNotYetValid,
        Refusal::TokenAudienceWrong,
        Refusal::TokenClaimsInvalid,
        Refusal::TokenUnbound,
    ];
    assert_eq!(found, expected.into());
}
