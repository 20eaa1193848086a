//! Brings every other platform of a store to the store's value.
//!
//! Committed changes set each platform's desired values; a value that differs from the platform's baseline is written
//! to it, only the newest one. A write is recorded before its call, so that its report is recognized as an echo even if
//! it arrives before the reply. A call whose reply was lost is repeated with the same idempotency key.

mod calls;
mod desired;
mod limits;
mod measure;
mod partition;

use outlet::{Accounts, Budgets, CallsConfig, Client, Fetcher};
use runner::{Alerts, Failure, Service};
use serde::Deserialize;
use stage::Fault;
use std::sync::Arc;
use store::{Changed, Store, StoreConfig};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// The name of the stage.
pub(crate) const STAGE: &str = "propagate";
/// Upper limit of unread change notices per partition; beyond it, the partition reads all its connections again.
const NOTICES_MAX: usize = 256;

/// The configuration of the service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The database.
    pub store: StoreConfig,
    /// Calls to platforms.
    pub calls: CallsConfig,
}

/// Runs the service until it is stopped.
pub async fn run(service: Service, config: Config) -> Result<(), Failure> {
    let opened = runner::until_set_up(&service, STAGE, async || Store::open(&config.store).await).await?;
    let Some(store) = opened else { return Ok(()) };
    serve(service, store, config.calls).await
}

/// Runs the service on an open database.
pub async fn serve(service: Service, store: Store, calls: CallsConfig) -> Result<(), Failure> {
    let budgets = Budgets::new(store.clone(), &calls);
    let client = Client::new(calls).map_err(|error| Fault::new("the HTTP client", error))?;
    let accounts = Accounts::new(store.clone(), client.clone(), budgets.clone());
    let fetcher = Fetcher::new(service.bus.clone(), client.clone(), budgets.clone(), accounts.clone());
    let measure = measure::Measure::new(&service.metrics)?;
    let calls = calls::Calls {
        store: store.clone(),
        partitions: service.bus.partitions(),
        client,
        budgets,
        accounts,
        fetcher,
        measure,
    };
    let (notices, _) = broadcast::channel(NOTICES_MAX);
    let listening = tokio::spawn(listen(store.clone(), notices.clone(), service.stop.clone()));
    let calls = Arc::new(calls);
    let desired = desired::DesiredWriter::start(store.clone(), limits::writes(), runner::now);
    let alerts = Alerts::new(STAGE, &service.metrics, Some(&service.bus));
    let shared =
        Arc::new(partition::Shared { service: service.clone(), alerts, store, calls, desired, notices });
    let outcome = runner::own_partitions(&service, STAGE, move |run| {
        let shared = Arc::clone(&shared);
        async move { shared.run_partition(&run).await }
    })
    .await;
    listening.abort();
    outcome
}

/// Sends the database's change notices to all partitions: one database connection listens for them all.
async fn listen(store: Store, notices: broadcast::Sender<Changed>, stop: CancellationToken) {
    let mut changes = store.listen_changes();
    loop {
        let changed = tokio::select! {
            changed = changes.next() => changed,
            () = stop.cancelled() => return,
        };
        // There is no receiver while no partition is owned; a new owner reads everything first.
        notices.send(changed).ok();
    }
}
