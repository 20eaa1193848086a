//! Upkeep of the database and of DEAD, beside the janitor of the streams: `runner::Janitor` runs it at each of its checks.

use crate::{STAGE, dead_letters::DeadLetters};
use model::Partition;
use prometheus::IntGauge;
use runner::{Metrics, Progress, Readers};
use stage::Fault;
use std::time::{Duration, Instant};
use store::{Consumer, Store};

/// Interval between maintenance runs of the tables.
const MAINTAIN_EVERY: Duration = Duration::from_hours(1);

/// The database and DEAD, which the janitor's purges concern.
pub(crate) struct Upkeep {
    store: Store,
    dead_letters: DeadLetters,
    /// The deliveries accepted and not yet done, over all partitions; every replica reports the same value.
    in_flight: IntGauge,
    maintained: Option<Instant>,
}

impl Upkeep {
    /// Registers the metric.
    pub(crate) fn new(
        store: &Store,
        dead_letters: DeadLetters,
        metrics: &Metrics,
    ) -> Result<Self, prometheus::Error> {
        let in_flight = IntGauge::new(
            "tillflow_in_flight_deliveries",
            "Deliveries that RAW has taken and that have not come to an end, by two counts that are kept apart",
        )?;
        metrics.registry().register(Box::new(in_flight.clone()))?;
        Ok(Self { store: store.clone(), dead_letters, in_flight, maintained: None })
    }
}

impl Readers for Upkeep {
    async fn prepare(&mut self, is_sweep: bool) {
        // Before bodies are copied into DEAD, which may need the room.
        if let Err(error) = self.dead_letters.sweep().await {
            tracing::debug!(stage = STAGE, %error, "dead letters can't be looked at");
        }
        if is_sweep {
            match self.store.in_flight().await {
                Ok(count) => self.in_flight.set(count),
                Err(error) => tracing::debug!(stage = STAGE, %error, "what is under way can't be counted"),
            }
        }
        if self.maintained.is_none_or(|at| at.elapsed() >= MAINTAIN_EVERY) {
            self.maintained = Some(Instant::now());
            if let Err(error) = self.store.maintain().await {
                tracing::warn!(stage = STAGE, %error, "tables can't be looked after");
            }
        }
    }

    async fn progress(&self, partition: Partition) -> Result<Progress, Fault> {
        Ok(Progress {
            applied: self.store.cursor(Consumer::Apply, partition).await?.position,
            fetched: self.store.cursor(Consumer::Fetch, partition).await?.position,
            propagated: self.store.cursor(Consumer::Propagate, partition).await?.number,
        })
    }

    async fn before_purge(&self, partition: Partition, below: u64) -> Result<(), Fault> {
        self.dead_letters.take_bodies_over(partition, below).await
    }
}
