//! The fixtures, as the file beside this one says them.

use std::{collections::BTreeMap, io};

use rmcp::{
    ErrorData,
    model::{
        ContentBlock, ElicitationSchema, InputRequest, JsonObject, Prompt, PromptMessage, Resource,
        ResourceContents, ResourceTemplate, Tool,
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Everything the server has.
#[derive(Debug, Deserialize)]
pub(super) struct Fixtures {
    pub(super) tools: Vec<Tool>,
    /// Those that become tasks, or belong to these.
    task_tools: Vec<Tool>,
    pub(super) prompts: Vec<Prompt>,
    pub(super) resources: Vec<Resource>,
    pub(super) templates: Vec<ResourceTemplate>,
    /// What tools answer that do nothing else.
    pub(super) contents: BTreeMap<String, Vec<ContentBlock>>,
    /// What tools ask the user for.
    pub(super) forms: BTreeMap<String, ElicitationSchema>,
    /// What can be asked of a client, by key.
    pub(super) inputs: BTreeMap<String, InputRequest>,
    /// What tools and prompts ask for before they answer.
    pub(super) rounds: BTreeMap<String, Rounds>,
    messages: BTreeMap<String, Value>,
    reads: BTreeMap<String, JsonObject>,
}

/// MCP 2026-07-28, basic/patterns/mrtr: what is needed, round by round.
#[derive(Debug, Deserialize)]
pub(super) struct Rounds {
    /// The keys of the inputs of each round.
    pub(super) needs: Vec<Vec<String>>,
    /// Whether clients have to bring back a state that they cannot write themselves.
    pub(super) sealed: bool,
}

impl Fixtures {
    /// Those in the program.
    pub(super) fn built_in() -> io::Result<Self> {
        let mut fixtures: Self = serde_json::from_str(include_str!("fixtures.json")).map_err(io::Error::other)?;
        fixtures.tools.append(&mut fixtures.task_tools);
        Ok(fixtures)
    }

    /// The messages of a prompt, with the arguments in their places.
    pub(super) fn messages(&self, prompt: &str, arguments: &JsonObject) -> Result<Vec<PromptMessage>, ErrorData> {
        let Some(messages) = self.messages.get(prompt) else {
            return Err(ErrorData::invalid_params(format!("Unknown prompt: {prompt}"), None));
        };
        let given = arguments.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        typed(filled(messages.clone(), &given.collect::<Vec<_>>()))
    }

    /// The contents of the resource that `uri` names, itself or by the one variable of a template.
    pub(super) fn read(&self, uri: &str) -> Result<ResourceContents, ErrorData> {
        let found = self.reads.iter().find_map(|(name, contents)| match name.split_once("{id}") {
            Some((before, after)) => {
                let id = uri.strip_prefix(before)?.strip_suffix(after)?;
                Some((contents, id))
            }
            None => (name == uri).then_some((contents, "")),
        });
        let Some((contents, id)) = found else {
            return Err(ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": uri }))));
        };
        let mut contents = contents.clone();
        contents.insert("uri".to_owned(), json!(uri));
        typed(filled(Value::Object(contents), &[("id", id)]))
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// The same value with `{name}` in its strings replaced by what is given for `name`.
fn filled(value: Value, given: &[(&str, &str)]) -> Value {
    match value {
        Value::String(text) => Value::String(
            given.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), value)),
        ),
        Value::Array(elements) => elements.into_iter().map(|element| filled(element, given)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, member)| (key, filled(member, given))).collect::<JsonObject>().into()
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_can_be_had() {
        let fixtures = Fixtures::built_in().unwrap();
        let arguments = json!({"arg1": "a", "arg2": "b", "resourceUri": "x:y"});
        for prompt in &fixtures.prompts {
            let messages = fixtures.messages(&prompt.name, arguments.as_object().unwrap()).unwrap();
            let text = serde_json::to_string(&messages).unwrap();
            assert!(!text.contains("{arg") && !text.contains("{resourceUri}"), "{text}");
        }
        for resource in &fixtures.resources {
            fixtures.read(&resource.uri).unwrap();
        }
        let text = serde_json::to_string(&fixtures.read("test://template/7/data").unwrap()).unwrap();
        assert!(text.contains("test://template/7/data") && !text.contains("{id}"), "{text}");
        assert!(fixtures.read("test://template/7").is_err());
        assert!(fixtures.messages("nothing", &JsonObject::new()).is_err());
    }

    #[test]
    fn every_key_that_is_asked_for_has_a_request() {
        let fixtures = Fixtures::built_in().unwrap();
        for (name, rounds) in &fixtures.rounds {
            let is_listed = fixtures.tools.iter().any(|tool| tool.name == *name)
                || fixtures.prompts.iter().any(|prompt| prompt.name == *name);
            assert!(is_listed, "{name}");
            assert!(rounds.needs.iter().flatten().all(|key| fixtures.inputs.contains_key(key)), "{name}");
        }
    }
}
