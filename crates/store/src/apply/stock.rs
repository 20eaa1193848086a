//! Mirrors, levels and the ledger.

use super::together::{Loads, Writes};
use crate::{
    LISTED_ROWS, StoreError,
    columns::{id, quantity},
    mirrors::{self, KeyColumns},
    row::Row as _,
    statement::{Bound, query, statements},
};
use chrono::{DateTime, Utc};
use model::{
    ConnectionId, LevelMirror, LocationId, Mirror, MirrorKey, Quantity, VariantId,
    record::{ExternalKey, Facts, Mirrors, Movement},
};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;

/// Loads and locks mirrors, and loads the store's levels of level mirrors.
pub(super) fn mirrors(loads: &mut Loads, keys: &BTreeSet<MirrorKey>) {
    let keys = KeyColumns::of(keys);
    let statement = query(MIRRORS_AND_LEVELS)
        .bind(keys.connections)
        .bind(keys.kinds)
        .bind(keys.externals)
        .bind(keys.locations);
    loads.add(statement, |row, facts| {
        let mirror = mirrors::read(row)?;
        let level: Option<Decimal> = row.value("quantity")?;
        if let (Mirror::Level(key, LevelMirror { variant: Some(variant), .. }), Some(_)) = (&mirror, level) {
            facts.levels.insert((variant.clone(), key.location.clone()), quantity(row, "quantity")?);
        }
        facts.mirrors.insert(mirror);
        Ok(())
    });
}

/// Loads and locks every level mirror of those items.
pub(super) fn item_mirrors(loads: &mut Loads, keys: &BTreeSet<ExternalKey>) {
    let statement = query(ITEM_MIRRORS)
        .bind(keys.iter().map(|(connection, _)| connection.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, external)| external.as_str()).collect::<Vec<_>>());
    loads.add(statement, keep);
}

/// Loads and locks every platform's mirror of those variants at those locations. Looked up by variant, because few
/// mirrors share one.
pub(super) fn contact_mirrors(loads: &mut Loads, keys: &BTreeSet<(VariantId, LocationId)>) {
    let statement = query(CONTACT_MIRRORS)
        .bind(keys.iter().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, location)| location.as_str()).collect::<Vec<_>>());
    loads.add(statement, keep);
}

/// Loads and locks the mirrors of those connections that wait for a decision on a first contact.
pub(super) fn waiting_mirrors(loads: &mut Loads, keys: &BTreeSet<ConnectionId>) {
    let statement = query(WAITING_MIRRORS)
        .bind(keys.iter().map(ConnectionId::as_str).collect::<Vec<_>>())
        .bind(LISTED_ROWS);
    loads.add(statement, keep);
}

fn keep(row: &Row, facts: &mut Facts) -> Result<(), StoreError> {
    facts.mirrors.insert(mirrors::read(row)?);
    Ok(())
}

/// Writes mirrors: updates those that were loaded and locked, and inserts new ones.
pub(super) fn write_mirrors(
    writes: &mut Writes,
    changed: &Mirrors,
    loaded: &BTreeSet<MirrorKey>,
) -> Result<(), StoreError> {
    let (known, new): (Vec<Mirror>, Vec<Mirror>) =
        changed.iter().partition(|mirror| loaded.contains(&mirror.key()));
    if !known.is_empty() {
        writes.add_complete(mirrors::updates(&known)?, known.len(), mirrors::changed_meanwhile());
    }
    if !new.is_empty() {
        let connections = mirrors::connections_of(&new);
        let find = mirrors::find_connections(&connections);
        writes.add_complete(find, connections.len(), mirrors::unknown_connection());
        writes.add_complete(mirrors::inserts(&new)?, new.len(), mirrors::changed_meanwhile());
    }
    Ok(())
}

/// Loads levels. They need no lock: only a transaction that has locked their store writes them. These are apply's, whose
/// first statement locks the stores of its events, and a rebuild's, which holds the store that it repairs.
pub(super) fn levels(loads: &mut Loads, keys: &BTreeSet<(VariantId, LocationId)>) {
    let statement = query(LEVELS)
        .bind(keys.iter().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, location)| location.as_str()).collect::<Vec<_>>());
    loads.add(statement, |row, facts| {
        let key = (id(row, "variant")?, id(row, "location")?);
        facts.levels.insert(key, quantity(row, "quantity")?);
        Ok(())
    });
}

