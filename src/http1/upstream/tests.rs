use proptest::prelude::*;

use super::super::framing::{LONGEST_LINE, Piece};
use super::*;

/// Status, body, what is left, and whether the connection could be used again.
type Seen = (u16, Vec<u8>, Vec<u8>, bool);

/// Reads all that `text` holds, which arrives in pieces of `step` bytes; none where that is not the whole of an answer.
fn read(text: &[u8], step: usize) -> Result<Option<Seen>, Nonsense> {
    let (mut buffer, mut arriving) = (BytesMut::new(), text.chunks(step.max(1)));
    let mut reader = HeadReader::default();
    let head = loop {
        match reader.take(&mut buffer)? {
            Some(head) => break head,
            None => match arriving.next() {
                Some(more) => buffer.extend_from_slice(more),
                None => return Ok(None),
            },
        }
    };
    let (mut framing, mut body) = (head.framing, Vec::new());
    loop {
        match framing.take(&mut buffer)? {
            Piece::Data(data) => {
                assert!(!data.is_empty());
                body.extend_from_slice(&data);
            }
            Piece::End => break,
            Piece::More => match arriving.next() {
                Some(more) => buffer.extend_from_slice(more),
                None if framing == Framing::UntilClose => break,
                None => return Ok(None),
            },
        }
    }
    arriving.for_each(|more| buffer.extend_from_slice(more));
    Ok(Some((head.status.as_u16(), body, buffer.to_vec(), head.is_kept)))
}

#[track_caller]
fn check(text: &str, expected: (u16, &str, &str, bool)) {
    let (status, body, rest, is_kept) = expected;
    let expected = Ok(Some((status, body.as_bytes().to_vec(), rest.as_bytes().to_vec(), is_kept)));
    for step in 1..=text.len() {
        assert_eq!(read(text.as_bytes(), step), expected, "{text:?} in steps of {step}");
    }
}

#[test]
fn an_answer_ends_where_its_framing_says() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, "{}", "", true));
    check("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", (200, "", "", true));
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1", (200, "{}", "HTTP/1.1", true));
    check("HTTP/1.1 204 No\r\n\r\nrest", (204, "", "rest", true));
    check("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", (304, "", "", true));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(&format!("{chunked}2\r\n{{}}\r\n0\r\n\r\n"), (200, "{}", "", true));
    check(&format!("{chunked}1;a=b\r\n{{\r\n1 ;c\r\n}}\r\n000\r\nA: b\r\n\r\nx"), (200, "{}", "x", true));
    check(&format!("{chunked}A\r\n0123456789\r\n0\r\n\r\n"), (200, "0123456789", "", true));
}

#[test]
fn a_connection_is_used_again_only_where_both_sides_know_that_it_can_be() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive, CLOSE\r\n\r\nx", (200, "x", "", false));
    check("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", (200, "x", "", false));
    check("HTTP/1.1 200 OK\r\n\r\nto the end", (200, "to the end", "", false));
    check("HTTP/1.0 200 OK\r\n\r\n", (200, "", "", false));
}

#[test]
fn interim_answers_are_passed_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n";
    check(&format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"), (200, "x", "", true));
}

#[test]
fn interim_answers_end() {
    let many = "HTTP/1.1 102 Processing\r\n\r\n".repeat(LONGEST_HEAD / 27);
    let (fine, rest) = ("HTTP/1.1 204 No\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n");
    for step in [1, 1000, LONGEST_HEAD * 2] {
        let answered = read(format!("{many}{fine}").as_bytes(), step);
        assert_eq!(answered, Ok(Some((204, Vec::new(), Vec::new(), true))), "in steps of {step}");
        assert_eq!(read(format!("{many}{rest}{fine}").as_bytes(), step), Err(Nonsense), "in steps of {step}");
    }
}

/// The work of a head that arrives byte by byte is that of a few dozen heads, and not of as many as it has bytes.
#[test]
fn a_head_that_drips_is_no_work() {
    let line = format!("A: {}\r\n", "x".repeat(600));
    let head = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", line.repeat(100));
    let (mut reader, mut buffer, mut parsed) = (HeadReader::default(), BytesMut::new(), 0);
    for (at, byte) in head.bytes().enumerate() {
        buffer.extend_from_slice(&[byte]);
        parsed += usize::from(reader.arriving.is_worth_parsing(&buffer));
        assert_eq!(reader.take(&mut buffer).unwrap().is_some(), at + 1 == head.len(), "after {at}");
    }
    assert!(head.len() > 60_000 && parsed < 130, "{parsed} times {}", head.len());
}

