//! YAML text → a tree of nodes with their places.
//!
//! Read from the parser's events, not through serde: so every flaw is found at once, duplicate keys are seen, and
//! scalars keep the text that was written. What a reader of the file could misjudge is refused: anchors, aliases,
//! merge keys, tags, directives, several documents.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, options};

use super::flaw::{Findings, Place, Quoted};

/// The size of the largest policy document, in bytes.
pub(crate) const LARGEST: usize = 4 * 1024 * 1024;
/// The deepest nesting. The format itself needs six levels; arguments of tests may need more.
const DEEPEST: usize = 32;
/// The longest key in characters: a resource of the largest size, wholly escaped.
const LONGEST_KEY: usize = 16 * 1024;

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// The shapes of a value.
#[derive(Debug)]
pub(crate) enum Value {
    /// Text as written; `plain` when it stood there without quotes.
    Scalar { text: Box<str>, plain: bool },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping: no key twice.
    Map(Vec<Entry>),
    /// Refused already; nothing more is said about it.
    Broken,
}

/// A key of a mapping, and its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) key: Box<str>,
    pub(crate) node: Node,
}

impl Node {
    /// Whether nothing was written: neither text nor quotes.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if text.is_empty())
    }

    /// What stands here, for a message.
    pub(crate) fn shape(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_absent() => "nothing",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Broken => "something unreadable",
        }
    }
}

impl Entry {
    /// Where to point when the value is wrong: at the key if there is no value.
    pub(crate) fn value_place(&self) -> Place {
        if self.node.is_absent() { self.place } else { self.node.place }
    }
}

/// What a document is, for messages about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sort {
    /// What it is called.
    pub(crate) name: &'static str,
    /// How one that says nothing is written.
    pub(crate) blank: &'static str,
}

/// The tree of the one document in `text`; `None` where `findings` says why there is none.
pub(crate) fn read(text: &str, sort: Sort, findings: &mut Findings) -> Option<Node> {
    let roots = read_stream(text, sort, false, findings)?;
    let root = roots.into_iter().find(|root| !root.is_absent());
    if root.is_none() {
        findings.add_with_hint(Place::START, format!("the {} is empty", sort.name), sort.blank);
    }
    root
}

/// The trees of all documents in `text`, those that say nothing left out.
pub(crate) fn read_all(text: &str, sort: Sort, findings: &mut Findings) -> Option<Vec<Node>> {
    let mut roots = read_stream(text, sort, true, findings)?;
    roots.retain(|root| !root.is_absent());
    if roots.is_empty() {
        findings.add_with_hint(Place::START, format!("the {} is empty", sort.name), sort.blank);
        return None;
    }
    Some(roots)
}

fn read_stream(text: &str, sort: Sort, may_be_many: bool, findings: &mut Findings) -> Option<Vec<Node>> {
    let name = sort.name;
    if text.len() > LARGEST {
        findings.add(Place::START, format!("the {name} has {} bytes, more than {LARGEST}", text.len()));
        return None;
    }
    let options = options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: false,
        simple_key_max_lookahead: LONGEST_KEY,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut tree = Tree { sort, may_be_many, roots: Vec::new(), open: Vec::new(), documents: 0, findings };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => tree.take(event, span)?,
            Err(error) => {
                tree.refuse_syntax(text, &error);
                return None;
            }
        }
    }
    Some(tree.roots)
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line().max(1), column: marker.col().saturating_add(1) }
}

/// A tree that is being built.
struct Tree<'f> {
    sort: Sort,
    /// Whether a second document may follow.
    may_be_many: bool,
    roots: Vec<Node>,
    open: Vec<Open>,
    documents: usize,
    findings: &'f mut Findings,
}

/// A list or mapping whose end was not seen yet.
enum Open {
    List { place: Place, items: Vec<Node> },
    Map { place: Place, entries: Vec<Entry>, keys: Keys, next: Next },
}

/// Where the keys of a mapping stand, by their names, once there are more than can be looked through.
#[derive(Default)]
struct Keys(HashMap<Box<str>, Place>);

/// Up to this many keys are looked through one by one.
const FEW: usize = 16;

impl Keys {
    /// Where the key stands among those of `entries`.
    fn find(&mut self, key: &str, entries: &[Entry]) -> Option<Place> {
        if entries.len() <= FEW {
            return entries.iter().find(|entry| *entry.key == *key).map(|entry| entry.place);
        }
        let new = entries.get(self.0.len()..).unwrap_or_default();
        self.0.extend(new.iter().map(|entry| (entry.key.clone(), entry.place)));
        self.0.get(key).copied()
    }
}

