//! What a caller may not see is cut out of the upstream's answers.
//!
//! Lists are found by their shape wherever a result appears, not by the request that was seen: a replayed
//! answer, or one that arrives under another request's id, is filtered all the same. Elements are cut out of
//! the bytes; every other byte stays as it was.

use std::borrow::Cow;
use std::ops::Range;

mod tasks;

use super::disguise::{disguised_as, is_disguised};
use super::splice::{Edit, splice};
use crate::json::{JsonFlaw, Kind, Reader};
use tasks::Draft;
#[cfg(any(test, feature = "gateway"))]
pub(crate) use tasks::NoTasks;
pub use tasks::TaskSeals;

/// The lists of MCP, by the member of `result` that holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
        let at = Self::KEYS.iter().position(|name| *name == key).or_else(|| disguised_as(key, &Self::KEYS))?;
        Self::ALL.get(at).copied()
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
    /// The message without what the caller may not see, and with tasks under the names that the caller has for them.
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
const MEMBERS: &[&str] = &["id", "result", "method", "params"];

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
    /// Whether a tool may be shown as it stands in the list. Asked of every tool that is listed.
    pub pins: Option<&'s dyn Fn(&str) -> bool>,
    /// What the caller is told of tasks.
    pub tasks: &'s dyn TaskSeals,
}

