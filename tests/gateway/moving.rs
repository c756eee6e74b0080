//! The commands that read the rules of other gateways and write them: `policy import`, `policy export`, `policy schema`.

use std::path::Path;

use crate::survey::policy;

const RULES: &str = "mcpAuthorization:
  rules:
    - 'mcp.tool.name == \"echo\"'
    - 'mcp.tool.name == \"x\" && request.path == \"/\"'
";

fn written(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_is_imported_is_a_policy_and_what_is_lost_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let source = written(&folder, "config.yaml", RULES);
    let (code, out, err) = policy(&["import", "--from", "agentgateway", &source]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains(&format!("{source}:4: not understood: toolgate does not know `request`")), "{err}");
    assert!(err.ends_with("1 rule; 1 thing left out or stricter\n"), "{err}");
    let imported = written(&folder, "policy.yaml", &out);
    let (code, _, err) = policy(&["check", &imported]);
    assert_eq!(code, 0, "{err}\n{out}");
    let (_, out, _) = policy(&["what", &imported]);
    assert!(out.contains("tool echo"), "{out}");
}

#[test]
fn nothing_is_printed_where_nothing_can_be_said() {
    let folder = tempfile::tempdir().unwrap();
    for (text, told) in [
        ("", ":1:1: the configuration is empty"),
        ("mcpAuthorization: {rules: []}\n", ":1:1: there are no rules"),
        ("mcpAuthorization:\n  rules:\n    - deny: request.path\n", "none is printed"),
    ] {
        let source = written(&folder, "config.yaml", text);
        let (code, out, err) = policy(&["import", "--from", "agentgateway", &source]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(told), "{err}");
    }
    let absent = folder.path().join("absent");
    let (code, out, _) = policy(&["import", "--from", "envoy-ai-gateway", absent.to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (1, ""));
    let (code, ..) = policy(&["import", "--from", "nginx", "a"]);
    assert_eq!(code, 64);
}

#[test]
fn a_policy_becomes_a_resource() {
    let folder = tempfile::tempdir().unwrap();
    let source = written(&folder, "policy.yaml", "version: 1\ntools: {a: {scopes: [r]}, 'b*': {scopes: []}}\n");
    let export = |rest: &[&str]| {
        let all = ["export", "--to", "x-access-policy", &source, "--name", "p", "--target", "backend/b"];
        policy(&[&all[..], rest].concat())
    };
    let (code, out, err) = export(&["--caller", "r=serviceaccount:agents/reader"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains(&format!("{source}:2: `tools.b*` is left out")), "{err}");
    assert!(out.contains("params: [\"a\"]"), "{out}");
    let (code, out, err) = export(&["--caller", "other=serviceaccount:agents/reader"]);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    let (code, out, err) = export(&["--caller", "r=reader"]);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    let (code, ..) = export(&[]);
    assert_eq!(code, 64);
}

#[test]
fn the_schema_that_is_printed_stands_beside_the_sample() {
    let (code, out, _) = policy(&["schema"]);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy/schema.json");
    assert!(code == 0 && out == std::fs::read_to_string(file).unwrap());
}
