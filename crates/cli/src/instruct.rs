//! Sends a person's decision through the pipeline, like a delivery, and waits for its outcome.

use crate::{
    cli::{Output, Wait},
    failure::Failed,
    output,
};
use bus::Bus;
use model::{DeliveryId, ExternalId, Instruction, Origin};
use outlet::{Decisions, Instructed};
use serde_json::{Value, json};
use std::time::Duration;
use store::Store;

/// The way of decisions that are waited for.
pub(crate) fn decisions(bus: Bus, store: &Store, wait: Wait) -> Decisions {
    Decisions::new(bus, store.clone(), Duration::from_secs(wait.seconds), runner::now)
}

/// A new id for an instruction.
pub(crate) fn random_id() -> DeliveryId {
    DeliveryId::from_bytes(rand::random())
}

/// Sends an instruction about the platform's object `external`, and waits for its outcome. Returns an error if there is
/// no outcome at the end of the wait, or if the outcome is neither applied nor unchanged.
pub(crate) async fn send(
    bus: Bus,
    store: &Store,
    origin: &Origin,
    about: (&ExternalId, &Instruction),
    wait: Wait,
) -> Result<Instructed, Failed> {
    Ok(decisions(bus, store, wait).instruct(origin, random_id(), about).await?)
}

/// Writes the outcome after `what`, the completed action.
pub(crate) fn print(instructed: &Instructed, what: &str, output: Output) {
    match (output, &instructed.outcome) {
        (Output::Json, _) => output::json(&value(instructed)),
        (Output::Text, None) => {
            output::line(&format!("{what}: accepted as delivery {}", instructed.delivery));
        }
        (Output::Text, Some(outcome)) => {
            let reason = if outcome.reason.is_empty() { "" } else { ": " };
            let sequence = outcome.sequence.map(|sequence| format!(" as #{sequence}")).unwrap_or_default();
            output::line(&format!("{what}: {}{sequence}{reason}{}", outcome.outcome, outcome.reason));
        }
    }
}

/// The outcome, for programs.
pub(crate) fn value(instructed: &Instructed) -> Value {
    let outcome = instructed.outcome.as_ref();
    json!({
        "delivery_id": instructed.delivery.to_string(),
        "outcome": outcome.map(|outcome| outcome.outcome),
        "reason": outcome.map(|outcome| &outcome.reason),
        "sequence": outcome.and_then(|outcome| outcome.sequence),
        "position": outcome.map(|outcome| outcome.position.to_string()),
    })
}
