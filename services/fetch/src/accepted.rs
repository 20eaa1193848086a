//! The count of accepted deliveries of a partition.

use model::{Origin, Partition, Position, StoreId, TenantId};
use stage::Fault;
use std::collections::BTreeMap;
use store::{Cursor, CursorMove, Store};

/// Counts of accepted deliveries by store. They are counted here because fetch is the other reader of RAW, independent of
/// the stages whose work is compared with them.
pub(crate) struct Accepted {
    cursor: Cursor,
    /// Counts beyond the cursor.
    deliveries: BTreeMap<(TenantId, StoreId), i64>,
}

impl Accepted {
    /// Continues after the cursor.
    pub(crate) const fn after(cursor: Cursor) -> Self {
        Self { cursor, deliveries: BTreeMap::new() }
    }

    /// Counts the delivery at that position, unless it was counted before.
    pub(crate) fn count(&mut self, position: Position, origin: &Origin) {
        if position > self.cursor.position {
            *self.deliveries.entry((origin.tenant.clone(), origin.store.clone())).or_default() += 1;
        }
    }

    /// Stores the counts of all deliveries up to the position `read`, if there are new ones.
    pub(crate) async fn note(
        &mut self,
        store: &Store,
        partition: Partition,
        read: Position,
    ) -> Result<(), Fault> {
        if self.deliveries.is_empty() {
            return Ok(());
        }
        let step = CursorMove { partition, from: self.cursor, position: read, number: self.cursor.number };
        store.count_accepted(step, &self.deliveries).await?;
        self.cursor = step.to();
        self.deliveries.clear();
        Ok(())
    }
}
