//! One letter.

use super::Found;
use crate::{
    cli::{Output, Place},
    environment::{open_bus, open_store},
    failure::Failed,
    output,
};
use bytes::Bytes;
use model::Event;
use serde_json::{Value, json};
use wire::Original;

pub(super) async fn run(letter: u64, bytes: bool, place: &Place, output: Output) -> Result<(), Failed> {
    let bus = open_bus(place).await?;
    let message = bus.dead_at(letter).await?;
    let message = message.ok_or_else(|| Failed::Other(format!("there is no dead letter {letter}")))?;
    let found = Found::read(message)?;
    let store = open_store(place).await?;
    let history = store.letter_history(found.letter.original.delivery()).await?;
    let history: Vec<Value> = history
        .into_iter()
        .map(|(action, attempt, note, event, at)| {
            json!({"action": action, "attempt": attempt, "note": note, "event_id": event.map(|id| id.to_string()), "at": at.to_string()})
        })
        .collect();
    let mut value = value(&found);
    value["history"] = Value::from(history);
    if bytes {
        let original = match &found.letter.original {
            Original::Delivery(_) => super::act::delivery(&bus, &found).await?.body,
            Original::Event(event) => described(event),
        };
        value["original"] = Value::from(String::from_utf8_lossy(&original).into_owned());
    }
    match output {
        Output::Json => output::json(&value),
        Output::Text => output::fields(&value),
    }
    Ok(())
}

/// What a letter says, its bytes aside.
pub(super) fn value(found: &Found) -> Value {
    let letter = &found.letter;
    let (origin, reject) = (letter.original.origin(), &letter.reject);
    json!({
        "letter": found.number,
        "fingerprint": found.fingerprint,
        "stage": letter.stage,
        "class": reject.class.as_str(),
        "reason": reject.reason,
        "pointer": reject.pointer,
        "rejected_at": letter.rejected_at.to_string(),
        "attempts": letter.original.attempt() + 1,
        "tenant": origin.tenant,
        "store": origin.store,
        "connection": origin.connection,
        "platform": origin.platform,
        "topic": letter.original.topic(),
        "delivery_id": letter.original.delivery().to_string(),
        "event_id": letter.original.event().map(|event| event.to_string()),
        "position": letter.position.to_string(),
        "original_bytes": match &letter.original {
            Original::Delivery(_) => letter.body_in_raw.map_or(letter.body_bytes() as u64, |body| body.bytes),
            Original::Event(event) => described(event).len() as u64,
        },
        "original_in": if letter.body_in_raw.is_some() { "raw" } else { "dead" },
    })
}

fn described(event: &Event) -> Bytes {
    format!("{event:#?}").into()
}
