//! What a caller may not see is cut out of the upstream's answers.
//!
//! Lists are found by their shape wherever a result appears, not by the request that was seen: a replayed
//! answer, or one that arrives under another request's id, is filtered all the same. Elements are cut out of
//! the bytes; every other byte stays as it was.

use std::borrow::Cow;
use std::ops::Range;

use super::disguise::is_disguised;
use crate::json::{JsonFlaw, Kind, Reader};

/// The lists of MCP, by the member of `result` that holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// `result.tools`, elements named by `name`.
    Tools,
    /// `result.prompts`, elements named by `name`.
    Prompts,
    /// `result.resources`, elements named by `uri`.
    Resources,
    /// `result.resourceTemplates`, elements named by `uriTemplate`.
    ResourceTemplates,
    /// `result.tasks`, elements named by `taskId`.
    Tasks,
}

impl ListKind {
    /// Every kind, in the order of [`Tally`].
    pub const ALL: [Self; 5] = [Self::Tools, Self::Prompts, Self::Resources, Self::ResourceTemplates, Self::Tasks];

    const KEYS: [&'static str; 5] = ["tools", "prompts", "resources", "resourceTemplates", "tasks"];

    /// The label of this kind in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tools => "tool",
            Self::Prompts => "prompt",
            Self::Resources => "resource",
            Self::ResourceTemplates => "resource_template",
            Self::Tasks => "task",
        }
    }

    /// The member of an element that names it.
    #[must_use]
    pub const fn name_member(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::ResourceTemplates => "uriTemplate",
            Self::Tasks => "taskId",
        }
    }

    /// The list that the member `key` of a result holds for some reader, careful or not.
    fn of(key: &str) -> Option<Self> {
        Self::KEYS
            .iter()
            .zip(Self::ALL)
            .find(|(name, _)| **name == key || is_disguised(key, &[name]))
            .map(|(_, kind)| kind)
    }
}

/// How a list answer may be cached (MCP 2026-07-28, server/utilities/caching).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The longest time, in milliseconds, that what this caller sees may be taken for fresh.
    pub ttl_cap_ms: u64,
    /// Whether a list without hints gets them: they are required since 2026-07-28.
    pub is_required: bool,
}

/// What became of one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Which list.
    pub kind: ListKind,
    /// Elements the caller sees.
    pub shown: u64,
    /// Elements cut out.
    pub hidden: u64,
    /// Bytes cut out.
    pub bytes_removed: u64,
}

/// A list that the upstream answered, before anything is cut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<'d> {
    /// Which list.
    pub kind: ListKind,
    /// The array of its elements, as written.
    pub elements: &'d str,
    /// `nextCursor`, where more is to come.
    pub next: Option<Cow<'d, str>>,
}

/// What is to be passed on in place of a message of the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// The message as it was.
    AsIs,
    /// The message without what the caller may not see.
    Cut(Vec<u8>),
    /// Nothing: the whole message is about something the caller may not see.
    Nothing,
}

/// A message of the upstream that cannot be understood, so that it cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opaque;

impl From<JsonFlaw> for Opaque {
    fn from(_: JsonFlaw) -> Self {
        Self
    }
}

/// The members of a message that matter on the way out.
const MEMBERS: &[&str] = &["result", "method", "params"];

/// Answers are nested as deep as the upstream likes; this bounds our own stack.
const DEPTH: u16 = 512;

/// Judges what an upstream says, message by message, for one caller.
pub struct Filter<'s> {
    /// Whether the caller may see the thing with this name.
    pub sees: &'s dyn Fn(ListKind, &str) -> bool,
    /// How lists may be cached.
    pub freshness: Freshness,
    /// Who wants to know of every list as the upstream sent it. One whose `nextCursor` is no text is not told.
    pub heard: Option<&'s dyn Fn(&Listing<'_>)>,
}

