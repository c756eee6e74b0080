//! What was given for one structure of the configuration: texts by key, each with its place.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::file::{Entry, Node, Place};
use super::given::{Given, Sources};
use super::mistake::{Flaw, Mistake};
use super::value::{duration, switch};

/// What a structure can have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Its keys; a dot where one lies a level deeper.
    pub(super) known: &'static [&'static str],
    /// Those of them that take a list.
    pub(super) lists: &'static [&'static str],
}

/// What was given for one structure.
pub(super) struct Draft {
    /// How its keys are named in messages: `issuers[0].`, or nothing.
    pub(super) prefix: String,
    pub(super) origin: String,
    values: Vec<(&'static str, Vec<Given>)>,
    /// The groups of keys that are there, if only empty, and where.
    groups: Vec<(String, String)>,
}

impl Draft {
    /// What flags, variables and the top of the file say about these keys.
    pub(super) fn of_keys(sources: &mut Sources<'_>, names: &[&'static str]) -> Option<Self> {
        let values: Vec<_> = names.iter().filter_map(|name| Some((*name, sources.all(name)?))).collect();
        let origin = values
            .iter()
            .find_map(|(_, given)| given.first())
            .map_or_else(String::new, |given| given.origin.clone());
        if values.is_empty() {
            return None;
        }
        Some(Self { prefix: String::new(), origin, values, groups: Vec::new() })
    }

    /// What a mapping of the file says. Keys it must not have are mistakes.
    pub(super) fn of_node(
        sources: &mut Sources<'_>,
        name: &str,
        place: Place,
        node: &Node,
        shape: &Shape,
    ) -> Option<Self> {
        let origin = sources.origin(place);
        let mut draft = Self { prefix: format!("{name}."), origin, values: Vec::new(), groups: Vec::new() };
        match node {
            Node::Map(entries) => {
                entries.iter().for_each(|entry| draft.add(sources, "", entry, shape));
                Some(draft)
            }
            Node::Nothing | Node::Text(_) | Node::List(_) => {
                sources.mistake(name, &draft.origin, Flaw::new("a mapping of keys to values belongs here"));
                None
            }
        }
    }

    fn add(&mut self, sources: &mut Sources<'_>, group: &str, entry: &Entry, shape: &Shape) {
        let path = format!("{group}{}", entry.key);
        if let Some(name) = shape.known.iter().find(|known| **known == path) {
            let takes_many = shape.lists.contains(name);
            let texts = sources.texts(&self.key(name), entry, takes_many);
            self.values.push((name, texts));
            return;
        }
        let below = format!("{path}.");
        if !shape.known.iter().any(|known| known.starts_with(&below)) {
            sources.unknown_key(&path, entry.place, shape.known, &[]);
            return;
        }
        let origin = sources.origin(entry.place);
        match &entry.node {
            Node::Map(entries) => entries.iter().for_each(|entry| self.add(sources, &below, entry, shape)),
            Node::Nothing | Node::Text(_) | Node::List(_) => {
                let flaw = Flaw::new("a mapping of keys to values belongs here");
                sources.mistake(&self.key(&path), &origin, flaw);
            }
        }
        self.groups.push((path, origin));
    }

    /// Where a group of keys stands, if it is there.
    pub(super) fn group(&self, name: &str) -> Option<&str> {
        self.groups.iter().find(|(group, _)| group == name).map(|(_, origin)| origin.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.all(name).is_some()
    }

    pub(super) fn all(&self, name: &str) -> Option<&[Given]> {
        self.values.iter().find(|(key, _)| *key == name).map(|(_, given)| given.as_slice())
    }

    pub(super) fn one(&self, name: &str) -> Option<&Given> {
        self.all(name)?.last()
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The value of a key that may be left out, as `parse` reads it. An empty text is noted elsewhere.
    pub(super) fn parsed<T>(
        &self,
        sources: &mut Sources<'_>,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Flaw>,
    ) -> Option<T> {
        let given = self.one(name).filter(|given| !given.text.is_empty())?;
        sources.parse(&self.key(name), given, parse)
    }

    /// The value of a key that must be there.
    pub(super) fn required<T>(
        &self,
        sources: &mut Sources<'_>,
        name: &str,
        origin: &str,
        parse: impl Fn(&str) -> Result<T, Flaw>,
    ) -> Option<T> {
        if !self.has(name) {
            sources.mistake(&self.key(name), origin, Flaw::new("is missing"));
        }
        self.parsed(sources, name, parse)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.one(name).filter(|given| !given.text.is_empty()).map(|given| given.text.clone())
    }

    pub(super) fn time(
        &self,
        sources: &mut Sources<'_>,
        name: &str,
        default: Duration,
        range: &RangeInclusive<Duration>,
    ) -> Duration {
        self.parsed(sources, name, |text| duration(text, range)).unwrap_or(default)
    }

    pub(super) fn switch(&self, sources: &mut Sources<'_>, name: &str, default: bool) -> bool {
        self.parsed(sources, name, switch).unwrap_or(default)
    }

    pub(super) fn names(&self, name: &str) -> Option<Box<[Box<str>]>> {
        Some(self.all(name)?.iter().map(|given| given.text.as_str().into()).collect())
    }

    /// Notes empty texts and repeated values of keys that take one.
    pub(super) fn refuse_empty(&self, sources: &mut Sources<'_>) {
        for (name, given) in &self.values {
            let empty = given.iter().filter(|given| given.text.is_empty() && *name != "issuer");
            sources
                .mistakes
                .extend(empty.map(|given| Mistake::new(&self.key(name), &given.origin, "the value is empty")));
        }
    }
}
