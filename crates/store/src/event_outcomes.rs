//! Reads of events' outcomes.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{outcome, position},
    events::EventColumns,
    statement::{query, statements},
};
use model::{ConnectionId, EventId, Outcome, StoreId, Timestamp, record::EventOutcome};
use sqlx::{Row as _, postgres::PgRow};

/// The outcome of one event and the time of its recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventOutcomeRow {
    /// The outcome.
    pub event_outcome: EventOutcome,
    /// Time of its commit.
    pub recorded_at: Timestamp,
    /// Number of outcomes so far: more than one if a dead event was replayed.
    pub attempts: i32,
}

impl Store {
    /// Returns the outcomes of the newest events of a store, the newest first. At most `limit`.
    pub async fn event_outcomes_of(
        &self,
        store: &StoreId,
        limit: i64,
    ) -> Result<Vec<EventOutcomeRow>, StoreError> {
        let statement = query(NEWEST).bind(store.as_str().to_owned()).bind(limit.min(LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns the outcome of one event, if it has one.
    pub async fn event_outcome(
        &self,
        connection: &ConnectionId,
        event: EventId,
    ) -> Result<Option<EventOutcomeRow>, StoreError> {
        let statement = query(ONE).bind(connection.as_str().to_owned()).bind(event.as_bytes().to_vec());
        self.fetch_optional(statement).await?.map(|row| read(&row)).transpose()
    }

    /// Returns the number of a store's events by outcome.
    pub async fn outcomes_of(&self, store: &StoreId) -> Result<Vec<(Outcome, i64)>, StoreError> {
        let statement = query(COUNT).bind(store.as_str().to_owned());
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(|row| Ok((outcome(row, "outcome")?, row.try_get("count")?))).collect()
    }
}

fn read(row: &PgRow) -> Result<EventOutcomeRow, StoreError> {
    let columns = EventColumns::read(row)?;
    let event_outcome = EventOutcome {
        tenant: columns.tenant,
        store: columns.store,
        connection: columns.connection,
        event: columns.event,
        delivery: columns.delivery,
        entity: columns.entity,
        external: columns.external,
        action: columns.action,
        outcome: outcome(row, "outcome")?,
        reason: row.try_get("reason")?,
        position: position::<i32>(row)?,
        received_at: columns.received_at,
        sequence: row.try_get("sequence")?,
    };
    Ok(EventOutcomeRow {
        event_outcome,
        recorded_at: columns.recorded_at,
        attempts: row.try_get("attempts")?,
    })
}

statements! {
    const NEWEST: ByKey(text, int8) = "
        SELECT * FROM event_outcomes WHERE store = $1
            ORDER BY raw_sequence DESC, delivery_index DESC, event_index DESC LIMIT $2";

    const ONE: ByKey(text, bytea) = "SELECT * FROM event_outcomes WHERE connection = $1 AND event_id = $2";

    const COUNT: Any(text) =
        "SELECT outcome, count(*) AS count FROM event_outcomes WHERE store = $1 GROUP BY outcome ORDER BY outcome";
}