impl Filter<'_> {
    /// One JSON document of the upstream.
    ///
    /// # Errors
    /// [`Opaque`] if it is not exactly one JSON-RPC message that can be understood.
    pub fn message(&self, document: &[u8], tallies: &mut Vec<Tally>) -> Result<Passed, Opaque> {
        let text = std::str::from_utf8(document).map_err(|_| Opaque)?;
        let mut reader = Reader::of_text(text, DEPTH)?;
        if reader.kind()? != Kind::Object {
            return Err(Opaque);
        }
        let mut edits = Vec::new();
        let mut found = Found::default();
        let mut is_update = false;
        let mut updated = None;
        reader.object(|key, value| {
            match (key, value.kind()?) {
                ("result", Kind::Object) => self.result(value, &mut edits, tallies, &mut found)?,
                ("method", Kind::String) => {
                    is_update = value.string()?.decode()? == "notifications/resources/updated";
                }
                ("params", Kind::Object) => updated = string_member(value, "uri")?,
                // For some reader it is one of those that are understood here.
                (other, _) if is_disguised(other, MEMBERS) => return Err(Opaque),
                _ => {
                    value.skip()?;
                }
            }
            Ok::<_, Opaque>(())
        })?;
        reader.end()?;
        if is_update && !updated.is_some_and(|uri| (self.sees)(ListKind::Resources, &uri)) {
            return Ok(Passed::Nothing);
        }
        self.tell(text, found);
        apply(document, edits)
    }

    /// Several JSON documents one after the other, as some servers answer under `application/json`.
    ///
    /// # Errors
    /// [`Opaque`] if one of them cannot be understood.
    pub fn messages(&self, documents: &[u8], tallies: &mut Vec<Tally>) -> Result<Passed, Opaque> {
        let mut out = Vec::new();
        // Once for all of them: each document is looked at as often as there are documents otherwise.
        let mut rest = std::str::from_utf8(documents).map_err(|_| Opaque)?;
        let mut is_cut = false;
        while !rest.trim_ascii().is_empty() {
            let mut reader = Reader::of_text(rest, DEPTH)?;
            reader.skip()?;
            reader.skip_space();
            let (document, behind) = rest.split_at_checked(reader.position()).ok_or(Opaque)?;
            match self.message(document.as_bytes(), tallies)? {
                Passed::AsIs => out.extend_from_slice(document.as_bytes()),
                Passed::Cut(bytes) => {
                    is_cut = true;
                    out.extend_from_slice(&bytes);
                }
                Passed::Nothing => is_cut = true,
            }
            rest = behind;
        }
        Ok(if is_cut { Passed::Cut(out) } else { Passed::AsIs })
    }

    fn result(
        &self,
        reader: &mut Reader<'_>,
        edits: &mut Vec<Edit>,
        tallies: &mut Vec<Tally>,
        found: &mut Found,
    ) -> Result<(), Opaque> {
        let inside = reader.position().saturating_add(1);
        let (mut scope, mut ttl, mut lists) = (false, false, 0_usize);
        let mut shorter = None;
        reader.object(|key, value| {
            let kind = value.kind()?;
            match key {
                "cacheScope" => {
                    scope = true;
                    let (text, place) = raw(value)?;
                    if text != "\"private\"" {
                        edits.push(Edit { place, text: "\"private\"".into() });
                    }
                }
                "ttlMs" => {
                    ttl = true;
                    let (text, place) = raw(value)?;
                    if !self.is_fresh_enough(text) {
                        shorter = Some(Edit { place, text: self.freshness.ttl_cap_ms.to_string() });
                    }
                }
                "nextCursor" => found.next = raw(value)?.1,
                _ => match ListKind::of(key) {
                    Some(list) if kind == Kind::Array => {
                        lists = lists.saturating_add(1);
                        let start = value.position();
                        let tally = self.list(list, value, edits)?;
                        found.lists.push((list, start..value.position()));
                        add(tallies, tally);
                    }
                    // A list that is none: some reader may see more in it than we do.
                    Some(_) if kind == Kind::Object => return Err(Opaque),
                    Some(_) | None => {
                        value.skip()?;
                    }
                },
            }
            Ok(())
        })?;
        // The `ttlMs` of a task is the task's life (SEP-2663), and no hint about a cache.
        if scope || lists > 0 {
            edits.extend(shorter);
        }
        if lists > 0 && self.freshness.is_required {
            let mut text = String::new();
            if !ttl {
                text.push_str(&format!("\"ttlMs\":{},", self.freshness.ttl_cap_ms));
            }
            if !scope {
                text.push_str("\"cacheScope\":\"private\",");
            }
            edits.push(Edit { place: inside..inside, text });
        }
        Ok(())
    }

    fn tell(&self, document: &str, found: Found) {
        let Some(heard) = self.heard else { return };
        let Some(next) = document.get(found.next).and_then(next_cursor) else { return };
        for (kind, place) in found.lists {
            if let Some(elements) = document.get(place) {
                heard(&Listing { kind, elements, next: next.clone() });
            }
        }
    }

    fn is_fresh_enough(&self, text: &str) -> bool {
        // Whole milliseconds up to the cap; anything else is replaced by the cap.
        text.parse::<u64>().is_ok_and(|ttl| ttl <= self.freshness.ttl_cap_ms)
    }

    fn list(&self, kind: ListKind, reader: &mut Reader<'_>, edits: &mut Vec<Edit>) -> Result<Tally, Opaque> {
        let mut tally = Tally { kind, shown: 0, hidden: 0, bytes_removed: 0 };
        // End of the last element, whatever became of it, and whether one before it was shown.
        let mut last_end = None;
        reader.array(|element| {
            let start = element.position();
            let is_shown = self.element(kind, element)?;
            let end = element.position();
            // The comma before an element goes with it; before the first that is shown there is none.
            let from = match last_end {
                Some(last_end) if tally.shown > 0 || !is_shown => last_end,
                Some(last_end) => {
                    cut(edits, &mut tally, last_end..start);
                    start
                }
                None => start,
            };
            if is_shown {
                tally.shown = tally.shown.saturating_add(1);
            } else {
                tally.hidden = tally.hidden.saturating_add(1);
                cut(edits, &mut tally, from..end);
            }
            last_end = Some(end);
            Ok::<_, Opaque>(())
        })?;
        Ok(tally)
    }

    fn element(&self, kind: ListKind, reader: &mut Reader<'_>) -> Result<bool, Opaque> {
        if reader.kind()? != Kind::Object {
            reader.skip()?;
            return Ok(false);
        }
        let name = string_member(reader, kind.name_member())?;
        Ok(match (kind, name) {
            (ListKind::Tasks, None) => true,
            (_, name) => name.is_some_and(|name| (self.sees)(kind, &name)),
        })
    }
}