/// What the next node of a mapping is.
enum Next {
    Key,
    ValueOf(Place, Box<str>),
    /// The value of a key that was refused.
    Ignored,
}

impl Tree<'_> {
    /// Takes one event; `None` when nothing after it matters.
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let here = place(&span.start);
        match event {
            Event::DocumentStart(..) => return self.start_document(here),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.findings.add_with_hint(here, "aliases are not supported", "write the value out");
                self.put(Node { place: here, value: Value::Broken });
            }
            Event::Anchor(..) => self.findings.add_with_hint(here, "anchors are not supported", "remove it"),
            Event::Scalar(text, style, _, tag) => {
                self.refuse_tag(tag.is_some(), span);
                let plain = style == ScalarStyle::Plain;
                // The parser writes `~` for a value that is not there.
                let is_absent = plain && span.start.index() == span.end.index();
                let text = if is_absent { Box::default() } else { text.into() };
                self.put(Node { place: here, value: Value::Scalar { text, plain } });
            }
            Event::SequenceStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), span);
                self.open.push(Open::List { place: here, items: Vec::new() });
            }
            Event::MappingStart(_, _, tag) => {
                self.refuse_tag(tag.is_some(), span);
                let (entries, keys) = (Vec::new(), Keys::default());
                self.open.push(Open::Map { place: here, entries, keys, next: Next::Key });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Comment(..) => {}
            _ => self.findings.add(here, "this kind of YAML is not supported"),
        }
        Some(())
    }

    fn start_document(&mut self, here: Place) -> Option<()> {
        self.documents = self.documents.saturating_add(1);
        if self.documents > 1 && !self.may_be_many {
            self.findings.add_with_hint(
                here,
                "a second document starts here",
                format!("a {} is one document: remove `---`", self.sort.name),
            );
            return None;
        }
        Some(())
    }

    fn refuse_tag(&mut self, tagged: bool, span: Span) {
        if tagged {
            let start = span.tag_span().map_or(span.start, |tag| tag.start);
            self.findings.add_with_hint(place(&start), "tags are not supported", "remove it");
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::List { place, items }) => self.put(Node { place, value: Value::List(items) }),
            Some(Open::Map { place, entries, .. }) => self.put(Node { place, value: Value::Map(entries) }),
            None => {}
        }
    }

    /// Puts a complete node where it belongs.
    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.roots.push(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, keys, next, .. }) => match std::mem::replace(next, Next::Key) {
                Next::Key => *next = key(node, entries, keys, self.findings),
                Next::ValueOf(place, key) => entries.push(Entry { place, key, node }),
                Next::Ignored => {}
            },
        }
    }

    fn refuse_syntax(&mut self, text: &str, error: &ScanError) {
        let here = place(error.marker());
        // JSON may be indented with tabs.
        let tab = if text.trim_start().starts_with('{') { None } else { indenting_tab(text, here.line) };
        if let Some(tab) = tab {
            self.findings.add_with_hint(tab, "a tab indents this line", "YAML is indented with spaces");
        } else if *error.kind() == ErrorKind::RecursionLimitExceeded {
            self.findings.add(here, format!("nested more than {DEEPEST} levels deep"));
        } else {
            let reason: String = error.kind().to_string().chars().filter(|c| !c.is_control()).collect();
            self.findings.add(here, format!("not readable as YAML: {reason}"));
        }
    }
}

/// Takes a node that stands where a key must be.
fn key(node: Node, entries: &[Entry], keys: &mut Keys, findings: &mut Findings) -> Next {
    let Node { place, value: Value::Scalar { text, plain } } = node else {
        if !matches!(node.value, Value::Broken) {
            findings.add(node.place, format!("{} cannot be a key", node.shape()));
        }
        return Next::Ignored;
    };
    if plain && &*text == "<<" {
        findings.add_with_hint(place, "merge keys are not supported", "write the entries out");
        return Next::Ignored;
    }
    if let Some(first) = keys.find(&text, entries) {
        findings.add(place, format!("{} is here twice, first on line {}", Quoted(&text), first.line));
        return Next::Ignored;
    }
    Next::ValueOf(place, text)
}

/// The tab in the indentation of this line, or of the next one: a scanner may notice it late or early.
fn indenting_tab(text: &str, line: usize) -> Option<Place> {
    let around = text.lines().enumerate().skip(line.saturating_sub(2)).take(3);
    around.into_iter().find_map(|(at, content)| {
        let column = content.chars().take_while(|c| c.is_ascii_whitespace()).position(|c| c == '\t')?;
        Some(Place { line: at.saturating_add(1), column: column.saturating_add(1) })
    })
}
