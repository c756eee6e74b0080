//! Which names the rules of policies treat alike: every way in which rules can meet in a name, with an example.
//!
//! What decides about a name is which patterns match it, and patterns are finite automata. So all the sets of
//! patterns that some name matches are found by walking all automata at once: what is found is complete, not a
//! sample. Names that rules name exactly are cases of their own.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::super::pattern::{Pattern, Step, Syntax};
use super::super::{Kind, Policy, uri};

/// A name, or an example of names that the same rules decide about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) name: String,
    /// A rule names it exactly; else it stands for all names of its kind.
    pub(super) is_exact: bool,
}

/// The patterns of a section meet in too many ways to look at all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the patterns under `{}` meet in too many ways to look at all of them", .0.section())]
pub struct TooVaried(pub Kind);

/// How many steps of patterns may be looked at: some seconds.
const MOST_STEPS: usize = 60_000_000;

/// By how many ways one state is left: of several names one is wanted that no rule names and no server rewrites.
const VISITS: usize = 4;

/// The cases of one kind, the exact names first, each in alphabetical order.
///
/// # Errors
/// [`TooVaried`].
pub(super) fn classes(policies: &[&Policy], kind: Kind) -> Result<Vec<Class>, TooVaried> {
    let mut exact: HashSet<&str> = HashSet::new();
    let mut automata: Vec<Box<[Step]>> = Vec::new();
    let syntax = if kind == Kind::Resource { Syntax::Uri } else { Syntax::Name };
    for rule in policies.iter().flat_map(|policy| policy.rules()).filter(|rule| rule.kind == kind) {
        match Pattern::parse(rule.pattern, syntax) {
            Ok(Some(pattern)) => automata.push(pattern.steps()),
            Ok(None) | Err(_) => {
                exact.insert(rule.pattern);
            }
        }
    }
    let walk = Walk { is_uri: kind == Kind::Resource, fresh: fresh(&automata), automata };
    let mut found: BTreeMap<Vec<Option<&str>>, String> = BTreeMap::new();
    walk.names(kind, |name| {
        if exact.contains(name) || (kind == Kind::Resource && !uri::is_plain(name)) {
            return;
        }
        let deciding: Vec<Option<&str>> =
            policies.iter().map(|policy| policy.rule_for(kind, name).map(|rule| &*rule.label)).collect();
        if deciding.iter().any(Option::is_some) && !found.contains_key(&deciding) {
            found.insert(deciding, name.to_owned());
        }
    })?;
    let mut exact: Vec<&str> = exact.into_iter().collect();
    exact.sort_unstable();
    let mut examples: Vec<String> = found.into_values().collect();
    examples.sort_unstable();
    let exact = exact.into_iter().map(|name| Class { name: name.to_owned(), is_exact: true });
    Ok(exact.chain(examples.into_iter().map(|name| Class { name, is_exact: false })).collect())
}

/// A character that stands literally in no pattern, so that only wildcards match it.
fn fresh(automata: &[Box<[Step]>]) -> char {
    let literals: HashSet<char> = automata.iter().flatten().filter_map(|step| literal(*step)).collect();
    let letters = ('a'..='z').rev().chain('0'..='9').chain('A'..='Z').chain('\u{4e00}'..='\u{9fff}');
    letters.into_iter().find(|letter| !literals.contains(letter)).unwrap_or('\u{fffd}')
}

const fn literal(step: Step) -> Option<char> {
    match step {
        Step::Exactly(letter) => Some(letter),
        Step::One { .. } | Step::Run { .. } => None,
    }
}

/// A walk through all automata at once.
struct Walk {
    automata: Vec<Box<[Step]>>,
    fresh: char,
    is_uri: bool,
}

/// Where each automaton can stand, sorted.
type State = Vec<(usize, usize)>;

impl Walk {
    /// Shows at least one name for every state, the shortest first.
    fn names(&self, kind: Kind, mut show: impl FnMut(&str)) -> Result<(), TooVaried> {
        let mut start: State = Vec::new();
        for automaton in 0..self.automata.len() {
            self.enter(automaton, 0, &mut start);
        }
        let mut steps_left = MOST_STEPS;
        let mut visits: HashMap<State, usize> = HashMap::from([(start.clone(), 1)]);
        let mut open = VecDeque::from([(start, String::new())]);
        while let Some((state, name)) = open.pop_front() {
            show(&name);
            if name.len() >= kind.longest_name() {
                continue;
            }
            for letter in self.letters(&state) {
                steps_left = steps_left.checked_sub(state.len()).ok_or(TooVaried(kind))?;
                let next = self.after(&state, letter);
                let count = visits.entry(next.clone()).or_insert(0);
                if !next.is_empty() && *count < VISITS {
                    *count = count.saturating_add(1);
                    open.push_back((next, format!("{name}{letter}")));
                }
            }
        }
        Ok(())
    }

