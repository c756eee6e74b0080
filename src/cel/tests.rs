//! What conditions mean, what is wrong with them, and that none costs more than it may.

use proptest::prelude::*;

use super::*;

mod hostile;

const TOOL: Declared<'static> = Declared { about: About::Tool, vars: &[] };

const CLAIMS: &str = r#"{"sub":"alice","groups":["ops","dev"],"level":3,"org":{"id":"acme","flags":{"a":true}}}"#;
const ARGS: &str = r#"{"path":"/tmp/a.txt","n":5,"big":18446744073709551615,"huge":18446744073709551616,
    "d":1.5,"one":1.0,"e":1e30,"neg":-9223372036854775808,"under":-9223372036854775809,"tiny":1e-400,
    "list":[1,2,3],"mixed":[1,"a",null],"empty":[],"nested":{"x":{"y":"z"}},"flag":true,"nothing":null,
    "a-b":"dash","text":"Grüße","paths":["/tmp/a","/etc/b"],"\u0061b":"escaped"}"#;

/// 2026-07-28T15:30:45.5Z, a Tuesday.
const TIME: i128 = 1_785_252_645_500_000_000;

fn facts() -> Facts<'static> {
    Facts {
        claims: CLAIMS,
        args: Some(ARGS),
        name: "delete_file",
        annotations: Some(r#"{"readOnlyHint":false,"destructiveHint":true}"#),
        method: "tools/call",
        session: "",
        client_address: "10.1.2.3:5000",
        time: TIME,
        vars: &[],
    }
}

fn holds(source: &str) -> Result<bool, Error> {
    let condition = Condition::compile(source, TOOL).unwrap_or_else(|fault| panic!("{source}: {fault:?}"));
    let (result, steps) = condition.evaluate(&facts());
    assert!(steps <= Condition::MOST_STEPS, "{source}");
    result
}

