//! The same for answers that come as events of a stream.

use super::*;
use crate::message::sse::{Event, EventStream};

/// What becomes of a stream: what is told, what is counted, and how many of its events were remembered.
#[derive(Debug, PartialEq)]
struct Outcome {
    told: Result<String, Opaque>,
    tallies: Vec<Tally>,
}

impl Asked<'_> {
    /// As a passage does, event by event; the stream comes in pieces of so many bytes.
    fn stream(&self, listed: &Listed, has_memo: bool, stream: &[u8], step: usize) -> (Outcome, usize) {
        let (mut out, mut hits, mut tallies, mut flaw) = (Vec::new(), 0, Vec::new(), false);
        let seal = |id: &[u8]| Some([self.tasks.as_bytes(), b"-", id].concat());
        let mut each = |event: Event<'_>| {
            let renamed = event.with_ids(&seal);
            let event = renamed.as_deref().map_or(event, |raw| event.over(raw));
            let Some(data) = event.data().filter(|_| !flaw) else { return out.extend_from_slice(event.raw()) };
            let (filtered, is_hit) = self.pass_on(listed, has_memo, &data, &mut tallies);
            hits = usize::from(is_hit).saturating_add(hits);
            match filtered {
                Ok(Filtered::AsIs) => out.extend_from_slice(event.raw()),
                Ok(Filtered::Cut(data)) => event.write_with_data(&data, &mut out),
                Ok(Filtered::Nothing) => {}
                Err(Opaque) => flaw = true,
            }
        };
        let mut events = EventStream::new(1 << 20);
        for piece in stream.chunks(step) {
            events.push(piece, &mut each).unwrap();
        }
        let told = if flaw { Err(Opaque) } else { Ok(String::from_utf8_lossy(&out).into_owned()) };
        (Outcome { told, tallies }, hits)
    }
}

impl Two {
    /// Both tell the same stream, and know the same afterwards. How many of its events were remembered, and what was told.
    fn agree_on(&self, asked: &Asked<'_>, stream: &str, step: usize) -> (usize, String) {
        let (with, hits) = asked.stream(&self.with, true, stream.as_bytes(), step);
        let (without, _) = asked.stream(&self.without, false, stream.as_bytes(), step);
        assert_eq!(with, without, "{stream}");
        self.know_the_same();
        (hits, with.told.unwrap_or_default())
    }
}

fn event(data: &str) -> String {
    format!("event: message\ndata: {data}\n\n")
}

const PROGRESS: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#;
const CUT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"open"},{"name":"read"}]}}"#;

