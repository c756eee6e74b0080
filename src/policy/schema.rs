//! The JSON Schema of the policy format (draft-07, which all editors read), made from the tables of the loader.
//!
//! What it refuses, the loader refuses. The loader is stricter in what a schema cannot say: patterns that are equally
//! specific or hidden by `deny`, conditions, text that YAML may read as something else, circles of scopes, the values
//! of tests.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::compile::RESERVED_METHODS;
use super::scope::LONGEST_LIST;
use super::selftest::NO_CLAIMS;
use super::shape::{Bound, Form, POLICY, RULE, SCOPE, Shape};
use super::{Kind, LONGEST_NAME};

/// A schema or a part of one; keys stay in their order.
#[derive(Debug, Clone)]
enum Part {
    Bool(bool),
    Number(usize),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(&'static str, Self)>),
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => items.serialize(serializer),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}

/// The schema as JSON text, with a line break at its end.
#[must_use]
pub fn schema() -> String {
    let Part::Map(policy) = mapping(&POLICY) else { return String::new() };
    let mut whole = vec![
        ("$schema", text("http://json-schema.org/draft-07/schema#")),
        ("title", text("toolgate policy")),
        (
            "description",
            text("Who may use which tool, prompt and resource of an MCP server. What no rule names is refused."),
        ),
    ];
    whole.extend(policy);
    whole
        .push(("definitions", Part::Map(vec![("rule", mapping(&RULE)), ("scope", scope()), ("scopes", scopes())])));
    // INVARIANT: writing to memory what has only texts for keys cannot fail.
    let mut json = serde_json::to_string_pretty(&Part::Map(whole)).unwrap_or_default();
    json.push('\n');
    json
}

fn mapping(shape: &Shape) -> Part {
    let mut schema = vec![("type", text("object"))];
    let needed =
        shape.bounds.iter().find_map(|bound| if let Bound::Needs(keys) = bound { Some(*keys) } else { None });
    schema.extend(needed.map(|keys| ("required", texts(keys))));
    let properties = shape.keys.iter().map(|key| {
        let mut property = vec![("description", text(key.says))];
        match form(key.form) {
            // Beside a reference nothing else counts.
            Part::Map(form) if matches!(form.first(), Some(("$ref", _))) => {
                property.push(("allOf", Part::List(vec![Part::Map(form)])));
            }
            Part::Map(form) => property.extend(form),
            Part::Bool(_) | Part::Number(_) | Part::Text(_) | Part::List(_) => {}
        }
        (key.name, Part::Map(property))
    });
    schema.push(("properties", Part::Map(properties.collect())));
    schema.push(("additionalProperties", Part::Bool(false)));
    let bounds: Vec<Part> = shape.bounds.iter().filter_map(bound).collect();
    if !bounds.is_empty() {
        schema.push(("allOf", Part::List(bounds)));
    }
    Part::Map(schema)
}

fn bound(bound: &Bound) -> Option<Part> {
    let any = |word, keys: &'static [&'static str]| {
        let each = keys.iter().map(|key| one("required", texts(&[key])));
        one(word, Part::List(each.collect()))
    };
    let if_there = |key, then| one("dependencies", Part::Map(vec![(key, then)]));
    match *bound {
        Bound::Needs(_) => None,
        Bound::NeedsSome(keys) => Some(any("anyOf", keys)),
        Bound::NeedsOne(keys) => Some(any("oneOf", keys)),
        Bound::With(key, other) => Some(if_there(key, texts(&[other]))),
        Bound::Without(key, others) => Some(if_there(key, one("not", any("anyOf", others)))),
        Bound::Narrows(key, other, words) => {
            let narrowed = Part::Map(vec![(other, one("enum", texts(words)))]);
            Some(if_there(key, one("properties", narrowed)))
        }
    }
}

