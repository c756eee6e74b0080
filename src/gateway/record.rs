//! What is known of a request when it is over, for the metrics and the audit: one count, one line, one place.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use http::Method;
use pingora_core::protocols::l4::socket::SocketAddr;

use super::client::Client;
use serde_json::value::RawValue;

use super::downstream::Ending;
use super::known::Known;
use super::now;
use crate::cel::Error;
use crate::judge::{Permit, Refused};
use crate::live::Reload;
use crate::message::lists::Tally;
use crate::message::{Ask, Message};
use crate::pin::{self, Drift, OnDrift};
use crate::policy::{Kind, Limit};
use crate::record::arguments::Arguments;
use crate::record::{AuditRecord, Moment, Outcome, trace_id};
use crate::refusal::Refusal;
use crate::report::audit::Audit;
use crate::report::decisions::Decisions;
use crate::report::metrics::{CacheResult, MethodLabel, Metrics, ReloadResult, StreamEnd, Subject, UpstreamResult};

/// Where requests are reported to.
pub struct Report {
    metrics: Arc<Metrics>,
    audit: Audit,
    arguments: Arguments,
    decisions: Arc<Decisions>,
    /// Identifiers count up from a random number, so that two processes do not share them.
    ids: AtomicU64,
}

impl Report {
    /// A report that counts in `metrics` and writes to `audit`; `seed` sets its identifiers apart from others'.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, audit: Audit, arguments: Arguments, seed: u64) -> Self {
        Self { metrics, audit, arguments, decisions: Arc::default(), ids: AtomicU64::new(seed) }
    }

    /// The last decisions.
    #[must_use]
    pub const fn decisions(&self) -> &Arc<Decisions> {
        &self.decisions
    }

    /// Writes a line, and keeps it for whoever asks about the decision.
    fn write(&self, record: &Record<'_>, part: Option<&Part<'_>>, duration: Duration) {
        let line = record.line(part, duration);
        self.decisions.keep(record.id, record.was_refused(), &line);
        self.audit.write(&line);
    }

    /// What is recorded of the arguments of a call.
    #[must_use]
    pub fn arguments(&self, message: &Message<'_>) -> Option<Box<RawValue>> {
        let Ask::Tool { arguments: Some(arguments), .. } = &message.ask else { return None };
        self.arguments.record(arguments).and_then(|recorded| RawValue::from_string(recorded).ok())
    }

    /// Counts a connection that did not speak HTTP.
    pub fn malformed(&self) {
        self.metrics.request(MethodLabel::none(), Some(Refusal::HttpMalformed), Duration::ZERO, None);
    }

    /// Counts a request that anybody may make: for the metadata, or a preflight.
    pub fn answered(&self) {
        self.metrics.request(MethodLabel::none(), None, Duration::ZERO, None);
    }

    /// Counts the token of a request.
    pub fn verified(&self, issuer: Option<&str>, refused: Option<Refusal>) {
        self.metrics.verification(issuer, refused);
    }

    /// Counts whether a token was remembered.
    pub fn token_remembered(&self, is_remembered: bool) {
        self.metrics.token_cache(if is_remembered { CacheResult::Hit } else { CacheResult::Miss });
    }

    /// Counts a stream that begins.
    pub fn stream_began(&self) {
        self.metrics.stream_began();
    }

    /// Counts a stream that ended.
    pub fn stream_ended(&self, ending: Ending) {
        self.metrics.stream_ended(stream_end(ending));
    }

    /// Notes that a policy came into force.
    pub fn policy_in_force(&self, generation: u64) {
        self.metrics.policy_in_force(generation, now().1.as_secs_f64());
    }

    /// Notes whether the policy in force enforces nothing.
    pub fn policy_shadow(&self, is_shadow: bool) {
        self.metrics.policy_shadow(is_shadow);
    }

    /// Notes what became of a changed policy file.
    pub fn reloaded(&self, reload: &Reload) {
        match reload {
            Reload::Done(generation) => {
                self.metrics.reload(ReloadResult::Done);
                self.policy_in_force(*generation);
            }
            Reload::Kept(_) => self.metrics.reload(ReloadResult::Kept),
        }
    }

    /// Notes what became of a changed list of what is revoked.
    pub fn revocations_reloaded(&self, reload: &Reload) {
        self.metrics.revocations_reload(match reload {
            Reload::Done(_) => ReloadResult::Done,
            Reload::Kept(_) => ReloadResult::Kept,
        });
    }

    /// Notes what became of a changed lockfile.
    pub fn lock_reloaded(&self, reload: &Reload) {
        self.metrics.lock_reload(match reload {
            Reload::Done(_) => ReloadResult::Done,
            Reload::Kept(_) => ReloadResult::Kept,
        });
    }

    /// Reports a request that is over; the time at which it was.
    pub fn finished(&self, record: &Record<'_>) -> Instant {
        let ended = Instant::now();
        let duration = ended.saturating_duration_since(record.started);
        let overhead = record.upstream_time.and_then(|upstream| duration.checked_sub(upstream));
        let overhead = overhead.filter(|_| !record.is_stream);
        self.metrics.request(record.method, record.refusal, duration, overhead);
        if let Some(subject) = record.decided {
            self.metrics.decision(subject, record.reason);
        }
        for part in &record.parts {
            self.metrics.decision(part.subject, part.reason);
        }
        for would in record.parts.iter().filter_map(|part| part.would_deny.as_ref()).chain(&record.would_deny) {
            self.metrics.shadow_denial(would.rule);
        }
        if let Some(rule) = record.limited {
            self.metrics.rate_limited(rule);
        }
        for tally in &record.tallies {
            self.metrics.list(tally);
        }
        if let Some(result) = record.upstream_result {
            self.metrics.upstream(result);
        }
        match record.parts.as_slice() {
            [] => self.write(record, None, duration),
            // Who did what must be found under each name.
            parts => parts.iter().for_each(|part| self.write(record, Some(part), duration)),
        }
        ended
    }
}

