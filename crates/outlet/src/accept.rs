//! Hands deliveries to the intake.

use bus::{ACCEPT_SUBJECT, Bus, BusError};
use model::{
    Delivery, DeliveryId, DeliveryKind, ExternalId, Instruction, Origin, Source, Timestamp, TraceParent,
};
use serde_json::Value;
use std::time::Duration;

/// Time limit for the intake to have a delivery on disk.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(15);

/// The error code for a body over its limit.
const TOO_LARGE: u64 = 413;

/// The reason why the intake didn't accept a delivery; it may be handed over again unless it is too large.
#[derive(Debug, thiserror::Error)]
pub enum NotAccepted {
    /// No response arrived: it is unknown if the delivery was kept.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The intake refused it for now, with its reason.
    #[error("the intake refused it: {0}")]
    Refused(String),
    /// The response names no position in RAW: it is unknown if the delivery was kept.
    #[error("ingest's answer can't be read")]
    Unreadable,
    /// The body is larger than its platform's limit: every further attempt is refused too.
    #[error("the intake refused it for good: {0}")]
    TooLarge(String),
}

/// Returns the delivery of an instruction about the platform's object `external`.
pub fn instruction_delivery(
    origin: &Origin,
    id: DeliveryId,
    (external, instruction): (&ExternalId, &Instruction),
    received_at: Timestamp,
) -> Delivery {
    Delivery {
        id,
        origin: origin.clone(),
        kind: DeliveryKind::Instruction,
        received_at,
        source: Source::Fetch,
        cause: None,
        asked_by: None,
        attempt: 0,
        currency: None,
        account: None,
        headers: Vec::new(),
        trace: TraceParent::from_delivery(id),
        body: wire::encode_instruction(external, instruction),
    }
}

/// Hands a delivery to the intake and waits, for at most 15 seconds, until RAW has it on disk.
pub async fn accept(bus: &Bus, delivery: &Delivery) -> Result<(), NotAccepted> {
    let answer = bus.request(ACCEPT_SUBJECT, wire::encode_delivery(delivery), ACCEPT_TIMEOUT).await?;
    accepted(&answer)
}

/// Reads a publish acknowledgement or error. Only an acknowledgement with a position in RAW means that the delivery
/// was kept.
fn accepted(answer: &[u8]) -> Result<(), NotAccepted> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let Some(error) = answer.get("error") else {
        let is_kept = answer["stream"].is_string() && answer["seq"].is_u64();
        return if is_kept { Ok(()) } else { Err(NotAccepted::Unreadable) };
    };
    let reason = error.get("description").and_then(Value::as_str).unwrap_or("without a reason").to_owned();
    match error.get("code").and_then(Value::as_u64) {
        Some(TOO_LARGE) => Err(NotAccepted::TooLarge(reason)),
        _ => Err(NotAccepted::Refused(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NotFetched;

    #[test]
    fn what_is_too_large_is_refused_for_good_and_anything_else_for_now() {
        let cases: [(&[u8], &str); 10] = [
            (br#"{"stream": "RAW", "seq": 1}"#, "kept"),
            (br#"{"error": {"code": 413, "description": "a delivery may have 1048576 bytes"}}"#, "never"),
            (br#"{"error": {"code": 503, "description": "the stream is full"}}"#, "later"),
            (br#"{"error": {"description": "no code"}}"#, "later"),
            (br#"{"error": {}}"#, "later"),
            (b"", "later"),
            (b"kept", "later"),
            (b"{}", "later"),
            (b"[]", "later"),
            (br#"{"stream": "RAW", "seq": "1"}"#, "later"),
        ];
        for (answer, expected) in cases {
            let became = match accepted(answer).map_err(NotFetched::from) {
                Ok(()) => "kept",
                Err(NotFetched::Refused(_)) => "never",
                Err(NotFetched::Later { .. }) => "later",
                Err(NotFetched::Gone | NotFetched::AccountRefused(..)) => "said of the platform",
            };
            assert_eq!(became, expected, "{}", String::from_utf8_lossy(answer));
        }
    }
}
