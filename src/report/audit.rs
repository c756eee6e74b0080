//! The writer of audit lines: a thread of its own, so that a slow disk or pipe never slows a request.
//!
//! Lines are gathered for a moment and written together: waking the writer for each of them would cost a request more
//! than judging it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::IntCounter;

use crate::settings::AuditTarget;

/// How many lines may wait to be written; more are dropped and counted.
const WAITING: u64 = 8192;

/// How many bytes may wait, whatever their number.
const WAITING_BYTES: usize = 16 * 1024 * 1024;

/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(20);

/// With so many bytes there is no more gathering.
const ENOUGH: usize = 256 * 1024;

/// Where audit lines are handed in. Clones write to the same place.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Nothing where nothing is to be written.
    sender: Option<Arc<Sender>>,
    dropped: IntCounter,
}

/// The end of the queue that lines are handed in at. When the last is gone the writer ends.
#[derive(Debug)]
struct Sender {
    queue: Arc<Queue>,
    most_lines: u64,
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.news.notify_all();
    }
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// Told to the writer.
    news: Condvar,
    /// Told by the writer.
    progress: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// How many lines these bytes are.
    lines: u64,
    /// How many lines were ever handed in, and how many of them are out of the writer's hands.
    handed_in: u64,
    done: u64,
    /// The writer sleeps until there is a line.
    is_idle: bool,
    /// There is enough, or somebody waits: no more gathering.
    is_urgent: bool,
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Bytes and counts are changed together or, at a panic, not at all: the release build aborts.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audit {
    /// Starts writing to `target`; every line that is lost is counted in `dropped`.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or no thread can be started.
    pub fn start(target: &AuditTarget, dropped: IntCounter) -> io::Result<Self> {
        let output: Box<dyn Write + Send> = match target {
            AuditTarget::None => return Ok(Self { sender: None, dropped }),
            AuditTarget::Stdout => Box::new(io::stdout()),
            AuditTarget::Stderr => Box::new(io::stderr()),
            // Who did what is not for everybody to read.
            AuditTarget::File(path) => {
                Box::new(OpenOptions::new().create(true).append(true).mode(0o640).open(path)?)
            }
        };
        Self::to(output, WAITING, dropped)
    }

    fn to(output: Box<dyn Write + Send>, most_lines: u64, dropped: IntCounter) -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let writer = Writer { output, is_torn: false, dropped: dropped.clone() };
        let of_writer = Arc::clone(&queue);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&of_writer))?;
        Ok(Self { sender: Some(Arc::new(Sender { queue, most_lines })), dropped })
    }

    /// Hands in a line, with its line end. Never waits.
    pub fn write(&self, line: &[u8]) {
        let Some(sender) = &self.sender else { return };
        let mut state = sender.queue.lock();
        if state.lines >= sender.most_lines || state.bytes.len().saturating_add(line.len()) > WAITING_BYTES {
            drop(state);
            self.dropped.inc();
            return;
        }
        state.bytes.extend_from_slice(line);
        state.lines = state.lines.saturating_add(1);
        state.handed_in = state.handed_in.saturating_add(1);
        let is_enough = state.bytes.len() >= ENOUGH || state.lines >= sender.most_lines.div_ceil(2);
        let is_news = state.is_idle || is_enough && !state.is_urgent;
        state.is_urgent |= is_enough;
        drop(state);
        if is_news {
            sender.queue.news.notify_one();
        }
    }

    /// Waits until every line handed in so far is written, at most this long; says whether they are.
    pub fn flush(&self, timeout: Duration) -> bool {
        let Some(sender) = &self.sender else { return true };
        let mut state = sender.queue.lock();
        let wanted = state.handed_in;
        state.is_urgent = true;
        sender.queue.news.notify_one();
        let waited = sender.queue.progress.wait_timeout_while(state, timeout, |state| state.done < wanted);
        waited.unwrap_or_else(PoisonError::into_inner).0.done >= wanted
    }
}

struct Writer {
    output: Box<dyn Write + Send>,
    /// The last write failed: half a line may stand there.
    is_torn: bool,
    dropped: IntCounter,
}

