//! What is revoked at this moment, and the news that it has changed.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use crate::caller::Caller;
use crate::live::{Held, Reload};
use crate::token::{self, Bearer, Revocations};

/// The list in force. The default revokes nothing.
#[derive(Debug)]
pub struct Revoked {
    list: ArcSwap<Revocations>,
    /// Counts up with every list that came into force.
    generation: AtomicU64,
    /// Tells of each; whoever holds a request open listens.
    news: Arc<Notify>,
    /// Why the newest file is not in force, if it is not.
    trouble: Mutex<Option<String>>,
    /// What the list in force was read from.
    text: Mutex<Option<String>>,
}

impl Default for Revoked {
    fn default() -> Self {
        Self {
            list: ArcSwap::default(),
            generation: AtomicU64::new(0),
            news: Arc::default(),
            trouble: Mutex::default(),
            text: Mutex::default(),
        }
    }
}

impl Revoked {
    /// Whether this caller, or this token, is revoked now.
    #[must_use]
    pub fn revokes(&self, caller: &Caller, token: &Bearer<'_>) -> bool {
        self.list.load().revokes(caller, token)
    }

    /// Watches over a caller and its token, as it stands in this `Authorization` header. They were held against the
    /// list of this generation.
    #[must_use]
    pub fn watch<'a>(
        &'a self,
        caller: &'a Caller,
        authorization: Option<Bytes>,
        generation: u64,
        ear: &'a mut Ear,
    ) -> Watch<'a> {
        Watch { revoked: self, caller, authorization, generation, ear }
    }

    /// The list in force; 0 is none.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// How many entries the list in force has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.load().len()
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.load().is_empty()
    }

    /// Why the newest file is not in force, if it is not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().ok().and_then(|trouble| trouble.clone())
    }

    fn note(&self, trouble: Option<String>) {
        if let Ok(mut held) = self.trouble.lock() {
            *held = trouble;
        }
    }
}

/// Watches over one caller for as long as its request is under way.
pub struct Watch<'a> {
    revoked: &'a Revoked,
    caller: &'a Caller,
    authorization: Option<Bytes>,
    /// The last list that they were held against.
    generation: u64,
    ear: &'a mut Ear,
}

/// What a task hears of changes with, kept from one request to the next: to stop listening and begin again costs more than
/// to go on.
#[derive(Debug, Default)]
pub struct Ear(Option<Pin<Box<OwnedNotified>>>);

impl Ear {
    /// Has the task that looks woken at the next change; whether one has come since the last look.
    fn poll(&mut self, news: &Arc<Notify>, context: &mut Context<'_>) -> bool {
        let heard = self.0.get_or_insert_with(|| Box::pin(Arc::clone(news).notified_owned()));
        let has_come = heard.as_mut().poll(context).is_ready();
        if has_come {
            self.0 = None;
        }
        has_come
    }
}

impl Watch<'_> {
    /// Waits until the caller or its token is revoked: at once if it is, for ever if it never is.
    pub async fn until_revoked(&mut self) {
        poll_fn(|context| self.poll_revoked(context)).await
    }

    fn poll_revoked(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            // Listening comes first: what changes after the look is heard of.
            let is_listening = !self.ear.poll(&self.revoked.news, context);
            let generation = self.revoked.generation();
            if generation != self.generation {
                if self.is_revoked() {
                    // Whoever asks again gets the same answer.
                    return Poll::Ready(());
                }
                self.generation = generation;
            }
            if is_listening {
                return Poll::Pending;
            }
        }
    }

    fn is_revoked(&self) -> bool {
        // A token that was there when the request was judged is still there.
        let line = self.authorization.iter().map(Bytes::as_ref);
        token::presented(line, None).is_ok_and(|(_, token)| self.revoked.revokes(self.caller, &token))
    }
}

