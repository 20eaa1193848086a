//! What the senders know: what they sent, and what was said to it.

use crate::plan::{Planned, What};
use model::{DeliveryId, RawDigest};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many surprises are kept; more of the same tell nothing new.
const SURPRISES_MAX: usize = 100;

/// One delivery, as its sender knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reported {
    /// Deliveries of one number tell of one event.
    pub(crate) number: u64,
    /// Under the other topic.
    pub(crate) twin: bool,
    /// Which store's.
    pub(crate) store: u32,
    /// What.
    pub(crate) what: What,
    /// When it was first sent, by the ledger's own count.
    pub(crate) sent: u64,
    /// When the first 2xx had come back, by the same count.
    pub(crate) kept: Option<u64>,
    /// The digest of what was sent.
    pub(crate) digest: RawDigest,
}

/// What the intake said, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// Requests by status; 0 where there was no answer.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// How many 2xx there were for what had one before.
    pub(crate) repeated: u64,
}

#[derive(Debug, Default)]
struct Books {
    clock: u64,
    reported: HashMap<DeliveryId, Reported>,
    answers: Answers,
    unknown_topics: u64,
    refused: BTreeMap<&'static str, u64>,
    surprises: Vec<String>,
}

/// What the senders know; shared by all of them.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Books>);

/// The ledger, closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Closed {
    /// By the intake's id.
    pub(crate) reported: HashMap<DeliveryId, Reported>,
    /// What the intake said, in numbers.
    pub(crate) answers: Answers,
    /// How many of an unknown topic were answered as the intake should.
    pub(crate) unknown_topics: u64,
    /// How many the intake refused as it should, by what was wrong with them.
    pub(crate) refused: BTreeMap<&'static str, u64>,
    /// Answers that mustn't be.
    pub(crate) surprises: Vec<String>,
}

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is about to be sent.
    pub(crate) fn sends(&self, id: DeliveryId, planned: &Planned, body: &[u8]) {
        let mut books = self.books();
        books.clock += 1;
        let reported = Reported {
            number: planned.number,
            twin: planned.twin,
            store: planned.store,
            what: planned.what,
            sent: books.clock,
            kept: None,
            digest: RawDigest::of(body),
        };
        books.reported.entry(id).or_insert(reported);
    }

    /// A request was answered with this status, or not at all (0).
    pub(crate) fn answered(&self, status: u16) {
        *self.books().answers.statuses.entry(status).or_default() += 1;
    }

    /// It was answered 2xx.
    pub(crate) fn keeps(&self, id: DeliveryId) {
        let mut books = self.books();
        books.clock += 1;
        let clock = books.clock;
        let Some(reported) = books.reported.get_mut(&id) else { return };
        if reported.kept.is_some() {
            books.answers.repeated += 1;
        } else {
            reported.kept = Some(clock);
        }
    }

    /// It was answered 2xx and not kept, since nobody knows its topic.
    pub(crate) fn unknown_topic(&self) {
        self.books().unknown_topics += 1;
    }

    /// It was refused as it should be.
    pub(crate) fn refuses(&self, kind: &'static str) {
        *self.books().refused.entry(kind).or_default() += 1;
    }

    /// An answer that mustn't be.
    pub(crate) fn surprise(&self, what: String) {
        let mut books = self.books();
        if books.surprises.len() < SURPRISES_MAX {
            books.surprises.push(what);
        }
    }

    /// How many have a 2xx so far.
    pub(crate) fn kept(&self) -> usize {
        self.books().reported.values().filter(|reported| reported.kept.is_some()).count()
    }

    /// How many requests were answered with this status so far.
    pub(crate) fn answers(&self, status: u16) -> u64 {
        self.books().answers.statuses.get(&status).copied().unwrap_or(0)
    }

    /// Nothing is sent any more.
    pub(crate) fn close(&self) -> Closed {
        let books = std::mem::take(&mut *self.books());
        Closed {
            reported: books.reported,
            answers: books.answers,
            unknown_topics: books.unknown_topics,
            refused: books.refused,
            surprises: books.surprises,
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
        assert_eq!((reported.sent, reported.kept, closed.answers.repeated), (1, Some(2), 1));
    }
}
