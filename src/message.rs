//! What a request body says: the only reader of request bytes.
//!
//! [`recognise`] understands the whole body or refuses it; nothing behind it sees half-understood JSON. What it
//! returns borrows from the body, and the body itself is what is forwarded.

pub mod agreement;
pub mod batch;
pub mod content;
pub(crate) mod disguise;
mod envelope;
pub mod id;
pub mod lists;
pub mod notice;
pub mod reply;
pub mod splice;
pub mod sse;
pub mod tasks;

use std::borrow::Cow;

use crate::json::{JsonFlaw, Kind, Reader};
use crate::refusal::{Era, Refusal};
use agreement::{Mirror, Said};
use disguise::is_disguised;
use envelope::{Broken, Envelope, Params};
use notice::Changed;
use tasks::TaskName;

/// The lists a caller can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    ResourceTemplates,
    /// `tasks/list`
    Tasks,
}

/// What a message asks for, as far as permission goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask<'a> {
    /// The base of the protocol: a valid token is enough.
    Base,
    /// A list, which is filtered and never refused.
    List(List),
    /// The call of a tool.
    Tool {
        /// `params.name`
        name: Cow<'a, str>,
        /// `params.arguments` as written.
        arguments: Option<&'a str>,
    },
    /// A prompt, or completions of its arguments.
    Prompt {
        /// `params.name` or `params.ref.name`
        name: Cow<'a, str>,
        /// `params.arguments` of `prompts/get` as written.
        arguments: Option<&'a str>,
    },
    /// A resource: read, (un)subscribe, or completions of a template.
    Resource {
        /// `params.uri` or `params.ref.uri`
        uri: Cow<'a, str>,
    },
    /// `subscriptions/listen`
    Listen {
        /// `params.notifications.resourceSubscriptions`; tasks are in [`Message::tasks`].
        uris: Vec<Cow<'a, str>>,
        /// Of which changed lists it wants to hear: `toolsListChanged`, `promptsListChanged`, `resourcesListChanged`.
        lists: Vec<Changed>,
    },
    /// A task, by the handle that this caller has of it: `params.taskId`
    Task,
    /// A method that the specification names and a policy may restrict.
    Specified,
    /// A method of no revision: only a policy can allow it.
    Extension,
}

impl<'a> Ask<'a> {
    /// The arguments of a tool or prompt, as written.
    #[must_use]
    pub const fn arguments(&self) -> Option<&'a str> {
        match self {
            Self::Tool { arguments, .. } | Self::Prompt { arguments, .. } => *arguments,
            Self::Base
            | Self::List(_)
            | Self::Resource { .. }
            | Self::Listen { .. }
            | Self::Task
            | Self::Specified
            | Self::Extension => None,
        }
    }
}

/// Whether a message is a request, a notification or a reply (JSON-RPC 2.0 §4, §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It has an id and wants an answer.
    Request,
    /// It has no id.
    Notification,
    /// It answers a request of the server.
    Reply,
}

/// A message that was understood completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// Request, notification or reply.
    pub shape: Shape,
    /// The era it belongs to.
    pub era: Era,
    /// The id as written.
    pub id: Option<&'a str>,
    /// The method; empty for a reply.
    pub method: Cow<'a, str>,
    /// What is asked.
    pub ask: Ask<'a>,
    /// `params.cursor` as written: which page of a list is asked for.
    pub cursor: Option<&'a str>,
    /// Where tasks are named, in the order in which that matters: what is asked for first.
    pub tasks: Vec<TaskName<'a>>,
}

/// A body that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrecognised<'a> {
    /// Why.
    pub refusal: Refusal,
    /// The id as written, where the body is a message that has one.
    pub id: Option<&'a str>,
    /// The era, as far as it is known.
    pub era: Era,
    /// The method, as far as it is known.
    pub method: Option<Cow<'a, str>>,
}