#[test]
fn conditions_that_hold() {
    for source in [
        r#"args.path.startsWith("/tmp/") && "ops" in claims.groups"#,
        "args.n == 5 && args.n == 5.0 && args.one == 1 && args.d > 1 && args.d < 2",
        "args.big == 18446744073709551615u && args.big > 9223372036854775807",
        "args.neg == -9223372036854775808 && args.neg < args.d",
        "has(args.path) && !has(args.other) && has(args.nested.x) && !has(args.nested.y)",
        r#"has(args.nothing) && args.nothing == null && args["a-b"] == "dash" && args.ab == "escaped""#,
        r#"args.nested.x.y == "z" && args["nested"]["x"].y == "z" && claims.org.flags.a"#,
        "args.list.all(x, x > 0) && args.list.exists(x, x == 2) && args.list.exists_one(x, x > 2)",
        "args.list.filter(x, x > 1) == [2, 3] && args.list.map(x, x * 2) == [2, 4, 6]",
        "args.list.map(x, x > 1, x + 1) == [3, 4] && args.list[0] == 1 && args.list[1.0] == 2",
        "args.list.all(x, args.list.exists(y, y == x)) && args.empty.all(x, false) && !args.empty.exists(x, true)",
        r#"size(args.text) == 5 && args.text.size() == 5 && args.list.size() == 3 && size(args.nested) == 1"#,
        r#"args.paths.exists(p, p.startsWith("/etc/")) && !args.paths.all(p, p.startsWith("/tmp/"))"#,
        r#"args.path.matches("^/tmp/[a-z]+\\.txt$") && matches(args.path, r"\.txt$") && !args.path.matches("^$")"#,
        r#"claims.groups.map(g, g.upperAscii()).join(",") == "OPS,DEV""#,
        r#""a,b,c".split(",") == ["a", "b", "c"] && "abc".split("") == ["a", "b", "c"]"#,
        r#"" x ".trim() == "x" && "abc".substring(1) == "bc" && "abc".substring(0, 2) == "ab" && "aXa".lowerAscii() == "axa""#,
        r#""a.b.c".replace(".", "/") == "a/b/c" && "abcb".indexOf("b") == 1 && "abcb".lastIndexOf("b") == 3"#,
        r#""abc".indexOf("z") == -1 && "Grüße".indexOf("e") == 4 && "abc".charAt(1) == "b" && "abc".charAt(3) == """#,
        r#"int("42") == 42 && int(3.9) == 3 && uint(7) == 7u && double("1.5") == 1.5 && string(12) == "12" && bool("true")"#,
        "request.time > timestamp('2026-07-28T15:30:45Z') && request.time.getFullYear() == 2026",
        "request.time.getMonth() == 6 && request.time.getDate() == 28 && request.time.getDayOfWeek() == 2",
        "request.time.getHours() == 15 && request.time.getHours('+02:00') == 17 && request.time.getMilliseconds() == 500",
        "request.time.getHours('-16:00') == 23 && request.time.getDate('-16:00') == 27",
        "request.time - timestamp('2026-07-28T15:00:00Z') < duration('1h') && duration('90m').getHours() == 1",
        "timestamp('2026-01-01T00:00:00Z') + duration('24h') == timestamp('2026-01-02T01:00:00+01:00')",
        "int(timestamp('1970-01-01T00:01:00Z')) == 60 && request.time.getDayOfYear() == 208",
        r#"tool.name == "delete_file" && tool.annotations.destructiveHint && !tool.annotations.readOnlyHint"#,
        r#"request.method == "tools/call" && request.session == "" && request.client_address != """#,
        r#"cidr("10.0.0.0/8").containsIP(request.client_address) && !cidr("192.168.0.0/16").containsIP("10.0.0.1")"#,
        "args.flag ? args.n > 1 : false",
        "(args.missing == 1 || true) && (true || args.missing == 1) && !(args.missing == 1 && false)",
        r#"{"a": 1}.a == 1 && {"a": [1]} == {"a": [1.0]} && "a" in {"a": 1} && size({}) == 0"#,
        "args.list + [4] == [1, 2, 3, 4] && 'a' + 'b' == 'ab' && 7 % 4 == 3 && -7 / 2 == -3",
        "0x10 == 16 && 1e3 == 1000 && .5 < 1 && - - 1 == 1 && !!true && -(-9223372036854775807) > 0",
        "args.mixed.exists(x, x == 'a') && 1 in args.mixed && null in args.mixed && !('b' in args.mixed)",
        "'''a\nb''' == 'a\\nb' && r'\\d' == '\\\\d' && \"\\u00fc\" == 'ü' // a comment",
        "args.nested.all(k, k == 'x') && claims.org.exists(k, k == 'id')",
        "dyn(1) == 1.0 && 'b' > 'a' && false < true && 1u < 2 && 2.5 > 2u && [1, 'a'] != [1, 'b']",
    ] {
        assert_eq!(holds(source), Ok(true), "{source}");
    }
}

#[test]
fn a_condition_without_a_value_says_why() {
    for (source, error) in [
        ("args.missing == 1", Error::NoSuchKey),
        ("claims.nothing == 'a'", Error::NoSuchKey),
        ("args.nested.x.z == 1", Error::NoSuchKey),
        ("args.path.x == 1", Error::WrongType),
        ("args.path > 1", Error::WrongType),
        ("args.n && true", Error::WrongType),
        ("args.path", Error::WrongType),
        ("args.n.startsWith('a')", Error::WrongType),
        ("args.path.matches('a') && args.n.matches('a')", Error::WrongType),
        ("args.n + args.d > 0", Error::WrongType),
        ("args.big + 1u > 0", Error::Overflow),
        ("args.neg - 1 < 0", Error::Overflow),
        ("-args.neg > 0", Error::Overflow),
        ("args.n / (args.n - 5) == 1", Error::DivisionByZero),
        ("args.n % (args.n - 5) == 1", Error::DivisionByZero),
        ("args.list[3] == 1", Error::NoSuchIndex),
        ("args.list[-1] == 1", Error::NoSuchIndex),
        ("args.list[0.5] == 1", Error::WrongType),
        ("args.path.substring(99) == ''", Error::NoSuchIndex),
        ("args.path.substring(2, 1) == ''", Error::NoSuchIndex),
        ("int(args.path) == 1", Error::Unparsable),
        ("timestamp(args.path) < request.time", Error::Unparsable),
        ("cidr('10.0.0.0/8').containsIP(args.path)", Error::Unparsable),
        ("int(args.d * 1e300) == 1", Error::Overflow),
        ("args.mixed.all(x, x > 0)", Error::WrongType),
        ("args.mixed.exists_one(x, x > 0)", Error::WrongType),
        ("args.missing == 1 || false", Error::NoSuchKey),
        ("!(args.missing == 1)", Error::NoSuchKey),
        ("args.missing == 1 ? true : true", Error::NoSuchKey),
    ] {
        assert_eq!(holds(source), Err(error), "{source}");
    }
}

