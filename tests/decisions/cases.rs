//! The cases of policy/cases/. Their form is told in policy/cases/README.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A policy, and what becomes of calls under it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sheet {
    #[serde(skip)]
    pub(crate) file: String,
    #[expect(dead_code, reason = "for people")]
    about: String,
    pub(crate) policy: String,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, Value>,
    pub(crate) cases: Vec<Case>,
}

/// One call, or several of which the last counts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) scopes: String,
    #[serde(default)]
    pub(crate) claims: Map<String, Value>,
    pub(crate) call: Call,
    pub(crate) times: Option<usize>,
    pub(crate) listed: Option<bool>,
    pub(crate) expect: Expect,
}

/// What is called: exactly one of the four.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    tool: Option<String>,
    prompt: Option<String>,
    resource: Option<String>,
    method: Option<String>,
    args: Option<Value>,
}

/// What must become of it.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    pub(crate) allow: Option<String>,
    pub(crate) would_deny: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) rule: Option<String>,
    #[serde(default)]
    pub(crate) needs: BTreeSet<String>,
    pub(crate) status: Option<u16>,
}

/// What did become of it, in the words of the cases.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Became {
    pub(crate) is_allowed: bool,
    pub(crate) reason: Option<String>,
    pub(crate) would_deny: Option<String>,
    pub(crate) rule: Option<String>,
    pub(crate) needs: BTreeSet<String>,
    pub(crate) status: u16,
    pub(crate) code: Option<i64>,
}

impl Sheet {
    /// All sheets, by file.
    pub(crate) fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy/cases");
        let mut sheets = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|name| name == "README.md") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let sheet: Self =
                serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            sheets.push(Self { file: path.file_name().unwrap().to_string_lossy().into_owned(), ..sheet });
        }
        sheets.sort_by(|one, two| one.file.cmp(&two.file));
        let cases: usize = sheets.iter().map(|sheet| sheet.cases.len()).sum();
        assert!(cases > 100, "{cases} cases");
        sheets
    }

    /// What the server says of a tool.
    pub(crate) fn annotations_of(&self, tool: &str) -> Value {
        self.annotations.get(tool).cloned().unwrap_or_else(|| json!({}))
    }
}

impl Case {
    /// The claims of the caller's token besides those that every token has.
    pub(crate) fn claims(&self) -> Value {
        let mut claims = json!({"sub": "alice", "scope": self.scopes});
        claims.as_object_mut().unwrap().extend(self.claims.clone());
        claims
    }

    /// The message that is sent.
    pub(crate) fn body(&self) -> String {
        let (kind, name) = self.call.thing();
        let (method, mut params) = match kind {
            "tool" => ("tools/call", json!({"name": name})),
            "prompt" => ("prompts/get", json!({"name": name})),
            "resource" => ("resources/read", json!({"uri": name})),
            _ => (name, json!({})),
        };
        if let Some(args) = &self.call.args {
            params["arguments"] = args.clone();
        }
        json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string()
    }

    /// What is not as expected.
    pub(crate) fn flaw(&self, sheet: &Sheet, became: &Became) -> Option<String> {
        let Expect { allow, would_deny, refusal, reason, rule, needs, status } = &self.expect;
        let expected = match (allow, refusal) {
            (Some(rule), None) => {
                assert!(reason.is_none() && self.expect.rule.is_none() && status.is_none(), "{}", self.name);
                let rule = Some(rule.clone()).filter(|rule| rule != "none");
                let (is_allowed, would_deny) = (true, would_deny.clone());
                Became { is_allowed, would_deny, rule, status: 200, ..Became::default() }
            }
            (None, Some(word)) => {
                let refusal = toolgate::refusal::Refusal::ALL.iter().find(|refusal| refusal.word() == word);
                let code =
                    refusal.unwrap_or_else(|| panic!("{word} is no refusal")).code(toolgate::refusal::Era::Legacy);
                assert!(reason.is_some() && would_deny.is_none(), "{}", self.name);
                Became {
                    is_allowed: false,
                    reason: reason.clone(),
                    would_deny: None,
                    rule: rule.clone(),
                    needs: needs.clone(),
                    status: status.unwrap(),
                    code: Some(code.into()),
                }
            }
            _ => panic!("{}: one of `allow` and `refusal`", self.name),
        };
        (expected != *became).then(|| format!("{}: {}: {became:?}, not {expected:?}", sheet.file, self.name))
    }
}

impl Call {
    /// Kind and name.
    pub(crate) fn thing(&self) -> (&'static str, &str) {
        let named = [
            ("tool", &self.tool),
            ("prompt", &self.prompt),
            ("resource", &self.resource),
            ("method", &self.method),
        ];
        let mut named = named.into_iter().filter_map(|(kind, name)| Some((kind, name.as_deref()?)));
        let (first, second) = (named.next(), named.next());
        assert!(second.is_none(), "{self:?}");
        first.unwrap()
    }
}
