//! The last decisions, for whoever asks about one by its identifier: the audit lines again, a bounded number.

use std::collections::VecDeque;
use std::sync::Mutex;

/// How many refusals are kept. A caller is told the identifier of a refusal, so those are asked about.
const REFUSED: usize = 1_000;

/// How many permits are kept.
const PERMITTED: usize = 200;

/// The last decisions, refusals apart from permits: many of the one do not displace the other.
#[derive(Debug, Default)]
pub struct Decisions {
    refused: Mutex<VecDeque<(u64, Vec<u8>)>>,
    permitted: Mutex<VecDeque<(u64, Vec<u8>)>>,
}

impl Decisions {
    /// Keeps the audit line of a decision. It contains no token, as no audit line does.
    pub fn keep(&self, id: u64, is_refused: bool, line: &[u8]) {
        let (ring, most) = if is_refused { (&self.refused, REFUSED) } else { (&self.permitted, PERMITTED) };
        let Ok(mut ring) = ring.lock() else { return };
        // The room of the oldest is used again.
        let oldest = if ring.len() >= most { ring.pop_front() } else { None };
        let mut kept = oldest.map_or_else(Vec::new, |(_, kept)| kept);
        kept.clear();
        kept.extend_from_slice(line);
        ring.push_back((id, kept));
    }

    /// The audit line of a decision, if it is one of the last.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Vec<u8>> {
        let is_plain = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = u64::from_str_radix(id, 16).ok().filter(|_| is_plain)?;
        [&self.refused, &self.permitted].into_iter().find_map(|ring| {
            let ring = ring.lock().ok()?;
            ring.iter().rev().find(|(kept, _)| *kept == id).map(|(_, line)| line.to_vec())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_found_and_older_ones_forgotten() {
        let decisions = Decisions::default();
        for id in 0..u64::try_from(REFUSED).unwrap() + 1 {
            decisions.keep(id, true, format!("line {id}").as_bytes());
        }
        assert_eq!(decisions.find("0000000000000000"), None);
        assert_eq!(decisions.find("0000000000000001"), Some(b"line 1".to_vec()));
        assert_eq!(decisions.find("00000000000003e8"), Some(b"line 1000".to_vec()));
    }

    #[test]
    fn permits_do_not_displace_refusals() {
        let decisions = Decisions::default();
        decisions.keep(1, true, b"refused");
        for id in 2..10_000 {
            decisions.keep(id, false, b"permitted");
        }
        assert_eq!(decisions.find("0000000000000001"), Some(b"refused".to_vec()));
    }

    #[test]
    fn what_is_no_identifier_finds_nothing() {
        let decisions = Decisions::default();
        decisions.keep(1, true, b"refused");
        for id in ["1", "", "+000000000000001", "000000000000000 1", "00000000000000001", "xxxxxxxxxxxxxxxx"] {
            assert_eq!(decisions.find(id), None, "{id}");
        }
    }
}
