//! Streams that stand open and answer nothing: the stream of a session (GET), and `subscriptions/listen`.
//!
//! Such a stream goes on under the policy of the moment. When a new policy, or a new lockfile, changes what its caller
//! sees, it is told so; when its caller lost what it rests on, it ends.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use crate::caller::Caller;
use crate::catalogue::Catalogue;
use crate::judge::{self, Change, apps};
use crate::live::Snapshot;
use crate::message::lists::ListKind;
use crate::message::notice::{Changed, closed, list_changed};
use crate::pinned::Pinned;
use crate::policy::{Grants, Kind, View};
use crate::session::task::Maker;

/// What a standing stream was opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The id of `subscriptions/listen` as written; none on the stream of a session.
    subscription: Option<String>,
    /// Of which changed lists the client wants to hear.
    wants: Change,
    /// The resources it rests on.
    uris: Vec<String>,
    /// What made the tasks it rests on.
    makers: Vec<Maker>,
    /// Whether the server has said something. Its acknowledgment must be the first message of a subscription.
    has_begun: bool,
    /// Whether the gateway has said something.
    has_spoken: bool,
    /// What is still to be told.
    untold: Change,
}

impl Standing {
    /// The stream of a session. A client that opens it hears of everything, whatever the server declared at
    /// `initialize`: those that want to know of no change drop the notification, and all others need it.
    #[must_use]
    pub fn of_session() -> Self {
        Self { wants: Change::ALL, ..Self::for_subscription(None, &[], Vec::new(), Vec::new()) }
    }

    /// A subscription by the request with this `id`, to changes of `lists`, of the resources `uris`, and of tasks that
    /// the `makers` made.
    #[must_use]
    pub fn subscription(id: &str, lists: &[Changed], uris: Vec<String>, makers: Vec<Maker>) -> Self {
        Self::for_subscription(Some(id.to_owned()), lists, uris, makers)
    }

    fn for_subscription(
        subscription: Option<String>,
        lists: &[Changed],
        uris: Vec<String>,
        makers: Vec<Maker>,
    ) -> Self {
        let wants = Change {
            tools: lists.contains(&Changed::Tools),
            prompts: lists.contains(&Changed::Prompts),
            resources: lists.contains(&Changed::Resources),
        };
        Self { subscription, wants, uris, makers, has_begun: false, has_spoken: false, untold: Change::default() }
    }

    /// Notes that a message of the server passes.
    pub const fn begin(&mut self) {
        self.has_begun = true;
    }

    /// Whether the gateway has said something, so that no byte-order mark may come any more.
    #[must_use]
    pub const fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// Whether the caller lost what the stream rests on: one of its resources, or what made one of its tasks. The
    /// request was permitted as a whole, and the specification has no way to take a part of a subscription back; whoever
    /// asks again learns what is missing. `is_held` says which tools are in quarantine.
    #[must_use]
    pub fn is_lost(&self, view: View<'_>, catalogue: &Catalogue, is_held: &dyn Fn(&str) -> bool) -> bool {
        let sees = |tool: &str| view.permits(Kind::Tool, tool) && !is_held(tool);
        let has = |uri: &str| view.permits(Kind::Resource, uri) && apps::shows(catalogue, uri, false, sees);
        let has_made = |maker: &Maker| view.permits(maker.kind, &maker.name);
        !(self.uris.iter().all(|uri| has(uri)) && self.makers.iter().all(has_made))
    }

    /// Notes what the caller sees otherwise than before.
    pub const fn note(&mut self, change: Change) {
        self.untold = self.untold.or(change.and(self.wants));
    }

    /// Writes what is to be told, as soon as it may be. To be called between two events of the server.
    pub fn tell(&mut self, out: &mut Vec<u8>) {
        if self.subscription.is_some() && !self.has_begun {
            return;
        }
        let Change { tools, prompts, resources } = std::mem::take(&mut self.untold);
        let lists = [(tools, Changed::Tools), (prompts, Changed::Prompts), (resources, Changed::Resources)];
        for (_, list) in lists.into_iter().filter(|(is_changed, _)| *is_changed) {
            self.has_spoken = true;
            out.extend_from_slice(list_changed(list, self.subscription.as_deref()).as_bytes());
        }
    }

    /// The last words of a subscription that ends by the gateway's will, if it was acknowledged.
    #[must_use]
    pub fn last_words(&self) -> Option<String> {
        self.subscription.as_deref().filter(|_| self.has_begun).map(closed)
    }
}

/// A caller's view of a policy, held for as long as a stream stands.
#[derive(Debug, Clone)]
pub struct Seen {
    snapshot: Arc<Snapshot>,
    grants: Arc<Grants>,
}

impl Seen {
    /// What `caller` is granted under `snapshot`.
    #[must_use]
    pub fn of(snapshot: Arc<Snapshot>, caller: &Caller) -> Self {
        let grants = snapshot.grants(&caller.scopes);
        Self { snapshot, grants }
    }

    /// The view.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { policy: &self.snapshot.policy, grants: &self.grants }
    }

    /// The number of its policy.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.snapshot.generation
    }
}