impl Filter<'_> {
    /// One JSON document of the upstream.
    ///
    /// # Errors
    /// [`Opaque`] if it is not exactly one JSON-RPC message that can be understood.
    pub fn message(&self, document: &[u8], tallies: &mut Vec<Tally>) -> Result<Passed, Opaque> {
        let text = std::str::from_utf8(document).map_err(|_| Opaque)?;
        let (passed, behind) = self.first(text, tallies)?;
        if behind.is_empty() { Ok(passed) } else { Err(Opaque) }
    }

    /// The first of the documents in `text`, and what is behind it and its white space.
    fn first<'t>(&self, text: &'t str, tallies: &mut Vec<Tally>) -> Result<(Passed, &'t str), Opaque> {
        let mut reader = Reader::of_text(text, DEPTH)?;
        if reader.kind()? != Kind::Object {
            return Err(Opaque);
        }
        let mut draft = Draft::default();
        reader.object(|key, value| {
            draft.has_result |= key == "result";
            match (key, value.kind()?) {
                ("result", Kind::Object) => self.result(value, &mut draft, tallies, Depth::Answer)?,
                ("method", Kind::String) => draft.method = Some(value.string()?.decode()?.into_owned()),
                ("params", Kind::Object) => self.params(value, &mut draft, tallies)?,
                ("id", _) => draft.id = Some(value.raw()?.to_owned()),
                // For some reader it is one of those that are understood here.
                (other, _) if is_disguised(other, MEMBERS) => return Err(Opaque),
                _ => {
                    value.skip()?;
                }
            }
            Ok::<_, Opaque>(())
        })?;
        reader.skip_space();
        let (document, behind) = text.split_at_checked(reader.position()).ok_or(Opaque)?;
        self.tell(document, &mut draft);
        Ok((self.finish(document.as_bytes(), draft)?, behind))
    }

    /// Several JSON documents one after the other, as some servers answer under `application/json`.
    ///
    /// # Errors
    /// [`Opaque`] if one of them cannot be understood.
    pub fn messages<'d>(&self, documents: &'d [u8], tallies: &mut Vec<Tally>) -> Result<Passed, Opaque> {
        // Once for all of them: each document is looked at as often as there are documents otherwise.
        let all = std::str::from_utf8(documents).map_err(|_| Opaque)?;
        if all.trim_ascii().is_empty() {
            return Ok(Passed::AsIs);
        }
        let (passed, mut rest) = self.first(all, tallies)?;
        // The usual answer is one document.
        if rest.is_empty() {
            return Ok(passed);
        }
        let (mut out, mut is_cut) = (Vec::new(), false);
        let mut add = |passed, document: &str| match passed {
            Passed::AsIs => out.extend_from_slice(document.as_bytes()),
            Passed::Cut(bytes) => {
                is_cut = true;
                out.extend_from_slice(&bytes);
            }
            Passed::Nothing => is_cut = true,
        };
        let document = |from: &'d str, behind: &str| from.get(..from.len().saturating_sub(behind.len()));
        add(passed, document(all, rest).unwrap_or_default());
        while !rest.is_empty() {
            let (passed, behind) = self.first(rest, tallies)?;
            add(passed, document(rest, behind).unwrap_or_default());
            rest = behind;
        }
        Ok(if is_cut { Passed::Cut(out) } else { Passed::AsIs })
    }

    fn result(
        &self,
        reader: &mut Reader<'_>,
        draft: &mut Draft,
        tallies: &mut Vec<Tally>,
        depth: Depth,
    ) -> Result<(), Opaque> {
        let inside = reader.position().saturating_add(1);
        let mut hints = Hints::default();
        let mut of_tasks = tasks::Seen::default();
        reader.object(|key, value| {
            let kind = value.kind()?;
            match key {
                "cacheScope" => {
                    hints.scope = true;
                    let (text, place) = raw(value)?;
                    if text != "\"private\"" {
                        draft.edits.push(Edit { place, text: "\"private\"".into() });
                    }
                }
                "ttlMs" => {
                    hints.ttl = true;
                    let (text, place) = raw(value)?;
                    if !self.is_fresh_enough(text) {
                        hints.shorter = Some(Edit { place, text: self.freshness.ttl_cap_ms.to_string() });
                    }
                }
                "nextCursor" => {
                    let start = value.position();
                    of_tasks.member(key, kind, value, draft)?;
                    if depth == Depth::Answer {
                        draft.found.next = start..value.position();
                    }
                }
                // The result of a task, within what is told of the task (SEP-2663).
                "result" if kind == Kind::Object && depth == Depth::Answer => {
                    self.result(value, draft, tallies, Depth::OfTask)?;
                }
                _ => match ListKind::of(key) {
                    Some(list) if kind == Kind::Array => {
                        hints.lists = hints.lists.saturating_add(usize::from(list != ListKind::Tasks));
                        of_tasks.has_list |= list == ListKind::Tasks;
                        let start = value.position();
                        let tally = self.list(list, value, &mut draft.edits)?;
                        if depth == Depth::Answer {
                            draft.found.lists.push((list, start..value.position()));
                        }
                        add(tallies, tally);
                    }
                    // A list that is none: some reader may see more in it than we do.
                    Some(_) if kind == Kind::Object => return Err(Opaque),
                    Some(_) => {
                        value.skip()?;
                    }
                    None => of_tasks.member(key, kind, value, draft)?,
                },
            }
            Ok(())
        })?;
        self.hint(hints, inside, &mut draft.edits);
        self.told(of_tasks, draft, depth)
    }

    fn hint(&self, hints: Hints, inside: usize, edits: &mut Vec<Edit>) {
        // The `ttlMs` of a task is the task's life (SEP-2663), and no hint about a cache.
        if hints.scope || hints.lists > 0 {
            edits.extend(hints.shorter);
        }
        if hints.lists > 0 && self.freshness.is_required {
            let mut text = String::new();
            if !hints.ttl {
                text.push_str(&format!("\"ttlMs\":{},", self.freshness.ttl_cap_ms));
            }
            if !hints.scope {
                text.push_str("\"cacheScope\":\"private\",");
            }
            edits.push(Edit { place: inside..inside, text });
        }
    }

    fn tell(&self, document: &str, draft: &mut Draft) {
        let found = std::mem::take(&mut draft.found);
        let Some(heard) = self.heard else { return };
        let Some(next) = document.get(found.next).and_then(next_cursor) else { return };
        for (kind, place) in found.lists {
            if let Some(elements) = document.get(place) {
                heard(&Listing { kind, elements, next: next.clone() });
            }
        }
    }

    fn is_fresh_enough(&self, text: &str) -> bool {
        // Milliseconds up to the cap, however they are written; anything else is replaced by the cap.
        let cap = u32::try_from(self.freshness.ttl_cap_ms).unwrap_or(u32::MAX);
        text.parse::<f64>().is_ok_and(|ttl| ttl <= f64::from(cap))
    }

    fn list(&self, kind: ListKind, reader: &mut Reader<'_>, edits: &mut Vec<Edit>) -> Result<Tally, Opaque> {
        let mut tally = Tally { kind, shown: 0, hidden: 0, bytes_removed: 0 };
        keep(reader, edits, &mut tally, |element, edits| match kind {
            ListKind::Tasks => self.task(element, edits),
            ListKind::Tools | ListKind::Prompts | ListKind::Resources | ListKind::ResourceTemplates => {
                self.element(kind, element)
            }
        })?;
        Ok(tally)
    }

    fn element(&self, kind: ListKind, reader: &mut Reader<'_>) -> Result<bool, Opaque> {
        if reader.kind()? != Kind::Object {
            reader.skip()?;
            return Ok(false);
        }
        if let (ListKind::Tools, Some(pins)) = (kind, self.pins) {
            let element = reader.raw()?;
            // Also of those that are hidden anyway: what they say is worth knowing.
            let is_pinned = pins(element);
            let name = string_member(&mut Reader::of_text(element, DEPTH)?, kind.name_member())?;
            return Ok(is_pinned && name.is_some_and(|name| (self.sees)(kind, &name)));
        }
        let name = string_member(reader, kind.name_member())?;
        Ok(name.is_some_and(|name| (self.sees)(kind, &name)))
    }
}