/// What a request is called in audit lines and answers: a number as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl RequestId {
    fn of(number: u64) -> Self {
        let digits = number.to_be_bytes().map(|byte| [byte >> 4, byte & 0xf]);
        let letter = |digit: u8| digit.wrapping_add(if digit < 10 { b'0' } else { b'a' - 10 });
        let mut text = [0; 16];
        for (letters, digits) in text.as_chunks_mut().0.iter_mut().zip(digits) {
            *letters = digits.map(letter);
        }
        Self(text)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Digits are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// What is known of one message of a batch.
struct Part<'p> {
    method_name: Cow<'static, str>,
    subject: Subject,
    name: Option<String>,
    reason: Option<&'static str>,
    detail: Option<&'static str>,
    rule: Option<&'p str>,
    drift: Option<(Drift, OnDrift)>,
    would_deny: Option<Would<'p>>,
    arguments: Option<Box<RawValue>>,
}

/// What a rule in shadow would have refused.
struct Would<'p> {
    rule: Option<&'p str>,
    reason: &'static str,
    /// The audit line tells of it; else it is only counted.
    is_audited: bool,
}

/// What is known of a request so far. Rules are named as the policy does that it is judged by.
pub struct Record<'p> {
    id: u64,
    time: Duration,
    started: Instant,
    remote: Option<Arc<str>>,
    trace: Option<String>,
    method: MethodLabel,
    method_name: Cow<'static, str>,
    subject: Option<Subject>,
    name: Option<String>,
    decided: Option<Subject>,
    reason: Option<&'static str>,
    detail: Option<&'static str>,
    rule: Option<&'p str>,
    parts: Vec<Part<'p>>,
    would_deny: Option<Would<'p>>,
    limited: Option<&'p str>,
    session: Option<String>,
    upstream_status: Option<u16>,
    upstream_time: Option<Duration>,
    upstream_result: Option<UpstreamResult>,
    /// The number of the policy that was asked.
    pub generation: u64,
    /// The caller, once its token is verified.
    pub caller: Option<Arc<Known>>,
    /// How the stream ended, if the answer was one.
    pub ending: Option<Ending>,
    /// Whether the answer was a stream.
    pub is_stream: bool,
    /// The status the caller got.
    pub status: u16,
    /// Why it was refused, if it was.
    pub refusal: Option<Refusal>,
    /// What was cut out of lists.
    pub tallies: Vec<Tally>,
    /// What is recorded of the arguments of a call.
    pub arguments: Option<Box<RawValue>>,
    /// How the tool that is called differs from the lockfile, and what is done about it.
    pub drift: Option<(Drift, OnDrift)>,
}

