use std::collections::BTreeSet;
use std::fmt;

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::keys::FEW_KEYS;
use super::scan::from_stop;
use super::*;

fn read(text: &[u8], depth: u16) -> Result<(), JsonFlaw> {
    let mut reader = Reader::new(text, depth)?;
    reader.skip()?;
    reader.end()
}

#[track_caller]
fn check(text: &str, expected: Result<(), JsonFlaw>) {
    assert_eq!(read(text.as_bytes(), 8), expected, "{text:?}");
}

#[test]
fn reads_what_rfc_8259_allows() {
    for text in [
        "{}",
        "[]",
        "0",
        "-0",
        "1.5e+10",
        "1E-2",
        "\"\"",
        "true",
        "false",
        "null",
        " \t\r\n{ } \n",
        r#"{"a":[1,{"b":null}],"c":"\u00e9\ud83d\ude00\/"}"#,
        "[1 , 2]",
        "123456789012345678901234567890",
        "1e400",
        "\"\u{7f}\u{e9}\"",
        r#"{"":1,"a":2}"#,
        r#"{"a":{"x":1},"b":{"x":1}}"#,
        "[[],[ ]]",
        r#"{"a":{}}"#,
    ] {
        check(text, Ok(()));
    }
}

#[test]
fn refuses_what_rfc_8259_forbids() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "--1",
        "nul",
        "nullx",
        "true false",
        "{} {}",
        "{}x",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\u{0}\"",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":}",
        "{:1}",
        "{1:1}",
        "// c\n{}",
        "{}\u{0}",
        "\u{feff}{}",
        "NaN",
        "Infinity",
        "\u{b}{}",
        "[",
        "[,1]",
        "{,}",
        "\u{a0}{}",
        "\"\\u00\"",
    ] {
        check(text, Err(JsonFlaw::Syntax));
    }
}

#[test]
fn refuses_bytes_that_are_not_utf_8() {
    for bytes in [&b"\"\xff\""[..], b"\"\xc0\xae\"", b"\"\xed\xa0\x80\"", b"\xff\xfe{\0}\0", b"{\0}\0"] {
        assert_eq!(read(bytes, 8), Err(JsonFlaw::Syntax), "{bytes:?}");
    }
}

#[test]
fn refuses_a_key_that_stands_twice_at_any_depth_and_however_written() {
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"b":2,"\u0061":3}"#,
        r#"[{"x":[{"k":1,"k":1}]}]"#,
        r#"{"":1,"":2}"#,
        r#"{"a":{"b":1},"c":{"b":1,"b":2}}"#,
        r#"{"\ud83d\ude00":1,"😀":2}"#,
    ] {
        check(text, Err(JsonFlaw::KeyRepeated));
    }
}

#[test]
fn finds_a_repeated_key_among_many() {
    for count in [FEW_KEYS - 1, FEW_KEYS, FEW_KEYS + 1, 5000] {
        let mut members: Vec<String> = (0..count).map(|n| format!("\"k{n}\":{{\"k{n}\":0}}")).collect();
        check(&format!("{{{}}}", members.join(",")), Ok(()));
        members.push("\"k0\":1".into());
        check(&format!("{{{}}}", members.join(",")), Err(JsonFlaw::KeyRepeated));
    }
}

/// What will be refused at its end anyway must not be held to its end: keys take more room than their bytes do.
#[test]
fn very_many_keys_that_repeat_are_refused_before_the_end() {
    let endless = format!("{{{}", "\"\":0,".repeat(600));
    check(&endless, Err(JsonFlaw::KeyRepeated));
    let different: Vec<String> = (0..5000).map(|number| format!("\"{number}\":{{\"{number}\":0}}")).collect();
    check(&format!("{{{}}}", different.join(",")), Ok(()));
    check(&format!("{{{},\"4321\":0}}", different.join(",")), Err(JsonFlaw::KeyRepeated));
}

