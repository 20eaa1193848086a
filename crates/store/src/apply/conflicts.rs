//! Changes of conflicts by events, and of the connections that the events came through.

use crate::{
    StoreError,
    columns::{hash_id, id, quantity},
    conflicts, connection_states,
    statement::{query, statements},
};
use model::{Conflict, ConflictKind, ConnectionId, EventId, LocationId, StoreId, VariantId, record::Changes};
use sqlx::{PgConnection, Row as _};
use std::collections::{BTreeMap, BTreeSet};

/// Writes rules and revoked authorisations, then conflicts: connections are locked before conflicts everywhere.
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
    let is_oversold = |conflict: &Conflict| conflict.kind == ConflictKind::Oversold;
    if changes.conflicts.iter().any(is_oversold) {
        let named = with_sales(connection, &changes.conflicts).await?;
        conflicts::open(connection, &named).await?;
    } else if !changes.conflicts.is_empty() {
        conflicts::open(connection, &changes.conflicts).await?;
    }
    Ok(())
}

/// Returns the conflicts; those about oversell name the last two sales: the one that took the rest, and the one before.
/// These are looked up in the ledger of the store's last [`LOOK_BACK`] changes.
async fn with_sales(
    connection: &mut PgConnection,
    conflicts: &[Conflict],
) -> Result<Vec<Conflict>, StoreError> {
    let of = |conflict: &Conflict| {
        let is_oversold = conflict.kind == ConflictKind::Oversold;
        Conflict::variant_of(&conflict.subject).filter(|_| is_oversold)
    };
    let oversold: BTreeSet<(&StoreId, VariantId, LocationId)> = conflicts
        .iter()
        .filter_map(|conflict| of(conflict).map(|(variant, location)| (&conflict.store, variant, location)))
        .collect();
    let rows = query(SALES)
        .bind(oversold.iter().map(|(store, ..)| store.as_str()).collect::<Vec<_>>())
        .bind(oversold.iter().map(|(_, variant, _)| variant.as_str()).collect::<Vec<_>>())
        .bind(oversold.iter().map(|(.., location)| location.as_str()).collect::<Vec<_>>())
        .bind(LOOK_BACK)
        .fetch_all(connection)
        .await?;
    let mut sales: BTreeMap<(VariantId, LocationId), Vec<String>> = BTreeMap::new();
    for row in &rows {
        let event: Option<&[u8]> = row.try_get("event_id")?;
        let event = event.map(|_| hash_id::<EventId>(row, "event_id")).transpose()?;
        let event = event.map(|event| format!(" (event {event})")).unwrap_or_default();
        let seller: ConnectionId = id(row, "connection")?;
        let sale = format!("{} through {seller}{event}", quantity(row, "delta")?);
        sales.entry((id(row, "variant")?, id(row, "location")?)).or_default().push(sale);
    }
    let named = conflicts.iter().cloned().map(|mut conflict| {
        if let Some(sales) = of(&conflict).and_then(|key| sales.get(&key)) {
            conflict.detail = format!("{}; the last to take some: {}", conflict.detail, sales.join(", "));
        }
        conflict
    });
    Ok(named.collect())
}

/// Number of a store's latest changes in which the sales behind an oversell are looked up.
const LOOK_BACK: i64 = 10_000;

statements! {
    const SALES: ByKey(text[], text[], text[], int8) = "
        SELECT u.variant, u.location, m.connection, m.delta, e.event_id
        FROM unnest($1::text[], $2::text[], $3::text[]) AS u(store, variant, location)
        JOIN stores s ON s.id = u.store
        CROSS JOIN LATERAL (SELECT * FROM inventory_movements k
                            WHERE k.store = s.id AND k.sequence > s.last_sequence - $4 AND k.variant = u.variant
                                AND k.location = u.location AND k.delta < 0
                            ORDER BY k.sequence DESC LIMIT 2) AS m
        LEFT JOIN LATERAL (SELECT k.event_id FROM events k
                           WHERE k.store = s.id AND k.sequence = m.sequence LIMIT 1) AS e ON true
        ORDER BY u.variant, u.location, m.sequence DESC";
}