impl<'p> Record<'p> {
    /// A request whose head was just read.
    #[must_use]
    pub fn new(report: &Report, client: &Client) -> Self {
        let head = client.head();
        let trace = head.fields.first("traceparent").and_then(|value| std::str::from_utf8(value).ok());
        let trace = trace.and_then(trace_id);
        Self {
            id: report.ids.fetch_add(1, Ordering::Relaxed),
            time: now().1,
            started: Instant::now(),
            remote: client.remote().cloned(),
            trace: trace.map(ToOwned::to_owned),
            method: MethodLabel::none(),
            method_name: name_of(&head.method),
            subject: None,
            name: None,
            decided: None,
            reason: None,
            detail: None,
            rule: None,
            parts: Vec::new(),
            would_deny: None,
            limited: None,
            session: None,
            upstream_status: None,
            upstream_time: None,
            upstream_result: None,
            generation: 0,
            caller: None,
            ending: None,
            is_stream: false,
            status: 0,
            refusal: None,
            tallies: Vec::new(),
            arguments: None,
            drift: None,
        }
    }

    /// When its head was read, since 1970.
    #[must_use]
    pub const fn time(&self) -> Duration {
        self.time
    }

    /// The identifier under which the operator finds this request.
    #[must_use]
    pub fn id(&self) -> RequestId {
        RequestId::of(self.id)
    }

    /// Notes the method of a body that could not be understood further.
    pub fn method(&mut self, method: &str) {
        self.method = MethodLabel::of(method);
        let word = self.method.word();
        if word == method {
            self.method_name = word.into();
        } else if !method.is_empty() {
            self.method_name = method.to_owned().into();
        }
    }

    /// Notes what a message asks for.
    pub fn message(&mut self, message: &Message<'_>) {
        self.method(&message.method);
        let (subject, name) = match &message.ask {
            Ask::Base | Ask::List(_) => (Subject::Base, None),
            Ask::Tool { name, .. } => (Subject::Thing(Kind::Tool), Some(name.as_ref())),
            Ask::Prompt { name, .. } => (Subject::Thing(Kind::Prompt), Some(name.as_ref())),
            Ask::Resource { uri } => (Subject::Thing(Kind::Resource), Some(uri.as_ref())),
            Ask::Listen { uris, .. } => (Subject::Thing(Kind::Resource), uris.first().map(AsRef::as_ref)),
            Ask::Task | Ask::Specified | Ask::Extension => {
                (Subject::Thing(Kind::Method), Some(message.method.as_ref()))
            }
        };
        self.subject = Some(subject);
        self.name = name.map(ToOwned::to_owned);
    }

    /// Notes the session, by a digest: the identifier itself would be a key to it.
    pub fn session(&mut self, sealed: &str) {
        let digest = digest::digest(&digest::SHA256, sealed.as_bytes());
        self.session = Some(digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect());
    }

    /// Notes that the judge refuses.
    pub fn refused(&mut self, refused: &Refused<'p>) {
        self.decided = self.subject;
        self.reason = Some(refused.reason);
        self.detail = refused.error.map(Error::word);
        self.rule = refused.rule;
    }

