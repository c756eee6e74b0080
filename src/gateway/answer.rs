//! Answers that the gateway makes itself.

use bytes::Bytes;
use http::HeaderValue;
use http::header::{self, HeaderName};
use pingora_core::protocols::http::ServerSession;
use pingora_http::ResponseHeader;

use super::Config;
use crate::message::reply::ErrorReply;
use crate::refusal::{Challenge, Refusal};
use crate::token::Algorithm;

/// The client is gone: nothing can be told it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// A complete answer.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, without those of the framing.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub const fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// An answer in JSON.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        let mut answer = Self { status, headers: Vec::new(), body: body.into() };
        answer.set(header::CONTENT_TYPE, "application/json");
        answer
    }

    /// Adds a header, if its value can stand in one.
    pub fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
    }

    /// Writes the answer; a HEAD request gets no body.
    ///
    /// # Errors
    /// [`Gone`] if the client is not there any more.
    pub async fn write(self, session: &mut ServerSession) -> Result<(), Gone> {
        let mut head = ResponseHeader::build_no_case(self.status, Some(self.headers.len().saturating_add(4)))
            .map_err(|_| Gone)?;
        for (name, value) in self.headers {
            head.append_header(name, value).map_err(|_| Gone)?;
        }
        // A 204 has no length (RFC 9110 §8.6).
        if self.status != 204 {
            head.insert_header(header::CONTENT_LENGTH, self.body.len().to_string()).map_err(|_| Gone)?;
        }
        let is_head = session.req_header().method == http::Method::HEAD;
        session.write_response_header(Box::new(head)).await.map_err(|_| Gone)?;
        let body = if is_head { Bytes::new() } else { self.body };
        session.write_response_body(body, true).await.map_err(|_| Gone)
    }
}

/// The answer to a refused request.
#[must_use]
pub fn refusal(config: &Config, refusal: Refusal, reply: &ErrorReply<'_>, scopes: &str) -> Answer {
    let mut status = refusal.status(reply.era);
    if reply.id.is_none() && status == 200 {
        // There is no request that an error could answer (MCP, streamable-http, "Sending messages").
        status = 400;
    }
    let mut answer = Answer::json(status, reply.render(refusal));
    answer.set(header::CACHE_CONTROL, "no-store");
    if let Some(challenge) = challenge(config, refusal, scopes) {
        answer.set(header::WWW_AUTHENTICATE, &challenge);
    }
    if let Some(seconds) = refusal.retry_after() {
        answer.set(header::RETRY_AFTER, &seconds.to_string());
    }
    if status == 405 {
        answer.set(header::ALLOW, super::metadata::METHODS);
    }
    if refusal == Refusal::ContentEncoded {
        // RFC 9110 §15.5.16
        answer.set(header::ACCEPT_ENCODING, "identity");
    }
    answer
}

/// One challenge in the order of parameters that clients can read: `error`, `scope`, `resource_metadata`,
/// `error_description` (RFC 6750 §3, RFC 9728 §5.1), and `algs` in one for a proof (RFC 9449 §7.1).
fn challenge(config: &Config, refusal: Refusal, scopes: &str) -> Option<String> {
    let kind = refusal.challenge();
    if kind == Challenge::None {
        return None;
    }
    // Where every token must be bound to a key, no bearer token would do.
    let wants_proof = config.is_dpop_required || matches!(kind, Challenge::Dpop(_));
    let mut challenge = String::with_capacity(384);
    challenge.push_str(if wants_proof { "DPoP" } else { "Bearer" });
    let mut before = " ";
    let mut parameter = |name: &str, value: &str| {
        for part in [before, name, "=\"", value, "\""] {
            challenge.push_str(part);
        }
        before = ", ";
    };
    match kind {
        Challenge::None | Challenge::Bare => {
            parameter("resource_metadata", &config.metadata_url);
            if !scopes.is_empty() {
                parameter("scope", scopes);
            }
        }
        Challenge::Error(error) | Challenge::Dpop(error) => {
            parameter("error", error);
            // A malformed header is not cured by other scopes.
            if !scopes.is_empty() && kind != Challenge::Error("invalid_request") {
                parameter("scope", scopes);
            }
            parameter("resource_metadata", &config.metadata_url);
            parameter("error_description", refusal.sentence());
        }
    }
    if wants_proof {
        let algorithms: Vec<&str> = Algorithm::ASYMMETRIC.iter().map(|algorithm| algorithm.name()).collect();
        parameter("algs", &algorithms.join(" "));
    }
    Some(challenge)
}
