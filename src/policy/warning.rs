//! What is probably not meant, though it can be used: told by `policy check`, and no reason to refuse a policy.

use std::collections::HashMap;
use std::fmt;

use super::document::Entry;
use super::flaw::Quoted;
use super::rule::Rule;
use super::{Kind, Matched, Policy};

/// The most steps of finding what decides in place of rules in shadow; beyond, nothing is told of them.
const MOST_STEPS: u64 = 50_000_000;

/// Something in a policy that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The line, from 1.
    pub line: usize,
    /// What is odd.
    pub message: String,
}

impl Policy {
    /// What is probably not meant, in the order of the text.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.unused_scopes.clone();
        let mut seen: HashMap<(Kind, String), &str> = HashMap::new();
        let mut steps_left = MOST_STEPS;
        for rule in &self.rules {
            let (name, line) = (rule.pattern(), rule.line);
            let mut warn = |message: String| warnings.push(Warning { line, message });
            if let Some(letter) = name.chars().find(|letter| !letter.is_ascii()) {
                let code = u32::from(letter);
                warn(format!("{} has a character that is not ASCII: U+{code:04X}", Quoted(name)));
            }
            match seen.get(&(rule.kind, skeleton(name))) {
                Some(other) => warn(format!("{} and {} look alike", Quoted(name), Quoted(other))),
                None => drop(seen.insert((rule.kind, skeleton(name)), name)),
            }
            match rule.body.when.as_ref().and_then(crate::cel::Condition::constant) {
                Some(Ok(true)) => warn(format!("the condition of {} is always true", Quoted(name))),
                Some(Ok(false) | Err(_)) => {
                    warn(format!("the condition of {} is never true: every call is refused", Quoted(name)));
                }
                None if rule.body.when.as_ref().is_some_and(crate::cel::Condition::is_never_true) => {
                    warn(format!(
                        "the condition of {} contradicts itself and is never true: every call is refused",
                        Quoted(name)
                    ));
                }
                None => {}
            }
            if !rule.is_shadow() || rule.is_deny() || steps_left == 0 {
                continue;
            }
            steps_left = steps_left.saturating_sub(self.table(rule.kind).weight(name));
            // Whoever names what the pattern is written as is decided by what else matches its names.
            let Matched { enforced, .. } = self.rules_for(rule.kind, name);
            if enforced.is_none() {
                warn(format!(
                    "{} is in shadow, and no other rule is enforced: every caller with a valid token has it",
                    Quoted(name)
                ));
            }
        }
        warnings.extend(self.hidden());
        warnings.sort();
        warnings
    }

    /// Notes the scopes of the hierarchy that open nothing: neither they nor what they imply is in a rule.
    pub(super) fn note_unused_scopes(&mut self, section: &[Entry]) {
        let asked: Vec<usize> = self.rules.iter().flat_map(Rule::asked).collect();
        let useful = self.scopes.suppliers_of(asked);
        let unused = section.iter().filter(|entry| !useful.contains(&*entry.key));
        let warnings: Vec<Warning> = unused
            .map(|entry| Warning {
                line: entry.place.line,
                message: format!("no rule asks for the scope {}, nor for one that it implies", Quoted(&entry.key)),
            })
            .collect();
        self.unused_scopes = warnings;
    }
}

