use proptest::prelude::*;

use super::*;

/// What a consumer sees of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    raw: Vec<u8>,
    data: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
}

/// The events of the chunks, what was left, and how it ended. The LF of a CRLF that was cut in two is put back.
fn read(limit: usize, chunks: &[&[u8]]) -> (Vec<Seen>, Vec<u8>, Result<(), StreamFlaw>) {
    let mut stream = EventStream::new(limit);
    let mut seen: Vec<Seen> = Vec::new();
    let mut outcome = Ok(());
    for chunk in chunks {
        let is_after_cr = stream.is_after_cr;
        let mut is_first = true;
        let each = &mut |event: Event<'_>| match (std::mem::take(&mut is_first), seen.last_mut()) {
            (true, Some(before)) if is_after_cr && event.raw() == b"\n" => {
                assert!(before.raw.ends_with(b"\r"));
                before.raw.push(b'\n');
            }
            _ => seen.push(Seen {
                raw: event.raw().to_vec(),
                data: event.data().map(Cow::into_owned),
                name: event.name().map(<[u8]>::to_vec),
                id: event.id().map(<[u8]>::to_vec),
            }),
        };
        outcome = stream.push(chunk, each);
        assert!(stream.held.len() <= limit.saturating_add(1), "holds more than the limit");
    }
    let left = stream.held.clone();
    assert_eq!(stream.finish(), !left.is_empty());
    (seen, left, outcome)
}

/// The same, from the whole input, line by line, with no thought for speed.
fn reference(input: &[u8]) -> (Vec<Seen>, Vec<u8>) {
    let mut lines: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let (mut text, mut bytes) = (Vec::new(), input.iter().copied().peekable());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' if bytes.next_if_eq(&b'\n').is_some() => {
                lines.push((std::mem::take(&mut text), b"\r\n".to_vec()))
            }
            b'\r' | b'\n' => lines.push((std::mem::take(&mut text), vec![byte])),
            byte => text.push(byte),
        }
    }
    let (mut events, mut raw, mut fields) = (Vec::new(), Vec::new(), Vec::<(Vec<u8>, Vec<u8>)>::new());
    for (at, (line, end)) in lines.iter().enumerate() {
        let is_comment_first = raw.is_empty();
        raw.extend([line.as_slice(), end].concat());
        let line = if at == 0 { line.strip_prefix(BOM).unwrap_or(line) } else { line };
        let is_complete = line.is_empty() || (is_comment_first && line[0] == b':');
        if !is_complete {
            let mut parts = line.splitn(2, |b| *b == b':');
            let (name, value) = (parts.next().unwrap(), parts.next().unwrap_or_default());
            fields.push((name.to_vec(), value.strip_prefix(b" ").unwrap_or(value).to_vec()));
            continue;
        }
        let all = |name: &[u8]| fields.iter().filter(|f| f.0 == name).map(|f| f.1.clone()).collect::<Vec<_>>();
        events.push(Seen {
            raw: std::mem::take(&mut raw),
            data: (!all(b"data").is_empty()).then(|| all(b"data").join(&b'\n')),
            name: all(b"event").pop(),
            id: all(b"id").into_iter().rfind(|id| !id.contains(&0)),
        });
        fields.clear();
    }
    raw.extend(text);
    (events, raw)
}

/// Every way of cutting the input in two, and byte by byte, gives these raw events with this data.
#[track_caller]
fn check(input: &[u8], expected: &[(&[u8], Option<&[u8]>)], left: &[u8]) {
    let expected: Vec<_> = expected.iter().map(|(raw, data)| (raw.to_vec(), data.map(<[u8]>::to_vec))).collect();
    let mut cuts: Vec<Vec<&[u8]>> = (0..=input.len()).map(|at| vec![&input[..at], &input[at..]]).collect();
    cuts.push(input.chunks(1).collect());
    for chunks in cuts {
        let (seen, rest, outcome) = read(1024, &chunks);
        let seen: Vec<_> = seen.into_iter().map(|event| (event.raw, event.data)).collect();
        assert_eq!((&seen, rest.as_slice(), outcome), (&expected, left, Ok(())), "{chunks:?}");
    }
}

