//! Lists matches, and decides about them.

use crate::{
    cli::{Limit, Matches, MatchesVerb, Output},
    connection,
    environment::{open_bus, open_store},
    failure::Failed,
    instruct, output, stores,
    table::{Table, left, right},
};
use model::{
    ConnectionId,
    matching::{MatchReason, MatchState, Score},
};
use outlet::Decisions;
use serde_json::{Value, json};
use store::{LISTED_ROWS, MatchFilter, MatchRow, Store};

pub(crate) async fn run(arguments: Matches, output: Output) -> Result<(), Failed> {
    match arguments.what {
        MatchesVerb::Ls { store, connection, state, limit, target } => {
            let record = open_store(&target).await?;
            let store = stores::find_any(&record, store.as_deref()).await?;
            let connection = match &connection {
                Some(connection) => {
                    connection::find(&record, connection).await?;
                    Some(ConnectionId::new(connection).map_err(|error| Failed::Usage(error.to_string()))?)
                }
                None => None,
            };
            let filter = MatchFilter { store, connection, states: state.states() };
            list(&record, &filter, i64::from(limit), output).await
        }
        MatchesVerb::Accept { number, dry_run, by, wait, target } => {
            let record = open_store(&target).await?;
            let row = find(&record, number).await?;
            Decisions::check_acceptable(&row)?;
            if dry_run {
                preview(&row, "would be linked to", output);
                return Ok(());
            }
            let decisions = instruct::decisions(open_bus(&target).await?, &record, wait);
            let sent = decisions.accept_match(&row, &by.name).await?;
            instruct::print(&sent, &format!("match {number} is accepted"), output);
            Ok(())
        }
        MatchesVerb::Reject { number, note, by, target } => {
            let record = open_store(&target).await?;
            let row = find(&record, number).await?;
            outlet::reject_match(&record, &row, (&by.name, note.as_deref())).await?;
            print(&find(&record, number).await?, &format!("match {number} is rejected"), output);
            Ok(())
        }
        MatchesVerb::Undo { number, note, dry_run, by, wait, target } => {
            let record = open_store(&target).await?;
            let row = find(&record, number).await?;
            Decisions::check_undoable(&row)?;
            if dry_run {
                preview(&row, "would no longer be", output);
                return Ok(());
            }
            let decisions = instruct::decisions(open_bus(&target).await?, &record, wait);
            let decision = (by.name.as_str(), note.as_deref());
            let sent = decisions.undo_match(&row, instruct::random_id(), decision).await?;
            instruct::print(&sent, &format!("match {number} is undone"), output);
            Ok(())
        }
        MatchesVerb::Limit { store, score, dry_run, target } => {
            limit(&open_store(&target).await?, &store, score, dry_run, output).await
        }
    }
}

async fn find(store: &Store, number: i64) -> Result<MatchRow, Failed> {
    store.match_by_id(number).await?.ok_or_else(|| Failed::Other(format!("there is no match {number}")))
}

async fn list(store: &Store, filter: &MatchFilter, limit: i64, output: Output) -> Result<(), Failed> {
    let rows = store.matches(filter, limit).await?;
    match output {
        Output::Json => rows.iter().for_each(|row| output::json(&value(row))),
        Output::Text if rows.is_empty() => output::line("no such matches"),
        Output::Text => output::table(row_table(&rows)),
    }
    Ok(())
}

fn row_table(rows: &[MatchRow]) -> Table {
    let mut table = Table::new([
        right("match"),
        right("score"),
        left("state"),
        left("connection"),
        left("item"),
        left("variant"),
        left("reasons"),
    ]);
    for row in rows {
        table.row([
            row.known.id.to_string(),
            share(row.known.score),
            row.known.state.as_str().to_owned(),
            row.origin.connection.to_string(),
            title(&row.titles),
            title(&row.candidate_titles),
            reasons(&row.known.reasons),
        ]);
    }
    table
}

