//! Notifications that wait until their connection is active again.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{id, position, signed, time},
    statement::{query, statements},
};
use model::{ConnectionId, Origin, Position, StoreId, Timestamp};
use sqlx::{Row as _, postgres::PgRow};

/// Upper limit of parked notifications per call of [`Store::parked_beyond`].
const BEYOND_ROWS: i64 = 100;

/// One parked notification.
#[derive(Clone, PartialEq, Eq)]
pub struct ParkedNotice {
    /// Its position in its store's partition.
    pub position: Position,
    /// The delivery, encoded in the wire format.
    pub delivery: Vec<u8>,
    /// Time at which it was parked.
    pub since: Timestamp,
}

impl std::fmt::Debug for ParkedNotice {
    // The delivery is never logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParkedNotice")
            .field("position", &self.position)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Parks a notification of `origin`; parking it again changes nothing. With `only_newest` it replaces the older
    /// ones of its topic.
    pub async fn park_notice(
        &self,
        origin: &Origin,
        topic: &str,
        notice: &ParkedNotice,
        only_newest: bool,
    ) -> Result<(), StoreError> {
        let statement = query(PARK)
            .bind(origin.tenant.as_str().to_owned())
            .bind(origin.store.as_str().to_owned())
            .bind(origin.connection.as_str().to_owned())
            .bind(topic.to_owned())
            .bind(signed(notice.position.raw_sequence)?)
            .bind(i64::from(notice.position.delivery))
            .bind(i64::from(notice.position.event))
            .bind(notice.delivery.clone())
            .bind(only_newest)
            .bind(notice.since.as_chrono());
        self.execute(statement).await.map(drop)
    }

    /// Returns the connections with parked notifications, and their stores; at most [`LISTED_ROWS`].
    pub async fn parked_connections(&self) -> Result<Vec<(StoreId, ConnectionId)>, StoreError> {
        let statement = query(CONNECTIONS).bind(LISTED_ROWS);
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(|row| Ok((id(row, "store")?, id(row, "connection")?))).collect()
    }

    /// Returns the oldest parked notification of a connection.
    pub async fn oldest_parked(&self, connection: &ConnectionId) -> Result<Option<ParkedNotice>, StoreError> {
        let statement = query(OLDEST).bind(connection.as_str().to_owned());
        self.fetch_optional(statement).await?.map(|row| read(&row)).transpose()
    }

    /// Returns the parked notifications of a connection that are older than its `kept` newest ones, newest first;
    /// at most 100.
    pub async fn parked_beyond(
        &self,
        connection: &ConnectionId,
        kept: u32,
    ) -> Result<Vec<ParkedNotice>, StoreError> {
        let statement =
            query(BEYOND).bind(connection.as_str().to_owned()).bind(i64::from(kept)).bind(BEYOND_ROWS);
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Removes a parked notification after it was fetched or became a dead letter.
    pub async fn unpark_notice(&self, connection: &ConnectionId, at: Position) -> Result<(), StoreError> {
        let statement = query(UNPARK)
            .bind(connection.as_str().to_owned())
            .bind(signed(at.raw_sequence)?)
            .bind(i64::from(at.delivery));
        self.execute(statement).await.map(drop)
    }
}

fn read(row: &PgRow) -> Result<ParkedNotice, StoreError> {
    Ok(ParkedNotice {
        position: position::<i64>(row)?,
        delivery: row.try_get("delivery")?,
        since: time(row, "since")?,
    })
}

statements! {
    const PARK: ByKey(text, text, text, text, int8, int8, int8, bytea, bool, timestamptz) = "
        WITH replaced AS (
            DELETE FROM parked_notices
            WHERE $9 AND connection = $3 AND topic = $4 AND (raw_sequence, delivery_index) < ($5, $6)
        )
        INSERT INTO parked_notices (tenant, store, connection, topic, raw_sequence, delivery_index, event_index,
            delivery, since)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $10
        ON CONFLICT (connection, raw_sequence, delivery_index) DO NOTHING";

    const CONNECTIONS: Any(int8) =
        "SELECT DISTINCT store, connection FROM parked_notices ORDER BY store, connection LIMIT $1";

    const OLDEST: ByKey(text) = "
        SELECT raw_sequence, delivery_index, event_index, delivery, since FROM parked_notices
        WHERE connection = $1 ORDER BY raw_sequence, delivery_index LIMIT 1";

    const BEYOND: ByKey(text, int8, int8) = "
        SELECT raw_sequence, delivery_index, event_index, delivery, since FROM parked_notices
        WHERE connection = $1 ORDER BY raw_sequence DESC, delivery_index DESC OFFSET $2 LIMIT $3";

    const UNPARK: ByKey(text, int8, int8) =
        "DELETE FROM parked_notices WHERE connection = $1 AND raw_sequence = $2 AND delivery_index = $3";
}
