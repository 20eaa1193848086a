//! Lists the event outcomes of a store.

mod delivery;

use crate::{
    cli::{Events, Output},
    environment::open_store,
    failure::Failed,
    output, stores,
    table::{Table, left, right},
};
use model::StoreId;
use serde_json::{Value, json};
use store::{EventOutcomeRow, Store};

pub(crate) async fn run(arguments: Events, output: Output) -> Result<(), Failed> {
    if let Some(delivery) = &arguments.delivery {
        return delivery::run(delivery, arguments.store.as_deref(), &arguments.target, output).await;
    }
    let Some(name) = &arguments.store else {
        return Err(Failed::Usage("say --store or --delivery".to_owned()));
    };
    let store = open_store(&arguments.target).await?;
    let store_id = stores::find(&store, name).await?;
    of_store(&store, &store_id, i64::from(arguments.limit), output).await
}

async fn of_store(store: &Store, store_id: &StoreId, limit: i64, output: Output) -> Result<(), Failed> {
    let mut rows = store.event_outcomes_of(store_id, limit).await?;
    rows.reverse();
    match output {
        Output::Json => rows.iter().for_each(|row| output::json(&value(row))),
        Output::Text if rows.is_empty() => output::line(&format!("store {store_id} has no events yet")),
        Output::Text => output::table(table(&rows)),
    }
    Ok(())
}

fn table(rows: &[EventOutcomeRow]) -> Table {
    let mut table = Table::new([
        left("recorded"),
        right("sequence"),
        left("outcome"),
        left("entity"),
        left("action"),
        left("external"),
        left("connection"),
        left("reason"),
    ]);
    for row in rows {
        let event_outcome = &row.event_outcome;
        table.row([
            row.recorded_at.to_string(),
            numbered(event_outcome.sequence),
            event_outcome.outcome.to_string(),
            event_outcome.entity.to_string(),
            event_outcome.action.to_string(),
            event_outcome.external.to_string(),
            event_outcome.connection.to_string(),
            event_outcome.reason.clone(),
        ]);
    }
    table
}

/// The number of a change in its store's sequence; outcomes without a change have none.
fn numbered(sequence: Option<i64>) -> String {
    sequence.map_or("-".to_owned(), |sequence| format!("#{sequence}"))
}

fn value(row: &EventOutcomeRow) -> Value {
    let event_outcome = &row.event_outcome;
    json!({
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
    })
}