    /// The characters that can lead to different states.
    fn letters(&self, state: &State) -> Vec<char> {
        let ahead = state.iter().filter_map(|(automaton, at)| self.automata.get(*automaton)?.get(*at).copied());
        let mut letters: Vec<char> = ahead.filter_map(literal).collect();
        letters.push(self.fresh);
        if self.is_uri {
            letters.push('/');
        }
        letters.sort_unstable();
        letters.dedup();
        letters
    }

    fn after(&self, state: &State, letter: char) -> State {
        let mut next = State::new();
        for (automaton, at) in state {
            match self.automata.get(*automaton).and_then(|steps| steps.get(*at)) {
                Some(Step::Exactly(wanted)) if *wanted == letter => {
                    self.enter(*automaton, at.saturating_add(1), &mut next);
                }
                Some(Step::One { slash }) if *slash || letter != '/' => {
                    self.enter(*automaton, at.saturating_add(1), &mut next);
                }
                Some(Step::Run { slash }) if *slash || letter != '/' => self.enter(*automaton, *at, &mut next),
                Some(Step::Exactly(_) | Step::One { .. } | Step::Run { .. }) | None => {}
            }
        }
        next.sort_unstable();
        next.dedup();
        next
    }

    /// Adds a position, and those that empty runs lead to.
    fn enter(&self, automaton: usize, at: usize, state: &mut State) {
        let mut at = at;
        state.push((automaton, at));
        let steps = self.automata.get(automaton);
        while let Some(Step::Run { .. }) = steps.and_then(|steps| steps.get(at)) {
            at = at.saturating_add(1);
            state.push((automaton, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, rules: &[&str], expected: &[(&str, bool)]) {
        let rules: String = rules.iter().map(|rule| format!("  {rule:?}: {{scopes: []}}\n")).collect();
        let policy = Policy::compile("p", &format!("version: 1\n{}:\n{rules}", kind.section())).unwrap();
        let found = classes(&[&policy], kind).unwrap();
        let found: Vec<_> = found.iter().map(|class| (class.name.as_str(), class.is_exact)).collect();
        assert_eq!(found, expected, "{rules}");
    }

    #[test]
    fn exact_names_are_cases_of_their_own() {
        check(Kind::Tool, &["b", "a"], &[("a", true), ("b", true)]);
    }

    #[test]
    fn a_pattern_is_one_case_with_an_example_that_no_rule_names() {
        check(Kind::Tool, &["report_*", "report_"], &[("report_", true), ("report_z", false)]);
    }

    #[test]
    fn a_pattern_that_others_hide_wholly_is_none() {
        check(Kind::Tool, &["a*", "ab*"], &[("a", false), ("ab", false)]);
        check(Kind::Tool, &["?", "*"], &[("z", false), ("zz", false)]);
    }

    #[test]
    fn every_way_in_which_patterns_meet_is_found() {
        check(Kind::Tool, &["get_*", "*_secret"], &[("_secret", false), ("get_", false)]);
        check(
            Kind::Tool,
            &["get_*", "*_of_secret", "*x*"],
            &[("_of_secret", false), ("get_", false), ("x", false)],
        );
    }

    #[test]
    fn stars_of_resources_stop_at_a_slash() {
        check(Kind::Resource, &["d://a/*", "d://a/**"], &[("d://a/", false), ("d://a/z/", false)]);
    }

    #[test]
    fn examples_of_resources_are_not_rewritten_by_servers() {
        let policy = Policy::compile("p", "version: 1\nresources: {\"d://a/**/b\": {scopes: []}}\n").unwrap();
        for class in classes(&[&policy], Kind::Resource).unwrap() {
            assert!(uri::is_plain(&class.name), "{class:?}");
            assert!(policy.rule_for(Kind::Resource, &class.name).is_some(), "{class:?}");
        }
    }

    #[test]
    fn too_many_ways_are_refused_and_not_cut_short() {
        // Each pattern counts a letter of its own, so that all counts can be met in all combinations.
        let pattern = |(letter, count): (char, usize)| format!("*{}", format!("{letter}*").repeat(count));
        let rules: String = ('a'..='l')
            .zip(3_usize..)
            .map(|letter| format!("  \"{}\": {{scopes: []}}\n", pattern(letter)))
            .collect();
        let policy = Policy::compile("p", &format!("version: 1\ntools:\n{rules}")).unwrap();
        assert_eq!(classes(&[&policy], Kind::Tool), Err(TooVaried(Kind::Tool)));
    }
}
