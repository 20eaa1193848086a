//! The lists of a connection, as they were read last.

use super::{age, words};
use crate::{
    cli::Output,
    connection,
    failure::Failed,
    output,
    table::{Table, left, right},
};
use model::{PlatformName, ReadPhase, Timestamp, Zone};
use platforms::Reads;
use serde_json::{Value, json};
use store::{CollectionRow, Store};

/// Shows when a connection's lists were read, what they had, and when they are due.
pub(crate) async fn status(store: &Store, connection: &str, output: Output) -> Result<(), Failed> {
    let state = connection::find(store, connection).await?;
    let rows = store.collections(&state.origin.connection).await?;
    let platform = &state.origin.platform;
    match output {
        Output::Json => {
            for row in &rows {
                output::json(&value(row, is_only_whole(platform, &row.collection)));
            }
        }
        Output::Text if rows.is_empty() => output::line("no list of the connection was read"),
        Output::Text => output::table(table(platform, &rows)),
    }
    Ok(())
}

fn table(platform: &PlatformName, rows: &[CollectionRow]) -> Table {
    let mut table = Table::new([
        left("collection"),
        left("state"),
        right("age"),
        right("objects"),
        right("reported"),
        right("missing"),
        right("gone"),
        left("last read"),
        left("next whole read"),
        left("failure"),
    ]);
    for row in rows {
        let last = row.state.last.as_ref();
        let count = |of: fn(&model::ListRead) -> u64| {
            last.map(|ended| of(&ended.read).to_string()).unwrap_or_default()
        };
        table.row([
            row.collection.clone(),
            shown(row, is_only_whole(platform, &row.collection)),
            row.state.complete_at.map_or_else(|| "never read".to_owned(), age),
            count(|read| read.seen),
            count(|read| read.reported),
            count(|read| read.missing),
            count(|read| read.gone),
            last.map(|ended| words(ended.outcome)).unwrap_or_default().to_owned(),
            row.state.whole_due_at.map(|at| local(at, row.zone)).unwrap_or_default(),
            row.state.failure.clone().unwrap_or_default(),
        ]);
    }
    table
}

/// A time of the store's clock, with the zone.
fn local(at: Timestamp, zone: Zone) -> String {
    format!("{} {zone}", zone.local(at).format("%Y-%m-%d %H:%M"))
}

/// The present work on a list.
fn shown(row: &CollectionRow, only_whole: bool) -> String {
    if row.request.is_some() {
        return "requested".to_owned();
    }
    match &row.state.read {
        Some(read) => match read.phase {
            ReadPhase::Listing => format!("reads page {}", read.pages + 1),
            ReadPhase::Comparing => "compares".to_owned(),
            ReadPhase::Retiring => "retires what is gone".to_owned(),
        },
        None => format!("due {}", next_due(row, only_whole)),
    }
}

/// The time of the next read: of changes or of everything, whichever is first; of everything where nothing else is read.
fn next_due(row: &CollectionRow, only_whole: bool) -> Timestamp {
    let state = &row.state;
    match state.whole_due_at.filter(|_| state.read.is_none() && state.given_up == 0) {
        Some(whole) if only_whole => whole,
        Some(whole) => whole.min(state.due_at),
        None => state.due_at,
    }
}

/// Returns whether a collection can only be read whole.
fn is_only_whole(platform: &PlatformName, collection: &str) -> bool {
    let collections = platforms::find(platform.as_str()).and_then(|platform| platform.collections());
    let all = collections.map_or(&[][..], |collections| collections.all());
    all.iter().any(|it| it.name == collection && it.reads == Reads::Whole)
}

fn value(row: &CollectionRow, only_whole: bool) -> Value {
    let state = &row.state;
    json!({
        "connection": row.connection,
        "collection": row.collection,
        "due_at": next_due(row, only_whole).to_string(),
        "whole_due_at": state.whole_due_at.map(|at| at.to_string()),
        "whole_times": row.whole_times.as_ref().map(model::ReadTimes::as_str),
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
