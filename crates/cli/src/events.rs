//! Lists the event outcomes of a store.

mod delivery;

use crate::{
    cli::{Events, Output, Target},
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
        return delivery::run(delivery, store_id.as_ref(), &arguments.target, output).await;
    }
    let Some(store_id) = store_id else {
        return Err(Failed::Usage("say --store or --delivery".to_owned()));
    };
    of_store(&store_id, i64::from(arguments.limit), &arguments.target, output).await
}

async fn of_store(store_id: &StoreId, limit: i64, target: &Target, output: Output) -> Result<(), Failed> {
    let store = open_store(target).await?;
    let mut rows = store.event_outcomes_of(store_id, limit).await?;
    rows.reverse();
    if rows.is_empty() && output == Output::Text {
        output::line(&format!("store {store_id} has no events yet"));
    }
    for row in rows {
        let event_outcome = row.event_outcome;
        match output {
            Output::Text => {
                let sequence =
                    event_outcome.sequence.map_or("-".to_owned(), |sequence| format!("#{sequence}"));
                output::line(&format!(
                    "{} {sequence:>7} {:<9} {:<9} {:<7} {:<24} {} {}",
                    row.recorded_at,
                    event_outcome.outcome,
                    event_outcome.entity,
                    event_outcome.action,
                    event_outcome.external,
                    event_outcome.connection,
                    event_outcome.reason
                ));
            }
            Output::Json => output::json(&json!({
                "recorded_at": row.recorded_at.to_string(),
                "received_at": event_outcome.received_at.to_string(),
                "sequence": event_outcome.sequence,
                "event_id": event_outcome.event.to_string(),
                "delivery_id": event_outcome.delivery.to_string(),
                "connection": event_outcome.connection,
                "entity": event_outcome.entity,
                "action": event_outcome.action,
                "external": event_outcome.external,
                "outcome": event_outcome.outcome,
                "reason": event_outcome.reason,
                "position": event_outcome.position.to_string(),
            })),
        }
    }
    Ok(())
}
