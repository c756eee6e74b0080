//! From a signal to the end: SIGTERM drains, SIGINT ends at once, SIGHUP takes the policy file as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::report::audit::Audit;

/// What signals change.
pub struct Signals {
    delay: Duration,
    is_draining: AtomicBool,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
    under_way: Arc<AtomicUsize>,
    audit: Audit,
}

/// How often it is looked whether everything under way has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long the last audit lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

impl Signals {
    /// Nothing was signalled yet.
    #[must_use]
    pub fn new(delay: Duration, under_way: Arc<AtomicUsize>, audit: Audit) -> Self {
        Self {
            delay,
            is_draining: AtomicBool::new(false),
            stop: Arc::default(),
            asked: Arc::default(),
            under_way,
            audit,
        }
    }

    /// Whether the gateway is going down: no new traffic should be sent to it.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// What background threads look at to know that they should end.
    #[must_use]
    pub fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Set when the operator asks for the policy file as it is, whatever it takes from whom.
    #[must_use]
    pub fn asked(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    /// Writes what is left to be written.
    pub fn finish(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // What is not written by now is lost with the process.
        let _ = self.audit.flush(LAST_LINES);
    }

    /// Ends the process as soon as nothing is under way. Pingora would sleep the whole grace period.
    fn leave_when_idle(self: &Arc<Self>) {
        let signals = Arc::clone(self);
        std::thread::spawn(move || {
            // The listeners close first: whoever was accepted until then is counted by then.
            std::thread::sleep(LOOK);
            while signals.under_way.load(Ordering::Relaxed) > 0 {
                std::thread::sleep(LOOK);
            }
            signals.finish();
            std::process::exit(0);
        });
    }
}

/// Takes SIGHUP away from its default, which is to end the process, before anybody can know that there is one. What
/// tokio has registered once it never gives back.
pub fn hold_hang_up() {
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
        // Without it, only a signal within the first moments would end the process.
        let _ = runtime.block_on(async { signal(SignalKind::hangup()).map(drop) });
    }
}

/// Pingora's view of the signals.
pub struct Watch(pub Arc<Signals>);

#[async_trait]
impl ShutdownSignalWatch for Watch {
    async fn recv(&self) -> ShutdownSignal {
        let of = |kind: SignalKind| signal(kind).ok();
        let (mut terminate, mut interrupt, mut hang_up) =
            (of(SignalKind::terminate()), of(SignalKind::interrupt()), of(SignalKind::hangup()));
        loop {
            tokio::select! {
                () = next(&mut terminate) => break,
                () = next(&mut interrupt) => {
                    self.0.finish();
                    return ShutdownSignal::FastShutdown;
                }
                // The file is looked at five times a second anyway; this is for one that was refused.
                () = next(&mut hang_up) => self.0.asked.store(true, Ordering::Relaxed),
            }
        }
        self.0.is_draining.store(true, Ordering::Relaxed);
        tokio::time::sleep(self.0.delay).await;
        self.0.leave_when_idle();
        ShutdownSignal::GracefulTerminate
    }
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
