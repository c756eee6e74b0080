use proptest::prelude::*;

use super::super::framing::Piece;
use super::*;

/// Method and target, body, and whether the connection goes on.
type Seen = (String, Vec<u8>, bool);

/// What is read off `text`: the heads of requests with their bodies, until one is no request, or not there as a whole.
fn read(text: &[u8]) -> Vec<Result<Seen, Nonsense>> {
    let (mut buffer, mut found) = (BytesMut::from(text), Vec::new());
    while !buffer.is_empty() {
        let head = match HeadReader::default().take(&mut buffer) {
            Ok(Some(head)) => head,
            Ok(None) => return found,
            Err(nonsense) => {
                found.push(Err(nonsense));
                return found;
            }
        };
        let Some(mut framing) = head.framing else {
            assert!(head.is_ambiguous && !head.is_kept);
            found.push(Err(Nonsense));
            return found;
        };
        let mut body = Vec::new();
        loop {
            match framing.take(&mut buffer) {
                Ok(Piece::Data(data)) => body.extend_from_slice(&data),
                Ok(Piece::End) => break,
                Ok(Piece::More) => return found,
                Err(nonsense) => {
                    found.push(Err(nonsense));
                    return found;
                }
            }
        }
        let is_whole = !head.is_ambiguous;
        found.push(if is_whole {
            Ok((format!("{} {}", head.method, head.uri), body, head.is_kept))
        } else {
            Err(Nonsense)
        });
        if !head.is_kept {
            return found;
        }
    }
    found
}

#[track_caller]
fn check(text: &str, expected: &[(&str, &str, bool)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(line, body, is_kept)| Ok(((*line).to_owned(), body.as_bytes().to_vec(), *is_kept)))
        .collect();
    assert_eq!(read(text.as_bytes()), expected, "{text:?}");
}

#[test]
fn requests_end_where_their_framing_says() {
    check("GET /mcp HTTP/1.1\r\nHost: a\r\n\r\n", &[("GET /mcp", "", true)]);
    check("POST /mcp?a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", &[("POST /mcp?a", "{}", true)]);
    check("\r\n\r\nGET / HTTP/1.1\r\n\r\n", &[("GET /", "", true)]);
    check("OPTIONS * HTTP/1.1\r\n\r\n", &[("OPTIONS *", "", true)]);
    check("GET http://a:1/mcp HTTP/1.1\r\n\r\n", &[("GET http://a:1/mcp", "", true)]);
    let chunked = "POST / HTTP/1.1\r\nTRANSFER-ENCODING: Chunked\r\n\r\n2;a\r\n{}\r\n0\r\nA: b\r\n\r\n";
    check(&format!("{chunked}{chunked}"), &[("POST /", "{}", true), ("POST /", "{}", true)]);
    check("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n{GET", &[("POST /", "{", true)]);
}

#[test]
fn a_connection_goes_on_as_its_version_and_its_head_say() {
    for (version, connection, is_kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: Close\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: x, close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        check(&format!("GET / HTTP/{version}\r\n{connection}\r\n"), &[("GET /", "", is_kept)]);
    }
}

#[test]
fn what_two_readers_could_take_differently_is_no_request() {
    for head in [
        "POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0x2\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length : 2\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n x\r\n\r\n",
        "POST / HTTP/1.1\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\n\n",
        "\nPOST / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        "POST / HTTP/1.1\r\nHo st: a\r\n\r\n",
        "POST / HTTP/1.1\r\n: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost\r\n\r\n",
        "POST  / HTTP/1.1\r\n\r\n",
        "POST /  HTTP/1.1\r\n\r\n",
        "POST /a b HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.2\r\n\r\n",
        "POST / HTTP/2.0\r\n\r\n",
        "POST / http/1.1\r\n\r\n",
        "POST /\r\n\r\n",
        "PO\"ST / HTTP/1.1\r\n\r\n",
        "POST /a#b HTTP/1.1\r\n\r\n",
        "POST #/a HTTP/1.1\r\n\r\n",
        "POST a HTTP/1.1/x HTTP/1.1\r\n\r\n",
    ] {
        let found = read(format!("{head}{{}}GET /next HTTP/1.1\r\n\r\n").as_bytes());
        assert_eq!(found, [Err(Nonsense)], "{head:?}");
    }
}