impl Writer {
    fn run(mut self, queue: &Queue) {
        let mut bytes = Vec::new();
        while let Some(lines) = Self::take(queue, &mut bytes) {
            self.write(&bytes, lines);
            bytes.clear();
            // What a burst needed is not kept.
            bytes.shrink_to(ENOUGH);
            let mut state = queue.lock();
            state.done = state.done.saturating_add(lines);
            drop(state);
            queue.progress.notify_all();
        }
    }

    /// Waits for lines and swaps them for the empty `bytes`: how many there are, and none when there will be no more.
    fn take(queue: &Queue, bytes: &mut Vec<u8>) -> Option<u64> {
        let mut state = queue.lock();
        while state.lines == 0 {
            if state.is_closed {
                return None;
            }
            state.is_idle = true;
            state = queue.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_idle = false;
        let gathered = queue.news.wait_timeout_while(state, GATHER, |state| !state.is_urgent && !state.is_closed);
        let mut state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        state.is_urgent = false;
        std::mem::swap(&mut state.bytes, bytes);
        Some(std::mem::take(&mut state.lines))
    }

    fn write(&mut self, bytes: &[u8], lines: u64) {
        let is_whole = !self.is_torn || self.output.write_all(b"\n").is_ok();
        let is_written = is_whole && self.output.write_all(bytes).and_then(|()| self.output.flush()).is_ok();
        if !is_written {
            self.dropped.inc_by(lines);
        }
        self.is_torn = !is_written;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn counter() -> IntCounter {
        IntCounter::new("dropped", "dropped").unwrap()
    }

    /// Memory that several can look at.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Waits for a word before each write.
    struct Gated(Receiver<()>, Shared);

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn lines_are_written_in_order() {
        let (shared, dropped) = (Shared::default(), counter());
        let audit = Audit::to(Box::new(shared.clone()), WAITING, dropped.clone()).unwrap();
        for number in 0..1000 {
            audit.write(format!("{number}\n").as_bytes());
        }
        assert!(audit.flush(LONG));
        let expected: String = (0..1000).map(|number| format!("{number}\n")).collect();
        assert_eq!(String::from_utf8(shared.0.lock().unwrap().clone()).unwrap(), expected);
        assert_eq!(dropped.get(), 0);
    }

    #[test]
    fn what_does_not_fit_the_queue_is_dropped_and_counted() {
        let (open, gate) = channel();
        let (shared, dropped) = (Shared::default(), counter());
        let audit = Audit::to(Box::new(Gated(gate, shared.clone())), 4, dropped.clone()).unwrap();
        let lines = 100;
        for _ in 0..lines {
            audit.write(&vec![b'x'; 128 * 1024]);
        }
        assert!(!audit.flush(Duration::from_millis(10)), "nothing moves before the gate opens");
        drop(open);
        assert!(audit.flush(LONG));
        let written = shared.0.lock().unwrap().len() / (128 * 1024);
        assert!((4..=8).contains(&written), "those that wait, and those at the gate: {written}");
        assert_eq!(usize::try_from(dropped.get()).unwrap() + written, lines);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let dropped = counter();
        let audit = Audit::to(Box::new(Broken), WAITING, dropped.clone()).unwrap();
        (0..3).for_each(|_| audit.write(b"x\n"));
        assert!(audit.flush(LONG));
        assert_eq!(dropped.get(), 3);
    }

    #[test]
    fn a_file_is_appended_to_and_not_for_everybody() {
        use std::os::unix::fs::PermissionsExt as _;
        let path = std::env::temp_dir().join(format!("toolgate-audit-{}", std::process::id()));
        for line in ["one\n", "two\n"] {
            let audit = Audit::start(&AuditTarget::File(path.clone()), counter()).unwrap();
            audit.write(line.as_bytes());
            assert!(audit.flush(LONG));
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o007, 0);
        std::fs::remove_file(&path).unwrap();
        assert!(Audit::start(&AuditTarget::File("/nowhere/at/all".into()), counter()).is_err());
    }

    #[test]
    fn nowhere_is_fine() {
        let audit = Audit::start(&AuditTarget::None, counter()).unwrap();
        audit.write(b"x\n");
        assert!(audit.flush(Duration::ZERO));
    }
}