#[test]
fn what_two_readers_could_take_differently_is_no_answer() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        "HTTP/1.1 204 No\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n{}",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\n{}",
        "HTTP/1.1 100 Continue\n\nHTTP/1.1 204 No\r\n\r\n",
        "{\"jsonrpc\":\"2.0\"}",
        &format!("{chunked}2\n{{}}\r\n0\r\n\r\n"),
        &format!("{chunked}2\r\n{{}}\n0\r\n\r\n"),
        &format!("{chunked}2\r\n{{}}0\r\n\r\n"),
        &format!("{chunked}\r\n{{}}\r\n0\r\n\r\n"),
        &format!("{chunked}-2\r\n{{}}\r\n0\r\n\r\n"),
        &format!("{chunked} 2\r\n{{}}\r\n0\r\n\r\n"),
        &format!("{chunked}0x2\r\n{{}}\r\n0\r\n\r\n"),
        &format!("{chunked}2 2\r\n{{}}\r\n0\r\n\r\n"),
        &format!("{chunked}1000000000000002\r\n{{}}\r\n0\r\n\r\n"),
        &format!("{chunked}2\r\r\n{{}}\r\n0\r\n\r\n"),
        &format!("{chunked}2\u{c};a\r\n{{}}\r\n0\r\n\r\n"),
        &format!("{chunked}2;a\0\r\n{{}}\r\n0\r\n\r\n"),
        &format!("{chunked}0\r\nA: b\n\r\n"),
        &format!("{chunked}0\r\nA: b\0\r\n\r\n"),
        &format!("{chunked}0\r\nA: b\r\n c\r\n\r\n"),
        &format!("{chunked}0\r\nA : b\r\n\r\n"),
        &format!("{chunked}0\r\n: b\r\n\r\n"),
        &format!("{chunked}0\r\nGET / HTTP/1.1\r\n\r\n"),
    ] {
        for step in [1, 3, text.len()] {
            assert_eq!(read(text.as_bytes(), step), Err(Nonsense), "{text:?} in steps of {step}");
        }
    }
}

#[test]
fn what_never_ends_is_no_answer() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for text in [
        format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(LONGEST_HEAD)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(MOST_LINES + 1)),
        format!("{chunked}1;{}", "x".repeat(LONGEST_LINE)),
        format!("{chunked}0\r\n{}", "A: b\r\n".repeat(LONGEST_LINE)),
    ] {
        assert_eq!(read(text.as_bytes(), 1000), Err(Nonsense));
    }
    assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", 5), Ok(None), "half a body");
    assert_eq!(read(format!("{chunked}5\r\n{{}}").as_bytes(), 5), Ok(None), "half a chunk");
}

#[test]
fn the_longest_line_may_arrive_in_any_pieces() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (length, is_fine) in [(LONGEST_LINE, true), (LONGEST_LINE + 1, false)] {
        let text = format!("{chunked}1;{}\r\nx\r\n0\r\n\r\n", "x".repeat(length - 2));
        for step in [1, chunked.len() + length + 1, text.len()] {
            let found = read(text.as_bytes(), step);
            assert_eq!(found.is_ok(), is_fine, "{length} bytes in steps of {step}: {found:?}");
        }
    }
}

proptest! {
    /// However a body is cut into chunks and however they arrive, it comes out whole, and not a byte more.
    #[test]
    fn chunks_come_out_as_they_went_in(
        body in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        rest in prop::collection::vec(any::<u8>(), 0..20),
        step in 1..50_usize,
    ) {
        let mut text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in &body {
            text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            text.extend_from_slice(chunk);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"0\r\n\r\n");
        text.extend_from_slice(&rest);
        prop_assert_eq!(read(&text, step), Ok(Some((200, body.concat(), rest, true))));
    }

    #[test]
    fn nothing_that_arrives_breaks_the_reader(text in prop::collection::vec(any::<u8>(), 0..300), step in 1..50_usize) {
        let _ = read(&text, step);
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        answer.extend_from_slice(&text);
        // What was read as a body is never more than what arrived.
        if let Ok(Some((_, body, rest, _))) = read(&answer, step) {
            prop_assert!(body.len().saturating_add(rest.len()) <= text.len());
        }
    }
}

#[test]
fn a_request_says_how_long_it_is() {
    let head = |method, body| {
        let mut head = RequestHead::new(&method, "/mcp");
        assert!(head.line("Host", b"127.0.0.1:9000") && head.line("mcp-method", b"ping"));
        String::from_utf8(head.finish(body)).unwrap()
    };
    let lines = "host: 127.0.0.1:9000\r\nmcp-method: ping\r\n";
    assert_eq!(head(Method::POST, 0), format!("POST /mcp HTTP/1.1\r\n{lines}content-length: 0\r\n\r\n"));
    assert_eq!(head(Method::POST, 12), format!("POST /mcp HTTP/1.1\r\n{lines}content-length: 12\r\n\r\n"));
    assert_eq!(head(Method::GET, 0), format!("GET /mcp HTTP/1.1\r\n{lines}\r\n"));
    assert_eq!(head(Method::DELETE, 0), format!("DELETE /mcp HTTP/1.1\r\n{lines}\r\n"));
}

#[test]
fn a_value_that_would_begin_another_line_is_not_written() {
    let mut head = RequestHead::new(&Method::GET, "/mcp");
    for value in ["a\r\nb: c", "a\nb", "a\rb", "\0", "\u{7f}"] {
        assert!(!head.line("x", value.as_bytes()), "{value:?}");
    }
    assert!(head.line("x", b"") && head.line("y", "\u{e9}\t".as_bytes()));
    assert_eq!(head.finish(0), "GET /mcp HTTP/1.1\r\nx: \r\ny: \u{e9}\t\r\n\r\n".as_bytes());
}