#[test]
fn a_number_is_never_rounded() {
    for name in ["huge", "under", "e", "tiny"] {
        for test in ["== 0", "!= 0", "> 0", "< 0", "== args.NAME", "in [0]", "+ 1 > 0"] {
            let source = format!("args.{name} {}", test.replace("NAME", name));
            assert_eq!(holds(&source), Err(Error::Inexact), "{source}");
        }
        for source in
            [format!("int(args.{name}) > 0"), format!("[args.{name}] == [0]"), format!("-args.{name} < 0")]
        {
            assert_eq!(holds(&source), Err(Error::Inexact), "{source}");
        }
        assert_eq!(holds(&format!("has(args.{name})")), Ok(true));
    }
    // What only stands nearby does no harm.
    assert_eq!(holds("args.n == 5"), Ok(true));
    for (raw, exact) in [
        ("9007199254740992.0", false),
        ("9007199254740991.0", true),
        ("0e999", true),
        ("1e-300", true),
        ("-0.0", true),
        ("1e309", false),
    ] {
        assert_eq!(!matches!(value::number(raw), value::Value::Inexact), exact, "{raw}");
    }
}

#[test]
fn integers_and_doubles_are_compared_exactly() {
    // As doubles, both sides would be equal.
    for source in [
        "9007199254740993 > 9007199254740992.0",
        "9223372036854775807 < 9223372036854775808.0",
        "18446744073709551615u < 18446744073709551616.0",
        "-9223372036854775808 == -9223372036854775808.0",
        "1 < 1e300 && -1 > -1e300 && 0 > -0.5 && 0 < 0.5 && 1 > 0.99999 && -1 < -0.99999",
    ] {
        let source = format!("{source} && args.n == 5");
        assert_eq!(holds(&source), Ok(true), "{source}");
    }
    // Stricter than CEL, where these are infinite or no number: "not more than 10" would hold then.
    for (source, error) in [
        ("!(args.d / 0.0 > 10.0)", Error::DivisionByZero),
        ("!(0.0 / 0.0 * args.d > 10.0)", Error::DivisionByZero),
        ("args.d * 1e308 * -1e308 < 10.0", Error::Overflow),
    ] {
        assert_eq!(holds(source), Err(error), "{source}");
    }
}

#[test]
fn what_is_not_known_of_a_tool_refuses() {
    let unknown = Facts { annotations: None, ..facts() };
    for source in
        ["tool.annotations.readOnlyHint", "!has(tool.annotations.destructiveHint)", "size(tool.annotations) == 0"]
    {
        let condition = Condition::compile(source, TOOL).unwrap();
        assert_eq!(condition.holds(&unknown), Err(Error::NotListed), "{source}");
    }
}

#[test]
fn no_arguments_are_the_empty_ones() {
    let none = Facts { args: None, ..facts() };
    let holds = |source| Condition::compile(source, TOOL).unwrap().holds(&none);
    assert_eq!(holds("!has(args.path) && args == {} && args.all(k, false)"), Ok(true));
    assert_eq!(holds("args.path == ''"), Err(Error::NoSuchKey));
    for odd in ["[]", "1", "\"a\"", "null", "", "{", "{\"a\":1,\"a\":2}"] {
        let odd = Facts { args: Some(odd), ..facts() };
        let result = Condition::compile("!has(args.b)", TOOL).unwrap().holds(&odd);
        assert!(matches!(result, Err(Error::WrongType | Error::Unreadable)), "{odd:?} {result:?}");
    }
}

