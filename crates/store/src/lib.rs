//! The Postgres database of record; the only crate with SQL.
//!
//! Parameters and results are types of `model`. Statements work on whole sets, so that a batch costs a fixed number of
//! round trips. Every call has a time limit, and every error states if a retry can help.

mod access_tokens;
mod api_keys;
mod apply;
mod call_budgets;
mod changes;
mod claims;
mod collections;
mod columns;
mod config;
mod conflicts;
mod connection_list;
mod connection_states;
mod connections;
mod conservation;
mod copy;
mod cursors;
mod dead_letters;
mod desired;
mod digest;
mod error;
mod event_outcomes;
mod events;
mod fetch_cursors;
mod idempotency;
mod links;
mod listed_objects;
mod match_queue;
mod matches;
mod migrations;
mod mirrors;
mod outcomes;
mod parked;
mod people;
mod personal;
mod promotions;
mod provision;
mod rebuild;
mod row;
mod sessions;
mod show;
mod statement;
mod tenancy;
mod vault;

pub use access_tokens::IssuedToken;
pub use api_keys::{ApiKey, NewApiKey, StoredApiKey};
pub use apply::ApplyTransaction;
pub use call_budgets::CallBudgetRow;
pub use changes::{ChangeListener, Changed};
pub use claims::{Claim, DueChange, DueRead, DueWrite};
pub use collections::CollectionRow;
pub use config::StoreConfig;
pub use conflicts::{ConflictFilter, ConflictRow, Resolved};
pub use connection_list::ConnectionState;
pub use conservation::{Account, DeliveryPosition};
pub use cursors::{Consumer, Cursor, CursorMove, CursorMoved};
pub use dead_letters::{DeadLetterActed, DeadLetterAction};
pub use desired::{DesiredChanges, Writes};
pub use digest::Digest;
pub use error::StoreError;
pub use event_outcomes::EventOutcomeRow;
pub use events::EventRow;
pub use idempotency::{BegunRequest, KeptResponse, RequestKey};
pub use links::LinkKey;
pub use match_queue::{DueVariant, LinkedItem, MatchVariant};
pub use matches::{MatchEnd, MatchFilter, MatchRow, ProposedMatch};
pub use model::{Connection, Health, KnownObject, ListedObject, Rules};
pub use outcomes::{DeliveryOutcome, OutcomesIn};
pub use parked::ParkedNotice;
pub use people::EmployeeLine;
pub use promotions::{LookedAt, PriceLine, PriceLink, PromotionLine, PromotionToLookAt};
pub use provision::{LocationSetup, StoreSetup};
pub use rebuild::{Difference, RebuildRun, Rebuilding, StoreToRebuild, Wrong};
pub use show::{DetailsLine, LevelLine, MirrorLine, StoreView};
pub use tenancy::{
    ConnectionEdit, ConnectionSettings, Edited, LatestPart, LocationRow, Part, StoreRow, Tenancy,
};
pub use vault::{Sealed, Vault, VaultError};

use error::{ANSWER_GRACE, within};
use sessions::Sessions;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgQueryResult, PgRow};
use sqlx::{Connection as _, PgConnection};
use statement::{Bound, query, statements};
use std::{future::Future, str::FromStr, sync::Arc, time::Duration};

/// Upper limit of the rows of one listing, whatever limit the caller requests.
pub const LISTED_ROWS: i64 = 10_000;

/// Idle time after which a connection is closed.
const IDLE_CONNECTION: Duration = Duration::from_mins(10);
/// A connection that was in use within this time isn't pinged before use: its last use showed that it works.
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);

/// The database of record. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    sessions: Arc<Sessions>,
    /// Options of the login role, for migrations: not of the pipeline's role.
    login: PgConnectOptions,
    limit: Duration,
    vault: Arc<Vault>,
}

impl Store {
    /// Checks that the database responds, and opens a pool whose connections use the role `tillflow_pipeline`. The role
    /// and the tables may still be missing: see [`Store::migrate`] and [`Store::check_schema`].
    pub async fn connect(config: &StoreConfig, vault: Vault) -> Result<Self, StoreError> {
        let login = PgConnectOptions::from_str(&config.url)
            .map_err(|_| StoreError::Setup {
                what: "its URL can't be read".to_owned(),
                remedy: error::CORRECT_URL,
            })?
            .application_name("tillflow");
        let limit = config.statement_timeout() + ANSWER_GRACE;
        within(limit, async {
            let connection = PgConnection::connect_with(&login).await?;
            connection.close().await
        })
        .await?;
        let pool = PgPoolOptions::new()
            .max_connections(config.pool_connections())
            .acquire_timeout(config.acquire_timeout())
            .idle_timeout(IDLE_CONNECTION)
            .test_before_acquire(false)
            .before_acquire(|connection, use_so_far| {
                Box::pin(async move {
                    if use_so_far.idle_for >= PING_AFTER_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(pipeline(login.clone(), config));
        let sessions = Sessions::new(
            pipeline(login.clone(), config),
            config.apply_connections(),
            config.acquire_timeout(),
            limit,
        );
        Ok(Self { pool, sessions: Arc::new(sessions), login, limit, vault: Arc::new(vault) })
    }

    /// Creates the event partitions of the coming months and returns the number of those that were missing. Call it at
    /// start and daily.
    pub async fn maintain(&self) -> Result<i32, StoreError> {
        let row = self.fetch_one(query(MAKE_EVENT_PARTITIONS)).await?;
        Ok(sqlx::Row::try_get(&row, "made")?)
    }

    /// Checks that the database responds.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.execute(query(PING)).await.map(drop)
    }

    /// Closes every connection; waits for those in use to be returned.
    pub async fn close(&self) {
        self.sessions.close().await;
        self.pool.close().await;
    }

    async fn bounded<T>(&self, call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        within(self.limit, call).await
    }

    async fn execute(&self, statement: Bound) -> Result<PgQueryResult, StoreError> {
        self.bounded(statement.execute(&self.pool)).await
    }

    async fn fetch_all(&self, statement: Bound) -> Result<Vec<PgRow>, StoreError> {
        self.bounded(statement.fetch_all(&self.pool)).await
    }

    async fn fetch_optional(&self, statement: Bound) -> Result<Option<PgRow>, StoreError> {
        self.bounded(statement.fetch_optional(&self.pool)).await
    }

    async fn fetch_one(&self, statement: Bound) -> Result<PgRow, StoreError> {
        self.bounded(statement.fetch_one(&self.pool)).await
    }
}

/// Settings of every connection of the pool. Statements look up sets of keys in tables that grow from nothing: a cached
/// plan made while a table was empty would read the whole table for minutes, so plans without an index are discouraged.
/// A test holds that statements declared as `ByKey` have such plans. Even these may use the wrong index or the wrong
/// order: `tests/it/plans.rs` counts the rows that statements read.
fn pipeline(login: PgConnectOptions, config: &StoreConfig) -> PgConnectOptions {
    let milliseconds = config.statement_timeout_ms.to_string();
    login.options([
        ("role", "tillflow_pipeline"),
        ("timezone", "UTC"),
        ("statement_timeout", milliseconds.as_str()),
        ("idle_in_transaction_session_timeout", milliseconds.as_str()),
        ("jit", "off"),
        // Every statement is the same for any number of keys; planning it each time would cost more than running it.
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
    ])
}

statements! {
    const MAKE_EVENT_PARTITIONS: ByKey() = "SELECT make_event_partitions(3) AS made";

    const PING: ByKey() = "SELECT 1";
}
