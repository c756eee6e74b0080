//! Whose tasks an answer speaks of, as far as the gateway can know.

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::judge::Permit;
use crate::message::lists::TaskSeals;
use crate::message::{Ask, Message, Shape, text_of};
use crate::policy::Kind;
use crate::session::task::{Maker, Owner, Task};

/// Tasks that are remembered. Forgetting one makes lists shorter and notifications fewer, and nothing else: its owner
/// can go on naming it.
const REMEMBERED: usize = 10_000;

/// The longest name of a maker that is remembered, in bytes.
const LONGEST: usize = 1024;

/// What made the tasks that this process sealed or unsealed lately, by owner and identifier.
///
/// Only `tasks/list` and the streams of sessions need it. Everything else knows whose a task is from the request.
pub struct Makers {
    entries: Cache<[u8; 16], Arc<Maker>>,
}

impl Default for Makers {
    fn default() -> Self {
        Self { entries: Cache::new(REMEMBERED) }
    }
}

impl Makers {
    /// Remembers what made a task of this owner.
    fn remember(&self, owner: &Owner<'_>, task: &str, maker: &Maker) {
        if maker.name.len() <= LONGEST {
            self.entries.insert(owner.digest_of_task(task), Arc::new(maker.clone()));
        }
    }

    /// Tasks that their owner names will be known again where he does not name them.
    pub fn note(&self, owner: &Owner<'_>, tasks: &[Task]) {
        for task in tasks {
            if let Some(maker) = &task.maker {
                self.remember(owner, &task.id, maker);
            }
        }
    }

    fn recall(&self, owner: &Owner<'_>, task: &str) -> Option<Arc<Maker>> {
        self.entries.get(&owner.digest_of_task(task))
    }
}

/// What a request says of tasks, for whoever reads its answer.
#[derive(Default)]
pub struct Context {
    /// The tasks that it names.
    named: Vec<Task>,
    /// Its id, as written, and what a task that answers it was made by.
    makes: Option<(String, Maker)>,
    /// Whether it asks for the state or the result of a task that is not the caller's.
    is_for_nothing: bool,
}

impl Context {
    /// What `message` says, as it was permitted.
    #[must_use]
    pub fn of(message: &Message<'_>, permit: &Permit<'_>) -> Self {
        let maker = match &message.ask {
            Ask::Tool { name, .. } => Some((Kind::Tool, name)),
            Ask::Prompt { name, .. } => Some((Kind::Prompt, name)),
            Ask::Resource { uri } => Some((Kind::Resource, uri)),
            Ask::Extension => Some((Kind::Method, &message.method)),
            Ask::Base | Ask::List(_) | Ask::Listen { .. } | Ask::Task | Ask::Specified => None,
        };
        let maker = maker.map(|(kind, name)| Maker { kind, name: name.as_ref().into() });
        let id = message.id.filter(|_| message.shape == Shape::Request).map(ToOwned::to_owned);
        let is_for_nothing =
            permit.names_unknown() && matches!(message.method.as_ref(), "tasks/get" | "tasks/result");
        Self { named: permit.tasks().to_vec(), makes: id.zip(maker), is_for_nothing }
    }
}

/// What one caller is told of tasks in the answer to one request, or on one stream.
pub struct Told<'a> {
    /// The caller.
    pub owner: Owner<'a>,
    /// What the request says.
    pub context: &'a Context,
    /// What is remembered.
    pub makers: &'a Makers,
    /// Whether the caller may still have what this made.
    pub allows: &'a dyn Fn(&Maker) -> bool,
}

impl TaskSeals for Told<'_> {
    fn made(&self, answer: &str, task: &str) -> Option<String> {
        let (_, maker) = self.context.makes.as_ref().filter(|(id, _)| is_same_id(id, answer))?;
        self.makers.remember(&self.owner, task, maker);
        self.owner.seal_task(Some(maker), task)
    }

    fn known(&self, task: &str) -> Option<String> {
        let named = self.context.named.iter().find(|named| &*named.id == task);
        let maker = named.and_then(|named| named.maker.clone());
        let maker = maker.or_else(|| self.makers.recall(&self.owner, task).map(|maker| (*maker).clone()))?;
        if (self.allows)(&maker) { self.owner.seal_task(Some(&maker), task) } else { None }
    }

    fn mention(&self, task: &str) -> Option<String> {
        self.owner.seal_task(None, task)
    }

    fn cursor(&self, cursor: &str) -> Option<String> {
        self.owner.seal_cursor(cursor)
    }

    fn expects_result(&self) -> bool {
        !self.context.is_for_nothing
    }
}

/// Whether two ids, as written, are the same: a server may write a string with other escapes.
fn is_same_id(one: &str, other: &str) -> bool {
    one == other || text_of(one).is_some_and(|one| text_of(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{Caller, UnixTime};
    use crate::session::Sealer;

    fn tool(name: &str) -> Maker {
        Maker { kind: Kind::Tool, name: name.into() }
    }

    fn caller(subject: &str) -> Caller {
        Caller::new("i", subject, UnixTime(1))
    }

    #[test]
    fn a_task_is_made_only_by_the_answer_to_the_request() {
        let (sealer, alice) = (Sealer::new(b"k"), caller("alice"));
        let makers = Makers::default();
        let context = Context { makes: Some((r#""a\u0062""#.into(), tool("read"))), ..Context::default() };
        let told = Told { owner: sealer.of(&alice), context: &context, makers: &makers, allows: &|_| true };
        for other in ["1", r#""b""#, "null", "", "ab"] {
            assert_eq!(told.made(other, "t"), None, "{other}");
            assert_eq!(told.known("t"), None);
        }
        let handle = told.made(r#""ab""#, "t");
        assert!(handle.is_some());
        assert_eq!(handle, told.known("t"), "remembered");
    }

    #[test]
    fn a_task_is_remembered_for_its_owner_alone() {
        let sealer = Sealer::new(b"k");
        let (alice, bob) = (caller("alice"), caller("bob"));
        let (makers, context) = (Makers::default(), Context::default());
        makers.remember(&sealer.of(&alice), "t", &tool("read"));
        let known = |caller, allows: &dyn Fn(&Maker) -> bool, task| {
            Told { owner: sealer.of(caller), context: &context, makers: &makers, allows }.known(task)
        };
        assert_eq!(known(&alice, &|_| true, "t"), sealer.of(&alice).seal_task(Some(&tool("read")), "t"));
        assert_eq!(known(&alice, &|maker| &*maker.name != "read", "t"), None, "not allowed any more");
        assert_eq!(known(&alice, &|_| true, "u"), None);
        assert_eq!(known(&bob, &|_| true, "t"), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let (sealer, alice) = (Sealer::new(b"k"), caller("alice"));
        let makers = Makers::default();
        for at in 0..20_000 {
            makers.remember(&sealer.of(&alice), &at.to_string(), &tool("read"));
        }
        assert!(makers.entries.len() <= REMEMBERED + REMEMBERED / 10, "{}", makers.entries.len());
        makers.remember(&sealer.of(&alice), "long", &tool(&"x".repeat(LONGEST + 1)));
        assert!(makers.recall(&sealer.of(&alice), "long").is_none());
    }
}
