//! The single transaction of `apply`: loads and locks the rows that a batch may touch, writes what was decided, and
//! moves the cursors.

mod catalog;
mod commit;
mod conflicts;
mod dropped_inputs;
pub(crate) mod employees;
mod links;
mod load;
pub(crate) mod promotions;
mod stock;
mod together;
mod trade;
pub(crate) mod write_log;

use crate::{CursorMove, Store, StoreError, sessions::Lease};
use commit::Loaded;
use model::record::{Changes, Facts, FirstKeys, RowKeys};
use std::time::Duration;

/// A transaction of `apply`, on a connection of its own. Its statements are sent together where none needs the answer to
/// another one: the beginning with the first loads, each round of loads, all writes, the commit. A drop closes the
/// connection, so that the server rolls back.
///
/// Locks are taken in one order everywhere: stores, then mirrors, products, variants, orders, customers, promotions,
/// employees, connections, conflicts, each in the order of its keys.
pub struct ApplyTransaction {
    lease: Lease,
    limit: Duration,
    loaded: Loaded,
}

impl Store {
    /// Takes a connection for the transaction of one batch. The transaction begins with its first statement.
    pub async fn begin_apply(&self) -> Result<ApplyTransaction, StoreError> {
        let lease = self.sessions.take().await?;
        Ok(ApplyTransaction { lease, limit: self.limit, loaded: Loaded::default() })
    }
}

impl ApplyTransaction {
    /// Loads the facts that decide which rows are needed next, and locks the stores. A dead event doesn't count as
    /// seen, so that its replay is decided anew.
    pub async fn first(&mut self, keys: &FirstKeys, facts: &mut Facts) -> Result<(), StoreError> {
        load::first(keys).send(&mut self.lease, self.limit, facts).await
    }

    /// Loads the rows that the batch may change, and locks those that others than the owner of their store's lock change.
    pub async fn rows(&mut self, keys: &RowKeys, facts: &mut Facts) -> Result<(), StoreError> {
        load::rows(keys).send(&mut self.lease, self.limit, facts).await?;
        self.loaded.mirrors.extend(facts.mirrors.keys());
        self.loaded.levels.extend(facts.levels.keys().cloned());
        Ok(())
    }

    /// Discards what was loaded and releases the locks.
    pub async fn rollback(mut self) -> Result<(), StoreError> {
        self.lease.roll_back(self.limit).await?;
        self.lease.give_back();
        Ok(())
    }

    /// Writes `changes`, with the wire format of each applied change in `payloads` (same order), moves the cursors, and
    /// commits. Returns [`StoreError::Fenced`] if a cursor isn't at the beginning of its step: then nothing was
    /// changed. After [`StoreError::Unavailable`] the outcome is unknown: read the cursor.
    pub async fn commit(
        mut self,
        changes: &Changes,
        payloads: &[Vec<u8>],
        steps: &[CursorMove],
    ) -> Result<(), StoreError> {
        match self.write(changes, payloads, steps).await {
            Ok(()) => self.lease.commit(self.limit).await?,
            Err(error @ (StoreError::Fenced | StoreError::Refused { .. })) => {
                // The next transaction needs the locks, and may as well have the connection.
                if self.lease.roll_back(self.limit).await.is_ok() {
                    self.lease.give_back();
                }
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        self.lease.give_back();
        Ok(())
    }

    async fn write(
        &mut self,
        changes: &Changes,
        payloads: &[Vec<u8>],
        steps: &[CursorMove],
    ) -> Result<(), StoreError> {
        let (session, limit) = (&mut *self.lease, self.limit);
        commit::writes(changes, payloads, steps, &self.loaded)?.send(session, limit).await?;
        conflicts::oversold(session, limit, changes).await?;
        // There may be any number of them: erased in bounded statements, each within the time limit, all
        // in this commit.
        for (connection, erasure) in &changes.erased {
            let (of, mut after) = ((connection, *erasure), String::new());
            while let Some(last) =
                trade::erase_customers(session, limit, of, &after, &changes.customers).await?
            {
                after = last;
            }
            let mut after = String::new();
            while let Some(last) =
                employees::erase_employees(session, limit, of, &after, &changes.employees).await?
            {
                after = last;
            }
        }
        Ok(())
    }
}

/// Returns the statements of apply's transaction.
#[cfg(test)]
pub(crate) fn statements() -> Vec<crate::statement::Declared> {
    [
        catalog::statements(),
        commit::statements(),
        conflicts::statements(),
        dropped_inputs::statements(),
        employees::statements(),
        links::statements(),
        load::statements(),
        promotions::statements(),
        stock::statements(),
        trade::statements(),
        write_log::statements(),
    ]
    .concat()
}
