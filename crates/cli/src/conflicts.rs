//! Lists, shows and resolves conflicts.

use crate::{
    cli::{Conflicts, ConflictsVerb, Output, Take, Target, Wait},
    connection,
    environment::{open_bus, open_store},
    failure::Failed,
    instruct, output, stores,
    table::{Table, left, right},
};
use model::{ConflictKind, ConnectionId, Side, StoreId};
use outlet::{ConflictAnswer, NoSuchAnswer};
use serde_json::{Value, json};
use store::{ConflictFilter, ConflictRow, Store};

pub(crate) async fn run(arguments: Conflicts, output: Output) -> Result<(), Failed> {
    match arguments.what {
        ConflictsVerb::Ls { store, connection, kind, all, limit, target } => {
            let filter = filter(store.as_deref(), connection.as_deref(), kind.as_deref(), all)?;
            let record = open_store(&target).await?;
            stores::find_any(&record, store.as_deref()).await?;
            if let Some(connection) = &connection {
                connection::find(&record, connection).await?;
            }
            list(&record, &filter, i64::from(limit), output).await
        }
        ConflictsVerb::Show { conflict, target } => {
            let row = find(&open_store(&target).await?, conflict).await?;
            let mut value = value(&row);
            if row.resolved.is_none() {
                value["to_end_it"] = Value::from(way_to_end(&row));
            }
            match output {
                Output::Json => output::json(&value),
                Output::Text => output::fields(&value),
            }
            Ok(())
        }
        ConflictsVerb::Resolve { conflict, take, note, by, wait, target } => {
            let resolver = Resolver { by, note };
            resolve(conflict, take, &resolver, wait, &target, output).await
        }
    }
}

fn filter(
    store: Option<&str>,
    connection: Option<&str>,
    kind: Option<&str>,
    with_resolved: bool,
) -> Result<ConflictFilter, Failed> {
    let usage = |error: model::InvalidId| Failed::Usage(error.to_string());
    let kind = kind.map(|text| ConflictKind::parse(text).ok_or_else(|| unknown_kind(text))).transpose()?;
    Ok(ConflictFilter {
        store: store.map(StoreId::new).transpose().map_err(usage)?,
        connection: connection.map(ConnectionId::new).transpose().map_err(usage)?,
        kind,
        with_resolved,
    })
}

fn unknown_kind(text: &str) -> Failed {
    let known: Vec<&str> = ConflictKind::ALL.iter().map(|kind| kind.as_str()).collect();
    Failed::Usage(format!("no kind of conflict is called {text:?}; there are {}", known.join(", ")))
}

async fn list(store: &Store, filter: &ConflictFilter, limit: i64, output: Output) -> Result<(), Failed> {
    let rows = store.conflicts(filter, limit).await?;
    match output {
        Output::Json => rows.iter().for_each(|row| output::json(&value(row))),
        Output::Text if rows.is_empty() => {
            output::line(if filter.with_resolved { "no conflicts" } else { "no open conflicts" });
        }
        Output::Text => output::table(row_table(&rows)),
    }
    Ok(())
}

fn row_table(rows: &[ConflictRow]) -> Table {
    let mut table = Table::new([
        right("conflict"),
        left("last seen"),
        right("seen"),
        left("kind"),
        left("connection"),
        left("subject"),
        left("detail"),
    ]);
    for row in rows {
        let found = &row.conflict;
        let state = row.resolved.as_ref().map_or("", |_| "(resolved) ");
        table.row([
            row.id.to_string(),
            row.last_seen_at.to_string(),
            row.seen.to_string(),
            found.kind.as_str().to_owned(),
            found.connection.to_string(),
            found.subject.clone(),
            format!("{state}{}", found.detail),
        ]);
    }
    table
}

async fn find(store: &Store, id: i64) -> Result<ConflictRow, Failed> {
    store.conflict(id).await?.ok_or_else(|| Failed::Other(format!("there is no conflict {id}")))
}

/// The person that resolves a conflict, and the reason.
struct Resolver {
    by: String,
    note: Option<String>,
}