/// Asks for the first page of tools, by somebody with the scope `r`.
fn with_scope_r(test: impl FnOnce(Key<'_>, &Two)) {
    let (snapshot, page) = (snapshot(POLICY, 1), Page::of(ListKind::Tools, None));
    let grants = granted(&snapshot, &["r"]);
    let key = Key { snapshot: &snapshot, grants: &grants, page: &page, freshness: FRESH, takes_arrays: true };
    let two = Two::default();
    // News, and the first that is none.
    for _ in 0..2 {
        let (hits, told) = two.agree_on(&asked(key), &event(&list("1", "")), 4096);
        assert_eq!((hits, told), (0, event(CUT)));
    }
    test(key, &two);
}

#[test]
fn an_event_is_known_by_its_data_whatever_else_it_says() {
    with_scope_r(|key, two| {
        let (body, cut) = (list("1", ""), CUT);
        for (before, after) in [
            (format!("data: {body}\n\n"), format!("data: {cut}\n\n")),
            (format!("data:{body}\n\n"), format!("data: {cut}\n\n")),
            (format!("\u{feff}data: {body}\n\n"), format!("\u{feff}data: {cut}\n\n")),
            (format!("data: {body}\r\n\r\n"), format!("data: {cut}\r\n\r\n")),
            (format!("data: {body}\r\r"), format!("data: {cut}\r\r")),
            (format!("id: 7\ndata: {body}\nretry: 5\n\n"), format!("id: a-7\ndata: {cut}\nretry: 5\n\n")),
            (
                format!("id: 7\r\ndata: {body}\r\nid: 8\r\n\r\n"),
                format!("id: a-7\r\ndata: {cut}\r\nid: a-8\r\n\r\n"),
            ),
            (
                format!(": x\nevent: message\r: y\ndata: {body}\r\nother: z\n\n"),
                format!(": x\nevent: message\r: y\ndata: {cut}\r\nother: z\n\n"),
            ),
        ] {
            for step in [1, 7, 64, 4096] {
                assert_eq!(two.agree_on(&asked(key), &before, step), (1, after.clone()), "{step}");
            }
        }
        // What stands in several lines is known by all of them, and was not seen before.
        let lines = body.replace(",\"result\"", "\ndata: ,\"result\"");
        let told = format!("data: {}\n\n", cut.replace(",\"result\"", "\ndata: ,\"result\""));
        for hits in [0, 1] {
            assert_eq!(two.agree_on(&asked(key), &format!("data: {lines}\n\n"), 4096), (hits, told.clone()));
        }
    });
}

#[test]
fn a_document_and_an_event_are_cut_alike() {
    with_scope_r(|key, two| {
        assert!(two.agree(&asked(key), list("\"x\"", "").as_bytes()), "it came as an event");
        let other = list("1", r#","ttlMs":70000"#);
        two.agree(&asked(key), other.as_bytes());
        let told = event(&CUT.replace("}]", "}],\"ttlMs\":60000"));
        assert_eq!(two.agree_on(&asked(key), &event(&other), 4096), (1, told), "it came as a document");
    });
}

#[test]
fn what_is_said_before_an_answer_is_no_part_of_it() {
    with_scope_r(|key, two| {
        let request = r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#;
        let kept = two.with.memo().table.load().len();
        for before in [PROGRESS, request, r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#] {
            let stream = format!(": hello\n\n{}{}", event(before), event(&list("22", "")));
            let told = format!(": hello\n\n{}{}", event(before), event(&CUT.replace('1', "22")));
            for _ in 0..3 {
                assert_eq!(two.agree_on(&asked(key), &stream, 64), (1, told.clone()));
            }
        }
        assert_eq!(two.with.memo().table.load().len(), kept, "what lists nothing takes no place");
        // What the caller may not hear of is told to nobody, and kept for nobody.
        let hidden = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:w"}}"#;
        let stream = format!("{}{}", event(hidden), event(&list("1", "")));
        assert_eq!(two.agree_on(&asked(key), &stream, 64), (1, event(CUT)));
    });
}

#[test]
fn behind_a_list_nothing_is_looked_for() {
    with_scope_r(|key, two| {
        let stream = event(&list("1", "")).repeat(3);
        for _ in 0..3 {
            assert_eq!(two.agree_on(&asked(key), &stream, 4096), (1, event(CUT).repeat(3)));
        }
        let other = event(&list("1", r#","x":1"#));
        let stream = format!("{}{other}", event(&list("1", "")));
        for _ in 0..3 {
            assert_eq!(two.agree_on(&asked(key), &stream, 4096).0, 1);
        }
        // Nor was it kept.
        assert_eq!(two.agree_on(&asked(key), &other, 4096).0, 0);
        assert_eq!(two.agree_on(&asked(key), &other, 4096).0, 1);
    });
}

#[test]
fn an_event_that_differs_in_anything_is_not_the_same() {
    with_scope_r(|key, two| {
        for id in ["-1", "null", "1.0", "\"\\n\"", "{}", "1,\"id\":2"] {
            for _ in 0..2 {
                assert_eq!(two.agree_on(&asked(key), &event(&list(id, "")), 4096).0, 0, "{id}");
            }
        }
        let absent = list("1", "").replace("\"id\":1,", "");
        for _ in 0..3 {
            assert_eq!(two.agree_on(&asked(key), &event(&absent), 4096).0, 0, "no id");
        }
        for scopes in [&[][..], &["w"], &["r", "w"]] {
            let grants = granted(key.snapshot, scopes);
            let other = Key { grants: &grants, ..key };
            assert_eq!(two.agree_on(&asked(other), &event(&list("1", "")), 4096).0, 0, "{scopes:?}");
        }
        let page = Page::of(ListKind::Tools, Some("x"));
        assert_eq!(two.agree_on(&asked(Key { page: &page, ..key }), &event(&list("1", "")), 4096).0, 0);
        let other = snapshot(POLICY, 1);
        assert_eq!(two.agree_on(&asked(Key { snapshot: &other, ..key }), &event(&list("1", "")), 4096).0, 0);
        assert_eq!(two.agree_on(&asked(key), &event(&list("1", "")), 4096).0, 1, "it is still there");
    });
}

#[test]
fn an_event_with_another_byte_is_not_the_same() {
    for (was, is) in [("read", "write"), ("never", "neveR"), (",\"result\"", " ,\"result\""), ("]}}", "]}} ")] {
        with_scope_r(|key, two| {
            assert_eq!(two.agree_on(&asked(key), &event(&list("1", "").replace(was, is)), 4096).0, 0, "{was}");
        });
    }
}

#[test]
fn a_stream_that_tells_of_tasks_is_the_callers_own() {
    const RELATED: &str = r#""_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}"#;
    with_scope_r(|key, two| {
        let status = r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t"}}"#;
        for _ in 0..3 {
            for tasks in ["a", "b"] {
                let asked = Asked { key, tasks };
                let stream = format!("{}{}", event(status), event(&list("1", "")));
                let (hits, told) = two.agree_on(&asked, &stream, 4096);
                assert_eq!(hits, 1, "a list that tells of none is everybody's");
                assert!(told.contains(&format!("\"{tasks}-t\"")) && told.ends_with(&event(CUT)), "{told}");
                let (hits, told) = two.agree_on(&asked, &event(&list("1", &format!(",{RELATED}"))), 4096);
                assert!(hits == 0 && told.contains(&format!("\"{tasks}-t\"")), "{told}");
            }
        }
    });
}

/// Streams of all kinds in pieces of all sizes, for callers of all kinds: with a memory the same is told, counted and learned
/// as without.
#[test]
fn streams_with_a_memory_or_without_whatever_they_say() {
    let rounds = std::env::var("MEMO_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(40);
    let (mut hits, mut cut) = (0, 0);
    for seed in 0..rounds {
        let mut dice = Dice(seed << 32);
        let two = Two::default();
        let snapshots = [0, 1].map(|generation| Arc::new(Snapshot::new(random_policy(&mut dice), generation)));
        let grants = snapshots
            .each_ref()
            .map(|snapshot| [&[][..], &["r"], &["w"], &["r", "w", "x"]].map(|scopes| granted(snapshot, scopes)));
        let pages = [Page::of(ListKind::Tools, None), Page::of(ListKind::Resources, None)];
        let mut streams: Vec<String> = (0..4).map(|_| random_stream(&mut dice)).collect();
        for _ in 0..200 {
            if dice.below(20) == 0 {
                let at = dice.below(streams.len());
                streams[at] = random_stream(&mut dice);
            }
            let (policy, stream) = (dice.below(2), streams[dice.below(streams.len())].clone());
            for _ in 0..dice.below(4) {
                let key = Key {
                    snapshot: &snapshots[policy],
                    grants: &grants[policy][dice.below(4)],
                    page: &pages[dice.below(2)],
                    freshness: FRESH,
                    takes_arrays: dice.below(4) == 0,
                };
                let asked = Asked { key, tasks: dice.of(&["a", "b"]) };
                let (remembered, told) = two.agree_on(&asked, &stream, dice.of(&[1, 3, 50, 1000, 1 << 20]));
                hits += u64::try_from(remembered).unwrap();
                cut += u64::from(remembered > 0 && told != stream);
            }
        }
    }
    assert!(hits > rounds * 5 && cut > rounds * 2, "{hits} {cut} of {rounds}");
}

fn random_stream(dice: &mut Dice) -> String {
    let mut stream = dice.of(&["", "", "\u{feff}", ": hello\n\n"]).to_owned();
    for _ in 0..=dice.below(2) {
        if dice.below(3) == 0 {
            stream.push_str(&event(PROGRESS));
        }
        let end = dice.of(&["\n", "\n", "\r\n", "\r"]);
        let line = |dice: &mut Dice| match dice.below(8) {
            0 => format!("event: message{end}"),
            1 => format!("id: {}{end}", dice.below(3)),
            2 => format!(": comment{end}"),
            3 => format!("retry: 5{end}"),
            _ => String::new(),
        };
        let body = String::from_utf8_lossy(&random_body(dice)).replace('\n', &format!("{end}data: "));
        stream.push_str(&line(dice));
        stream.push_str(&format!("data:{}{body}{end}", dice.of(&[" ", ""])));
        stream.push_str(&line(dice));
        stream.push_str(end);
    }
    stream
}
