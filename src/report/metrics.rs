//! The numbers of `/metrics`.
//!
//! Every label has a closed list of values (or those of the configuration), so the number of series is bounded
//! whatever callers send. A series is made when it is first counted and kept; after that, counting looks nothing
//! up by text.

mod asked;
mod keys;
mod labels;
mod pins;
mod rules;

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::message::lists::{ListKind, Tally};
use crate::pin::{self, Drift};
use crate::record::Outcome;
use crate::refusal::Refusal;
use asked::AskedNumbers;
use keys::KeyNumbers;
use labels::METHODS;
pub use labels::{
    CacheResult, ExchangeResult, IntrospectionResult, JwksResult, MethodLabel, ReloadResult, StreamEnd, Subject,
    UpstreamResult,
};
use pins::PinNumbers;
use rules::RuleNumbers;

/// One series for each refusal, and some more, made when first counted.
type Row = Box<[OnceLock<IntCounter>]>;

/// All numbers. Counting never blocks.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Table,
    decisions: Table,
    verifications: Table,
    /// The values of the label `issuer`, in the order of the rows.
    issuers: Box<[Box<str>]>,
    lists: Lists,
    policy: PolicyNumbers,
    keys: KeyNumbers,
    asked: AskedNumbers,
    upstream_requests: Closed,
    request_duration: Histogram,
    overhead: Histogram,
    streams_open: IntGauge,
    streams_ended: Closed,
    revocations_reloads: Closed,
    pins: PinNumbers,
    token_cache: Closed,
    rules: RuleNumbers,
    audit_dropped: IntCounter,
}

/// The label of the outcome where nothing was refused.
const OK: &str = "ok";
/// The label for tokens that no issuer vouches for.
const UNKNOWN_ISSUER: &str = "unknown";
/// The reason of what was allowed.
const PERMITTED: &str = "permitted";
/// The label for words that are on no list here.
const OTHER: &str = "other";
/// The reasons of decisions that are not words of refusals.
const REASONS: &[&str] = &[
    PERMITTED,
    "no_rule",
    "rule_denies",
    "scopes_missing",
    "condition_false",
    "condition_error",
    pin::REASON,
    OTHER,
];
/// The bounds of `toolgate_request_duration_seconds`.
const DURATIONS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// The bounds of `toolgate_overhead_seconds`.
const OVERHEADS: &[f64] =
    &[0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];

