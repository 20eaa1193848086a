//! Every outcome of one delivery, in whichever stage it ended.

use crate::{
    cli::{Output, Place},
    dlq::{self, LetterOfDelivery},
    environment::{open_bus, open_store},
    failure::Failed,
    output,
};
use model::{DeliveryId, StoreId};
use serde_json::json;
use store::{DeliveryOutcome, OutcomesIn};

pub(super) async fn run(
    delivery: &str,
    store_id: Option<&StoreId>,
    place: &Place,
    output: Output,
) -> Result<(), Failed> {
    let id: DeliveryId =
        delivery.parse().map_err(|error: model::InvalidId| Failed::Usage(error.to_string()))?;
    let store = open_store(place).await?;
    let within = store_id.map_or(OutcomesIn::AllStores, OutcomesIn::Store);
    let outcomes = store.outcomes_of_delivery(id, within).await?;
    let mut letters = dlq::letters_of(&open_bus(place).await?, id).await?;
    if outcomes.is_empty() && letters.is_empty() {
        return Err(Failed::Other(format!(
            "nothing is known of delivery {id}: it is under way, was never accepted, or is older than what is kept"
        )));
    }
    for outcome in &outcomes {
        let of_it =
            |letter: &LetterOfDelivery| letter.position == outcome.position && letter.stage == outcome.stage;
        let letter = letters.iter().position(of_it).map(|index| letters.remove(index));
        tell(outcome, letter.as_ref(), output);
    }
    for letter in &letters {
        tell_letter(letter, output);
    }
    Ok(())
}

fn tell(outcome: &DeliveryOutcome, letter: Option<&LetterOfDelivery>, output: Output) {
    let letter = letter.map(|letter| letter.number);
    match output {
        Output::Text => {
            let about = outcome.about.as_ref().map(|(entity, external)| format!("{entity} {external}"));
            let sequence = outcome.sequence.map_or("-".to_owned(), |sequence| format!("#{sequence}"));
            let letter = letter.map(|number| format!(" (dead letter {number})")).unwrap_or_default();
            output::line(&format!(
                "{} {sequence:>7} {:<9} {:<9} at {:<12} {:<24} {:<24} {}{letter}",
                outcome.recorded_at,
                outcome.stage,
                outcome.outcome,
                outcome.position.to_string(),
                outcome.connection,
                about.unwrap_or_default(),
                outcome.reason
            ));
        }
        Output::Json => output::json(&json!({
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
            "letter": letter,
            "received_at": outcome.received_at.to_string(),
            "recorded_at": outcome.recorded_at.to_string(),
        })),
    }
}

/// A dead letter whose outcome isn't recorded yet.
fn tell_letter(letter: &LetterOfDelivery, output: Output) {
    match output {
        Output::Text => output::line(&format!(
            "dead letter {} of {} at {}: {}",
            letter.number, letter.stage, letter.position, letter.reason
        )),
        Output::Json => output::json(&json!({
            "stage": letter.stage,
            "outcome": model::Outcome::Dead,
            "reason": letter.reason,
            "position": letter.position.to_string(),
            "letter": letter.number,
        })),
    }
}