#[test]
fn finds_a_repeated_key_whatever_its_ends_and_however_many_there_are() {
    // Of every length, with ends like those of others, and beside others that are alike but for one letter.
    let letters = "abcdefghijklmnopqrst";
    for count in [2, FEW_KEYS, FEW_KEYS + 1, 100] {
        for length in 0..letters.len() {
            let (before, _) = letters.split_at(length / 2);
            let (_, after) = letters.split_at(letters.len() - length.div_ceil(2));
            let key = format!("{before}{after}");
            let others: Vec<String> = (0..count).map(|at| format!("\"{before}-{at:03}-{after}\":{at}")).collect();
            let others = others.join(",");
            check(&format!(r#"{{"{key}":0,{others}}}"#), Ok(()));
            check(&format!(r#"{{"{key}":0,{others},"{key}":0}}"#), Err(JsonFlaw::KeyRepeated));
            let escaped: String = key.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
            check(&format!(r#"{{"{escaped}":0,{others}}}"#), Ok(()));
            // The empty key has no letter to escape.
            check(&format!(r#"{{"{escaped}":0,{others},"{key}":0}}"#), Err(JsonFlaw::KeyRepeated));
            check(&format!(r#"{{"{key}":0,{others},"{escaped}":0}}"#), Err(JsonFlaw::KeyRepeated));
        }
    }
}

#[test]
fn finds_a_repeated_key_in_a_row_like_the_one_before() {
    // The first row is what is expected of the second; what is not as expected is at each place, and behind it.
    for count in [1, 2, FEW_KEYS - 1, FEW_KEYS, FEW_KEYS + 1, 100, 300] {
        let keys: Vec<String> = (0..count).map(|n| format!("{n:0width$}", width = 1 + n % 20)).collect();
        let row = |keys: &[&str]| {
            let members: Vec<String> = keys.iter().map(|key| format!("\"{key}\":{{\"{key}\":[]}}")).collect();
            format!("{{{}}}", members.join(","))
        };
        let first: Vec<&str> = keys.iter().map(String::as_str).collect();
        let places = [0, 1, FEW_KEYS - 1, FEW_KEYS, FEW_KEYS + 1, count - 1, count];
        for at in places.into_iter().filter(|at| *at <= count) {
            let (before, behind) = first.split_at(at);
            let check_row = |second: &[&str], expected| {
                let text = format!("[{},{},{}]", row(&first), row(second), row(&first));
                check(&text, expected);
                check(&text.replace(':', " : "), expected);
            };
            check_row(before, Ok(()));
            check_row(behind, Ok(()));
            check_row(&[before, &["other"], behind].concat(), Ok(()));
            check_row(&[before, &["other"], behind, &["other"]].concat(), Err(JsonFlaw::KeyRepeated));
            for twin in [first.first(), first.get(at.saturating_sub(1)), first.get(at), first.last()] {
                let Some(twin) = twin else { continue };
                check_row(&[before, &[*twin], behind].concat(), Err(JsonFlaw::KeyRepeated));
                let escaped: String = twin.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
                check_row(&[before, &[&*escaped], behind].concat(), Err(JsonFlaw::KeyRepeated));
            }
        }
    }
}

#[test]
fn every_byte_of_a_number_is_looked_at() {
    for length in 1..40 {
        let digits = "7".repeat(length);
        let exponent = "7".repeat(length.min(2));
        let forms = [digits.clone(), format!("-{digits}"), format!("0.{digits}"), format!("{digits}E-{exponent}")];
        for number in forms {
            check(&format!("[{number}]"), Ok(()));
            for at in 1..=number.len() {
                for byte in 0..=0xff {
                    let mut text = format!("[{number}]").into_bytes();
                    text[at] = byte;
                    if let Some(is_read) = is_strict(&text) {
                        assert_eq!(read(&text, 8).is_ok(), is_read, "{byte:#x} at {at} of {number}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_byte_of_a_string_is_looked_at() {
    for length in 0..100 {
        check(&format!("[\"{}\",1]", "x".repeat(length)), Ok(()));
        for at in 0..length {
            let with = |byte: u8| {
                let mut text = format!("[\"{}\",1]", "x".repeat(length)).into_bytes();
                text[at + 2] = byte;
                read(&text, 8)
            };
            for byte in (0..0x20).chain([b'"', b'\\', 0x80, 0xff]) {
                assert_eq!(with(byte), Err(JsonFlaw::Syntax), "{byte:#x} at {at} of {length}");
            }
            for byte in [b' ', b'!', b'#', b'[', b']', b'^', b'~', 0x7f] {
                assert_eq!(with(byte), Ok(()), "{byte:#x} at {at} of {length}");
            }
        }
    }
}

#[test]
fn refuses_nesting_beyond_the_limit_and_not_before() {
    check(&format!("{}{}", "[".repeat(8), "]".repeat(8)), Ok(()));
    check(&format!("{}{}", "[".repeat(9), "]".repeat(9)), Err(JsonFlaw::TooDeep));
    check(&"[".repeat(1_000_000), Err(JsonFlaw::TooDeep));
    check(&"{\"a\":".repeat(100_000), Err(JsonFlaw::TooDeep));
    check("[[[[]]],[[[]]],[[[]]],[[[]]],[[[]]],[[[]]]]", Ok(()));
}

#[test]
fn a_lone_surrogate_is_no_text() {
    for text in [r#""\ud800""#, r#""\udc00""#, r#""\ud800x""#, r#""\ud800\u0041""#, r#""\ud800\n""#] {
        let mut reader = Reader::new(text.as_bytes(), 8).unwrap();
        assert_eq!(reader.string().unwrap().decode(), Err(JsonFlaw::LoneSurrogate), "{text}");
        // As a value that nobody interprets it is left alone; as a key it is always interpreted.
        check(text, Ok(()));
        check(&format!("{{{text}:1}}"), Err(JsonFlaw::LoneSurrogate));
    }
}

#[test]
fn decodes_escapes() {
    let text = r#""a\u0062\n\t\"\\\/\ud83d\ude00\u0000""#;
    let decoded = Reader::new(text.as_bytes(), 1).unwrap().string().unwrap().decode().unwrap();
    assert_eq!(decoded, "ab\n\t\"\\/😀\0");
}

#[test]
fn a_slice_of_a_value_is_the_value() {
    let text = r#"{"a": [1, 2 ] ,"b":"x"}"#;
    let mut seen = Vec::new();
    Reader::new(text.as_bytes(), 8)
        .unwrap()
        .object(|key, reader| {
            seen.push((key.to_owned(), reader.raw()?));
            Ok::<_, JsonFlaw>(())
        })
        .unwrap();
    assert_eq!(seen, [("a".to_owned(), "[1, 2 ]"), ("b".to_owned(), "\"x\"")]);
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
            prop::collection::hash_map(any::<String>(), inner, 0..20)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reads_every_document_that_serde_json_writes(value in any_json()) {
        prop_assert_eq!(read(value.to_string().as_bytes(), 64), Ok(()));
        prop_assert_eq!(read(serde_json::to_string_pretty(&value).unwrap().as_bytes(), 64), Ok(()));
    }

    #[test]
    fn accepts_no_bytes_that_serde_json_refuses(bytes in prop::collection::vec(
        prop::sample::select(b"{}[]\":,\\u0019aetrufalsn.-+ \n\xc3\xa9\x00\x1f".to_vec()), 0..24)) {
        if read(&bytes, 64).is_ok() {
            // serde_json has no number beyond f64; ours keeps the text.
            let refused = serde_json::from_slice::<serde_json::Value>(&bytes);
            prop_assert!(refused.is_ok() || refused.unwrap_err().to_string().contains("out of range")
                || bytes.windows(2).any(|pair| pair == b"\\u"));
        }
    }

    #[test]
    fn quoting_is_what_serde_json_reads_back(text in any::<String>()) {
        let back: String = serde_json::from_str(&quoted(&text)).unwrap();
        prop_assert_eq!(back, text);
    }

    #[test]
    fn never_panics_on_mutated_documents(value in any_json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = value.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read(&bytes, 16);
        bytes.truncate(at);
        let _ = read(&bytes, 16);
    }
}

proptest! {
    /// The wide search and the short one find what a plain one finds, wherever in the text they begin.
    #[test]
    fn the_end_of_a_string_is_found_wherever_it_is(
        bytes in prop::collection::vec(prop_oneof![8 => 0x20..=0xff_u8, 1 => any::<u8>()], 0..100),
    ) {
        let naive = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        let found = from_stop(&bytes).and_then(|rest| bytes.len().checked_sub(rest.len()));
        prop_assert_eq!(found, naive);
    }
}

/// What serde_json reads, if no key stands twice in one object.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self, A::Error> {
        while elements.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, _)) = members.next_entry::<String, Self>()? {
            if !keys.insert(key) {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(self)
    }
}

/// Whether it is such a text; nothing where it has numbers beyond f64, which serde_json has not.
fn is_strict(text: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<Strict>(text) {
        Ok(Strict) => Some(true),
        Err(error) => (!error.to_string().contains("out of range")).then_some(false),
    }
}

/// Rows with the same keys in the same order, but for some.
fn table() -> impl Strategy<Value = String> {
    let cell = prop_oneof![
        "0|[1-9][0-9]{0,11}",
        "-?[0-9]{1,3}(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
        "\"([ -!#-\\[\\]-~]|é){0,20}\"",
        "true|false|null|\\[\\]|\\{\\}| 1 |\\[1 ,\"a\"\\]",
        "\\{\"a\":1,\"[ab]\":\\{\"a\":2,\"[ab]\":3\\}\\}",
    ];
    let columns = prop::collection::vec("[ab]{0,2}|[ab]{4,6}|[ab]{12,15}|[ab]{40}", 0..FEW_KEYS + 4);
    let edit = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_u8));
    let rows = prop::collection::vec((prop::collection::vec(cell, FEW_KEYS + 4), edit), 0..6);
    (columns, rows).prop_map(|(columns, rows)| {
        let columns: Vec<String> = columns.into_iter().collect::<BTreeSet<_>>().into_iter().rev().collect();
        let rows = rows.into_iter().map(|(cells, edit)| {
            let mut keys = columns.clone();
            if let (Some((from, to, kind)), false) = (edit, keys.is_empty()) {
                let (from, to) = (from.index(keys.len()), to.index(keys.len()));
                match kind {
                    0 => keys.swap(from, to),
                    1 => drop(keys.remove(from)),
                    2 => keys[to] = keys[from].clone(),
                    _ => keys[to].push('c'),
                }
            }
            let members = keys.iter().zip(cells).map(|(key, cell)| format!("\"{key}\":{cell}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        });
        format!("[{}]", rows.collect::<Vec<_>>().join(","))
    })
}

proptest! {
    #[test]
    fn reads_tables_as_serde_json_does_but_for_repeated_keys(
        text in table(),
        spoil in prop::option::of((
            any::<prop::sample::Index>(),
            prop::sample::select(b"{}[]\":,0123456789aetrufalsn.-+ \n\xc3\xa9\x00\x1f".to_vec()),
            any::<bool>(),
        )),
    ) {
        let mut bytes = text.into_bytes();
        if let Some((at, byte, is_new)) = spoil {
            let at = at.index(bytes.len());
            if is_new { bytes.insert(at, byte) } else { bytes[at] = byte }
        }
        if let Some(is_read) = is_strict(&bytes) {
            prop_assert_eq!(read(&bytes, 16).is_ok(), is_read);
        }
    }
}
