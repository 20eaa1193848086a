//! Rebuild of current state: compares the tables with the state that a store's events produce, and repairs them.
//!
//! Nothing is deleted, and no line of the ledger is changed: a missing row is inserted, a row of the state that differs
//! is updated, and a row without an event is reported.

mod rows;
mod runs;
mod tables;

pub use runs::{RebuildRun, StoreToRebuild};

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{id, signed},
    conservation::FREE_PLANS,
    error::within,
    statement::{query, statements},
};
use model::{
    StoreId, TenantId,
    record::{Movement, State},
};
use sqlx::{Postgres, Row as _, Transaction, postgres::PgRow};
use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};
use tables::{LEVELS, MOVEMENTS, ORDERS, PRODUCTS, PROMOTIONS, Row, Table, VARIANTS};

/// Time limit of one query or write of a rebuild.
const STATEMENT_LIMIT: Duration = Duration::from_mins(10);
/// Number of rows that are compared with a table at once.
const ROWS_MAX: usize = 1000;

/// Upper limit of bytes of changes that are read at once; the last change may exceed it.
const CHANGES_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// A row that differs from the state that the events produce.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The row's key without the store, its parts separated by spaces.
    pub key: String,
    /// The kind of difference.
    pub what: Wrong,
}

/// The kind of difference between a row and the events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// The row is missing.
    Missing,
    /// These columns differ.
    Differs(Vec<String>),
    /// No event produced the row.
    WithoutEvent,
}

impl Difference {
    /// Returns true if a rebuild can repair it: a line of the ledger is never changed, and a row without
    /// an event stays.
    pub fn is_correctable(&self) -> bool {
        match self.what {
            Wrong::Missing => true,
            Wrong::Differs(_) => self.table != MOVEMENTS.name,
            Wrong::WithoutEvent => false,
        }
    }
}

/// One step of the rebuild of a store: a transaction. Dropping it rolls it back.
pub struct Rebuilding {
    transaction: Transaction<'static, Postgres>,
    store: StoreId,
    repairs: bool,
}

impl Store {
    /// Begins a step. A step that corrects nothing reads one snapshot of the database and can't write.
    pub async fn rebuilding(&self, store: &StoreId, repairs: bool) -> Result<Rebuilding, StoreError> {
        let begin = if repairs { "BEGIN" } else { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" };
        let mut transaction = self.bounded(self.pool.begin_with(begin)).await?;
        within(self.limit, query(FREE_PLANS).execute(&mut *transaction)).await?;
        Ok(Rebuilding { transaction, store: store.clone(), repairs })
    }
}

impl Rebuilding {
    /// Locks the store against other writers until the end of the step, if the step repairs. Returns the store's tenant
    /// and its last sequence number.
    pub async fn hold(&mut self) -> Result<(TenantId, i64), StoreError> {
        let statement = if self.repairs { LOCK_STORE } else { STORE };
        let statement = query(statement).bind(self.store.as_str());
        let row = within(STATEMENT_LIMIT, statement.fetch_one(&mut *self.transaction)).await?;
        Ok((id(&row, "tenant")?, row.try_get("last_sequence")?))
    }

    /// Returns the store's next changes after a sequence number, in order, in the wire format: at most `limit`, fewer
    /// if they are large, none at the end.
    pub async fn changes(&mut self, after: i64, limit: i64) -> Result<Vec<Vec<u8>>, StoreError> {
        let statement = query(CHANGES);
        let statement = statement.bind(self.store.as_str()).bind(after).bind(limit.min(LISTED_ROWS));
        let statement = statement.bind(CHANGES_BYTES_MAX);
        let rows = within(STATEMENT_LIMIT, statement.fetch_all(&mut *self.transaction)).await?;
        rows.iter().map(|row| Ok(row.try_get("payload")?)).collect()
    }

    /// Compares the ledger after `after` and up to `through` with the lines that the changes in between wrote.
    pub async fn ledger(
        &mut self,
        lines: &[Movement],
        after: i64,
        through: i64,
    ) -> Result<Vec<Difference>, StoreError> {
        let rows: Vec<Row> = lines.iter().map(rows::movement).collect();
        let keys = query(MOVEMENTS.keys_between());
        let keys = keys.bind(self.store.as_str()).bind(after).bind(through);
        let keys = within(STATEMENT_LIMIT, keys.fetch_all(&mut *self.transaction)).await?;
        let reported: HashSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let mut found = without_event(&MOVEMENTS, &keys, &reported)?;
        found.extend(self.settle(&MOVEMENTS, &rows).await?);
        Ok(found)
    }

    /// Compares the store's levels, products, variants, orders and promotions with the expected state. Call it after
    /// [`Rebuilding::hold`], while the store is locked.
    pub async fn state(&mut self, tenant: &TenantId, state: &State) -> Result<Vec<Difference>, StoreError> {
        let store = self.store.clone();
        let levels = state.levels.iter();
        let levels = levels.map(|(key, quantity)| rows::level(tenant, &store, key, *quantity));
        let mut found = self.table(&LEVELS, levels).await?;
        found.extend(self.table(&PRODUCTS, state.products.values().map(rows::product)).await?);
        found.extend(self.table(&VARIANTS, state.variants.values().map(rows::variant)).await?);
        found.extend(self.table(&ORDERS, state.orders.values().map(rows::order)).await?);
        found.extend(self.table(&PROMOTIONS, state.promotions.values().map(rows::promotion)).await?);
        Ok(found)
    }