/// Understands `body`, sent with the mirrored headers `mirror`, nested at most `depth` deep.
///
/// # Errors
/// [`Unrecognised`] with the exact reason.
pub fn recognise<'a>(mirror: &Mirror<'_>, body: &'a [u8], depth: u16) -> Result<Message<'a>, Unrecognised<'a>> {
    let claimed = if mirror.claims_modern() { Era::Modern } else { Era::Legacy };
    let envelope = Envelope::read(body, depth).map_err(|Broken { refusal, id }| Unrecognised {
        refusal,
        id,
        era: claimed,
        method: None,
    })?;
    let (id, method) = (envelope.id, envelope.method.clone());
    understand(mirror, envelope, body, depth).map_err(|refusal| Unrecognised { refusal, id, era: claimed, method })
}

fn understand<'a>(
    mirror: &Mirror<'_>,
    envelope: Envelope<'a>,
    body: &'a [u8],
    depth: u16,
) -> Result<Message<'a>, Refusal> {
    let shape = shape(&envelope)?;
    let Envelope { id, method, params, result, .. } = envelope;
    let params = params.unwrap_or_default();
    let method = method.unwrap_or_default();
    if shape == Shape::Reply {
        // MCP 2026-07-28, streamable-http: clients must not post responses.
        return match mirror.agree(&Said::default())? {
            Era::Modern => Err(Refusal::MessageInvalid),
            era @ Era::Legacy => {
                let tasks = tasks::in_reply(result, body, depth)?;
                Ok(Message { shape, era, id, method, ask: Ask::Base, cursor: None, tasks })
            }
        };
    }
    let meta = Meta::read(params.get("_meta"), depth)?;
    let version = meta.version.map(|version| text(Some(version))).transpose()?;
    let asked = ask(&method, shape, &params, depth);
    let named = asked.as_ref().ok().and_then(|asked| mirrored_name(&method, asked, &params));
    let said = Said {
        version: version.as_deref(),
        method: &method,
        name: named.as_deref(),
        // The revision that mirrors names no longer has this method.
        is_name_due: method != "tasks/result",
        is_request: shape == Shape::Request,
    };
    let era = mirror.agree(&said)?;
    let ask = asked.map_err(|refusal| if is_gone(era, &method) { Refusal::MethodUnknown } else { refusal })?;
    let tasks = tasks::Names { body, depth, shape }.find(&ask, &params, &meta)?;
    Ok(Message { shape, era, id, method, ask, cursor: params.get("cursor"), tasks })
}

/// Whether MCP 2026-07-28 has no such request any more, so that nothing can be wrong with its parameters.
fn is_gone(era: Era, method: &str) -> bool {
    era == Era::Modern && matches!(method, "resources/subscribe" | "resources/unsubscribe" | "tasks/result")
}

fn shape(envelope: &Envelope<'_>) -> Result<Shape, Refusal> {
    let is_answer = envelope.result.is_some() || envelope.has_error;
    match (&envelope.method, envelope.id) {
        (Some(_), _) if is_answer => Err(Refusal::MessageInvalid),
        (Some(method), Some(_)) if method.starts_with("notifications/") => Err(Refusal::MessageInvalid),
        (Some(_), Some(id)) if !is_one_id(id) => Err(Refusal::IdInvalid),
        (Some(_), Some(_)) => Ok(Shape::Request),
        (Some(method), None) if method.starts_with("notifications/") => Ok(Shape::Notification),
        (Some(_), None) => Err(Refusal::IdMissing),
        // One of the two, never both (JSON-RPC 2.0 §5).
        (None, Some(_)) if envelope.result.is_some() != envelope.has_error => Ok(Shape::Reply),
        (None, _) => Err(Refusal::MessageInvalid),
    }
}

/// Whether all readers take `id`, a string or an integer as written, for the same id. Beyond 2^53 - 1 (RFC 7493
/// §2.2) some round, so that two ids become one; and `-0` is `0` to some.
fn is_one_id(id: &str) -> bool {
    const MOST: u64 = (1 << 53) - 1;
    id.starts_with('"') || (id != "-0" && id.parse::<i64>().is_ok_and(|id| id.unsigned_abs() <= MOST))
}

