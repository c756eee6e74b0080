//! JSON documents of providers: one object, of which some texts and numbers are looked at.

use std::collections::BTreeMap;

use crate::json::{JsonFlaw, Kind, Reader};

/// The deepest nesting of a document.
const MAX_DEPTH: u16 = 32;

/// The members of an object. No name occurs twice.
#[derive(Default)]
pub(super) struct Document(BTreeMap<Box<str>, Value>);

enum Value {
    Text(Box<str>),
    /// A number or a truth value, as written.
    Word(Box<str>),
    /// What is not looked at.
    Other,
}

impl Document {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, JsonFlaw> {
        let mut reader = Reader::new(bytes, MAX_DEPTH)?;
        let mut document = Self::default();
        reader.object(|key, reader| {
            let value = match reader.kind()? {
                Kind::String => Value::Text(Box::from(&*reader.string()?.decode()?)),
                Kind::Number | Kind::Bool => Value::Word(Box::from(reader.raw()?)),
                Kind::Object | Kind::Array | Kind::Null => reader.skip().map(|_| Value::Other)?,
            };
            document.0.insert(Box::from(key), value);
            Ok::<(), JsonFlaw>(())
        })?;
        reader.end()?;
        Ok(document)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        if let Some(Value::Text(text)) = self.0.get(name) { Some(text) } else { None }
    }

    pub(super) fn seconds(&self, name: &str) -> Option<u64> {
        if let Some(Value::Word(word)) = self.0.get(name) { word.parse().ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_clean_object_is_a_document() {
        let document = Document::read(br#"{"a":"x","b":7,"c":{"a":1},"d":null,"e":true,"f":"7"}"#).unwrap();
        assert_eq!((document.text("a"), document.text("b"), document.text("c")), (Some("x"), None, None));
        assert_eq!((document.seconds("b"), document.seconds("f"), document.seconds("e")), (Some(7), None, None));
        for text in ["", "[]", "{", r#"{"a":1,"a":1}"#, "{} x", "<html>", "null"] {
            assert!(Document::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
