//! Answers that the gateway makes itself.

use std::time::Duration;

use http::StatusCode;

use super::Config;
use super::client::Reply;
use crate::message::reply::ErrorReply;
use crate::refusal::{Challenge, Refusal};
use crate::token::Algorithm;

/// The client is gone: nothing can be told it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// A complete answer.
pub struct Answer {
    /// The head, without the framing.
    pub reply: Reply,
    /// The body.
    pub body: Vec<u8>,
    /// Whether pages of any origin may read it.
    pub is_for_all_origins: bool,
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { reply: Reply::new(status), body: Vec::new(), is_for_all_origins: false }
    }

    /// An answer in JSON.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let mut answer = Self { body: body.into(), ..Self::empty(status) };
        answer.set("Content-Type", "application/json");
        answer
    }

    /// Adds a header, if its value can stand in one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.reply.line(name, value.as_bytes());
    }
}

/// The answer to a refused request.
#[must_use]
pub fn refusal(
    config: &Config,
    refusal: Refusal,
    reply: &ErrorReply<'_>,
    scopes: &[&str],
    wait: Option<Duration>,
) -> Answer {
    let mut status = refusal.status(reply.era);
    if reply.id.is_none() && status == 200 {
        // There is no request that an error could answer (MCP, streamable-http, "Sending messages").
        status = 400;
    }
    let mut answer = Answer::json(status, reply.render(refusal));
    answer.set("Cache-Control", "no-store");
    if refusal.challenge() != Challenge::None {
        answer.reply.line_of("WWW-Authenticate", |put| challenge(config, refusal, scopes, put));
    }
    let seconds = |wait: Duration| wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
    if let Some(seconds) = wait.map(seconds).or_else(|| refusal.retry_after().map(Into::into)) {
        answer.set("Retry-After", &seconds.to_string());
    }
    if status == 405 {
        answer.set("Allow", super::metadata::METHODS);
    }
    if refusal == Refusal::ContentEncoded {
        // RFC 9110 §15.5.16
        answer.set("Accept-Encoding", "identity");
    }
    answer
}

/// Puts the challenge of a refusal that has one, in the order of parameters that clients can read: `error`, `scope`,
/// `resource_metadata`, `error_description` (RFC 6750 §3, RFC 9728 §5.1), and `algs` in one for a proof (RFC 9449 §7.1).
fn challenge(config: &Config, refusal: Refusal, scopes: &[&str], put: &mut dyn FnMut(&str)) {
    let kind = refusal.challenge();
    // Where every token must be bound to a key, no bearer token would do.
    let wants_proof = config.is_dpop_required || matches!(kind, Challenge::Dpop(_));
    put(if wants_proof { "DPoP " } else { "Bearer " });
    let mut before = "";
    let mut parameter = |name: &str, value: &[&str]| {
        for part in [before, name, "=\""] {
            put(part);
        }
        for (at, word) in value.iter().enumerate() {
            if at > 0 {
                put(" ");
            }
            put(word);
        }
        put("\"");
        before = ", ";
    };
    match kind {
        Challenge::None | Challenge::Bare => {
            parameter("resource_metadata", &[&config.metadata_url]);
            if !scopes.is_empty() {
                parameter("scope", scopes);
            }
        }
        Challenge::Error(error) | Challenge::Dpop(error) => {
            parameter("error", &[error]);
            // A malformed header is not cured by other scopes.
            if !scopes.is_empty() && kind != Challenge::Error("invalid_request") {
                parameter("scope", scopes);
            }
            parameter("resource_metadata", &[&config.metadata_url]);
            parameter("error_description", &[refusal.sentence()]);
        }
    }
    if wants_proof {
        let algorithms: Vec<&str> = Algorithm::ASYMMETRIC.iter().map(|algorithm| algorithm.name()).collect();
        parameter("algs", &algorithms);
    }
}
