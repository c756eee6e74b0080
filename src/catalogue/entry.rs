//! One element of a list, and the digest by which it is known again.

use std::ops::Range;
use std::sync::Arc;

use aws_lc_rs::digest;

use crate::json::{JsonFlaw, Kind, Reader, quoted};
use crate::message::disguise::is_disguised;
use crate::message::lists::ListKind;

/// One element of a list. It holds on to the text of its page, and is made of places in it.
#[derive(Debug, Clone)]
pub struct Entry {
    page: Arc<str>,
    name: Box<str>,
    description: Option<Box<str>>,
    annotations: Option<Range<usize>>,
    input_schema: Option<Range<usize>>,
    interfaces: Vec<Box<str>>,
    digest: [u8; 32],
}

/// What a model or a person goes by when it decides to use something. Everything else may change unnoticed: icons,
/// and `_meta` of any kind.
const DIGESTED: [&str; 6] = ["annotations", "description", "inputSchema", "name", "outputSchema", "title"];

/// Deeper than this, the order of keys counts.
const SORTED_DEPTH: u8 = 32;

/// Elements were understood once when they were filtered; this bounds our own stack.
const DEPTH: u16 = 512;

impl Entry {
    /// Its name, URI or URI template.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// What `description` says, where it is text.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The value of `annotations` as the server wrote it: JSON of any kind.
    #[must_use]
    pub fn annotations(&self) -> Option<&str> {
        self.page.get(self.annotations.clone()?)
    }

    /// The value of `inputSchema` as the server wrote it: JSON of any kind.
    #[must_use]
    pub fn input_schema(&self) -> Option<&str> {
        self.page.get(self.input_schema.clone()?)
    }

    /// The resources that it names as its interface: `_meta.ui.resourceUri`, or the older `_meta["ui/resourceUri"]`
    /// (SEP-1865). Hosts prefer the former, but not all know it.
    pub fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.interfaces.iter().map(AsRef::as_ref)
    }

    /// SHA-256 over what the element says of itself: the object of its `annotations`, `description`, `inputSchema`,
    /// `name`, `outputSchema` and `title`, as far as it has them, in JSON without white space, keys sorted by their
    /// bytes, numbers as written. Members whose names some reader takes for one of these (`Description`) count, too.
    /// Other members do not count, nor does the order of keys.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The one element that `text` is; `None` where it cannot be read or named.
    #[must_use]
    pub fn alone(kind: ListKind, text: &str) -> Option<Self> {
        let page = Arc::from(text);
        let mut reader = Reader::of_text(&page, DEPTH).ok()?;
        Self::read(kind, &page, &mut reader).ok()?
    }

    /// The elements of the array `page` that can be named; `None` where it is none, or has more than `most`.
    pub(crate) fn all_of(kind: ListKind, page: &Arc<str>, most: usize) -> Option<Vec<Arc<Self>>> {
        let mut entries = Vec::new();
        let mut count = 0_usize;
        let mut reader = Reader::of_text(page, DEPTH).ok()?;
        reader
            .array(|element| {
                count = count.saturating_add(1);
                if count > most {
                    return Err(JsonFlaw::TooDeep);
                }
                let entry = Self::read(kind, page, element)?;
                entries.extend(entry.map(Arc::new));
                Ok(())
            })
            .ok()?;
        Some(entries)
    }

    fn read(kind: ListKind, page: &Arc<str>, element: &mut Reader<'_>) -> Result<Option<Self>, JsonFlaw> {
        if element.kind()? != Kind::Object {
            element.skip()?;
            return Ok(None);
        }
        let (mut name, mut description, mut annotations) = (None, None, None);
        let (mut input_schema, mut meta) = (None, None);
        let mut said: Vec<(Box<str>, String)> = Vec::new();
        element.object(|key, value| {
            if key == kind.name_member() && value.kind()? == Kind::String {
                name = value.peek_string()?.decode().ok().map(|name| Box::from(name.as_ref()));
            }
            if key == "description" && value.kind()? == Kind::String {
                description = value.peek_string()?.decode().ok().map(|text| Box::from(text.as_ref()));
            }
            let start = value.position();
            if DIGESTED.contains(&key) || is_disguised(key, &DIGESTED) {
                let mut text = String::new();
                canonical(value, &mut text, SORTED_DEPTH)?;
                said.push((key.into(), text));
            } else {
                value.skip()?;
            }
            match key {
                "annotations" => annotations = Some(start..value.position()),
                "inputSchema" => input_schema = Some(start..value.position()),
                "_meta" => meta = Some(start..value.position()),
                _ => {}
            }
            Ok::<_, JsonFlaw>(())
        })?;
        said.sort_unstable();
        let mut text = String::new();
        write_object(&mut text, said.iter().map(|(key, value)| (&**key, value.as_str())));
        let mut sum = [0; 32];
        for (to, from) in sum.iter_mut().zip(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()) {
            *to = *from;
        }
        let interfaces = meta.and_then(|meta| interfaces(page.get(meta)?)).unwrap_or_default();
        let page = Arc::clone(page);
        Ok(name.map(|name| Self { page, name, description, annotations, input_schema, interfaces, digest: sum }))
    }
}