/// What is wrong with a condition: the column from one, and the message.
#[track_caller]
fn check(source: &str, at: usize, message: &str) {
    let fault = Condition::compile(source, TOOL).expect_err(source);
    assert_eq!((fault.at.saturating_add(1), &*fault.message), (at, message), "{source}");
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    check("", 1, "a value is expected here, not the end of the expression");
    check("true &&", 8, "a value is expected here, not the end of the expression");
    check("args.n = 5", 8, "`=` means nothing here");
    check("args.n == 5 args", 13, "`args` is not expected here");
    check("(args.n == 5", 13, "`)` is expected here, not the end of the expression");
    check("arg.n == 5", 1, "`arg` is not declared here");
    check("scopes == []", 1, "`scopes` is not declared here");
    check("vars.owner == 'a'", 1, "`vars` is not declared here");
    check("resource.uri == 'a'", 1, "`resource` is not declared here");
    check("request == 1", 1, "`request` alone is no value");
    check("request.tim > timestamp('2026-01-01T00:00:00Z')", 9, "`request` has no `tim`");
    check("tool.title == 'a'", 6, "`tool` has no `title`");
    check("args.path.startswith('a')", 11, "there is no function `startswith`");
    check("now() > request.time", 1, "there is no function `now`");
    check("startsWith(args.path, 'a')", 1, "`startsWith` is not called like this");
    check("args.path.startsWith()", 11, "`startsWith` takes 1 arguments, not 0");
    check("args.path.startsWith(1)", 11, "`startsWith` is not for any value, an int");
    check("args.path.split(',').size()", 22, "a condition must be true or false, and this is an int");
    check("'a'", 1, "a condition must be true or false, and this is a string");
    check("1 + 'a' == 2", 3, "`+` cannot go between an int and a string");
    check("tool.name == 1", 11, "`==` cannot go between a string and an int");
    check("tool.name < 1", 11, "`<` cannot go between a string and an int");
    check("1 in 'abc'", 3, "`in` cannot go between an int and a string");
    check("!args.n.size()", 9, "`!` needs a boolean, and this is an int");
    check("size(args) && true", 1, "`&&` needs a boolean, and this is an int");
    check("args.path.matches('(')", 19, "this is no regular expression: unclosed group");
    check("args.path.matches(args.n)", 24, "the regular expression must be written out");
    check("args.path.matches('((a{99}){99}){99}')", 19, "this regular expression is too large");
    check("request.time.getHours('Europe/Berlin') == 1", 23, "this time zone is not known");
    check("cidr('10.0.0.1/8').containsIP('a')", 6, "this is no network");
    check("has(args)", 5, "`has` asks for a field");
    check("has(tool.name)", 10, "this is always there");
    check("args.list.all(1, true)", 15, "a name for the elements is needed here");
    check("args.list.all(args, true)", 15, "`args` has a meaning already");
    check("tool.name.all(x, true)", 6, "`all` is for lists and maps, and this is a string");
    check("b'a' == 'a'", 1, "bytes are not supported");
    check("'a", 1, "this text does not end");
    check("'\\q' == 'a'", 2, "this escape means nothing");
    check("99999999999999999999 > 1", 1, "this number does not fit into 64 bits");
    check("if == 1", 1, "`if` is a reserved word of CEL");
    check("1 / 0 == 1", 7, "this can never be evaluated: division_by_zero");
    check("{1: 2} == {}", 2, "a key of a map needs a string, and this is an int");
}

#[test]
fn hints_say_what_to_write() {
    for (source, hint) in [
        ("arg.n == 5", "did you mean `args`?"),
        ("args.path.startswith('a')", "did you mean `startsWith`?"),
        ("args.n = 5", "write `==`"),
        ("args.a =~ '^a'", "write `args.name.matches(\"^[a-z]+$\")`"),
        ("args.n == 5 and true", "write `&&`"),
        ("args.n == 5 or true", "write `||`"),
        ("not args.n", "write `!` for `not`"),
        ("arguments.n == 5", "did you mean `args`?"),
        ("token.sub == 'a'", "did you mean `claims`?"),
        ("now() > timestamp('2026-01-01T00:00:00Z')", "the time of the request is `request.time`"),
        ("tool.nam == ''", "did you mean `tool.name`?"),
    ] {
        assert_eq!(Condition::compile(source, TOOL).unwrap_err().hint.as_deref(), Some(hint), "{source}");
    }
}

