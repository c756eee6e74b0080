//! One connection to the upstream, and what is under way on it.

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::unconstrained;

use super::super::client::TOGETHER;
use super::super::filling::{LEAST_ROOM, MOST_ROOM, poll_fill};
use crate::http1::Nonsense;
use crate::http1::framing::{Framing, Piece};
use crate::http1::upstream::{Head, HeadReader, RequestHead};
use crate::refusal::Refusal;

/// What a connection runs on.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection.
pub(super) struct Line {
    io: Box<dyn Io>,
    /// What arrived and was not taken yet.
    buffer: BytesMut,
    /// What of a request is not written yet.
    request: Request,
    /// Whether a byte of it was written.
    is_begun: bool,
    /// Whether the upstream can be written to no more; what it answered can still be read.
    is_torn: bool,
    /// Whether it was idle already when idle connections were last looked through.
    pub(super) was_idle: bool,
}

/// What is to be written of a request: its head, or what is left of it, and its body.
#[derive(Default)]
pub(super) struct Request {
    head: Bytes,
    body: Bytes,
}

impl Request {
    pub(super) fn new(head: RequestHead, mut body: Bytes) -> Self {
        let mut head = head.finish(body.len());
        if body.len() <= TOGETHER {
            head.extend_from_slice(&body);
            body = Bytes::new();
        }
        Self { head: head.into(), body }
    }

    const fn is_empty(&self) -> bool {
        self.head.is_empty() && self.body.is_empty()
    }

    fn advance(&mut self, count: usize) {
        let of_head = count.min(self.head.len());
        self.head.advance(of_head);
        self.body.advance(count.saturating_sub(of_head).min(self.body.len()));
        // What was written takes no memory while its answer comes: that may be a stream, and stand for hours.
        for part in [&mut self.head, &mut self.body] {
            if part.is_empty() {
                *part = Bytes::new();
            }
        }
    }
}

/// Why a request was not answered.
pub(super) enum Failure {
    /// Not a byte of it was written, so that it may be sent again.
    Unsent(Request),
    /// It may have been understood.
    Failed(Refusal),
}

impl From<Nonsense> for Failure {
    fn from(_: Nonsense) -> Self {
        Self::Failed(Refusal::UpstreamNonsense)
    }
}

impl Line {
    pub(super) fn new(io: Box<dyn Io>) -> Self {
        Self {
            io,
            buffer: BytesMut::new(),
            request: Request::default(),
            is_begun: false,
            is_torn: false,
            was_idle: false,
        }
    }

