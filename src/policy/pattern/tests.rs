//! Patterns against brute force over all texts of a small alphabet.

use proptest::prelude::*;

use super::*;

fn pattern(text: &str, syntax: Syntax) -> Pattern {
    Pattern::parse(text, syntax).unwrap().unwrap()
}

#[track_caller]
fn check(syntax: Syntax, text: &str, name: &str, expected: bool) {
    assert_eq!(pattern(text, syntax).matches(name), expected, "{text} on {name}");
}

#[test]
fn in_names_a_star_is_any_run_and_a_question_mark_one_character() {
    for (text, name, expected) in [
        ("*", "", true),
        ("*", "a/b", true),
        ("get_*", "get_", true),
        ("get_*", "get", false),
        ("get_*", "Get_x", false),
        ("*_get", "x_get_get", true),
        ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "aXcYb", false),
        ("?", "é", true),
        ("?", "", false),
        ("??", "é", false),
        ("*?", "é", true),
        ("?*?", "é", false),
        ("*é", "eé", true),
        ("*é", "e\u{301}", false),
        ("x-acme/*", "x-acme/a/b", true),
        ("a?c", "a/c", true),
        ("a?c", "a😀c", true),
    ] {
        check(Syntax::Name, text, name, expected);
    }
}

#[test]
fn in_uris_only_two_stars_cross_a_slash() {
    for (text, name, expected) in [
        ("file:///public/*", "file:///public/a", true),
        ("file:///public/*", "file:///public/a/b", false),
        ("file:///public/**", "file:///public/a/b", true),
        ("file:///public/**", "file:///public/", true),
        ("file:///public/**", "file:///public", false),
        ("a?b", "a/b", false),
        ("**/x/*", "a/x/b/x/c", true),
        ("**/x/*", "a/x/b/c", false),
        ("**a*b", "a/ab", true),
        ("*a*/b", "aa/b", true),
        ("https://h/p?q=1", "https://h/p?q=1", true),
        ("https://h/p?q=1", "https://h/p/q=1", false),
    ] {
        check(Syntax::Uri, text, name, expected);
    }
}

#[test]
fn text_without_wildcards_is_no_pattern() {
    assert_eq!(Pattern::parse("get_x[1]{a}\\", Syntax::Name), Ok(None));
    // Other braces are those of templates.
    for text in ["docs://acme/{+name}", "docs://acme/{a,b}", "docs://acme/{", "docs://acme/{}", "{1}"] {
        assert_eq!(Pattern::parse(text, Syntax::Uri), Ok(None), "{text}");
    }
    assert_eq!(Pattern::parse("t_{name}", Syntax::Name), Ok(None));
}

#[test]
fn a_variable_is_the_rest_of_a_segment() {
    let values = |text, uri: &str| {
        let pattern = pattern(text, Syntax::Uri);
        pattern.matches(uri).then(|| pattern.values(uri)).flatten()
    };
    for (text, uri, expected) in [
        ("file:///users/{owner}/**", "file:///users/alice/a/b", Some(vec!["alice"])),
        ("file:///users/{owner}/**", "file:///users/alice/", Some(vec!["alice"])),
        ("file:///users/{owner}/**", "file:///users/alice", None),
        ("file:///users/{owner}/**", "file:///users//a", None),
        ("file:///users/{owner}", "file:///users/alice/a", None),
        ("repo://{owner}/{name}/*", "repo://acme/app/x", Some(vec!["acme", "app"])),
        ("note:{id}", "note:7", Some(vec!["7"])),
        ("note:{id}", "note:", None),
        ("x://a/v-{id}/b", "x://a/v-7/b", Some(vec!["7"])),
        ("x://*/{id}", "x://a/7", Some(vec!["7"])),
        ("x://{id}", "x://a%20b", Some(vec!["a b"])),
        ("x://{id}", "x://caf%C3%A9", Some(vec!["café"])),
        ("x://{id}", "x://%ff", None),
        ("x://{id}", "x://%zz", None),
        ("x://{id}", "x://%+1", None),
        ("x://{id}", "x://{id}", Some(vec!["{id}"])),
    ] {
        let expected: Option<Vec<String>> = expected.map(|list| list.into_iter().map(Into::into).collect());
        assert_eq!(values(text, uri), expected, "{text} on {uri}");
    }
}

#[test]
fn a_variable_whose_value_cannot_be_told_is_refused() {
    for text in ["x:/{a}/{a}", "x:/**/{a}", "x:/{a}b", "x:/{a}{b}", "x:/*{a}", "x:/?{a}", "x:/{a}*", "x:/{a}-{b}"] {
        assert!(matches!(Pattern::parse(text, Syntax::Uri), Err(PatternFault::Variable(_))), "{text}");
    }
}