/// What new policies change, worked out once for all callers that are granted the same.
#[derive(Debug)]
pub struct Changes {
    /// Whether the server lists the same to every caller. If not, what others were shown tells nothing.
    is_same_for_all: bool,
    known: Mutex<Vec<(Seen, Seen, Change)>>,
}

/// How many are remembered. There are as many as there are sets of scopes among the callers with open streams.
const MOST_KNOWN: usize = 64;

impl Changes {
    /// Changes before a server that lists the same to every caller, or not.
    #[must_use]
    pub const fn new(is_same_for_all: bool) -> Self {
        Self { is_same_for_all, known: Mutex::new(Vec::new()) }
    }

    /// What changes for a caller whose view this is when lockfiles after `generation` move tools, by what the server is
    /// known to list.
    pub fn by_lock(&self, pinned: &Pinned, generation: u64, view: View<'_>, catalogue: &Catalogue) -> Change {
        let listed: Option<HashSet<&str>> =
            catalogue.ever_listed(ListKind::Tools).filter(|_| self.is_same_for_all).map(Iterator::collect);
        let with_interface: HashSet<&str> = catalogue.tools_with_interface().collect();
        let mut change = Change::default();
        pinned.has_moved(generation, |name| {
            let is_seen =
                listed.as_ref().is_none_or(|listed| listed.contains(name)) && view.permits(Kind::Tool, name);
            change.tools |= is_seen;
            // A tool takes its interface with it.
            change.resources |= is_seen && with_interface.contains(name);
            change.resources
        });
        change
    }

    /// What changes for a caller from `before` to `after`, by what the server is known to list.
    pub fn between(&self, before: &Seen, after: &Seen, catalogue: &Catalogue) -> Change {
        // Grants of different policies are never equal.
        let is = |one: &Seen, other: &Seen| one.grants == other.grants;
        let known = self.known.lock().ok().and_then(|known| {
            known.iter().find(|(from, to, _)| is(from, before) && is(to, after)).map(|(.., change)| *change)
        });
        known.unwrap_or_else(|| {
            let change = judge::change(before.view(), after.view(), catalogue, self.is_same_for_all);
            if let Ok(mut known) = self.known.lock() {
                // Older policies are not asked about any more once every stream has heard.
                known.retain(|(_, to, _)| to.generation() == after.generation());
                if known.len() < MOST_KNOWN {
                    known.push((before.clone(), after.clone(), change));
                }
            }
            change
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{Scopes, UnixTime};
    use crate::live::Live;

    fn told(standing: &mut Standing) -> String {
        let mut out = Vec::new();
        standing.tell(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_subscription_hears_of_what_it_asked_for_once_it_is_acknowledged() {
        let mut standing = Standing::subscription("7", &[Changed::Prompts], Vec::new(), Vec::new());
        standing.note(Change::ALL);
        assert_eq!(told(&mut standing), "");
        assert_eq!(standing.last_words(), None);
        standing.begin();
        assert_eq!(told(&mut standing), list_changed(Changed::Prompts, Some("7")));
        assert_eq!(told(&mut standing), "", "once");
        standing.note(Change { tools: true, ..Change::default() });
        assert_eq!(told(&mut standing), "");
        assert_eq!(standing.last_words(), Some(closed("7")));
    }

    #[test]
    fn the_stream_of_a_session_hears_of_everything_at_once() {
        let mut standing = Standing::of_session();
        standing.note(Change { tools: true, ..Change::default() });
        standing.note(Change { resources: true, ..Change::default() });
        let both = [Changed::Tools, Changed::Resources].map(|list| list_changed(list, None)).concat();
        assert_eq!(told(&mut standing), both);
        assert_eq!(standing.last_words(), None);
    }

    #[test]
    fn a_change_is_worked_out_anew_for_other_grants_and_other_policies() {
        let live = Live::default();
        let changes = Changes::new(true);
        let catalogue = Catalogue::default();
        let caller = |scope: &str| Caller {
            scopes: Scopes::from_names([scope]),
            ..Caller::new("issuer", "alice", UnixTime(1))
        };
        let (reader, writer) = (caller("r"), caller("w"));
        let mut views = Vec::new();
        for text in ["{a: {scopes: [r]}}", "{a: {scopes: [r, w]}}", "{a: {scopes: [w]}}"] {
            live.replace("p", &format!("version: 1\ntools: {text}\n"));
            views.push([&reader, &writer].map(|caller| Seen::of(live.snapshot(), caller)));
        }
        let tools = Change { tools: true, ..Change::default() };
        for _ in 0..2 {
            for (from, to, who, expected) in [
                (0, 1, 0, tools),
                (0, 1, 1, Change::default()),
                (1, 2, 0, Change::default()),
                (1, 2, 1, tools),
                (0, 2, 0, tools),
                (0, 2, 1, tools),
            ] {
                let change = changes.between(&views[from][who], &views[to][who], &catalogue);
                assert_eq!(change, expected, "{from} {to} {who}");
            }
        }
    }
}