/// Where in a document its lists are, and what leads to the next page.
#[derive(Debug, Default)]
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

/// Whether a result is an answer, or within the answer that tells of a task.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Answer,
    OfTask,
}

/// What a result says about caches, and whether it must.
#[derive(Default)]
struct Hints {
    scope: bool,
    ttl: bool,
    lists: usize,
    shorter: Option<Edit>,
}

/// Cuts out of an array what `is_kept` does not keep.
fn keep(
    reader: &mut Reader<'_>,
    edits: &mut Vec<Edit>,
    tally: &mut Tally,
    mut is_kept: impl FnMut(&mut Reader<'_>, &mut Vec<Edit>) -> Result<bool, Opaque>,
) -> Result<(), Opaque> {
    // End of the last element, whatever became of it, and whether one before it was shown.
    let mut last_end = None;
    reader.array(|element| {
        let start = element.position();
        let is_shown = is_kept(element, edits)?;
        let end = element.position();
        // The comma before an element goes with it; before the first that is shown there is none.
        let from = match last_end {
            Some(last_end) if tally.shown > 0 || !is_shown => last_end,
            Some(last_end) => {
                cut(edits, tally, last_end..start);
                start
            }
            None => start,
        };
        if is_shown {
            tally.shown = tally.shown.saturating_add(1);
        } else {
            tally.hidden = tally.hidden.saturating_add(1);
            cut(edits, tally, from..end);
        }
        last_end = Some(end);
        Ok::<_, Opaque>(())
    })
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
fn string_member<'a>(reader: &mut Reader<'a>, name: &str) -> Result<Option<Cow<'a, str>>, Opaque> {
    let mut found = None;
    let mut is_plain = true;
    reader.object(|key, value| {
        if key != name {
            is_plain &= !is_disguised(key, &[name]);
            value.skip()?;
        } else if value.kind()? == Kind::String {
            found = value.string()?.decode().ok();
        } else {
            value.skip()?;
        }
        Ok::<_, Opaque>(())
    })?;
    Ok(found.filter(|_| is_plain))
}

fn apply(document: &[u8], mut edits: Vec<Edit>) -> Result<Passed, Opaque> {
    // Not those that change nothing.
    edits.retain(|edit| document.get(edit.place.clone()) != Some(edit.text.as_bytes()));
    if edits.is_empty() { Ok(Passed::AsIs) } else { splice(document, edits).map(Passed::Cut).ok_or(Opaque) }
}

#[cfg(test)]
mod tests;
