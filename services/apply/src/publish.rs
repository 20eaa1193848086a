//! APPLIED: what was committed, as everyone else reads it.

use bus::{AppendError, AppliedMessage, Bus, CloudEvent};
use bytes::Bytes;
use model::{Partition, record::Applied};
use stage::Fault;
use store::Store;

/// How many committed changes are read at once to catch up.
const CATCH_UP: i64 = 500;

/// The message of a committed change.
fn message(partition: Partition, applied: &Applied, payload: Vec<u8>) -> AppliedMessage {
    let event = &applied.event;
    let (entity, change) = (event.payload.entity(), event.action);
    AppliedMessage {
        partition,
        number: applied.number,
        store: event.origin.store.clone(),
        entity: entity.as_str().to_owned(),
        change: change.as_str().to_owned(),
        message_id: format!("{}/{}", event.id, applied.number),
        event: CloudEvent {
            id: event.id.to_string(),
            kind: format!("tillflow.{entity}.{change}.v1"),
            source: format!("/stores/{}/connections/{}", event.origin.store, event.origin.connection),
            time: event.received_at,
            trace: Some(event.trace),
        },
        payload: Bytes::from(payload),
        sequence: 0,
    }
}

/// Publishes what was just committed, in its order, and waits until all of it is stored.
pub(crate) async fn committed(
    bus: &Bus,
    partition: Partition,
    applied: &[Applied],
    payloads: Vec<Vec<u8>>,
) -> Result<(), AppendError> {
    let messages: Vec<_> =
        applied.iter().zip(payloads).map(|(applied, payload)| message(partition, applied, payload)).collect();
    bus.publish_applied_all(&messages).await
}

/// Publishes what the event store has behind what the stream has: the end that a former owner, or the broker, lost.
pub(crate) async fn catch_up(bus: &Bus, store: &Store, partition: Partition) -> Result<(), Fault> {
    let broker = |error| Fault::new("the broker", error);
    let mut number = bus.applied_resume(partition).await.map_err(broker)?;
    loop {
        let rows = store.applied_after(partition, number, CATCH_UP).await;
        let rows = rows.map_err(|error| Fault::new("the database", error))?;
        let Some(last) = rows.last() else { return Ok(()) };
        number = last.number;
        let mut messages = Vec::with_capacity(rows.len());
        for row in rows {
            let applied = wire::decode_applied(Bytes::from(row.payload.clone()))
                .map_err(|error| Fault::new("a change of our own that can be read", error))?;
            messages.push(message(partition, &applied, row.payload));
        }
        bus.publish_applied_all(&messages).await.map_err(|error| Fault::new("the broker", error))?;
    }
}
