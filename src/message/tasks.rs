//! Where a client's message names tasks.
//!
//! What stands there is a handle that the gateway sealed. The server gets its own identifier in its place: the
//! only bytes of a body that are not the client's.
//!
//! Tasks run on either side (MCP 2025-11-25, tasks, "Definitions"), and an identifier belongs to the side that runs
//! the task. In requests of the client it is the server's. In results and in `notifications/tasks/status` from the
//! client it is the client's own, and passes untouched. A related task in `_meta` of those can be either: a handle
//! of this caller is the server's, anything else is the client's own. The server's identifiers are known to no
//! client, so that nobody can pass one off as his.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memmem};

use super::envelope::Params;
use super::splice::place_of;
use super::{Ask, List, Meta, Shape, elements, listen, members, text};
use crate::json::{Kind, Reader};
use crate::refusal::Refusal;

/// What a client means by naming a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskRole {
    /// The request is about it: it must be the caller's.
    Asked,
    /// The request is said to belong to it: it must be the caller's.
    Claimed,
    /// An answer or a notification belongs to it, or to a task of the client's own.
    Remarked,
    /// It is no task but a page of the list of them.
    Cursor,
}

/// A place where a task is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskName<'a> {
    /// What is meant.
    pub role: TaskRole,
    /// What the client calls it.
    pub handle: Cow<'a, str>,
    /// Where that stands in the body, quotes included.
    pub place: Range<usize>,
}

/// Finds the names in a request or notification.
pub(super) struct Names<'a> {
    pub(super) body: &'a [u8],
    pub(super) depth: u16,
    pub(super) shape: Shape,
}

impl<'a> Names<'a> {
    pub(super) fn find(
        &self,
        ask: &Ask<'a>,
        params: &Params<'a>,
        meta: &Meta<'a>,
    ) -> Result<Vec<TaskName<'a>>, Refusal> {
        let mut names = Vec::new();
        match ask {
            Ask::Task => names.push(self.name(TaskRole::Asked, params.get("taskId"))?),
            Ask::Listen { .. } => {
                let wanted = listen(params.get("notifications"), self.depth)?;
                for task in elements(wanted.tasks, self.depth)? {
                    names.push(self.name(TaskRole::Asked, Some(task))?);
                }
            }
            Ask::List(List::Tasks) => {
                let cursor = params.get("cursor").filter(|cursor| !matches!(*cursor, "null" | "\"\""));
                if cursor.is_some() {
                    names.push(self.name(TaskRole::Cursor, cursor)?);
                }
            }
            Ask::Base
            | Ask::List(List::Tools | List::Prompts | List::Resources | List::ResourceTemplates)
            | Ask::Tool { .. }
            | Ask::Prompt { .. }
            | Ask::Resource { .. }
            | Ask::Specified
            | Ask::Extension => {}
        }
        // A client's own task may be what its notification is about, and never what its request is.
        let role = if self.shape == Shape::Request { TaskRole::Claimed } else { TaskRole::Remarked };
        if let Some(task) = related(meta.related_task, self.depth)? {
            names.push(self.name(role, Some(task))?);
        }
        Ok(names)
    }

    fn name(&self, role: TaskRole, written: Option<&'a str>) -> Result<TaskName<'a>, Refusal> {
        let handle = text(written)?;
        let place = written.and_then(|written| place_of(self.body, written)).ok_or(Refusal::ParamsInvalid)?;
        Ok(TaskName { role, handle, place })
    }
}

/// The names in a reply with this `result`.
pub(super) fn in_reply<'a>(
    result: Option<&'a str>,
    body: &'a [u8],
    depth: u16,
) -> Result<Vec<TaskName<'a>>, Refusal> {
    let names = Names { body, depth, shape: Shape::Reply };
    let Some(result) = result else { return Ok(Vec::new()) };
    // Most answers belong to no task, and then need not be read twice. An escape can spell anything.
    let bytes = result.as_bytes();
    if memmem::find(bytes, b"task").is_none() && memchr(b'\\', bytes).is_none() {
        return Ok(Vec::new());
    }
    let Some(meta) = object_member(result, "_meta", depth)? else { return Ok(Vec::new()) };
    if Reader::new(meta.as_bytes(), depth)?.kind()? != Kind::Object {
        return Ok(Vec::new());
    }
    let related = related(Meta::read(Some(meta), depth)?.related_task, depth)?;
    related.map(|task| names.name(TaskRole::Remarked, Some(task))).into_iter().collect()
}

/// The identifier in the metadata of a related task, as written.
fn related(metadata: Option<&str>, depth: u16) -> Result<Option<&str>, Refusal> {
    let Some(metadata) = metadata else { return Ok(None) };
    let id = object_member(metadata, "taskId", depth)?;
    id.map_or(Err(Refusal::ParamsInvalid), |id| Ok(Some(id)))
}

/// A member of an object, as written. None where `value` is no object.
fn object_member<'a>(value: &'a str, name: &'static str, depth: u16) -> Result<Option<&'a str>, Refusal> {
    if Reader::new(value.as_bytes(), depth)?.kind()? != Kind::Object {
        return Ok(None);
    }
    let mut found = None;
    members(value, depth, &[name], |_, value| found = Some(value))?;
    Ok(found)
}