/// The interfaces that a `_meta` names; none if it is no object.
fn interfaces(meta: &str) -> Option<Vec<Box<str>>> {
    let mut found = Vec::new();
    let mut reader = Reader::of_text(meta, DEPTH).ok()?;
    if reader.kind().ok()? != Kind::Object {
        return None;
    }
    let read = reader.object(|key, value| {
        match (key, value.kind()?) {
            ("ui/resourceUri", Kind::String) => found.extend(value.string()?.decode().ok().map(Box::from)),
            ("ui", Kind::Object) => value.object(|key, value| {
                if key == "resourceUri" && value.kind()? == Kind::String {
                    found.extend(value.string()?.decode().ok().map(Box::from));
                } else {
                    value.skip()?;
                }
                Ok::<_, JsonFlaw>(())
            })?,
            _ => {
                value.skip()?;
            }
        }
        Ok::<_, JsonFlaw>(())
    });
    read.ok().map(|()| found)
}

/// Writes the value that stands next without white space and with sorted keys.
fn canonical(reader: &mut Reader<'_>, out: &mut String, depth_left: u8) -> Result<(), JsonFlaw> {
    let Some(deeper) = depth_left.checked_sub(1) else {
        out.push_str(reader.raw()?);
        return Ok(());
    };
    match reader.kind()? {
        Kind::Object => {
            let mut members: Vec<(Box<str>, String)> = Vec::new();
            reader.object(|key, value| {
                let mut text = String::new();
                canonical(value, &mut text, deeper)?;
                members.push((key.into(), text));
                Ok::<_, JsonFlaw>(())
            })?;
            members.sort_unstable();
            write_object(out, members.iter().map(|(key, value)| (&**key, value.as_str())));
        }
        Kind::Array => {
            let mut separator = "[";
            reader.array(|element| {
                out.push_str(separator);
                separator = ",";
                canonical(element, out, deeper)
            })?;
            out.push_str(if separator == "[" { "[]" } else { "]" });
        }
        Kind::String => match reader.peek_string()?.decode() {
            Ok(text) => {
                out.push_str(&quoted(&text));
                reader.skip()?;
            }
            // Half of a surrogate pair has no other spelling.
            Err(_) => out.push_str(reader.raw()?),
        },
        Kind::Number | Kind::Bool | Kind::Null => out.push_str(reader.raw()?),
    }
    Ok(())
}

fn write_object<'m>(out: &mut String, members: impl Iterator<Item = (&'m str, &'m str)>) {
    out.push('{');
    for (at, (key, value)) in members.enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&quoted(key));
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
}
