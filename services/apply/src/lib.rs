//! Decides what each event changes, commits it, and publishes what was committed.
//!
//! One transaction holds the ids of the events, what they changed and how far the partition has come, moved by
//! compare-and-set: what is redelivered changes nothing, and who no longer owns a partition can't commit. APPLIED is
//! published from what was committed.

mod batch;
mod dead_letters;
pub mod decide;
pub mod halving;
mod janitor;
mod partition;
mod publish;
pub mod rebuild;
mod refused;
pub mod replay;
mod worker;

use runner::{Alerts, Failure, Service};
use serde::Deserialize;
use std::{num::NonZeroUsize, sync::Arc};
use store::{Store, StoreConfig};
use worker::Workers;

/// The name of the stage.
pub(crate) const STAGE: &str = "apply";

/// The configuration of the service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The database.
    pub store: StoreConfig,
    /// How many transactions run at once; a partition always uses the same worker.
    pub workers: NonZeroUsize,
    /// For how long RAW is kept after it was applied, in seconds: what can be replayed. Seven days unless set.
    pub replay_window_seconds: u64,
    /// For how long UNIQUE is kept, in seconds: as long as dedupe's memory reaches back.
    pub dedupe_window_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: StoreConfig::default(),
            workers: NonZeroUsize::MIN,
            replay_window_seconds: 7 * 24 * 60 * 60,
            dedupe_window_seconds: 24 * 60 * 60,
        }
    }
}

/// Runs the service until it is asked to stop.
pub async fn run(service: Service, config: Config) -> Result<(), Failure> {
    let opened = runner::until_set_up(&service, STAGE, async || Store::open(&config.store).await).await?;
    let Some(store) = opened else { return Ok(()) };
    serve(service, store, config).await
}

/// Runs the service on an open database.
pub async fn serve(service: Service, store: Store, config: Config) -> Result<(), Failure> {
    let workers = Workers::start(config.workers, &store, &service.metrics, Some(&service.bus));
    let in_flight = janitor::in_flight(&service.metrics)?;
    let alerts = Alerts::new(STAGE, &service.metrics, Some(&service.bus));
    let dead_letters = dead_letters::DeadLetters::new(&service.bus, &store, &alerts, &service.metrics)?;
    let janitor = tokio::spawn(janitor::run(service.clone(), store.clone(), config, in_flight, dead_letters));
    let shared = Arc::new(partition::Shared { service: service.clone(), alerts, store, workers });
    let outcome = runner::own_partitions(&service, STAGE, move |run| {
        let shared = Arc::clone(&shared);
        async move { shared.run_partition(&run).await }
    })
    .await;
    janitor.abort();
    outcome
}
