//! Fetch cursors: the time up to which a connection's objects were fetched.

use crate::{
    Store, StoreError,
    columns::time,
    statement::{query, statements},
};
use model::{ConnectionId, Timestamp};

impl Store {
    /// Returns the time since which changes of `what` have to be fetched; `None` before the first fetch.
    pub async fn fetch_cursor(
        &self,
        connection: &ConnectionId,
        what: &str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let statement = query(SINCE).bind(connection.as_str().to_owned()).bind(what.to_owned());
        self.fetch_optional(statement).await?.map(|row| time(&row, "since")).transpose()
    }

    /// Sets the fetch cursor; it never moves back.
    pub async fn set_fetch_cursor(
        &self,
        connection: &ConnectionId,
        what: &str,
        since: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = query(SET_SINCE)
            .bind(connection.as_str().to_owned())
            .bind(what.to_owned())
            .bind(since.as_chrono());
        self.execute(statement).await.map(drop)
    }
}

statements! {
    const SINCE: ByKey(text, text) = "SELECT since FROM fetch_cursors WHERE connection = $1 AND what = $2";

    const SET_SINCE: ByKey(text, text, timestamptz) = "
        INSERT INTO fetch_cursors (connection, what, since) VALUES ($1, $2, $3)
        ON CONFLICT (connection, what) DO UPDATE SET since = excluded.since
        WHERE fetch_cursors.since < excluded.since";
}