#[test]
fn meaningless_stars_are_refused() {
    for (text, syntax, fault) in [
        ("a**", Syntax::Name, PatternFault::TooManyStars),
        ("a***", Syntax::Uri, PatternFault::TooManyStars),
        ("****", Syntax::Uri, PatternFault::TooManyStars),
        (&"*a".repeat(17), Syntax::Name, PatternFault::TooManyRuns),
    ] {
        assert_eq!(Pattern::parse(text, syntax), Err(fault), "{text}");
    }
    assert!(Pattern::parse(&"*a".repeat(16), Syntax::Name).is_ok());
}

#[test]
fn more_literals_then_fewer_runs_are_more_specific() {
    let ordered = ["abc*", "ab?", "ab*", "ab*?", "ab*?*", "ab**", "a?", "**"];
    for pair in ordered.windows(2) {
        let [one, two] = [pair[0], pair[1]].map(|text| pattern(text, Syntax::Uri).specificity());
        assert!(one < two, "{pair:?}");
    }
    let [one, two] = ["a*b", "*ba"].map(|text| pattern(text, Syntax::Name).specificity());
    assert_eq!(one, two);
}

/// The meaning of a pattern, by trying every way.
fn matches_naively(pattern: &[char], name: &[char], syntax: Syntax) -> bool {
    let deep = syntax == Syntax::Name || pattern.starts_with(&['*', '*']);
    match (pattern, name) {
        ([], []) => true,
        (['*', ..], _) => {
            let stars = if pattern.starts_with(&['*', '*']) { 2 } else { 1 };
            matches_naively(&pattern[stars..], name, syntax)
                || matches!(name, [c, rest @ ..] if (deep || *c != '/') && matches_naively(pattern, rest, syntax))
        }
        (['?', rest @ ..], [c, after @ ..]) => {
            (syntax == Syntax::Name || *c != '/') && matches_naively(rest, after, syntax)
        }
        ([p, rest @ ..], [c, after @ ..]) => p == c && matches_naively(rest, after, syntax),
        _ => false,
    }
}

/// All texts of up to this many letters of an alphabet that has one letter which no pattern names.
fn texts(longest: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut from = 0;
    for _ in 0..longest {
        let until = all.len();
        for at in from..until {
            all.extend(['a', 'é', '/', 'z'].map(|letter| format!("{}{letter}", all[at])));
        }
        from = until;
    }
    all
}

fn syntax() -> impl Strategy<Value = Syntax> {
    prop_oneof![Just(Syntax::Name), Just(Syntax::Uri)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn matching_agrees_with_trying_every_way(syntax in syntax(), text in "[aé/?*]{1,7}", name in "[aéz/]{0,9}") {
        if let Ok(Some(pattern)) = Pattern::parse(&text, syntax) {
            let (p, n): (Vec<char>, Vec<char>) = (text.chars().collect(), name.chars().collect());
            prop_assert_eq!(pattern.matches(&name), matches_naively(&p, &n, syntax), "{} on {}", text, name);
        }
    }

    #[test]
    fn intersection_and_cover_agree_with_brute_force(
        syntax in syntax(), one in "[aé/?*]{1,4}", two in "[aé/?*]{1,4}",
    ) {
        let parsed = (Pattern::parse(&one, syntax), Pattern::parse(&two, syntax));
        if let (Ok(Some(p)), Ok(Some(q))) = parsed {
            // A shortest common text has no more letters than both patterns together ask for: three each.
            let texts = texts(6);
            let meet = texts.iter().any(|text| p.matches(text) && q.matches(text));
            let (p_steps, q_steps) = (p.steps(), q.steps());
            prop_assert_eq!(intersects(&p_steps, &q_steps), meet, "{} and {}", one, two);
            prop_assert_eq!(intersects(&q_steps, &p_steps), meet, "{} and {}", two, one);
            prop_assert!(!(meet && are_apart(&p_steps, &q_steps)), "{} apart from {}", one, two);
            let inside = texts.iter().all(|text| !q.matches(text) || p.matches(text));
            prop_assert!(inside || !covers(&p_steps, &q_steps), "{} does not cover {}", one, two);
        }
    }
}

#[test]
fn covering_is_seen_where_it_is_plain() {
    for (outer, inner, expected) in [
        ("a*", "ab*", true),
        ("a*", "a?c", true),
        ("*", "?*", true),
        ("*?", "?*", true),
        ("ab*", "a*", false),
        ("a?", "a*", false),
        ("*b", "a*", false),
    ] {
        let [outer_steps, inner_steps] = [outer, inner].map(|text| pattern(text, Syntax::Name).steps());
        assert_eq!(covers(&outer_steps, &inner_steps), expected, "{outer} over {inner}");
    }
    for (outer, inner, expected) in
        [("a/**", "a/*", true), ("a/*", "a/**", false), ("**", "*/*", true), ("*", "a/?", false)]
    {
        let [outer_steps, inner_steps] = [outer, inner].map(|text| pattern(text, Syntax::Uri).steps());
        assert_eq!(covers(&outer_steps, &inner_steps), expected, "{outer} over {inner}");
    }
}
