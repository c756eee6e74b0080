//! The numbers of what is asked about tokens, and of tokens got for the upstream.

use prometheus::IntCounterVec;

use super::labels::{ExchangeResult, IntrospectionResult};
use super::{Closed, New};

/// What is counted about questions. Issuers are those of the configuration.
#[derive(Debug)]
pub(super) struct AskedNumbers {
    introspections: IntCounterVec,
    exchanges: Closed,
}

impl AskedNumbers {
    pub(super) fn new(new: &New) -> Result<Self, prometheus::Error> {
        let about = "Tokens about which somebody was asked.";
        let exchanges = "Tokens for the upstream that were asked for.";
        Ok(Self {
            introspections: new.family("introspections_total", about, &["issuer", "result"])?,
            exchanges: new.closed("token_exchanges_total", exchanges, "result", ExchangeResult::WORDS)?,
        })
    }

    pub(super) fn introspected(&self, issuer: &str, result: IntrospectionResult) {
        for word in IntrospectionResult::WORDS {
            // Every series starts at zero, so that the first failure is seen as a rise.
            let series = self.introspections.with_label_values(&[issuer, word]);
            series.inc_by(u64::from(*word == result.word()));
        }
    }

    pub(super) fn exchanged(&self, result: ExchangeResult) {
        self.exchanges.count(result.word());
    }
}
