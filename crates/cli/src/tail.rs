//! Follows committed changes.

use crate::{
    cli::{Output, Tail},
    environment::open_bus,
    failure::Failed,
    output,
};
use bus::BusError;
use model::{
    StoreId,
    record::{Applied, Effect},
};
use serde_json::{Value, json};

/// Upper limit of changes that are read at once.
const CHANGES_MAX: usize = 256;

pub(crate) async fn run(arguments: Tail, output: Output) -> Result<(), Failed> {
    let store = arguments.store.as_deref().map(StoreId::new).transpose();
    let store = store.map_err(|error| Failed::Usage(error.to_string()))?;
    let bus = open_bus(&arguments.target).await?;
    let end = bus.applied_end().await?;
    let mut changes = bus.read_applied_all(store.as_ref(), bus::Start::After(end)).await?;
    loop {
        let taken = tokio::select! {
            taken = changes.waiting(CHANGES_MAX) => match taken {
                Err(BusError::Foreign(foreign)) => {
                    output::progress(&format!("skipped a foreign message: {foreign}"));
                    continue;
                }
                taken => taken?,
            },
            stopped = tokio::signal::ctrl_c() => return stopped.map_err(|error| Failed::io("no signals", error)),
        };
        for message in taken {
            let applied = wire::decode_applied(message.payload)
                .map_err(|error| Failed::Other(format!("message {}: {error}", message.sequence)))?;
            match output {
                Output::Text => output::line(&text(&applied)),
                Output::Json => output::json(&value(&applied)),
            }
        }
    }
}

fn text(applied: &Applied) -> String {
    let event = &applied.event;
    let effects: Vec<String> = applied.effects.iter().map(effect_text).collect();
    format!(
        "{} {} #{} {} {} {} from {}  {}",
        event.received_at,
        event.origin.store,
        applied.sequence,
        event.payload.entity(),
        event.action,
        event.payload.external(),
        event.origin.platform,
        if effects.is_empty() { "noted".to_owned() } else { effects.join(", ") },
    )
}

fn effect_text(effect: &Effect) -> String {
    match effect {
        Effect::Level { variant, location, delta, level, .. } => {
            let sign = if delta.decimal().is_sign_negative() { "" } else { "+" };
            format!("{variant} at {location} {sign}{delta} = {level}")
        }
        Effect::Price { variant, price } => format!("{variant} costs {price}"),
        Effect::Text { product } => format!("{product} reads otherwise"),
        Effect::Linked { variant } => format!("{variant} linked"),
    }
}

fn value(applied: &Applied) -> Value {
    let event = &applied.event;
    json!({
        "number": applied.number,
        "sequence": applied.sequence,
        "event_id": event.id.to_string(),
        "correlation_id": event.correlation.to_string(),
        "tenant": event.origin.tenant,
        "store": event.origin.store,
        "connection": event.origin.connection,
        "platform": event.origin.platform,
        "entity": event.payload.entity(),
        "action": event.action,
        "external": event.payload.external(),
        "received_at": event.received_at.to_string(),
        "occurred_at": event.occurred_at.map(|at| at.to_string()),
        "traceparent": event.trace.as_str(),
        "effects": applied.effects.iter().map(effect_value).collect::<Vec<_>>(),
    })
}

fn effect_value(effect: &Effect) -> Value {
    match effect {
        Effect::Level { variant, location, delta, level, reason } => json!({
            "kind": "level", "variant": variant, "location": location, "delta": delta, "level": level,
            "reason": reason.as_str(),
        }),
        Effect::Price { variant, price } => json!({"kind": "price", "variant": variant, "price": price}),
        Effect::Text { product } => json!({"kind": "text", "product": product}),
        Effect::Linked { variant } => json!({"kind": "linked", "variant": variant}),
    }
}
