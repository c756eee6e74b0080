//! One connection to the upstream, and what is under way on it.

use std::future::poll_fn;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::unconstrained;

use super::super::filling::{LEAST_ROOM, MOST_ROOM, poll_fill};
use crate::http1::Nonsense;
use crate::http1::framing::{Framing, Piece};
use crate::http1::upstream::{Head, HeadReader};
use crate::refusal::Refusal;

/// What a connection runs on.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection.
pub(super) struct Line {
    io: Box<dyn Io>,
    /// What arrived and was not taken yet.
    buffer: BytesMut,
    /// What of a request is not written yet: its head, and its body.
    head: Bytes,
    body: Bytes,
    /// Whether a byte of this request was written.
    is_begun: bool,
    /// Whether the upstream can be written to no more; what it answered can still be read.
    is_torn: bool,
    /// Whether it was idle already when idle connections were last looked through.
    pub(super) was_idle: bool,
}

/// Why a request was not answered.
pub(super) enum Failure {
    /// Not a byte of it was written, so that it may be sent again.
    Unsent,
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
            head: Bytes::new(),
            body: Bytes::new(),
            is_begun: false,
            is_torn: false,
            was_idle: false,
        }
    }

    /// Whether the connection is open and silent, as one is on which nothing is under way. One look, without waiting.
    pub(super) async fn is_usable(&mut self) -> bool {
        if self.is_torn || !self.head.is_empty() || !self.body.is_empty() || !self.buffer.is_empty() {
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
    pub(super) async fn exchange(&mut self, head: Bytes, body: Bytes) -> Result<Head, Failure> {
        (self.head, self.body, self.is_begun) = (head, body, false);
        let mut reader = HeadReader::default();
        poll_fn(|context| self.poll_head(&mut reader, context)).await
    }

    fn poll_head(&mut self, reader: &mut HeadReader, context: &mut Context<'_>) -> Poll<Result<Head, Failure>> {
        self.poll_write(context);
        if self.is_torn && !self.is_begun {
            return Poll::Ready(Err(Failure::Unsent));
        }
        loop {
            // An answer may come before all of a large request was written.
            if let Some(head) = reader.take(&mut self.buffer)? {
                return Poll::Ready(Ok(head));
            }
            match ready!(poll_fill(&mut self.io, &mut self.buffer, LEAST_ROOM, context)) {
                // What comes before any of it was is no answer to it.
                _ if !self.is_begun => return Poll::Ready(Err(Failure::Unsent)),
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

    /// Whether there is something to write, and somebody to write it to.
    fn has_more(&self) -> bool {
        !self.is_torn && (!self.head.is_empty() || !self.body.is_empty())
    }

    /// Writes what is left of the request, as far as the upstream takes it.
    fn poll_write(&mut self, context: &mut Context<'_>) {
        while self.has_more() {
            let parts = [IoSlice::new(&self.head), IoSlice::new(&self.body)];
            match Pin::new(&mut self.io).poll_write_vectored(context, &parts) {
                Poll::Pending => return,
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.is_begun = true;
                    let of_head = count.min(self.head.len());
                    self.head.advance(of_head);
                    self.body.advance(count.saturating_sub(of_head).min(self.body.len()));
                }
                Poll::Ready(_) => self.is_torn = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
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
            let told = line.exchange(Bytes::from_static(b"POST"), Bytes::new()).await;
            assert!(matches!(told, Err(Failure::Unsent)));
        });
    }

    #[test]
    fn a_connection_is_not_usable_before_all_of_the_request_is_written() {
        run(async {
            let (mut line, mut theirs) = line(ANSWER.len());
            theirs.write_all(ANSWER).await.unwrap();
            let body = Bytes::from(vec![b'x'; 1000]);
            let mut head = line.exchange(Bytes::from_static(b"POST"), body).await.ok().unwrap();
            assert!(head.is_kept);
            assert_eq!(line.piece(&mut head.framing).await, Ok(Some(Bytes::from_static(b"{}"))));
            assert!(head.framing.is_end());
            assert!(!line.is_usable().await, "the rest would stand before the next request");
        });
    }
}
