//! What was given, and by whom: a flag beats the environment, the environment beats the file.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::file::{Entry, Node, Place};
use super::keys::{KEYS, Key, NOT_YET};
use super::mistake::{Flaw, Mistake, Quoted};

/// The values of flags by the name of their key.
pub(super) type Flags = BTreeMap<&'static str, Vec<String>>;

/// The value of an environment variable.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A text, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) text: String,
    pub(super) origin: String,
}

/// All sources of settings, and the mistakes found in them.
pub(super) struct Sources<'a> {
    pub(super) flags: &'a Flags,
    pub(super) environment: Environment<'a>,
    /// The file's name and content.
    pub(super) file: Option<(String, Node)>,
    pub(super) mistakes: Vec<Mistake>,
}

impl Sources<'_> {
    /// Notes a flaw of what was given for `key`.
    pub(super) fn mistake(&mut self, key: &str, origin: &str, flaw: Flaw) {
        let Flaw { message, hint } = flaw;
        self.mistakes.push(Mistake { key: key.to_owned(), origin: origin.to_owned(), message, hint });
    }

    /// Where something stands in the file.
    pub(super) fn origin(&self, place: Place) -> String {
        let name = self.file.as_ref().map_or("", |(name, _)| name);
        format!("{name}:{}:{}", place.line, place.column)
    }

    /// The entry of the file at this path.
    pub(super) fn entry(&self, path: &str) -> Option<Entry> {
        self.file.as_ref()?.1.find(path).cloned()
    }

    /// What a flag or a variable says.
    pub(super) fn outside_file(&mut self, key: &Key) -> Option<Vec<Given>> {
        if let Some(texts) = self.flags.get(key.name) {
            let origin = format!("--{}", key.flag());
            return Some(texts.iter().map(|text| Given { text: text.clone(), origin: origin.clone() }).collect());
        }
        let origin = key.variable();
        let value = (self.environment)(&origin)?;
        let Ok(value) = value.into_string() else {
            self.mistake(key.name, &origin, Flaw::new("the variable is not valid UTF-8"));
            return Some(Vec::new());
        };
        let texts = if key.takes_many { value.split(',').map(str::trim).collect() } else { vec![value.as_str()] };
        Some(texts.into_iter().map(|text| Given { text: text.to_owned(), origin: origin.clone() }).collect())
    }

    /// Every value of a key; nothing where it is not set at all. What is not a usable text is a mistake.
    pub(super) fn all(&mut self, name: &str) -> Option<Vec<Given>> {
        let key = Key::named(name)?;
        let given = match self.outside_file(key) {
            Some(given) => given,
            None => {
                let entry = self.entry(name)?;
                self.texts(name, &entry, key.takes_many)
            }
        };
        Some(given.into_iter().filter(|given| self.is_filled(name, given)).collect())
    }

    /// The value of a key that takes one.
    pub(super) fn one(&mut self, name: &str) -> Option<Given> {
        self.all(name)?.into_iter().next_back()
    }

    /// The value of a key as `parse` reads it, or the default.
    pub(super) fn read<T>(&mut self, name: &str, default: T, parse: impl Fn(&str) -> Result<T, Flaw>) -> T {
        self.parsed(name, parse).unwrap_or(default)
    }

    /// The value of a key as `parse` reads it; nothing where it is not set, or is a mistake.
    pub(super) fn parsed<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, Flaw>) -> Option<T> {
        let given = self.one(name)?;
        self.parse(name, &given, parse)
    }

    /// This value as `parse` reads it; nothing where it is a mistake.
    pub(super) fn parse<T>(
        &mut self,
        name: &str,
        given: &Given,
        parse: impl Fn(&str) -> Result<T, Flaw>,
    ) -> Option<T> {
        parse(&given.text).map_err(|flaw| self.mistake(name, &given.origin, flaw)).ok()
    }

    fn is_filled(&mut self, name: &str, given: &Given) -> bool {
        if given.text.is_empty() {
            self.mistake(name, &given.origin, Flaw::hinted("the value is empty", "remove it or give a value"));
        }
        !given.text.is_empty()
    }

    /// The texts of an entry of the file: one, or a list where the key takes many.
    pub(super) fn texts(&mut self, name: &str, entry: &Entry, takes_many: bool) -> Vec<Given> {
        let origin = self.origin(entry.place);
        match &entry.node {
            Node::Text(text) => vec![Given { text: text.clone(), origin }],
            Node::List(items) if takes_many => {
                let items: Vec<_> = items.iter().map(|(place, node)| (self.origin(*place), node)).collect();
                items.into_iter().filter_map(|(origin, node)| self.text(name, &origin, node)).collect()
            }
            node @ (Node::List(_) | Node::Nothing | Node::Map(_)) => {
                self.text(name, &origin, node);
                Vec::new()
            }
        }
    }

    fn text(&mut self, name: &str, origin: &str, node: &Node) -> Option<Given> {
        let found = match node {
            Node::Text(text) => return Some(Given { text: text.clone(), origin: origin.to_owned() }),
            Node::Nothing => "there is no value",
            Node::List(_) => "a list stands where one value belongs",
            Node::Map(_) => "a mapping stands where a value belongs",
        };
        self.mistake(name, origin, Flaw::new(found));
        None
    }

    /// Notes the keys of the file that are none.
    pub(super) fn refuse_unknown_keys(&mut self) {
        let Some((_, tree)) = self.file.clone() else { return };
        let Some(entries) = tree.entries() else {
            let origin = self.origin(Place { line: 1, column: 1 });
            self.mistake("config", &origin, Flaw::new("the file is not a mapping of keys to values"));
            return;
        };
        for entry in entries {
            self.check_key(&entry.key, entry);
        }
    }

    fn check_key(&mut self, path: &str, entry: &Entry) {
        let group = format!("{path}.");
        if Key::named(path).is_some()
            || ["issuers", "upstream_token"].contains(&path)
            || path == "tls" && matches!(entry.node, Node::Nothing)
        {
            return;
        }
        if KEYS.iter().any(|key| key.name.starts_with(&group)) {
            let origin = self.origin(entry.place);
            match entry.node.entries() {
                Some(entries) => {
                    entries.iter().for_each(|entry| self.check_key(&format!("{group}{}", entry.key), entry))
                }
                None => self.mistake(path, &origin, Flaw::new("a mapping of keys to values belongs here")),
            }
            return;
        }
        let names: Vec<&str> = KEYS.iter().map(|key| key.name).chain(["issuers", "upstream_token"]).collect();
        self.unknown_key(path, entry.place, &names, NOT_YET);
    }

    /// Notes a key that is none of `known`.
    pub(super) fn unknown_key(&mut self, path: &str, place: Place, known: &[&str], not_yet: &[(&str, &str)]) {
        let origin = self.origin(place);
        let flaw = match not_yet.iter().find(|(name, _)| *name == path) {
            Some((_, message)) => Flaw::new(*message),
            None => match known.iter().find(|name| are_alike(name, path)) {
                Some(name) => Flaw::hinted("unknown key", format!("did you mean `{name}`?")),
                None => Flaw::new("unknown key"),
            },
        };
        self.mistake(&Quoted(path).to_string(), &origin, flaw);
    }
}

/// Whether two names differ only in case, in dashes or by one letter.
fn are_alike(name: &str, written: &str) -> bool {
    let fold = |text: &str| text.replace('-', "_").to_ascii_lowercase();
    let (name, written) = (fold(name), fold(written));
    if name == written {
        return true;
    }
    let same_start = name.bytes().zip(written.bytes()).take_while(|(a, b)| a == b).count();
    let same_end = name.bytes().rev().zip(written.bytes().rev()).take_while(|(a, b)| a == b).count();
    let longest = name.len().max(written.len());
    longest > 3
        && name.len().abs_diff(written.len()) <= 1
        && same_start.saturating_add(same_end) >= longest.saturating_sub(2)
}
