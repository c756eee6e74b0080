//! Tasks in what an upstream says: each identifier is replaced by the handle that this caller has of it.
//!
//! An identifier belongs to the side that runs the task (MCP 2025-11-25, tasks, "Definitions"). In results and
//! notifications of the server it is the server's own and is sealed; in requests of the server about tasks
//! (`tasks/get` and its like, sent to the client) it is the client's own and passes.
//!
//! A handle is a permission, so it is made only for a task that is known to be this caller's: the answer to his own
//! request says that it was made, or he has named it, or the gateway remembers having sealed it for him. That a
//! server speaks of a task on his stream proves nothing. What is known of other tasks is hidden where it may be
//! (elements of lists, notifications); where a message must go through, they become mentions, which open nothing.

use std::ops::Range;

use super::{Depth, Filter, Found, ListKind, Opaque, Passed, Tally, apply, keep};
use crate::json::{Kind, Reader};
use crate::message::META_RELATED_TASK;
use crate::message::disguise::is_disguised;
use crate::message::splice::Edit;

/// What one caller is told of tasks. Every text is one that needs no escapes.
pub trait TaskSeals {
    /// The handle of a task that was just made, as the answer with the id `answer` says (the id as written). None if
    /// that is not the answer to a request of this caller that makes tasks.
    fn made(&self, answer: &str, task: &str) -> Option<String>;
    /// The handle of a task that is known to be this caller's, and that he may still have.
    fn known(&self, task: &str) -> Option<String>;
    /// What stands for any other task.
    fn mention(&self, task: &str) -> Option<String>;
    /// What stands for the server's cursor.
    fn cursor(&self, cursor: &str) -> Option<String>;
    /// Whether there can be a result at all: there is none of a task that does not exist.
    fn expects_result(&self) -> bool;
}

/// For filters that meet no tasks; whether they expect results.
#[cfg(any(test, feature = "gateway"))]
pub(crate) struct NoTasks(pub(crate) bool);

#[cfg(any(test, feature = "gateway"))]
impl TaskSeals for NoTasks {
    fn made(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn known(&self, _: &str) -> Option<String> {
        None
    }

    fn mention(&self, _: &str) -> Option<String> {
        None
    }

    fn cursor(&self, _: &str) -> Option<String> {
        None
    }

    fn expects_result(&self) -> bool {
        self.0
    }
}

/// A string and where it stands, quotes included. The text is none where it cannot be understood.
#[derive(Debug)]
pub(super) struct Placed {
    place: Range<usize>,
    text: Option<String>,
}

impl Placed {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Opaque> {
        let start = reader.position();
        let text = reader.string()?.decode().ok().map(std::borrow::Cow::into_owned);
        Ok(Self { place: start..reader.position(), text })
    }

    /// In place of what stands there.
    fn replaced_by(self, text: Option<String>) -> Result<Edit, Opaque> {
        Ok(Edit { place: self.place, text: format!("\"{}\"", text.ok_or(Opaque)?) })
    }
}

/// A message as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) edits: Vec<Edit>,
    pub(super) method: Option<String>,
    pub(super) id: Option<String>,
    pub(super) has_result: bool,
    pub(super) found: Found,
    /// `params.uri`
    uri: Option<String>,
    /// `params.taskId`
    task: Option<Placed>,
    /// Tasks that the message says were just made.
    made: Vec<Placed>,
    /// Tasks of which the message speaks.
    told: Vec<Placed>,
}

/// What a result has of the shape of a task.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) has_list: bool,
    /// `task.taskId` (2025-11-25, `CreateTaskResult`)
    inner: Option<Placed>,
    /// `taskId` (2025-11-25, `GetTaskResult`; SEP-2663, all results)
    flat: Option<Placed>,
    has_status: bool,
    /// `resultType` is `task` (SEP-2663, `CreateTaskResult`).
    is_made: bool,
    cursor: Option<Placed>,
}