#[test]
fn an_event_ends_with_a_blank_line_of_any_kind() {
    check(b"data: a\n\ndata: b\n\n", &[(b"data: a\n\n", Some(b"a")), (b"data: b\n\n", Some(b"b"))], b"");
    check(b"data: a\r\rdata: b\r\r", &[(b"data: a\r\r", Some(b"a")), (b"data: b\r\r", Some(b"b"))], b"");
    check(
        b"data: a\r\n\r\ndata: b\r\n\r\n",
        &[(b"data: a\r\n\r\n", Some(b"a")), (b"data: b\r\n\r\n", Some(b"b"))],
        b"",
    );
    check(b"data: a\r\n\ndata: b\n\r\n", &[(b"data: a\r\n\n", Some(b"a")), (b"data: b\n\r\n", Some(b"b"))], b"");
    check(b"data: a\n\rid: 1\r\n", &[(b"data: a\n\r", Some(b"a"))], b"id: 1\r\n");
}

#[test]
fn data_lines_are_joined_and_one_space_is_dropped() {
    check(
        b"data:a\ndata:  b\ndata\ndata: c\n\n",
        &[(b"data:a\ndata:  b\ndata\ndata: c\n\n", Some(b"a\n b\n\nc"))],
        b"",
    );
    check(b"data:\nid: 1\n\n", &[(b"data:\nid: 1\n\n", Some(b""))], b"");
    check(b"id: 1\nretry: 5\n\n", &[(b"id: 1\nretry: 5\n\n", None)], b"");
    check(b"data: a:b\n\n", &[(b"data: a:b\n\n", Some(b"a:b"))], b"");
}

#[test]
fn names_are_exact() {
    check(b"Data: a\nDATA: b\n data: c\ndata : d\n\n", &[(b"Data: a\nDATA: b\n data: c\ndata : d\n\n", None)], b"");
}

#[test]
fn a_line_that_is_nearly_a_field_is_ambiguous() {
    let is_ambiguous = |text: &str| Event::new(text.as_bytes(), true).is_ambiguous();
    for text in [
        "Data: x\n\n",
        "DATA:x\n\n",
        "data : x\n\n",
        " data: x\n\n",
        "data\0: x\n\n",
        "{\"a\":1}\n\n",
        "[1]\n\n",
        "iD: 1\n\n",
    ] {
        assert!(is_ambiguous(text), "{text:?}");
    }
    for text in [
        "\u{feff}data: x\n\n",
        "data\nid\r\nevent:\rretry: 1\n\n",
        ": Data: x\n\n",
        "x-acme: {}\n\n",
        "dat: 1\n\n",
        "\n",
    ] {
        assert!(!is_ambiguous(text), "{text:?}");
    }
}

#[test]
fn a_comment_passes_at_once_and_inside_an_event_it_stays() {
    check(b": ping\n", &[(b": ping\n", None)], b"");
    check(b": ping\n\n", &[(b": ping\n", None), (b"\n", None)], b"");
    check(
        b": ping\r\n: pong\r\ndata: a\r\n\r\n",
        &[(b": ping\r\n", None), (b": pong\r\n", None), (b"data: a\r\n\r\n", Some(b"a"))],
        b"",
    );
    check(b"data: a\n: no\n\n", &[(b"data: a\n: no\n\n", Some(b"a"))], b"");
}

#[test]
fn a_byte_order_mark_counts_only_at_the_start() {
    check(b"\xEF\xBB\xBFdata: a\n\n", &[(b"\xEF\xBB\xBFdata: a\n\n", Some(b"a"))], b"");
    check(b"\xEF\xBB\xBF: ping\n", &[(b"\xEF\xBB\xBF: ping\n", None)], b"");
    check(b"\xEF\xBB\xBF\n\n", &[(b"\xEF\xBB\xBF\n", None), (b"\n", None)], b"");
    check(b"\n\xEF\xBB\xBFdata: a\n\n", &[(b"\n", None), (b"\xEF\xBB\xBFdata: a\n\n", None)], b"");
    check(b"\xEF\xBB\xBF\xEF\xBB\xBFdata: a\n\n", &[(b"\xEF\xBB\xBF\xEF\xBB\xBFdata: a\n\n", None)], b"");
}

