//! A strict reader of messages made of serde_json, to compare the recogniser with. It shares no code with it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object, each value as written; an object with the same key twice is none.
pub(super) struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    if members.insert(key, value).is_some() {
                        return Err(A::Error::custom("a key twice"));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

impl<'a> Members<'a> {
    /// The document, if it is an object in whose depths no key stands twice.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let members: Self = serde_json::from_str(text).ok()?;
        members.0.values().all(|value| is_strict(value.get())).then_some(members)
    }

    /// A member as written.
    pub(super) fn raw(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|value| value.get())
    }

    /// A member that is a string.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.raw(key)?).ok()
    }

    /// A member that is an object.
    pub(super) fn members(&self, key: &str) -> Option<Self> {
        serde_json::from_str(self.raw(key)?).ok()
    }
}

/// Whether no object within has the same key twice.
fn is_strict(value: &str) -> bool {
    match value.as_bytes().first() {
        Some(b'{') => Members::of(value).is_some(),
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(value)
            .is_ok_and(|elements| elements.iter().all(|element| is_strict(element.get()))),
        _ => true,
    }
}

/// What a message is about, as this reader has it: what its method names in its parameters.
pub(super) fn names(method: &str, message: &Members<'_>) -> Vec<String> {
    let Some(params) = message.members("params") else { return Vec::new() };
    let one = |name: Option<String>| name.into_iter().collect();
    let all = |of: &Members<'_>, key: &str| -> Vec<String> {
        of.raw(key).and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default()
    };
    match method {
        "tools/call" | "prompts/get" => one(params.text("name")),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => one(params.text("uri")),
        "completion/complete" => one(params.members("ref").and_then(|of| match of.text("type")?.as_str() {
            "ref/prompt" => of.text("name"),
            _ => of.text("uri"),
        })),
        "subscriptions/listen" => params
            .members("notifications")
            .map_or_else(Vec::new, |of| [all(&of, "resourceSubscriptions"), all(&of, "taskIds")].concat()),
        _ => Vec::new(),
    }
}
