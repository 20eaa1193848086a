//! Measures the time until work goes on.
//!
//! Each partition has a store that only the run itself reports on. A probe sends one level for each of these stores. It
//! is complete when each level, accepted after the fault, has its outcome in the record, and the consumer that was hit
//! has passed it.

use crate::{
    plan::{Planned, What},
    sending::DeliverySender,
};
use model::{DeliveryId, Partition, StoreId};
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};
use store::{Consumer, Store, StoreError};
use testkit::Program;
use tokio::task::JoinSet;

/// Interval at which the record is queried.
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// Number of outcomes of a store that are read; it has few.
const EVENT_OUTCOMES: i64 = 5;
/// Numbers of probes lie beyond those of the stream.
const NUMBERS_FROM: u64 = 1 << 40;

/// Sends probes and waits for their outcomes.
pub(crate) struct Prober {
    sender: DeliverySender,
    record: Store,
    bus: bus::Bus,
    asked: AtomicU32,
}

/// The point that a probe has to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passes {
    /// The record.
    Record,
    /// This intake, then the record.
    Intake(SocketAddr),
    /// `propagate`, which has passed the probe's change.
    Propagate,
    /// `fetch`, which has checked the probe's delivery for data to fetch.
    Fetch,
}

impl Passes {
    /// Returns the point that a killed replica of this service delays.
    pub(crate) fn of(program: Program, intake: Option<SocketAddr>) -> Self {
        match (program, intake) {
            (Program::Ingest, Some(intake)) => Self::Intake(intake),
            (Program::Propagate, _) => Self::Propagate,
            (Program::Fetch, _) => Self::Fetch,
            _ => Self::Record,
        }
    }
}

impl Prober {
    /// Sends through the desk, and looks for the outcomes in the record.
    pub(crate) fn new(sender: DeliverySender, record: Store, bus: bus::Bus) -> Self {
        Self { sender, record, bus, asked: AtomicU32::new(0) }
    }

    /// Sends a probe and waits until every partition has passed it. Returns the time since `since`, or an error with
    /// the partitions that didn't pass it within the limit.
    pub(crate) async fn ask(
        self: &std::sync::Arc<Self>,
        passes: Passes,
        since: Instant,
        limit: Duration,
    ) -> Result<Duration, String> {
        let version = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut questions = JoinSet::new();
        let partitions = self.bus.partitions();
        for merchant in self.sender.crowd.probes() {
            let what = What::Level { product: 0, version, level: i64::from(version) };
            let number = NUMBERS_FROM + u64::from(version) * 10_000 + u64::from(merchant.index);
            let planned = Planned { number, twin: false, store: merchant.index, what, repeats: 0 };
            let (prober, id, partition) =
                (std::sync::Arc::clone(self), merchant.id.clone(), partitions.of(&merchant.id));
            questions.spawn(async move {
                let asked = prober.one(planned, &id, partition, passes);
                let left = limit.saturating_sub(since.elapsed());
                tokio::time::timeout(left, asked).await.map_err(|_| partition)
            });
        }
        let responses = questions.join_all().await;
        let silent: Vec<String> = responses
            .iter()
            .filter_map(|response| response.err())
            .map(|partition| partition.to_string())
            .collect();
        if silent.is_empty() {
            Ok(since.elapsed())
        } else {
            Err(format!("partitions {} within {limit:?}", silent.join(" ")))
        }
    }

    async fn one(&self, planned: Planned, store: &StoreId, partition: Partition, passes: Passes) {
        let intake = match passes {
            Passes::Intake(intake) => Some(intake),
            _ => None,
        };
        let id = self.sender.until_kept(&planned, intake).await;
        // While the database is down, the query fails and is repeated.
        while !self.has_passed(id, store, partition, passes).await.unwrap_or(false) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn has_passed(
        &self,
        id: DeliveryId,
        store: &StoreId,
        partition: Partition,
        passes: Passes,
    ) -> Result<bool, StoreError> {
        let event_outcomes = self.record.event_outcomes_of(store, EVENT_OUTCOMES).await?;
        let Some(row) = event_outcomes.iter().find(|row| row.event_outcome.delivery == id) else {
            return Ok(false);
        };
        match passes {
            Passes::Record | Passes::Intake(_) => Ok(true),
            Passes::Fetch => {
                let cursor = self.record.cursor(Consumer::Fetch, partition).await?;
                Ok(cursor.position >= row.event_outcome.position)
            }
            Passes::Propagate => {
                let before = row.event_outcome.sequence.unwrap_or_default() - 1;
                let events = self.record.events_of(store, before, 1).await?;
                let number = events.first().map_or(i64::MAX, |event| event.number);
                let cursor = self.record.cursor(Consumer::Propagate, partition).await?;
                Ok(cursor.number >= number)
            }
        }
    }
}
