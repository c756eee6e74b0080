use proptest::prelude::*;

use super::*;
use crate::caller::Scopes;
use crate::judge::{self, apps};
use crate::message::lists::{ListKind, Listing};
use crate::policy::Policy;

mod events;

const POLICY: &str = "version: 1
tools: {open: {scopes: []}, read: {scopes: [r]}, write: {scopes: [w]}, never: {deny: true}}
prompts: {'*': {scopes: [r]}}
resources: {'ui://**': {scopes: []}, 'x:r': {scopes: [r]}}
";
const FRESH: Freshness = Freshness { ttl_cap_ms: 60_000, is_required: false };

fn snapshot(policy: &str, generation: u64) -> Arc<Snapshot> {
    Arc::new(Snapshot::new(Policy::compile("p", policy).unwrap(), generation))
}

fn granted(snapshot: &Snapshot, scopes: &[&str]) -> Arc<Grants> {
    Arc::new(snapshot.policy.grants(&Scopes::from_names(scopes.iter().copied())))
}

/// What tells of tasks, by a caller's name.
struct Seals(&'static str);

impl TaskSeals for Seals {
    fn made(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn known(&self, task: &str) -> Option<String> {
        Some(format!("{}-{task}", self.0))
    }

    fn mention(&self, task: &str) -> Option<String> {
        Some(format!("{}-{task}", self.0))
    }

    fn cursor(&self, cursor: &str) -> Option<String> {
        Some(format!("{}-{cursor}", self.0))
    }

    fn expects_result(&self) -> bool {
        true
    }
}

/// One request for a list.
#[derive(Clone, Copy)]
struct Asked<'a> {
    key: Key<'a>,
    tasks: &'static str,
}

impl Asked<'_> {
    /// What becomes of `body`, what is counted, and whether that was remembered.
    fn pass(&self, listed: &Listed, has_memo: bool, body: &[u8]) -> (Result<Filtered, Opaque>, Vec<Tally>, bool) {
        let mut tallies = Vec::new();
        let (told, is_hit) = self.pass_on(listed, has_memo, body, &mut tallies);
        (told, tallies, is_hit)
    }

    /// The same, where something may have been counted before.
    fn pass_on(
        &self,
        listed: &Listed,
        has_memo: bool,
        body: &[u8],
        tallies: &mut Vec<Tally>,
    ) -> (Result<Filtered, Opaque>, bool) {
        let Key { snapshot, grants, page, freshness, .. } = self.key;
        let allows = |kind, name: &str| judge::sees(&snapshot.policy, grants, kind, name);
        let shows = |uri: &str| apps::shows(&listed.catalogue(), uri, true, |tool| allows(ListKind::Tools, tool));
        let sees = |kind, name: &str| allows(kind, name) && (kind != ListKind::Resources || shows(name));
        let heard = |listing: &Listing<'_>| listed.hear(page, listing);
        let tasks = Seals(self.tasks);
        let filter = Filter { sees: &sees, freshness, heard: Some(&heard), pins: None, tasks: &tasks };
        let mut is_long = false;
        let arrays = if self.key.takes_arrays { Arrays::Any } else { Arrays::None };
        let key = has_memo.then_some(&self.key);
        let told = filtered(listed, key, &filter, body, tallies, |filter, tallies| {
            is_long = true;
            arrays.filter(filter, body, tallies)
        });
        (told, !is_long)
    }
}

