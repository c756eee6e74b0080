//! Room for what arrives.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Room for the head and the body of most messages, and the most for a large body, in bytes.
pub(in crate::gateway) const LEAST_ROOM: usize = 4 * 1024;
pub(in crate::gateway) const MOST_ROOM: usize = 256 * 1024;
/// Room behind what has arrived already, in bytes.
const MORE_ROOM: usize = 1024;

/// Reads what there is behind what `buffer` holds; false at the end. An empty buffer has room for so many bytes.
pub(in crate::gateway) fn poll_fill(
    io: &mut (impl AsyncRead + Unpin + ?Sized),
    buffer: &mut BytesMut,
    room: usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    if buffer.is_empty() && buffer.capacity() < room {
        *buffer = BytesMut::with_capacity(room);
    } else {
        buffer.reserve(MORE_ROOM);
    }
    let read = pin!(io.read_buf(buffer)).poll(context);
    if read.is_pending() && buffer.is_empty() && room <= LEAST_ROOM {
        // Who is silent, and a stream may be for hours, needs no room; the next who is not gets it while it is at hand.
        *buffer = BytesMut::new();
    }
    read.map_ok(|count| count > 0)
}
