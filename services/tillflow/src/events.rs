//! How the events of a store ended.

mod delivery;

use crate::{
    cli::{Events, Output, Place},
    environment::open_store,
    failure::Failed,
    output,
};
use model::StoreId;
use serde_json::json;

pub(crate) async fn run(arguments: Events, output: Output) -> Result<(), Failed> {
    let store_id = arguments.store.as_deref().map(StoreId::new).transpose();
    let store_id = store_id.map_err(|error| Failed::Usage(error.to_string()))?;
    if let Some(delivery) = &arguments.delivery {
        return delivery::run(delivery, store_id.as_ref(), &arguments.place, output).await;
    }
    let Some(store_id) = store_id else {
        return Err(Failed::Usage("say --store or --delivery".to_owned()));
    };
    of_store(&store_id, i64::from(arguments.limit), &arguments.place, output).await
}

async fn of_store(store_id: &StoreId, limit: i64, place: &Place, output: Output) -> Result<(), Failed> {
    let store = open_store(place).await?;
    let mut rows = store.endings_of(store_id, limit).await?;
    rows.reverse();
    if rows.is_empty() && output == Output::Text {
        output::line(&format!("store {store_id} has no events yet"));
    }
    for row in rows {
        let ending = row.ending;
        match output {
            Output::Text => {
                let sequence = ending.sequence.map_or("-".to_owned(), |sequence| format!("#{sequence}"));
                output::line(&format!(
                    "{} {sequence:>7} {:<9} {:<9} {:<7} {:<24} {} {}",
                    row.recorded_at,
                    ending.outcome,
                    ending.entity,
                    ending.action,
                    ending.external,
                    ending.connection,
                    ending.reason
                ));
            }
            Output::Json => output::json(&json!({
                "recorded_at": row.recorded_at.to_string(),
                "received_at": ending.received_at.to_string(),
                "sequence": ending.sequence,
                "event_id": ending.event.to_string(),
                "delivery_id": ending.delivery.to_string(),
                "connection": ending.connection,
                "entity": ending.entity,
                "action": ending.action,
                "external": ending.external,
                "outcome": ending.outcome,
                "reason": ending.reason,
                "position": ending.position.to_string(),
            })),
        }
    }
    Ok(())
}
