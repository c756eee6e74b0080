//! How many of the refusals of a rule in shadow are audited.

use super::Mode;
use super::document::{Entry, Node, Value};
use super::fields::{Fields, refuse_word, text_of, words};
use super::flaw::{Findings, Quoted};
use super::shape::SHARE;

/// A share of all, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sample(u32);

/// All of them, in millionths.
const WHOLE: u32 = 1_000_000;

impl Sample {
    /// All.
    pub const ALL: Self = Self(WHOLE);

    /// Whether the request of this number is in the sample: always the same for the same number. Numbers that follow
    /// each other fall in and out as if by chance.
    #[must_use]
    pub fn takes(self, number: u64) -> bool {
        // The last steps of SplitMix64: every bit of the number tells in the upper half.
        let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ (mixed >> 31);
        ((mixed >> 32).wrapping_mul(WHOLE.into()) >> 32) < self.0.into()
    }
}

/// Reads `mode: enforce`, `mode: shadow`, or `mode: {shadow: 10%}`.
pub(super) fn read_mode(field: &Entry, findings: &mut Findings) -> Option<(Mode, Sample)> {
    if field.node.is_absent() {
        findings.add_with_hint(field.place, "`mode` has no value", format!("it can be {}", words(&Mode::WORDS)));
        return None;
    }
    if let Value::Map(_) = &field.node.value {
        let before = findings.count();
        let fields = Fields::of_shape(field, &SHARE, findings)?;
        let Some(share) = fields.value("shadow") else {
            if findings.count() == before {
                findings.add_with_hint(field.value_place(), "`mode` says nothing", "write `mode: {shadow: 10%}`");
            }
            return None;
        };
        return read_share(&share.node, findings).map(|sample| (Mode::Shadow, sample));
    }
    let text = text_of(&field.node, "`mode`", findings)?;
    let known = Mode::ALL.into_iter().find(|mode| mode.word() == text);
    if known.is_none() {
        refuse_word(field, text, &Mode::WORDS, findings);
    }
    known.map(|mode| (mode, Sample::ALL))
}

fn read_share(node: &Node, findings: &mut Findings) -> Option<Sample> {
    let text = text_of(node, "the share", findings)?;
    let sample =
        text.strip_suffix('%').and_then(millionths).filter(|share| (1..=WHOLE).contains(share)).map(Sample);
    if sample.is_none() {
        let message = format!("{} is no share of what would be refused", Quoted(text));
        findings.add_with_hint(node.place, message, "write it as `10%` or `0.5%`, more than 0 and at most `100%`");
    }
    sample
}

/// A percentage with at most four decimals, in millionths.
fn millionths(percent: &str) -> Option<u32> {
    let (whole, decimals) = percent.split_once('.').unwrap_or((percent, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > 4 {
        return None;
    }
    let decimals: u32 = format!("{decimals:0<4}").parse().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(10_000)?.checked_add(decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_exactly() {
        for (text, expected) in [
            ("10", Some(100_000)),
            ("0.5", Some(5_000)),
            ("0.0001", Some(1)),
            ("100", Some(WHOLE)),
            ("0", Some(0)),
            ("0.00001", None),
            ("1.", None),
            (".5", None),
            ("-1", None),
            ("+1", None),
            ("1e1", None),
            ("", None),
            ("999999999999", None),
        ] {
            assert_eq!(millionths(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_that_follow_each_other_are_sampled_evenly() {
        for (share, fewest, most) in [(100_000, 900, 1_100), (5_000, 20, 80), (WHOLE, 10_000, 10_000), (0, 0, 0)] {
            for start in [0, 1 << 40, u64::MAX - 20_000] {
                let taken = (start..start + 10_000).filter(|number| Sample(share).takes(*number)).count();
                assert!((fewest..=most).contains(&taken), "{share} of a million from {start}: {taken}");
            }
        }
        // The same number is in the sample or not, and in every larger one.
        let (small, large) = (Sample(1_000), Sample(500_000));
        assert!((0..10_000).all(|number| !small.takes(number) || large.takes(number)));
    }
}
