//! Event-stream framing (WHATWG HTML, "Server-sent events"), byte for byte: what passes is what was received.
//!
//! Bytes come in however the network cut them; events go out as soon as they are complete. An event that lies
//! whole in one chunk is never copied. The end of a stream completes nothing: what stands there without its blank
//! line is discarded by every client, and so it is not passed on.
//!
//! Two things are passed on before a blank line says so, because nothing they could still become would change
//! what they mean: a comment line at the beginning of an event (a keep-alive), and the LF of a CRLF whose CR
//! came at the end of the chunk before. Both are events without data.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// The byte-order mark that may stand at the very start of a stream.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The fields that the standard gives a meaning to.
const FIELDS: [&[u8]; 4] = [b"data", b"event", b"id", b"retry"];

/// The buffer that is kept from one event to the next; a larger one is given back.
const KEPT_CAPACITY: usize = 16 * 1024;

/// Cuts a stream of bytes into events.
#[derive(Debug)]
pub struct EventStream {
    limit: usize,
    /// The event under way, as far as it came in earlier chunks.
    held: Vec<u8>,
    /// Where in `held` the line under way begins.
    line: usize,
    /// No event was complete yet: a byte-order mark may stand before the first.
    is_fresh: bool,
    /// The last byte was a CR: an LF now belongs to the same line end.
    is_after_cr: bool,
    is_flawed: bool,
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFlaw {
    /// One event is larger than the limit.
    EventTooLarge,
}

impl EventStream {
    /// A stream at its start, of which at most `limit` bytes of one event are held.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, held: Vec::new(), line: 0, is_fresh: true, is_after_cr: false, is_flawed: false }
    }

    /// Takes the next bytes, cut anywhere, and calls `each` for every event that is now complete, in order.
    ///
    /// # Errors
    ///
    /// An event is larger than the limit. The events before it were passed to `each`; nothing after it ever is.
    pub fn push(&mut self, chunk: &[u8], each: &mut impl FnMut(Event<'_>)) -> Result<(), StreamFlaw> {
        if self.is_flawed {
            return Err(StreamFlaw::EventTooLarge);
        }
        let Some(last) = chunk.last() else { return Ok(()) };
        let outcome = self.advance(chunk, each);
        self.is_after_cr = *last == b'\r';
        self.is_flawed = outcome.is_err();
        outcome
    }

    /// How many bytes of an event that is not complete are held.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held.len()
    }

    /// Ends the stream: says whether an incomplete event was left. It is discarded, as every client does.
    pub fn finish(&mut self) -> bool {
        let was_incomplete = !self.held.is_empty();
        self.held = Vec::new();
        self.line = 0;
        was_incomplete
    }

