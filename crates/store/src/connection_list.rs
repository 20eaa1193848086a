//! Connections for display: state, rules, and the number of waiting values. Reads no credentials.

use crate::{
    Health, LISTED_ROWS, Store, StoreError,
    columns::{baseline_rule, health, id, time_or_null},
    statement::{query, statements},
};
use model::{BaselineRule, ConnectionId, Origin, StoreId, Timestamp};
use sqlx::{Row as _, postgres::PgRow};

/// A connection's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionState {
    /// The tenant, the store, the connection and its platform.
    pub origin: Origin,
    /// The account's name on the platform.
    pub account: String,
    /// True if it isn't paused.
    pub enabled: bool,
    /// State of the platform's acceptance of its calls.
    pub health: Health,
    /// The reason for not being ok.
    pub health_reason: Option<String>,
    /// Time since which it isn't ok.
    pub health_since: Option<Timestamp>,
    /// Earliest time of the next probe call, which checks that the platform accepts calls again.
    pub probe_at: Option<Timestamp>,
    /// The side whose number is taken at a first contact.
    pub baseline: BaselineRule,
    /// The platform's ids of the locations that are ignored.
    pub ignored_locations: Vec<String>,
    /// Number of open conflicts.
    pub open_conflicts: i64,
    /// Number of values that wait to be written.
    pub due_writes: i64,
    /// Number of values that wait to be read.
    pub due_reads: i64,
    /// Number of values that the platform refused.
    pub refused_writes: i64,
}

impl Store {
    /// Returns the states of all connections, or of one store's: at most [`LISTED_ROWS`].
    pub async fn connection_states(
        &self,
        store: Option<&StoreId>,
    ) -> Result<Vec<ConnectionState>, StoreError> {
        let statement = query(STATES).bind(LISTED_ROWS).bind(store.map(|store| store.as_str().to_owned()));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns the states of the connections that aren't ok: at most [`LISTED_ROWS`].
    pub async fn connections_not_ok(&self) -> Result<Vec<ConnectionState>, StoreError> {
        let statement = query(STATES_NOT_OK).bind(LISTED_ROWS);
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns the state of one connection; `None` if there is none with that id.
    pub async fn connection_state(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<ConnectionState>, StoreError> {
        let statement = query(STATE).bind(LISTED_ROWS).bind(connection.as_str().to_owned());
        self.fetch_optional(statement).await?.map(|row| read(&row)).transpose()
    }
}

fn read(row: &PgRow) -> Result<ConnectionState, StoreError> {
    Ok(ConnectionState {
        origin: Origin {
            tenant: id(row, "tenant")?,
            store: id(row, "store")?,
            connection: id(row, "id")?,
            platform: id(row, "platform")?,
        },
        account: row.try_get("account")?,
        enabled: row.try_get("enabled")?,
        health: health(row, "health")?,
        health_reason: row.try_get("health_reason")?,
        health_since: time_or_null(row, "health_since")?,
        probe_at: time_or_null(row, "probe_at")?,
        baseline: baseline_rule(row, "baseline")?,
        ignored_locations: row.try_get("ignored_locations")?,
        open_conflicts: row.try_get("open_conflicts")?,
        due_writes: row.try_get("due_writes")?,
        due_reads: row.try_get("due_reads")?,
        refused_writes: row.try_get("refused_writes")?,
    })
}

macro_rules! states {
    ($condition:literal) => {
        concat!(
            "SELECT c.id, c.tenant, c.store, c.platform, c.account, c.enabled, c.health, c.health_reason,
                 c.health_since, c.probe_at, c.baseline, c.ignored_locations, m.due_writes, m.due_reads,
                 m.refused_writes,
                 (SELECT count(*) FROM conflicts o
                  WHERE o.store = c.store AND o.connection = c.id AND o.resolved_at IS NULL) AS open_conflicts
             FROM connections c
             CROSS JOIN LATERAL (
                 SELECT count(*) FILTER (WHERE attention = 'write') AS due_writes,
                     count(*) FILTER (WHERE attention = 'read') AS due_reads,
                     count(*) FILTER (WHERE state -> 'phase' ? 'refused') AS refused_writes
                 FROM mirrors WHERE connection = c.id) AS m
             WHERE ",
            $condition,
            " ORDER BY c.store, c.id LIMIT $1"
        )
    };
}

statements! {
    const STATES: Any(int8, text) = states!("($2::text IS NULL OR c.store = $2)");

    const STATES_NOT_OK: Any(int8) = states!("c.health <> 'ok'");

    const STATE: ByKey(int8, text) = states!("c.id = $2");
}
