//! "Did you mean": the known word nearest to an unknown one.

/// The word of `known` that `written` was probably meant to be.
pub(crate) fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    /// More changes than this are another word, not a slip of the finger.
    const SLIPS: usize = 2;
    const LONGEST: usize = 40;
    if written.len() > LONGEST {
        return None;
    }
    let written = written.to_ascii_lowercase();
    let ranked = known.iter().map(|word| (distance(&written, &word.to_ascii_lowercase()), *word));
    let (slips, word) = ranked.min_by_key(|(slips, _)| *slips)?;
    (slips <= SLIPS && slips.saturating_mul(2) < word.len()).then_some(word)
}

/// The Levenshtein distance.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut diagonal = at;
        let mut left = at.saturating_add(1);
        row.iter_mut().take(1).for_each(|first| *first = left);
        for (cell, other) in row.iter_mut().skip(1).zip(to.chars()) {
            let changed = diagonal.saturating_add(usize::from(letter != other));
            diagonal = *cell;
            left = changed.min(cell.saturating_add(1)).min(left.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["scopes", "any_of", "deny", "on_deny"];
        for (written, meant) in [
            ("scope", Some("scopes")),
            ("Scopes", Some("scopes")),
            ("scpoes", Some("scopes")),
            ("anyof", Some("any_of")),
            ("on-deny", Some("on_deny")),
            ("allow", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(written, &known), meant, "{written}");
        }
    }
}