/// Writes levels: updates those that were loaded, and inserts the others. In steady state all of them exist, and an
/// update is cheaper than an insert that conflicts.
pub(super) fn write_levels(
    writes: &mut Writes,
    changed: &BTreeMap<(VariantId, LocationId), Quantity>,
    loaded: &BTreeSet<(VariantId, LocationId)>,
) {
    let (known, new): (Vec<_>, Vec<_>) = changed.iter().partition(|(key, _)| loaded.contains(*key));
    for (statement, levels, otherwise) in [
        (UPDATE_LEVELS, known, StoreError::unavailable("a level was removed while the batch was decided")),
        (INSERT_LEVELS, new, StoreError::refused("a level's location isn't set up")),
    ] {
        if !levels.is_empty() {
            let keys = || levels.iter().map(|(key, _)| key);
            let statement = query(statement)
                .bind(keys().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>())
                .bind(keys().map(|(_, location)| location.as_str()).collect::<Vec<_>>())
                .bind(levels.iter().map(|(_, quantity)| quantity.decimal()).collect::<Vec<_>>());
            writes.add_complete(statement, levels.len(), otherwise);
        }
    }
}

pub(super) fn write_movements(movements: &[Movement]) -> Bound {
    let rows = || movements.iter();
    let at: Vec<DateTime<Utc>> = rows().map(|movement| movement.at.as_chrono()).collect();
    query(WRITE_MOVEMENTS)
        .bind(rows().map(|movement| movement.tenant.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|movement| movement.store.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|movement| movement.sequence).collect::<Vec<_>>())
        .bind(rows().map(|movement| movement.variant.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|movement| movement.location.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|movement| movement.delta.decimal()).collect::<Vec<_>>())
        .bind(rows().map(|movement| movement.level.decimal()).collect::<Vec<_>>())
        .bind(rows().map(|movement| movement.reason.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|movement| movement.connection.as_str()).collect::<Vec<_>>())
        .bind(at)
}

statements! {
    const MIRRORS_AND_LEVELS: ByKey(text[], text[], text[], text[]) = "
        SELECT m.connection, m.kind, m.external, m.place, m.state, l.quantity
        FROM (SELECT m.*
              FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u(connection, kind, external, place)
              JOIN mirrors m USING (connection, kind, external, place)
              ORDER BY m.connection, m.kind, m.external, m.place
              FOR NO KEY UPDATE OF m) AS m
        LEFT JOIN LATERAL (SELECT k.quantity FROM inventory_levels k
                           WHERE m.kind = 'inventory' AND k.variant = m.internal
                               AND k.location || '' = m.place OFFSET 0) AS l
            ON true";

    // Item by item in the order of their keys, which is the order of locks. With a plain join, a plan made while
    // the table was empty would read all mirrors of a connection.
    const ITEM_MIRRORS: ByKey(text[], text[]) = "
        SELECT m.*
        FROM unnest($1::text[], $2::text[]) AS u(connection, external)
        CROSS JOIN LATERAL (SELECT * FROM mirrors k
                            WHERE k.connection = u.connection AND k.kind = 'inventory' AND k.external = u.external
                            ORDER BY k.place FOR NO KEY UPDATE) AS m";

    const CONTACT_MIRRORS: ByKey(text[], text[]) = "
        SELECT m.*
        FROM unnest($1::text[], $2::text[]) AS u(variant, location)
        CROSS JOIN LATERAL (SELECT * FROM mirrors k
                            WHERE k.internal = u.variant AND k.kind = 'inventory' AND k.place || '' = u.location
                            ORDER BY k.connection, k.external FOR NO KEY UPDATE) AS m";

    const WAITING_MIRRORS: ByKey(text[], int8) = "
        SELECT m.* FROM mirrors m WHERE m.connection = ANY($1) AND m.attention = 'answer'
        ORDER BY m.connection, m.kind, m.external, m.place LIMIT $2 FOR NO KEY UPDATE";

    const LEVELS: ByKey(text[], text[]) = "
        SELECT l.variant, l.location, l.quantity
        FROM unnest($1::text[], $2::text[]) AS u(variant, location)
        JOIN inventory_levels l USING (variant, location)";

    const UPDATE_LEVELS: ByKey(text[], text[], numeric[]) = "
        UPDATE inventory_levels l SET quantity = u.quantity
        FROM unnest($1::text[], $2::text[], $3::numeric[]) AS u(variant, location, quantity)
        WHERE l.variant = u.variant AND l.location = u.location";

    const INSERT_LEVELS: ByKey(text[], text[], numeric[]) = "
        INSERT INTO inventory_levels (tenant, store, variant, location, quantity)
        SELECT site.tenant, site.store, u.variant, u.location, u.quantity
        FROM unnest($1::text[], $2::text[], $3::numeric[]) AS u(variant, location, quantity)
        JOIN locations site ON site.id = u.location
        ON CONFLICT (variant, location) DO UPDATE SET quantity = excluded.quantity";

    const WRITE_MOVEMENTS: ByKey(
        text[], text[], int8[], text[], text[], numeric[], numeric[], text[], text[], timestamptz[]
    ) = "
        INSERT INTO inventory_movements
            (tenant, store, sequence, variant, location, delta, level, reason, connection, at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::text[], $5::text[], $6::numeric[],
            $7::numeric[], $8::text[], $9::text[], $10::timestamptz[])";
}