async fn resolve(
    id: i64,
    take: Option<Take>,
    resolver: &Resolver,
    wait: Wait,
    target: &Target,
    output: Output,
) -> Result<(), Failed> {
    let store = open_store(target).await?;
    let row = find(&store, id).await?;
    let side = take.map(|take| match take {
        Take::Store => Side::Store,
        Take::Platform => Side::Platform,
    });
    let answer = ConflictAnswer::of(&row, side).map_err(|none| match none {
        NoSuchAnswer::SideNeeded => {
            Failed::Usage("say whose number stands: --take store or --take platform".to_owned())
        }
        NoSuchAnswer::NoSides { kind, .. } => Failed::Usage(format!(
            "--take answers first contacts only; conflict {id} is {}: say --note",
            kind.as_str()
        )),
        other => Failed::Other(other.to_string()),
    })?;
    let (by, note) = (resolver.by.as_str(), resolver.note.as_deref());
    let resolution = answer.resolution(note);
    if answer == ConflictAnswer::Note {
        if !store.resolve_conflict(id, by, &resolution).await? {
            return Err(Failed::Other(format!("conflict {id} was resolved meanwhile")));
        }
        print_resolved(id, &resolution, None, output);
        return Ok(());
    }
    let decisions = instruct::decisions(open_bus(target).await?, &store, wait);
    let sent = decisions.answer_conflict(&row, instruct::random_id(), &answer, (by, note)).await?;
    match &sent {
        Some(sent) if sent.outcome.is_none() => instruct::print(sent, &answer.resolution(None), output),
        sent => print_resolved(id, &resolution, sent.as_ref().map(instruct::value).as_ref(), output),
    }
    Ok(())
}

fn print_resolved(id: i64, resolution: &str, instruction: Option<&Value>, output: Output) {
    match output {
        Output::Text => output::line(&format!("conflict {id} is resolved: {resolution}")),
        Output::Json => output::json(&json!({
            "conflict": id,
            "resolved": true,
            "resolution": resolution,
            "instruction": instruction,
        })),
    }
}

fn way_to_end(row: &ConflictRow) -> String {
    match row.conflict.kind {
        ConflictKind::FirstContact => {
            format!("tillflow conflicts resolve {} --take store|platform", row.id)
        }
        ConflictKind::UnlinkedLocation => {
            "see `tillflow link-location --help` and `tillflow ignore-location --help`".to_owned()
        }
        ConflictKind::SkuAmbiguous => "see `tillflow link --help`".to_owned(),
        ConflictKind::NeedsReauth | ConflictKind::Misconfigured => {
            "correct the connection's credentials or settings; it ends when the platform accepts a call"
                .to_owned()
        }
        ConflictKind::ManyMissing => format!(
            "it ends when a list has the objects again; if they are gone: tillflow sync run --connection {} --collection \
             NAME --whole --accept-missing",
            row.conflict.connection
        ),
        ConflictKind::Flapping => format!(
            "find the other program that writes there, then start the writes at once: tillflow conflicts resolve {} \
             --note TEXT; if it was many sales in a short time, they start again by themselves",
            row.id
        ),
        _ => format!("tillflow conflicts resolve {} --note TEXT", row.id),
    }
}

fn value(row: &ConflictRow) -> Value {
    let found = &row.conflict;
    let resolved = row.resolved.as_ref();
    json!({
        "conflict": row.id,
        "kind": found.kind.as_str(),
        "subject": found.subject,
        "detail": found.detail,
        "tenant": found.tenant,
        "store": found.store,
        "connection": found.connection,
        "event_id": found.event.map(|event| event.to_string()),
        "seen": row.seen,
        "first_seen_at": row.recorded_at.to_string(),
        "last_seen_at": row.last_seen_at.to_string(),
        "resolved_at": resolved.map(|resolved| resolved.at.to_string()),
        "resolved_by": resolved.map(|resolved| &resolved.by),
        "resolution": resolved.map(|resolved| &resolved.resolution),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_does_not_exist_is_refused_with_those_that_do() {
        let refused = filter(None, None, Some("oversell"), false).unwrap_err();
        assert!(matches!(&refused, Failed::Usage(text) if text.contains("oversold")), "{refused}");
        assert_eq!(filter(None, None, Some("oversold"), true).unwrap().kind, Some(ConflictKind::Oversold));
    }
}
