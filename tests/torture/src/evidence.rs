//! The state when all work has finished: the record, the streams, the simulated platforms and the senders' ledger. It
//! is read once; checks are functions of it.

mod audit;
mod bus;
mod sql;

pub(crate) use audit::audit;
pub(crate) use bus::{dead_letters, gaps_in_applied, raw, uncovered};
pub(crate) use sql::Sql;

use crate::{journal, ledger::Closed};
use model::{DeliveryId, EventId, Position, RawDigest};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A delivery in RAW.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Its first position; positions are those of its store's partition.
    pub(crate) position: Position,
    /// Number of times that it is in RAW.
    pub(crate) times: u32,
    /// Its store.
    pub(crate) store: String,
    /// Its connection.
    pub(crate) connection: String,
    /// Its topic.
    pub(crate) topic: String,
    /// True if a service of ours fetched it.
    pub(crate) fetched: bool,
    /// The result of normalize.
    pub(crate) meaning: Meaning,
}

/// Result of normalize for a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// These events.
    Events(Vec<EventId>),
    /// Nothing to do.
    Filtered,
    /// Rejected: a dead letter.
    Rejected,
}

/// Outcome of an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct EventOutcome {
    pub(crate) store: String,
    pub(crate) connection: String,
    #[serde(with = "sql::hexadecimal")]
    pub(crate) event: EventId,
    #[serde(with = "sql::hexadecimal")]
    pub(crate) delivery: DeliveryId,
    pub(crate) outcome: String,
    pub(crate) reason: String,
    pub(crate) raw_sequence: u64,
    pub(crate) delivery_index: u32,
    pub(crate) event_index: u32,
    pub(crate) sequence: Option<i64>,
    pub(crate) attempts: i32,
}

impl EventOutcome {
    /// Its position in its partition.
    pub(crate) fn position(&self) -> Position {
        Position { raw_sequence: self.raw_sequence, delivery: self.delivery_index, event: self.event_index }
    }
}

/// A row of the event store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) store: String,
    pub(crate) sequence: i64,
    pub(crate) partition: u16,
    pub(crate) number: i64,
    pub(crate) connection: String,
    pub(crate) event: EventId,
    /// Its subject: the kind, the platform's id, and the location of a level.
    pub(crate) object: String,
    pub(crate) version: Option<i64>,
}

/// A store's row of `conservation`: the number of accepted deliveries and of their outcomes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Account {
    pub(crate) store: String,
    pub(crate) accepted: i64,
    /// Events beyond the first of their delivery.
    pub(crate) further: i64,
    /// Sum of all outcomes.
    pub(crate) outcomes: i64,
    pub(crate) in_flight: i64,
}

/// A level, and the ledger's values for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Level {
    pub(crate) store: String,
    pub(crate) variant: String,
    pub(crate) location: String,
    pub(crate) sku: Option<String>,
    /// The record's value; none if only the ledger has it.
    pub(crate) quantity: Option<String>,
    /// The sum of its ledger lines; none if there are none.
    pub(crate) ledger: Option<String>,
    /// The level in its last ledger line.
    pub(crate) last: Option<String>,
    /// Number of ledger lines that don't follow from the one before.
    pub(crate) broken_lines: i64,
}

/// A mirror, with the columns that concern writes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct MirrorRow {
    pub(crate) connection: String,
    pub(crate) kind: String,
    pub(crate) external: String,
    pub(crate) location: String,
    pub(crate) attention: Option<String>,
    /// The phase of its last write.
    pub(crate) phase: String,
    pub(crate) last_error: Option<String>,
    /// The store's own value.
    pub(crate) ours: Option<String>,
    pub(crate) observed_version: Option<i64>,
}

/// A product's title or an order, from the record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Thing {
    pub(crate) connection: String,
    pub(crate) external: String,
    /// The product's title; the order's status.
    pub(crate) text: Option<String>,
    pub(crate) total_minor: Option<i64>,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub(crate) stage: String,
    pub(crate) class: String,
    pub(crate) reason: String,
    pub(crate) delivery: DeliveryId,
    /// The event; none if a delivery was dead-lettered.
    pub(crate) event: Option<EventId>,
    /// The digest of the received bytes, if it is a delivery.
    pub(crate) digest: Option<RawDigest>,
}

/// A value of a simulated platform and ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Connection, kind and the platform's id.
    pub(crate) what: String,
    pub(crate) ours: Option<String>,
    pub(crate) theirs: Option<String>,
}

/// Calls in a time in which nothing changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stillness {
    /// Number of calls to simulated platforms at its beginning and at its end, by connection.
    pub(crate) calls: BTreeMap<String, (u64, u64)>,
}

/// All evidence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// The senders' ledger.
    pub(crate) ledger: Closed,
    /// The ids of stores and of the connections that the stream plays, by the store's index in the crowd.
    pub(crate) stores: Vec<(String, String)>,
    /// Indexes of the stores that only the stream reports on: their values are predictable.
    pub(crate) predictable: HashSet<u32>,
    /// The deliveries in RAW.
    pub(crate) raw: HashMap<DeliveryId, Kept>,
    /// Deliveries that simulated platforms sent.
    pub(crate) simulated: HashSet<DeliveryId>,
    pub(crate) event_outcomes: Vec<EventOutcome>,
    pub(crate) changes: Vec<Change>,
    pub(crate) accounts: Vec<Account>,
    /// Findings of `tillflow audit`.
    pub(crate) audit: Vec<String>,
    pub(crate) levels: Vec<Level>,
    /// Ledger lines without a change.
    pub(crate) orphans: Vec<String>,
    pub(crate) mirrors: Vec<MirrorRow>,
    pub(crate) products: Vec<Thing>,
    pub(crate) orders: Vec<Thing>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) conflicts: u64,
    /// Values of simulated platforms beside ours.
    pub(crate) compared: Vec<Compared>,
    /// Lower limit of compared values.
    pub(crate) compared_min: usize,
    pub(crate) stillness: Stillness,
    /// The work that hadn't finished when the time limit ended.
    pub(crate) activity: Option<String>,
    /// Replicas that weren't ready at the end.
    pub(crate) not_ready: Vec<String>,
    /// Feeds and partitions that don't cover RAW.
    pub(crate) uncovered: Vec<String>,
    /// Partitions whose committed changes aren't all in APPLIED.
    pub(crate) unpublished: Vec<String>,
    /// Number of senders that weren't done within their limit after the faults.
    pub(crate) late_senders: usize,
    /// Faults after which work didn't go on.
    pub(crate) stuck: Vec<String>,
    /// Number of 2xx responses to unauthenticated clients.
    pub(crate) let_in: u64,
    /// The `FOREIGN` records of messages that aren't ours.
    pub(crate) foreign: Vec<String>,
    /// Logs and counters of the replicas.
    pub(crate) journal: journal::Read,
}

impl Evidence {
    /// The deliveries that have an outcome.
    pub(crate) fn ended_deliveries(&self) -> HashSet<DeliveryId> {
        self.event_outcomes.iter().map(|event_outcome| event_outcome.delivery).collect()
    }

    /// The id of a store, by its index in the crowd.
    pub(crate) fn store_name(&self, index: u32) -> &str {
        self.stores.get(index as usize).map_or("?", |(store, _)| store)
    }

    /// The connection that the stream plays, by its store's index in the crowd.
    pub(crate) fn connection(&self, index: u32) -> &str {
        self.stores.get(index as usize).map_or("?", |(_, connection)| connection)
    }
}
