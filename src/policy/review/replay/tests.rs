use super::*;

/// An audit line of a call, with these members in place of the usual ones.
fn line(more: &str) -> String {
    let mut line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(
        r#"{"subject":"alice","issuer":"i","scopes":["r"],"method":"tools/call","kind":"tool","name":"x","decision":"allow","reason":"permitted","rule":"tools.x"}"#,
    )
    .unwrap();
    let more: serde_json::Map<String, serde_json::Value> = serde_json::from_str(more).unwrap();
    line.extend(more);
    serde_json::Value::Object(line).to_string()
}

const DENIED: &str = r#"{"decision":"deny","reason":"scopes_missing"}"#;

/// What becomes of the lines: `gained`, `lost`, and what is unknown.
#[track_caller]
fn check(old: &str, new: &str, lines: &[&str], expected: (usize, usize, &[(&str, usize)])) {
    let [old, new] = [old, new].map(|rules| Policy::compile("p", &format!("version: 1\n{rules}\n")).unwrap());
    let mut replay = Replay::new(&old, &new);
    lines.iter().for_each(|more| replay.take(&line(more)));
    let moved = || replay.moved().flat_map(|(_, _, callers)| callers.values());
    let (gained, lost) = (moved().map(|moved| moved.gained).sum(), moved().map(|moved| moved.lost).sum());
    let unknown: Vec<(String, usize)> =
        replay.unknown.iter().map(|(unknown, count)| (unknown.to_string(), *count)).collect();
    let unknown: Vec<(&str, usize)> = unknown.iter().map(|(unknown, count)| (unknown.as_str(), *count)).collect();
    assert_eq!((gained, lost, unknown.as_slice()), expected);
    let counted: usize =
        [replay.replayed, replay.other, replay.unreadable].iter().chain(replay.unknown.values()).sum();
    assert_eq!(counted, lines.len(), "each line counts once");
    assert_eq!((replay.is_looser(), replay.is_tighter()), (gained > 0, lost > 0));
}

