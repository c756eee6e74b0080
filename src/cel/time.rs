//! Times and durations: RFC 3339, Go's notation of durations, and the proleptic Gregorian calendar.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "all are numbers of at most 18 digits and nanoseconds of 9999 years, in 128 bits"
)]

use super::error::Error;
use super::functions::TimePart;

const NANOS: i128 = 1_000_000_000;
const DAY: i128 = 86_400;

/// 0001-01-01T00:00:00Z and the end of the year 9999 (CEL, "Timestamps").
const FIRST: i128 = -62_135_596_800 * NANOS;
const LAST: i128 = 253_402_300_800 * NANOS - 1;
/// The longest duration: the difference of the two.
const LONGEST: i128 = LAST - FIRST;

/// A timestamp, if it is one.
pub(super) fn timestamp(nanos: Option<i128>) -> Result<i128, Error> {
    nanos.filter(|nanos| (FIRST..=LAST).contains(nanos)).ok_or(Error::Overflow)
}

/// A duration, if it is one.
pub(super) fn duration(nanos: Option<i128>) -> Result<i128, Error> {
    nanos.filter(|nanos| (-LONGEST..=LONGEST).contains(nanos)).ok_or(Error::Overflow)
}

/// Seconds east of Greenwich: `UTC`, `+02:00`, `-5:30`.
pub(super) fn offset(zone: &str) -> Option<i128> {
    if zone == "UTC" || zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+').unwrap_or(zone)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 1, 2)?, digits(minutes, 2, 2)?);
    (hours < 24 && minutes < 60).then(|| sign * (hours * 3_600 + minutes * 60))
}

fn digits(text: &str, fewest: usize, most: usize) -> Option<i128> {
    let is_number = (fewest..=most).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// `2026-07-28T12:00:00.5Z`, as nanoseconds since 1970.
pub(crate) fn parse_timestamp(text: &str) -> Option<i128> {
    let (date, time) = text.split_once(['T', 't'])?;
    let mut date = date.split('-');
    let (year, month, day) =
        (digits(date.next()?, 4, 4)?, digits(date.next()?, 2, 2)?, digits(date.next()?, 2, 2)?);
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(zone_at)?;
    let zone = if zone == "z" { "Z" } else { zone };
    // RFC 3339 wants both digits of the hours.
    let offset = offset(zone).filter(|_| zone == "Z" || zone.len() == 6)?;
    let (clock, fraction) =
        clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let fraction = fraction.map_or(Some(0), nanos_of_fraction)?;
    let mut clock = clock.split(':');
    let (hours, minutes, seconds) =
        (digits(clock.next()?, 2, 2)?, digits(clock.next()?, 2, 2)?, digits(clock.next()?, 2, 2)?);
    let is_whole = date.next().is_none() && clock.next().is_none();
    let is_time = hours < 24 && minutes < 60 && seconds < 60;
    let is_date = (1..=12).contains(&month) && day >= 1 && day <= days_of_month(year, month);
    (is_whole && is_time && is_date).then_some(())?;
    let since = days_before(year, month, day) * DAY + hours * 3_600 + minutes * 60 + seconds - offset;
    timestamp(Some(since * NANOS + fraction)).ok()
}

fn nanos_of_fraction(fraction: &str) -> Option<i128> {
    let value = digits(fraction, 1, 9)?;
    let missing = u32::try_from(9_usize.checked_sub(fraction.len())?).ok()?;
    value.checked_mul(10_i128.checked_pow(missing)?)
}

/// `1h30m`, `-1.5s`, `100ms`, `0`, as nanoseconds.
pub(super) fn parse_duration(text: &str) -> Option<i128> {
    const UNITS: [(&str, i128); 7] = [
        ("ms", 1_000_000),
        ("us", 1_000),
        ("µs", 1_000),
        ("ns", 1),
        ("h", 3_600 * NANOS),
        ("m", 60 * NANOS),
        ("s", NANOS),
    ];
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at_checked(end)?;
        let (unit, nanos) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        rest = after.strip_prefix(unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let fraction = nanos_of_fraction(fraction)?.checked_mul(*nanos)?.checked_div(NANOS)?;
        total = total.checked_add(digits(whole, 1, 18)?.checked_mul(*nanos)?)?.checked_add(fraction)?;
    }
    duration(Some(sign * total)).ok()
}

/// A part of a timestamp, `offset` seconds east of Greenwich.
pub(super) fn part_of_timestamp(part: TimePart, nanos: i128, offset: i128) -> Option<i64> {
    let seconds = nanos.div_euclid(NANOS).checked_add(offset)?;
    let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date(days);
    let value = match part {
        TimePart::FullYear => year,
        TimePart::Month => month - 1,
        TimePart::DayOfYear => days - days_before(year, 1, 1),
        TimePart::DayOfMonth => day - 1,
        TimePart::Date => day,
        // 1970-01-01 was a Thursday.
        TimePart::DayOfWeek => (days + 4).rem_euclid(7),
        TimePart::Hours => of_day / 3_600,
        TimePart::Minutes => of_day / 60 % 60,
        TimePart::Seconds => of_day % 60,
        TimePart::Milliseconds => nanos.rem_euclid(NANOS) / 1_000_000,
    };
    i64::try_from(value).ok()
}

/// All of a duration in whole units; milliseconds are those of its last second.
pub(super) fn part_of_duration(part: TimePart, nanos: i128) -> Option<i64> {
    let value = match part {
        TimePart::Hours => nanos / (3_600 * NANOS),
        TimePart::Minutes => nanos / (60 * NANOS),
        TimePart::Seconds => nanos / NANOS,
        TimePart::Milliseconds => nanos % NANOS / 1_000_000,
        TimePart::FullYear
        | TimePart::Month
        | TimePart::DayOfYear
        | TimePart::DayOfMonth
        | TimePart::Date
        | TimePart::DayOfWeek => return None,
    };
    i64::try_from(value).ok()
}

const fn is_leap(year: i128) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of_month(year: i128, month: i128) -> i128 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to this date. Counts years from March, so that leap days come last.
const fn days_before(year: i128, month: i128, day: i128) -> i128 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of the day that is so many days after 1970-01-01.
const fn date(days: i128) -> (i128, i128, i128) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = years + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}
