//! The rules of one kind: finding the one that decides, and refusing those that contradict each other.

use std::collections::{HashMap, HashSet};

use super::flaw::{Findings, Place, Quoted};
use super::index::Index;
use super::pattern::{Pattern, Step, are_apart, covers, intersects};
use super::rule::Rule;

/// The number of a rule within one policy.
pub(super) type RuleId = usize;

/// The rules of one kind, by what they are about: all of them, and those that are enforced.
#[derive(Debug, Default)]
pub(super) struct RuleTable {
    all: Lookup,
    /// Absent where no rule is in shadow: then all are enforced.
    enforced: Option<Lookup>,
    /// Where the rules in shadow stand, until the table is sorted.
    shadows: HashSet<RuleId>,
}

/// Rules by what they are about.
#[derive(Debug, Default, Clone)]
struct Lookup {
    exact: HashMap<Box<str>, RuleId>,
    /// Patterns of rules that refuse.
    denied: Patterns,
    /// Patterns of the other rules. No two that are equally specific match one name.
    allowed: Patterns,
}

/// Patterns, the most specific first once they are sorted.
#[derive(Debug, Default, Clone)]
struct Patterns {
    list: Vec<(Pattern, RuleId)>,
    index: Index,
}

impl Patterns {
    fn sort(&mut self) {
        self.list.sort_by_key(|(pattern, _)| pattern.specificity());
        self.index = Index::new(self.list.iter().map(|(pattern, _)| pattern.frame()));
    }

    /// The same without the rules of `left_out`.
    fn without(&self, left_out: &HashSet<RuleId>) -> Self {
        let list = self.list.iter().filter(|(_, id)| !left_out.contains(id)).cloned().collect();
        let mut kept = Self { list, index: Index::default() };
        kept.sort();
        kept
    }

    /// The rule of the most specific pattern that matches.
    fn first(&self, name: &str) -> Option<RuleId> {
        let mut best: Option<(usize, RuleId)> = None;
        for numbers in self.index.candidates(name) {
            for number in numbers {
                if best.is_some_and(|(at, _)| at <= *number) {
                    break;
                }
                if let Some((_, id)) = self.list.get(*number).filter(|(pattern, _)| pattern.matches(name)) {
                    best = Some((*number, *id));
                }
            }
        }
        best.map(|(_, id)| id)
    }
}

/// The most patterns of one kind.
pub(super) const MOST_PATTERNS: usize = 20_000;

/// The most steps spent on comparing the patterns of one kind.
const MOST_STEPS: usize = 50_000_000;

impl RuleTable {
    pub(super) fn insert_exact(&mut self, name: &str, id: RuleId, is_shadow: bool) {
        self.all.exact.insert(name.into(), id);
        self.note_shadow(id, is_shadow);
    }

    pub(super) fn insert_pattern(&mut self, pattern: Pattern, id: RuleId, is_deny: bool, is_shadow: bool) {
        if is_deny { &mut self.all.denied } else { &mut self.all.allowed }.list.push((pattern, id));
        self.note_shadow(id, is_shadow);
    }

    fn note_shadow(&mut self, id: RuleId, is_shadow: bool) {
        if is_shadow {
            self.shadows.insert(id);
        }
    }

    /// Puts the most specific patterns first. To be called once, after the last insertion.
    pub(super) fn sort(&mut self) {
        self.all.denied.sort();
        self.all.allowed.sort();
        let shadows = std::mem::take(&mut self.shadows);
        if !shadows.is_empty() {
            let exact = self.all.exact.iter().filter(|(_, id)| !shadows.contains(id));
            self.enforced = Some(Lookup {
                exact: exact.map(|(name, id)| (name.clone(), *id)).collect(),
                denied: self.all.denied.without(&shadows),
                allowed: self.all.allowed.without(&shadows),
            });
        }
    }

    pub(super) fn is_exact(&self, name: &str) -> bool {
        self.all.exact.contains_key(name)
    }

    pub(super) fn exact_names(&self) -> impl Iterator<Item = &str> {
        self.all.exact.keys().map(AsRef::as_ref)
    }

