//! What is left when everything has come to rest: the record, the streams, the simulated platforms, and what the
//! senders know. Read once; checks are functions of it.

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
    /// Where it stands the first time; positions are of its store's partition.
    pub(crate) position: Position,
    /// How often it is there.
    pub(crate) times: u32,
    /// Its store.
    pub(crate) store: String,
    /// Its connection.
    pub(crate) connection: String,
    /// Its topic.
    pub(crate) topic: String,
    /// Whether a service of ours fetched it.
    pub(crate) fetched: bool,
    /// What normalize makes of it.
    pub(crate) meaning: Meaning,
}

/// What normalize makes of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// These events.
    Events(Vec<EventId>),
    /// Nothing to be done.
    Filtered,
    /// Nothing that can be true.
    Rejected,
}

/// How an event ended.
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
    /// Its place in its partition.
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
    /// What it is about: kind, the platform's id, and the place of a level.
    pub(crate) object: String,
    pub(crate) version: Option<i64>,
}

/// A store's own account: what it accepted, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Account {
    pub(crate) store: String,
    pub(crate) accepted: i64,
    /// Events beyond the first of their delivery.
    pub(crate) further: i64,
    /// All outcomes together.
    pub(crate) outcomes: i64,
    pub(crate) in_flight: i64,
}

/// A level, and what the ledger says of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Level {
    pub(crate) store: String,
    pub(crate) variant: String,
    pub(crate) location: String,
    pub(crate) sku: Option<String>,
    /// As the record has it; none if only the ledger knows it.
    pub(crate) quantity: Option<String>,
    /// The sum of its lines; none if it has none.
    pub(crate) ledger: Option<String>,
    /// What the last line says that it came to.
    pub(crate) last: Option<String>,
    /// How many lines don't follow from the one before.
    pub(crate) broken_lines: i64,
}

/// A mirror, as far as writes are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct MirrorRow {
    pub(crate) connection: String,
    pub(crate) kind: String,
    pub(crate) external: String,
    pub(crate) place: String,
    pub(crate) attention: Option<String>,
    /// How far the last write has come.
    pub(crate) phase: String,
    pub(crate) last_error: Option<String>,
    /// The store's own value.
    pub(crate) ours: Option<String>,
    pub(crate) observed_version: Option<i64>,
}

/// A product's name or an order, as the record has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Thing {
    pub(crate) connection: String,
    pub(crate) external: String,
    /// The product's name; the order's status.
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
    /// The event, if it was one already.
    pub(crate) event: Option<EventId>,
    /// The digest of the bytes that came, if it is a delivery.
    pub(crate) digest: Option<RawDigest>,
}

/// One value of a simulated platform, beside ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Whose value of what.
    pub(crate) what: String,
    pub(crate) ours: Option<String>,
    pub(crate) theirs: Option<String>,
}

/// How many times something was done while nothing was to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stillness {
    /// Calls to simulated platforms before and after, by connection.
    pub(crate) calls: BTreeMap<String, (u64, u64)>,
}

/// Everything that is left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// What the senders know.
    pub(crate) ledger: Closed,
    /// The ids of stores and of their connections, by their place in the crowd.
    pub(crate) stores: Vec<(String, String)>,
    /// The stores that only the stream tells of: their values are known.
    pub(crate) predictable: HashSet<u32>,
    /// RAW, each delivery once.
    pub(crate) raw: HashMap<DeliveryId, Kept>,
    /// Deliveries that simulated platforms sent.
    pub(crate) simulated: HashSet<DeliveryId>,
    pub(crate) event_outcomes: Vec<EventOutcome>,
    pub(crate) changes: Vec<Change>,
    pub(crate) accounts: Vec<Account>,
    /// What the product's own audit found.
    pub(crate) audit: Vec<String>,
    pub(crate) levels: Vec<Level>,
    /// Lines of the ledger that no change made.
    pub(crate) orphans: Vec<String>,
    pub(crate) mirrors: Vec<MirrorRow>,
    pub(crate) products: Vec<Thing>,
    pub(crate) orders: Vec<Thing>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    pub(crate) conflicts: u64,
    /// Values of simulated platforms.
    pub(crate) compared: Vec<Compared>,
    /// How many values had to be compared at least.
    pub(crate) compared_min: usize,
    pub(crate) stillness: Stillness,
    /// What still stirred when the limit was over.
    pub(crate) stirs: Option<String>,
    /// Replicas that weren't ready in the end.
    pub(crate) not_ready: Vec<String>,
    /// Partitions of feeds that don't cover RAW.
    pub(crate) uncovered: Vec<String>,
    /// Partitions whose committed changes aren't all in APPLIED.
    pub(crate) unpublished: Vec<String>,
    /// Senders that weren't done within their limit after the faults.
    pub(crate) late_senders: usize,
    /// After which faults work didn't go on.
    pub(crate) stuck: Vec<String>,
    /// How often an unauthenticated client was answered as if it were let in.
    pub(crate) let_in: u64,
    /// The records of messages that aren't ours.
    pub(crate) foreign: Vec<String>,
    /// What replicas have written and counted.
    pub(crate) journal: journal::Read,
}

impl Evidence {
    /// The deliveries that have an outcome.
    pub(crate) fn ended_deliveries(&self) -> HashSet<DeliveryId> {
        self.event_outcomes.iter().map(|event_outcome| event_outcome.delivery).collect()
    }

    /// The name of a store by its place in the crowd.
    pub(crate) fn store_name(&self, index: u32) -> &str {
        self.stores.get(index as usize).map_or("?", |(store, _)| store)
    }

    /// The connection that the stream plays, by its store's place in the crowd.
    pub(crate) fn connection(&self, index: u32) -> &str {
        self.stores.get(index as usize).map_or("?", |(_, connection)| connection)
    }
}
