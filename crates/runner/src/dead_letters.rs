//! Dead letters: inputs that a stage rejected, stored for people to handle.

use crate::{Metrics, batch_of, now};
use bus::{AppendError, Bus, BusError, DeadMessage, Feed};
use model::{Delivery, Position, StoreId};
use stage::{Blame, Reject};
use wire::{DeadLetter, Original};

/// Upper limit of a body within a dead letter, in bytes. A longer one stays in RAW for as long as RAW has it: all dead
/// letters share the space of DEAD.
const BODY_IN_DEAD_LETTER_BYTES_MAX: usize = 16 << 10;

/// Stores an input that `stage` rejected, as received, with the reason; then counts and logs it. Publishing the same
/// dead letter again is allowed: within five minutes it is stored once. One that is too large for any message is only
/// counted and logged.
pub async fn dead_letter(
    bus: &Bus,
    metrics: &Metrics,
    stage: &'static str,
    position: Position,
    original: Original,
    reject: &Reject,
) -> Result<(), AppendError> {
    let dead_letter = DeadLetter {
        stage: stage.to_owned(),
        reject: reject.clone(),
        rejected_at: now(),
        position,
        original,
        body_in_raw: None,
    };
    let dead_letter = leave_to_raw(bus, dead_letter).await?;
    let DeadLetter { original, .. } = &dead_letter;
    let (origin, delivery, event) = (original.origin(), original.delivery(), original.event());
    let message_id = match event {
        Some(event) => format!("{stage}/{event}/{position}"),
        None => format!("{stage}/{delivery}/{position}"),
    };
    match publish_dead_letter(bus, message_id, &dead_letter).await {
        Err(error) if error.is_of_message() => {
            // The input's outcome is recorded anyway, and RAW has its bytes.
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

/// Publishes a dead letter with that id.
pub async fn publish_dead_letter(
    bus: &Bus,
    message_id: String,
    dead_letter: &DeadLetter,
) -> Result<(), AppendError> {
    let (stage, class) = (dead_letter.stage.as_str(), dead_letter.reject.class.as_str());
    let store = dead_letter.original.origin().store.clone();
    bus.publish_dead(&DeadMessage::new(stage, class, store, message_id, wire::encode_dead(dead_letter))).await
}

/// Returns the dead letter without its body, if that is long and RAW has it.
async fn leave_to_raw(bus: &Bus, dead_letter: DeadLetter) -> Result<DeadLetter, AppendError> {
    if dead_letter.body_bytes() <= BODY_IN_DEAD_LETTER_BYTES_MAX {
        return Ok(dead_letter);
    }
    let lacking = dead_letter.clone().without_body();
    let found = delivery_in_raw(bus, &dead_letter.original.origin().store, dead_letter.position).await;
    let found = found.map_err(|error| AppendError::Unavailable { source: error.into() })?;
    let is_there = found.is_some_and(|found| lacking.clone().with_body_of(&found).is_some());
    Ok(if is_there { lacking } else { dead_letter })
}

/// Returns the delivery in RAW at that position of the store's partition, if any. A broker that was set up anew reuses
/// sequence numbers, so the caller has to compare the content.
pub async fn delivery_in_raw(
    bus: &Bus,
    store: &StoreId,
    position: Position,
) -> Result<Option<Delivery>, BusError> {
    let partition = bus.partitions().of(store);
    let message = match bus.message_at(Feed::Raw, partition, position.raw_sequence).await {
        Err(BusError::Foreign(_)) => None,
        message => message?,
    };
    let batch = message.and_then(|message| batch_of::<Delivery>(bus, Feed::Raw, partition, &message).ok());
    let mut records = batch.into_iter().flat_map(|batch| batch.records);
    Ok(records
        .find(|positioned| positioned.position.delivery == position.delivery)
        .map(|positioned| positioned.value))
}
