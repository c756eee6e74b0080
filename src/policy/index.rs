//! Finding patterns without trying each: by the text they begin or end with.

/// Numbers of patterns, by the text that the pattern begins with, or by the one it ends with.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    starts: Affixes,
    ends: Affixes,
    /// Patterns that begin and end with a wildcard.
    loose: Vec<usize>,
}

/// Texts in order, each with the numbers that belong to it.
#[derive(Debug, Clone, Default)]
struct Affixes(Vec<Affix>);

#[derive(Debug, Clone)]
struct Affix {
    /// Reversed where it is an ending.
    text: Box<[u8]>,
    /// The longest of the other texts that this one begins with.
    parent: Option<usize>,
    numbers: Vec<usize>,
}

impl Index {
    /// An index of patterns, told by beginning and ending, which are numbered as they come.
    pub(super) fn new<'p>(patterns: impl Iterator<Item = (&'p str, &'p str)> + Clone) -> Self {
        let by_start = shared(patterns.clone().map(|(start, _)| start));
        let by_end = shared(patterns.clone().map(|(_, end)| end));
        let (mut starts, mut ends, mut loose) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (start, end)) in patterns.enumerate() {
            // By what it shares with fewer others.
            let is_rarer = by_start.get(number) <= by_end.get(number);
            match (start.is_empty(), end.is_empty()) {
                (true, true) => loose.push(number),
                (false, is_open) if is_open || is_rarer => starts.push((start.bytes().collect(), number)),
                _ => ends.push((end.bytes().rev().collect(), number)),
            }
        }
        Self { starts: Affixes::new(starts), ends: Affixes::new(ends), loose }
    }

    /// The lists of numbers, ascending, in which are all patterns that can match `name`. Does not allocate.
    pub(super) fn candidates(&self, name: &str) -> impl Iterator<Item = &[usize]> {
        self.within(name, name)
    }

    /// The same for the patterns that can match all that begins with `start` and ends with `end`.
    pub(super) fn within(&self, start: &str, end: &str) -> impl Iterator<Item = &[usize]> {
        let starts = self.starts.above(start.bytes());
        let ends = self.ends.above(end.bytes().rev());
        starts.chain(ends).map(|affix| affix.numbers.as_slice()).chain([self.loose.as_slice()])
    }

    /// The numbers of all patterns that can match some of what begins with `start` and ends with `end`, ascending.
    pub(super) fn meeting(&self, start: &str, end: &str) -> Vec<usize> {
        let end: Vec<u8> = end.bytes().rev().collect();
        let below = self.starts.below(start.as_bytes()).iter().chain(self.ends.below(&end));
        let below = below.flat_map(|affix| affix.numbers.iter().copied());
        let above = self.starts.above(start.bytes()).chain(self.ends.above(end.iter().copied()));
        let mut numbers: Vec<usize> = above.flat_map(|affix| affix.numbers.iter().copied()).chain(below).collect();
        numbers.extend(&self.loose);
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// How many of the texts are the same, for each of them.
fn shared<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<usize> {
    let mut sorted: Vec<(&str, usize)> = texts.zip(0..).collect();
    sorted.sort_unstable();
    let mut counts = vec![0; sorted.len()];
    for same in sorted.chunk_by(|one, two| one.0 == two.0) {
        for (_, number) in same {
            if let Some(count) = counts.get_mut(*number) {
                *count = same.len();
            }
        }
    }
    counts
}

impl Affixes {
    /// Texts with the number of the pattern that each belongs to.
    fn new(mut texts: Vec<(Box<[u8]>, usize)>) -> Self {
        texts.sort_unstable();
        let mut affixes: Vec<Affix> = Vec::with_capacity(texts.len());
        for (text, number) in texts {
            if let Some(same) = affixes.last_mut().filter(|last| last.text == text) {
                same.numbers.push(number);
                continue;
            }
            let mut parent = affixes.len().checked_sub(1);
            while let Some(other) =
                parent.and_then(|at| affixes.get(at)).filter(|other| !text.starts_with(&other.text))
            {
                parent = other.parent;
            }
            affixes.push(Affix { text, parent, numbers: vec![number] });
        }
        Self(affixes)
    }

    /// The affixes that `name` begins with, the longest first.
    ///
    /// All texts between the longest of them and `name` in the order begin with it, so it is the last text that is
    /// not behind `name`, or one of that text's parents.
    fn above(&self, name: impl Iterator<Item = u8> + Clone) -> impl Iterator<Item = &Affix> {
        let behind = self.0.partition_point(|affix| affix.text.iter().copied().cmp(name.clone()).is_le());
        let mut next = behind.checked_sub(1);
        std::iter::from_fn(move || {
            let affix = self.0.get(next?)?;
            next = affix.parent;
            Some(affix)
        })
        .filter(move |affix| {
            let mut letters = name.clone();
            affix.text.iter().all(|letter| letters.next() == Some(*letter))
        })
    }

    /// The affixes that begin with `text`.
    fn below(&self, text: &[u8]) -> &[Affix] {
        let from = self.0.partition_point(|affix| *affix.text < *text);
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.partition_point(|affix| affix.text.starts_with(text));
        rest.get(..count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn affix() -> impl Strategy<Value = String> {
        "[ab]{0,4}"
    }

    proptest! {
        #[test]
        fn nothing_that_can_match_is_left_out(
            patterns in prop::collection::vec((affix(), affix()), 0..30),
            name in "[ab]{0,8}",
            start in affix(),
            end in affix(),
        ) {
            let pairs = patterns.iter().map(|(start, end)| (start.as_str(), end.as_str()));
            let index = Index::new(pairs);
            let found: Vec<usize> = index.candidates(&name).flatten().copied().collect();
            let near = index.meeting(&start, &end);
            let within: Vec<usize> = index.within(&start, &end).flatten().copied().collect();
            for (at, (one, two)) in patterns.iter().enumerate() {
                if name.starts_with(one.as_str()) && name.ends_with(two.as_str()) {
                    prop_assert!(found.contains(&at));
                }
                let meets = (one.starts_with(&start) || start.starts_with(one.as_str()))
                    && (two.ends_with(&end) || end.ends_with(two.as_str()));
                if meets {
                    prop_assert!(near.contains(&at));
                }
                if start.starts_with(one.as_str()) && end.ends_with(two.as_str()) {
                    prop_assert!(within.contains(&at));
                }
            }
            prop_assert!(near.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(index.candidates(&name).all(|list| list.windows(2).all(|pair| pair[0] < pair[1])));
        }
    }
}
