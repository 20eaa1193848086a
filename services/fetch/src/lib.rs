//! Completes thin notifications by fetching the objects that they name, and reads lists of platforms on a schedule.
//!
//! It reads RAW beside normalize. The full objects go through the intake into RAW like any delivery, with the
//! notification as their cause; so they are verified, counted, ordered and replayed like all others. While a connection
//! is paused or its account is refused, its notifications are parked in the record.
//!
//! One more worker looks at the promotions that may begin or end, and hands over the event of it.
//!
//! A worker for each connection with collections reads what is due, a page at a time; the state of each list is a row of
//! the record, so that whoever owns the partition next goes on with the same page.
//!
//! For each partition, variants whose descriptions or links changed are compared with those of other connections; what may
//! be one is stored as a match, for a person or, above the store's limit, as an instruction that links it.

mod accepted;
mod attempt;
mod lists;
mod matches;
mod measure;
mod notices;
mod parked;
mod parking;
mod partition;
mod promotions;
mod refusal;
mod schedule;
mod settings;
mod shared;

pub use matches::Matching;
pub use schedule::ScheduledReads;

use outlet::{Accounts, Budgets, CallsConfig, Client, Fetcher};
use platforms::Validator;
use runner::{Alerts, Failure, Service};
use serde::Deserialize;
use stage::Fault;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use store::{Changed, Store, StoreConfig};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// The name of the stage.
pub(crate) const STAGE: &str = "fetch";
/// Upper limit of unread change notices per connection; beyond it, the connection acts as if everything had changed.
const CHANGES_MAX: usize = 256;
/// Upper limit of partitions whose variants are compared at once: each keeps a connection to the database busy, and all other
/// work of the process needs some of the few that it has.
const COMPARISONS_AT_ONCE: usize = 1;
/// Upper limit of pages of lists that the process holds at once: each may take some megabytes.
const PAGES_AT_ONCE: usize = 8;

/// The configuration of the service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The database.
    pub store: StoreConfig,
    /// Calls to platforms.
    pub calls: CallsConfig,
    /// Reads of lists.
    pub scheduled_reads: ScheduledReads,
    /// Comparisons of variants.
    pub matching: Matching,
}

/// Runs the service until it is stopped.
pub async fn run(service: Service, config: Config) -> Result<(), Failure> {
    let opened = runner::until_set_up(&service, STAGE, async || Store::open(&config.store).await).await?;
    let Some(store) = opened else { return Ok(()) };
    serve(service, store, config.calls, config.scheduled_reads, config.matching).await
}

/// Runs the service on an open database.
pub async fn serve(
    service: Service,
    store: Store,
    calls: CallsConfig,
    reads: ScheduledReads,
    matching: Matching,
) -> Result<(), Failure> {
    let reads = reads.into_schedules()?;
    let budgets = Budgets::new(store.clone(), &calls);
    let client = Client::new(calls).map_err(|error| Fault::new("the HTTP client", error))?;
    let accounts = Accounts::new(store.clone(), client.clone(), budgets.clone());
    let fetcher = Fetcher::new(service.bus.clone(), client, budgets, accounts);
    let (changes, _) = broadcast::channel(CHANGES_MAX);
    let listening = tokio::spawn(listen(store.clone(), changes.clone(), service.stop.clone()));
    let schemas = schemas()?;
    let alerts = Alerts::new(STAGE, &service.metrics, Some(&service.bus));
    let measure =
        measure::Measure::new(&service.metrics).map_err(|error| Fault::new("metrics of lists", error))?;
    let match_measure = matches::MatchMeasure::new(&service.metrics)
        .map_err(|error| Fault::new("metrics of matches", error))?;
    let pages = tokio::sync::Semaphore::new(PAGES_AT_ONCE);
    let comparisons = tokio::sync::Semaphore::new(COMPARISONS_AT_ONCE);
    let shared = Arc::new(shared::Shared {
        service: service.clone(),
        alerts,
        store,
        fetcher,
        schemas,
        changes,
        reads,
        pages,
        comparisons,
        measure,
        matching,
        match_measure,
        owned: Mutex::default(),
    });
    let watching = tokio::spawn(promotions::watch(Arc::clone(&shared)));
    let counting = tokio::spawn(matches::count_waiting(Arc::clone(&shared)));
    let outcome = runner::own_partitions(&service, STAGE, move |run| {
        let shared = Arc::clone(&shared);
        Box::pin(async move { shared.run_partition(&run).await })
    })
    .await;
    listening.abort();
    watching.abort();
    counting.abort();
    outcome
}

/// Sends the database's change notices to all connections: one database connection listens for them all.
async fn listen(store: Store, reported: broadcast::Sender<Changed>, stop: CancellationToken) {
    let mut changes = store.listen_changes();
    loop {
        let changed = tokio::select! {
            changed = changes.next() => changed,
            () = stop.cancelled() => return,
        };
        // There is no receiver while no partition is owned.
        reported.send(changed).ok();
    }
}

/// The schemas of the platforms that have topics which name objects to fetch.
fn schemas() -> Result<HashMap<&'static str, Validator>, Fault> {
    let names_objects = |platform: &&&dyn platforms::Platform| {
        platform.spec().topics.iter().any(|topic| partition::names_objects(topic.kind))
    };
    let compile = |platform: &&'static dyn platforms::Platform| {
        let validator = Validator::of(*platform).map_err(|error| Fault::new("a valid schema", error))?;
        Ok((platform.name(), validator))
    };
    platforms::all().iter().filter(names_objects).map(compile).collect()
}
