//! The delivery of a dead letter.

use super::Found;
use crate::failure::Failed;
use bus::Bus;
use model::{Delivery, DeliveryKind, Source};
use runner::delivery_in_raw;
use wire::{DeadLetter, Original};

/// Returns the delivery as received: the dead letter's own, or RAW's; if RAW no longer has it, a delivery of the
/// event itself.
pub(super) async fn delivery(bus: &Bus, found: &Found) -> Result<Delivery, Failed> {
    let (dead_letter, store) = (&found.dead_letter, &found.dead_letter.original.origin().store);
    let in_raw = async || delivery_in_raw(bus, store, dead_letter.position).await;
    let event = match &dead_letter.original {
        Original::Delivery(_) if dead_letter.body_in_raw.is_some() => {
            return body_left_to_raw(dead_letter, in_raw().await?);
        }
        Original::Delivery(delivery) => return Ok((**delivery).clone()),
        Original::Event(event) => event,
    };
    // Another message at that position doesn't belong to this dead letter: a broker set up anew assigns
    // sequences again.
    if let Some(delivery) = in_raw().await?.filter(|delivery| delivery.id == event.delivery) {
        return Ok(delivery);
    }
    Ok(Delivery {
        id: event.delivery,
        origin: event.origin.clone(),
        kind: DeliveryKind::Reentry,
        received_at: event.received_at,
        source: Source::Fetch,
        cause: Some(event.correlation),
        asked_by: event.asked_by.clone(),
        attempt: event.attempt,
        currency: None,
        account: None,
        headers: Vec::new(),
        trace: event.trace,
        body: wire::encode_event(event),
    })
}

fn body_left_to_raw(dead_letter: &DeadLetter, found: Option<Delivery>) -> Result<Delivery, Failed> {
    let whole = found.and_then(|found| dead_letter.clone().with_body_of(&found));
    match whole.map(|whole| whole.original) {
        Some(Original::Delivery(delivery)) => Ok(*delivery),
        _ => Err(Failed::Other("its body was too long for DEAD and has left RAW since".to_owned())),
    }
}
