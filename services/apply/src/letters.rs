//! What can't be applied.

use crate::STAGE;
use bus::{AppendError, Bus, DeadMessage};
use model::Event;
use runner::{Metrics, now};
use stage::Reject;
use wire::{DeadLetter, Original};

/// Keeps an event that can't be applied, with the reason, until a person sees to it.
pub(crate) async fn publish(
    bus: &Bus,
    metrics: &Metrics,
    event: &Event,
    reject: &Reject,
) -> Result<(), AppendError> {
    tracing::warn!(
        stage = STAGE, store.id = %event.origin.store, connection.id = %event.origin.connection,
        event.id = %event.id, position = %event.position, %reject, "dead letter"
    );
    metrics.rejected(STAGE, reject.class);
    let letter = DeadLetter {
        stage: STAGE.to_owned(),
        reject: reject.clone(),
        rejected_at: now(),
        position: event.position,
        original: Original::Event(Box::new(event.clone())),
    };
    let message_id = format!("{STAGE}/{}/{}", event.id, event.position);
    let (class, store) = (reject.class.as_str(), event.origin.store.clone());
    bus.publish_dead(&DeadMessage::new(STAGE, class, store, message_id, wire::encode_dead(&letter))).await
}
