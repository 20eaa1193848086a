//! What events made of conflicts, and of the connections that they came through.

use crate::{StoreError, conflicts, connection_states};
use model::record::Changes;
use sqlx::PgConnection;

/// Writes rules and lost authorisations, then conflicts: connections are locked before conflicts everywhere.
pub(super) async fn write(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if !changes.rules.is_empty() {
        connection_states::write_rules(connection, &changes.rules).await?;
    }
    if !changes.revoked.is_empty() {
        connection_states::write_revoked(connection, &changes.revoked).await?;
    }
    if !changes.conflicts_ended.is_empty() {
        conflicts::end(connection, &changes.conflicts_ended, conflicts::NO_LONGER_SO).await?;
    }
    if !changes.conflicts.is_empty() {
        conflicts::open(connection, &changes.conflicts).await?;
    }
    Ok(())
}
