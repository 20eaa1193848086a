//! The lists of a connection, as they were read last.

use super::{age, words};
use crate::{
    cli::Output,
    connection,
    failure::Failed,
    output,
    table::{Table, left, right},
};
use model::ReadPhase;
use serde_json::{Value, json};
use store::{CollectionRow, Store};

/// Shows when a connection's lists were read, what they had, and when they are due.
pub(crate) async fn status(store: &Store, connection: &str, output: Output) -> Result<(), Failed> {
    let state = connection::find(store, connection).await?;
    let rows = store.collections(&state.origin.connection).await?;
    match output {
        Output::Json => rows.iter().for_each(|row| output::json(&value(row))),
        Output::Text if rows.is_empty() => output::line("no list of the connection was read"),
        Output::Text => output::table(table(&rows)),
    }
    Ok(())
}

fn table(rows: &[CollectionRow]) -> Table {
    let mut table = Table::new([
        left("collection"),
        left("state"),
        right("age"),
        right("objects"),
        right("reported"),
        right("missing"),
        right("gone"),
        left("last read"),
        left("failure"),
    ]);
    for row in rows {
        let last = row.state.last.as_ref();
        let count = |of: fn(&model::ListRead) -> u64| {
            last.map(|ended| of(&ended.read).to_string()).unwrap_or_default()
        };
        table.row([
            row.collection.clone(),
            shown(row),
            row.state.complete_at.map_or_else(|| "never read".to_owned(), age),
            count(|read| read.seen),
            count(|read| read.reported),
            count(|read| read.missing),
            count(|read| read.gone),
            last.map(|ended| words(ended.outcome)).unwrap_or_default().to_owned(),
            row.state.failure.clone().unwrap_or_default(),
        ]);
    }
    table
}

/// The present work on a list.
fn shown(row: &CollectionRow) -> String {
    if row.request.is_some() {
        return "requested".to_owned();
    }
    match &row.state.read {
        Some(read) => match read.phase {
            ReadPhase::Listing => format!("reads page {}", read.pages + 1),
            ReadPhase::Comparing => "compares".to_owned(),
            ReadPhase::Retiring => "retires what is gone".to_owned(),
        },
        None => format!("due {}", row.state.due_at),
    }
}

fn value(row: &CollectionRow) -> Value {
    let state = &row.state;
    json!({
        "connection": row.connection,
        "collection": row.collection,
        "due_at": state.due_at.to_string(),
        "is_requested": row.request.is_some(),
        "complete_at": state.complete_at.map(|at| at.to_string()),
        "changes_since": state.changes_since.map(|at| at.to_string()),
        "whole_at": state.whole_at.map(|at| at.to_string()),
        "given_up": state.given_up,
        "failure": state.failure,
        "read": state.read,
        "last": state.last,
    })
}
