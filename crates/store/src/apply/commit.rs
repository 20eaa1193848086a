//! Writes of a batch: one statement for each kind of row, over the whole set; none for an empty set.

use super::{catalog, conflicts, dropped_inputs, links, stock, trade};
use crate::{
    Consumer, CursorMove, StoreError,
    columns::{partition, signed},
    cursors,
    statement::{query, statements},
};
use model::{
    MirrorKey, Partition, StoreId, Timestamp,
    record::{Applied, Changes, EventOutcome, StoreStep},
};
use sqlx::{PgConnection, postgres::PgQueryResult};
use std::collections::{BTreeMap, BTreeSet};

/// Writes everything but the commit. The cursors are first, so that a stale owner is fenced at once.
pub(super) async fn write(
    connection: &mut PgConnection,
    changes: &Changes,
    payloads: &[Vec<u8>],
    steps: &[CursorMove],
    locked_mirrors: &BTreeSet<MirrorKey>,
) -> Result<(), StoreError> {
    check(changes, payloads, steps)?;
    cursors::advance(connection, Consumer::Apply, steps).await?;
    if !changes.stores.is_empty() {
        write_stores(connection, &changes.stores).await?;
    }
    if !changes.levels.is_empty() {
        stock::write_levels(connection, &changes.levels).await?;
    }
    if !changes.mirrors.is_empty() {
        stock::write_mirrors(connection, &changes.mirrors, locked_mirrors).await?;
    }
    if !changes.movements.is_empty() {
        stock::write_movements(connection, &changes.movements).await?;
    }
    if !changes.products.is_empty() {
        catalog::write_products(connection, &changes.products).await?;
    }
    if !changes.variants.is_empty() {
        catalog::write_variants(connection, &changes.variants).await?;
    }
    if !changes.orders.is_empty() {
        trade::write_orders(connection, &changes.orders).await?;
    }
    if !changes.customers.is_empty() {
        trade::write_customers(connection, &changes.customers).await?;
    }
    write_history(connection, changes, payloads).await
}

async fn write_history(
    connection: &mut PgConnection,
    changes: &Changes,
    payloads: &[Vec<u8>],
) -> Result<(), StoreError> {
    if !changes.links.is_empty() {
        links::write(connection, &changes.links).await?;
    }
    if !changes.applied.is_empty() {
        write_events(connection, &changes.applied, payloads).await?;
    }
    if !changes.revived.is_empty() {
        dropped_inputs::keep_revived(connection, &changes.revived).await?;
    }
    if !changes.event_outcomes.is_empty() {
        write_event_outcomes(connection, &changes.event_outcomes, !changes.revived.is_empty()).await?;
    }
    if !changes.dropped_inputs.is_empty() {
        dropped_inputs::write(connection, &changes.dropped_inputs).await?;
    }
    conflicts::write(connection, changes).await
}

/// Checks what holds for every batch: each partition's numbers continue without gaps, and each cursor's number is the
/// last of them.
fn check(changes: &Changes, payloads: &[Vec<u8>], steps: &[CursorMove]) -> Result<(), StoreError> {
    if payloads.len() != changes.applied.len() {
        return Err(StoreError::refused("there is not one payload for each applied change"));
    }
    let mut numbers: BTreeMap<Partition, i64> =
        steps.iter().map(|step| (step.partition, step.from.number)).collect();
    for (of, applied) in &changes.applied {
        let number =
            numbers.get_mut(of).ok_or_else(|| StoreError::refused("a change is of no moved partition"))?;
        *number += 1;
        if applied.number != *number {
            return Err(StoreError::refused("the partition's count has a gap"));
        }
    }
    if steps.iter().any(|step| numbers.get(&step.partition) != Some(&step.number)) {
        return Err(StoreError::refused("a cursor's number isn't that of the last change"));
    }
    Ok(())
}

