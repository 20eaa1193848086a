//! Dead letters: what a stage can't take is put down where people see to it.

use crate::{Metrics, now};
use bus::{AppendError, Bus, DeadMessage};
use model::Position;
use stage::{Blame, Reject};
use wire::{DeadLetter, Original};

/// Keeps what `stage` rejected, as it came, with the reason; then counts it and says so in the log. The same letter may be
/// put down again: within five minutes it is stored once. One that no message can hold is only counted and logged.
pub async fn dead_letter(
    bus: &Bus,
    metrics: &Metrics,
    stage: &'static str,
    position: Position,
    original: Original,
    reject: &Reject,
) -> Result<(), AppendError> {
    let letter = DeadLetter {
        stage: stage.to_owned(),
        reject: reject.clone(),
        rejected_at: now(),
        position,
        original,
    };
    let DeadLetter { original, .. } = &letter;
    let (origin, delivery, event) = (original.origin(), original.delivery(), original.event());
    let message_id = match event {
        Some(event) => format!("{stage}/{event}/{position}"),
        None => format!("{stage}/{delivery}/{position}"),
    };
    let (class, store) = (reject.class.as_str(), origin.store.clone());
    let message = DeadMessage::new(stage, class, store, message_id, wire::encode_dead(&letter));
    match bus.publish_dead(&message).await {
        Err(error) if error.is_of_message() => {
            // The input's outcome is recorded all the same, and RAW has its bytes.
            metrics.permanent(stage, Blame::Input.as_str());
            tracing::error!(stage, %position, %error, "a dead letter that the broker never takes");
        }
        outcome => outcome?,
    }
    metrics.rejected(stage, reject.class);
    tracing::warn!(
        stage, store.id = %origin.store, connection.id = %origin.connection, delivery.id = %delivery,
        event.id = event.map(tracing::field::display), %position, %reject, "dead letter"
    );
    Ok(())
}
