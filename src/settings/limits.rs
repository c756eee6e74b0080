//! How much, how many and how long.

use std::time::Duration;

use super::given::Sources;
use super::value::{count, duration, size};

/// The limits of the gateway, each within a sane range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body, in bytes.
    pub body: usize,
    /// The deepest nesting of a request body.
    pub depth: u16,
    /// The most messages of a batch; 0 where there are no batches.
    pub batch: usize,
    /// The largest answer that is held to be filtered, in bytes.
    pub response: usize,
    /// The largest event of a stream, in bytes.
    pub response_event: usize,
    /// For how long a client may take a list for fresh, at most.
    pub list_ttl: Duration,
    /// For a request's head to arrive.
    pub header_timeout: Duration,
    /// For a request's body to arrive.
    pub body_timeout: Duration,
    /// For a connection to the upstream.
    pub upstream_connect_timeout: Duration,
    /// For the head of the upstream's answer.
    pub upstream_timeout: Duration,
    /// How long an idle connection is kept.
    pub keepalive: Duration,
    /// Requests and streams under way at once.
    pub streams: usize,
    /// Requests and streams of one caller under way at once.
    pub streams_per_caller: usize,
    /// For what is under way to end after SIGTERM.
    pub grace: Duration,
    /// Between SIGTERM and the closing of the listeners.
    pub shutdown_delay: Duration,
}

const MIB: usize = 1024 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 4 * MIB,
            depth: 128,
            batch: 0,
            response: 16 * MIB,
            response_event: 16 * MIB,
            list_ttl: Duration::from_secs(60),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            upstream_connect_timeout: Duration::from_secs(2),
            upstream_timeout: Duration::from_secs(300),
            keepalive: Duration::from_secs(60),
            streams: 10_000,
            streams_per_caller: 1_000,
            grace: Duration::from_secs(25),
            shutdown_delay: Duration::ZERO,
        }
    }
}

impl Limits {
    pub(super) fn read(sources: &mut Sources<'_>) -> Self {
        let bytes = 1024..=1024 * 1024 * 1024;
        let ms = Duration::from_millis;
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        let short = ms(100)..=minute.saturating_mul(10);
        let long = ms(100)..=hour.saturating_mul(24);
        let default = Self::default();
        let mut size = |name, default| sources.read(name, default, |text| size(text, &bytes));
        let body = size("limits.body", default.body);
        let response = size("limits.response", default.response);
        let response_event = size("limits.response_event", default.response_event);
        let mut time = |name, default, range| sources.read(name, default, |text| duration(text, &range));
        let list_ttl = time("limits.list_ttl", default.list_ttl, Duration::ZERO..=hour.saturating_mul(24));
        let header_timeout = time("limits.header_timeout", default.header_timeout, short.clone());
        let body_timeout = time("limits.body_timeout", default.body_timeout, short.clone());
        let connect = time("limits.upstream_connect_timeout", default.upstream_connect_timeout, short);
        let upstream_timeout = time("limits.upstream_timeout", default.upstream_timeout, long);
        let keepalive = time("limits.keepalive", default.keepalive, ms(1000)..=hour);
        let grace = time("limits.grace", default.grace, ms(1000)..=hour);
        let shutdown_delay =
            time("limits.shutdown_delay", default.shutdown_delay, Duration::ZERO..=minute.saturating_mul(10));
        let most = 1..=1_000_000;
        let streams = sources.read("limits.streams", default.streams, |text| count(text, &most));
        let per_caller = default.streams_per_caller;
        let per_caller = sources.read("limits.streams_per_caller", per_caller, |text| count(text, &most));
        Self {
            body,
            response,
            response_event,
            list_ttl,
            header_timeout,
            body_timeout,
            upstream_connect_timeout: connect,
            upstream_timeout,
            keepalive,
            grace,
            shutdown_delay,
            batch: sources.read("limits.batch", default.batch, |text| count(text, &(0..=1000))),
            depth: sources.read("limits.depth", default.depth, |text| count(text, &(8..=1024))),
            streams,
            streams_per_caller: per_caller,
        }
    }
}