/// Where in a document its lists are, and what leads to the next page.
#[derive(Default)]
struct Found {
    lists: Vec<(ListKind, Range<usize>)>,
    /// Empty where there is no such member.
    next: Range<usize>,
}

/// What `nextCursor` says. Without it, or with `null`, the page is the last; `None` where it is no text.
fn next_cursor(written: &str) -> Option<Option<Cow<'_, str>>> {
    if written.is_empty() || written == "null" {
        return Some(None);
    }
    let mut reader = Reader::of_text(written, 1).ok()?;
    reader.string().ok()?.decode().ok().map(Some)
}

/// One tally for each kind, however many lists a stream carries.
fn add(tallies: &mut Vec<Tally>, more: Tally) {
    match tallies.iter_mut().find(|tally| tally.kind == more.kind) {
        Some(tally) => {
            tally.shown = tally.shown.saturating_add(more.shown);
            tally.hidden = tally.hidden.saturating_add(more.hidden);
            tally.bytes_removed = tally.bytes_removed.saturating_add(more.bytes_removed);
        }
        None => tallies.push(more),
    }
}

struct Edit {
    place: Range<usize>,
    text: String,
}

fn cut(edits: &mut Vec<Edit>, tally: &mut Tally, place: Range<usize>) {
    tally.bytes_removed = tally.bytes_removed.saturating_add(u64::try_from(place.len()).unwrap_or(u64::MAX));
    // Neighbouring cuts are one.
    if let Some(last) = edits.last_mut()
        && last.place.end == place.start
        && last.text.is_empty()
    {
        last.place.end = place.end;
        return;
    }
    edits.push(Edit { place, text: String::new() });
}

fn raw<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, Range<usize>), Opaque> {
    let start = reader.position();
    let text = reader.raw()?;
    Ok((text, start..reader.position()))
}

/// Reads an object and returns its member `name`, if that is a string, and no other member could be taken for it.
fn string_member(reader: &mut Reader<'_>, name: &str) -> Result<Option<String>, Opaque> {
    let mut found = None;
    let mut is_plain = true;
    reader.object(|key, value| {
        is_plain &= !is_disguised(key, &[name]);
        if key == name && value.kind()? == Kind::String {
            found = value.string()?.decode().ok().map(Cow::into_owned);
        } else {
            value.skip()?;
        }
        Ok::<_, Opaque>(())
    })?;
    Ok(found.filter(|_| is_plain))
}

fn apply(document: &[u8], mut edits: Vec<Edit>) -> Result<Passed, Opaque> {
    edits.retain(|edit| !edit.place.is_empty() || !edit.text.is_empty());
    if edits.is_empty() {
        return Ok(Passed::AsIs);
    }
    edits.sort_by_key(|edit| edit.place.start);
    let mut out = Vec::with_capacity(document.len());
    let mut at = 0;
    for edit in &edits {
        out.extend_from_slice(document.get(at..edit.place.start).ok_or(Opaque)?);
        out.extend_from_slice(edit.text.as_bytes());
        at = edit.place.end;
    }
    out.extend_from_slice(document.get(at..).ok_or(Opaque)?);
    Ok(Passed::Cut(out))
}

#[cfg(test)]
mod tests;
