//! The cases of policy/cases/ through the running gateway, and what its lists show.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::decisions::{Became, Case, Sheet};
use crate::support::gateway::Setup;
use crate::support::tokens::{signed, with};
use crate::support::upstream::{Request, Step, fine, json as answer};
use crate::support::{Ask, Gateway, Response, Upstream, eventually, request};

/// What the cases of the sheet name of one kind.
fn names(sheet: &Sheet, kind: &str) -> BTreeSet<String> {
    let things = sheet.cases.iter().map(|case| case.call.thing());
    things.filter(|thing| thing.0 == kind).map(|thing| thing.1.to_owned()).collect()
}

/// A server that has all that the cases of the sheet name.
fn upstream(sheet: &Sheet) -> Upstream {
    let tools: Vec<Value> = names(sheet, "tool")
        .iter()
        .map(|name| json!({"name": name, "inputSchema": {}, "annotations": sheet.annotations_of(name)}))
        .collect();
    let prompts: Vec<Value> = names(sheet, "prompt").iter().map(|name| json!({"name": name})).collect();
    let resources: Vec<Value> =
        names(sheet, "resource").iter().map(|uri| json!({"uri": uri, "name": "x"})).collect();
    let lists = json!({"tools/list": {"tools": tools}, "prompts/list": {"prompts": prompts},
        "resources/list": {"resources": resources}});
    Upstream::new(move |request: &Request| -> Vec<Step> {
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match lists.get(message["method"].as_str().unwrap_or_default()) {
            Some(list) => answer(&json!({"jsonrpc": "2.0", "id": message["id"], "result": list}).to_string()),
            None => fine(request),
        }
    })
}

/// A gateway under the policy of the sheet, and how many lines its audit has.
struct Stage {
    gateway: Gateway,
    lines: usize,
}

impl Stage {
    fn new(sheet: &Sheet, upstream: &Upstream) -> Self {
        let setup = Setup::before(upstream);
        let policy = setup.file("policy.yaml", &sheet.policy);
        let audit = setup.folder().join("audit.jsonl");
        let setup = setup
            .arg("--policy", policy.to_str().unwrap())
            .arg("--audit-file", audit.to_str().unwrap())
            .arg("--allow-policy-shadow", "true");
        Self { gateway: setup.start(), lines: 0 }
    }

    /// The answer to a request, and its audit line.
    fn ask(&mut self, token: &str, body: &str) -> (Response, Value) {
        let response = self.gateway.ask(&Ask::post(token, body));
        let audit = self.gateway.folder.path().join("audit.jsonl");
        let at = self.lines;
        self.lines += 1;
        let line = eventually("an audit line", || {
            let text = std::fs::read_to_string(&audit).ok()?;
            serde_json::from_str(text.lines().nth(at)?).ok()
        });
        (response, line)
    }

    /// The names in a list, as the caller gets it.
    fn list(&mut self, token: &str, kind: &str) -> BTreeSet<String> {
        let (response, _) = self.ask(token, &request("1", &format!("{kind}s/list"), "{}"));
        let name = if kind == "resource" { "uri" } else { "name" };
        let answer = response.json();
        let list = answer["result"][format!("{kind}s")].as_array().unwrap();
        list.iter().map(|element| element[name].as_str().unwrap().to_owned()).collect()
    }
}

/// What became of a call, as the caller and the operator are told.
fn became(response: &Response, line: &Value) -> Became {
    let text = |name: &str| line.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    let is_allowed = line["decision"] == "allow";
    assert_eq!(response.json().get("error").is_none(), is_allowed, "{line}");
    let challenge = response.header("WWW-Authenticate").unwrap_or_default();
    let scopes = challenge.split_once("scope=\"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
    Became {
        is_allowed,
        reason: text("reason").filter(|_| !is_allowed),
        would_deny: text("would_deny"),
        rule: text("rule"),
        needs: scopes.split_ascii_whitespace().map(ToOwned::to_owned).collect(),
        status: response.status,
        code: response.json()["error"]["code"].as_i64(),
    }
}

fn check(sheet: &Sheet, case: &Case, stage: &mut Stage) -> Vec<String> {
    let mut wrong = Vec::new();
    let (token, (kind, name)) = (signed(&with(case.claims())), case.call.thing());
    if let Some(listed) = case.listed
        && listed != stage.list(&token, kind).contains(name)
    {
        wrong.push(format!("{}: {}: not listed as expected", sheet.file, case.name));
    }
    let told = (0..case.times.unwrap_or(1)).map(|_| stage.ask(&token, &case.body())).last();
    let (response, line) = told.unwrap();
    wrong.extend(case.flaw(sheet, &became(&response, &line)));
    wrong
}

#[test]
fn each_case_becomes_what_is_expected_through_the_gateway() {
    let mut wrong = Vec::new();
    for sheet in Sheet::all() {
        let upstream = upstream(&sheet);
        let mut stage = Stage::new(&sheet, &upstream);
        // The gateway has seen what there is.
        let token = signed(&with(json!({})));
        ["tool", "prompt", "resource"].iter().for_each(|kind| drop(stage.list(&token, kind)));
        for case in &sheet.cases {
            wrong.extend(check(&sheet, case, &mut stage));
        }
        stage.gateway.is_well();
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}
