//! What the judge is told of a message besides its bytes, and the counting that it leaves to those with a clock.

use std::time::Duration;

use super::downstream::Passage;
use super::exchange::Turn;
use super::now;
use super::rates::Counted;
use crate::caller::Caller;
use crate::cel::Facts;
use crate::judge::{self, Permit, Refused, apps};
use crate::message::lists::ListKind;
use crate::message::{Ask, Message};
use crate::pin;
use crate::policy::Mode;
use crate::refusal::Refusal;

impl<'p> Turn<'_, 'p> {
    /// Decides about one message.
    pub(super) fn decide(
        &mut self,
        message: &Message<'_>,
        passage: &Passage<'_>,
    ) -> Result<Permit<'p>, Refused<'p>> {
        let policy = &self.snapshot.policy;
        let catalogue = self.gateway.listed.catalogue();
        let tool = asked_name(message).filter(|_| matches!(message.ask, Ask::Tool { .. }));
        // A body may have been long in coming. To look at a clock again takes as long as to look at a token.
        let time = if policy.has_conditions() { now().1 } else { self.record.time() };
        let facts = Facts {
            claims: &passage.caller.claims,
            // A tool that was listed without annotations is known to have none.
            annotations: tool.and_then(|name| catalogue.tool(name)).map(|tool| tool.annotations().unwrap_or("{}")),
            session: self.record.session_digest().unwrap_or_default(),
            client_address: self.record.remote().unwrap_or_default(),
            time: i128::try_from(time.as_nanos()).unwrap_or(i128::MAX),
            ..Facts::default()
        };
        let permit = judge::what(policy, &passage.grants, message, &passage.owner, &facts)?;
        let uris = match &message.ask {
            Ask::Resource { uri } => std::slice::from_ref(uri),
            Ask::Listen { uris, .. } => uris,
            Ask::Base | Ask::List(_) | Ask::Tool { .. } | Ask::Prompt { .. } => &[],
            Ask::Task | Ask::Specified | Ask::Extension => &[],
        };
        let is_held = |tool: &str| passage.pinned.is_some_and(|pinned| pinned.holds(tool));
        let sees = |tool: &str| judge::sees(policy, &passage.grants, ListKind::Tools, tool) && !is_held(tool);
        let is_hidden = |uri: &str| apps::is_interface(uri) && !apps::shows(&catalogue, uri, false, sees);
        if uris.iter().any(|uri| is_hidden(uri)) {
            return Err(Refusal::ResourceUnknown.into());
        }
        let Some(pinned) = passage.pinned else { return Ok(permit) };
        let drift = pin::called(message).and_then(|tool| pinned.drift(tool));
        self.record.drift = drift.map(|drift| (drift, pinned.on_drift()));
        pin::hold(permit, drift, pinned.on_drift())
    }

    /// Counts a permitted message against the rate limits of its rules.
    ///
    /// # Errors
    /// How long to wait, when it is one too many.
    pub(super) fn within_limits(
        &mut self,
        permit: &Permit<'p>,
        message: &Message<'_>,
        caller: &Caller,
    ) -> Result<(), Duration> {
        let name = asked_name(message).unwrap_or(&message.method);
        for limit in permit.limits() {
            let counted = Counted { caller, session: self.record.session_digest(), name };
            match (self.gateway.rates.count(limit, &counted), limit.mode) {
                (Ok(()), _) => {}
                (Err(_), Mode::Shadow) => self.record.would_limit(limit),
                (Err(wait), Mode::Enforce) => {
                    self.record.limited(limit.rule);
                    return Err(wait);
                }
            }
        }
        Ok(())
    }
}

/// The one thing that a message names.
pub(super) fn asked_name<'m>(message: &'m Message<'_>) -> Option<&'m str> {
    match &message.ask {
        Ask::Tool { name, .. } | Ask::Prompt { name, .. } => Some(name),
        Ask::Resource { uri } => Some(uri),
        Ask::Base | Ask::List(_) | Ask::Listen { .. } | Ask::Task | Ask::Specified | Ask::Extension => None,
    }
}
