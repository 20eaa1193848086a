//! Dropped inputs: inputs that ended before `apply`, and the former outcomes of replayed dead events.

use crate::{
    StoreError,
    columns::signed,
    statement::{Bound, query, statements},
};
use model::{ConnectionId, DroppedInput, EventId};
use std::collections::BTreeSet;

pub(super) fn write(dropped_inputs: &[DroppedInput]) -> Result<Bound, StoreError> {
    let rows = || dropped_inputs.iter();
    let index = |index: u32| i64::from(index);
    Ok(query(WRITE)
        .bind(rows().map(|dropped_input| dropped_input.origin.tenant.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|dropped_input| dropped_input.origin.store.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|dropped_input| dropped_input.origin.connection.as_str()).collect::<Vec<_>>())
        .bind(
            rows()
                .map(|dropped_input| signed(dropped_input.position.raw_sequence))
                .collect::<Result<Vec<_>, _>>()?,
        )
        .bind(rows().map(|dropped_input| index(dropped_input.position.delivery)).collect::<Vec<_>>())
        .bind(rows().map(|dropped_input| index(dropped_input.position.event)).collect::<Vec<_>>())
        .bind(rows().map(|dropped_input| dropped_input.delivery.as_bytes().as_slice()).collect::<Vec<_>>())
        .bind(
            rows()
                .map(|dropped_input| Some(dropped_input.event.as_ref()?.as_bytes().as_slice()))
                .collect::<Vec<_>>(),
        )
        .bind(rows().map(|dropped_input| &*dropped_input.stage).collect::<Vec<_>>())
        .bind(rows().map(|dropped_input| dropped_input.outcome.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|dropped_input| &*dropped_input.reason).collect::<Vec<_>>())
        .bind(rows().map(|dropped_input| dropped_input.received_at.as_chrono()).collect::<Vec<_>>()))
}

/// Copies the outcomes of dead events whose rows are about to be replaced by the outcome of their replay.
pub(super) fn keep_revived(revived: &BTreeSet<(ConnectionId, EventId)>) -> Bound {
    query(KEEP_REVIVED)
        .bind(revived.iter().map(|(connection, _)| connection.as_str()).collect::<Vec<_>>())
        .bind(revived.iter().map(|(_, event)| event.as_bytes().as_slice()).collect::<Vec<_>>())
}

statements! {
    const WRITE: ByKey(
        text[], text[], text[], int8[], int8[], int8[], bytea[], bytea[], text[], text[], text[],
        timestamptz[]
    ) = "
        INSERT INTO dropped_inputs (tenant, store, connection, raw_sequence, delivery_index, event_index, delivery_id,
            event_id, stage, outcome, reason, received_at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int8[], $5::int8[], $6::int8[], $7::bytea[],
            $8::bytea[], $9::text[], $10::text[], $11::text[], $12::timestamptz[])
        ON CONFLICT DO NOTHING";

    const KEEP_REVIVED: ByKey(text[], bytea[]) = "
        INSERT INTO dropped_inputs (tenant, store, connection, raw_sequence, delivery_index, event_index, delivery_id,
            event_id, stage, outcome, reason, received_at, recorded_at)
        SELECT e.tenant, e.store, e.connection, e.raw_sequence, e.delivery_index, e.event_index, e.delivery_id,
            e.event_id, 'apply', e.outcome, e.reason, e.received_at, e.recorded_at
        FROM unnest($1::text[], $2::bytea[]) AS u(connection, event_id)
        JOIN event_outcomes e USING (connection, event_id)
        WHERE e.outcome = 'dead'";
}