/// Whether the request is one of the specification that names nothing: open to every caller unless the policy speaks of
/// it.
#[must_use]
pub fn is_specified(method: &str) -> bool {
    method == "logging/setLevel"
}

/// What the method asks for (MCP, `ClientRequest` and `ClientNotification` of every revision).
fn ask<'a>(method: &str, shape: Shape, params: &Params<'a>, depth: u16) -> Result<Ask<'a>, Refusal> {
    if shape == Shape::Notification {
        return Ok(match method {
            "notifications/initialized"
            | "notifications/cancelled"
            | "notifications/progress"
            | "notifications/roots/list_changed"
            // Of a task that the client runs for the server: the identifier is the client's own.
            | "notifications/tasks/status" => Ask::Base,
            _ => Ask::Extension,
        });
    }
    Ok(match method {
        "initialize" | "ping" | "server/discover" => Ask::Base,
        "tools/list" => Ask::List(List::Tools),
        "prompts/list" => Ask::List(List::Prompts),
        "resources/list" => Ask::List(List::Resources),
        "resources/templates/list" => Ask::List(List::ResourceTemplates),
        "tools/call" => Ask::Tool { name: text(params.get("name"))?, arguments: params.get("arguments") },
        "prompts/get" => Ask::Prompt { name: text(params.get("name"))?, arguments: params.get("arguments") },
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            Ask::Resource { uri: text(params.get("uri"))? }
        }
        "completion/complete" => reference(params.get("ref"), depth)?,
        "subscriptions/listen" => {
            let Wanted { uris, tasks, lists } = listen(params.get("notifications"), depth)?;
            texts(tasks, depth)?;
            Ask::Listen { uris: texts(uris, depth)?, lists }
        }
        "tasks/list" => Ask::List(List::Tasks),
        "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update" => {
            text(params.get("taskId"))?;
            Ask::Task
        }
        method if is_specified(method) => Ask::Specified,
        _ => Ask::Extension,
    })
}

/// What `Mcp-Name` mirrors (streamable-http, "Standard headers"; SEP-2663 for tasks).
fn mirrored_name<'a>(method: &str, asked: &Ask<'a>, params: &Params<'a>) -> Option<Cow<'a, str>> {
    match (method, asked) {
        ("tools/call", Ask::Tool { name, .. }) | ("prompts/get", Ask::Prompt { name, .. }) => Some(name.clone()),
        ("resources/read", Ask::Resource { uri }) => Some(uri.clone()),
        (_, Ask::Task) => text(params.get("taskId")).ok(),
        _ => None,
    }
}

/// A member that must be a string with characters in it.
fn text(member: Option<&str>) -> Result<Cow<'_, str>, Refusal> {
    let member = member.ok_or(Refusal::ParamsInvalid)?;
    let mut reader = Reader::new(member.as_bytes(), 1)?;
    if reader.kind()? != Kind::String {
        return Err(Refusal::ParamsInvalid);
    }
    let decoded = reader.string()?.decode()?;
    if decoded.is_empty() { Err(Refusal::ParamsInvalid) } else { Ok(decoded) }
}

/// What a member says that is written as a string.
#[must_use]
pub fn text_of(member: &str) -> Option<String> {
    let mut reader = Reader::new(member.as_bytes(), 1).ok()?;
    reader.string().ok()?.decode().ok().map(Cow::into_owned)
}

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// What `_meta` says that matters here, as written.
#[derive(Debug, Default)]
struct Meta<'a> {
    /// The version that the body itself claims (MCP 2026-07-28, basic, "Request metadata").
    version: Option<&'a str>,
    /// The task that the message belongs to (MCP 2025-11-25, tasks, "Related Task Metadata").
    related_task: Option<&'a str>,
}

impl<'a> Meta<'a> {
    fn read(meta: Option<&'a str>, depth: u16) -> Result<Self, Refusal> {
        let mut found = Self::default();
        if let Some(meta) = meta {
            members(meta, depth, &[META_VERSION, META_RELATED_TASK], |key, value| match key {
                META_VERSION => found.version = Some(value),
                _ => found.related_task = Some(value),
            })?;
        }
        Ok(found)
    }
}

