//! Lists every outcome of one delivery, in any stage.

use super::numbered;
use crate::{
    cli::{Output, Target},
    dlq::{self, DeadLetterOfDelivery},
    environment::{open_bus, open_store},
    failure::Failed,
    output, stores,
    table::{Table, left, right},
};
use model::DeliveryId;
use serde_json::{Value, json};
use store::{DeliveryOutcome, OutcomesIn};

pub(super) async fn run(
    delivery: &str,
    store: Option<&str>,
    target: &Target,
    output: Output,
) -> Result<(), Failed> {
    let id: DeliveryId =
        delivery.parse().map_err(|error: model::InvalidId| Failed::Usage(error.to_string()))?;
    let record = open_store(target).await?;
    let store = stores::find_any(&record, store).await?;
    let within = store.as_ref().map_or(OutcomesIn::AllStores, OutcomesIn::Store);
    let outcomes = record.outcomes_of_delivery(id, within).await?;
    let mut dead_letters = dlq::dead_letters_of(&open_bus(target).await?, id).await?;
    if outcomes.is_empty() && dead_letters.is_empty() {
        return Err(Failed::Other(format!(
            "nothing is known of delivery {id}: it is under way, was never accepted, or is older than what is kept"
        )));
    }
    let mut table = Table::new([
        left("recorded"),
        right("sequence"),
        left("stage"),
        left("outcome"),
        left("position"),
        left("connection"),
        left("object"),
        left("reason"),
    ]);
    for outcome in &outcomes {
        let of_it = |dead_letter: &DeadLetterOfDelivery| {
            dead_letter.position == outcome.position && dead_letter.stage == outcome.stage
        };
        let dead_letter = dead_letters.iter().position(of_it).map(|index| dead_letters.remove(index));
        let number = dead_letter.map(|dead_letter| dead_letter.number);
        match output {
            Output::Text => table.row(row(outcome, number)),
            Output::Json => output::json(&value(outcome, number)),
        }
    }
    if !table.is_empty() {
        output::table(table);
    }
    for dead_letter in &dead_letters {
        print_dead_letter(dead_letter, output);
    }
    Ok(())
}

fn row(outcome: &DeliveryOutcome, dead_letter: Option<u64>) -> [String; 8] {
    let about = outcome.about.as_ref().map(|(entity, external)| format!("{entity} {external}"));
    let dead_letter = dead_letter.map(|number| format!(" (dead letter {number})")).unwrap_or_default();
    [
        outcome.recorded_at.to_string(),
        numbered(outcome.sequence),
        outcome.stage.clone(),
        outcome.outcome.to_string(),
        outcome.position.to_string(),
        outcome.connection.to_string(),
        about.unwrap_or_default(),
        format!("{}{dead_letter}", outcome.reason),
    ]
}

fn value(outcome: &DeliveryOutcome, dead_letter: Option<u64>) -> Value {
    json!({
        "stage": outcome.stage,
        "outcome": outcome.outcome,
        "reason": outcome.reason,
        "position": outcome.position.to_string(),
        "store": outcome.store,
        "connection": outcome.connection,
        "event_id": outcome.event.map(|event| event.to_string()),
        "entity": outcome.about.as_ref().map(|(entity, _)| entity),
        "external": outcome.about.as_ref().map(|(_, external)| external),
        "sequence": outcome.sequence,
        "dead_letter": dead_letter,
        "received_at": outcome.received_at.to_string(),
        "recorded_at": outcome.recorded_at.to_string(),
    })
}

/// Prints a dead letter whose outcome isn't recorded yet.
fn print_dead_letter(dead_letter: &DeadLetterOfDelivery, output: Output) {
    match output {
        Output::Text => output::line(&format!(
            "dead letter {} of {} at {}: {}",
            dead_letter.number, dead_letter.stage, dead_letter.position, dead_letter.reason
        )),
        Output::Json => output::json(&json!({
            "stage": dead_letter.stage,
            "outcome": model::Outcome::Dead,
            "reason": dead_letter.reason,
            "position": dead_letter.position.to_string(),
            "dead_letter": dead_letter.number,
        })),
    }
}
