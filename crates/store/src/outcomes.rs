//! Outcomes of one delivery, from any stage in which its events ended.

use crate::{
    Store, StoreError,
    columns::{hash_id, id, outcome, position, signed, time},
    statement::{query, statements},
};
use model::{ConnectionId, DeliveryId, EventId, Outcome, Position, StoreId, Timestamp};
use sqlx::{Row as _, postgres::PgRow};

/// The outcome of one event of a delivery, or of the delivery as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// The store.
    pub store: StoreId,
    /// The connection.
    pub connection: ConnectionId,
    /// The stage that it ended in.
    pub stage: String,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason, for people; empty if the outcome is sufficient.
    pub reason: String,
    /// Its position in the partition.
    pub position: Position,
    /// The event, if it was understood as one.
    pub event: Option<EventId>,
    /// The kind of the event's entity and the platform's id of it, if the event reached `apply`.
    pub about: Option<(String, String)>,
    /// The store's sequence number, if it was applied.
    pub sequence: Option<i64>,
    /// Time of receipt.
    pub received_at: Timestamp,
    /// Time at which the outcome was committed.
    pub recorded_at: Timestamp,
}

/// Scope of a search for outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomesIn<'a> {
    /// All stores: reads every outcome that is stored, which may exceed the time limit.
    AllStores,
    /// One store: reads every outcome of the store.
    Store(&'a StoreId),
    /// One store after a position in RAW: reads only these outcomes.
    StoreAfter(&'a StoreId, u64),
}

impl Store {
    /// Returns the outcomes of a delivery, in the order of their positions; none while the delivery is in flight.
    /// At most [`crate::LISTED_ROWS`].
    pub async fn outcomes_of_delivery(
        &self,
        delivery: DeliveryId,
        of: OutcomesIn<'_>,
    ) -> Result<Vec<DeliveryOutcome>, StoreError> {
        // Separate statements: a plan for all three conditions at once would use no index.
        let (statement, store, after) = match of {
            OutcomesIn::AllStores => (IN_ALL_STORES, None, 0),
            OutcomesIn::Store(store) => (IN_STORE, Some(store), 0),
            OutcomesIn::StoreAfter(store, after) => (IN_STORE_AFTER, Some(store), after),
        };
        let statement = query(statement)
            .bind(delivery.as_bytes().to_vec())
            .bind(store.map(|store| store.as_str().to_owned()))
            .bind(signed(after)?)
            .bind(crate::LISTED_ROWS);
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns the highest position in RAW of any outcome of a store; 0 before the first.
    pub async fn newest_outcome(&self, store: &StoreId) -> Result<u64, StoreError> {
        let statement = query(NEWEST).bind(store.as_str().to_owned());
        let newest: i64 = self.fetch_one(statement).await?.try_get("newest")?;
        Ok(newest.unsigned_abs())
    }
}

fn read(row: &PgRow) -> Result<DeliveryOutcome, StoreError> {
    let event: Option<&[u8]> = row.try_get("event_id")?;
    let entity: Option<String> = row.try_get("entity")?;
    let external: Option<String> = row.try_get("external")?;
    Ok(DeliveryOutcome {
        store: id(row, "store")?,
        connection: id(row, "connection")?,
        stage: row.try_get("stage")?,
        outcome: outcome(row, "outcome")?,
        reason: row.try_get("reason")?,
        position: position::<i64>(row)?,
        event: event.map(|_| hash_id(row, "event_id")).transpose()?,
        about: entity.zip(external),
        sequence: row.try_get("sequence")?,
        received_at: time(row, "received_at")?,
        recorded_at: time(row, "recorded_at")?,
    })
}

/// Outcomes of the delivery `$1` that fulfil a condition on `$2` and `$3`; at most `$4`.
macro_rules! outcomes {
    ($condition:literal) => {
        concat!(
            "
        SELECT store, connection, 'apply' AS stage, outcome, reason, raw_sequence,
            delivery_index::int8 AS delivery_index, event_index::int8 AS event_index, event_id, entity, external,
            sequence, received_at, recorded_at
        FROM event_outcomes WHERE delivery_id = $1 AND ",
            $condition,
            "
        UNION ALL
        SELECT store, connection, stage, outcome, reason, raw_sequence, delivery_index, event_index, event_id, NULL,
            NULL, NULL, received_at, recorded_at
        FROM dropped_inputs WHERE delivery_id = $1 AND ",
            $condition,
            "
        ORDER BY raw_sequence, delivery_index, event_index LIMIT $4"
        )
    };
}

statements! {
    const IN_ALL_STORES: Any(bytea, text, int8, int8) = outcomes!("$2::text IS NULL AND $3::int8 = 0");

    const IN_STORE: ByKey(bytea, text, int8, int8) = outcomes!("store = $2 AND $3::int8 = 0");

    const IN_STORE_AFTER: ByKey(bytea, text, int8, int8) = outcomes!("store = $2 AND raw_sequence > $3");

    const NEWEST: ByKey(text) = "
        SELECT greatest(
            (SELECT max(raw_sequence) FROM event_outcomes WHERE store = $1),
            (SELECT max(raw_sequence) FROM dropped_inputs WHERE store = $1), 0) AS newest";
}