#[test]
fn what_never_ends_is_no_request() {
    for empty in ["\n", "\r\n\n", "\n\n\r\n\r\n"] {
        let found = HeadReader::default().take(&mut BytesMut::from(empty));
        assert_eq!(found.err(), Some(Nonsense), "waits behind {empty:?}");
    }
    let mut buffer =
        BytesMut::from(format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MOST_LINES + 1)).as_bytes());
    assert!(take_head(&mut buffer, &Uri::default()).is_err(), "too many lines");
    let mut buffer =
        BytesMut::from(format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(LONGEST_HEAD)).as_bytes());
    assert!(take_head(&mut buffer, &Uri::default()).is_err(), "too long a line");
}

#[test]
fn an_answer_has_the_lines_that_it_was_given_and_no_others() {
    let mut reply = Reply::new(StatusCode::OK);
    reply.line("Content-Type", b"application/json");
    reply.line("X", b"a\r\nSet-Cookie: b");
    reply.line("Y", b"");
    reply.line("Z", "\u{e9}: x".as_bytes());
    reply.line_of("A", |put| ["b", "", " c"].into_iter().for_each(put));
    reply.line_of("B", |put| ["b\r\n", "Set-Cookie: c"].into_iter().for_each(put));
    reply.line_of("C", |_| {});
    assert!(!reply.has_date());
    reply.line_of("dATE", |put| put("today"));
    assert!(reply.has_date());
    reply.number("Content-Length", 10);
    let lines: Vec<_> =
        reply.lines().map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned())).collect();
    let expected = [
        ("Content-Type", "application/json"),
        ("Y", ""),
        ("Z", "\u{e9}: x"),
        ("A", "b c"),
        ("C", ""),
        ("dATE", "today"),
        ("Content-Length", "10"),
    ];
    assert_eq!(lines, expected.map(|(name, value)| (name, value.to_owned())));
    let lines = expected.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    assert_eq!(reply.finish(), format!("HTTP/1.1 200 OK\r\n{lines}\r\n").as_bytes());
    let odd = Reply::new(StatusCode::from_u16(299).unwrap());
    assert_eq!(odd.finish(), b"HTTP/1.1 299 \r\n\r\n");
}

proptest! {
    /// However requests are put together, they come apart as they were.
    #[test]
    fn requests_come_apart_as_they_were_put_together(
        parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..60), 1..20_usize), 1..5),
    ) {
        let (mut text, mut expected) = (Vec::new(), Vec::new());
        for (is_chunked, body, size) in parts {
            if is_chunked {
                text.extend_from_slice(b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
                for chunk in body.chunks(size) {
                    text.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                    text.extend_from_slice(chunk);
                    text.extend_from_slice(b"\r\n");
                }
                text.extend_from_slice(b"0\r\n\r\n");
                expected.push(Ok(("POST /c".to_owned(), body, true)));
            } else {
                text.extend_from_slice(format!("POST /l HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes());
                text.extend_from_slice(&body);
                expected.push(Ok(("POST /l".to_owned(), body, true)));
            }
        }
        prop_assert_eq!(read(&text), expected);
    }

    #[test]
    fn nothing_that_arrives_breaks_the_reader(text in prop::collection::vec(any::<u8>(), 0..300)) {
        read(&text);
        let mut request = b"POST / HTTP/1.1\r\n".to_vec();
        request.extend_from_slice(&text);
        read(&request);
    }
}

#[test]
fn a_target_is_read_as_it_is_whatever_came_before() {
    let targets = [
        "/",
        "/mcp",
        "/mcp#a",
        "/mcp?a",
        "/mcp?",
        "/Mcp",
        "*",
        "http://a/mcp",
        "http://a/",
        "http://b/mcp",
        "mcp",
        "a:1",
    ];
    for before in targets {
        for target in targets {
            let text = format!("POST {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            let read = |before: Uri| {
                let mut reader = HeadReader::behind(before);
                let head = reader.take(&mut BytesMut::from(text.as_str())).unwrap().unwrap();
                (head.uri, head.is_ambiguous)
            };
            let alone = read(Uri::default());
            assert_eq!(read(before.parse().unwrap_or_default()), alone, "{target} behind {before}");
            assert_eq!(alone.0, target.parse::<Uri>().unwrap_or_default());
        }
    }
}