/// Refuses a statement that didn't affect every row.
pub(super) fn complete(written: &PgQueryResult, expected: usize, otherwise: &str) -> Result<(), StoreError> {
    if written.rows_affected() == signed(expected)?.unsigned_abs() {
        Ok(())
    } else {
        Err(StoreError::refused(otherwise))
    }
}

async fn write_stores(
    connection: &mut PgConnection,
    stores: &BTreeMap<StoreId, StoreStep>,
) -> Result<(), StoreError> {
    let written = query(WRITE_STORES)
        .bind(stores.keys().map(StoreId::as_str).collect::<Vec<_>>())
        .bind(stores.values().map(|step| step.last_sequence).collect::<Vec<_>>())
        .bind(stores.values().map(|step| step.ended).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    complete(&written, stores.len(), "a store isn't set up, or its sequence would go back")
}

async fn write_events(
    connection: &mut PgConnection,
    applied: &[(Partition, Applied)],
    payloads: &[Vec<u8>],
) -> Result<(), StoreError> {
    let events = || applied.iter().map(|(_, applied)| &applied.event);
    query(WRITE_EVENTS)
        .bind(applied.iter().map(|(of, _)| partition(*of)).collect::<Result<Vec<_>, _>>()?)
        .bind(applied.iter().map(|(_, applied)| applied.number).collect::<Vec<_>>())
        .bind(applied.iter().map(|(_, applied)| applied.sequence).collect::<Vec<_>>())
        .bind(events().map(|event| event.origin.tenant.as_str()).collect::<Vec<_>>())
        .bind(events().map(|event| event.origin.store.as_str()).collect::<Vec<_>>())
        .bind(events().map(|event| event.origin.connection.as_str()).collect::<Vec<_>>())
        .bind(events().map(|event| event.id.as_bytes().as_slice()).collect::<Vec<_>>())
        .bind(events().map(|event| event.delivery.as_bytes().as_slice()).collect::<Vec<_>>())
        .bind(events().map(|event| event.correlation.as_bytes().as_slice()).collect::<Vec<_>>())
        .bind(events().map(|event| event.payload.entity().as_str()).collect::<Vec<_>>())
        .bind(events().map(|event| event.action.as_str()).collect::<Vec<_>>())
        .bind(events().map(|event| event.payload.external().as_str()).collect::<Vec<_>>())
        .bind(events().map(|event| event.occurred_at.map(Timestamp::as_chrono)).collect::<Vec<_>>())
        .bind(events().map(|event| event.received_at.as_chrono()).collect::<Vec<_>>())
        .bind(events().map(|event| event.trace.as_str()).collect::<Vec<_>>())
        .bind(payloads.iter().map(Vec::as_slice).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes the outcomes of events. An event has one outcome; only a dead event's is replaced, by that of its replay.
/// Only a batch with replays pays for the check for existing outcomes.
async fn write_event_outcomes(
    connection: &mut PgConnection,
    event_outcomes: &[EventOutcome],
    revived: bool,
) -> Result<(), StoreError> {
    let index = |index: u32| i32::try_from(index).map_err(|_| StoreError::refused("an index is too large"));
    let statement = if revived { REPLACE_EVENT_OUTCOMES } else { INSERT_EVENT_OUTCOMES };
    let written = query(statement)
        .bind(event_outcomes.iter().map(|event_outcome| event_outcome.tenant.as_str()).collect::<Vec<_>>())
        .bind(event_outcomes.iter().map(|event_outcome| event_outcome.store.as_str()).collect::<Vec<_>>())
        .bind(
            event_outcomes.iter().map(|event_outcome| event_outcome.connection.as_str()).collect::<Vec<_>>(),
        )
        .bind(
            event_outcomes
                .iter()
                .map(|event_outcome| event_outcome.event.as_bytes().as_slice())
                .collect::<Vec<_>>(),
        )
        .bind(
            event_outcomes
                .iter()
                .map(|event_outcome| event_outcome.delivery.as_bytes().as_slice())
                .collect::<Vec<_>>(),
        )
        .bind(event_outcomes.iter().map(|event_outcome| event_outcome.entity.as_str()).collect::<Vec<_>>())
        .bind(event_outcomes.iter().map(|event_outcome| event_outcome.external.as_str()).collect::<Vec<_>>())
        .bind(event_outcomes.iter().map(|event_outcome| event_outcome.action.as_str()).collect::<Vec<_>>())
        .bind(event_outcomes.iter().map(|event_outcome| event_outcome.outcome.as_str()).collect::<Vec<_>>())
        .bind(event_outcomes.iter().map(|event_outcome| event_outcome.reason.as_str()).collect::<Vec<_>>())
        .bind(
            event_outcomes
                .iter()
                .map(|event_outcome| signed(event_outcome.position.raw_sequence))
                .collect::<Result<Vec<_>, _>>()?,
        )
        .bind(
            event_outcomes
                .iter()
                .map(|event_outcome| index(event_outcome.position.delivery))
                .collect::<Result<Vec<_>, _>>()?,
        )
        .bind(
            event_outcomes
                .iter()
                .map(|event_outcome| index(event_outcome.position.event))
                .collect::<Result<Vec<_>, _>>()?,
        )
        .bind(
            event_outcomes
                .iter()
                .map(|event_outcome| event_outcome.received_at.as_chrono())
                .collect::<Vec<_>>(),
        )
        .bind(event_outcomes.iter().map(|event_outcome| event_outcome.sequence).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    complete(&written, event_outcomes.len(), "an event would end twice")
}

macro_rules! insert_event_outcomes {
    () => {
        "
INSERT INTO event_outcomes AS e (tenant, store, connection, event_id, delivery_id, entity, external, action,
    outcome, reason, raw_sequence, delivery_index, event_index, received_at, sequence)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::int8[], $12::int4[], $13::int4[], $14::timestamptz[], $15::int8[])"
    };
}

statements! {
    const WRITE_STORES: ByKey(text[], int8[], int8[]) = "
        UPDATE stores s SET last_sequence = coalesce(u.last_sequence, s.last_sequence), ended = s.ended + u.ended
        FROM unnest($1::text[], $2::int8[], $3::int8[]) AS u(id, last_sequence, ended)
        WHERE s.id = u.id AND s.last_sequence <= coalesce(u.last_sequence, s.last_sequence)";

    const WRITE_EVENTS: ByKey(
        int2[], int8[], int8[], text[], text[], text[], bytea[], bytea[], bytea[], text[], text[],
        text[], timestamptz[], timestamptz[], text[], bytea[]
    ) = "
        INSERT INTO events (partition, number, sequence, tenant, store, connection, event_id, delivery_id, correlation,
            entity, action, external, occurred_at, received_at, trace, payload)
        SELECT * FROM unnest($1::int2[], $2::int8[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::bytea[],
            $8::bytea[], $9::bytea[], $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[],
            $15::text[], $16::bytea[])";

    const INSERT_EVENT_OUTCOMES: ByKey(
        text[], text[], text[], bytea[], bytea[], text[], text[], text[], text[], text[], int8[],
        int4[], int4[], timestamptz[], int8[]
    ) = insert_event_outcomes!();

    const REPLACE_EVENT_OUTCOMES: ByKey(
        text[], text[], text[], bytea[], bytea[], text[], text[], text[], text[], text[], int8[],
        int4[], int4[], timestamptz[], int8[]
    ) = concat!(
    insert_event_outcomes!(),
    "
ON CONFLICT (connection, event_id) DO UPDATE
SET delivery_id = excluded.delivery_id, action = excluded.action, outcome = excluded.outcome,
    reason = excluded.reason, raw_sequence = excluded.raw_sequence, delivery_index = excluded.delivery_index,
    event_index = excluded.event_index, received_at = excluded.received_at, recorded_at = excluded.recorded_at,
    sequence = excluded.sequence, attempts = e.attempts + 1
WHERE e.outcome = 'dead'"
);
}
