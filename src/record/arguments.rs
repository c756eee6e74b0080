//! What an audit line tells of the arguments of a call: nothing unless the operator asks for it.

use aws_lc_rs::hmac;

use crate::json::{JsonFlaw, Kind, Reader, quoted};

/// How much of the arguments is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// Nothing.
    #[default]
    None,
    /// The names of the members.
    Names,
    /// The names, each with a keyed digest of its value: equal values can be told, the values cannot.
    Hashed,
    /// All of it, as far as a line bears. It may contain secrets.
    Full,
}

/// The most bytes of arguments that are written in full; of more, the names are written.
const LONGEST: usize = 4096;

/// The most members that are named.
const MOST_NAMES: usize = 64;

/// Bytes of a digest that are kept.
const DIGEST: usize = 12;

/// Records arguments.
pub struct Arguments {
    extent: Extent,
    key: hmac::Key,
}

impl Arguments {
    /// Records this much; `key` is for the digests, so that values cannot be guessed by whoever reads the lines.
    #[must_use]
    pub fn new(extent: Extent, key: &[u8]) -> Self {
        // Not the key of the seals itself: what is told of one use must say nothing of the other.
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let key = hmac::sign(&root, b"audit arguments");
        Self { extent, key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()) }
    }

    /// What is recorded of `arguments`, a JSON object as received: JSON on one line, in ASCII.
    #[must_use]
    pub fn record(&self, arguments: &str) -> Option<String> {
        let is_short = arguments.len() <= LONGEST;
        match self.extent {
            Extent::None => None,
            Extent::Full if is_short => Some(on_one_line(arguments)),
            Extent::Names | Extent::Full => self.members(arguments, false).ok(),
            Extent::Hashed => self.members(arguments, true).ok(),
        }
    }

    /// The members of an object, as an array of names or as an object of digests. What is no object has none.
    fn members(&self, arguments: &str, is_hashed: bool) -> Result<String, JsonFlaw> {
        // The message was read to the same depth before.
        let mut reader = Reader::of_text(arguments, u16::MAX)?;
        let mut members: Vec<String> = Vec::new();
        if reader.kind()? == Kind::Object {
            reader.object(|name, reader| {
                let value = reader.raw()?;
                if members.len() < MOST_NAMES {
                    let name = on_one_line(&quoted(&super::line::harmless(name)));
                    members.push(if is_hashed { format!("{name}:\"{}\"", self.digest(value)) } else { name });
                }
                Ok::<(), JsonFlaw>(())
            })?;
        }
        let members = members.join(",");
        Ok(if is_hashed { format!("{{{members}}}") } else { format!("[{members}]") })
    }

    fn digest(&self, value: &str) -> String {
        let tag = hmac::sign(&self.key, value.as_bytes());
        tag.as_ref().iter().take(DIGEST).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The same JSON without white space between its parts, and with every character beyond printable ASCII escaped: no
/// reader of logs and no terminal can take any of it for a command.
fn on_one_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let (mut is_text, mut is_escaped) = (false, false);
    for letter in json.chars() {
        match letter {
            ' ' | '\t' | '\r' | '\n' if !is_text => {}
            ' '..='~' => {
                line.push(letter);
                let is_quote = letter == '"' && !is_escaped;
                is_text ^= is_quote;
                is_escaped = is_text && letter == '\\' && !is_escaped;
            }
            _ => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    line.push_str(&format!("\\u{unit:04x}"));
                }
                is_escaped = false;
            }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recorded(extent: Extent, arguments: &str) -> Option<String> {
        Arguments::new(extent, b"key").record(arguments)
    }

    #[test]
    fn nothing_is_recorded_unless_asked_for() {
        assert_eq!(recorded(Extent::None, r#"{"a":1}"#), None);
    }

    #[test]
    fn names_are_told_without_values() {
        for (arguments, expected) in [
            ("{}", "[]"),
            (r#"{"path":"/secret","n":{"inner":1}}"#, r#"["path","n"]"#),
            (r#"{"a\nb":1,"ä":2}"#, r#"["a\nb","\u00e4"]"#),
            ("[1]", "[]"),
            ("\"text\"", "[]"),
        ] {
            assert_eq!(recorded(Extent::Names, arguments).as_deref(), Some(expected), "{arguments}");
        }
    }

    #[test]
    fn equal_values_have_equal_digests_and_other_keys_give_others() {
        let one = recorded(Extent::Hashed, r#"{"a":"x","b":"x","c":"y"}"#).unwrap();
        let read: serde_json::Value = serde_json::from_str(&one).unwrap();
        assert_eq!(read["a"], read["b"]);
        assert_ne!(read["a"], read["c"]);
        let other = Arguments::new(Extent::Hashed, b"other").record(r#"{"a":"x","b":"x","c":"y"}"#).unwrap();
        assert_ne!(one, other);
        assert!(!one.contains('x'), "{one}");
    }

    #[test]
    fn what_is_long_is_told_by_its_names() {
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(LONGEST));
        assert_eq!(recorded(Extent::Full, &long).as_deref(), Some(r#"["text"]"#));
        let many: Vec<String> = (0..1000).map(|number| format!("\"{number}\":1")).collect();
        let names = recorded(Extent::Names, &format!("{{{}}}", many.join(","))).unwrap();
        assert_eq!(serde_json::from_str::<Vec<String>>(&names).unwrap().len(), MOST_NAMES);
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn on_one_line_it_means_the_same(value in json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let line = on_one_line(&text);
                prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
                let read: serde_json::Value = serde_json::from_str(&line).unwrap();
                prop_assert_eq!(&read, &value);
            }
        }
    }
}
