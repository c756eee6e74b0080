use tokio::io::{DuplexStream, duplex};
use tokio::task::coop::{consume_budget, has_budget_remaining};

use super::*;
use crate::http1::client::EMPTY_LINES;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn line(room: usize) -> (Line, DuplexStream) {
    let (ours, theirs) = duplex(room);
    (Line::new(Box::new(ours)), theirs)
}

async fn put(theirs: &mut DuplexStream, bytes: &[u8]) {
    tokio::io::AsyncWriteExt::write_all(theirs, bytes).await.unwrap();
}

async fn got(theirs: &mut DuplexStream, count: usize) -> String {
    let mut bytes = vec![0; count];
    theirs.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_head_may_arrive_in_any_pieces_and_the_next_one_waits_its_turn() {
    run(async {
        let (mut line, mut theirs) = line(4096);
        let text = b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET /b HTTP/1.1\r\n\r\n";
        let send = async {
            for byte in text {
                put(&mut theirs, &[*byte]).await;
                tokio::task::yield_now().await;
            }
        };
        let read = async {
            assert_eq!(line.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap().uri, "/a");
            let mut body = Vec::new();
            while let Some(piece) = line.piece().await.unwrap() {
                body.extend_from_slice(&piece);
            }
            assert_eq!(body, b"{}");
            assert!(line.is_free() && line.finish(LONG).await);
            assert_eq!(line.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap().uri, "/b");
        };
        tokio::join!(send, read);
    });
}

#[test]
fn a_connection_that_is_silent_or_never_ends_its_head_is_given_up() {
    run(async {
        let (mut silent, _theirs) = line(64);
        assert_eq!(silent.next(&mut Kept::default(), &Uri::default(), SHORT, LONG).await.unwrap_err(), Next::End);
        let (mut half, mut theirs) = line(64);
        put(&mut theirs, b"GET / HTTP/1.1\r\n").await;
        assert_eq!(half.next(&mut Kept::default(), &Uri::default(), LONG, SHORT).await.unwrap_err(), Next::End);
        let (mut gone, theirs) = line(64);
        drop(theirs);
        assert_eq!(gone.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap_err(), Next::End);
        let (mut long, mut theirs) = line(1 << 20);
        put(&mut theirs, b"GET / HTTP/1.1\r\n").await;
        put(&mut theirs, "A: b\r\n".repeat(12_000).as_bytes()).await;
        assert_eq!(
            long.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap_err(),
            Next::Malformed
        );
    });
}

/// What the wait for the first bytes took is not granted once more for the rest of the head.
#[test]
fn the_first_head_has_no_more_time_than_any_other() {
    run(async {
        let (mut line, mut theirs) = line(64);
        put(&mut theirs, b"GET / HTTP/1.1\r\n").await;
        line.used = LONG;
        assert_eq!(
            timeout(LONG, line.next(&mut Kept::default(), &Uri::default(), LONG, LONG)).await.unwrap().unwrap_err(),
            Next::End
        );
        assert_eq!(line.used, Duration::ZERO, "of the first alone");
    });
}

#[test]
fn a_few_empty_lines_before_a_head_mean_nothing_and_many_are_none() {
    run(async {
        for (count, is_fine) in [(1, true), (EMPTY_LINES, true), (EMPTY_LINES + 1, false)] {
            let (mut line, mut theirs) = line(4096);
            put(&mut theirs, format!("{}GET /a HTTP/1.1\r\n\r\n", "\r\n".repeat(count)).as_bytes()).await;
            assert_eq!(
                line.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.is_ok(),
                is_fine,
                "{count}"
            );
        }
    });
}

#[test]
fn what_comes_before_its_turn_is_kept_and_hides_nobodys_leaving() {
    run(async {
        let (mut line, mut theirs) = line(4096);
        put(&mut theirs, b"GET /a HTTP/1.1\r\n\r\n").await;
        line.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap();
        put(&mut theirs, b"GET /b HTTP/1.1\r\n\r\n").await;
        assert!(timeout(SHORT, line.left()).await.is_err(), "it is still there");
        assert_eq!(line.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap().uri, "/b");
        put(&mut theirs, b"G").await;
        drop(theirs);
        timeout(LONG, line.left()).await.unwrap();
    });
}

#[test]
fn who_says_something_while_listening_has_left() {
    run(async {
        let (mut line, mut theirs) = line(4096);
        put(&mut theirs, b"GET /a HTTP/1.1\r\n\r\n").await;
        line.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap();
        line.listen(true);
        assert!(timeout(SHORT, line.left()).await.is_err());
        put(&mut theirs, b"G").await;
        timeout(LONG, line.left()).await.unwrap();
    });
}

#[test]
fn parts_of_a_stream_are_chunks_and_none_of_them_ends_it() {
    run(async {
        let (mut line, mut theirs) = line(4096);
        line.listen(true);
        for (bytes, is_last) in [(&b"data"[..], false), (b"", false), (b"0123456789abcdef", true)] {
            line.send(bytes, is_last).await.unwrap();
        }
        let expected = "4\r\ndata\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";
        assert_eq!(got(&mut theirs, expected.len()).await, expected);
        line.send(b"", true).await.unwrap();
        assert_eq!(got(&mut theirs, 5).await, "0\r\n\r\n");
        line.listen(false);
        line.send(b"bare", true).await.unwrap();
        assert_eq!(got(&mut theirs, 4).await, "bare");
        assert!(!line.is_free(), "only the end of the connection ends it");
    });
}

#[test]
fn the_head_of_a_stream_goes_out_with_what_is_sent_first() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\n\r\n";
    run(async {
        for (bytes, is_last, told) in [
            (&b""[..], false, ""),
            (b"", true, "0\r\n\r\n"),
            (b"data", false, "4\r\ndata\r\n"),
            (b"data", true, "4\r\ndata\r\n0\r\n\r\n"),
        ] {
            let (mut line, mut theirs) = line(4096);
            line.listen(true);
            line.begin(HEAD.into());
            assert!(line.is_holding());
            line.send(bytes, is_last).await.unwrap();
            assert!(!line.is_holding());
            line.send(b"more", false).await.unwrap();
            let expected = format!("{HEAD}{told}4\r\nmore\r\n");
            assert_eq!(got(&mut theirs, expected.len()).await, expected);
        }
        let (mut line, mut theirs) = line(4096);
        line.listen(false);
        line.begin(HEAD.into());
        line.send(b"bare", true).await.unwrap();
        assert_eq!(got(&mut theirs, HEAD.len() + 4).await, format!("{HEAD}bare"));
    });
}