#[test]
fn what_scopes_decide_is_decided_again() {
    let (read, write) = ("tools: {x: {scopes: [r]}}", "tools: {x: {scopes: [w]}}");
    check(read, write, &["{}", "{}", r#"{"scopes":["r","w"]}"#], (0, 2, &[]));
    check(write, read, &[DENIED], (1, 0, &[]));
    check(read, read, &["{}", DENIED], (0, 0, &[]));
    check(read, "prompts: {}", &["{}"], (0, 1, &[]));
    check(write, "mode: shadow\ntools: {x: {scopes: [w]}}", &[DENIED], (1, 0, &[]));
    check(
        read,
        "scopes: {a: {implies: [r]}}\ntools: {x: {scopes: [a]}}",
        &["{}", r#"{"scopes":["a"]}"#],
        (1, 1, &[]),
    );
}

#[test]
fn callers_are_told_apart_and_decisions_that_another_policy_made_are_counted() {
    let [old, new] = ["r", "w"].map(|scope| format!("version: 1\ntools: {{x: {{scopes: [{scope}]}}}}\n"));
    let [old, new] = [old, new].map(|text| Policy::compile("p", &text).unwrap());
    let mut replay = Replay::new(&old, &new);
    for more in ["{}", r#"{"subject":"bob"}"#, r#"{"issuer":"j"}"#, r#"{"scopes":["w"]}"#, "{}"] {
        replay.take(&line(more));
    }
    let (kind, name, callers) = replay.moved().next().unwrap();
    assert_eq!((kind, name), (Kind::Tool, "x"));
    let told: Vec<_> = callers
        .iter()
        .map(|(caller, moved)| (caller.subject.as_str(), caller.issuer.as_deref(), moved.gained, moved.lost))
        .collect();
    // The last but one was allowed, though the old policy would have refused it.
    let expected = [("alice", Some("i"), 1, 2), ("alice", Some("j"), 0, 1), ("bob", Some("i"), 0, 1)];
    assert_eq!((told.as_slice(), replay.otherwise, replay.replayed), (expected.as_slice(), 1, 5));
}

#[test]
fn conditions_on_arguments_are_decided_where_the_arguments_were_recorded() {
    let old = "tools: {x: {scopes: [r]}}";
    let new = "tools: {x: {scopes: [r], when: args.n < 5}}";
    let unknown = "the condition of `tools.x` looks at `args`, which was not recorded";
    check(old, new, &[r#"{"arguments":{"n":4}}"#, r#"{"arguments":{"n":5}}"#], (0, 1, &[]));
    check(old, new, &["{}", r#"{"arguments":["n"]}"#], (0, 0, &[(unknown, 2)]));
    // Whoever lacks the scope is refused whatever the arguments.
    check(old, new, &[r#"{"scopes":[]}"#], (0, 0, &[]));
    // What the old condition said was recorded, and a condition that is not there asks nothing.
    let refused = r#"{"decision":"deny","reason":"condition_false"}"#;
    check(new, old, &[refused, "{}"], (1, 0, &[]));
    check(new, new, &[refused, "{}"], (0, 0, &[]));
    check(new, &new.replace("[r]", "[w]"), &[refused, "{}"], (0, 1, &[]));
    check(new, &new.replace('5', "6"), &["{}"], (0, 0, &[(unknown, 1)]));
    check(new, old, &[r#"{"rule":"tools.*"}"#], (0, 0, &[(unknown, 1)]));
    // A rule that is not enforced asks nothing of anybody.
    check(old, "tools: {x: {scopes: [r], when: args.n < 5, mode: shadow}}", &["{}"], (0, 0, &[]));
}

#[test]
fn what_a_line_does_not_have_is_named_and_never_guessed() {
    for (when, word) in [
        ("claims.sub == 'alice'", "claims"),
        ("request.time.getHours() < 5", "request.time"),
        ("request.session == ''", "request.session"),
        ("cidr('10.0.0.0/8').containsIP(request.client_address)", "request.client_address"),
        ("has(tool.annotations.readOnlyHint)", "tool.annotations"),
    ] {
        let new = format!("tools: {{x: {{scopes: [r], when: \"{when}\"}}}}");
        let unknown = format!("the condition of `tools.x` looks at `{word}`, which was not recorded");
        check("tools: {x: {scopes: [r]}}", &new, &[r#"{"arguments":{}}"#], (0, 0, &[(&unknown, 1)]));
    }
    let new = "tools: {x: {scopes: [r], when: tool.name == 'x' && request.method == 'tools/call'}}";
    check("tools: {x: {scopes: [r]}}", new, &["{}"], (0, 0, &[]));
    let (old, new) = ("tools: {x: {scopes: [r]}}", "tools: {x: {scopes: [w]}}");
    let scopes: Vec<String> = (0..64).map(|number| format!("s{number}")).collect();
    let many = serde_json::json!({ "scopes": scopes }).to_string();
    let cut = "names or scopes were cut when they were recorded";
    check(old, new, &[&many, r#"{"name":"x…"}"#], (0, 0, &[(cut, 2)]));
    check(old, new, &[r#"{"method":null}"#], (0, 0, &[("the method was not recorded", 1)]));
    let several = "the line names only one of the resources that may have been asked for";
    let listen = r#"{"method":"subscriptions/listen","kind":"resource","name":"x:a"}"#;
    check(old, new, &[listen], (0, 0, &[(several, 1)]));
    check(old, new, &[r#"{"kind":"base"}"#, r#"{"decision":"maybe"}"#], (0, 0, &[]));
}

#[test]
fn methods_and_tasks_are_judged_as_the_judge_judges_them() {
    let named = "methods: {logging/setLevel: {scopes: [log]}, x-acme/run: {scopes: [r]}, tasks/get: {scopes: [t]}}\ntools: {x: {scopes: [r]}}";
    let method = |name: &str| format!(r#"{{"method":"{name}","kind":"method","name":"{name}"}}"#);
    let unnamed = "tools: {x: {scopes: [r]}}";
    check(unnamed, named, &[&method("logging/setLevel")], (0, 1, &[]));
    check(named, unnamed, &[&method("x-acme/run"), &method("logging/setLevel")], (1, 1, &[]));
    // Whoever may not use the tool any more loses its tasks, and so does who lacks the scope of the method.
    let task = r#"{"method":"tasks/get"}"#;
    check(unnamed, named, &[task], (0, 1, &[]));
    check(unnamed, "tools: {x: {scopes: [w]}}", &[task], (0, 1, &[]));
    check(unnamed, "tools: {x: {scopes: [r], when: args.n == 1}}", &[task], (0, 0, &[]));
    check(
        unnamed,
        named,
        &[&method("tasks/get")],
        (0, 0, &[("about a task, and what made it was not recorded", 1)]),
    );
}