impl Held for Revoked {
    fn is_in_force(&self, text: &str) -> bool {
        self.trouble().is_none() && self.text.lock().is_ok_and(|held| held.as_deref() == Some(text))
    }

    fn replace(&self, file: &str, text: &str) -> Reload {
        let list = match Revocations::parse(file, text) {
            Ok(list) => list,
            Err(flaws) => return self.keep(flaws.to_string()),
        };
        self.list.store(Arc::new(list));
        self.note(None);
        if let Ok(mut held) = self.text.lock() {
            *held = Some(text.to_owned());
        }
        // The list first: whoever hears of the change must find it.
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.news.notify_waiters();
        Reload::Done(self.generation())
    }

    fn keep(&self, trouble: String) -> Reload {
        self.note(Some(trouble.clone()));
        Reload::Kept(trouble)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};

    use super::*;
    use crate::caller::UnixTime;

    #[test]
    fn a_flawed_list_leaves_the_last_good_one_in_force() {
        let revoked = Revoked::default();
        let (mallory, token) = (Caller::new("i", "mallory", UnixTime(1)), Bearer::try_from("t").unwrap());
        assert!(!revoked.revokes(&mallory, &token));
        assert_eq!(revoked.replace("r", "sub: [mallory]"), Reload::Done(1));
        for flawed in ["", "subject: [mallory]", "sub: mallory", "\0", "sub: [mallory"] {
            assert!(matches!(revoked.replace("r", flawed), Reload::Kept(_)), "{flawed:?}");
            assert!(revoked.revokes(&mallory, &token));
            assert_eq!((revoked.generation(), revoked.len()), (1, 1));
            assert!(revoked.trouble().is_some());
        }
        assert_eq!(revoked.replace("r", "{}"), Reload::Done(2));
        assert_eq!(revoked.trouble(), None);
        assert!(revoked.is_empty() && !revoked.revokes(&mallory, &token));
    }

    #[derive(Default)]
    struct Woken(AtomicU64);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Woken {
        fn times(&self) -> u64 {
            self.0.swap(0, Ordering::Relaxed)
        }
    }

    fn look(watch: &mut Watch<'_>, woken: &Arc<Woken>) -> bool {
        let waker = Waker::from(Arc::clone(woken));
        watch.poll_revoked(&mut Context::from_waker(&waker)).is_ready()
    }

    #[test]
    fn every_change_is_heard_of_by_whoever_it_is_about() {
        let (revoked, woken) = (Revoked::default(), Arc::<Woken>::default());
        let (alice, mallory) = (Caller::new("i", "alice", UnixTime(9)), Caller::new("i", "mallory", UnixTime(9)));
        let header = Some(Bytes::from_static(b"Bearer t"));
        // Ears that were used for somebody else before.
        let (mut one, mut two) = (Ear::default(), Ear::default());
        assert!(!look(&mut revoked.watch(&mallory, header.clone(), 0, &mut one), &woken));
        assert!(!look(&mut revoked.watch(&alice, header.clone(), 0, &mut two), &woken));
        let mut of_alice = revoked.watch(&alice, header.clone(), 0, &mut one);
        let mut of_mallory = revoked.watch(&mallory, header.clone(), 0, &mut two);
        assert!(!look(&mut of_alice, &woken) && !look(&mut of_mallory, &woken));
        assert_eq!(woken.times(), 0);
        for (list, hear) in [("sub: [eve]", 2), ("sub: eve", 0), ("sub: [mallory]", 2)] {
            revoked.replace("r", list);
            assert_eq!(woken.times(), hear, "{list}");
            assert!(!look(&mut of_alice, &woken), "{list}");
            assert_eq!(look(&mut of_mallory, &woken), list.contains("mallory"), "{list}");
        }
        assert!(look(&mut of_mallory, &woken), "whoever asks again gets the same answer");
        let mut late = revoked.watch(&mallory, header, 1, &mut one);
        assert!(look(&mut late, &woken), "what changed before the watch began counts, too");
    }
}
