//! What is revoked at this moment, and the news that it has changed.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::watch;

use crate::caller::Caller;
use crate::live::{Held, Reload};
use crate::token::{self, Bearer, Revocations};

/// The list in force. The default revokes nothing.
#[derive(Debug)]
pub struct Revoked {
    list: ArcSwap<Revocations>,
    /// Counts up with every list that came into force; whoever holds a stream open listens to it.
    generation: watch::Sender<u64>,
    /// Why the newest file is not in force, if it is not.
    trouble: Mutex<Option<String>>,
    /// What the list in force was read from.
    text: Mutex<Option<String>>,
}

impl Default for Revoked {
    fn default() -> Self {
        Self {
            list: ArcSwap::default(),
            generation: watch::Sender::new(0),
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

    /// Tells of every change from now on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Watches over a caller and its token, as it stands in this `Authorization` header. They were held against the
    /// list of this generation.
    #[must_use]
    pub fn watch<'a>(&'a self, caller: &'a Caller, authorization: Option<Bytes>, generation: u64) -> Watch<'a> {
        let mut changes = self.changes();
        // A change that came before it could be heard of counts too.
        if *changes.borrow_and_update() != generation {
            changes.mark_changed();
        }
        Watch { revoked: self, caller, authorization, changes }
    }

    /// The list in force; 0 is none.
    #[must_use]
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
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
    changes: watch::Receiver<u64>,
}

impl Watch<'_> {
    /// Waits until the caller or its token is revoked: at once if it is, for ever if it never is.
    pub async fn until_revoked(&mut self) {
        while self.changes.changed().await.is_ok() {
            if self.is_revoked() {
                // Whoever asks again gets the same answer.
                self.changes.mark_changed();
                return;
            }
        }
        std::future::pending().await
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
        self.generation.send_modify(|generation| *generation = generation.saturating_add(1));
        Reload::Done(self.generation())
    }

    fn keep(&self, trouble: String) -> Reload {
        self.note(Some(trouble.clone()));
        Reload::Kept(trouble)
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn every_change_is_heard_of() {
        let revoked = Revoked::default();
        let mut changes = revoked.changes();
        assert!(!changes.has_changed().unwrap());
        revoked.replace("r", "sub: [mallory]");
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        revoked.replace("r", "sub: mallory");
        assert!(!changes.has_changed().unwrap(), "nothing new is in force");
    }
}
