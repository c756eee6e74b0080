//! The writer of audit lines: a thread of its own, so that a slow disk or pipe never slows a request.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use prometheus::IntCounter;

use crate::settings::AuditTarget;

/// How many lines may wait to be written; more are dropped and counted.
const WAITING: usize = 8192;

/// How many bytes are written together while more lines wait.
const TOGETHER: usize = 64 * 1024;

/// Where audit lines are handed in. Clones write to the same place.
#[derive(Debug, Clone)]
pub struct Audit {
    /// Nothing where nothing is to be written.
    queue: Option<SyncSender<Entry>>,
    dropped: IntCounter,
}

enum Entry {
    Line(Vec<u8>),
    /// Answered when every line before it is written.
    Flush(SyncSender<()>),
}

impl Audit {
    /// Starts writing to `target`; every line that is lost is counted in `dropped`.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or no thread can be started.
    pub fn start(target: &AuditTarget, dropped: IntCounter) -> io::Result<Self> {
        let output: Box<dyn Write + Send> = match target {
            AuditTarget::None => return Ok(Self { queue: None, dropped }),
            AuditTarget::Stdout => Box::new(io::stdout()),
            AuditTarget::Stderr => Box::new(io::stderr()),
            // Who did what is not for everybody to read.
            AuditTarget::File(path) => {
                Box::new(OpenOptions::new().create(true).append(true).mode(0o640).open(path)?)
            }
        };
        Self::to(output, WAITING, dropped)
    }

    fn to(output: Box<dyn Write + Send>, waiting: usize, dropped: IntCounter) -> io::Result<Self> {
        let (queue, lines) = sync_channel(waiting);
        let writer = Writer { output, pending: Vec::new(), lines: 0, is_torn: false, dropped: dropped.clone() };
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&lines))?;
        Ok(Self { queue: Some(queue), dropped })
    }

    /// Hands in a line, with its line end. Never waits.
    pub fn write(&self, line: Vec<u8>) {
        let Some(queue) = &self.queue else { return };
        if queue.try_send(Entry::Line(line)).is_err() {
            self.dropped.inc();
        }
    }

    /// Waits until every line handed in so far is written, at most this long; says whether they are.
    pub fn flush(&self, timeout: Duration) -> bool {
        let Some(queue) = &self.queue else { return true };
        let (done, is_done) = sync_channel(1);
        let mut entry = Entry::Flush(done);
        let step = Duration::from_millis(5);
        let mut left = timeout;
        // A full queue is waited for like a slow write.
        while let Err(refused) = queue.try_send(entry) {
            let std::sync::mpsc::TrySendError::Full(back) = refused else { return false };
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(step.min(left));
            left = left.saturating_sub(step);
            entry = back;
        }
        match is_done.recv_timeout(left) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }
}

struct Writer {
    output: Box<dyn Write + Send>,
    /// What is not handed to the output yet, and how many lines that are.
    pending: Vec<u8>,
    lines: u64,
    /// The last write failed: half a line may stand there.
    is_torn: bool,
    dropped: IntCounter,
}

impl Writer {
    fn run(mut self, lines: &Receiver<Entry>) {
        loop {
            let entry = match lines.try_recv() {
                Ok(entry) => entry,
                Err(TryRecvError::Disconnected) => return self.flush(),
                Err(TryRecvError::Empty) => {
                    self.flush();
                    let Ok(entry) = lines.recv() else { return };
                    entry
                }
            };
            match entry {
                Entry::Line(line) => self.write(&line),
                Entry::Flush(done) => {
                    self.flush();
                    // Who asked may have gone.
                    let _ = done.try_send(());
                }
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        self.pending.extend_from_slice(line);
        self.lines = self.lines.saturating_add(1);
        if self.pending.len() >= TOGETHER {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.lines == 0 {
            return;
        }
        let is_whole = !self.is_torn || self.output.write_all(b"\n").is_ok();
        let is_written =
            is_whole && self.output.write_all(&self.pending).and_then(|()| self.output.flush()).is_ok();
        if !is_written {
            self.dropped.inc_by(self.lines);
        }
        self.is_torn = !is_written;
        self.pending.clear();
        self.lines = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};

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
            audit.write(format!("{number}\n").into_bytes());
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
            // Larger than the buffer, so that each line waits at the gate.
            audit.write(vec![b'x'; 128 * 1024]);
        }
        assert!(!audit.flush(Duration::from_millis(10)), "nothing moves before the gate opens");
        drop(open);
        assert!(audit.flush(LONG));
        let written = shared.0.lock().unwrap().len() / (128 * 1024);
        assert!((4..=5).contains(&written), "{written}");
        assert_eq!(usize::try_from(dropped.get()).unwrap() + written, lines);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let dropped = counter();
        let audit = Audit::to(Box::new(Broken), WAITING, dropped.clone()).unwrap();
        (0..3).for_each(|_| audit.write(b"x\n".to_vec()));
        assert!(audit.flush(LONG));
        assert_eq!(dropped.get(), 3);
    }

    #[test]
    fn a_file_is_appended_to_and_not_for_everybody() {
        use std::os::unix::fs::PermissionsExt as _;
        let path = std::env::temp_dir().join(format!("toolgate-audit-{}", std::process::id()));
        for line in ["one\n", "two\n"] {
            let audit = Audit::start(&AuditTarget::File(path.clone()), counter()).unwrap();
            audit.write(line.into());
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
        audit.write(b"x\n".to_vec());
        assert!(audit.flush(Duration::ZERO));
    }
}
