//! Decides the changes of each event, commits them, and publishes the committed changes.
//!
//! One transaction writes the ids of the events, their changes and the partition's cursor, which moves by
//! compare-and-set. So a redelivered event changes nothing, and a former owner of a partition can't commit. APPLIED is
//! published from the committed changes.

mod batch;
mod dead_letters;
pub mod decide;
pub mod halving;
mod partition;
mod publish;
pub mod rebuild;
mod refused;
pub mod replay;
mod upkeep;
mod worker;
mod workers;

use runner::{Alerts, Failure, Janitor, Retention, Service};
use serde::Deserialize;
use std::{num::NonZeroUsize, sync::Arc, time::Duration};
use store::{Store, StoreConfig};
use workers::Workers;

/// The name of the stage.
pub(crate) const STAGE: &str = "apply";

/// Concurrent transactions unless set otherwise.
const WORKERS: NonZeroUsize = NonZeroUsize::new(2).expect("above zero");

/// The configuration of the service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The database.
    pub store: StoreConfig,
    /// Upper limit of concurrent transactions; several run only while a backlog waits.
    pub workers: NonZeroUsize,
    /// Retention of RAW after an event was applied, in seconds, which limits what can be replayed. Seven days
    /// unless set.
    pub replay_window_seconds: u64,
    /// Retention of UNIQUE, in seconds: the span over which dedupe recognizes duplicates.
    pub dedupe_window_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: StoreConfig::default(),
            workers: WORKERS,
            replay_window_seconds: 7 * 24 * 60 * 60,
            dedupe_window_seconds: 24 * 60 * 60,
        }
    }
}

/// Runs the service until it is stopped.
pub async fn run(service: Service, config: Config) -> Result<(), Failure> {
    let opened = runner::until_set_up(&service, STAGE, async || Store::open(&config.store).await).await?;
    let Some(store) = opened else { return Ok(()) };
    serve(service, store, config).await
}

/// Runs the service on an open database.
pub async fn serve(service: Service, store: Store, config: Config) -> Result<(), Failure> {
    let workers = Workers::start(config.workers, &store, &service.metrics, Some(&service.bus));
    let alerts = Alerts::new(STAGE, &service.metrics, Some(&service.bus));
    let dead_letters = dead_letters::DeadLetters::new(&service.bus, &store, &alerts, &service.metrics)?;
    let upkeep = upkeep::Upkeep::new(&store, dead_letters, &service.metrics)?;
    let retention = Retention {
        raw: Duration::from_secs(config.replay_window_seconds),
        unique: Duration::from_secs(config.dedupe_window_seconds),
    };
    let janitor = tokio::spawn(Janitor::new(&service, STAGE, retention).run(upkeep));
    let shared = Arc::new(partition::Shared { service: service.clone(), alerts, store, workers });
    let outcome = runner::own_partitions(&service, STAGE, move |run| {
        let shared = Arc::clone(&shared);
        async move { shared.run_partition(&run).await }
    })
    .await;
    janitor.abort();
    outcome
}
