//! A JSON value read strictly: the form in which headers, claims and key sets are looked at.

use std::borrow::Cow;
use std::fmt;

use crate::json::{JsonFlaw, Kind, Reader};

/// The deepest nesting of a header, a claim set or a key set.
const MAX_DEPTH: u16 = 32;

/// How many members most objects have at most.
const USUAL: usize = 8;

/// The members of an object, in the order in which they were written.
///
/// INVARIANT: no name occurs twice: the reader refuses such a text.
#[derive(Clone, PartialEq, Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Object<'a> {
    /// The member of this very name. There are few, so that to look at them all is faster than any order would be, and
    /// not slower than to read them was.
    pub(super) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, name: &str) -> Option<Json<'a>> {
        let at = self.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A JSON value, borrowed from its text where it can be. Its `Debug` shows the kind alone, since claims are nobody's
/// business.
#[derive(Clone, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    /// The number as it was written, so that nothing is rounded before it is judged.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Self>),
    Object(Object<'a>),
}

impl<'a> Json<'a> {
    /// Reads one object and nothing else.
    pub(super) fn read_object(bytes: &'a [u8]) -> Result<Object<'a>, JsonFlaw> {
        Self::read_object_of_text(std::str::from_utf8(bytes).map_err(|_| JsonFlaw::Syntax)?)
    }

    /// As [`Self::read_object`], for what is known to be UTF-8.
    pub(super) fn read_object_of_text(text: &'a str) -> Result<Object<'a>, JsonFlaw> {
        let mut reader = Reader::of_text(text, MAX_DEPTH)?;
        let object = members(&mut reader)?;
        reader.end()?;
        Ok(object)
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The strings of an array that has nothing else.
    pub(super) fn as_strings(&self) -> Option<Vec<&str>> {
        if let Self::Array(items) = self { items.iter().map(Self::as_str).collect() } else { None }
    }
}

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool(…)",
            Self::Number(_) => "Number(…)",
            Self::String(_) => "String(…)",
            Self::Array(_) => "Array(…)",
            Self::Object(_) => "Object(…)",
        })
    }
}

/// Finds a member by a dotted path. A member of that literal name wins, since names like
/// `https://example.com/roles` have dots of their own.
pub(super) fn find<'o, 'a>(object: &'o Object<'a>, path: &str) -> Option<&'o Json<'a>> {
    if let Some(found) = object.get(path) {
        return Some(found);
    }
    let (first, rest) = path.split_once('.')?;
    if let Json::Object(inner) = object.get(first)? { find(inner, rest) } else { None }
}

fn members<'a>(reader: &mut Reader<'a>) -> Result<Object<'a>, JsonFlaw> {
    let mut members = Vec::new();
    reader.members(|key, reader| {
        let value = value(reader)?;
        if members.is_empty() {
            members.reserve(USUAL);
        }
        members.push((key, value));
        Ok::<_, JsonFlaw>(())
    })?;
    Ok(Object(members))
}

fn value<'a>(reader: &mut Reader<'a>) -> Result<Json<'a>, JsonFlaw> {
    Ok(match reader.kind()? {
        Kind::Object => Json::Object(members(reader)?),
        Kind::Array => {
            let mut items = Vec::new();
            reader.array(|reader| {
                items.push(value(reader)?);
                Ok::<(), JsonFlaw>(())
            })?;
            Json::Array(items)
        }
        Kind::String => Json::String(reader.string()?.decode()?),
        Kind::Number => Json::Number(reader.raw()?),
        Kind::Bool => Json::Bool(reader.raw()? == "true"),
        Kind::Null => reader.skip().map(|_| Json::Null)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_repeated_name_at_any_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[[{"b":1,"c":2,"b":3}]]}"#,
        ] {
            assert_eq!(Json::read_object(text.as_bytes()), Err(JsonFlaw::KeyRepeated), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_one_object() {
        for text in
            ["", " ", "null", "[]", "\"{}\"", "{}{}", "{},", "{\"a\"}", "\u{feff}{}", "{\"a\":1,}", "{'a':1}"]
        {
            assert_eq!(Json::read_object(text.as_bytes()), Err(JsonFlaw::Syntax), "{text}");
        }
        assert_eq!(Json::read_object(b"{\"a\":\"\xff\"}"), Err(JsonFlaw::Syntax));
    }

    #[test]
    fn refuses_deep_nesting_before_it_costs_stack() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::read_object(nested(31).as_bytes()).is_ok());
        assert_eq!(Json::read_object(nested(32).as_bytes()), Err(JsonFlaw::TooDeep));
        assert_eq!(Json::read_object(nested(1_000_000).as_bytes()), Err(JsonFlaw::TooDeep));
    }

    #[test]
    fn finds_by_literal_name_before_path() {
        let object = Json::read_object(br#"{"a.b":"literal","a":{"b":"path","c":{"d":"deep"},"e.f":"x"},"s":"t"}"#);
        let object = object.unwrap();
        for (path, expected) in [
            ("a.b", Some("literal")),
            ("a.c.d", Some("deep")),
            ("a.e.f", Some("x")),
            ("a.b.c", None),
            ("s.t", None),
            ("", None),
            (".", None),
            ("a.", None),
        ] {
            assert_eq!(find(&object, path).and_then(Json::as_str), expected, "{path}");
        }
    }
}