    /// The rule that decides about `name` were all rules enforced.
    pub(super) fn rule_for<'r>(&self, name: &str, is_plain: bool, rules: &'r [Rule]) -> Option<&'r Rule> {
        self.all.rule_for(name, is_plain, rules)
    }

    /// The most work of finding the rule for `name`, in steps: one for each pattern and four bytes.
    pub(super) fn weight(&self, name: &str) -> u64 {
        let lookups = [Some(&self.all), self.enforced.as_ref()].into_iter().flatten();
        let patterns = lookups.flat_map(|lookup| [&lookup.denied, &lookup.allowed]);
        let count: usize = patterns.flat_map(|of| of.index.candidates(name)).map(<[_]>::len).sum();
        let each = (name.len() >> 2).saturating_add(1);
        u64::try_from(count.saturating_mul(each).saturating_add(1)).unwrap_or(u64::MAX)
    }

    /// The rule that decides about `name` among those that are enforced.
    pub(super) fn enforced_for<'r>(&self, name: &str, is_plain: bool, rules: &'r [Rule]) -> Option<&'r Rule> {
        self.enforced.as_ref().unwrap_or(&self.all).rule_for(name, is_plain, rules)
    }
}

impl Lookup {
    /// The rule that decides about `name`: a rule that refuses before all others, then the most specific.
    ///
    /// A name that is not plain could be another name for the server: only a rule of just this name allows it.
    fn rule_for<'r>(&self, name: &str, is_plain: bool, rules: &'r [Rule]) -> Option<&'r Rule> {
        let exact = self.exact.get(name).and_then(|id| rules.get(*id));
        if let Some(rule) = exact.filter(|rule| rule.is_deny()) {
            return Some(rule);
        }
        if let Some(id) = self.denied.first(name) {
            return rules.get(id);
        }
        exact.or_else(|| self.allowed.first(name).filter(|_| is_plain).and_then(|id| rules.get(id)))
    }
}

/// What finding a pattern that may be about the same names counts for: it is copied and sorted.
const PER_CANDIDATE: usize = 8;

/// The most bytes of exact names that are held against patterns of one kind.
const MOST_BYTES: usize = 200_000_000;

/// A rule that is being compiled.
#[derive(Debug)]
pub(super) struct Draft<'n> {
    pub(super) name: &'n str,
    pub(super) place: Place,
    /// `None` for an exact name.
    pub(super) pattern: Option<Pattern>,
    /// Whether the rule refuses; `None` when its body has flaws.
    pub(super) is_deny: Option<bool>,
}

