//! The file as written: a tree of texts with their places. What the keys mean is said elsewhere.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Spanned};

use super::mistake::Mistake;

/// The longest file that is read.
const LARGEST: usize = 1024 * 1024;

/// A place in the file: line and column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// A value of the file.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Nothing: `key:` or `key: null`.
    Nothing,
    /// A text, number or truth value, as text.
    Text(String),
    /// A list.
    List(Vec<(Place, Self)>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// A key of a mapping, and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) node: Node,
}

impl Node {
    /// The entries; nothing is an empty mapping.
    pub(super) fn entries(&self) -> Option<&[Entry]> {
        match self {
            Self::Nothing => Some(&[]),
            Self::Map(entries) => Some(entries),
            Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The value at a dotted path.
    pub(super) fn find(&self, path: &str) -> Option<&Entry> {
        let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
        let entry = self.entries()?.iter().find(|entry| entry.key == key)?;
        match rest {
            None => Some(entry),
            Some(rest) => entry.node.find(rest),
        }
    }
}

/// The tree of the one document in `text`.
pub(super) fn read(name: &str, text: &str) -> Result<Node, Mistake> {
    if text.len() > LARGEST {
        return Err(Mistake::new("config", name, "the file is longer than 1 MiB"));
    }
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Option<Node>>(text, options)
        .map(|node| node.unwrap_or(Node::Nothing))
        .map_err(|error| {
            let place = error.location().map(|location| format!(":{}:{}", location.line(), location.column()));
            let formatter = serde_saphyr::UserMessageFormatter;
            let message = error.render_with_formatter(&formatter);
            Mistake::new("config", &format!("{name}{}", place.unwrap_or_default()), message)
        })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

fn place<T>(spanned: &Spanned<T>) -> Place {
    Place { line: spanned.referenced.line(), column: spanned.referenced.column() }
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list or a mapping")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Node, E> {
        // Its text is lost, so a name that looks like one would be another name.
        Err(E::custom("this could be a text or a number: write it in quotes"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<Spanned<Node>>()? {
            items.push((place(&item), item.value));
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let place = place(&key);
            entries.push(Entry { place, key: key.value, node: map.next_value()? });
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_places() {
        let tree = read("f", "a: 1\nb:\n  c: [x, 2s]\n  d:\n").unwrap();
        let c = tree.find("b.c").unwrap();
        assert_eq!(c.place, Place { line: 3, column: 3 });
        assert!(matches!(&c.node, Node::List(items) if items[1].0 == Place { line: 3, column: 10 }), "{c:?}");
        assert!(matches!(tree.find("a").unwrap().node, Node::Text(ref text) if text == "1"));
        assert!(matches!(tree.find("b.d").unwrap().node, Node::Nothing));
        assert!(tree.find("b.x").is_none() && tree.find("a.x").is_none());
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mistake = read("f.yaml", text).unwrap_err().to_string();
        assert!(mistake.starts_with(expected), "{mistake}");
    }

    #[test]
    fn what_is_not_one_plain_document_is_refused() {
        check("a: 1\na: 2\n", "f.yaml:2:1: ");
        check("a: [1\n", "f.yaml:");
        check("x: &x {a: 1}\ny:\n  <<: *x\n", "f.yaml:3:");
        check("a: 1\n---\nb: 2\n", "f.yaml:");
        check(&"a".repeat(LARGEST + 1), "f.yaml: ");
    }

    #[test]
    fn texts_that_look_like_something_else_stay_what_was_written() {
        for text in ["y", "no", "on", "Off", "8080", "true", "10s", "4MiB", "12:30", "0.0.0.0:8080"] {
            let tree = read("f", &format!("a: {text}")).unwrap();
            assert!(matches!(&tree.find("a").unwrap().node, Node::Text(read) if read == text), "{text}: {tree:?}");
        }
        check("a: 1e5", "f.yaml:1:4: config: this could be");
        check("a: [1.5]", "f.yaml:1:5: config: this could be");
    }

    #[test]
    fn an_empty_file_is_an_empty_mapping() {
        for text in ["", "\n", "# nothing\n", "---\n"] {
            assert_eq!(read("f", text).unwrap().entries().map(<[Entry]>::len), Some(0), "{text:?}");
        }
    }
}