    /// Notes that the judge permits.
    pub fn permitted(&mut self, permit: &Permit<'p>) {
        // What a request about a task was decided by is what made the task.
        if self.method_name.starts_with("tasks/")
            && let Some(maker) = permit.tasks().first().and_then(|task| task.maker.as_ref())
        {
            self.subject = Some(Subject::Thing(maker.kind));
            self.name = Some(maker.name.as_ref().to_owned());
        }
        if permit.names_unknown() {
            // The server will say that there is no such task.
            self.reason = Some(Refusal::TaskUnknown.word());
        }
        self.decided = self.subject.or(Some(Subject::Base));
        self.rule = permit.rule();
        let would_deny = permit.would_deny();
        self.would_deny = would_deny.map(|would| Would {
            rule: would.rule,
            reason: would.reason.word(),
            is_audited: would.sample.takes(self.id),
        });
    }

    /// Notes that a rate limit lets no more through.
    pub const fn limited(&mut self, rule: &'p str) {
        self.reason = Some(Refusal::RateLimited.word());
        self.rule = Some(rule);
        self.limited = Some(rule);
    }

    /// Notes that the rate limit of a rule in shadow would let no more through.
    pub fn would_limit(&mut self, limit: &Limit<'p>) {
        let (rule, reason) = (Some(limit.rule), Refusal::RateLimited.word());
        let is_audited = limit.sample.takes(self.id);
        self.would_deny.get_or_insert(Would { rule, reason, is_audited });
    }

    /// The digest of the session, if the request belongs to one.
    #[must_use]
    pub fn session_digest(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// Where the request comes from.
    #[must_use]
    pub fn remote(&self) -> Option<&str> {
        self.remote.as_deref()
    }

    /// Notes one message of a batch and what the judge says of it.
    pub fn part(&mut self, message: &Message<'_>, decision: Result<&Permit<'p>, &Refused<'p>>) {
        let (label, name) = (self.method, self.method_name.clone());
        self.message(message);
        match decision {
            Ok(permit) => self.permitted(permit),
            Err(refused) => self.refused(refused),
        }
        self.parts.push(Part {
            method_name: std::mem::replace(&mut self.method_name, name),
            subject: self.decided.take().unwrap_or(Subject::Base),
            name: self.name.take(),
            reason: self.reason.take(),
            detail: self.detail.take(),
            rule: self.rule.take(),
            drift: self.drift.take(),
            would_deny: self.would_deny.take(),
            arguments: self.arguments.take(),
        });
        (self.method, self.subject) = (label, None);
    }

    /// Notes the head of the upstream's answer, or that there is none.
    pub fn upstream(&mut self, time: Duration, answer: Result<u16, &Refusal>) {
        self.upstream_time = Some(time);
        self.upstream_status = answer.ok();
        self.upstream_result = Some(answer.err().map_or(UpstreamResult::Answered, |refusal| result(*refusal)));
    }

    /// Notes that the upstream's answer cannot be passed on.
    pub const fn upstream_refused(&mut self, refusal: Refusal) {
        self.upstream_result = Some(result(refusal));
    }

    /// Notes that the caller left before the upstream answered.
    pub const fn abandoned(&mut self) {
        self.upstream_result = Some(UpstreamResult::Abandoned);
    }

    /// What the upstream could not answer was allowed all the same.
    fn was_refused(&self) -> bool {
        self.reason.is_some()
            || self.refusal.is_some()
                && self.upstream_result.is_none_or(|result| result == UpstreamResult::Abandoned)
    }

    fn line(&self, part: Option<&Part<'_>>, duration: Duration) -> Vec<u8> {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let id = self.id();
        let refused_word = self.refusal.map(Refusal::word);
        let drift = part.map_or(self.drift, |part| part.drift);
        let (method, subject, name, arguments) = match part {
            Some(part) => (&part.method_name, Some(part.subject), &part.name, &part.arguments),
            None => (&self.method_name, self.subject, &self.name, &self.arguments),
        };
        let (reason, detail, rule, would) = match part {
            Some(part) => (part.reason.or(self.reason), part.detail, part.rule, &part.would_deny),
            None => (self.reason, self.detail, self.rule, &self.would_deny),
        };
        let would = would.as_ref().filter(|would| would.is_audited);
        AuditRecord {
            time: Moment(u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX)),
            request_id: id.as_str(),
            decision_id: Some(id.as_str()),
            caller: self.caller.as_ref().map(|caller| caller.told()),
            method: Some(method),
            kind: subject.map(Subject::word),
            name: name.as_deref(),
            arguments: arguments.as_deref(),
            decision: if self.was_refused() { Outcome::Deny } else { Outcome::Allow },
            reason: reason.or(refused_word).unwrap_or("permitted"),
            detail,
            rule,
            would_deny: would.map(|would| would.reason).or_else(|| would_deny(drift, reason)),
            would_deny_rule: would.and_then(|would| would.rule),
            tool_drift: drift.map(|(drift, _)| drift.word()),
            policy_generation: self.generation,
            session: self.session.as_deref(),
            http_status: self.status,
            upstream_status: self.upstream_status,
            duration_us: micros(duration),
            upstream_us: self.upstream_time.map(micros),
            stream_end: self.ending.map(|ending| stream_end(ending).word()),
            remote: self.remote.as_deref(),
            trace_id: self.trace.as_deref(),
        }
        .line()
    }
}