const fn asked(key: Key<'_>) -> Asked<'_> {
    Asked { key, tasks: "a" }
}

/// A gateway with a memory and one without, which hear the same.
#[derive(Default)]
struct Two {
    with: Listed,
    without: Listed,
}

impl Two {
    /// Both say the same, and know the same afterwards. Whether it was remembered.
    fn agree(&self, asked: &Asked<'_>, body: &[u8]) -> bool {
        let (told, tallies, is_hit) = asked.pass(&self.with, true, body);
        let (plain, counted, _) = asked.pass(&self.without, false, body);
        assert_eq!((told, tallies), (plain, counted), "{}", String::from_utf8_lossy(body));
        self.know_the_same();
        is_hit
    }

    fn know_the_same(&self) {
        let known = |listed: &Listed| {
            let catalogue = listed.catalogue();
            let mut known: Vec<_> = Vec::new();
            for kind in ListKind::ALL {
                known.push((String::new(), [0; 32], catalogue.is_complete(kind)));
                let entries = catalogue.entries(kind);
                known.extend(entries.map(|entry| (entry.name().to_owned(), *entry.digest(), true)));
            }
            known.sort();
            known
        };
        assert_eq!(known(&self.with), known(&self.without));
    }
}

fn list(id: &str, more: &str) -> String {
    let tools = r#"{"name":"open"},{"name":"never"},{"name":"read"},{"name":"write"}"#;
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{tools}]{more}}}}}"#)
}

