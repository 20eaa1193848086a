//! Changes of conflicts by events, and of the connections that the events came through.

use super::together::Writes;
use crate::{
    StoreError,
    columns::{hash_id, id, quantity},
    conflicts, connection_states,
    row::Row as _,
    statement::{Bound, Session, query, statements},
};
use model::{Conflict, ConflictKind, ConnectionId, EventId, LocationId, StoreId, VariantId, record::Changes};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio_postgres::Row;

/// Writes rules and revoked authorisations, then conflicts: connections are locked before conflicts everywhere. Without
/// the conflicts to open, if one of them is about oversell: see [`oversold`].
pub(super) fn write(writes: &mut Writes, changes: &Changes) {
    if !changes.rules.is_empty() {
        writes.add(connection_states::write_rules(&changes.rules));
    }
    if !changes.revoked.is_empty() {
        writes.add(connection_states::write_revoked(&changes.revoked));
    }
    for statement in conflicts::ends(&changes.conflicts_ended, conflicts::NO_LONGER_SO) {
        writes.add(statement);
    }
    if !changes.conflicts.iter().any(is_oversold) {
        open(writes, &changes.conflicts);
    }
}

fn open(writes: &mut Writes, conflicts: &[Conflict]) {
    for statement in conflicts::opens(conflicts) {
        writes.add(statement);
    }
}

fn is_oversold(conflict: &Conflict) -> bool {
    conflict.kind == ConflictKind::Oversold
}

/// Opens the conflicts if one of them is about oversell. Those name the last two sales: the one that took the rest, and
/// the one before. These are looked up in the ledger of the store's last [`LOOK_BACK`] changes, with those of this
/// transaction.
pub(super) async fn oversold(
    session: &mut Session,
    limit: Duration,
    changes: &Changes,
) -> Result<(), StoreError> {
    if !changes.conflicts.iter().any(is_oversold) {
        return Ok(());
    }
    let statement = sales_of(&changes.conflicts);
    let mut sales: BTreeMap<(VariantId, LocationId), Vec<String>> = BTreeMap::new();
    for answer in session.send(limit, vec![statement]).await? {
        for row in &answer?.rows {
            let (sold, sale) = read_sale(row)?;
            sales.entry(sold).or_default().push(sale);
        }
    }
    let named = changes.conflicts.iter().cloned().map(|mut conflict| {
        if let Some(sales) = sold_out(&conflict).and_then(|key| sales.get(&key)) {
            conflict.detail = format!("{}; the last to take some: {}", conflict.detail, sales.join(", "));
        }
        conflict
    });
    let mut writes = Writes::default();
    open(&mut writes, &named.collect::<Vec<_>>());
    writes.send(session, limit).await
}

/// Returns the variant and the location that a conflict about oversell is about.
fn sold_out(conflict: &Conflict) -> Option<(VariantId, LocationId)> {
    Conflict::variant_of(&conflict.subject).filter(|_| is_oversold(conflict))
}

fn sales_of(conflicts: &[Conflict]) -> Bound {
    let oversold: BTreeSet<(&StoreId, VariantId, LocationId)> = conflicts
        .iter()
        .filter_map(|conflict| {
            sold_out(conflict).map(|(variant, location)| (&conflict.store, variant, location))
        })
        .collect();
    query(SALES)
        .bind(oversold.iter().map(|(store, ..)| store.as_str()).collect::<Vec<_>>())
        .bind(oversold.iter().map(|(_, variant, _)| variant.as_str()).collect::<Vec<_>>())
        .bind(oversold.iter().map(|(.., location)| location.as_str()).collect::<Vec<_>>())
        .bind(LOOK_BACK)
}

fn read_sale(row: &Row) -> Result<((VariantId, LocationId), String), StoreError> {
    let event: Option<&[u8]> = row.value("event_id")?;
    let event = event.map(|_| hash_id::<EventId>(row, "event_id")).transpose()?;
    let event = event.map(|event| format!(" (event {event})")).unwrap_or_default();
    let seller: ConnectionId = id(row, "connection")?;
    let sale = format!("{} through {seller}{event}", quantity(row, "delta")?);
    Ok(((id(row, "variant")?, id(row, "location")?), sale))
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