    fn advance(&mut self, chunk: &[u8], each: &mut impl FnMut(Event<'_>)) -> Result<(), StreamFlaw> {
        let mut rest = self.after_split_line_end(chunk, each);
        if !self.held.is_empty() {
            let Some(after) = self.complete_held(rest, each)? else { return Ok(()) };
            rest = after;
        }
        let mut line = 0;
        while let Some(end) = line_end(rest, line) {
            let ends_here = self.ends_event(line_text(rest.get(line..end).unwrap_or_default()), line == 0);
            line = end;
            let (event, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            self.check_size(event)?;
            if ends_here {
                each(Event::new(event, self.is_fresh));
                self.is_fresh = false;
                (rest, line) = (after, 0);
            }
        }
        self.hold(rest)?;
        self.line = line;
        Ok(())
    }

    /// Takes the LF of a CRLF whose CR ended the chunk before.
    fn after_split_line_end<'c>(&mut self, chunk: &'c [u8], each: &mut impl FnMut(Event<'_>)) -> &'c [u8] {
        let Some((line_feed, after)) = chunk.split_at_checked(1) else { return chunk };
        if !self.is_after_cr || line_feed != b"\n" {
            return chunk;
        }
        if self.held.is_empty() {
            each(Event::new(line_feed, false));
        } else {
            self.held.extend_from_slice(line_feed);
            self.line = self.held.len();
        }
        after
    }

    /// Completes the event under way; the bytes after it, or nothing when it is still incomplete.
    fn complete_held<'c>(
        &mut self,
        chunk: &'c [u8],
        each: &mut impl FnMut(Event<'_>),
    ) -> Result<Option<&'c [u8]>, StreamFlaw> {
        let mut rest = chunk;
        while let Some(end) = line_end(rest, 0) {
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            self.hold(line)?;
            let text = line_text(self.held.get(self.line..).unwrap_or_default());
            if self.ends_event(text, self.line == 0) {
                each(Event::new(&self.held, self.is_fresh));
                self.is_fresh = false;
                self.held.clear();
                self.held.shrink_to(KEPT_CAPACITY);
                self.line = 0;
                return Ok(Some(after));
            }
            self.line = self.held.len();
            rest = after;
        }
        self.hold(rest)?;
        Ok(None)
    }

    /// Whether the event ends with this line: a blank one, or a comment before anything else.
    fn ends_event(&self, text: &[u8], is_first_line: bool) -> bool {
        let text = if is_first_line && self.is_fresh { without_bom(text) } else { text };
        text.is_empty() || (is_first_line && text.starts_with(b":"))
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), StreamFlaw> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.check_size(bytes)?;
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// Refuses what would make the event under way too large. The LF of a CRLF does not count, so that the answer
    /// is the same wherever the bytes are cut.
    fn check_size(&self, bytes: &[u8]) -> Result<(), StreamFlaw> {
        let uncounted = usize::from(bytes.ends_with(b"\r\n"));
        let size = self.held.len().saturating_add(bytes.len()).saturating_sub(uncounted);
        if size > self.limit { Err(StreamFlaw::EventTooLarge) } else { Ok(()) }
    }
}

/// One complete event: its lines with the blank line that ends them; or a comment line on its own.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    raw: &'a [u8],
    has_bom: bool,
    /// What one look at all lines found: a list is long, and who passes it on asks for several of these.
    name: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    data: Data,
    is_ambiguous: bool,
}

/// The `data` lines of an event.
#[derive(Debug, Clone, Copy)]
enum Data {
    None,
    /// One, whose text begins and ends there.
    Line(usize, usize),
    Lines,
}

impl<'a> Event<'a> {
    fn new(raw: &'a [u8], is_first: bool) -> Self {
        Self::read(raw, is_first && raw.starts_with(BOM))
    }

    fn read(raw: &'a [u8], has_bom: bool) -> Self {
        let mut event = Self { raw, has_bom, name: None, id: None, data: Data::None, is_ambiguous: false };
        let (bom, lines) = event.split_bom();
        let mut start = bom.len();
        for line in Lines(lines) {
            let text = line_text(line);
            let (name, value) = field(text);
            match name {
                b"data" => {
                    event.data = match event.data {
                        Data::None => Data::Line(start, start.saturating_add(text.len())),
                        Data::Line(..) | Data::Lines => Data::Lines,
                    }
                }
                b"event" => event.name = Some(value),
                b"id" if memchr(0, value).is_none() => event.id = Some(value),
                _ => event.is_ambiguous |= is_ambiguous(name),
            }
            start = start.saturating_add(line.len());
        }
        event
    }

    /// Every byte of the event, as received.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The same event without the byte-order mark of the stream, for where something stands before it.
    #[must_use]
    pub fn without_bom(&self) -> Self {
        if self.has_bom { Self::read(self.split_bom().1, false) } else { *self }
    }

    /// The values of the `data` fields joined by LF; nothing when the event has no such field (a comment, a blank
    /// line, a lone `id` or `retry`), and then no client dispatches it.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'a, [u8]>> {
        match self.data {
            Data::None => None,
            Data::Line(start, end) => Some(Cow::Borrowed(field(self.raw.get(start..end)?).1)),
            Data::Lines => {
                let mut joined = Vec::with_capacity(self.raw.len());
                let fields = Lines(self.split_bom().1).map(|line| field(line_text(line)));
                for (at, (_, value)) in fields.filter(|field| field.0 == b"data").enumerate() {
                    if at > 0 {
                        joined.push(b'\n');
                    }
                    joined.extend_from_slice(value);
                }
                Some(Cow::Owned(joined))
            }
        }
    }