#[test]
fn what_has_no_blank_line_is_left() {
    check(b"data: a\n\ndata: b\n", &[(b"data: a\n\n", Some(b"a"))], b"data: b\n");
    check(b"data: a", &[], b"data: a");
    check(b": pi", &[], b": pi");
}

#[test]
fn an_event_passes_when_its_blank_line_is_a_cr_and_more_never_comes() {
    let mut stream = EventStream::new(64);
    let mut raws = Vec::new();
    stream.push(b"data: a\r\r", &mut |event| raws.push(event.raw().to_vec())).unwrap();
    assert_eq!(raws, [b"data: a\r\r"]);
    stream.push(b"\ndata: b\r\n\r", &mut |event| raws.push(event.raw().to_vec())).unwrap();
    assert_eq!(raws[1..], [b"\n".to_vec(), b"data: b\r\n\r".to_vec()], "the late LF passes on its own");
    assert!(!stream.finish());
}

#[test]
fn the_last_name_and_id_win() {
    let input = b"event: a\nid: 1\nevent: message\nid: 2\nid: \0\ndata: x\n\n";
    let (seen, _, _) = read(1024, &[input]);
    assert_eq!((seen[0].name.as_deref(), seen[0].id.as_deref()), (Some(&b"message"[..]), Some(&b"2"[..])));
}

#[test]
fn an_event_over_the_limit_ends_the_stream_for_good() {
    let input = b"data: a\n\ndata: 0123456789\n\ndata: b\n\n";
    for chunks in [vec![&input[..]], input.chunks(1).collect(), input.chunks(7).collect()] {
        let (seen, _, outcome) = read(17, &chunks);
        assert_eq!((seen.len(), outcome), (1, Err(StreamFlaw::EventTooLarge)));
        assert_eq!(read(18, &chunks).2, Ok(()));
    }
    let mut stream = EventStream::new(4);
    assert!(stream.push(b"data: without an end", &mut |_| panic!("nothing is complete")).is_err());
    assert!(stream.push(b"\n\n", &mut |_| panic!("nothing comes after a flaw")).is_err());
}

/// What is written behind something else, and shows nothing of it.
fn with_data(event: &Event<'_>, data: &[u8]) -> Vec<u8> {
    let mut out = b"data: before\r\r".to_vec();
    event.write_with_data(data, &mut out);
    out.strip_prefix(b"data: before\r\r").unwrap().to_vec()
}

#[track_caller]
fn check_with_data(input: &[u8], data: &[u8], expected: &[u8]) {
    let mut outputs = Vec::new();
    EventStream::new(1024).push(input, &mut |event| outputs.push(with_data(&event, data))).unwrap();
    assert_eq!(outputs, [expected], "{}", String::from_utf8_lossy(&outputs[0]));
}

#[test]
fn other_data_leaves_all_other_lines_alone() {
    check_with_data(b"id: 1\ndata: a\nevent: message\n\n", b"{}", b"id: 1\ndata: {}\nevent: message\n\n");
    check_with_data(b"data: a\r\nid:1\rdata: b\r\n: c\nx\n\r\n", b"{}", b"data: {}\r\nid:1\r: c\nx\n\r\n");
    check_with_data(b"\xEF\xBB\xBFdata: a\n\n", b"{}", b"\xEF\xBB\xBFdata: {}\n\n");
    check_with_data(b"data: a\n\n", b"x\r\ny\n", b"data: x\ndata: y\ndata: \n\n");
    check_with_data(b"data\n\n", b"", b"data: \n\n");
    check_with_data(b"id: 1\n\n", b"{}", b"id: 1\ndata: {}\n\n");
}

#[test]
fn a_removed_line_does_not_take_the_blank_line_with_it() {
    check_with_data(b"data: a\rdata: b\n\n", b"{}", b"data: {}\r\n\n");
    check_with_data(b"data: a\nid: 1\rdata: b\n\n", b"{}", b"data: {}\nid: 1\r\n\n");
}

/// Text that is mostly made of what matters to the framing.
fn stream_text() -> impl Strategy<Value = Vec<u8>> {
    let parts: Vec<&[u8]> = vec![
        b"\r", b"\n", b"\r\n", b"\n\n", b":", b" ", b"data", b"data: ", b"id: ", b"event:", BOM, b"x", b"\0",
        b"\xFF",
    ];
    proptest::collection::vec(proptest::sample::select(parts), 0..24).prop_map(|parts| parts.concat())
}

