//! Rate limits: what a rule says, and the arithmetic of one counter. Who counts has a clock, and is not here.

use super::document::{Entry, Value};
use super::fields::{Fields, refuse_word, text_of};
use super::flaw::{Findings, Quoted};
use super::shape::RATE_LIMIT;

/// What a limit is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitBy {
    /// Each subject of each issuer by itself.
    Subject,
    /// Each client by itself; callers without a client by their subject.
    Client,
    /// Each tool by itself, for all callers together.
    Tool,
    /// Each session by itself; callers without a session by their subject.
    Session,
}

impl LimitBy {
    /// Every one, the default first.
    pub const ALL: [Self; 4] = [Self::Subject, Self::Client, Self::Tool, Self::Session];

    /// The words of all of them.
    pub const WORDS: [&'static str; 4] =
        [Self::Subject.word(), Self::Client.word(), Self::Tool.word(), Self::Session.word()];

    /// The word in a policy.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Client => "client",
            Self::Tool => "tool",
            Self::Session => "session",
        }
    }
}

/// At most so many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// How many.
    pub requests: u32,
    /// In how many nanoseconds.
    pub per: u64,
    /// Counted by what.
    pub by: LimitBy,
}

/// The most requests of a limit.
pub(super) const MOST_REQUESTS: u32 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
/// The longest time of a limit: a day.
const LONGEST: u64 = 86_400 * SECOND;

impl RateLimit {
    /// Counts a request at `now`, in nanoseconds (the generic cell rate algorithm). `due` is what the last request
    /// of the same counter gave, and 0 before the first. A limit of ten per minute lets ten pass at once, and then
    /// one each six seconds.
    ///
    /// # Errors
    /// The nanoseconds after which a request passes, where this one does not.
    pub fn count(&self, due: u64, now: u64) -> Result<u64, u64> {
        let interval = self.per.checked_div(self.requests.into()).unwrap_or(self.per).max(1);
        let due = due.max(now).saturating_add(interval);
        match due.saturating_sub(now).checked_sub(self.per.max(interval)) {
            None | Some(0) => Ok(due),
            Some(wait) => Err(wait),
        }
    }
}

/// Reads `rate_limit: {requests: 10, per: 1m, by: subject}`.
pub(super) fn read(entry: &Entry, findings: &mut Findings) -> Option<RateLimit> {
    let fields = Fields::of_shape(entry, &RATE_LIMIT, findings)?;
    let requests = match fields.value("requests") {
        Some(field) => read_requests(field, findings),
        None => {
            findings.add_with_hint(entry.place, "the rate limit has no `requests`", "write `requests: 10`");
            None
        }
    };
    let per = match fields.value("per") {
        Some(field) => read_time(field, findings),
        None => {
            findings.add_with_hint(entry.place, "the rate limit has no `per`", "write `per: 1m`");
            None
        }
    };
    let by = fields.value("by").map_or(Some(LimitBy::Subject), |field| read_by(field, findings));
    Some(RateLimit { requests: requests?, per: per?, by: by? })
}

fn read_requests(field: &Entry, findings: &mut Findings) -> Option<u32> {
    let number = match &field.node.value {
        Value::Scalar { text, plain: true } if text.bytes().all(|digit| digit.is_ascii_digit()) => {
            text.parse().ok()
        }
        Value::Broken => return None,
        Value::Scalar { .. } | Value::List(_) | Value::Map(_) => None,
    };
    let number = number.filter(|number| (1..=MOST_REQUESTS).contains(number));
    if number.is_none() {
        let message = format!("`requests` must be a whole number from 1 to {MOST_REQUESTS}");
        findings.add_with_hint(field.value_place(), message, "`deny: true` refuses all requests");
    }
    number
}

fn read_time(field: &Entry, findings: &mut Findings) -> Option<u64> {
    let text = text_of(&field.node, "`per`", findings)?;
    let unit = |unit: char| match unit {
        's' => Some(SECOND),
        'm' => SECOND.checked_mul(60),
        'h' => SECOND.checked_mul(3_600),
        'd' => Some(LONGEST),
        _ => None,
    };
    let (digits, last) = text.split_at_checked(text.len().saturating_sub(1)).unwrap_or_default();
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let unit = last.chars().next().and_then(unit);
    let count = digits.parse::<u64>().ok().filter(|count| is_number && *count > 0);
    let time = unit.zip(count).and_then(|(unit, count)| unit.checked_mul(count)).filter(|time| *time <= LONGEST);
    if time.is_none() {
        let message = format!("`per` cannot be {}", Quoted(text));
        findings.add_with_hint(field.value_place(), message, "write a time up to a day: `10s`, `1m`, `1h`, `1d`");
    }
    time
}

fn read_by(field: &Entry, findings: &mut Findings) -> Option<LimitBy> {
    let text = text_of(&field.node, "`by`", findings)?;
    let known = LimitBy::ALL.into_iter().find(|by| by.word() == text);
    if known.is_none() {
        refuse_word(field, text, &LimitBy::WORDS, findings);
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: RateLimit = RateLimit { requests: 10, per: 60 * SECOND, by: LimitBy::Subject };

    #[test]
    fn as_many_as_the_limit_pass_at_once_and_then_one_each_interval() {
        let (start, mut due) = (1_000 * SECOND, 0);
        for _ in 0..10 {
            due = TEN.count(due, start).unwrap();
        }
        assert_eq!(TEN.count(due, start), Err(6 * SECOND));
        assert_eq!(TEN.count(due, start + 6 * SECOND - 1), Err(1));
        due = TEN.count(due, start + 6 * SECOND).unwrap();
        assert_eq!(TEN.count(due, start + 6 * SECOND), Err(6 * SECOND));
        // After a pause of the whole time all of them pass again.
        for _ in 0..10 {
            due = TEN.count(due, start + 66 * SECOND).unwrap();
        }
        assert!(TEN.count(due, start + 66 * SECOND).is_err());
    }

    #[test]
    fn no_limit_and_no_time_overflow() {
        for requests in [0, 1, 3, u32::MAX] {
            for per in [0, 1, u64::MAX] {
                let limit = RateLimit { requests, per, by: LimitBy::Tool };
                for due in [0, 1, u64::MAX] {
                    for now in [0, 1, u64::MAX] {
                        let _ = limit.count(due, now);
                    }
                }
            }
        }
    }

    #[test]
    fn never_more_than_twice_the_limit_pass_in_its_time() {
        // Whatever the pace, and one at a time after the first burst.
        for pause in [1, SECOND, 5 * SECOND, 7 * SECOND] {
            let (mut due, mut passed, mut now) = (0, 0_u64, SECOND);
            while now <= 61 * SECOND {
                if let Ok(next) = TEN.count(due, now) {
                    due = next;
                    passed += 1;
                }
                now += if pause == 1 { SECOND / 10 } else { pause };
            }
            assert!(passed <= 20, "{passed}");
        }
    }
}
