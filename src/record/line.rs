//! The writer of a record's line. It is written for each request, so it goes over each text once.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::Moment;
use crate::caller::Caller;

/// The key of that name.
macro_rules! key {
    ($name:literal) => {
        $crate::record::line::Key(concat!(",\"", $name, "\":"))
    };
}
pub(super) use key;

/// The most characters of any one text in a record. Names come from callers; a line must stay a line.
const LONGEST: usize = 256;

/// The most texts of a list in a record.
pub const MOST_TEXTS: usize = 64;

/// Who calls, as a line tells it: subject, issuer, client and the first 64 scopes. Written once for all of its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told(Box<[u8]>);

impl Told {
    /// What a line tells of this caller.
    #[must_use]
    pub fn new(caller: &Caller) -> Self {
        let mut line = Line(Vec::with_capacity(128));
        line.text(key!("subject"), &caller.subject);
        line.text(key!("issuer"), &caller.issuer);
        line.optional(key!("client_id"), caller.client_id.as_deref());
        line.key(key!("scopes"));
        line.0.push(b'[');
        for (at, scope) in caller.scopes.iter().take(MOST_TEXTS).enumerate() {
            if at > 0 {
                line.0.push(b',');
            }
            line.quoted(scope);
        }
        line.0.push(b']');
        Self(line.0.into())
    }
}

/// A key with all that stands around it, so that it is written at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key(pub(super) &'static str);

/// A line of JSON on its way.
pub(super) struct Line(Vec<u8>);

impl Line {
    pub(super) fn begin(time: Moment) -> Self {
        let mut line = Vec::with_capacity(1024);
        line.extend_from_slice(b"{\"time\":\"");
        line.extend_from_slice(&time.digits());
        line.push(b'"');
        Self(line)
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    fn key(&mut self, Key(key): Key) {
        self.0.extend_from_slice(key.as_bytes());
    }

    pub(super) fn told(&mut self, caller: &Told) {
        self.0.extend_from_slice(&caller.0);
    }

    pub(super) fn text(&mut self, key: Key, text: &str) {
        self.key(key);
        self.quoted(text);
    }

    pub(super) fn optional(&mut self, key: Key, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    pub(super) fn json(&mut self, key: Key, value: &RawValue) {
        self.key(key);
        self.0.extend_from_slice(value.get().as_bytes());
    }

    pub(super) fn number(&mut self, key: Key, number: u64) {
        self.key(key);
        self.0.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn quoted(&mut self, text: &str) {
        // Without a way out in the middle the compiler looks at many bytes at once.
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if text.len() <= LONGEST && text.bytes().fold(true, |is_good, byte| is_good & is_plain(byte)) {
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
            return;
        }
        // Writing a text to memory cannot fail; were it to, an empty one is still one.
        let before = self.0.len();
        if serde_json::to_writer(&mut self.0, &harmless(text)).is_err() {
            self.0.truncate(before);
            self.0.extend_from_slice(b"\"\"");
        }
    }
}

/// The text, cut where it is too long, and without what a terminal or a log reader could take for a command: JSON
/// escapes the C0 controls, but neither DEL, C1, the line separators nor the marks that reverse the writing.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |letter: char| matches!(letter, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    let is_long = text.len() > LONGEST && text.chars().nth(LONGEST).is_some();
    if !is_long && !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let letters = text
        .chars()
        .take(LONGEST)
        .map(|letter| if is_harmful(letter) { char::REPLACEMENT_CHARACTER } else { letter });
    Cow::Owned(letters.chain(is_long.then_some('…')).collect())
}

fn last_digit(number: u64) -> u8 {
    u8::try_from(number.wrapping_rem(10)).unwrap_or_default().saturating_add(b'0')
}

impl Moment {
    /// `2025-07-28T08:06:40.007Z`. A year beyond 9999 is written as its last four digits.
    fn digits(self) -> [u8; 24] {
        let (seconds, milliseconds) = (self.0.div_euclid(1000), self.0.rem_euclid(1000));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (hour, minute) = (second.div_euclid(3600), second.rem_euclid(3600).div_euclid(60));
        let (year, month, day) = civil(days);
        let second = second.rem_euclid(60);
        let [a, b, c, d] = [1000, 100, 10, 1].map(|unit| last_digit(year.div_euclid(unit)));
        let two = |number: u64| [last_digit(number.div_euclid(10)), last_digit(number)];
        let ([e, f], [g, h]) = (two(month), two(day));
        let ([i, j], [k, l], [m, n]) = (two(hour), two(minute), two(second));
        let ([o, p], q) = (two(milliseconds.div_euclid(10)), last_digit(milliseconds));
        [a, b, c, d, b'-', e, f, b'-', g, h, b'T', i, j, b':', k, l, b':', m, n, b'.', o, p, q, b'Z']
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits().iter().try_for_each(|digit| fmt::Write::write_char(f, char::from(*digit)))
    }
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar.
///
/// Days are counted from 0000-03-01, so that the leap day ends a year (H. Hinnant, "chrono-compatible low-level
/// date algorithms", `civil_from_days`).
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let without_leap_days = day_of_era
        .saturating_sub(day_of_era.div_euclid(1_460))
        .saturating_add(day_of_era.div_euclid(36_524))
        .saturating_sub(day_of_era.div_euclid(146_096));
    let year_of_era = without_leap_days.div_euclid(365);
    let leap_days = year_of_era.div_euclid(4).saturating_sub(year_of_era.div_euclid(100));
    let day_of_year = day_of_era.saturating_sub(year_of_era.saturating_mul(365).saturating_add(leap_days));
    let shifted = day_of_year.saturating_mul(5).saturating_add(2).div_euclid(153);
    let first = shifted.saturating_mul(153).saturating_add(2).div_euclid(5);
    let day = day_of_year.saturating_sub(first).saturating_add(1);
    let month = if shifted < 10 { shifted.saturating_add(3) } else { shifted.saturating_sub(9) };
    let year = era.saturating_mul(400).saturating_add(year_of_era);
    (if month <= 2 { year.saturating_add(1) } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_and_numbers_are_read_back_as_they_were(text in "\\PC{0,80}", other in any::<String>(), number: u64) {
            let mut line = Line::begin(Moment(0));
            line.text(key!("text"), &text);
            line.optional(key!("other"), Some(&other));
            line.number(key!("number"), number);
            let line = line.end();
            let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(read["text"].as_str(), Some(&*harmless(&text)));
            prop_assert_eq!(read["other"].as_str(), Some(&*harmless(&other)));
            prop_assert_eq!(read["number"].as_u64(), Some(number));
            prop_assert_eq!(line.iter().filter(|byte| byte.is_ascii_control()).count(), 1, "only the line end");
        }
    }

    #[test]
    fn only_so_many_scopes_are_told() {
        let names: Vec<String> = (0..100).map(|number| format!("s{number:03}")).collect();
        let scopes = crate::caller::Scopes::from_names(names.iter().map(String::as_str));
        let caller = Caller { scopes, ..Caller::new("i", "alice", crate::caller::UnixTime(1)) };
        let told = String::from_utf8(Told::new(&caller).0.into()).unwrap();
        assert!(told.starts_with(r#","subject":"alice","issuer":"i","scopes":["s000","s001","#), "{told}");
        assert!(told.ends_with(r#","s063"]"#), "{told}");
    }
}
