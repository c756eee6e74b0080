//! Strict reading of mappings and single values.

use super::document::{Entry, Node, Value};
use super::flaw::{Findings, Place, Quoted};
use super::shape::Shape;
use super::suggest::nearest;

/// The known keys of one mapping.
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    entries: Vec<&'n Entry>,
}

impl<'n> Fields<'n> {
    /// The mapping under `owner`; `what` names it in messages. Unknown keys become flaws.
    pub(crate) fn of(owner: &'n Entry, what: &str, known: &[&str], findings: &mut Findings) -> Option<Self> {
        match &owner.node.value {
            Value::Map(entries) => Some(Self::of_entries(entries, what, known, findings)),
            Value::Broken => None,
            Value::Scalar { .. } | Value::List(_) => {
                let message = format!("a {what} must be a mapping, not {}", owner.node.shape());
                findings.add_with_hint(owner.value_place(), message, mapping_hint(what));
                None
            }
        }
    }

    /// The mapping under `owner`, by its table of keys.
    pub(crate) fn of_shape(owner: &'n Entry, shape: &Shape, findings: &mut Findings) -> Option<Self> {
        Self::of(owner, shape.name, &shape.names(), findings)
    }

    pub(crate) fn of_entries(entries: &'n [Entry], what: &str, known: &[&str], findings: &mut Findings) -> Self {
        let is_known = |entry: &&Entry| known.contains(&&*entry.key);
        for entry in entries.iter().filter(|entry| !is_known(entry)) {
            refuse_key(entry, what, known, findings);
        }
        Self { entries: entries.iter().filter(is_known).collect() }
    }

    pub(crate) fn value(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| &*entry.key == key).copied()
    }
}

fn mapping_hint(what: &str) -> &'static str {
    match what {
        "rule" => "`{scopes: [a:scope]}` asks for scopes, `{scopes: []}` lets every authenticated caller in",
        "rate limit" => "write `{requests: 10, per: 1m, by: subject}`",
        "scope" => "write `{}`, or `{implies: [another:scope]}`",
        _ => "write its keys as `key: value`",
    }
}

fn refuse_key(entry: &Entry, what: &str, known: &[&str], findings: &mut Findings) {
    let key = Quoted(&entry.key);
    let hint = nearest(&entry.key, known)
        .map_or_else(|| format!("a {what} knows {}", words(known)), |word| format!("did you mean `{word}`?"));
    findings.add_with_hint(entry.place, format!("unknown key {key} in a {what}"), hint);
}

/// Refuses a word that is none of those which a key can be.
pub(crate) fn refuse_word(field: &Entry, text: &str, known: &[&str], findings: &mut Findings) {
    let hint = nearest(text, known)
        .map_or_else(|| format!("it can be {}", words(known)), |word| format!("did you mean `{word}`?"));
    let message = format!("`{}` cannot be {}", field.key, Quoted(text));
    findings.add_with_hint(field.value_place(), message, hint);
}

/// `a`, `b` and `c`, for a message.
pub(crate) fn words(list: &[&str]) -> String {
    let quoted: Vec<String> = list.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// The text of a single value. What YAML may read as a number, a boolean or nothing must stand in quotes.
pub(crate) fn text_of<'n>(node: &'n Node, what: &str, findings: &mut Findings) -> Option<&'n str> {
    match &node.value {
        Value::Scalar { text, plain: true } if reads_as_another_type(text) => {
            if text.is_empty() {
                findings.add(node.place, format!("{what} is missing here"));
            } else {
                let message = format!("{what} must be text, and YAML may read {} as something else", Quoted(text));
                findings.add_with_hint(node.place, message, format!("write it in quotes: `\"{text}\"`"));
            }
            None
        }
        Value::Scalar { text, .. } => Some(text),
        Value::Broken => None,
        Value::List(_) | Value::Map(_) => {
            findings.add(node.place, format!("{what} must be text, not {}", node.shape()));
            None
        }
    }
}

/// Whether a YAML 1.1 or 1.2 reader may take unquoted `text` for a number, a boolean or null.
pub(crate) fn reads_as_another_type(text: &str) -> bool {
    const WORDS: [&str; 13] =
        ["", "~", "null", "true", "false", "yes", "no", "on", "off", ".nan", ".inf", "-.inf", "+.inf"];
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_start_matches(['+', '-']);
    let number = digits.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b"_.:-+e".contains(&byte));
    let is_of_base = |(prefix, base): &(&str, u32)| {
        let behind = digits.strip_prefix(prefix);
        behind.is_some_and(|digits| digits.chars().all(|digit| digit == '_' || digit.is_digit(*base)))
    };
    WORDS.contains(&&*lower) || number || [("0x", 16), ("0o", 8), ("0b", 2)].iter().any(is_of_base)
}

/// Whether the value is exactly an unquoted `true`; anything else is a flaw.
pub(crate) fn is_true(entry: &Entry, findings: &mut Findings) -> bool {
    let key = &entry.key;
    let (text, plain) = match &entry.node.value {
        Value::Scalar { text, plain } => (&**text, *plain),
        Value::Broken => return false,
        Value::List(_) | Value::Map(_) => ("", false),
    };
    if plain && text == "true" {
        return true;
    }
    let place: Place = entry.value_place();
    let hint = match text {
        "false" => format!("remove `{key}`: a rule says what it asks for"),
        _ => format!("write `{key}: true`; no other spelling is accepted"),
    };
    findings.add_with_hint(place, format!("`{key}` can only be `true`"), hint);
    false
}