/// `params.ref`: a prompt by name or a resource (template) by URI.
fn reference(member: Option<&str>, depth: u16) -> Result<Ask<'_>, Refusal> {
    let (mut kind, mut name, mut uri) = (None, None, None);
    members(member.ok_or(Refusal::ParamsInvalid)?, depth, &["type", "name", "uri"], |key, value| match key {
        "type" => kind = Some(value),
        "name" => name = Some(value),
        _ => uri = Some(value),
    })?;
    match (text(kind)?.as_ref(), name, uri) {
        ("ref/prompt", name, None) => Ok(Ask::Prompt { name: text(name)?, arguments: None }),
        ("ref/resource", None, uri) => Ok(Ask::Resource { uri: text(uri)? }),
        _ => Err(Refusal::ParamsInvalid),
    }
}

/// `params.notifications`, as written: what a listener wants to hear of.
#[derive(Default)]
struct Wanted<'a> {
    uris: Option<&'a str>,
    tasks: Option<&'a str>,
    lists: Vec<Changed>,
}

fn listen(member: Option<&str>, depth: u16) -> Result<Wanted<'_>, Refusal> {
    const KNOWN: &[&str] =
        &["resourceSubscriptions", "taskIds", "toolsListChanged", "promptsListChanged", "resourcesListChanged"];
    let mut wanted = Wanted::default();
    if let Some(member) = member {
        members(member, depth, KNOWN, |key, value| match key {
            "resourceSubscriptions" => wanted.uris = Some(value),
            "taskIds" => wanted.tasks = Some(value),
            // What is not a plain yes is the server's to refuse.
            _ if value != "true" => {}
            "toolsListChanged" => wanted.lists.push(Changed::Tools),
            "promptsListChanged" => wanted.lists.push(Changed::Prompts),
            _ => wanted.lists.push(Changed::Resources),
        })?;
    }
    Ok(wanted)
}

/// A member that must be an array of strings, if it is there.
fn texts(member: Option<&str>, depth: u16) -> Result<Vec<Cow<'_, str>>, Refusal> {
    elements(member, depth)?.into_iter().map(|element| text(Some(element))).collect()
}

/// The most resources or tasks that one message names. What is made of each takes more room than its name, and a
/// listener holds it for as long as it listens.
const MOST_NAMED: usize = 1024;

/// The elements, as written, of a member that must be an array of at most [`MOST_NAMED`], if it is there.
fn elements(member: Option<&str>, depth: u16) -> Result<Vec<&str>, Refusal> {
    let Some(member) = member else { return Ok(Vec::new()) };
    let mut reader = Reader::new(member.as_bytes(), depth)?;
    if reader.kind()? != Kind::Array {
        return Err(Refusal::ParamsInvalid);
    }
    let mut all = Vec::new();
    reader.array(|element| {
        if all.len() >= MOST_NAMED {
            return Err(Refusal::ParamsInvalid);
        }
        all.push(element.raw()?);
        Ok(())
    })?;
    Ok(all)
}

/// Calls `each` for the members of an object that are `known`; refuses keys that could be taken for them.
fn members<'a>(
    object: &'a str,
    depth: u16,
    known: &[&'static str],
    mut each: impl FnMut(&'static str, &'a str),
) -> Result<(), Refusal> {
    let mut reader = Reader::new(object.as_bytes(), depth)?;
    if reader.kind()? != Kind::Object {
        return Err(Refusal::ParamsInvalid);
    }
    let mut disguised = false;
    reader.object(|key, value| {
        let text = value.raw()?;
        match known.iter().find(|known| **known == key) {
            Some(known) => each(known, text),
            None => disguised |= is_disguised(key, known),
        }
        Ok::<_, JsonFlaw>(())
    })?;
    if disguised { Err(Refusal::KeyDisguised) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