/// A pipe of one byte takes each of them apart, and a task that has done much is told to wait in between.
#[test]
fn all_is_written_however_slowly_it_is_taken() {
    run(async {
        let (mut line, mut theirs) = line(1);
        let write = async {
            while has_budget_remaining() {
                consume_budget().await;
            }
            line.write(&[b"abc", b"", b"defgh"]).await.unwrap();
        };
        let (_, text) = tokio::join!(write, got(&mut theirs, 8));
        assert_eq!(text, "abcdefgh");
        drop(theirs);
        assert_eq!(line.write(&[b"x"]).await, Err(Gone));
    });
}

#[test]
fn an_unread_body_is_read_to_its_end_or_the_connection_ends() {
    run(async {
        let (mut line, mut theirs) = line(4096);
        put(&mut theirs, b"POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\n{}").await;
        line.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap();
        assert!(!line.is_free());
        let (is_free, ()) = tokio::join!(line.finish(LONG), put(&mut theirs, b"{}GET /b HTTP/1.1\r\n\r\n"));
        assert!(is_free);
        assert_eq!(line.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap().uri, "/b");
        put(&mut theirs, b"POST /c HTTP/1.1\r\nContent-Length: 4\r\n\r\n{}").await;
        line.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap();
        assert!(!line.finish(SHORT).await, "the rest never comes");
    });
}

#[test]
fn after_a_chunk_that_is_none_nothing_more_is_read() {
    run(async {
        let (mut line, mut theirs) = line(4096);
        put(&mut theirs, b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /b HTTP/1.1\r\n\r\n")
            .await;
        line.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap();
        for _ in 0..2 {
            assert_eq!(line.piece().await, Err(CutShort));
        }
        let (is_free, _) = tokio::join!(line.finish(LONG), async { drop(theirs) });
        assert!(!is_free);
    });
}

#[test]
fn a_preface_is_told_from_a_request_by_its_first_bytes() {
    run(async {
        for (text, is_request) in
            [(&b"POST / HTTP/1.1\r\n"[..], true), (b"PRI * HTTP/1.1\r\n\r\n......", true), (b"PRI * HT", false)]
        {
            let (ours, mut theirs) = duplex(4096);
            put(&mut theirs, text).await;
            let first = Line::first(Box::new(ours), SHORT).await;
            assert_eq!(matches!(first, First::One(_)), is_request, "{text:?}");
        }
    });
}

#[test]
fn a_connection_is_idle_since_its_last_request_was_over() {
    run(async {
        let (mut line, mut theirs) = line(64);
        let now = Instant::now();
        let mut kept = Kept { ended: now.checked_sub(LONG), ..Kept::default() };
        assert_eq!(line.next(&mut kept, &Uri::default(), LONG, LONG).await.unwrap_err(), Next::End);
        assert!(now.elapsed() < LONG / 2);
        kept.ended = now.checked_sub(LONG);
        put(&mut theirs, b"GET /a HTTP/1.1\r\n\r\n").await;
        assert_eq!(
            line.next(&mut kept, &Uri::default(), LONG, LONG).await.unwrap().uri,
            "/a",
            "what is there is read"
        );
        assert_eq!(kept.ended, None, "and begins another time");
    });
}

#[test]
fn a_body_is_there_when_its_last_byte_is() {
    for (framing, body, is_there) in [
        ("Content-Length: 3", "", false),
        ("Content-Length: 3", "ab", false),
        ("Content-Length: 3", "abc", true),
        ("Content-Length: 3", "abcGET", true),
        ("Content-Length: 0", "", true),
        ("X: y", "", true),
        ("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n", false),
        ("Content-Length: 3\r\nContent-Length: 3", "abc", false),
    ] {
        run(async {
            let (mut line, mut theirs) = line(4096);
            put(&mut theirs, format!("POST / HTTP/1.1\r\n{framing}\r\n\r\n{body}").as_bytes()).await;
            line.next(&mut Kept::default(), &Uri::default(), LONG, LONG).await.unwrap();
            assert_eq!(line.has_body(), is_there, "{framing}, {body}");
        });
    }
}