impl Metrics {
    /// All numbers at zero; `issuers` are the names of the configured ones.
    ///
    /// # Errors
    /// Two metrics have the same name, or one a wrong one: a mistake in this file.
    pub fn new<'a>(issuers: impl IntoIterator<Item = &'a str>) -> Result<Self, prometheus::Error> {
        let issuers: Box<[Box<str>]> = issuers.into_iter().chain([UNKNOWN_ISSUER]).map(Box::from).collect();
        let new = New(Registry::new());
        new.build_info()?;
        let requests =
            new.family("requests_total", "Requests by MCP method and outcome.", &["method", "outcome"])?;
        let decisions =
            new.family("decisions_total", "Decisions of the policy.", &["kind", "decision", "reason"])?;
        let verified = ["issuer", "result", "reason"];
        let verifications = new.family("token_verifications_total", "Tokens that were verified.", &verified)?;
        let upstream = "Requests to the upstream.";
        let duration = "From a request's head to the end of its answer.";
        let overhead = "Of that, the time spent in the gateway itself.";
        let ended = "Event streams that ended.";
        let revocations = "Lists of what is revoked that were found changed.";
        let cache = "Tokens that were looked up among those verified before.";
        let dropped = IntCounter::new("toolgate_audit_dropped_total", "Audit lines that were lost.")?;
        Ok(Self {
            requests: Table::new(requests, METHODS.len(), 1),
            decisions: Table::new(decisions, Subject::WORDS, REASONS.len()),
            verifications: Table::new(verifications, issuers.len(), 1),
            issuers,
            lists: Lists::new(&new)?,
            policy: PolicyNumbers::new(&new)?,
            keys: KeyNumbers::new(&new)?,
            asked: AskedNumbers::new(&new)?,
            upstream_requests: new.closed("upstream_requests_total", upstream, "result", UpstreamResult::WORDS)?,
            request_duration: new.histogram("request_duration_seconds", duration, DURATIONS)?,
            overhead: new.histogram("overhead_seconds", overhead, OVERHEADS)?,
            streams_open: new.number("streams_open", "Event streams under way.")?,
            streams_ended: new.closed("streams_ended_total", ended, "reason", StreamEnd::WORDS)?,
            token_cache: new.closed("token_cache_total", cache, "result", CacheResult::WORDS)?,
            revocations_reloads: new.closed(
                "revocations_reloads_total",
                revocations,
                "result",
                ReloadResult::WORDS,
            )?,
            pins: PinNumbers::new(&new)?,
            rules: RuleNumbers::new(&new)?,
            audit_dropped: new.add(dropped)?,
            registry: new.0,
        })
    }

    /// Counts a request that was answered. `overhead` is nothing where it is not known.
    pub fn request(
        &self,
        method: MethodLabel,
        refused: Option<Refusal>,
        duration: Duration,
        overhead: Option<Duration>,
    ) {
        let outcome = refused.map_or(OK, Refusal::word);
        self.requests.count(method.0, column(refused), &[method.word(), outcome]);
        self.request_duration.observe(duration.as_secs_f64());
        if let Some(overhead) = overhead {
            self.overhead.observe(overhead.as_secs_f64());
        }
    }

    /// Counts a decision: nothing where it was allowed, or the reason why not, see [`Refused`](crate::judge::Refused).
    pub fn decision(&self, subject: Subject, refused: Option<&str>) {
        let (decision, reason) = match refused {
            None => (Outcome::Allow, PERMITTED),
            Some(reason) => (Outcome::Deny, reason),
        };
        let (at, reason) = known_reason(reason);
        self.decisions.count(subject.index(), at, &[subject.word(), decision.word(), reason]);
    }

    /// Counts a token. An issuer that is not configured, or not known yet, is `unknown`.
    pub fn verification(&self, issuer: Option<&str>, refused: Option<Refusal>) {
        let unknown = self.issuers.len().saturating_sub(1);
        let named = issuer.and_then(|issuer| self.issuers.iter().position(|name| **name == *issuer));
        let at = named.unwrap_or(unknown);
        let name = self.issuers.get(at).map_or(UNKNOWN_ISSUER, AsRef::as_ref);
        let (result, reason) = refused.map_or((OK, OK), |refusal| ("refused", refusal.word()));
        self.verifications.count(at, column(refused), &[name, result, reason]);
    }

    /// Counts what became of the elements of a list.
    pub fn list(&self, tally: &Tally) {
        let at = ListKind::ALL.iter().position(|kind| *kind == tally.kind).unwrap_or_default();
        if let Some([shown, hidden]) = self.lists.items.get(at) {
            shown.inc_by(tally.shown);
            hidden.inc_by(tally.hidden);
        }
        if let Some(bytes) = self.lists.bytes.get(at) {
            bytes.inc_by(tally.bytes_removed);
        }
    }

    /// Notes the policy that came into force, and when (in seconds since 1970).
    pub fn policy_in_force(&self, generation: u64, now: f64) {
        self.policy.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.policy.last_success.set(now);
    }

    /// Notes whether the whole policy is in shadow.
    pub fn policy_shadow(&self, is_shadow: bool) {
        self.policy.shadow.set(i64::from(is_shadow));
    }

    /// Counts a call that a rule in shadow would have refused; none for what no rule names.
    pub fn shadow_denial(&self, rule: Option<&str>) {
        self.rules.shadow_denial(rule);
    }

    /// Counts a call that was one too many for the limit of a rule.
    pub fn rate_limited(&self, rule: &str) {
        self.rules.rate_limited(rule);
    }

    /// Counts what became of a changed policy.
    pub fn reload(&self, result: ReloadResult) {
        self.policy.reloads.count(result.word());
    }

    /// Counts a token that was looked up among those verified before.
    pub fn token_cache(&self, result: CacheResult) {
        self.token_cache.count(result.word());
    }

    /// Counts what became of a changed list of what is revoked.
    pub fn revocations_reload(&self, result: ReloadResult) {
        self.revocations_reloads.count(result.word());
    }

    /// Notes how many tools differ from the lockfile in this way.
    pub fn tool_drift(&self, drift: Drift, tools: usize) {
        self.pins.drifted(drift, tools);
    }

    /// Counts what became of a changed lockfile.
    pub fn lock_reload(&self, result: ReloadResult) {
        self.pins.reloaded(result);
    }

    /// Counts what became of asking for an issuer's keys.
    pub fn keys_refreshed(&self, issuer: &str, result: JwksResult) {
        self.keys.refreshed(issuer, result);
    }

    /// Counts a token about which this issuer, or the operator's verifier, was asked.
    pub fn introspected(&self, issuer: &str, result: IntrospectionResult) {
        self.asked.introspected(issuer, result);
    }

    /// Counts a token for the upstream that was asked for.
    pub fn exchanged(&self, result: ExchangeResult) {
        self.asked.exchanged(result);
    }

    /// Counts what became of a request to the upstream.
    pub fn upstream(&self, result: UpstreamResult) {
        self.upstream_requests.count(result.word());
    }

    /// Counts a stream that begins.
    pub fn stream_began(&self) {
        self.streams_open.inc();
    }

    /// Counts a stream that ended.
    pub fn stream_ended(&self, reason: StreamEnd) {
        self.streams_open.dec();
        self.streams_ended.count(reason.word());
    }

    /// The counter of lost audit lines, for the writer of those lines.
    #[must_use]
    pub fn audit_dropped(&self) -> IntCounter {
        self.audit_dropped.clone()
    }

    /// All numbers in the text format of Prometheus, version 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.keys.look();
        let mut text = Vec::with_capacity(16 * 1024);
        // What was registered can be encoded; were it not so, what could be is still true.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// A counter of several labels, whose series are found by number.
