//! The JSON-RPC envelope of one message (JSON-RPC 2.0; MCP, basic, "Messages").

use std::borrow::Cow;

use super::disguise::is_disguised;
use crate::json::{JsonFlaw, Kind, Reader};
use crate::refusal::Refusal;

/// The members of a message that are understood here. Anything else at this level passes unread.
const MEMBERS: &[&str] = &["jsonrpc", "id", "method", "params", "result", "error"];

/// The members of `params` that some method gives a meaning to that matters here.
const PARAMS: &[&str] = &[
    "_meta",
    "name",
    "uri",
    "arguments",
    "ref",
    "argument",
    "taskId",
    "notifications",
    "cursor",
    "task",
    "inputResponses",
    "requestState",
    "protocolVersion",
    "requestId",
];

/// A message as far as its envelope goes. Everything is a slice of the body.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    /// The id as written, if it is a string or an integer.
    pub(super) id: Option<&'a str>,
    pub(super) method: Option<Cow<'a, str>>,
    pub(super) params: Option<Params<'a>>,
    /// The result of a reply, as written.
    pub(super) result: Option<&'a str>,
    pub(super) has_error: bool,
    is_version_2: bool,
}

/// The members of `params` that were named in [`PARAMS`], as written.
#[derive(Debug, Default)]
pub(super) struct Params<'a> {
    members: Vec<(&'static str, &'a str)>,
}

impl<'a> Params<'a> {
    /// The text of a member.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.members.iter().find(|(key, _)| *key == name).map(|(_, text)| *text)
    }
}

/// Why an envelope was refused, and what is known of the id.
#[derive(Debug)]
pub(super) struct Broken<'a> {
    pub(super) refusal: Refusal,
    pub(super) id: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    /// Reads the whole body as one message.
    pub(super) fn read(body: &'a [u8], depth: u16) -> Result<Self, Broken<'a>> {
        let mut envelope = Self::default();
        match envelope.fill(body, depth) {
            Ok(()) => Ok(envelope),
            // An id is one only if the whole message could be read.
            Err(refusal @ (Refusal::JsonInvalid | Refusal::KeyRepeated | Refusal::NestingTooDeep)) => {
                Err(Broken { refusal, id: None })
            }
            Err(refusal) => Err(Broken { refusal, id: envelope.id }),
        }
    }

    fn fill(&mut self, body: &'a [u8], depth: u16) -> Result<(), Refusal> {
        let mut reader = Reader::new(body, depth)?;
        match reader.kind()? {
            Kind::Object => {}
            Kind::Array => {
                reader.skip()?;
                reader.end()?;
                return Err(Refusal::BatchRefused);
            }
            Kind::String | Kind::Number | Kind::Bool | Kind::Null => {
                reader.skip()?;
                reader.end()?;
                return Err(Refusal::MessageInvalid);
            }
        }
        // Of several flaws the syntax of the rest comes first: a half-read message has no meaning at all.
        let mut flaw = None;
        reader.object(|key, value| {
            if let Err(refusal) = self.member(key, value)? {
                flaw.get_or_insert(refusal);
            }
            Ok::<_, JsonFlaw>(())
        })?;
        reader.end()?;
        match flaw {
            Some(refusal) => Err(refusal),
            None if !self.is_version_2 => Err(Refusal::MessageInvalid),
            None => Ok(()),
        }
    }

    /// Reads one member. The outer error is of the text, the inner of what it says.
    fn member(&mut self, key: &str, value: &mut Reader<'a>) -> Result<Result<(), Refusal>, JsonFlaw> {
        match key {
            "jsonrpc" => {
                self.is_version_2 = value.raw()? == "\"2.0\"";
                Ok(Ok(()))
            }
            "id" => self.read_id(value),
            "method" => {
                if value.kind()? != Kind::String {
                    value.skip()?;
                    return Ok(Err(Refusal::MessageInvalid));
                }
                self.method = Some(value.string()?.decode()?);
                Ok(Ok(()))
            }
            "params" => self.read_params(value),
            "result" => {
                self.result = Some(value.raw()?);
                Ok(Ok(()))
            }
            "error" => {
                self.has_error = true;
                value.skip().map(|_| Ok(()))
            }
            other => {
                value.skip()?;
                Ok(if is_disguised(other, MEMBERS) { Err(Refusal::KeyDisguised) } else { Ok(()) })
            }
        }
    }

    fn read_id(&mut self, value: &mut Reader<'a>) -> Result<Result<(), Refusal>, JsonFlaw> {
        let kind = value.kind()?;
        if kind == Kind::String {
            value.peek_string()?.decode()?;
        }
        let text = value.raw()?;
        let is_integer = kind == Kind::Number && !text.contains(['.', 'e', 'E']);
        if kind == Kind::String || is_integer {
            self.id = Some(text);
            Ok(Ok(()))
        } else {
            Ok(Err(Refusal::IdInvalid))
        }
    }

    fn read_params(&mut self, value: &mut Reader<'a>) -> Result<Result<(), Refusal>, JsonFlaw> {
        if value.kind()? != Kind::Object {
            value.skip()?;
            return Ok(Err(Refusal::MessageInvalid));
        }
        let mut params = Params::default();
        let mut verdict = Ok(());
        value.object(|key, value| {
            let text = value.raw()?;
            if let Some(known) = PARAMS.iter().find(|known| **known == key) {
                params.members.push((known, text));
            } else if is_disguised(key, PARAMS) {
                verdict = Err(Refusal::KeyDisguised);
            }
            Ok::<_, JsonFlaw>(())
        })?;
        self.params = Some(params);
        Ok(verdict)
    }
}

impl From<JsonFlaw> for Refusal {
    fn from(flaw: JsonFlaw) -> Self {
        match flaw {
            JsonFlaw::Syntax | JsonFlaw::LoneSurrogate => Self::JsonInvalid,
            JsonFlaw::KeyRepeated => Self::KeyRepeated,
            JsonFlaw::TooDeep => Self::NestingTooDeep,
        }
    }
}
