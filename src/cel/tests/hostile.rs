//! What callers send to make a condition say something else than its author meant, or to make it slow.

use super::*;

fn with(source: &str, args: &str) -> Result<bool, Error> {
    let condition = Condition::compile(source, TOOL).unwrap_or_else(|fault| panic!("{source}: {fault:?}"));
    condition.holds(&Facts { args: Some(args), ..facts() })
}

#[test]
fn a_key_that_another_reader_takes_for_the_one_named_has_no_value() {
    const PATH: &str = r#"args.path.startsWith("/tmp/")"#;
    for args in [
        r#"{"path":"/tmp/a","Path":"/etc/passwd"}"#,
        r#"{"PATH":"/etc/passwd","path":"/tmp/a"}"#,
        r#"{"path":"/tmp/a","path\u0000":"/etc/passwd"}"#,
        r#"{"path":"/tmp/a","ｐath":"/etc/passwd"}"#,
    ] {
        assert_eq!(with(PATH, args), Err(Error::Disguised), "{args}");
    }
    for (source, args) in [
        ("!has(args.force)", r#"{"Force":true}"#),
        ("!('force' in args)", r#"{"FORCE":true}"#),
        ("!has(args.o.force)", r#"{"o":{"Force":true}}"#),
        ("args.o.n < 5", r#"{"o":{"n":1,"N":10}}"#),
        ("['n'].all(k, args.o[k] < 5)", r#"{"o":{"n":1,"N":10}}"#),
        ("!has(args.task)", r#"{"tas\u212a":1}"#),
    ] {
        assert_eq!(with(source, args), Err(Error::Disguised), "{source} {args}");
    }
    // What the condition does not name may be written as it likes.
    assert_eq!(with(PATH, r#"{"path":"/tmp/a","n":1,"N":2,"o":{"Path":""}}"#), Ok(true));
}

#[test]
fn a_fraction_that_a_double_does_not_hold_has_no_value() {
    for raw in [
        "1000.00000000000000001",
        "9.0000000000000001",
        "0.1000000000000000000001",
        "1000.0e-0000000000000000000000000000000000000001000000000000000000000000000",
        "1e-400",
        "0.0000000000000000000000000000000000000000000000000001000000000000000000000001",
        "1e99999999999999999999",
        "-9.0000000000000001",
    ] {
        let args = format!(r#"{{"n":{raw}}}"#);
        assert_eq!(with("args.n <= 1000", &args), Err(Error::Inexact), "{raw}");
        assert_eq!(with("!(args.n > 1000)", &args), Err(Error::Inexact), "{raw}");
    }
    for raw in [
        "0.1",
        "1e3",
        "1000.0",
        "10.00e2",
        "0.30000000000000004",
        "1e-7",
        "-0.0",
        "0e9",
        "0.0",
        "5e-324",
        "1E+2",
        "100e-2",
    ] {
        assert_eq!(with("args.n <= 1000", &format!(r#"{{"n":{raw}}}"#)), Ok(true), "{raw}");
    }
}

/// JSON of all kinds, with what is awkward in each.
fn json(depth: u32) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "false",
            "0",
            "-0",
            "-0.0",
            "1e400",
            "1e-400",
            "1.5",
            "-1",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "-9223372036854775809",
            r#""""#,
            r#""\u0000""#,
            r#""é""#,
            r#""1h""#,
            r#""2026-07-28T12:00:00Z""#,
            r#""10.0.0.1""#,
            r#""-1""#,
            "[]",
            "{}",
            "4503599627370497.5",
        ])
        .prop_map(str::to_owned),
        "[a-c/,\\-0-9:TZh ]{0,12}".prop_map(|text| format!("\"{text}\"")),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_filter("a number", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
    ];
    leaf.prop_recursive(depth, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map("[abAB]|path|n|list", inner, 0..4).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

#[test]
fn a_large_expression_costs_more_than_a_small_one() {
    // Text on which a search cannot remember where it is, and so does it slowly.
    let mut random = 12_345_u64;
    let text: String = (0..200_000)
        .map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if random >> 63 == 0 { 'a' } else { 'b' }
        })
        .collect();
    let args = format!(r#"{{"path":"{text}"}}"#);
    for small in ["^[a-z0-9-]+$", "^/tmp/[a-z]+", "^[0-9a-f]{8}-[0-9a-f]{4}$"] {
        assert!(with(&format!("args.path.matches('{small}')"), &args).is_ok(), "{small}");
    }
    for large in ["(a|b)*a(a|b){60}(c|d)", "(?i)(a|é)[ab]{100}[cd]", "[ab]{5,300}a[ab]{200}[cd]x"] {
        assert_eq!(with(&format!("args.path.matches('{large}')"), &args), Err(Error::TooCostly), "{large}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// No panic and no cost beyond the bound, whatever meets whatever; and what has no value is never true.
    #[test]
    fn no_condition_and_no_arguments_are_too_much(source in expression(), path in json(4), n in json(3), list in json(3)) {
        for source in [source.clone(), format!("({source}) == args.n"), format!("args.list.all(y, ({source}) != y)")] {
            let Ok(condition) = Condition::compile(&source, TOOL) else { continue };
            let args = format!(r#"{{"path":{path},"n":{n},"list":{list}}}"#);
            let facts = Facts { args: Some(&args), ..facts() };
            let (result, steps) = condition.evaluate(&facts);
            prop_assert!(steps <= Condition::MOST_STEPS);
            prop_assert_eq!(condition.holds(&facts), result, "the same again");
            // Negated, it must not hold where it had no value.
            if let (Ok(contrary), Err(_)) = (Condition::compile(&format!("!({source})"), TOOL), result) {
                prop_assert!(contrary.holds(&facts).is_err(), "{source} {args}");
            }
        }
    }
}
