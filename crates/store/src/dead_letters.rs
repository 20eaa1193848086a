//! What people did with dead letters.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{hash_id, time},
};
use model::{DeliveryId, EventId, Origin, Timestamp};
use sqlx::Row as _;

/// What is done with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterAction {
    /// It is taken in again.
    Replay,
    /// It is given up.
    Discard,
}

impl DeadLetterAction {
    /// The name that rows carry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Discard => "discard",
        }
    }
}

/// One act on one dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterActed {
    /// Whose it is.
    pub origin: Origin,
    /// The dead letter's name for ever.
    pub message_id: String,
    /// The delivery that it is, or that brought it.
    pub delivery: DeliveryId,
    /// The event, if it was understood as one.
    pub event: Option<EventId>,
    /// Names dead letters of the same cause.
    pub fingerprint: String,
    /// What the dead letter said.
    pub reason: String,
    /// What was done.
    pub action: DeadLetterAction,
    /// The attempt that a replay begins; the one that failed, if it was given up.
    pub attempt: u32,
    /// Why a person gave it up.
    pub note: String,
}

impl Store {
    /// Notes what is about to be done with a dead letter.
    pub async fn note_dead_letter(&self, acted: &DeadLetterActed) -> Result<(), StoreError> {
        let statement = sqlx::query(
            "INSERT INTO dead_letter_actions (tenant, store, connection, message_id, delivery_id, event_id,
                 fingerprint, reason, action, attempt, note)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
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

    /// What was done with dead letters of a delivery, oldest first: the action, the attempt, the note, the event and
    /// when. At most 10,000.
    pub async fn dead_letter_history(
        &self,
        delivery: DeliveryId,
    ) -> Result<Vec<(String, i64, String, Option<EventId>, Timestamp)>, StoreError> {
        let statement = sqlx::query(
            "SELECT action, attempt, note, event_id, acted_at FROM dead_letter_actions
             WHERE delivery_id = $1 ORDER BY id LIMIT $2",
        )
        .bind(delivery.as_bytes().to_vec())
        .bind(LISTED_ROWS);
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
