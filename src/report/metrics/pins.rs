//! The numbers of pinned tools.

use prometheus::{IntGauge, IntGaugeVec, Opts};

use super::labels::ReloadResult;
use super::{Closed, New};
use crate::pin::Drift;

/// What is counted about tools that differ from the lockfile.
#[derive(Debug)]
pub(super) struct PinNumbers {
    drifted: Box<[(Drift, IntGauge)]>,
    reloads: Closed,
}

impl PinNumbers {
    pub(super) fn new(new: &New) -> Result<Self, prometheus::Error> {
        let options = Opts::new("toolgate_tool_drift", "Tools that are not as locked, by what differs.");
        let family = new.add(IntGaugeVec::new(options, &["state"])?)?;
        let reloads = "Lockfiles that were found changed.";
        Ok(Self {
            drifted: Drift::ALL.map(|drift| (drift, family.with_label_values(&[drift.word()]))).into(),
            reloads: new.closed("lock_reloads_total", reloads, "result", ReloadResult::WORDS)?,
        })
    }

    pub(super) fn drifted(&self, drift: Drift, tools: usize) {
        let number = self.drifted.iter().find(|(other, _)| *other == drift);
        number.iter().for_each(|(_, number)| number.set(i64::try_from(tools).unwrap_or(i64::MAX)));
    }

    pub(super) fn reloaded(&self, result: ReloadResult) {
        self.reloads.count(result.word());
    }
}
