//! The states of collections: moved by compare-and-set, so that of two that read the same page one goes on.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::json,
    error::within,
    listed_objects,
    statement::{Bound, query, statements},
};
use model::{CollectionState, ConnectionId, ListedObject, Origin, ReadRequest, ReadTimes, Timestamp, Zone};
use sqlx::{Row as _, postgres::PgRow, types::Json};

/// The stored state of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionRow {
    /// The connection.
    pub connection: ConnectionId,
    /// The name of the collection.
    pub collection: String,
    /// The state.
    pub state: CollectionState,
    /// The read that a person requested and that hasn't begun.
    pub request: Option<ReadRequest>,
    /// The times of whole reads that a person chose.
    pub whole_times: Option<ReadTimes>,
    /// The store's time zone; UTC if the database of zones has none of that name.
    pub zone: Zone,
    revision: i64,
}

impl Store {
    /// Returns the states of a connection's collections, in the order of their names; at most [`LISTED_ROWS`].
    pub async fn collections(&self, connection: &ConnectionId) -> Result<Vec<CollectionRow>, StoreError> {
        let statement = query(OF_CONNECTION).bind(connection.as_str().to_owned()).bind(LISTED_ROWS);
        self.fetch_all(statement).await?.iter().map(|row| read(connection, row)).collect()
    }

    /// Adds collections of a connection; existing ones stay as they are.
    pub async fn add_collections(
        &self,
        origin: &Origin,
        added: &[(&str, CollectionState)],
    ) -> Result<(), StoreError> {
        let states = added.iter().map(|(_, state)| json(state)).collect::<Result<Vec<_>, _>>()?;
        let statement = query(ADD)
            .bind(origin.tenant.as_str().to_owned())
            .bind(origin.store.as_str().to_owned())
            .bind(origin.connection.as_str().to_owned())
            .bind(added.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>())
            .bind(states);
        self.execute(statement).await.map(drop)
    }

    /// Stores the state that follows `before`; a request is taken with it. Returns `false`, and changes nothing, if
    /// another state was stored meanwhile.
    pub async fn save_collection(
        &self,
        before: &CollectionRow,
        state: &CollectionState,
    ) -> Result<bool, StoreError> {
        Ok(self.execute(save(before, state)?).await?.rows_affected() == 1)
    }

    /// Stores the state that follows a page, with the objects on it. Returns `false`, and changes nothing, if another
    /// state was stored meanwhile.
    pub async fn save_page(
        &self,
        before: &CollectionRow,
        state: &CollectionState,
        page: (u64, Timestamp),
        objects: &[ListedObject],
    ) -> Result<bool, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let saved = within(self.limit, save(before, state)?.execute(&mut *transaction)).await?;
        if saved.rows_affected() != 1 {
            within(self.limit, transaction.rollback()).await?;
            return Ok(false);
        }
        if !objects.is_empty() {
            let seen = listed_objects::see(&before.connection, &before.collection, page, objects)?;
            within(self.limit, seen.execute(&mut *transaction)).await?;
        }
        within(self.limit, transaction.commit()).await?;
        Ok(true)
    }

    /// Stores the state that follows the comparison of a complete list with former ones: each object that the list lacks
    /// has been missing `by` times more. Returns `false`, and changes nothing, if another state was stored meanwhile.
    pub async fn save_missing(
        &self,
        before: &CollectionRow,
        state: &CollectionState,
        number: u64,
        by: i16,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let saved = within(self.limit, save(before, state)?.execute(&mut *transaction)).await?;
        if saved.rows_affected() != 1 {
            within(self.limit, transaction.rollback()).await?;
            return Ok(false);
        }
        let counted = listed_objects::count_missing(&before.connection, &before.collection, number, by)?;
        within(self.limit, counted.execute(&mut *transaction)).await?;
        within(self.limit, transaction.commit()).await?;
        Ok(true)
    }

    /// Requests a read of some collections of a connection; a request that hasn't begun is replaced. Returns the number
    /// of collections that exist.
    pub async fn request_read(
        &self,
        connection: &ConnectionId,
        collections: &[String],
        request: &ReadRequest,
    ) -> Result<u64, StoreError> {
        let statement = query(REQUEST)
            .bind(connection.as_str().to_owned())
            .bind(collections.to_vec())
            .bind(json(request)?);
        Ok(self.execute(statement).await?.rows_affected())
    }
}

impl Store {
    /// Sets the times of whole reads of some collections of a connection; without any, they are read at the default
    /// times. Returns the number of collections that exist.
    pub async fn set_whole_times(
        &self,
        connection: &ConnectionId,
        collections: &[String],
        times: Option<&ReadTimes>,
    ) -> Result<u64, StoreError> {
        let statement = query(SET_WHOLE_TIMES)
            .bind(connection.as_str().to_owned())
            .bind(collections.to_vec())
            .bind(times.map(|times| times.as_str().to_owned()));
        Ok(self.execute(statement).await?.rows_affected())
    }
}

fn save(before: &CollectionRow, state: &CollectionState) -> Result<Bound, StoreError> {
    Ok(query(SAVE)
        .bind(before.connection.as_str().to_owned())
        .bind(before.collection.clone())
        .bind(before.revision)
        .bind(json(state)?))
}

fn read(connection: &ConnectionId, row: &PgRow) -> Result<CollectionRow, StoreError> {
    let request: Option<Json<ReadRequest>> = row.try_get("request")?;
    let times: Option<String> = row.try_get("whole_times")?;
    Ok(CollectionRow {
        connection: connection.clone(),
        collection: row.try_get("collection")?,
        state: row.try_get::<Json<CollectionState>, _>("state")?.0,
        request: request.map(|request| request.0),
        // A pattern that a later version refuses is none; the choice is shown as it is stored.
        whole_times: times.and_then(|text| ReadTimes::parse(&text).ok()),
        zone: Zone::parse(row.try_get("timezone")?).unwrap_or(Zone::UTC),
        revision: row.try_get("revision")?,
    })
}

statements! {
    const OF_CONNECTION: ByKey(text, int8) = "
        SELECT c.collection, c.state, c.request, c.revision, c.whole_times, s.timezone
        FROM collection_states c JOIN stores s ON s.id = c.store
        WHERE c.connection = $1 ORDER BY c.collection LIMIT $2";

    const ADD: ByKey(text, text, text, text[], text[]) = "
        INSERT INTO collection_states (tenant, store, connection, collection, state)
        SELECT $1, $2, $3, u.collection, u.state::jsonb
        FROM unnest($4::text[], $5::text[]) AS u(collection, state)
        ON CONFLICT (connection, collection) DO NOTHING";

    const SAVE: ByKey(text, text, int8, text) = "
        UPDATE collection_states SET state = $4::text::jsonb, request = NULL, revision = revision + 1, updated_at = now()
        WHERE connection = $1 AND collection = $2 AND revision = $3";

    const SET_WHOLE_TIMES: ByKey(text, text[], text) = "
        UPDATE collection_states SET whole_times = $3, revision = revision + 1, updated_at = now()
        WHERE connection = $1 AND collection = ANY($2)";

    const REQUEST: ByKey(text, text[], text) = "
        UPDATE collection_states SET request = $3::text::jsonb, revision = revision + 1, updated_at = now()
        WHERE connection = $1 AND collection = ANY($2)";
}
