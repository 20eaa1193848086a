//! The one transaction of `apply`: load what a batch may touch, locked; write what was decided; move the cursors.

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

/// A transaction of `apply`. Dropped, it rolls back when the connection is next free: [`ApplyTransaction::rollback`]
/// waits for that.
///
/// Locks are taken in one order everywhere: stores, then mirrors, levels, products, variants, orders, customers,
/// connections, conflicts, each in the order of its keys.
pub struct ApplyTransaction {
    transaction: Transaction<'static, Postgres>,
    limit: Duration,
    /// Mirrors that were loaded: nobody else can change those until the commit.
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
    /// Loads what says which rows come next, and locks the stores. An event that ended dead doesn't count as seen, so
    /// that its replay is decided anew.
    pub async fn first(&mut self, keys: &FirstKeys, facts: &mut Facts) -> Result<(), StoreError> {
        within(self.limit, load::first(&mut self.transaction, keys, facts)).await
    }

    /// Loads and locks the rows that the batch may change.
    pub async fn rows(&mut self, keys: &RowKeys, facts: &mut Facts) -> Result<(), StoreError> {
        within(self.limit, load::rows(&mut self.transaction, keys, facts)).await?;
        self.locked_mirrors.extend(facts.mirrors.keys());
        Ok(())
    }

    /// Gives up what was loaded and its locks.
    pub async fn rollback(self) -> Result<(), StoreError> {
        within(self.limit, self.transaction.rollback()).await
    }

    /// Writes `changes`, with the wire's form of each applied change in `payloads` (same order), moves the cursors, and
    /// commits. [`StoreError::Fenced`] if a cursor isn't where its step begins: then nothing was changed. After
    /// [`StoreError::Unavailable`] the outcome is unknown: the cursor tells.
    pub async fn commit(
        mut self,
        changes: &Changes,
        payloads: &[Vec<u8>],
        steps: &[CursorMove],
    ) -> Result<(), StoreError> {
        let write = commit::write(&mut self.transaction, changes, payloads, steps, &self.locked_mirrors);
        within(self.limit, write).await?;
        // As many as there are, a bounded number at a time: each within the limit, all in this commit.
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
