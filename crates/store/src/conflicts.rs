//! Conflicts that no event showed.

use crate::{Store, StoreError};
use model::record::Conflict;

impl Store {
    /// Keeps a conflict as an open one of its connection.
    pub async fn note_conflict(&self, conflict: &Conflict) -> Result<(), StoreError> {
        let statement = sqlx::query(
            "INSERT INTO conflicts (tenant, store, connection, event_id, kind, detail)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(conflict.tenant.as_str().to_owned())
        .bind(conflict.store.as_str().to_owned())
        .bind(conflict.connection.as_str().to_owned())
        .bind(conflict.event.as_bytes().to_vec())
        .bind(conflict.kind)
        .bind(conflict.detail.clone());
        self.execute(statement).await.map(drop)
    }
}
