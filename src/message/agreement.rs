//! The mirrored headers of MCP 2026-07-28 must say what the body says (SEP-2243; streamable-http, "Server
//! validation"). The body decides; the headers are only compared with it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::refusal::{Era, Refusal};

/// A header field as far as its repetition goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Field<'a> {
    /// No line with this name.
    #[default]
    Absent,
    /// One line; the value without white space around it.
    Once(&'a [u8]),
    /// Two lines or more: there is no telling which one another reader takes.
    Repeated,
}

impl<'a> Field<'a> {
    /// The field whose lines have these values.
    pub fn of(mut lines: impl Iterator<Item = &'a [u8]>) -> Self {
        match (lines.next(), lines.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::Once(value.trim_ascii()),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }
}

/// The headers that mirror the body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mirror<'a> {
    /// `MCP-Protocol-Version`
    pub version: Field<'a>,
    /// `Mcp-Method`
    pub method: Field<'a>,
    /// `Mcp-Name`
    pub name: Field<'a>,
}

/// The first revision whose requests carry their version in the body.
const FIRST_MODERN: &[u8] = b"2026-07-28";

/// What the body says, to be compared.
#[derive(Default)]
pub(super) struct Said<'b> {
    /// `_meta["io.modelcontextprotocol/protocolVersion"]`
    pub(super) version: Option<&'b str>,
    /// `method`
    pub(super) method: &'b str,
    /// What `Mcp-Name` mirrors for this method, if anything.
    pub(super) name: Option<&'b str>,
    /// Whether a modern request must mirror that.
    pub(super) is_name_due: bool,
    /// Whether the message wants an answer.
    pub(super) is_request: bool,
}

impl Mirror<'_> {
    /// Whether the headers alone claim a revision without sessions.
    #[must_use]
    pub fn claims_modern(&self) -> bool {
        matches!(self.version, Field::Once(version) if is_date(version) && version >= FIRST_MODERN)
    }

    /// The era of a message that says `said`, if headers and body agree.
    pub(super) fn agree(&self, said: &Said<'_>) -> Result<Era, Refusal> {
        for field in [self.version, self.method, self.name] {
            if field == Field::Repeated {
                return Err(Refusal::HeaderMismatch);
            }
        }
        let Some(version) = said.version else {
            if self.claims_modern() && said.is_request {
                return Err(Refusal::MetaMissing);
            }
            self.compare_if_present(said)?;
            return Ok(if self.claims_modern() { Era::Modern } else { Era::Legacy });
        };
        if self.version != Field::Once(version.as_bytes()) {
            return Err(Refusal::HeaderMismatch);
        }
        let is_name_due = said.is_name_due && said.name.is_some();
        let is_complete = self.method != Field::Absent && (!is_name_due || self.name != Field::Absent);
        if said.is_request && !is_complete {
            return Err(Refusal::HeaderMismatch);
        }
        self.compare_if_present(said)?;
        Ok(Era::Modern)
    }

    fn compare_if_present(&self, said: &Said<'_>) -> Result<(), Refusal> {
        if let Field::Once(method) = self.method
            && method != said.method.as_bytes()
        {
            return Err(Refusal::HeaderMismatch);
        }
        if let (Field::Once(name), Some(said_name)) = (self.name, said.name)
            && decode(name).as_deref() != Some(said_name.as_bytes())
        {
            return Err(Refusal::HeaderMismatch);
        }
        Ok(())
    }
}

/// Header values that are not plain ASCII travel as `=?base64?…?=`, with padding (SEP-2243).
fn decode(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let encoded = value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?="));
    match encoded {
        Some(encoded) => STANDARD.decode(encoded).ok().map(Cow::Owned),
        None => Some(Cow::Borrowed(value)),
    }
}

/// A name as the value of `Mcp-Name`.
#[must_use]
pub fn encode(name: &str) -> String {
    // Plain where no reader could take it for anything else.
    if name.bytes().all(|byte| byte.is_ascii_graphic()) && !name.is_empty() && !name.starts_with("=?") {
        return name.to_owned();
    }
    format!("=?base64?{}?=", STANDARD.encode(name))
}

/// Whether `version` has the form of a revision, `YYYY-MM-DD`, so that revisions compare as text.
fn is_date(version: &[u8]) -> bool {
    version.len() == FIRST_MODERN.len()
        && version.iter().zip(FIRST_MODERN).all(|(byte, like)| match like {
            b'-' => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}