    /// The value of the `event` field; the last one wins.
    #[must_use]
    pub const fn name(&self) -> Option<&'a [u8]> {
        self.name
    }

    /// The value of the `id` field; the last one wins, and one with a NUL is none.
    #[must_use]
    pub const fn id(&self) -> Option<&'a [u8]> {
        self.id
    }

    /// Whether a line is of a field that a careless reader may take for one of the standard's (`Data`, `data `), or
    /// is no field by its look, such as a line of JSON. Clients that follow the standard ignore such lines.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        self.is_ambiguous
    }

    /// Writes the same event with other data: all other lines stay byte for byte, the first `data` line becomes the new
    /// one with its old line end, further ones go. Data of several lines becomes several `data` lines.
    pub fn write_with_data(&self, data: &[u8], out: &mut Vec<u8>) {
        if let Data::Line(start, end) = self.data
            && memchr2(b'\r', b'\n', data).is_none()
            && let (Some(before), Some(behind)) = (self.raw.get(..start), self.raw.get(end..))
        {
            out.reserve(self.raw.len().saturating_add(data.len()));
            for part in [before, b"data: ", data, behind] {
                out.extend_from_slice(part);
            }
            return;
        }
        let (bom, lines) = self.split_bom();
        out.extend_from_slice(bom);
        let mut is_written = false;
        for line in Lines(lines) {
            let text = line_text(line);
            let is_data = field(text).0 == b"data";
            if !is_written && (is_data || text.is_empty()) {
                write_data(out, data, line.get(text.len()..).unwrap_or_default());
                is_written = true;
            }
            if !is_data {
                // INVARIANT: a blank line stays one. Its LF must not become the second half of a CRLF.
                if line == b"\n" && out.ends_with(b"\r") {
                    out.push(b'\n');
                }
                out.extend_from_slice(line);
            }
        }
    }

    /// The bytes of the same event with other identifiers: each `id` line becomes one with what `rename` makes of its
    /// value, and stays as it is where that is nothing, or where a NUL makes it no identifier. None if nothing changes.
    pub fn with_ids(&self, rename: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        self.id?;
        let (bom, lines) = self.split_bom();
        let mut out = Vec::with_capacity(self.raw.len().saturating_add(64));
        out.extend_from_slice(bom);
        let mut is_changed = false;
        for line in Lines(lines) {
            let text = line_text(line);
            let (name, value) = field(text);
            let renamed = if name == b"id" && memchr(0, value).is_none() { rename(value) } else { None };
            let Some(id) = renamed else {
                out.extend_from_slice(line);
                continue;
            };
            is_changed = true;
            out.extend_from_slice(b"id: ");
            out.extend_from_slice(&id);
            out.extend_from_slice(line.get(text.len()..).unwrap_or_default());
        }
        is_changed.then_some(out)
    }

    /// The same event, of which these are the bytes now.
    #[must_use]
    pub fn over<'b>(&self, raw: &'b [u8]) -> Event<'b> {
        Event::read(raw, self.has_bom)
    }

    fn split_bom(&self) -> (&'a [u8], &'a [u8]) {
        let length = if self.has_bom { BOM.len() } else { 0 };
        self.raw.split_at_checked(length).unwrap_or((&[], self.raw))
    }
}

/// Where the line that begins at `from` ends, its line end included. A CR that is the last byte ends it.
fn line_end(bytes: &[u8], from: usize) -> Option<usize> {
    let at = memchr2(b'\r', b'\n', bytes.get(from..)?)?.saturating_add(from);
    let is_pair = bytes.get(at..)?.starts_with(b"\r\n");
    Some(at.saturating_add(if is_pair { 2 } else { 1 }))
}

/// A line without its line end.
fn line_text(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(BOM).unwrap_or(text)
}

/// A line's field name and value: split at the first colon, one space after it dropped.
fn field(text: &[u8]) -> (&[u8], &[u8]) {
    let Some((name, rest)) = memchr(b':', text).and_then(|at| text.split_at_checked(at)) else {
        return (text, &[]);
    };
    let value = rest.strip_prefix(b":").unwrap_or(rest);
    (name, value.strip_prefix(b" ").unwrap_or(value))
}

/// Whether a name that is none of the standard's could be taken for one, or is no name by its look.
fn is_ambiguous(name: &[u8]) -> bool {
    let is_plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    !is_plain || FIELDS.iter().any(|known| *known != name && known.eq_ignore_ascii_case(name))
}

fn write_data(out: &mut Vec<u8>, data: &[u8], line_end: &[u8]) {
    let mut lines = Lines(data).map(line_text).collect::<Vec<_>>();
    if data.is_empty() || data.ends_with(b"\n") || data.ends_with(b"\r") {
        lines.push(&[]);
    }
    for line in lines {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.extend_from_slice(line_end);
    }
}

/// The lines of complete text, each with its line end.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let end = line_end(self.0, 0).unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(line)
    }
}

#[cfg(test)]
mod tests;
