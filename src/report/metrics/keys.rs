//! The numbers of the keys that are fetched.

use std::sync::Mutex;
use std::time::Instant;

use prometheus::{GaugeVec, IntCounterVec, Opts};

use super::New;
use super::labels::JwksResult;

/// What is counted about fetched keys. Issuers are those of the configuration.
#[derive(Debug)]
pub(super) struct KeyNumbers {
    refreshes: IntCounterVec,
    age: GaugeVec,
    confirmed: Mutex<Vec<(Box<str>, Instant)>>,
}

impl KeyNumbers {
    pub(super) fn new(new: &New) -> Result<Self, prometheus::Error> {
        let about = "Key sets that were asked for.";
        let age = "Since when an issuer's keys were last seen at its provider, in seconds.";
        let age = GaugeVec::new(Opts::new("toolgate_jwks_age_seconds", age), &["issuer"])?;
        Ok(Self {
            refreshes: new.family("jwks_refreshes_total", about, &["issuer", "result"])?,
            age: new.add(age)?,
            confirmed: Mutex::new(Vec::new()),
        })
    }

    pub(super) fn refreshed(&self, issuer: &str, result: JwksResult) {
        for word in JwksResult::WORDS {
            // Every series starts at zero, so that the first failure is seen as a rise.
            let series = self.refreshes.with_label_values(&[issuer, word]);
            series.inc_by(u64::from(*word == result.word()));
        }
        if result == JwksResult::Failed {
            return;
        }
        if let Ok(mut confirmed) = self.confirmed.lock() {
            confirmed.retain(|(name, _)| **name != *issuer);
            confirmed.push((Box::from(issuer), Instant::now()));
        }
    }

    /// Ages grow by themselves, so they are taken when they are looked at.
    pub(super) fn look(&self) {
        let Ok(confirmed) = self.confirmed.lock() else { return };
        for (issuer, since) in confirmed.iter() {
            self.age.with_label_values(&[&**issuer]).set(since.elapsed().as_secs_f64());
        }
    }
}
