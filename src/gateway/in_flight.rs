//! Which requests of a session are under way, by their ids.
//!
//! Two requests under way with one id are told apart by no server: what one asked for may come as the other's
//! answer (MCP, basic, "Requests": ids are never used twice within a session). Only a session makes two requests
//! neighbours; without one, ids of different requests have nothing to do with each other.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;

use crate::message::id::SameId;
use crate::refusal::Refusal;

/// One request: a digest of its session and its id, so that each takes the same room.
type Key = [u8; 32];

/// The requests under way of all sessions. It holds no more than there are requests under way.
#[derive(Debug, Default)]
pub struct InFlight {
    held: Mutex<HashSet<Key>>,
}

/// Requests that are under way until this is dropped.
#[derive(Debug)]
pub struct Held {
    table: Arc<InFlight>,
    keys: Vec<Key>,
}

impl InFlight {
    /// Notes requests with these ids as under way in the session `sealed`: the caller's own name for it, which no
    /// two callers share.
    ///
    /// # Errors
    /// [`Refusal::IdInUse`] if one of the ids is under way, or stands here twice. Then none is noted.
    pub fn enter<'i>(
        self: &Arc<Self>,
        sealed: &str,
        ids: impl Iterator<Item = SameId<'i>>,
    ) -> Result<Held, Refusal> {
        let mut held = Held { table: Arc::clone(self), keys: Vec::new() };
        let mut table = self.table();
        for id in ids {
            let key = key(sealed, &id);
            if !table.insert(key) {
                // What was noted so far is forgotten with `held`.
                drop(table);
                return Err(Refusal::IdInUse);
            }
            held.keys.push(key);
        }
        drop(table);
        Ok(held)
    }

    fn table(&self) -> MutexGuard<'_, HashSet<Key>> {
        // A set of digests has no state in between.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.table.table();
        for key in &self.keys {
            table.remove(key);
        }
    }
}

fn key(sealed: &str, id: &SameId<'_>) -> Key {
    let mut context = digest::Context::new(&digest::SHA256);
    // The length first, so that no two pairs write the same bytes.
    context.update(&u64::try_from(sealed.len()).unwrap_or(u64::MAX).to_be_bytes());
    context.update(sealed.as_bytes());
    match id {
        SameId::Number(bits) => {
            context.update(b"n");
            context.update(&bits.to_be_bytes());
        }
        SameId::Text(text) => {
            context.update(b"t");
            context.update(text.as_bytes());
        }
    }
    let mut key = Key::default();
    for (to, from) in key.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(table: &Arc<InFlight>, session: &str, ids: &[&str]) -> Result<Held, Refusal> {
        table.enter(session, ids.iter().filter_map(|id| SameId::of(id)))
    }

    #[test]
    fn an_id_is_free_again_when_its_request_is_over() {
        let table = Arc::new(InFlight::default());
        let one = enter(&table, "s", &["1"]).unwrap();
        assert_eq!(enter(&table, "s", &["\"1\""]).map(drop), Err(Refusal::IdInUse));
        assert!(enter(&table, "s", &["2"]).is_ok());
        assert!(enter(&table, "other", &["1"]).is_ok());
        drop(one);
        assert!(enter(&table, "s", &["1"]).is_ok());
        assert!(table.table().is_empty());
    }

    #[test]
    fn of_a_batch_all_are_noted_or_none() {
        let table = Arc::new(InFlight::default());
        let one = enter(&table, "s", &["3"]).unwrap();
        assert_eq!(enter(&table, "s", &["1", "2", "3", "4"]).map(drop), Err(Refusal::IdInUse));
        assert_eq!(enter(&table, "s", &["1", "1"]).map(drop), Err(Refusal::IdInUse));
        drop(one);
        let all = enter(&table, "s", &["1", "2", "3", "4"]).unwrap();
        assert_eq!(table.table().len(), 4);
        drop(all);
        assert!(table.table().is_empty());
    }

    #[test]
    fn a_session_and_an_id_cannot_be_written_as_others() {
        assert_ne!(key("ab", &SameId::Text("c".into())), key("a", &SameId::Text("bc".into())));
        let number = SameId::Number(0x7474_7474_7474_7474);
        assert_ne!(key("s", &number), key("s", &SameId::Text("tttttttt".into())));
    }
}
