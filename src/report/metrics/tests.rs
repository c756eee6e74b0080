use super::labels::METHODS;
use super::*;
use crate::policy::Kind;

fn metrics() -> Metrics {
    Metrics::new(["https://idp.example.com", "prototype"]).unwrap()
}

#[track_caller]
fn check(metrics: &Metrics, line: &str) {
    let text = metrics.render();
    assert!(text.lines().any(|other| other == line), "{line}\n{text}");
}

#[test]
fn requests_are_counted_by_method_and_outcome() {
    let metrics = metrics();
    let (long, short) = (Duration::from_millis(20), Duration::from_micros(40));
    metrics.request(MethodLabel::of("tools/call"), None, long, Some(short));
    metrics.request(MethodLabel::of("tools/call"), None, long, Some(short));
    metrics.request(MethodLabel::of("tools/call"), Some(Refusal::ScopeInsufficient), short, None);
    metrics.request(MethodLabel::of("evil\n\"x\""), Some(Refusal::MethodUnknown), short, None);
    metrics.request(MethodLabel::none(), Some(Refusal::TokenMissing), short, None);
    check(&metrics, r#"toolgate_requests_total{method="tools/call",outcome="ok"} 2"#);
    check(&metrics, r#"toolgate_requests_total{method="tools/call",outcome="scope_insufficient"} 1"#);
    check(&metrics, r#"toolgate_requests_total{method="other",outcome="method_unknown"} 1"#);
    check(&metrics, r#"toolgate_requests_total{method="none",outcome="token_missing"} 1"#);
    check(&metrics, "toolgate_request_duration_seconds_count 5");
    check(&metrics, r#"toolgate_overhead_seconds_bucket{le="0.00005"} 2"#);
}

#[test]
fn decisions_and_tokens_are_counted_with_their_reason() {
    let metrics = metrics();
    metrics.decision(Subject::Thing(Kind::Tool), None);
    metrics.decision(Subject::Thing(Kind::Tool), Some("no_rule"));
    metrics.decision(Subject::Thing(Kind::Tool), Some("no_rule"));
    metrics.decision(Subject::Thing(Kind::Method), Some("method_unknown"));
    metrics.decision(Subject::Thing(Kind::Method), Some("a reason nobody knows"));
    metrics.decision(Subject::Base, None);
    metrics.verification(Some("prototype"), None);
    metrics.verification(Some("prototype"), Some(Refusal::TokenExpired));
    metrics.verification(Some("somebody's"), Some(Refusal::TokenIssuerUnknown));
    metrics.verification(None, Some(Refusal::TokenMissing));
    check(&metrics, r#"toolgate_decisions_total{decision="allow",kind="tool",reason="permitted"} 1"#);
    check(&metrics, r#"toolgate_decisions_total{decision="deny",kind="tool",reason="no_rule"} 2"#);
    check(&metrics, r#"toolgate_decisions_total{decision="deny",kind="method",reason="method_unknown"} 1"#);
    check(&metrics, r#"toolgate_decisions_total{decision="deny",kind="method",reason="other"} 1"#);
    check(&metrics, r#"toolgate_decisions_total{decision="allow",kind="base",reason="permitted"} 1"#);
    check(&metrics, r#"toolgate_token_verifications_total{issuer="prototype",reason="ok",result="ok"} 1"#);
    check(
        &metrics,
        r#"toolgate_token_verifications_total{issuer="prototype",reason="token_expired",result="refused"} 1"#,
    );
    check(
        &metrics,
        r#"toolgate_token_verifications_total{issuer="unknown",reason="token_issuer_unknown",result="refused"} 1"#,
    );
    check(
        &metrics,
        r#"toolgate_token_verifications_total{issuer="unknown",reason="token_missing",result="refused"} 1"#,
    );
}

#[test]
fn lists_streams_policies_and_the_upstream_are_counted() {
    let metrics = metrics();
    metrics.list(&Tally { kind: ListKind::Resources, shown: 3, hidden: 2, bytes_removed: 77 });
    metrics.stream_began();
    metrics.stream_began();
    metrics.stream_ended(StreamEnd::Client);
    metrics.policy_in_force(4, 1_753_690_000.5);
    metrics.reload(ReloadResult::Kept);
    metrics.upstream(UpstreamResult::Slow);
    metrics.audit_dropped().inc();
    for line in [
        r#"toolgate_list_items_total{kind="resource",result="shown"} 3"#,
        r#"toolgate_list_items_total{kind="resource",result="hidden"} 2"#,
        r#"toolgate_list_items_total{kind="tool",result="hidden"} 0"#,
        r#"toolgate_list_bytes_removed_total{kind="resource"} 77"#,
        "toolgate_streams_open 1",
        r#"toolgate_streams_ended_total{reason="client"} 1"#,
        "toolgate_policy_generation 4",
        "toolgate_policy_last_success_timestamp_seconds 1753690000.5",
        r#"toolgate_policy_reloads_total{result="kept"} 1"#,
        r#"toolgate_upstream_requests_total{result="slow"} 1"#,
        r#"toolgate_upstream_requests_total{result="answered"} 0"#,
        "toolgate_audit_dropped_total 1",
    ] {
        check(&metrics, line);
    }
    check(&metrics, &format!("toolgate_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_metric_has_help_a_type_and_the_name_of_its_type() {
    let metrics = metrics();
    for refusal in Refusal::ALL {
        metrics.request(MethodLabel::none(), Some(*refusal), Duration::ZERO, None);
        metrics.decision(Subject::Base, Some(refusal.word()));
        metrics.verification(None, Some(*refusal));
    }
    let text = metrics.render();
    let types: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert_eq!(types.len(), 21, "{types:?}");
    for named in types {
        let (name, kind) = named.split_once(' ').unwrap();
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
    }
    assert_eq!(text.matches("toolgate_requests_total{").count(), Refusal::ALL.len());
}

#[test]
fn method_labels_are_a_closed_list() {
    for method in METHODS.iter().filter(|method| !["other", "none"].contains(method)) {
        assert_eq!(MethodLabel::of(method).word(), *method);
    }
    for (method, word) in
        [("", "none"), ("none", "other"), ("other", "other"), ("Tools/call", "other"), ("x/y", "other")]
    {
        assert_eq!(MethodLabel::of(method).word(), word, "{method}");
    }
}