#[test]
fn each_kind_of_rule_has_its_names() {
    let vars = ["owner".into()];
    let compiles = |about, vars, source| Condition::compile(source, Declared { about, vars }).is_ok();
    assert!(compiles(About::Resource, &vars, "vars.owner == claims.sub && resource.uri != ''"));
    assert!(!compiles(About::Resource, &vars, "vars.other == claims.sub"));
    assert!(!compiles(About::Resource, &[], "args.a == 1"));
    assert!(compiles(About::Prompt, &[], "args.a == '1' && prompt.name != ''"));
    assert!(!compiles(About::Prompt, &[], "tool.name == ''"));
    assert!(compiles(About::Method, &[], "request.method != '' && claims.a"));
    assert!(!compiles(About::Method, &[], "args.a"));
}

#[test]
fn constants_are_told() {
    for (source, constant) in [
        ("true", Some(Ok(true))),
        ("1 > 2", Some(Ok(false))),
        ("false && args.n == 1", Some(Ok(false))),
        ("args.n == 1 || 'a' == 'a'", Some(Ok(true))),
        ("!(args.n == 1 && false)", Some(Ok(true))),
        ("[1, 2].all(x, x > 0)", Some(Ok(true))),
        ("true ? args.n == 1 : false", None),
        ("args.n == 1", None),
        ("args.n == args.n", None),
    ] {
        assert_eq!(Condition::compile(source, TOOL).unwrap().constant(), constant, "{source}");
    }
}

#[test]
fn what_is_named_is_told() {
    let condition = Condition::compile("args.b == 1 && has(args.a) && args['b'] > 0 && claims.x.y", TOOL).unwrap();
    assert_eq!((condition.args(), condition.claims()), (vec!["a", "b"], vec!["x"]));
}

#[test]
fn large_expressions_are_refused() {
    for source in [
        "(".repeat(2_000),
        format!("{}true{}", "(".repeat(500), ")".repeat(500)),
        format!("{}true", "!".repeat(3_000)),
        format!("{}1 == 1", "-".repeat(2_001)),
        "[".repeat(4_000),
        "{'a':".repeat(800),
        format!("args{} == 1", ".a".repeat(1_000)),
        format!("1{} == 1", " + 1".repeat(500)),
        format!("true{}", " ? true : true".repeat(200)),
        format!("{}args.n == 1", "true ? ".repeat(300)),
        "a".repeat(5_000),
        format!("args.list.all(a, {}true{}", "args.list.all(b, ".repeat(3), ")".repeat(4)),
    ] {
        assert!(Condition::compile(&source, TOOL).is_err(), "{source:.60}");
    }
    // Chains are not deep.
    let chain = vec!["args.n == 5"; 250].join(" && ");
    assert_eq!(holds(&chain), Ok(true));
}

