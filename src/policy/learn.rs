//! A policy from what was recorded: it lets in whom the audit saw let in, and as few others as scopes can tell.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Asks, Draft, DraftRule, DraftTest};
use super::recorded::{self, Recorded, Useless};
use super::{Kind, Policy, Ruling};
use crate::caller::Scopes;

/// The most things, each with the scopes of one caller, that are held.
const MOST_OBSERVED: usize = 50_000;
/// The most sets of scopes that open one thing.
const MOST_WAYS: usize = 8;
/// The most tests of one thing with one outcome.
const MOST_TESTS: usize = 4;
/// The most tests in all.
const MOST_TESTS_IN_ALL: usize = 500;

type Set = BTreeSet<String>;
type Thing = (usize, String);

/// What was seen of one thing: the sets of scopes of its callers, each with the subject that was seen first.
#[derive(Debug, Default)]
struct Seen {
    allowed: BTreeMap<Set, String>,
    denied: BTreeMap<Set, String>,
}

/// What was recorded, so far.
#[derive(Debug, Default)]
pub struct Observed {
    things: BTreeMap<Thing, Seen>,
    held: usize,
    /// Lines that count.
    pub used: usize,
    /// Lines about what needs no rule, or about refusals that no policy makes.
    pub other: usize,
    /// Lines that cannot be read as audit lines.
    pub unreadable: usize,
    /// Lines whose texts were cut when they were written, so that they name nothing for certain.
    pub cut: usize,
    /// Lines for which there was no room.
    pub beyond: usize,
}

impl Observed {
    /// Takes one line of an audit.
    pub fn take(&mut self, line: &str) {
        let count = match recorded::read(line) {
            Ok(recorded) => self.note(recorded),
            Err(Useless::Unreadable) => &mut self.unreadable,
            Err(Useless::Other) => &mut self.other,
            Err(Useless::Cut) => &mut self.cut,
        };
        *count = count.saturating_add(1);
    }

    fn note(&mut self, recorded: Recorded) -> &mut usize {
        let Recorded { subject, scopes, kind, name, is_allowed, .. } = recorded;
        let at = Kind::ALL.iter().position(|other| *other == kind).unwrap_or_default();
        let held = self.held;
        let seen = self.things.entry((at, name)).or_default();
        let sets = if is_allowed { &mut seen.allowed } else { &mut seen.denied };
        if let Entry::Vacant(place) = sets.entry(scopes) {
            if held >= MOST_OBSERVED {
                return &mut self.beyond;
            }
            self.held = held.saturating_add(1);
            place.insert(subject);
        }
        &mut self.used
    }

    /// The policy that what was recorded asks for. `base` says which scopes are about permission, and what else its
    /// rules ask for; what could not be decided is told by rule.
    #[must_use]
    pub fn learn(&self, base: Option<&Policy>) -> (Draft, Vec<String>) {
        let mut draft = Draft {
            header: vec![
                format!("Learned by `toolgate policy learn` from {} decisions.", self.used),
                String::new(),
                "Each rule asks for the scopes that all recorded callers of the thing have in common. Scopes that every".into(),
                "caller of the whole record has tell nobody apart, and are asked for only where there are no others.".into(),
                "What nobody used is in no rule, and refused.".into(),
                String::new(),
            ],
            ..Draft::default()
        };
        let mut undecided = Vec::new();
        let common = self.common();
        for ((at, name), seen) in self.things.iter().filter(|(_, seen)| !seen.allowed.is_empty()) {
            let Some(kind) = Kind::ALL.get(*at).copied() else { continue };
            let mut rule = DraftRule {
                kind,
                name: name.clone(),
                is_pattern: false,
                notes: Vec::new(),
                asks: Asks::Nobody,
                when: None,
            };
            match ways(kind, name, seen, &common, base) {
                Ok(sets) => rule.asks = Asks::AnyOf(sets),
                Err(why) => {
                    undecided.push(format!("{} {name:?}: {why}", kind.word()));
                    rule.notes.push(why.to_owned());
                }
            }
            let of_base = base.and_then(|base| base.matches(kind, name).into_iter().next());
            if let Some(of_base) = of_base {
                rule.when = of_base.when.map(ToOwned::to_owned);
                if of_base.rate_limit.is_some() {
                    rule.notes.push(format!("{} of the base has a rate limit, which is not here", of_base.label));
                    undecided.push(format!("{} {name:?}: the rate limit of the base is not here", kind.word()));
                }
            }
            draft.rules.push(rule);
        }
        draft.tests = self.tests();
        (draft, undecided)
    }