fn cut(input: &[u8], at: Vec<usize>) -> Vec<&[u8]> {
    let mut at: Vec<usize> = at.into_iter().map(|at| at.min(input.len())).chain([0, input.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_cutting_gives_what_the_reference_gives(input in stream_text(), at in proptest::collection::vec(0_usize..200, 0..12)) {
        let (seen, left, outcome) = read(usize::MAX, &cut(&input, at));
        prop_assert_eq!(outcome, Ok(()));
        prop_assert_eq!((&seen, &left), (&reference(&input).0, &reference(&input).1));
        let all: Vec<u8> = seen.into_iter().flat_map(|event| event.raw).chain(left).collect();
        prop_assert_eq!(all, input);
    }

    #[test]
    fn the_limit_holds_wherever_the_input_is_cut(
        input in stream_text(), limit in 0_usize..40, at in proptest::collection::vec(0_usize..200, 0..12),
    ) {
        let (whole, _, outcome) = read(limit, &[&input]);
        let (seen, _, other) = read(limit, &cut(&input, at));
        prop_assert_eq!((whole, outcome), (seen, other));
    }

    #[test]
    fn other_data_is_what_a_client_reads(input in stream_text(), data in "[a-z{}: ]{0,8}") {
        let mut outputs = Vec::new();
        EventStream::new(usize::MAX).push(&input, &mut |event| {
            if event.data().is_some() {
                let before: &[u8] = if event.has_bom { b"" } else { b"\n" };
                outputs.push(([before, &with_data(&event, data.as_bytes())].concat(), event.name().map(<[u8]>::to_vec), event.id().map(<[u8]>::to_vec)));
            }
        }).unwrap();
        for (output, name, id) in outputs {
            let (seen, left) = reference(&output);
            prop_assert_eq!(left.len(), 0);
            let seen = if seen[0].raw == b"\n" { &seen[1..] } else { &seen[..] };
            prop_assert_eq!(seen.len(), 1);
            prop_assert_eq!(seen[0].data.as_deref(), Some(data.as_bytes()));
            prop_assert_eq!((&seen[0].name, &seen[0].id), (&name, &id));
        }
    }
}

#[test]
fn identifiers_are_renamed_and_nothing_else() {
    let rename = |id: &[u8]| (!id.is_empty()).then(|| [b"<", id, b">"].concat());
    let renamed = |text: &str| {
        let mut out = Vec::new();
        EventStream::new(1000)
            .push(text.as_bytes(), &mut |event| {
                out.extend(event.with_ids(&rename).unwrap_or_else(|| event.raw().to_vec()));
            })
            .unwrap();
        String::from_utf8(out).unwrap()
    };
    for (before, after) in [
        ("id: 7\ndata: x\n\n", "id: <7>\ndata: x\n\n"),
        ("id:7\r\ndata:\r\n\r\n", "id: <7>\r\ndata:\r\n\r\n"),
        ("\u{feff}id:7\rdata\r\r", "\u{feff}id: <7>\rdata\r\r"),
        ("data: id: 7\nid: a\n: c\nid: b c\nretry: 5\n\n", "data: id: 7\nid: <a>\n: c\nid: <b c>\nretry: 5\n\n"),
        ("id: 7\n\n", "id: <7>\n\n"),
    ] {
        assert_eq!(renamed(before), after);
    }
    for unchanged in
        ["data: x\n\n", "id\ndata: x\n\n", "id:\n\n", "id: a\0b\ndata: x\n\n", "Id: 7\ndata: x\n\n", ": id: 7\n\n"]
    {
        assert_eq!(renamed(unchanged), unchanged);
    }
    let mut seen = Vec::new();
    let each = &mut |event: Event<'_>| {
        let raw = event.with_ids(&rename).unwrap();
        seen = with_data(&event.over(&raw), b"new");
    };
    EventStream::new(100).push("\u{feff}id:7\ndata: x\n\n".as_bytes(), each).unwrap();
    assert_eq!(String::from_utf8(seen).unwrap(), "\u{feff}id: <7>\ndata: new\n\n");
}
