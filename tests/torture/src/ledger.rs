//! The senders' ledger: deliveries that were sent, and the responses.

use crate::plan::{Planned, What};
use model::{DeliveryId, RawDigest};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Upper limit of surprises that are kept; further ones of the same kind add nothing.
const SURPRISES_MAX: usize = 100;

/// One delivery, from its sender's view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reported {
    /// Its number; deliveries with the same number are about the same event.
    pub(crate) number: u64,
    /// True if it has the event's other topic.
    pub(crate) twin: bool,
    /// The index of its store.
    pub(crate) store: u32,
    /// Its contents.
    pub(crate) what: What,
    /// The ledger's count at its first sending.
    pub(crate) sent: u64,
    /// The ledger's count at its first 2xx.
    pub(crate) kept: Option<u64>,
    /// The digest of the sent body.
    pub(crate) digest: RawDigest,
}

/// Counts of the intake's responses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Responses {
    /// Number of requests by status; 0 if there was no response.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Number of 2xx for deliveries that already had one.
    pub(crate) repeated: u64,
}

#[derive(Debug, Default)]
struct Entries {
    clock: u64,
    reported: HashMap<DeliveryId, Reported>,
    responses: Responses,
    unknown_topics: u64,
    refused: BTreeMap<&'static str, u64>,
    surprises: Vec<String>,
}

/// The senders' ledger; shared by all of them.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

/// The ledger's final contents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Closed {
    /// Deliveries by the intake's id.
    pub(crate) reported: HashMap<DeliveryId, Reported>,
    /// Counts of the intake's responses.
    pub(crate) responses: Responses,
    /// Number of deliveries with an unknown topic that had the right response.
    pub(crate) unknown_topics: u64,
    /// Number of deliveries that the intake refused as it should, by the kind of error.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Responses that are wrong.
    pub(crate) surprises: Vec<String>,
}

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a delivery is about to be sent.
    pub(crate) fn sends(&self, id: DeliveryId, planned: &Planned, body: &[u8]) {
        let mut entries = self.entries();
        entries.clock += 1;
        let reported = Reported {
            number: planned.number,
            twin: planned.twin,
            store: planned.store,
            what: planned.what,
            sent: entries.clock,
            kept: None,
            digest: RawDigest::of(body),
        };
        entries.reported.entry(id).or_insert(reported);
    }

    /// Counts the response to a request by its status; 0 if there was none.
    pub(crate) fn count_response(&self, status: u16) {
        *self.entries().responses.statuses.entry(status).or_default() += 1;
    }

    /// Records a 2xx for a delivery.
    pub(crate) fn keeps(&self, id: DeliveryId) {
        let mut entries = self.entries();
        entries.clock += 1;
        let clock = entries.clock;
        let Some(reported) = entries.reported.get_mut(&id) else { return };
        if reported.kept.is_some() {
            entries.responses.repeated += 1;
        } else {
            reported.kept = Some(clock);
        }
    }

    /// Counts a 2xx for a delivery that isn't stored because its topic is unknown.
    pub(crate) fn unknown_topic(&self) {
        self.entries().unknown_topics += 1;
    }

    /// Counts a delivery that was refused as it should be.
    pub(crate) fn refuses(&self, kind: &'static str) {
        *self.entries().refused.entry(kind).or_default() += 1;
    }

    /// Records a response that is wrong.
    pub(crate) fn surprise(&self, what: String) {
        let mut entries = self.entries();
        if entries.surprises.len() < SURPRISES_MAX {
            entries.surprises.push(what);
        }
    }

    /// Number of deliveries with a 2xx so far.
    pub(crate) fn kept(&self) -> usize {
        self.entries().reported.values().filter(|reported| reported.kept.is_some()).count()
    }

    /// Number of responses with this status so far.
    pub(crate) fn responses(&self, status: u16) -> u64 {
        self.entries().responses.statuses.get(&status).copied().unwrap_or(0)
    }

    /// Takes the contents out; nothing is sent any more.
    pub(crate) fn close(&self) -> Closed {
        let entries = std::mem::take(&mut *self.entries());
        Closed {
            reported: entries.reported,
            responses: entries.responses,
            unknown_topics: entries.unknown_topics,
            refused: entries.refused,
            surprises: entries.surprises,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_send_and_the_first_2xx_count_and_the_rest_are_repetitions() {
        let ledger = Ledger::default();
        let id = DeliveryId::from_bytes([1; 16]);
        let what = What::Thin { order: 1 };
        let planned = Planned { number: 9, twin: false, store: 2, what, repeats: 0 };
        for _ in 0..2 {
            ledger.sends(id, &planned, b"{}");
            ledger.keeps(id);
        }
        let closed = ledger.close();
        let reported = &closed.reported[&id];
        assert_eq!((reported.sent, reported.kept, closed.responses.repeated), (1, Some(2), 1));
    }
}
