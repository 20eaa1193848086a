//! Sends a person's decision through the pipeline, like a delivery, and waits for its outcome.

use crate::{
    cli::{Output, Wait},
    failure::Failed,
    output,
};
use bus::Bus;
use model::{DeliveryId, ExternalId, Instruction, Origin, Outcome};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::{DeliveryOutcome, OutcomesIn, Store};

/// Interval between checks for the outcome.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A decision that was accepted.
pub(crate) struct Instructed {
    pub(crate) delivery: DeliveryId,
    /// Its outcome; `None` if it wasn't waited for.
    pub(crate) outcome: Option<DeliveryOutcome>,
}

/// Sends an instruction about the platform's object `external`, and waits for its outcome. Returns an error if there is
/// no outcome at the end of the wait, or if the outcome is neither applied nor unchanged.
pub(crate) async fn send(
    bus: &Bus,
    store: &Store,
    origin: &Origin,
    about: (&ExternalId, &Instruction),
    wait: Wait,
) -> Result<Instructed, Failed> {
    let id = DeliveryId::from_bytes(rand::random());
    let before = store.newest_outcome(&origin.store).await?;
    send_as((id, before), bus, store, origin, about, wait).await
}

/// Like [`send`], as the delivery with this id; its outcome is looked for after a position in RAW.
pub(crate) async fn send_as(
    (id, before): (DeliveryId, u64),
    bus: &Bus,
    store: &Store,
    origin: &Origin,
    about: (&ExternalId, &Instruction),
    wait: Wait,
) -> Result<Instructed, Failed> {
    outlet::accept(bus, &outlet::instruction_delivery(origin, id, about, runner::now())).await?;
    if wait.seconds == 0 {
        return Ok(Instructed { delivery: id, outcome: None });
    }
    let until = Instant::now() + Duration::from_secs(wait.seconds);
    loop {
        let found = store.outcomes_of_delivery(id, OutcomesIn::StoreAfter(&origin.store, before)).await?;
        if let Some(outcome) = found.into_iter().next() {
            return took_effect(id, outcome);
        }
        if Instant::now() >= until {
            return Err(Failed::Other(format!(
                "it was accepted as delivery {id}, but not applied within {} s; \
                 `tillflow events --store {} --delivery {id}` shows its outcome later",
                wait.seconds, origin.store
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn took_effect(delivery: DeliveryId, outcome: DeliveryOutcome) -> Result<Instructed, Failed> {
    match outcome.outcome {
        Outcome::Applied | Outcome::Unchanged => Ok(Instructed { delivery, outcome: Some(outcome) }),
        other => Err(Failed::Other(format!(
            "it had no effect: {other} in {}: {} (delivery {delivery})",
            outcome.stage, outcome.reason
        ))),
    }
}

impl Instructed {
    /// Writes the outcome after `what`, the completed action.
    pub(crate) fn print(&self, what: &str, output: Output) {
        match (output, &self.outcome) {
            (Output::Json, _) => output::json(&self.value()),
            (Output::Text, None) => output::line(&format!("{what}: accepted as delivery {}", self.delivery)),
            (Output::Text, Some(outcome)) => {
                let reason = if outcome.reason.is_empty() { "" } else { ": " };
                let sequence =
                    outcome.sequence.map(|sequence| format!(" as #{sequence}")).unwrap_or_default();
                output::line(&format!("{what}: {}{sequence}{reason}{}", outcome.outcome, outcome.reason));
            }
        }
    }

    /// The outcome, for programs.
    pub(crate) fn value(&self) -> Value {
        let outcome = self.outcome.as_ref();
        json!({
            "delivery_id": self.delivery.to_string(),
            "outcome": outcome.map(|outcome| outcome.outcome),
            "reason": outcome.map(|outcome| &outcome.reason),
            "sequence": outcome.and_then(|outcome| outcome.sequence),
            "position": outcome.map(|outcome| outcome.position.to_string()),
        })
    }
}