/// The name with every letter replaced by the one that it is most easily taken for.
fn skeleton(name: &str) -> String {
    let same = |letter: char| match letter {
        '0' | 'о' | 'ο' | 'О' | 'Ο' => 'o',
        '1' | 'i' | '|' | 'і' | 'І' | 'ι' | 'Ι' | 'ӏ' | 'ı' => 'l',
        'а' | 'А' | 'α' | 'Α' => 'a',
        'е' | 'Е' | 'Ε' => 'e',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'с' | 'С' => 'c',
        'у' | 'У' | 'υ' | 'Υ' => 'y',
        'х' | 'Х' | 'χ' | 'Χ' => 'x',
        'ѕ' | 'Ѕ' => 's',
        'ј' | 'Ј' => 'j',
        'ԁ' => 'd',
        'һ' | 'Н' | 'Η' => 'h',
        'к' | 'К' | 'κ' | 'Κ' => 'k',
        'М' | 'Μ' => 'm',
        'Т' | 'Τ' => 't',
        'В' | 'Β' => 'b',
        'ν' => 'v',
        '-' | '‐' | '‑' | '–' | '—' => '_',
        other => other,
    };
    // Letters of full width, as East Asian keyboards have them.
    let narrow = |letter: char| {
        let code = u32::from(letter);
        let ascii =
            (0xFF01..=0xFF5E).contains(&code).then(|| char::from_u32(code.saturating_sub(0xFEE0))).flatten();
        ascii.unwrap_or(letter)
    };
    name.chars().map(narrow).flat_map(char::to_lowercase).map(same).collect()
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &str, expected: &[&str]) {
        let policy =
            Policy::compile("p", &format!("version: 1\n{rules}")).unwrap_or_else(|flaws| panic!("{flaws}"));
        let found: Vec<String> =
            policy.warnings().iter().map(|warning| format!("{}: {warning}", warning.line)).collect();
        assert_eq!(found, expected, "{rules}");
    }

    #[test]
    fn what_is_usual_is_not_warned_about() {
        check("scopes: {w: {implies: [r]}}\ntools: {a: {scopes: [r]}, 'b*': {scopes: [w], when: args.n > 1}}", &[]);
        check("tools: {'*': {scopes: []}, 'a*': {scopes: [x], mode: shadow}, b: {deny: true, mode: shadow}}", &[]);
        check("tools: {list_a: {scopes: []}}\nprompts: {list-a: {scopes: []}}", &[]);
        assert_eq!(Policy::compile("p", include_str!("../../policy/sample.yaml")).unwrap().warnings(), []);
    }

    #[test]
    fn a_condition_that_says_nothing_is() {
        check("tools: {a: {scopes: [], when: 'true || args.n == 1'}}", &["2: the condition of `a` is always true"]);
        check(
            "tools: {a: {scopes: [], when: '1 > 2'}}",
            &["2: the condition of `a` is never true: every call is refused"],
        );
    }

    #[test]
    fn a_condition_that_contradicts_itself_is() {
        check(
            "tools: {a: {scopes: [], when: 'args.n < 3 && args.n > 5'}}",
            &["2: the condition of `a` contradicts itself and is never true: every call is refused"],
        );
        check("tools: {a: {scopes: [], when: 'args.n > 3 && args.n < 5'}}", &[]);
    }

    #[test]
    fn names_that_deceive_are() {
        check("tools: {get_аll: {scopes: []}}", &["2: `get_аll` has a character that is not ASCII: U+0430"]);
        check("tools: {get_all: {scopes: []}, get_a11: {scopes: []}}", &["2: `get_a11` and `get_all` look alike"]);
        check("tools: {get-all: {scopes: []}, Get_all: {scopes: []}}", &["2: `Get_all` and `get-all` look alike"]);
        check(
            "tools: {ａ: {scopes: []}, a: {scopes: []}}",
            &["2: `a` and `ａ` look alike", "2: `ａ` has a character that is not ASCII: U+FF41"],
        );
    }

    #[test]
    fn scopes_that_open_nothing_are() {
        check(
            "scopes:\n  admin: {implies: [r]}\n  old: {}\n  older: {implies: [old]}\ntools: {a: {scopes: [r]}}",
            &[
                "4: no rule asks for the scope `old`, nor for one that it implies",
                "5: no rule asks for the scope `older`, nor for one that it implies",
            ],
        );
    }

    #[test]
    fn a_rule_in_shadow_that_opens_something_is() {
        let message = "is in shadow, and no other rule is enforced: every caller with a valid token has it";
        check("tools: {a: {scopes: [x], mode: shadow}}", &[&format!("2: `a` {message}")]);
        check("tools: {'a*': {scopes: [x], mode: shadow}, b: {scopes: []}}", &[&format!("2: `a*` {message}")]);
    }
}
