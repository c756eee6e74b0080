//! Sizes, times and counts, each within its range.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::mistake::{Flaw, Quoted};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// A number and its unit; the unit may be empty.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

fn within<T: PartialOrd>(
    value: T,
    range: &RangeInclusive<T>,
    text: &str,
    shown: impl Fn(&T) -> String,
) -> Result<T, Flaw> {
    if range.contains(&value) {
        return Ok(value);
    }
    let allowed = format!("allowed: {} to {}", shown(range.start()), shown(range.end()));
    Err(Flaw::hinted(format!("{} is out of range", Quoted(text)), allowed))
}

/// `4MiB`, `64KiB`, `1GiB` or bytes.
pub(super) fn size(text: &str, range: &RangeInclusive<u64>) -> Result<usize, Flaw> {
    let flaw = || Flaw::hinted(format!("{} is not a size", Quoted(text)), "write 4MiB, 64KiB or a number of bytes");
    let (number, unit) = split(text).ok_or_else(flaw)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => KIB,
        "MiB" => MIB,
        "GiB" => GIB,
        _ => return Err(flaw()),
    };
    let bytes = within(number.saturating_mul(factor), range, text, |bytes| match *bytes {
        bytes if bytes >= GIB && bytes.is_multiple_of(GIB) => format!("{}GiB", bytes.div_euclid(GIB)),
        bytes if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{}MiB", bytes.div_euclid(MIB)),
        bytes if bytes >= KIB && bytes.is_multiple_of(KIB) => format!("{}KiB", bytes.div_euclid(KIB)),
        bytes => bytes.to_string(),
    })?;
    usize::try_from(bytes).map_err(|_| flaw())
}

/// `10s`, `500ms`, `1m` or `1h`. A number alone could mean anything.
pub(super) fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, Flaw> {
    let flaw = || Flaw::hinted(format!("{} is not a time", Quoted(text)), "write 10s, 500ms, 1m or 1h");
    let (number, unit) = split(text).ok_or_else(flaw)?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err(flaw()),
    };
    within(Duration::from_millis(milliseconds.unwrap_or(u64::MAX)), range, text, |time| format!("{time:?}"))
}

/// A whole number.
pub(super) fn count<T>(text: &str, range: &RangeInclusive<T>) -> Result<T, Flaw>
where
    T: PartialOrd + Display + TryFrom<u64>,
{
    let number = split(text).filter(|(_, unit)| unit.is_empty()).map(|(number, _)| number);
    let number = number.ok_or_else(|| Flaw::new(format!("{} is not a whole number", Quoted(text))))?;
    let allowed = || format!("allowed: {} to {}", range.start(), range.end());
    let value =
        T::try_from(number).map_err(|_| Flaw::hinted(format!("{} is out of range", Quoted(text)), allowed()))?;
    within(value, range, text, ToString::to_string)
}

/// `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, Flaw> {
    text.parse().map_err(|_| Flaw::new(format!("{} is neither `true` nor `false`", Quoted(text))))
}

/// A file that can be read now.
pub(super) fn readable_file(text: &str) -> Result<PathBuf, Flaw> {
    let path = PathBuf::from(text);
    // To open a pipe is to wait for who writes into it.
    if std::fs::metadata(&path).is_ok_and(|seen| !seen.is_file() && !seen.is_dir()) {
        return Err(Flaw::new(format!("{} is not a file", Quoted(text))));
    }
    read_file(&path, 0).map(|_| path)
}

/// The first bytes of a file, at most `most`.
pub(super) fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, Flaw> {
    use std::io::Read;
    let name = path.display().to_string();
    let flaw = |error: &std::io::Error| Flaw::new(format!("{} cannot be read: {error}", Quoted(&name)));
    let file = std::fs::File::open(path).map_err(|error| flaw(&error))?;
    if file.metadata().map_err(|error| flaw(&error))?.is_dir() {
        return Err(Flaw::new(format!("{} is a directory", Quoted(&name))));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|error| flaw(&error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: PartialEq + std::fmt::Debug>(read: &Result<T, Flaw>, expected: Result<T, &str>) {
        match (read, expected) {
            (Ok(value), Ok(expected)) => assert_eq!(*value, expected),
            (Err(flaw), Err(part)) => {
                let text = format!("{}; {}", flaw.message, flaw.hint.as_deref().unwrap_or_default());
                assert!(text.contains(part), "{text}");
            }
            (read, expected) => panic!("{read:?} is not {expected:?}"),
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        let range = 1024..=GIB;
        check(&size("4096", &range), Ok(4096));
        check(&size("4MiB", &range), Ok(4 * 1024 * 1024));
        check(&size("64 KiB", &range), Ok(64 * 1024));
        check(&size("1GiB", &range), Ok(1024 * 1024 * 1024));
        for bad in ["", "MiB", "4MB", "4M", "4mib", "-1", "+1", "1.5MiB", "4MiB ", "0x10", "٤"] {
            check(&size(bad, &range), Err("is not a size"));
        }
        for bad in ["0", "1023", "2GiB", "18446744073709551615GiB"] {
            check(&size(bad, &range), Err("allowed: 1KiB to 1GiB"));
        }
    }

    #[test]
    fn times_need_a_unit() {
        let range = Duration::from_millis(100)..=Duration::from_secs(3600);
        check(&duration("500ms", &range), Ok(Duration::from_millis(500)));
        check(&duration("10s", &range), Ok(Duration::from_secs(10)));
        check(&duration("2m", &range), Ok(Duration::from_secs(120)));
        check(&duration("1h", &range), Ok(Duration::from_secs(3600)));
        for bad in ["", "10", "s", "-1s", "1.5s", "1d", "10S", "1m30s"] {
            check(&duration(bad, &range), Err("is not a time"));
        }
        for bad in ["0s", "99ms", "2h", "18446744073709551615h"] {
            check(&duration(bad, &range), Err("allowed: 100ms to 3600s"));
        }
    }

    #[test]
    fn counts_are_whole_and_in_range() {
        check(&count("1", &(1_u16..=8)), Ok(1));
        for bad in ["", "x", "-1", "1.0", "1 000", "1k"] {
            check(&count(bad, &(1_u16..=8)), Err("is not a whole number"));
        }
        for bad in ["0", "9", "65536"] {
            check(&count(bad, &(1_u16..=8)), Err("allowed: 1 to 8"));
        }
    }

    #[test]
    fn a_directory_is_no_file() {
        check(&readable_file("/"), Err("is a directory"));
        check(&readable_file("/dev/zero"), Err("is not a file"));
        check(&readable_file("/nowhere/at/all"), Err("cannot be read"));
    }
}