    /// Whether nothing is under way any more, as far as was seen.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_torn && self.request.is_empty() && self.buffer.is_empty()
    }

    /// Whether the connection is open and silent, as one is on which nothing is under way. One look, without waiting.
    pub(super) async fn is_usable(&mut self) -> bool {
        if !self.is_settled() {
            return false;
        }
        // Whatever came without being asked for, an end or a byte, is nobody's answer.
        let look = poll_fn(|context| {
            let mut byte = [0];
            let mut room = ReadBuf::new(&mut byte);
            Poll::Ready(Pin::new(&mut self.io).poll_read(context, &mut room).is_pending())
        });
        // A task that has done much since it last waited is told by tokio that there is nothing, whatever there is.
        unconstrained(look).await
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn exchange(&mut self, request: Request) -> Result<Head, Failure> {
        (self.request, self.is_begun) = (request, false);
        let mut reader = HeadReader::default();
        poll_fn(|context| self.poll_head(&mut reader, context)).await
    }

    fn poll_head(&mut self, reader: &mut HeadReader, context: &mut Context<'_>) -> Poll<Result<Head, Failure>> {
        self.poll_write(context);
        if self.is_torn && !self.is_begun {
            return Poll::Ready(Err(self.unsent()));
        }
        loop {
            // An answer may come before all of a large request was written.
            if let Some(head) = reader.take(&mut self.buffer)? {
                return Poll::Ready(Ok(head));
            }
            match ready!(poll_fill(&mut self.io, &mut self.buffer, LEAST_ROOM, context)) {
                // What comes before any of it was is no answer to it.
                _ if !self.is_begun => return Poll::Ready(Err(self.unsent())),
                Ok(true) => {}
                Ok(false) | Err(_) => return Poll::Ready(Err(Failure::Failed(Refusal::UpstreamDown))),
            }
        }
    }

    /// The next piece of a body, or none at its end.
    pub(super) async fn piece(&mut self, framing: &mut Framing) -> Result<Option<Bytes>, Refusal> {
        poll_fn(|context| self.poll_piece(framing, context)).await
    }

    fn poll_piece(
        &mut self,
        framing: &mut Framing,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Refusal>> {
        self.poll_write(context);
        loop {
            match framing.take(&mut self.buffer) {
                Ok(Piece::Data(data)) => return Poll::Ready(Ok(Some(data))),
                Ok(Piece::End) => return Poll::Ready(Ok(None)),
                Ok(Piece::More) => {}
                Err(Nonsense) => return Poll::Ready(Err(Refusal::UpstreamNonsense)),
            }
            let wanted = framing.wanted().unwrap_or(LEAST_ROOM).clamp(LEAST_ROOM, MOST_ROOM);
            match ready!(poll_fill(&mut self.io, &mut self.buffer, wanted, context)) {
                Ok(true) => {}
                // An end that nothing else could have said.
                Ok(false) if *framing == Framing::UntilClose => return Poll::Ready(Ok(None)),
                Ok(false) | Err(_) => return Poll::Ready(Err(Refusal::UpstreamDown)),
            }
        }
    }

    fn unsent(&mut self) -> Failure {
        Failure::Unsent(std::mem::take(&mut self.request))
    }

    /// Whether there is something to write, and somebody to write it to.
    const fn has_more(&self) -> bool {
        !self.is_torn && !self.request.is_empty()
    }

    /// Writes what is left of the request, as far as the upstream takes it.
    fn poll_write(&mut self, context: &mut Context<'_>) {
        while self.has_more() {
            let (io, Request { head, body }) = (Pin::new(&mut self.io), &self.request);
            let written = match (head.is_empty(), body.is_empty()) {
                (false, false) => io.poll_write_vectored(context, &[IoSlice::new(head), IoSlice::new(body)]),
                (false, true) => io.poll_write(context, head),
                (true, _) => io.poll_write(context, body),
            };
            match written {
                Poll::Pending => return,
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.is_begun = true;
                    self.request.advance(count);
                }
                Poll::Ready(_) => self.is_torn = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Method;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::task::coop::{consume_budget, has_budget_remaining};

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
    }

    /// A connection on which so many bytes can be under way, and the upstream's end of it.
    fn line(room: usize) -> (Line, DuplexStream) {
        let (ours, theirs) = duplex(room);
        (Line::new(Box::new(ours)), theirs)
    }

    fn request(body: usize) -> Request {
        Request::new(RequestHead::new(&Method::POST, "/mcp"), vec![b'x'; body].into())
    }

    #[test]
    fn a_request_is_written_whole_however_long_it_is_and_however_little_is_taken() {
        for length in [0, 1, TOGETHER, TOGETHER + 1, 3 * TOGETHER] {
            for room in [1, 40, 10 * TOGETHER] {
                run(async {
                    let (mut line, mut theirs) = line(room);
                    let read = async {
                        let mut read = Vec::new();
                        while !read.ends_with(format!("\r\n\r\n{}", "x".repeat(length)).as_bytes()) {
                            theirs.read_buf(&mut read).await.unwrap();
                        }
                        theirs.write_all(ANSWER).await.unwrap();
                        read
                    };
                    let answer = async {
                        let mut head = line.exchange(request(length)).await.ok().unwrap();
                        let mut body = Vec::new();
                        while let Some(piece) = line.piece(&mut head.framing).await.unwrap() {
                            body.extend_from_slice(&piece);
                        }
                        body
                    };
                    let (answer, read) = tokio::join!(answer, read);
                    assert!(answer == b"{}" && line.request.is_empty());
                    let head = format!("POST /mcp HTTP/1.1\r\ncontent-length: {length}\r\n\r\n");
                    assert_eq!(read, [head, "x".repeat(length)].concat().as_bytes());
                });
            }
        }
    }

    #[test]
    fn what_was_written_takes_no_memory() {
        struct Held {
            _by: Arc<()>,
        }
        impl AsRef<[u8]> for Held {
            fn as_ref(&self) -> &[u8] {
                &[b'x'; 2 * TOGETHER]
            }
        }
        run(async {
            let (mut line, mut theirs) = line(10 * TOGETHER);
            theirs.write_all(ANSWER).await.unwrap();
            let held = Arc::new(());
            let body = Bytes::from_owner(Held { _by: Arc::clone(&held) });
            let head = line.exchange(Request::new(RequestHead::new(&Method::POST, "/mcp"), body)).await;
            assert!(head.is_ok_and(|head| head.is_kept));
            assert_eq!(Arc::strong_count(&held), 1, "the answer may be long in coming");
        });
    }

    #[test]
    fn what_came_unasked_is_seen_whatever_the_task_did_before() {
        run(async {
            for unasked in [Some(ANSWER), None] {
                let (mut line, mut theirs) = line(1024);
                assert!(line.is_usable().await);
                match unasked {
                    Some(bytes) => theirs.write_all(bytes).await.unwrap(),
                    None => drop(theirs),
                }
                while has_budget_remaining() {
                    consume_budget().await;
                }
                assert!(!line.is_usable().await, "{unasked:?}");
            }
        });
    }

    #[test]
    fn what_comes_before_the_request_is_no_answer_to_it() {
        run(async {
            let (mut line, mut theirs) = line(ANSWER.len());
            // The upstream takes nothing more.
            line.io.write_all(ANSWER).await.unwrap();
            theirs.write_all(ANSWER).await.unwrap();
            let told = line.exchange(request(10)).await;
            let Err(Failure::Unsent(whole)) = told else { panic!("it was sent, or answered") };
            assert_eq!(whole.head, request(10).head, "it can be sent again");
        });
    }

    #[test]
    fn a_connection_is_not_usable_before_all_of_the_request_is_written() {
        run(async {
            let (mut line, mut theirs) = line(ANSWER.len());
            theirs.write_all(ANSWER).await.unwrap();
            let mut head = line.exchange(request(1000)).await.ok().unwrap();
            assert!(head.is_kept);
            assert_eq!(line.piece(&mut head.framing).await, Ok(Some(Bytes::from_static(b"{}"))));
            assert!(head.framing.is_end());
            assert!(!line.is_usable().await, "the rest would stand before the next request");
        });
    }
}
