//! History of manual actions on dead letters.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{hash_id, time},
    statement::{query, statements},
};
use model::{DeliveryId, EventId, Origin, Timestamp};
use sqlx::Row as _;

/// An action on a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterAction {
    /// It is re-ingested.
    Replay,
    /// It is discarded.
    Discard,
}

impl DeadLetterAction {
    /// Returns the name that is stored in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Discard => "discard",
        }
    }
}

/// One action on one dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterActed {
    /// Its tenant, store and connection.
    pub origin: Origin,
    /// The permanent id of the dead letter.
    pub message_id: String,
    /// The dead letter's delivery, or the one that contained its event.
    pub delivery: DeliveryId,
    /// The event, if the input was understood as one.
    pub event: Option<EventId>,
    /// The fingerprint, equal for dead letters of one cause.
    pub fingerprint: String,
    /// The reason in the dead letter.
    pub reason: String,
    /// The action.
    pub action: DeadLetterAction,
    /// The attempt that a replay begins; for a discarded one, the attempt that failed.
    pub attempt: u32,
    /// The reason for which a person discarded it.
    pub note: String,
}

impl Store {
    /// Records an action on a dead letter before it is done.
    pub async fn note_dead_letter(&self, acted: &DeadLetterActed) -> Result<(), StoreError> {
        let statement = query(NOTE)
            .bind(acted.origin.tenant.as_str().to_owned())
            .bind(acted.origin.store.as_str().to_owned())
            .bind(acted.origin.connection.as_str().to_owned())
            .bind(acted.message_id.clone())
            .bind(acted.delivery.as_bytes().to_vec())
            .bind(acted.event.map(|event| event.as_bytes().to_vec()))
            .bind(acted.fingerprint.clone())
            .bind(acted.reason.clone())
            .bind(acted.action.as_str())
            .bind(i64::from(acted.attempt))
            .bind(acted.note.clone());
        self.execute(statement).await.map(drop)
    }

    /// Returns the actions on dead letters of a delivery, oldest first: the action, the attempt, the note, the event
    /// and the time. At most 10,000.
    pub async fn dead_letter_history(
        &self,
        delivery: DeliveryId,
    ) -> Result<Vec<(String, i64, String, Option<EventId>, Timestamp)>, StoreError> {
        let statement = query(HISTORY).bind(delivery.as_bytes().to_vec()).bind(LISTED_ROWS);
        let rows = self.fetch_all(statement).await?;
        rows.iter()
            .map(|row| {
                let event = row.try_get::<Option<Vec<u8>>, _>("event_id")?;
                let event = event.map(|_| hash_id(row, "event_id")).transpose()?;
                let at = time(row, "acted_at")?;
                Ok((row.try_get("action")?, row.try_get("attempt")?, row.try_get("note")?, event, at))
            })
            .collect()
    }
}

statements! {
    const NOTE: ByKey(text, text, text, text, bytea, bytea, text, text, text, int8, text) = "
        INSERT INTO dead_letter_actions (tenant, store, connection, message_id, delivery_id, event_id,
            fingerprint, reason, action, attempt, note)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

    const HISTORY: ByKey(bytea, int8) = "
        SELECT action, attempt, note, event_id, acted_at FROM dead_letter_actions
        WHERE delivery_id = $1 ORDER BY id LIMIT $2";
}