    /// The scopes that every caller has who was seen.
    fn common(&self) -> Set {
        let mut sets = self.things.values().flat_map(|seen| seen.allowed.keys().chain(seen.denied.keys()));
        let first = sets.next().cloned().unwrap_or_default();
        sets.fold(first, |common, set| common.intersection(set).cloned().collect())
    }

    fn tests(&self) -> Vec<DraftTest> {
        let mut tests = Vec::new();
        for ((at, name), seen) in &self.things {
            let Some(kind) = Kind::ALL.get(*at).copied() else { continue };
            for (sets, is_allowed) in [(&seen.allowed, true), (&seen.denied, false)] {
                for (scopes, subject) in sets.iter().take(MOST_TESTS) {
                    let did = if is_allowed { "used" } else { "was refused" };
                    tests.push(DraftTest {
                        name: format!("{subject} {did} the {} {name}", kind.word()),
                        subject: subject.clone(),
                        scopes: scopes.iter().cloned().collect(),
                        call: (kind, name.clone()),
                        is_allowed,
                    });
                }
            }
        }
        tests.truncate(MOST_TESTS_IN_ALL);
        tests
    }
}

/// The sets of scopes that are to open a thing.
fn ways(
    kind: Kind,
    name: &str,
    seen: &Seen,
    common: &Set,
    base: Option<&Policy>,
) -> Result<Vec<Vec<String>>, &'static str> {
    if let Some(base) = base {
        let grants = base.grants(&Scopes::default());
        // The base says that everybody may have it, and somebody did.
        if matches!(base.decide(&grants, kind, name), Ruling::Permit(_)) {
            return Ok(vec![Vec::new()]);
        }
    }
    let named: Option<Set> = base.map(|base| base.scopes.names().map(ToOwned::to_owned).collect());
    let matters = |set: &Set| -> Set {
        set.iter().filter(|scope| named.as_ref().is_none_or(|named| named.contains(*scope))).cloned().collect()
    };
    let sets: Vec<Set> = seen.allowed.keys().map(matters).collect();
    if sets.iter().any(Set::is_empty) {
        return Err(
            "a caller without scopes used it, and only `{scopes: []}` would let it in: refused until you decide",
        );
    }
    let first = sets.first().cloned().unwrap_or_default();
    let shared = sets.iter().fold(first, |shared, set| shared.intersection(set).cloned().collect());
    let told: Set = shared.difference(common).cloned().collect();
    let best = if told.is_empty() { shared } else { told };
    if !best.is_empty() {
        return Ok(vec![best.into_iter().collect()]);
    }
    // Its callers have no scope in common: each of the least sets is a way in.
    let least = |set: &&Set| !sets.iter().any(|other| other != *set && other.is_subset(set));
    let mut least: Vec<Vec<String>> = sets.iter().filter(least).map(|set| set.iter().cloned().collect()).collect();
    least.dedup();
    if least.len() > MOST_WAYS {
        return Err("its callers have no scope in common, and too many different ones: refused until you decide");
    }
    Ok(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(subject: &str, scopes: &[&str], tool: &str, decision: &str) -> String {
        let reason = if decision == "allow" { "permitted" } else { "scopes_missing" };
        serde_json::json!({"subject": subject, "scopes": scopes, "kind": "tool", "name": tool, "decision": decision, "reason": reason, "rule": "tools.x", "http_status": 200})
            .to_string()
    }

    fn learned(lines: &[String], base: Option<&str>) -> (Policy, String, Vec<String>) {
        let mut observed = Observed::default();
        lines.iter().for_each(|line| observed.take(line));
        let base = base.map(|text| Policy::compile("base", text).unwrap());
        let (draft, undecided) = observed.learn(base.as_ref());
        let written = draft.write().unwrap();
        let policy = Policy::compile("p", &written.text).unwrap();
        assert!(policy.run_tests().iter().all(super::super::TestResult::passed));
        let told = undecided.into_iter().chain(written.left_out).collect();
        (policy, written.text, told)
    }

    #[test]
    fn a_rule_asks_for_what_all_callers_have_in_common_and_nobody_else_has() {
        let lines = [
            line("alice", &["openid", "files:read", "files:write"], "read", "allow"),
            line("bob", &["files:read", "openid"], "read", "allow"),
            line("bob", &["files:read", "openid"], "write", "deny"),
            line("alice", &["openid", "files:read", "files:write"], "write", "allow"),
            line("carol", &["openid"], "read", "deny"),
        ];
        let (policy, text, told) = learned(&lines, None);
        assert_eq!(told, [""; 0], "{text}");
        assert!(text.contains("\"read\": {scopes: [\"files:read\"]}"), "{text}");
        assert!(text.contains("\"write\": {scopes: [\"files:read\", \"files:write\"]}"), "{text}");
        assert_eq!(policy.run_tests().len(), 5);
    }

    #[test]
    fn where_all_callers_are_alike_all_their_scopes_are_asked_for() {
        let (_, text, _) = learned(&[line("a", &["s", "t"], "x", "allow")], None);
        assert!(text.contains("\"x\": {scopes: [\"s\", \"t\"]}"), "{text}");
    }

    #[test]
    fn callers_without_a_scope_in_common_are_alternatives() {
        let lines = [
            line("a", &["r"], "x", "allow"),
            line("b", &["s", "t"], "x", "allow"),
            line("c", &["r", "u"], "x", "allow"),
        ];
        let (_, text, _) = learned(&lines, None);
        assert!(text.contains("\"x\": {any_of: [[\"r\"], [\"s\", \"t\"]]}"), "{text}");
    }

    #[test]
    fn a_caller_without_scopes_opens_nothing_to_everybody() {
        let lines = [line("a", &[], "x", "allow"), line("b", &["s"], "x", "allow")];
        let (_, text, told) = learned(&lines, None);
        assert!(text.contains("\"x\": {deny: true}") && told.len() == 3, "{text} {told:?}");
        let (_, text, told) = learned(&lines, Some("version: 1\ntools: {x: {scopes: []}}\n"));
        assert!(text.contains("\"x\": {scopes: []}") && told.is_empty(), "{text} {told:?}");
    }

    #[test]
    fn the_base_says_which_scopes_matter_and_keeps_its_conditions() {
        let base = "version: 1\ntools:\n  x: {scopes: [s], when: 'args.n == 1'}\n  y: {scopes: [t]}\n";
        let lines = [line("a", &["openid", "s"], "x", "allow"), line("b", &["openid", "t"], "y", "allow")];
        let (_, text, told) = learned(&lines, Some(base));
        assert!(text.contains("\"x\": {scopes: [\"s\"], when: \"args.n == 1\"}"), "{text}");
        assert!(text.contains("\"y\": {scopes: [\"t\"]}"), "{text}");
        // The test of `x` has no arguments, which are not recorded.
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[test]
    fn what_is_no_decision_of_a_policy_is_counted_and_left() {
        let mut observed = Observed::default();
        for line in [
            "",
            "{",
            "7",
            "{\"a\":1}",
            "{\"decision\":\"maybe\",\"subject\":\"a\",\"kind\":\"tool\"}",
            "{\"decision\":\"allow\",\"decision\":\"deny\"}",
        ] {
            observed.take(line);
        }
        assert_eq!((observed.unreadable, observed.used), (6, 0));
        let good = line("a", &["s"], "x", "deny");
        for line in [
            good.replace("scopes_missing", "token_expired"),
            good.replace("\"tool\"", "\"base\""),
            good.replace("\"name\"", "\"n\""),
            good.replace("\"subject\"", "\"n\""),
        ] {
            observed.take(&line);
        }
        assert_eq!((observed.other, observed.used), (4, 0));
        observed.take(&line("a", &["s"], "cut…", "allow"));
        observed.take(&line("a", &["\u{fffd}"], "x", "allow"));
        assert_eq!((observed.cut, observed.used), (2, 0));
        observed.take(&good);
        assert_eq!(observed.used, 1);
    }

    proptest::proptest! {
        #[test]
        fn whatever_was_recorded_the_policy_passes_its_tests_and_opens_nothing_to_everybody(
            rows in proptest::collection::vec((0_u8..3, proptest::collection::btree_set("[a-d\"' :{}#]", 0..4), proptest::prelude::any::<bool>(), "\\PC{0,6}"), 0..12)
        ) {
            let mut observed = Observed::default();
            for (tool, scopes, is_allowed, subject) in &rows {
                let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
                let name = ["x", "y: {}", "z\n"][usize::from(*tool)];
                observed.take(&line(subject, &scopes, name, if *is_allowed { "allow" } else { "deny" }));
            }
            let written = observed.learn(None).0.write().unwrap();
            let policy = Policy::compile("p", &written.text).unwrap();
            proptest::prop_assert!(policy.run_tests().iter().all(super::super::TestResult::passed));
            // Whoever has no scope was told to be let in by nobody.
            let grants = policy.grants(&Scopes::default());
            for rule in policy.rules() {
                proptest::prop_assert!(matches!(policy.decide(&grants, rule.kind, rule.pattern), Ruling::Deny(_)));
            }
        }
    }
}