#[test]
fn no_argument_costs_more_than_it_may() {
    let numbers = format!(r#"{{"l":[{}]}}"#, vec!["1"; 100_000].join(","));
    let few = format!(r#"{{"l":[{}],"s":"{}"}}"#, vec!["1"; 2_000].join(","), "a".repeat(2_000_000));
    let text = format!(r#"{{"s":"{}"}}"#, "a".repeat(4_000_000));
    let keys = format!(r#"{{{}}}"#, (0..100_000).map(|at| format!("\"k{at}\":1")).collect::<Vec<_>>().join(","));
    let deep = format!(r#"{{"l":{}{}}}"#, "[".repeat(1_000), "]".repeat(1_000));
    for (args, source) in [
        (&numbers, "args.l.all(x, x == 1)"),
        (&few, "args.l.all(x, args.l.all(y, args.l.all(z, x == y)))"),
        (&few, "args.l.map(x, args.s + args.s).size() == 1"),
        (&few, "args.l.all(x, args.s.matches('^(a|b)*c$'))"),
        (&few, "args.l.all(x, args.l == args.l)"),
        (&few, "args.l.all(x, !args.s.contains('b'))"),
        (&few, "args.l.map(x, args.l).map(x, x + x).size() == 1"),
        (&text, "args.s.replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').size() == 1"),
        (&text, "args.s.split('').size() == 1"),
        (&text, "args.s.replace('', args.s).size() == 1"),
        (&text, "args.s.matches('(a?){50}b')"),
        (&keys, "has(args.k1)"),
        (&keys, "args.all(k, k.startsWith('k'))"),
        (&deep, "size(args.l) == 1"),
    ] {
        let condition = Condition::compile(source, TOOL).unwrap_or_else(|fault| panic!("{source} {fault:?}"));
        let (result, steps) = condition.evaluate(&Facts { args: Some(args), ..facts() });
        assert!(steps <= Condition::MOST_STEPS, "{source}");
        assert!(matches!(result, Err(Error::TooCostly | Error::Unreadable)), "{source}: {result:?} in {steps}");
    }
    // What a rule does not look at costs next to nothing, however large.
    let beside = format!(r#"{{"path":"/tmp/a","content":"{}"}}"#, "a".repeat(3_000_000));
    let condition = Condition::compile("args.path.startsWith('/tmp/')", TOOL).unwrap();
    assert_eq!(condition.evaluate(&Facts { args: Some(&beside), ..facts() }).0, Ok(true));
    // The cost is not absorbed by `||`.
    let condition = Condition::compile("args.l.all(x, x == 1) || true || args.n == 1", TOOL).unwrap();
    assert_eq!(condition.holds(&Facts { args: Some(&numbers), ..facts() }), Err(Error::TooCostly));
}

#[test]
fn times_go_there_and_back() {
    for (text, nanos) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2000-02-29T12:00:00Z", Some(951_825_600_000_000_000)),
        ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000_000_000)),
        ("9999-12-31T23:59:59.999999999Z", Some(253_402_300_799_999_999_999)),
        ("2026-07-28t15:30:45.5z", Some(TIME)),
        ("2026-07-28T17:30:45.5+02:00", Some(TIME)),
        ("2026-02-29T00:00:00Z", None),
        ("1900-02-29T00:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-01-01T24:00:00Z", None),
        ("2026-01-01T00:00:60Z", None),
        ("2026-01-01T00:00:00", None),
        ("2026-01-01 00:00:00Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("2026-1-1T00:00:00Z", None),
        ("2026-01-01T00:00:00.Z", None),
        ("", None),
    ] {
        assert_eq!(parse_timestamp(text), nanos, "{text}");
    }
    for (text, nanos) in [
        ("1h30m", Some(5_400_000_000_000)),
        ("-1.5s", Some(-1_500_000_000)),
        ("0", Some(0)),
        ("100ms", Some(100_000_000)),
        ("1µs", Some(1_000)),
        ("", None),
        ("1", None),
        ("h", None),
        ("1d", None),
        ("9999999999999999999h", None),
        ("999999999999999999h", None),
    ] {
        assert_eq!(time::parse_duration(text), nanos, "{text}");
    }
}

fn atom() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("args.n".to_owned()),
        Just("args.list".to_owned()),
        Just("args.path".to_owned()),
        Just("args.missing".to_owned()),
        Just("args.huge".to_owned()),
        Just("claims.groups".to_owned()),
        Just("request.time".to_owned()),
        Just("args".to_owned()),
        Just("x".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| format!("{number}u")),
        any::<f64>().prop_filter("a number", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
        "[a-z/é]{0,4}".prop_map(|text| format!("'{text}'")),
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("duration('1h')".to_owned()),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    atom().prop_recursive(5, 40, 3, |inner| {
        let binary = prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "in", "&&", "||"]);
        let function = prop::sample::select(vec![
            "size",
            "int",
            "uint",
            "double",
            "string",
            "bool",
            "timestamp",
            "duration",
            "dyn",
            "!",
            "-",
        ]);
        let method = prop::sample::select(vec![
            "contains",
            "split",
            "join",
            "replace",
            "substring",
            "charAt",
            "indexOf",
            "startsWith",
            "getHours",
            "matches",
        ]);
        let walk = prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter"]);
        prop_oneof![
            (inner.clone(), binary, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (function, inner.clone()).prop_map(|(name, a)| format!("{name}({a})")),
            (inner.clone(), method, prop::collection::vec(inner.clone(), 0..3))
                .prop_map(|(a, name, list)| format!("{a}.{name}({})", list.join(", "))),
            (inner.clone(), walk, inner.clone()).prop_map(|(a, name, b)| format!("{a}.{name}(x, {b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|list| format!("[{}]", list.join(", "))),
            inner.prop_map(|a| format!("({a} == 1)")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_is_too_much_for_the_compiler(source in ".{0,200}") {
        let _ = Condition::compile(&source, TOOL);
    }

    #[test]
    fn no_condition_that_compiles_is_too_much(source in expression(), args in "[\\[\\]{}\"a-z0-9:,.]{0,60}") {
        if let Ok(condition) = Condition::compile(&source, TOOL) {
            for args in [ARGS, &args] {
                let (_, steps) = condition.evaluate(&Facts { args: Some(args), ..facts() });
                prop_assert!(steps <= Condition::MOST_STEPS);
            }
        }
    }
}

fn is_never_true(source: &str) -> bool {
    Condition::compile(source, TOOL).unwrap_or_else(|fault| panic!("{source}: {fault:?}")).is_never_true()
}

#[test]
fn demands_that_contradict_each_other_are_found() {
    for source in [
        "args.n < 3 && args.n > 5",
        "args.n < 3 && 3 <= args.n",
        "args.n > 2 && (args.n < 1 || args.n == 2)",
        "args.n < 2.5 && args.n == 3",
        "args.x == 'a' && args.x == 'b'",
        "args.x == 'a' && args.x != 'a'",
        "args.x == 'a' && !(args.x == 'a')",
        "args.x in ['a', 'b'] && args.x == 'c'",
        "args.x in ['a', 'b'] && args.x in ['c']",
        "args.x in []",
        "args.x < 3 && args.x > 'a'",
        "args.x < 3 && args.x == 'a'",
        "args.flag && !args.flag",
        "args.flag && args.flag == false",
        "!has(args.x) && args.x == 1",
        "claims.org.id == 'a' && claims.org.id == 'b'",
        "args.path.startsWith('/a') && !args.path.startsWith('/a')",
        "request.method == 'tools/call' && request.method == 'x'",
        "args.n == 1 && 1 / 0 == 1",
        "(args.a == 1 && args.a == 2) || (args.b == 1 && args.b == 2)",
    ] {
        assert!(is_never_true(source), "{source}");
    }
}

#[test]
fn demands_that_can_be_met_are_not_found() {
    for source in [
        "args.n > 3 && args.n < 4",
        "args.n >= 3 && args.n <= 3",
        "args.n == 3 && args.n == 3.0 && args.n == 3u",
        "args.x != 'a' && args.x != 'b'",
        "args.x in ['a', 'b'] && args.x != 'a'",
        "args.x == 'a' || args.x == 'b'",
        "args.x == 'a' && args.y == 'b'",
        "args.n < 3 || args.n > 5",
        "!has(args.x) || args.x == 1",
        "!has(args.x) && !has(args.y)",
        "args.list.exists(x, x == 1) && args.list.exists(x, x == 2)",
        "'a' in claims.groups && 'b' in claims.groups",
        "args.n < 3 && args.m > 5",
        "args.x == null && args.y != null",
        "args.flag == true ? args.n == 1 : args.n == 2",
    ] {
        assert!(!is_never_true(source), "{source}");
    }
}

/// A condition of few names and values, so that much of it meets.
fn small_condition() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec!["1", "2", "2.5", "'a'", "'b'", "true", "null"]);
    let name = prop::sample::select(vec!["args.x", "args.y"]);
    let sign = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (name.clone(), sign, value.clone()).prop_map(|(name, sign, value)| format!("{name} {sign} {value}")),
        (name.clone(), value.clone(), value).prop_map(|(name, one, two)| format!("{name} in [{one}, {two}]")),
        name.clone().prop_map(ToOwned::to_owned),
        name.prop_map(|name| format!("has({name})")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|list| format!("({})", list.join(" && "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|list| format!("({})", list.join(" || "))),
            inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_said_to_be_never_true_is_true_for_no_arguments(source in small_condition()) {
        let Ok(condition) = Condition::compile(&source, TOOL) else { return Ok(()) };
        if !condition.is_never_true() {
            return Ok(());
        }
        let values = ["", "1", "2", "2.5", "3", "-1", "\"a\"", "\"b\"", "\"c\"", "true", "false", "null", "[1]"];
        for x in values {
            for y in values {
                let member = |name: &str, value: &str| {
                    (!value.is_empty()).then(|| format!("\"{name}\":{value}"))
                };
                let args: Vec<String> = member("x", x).into_iter().chain(member("y", y)).collect();
                let args = format!("{{{}}}", args.join(","));
                let facts = Facts { args: Some(&args), ..facts() };
                prop_assert_ne!(condition.holds(&facts), Ok(true), "{} {}", source, args);
            }
        }
    }
}
