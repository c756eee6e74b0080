//! Several messages in one request: all of them are forwarded, as the bytes that came, or none.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Method;

use super::bound::bind;
use super::downstream::{Ending, Passage};
use super::exchange::{Forward, No, Stop, Turn};
use super::intake::Room;
use crate::judge;
use crate::message::batch::answers::Arrays;
use crate::message::id::SameId;
use crate::message::{Ask, Message, Shape};
use crate::refusal::{Era, Refusal};

impl<'p> Turn<'_, 'p> {
    /// A batch that was read from `body`.
    pub(super) async fn batch(
        &mut self,
        messages: Vec<Message<'_>>,
        body: &Bytes,
        room: Room<'_>,
        passage: &mut Passage<'_>,
    ) -> Result<Ending, Stop<'p>> {
        self.record.method("batch");
        // One connection, one answer: a batch takes one place.
        let is_held = requests(&messages).next().is_some();
        let _place = self.enter(passage.caller, is_held)?;
        let bound = bind(self.gateway, self.client, passage.caller, Era::Legacy, self.record)?;
        let permit = self.permitted(&messages, passage)?;
        let ids: BTreeSet<SameId<'_>> = requests(&messages).filter_map(SameId::of).collect();
        if let Some(sealed) = &bound.sealed {
            passage.in_flight = Some(self.gateway.in_flight.enter(sealed, ids.iter().cloned())?);
        }
        passage.arrays = Arrays::Of(ids.into_iter().map(SameId::into_owned).collect());
        passage.is_list = messages.iter().any(|message| matches!(message.ask, Ask::List(_)));
        let forward = Forward { permit, method: Method::POST, body: body.clone(), bound, room: Some(room) };
        self.forward(forward, passage).await
    }

    fn permitted(
        &mut self,
        messages: &[Message<'_>],
        passage: &Passage<'_>,
    ) -> Result<judge::Permit<'p>, Stop<'p>> {
        let (mut decisions, mut refused) = (Vec::with_capacity(messages.len()), Vec::new());
        for message in messages {
            let decision = self.decide(message, passage);
            self.record.arguments = self.gateway.report.arguments(message);
            self.record.part(message, decision.as_ref());
            if decision.is_err() && message.shape == Shape::Request {
                refused.extend(message.id.map(ToOwned::to_owned));
            }
            decisions.push(decision);
        }
        if decisions.iter().all(Result::is_ok) {
            // Each message counts, or a batch would be a way around the limit.
            for (message, permit) in messages.iter().zip(decisions.iter().flatten()) {
                if let Err(wait) = self.within_limits(permit, message, passage.caller) {
                    let ids = requests(messages).map(ToOwned::to_owned).collect();
                    return Err(Stop::Refused(Box::new(No {
                        ids,
                        wait: Some(wait),
                        ..No::from(Refusal::RateLimited)
                    })));
                }
            }
        }
        judge::together(decisions.into_iter())
            .map_err(|no| Stop::Refused(Box::new(No { needs: no.needs, ids: refused, ..No::from(no.refusal) })))
    }
}

/// The ids of all requests among the messages.
fn requests<'m>(messages: &[Message<'m>]) -> impl Iterator<Item = &'m str> {
    messages.iter().filter(|message| message.shape == Shape::Request).filter_map(|message| message.id)
}
