//! When keys are asked for again. Pure: time and chance are arguments.

use std::time::{Duration, Instant};

use crate::settings::Timing;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// The longest pause between two tries while there is no answer.
const LONGEST_PAUSE: Duration = MINUTE;

/// How long fetched keys are used before they are asked for again: what the provider says, within bounds, and never
/// longer than `refresh_interval`. Up to a tenth is left out by chance, so that replicas do not ask at once.
pub(super) fn until_refresh(timing: &Timing, max_age: Option<Duration>, chance: u8) -> Duration {
    let wanted =
        max_age.map_or(timing.refresh_interval, |age| age.clamp(MINUTE, HOUR)).min(timing.refresh_interval);
    wanted.saturating_sub(part(wanted, chance, 10))
}

/// How long to wait after so many failures in a row. Up to a half is left out by chance.
pub(super) fn until_retry(timing: &Timing, failures: u32, chance: u8) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = Duration::from_secs(1).saturating_mul(doubled).min(LONGEST_PAUSE).min(timing.refresh_interval);
    pause.saturating_sub(part(pause, chance, 2))
}

/// How long after a fetch out of turn the next may be asked for: `min_refetch_interval`, and up to a third more by
/// chance. Who floods all replicas with unknown keys would have them all ask at once otherwise, ever again.
fn until_next(interval: Duration, chance: u8) -> Duration {
    interval.saturating_add(part(interval, chance, 3))
}

/// `chance` of 256 parts of the `share`th part of a time.
fn part(time: Duration, chance: u8, share: u32) -> Duration {
    time.saturating_mul(u32::from(chance)).checked_div(share.saturating_mul(256)).unwrap_or_default()
}

/// Who may have keys fetched out of turn.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// When one was last asked for, and how long there is none after it. Those in turn do not count: keys may be new
    /// right after one of them.
    asked: Option<(Instant, Duration)>,
    is_under_way: bool,
}

/// What a request for a fetch comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is to be started.
    Start,
    /// One is under way.
    Wait,
    /// The last one is too recent for another to say anything new.
    No,
}

impl Gate {
    /// Asks for a fetch out of turn at `now`. What is admitted counts as started.
    pub(super) fn ask(&mut self, now: Instant, interval: Duration, chance: impl FnOnce() -> u8) -> Admission {
        if self.is_under_way {
            return Admission::Wait;
        }
        if self.asked.is_some_and(|(asked, pause)| now.saturating_duration_since(asked) < pause) {
            return Admission::No;
        }
        self.asked = Some((now, until_next(interval, chance())));
        self.begin();
        Admission::Start
    }

    pub(super) const fn begin(&mut self) {
        self.is_under_way = true;
    }

    pub(super) fn end(&mut self) {
        self.is_under_way = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn keys_are_never_used_longer_than_the_interval() {
        let timing = Timing::default();
        for chance in [0, 1, 128, 255] {
            for age in [None, Some(0), Some(30), Some(300), Some(86_400), Some(u64::MAX)] {
                let until = until_refresh(&timing, age.map(seconds), chance);
                assert!(until <= timing.refresh_interval && until >= seconds(54), "{age:?} {chance}: {until:?}");
            }
        }
        assert_eq!(until_refresh(&timing, Some(seconds(5)), 0), seconds(60), "no provider is asked each second");
        assert_eq!(until_refresh(&timing, Some(seconds(300)), 0), seconds(300));
        let short = Timing { refresh_interval: seconds(2), ..timing };
        assert_eq!(until_refresh(&short, Some(seconds(300)), 0), seconds(2));
    }

    #[test]
    fn failures_back_off_to_a_minute() {
        let timing = Timing::default();
        let pauses: Vec<u64> = (1..=9).map(|failures| until_retry(&timing, failures, 0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(until_retry(&timing, u32::MAX, 0), seconds(60));
        assert!(until_retry(&timing, 7, 255) >= seconds(30));
    }

    #[test]
    fn a_storm_gets_one_fetch_in_each_interval() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        assert_eq!(gate.ask(start, seconds(30), || 0), Admission::Start);
        for _ in 0..1000 {
            assert_eq!(gate.ask(start, seconds(30), || 0), Admission::Wait);
        }
        gate.end();
        assert_eq!(gate.ask(start + seconds(29), seconds(30), || 0), Admission::No);
        assert_eq!(gate.ask(start + seconds(30), seconds(30), || 0), Admission::Start);
        // One in turn is no answer to who asks right after it, and no reason to have asked.
        gate.end();
        gate.begin();
        assert_eq!(gate.ask(start + seconds(59), seconds(30), || 0), Admission::Wait);
        gate.end();
        assert_eq!(gate.ask(start + seconds(60), seconds(30), || 0), Admission::Start);
        // One that hangs is not joined by a second.
        assert_eq!(gate.ask(start + seconds(90), seconds(30), || 0), Admission::Wait);
    }

    #[test]
    fn replicas_that_are_flooded_alike_do_not_ask_at_once_again() {
        let (start, interval) = (Instant::now(), seconds(30));
        // When each of two hundred and fifty-six asks again, to the second, under a flood that began for all at once.
        let again = |chance: u8| {
            let mut gate = Gate::default();
            assert_eq!(gate.ask(start, interval, || chance), Admission::Start);
            gate.end();
            (0..60).find(|at| gate.ask(start + seconds(*at), interval, || chance) == Admission::Start).unwrap()
        };
        let mut asked = [0; 60];
        for chance in 0..=255 {
            asked[usize::try_from(again(chance)).unwrap()] += 1;
        }
        assert_eq!(asked.iter().take(30).sum::<i32>(), 0, "never before the interval is over");
        assert_eq!(asked.iter().skip(41).sum::<i32>(), 0, "and never later than a third of it");
        assert!(asked.iter().all(|second| *second <= 26), "{asked:?}");
    }
}
