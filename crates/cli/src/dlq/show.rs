//! Shows one dead letter.

use super::Found;
use crate::{
    cli::{Output, Target},
    environment::{open_bus, open_store},
    failure::Failed,
    output,
};
use bytes::Bytes;
use model::Event;
use serde_json::{Value, json};
use wire::Original;

pub(super) async fn run(
    dead_letter: u64,
    bytes: bool,
    target: &Target,
    output: Output,
) -> Result<(), Failed> {
    let bus = open_bus(target).await?;
    let message = bus.dead_at(dead_letter).await?;
    let message = message.ok_or_else(|| Failed::Other(format!("there is no dead letter {dead_letter}")))?;
    let found = Found::read(message)?;
    let store = open_store(target).await?;
    let history = store.dead_letter_history(found.dead_letter.original.delivery()).await?;
    let history: Vec<Value> = history
        .into_iter()
        .map(|(action, attempt, note, event, at)| {
            json!({"action": action, "attempt": attempt, "note": note, "event_id": event.map(|id| id.to_string()), "at": at.to_string()})
        })
        .collect();
    let mut value = value(&found);
    value["history"] = Value::from(history);
    if bytes {
        let original = match &found.dead_letter.original {
            Original::Delivery(_) => super::delivery::delivery(&bus, &found).await?.body,
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

/// The content of a dead letter, without its bytes.
pub(super) fn value(found: &Found) -> Value {
    let dead_letter = &found.dead_letter;
    let (origin, reject) = (dead_letter.original.origin(), &dead_letter.reject);
    json!({
        "dead_letter": found.number,
        "fingerprint": found.fingerprint,
        "stage": dead_letter.stage,
        "class": reject.class.as_str(),
        "reason": reject.reason,
        "pointer": reject.pointer,
        "rejected_at": dead_letter.rejected_at.to_string(),
        "attempts": dead_letter.original.attempt() + 1,
        "tenant": origin.tenant,
        "store": origin.store,
        "connection": origin.connection,
        "platform": origin.platform,
        "topic": dead_letter.original.topic(),
        "delivery_id": dead_letter.original.delivery().to_string(),
        "event_id": dead_letter.original.event().map(|event| event.to_string()),
        "position": dead_letter.position.to_string(),
        "original_bytes": match &dead_letter.original {
            Original::Delivery(_) => dead_letter.body_in_raw.map_or(dead_letter.body_bytes() as u64, |body| body.bytes),
            Original::Event(event) => described(event).len() as u64,
        },
        "original_in": if dead_letter.body_in_raw.is_some() { "raw" } else { "dead" },
    })
}

fn described(event: &Event) -> Bytes {
    format!("{event:#?}").into()
}
