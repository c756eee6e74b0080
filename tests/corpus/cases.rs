//! The cases of messages.json.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// A malformed, ambiguous or unusual message, and what must become of it. Told in docs/src/corpus.md.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) era: Era,
    #[expect(dead_code, reason = "no session is needed where the upstream is a script")]
    session: bool,
    pub(crate) headers: Vec<(String, String)>,
    body: Option<String>,
    body_base64: Option<String>,
    pub(crate) reads: Option<Reads>,
    #[expect(dead_code, reason = "for people")]
    lenient: String,
    pub(crate) http: Option<Http>,
    pub(crate) expect: Expect,
}

/// For which revisions statuses and codes are.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// What a reader must have understood.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reads {
    pub(crate) method: String,
    pub(crate) name: Option<String>,
    pub(crate) id: Value,
}

/// Where the request is not a POST of the body, with its length, to the endpoint.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) method: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) framing: Option<String>,
}

/// What must become of it.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub(crate) enum Expect {
    Refused { refusal: String, status: u16, code: i64 },
    Forwarded { forwarded: bool },
}

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        let cases: Vec<Self> = serde_json::from_str(include_str!("messages.json")).unwrap();
        assert!(cases.len() > 800, "{} cases", cases.len());
        cases
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        match (&self.body, &self.body_base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(encoded)) => STANDARD.decode(encoded).unwrap(),
            other => panic!("{}: {other:?}", self.name),
        }
    }
}