/// Finds the rules of one kind that can never apply, and the patterns of which neither is the more specific.
pub(super) fn refuse_conflicts(drafts: &[Draft<'_>], findings: &mut Findings) {
    let mut patterns: Vec<(&Draft<'_>, &Pattern, Box<[Step]>)> = Vec::new();
    for draft in drafts {
        let Some(pattern) = &draft.pattern else { continue };
        if patterns.len() == MOST_PATTERNS {
            let hint = "names without wildcards are not counted";
            findings.add_with_hint(draft.place, format!("more than {MOST_PATTERNS} patterns in one section"), hint);
            return;
        }
        patterns.push((draft, pattern, pattern.steps()));
    }
    refuse_covered(drafts, &patterns, findings);
    patterns.sort_by_key(|(_, pattern, _)| pattern.specificity());
    let mut effort = Effort(MOST_STEPS);
    let equal = patterns.chunk_by(|(_, one, _), (_, two, _)| one.specificity() == two.specificity());
    for group in equal {
        let index = Index::new(group.iter().map(|(_, pattern, _)| pattern.frame()));
        for (at, (draft, pattern, steps)) in group.iter().enumerate() {
            if effort.is_used_up() {
                break;
            }
            let (start, end) = pattern.frame();
            let meeting = index.meeting(start, end);
            effort.take(meeting.len().saturating_mul(PER_CANDIDATE));
            let rival = meeting
                .into_iter()
                .take_while(|number| *number < at)
                .filter_map(|number| group.get(number))
                .find(|(_, _, other)| effort.may_meet(steps, other) && intersects(steps, other));
            if let Some((rival, ..)) = rival {
                refuse_pair(draft, rival, findings);
            }
        }
    }
    effort.refuse_excess(drafts, findings);
}

fn refuse_pair(draft: &Draft<'_>, rival: &Draft<'_>, findings: &mut Findings) {
    let (name, other, line) = (Quoted(draft.name), Quoted(rival.name), rival.place.line);
    let message =
        format!("{name} and {other} (line {line}) match some of the same names, and neither is more specific");
    findings.add_with_hint(
        draft.place,
        message,
        "name things exactly, or give one pattern more literal characters",
    );
}

/// Refuses the rules all of whose names are refused by the pattern of a `deny` rule.
fn refuse_covered(drafts: &[Draft<'_>], patterns: &[(&Draft<'_>, &Pattern, Box<[Step]>)], findings: &mut Findings) {
    let (mut effort, mut names) = (Effort(MOST_STEPS), Effort(MOST_BYTES));
    let denied: Vec<_> = patterns.iter().filter(|(draft, ..)| draft.is_deny == Some(true)).collect();
    let index = Index::new(denied.iter().map(|(_, pattern, _)| pattern.frame()));
    let among = |start: &str, end: &str, effort: &mut Effort| {
        if effort.is_used_up() {
            return Vec::new();
        }
        let mut numbers: Vec<usize> = index.within(start, end).flatten().copied().collect();
        effort.take(numbers.len().saturating_mul(PER_CANDIDATE));
        numbers.sort_unstable();
        numbers.into_iter().filter_map(|number| denied.get(number)).collect::<Vec<_>>()
    };
    let allowed = |draft: &Draft<'_>| draft.is_deny == Some(false);
    for draft in drafts.iter().filter(|draft| draft.pattern.is_none() && allowed(draft)) {
        let deny = among(draft.name, draft.name, &mut names)
            .into_iter()
            .find(|(_, pattern, _)| names.may_match(draft.name, pattern) && pattern.matches(draft.name));
        if let Some((deny, ..)) = deny {
            refuse_impossible(draft, deny, findings);
        }
    }
    names.refuse_excess(drafts, findings);
    for (draft, pattern, steps) in patterns.iter().filter(|(draft, ..)| allowed(draft)) {
        let (start, end) = pattern.frame();
        let mut outer = among(start, end, &mut effort).into_iter();
        let deny = outer.find(|(_, _, outer)| effort.may_meet(steps, outer) && covers(outer, steps));
        if let Some((deny, ..)) = deny {
            refuse_impossible(draft, deny, findings);
        }
    }
    effort.refuse_excess(drafts, findings);
}

fn refuse_impossible(draft: &Draft<'_>, deny: &Draft<'_>, findings: &mut Findings) {
    let (name, other, line) = (Quoted(draft.name), Quoted(deny.name), deny.place.line);
    let message = format!("impossible rule: {other} (line {line}) denies all that {name} matches, and `deny` wins");
    findings.add_with_hint(draft.place, message, "remove this rule, or make the denied pattern narrower");
}

/// What comparing may still cost.
struct Effort(usize);

impl Effort {
    const fn is_used_up(&self) -> bool {
        self.0 == 0
    }

    /// Takes the effort of looking at so many.
    const fn take(&mut self, count: usize) {
        self.0 = self.0.saturating_sub(count);
    }

    /// Whether the pair must be compared step by step. Says no when the effort is used up, which is a flaw itself.
    fn may_meet(&mut self, one: &[Step], two: &[Step]) -> bool {
        if self.is_used_up() || are_apart(one, two) {
            return false;
        }
        self.take(one.len().saturating_add(1).saturating_mul(two.len().saturating_add(1)));
        true
    }

    /// The same for an exact name and a pattern.
    fn may_match(&mut self, name: &str, pattern: &Pattern) -> bool {
        if self.is_used_up() || !pattern.frames(name) {
            return false;
        }
        self.take(name.len());
        true
    }

    fn refuse_excess(&self, drafts: &[Draft<'_>], findings: &mut Findings) {
        if self.is_used_up() {
            let place =
                drafts.iter().find(|draft| draft.pattern.is_some()).map_or(Place::START, |draft| draft.place);
            let hint = "use fewer or shorter patterns in this section";
            findings.add_with_hint(place, "the patterns are too many and too alike to be compared", hint);
        }
    }
}
