//! Mirrors, levels and the ledger.

use crate::{
    LISTED_ROWS, StoreError,
    columns::{id, quantity, signed},
    mirrors::{self, KeyColumns},
    statement::{query, statements},
};
use chrono::{DateTime, Utc};
use model::{
    ConnectionId, LevelMirror, LocationId, Mirror, MirrorKey, Quantity, VariantId,
    record::{ExternalKey, Facts, Mirrors, Movement},
};
use rust_decimal::Decimal;
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use std::collections::{BTreeMap, BTreeSet};

/// Loads and locks mirrors, and loads the store's levels of level mirrors. Levels need no lock of their own: only the
/// transaction that has locked their store changes them.
pub(super) async fn mirrors(
    connection: &mut PgConnection,
    keys: &BTreeSet<MirrorKey>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let keys = KeyColumns::of(keys);
    let rows = query(MIRRORS_AND_LEVELS)
        .bind(keys.connections)
        .bind(keys.kinds)
        .bind(keys.externals)
        .bind(keys.locations)
        .fetch_all(connection)
        .await?;
    for row in &rows {
        let mirror = mirrors::read(row)?;
        let level: Option<Decimal> = row.try_get("quantity")?;
        if let (Mirror::Level(key, LevelMirror { variant: Some(variant), .. }), Some(_)) = (&mirror, level) {
            facts.levels.insert((variant.clone(), key.location.clone()), quantity(row, "quantity")?);
        }
        facts.mirrors.insert(mirror);
    }
    Ok(())
}

/// Loads and locks every level mirror of those items.
pub(super) async fn item_mirrors(
    connection: &mut PgConnection,
    keys: &BTreeSet<ExternalKey>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let statement = query(ITEM_MIRRORS)
        .bind(keys.iter().map(|(connection, _)| connection.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, external)| external.as_str()).collect::<Vec<_>>());
    keep(&statement.fetch_all(connection).await?, facts)
}

/// Loads and locks every platform's mirror of those variants at those locations. Looked up by variant, because few
/// mirrors share one.
pub(super) async fn contact_mirrors(
    connection: &mut PgConnection,
    keys: &BTreeSet<(VariantId, LocationId)>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let statement = query(CONTACT_MIRRORS)
        .bind(keys.iter().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, location)| location.as_str()).collect::<Vec<_>>());
    keep(&statement.fetch_all(connection).await?, facts)
}

/// Loads and locks the mirrors of those connections that wait for a decision on a first contact.
pub(super) async fn waiting_mirrors(
    connection: &mut PgConnection,
    keys: &BTreeSet<ConnectionId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let statement = query(WAITING_MIRRORS)
        .bind(keys.iter().map(ConnectionId::as_str).collect::<Vec<_>>())
        .bind(LISTED_ROWS);
    keep(&statement.fetch_all(connection).await?, facts)
}

fn keep(rows: &[PgRow], facts: &mut Facts) -> Result<(), StoreError> {
    for row in rows {
        facts.mirrors.insert(mirrors::read(row)?);
    }
    Ok(())
}

/// Writes mirrors: updates those that were loaded and locked, and inserts new ones.
pub(super) async fn write_mirrors(
    connection: &mut PgConnection,
    changed: &Mirrors,
    locked: &BTreeSet<MirrorKey>,
) -> Result<(), StoreError> {
    let (known, new): (Vec<Mirror>, Vec<Mirror>) =
        changed.iter().partition(|mirror| locked.contains(&mirror.key()));
    mirrors::update(&mut *connection, &known).await?;
    mirrors::insert(connection, &new).await
}

pub(super) async fn levels(
    connection: &mut PgConnection,
    keys: &BTreeSet<(VariantId, LocationId)>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = query(LOCK_LEVELS)
        .bind(keys.iter().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, location)| location.as_str()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    for row in &rows {
        facts.levels.insert((id(row, "variant")?, id(row, "location")?), quantity(row, "quantity")?);
    }
    Ok(())
}

/// Writes levels. Most rows exist, and an update is cheaper than an insert that conflicts.
pub(super) async fn write_levels(
    connection: &mut PgConnection,
    levels: &BTreeMap<(VariantId, LocationId), Quantity>,
) -> Result<(), StoreError> {
    let mut written = 0;
    for statement in [UPDATE_LEVELS, INSERT_LEVELS] {
        let done = query(statement)
            .bind(levels.keys().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>())
            .bind(levels.keys().map(|(_, location)| location.as_str()).collect::<Vec<_>>())
            .bind(levels.values().map(|quantity| quantity.decimal()).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
        written += done.rows_affected();
        if written == signed(levels.len())?.unsigned_abs() {
            return Ok(());
        }
    }
    Err(StoreError::refused("a level's location isn't set up"))
}

pub(super) async fn write_movements(
    connection: &mut PgConnection,
    movements: &[Movement],
) -> Result<(), StoreError> {
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
        .execute(connection)
        .await?;
    Ok(())
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

    const LOCK_LEVELS: ByKey(text[], text[]) = "
        SELECT l.variant, l.location, l.quantity
        FROM unnest($1::text[], $2::text[]) AS u(variant, location)
        JOIN inventory_levels l USING (variant, location)
        ORDER BY l.variant, l.location
        FOR NO KEY UPDATE OF l";

    const UPDATE_LEVELS: ByKey(text[], text[], numeric[]) = "
        UPDATE inventory_levels l SET quantity = u.quantity
        FROM unnest($1::text[], $2::text[], $3::numeric[]) AS u(variant, location, quantity)
        WHERE l.variant = u.variant AND l.location = u.location";

    const INSERT_LEVELS: ByKey(text[], text[], numeric[]) = "
        INSERT INTO inventory_levels (tenant, store, variant, location, quantity)
        SELECT site.tenant, site.store, u.variant, u.location, u.quantity
        FROM unnest($1::text[], $2::text[], $3::numeric[]) AS u(variant, location, quantity)
        JOIN locations site ON site.id = u.location
        ON CONFLICT (variant, location) DO NOTHING";

    const WRITE_MOVEMENTS: ByKey(
        text[], text[], int8[], text[], text[], numeric[], numeric[], text[], text[], timestamptz[]
    ) = "
        INSERT INTO inventory_movements
            (tenant, store, sequence, variant, location, delta, level, reason, connection, at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::text[], $5::text[], $6::numeric[],
            $7::numeric[], $8::text[], $9::text[], $10::timestamptz[])";
}
