//! The single transaction of `apply`: loads and locks the rows that a batch may touch, writes what was decided, and
//! moves the cursors.

mod catalog;
mod commit;
mod conflicts;
mod dropped_inputs;
mod links;
mod load;
mod stock;
mod trade;
pub(crate) mod write_log;

use crate::{CursorMove, Store, StoreError, error::within};
use model::{
    MirrorKey,
    record::{Changes, Facts, FirstKeys, RowKeys},
};
use sqlx::{Postgres, Transaction};
use std::{collections::BTreeSet, time::Duration};

/// A transaction of `apply`. After a drop it is rolled back when its connection is next used;
/// [`ApplyTransaction::rollback`] waits for that.
///
/// Locks are taken in one order everywhere: stores, then mirrors, levels, products, variants, orders, customers,
/// connections, conflicts, each in the order of its keys.
pub struct ApplyTransaction {
    transaction: Transaction<'static, Postgres>,
    limit: Duration,
    /// Mirrors that were loaded: no other transaction can change them until the commit.
    locked_mirrors: BTreeSet<MirrorKey>,
}

impl Store {
    /// Begins the transaction of one batch.
    pub async fn begin_apply(&self) -> Result<ApplyTransaction, StoreError> {
        let transaction = self.bounded(self.pool.begin()).await?;
        Ok(ApplyTransaction { transaction, limit: self.limit, locked_mirrors: BTreeSet::new() })
    }
}

impl ApplyTransaction {
    /// Loads the facts that decide which rows are needed next, and locks the stores. A dead event doesn't count as
    /// seen, so that its replay is decided anew.
    pub async fn first(&mut self, keys: &FirstKeys, facts: &mut Facts) -> Result<(), StoreError> {
        within(self.limit, load::first(&mut self.transaction, keys, facts)).await
    }

    /// Loads and locks the rows that the batch may change.
    pub async fn rows(&mut self, keys: &RowKeys, facts: &mut Facts) -> Result<(), StoreError> {
        within(self.limit, load::rows(&mut self.transaction, keys, facts)).await?;
        self.locked_mirrors.extend(facts.mirrors.keys());
        Ok(())
    }

    /// Discards what was loaded and releases the locks.
    pub async fn rollback(self) -> Result<(), StoreError> {
        within(self.limit, self.transaction.rollback()).await
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
        let write = commit::write(&mut self.transaction, changes, payloads, steps, &self.locked_mirrors);
        within(self.limit, write).await?;
        // There may be any number of them: erased in bounded statements, each within the time limit, all
        // in this commit.
        for (connection, erasure) in &changes.erased {
            let mut after = String::new();
            loop {
                let of = (connection, *erasure);
                let erase = trade::erase_customers(&mut self.transaction, of, &after, &changes.customers);
                let Some(last) = within(self.limit, erase).await? else { break };
                after = last;
            }
        }
        within(self.limit, self.transaction.commit()).await
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
        links::statements(),
        load::statements(),
        stock::statements(),
        trade::statements(),
        write_log::statements(),
    ]
    .concat()
}
