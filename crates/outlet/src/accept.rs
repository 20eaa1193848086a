//! Hands deliveries to the door.

use bus::{ACCEPT_SUBJECT, Bus, BusError};
use model::Delivery;
use serde_json::Value;
use std::time::Duration;

/// How long the door may take to have a delivery on disk.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(15);

/// Why the door didn't take a delivery; the same may be handed over again.
#[derive(Debug, thiserror::Error)]
pub enum NotAccepted {
    /// No answer came: whether it was kept is unknown.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The door said why not.
    #[error("the door refused it: {0}")]
    Refused(String),
}

/// Hands a delivery to the door and waits, for at most 15 seconds, until RAW has it on disk.
pub async fn accept(bus: &Bus, delivery: &Delivery) -> Result<(), NotAccepted> {
    let answer = bus.request(ACCEPT_SUBJECT, wire::encode_delivery(delivery), ACCEPT_TIMEOUT).await?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    match answer.get("error") {
        None => Ok(()),
        Some(error) => {
            let reason = error.get("description").and_then(Value::as_str).unwrap_or("without a reason");
            Err(NotAccepted::Refused(reason.to_owned()))
        }
    }
}