#[derive(Debug)]
struct Table {
    family: IntCounterVec,
    rows: Box<[Row]>,
}

impl Table {
    /// So many rows, each with a place for each refusal and `more`.
    fn new(family: IntCounterVec, rows: usize, more: usize) -> Self {
        let columns = Refusal::ALL.len().saturating_add(more);
        let row = || (0..columns).map(|_| OnceLock::new()).collect();
        Self { family, rows: (0..rows).map(|_| row()).collect() }
    }

    fn count(&self, row: usize, column: usize, labels: &[&str]) {
        if let Some(cell) = self.rows.get(row).and_then(|row| row.get(column)) {
            cell.get_or_init(|| self.family.with_label_values(labels)).inc();
        }
    }
}

/// The place of a refusal in its row; the one after the last is for none.
fn column(refused: Option<Refusal>) -> usize {
    let all = Refusal::ALL;
    refused.and_then(|refusal| all.iter().position(|other| *other == refusal)).unwrap_or(all.len())
}

/// The place of the reason of a decision in its row, and the reason; `other` where it is on no list.
fn known_reason(reason: &str) -> (usize, &'static str) {
    let refusals = Refusal::ALL.len();
    // The usual first.
    let own = (refusals..).zip(REASONS.iter().copied());
    let all = own.chain(Refusal::ALL.iter().map(|refusal| refusal.word()).enumerate());
    let other = refusals.saturating_add(REASONS.len()).saturating_sub(1);
    all.into_iter().find(|(_, word)| *word == reason).unwrap_or((other, OTHER))
}

/// A counter of one label with a closed list of values, each of which starts at zero.
#[derive(Debug)]
struct Closed(Box<[(&'static str, IntCounter)]>);

impl Closed {
    fn count(&self, word: &str) {
        if let Some((_, counter)) = self.0.iter().find(|(other, _)| *other == word) {
            counter.inc();
        }
    }
}

#[derive(Debug)]
struct Lists {
    /// Shown and hidden, in the order of [`ListKind::ALL`].
    items: Box<[[IntCounter; 2]]>,
    bytes: Box<[IntCounter]>,
}

impl Lists {
    fn new(new: &New) -> Result<Self, prometheus::Error> {
        let about = "Elements of lists, shown to or hidden from callers.";
        let items = new.family("list_items_total", about, &["kind", "result"])?;
        let about = "Bytes of lists that callers could not see.";
        let bytes = new.family("list_bytes_removed_total", about, &["kind"])?;
        let both =
            |kind: &ListKind| ["shown", "hidden"].map(|result| items.with_label_values(&[kind.word(), result]));
        Ok(Self {
            items: ListKind::ALL.iter().map(both).collect(),
            bytes: ListKind::ALL.iter().map(|kind| bytes.with_label_values(&[kind.word()])).collect(),
        })
    }
}

#[derive(Debug)]
struct PolicyNumbers {
    generation: IntGauge,
    shadow: IntGauge,
    reloads: Closed,
    last_success: Gauge,
}

impl PolicyNumbers {
    fn new(new: &New) -> Result<Self, prometheus::Error> {
        let about = "When a policy last came into force, in seconds since 1970.";
        let last_success = Opts::new("toolgate_policy_last_success_timestamp_seconds", about);
        let reloads = "Policies that were found changed.";
        Ok(Self {
            generation: new.number("policy_generation", "The policy in force; 0 is none.")?,
            shadow: new
                .number("policy_shadow", "1 while the whole policy is in shadow: nothing it says is enforced.")?,
            reloads: new.closed("policy_reloads_total", reloads, "result", ReloadResult::WORDS)?,
            last_success: new.add(Gauge::with_opts(last_success)?)?,
        })
    }
}

/// Makes metrics and registers them.
struct New(Registry);

impl New {
    fn add<T: Collector + Clone + 'static>(&self, metric: T) -> Result<T, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn family(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(format!("toolgate_{name}"), help), labels)?)
    }

    fn closed(
        &self,
        name: &str,
        help: &str,
        label: &str,
        words: &[&'static str],
    ) -> Result<Closed, prometheus::Error> {
        let family = self.family(name, help, &[label])?;
        Ok(Closed(words.iter().map(|word| (*word, family.with_label_values(&[*word]))).collect()))
    }

    fn number(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::with_opts(Opts::new(format!("toolgate_{name}"), help))?)
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::new(format!("toolgate_{name}"), help).buckets(bounds.to_vec());
        self.add(Histogram::with_opts(options)?)
    }

    fn build_info(&self) -> Result<(), prometheus::Error> {
        let options = Opts::new("toolgate_build_info", "The running version; always 1.");
        let info = self.add(IntGaugeVec::new(options, &["version"])?)?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
