//! Writes of a batch: one statement for each kind of row, over the whole set; none for an empty set.

use super::{
    catalog, conflicts, dropped_inputs, employees, links, promotions, stock, together::Writes, trade,
};
use crate::{
    Consumer, CursorMove, StoreError,
    columns::{partition, signed},
    cursors,
    statement::{Bound, query, statements},
};
use model::{
    LocationId, MirrorKey, Partition, StoreId, Timestamp, VariantId,
    record::{Applied, Changes, EventOutcome, StoreStep},
};
use std::collections::{BTreeMap, BTreeSet};

/// The rows that a transaction has loaded.
#[derive(Default)]
pub(super) struct Loaded {
    /// No other transaction can change them until the commit.
    pub(super) mirrors: BTreeSet<MirrorKey>,
    pub(super) levels: BTreeSet<(VariantId, LocationId)>,
}

/// Returns every write of a batch but those that need an answer first. The cursors are first, so that a stale owner is
/// fenced before anything else is refused.
pub(super) fn writes(
    changes: &Changes,
    payloads: &[Vec<u8>],
    steps: &[CursorMove],
    loaded: &Loaded,
) -> Result<Writes, StoreError> {
    check(changes, payloads, steps)?;
    let mut writes = Writes::default();
    writes.add_complete(cursors::moves(Consumer::Apply, steps)?, steps.len(), StoreError::Fenced);
    if !changes.stores.is_empty() {
        write_stores(&mut writes, &changes.stores);
    }
    stock::write_levels(&mut writes, &changes.levels, &loaded.levels);
    stock::write_mirrors(&mut writes, &changes.mirrors, &loaded.mirrors)?;
    if !changes.movements.is_empty() {
        writes.add(stock::write_movements(&changes.movements));
    }
    if !changes.products.is_empty() {
        writes.add(catalog::write_products(&changes.products)?);
    }
    if !changes.variants.is_empty() {
        writes.add(catalog::write_variants(&changes.variants)?);
    }
    if !changes.orders.is_empty() {
        writes.add(trade::write_orders(&changes.orders)?);
    }
    if !changes.customers.is_empty() {
        writes.add(trade::write_customers(&changes.customers)?);
    }
    if !changes.promotions.is_empty() {
        writes.add(promotions::write_promotions(&changes.promotions)?);
    }
    if !changes.employees.is_empty() {
        writes.add(employees::write_employees(&changes.employees)?);
    }
    write_history(&mut writes, changes, payloads)?;
    Ok(writes)
}

fn write_history(writes: &mut Writes, changes: &Changes, payloads: &[Vec<u8>]) -> Result<(), StoreError> {
    if !changes.links.is_empty() {
        links::write(writes, &changes.links);
    }
    if !changes.applied.is_empty() {
        writes.add(write_events(&changes.applied, payloads)?);
    }
    if !changes.revived.is_empty() {
        writes.add(dropped_inputs::keep_revived(&changes.revived));
    }
    if !changes.event_outcomes.is_empty() {
        write_event_outcomes(writes, &changes.event_outcomes, !changes.revived.is_empty())?;
    }
    if !changes.dropped_inputs.is_empty() {
        writes.add(dropped_inputs::write(&changes.dropped_inputs)?);
    }
    conflicts::write(writes, changes);
    Ok(())
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

fn write_stores(writes: &mut Writes, stores: &BTreeMap<StoreId, StoreStep>) {
    let statement = query(WRITE_STORES)
        .bind(stores.keys().map(StoreId::as_str).collect::<Vec<_>>())
        .bind(stores.values().map(|step| step.last_sequence).collect::<Vec<_>>())
        .bind(stores.values().map(|step| step.ended).collect::<Vec<_>>());
    let otherwise = StoreError::refused("a store isn't set up, or its sequence would go back");
    writes.add_complete(statement, stores.len(), otherwise);
}

fn write_events(applied: &[(Partition, Applied)], payloads: &[Vec<u8>]) -> Result<Bound, StoreError> {
    let events = || applied.iter().map(|(_, applied)| &applied.event);
    Ok(query(WRITE_EVENTS)
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
        .bind(payloads.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

/// Writes the outcomes of events. An event has one outcome; only a dead event's is replaced, by that of its replay.
/// Only a batch with replays pays for the check for existing outcomes.
fn write_event_outcomes(
    writes: &mut Writes,
    event_outcomes: &[EventOutcome],
    revived: bool,
) -> Result<(), StoreError> {
    let index = |index: u32| i32::try_from(index).map_err(|_| StoreError::refused("an index is too large"));
    let statement = if revived { REPLACE_EVENT_OUTCOMES } else { INSERT_EVENT_OUTCOMES };
    let statement = query(statement)
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
        .bind(event_outcomes.iter().map(|event_outcome| event_outcome.sequence).collect::<Vec<_>>());
    writes.add_complete(statement, event_outcomes.len(), StoreError::refused("an event would end twice"));
    Ok(())
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
