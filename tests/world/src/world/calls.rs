//! Calls of platforms, and what they lead to.

use super::{Scheduled, World};
use crate::{
    check,
    oracle::actual,
    outbound::{self, Due},
    pipeline::Delivered,
    plan::Fault,
    shop::{Outcome, Read},
};
use model::{AskedBy, ConnectionId, ExternalId, MirrorKey, Source};
use platforms::{CallError, Written};
use std::time::Duration;

/// Duration of a call without a fault.
const CALL_TAKES: Duration = Duration::from_millis(80);

/// A write whose call was made.
#[derive(Debug, Clone)]
pub(super) struct Called {
    key: MirrorKey,
    sent_key: String,
    attempt: u32,
    outcome: Outcome,
}

impl World {
    /// Makes the due calls, one at a time at each connection.
    pub(super) fn calls(&mut self) {
        let ids: Vec<ConnectionId> = self.connections.keys().cloned().collect();
        for id in ids {
            let Some(shop) = self.shops.iter().position(|shop| shop.connection == id) else { continue };
            let Some(connection) = self.connections.get(&id) else { continue };
            let due = connection.claim(&mut self.pipeline.record, &mut self.keys, self.now);
            for key in std::mem::take(&mut self.pipeline.record.doubted) {
                self.oracle.in_doubt(&key, &self.pipeline.record);
            }
            if !due.is_empty() {
                self.call(shop, due);
                continue;
            }
            if let Some((asked_by, product)) = connection.claim_read(&mut self.pipeline.record, self.now) {
                self.read(shop, &asked_by, product.as_ref());
            }
        }
    }

    /// Makes one call: a write, or a batch.
    fn call(&mut self, shop: usize, due: Vec<Due>) {
        for write in &due {
            check::write(self, shop, write);
        }
        let fault = self.faults[shop].pop_front();
        let all = |error: CallError| vec![Err(error); due.len()];
        let outcomes = match fault {
            Some(Fault::Throttled) => all(CallError::RateLimited { after: Some(Duration::from_secs(2)) }),
            Some(Fault::Unavailable) => all(CallError::transient("503")),
            Some(Fault::ReplyLost) => {
                self.write(shop, &due);
                all(CallError::transient("no reply"))
            }
            Some(Fault::Slow(_) | Fault::SettledInPart) | None => self.write(shop, &due),
        };
        let takes = match fault {
            Some(Fault::Slow(seconds)) => Duration::from_secs(u64::from(seconds)),
            _ => CALL_TAKES,
        };
        let together = if due.len() > 1 { format!(" with {} others", due.len() - 1) } else { String::new() };
        for (Due { asked, attempt, .. }, outcome) in due.iter().zip(&outcomes) {
            let name = self.name(shop);
            let line = format!("{name} is written {asked:?}{together} (attempt {attempt}): {outcome:?}");
            self.story.log(self.now, &line);
        }
        // A refused value is retried daily.
        if !outcomes.iter().all(|outcome| matches!(outcome, Err(CallError::Rejected(_)))) {
            self.last_call = self.now;
        }
        let id = self.shops[shop].connection.clone();
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.is_busy = true;
        }
        let called = |(due, outcome): (Due, Outcome)| Called {
            key: due.key,
            sent_key: due.sent_key,
            attempt: due.attempt,
            outcome,
        };
        let mut called: Vec<Called> = due.into_iter().zip(outcomes).map(called).collect();
        if fault == Some(Fault::SettledInPart) {
            called.truncate(1);
        }
        self.schedule(self.now.after(takes), Scheduled::Ends { connection: id, called, epoch: self.epoch });
    }

    /// Has the platform make the writes of a call, and its webhooks sent.
    fn write(&mut self, shop: usize, due: &[Due]) -> Vec<Outcome> {
        let levels = due.iter().map(|due| match &due.key {
            MirrorKey::Level(key) => actual(&self.shops, key),
            MirrorKey::Price(_) | MirrorKey::Text(_) => None,
        });
        let before: Vec<_> = levels.collect();
        let (outcomes, webhooks) = self.shops[shop].write(due, self.now);
        for ((due, outcome), before) in due.iter().zip(&outcomes).zip(before) {
            check::outcome(self, due, before, outcome);
            if outcome.is_ok() {
                self.made.insert(due.sent_key.clone());
            }
            if let Some(good) = self.shops[shop].find(&due.external) {
                self.oracle.holds(&self.shops[shop], good);
            }
        }
        self.send(shop, webhooks, true);
        outcomes
    }

    /// Settles the writes of a call.
    pub(super) fn ends(&mut self, id: &ConnectionId, called: Vec<Called>) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.is_busy = false;
        for Called { key, sent_key, attempt, outcome } in called {
            connection.note(&outcome, &mut self.pipeline.record, self.now);
            if let MirrorKey::Level(key) = &key {
                let write = self.pipeline.record.mirrors.levels.get(key).and_then(|it| it.phase.write());
                let is_in_doubt = match outcome {
                    Err(CallError::TooOld(_)) => true,
                    // What was made is found by the reading; another's change may look like it.
                    Err(CallError::Conflict) => {
                        attempt > 1
                            && write.is_some_and(|write| write.batched)
                            && !self.made.contains(&sent_key)
                    }
                    _ => false,
                };
                if is_in_doubt {
                    self.oracle.in_doubt(key, &self.pipeline.record);
                }
            }
            let result = outbound::result(key.kind(), attempt, outcome, self.now);
            self.pipeline.record.settle(&key, &sent_key, result, self.now);
        }
    }

    fn read(&mut self, shop: usize, asked_by: &AskedBy, product: Option<&ExternalId>) {
        let key = &asked_by.mirror;
        self.last_call = self.now;
        self.number += 1;
        let dedupe_key = format!("read-{}", self.number);
        let fault = self.faults[shop].pop_front();
        let found = self.shops[shop].read(key, product, &dedupe_key, self.now);
        self.story.log(self.now, &format!("{} is read: {}", self.name(shop), key.subject()));
        let id = self.shops[shop].connection.clone();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let reported = match found {
            Read::Refused => {
                let reject = stage::Reject::new(stage::RejectClass::Auth, "the token was revoked");
                let outcome = Err(CallError::AccountRefused(platforms::AccountRefusal::Unauthorized, reject));
                connection.note(&outcome, &mut self.pipeline.record, self.now);
                return;
            }
            Read::Nothing => return,
            _ if fault.is_some_and(|fault| !matches!(fault, Fault::Slow(_))) => return,
            Read::Gone => return self.pipeline.record.note_gone(asked_by),
            Read::Reported(reported) => reported,
        };
        connection.note(&Ok(Written::default()), &mut self.pipeline.record, self.now);
        for reported in reported {
            let delivered = Delivered {
                connection: id.clone(),
                dedupe_key: dedupe_key.clone(),
                reported,
                received_at: self.now,
                source: Source::ReadBack,
                asked_by: Some(asked_by.clone()),
                leads_by: Duration::ZERO,
                is_refused: false,
            };
            self.schedule(self.now.after(CALL_TAKES), Scheduled::Fetched { delivered: Box::new(delivered) });
        }
    }
}
