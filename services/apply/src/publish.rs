//! Publishes committed changes to APPLIED.

use crate::halving::CommittedChange;
use bus::{AppliedMessage, Bus, CloudEvent};
use bytes::Bytes;
use model::{Partition, Timestamp, record::Applied};
use runner::{Alerts, chain, unreadable};
use stage::Fault;
use store::Store;

/// Number of committed changes read at once when catching up.
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
        stored_at: Timestamp::from_micros(0),
    }
}

/// Publishes the changes just committed, in order, and waits until all are stored.
pub(crate) async fn committed(
    bus: &Bus,
    alerts: &Alerts,
    partition: Partition,
    changes: Vec<CommittedChange>,
) -> Result<(), Fault> {
    let message = |change: CommittedChange| message(partition, &change.applied, change.payload);
    let messages: Vec<_> = changes.into_iter().map(message).collect();
    publish(bus, alerts, partition, &messages).await
}

/// Publishes the changes of the event store that are missing at the end of the stream, because a former owner or the
/// broker lost them. A change that can't be decoded is skipped, with an alert.
pub(crate) async fn catch_up(
    bus: &Bus,
    store: &Store,
    alerts: &Alerts,
    partition: Partition,
) -> Result<(), Fault> {
    let mut number = bus.applied_resume(partition).await?;
    loop {
        let rows = store.applied_after(partition, number, CATCH_UP).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        number = last.number;
        let mut messages = Vec::with_capacity(rows.len());
        for row in rows {
            match wire::decode_applied(Bytes::from(row.payload.clone())) {
                Ok(applied) => messages.push(message(partition, &applied, row.payload)),
                Err(error) => alerts.set_aside(partition, &unreadable("change", row.number, &error)),
            }
        }
        publish(bus, alerts, partition, &messages).await?;
    }
}

/// Publishes changes. A change that the broker refuses for good is skipped, with an alert: propagate reads it from the
/// event store.
async fn publish(
    bus: &Bus,
    alerts: &Alerts,
    partition: Partition,
    messages: &[AppliedMessage],
) -> Result<(), Fault> {
    match bus.publish_applied_all(messages).await {
        Err(error) if error.is_of_message() => {}
        outcome => return Ok(outcome?),
    }
    for message in messages {
        match bus.publish_applied_all(std::slice::from_ref(message)).await {
            Err(error) if error.is_of_message() => {
                let text = format!("change {} can't be published: {}", message.number, chain(&error));
                alerts.set_aside(partition, &text);
            }
            outcome => outcome?,
        }
    }
    Ok(())
}