#[test]
fn from_the_third_time_on_it_is_remembered_whatever_the_id() {
    let (snapshot, page) = (snapshot(POLICY, 1), Page::of(ListKind::Tools, None));
    let grants = granted(&snapshot, &["r"]);
    let key = Key { snapshot: &snapshot, grants: &grants, page: &page, freshness: FRESH, takes_arrays: true };
    let asked = asked(key);
    let two = Two::default();
    assert!(!two.agree(&asked, list("1", "").as_bytes()), "it is news");
    assert_eq!(two.with.memo().table.load().len(), 0, "which never comes again");
    assert!(!two.agree(&asked, list("1", "").as_bytes()), "from here on it is none");
    for id in ["1", "0", "10", "9007199254740993", r#""""#, r#""a-b_7""#, r#""a.1:{}, /~""#] {
        assert!(two.agree(&asked, list(id, "").as_bytes()), "{id}");
    }
    // What could be anything is not a plain id, and what is none is not understood.
    for id in
        ["-1", "1.0", "1e3", "null", r#""\u0061""#, r#""é""#, r#"["a"]"#, "{}", "01", "", "1,\"id\":2", "\"", " 1"]
    {
        assert!(!two.agree(&asked, list(id, "").as_bytes()), "{id}");
    }
    // Such an answer takes nobody's place, but for a plain id behind a space. One with a plain id is known again by nothing
    // in front of it.
    assert_eq!(two.with.memo().table.load().len(), 2);
    for front in ["7", "\"a\"", " "] {
        assert!(!two.agree(&asked, format!("{front}{}", list("1", "")).as_bytes()), "{front}");
    }
    assert!(two.agree(&asked, list("1", "").as_bytes()));
    // Equal grants are the same, whoever has them.
    let grants = granted(&snapshot, &["r", "unknown"]);
    assert!(two.agree(&Asked { key: Key { grants: &grants, ..key }, tasks: "b" }, list("1", "").as_bytes()));
}

#[test]
fn what_differs_in_anything_is_not_the_same() {
    let (snapshot_of, page) = (|generation| snapshot(POLICY, generation), Page::of(ListKind::Tools, None));
    let (one, other) = (snapshot_of(1), snapshot_of(1));
    let grants = granted(&one, &["r"]);
    let key = Key { snapshot: &one, grants: &grants, page: &page, freshness: FRESH, takes_arrays: true };
    let two = Two::default();
    let body = list("17", r#","ttlMs":70000"#);
    for _ in 0..2 {
        two.agree(&asked(key), body.as_bytes());
    }
    assert!(two.agree(&asked(key), body.as_bytes()));
    for scopes in [&[][..], &["w"], &["r", "w"]] {
        let grants = granted(&one, scopes);
        assert!(!two.agree(&asked(Key { grants: &grants, ..key }), body.as_bytes()), "{scopes:?}");
    }
    // Another policy of the same words is another one, and what the one grants is nothing under the other.
    assert!(!two.agree(&asked(Key { snapshot: &other, ..key }), body.as_bytes()));
    let of_other = granted(&other, &["r"]);
    assert!(!two.agree(&asked(Key { snapshot: &other, grants: &of_other, ..key }), body.as_bytes()));
    assert!(!two.agree(&asked(Key { grants: &of_other, ..key }), body.as_bytes()));
    for page in [Page::of(ListKind::Prompts, None), Page::of(ListKind::Tools, Some("x"))] {
        assert!(!two.agree(&asked(Key { page: &page, ..key }), body.as_bytes()), "{page:?}");
    }
    for freshness in [Freshness { ttl_cap_ms: 59_999, ..FRESH }, Freshness { is_required: true, ..FRESH }] {
        assert!(!two.agree(&asked(Key { freshness, ..key }), body.as_bytes()), "{freshness:?}");
    }
    assert!(!two.agree(&asked(Key { takes_arrays: false, ..key }), body.as_bytes()));
    assert!(two.agree(&asked(key), body.as_bytes()), "none of these pushed it out");
}

#[test]
fn a_byte_makes_a_difference() {
    let (snapshot, page) = (snapshot(POLICY, 1), Page::of(ListKind::Tools, None));
    let grants = granted(&snapshot, &["r"]);
    let key = Key { snapshot: &snapshot, grants: &grants, page: &page, freshness: FRESH, takes_arrays: true };
    let asked = asked(key);
    let body = list("17", "").into_bytes();
    let id = place_of_id(&body).unwrap();
    for at in 0..body.len() {
        for byte in [b' ', b'"', b'1', b'a', b'}', 0xff] {
            let two = Two::default();
            for _ in 0..2 {
                two.agree(&asked, &body);
            }
            let mut other = body.clone();
            other[at] = byte;
            let is_same = other == body || id.contains(&at) && byte == b'1';
            assert_eq!(two.agree(&asked, &other), is_same, "{at} {byte}");
        }
        let two = Two::default();
        for _ in 0..2 {
            two.agree(&asked, &body);
        }
        for other in [body[..at].to_vec(), [&body[..at], b"\"", &body[at..]].concat()] {
            assert!(!two.agree(&asked, &other), "{at}");
        }
        let without = [&body[..at], &body[at + 1..]].concat();
        assert_eq!(two.agree(&asked, &without), id.contains(&at), "{at}");
    }
}

#[test]
fn what_tells_of_tasks_is_the_callers_own() {
    let (snapshot, page) = (snapshot(POLICY, 1), Page::of(ListKind::Tools, None));
    let grants = granted(&snapshot, &["r"]);
    let key = Key { snapshot: &snapshot, grants: &grants, page: &page, freshness: FRESH, takes_arrays: true };
    for more in [
        r#","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}"#,
        r#","taskId":"t","status":"working""#,
        r#","task":{"taskId":"t"}"#,
        r#","tasks":[{"taskId":"t"}]"#,
        r#","tasks":[],"nextCursor":"c""#,
    ] {
        let two = Two::default();
        for _ in 0..3 {
            for tasks in ["a", "b"] {
                assert!(!two.agree(&Asked { key, tasks }, list("1", more).as_bytes()), "{more}");
            }
        }
    }
}

#[test]
fn what_is_heard_is_heard_again_where_it_would_be_news() {
    let (snapshot, page) = (snapshot(POLICY, 1), Page::of(ListKind::Tools, None));
    let grants = granted(&snapshot, &["r"]);
    let key = Key { snapshot: &snapshot, grants: &grants, page: &page, freshness: FRESH, takes_arrays: true };
    let asked = asked(key);
    let two = Two::default();
    let (one, other) = (list("1", ""), list("1", r#","nextCursor":"more""#));
    for _ in 0..2 {
        for body in [&one, &other] {
            assert!(!two.agree(&asked, body.as_bytes()));
            assert!(!two.agree(&asked, body.as_bytes()));
            assert!(two.agree(&asked, body.as_bytes()));
        }
    }
    // Two lists of one kind take each other's place each time.
    let two = Two::default();
    let twice = list("1", r#","Tools":[{"name":"read"}]"#);
    for _ in 0..4 {
        assert!(!two.agree(&asked, twice.as_bytes()));
    }
    // A page that no page leads to is never news.
    let page = Page::of(ListKind::Tools, Some("stray"));
    let stray = Asked { key: Key { page: &page, ..key }, ..asked };
    assert!(!two.agree(&stray, one.as_bytes()));
    assert!(two.agree(&stray, one.as_bytes()));
}

#[test]
fn interfaces_follow_their_tools() {
    let snapshot = snapshot(POLICY, 1);
    let (tools, resources) = (Page::of(ListKind::Tools, None), Page::of(ListKind::Resources, None));
    let grants = granted(&snapshot, &["r"]);
    let key = Key { snapshot: &snapshot, grants: &grants, page: &resources, freshness: FRESH, takes_arrays: true };
    let asked = asked(key);
    let body = r#"{"id":1,"result":{"resources":[{"uri":"ui://x"},{"uri":"x:r"}]}}"#;
    let of = |tool: &str| {
        format!(
            r#"{{"id":1,"result":{{"tools":[{{"name":"{tool}","_meta":{{"ui":{{"resourceUri":"ui://x"}}}}}}]}}}}"#
        )
    };
    let two = Two::default();
    for tool in ["read", "write", "read", "never"] {
        two.agree(&Asked { key: Key { page: &tools, ..key }, ..asked }, of(tool).as_bytes());
        let hits: Vec<bool> = (0..4).map(|_| two.agree(&asked, body.as_bytes())).collect();
        assert!(!hits[0] && hits[3], "{tool}");
    }
}

#[test]
fn it_is_bounded_and_holds_no_policy() {
    let old = snapshot(POLICY, 1);
    let grants = granted(&old, &["r"]);
    let two = Two::default();
    let kept = || two.with.memo().table.load_full();
    let weight = || kept().iter().map(|(_, kept)| kept.weight()).sum::<usize>();
    assert_eq!(kept().len(), 0, "nothing at first");
    let ask = |snapshot: &Arc<Snapshot>, grants: &Arc<Grants>, cursor: &str, body: &str| {
        let page = Page::of(ListKind::Tools, Some(cursor));
        let key = Key { snapshot, grants, page: &page, freshness: FRESH, takes_arrays: true };
        two.agree(&Asked { key, tasks: "a" }, body.as_bytes())
    };
    for at in 0..MOST * SELDOM * 2 {
        ask(&old, &grants, &at.to_string(), &list("1", ""));
        assert!(kept().len() <= MOST);
    }
    assert_eq!(kept().len(), MOST);
    for at in 0..MOST * SELDOM * 2 {
        ask(&old, &grants, &at.to_string(), &list("1", &format!(r#","x":"{}""#, "x".repeat(200_000))));
        assert!(weight() <= MOST_BYTES);
    }
    assert!(weight() > MOST_BYTES / 2, "{}", weight());
    // What can be asked for by nobody goes when something new comes.
    let new = snapshot(POLICY, 2);
    let of_new = granted(&new, &["r"]);
    drop((old, grants));
    ask(&new, &of_new, "1", &list("1", ""));
    assert_eq!(kept().len(), 1);
    for (cursor, body) in
        [("2".repeat(LONGEST_CURSOR + 1), list("1", "")), ("2".into(), list("1", &" ".repeat(LONGEST)))]
    {
        for _ in 0..3 {
            assert!(!ask(&new, &of_new, &cursor, &body));
        }
    }
    assert_eq!(kept().len(), 1);
}

#[test]
fn what_the_upstream_cannot_mean_is_not_remembered() {
    let (snapshot, page) = (snapshot(POLICY, 1), Page::of(ListKind::Tools, None));
    let grants = granted(&snapshot, &["r"]);
    let key = Key { snapshot: &snapshot, grants: &grants, page: &page, freshness: FRESH, takes_arrays: true };
    let two = Two::default();
    for body in ["", "[]", "{", "7", r#"{"id":1,"result":{"tools":{}}}"#, r#"{"id":1,"Result":{}}"#] {
        for _ in 0..3 {
            assert!(!two.agree(&Asked { key, tasks: "a" }, body.as_bytes()), "{body}");
        }
    }
}

fn elements() -> impl Strategy<Value = String> {
    let element = prop_oneof![
        prop::sample::select(vec!["open", "read", "write", "never", "a"])
            .prop_map(|name| format!(r#"{{"name":"{name}"}}"#)),
        prop::sample::select(vec!["ui://x", "ui://y", "x:r"]).prop_map(|uri| format!(r#"{{"uri":"{uri}"}}"#)),
        Just(r#"{"name":"read","_meta":{"ui":{"resourceUri":"ui://x"}}}"#.to_owned()),
        Just("7".to_owned()),
    ];
    prop::collection::vec(element, 0..4).prop_map(|all| all.join(","))
}

fn members() -> impl Strategy<Value = String> {
    let list = |key: &'static str| elements().prop_map(move |elements| format!(r#""{key}":[{elements}]"#));
    let member = prop_oneof![
        4 => list("tools"),
        1 => list("prompts"),
        2 => list("resources"),
        1 => list("Tools"),
        1 => prop::sample::select(vec![
            r#""ttlMs":5"#, r#""ttlMs":70000"#, r#""cacheScope":"public""#, r#""nextCursor":"1""#, r#""nextCursor":null"#,
            r#""taskId":"t","status":"x""#, r#""id":3"#, r#""_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}"#,
        ]).prop_map(Into::into),
    ];
    prop::collection::vec(member, 1..3).prop_map(|all| all.join(","))
}

fn bodies() -> impl Strategy<Value = Vec<String>> {
    let ids = prop::sample::select(vec!["1", "22", r#""x""#, "null", "-1", r#""\n""#, "{}"]);
    let ids = prop::collection::vec(ids, 3);
    let body = (members(), ids, 0..4).prop_map(|(members, ids, form)| {
        let of = |id: &str| match form {
            0 => format!(r#"{{"id":{id},"result":{{{members}}}}}"#),
            1 => format!(r#"{{"result":{{{members}}},"jsonrpc":"2.0","id":{id}}}"#),
            2 => format!(r#" {{"result":{{{members}}} , "\u0069d": {id} ,"x":{{"id":1}}}} "#),
            _ => format!(r#"[{{"result":{{{members}}},"id":{id}}}]"#),
        };
        ids.iter().map(|id| of(id)).collect::<Vec<_>>()
    });
    prop::collection::vec(body, 1..4).prop_map(|bodies| bodies.concat())
}

proptest! {
    #[test]
    fn what_is_remembered_is_what_would_be_made_anew(
        bodies in bodies(),
        asks in prop::collection::vec((0..64_usize, 0..2_usize, 0..4_usize, 0..5_usize, 0..3_usize, any::<bool>()), 1..60),
    ) {
        let policies = [POLICY, "version: 1\nmode: shadow\ntools: {read: {scopes: [r]}}\nresources: {'**': {scopes: [w]}}\n"];
        let snapshots = policies.map(|policy| snapshot(policy, 1));
        let grants = snapshots.each_ref().map(|snapshot| {
            [&[][..], &["r"], &["w"], &["r", "w"]].map(|scopes| granted(snapshot, scopes))
        });
        let pages = [
            Page::of(ListKind::Tools, None),
            Page::of(ListKind::Tools, Some("1")),
            Page::of(ListKind::Resources, None),
            Page::of(ListKind::Prompts, None),
            Page::of(ListKind::Tools, None),
        ];
        let freshness = [FRESH, Freshness { ttl_cap_ms: 6, is_required: true }, Freshness { is_required: true, ..FRESH }];
        let two = Two::default();
        for (at, policy, scopes, page, fresh, takes_arrays) in asks {
            let key = Key {
                snapshot: &snapshots[policy],
                grants: &grants[policy][scopes],
                page: &pages[page],
                freshness: freshness[fresh],
                takes_arrays,
            };
            let tasks = if at % 2 == 0 { "a" } else { "b" };
            two.agree(&Asked { key, tasks }, bodies[at.checked_rem(bodies.len()).unwrap()].as_bytes());
        }
    }
}

#[test]
fn a_server_that_says_something_else_each_time_fills_no_more_than_a_few_places() {
    let snapshot = snapshot(POLICY, 1);
    let (all, r) = (granted(&snapshot, &["r", "w"]), granted(&snapshot, &["r"]));
    let page = Page::of(ListKind::Tools, None);
    let key = Key { snapshot: &snapshot, grants: &r, page: &page, freshness: FRESH, takes_arrays: true };
    let two = Two::default();
    let other = asked(Key { grants: &all, ..key });
    for _ in 0..2 {
        two.agree(&other, list("1", "").as_bytes());
    }
    let len = || two.with.memo().table.load().len();
    for at in 0..MOST * SELDOM * 2 {
        assert!(!two.agree(&asked(key), list("1", &format!(r#","_meta":{{"at":{at}}}"#)).as_bytes()));
        assert!(len() <= MOST_ALIKE + 1);
    }
    assert_eq!(len(), MOST_ALIKE + 1);
    assert!(two.agree(&other, list("1", "").as_bytes()), "it is still there");
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)).checked_rem(u64::try_from(most).unwrap()).unwrap()).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn some(&mut self, all: &[&'static str]) -> Vec<&'static str> {
        all.iter().copied().filter(|_| self.below(2) == 0).collect()
    }
}

fn random_policy(dice: &mut Dice) -> Policy {
    const RULES: [&str; 12] = [
        "{scopes: []}",
        "{scopes: [r]}",
        "{scopes: [w]}",
        "{scopes: [r, w]}",
        "{any_of: [[r], [w, x]]}",
        "{scopes: [r], any_of: [[w], [x]]}",
        "{deny: true}",
        "{deny: true, mode: shadow}",
        "{scopes: [x], mode: shadow}",
        "{scopes: [r], on_deny: hide}",
        "{scopes: [], when: args.ok == true}",
        "{scopes: [w], when: caller.subject == 'alice'}",
    ];
    loop {
        let mut text = "version: 1\n".to_owned();
        text.push_str(dice.of(&["", "", "mode: shadow\n"]));
        text.push_str(dice.of(&[
            "",
            "scopes: {x: {implies: [r]}}\n",
            "scopes: {r: {implies: [w]}, w: {implies: [x]}}\n",
        ]));
        for (kind, names) in [
            ("tools", &["open", "read", "write", "never", "re*", "*", "w*"][..]),
            ("prompts", &["read", "'*'"]),
            ("resources", &["'ui://**'", "'ui://x'", "'x:r'", "'**'"]),
        ] {
            let rules = dice.some(names);
            if !rules.is_empty() {
                text.push_str(&format!("{kind}:\n"));
            }
            for name in rules {
                text.push_str(&format!("  \"{}\": {}\n", name.trim_matches('\''), dice.of(&RULES)));
            }
        }
        if let Ok(policy) = Policy::compile("p", &text) {
            return policy;
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn random_body(dice: &mut Dice) -> Vec<u8> {
    const IDS: [&str; 25] = [
        "1",
        "2",
        "10",
        "0",
        "-0",
        "1.0",
        "1e0",
        "10e-1",
        "01",
        "18446744073709551616",
        r#""1""#,
        r#""a""#,
        r#""a-b_c""#,
        r#""""#,
        r#""\u0031""#,
        r#""\"""#,
        r#""a\/""#,
        r#""é""#,
        "null",
        "true",
        "{}",
        r#"{"id":1}"#,
        "[1]",
        " 1",
        "1 ",
    ];
    const ELEMENTS: [&str; 12] = [
        r#"{"name":"open"}"#,
        r#"{"name":"read"}"#,
        r#"{"name":"write"}"#,
        r#"{"name":"never","id":1}"#,
        r#"{"name":"wr\u0069te"}"#,
        r#"{"name":"read","Name":"open"}"#,
        r#"{"uri":"ui://x"}"#,
        r#"{"uri":"UI://y"}"#,
        r#"{"uri":"x:r"}"#,
        r#"{"name":"read","_meta":{"ui":{"resourceUri":"ui://x"}}}"#,
        r#"{"name":"write","_meta":{"ui/resourceUri":"ui://x"}}"#,
        "7",
    ];
    const MEMBERS: [&str; 14] = [
        r#""ttlMs":5"#,
        r#""ttlMs":70000"#,
        r#""ttlMs":"x""#,
        r#""cacheScope":"public""#,
        r#""nextCursor":"1""#,
        r#""nextCursor":null"#,
        r#""nextCursor":7"#,
        r#""taskId":"t","status":"x""#,
        r#""id":3"#,
        r#""_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}"#,
        r#""tasks":[{"taskId":"t"}]"#,
        r#""tasks":[{}]"#,
        r#""result":{"tools":[{"name":"write"}]}"#,
        r#""tools":{}"#,
    ];
    let list = |dice: &mut Dice| {
        let count = dice.below(4);
        let elements: Vec<_> = (0..count).map(|_| dice.of(&ELEMENTS)).collect();
        let key = dice.of(&[
            "tools",
            "tools",
            "tools",
            "resources",
            "resources",
            "prompts",
            "resourceTemplates",
            "Tools",
        ]);
        format!(r#""{key}":[{}]"#, elements.join(dice.of(&[",", " , "])))
    };
    let mut members = vec![list(dice)];
    for _ in 0..dice.below(3) {
        members.push(if dice.below(3) == 0 { list(dice) } else { dice.of(&MEMBERS).to_owned() });
    }
    let members = members.join(",");
    let id = if dice.below(2) == 0 { dice.of(&IDS[..4]) } else { dice.of(&IDS) };
    let result = match dice.below(12) {
        0 => r#""error":{"code":1,"message":"x"}"#.to_owned(),
        1 => r#""method":"notifications/resources/updated","params":{"uri":"x:r"}"#.to_owned(),
        2 => format!(r#""method":"x","params":{{"result":{{{members}}}}}"#),
        _ => format!(r#""result":{{{members}}}"#),
    };
    let one = match dice.below(9) {
        0 | 1 => format!(r#"{{"id":{id},{result}}}"#),
        2 | 3 => format!(r#"{{{result},"jsonrpc":"2.0","id":{id}}}"#),
        4 => format!(r#"{{{result},"\u0069d":{id}}}"#),
        5 => format!(r#"{{"x":{{"id":1}},"id":{id},{result},"y":{id}}}"#),
        6 => format!(r#"{{"{}":{id},{result}}}"#, dice.of(&["Id", "ID", "\\u0049d", "id ", "ıd"])),
        7 => format!(r#"{{{result}}}"#),
        _ => format!(r#"{{"id":{id},{result},"id":{id}}}"#),
    };
    let whole = match dice.below(10) {
        0 => format!("[{one}]"),
        1 => format!("[{one},{one}]"),
        2 => format!("{one}{one}"),
        3 => format!(" \n{one}\t"),
        4 => format!("\u{feff}{one}"),
        _ => one,
    };
    let mut whole = whole.into_bytes();
    if dice.below(6) == 0 {
        let at = dice.below(whole.len());
        match dice.below(3) {
            0 => whole[at] = dice.of(b"\"\\,:{}[]1a \xff"),
            1 => whole.insert(at, dice.of(b"\"\\,:{}[]1a \xff")),
            _ => {
                whole.remove(at);
            }
        }
    }
    whole
}

/// Policies of all kinds that come and go, callers of all kinds, and answers that are hardly ones: a gateway with a memory
/// says, counts and learns what one without does.
#[test]
#[expect(clippy::too_many_lines, reason = "one walk")]
fn with_a_memory_or_without_whatever_is_asked() {
    const SCOPES: [&str; 5] = ["r", "w", "x", "unknown", "y"];
    let rounds = std::env::var("MEMO_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(60);
    let (mut hits, mut cut) = (0, 0);
    for seed in 0..rounds {
        let mut dice = Dice(seed);
        let two = Two::default();
        let of = |dice: &mut Dice| Arc::new(Snapshot::new(random_policy(dice), 1));
        let mut snapshots = [of(&mut dice), of(&mut dice)];
        // As with a caller who is known: made under whatever policy was in force then.
        let mut known: Vec<(usize, Arc<Grants>)> = Vec::new();
        let pages = [
            Page::of(ListKind::Tools, None),
            Page::of(ListKind::Tools, Some("1")),
            Page::of(ListKind::Resources, None),
            Page::of(ListKind::Prompts, None),
            Page::of(ListKind::ResourceTemplates, Some("")),
        ];
        let freshness = [
            FRESH,
            FRESH,
            Freshness { ttl_cap_ms: 6, is_required: true },
            Freshness { is_required: true, ..FRESH },
        ];
        let mut bodies: Vec<Vec<u8>> = (0..6).map(|_| random_body(&mut dice)).collect();
        for _ in 0..400 {
            match dice.below(40) {
                0 => {
                    let at = dice.below(2);
                    // The old one goes first, so that its place may be taken.
                    snapshots[at] = Arc::new(Snapshot::new(Policy::empty(), 0));
                    known.retain(|(of, _)| *of != at);
                    snapshots[at] = of(&mut dice);
                }
                1..4 => {
                    let at = dice.below(bodies.len());
                    bodies[at] = random_body(&mut dice);
                }
                // The same with another id, if it has one.
                4..10 => {
                    let at = dice.below(bodies.len());
                    if let Some(id) = place_of_id(&bodies[at]) {
                        let id_now =
                            dice.of(&["3", "44", r#""z""#, "-1", r#""""#, "1.5", r#""\n""#, "", "3,\"id\":4"]);
                        let other = [&bodies[at][..id.start], id_now.as_bytes(), &bodies[at][id.end..]].concat();
                        bodies[at] = other;
                    }
                }
                10 => known.clear(),
                _ => {}
            }
            let (page, fresh, takes_arrays) =
                (dice.of(&[0, 0, 1, 2, 2, 3, 4]), dice.of(&freshness), dice.below(4) == 0);
            let mut body = bodies[dice.below(bodies.len())].clone();
            // Several at once, since what is news is not remembered.
            for _ in 0..dice.below(12) {
                if known.len() < 6 {
                    let (policy, scopes) = (dice.below(2), dice.some(&SCOPES));
                    known.push((policy, granted(&snapshots[policy], &scopes)));
                }
                let (policy, grants) = known[dice.below(known.len())].clone();
                let key = Key {
                    snapshot: &snapshots[policy],
                    grants: &grants,
                    page: &pages[page],
                    freshness: fresh,
                    takes_arrays,
                };
                if dice.below(3) == 0
                    && let Some(id) = place_of_id(&body)
                {
                    let now = dice.of(&["3", "44", r#""z""#, r#""""#, "7"]);
                    body = [&body[..id.start], now.as_bytes(), &body[id.end..]].concat();
                }
                let is_hit = two.agree(&Asked { key, tasks: dice.of(&["a", "b"]) }, &body);
                hits += u64::from(is_hit);
                if is_hit {
                    let (told, _, _) = Asked { key, tasks: "a" }.pass(&two.without, false, &body);
                    cut += u64::from(told != Ok(Filtered::AsIs));
                }
            }
        }
    }
    assert!(hits > rounds * 20 && cut > rounds, "{hits} {cut} of {rounds}");
}