fn form(form: Form) -> Part {
    match form {
        Form::One => one("const", Part::Number(1)),
        Form::True => one("const", Part::Bool(true)),
        Form::Word(words) => one("enum", texts(words)),
        Form::Text => typed("string", []),
        Form::TextLike(pattern) => typed("string", [("pattern", text(pattern))]),
        // YAML reads the conditions `true` and `false` as what they mean.
        Form::Condition => one("type", texts(&["string", "boolean"])),
        Form::Count(most) => {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            typed("integer", [("minimum", Part::Number(1)), ("maximum", Part::Number(most))])
        }
        Form::Texts => typed("array", [("items", typed("string", []))]),
        Form::Scopes => refer("#/definitions/scopes"),
        Form::Alternatives => {
            let alternative = Part::Map(vec![
                ("allOf", Part::List(vec![refer("#/definitions/scopes")])),
                ("minItems", Part::Number(1)),
            ]);
            let bounds = [("minItems", Part::Number(1)), ("maxItems", Part::Number(LONGEST_LIST))];
            typed("array", std::iter::once(("items", alternative)).chain(bounds))
        }
        Form::Object => typed("object", []),
        Form::Claims => claims(),
        Form::Hierarchy => {
            let names = ("propertyNames", refer("#/definitions/scope"));
            typed("object", [names, ("additionalProperties", mapping(&SCOPE))])
        }
        Form::Rules(kind) => {
            typed("object", [("propertyNames", name(kind)), ("additionalProperties", refer("#/definitions/rule"))])
        }
        Form::Mapping(shape) => mapping(shape),
        Form::List(shape) => typed("array", [("items", mapping(shape))]),
        Form::WordOr(words, shape) => one("anyOf", Part::List(vec![one("enum", texts(words)), mapping(shape)])),
    }
}

fn claims() -> Part {
    let texts_of = ["sub", "scope"].map(|claim| (claim, typed("string", [])));
    let names = one("not", one("enum", texts(&NO_CLAIMS)));
    typed("object", [("properties", Part::Map(texts_of.into())), ("propertyNames", names)])
}

/// A scope token (RFC 6749, section 3.3).
fn scope() -> Part {
    typed("string", [("pattern", text(r"^[!#-\[\]-~]+$")), ("maxLength", Part::Number(LONGEST_NAME))])
}

fn scopes() -> Part {
    let items = ("items", refer("#/definitions/scope"));
    typed("array", [items, ("maxItems", Part::Number(LONGEST_LIST)), ("uniqueItems", Part::Bool(true))])
}

/// What a rule of this kind can be about. A schema counts characters, the loader bytes: no name is longer than these.
fn name(kind: Kind) -> Part {
    let pattern = |pattern: &str| one("pattern", text(pattern));
    let mut never = vec![pattern(r"[\u0000-\u001f\u007f-\u009f]")];
    match kind {
        Kind::Tool | Kind::Prompt => never.push(pattern(r"\*\*")),
        Kind::Resource => never.push(pattern(r"\*\*\*")),
        Kind::Method => {
            never.extend([pattern(r"\*\*"), pattern(r"^[*?]")]);
            let (families, whole): (Vec<&str>, Vec<&str>) =
                RESERVED_METHODS.iter().partition(|method| method.ends_with('*'));
            never.extend(families.iter().map(|family| pattern(&format!("^{}", family.trim_end_matches('*')))));
            never.push(one("enum", texts(&whole)));
        }
    }
    let lengths = [("minLength", Part::Number(1)), ("maxLength", Part::Number(kind.longest_name()))];
    Part::Map(lengths.into_iter().chain([("not", one("anyOf", Part::List(never)))]).collect())
}

fn typed(word: &str, rest: impl IntoIterator<Item = (&'static str, Part)>) -> Part {
    Part::Map(std::iter::once(("type", text(word))).chain(rest).collect())
}

fn refer(to: &str) -> Part {
    one("$ref", text(to))
}

fn one(key: &'static str, value: Part) -> Part {
    Part::Map(vec![(key, value)])
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn texts(list: &[&str]) -> Part {
    Part::List(list.iter().map(|item| text(item)).collect())
}

#[cfg(test)]
mod tests;