fn name_of(method: &Method) -> Cow<'static, str> {
    let known = ["POST", "GET", "DELETE", "OPTIONS"].into_iter().find(|known| method == known);
    known.map_or_else(|| method.as_str().to_owned().into(), Cow::Borrowed)
}

/// The address that a request comes from, as text.
pub(super) fn address(address: &SocketAddr) -> String {
    let Some(std::net::SocketAddr::V4(v4)) = address.as_inet() else { return address.to_string() };
    // What the standard library does with padding and precision is most of the cost of an audit line.
    let (mut text, mut digits) = (String::with_capacity(21), itoa::Buffer::new());
    for (at, byte) in v4.ip().octets().into_iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        text.push_str(digits.format(byte));
    }
    text.push(':');
    text.push_str(digits.format(v4.port()));
    text
}

/// Why what was permitted would have been refused, were the lockfile enforced.
fn would_deny(drift: Option<(Drift, OnDrift)>, refused: Option<&str>) -> Option<&'static str> {
    let is_shadow = matches!(drift, Some((_, OnDrift::Shadow)));
    (is_shadow && refused.is_none()).then_some(pin::REASON)
}

const fn stream_end(ending: Ending) -> StreamEnd {
    match ending {
        Ending::Complete | Ending::BrokenOff => StreamEnd::Upstream,
        Ending::TokenExpired => StreamEnd::Expired,
        Ending::Revoked => StreamEnd::Revoked,
        Ending::PermissionLost => StreamEnd::Policy,
        Ending::Shutdown => StreamEnd::Shutdown,
        Ending::Opaque => StreamEnd::Flaw,
        Ending::Overloaded => StreamEnd::Overload,
        Ending::ClientLeft => StreamEnd::Client,
    }
}

const fn result(refusal: Refusal) -> UpstreamResult {
    if matches!(refusal, Refusal::UpstreamDown) {
        UpstreamResult::Down
    } else if matches!(refusal, Refusal::UpstreamTooSlow) {
        UpstreamResult::Slow
    } else {
        UpstreamResult::Nonsense
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_sixteen_digits() {
        for (number, text) in [
            (0, "0000000000000000"),
            (1, "0000000000000001"),
            (0x0123_4567_89ab_cdef, "0123456789abcdef"),
            (0xfedc_ba98_7654_3210, "fedcba9876543210"),
            (u64::MAX, "ffffffffffffffff"),
        ] {
            assert_eq!(RequestId::of(number).as_str(), text);
        }
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        for text in ["127.0.0.1:1", "10.0.0.255:65535", "0.0.0.0:0", "192.168.100.9:10000", "1.20.3.100:9"] {
            assert_eq!(address(&SocketAddr::Inet(text.parse().unwrap())), text);
        }
        let six = "[::1]:80".parse().unwrap();
        assert_eq!(address(&SocketAddr::Inet(six)), "[::1]:80");
    }
}
