//! Rebuild runs over all stores, and the progress of the last one.

use crate::{
    Store, StoreError,
    columns::id,
    error::within,
    statement::{query, statements},
};
use chrono::{DateTime, Utc};
use model::StoreId;
use sqlx::{PgConnection, Row as _, postgres::PgRow};

/// A run over stores, or the rest of it.
#[derive(Debug, Clone)]
pub struct RebuildRun {
    /// Start time; `None` if the run isn't recorded.
    pub(super) began: Option<DateTime<Utc>>,
    /// The stores still to do, in the order of their ids.
    pub stores: Vec<StoreToRebuild>,
    /// Number of stores that were done before the run was interrupted.
    pub done_before: u64,
    /// Number of findings that were left alone by then.
    pub left_alone_before: u64,
}

/// A store to rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreToRebuild {
    /// The store.
    pub store: StoreId,
    /// The number of its changes.
    pub last_sequence: i64,
}

impl Store {
    /// Continues a run over all stores that was interrupted less than a day ago; begins a new one if there is none,
    /// or if `anew`.
    pub async fn begin_rebuild(&self, anew: bool) -> Result<RebuildRun, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let run = within(self.limit, begin(&mut transaction, anew)).await?;
        within(self.limit, transaction.commit()).await?;
        Ok(run)
    }

    /// Returns one store, or all of them, as a run that isn't recorded.
    pub async fn look_over(&self, store: Option<&StoreId>) -> Result<RebuildRun, StoreError> {
        let statement = query(STORES);
        let rows = self.fetch_all(statement.bind(store.map(|store| store.as_str().to_owned()))).await?;
        let stores = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(RebuildRun { began: None, stores, done_before: 0, left_alone_before: 0 })
    }
}

async fn begin(connection: &mut PgConnection, anew: bool) -> Result<RebuildRun, StoreError> {
    let began = query(BEGUN);
    let began = began.bind(anew).fetch_one(&mut *connection).await?;
    let began = match began.try_get::<Option<DateTime<Utc>>, _>("began")? {
        Some(began) => began,
        None => record_run(connection).await?,
    };
    let rows = query(STORES_OF_RUN);
    let rows = rows.bind(began).fetch_all(connection).await?;
    let mut run = RebuildRun { began: Some(began), stores: Vec::new(), done_before: 0, left_alone_before: 0 };
    for row in &rows {
        if row.try_get("done")? {
            run.done_before += 1;
            run.left_alone_before += row.try_get::<i64, _>("left_alone")?.unsigned_abs();
        } else {
            run.stores.push(read(row)?);
        }
    }
    Ok(run)
}

/// Records a new run: no store of it is done.
async fn record_run(connection: &mut PgConnection) -> Result<DateTime<Utc>, StoreError> {
    query(BEGIN).execute(&mut *connection).await?;
    Ok(query(NOW).fetch_one(connection).await?.try_get("began")?)
}

fn read(row: &PgRow) -> Result<StoreToRebuild, StoreError> {
    Ok(StoreToRebuild { store: id(row, "id")?, last_sequence: row.try_get("last_sequence")? })
}

statements! {
    const STORES: Any(text) = "SELECT id, last_sequence FROM stores WHERE $1::text IS NULL OR id = $1 ORDER BY id";

    const BEGUN: Any(bool) = "
        SELECT CASE WHEN NOT $1 THEN max(started_at) END AS began FROM rebuilds
        WHERE finished_at IS NULL AND started_at > now() - interval '1 day'";

    const STORES_OF_RUN: Any(timestamptz) = "
        SELECT s.id, s.last_sequence, coalesce(r.finished_at IS NOT NULL, false) AS done,
            coalesce(r.left_alone, 0) AS left_alone
        FROM stores s LEFT JOIN rebuilds r ON r.store = s.id AND r.started_at = $1 ORDER BY s.id";

    const BEGIN: Any() = "
        INSERT INTO rebuilds (tenant, store, started_at) SELECT tenant, id, now() FROM stores ORDER BY id
        ON CONFLICT (store) DO UPDATE
        SET started_at = excluded.started_at, finished_at = NULL, through_sequence = NULL, left_alone = 0";

    const NOW: ByKey() = "SELECT now() AS began";
}
