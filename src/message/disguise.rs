//! Keys that look like a known one and are not it.
//!
//! Some decoders match keys without regard to case (Go's `encoding/json`, CVE-2026-27896), fold `ſ` and `K`
//! (the Kelvin sign), or stop at a NUL. A message with such a key means different things to different readers,
//! so it is refused where keys have a meaning here.

/// Whether `key` is none of `known` but could be taken for one.
pub(crate) fn is_disguised(key: &str, known: &[&str]) -> bool {
    disguised_as(key, known).is_some()
}

/// The place in `known` of a name that `key` is not, and could be taken for.
pub(crate) fn disguised_as(key: &str, known: &[&str]) -> Option<usize> {
    // The usual foreign key: what is seen first tells it from every known one.
    let first = key.bytes().next().filter(u8::is_ascii_graphic);
    let may_be = |name: &&str| match (first, name.bytes().next()) {
        (Some(first), Some(known)) => first.eq_ignore_ascii_case(&known),
        _ => true,
    };
    if !known.iter().any(may_be) {
        return None;
    }
    if key.is_ascii() {
        // Most of the others: by their length.
        let visible = || key.bytes().filter(u8::is_ascii_graphic);
        let length = visible().count();
        let looks_like = |name: &str| visible().map(|byte| byte.to_ascii_lowercase()).eq(lower(name));
        return known.iter().position(|name| name.len() == length && key != *name && looks_like(name));
    }
    // No known name is as long as this.
    let seen: Vec<char> = skeleton(key).take(64).collect();
    known.iter().position(|name| seen.iter().copied().eq(skeleton(name)))
}

fn lower(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| byte.to_ascii_lowercase())
}

/// The characters of `text` as a careless reader sees them: folded in case and width, without what is invisible.
fn skeleton(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|char| !is_invisible(*char))
        .map(narrow)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
}

fn is_invisible(char: char) -> bool {
    char.is_control()
        || char.is_whitespace()
        || matches!(char, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Full-width forms as ASCII.
fn narrow(char: char) -> char {
    match char {
        '\u{ff01}'..='\u{ff5e}' => u32::from(char).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(char),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_through_case_look_and_invisible_characters() {
        for key in
            ["Name", "NAME", "name\0", "name ", "\u{feff}name", "na\u{200b}me", "ｎａｍｅ", "n\u{ad}ame", "\tname"]
        {
            assert!(is_disguised(key, &["name", "uri"]), "{key:?}");
        }
        assert!(is_disguised("param\u{17f}", &["params"]), "long s");
        assert!(is_disguised("ta\u{17f}\u{212a}Id", &["taskId"]), "Kelvin sign");
        assert!(is_disguised(&format!("name{}", "\0".repeat(500)), &["name"]));
    }

    #[test]
    fn leaves_other_keys_alone() {
        for key in ["name", "names", "nam", "title", "_name", "x-name", "имя", "", "na-me", &"n".repeat(1000)] {
            assert!(!is_disguised(key, &["name", "uri"]), "{key:?}");
        }
    }
}
