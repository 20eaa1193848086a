//! Mirrors, levels and the ledger.

use crate::{
    StoreError,
    columns::{
        id, json_or_null, mirror_key, mirror_value, place, quantity, send_state, signed, time_or_null,
        unreadable,
    },
};
use chrono::{DateTime, Utc};
use model::{
    ConnectionId, ExternalId, LocationId, Mirror, MirrorKey, Observation, Quantity, Sent, SourceVersion,
    VariantId,
    record::{Facts, Movement},
};
use sqlx::{
    PgConnection, Postgres, Row as _,
    postgres::{PgArguments, PgRow},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn mirrors(
    connection: &mut PgConnection,
    keys: &BTreeSet<MirrorKey>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT m.*
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u(connection, kind, external, place)
         JOIN mirrors m USING (connection, kind, external, place)
         ORDER BY m.connection, m.kind, m.external, m.place
         FOR NO KEY UPDATE OF m",
    )
    .bind(keys.iter().map(|key| key.connection.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.kind.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.external.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(place).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    keep(&rows, facts)
}

pub(super) async fn item_mirrors(
    connection: &mut PgConnection,
    keys: &BTreeSet<(ConnectionId, ExternalId)>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        // Item by item in the order of their keys, which is that of the locks; joined, a plan made while the table was
        // empty would read all of a connection's mirrors.
        "SELECT m.*
         FROM unnest($1::text[], $2::text[]) AS u(connection, external)
         CROSS JOIN LATERAL (SELECT * FROM mirrors k
                             WHERE k.connection = u.connection AND k.kind = 'inventory' AND k.external = u.external
                             ORDER BY k.place FOR NO KEY UPDATE) AS m",
    )
    .bind(keys.iter().map(|(connection, _)| connection.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, external)| external.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    keep(&rows, facts)
}

fn keep(rows: &[PgRow], facts: &mut Facts) -> Result<(), StoreError> {
    for row in rows {
        let mirror = read_mirror(row)?;
        facts.mirrors.insert(mirror.key.clone(), mirror);
    }
    Ok(())
}

/// A row of `mirrors` as the model has it.
fn read_mirror(row: &PgRow) -> Result<Mirror, StoreError> {
    let observed = match (mirror_value(row, "observed")?, time_or_null(row, "observed_at")?) {
        (Some(value), Some(at)) => {
            let version: Option<i64> = row.try_get("observed_version")?;
            Some(Observation { value, version: version.map(SourceVersion), at })
        }
        (None, None) => None,
        _ => return Err(unreadable("observed")),
    };
    let sent = match (mirror_value(row, "sent")?, send_state(row, "sent_state")?) {
        (Some(value), Some(state)) => Some(Sent { value, from: mirror_value(row, "sent_from")?, state }),
        (None, None) => None,
        _ => return Err(unreadable("sent")),
    };
    Ok(Mirror {
        key: mirror_key(row)?,
        internal: row.try_get("internal")?,
        observed,
        held: mirror_value(row, "held")?,
        desired: mirror_value(row, "desired")?,
        sent,
    })
}

/// Writes what belongs to apply: observed, held, internal, and the state of what was sent; what was sent only where
/// nothing was yet, since that a platform has to be read is a state of it. A mirror that wasn't there when the batch was
/// loaded and is being written to by now was decided about too early: the batch is tried again.
pub(super) async fn write_mirrors(
    connection: &mut PgConnection,
    mirrors: &BTreeMap<MirrorKey, Mirror>,
    locked: &BTreeSet<MirrorKey>,
) -> Result<(), StoreError> {
    let (known, new): (Vec<&Mirror>, Vec<&Mirror>) =
        mirrors.values().partition(|mirror| locked.contains(&mirror.key));
    let mut written = 0;
    for (statement, rows) in [(UPDATE_MIRRORS, &known), (INSERT_MIRRORS, &new)] {
        if !rows.is_empty() {
            written += mirror_rows(statement, rows)?.execute(&mut *connection).await?.rows_affected();
        }
    }
    if written == signed(mirrors.len())?.unsigned_abs() {
        return Ok(());
    }
    let connections: BTreeSet<&str> = new.iter().map(|mirror| mirror.key.connection.as_str()).collect();
    let found = sqlx::query("SELECT count(*) AS found FROM connections WHERE id = ANY($1)")
        .bind(connections.iter().copied().collect::<Vec<_>>())
        .fetch_one(connection)
        .await?
        .try_get::<i64, _>("found")?;
    if found == signed(connections.len())? {
        Err(StoreError::unavailable("a mirror was written to while the batch was decided"))
    } else {
        Err(StoreError::refused("a mirror's connection isn't set up"))
    }
}

type Statement<'a> = sqlx::query::Query<'a, Postgres, PgArguments>;

fn mirror_rows<'a>(statement: &'static str, mirrors: &[&'a Mirror]) -> Result<Statement<'a>, StoreError> {
    let rows = || mirrors.iter().copied();
    let observed = |mirror: &Mirror| json_or_null(mirror.observed.as_ref().map(|observed| &observed.value));
    let sent = |mirror: &Mirror| json_or_null(mirror.sent.as_ref().map(|sent| &sent.value));
    Ok(sqlx::query(statement)
        .bind(rows().map(|mirror| mirror.key.connection.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|mirror| mirror.key.kind.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|mirror| mirror.key.external.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|mirror| place(&mirror.key)).collect::<Vec<_>>())
        .bind(rows().map(|mirror| mirror.internal.as_deref()).collect::<Vec<_>>())
        .bind(rows().map(observed).collect::<Result<Vec<_>, _>>()?)
        .bind(rows().map(|mirror| mirror.observed.as_ref()?.version.map(|it| it.0)).collect::<Vec<_>>())
        .bind(rows().map(|mirror| Some(mirror.observed.as_ref()?.at.as_chrono())).collect::<Vec<_>>())
        .bind(rows().map(|mirror| json_or_null(mirror.held.as_ref())).collect::<Result<Vec<_>, _>>()?)
        .bind(rows().map(sent).collect::<Result<Vec<_>, _>>()?)
        .bind(rows().map(|mirror| Some(mirror.sent.as_ref()?.state.as_str())).collect::<Vec<_>>()))
}

/// The rows of `mirror_rows`.
macro_rules! told {
    () => {
        "SELECT u.connection, u.kind, u.external, u.place, u.internal, u.observed::jsonb AS observed,
    u.observed_version, u.observed_at, u.held::jsonb AS held, u.sent::jsonb AS sent, u.sent_state
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int8[], $8::timestamptz[],
        $9::text[], $10::text[], $11::text[])
    AS u(connection, kind, external, place, internal, observed, observed_version, observed_at, held, sent, sent_state)"
    };
}

/// What a report changes of a mirror `m`; none of it where a write is under way that the batch doesn't know of. The time
/// of the next attempt starts anew when nothing is under way any more: what waits behind a lease or a read-back is due
/// at once. So is another reading when one has shown something new. Where a platform holds the store's own level, that
/// is what is wanted of it: nothing becomes due.
macro_rules! changes {
    () => {
        "SET internal = coalesce(excluded.internal, m.internal),
    observed = excluded.observed,
    observed_version = excluded.observed_version,
    observed_at = excluded.observed_at,
    held = excluded.held,
    desired = CASE WHEN m.desired IS NOT NULL AND m.kind = 'inventory' AND excluded.held = (
            SELECT mirror_quantity(l.quantity) FROM inventory_levels l
            WHERE l.variant = coalesce(excluded.internal, m.internal) AND l.location = m.place)
        THEN excluded.held ELSE m.desired END,
    sent = coalesce(m.sent, excluded.sent),
    sent_state = coalesce(excluded.sent_state, m.sent_state),
    next_attempt_at = CASE
        WHEN m.sent_state IN ('pending', 'unsure', 'reading')
            AND excluded.sent_state NOT IN ('pending', 'unsure', 'reading') THEN 'epoch'
        WHEN excluded.sent_state = 'reading' AND excluded.held IS DISTINCT FROM m.held THEN 'epoch'
        ELSE m.next_attempt_at END"
    };
}

/// Of mirrors that were loaded: cheaper than an insert that finds them there.
const UPDATE_MIRRORS: &str = concat!(
    "UPDATE mirrors m ",
    changes!(),
    " FROM (",
    told!(),
    ") AS excluded
WHERE m.connection = excluded.connection AND m.kind = excluded.kind AND m.external = excluded.external
    AND m.place = excluded.place AND (excluded.sent_state IS NOT NULL OR m.sent_state IS NULL)"
);

/// Of mirrors that weren't there: nothing was sent of these, so the state stays empty.
const INSERT_MIRRORS: &str = concat!(
    "INSERT INTO mirrors AS m (connection, kind, external, place, tenant, store, internal, observed, observed_version,
    observed_at, held)
SELECT t.connection, t.kind, t.external, t.place, c.tenant, c.store, t.internal, t.observed, t.observed_version,
    t.observed_at, t.held
FROM (",
    told!(),
    ") AS t
JOIN connections c ON c.id = t.connection
ON CONFLICT (connection, kind, external, place) DO UPDATE ",
    changes!(),
    " WHERE m.sent_state IS NULL"
);

pub(super) async fn levels(
    connection: &mut PgConnection,
    keys: &BTreeSet<(VariantId, LocationId)>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT l.variant, l.location, l.quantity
         FROM unnest($1::text[], $2::text[]) AS u(variant, location)
         JOIN inventory_levels l USING (variant, location)
         ORDER BY l.variant, l.location
         FOR NO KEY UPDATE OF l",
    )
    .bind(keys.iter().map(|(variant, _)| variant.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, location)| location.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    for row in &rows {
        facts.levels.insert((id(row, "variant")?, id(row, "location")?), quantity(row, "quantity")?);
    }
    Ok(())
}

/// Most of them are there, and an update is cheaper than an insert that finds them there.
pub(super) async fn write_levels(
    connection: &mut PgConnection,
    levels: &BTreeMap<(VariantId, LocationId), Quantity>,
) -> Result<(), StoreError> {
    let mut written = 0;
    for statement in [UPDATE_LEVELS, INSERT_LEVELS] {
        let done = sqlx::query(statement)
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

const UPDATE_LEVELS: &str = "
UPDATE inventory_levels l SET quantity = u.quantity
FROM unnest($1::text[], $2::text[], $3::numeric[]) AS u(variant, location, quantity)
WHERE l.variant = u.variant AND l.location = u.location";

const INSERT_LEVELS: &str = "
INSERT INTO inventory_levels (tenant, store, variant, location, quantity)
SELECT place.tenant, place.store, u.variant, u.location, u.quantity
FROM unnest($1::text[], $2::text[], $3::numeric[]) AS u(variant, location, quantity)
JOIN locations place ON place.id = u.location
ON CONFLICT (variant, location) DO NOTHING";

pub(super) async fn write_movements(
    connection: &mut PgConnection,
    movements: &[Movement],
) -> Result<(), StoreError> {
    let rows = || movements.iter();
    let at: Vec<DateTime<Utc>> = rows().map(|movement| movement.at.as_chrono()).collect();
    sqlx::query(
        "INSERT INTO inventory_movements
             (tenant, store, sequence, variant, location, delta, level, reason, connection, at)
         SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::text[], $5::text[], $6::numeric[],
             $7::numeric[], $8::text[], $9::text[], $10::timestamptz[])",
    )
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