    /// Commits the step.
    pub async fn commit(self) -> Result<(), StoreError> {
        within(STATEMENT_LIMIT, self.transaction.commit()).await
    }

    /// Commits the last step of a store and records it as rebuilt up to that sequence number.
    pub async fn finish(mut self, run: &RebuildRun, through: i64, left_alone: u64) -> Result<(), StoreError> {
        if self.repairs {
            let statement = query(FINISH);
            let statement = statement.bind(self.store.as_str()).bind(run.began).bind(through);
            let statement = statement.bind(signed(left_alone)?);
            within(STATEMENT_LIMIT, statement.execute(&mut *self.transaction)).await?;
        }
        self.commit().await
    }

    async fn table(
        &mut self,
        table: &'static Table,
        rows: impl Iterator<Item = Row> + Send,
    ) -> Result<Vec<Difference>, StoreError> {
        let keys = query(table.keys()).bind(self.store.as_str());
        let keys = within(STATEMENT_LIMIT, keys.fetch_all(&mut *self.transaction)).await?;
        let (mut found, mut reported) = (Vec::new(), HashSet::new());
        let mut waiting = Vec::with_capacity(ROWS_MAX);
        for row in rows {
            reported.insert(row.key.clone());
            waiting.push(row);
            if waiting.len() == ROWS_MAX {
                found.extend(self.settle(table, &waiting).await?);
                waiting.clear();
            }
        }
        found.extend(self.settle(table, &waiting).await?);
        let reported = reported.iter().map(String::as_str).collect();
        found.extend(without_event(table, &keys, &reported)?);
        Ok(found)
    }

    /// Finds the rows that are missing or differ, and repairs those that can be repaired if the step repairs.
    async fn settle(&mut self, table: &'static Table, rows: &[Row]) -> Result<Vec<Difference>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let differing = query(table.differing()).bind(json(rows.iter())?);
        let differing = within(STATEMENT_LIMIT, differing.fetch_all(&mut *self.transaction)).await?;
        let read = |row: &PgRow| -> Result<Difference, StoreError> {
            let missing: bool = row.try_get("missing")?;
            let what = if missing { Wrong::Missing } else { Wrong::Differs(row.try_get("columns")?) };
            Ok(Difference { table: table.name, key: row.try_get("key")?, what })
        };
        let found: Vec<Difference> = differing.iter().map(read).collect::<Result<_, _>>()?;
        let repaired: BTreeSet<&str> = found
            .iter()
            .filter(|difference| difference.is_correctable())
            .map(|difference| difference.key.as_str())
            .collect();
        if self.repairs && !repaired.is_empty() {
            let rows = rows.iter().filter(|row| repaired.contains(row.key.as_str()));
            let write = query(table.write()).bind(json(rows)?);
            within(STATEMENT_LIMIT, write.execute(&mut *self.transaction)).await?;
        }
        Ok(found)
    }
}

fn without_event(
    table: &'static Table,
    keys: &[PgRow],
    reported: &HashSet<&str>,
) -> Result<Vec<Difference>, StoreError> {
    let mut found = Vec::new();
    for row in keys {
        let key: String = row.try_get("key")?;
        if !reported.contains(key.as_str()) {
            found.push(Difference { table: table.name, key, what: Wrong::WithoutEvent });
        }
    }
    Ok(found)
}

fn json<'a>(rows: impl Iterator<Item = &'a Row>) -> Result<String, StoreError> {
    crate::columns::json(&rows.map(|row| &row.columns).collect::<Vec<_>>())
}

/// Returns the statements of a rebuild.
#[cfg(test)]
pub(crate) fn all_statements() -> Vec<crate::statement::Declared> {
    [statements(), runs::statements(), tables::composed()].concat()
}

statements! {
    const STORE: ByKey(text) = "SELECT tenant, last_sequence FROM stores WHERE id = $1";

    const LOCK_STORE: ByKey(text) =
        "SELECT tenant, last_sequence FROM stores WHERE id = $1 FOR NO KEY UPDATE";

    const CHANGES: ByKey(text, int8, int8, int8) = "
        SELECT payload FROM (
           SELECT payload, sequence,
               sum(octet_length(payload)) OVER (ORDER BY sequence ROWS UNBOUNDED PRECEDING)
                   - octet_length(payload) AS bytes_before
           FROM (SELECT payload, sequence FROM events WHERE store = $1 AND sequence > $2
                 ORDER BY sequence LIMIT $3) AS next
        ) AS measured WHERE bytes_before < $4 ORDER BY sequence";

    const FINISH: ByKey(text, timestamptz, int8, int8) = "
        INSERT INTO rebuilds (tenant, store, started_at, finished_at, through_sequence, left_alone)
        SELECT tenant, id, coalesce($2, now()), now(), $3, $4 FROM stores WHERE id = $1
        ON CONFLICT (store) DO UPDATE
        SET started_at = excluded.started_at, finished_at = excluded.finished_at,
            through_sequence = excluded.through_sequence, left_alone = excluded.left_alone";
}
