//! Who is told when something changes.
#![expect(deprecated, reason = "logging is deprecated by MCP 2026-07-28, and still spoken by its clients")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use rmcp::{
    Peer, RoleServer,
    model::{LoggingLevel, ResourceUpdatedNotificationParam},
    service::SubscriptionSink,
};

/// What a client of a revision with sessions told the server before.
#[derive(Debug)]
pub(crate) struct Session {
    peer: OnceLock<Peer<RoleServer>>,
    level: Mutex<LoggingLevel>,
    subscriptions: Mutex<BTreeSet<String>>,
}

impl Default for Session {
    fn default() -> Self {
        Self { peer: OnceLock::new(), level: Mutex::new(LoggingLevel::Info), subscriptions: Mutex::default() }
    }
}

impl Session {
    /// The least severe level the client wants to see.
    pub(crate) fn level(&self) -> LoggingLevel {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows `logging/setLevel`.
    pub(crate) fn set_level(&self, level: LoggingLevel) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }

    /// Follows `resources/subscribe`.
    pub(crate) fn subscribe(&self, uri: &str) {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).insert(uri.to_owned());
    }

    /// Follows `resources/unsubscribe`.
    pub(crate) fn unsubscribe(&self, uri: &str) {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
    }

    fn subscriptions(&self) -> BTreeSet<String> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Everyone who is to be told of a change: sessions, and 2026-07-28 subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    // INVARIANT: weak, so that a session or a subscription ends with its owner and not with this list.
    listeners: Mutex<Vec<Listener>>,
}

#[derive(Clone, Debug)]
enum Listener {
    Session(Weak<Session>),
    Subscription(Weak<SubscriptionSink>),
}

impl Listener {
    fn is_alive(&self) -> bool {
        match self {
            Self::Session(session) => session.strong_count() > 0,
            Self::Subscription(sink) => sink.strong_count() > 0,
        }
    }
}

impl Listeners {
    /// Adds a session, which is reached through `peer` from now on.
    pub(crate) fn add_session(&self, session: &Arc<Session>, peer: Peer<RoleServer>) {
        // A second `notifications/initialized` changes nothing.
        if session.peer.set(peer).is_ok() {
            self.add(Listener::Session(Arc::downgrade(session)));
        }
    }

    /// Adds a subscription for as long as its owner keeps `sink`.
    pub(crate) fn add_subscription(&self, sink: &Arc<SubscriptionSink>) {
        self.add(Listener::Subscription(Arc::downgrade(sink)));
    }

    fn add(&self, listener: Listener) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(Listener::is_alive);
        listeners.push(listener);
    }

    /// Tells everyone that all lists and all subscribed resources have changed.
    ///
    /// Failures are dropped: a client that is gone need not know.
    pub(crate) async fn announce(&self) {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for listener in listeners {
            match listener {
                Listener::Session(session) => {
                    if let Some(session) = session.upgrade() {
                        tell_session(&session).await;
                    }
                }
                Listener::Subscription(sink) => {
                    if let Some(sink) = sink.upgrade() {
                        tell_subscription(&sink).await;
                    }
                }
            }
        }
    }
}

async fn tell_session(session: &Session) {
    let Some(peer) = session.peer.get() else {
        return;
    };
    let _ = peer.notify_tool_list_changed().await;
    let _ = peer.notify_prompt_list_changed().await;
    let _ = peer.notify_resource_list_changed().await;
    for uri in session.subscriptions() {
        let _ = peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await;
    }
}

/// The sink refuses whatever the client did not ask for, so everything is offered to it.
async fn tell_subscription(sink: &SubscriptionSink) {
    let _ = sink.notify_tool_list_changed().await;
    let _ = sink.notify_prompt_list_changed().await;
    let _ = sink.notify_resource_list_changed().await;
    for uri in sink.accepted().resource_subscriptions.iter().flatten() {
        let _ = sink.notify_resource_updated(uri).await;
    }
}