async fn limit(
    store: &Store,
    name: &str,
    score: Option<Limit>,
    dry_run: bool,
    output: Output,
) -> Result<(), Failed> {
    let id = stores::find(store, name).await?;
    let Some(Limit(score)) = score else {
        let limit = store.match_limit(&id).await?;
        print_limit(name, limit, "", output);
        return Ok(());
    };
    if dry_run {
        let filter = MatchFilter { store: Some(id), connection: None, states: vec![MatchState::Proposed] };
        let waiting = store.matches(&filter, LISTED_ROWS).await?;
        let reach = waiting.iter().filter(|row| is_reached(row, score)).count();
        match output {
            Output::Json => output::json(&json!({
                "store": name, "limit": score.map(share_of), "waiting": waiting.len(), "reach_it": reach,
            })),
            Output::Text => output::line(&format!(
                "{reach} of {} matches that wait would be linked without a person; nothing was done",
                waiting.len()
            )),
        }
        return Ok(());
    }
    store.set_match_limit(&id, score).await?;
    print_limit(name, score, " from now on", output);
    Ok(())
}

/// Returns whether a match that waits reaches a limit: two items of one connection that are alike may still keep it from
/// being linked.
fn is_reached(row: &MatchRow, limit: Option<Score>) -> bool {
    let keeps = [MatchReason::Ambiguous, MatchReason::SkuEqual];
    limit.is_some_and(|limit| row.known.score >= limit)
        && !row.known.was_rejected
        && !keeps.iter().any(|reason| row.known.reasons.contains(reason))
}

fn print_limit(store: &str, limit: Option<Score>, since: &str, output: Output) {
    match (output, limit) {
        (Output::Json, limit) => {
            output::json(&json!({ "store": store, "limit": limit.map(share_of) }));
        }
        (Output::Text, Some(limit)) => output::line(&format!(
            "matches of store {store} are linked without a person from a score of {} on{since}",
            share(limit)
        )),
        (Output::Text, None) => {
            output::line(&format!("no match of store {store} is linked without a person{since}"));
        }
    }
}

fn preview(row: &MatchRow, what: &str, output: Output) {
    match output {
        Output::Json => output::json(&value(row)),
        Output::Text => output::line(&format!(
            "{} of {} {what} {} ({}): {}; nothing was done",
            title(&row.titles),
            row.origin.connection,
            title(&row.candidate_titles),
            row.known.to,
            reasons(&row.known.reasons),
        )),
    }
}

fn print(row: &MatchRow, what: &str, output: Output) {
    match output {
        Output::Json => output::json(&value(row)),
        Output::Text => output::line(what),
    }
}

/// A title for people: the product's, and the variant's if it is another one.
fn title([product, variant]: &[Option<String>; 2]) -> String {
    match (product.as_deref(), variant.as_deref()) {
        (Some(product), Some(variant)) if product != variant => format!("{product} / {variant}"),
        (Some(title), _) | (None, Some(title)) => title.to_owned(),
        (None, None) => "?".to_owned(),
    }
}

fn reasons(reasons: &[MatchReason]) -> String {
    reasons.iter().map(|reason| reason.words()).collect::<Vec<_>>().join(", ")
}

/// The score as a share of 1.
fn share_of(score: Score) -> f64 {
    f64::from(score.per_mille()) / 1_000.0
}

fn share(score: Score) -> String {
    format!("{:.3}", share_of(score))
}

fn value(row: &MatchRow) -> Value {
    json!({
        "match": row.known.id,
        "state": row.known.state.as_str(),
        "is_linked": row.linked_to.as_ref() == Some(&row.known.to),
        "score": share_of(row.known.score),
        "reasons": row.known.reasons.iter().map(|reason| reason.code()).collect::<Vec<_>>(),
        "why": reasons(&row.known.reasons),
        "store": row.origin.store,
        "connection": row.origin.connection,
        "platform": row.origin.platform,
        "external": row.external,
        "item": title(&row.titles),
        "variant": row.known.to,
        "variant_title": title(&row.candidate_titles),
        "decided_by": row.decided_by,
        "note": row.note,
        "delivery_id": row.known.state.is_made().then(|| row.delivery().to_string()),
        "created_at": row.created_at.to_string(),
        "changed_at": row.changed_at.to_string(),
    })
}