impl Seen {
    /// Reads a member of a result.
    pub(super) fn member(
        &mut self,
        key: &str,
        kind: Kind,
        value: &mut Reader<'_>,
        draft: &mut Draft,
    ) -> Result<(), Opaque> {
        match (key, kind) {
            ("task", Kind::Object) => self.inner = placed_member(value, "taskId")?,
            ("taskId", Kind::String) => self.flat = Some(Placed::read(value)?),
            ("nextCursor", Kind::String) => self.cursor = Some(Placed::read(value)?),
            ("resultType", Kind::String) => {
                self.is_made = value.string()?.decode().is_ok_and(|result| result == "task");
            }
            ("_meta", Kind::Object) => draft.told.extend(related(value)?),
            _ => {
                self.has_status |= key == "status" && kind == Kind::String;
                value.skip()?;
            }
        }
        Ok(())
    }
}

impl Filter<'_> {
    /// Notes what a result tells of tasks.
    pub(super) fn told(&self, seen: Seen, draft: &mut Draft, depth: Depth) -> Result<(), Opaque> {
        if let Some(cursor) = seen.cursor.filter(|cursor| seen.has_list && cursor.text.as_deref() != Some("")) {
            let sealed = cursor.text.as_deref().and_then(|text| self.tasks.cursor(text));
            draft.edits.push(cursor.replaced_by(sealed)?);
        }
        // Without a status it is no task of MCP, and the identifier some tool's own.
        let flat = seen.flat.filter(|_| seen.has_status);
        let (made, told) = if seen.is_made { (flat, None) } else { (None, flat) };
        let made = seen.inner.into_iter().chain(made);
        // What came of a task makes no task.
        if depth == Depth::Answer {
            draft.made.extend(made)
        } else {
            draft.told.extend(made)
        }
        draft.told.extend(told);
        Ok(())
    }

    /// Reads the `params` of a request or notification of the server.
    pub(super) fn params(
        &self,
        reader: &mut Reader<'_>,
        draft: &mut Draft,
        tallies: &mut Vec<Tally>,
    ) -> Result<(), Opaque> {
        let mut is_plain = true;
        reader.object(|key, value| {
            is_plain &= !is_disguised(key, &["uri", "taskId"]);
            match (key, value.kind()?) {
                ("uri", Kind::String) => draft.uri = Placed::read(value)?.text,
                ("taskId", Kind::String) => draft.task = Some(Placed::read(value)?),
                ("_meta", Kind::Object) => draft.told.extend(related(value)?),
                // The result of a task that is over (SEP-2663, `notifications/tasks`).
                ("result", Kind::Object) => self.result(value, draft, tallies, Depth::OfTask)?,
                // What a listener will hear of (SEP-2663, `notifications/subscriptions/acknowledged`).
                ("notifications", Kind::Object) => self.acknowledged(value, &mut draft.edits)?,
                _ => {
                    value.skip()?;
                }
            }
            Ok::<_, Opaque>(())
        })?;
        // What some reader may take for another thing is neither of them.
        if !is_plain {
            (draft.uri, draft.task) = (None, None);
        }
        Ok(())
    }

    fn acknowledged(&self, reader: &mut Reader<'_>, edits: &mut Vec<Edit>) -> Result<(), Opaque> {
        reader.object(|key, value| {
            if key != "taskIds" || value.kind()? != Kind::Array {
                value.skip()?;
                return Ok(());
            }
            let mut unused = Tally { kind: ListKind::Tasks, shown: 0, hidden: 0, bytes_removed: 0 };
            keep(value, edits, &mut unused, |element, edits| {
                if element.kind()? != Kind::String {
                    element.skip()?;
                    return Ok(false);
                }
                let task = Placed::read(element)?;
                self.show_known(task, edits)
            })
        })
    }

    /// An element of a list of tasks.
    pub(super) fn task(&self, reader: &mut Reader<'_>, edits: &mut Vec<Edit>) -> Result<bool, Opaque> {
        if reader.kind()? != Kind::Object {
            reader.skip()?;
            return Ok(false);
        }
        let (mut task, mut is_one, mut is_plain) = (None, false, true);
        reader.object(|key, value| {
            is_one |= key == "taskId";
            // For some reader it is one, or another one.
            is_plain &= !is_disguised(key, &["taskId"]);
            match (key, value.kind()?) {
                ("taskId", Kind::String) => task = Some(Placed::read(value)?),
                _ => {
                    value.skip()?;
                }
            }
            Ok::<_, Opaque>(())
        })?;
        match task {
            Some(task) if is_plain => self.show_known(task, edits),
            Some(_) | None => Ok(is_plain && !is_one),
        }
    }

    fn show_known(&self, task: Placed, edits: &mut Vec<Edit>) -> Result<bool, Opaque> {
        let handle = task.text.as_deref().and_then(|text| self.tasks.known(text));
        let is_known = handle.is_some();
        if is_known {
            edits.push(task.replaced_by(handle)?);
        }
        Ok(is_known)
    }

    /// Decides what becomes of a message that was read whole.
    pub(super) fn finish(&self, document: &[u8], draft: Draft) -> Result<Passed, Opaque> {
        let Draft { mut edits, method, id, has_result, found: _, uri, task, made, told } = draft;
        if has_result && !self.tasks.expects_result() {
            return Err(Opaque);
        }
        match method.as_deref() {
            Some("notifications/resources/updated")
                if !uri.is_some_and(|uri| (self.sees)(ListKind::Resources, &uri)) =>
            {
                return Ok(Passed::Nothing);
            }
            Some(method) if is_about_a_task(method) => {
                let is_shown = task.map_or(Ok(false), |task| self.show_known(task, &mut edits))?;
                if !is_shown {
                    return Ok(Passed::Nothing);
                }
            }
            // About a task that the client runs.
            Some(method) if method.starts_with("tasks/") => return apply(document, edits),
            Some(_) | None => {}
        }
        for task in made {
            let handle = task.text.as_deref().and_then(|text| {
                let answer = id.as_deref().filter(|_| method.is_none());
                let made = answer.and_then(|answer| self.tasks.made(answer, text));
                made.or_else(|| self.known_or_mention(text))
            });
            edits.push(task.replaced_by(handle)?);
        }
        for task in told {
            let handle = task.text.as_deref().and_then(|text| self.known_or_mention(text));
            edits.push(task.replaced_by(handle)?);
        }
        apply(document, edits)
    }

    fn known_or_mention(&self, task: &str) -> Option<String> {
        self.tasks.known(task).or_else(|| self.tasks.mention(task))
    }
}

/// `notifications/tasks/status` (2025-11-25) and `notifications/tasks` (SEP-2663, which reserves the prefix).
fn is_about_a_task(method: &str) -> bool {
    method.strip_prefix("notifications/tasks").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The related task in `_meta`, if there is one.
fn related(reader: &mut Reader<'_>) -> Result<Option<Placed>, Opaque> {
    let mut found = None;
    reader.object(|key, value| {
        if key == META_RELATED_TASK && value.kind()? == Kind::Object {
            found = placed_member(value, "taskId")?;
        } else {
            value.skip()?;
        }
        Ok::<_, Opaque>(())
    })?;
    Ok(found)
}

/// Reads an object and returns its member `name`, if that is a string.
fn placed_member(reader: &mut Reader<'_>, name: &str) -> Result<Option<Placed>, Opaque> {
    let mut found = None;
    reader.object(|key, value| {
        if key == name && value.kind()? == Kind::String {
            found = Some(Placed::read(value)?);
        } else {
            value.skip()?;
        }
        Ok::<_, Opaque>(())
    })?;
    Ok(found)
}
