//! What a connection keeps from one request to the next, because to set it up anew costs more than to keep it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::task::coop::{has_budget_remaining, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::revoked::Ear;

/// What a connection keeps.
#[derive(Debug, Default)]
pub struct Kept {
    /// Bounds the waits of its task.
    pub alarm: Alarm,
    /// Tells it of what is revoked.
    pub ear: Ear,
    /// When its last request was over: since then it is idle.
    pub ended: Option<std::time::Instant>,
}

/// Bounds the waits of one task, one after the other.
///
/// Nearly all of them are over long before their time, and setting a timer for each would cost a call a twentieth of what
/// it takes. So the timer stays where it was set for an earlier wait, and is only looked at again when it goes off.
#[derive(Debug, Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Waits for at most so long; none when the time is over. What is ready at once needs no timer. The work stands where it
    /// was pinned: were it handed over, whoever waits would have room for it three times.
    pub async fn within<T>(&mut self, limit: Duration, work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        self.bounded(None, limit, work).await
    }

    /// The same for a time that began at `began`. To look at a clock takes as long as to look at a small token.
    pub async fn within_since<T>(
        &mut self,
        began: Instant,
        limit: Duration,
        work: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        self.bounded(Some(began), limit, work).await
    }

    async fn bounded<T>(
        &mut self,
        began: Option<Instant>,
        limit: Duration,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        let mut end = None;
        poll_fn(|context| {
            let had_budget = has_budget_remaining();
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            let end = *end.get_or_insert_with(|| after(began.unwrap_or_else(Instant::now), limit));
            let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if sleep.deadline() > end {
                sleep.as_mut().reset(end);
            }
            // Work that never waits by itself uses up what tokio lets a task do at a time. Its end comes all the same.
            let is_spent = had_budget && !has_budget_remaining();
            loop {
                ready!(if is_spent {
                    pin!(unconstrained(sleep.as_mut())).poll(context)
                } else {
                    sleep.as_mut().poll(context)
                });
                if sleep.deadline() >= end {
                    return Poll::Ready(None);
                }
                // It went off for a wait that is over.
                sleep.as_mut().reset(end);
            }
        })
        .await
    }
}

/// The end of a time that begins now. A year is for ever here, and does not overflow a clock.
pub fn deadline(remaining: Duration) -> Instant {
    after(Instant::now(), remaining)
}

fn after(began: Instant, limit: Duration) -> Instant {
    began.checked_add(limit.min(Duration::from_secs(31_536_000))).unwrap_or(began)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::task::coop::consume_budget;
    use tokio::task::yield_now;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3600);

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
    }

    #[test]
    fn each_wait_has_its_own_time() {
        run(async {
            let mut alarm = Alarm::default();
            assert_eq!(alarm.within(Duration::ZERO, pin!(ready(1))).await, Some(1), "what is ready needs no time");
            assert!(alarm.0.is_none(), "and no timer");
            for (limit, others) in [(SHORT, LONG), (SHORT, SHORT), (Duration::ZERO, LONG)] {
                assert_eq!(alarm.within(others, pin!(yield_now())).await, Some(()));
                let began = Instant::now();
                assert_eq!(alarm.within(limit, pin!(pending::<()>())).await, None);
                assert!(began.elapsed() >= limit, "never too early");
            }
        });
    }

    #[test]
    fn a_time_that_began_before_is_over_before() {
        run(async {
            let mut alarm = Alarm::default();
            let now = Instant::now();
            let began = now.checked_sub(LONG).unwrap_or(now);
            assert!(began < now, "this machine runs for longer");
            assert_eq!(alarm.within_since(began, LONG, pin!(pending::<()>())).await, None);
            assert!(now.elapsed() < LONG / 2);
            assert_eq!(
                alarm.within_since(began, SHORT, pin!(ready(1))).await,
                Some(1),
                "what is ready is never too late"
            );
            assert_eq!(alarm.within_since(began, LONG * 2, pin!(yield_now())).await, Some(()));
        });
    }

    #[test]
    fn a_timer_that_goes_off_for_an_earlier_wait_ends_none_that_is_later() {
        run(async {
            let mut alarm = Alarm::default();
            assert_eq!(alarm.within(SHORT, pin!(yield_now())).await, Some(()));
            let set = alarm.0.as_ref().map(|sleep| sleep.deadline());
            let work = tokio::time::sleep(SHORT * 3);
            assert_eq!(alarm.within(LONG, pin!(work)).await, Some(()), "the earlier time went by meanwhile");
            let moved = alarm.0.as_ref().map(|sleep| sleep.deadline());
            assert!(moved > set, "it was seen, and set again");
            assert_eq!(
                alarm.within(SHORT, pin!(pending::<()>())).await,
                None,
                "and it comes earlier where it must"
            );
        });
    }

    #[test]
    fn work_that_never_waits_by_itself_ends_in_time() {
        run(async {
            let busy = async {
                loop {
                    consume_budget().await;
                }
            };
            assert_eq!(Alarm::default().within(SHORT, pin!(busy)).await, None::<()>);
        });
    }

    #[test]
    fn what_takes_for_ever_overflows_nothing() {
        run(async {
            assert_eq!(Alarm::default().within(Duration::MAX, pin!(yield_now())).await, Some(()));
        });
    }
}
