use std::fs;
use std::path::Path;

use serde_json::Value;

use super::super::Policy;
use super::super::shape::ALL;
use super::*;

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(&schema()).unwrap()).unwrap()
}

/// The document as an editor sees it.
fn value(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).unwrap()
}

#[test]
fn the_file_beside_the_sample_is_what_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy/schema.json");
    let file = fs::read_to_string(path).unwrap_or_default();
    assert!(file == schema(), "write it anew: toolgate policy schema > policy/schema.json");
}

/// The properties of every mapping with fixed keys in a schema.
fn properties(schema: &Value, found: &mut Vec<Vec<String>>) {
    if let Some(properties) =
        schema.get("properties").filter(|_| schema["additionalProperties"] == Value::Bool(false))
    {
        let mut names: Vec<String> = properties.as_object().unwrap().keys().cloned().collect();
        names.sort();
        found.push(names);
    }
    match schema {
        Value::Object(entries) => entries.values().for_each(|value| properties(value, found)),
        Value::Array(items) => items.iter().for_each(|value| properties(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_mapping_has_the_keys_that_the_loader_knows_and_no_others() {
    let mut found = Vec::new();
    properties(&serde_json::from_str(&schema()).unwrap(), &mut found);
    for names in &found {
        assert!(
            ALL.iter().any(|shape| sorted(shape) == *names),
            "the loader knows no mapping with the keys {names:?}"
        );
    }
    for shape in ALL {
        assert!(found.contains(&sorted(shape)), "the schema has no {}", shape.name);
        for key in shape.keys {
            assert!(
                key.says.ends_with('.'),
                "an editor should tell what `{}` of a {} is for",
                key.name,
                shape.name
            );
        }
    }
}

fn sorted(shape: &Shape) -> Vec<String> {
    let mut names: Vec<String> = shape.names().into_iter().map(ToOwned::to_owned).collect();
    names.sort();
    names
}

#[test]
fn every_policy_of_the_book_is_valid() {
    let validator = validator();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut samples =
        vec![("sample.yaml".to_owned(), fs::read_to_string(root.join("policy/sample.yaml")).unwrap())];
    let book = fs::read_dir(root.join("docs/src")).unwrap().map(|entry| entry.unwrap().path());
    let chapters = book.filter(|path| path.is_file());
    for path in chapters.chain([root.join("README.md")]) {
        let page = fs::read_to_string(&path).unwrap();
        for block in page.split("\n```yaml").skip(1) {
            let (_, block) = block.split_once('\n').unwrap();
            let block = block.split("\n```").next().unwrap();
            if block.contains("version: 1\n") {
                samples.push((path.display().to_string(), block.to_owned()));
            }
        }
    }
    assert!(samples.len() > 15, "only {} policies were found", samples.len());
    for (name, sample) in &samples {
        let is_policy = Policy::compile(name, sample).map(|_| ());
        if is_policy.is_ok() {
            let errors: Vec<String> =
                validator.iter_errors(&value(sample)).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}\n{sample}");
        }
    }
}

/// Both refuse it.
#[track_caller]
fn refused(yaml: &str) {
    assert!(Policy::compile("p", yaml).is_err(), "the loader takes\n{yaml}");
    assert!(!validator().is_valid(&value(yaml)), "the schema takes\n{yaml}");
}

#[test]
fn what_is_flawed_is_refused_by_both() {
    let rules = [
        "{}",
        "{scope: [a]}",
        "{scopes: a}",
        "{scopes: [a, a]}",
        "{scopes: ['a b']}",
        "{scopes: [1]}",
        "{scopes: ['']}",
        "{scopes:}",
        "{any_of: []}",
        "{any_of: [[]]}",
        "{any_of: [a]}",
        "{deny: false}",
        "{deny: yes it does}",
        "{deny: true, scopes: []}",
        "{deny: true, any_of: [[a]]}",
        "{deny: true, when: 'true'}",
        "{deny: true, rate_limit: {requests: 1, per: 1m}}",
        "{deny: true, on_deny: challenge}",
        "{scopes: [], on_deny: Hide}",
        "{scopes: [], on_deny: }",
        "{scopes: [], mode: off}",
        "{scopes: [], when: [a]}",
        "{scopes: [], when: 7}",
        "{scopes: [], rate_limit: 10}",
        "{scopes: [], rate_limit: {requests: 10}}",
        "{scopes: [], rate_limit: {per: 1m}}",
        "{scopes: [], rate_limit: {requests: 0, per: 1m}}",
        "{scopes: [], rate_limit: {requests: 1000001, per: 1m}}",
        "{scopes: [], rate_limit: {requests: many, per: 1m}}",
        "{scopes: [], rate_limit: {requests: 10, per: 1 m}}",
        "{scopes: [], rate_limit: {requests: 10, per: 0m}}",
        "{scopes: [], rate_limit: {requests: 10, per: 1m, by: user}}",
        "{scopes: [], rate_limit: {requests: 10, per: 1m, burst: 2}}",
        "[a]",
        "a",
    ];
    for rule in rules {
        refused(&format!("version: 1\ntools: {{t: {rule}}}\n"));
    }
    for name in ["''", "'a**b'", "\"a\\tb\"", &"n".repeat(257)] {
        refused(&format!("version: 1\ntools: {{{name}: {{scopes: []}}}}\n"));
    }
    for method in ["tools/call", "resources/read", "ping", "notifications/cancelled", "'*'", "'?x'"] {
        refused(&format!("version: 1\nmethods: {{{method}: {{scopes: []}}}}\n"));
    }
    refused("version: 1\nresources: {'a:***': {scopes: []}}\n");
    for section in ["tools", "prompts", "resources", "methods", "scopes"] {
        refused(&format!("version: 1\n{section}: [a]\n"));
        refused(&format!("version: 1\n{section}:\n"));
    }
    for hierarchy in ["{a: [b]}", "{a: {implies: b}}", "{a: {impl: [b]}}", "{'a b': {}}", "{a: }"] {
        refused(&format!("version: 1\nscopes: {hierarchy}\n"));
    }
    for whole in
        ["tools: {}", "version: 2", "version: '1'", "version: [1]", "version: 1\ntool: {}", "version: 1\nmode: of"]
    {
        refused(whole);
    }
    refused("[version]");
}

#[test]
fn a_flawed_test_is_refused_by_both() {
    let tests = [
        "{}",
        "{name: n, call: {tool: a}, expect: deny}",
        "{token: {}, call: {tool: a}, expect: deny}",
        "{name: n, token: {}}",
        "{name: n, token: {}, call: {tool: a}}",
        "{name: n, token: {}, expect: deny}",
        "{name: n, token: {}, tools: {visible: [a]}, request: {session: s}}",
        "{name: n, token: {}, tools: [a]}",
        "{name: n, token: {}, tools: {seen: [a]}}",
        "{name: n, token: {}, tools: {visible: a}}",
        "{name: n, token: {}, methods: {visible: [a]}}",
        "{name: n, token: {scopes: [a]}, call: {tool: a}, expect: deny}",
        "{name: n, token: {scp: a}, call: {tool: a}, expect: deny}",
        "{name: n, token: {scope: [a]}, call: {tool: a}, expect: deny}",
        "{name: n, token: alice, call: {tool: a}, expect: deny}",
        "{name: n, token: {}, call: a, expect: deny}",
        "{name: n, token: {}, call: {}, expect: deny}",
        "{name: n, token: {}, call: {tool: a, prompt: b}, expect: deny}",
        "{name: n, token: {}, call: {tool: a, args: [1]}, expect: deny}",
        "{name: n, token: {}, call: {tool: a, annotations: x}, expect: deny}",
        "{name: n, token: {}, call: {tool: a}, expect: refuse}",
        "{name: n, token: {}, call: {tool: a}, expect: {reason: no_rule}}",
        "{name: n, token: {}, call: {tool: a}, expect: {decision: deny, reason: because}}",
        "{name: n, token: {}, call: {tool: a}, expect: {decision: allow, reason: no_rule}}",
        "{name: n, token: {}, call: {tool: a}, expect: {decision: allow, scopes: [a]}}",
        "{name: n, token: {}, call: {tool: a}, expect: deny, request: {ip: a}}",
        "{name: n, token: {}, call: {tool: a}, expect: deny, request: {time: noon}}",
        "a",
    ];
    for test in tests {
        refused(&format!("version: 1\ntests:\n  - {test}\n"));
    }
    refused("version: 1\ntests: {a: b}\n");
}

/// All ways to say two keys of a rule, well and badly.
#[test]
fn what_the_loader_takes_the_schema_takes() {
    const VALUES: [(&str, &[&str]); 7] = [
        ("scopes", &["[]", "[a]", "[a, 'b:c']", "a", "{}"]),
        ("any_of", &["[[a]]", "[[a], [b, c]]", "[]", "[a]"]),
        ("deny", &["true", "false", "'true'", "yes"]),
        ("on_deny", &["challenge", "explain", "'hide'", "none"]),
        ("when", &["true", "'true'", "\"claims.sub == 'a'\"", "args.a < 3", "1", "[a]"]),
        ("mode", &["enforce", "shadow", "on"]),
        (
            "rate_limit",
            &["{requests: 3, per: 1d}", "{requests: 007, per: 010s, by: tool}", "{requests: 3, per: 2d}"],
        ),
    ];
    assert!(VALUES.iter().map(|(key, _)| *key).eq(RULE.names()));
    let (validator, mut taken) = (validator(), 0);
    let said: Vec<String> =
        VALUES.iter().flat_map(|(key, values)| values.iter().map(move |value| format!("{key}: {value}"))).collect();
    for (at, one) in said.iter().enumerate() {
        for two in &said[at..] {
            let key = |said: &str| said.split(':').next().unwrap_or_default().to_owned();
            let both = if key(one) == key(two) { one.clone() } else { format!("{one}, {two}") };
            let yaml = format!("version: 1\ntools: {{t: {{{both}}}}}\n");
            if Policy::compile("p", &yaml).is_ok() {
                taken += 1;
                assert!(validator.is_valid(&value(&yaml)), "the schema refuses\n{yaml}");
            }
        }
    }
    assert!(taken > 50, "the loader took only {taken}");
}
