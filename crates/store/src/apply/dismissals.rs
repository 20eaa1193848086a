//! What ended without an ending of its own.

use crate::{StoreError, columns::signed};
use model::{ConnectionId, Dismissal, EventId};
use sqlx::PgConnection;
use std::collections::BTreeSet;

pub(super) async fn write(connection: &mut PgConnection, dismissals: &[Dismissal]) -> Result<(), StoreError> {
    let rows = || dismissals.iter();
    let index = |index: u32| i64::from(index);
    sqlx::query(
        "INSERT INTO dismissals (tenant, store, connection, raw_sequence, delivery_index, event_index, delivery_id,
             event_id, stage, outcome, reason, received_at)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int8[], $5::int8[], $6::int8[], $7::bytea[],
             $8::bytea[], $9::text[], $10::text[], $11::text[], $12::timestamptz[])
         ON CONFLICT DO NOTHING",
    )
    .bind(rows().map(|dismissal| dismissal.origin.tenant.as_str()).collect::<Vec<_>>())
    .bind(rows().map(|dismissal| dismissal.origin.store.as_str()).collect::<Vec<_>>())
    .bind(rows().map(|dismissal| dismissal.origin.connection.as_str()).collect::<Vec<_>>())
    .bind(rows().map(|dismissal| signed(dismissal.position.raw_sequence)).collect::<Result<Vec<_>, _>>()?)
    .bind(rows().map(|dismissal| index(dismissal.position.delivery)).collect::<Vec<_>>())
    .bind(rows().map(|dismissal| index(dismissal.position.event)).collect::<Vec<_>>())
    .bind(rows().map(|dismissal| dismissal.delivery.as_bytes().as_slice()).collect::<Vec<_>>())
    .bind(rows().map(|dismissal| Some(dismissal.event.as_ref()?.as_bytes().as_slice())).collect::<Vec<_>>())
    .bind(rows().map(|dismissal| &*dismissal.stage).collect::<Vec<_>>())
    .bind(rows().map(|dismissal| dismissal.outcome.as_str()).collect::<Vec<_>>())
    .bind(rows().map(|dismissal| &*dismissal.reason).collect::<Vec<_>>())
    .bind(rows().map(|dismissal| dismissal.received_at.as_chrono()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps how dead events ended whose new end is about to take that row.
pub(super) async fn keep_revived(
    connection: &mut PgConnection,
    revived: &BTreeSet<(ConnectionId, EventId)>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO dismissals (tenant, store, connection, raw_sequence, delivery_index, event_index, delivery_id,
             event_id, stage, outcome, reason, received_at, recorded_at)
         SELECT e.tenant, e.store, e.connection, e.raw_sequence, e.delivery_index, e.event_index, e.delivery_id,
             e.event_id, 'apply', e.outcome, e.reason, e.received_at, e.recorded_at
         FROM unnest($1::text[], $2::bytea[]) AS u(connection, event_id)
         JOIN endings e USING (connection, event_id)
         WHERE e.outcome = 'dead'",
    )
    .bind(revived.iter().map(|(connection, _)| connection.as_str()).collect::<Vec<_>>())
    .bind(revived.iter().map(|(_, event)| event.as_bytes().as_slice()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
