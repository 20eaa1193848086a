//! Connections: their states, pausing them, and their rule for first contacts.

use crate::{
    cli::{Baseline, ConnectionVerb, Connections, Output, Target, Wait},
    environment::{open_bus, open_store},
    failure::Failed,
    instruct, output, stores,
    table::{Table, left, right},
};
use model::{BaselineRule, ConflictKind, ConnectionId, ExternalId, Gate, Instruction, Mirror};
use serde_json::{Value, json};
use store::{ConflictFilter, ConnectionState, Health, LISTED_ROWS, Store};

pub(crate) async fn run(arguments: Connections, output: Output) -> Result<(), Failed> {
    match arguments.what {
        ConnectionVerb::Ls { store, target } => list(store.as_deref(), &target, output).await,
        ConnectionVerb::Show { connection, target } => {
            let state = find(&open_store(&target).await?, &connection).await?;
            match output {
                Output::Json => output::json(&value(&state)),
                Output::Text => output::fields(&value(&state)),
            }
            Ok(())
        }
        ConnectionVerb::Pause { connection, target } => enable(&connection, false, &target, output).await,
        ConnectionVerb::Resume { connection, target } => enable(&connection, true, &target, output).await,
        ConnectionVerb::Set { connection, baseline, dry_run, wait, target } => {
            let rule = match baseline {
                Baseline::Ask => BaselineRule::Ask,
                Baseline::Store => BaselineRule::Store,
                Baseline::Platform => BaselineRule::Platform,
            };
            if dry_run {
                return preview(&connection, rule, &target, output).await;
            }
            set(&connection, rule, wait, &target, output).await
        }
    }
}

/// The connection that a person named.
pub(crate) async fn find(store: &Store, connection: &str) -> Result<ConnectionState, Failed> {
    let id = ConnectionId::new(connection).map_err(|error| Failed::Usage(error.to_string()))?;
    let found = store.connection_state(&id).await?;
    found.ok_or_else(|| Failed::Other(format!("there is no connection {id}")))
}

async fn list(name: Option<&str>, target: &Target, output: Output) -> Result<(), Failed> {
    let store = open_store(target).await?;
    let store_id = stores::find_any(&store, name).await?;
    let states = store.connection_states(store_id.as_ref()).await?;
    match output {
        Output::Json => states.iter().for_each(|state| output::json(&value(state))),
        Output::Text if states.is_empty() => output::line("no connections"),
        Output::Text => output::table(state_table(&states)),
    }
    Ok(())
}

fn state_table(states: &[ConnectionState]) -> Table {
    let mut table = Table::new([
        left("connection"),
        left("store"),
        left("platform"),
        left("state"),
        left("baseline"),
        right("conflicts"),
        right("due"),
        right("refused"),
    ]);
    for state in states {
        table.row([
            state.origin.connection.to_string(),
            state.origin.store.to_string(),
            state.origin.platform.to_string(),
            shown(state),
            state.baseline.as_str().to_owned(),
            state.open_conflicts.to_string(),
            state.due_writes.to_string(),
            state.refused_writes.to_string(),
        ]);
    }
    table
}

/// A connection's state in one or two words.
fn shown(state: &ConnectionState) -> String {
    match (state.enabled, state.health) {
        (true, health) => health.as_str().to_owned(),
        (false, Health::Ok) => "paused".to_owned(),
        (false, health) => format!("paused, {}", health.as_str()),
    }
}

/// A connection that isn't ok, in one line.
pub(crate) fn trouble(state: &ConnectionState) -> String {
    let since = state.health_since.map(|since| format!(" since {since}")).unwrap_or_default();
    format!(
        "{} of store {} is {}{since}: {}",
        state.origin.connection,
        state.origin.store,
        shown(state),
        state.health_reason.as_deref().unwrap_or("no reason is known")
    )
}

async fn enable(connection: &str, enabled: bool, target: &Target, output: Output) -> Result<(), Failed> {
    let store = open_store(target).await?;
    let known = find(&store, connection).await?;
    store.set_enabled(&known.origin.connection, enabled).await?;
    match output {
        Output::Json => output::json(&json!({
            "connection": known.origin.connection,
            "enabled": enabled,
            "was_enabled": known.enabled,
        })),
        Output::Text => {
            let before = if known.enabled == enabled { "was already" } else { "is now" };
            let state = if enabled { "in use" } else { "paused" };
            output::line(&format!("{} {before} {state}", known.origin.connection));
        }
    }
    Ok(())
}

async fn set(
    connection: &str,
    rule: BaselineRule,
    wait: Wait,
    target: &Target,
    output: Output,
) -> Result<(), Failed> {
    let store = open_store(target).await?;
    let state = find(&store, connection).await?;
    let external = ExternalId::new(state.origin.connection.as_str());
    let external = external.map_err(|error| Failed::Usage(error.to_string()))?;
    let bus = open_bus(target).await?;
    let instruction = Instruction::Baseline(rule);
    let instructed = instruct::send(bus, &store, &state.origin, (&external, &instruction), wait).await?;
    instruct::print(
        &instructed,
        &format!("baseline of {} is {}", state.origin.connection, rule.as_str()),
        output,
    );
    Ok(())
}

async fn preview(
    connection: &str,
    rule: BaselineRule,
    target: &Target,
    output: Output,
) -> Result<(), Failed> {
    let store = open_store(target).await?;
    let state = find(&store, connection).await?;
    let filter = ConflictFilter {
        store: Some(state.origin.store.clone()),
        connection: Some(state.origin.connection.clone()),
        kind: Some(ConflictKind::FirstContact),
        with_resolved: false,
    };
    let waiting = store.conflicts(&filter, LISTED_ROWS).await?.len();
    let answered = match rule {
        BaselineRule::Ask => 0,
        BaselineRule::Store => waiting,
        // An unproven zero never removes stock.
        BaselineRule::Platform => {
            let mirrors = store.waiting_mirrors(&state.origin.connection).await?;
            waiting.saturating_sub(mirrors.iter().filter(|mirror| is_asked_zero(mirror)).count())
        }
    };
    match output {
        Output::Json => output::json(&json!({
            "connection": state.origin.connection,
            "baseline": state.baseline.as_str(),
            "would_be": rule.as_str(),
            "first_contacts_answered": answered,
            "first_contacts_waiting": waiting,
        })),
        Output::Text => output::line(&format!(
            "baseline of {} would go from {} to {}; {answered} of {waiting} waiting first contacts would be answered; \
             nothing was done",
            state.origin.connection,
            state.baseline.as_str(),
            rule.as_str()
        )),
    }
    Ok(())
}

/// Returns whether a person is asked about an unproven zero.
fn is_asked_zero(mirror: &Mirror) -> bool {
    matches!(mirror, Mirror::Level(_, mirror) if mirror.gate == Gate::Asked && mirror.is_unproven_zero())
}

/// A connection's state, for programs.
pub(crate) fn value(state: &ConnectionState) -> Value {
    json!({
        "connection": state.origin.connection,
        "tenant": state.origin.tenant,
        "store": state.origin.store,
        "platform": state.origin.platform,
        "account": state.account,
        "enabled": state.enabled,
        "health": state.health.as_str(),
        "reason": state.health_reason,
        "since": state.health_since.map(|since| since.to_string()),
        "next_probe_at": state.probe_at.map(|at| at.to_string()),
        "baseline": state.baseline.as_str(),
        "ignored_locations": state.ignored_locations,
        "open_conflicts": state.open_conflicts,
        "due_writes": state.due_writes,
        "due_reads": state.due_reads,
        "refused_writes": state.refused_writes,
    })
}
