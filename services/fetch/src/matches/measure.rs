//! Metrics of matches.

use crate::{STAGE, shared::Shared};
use prometheus::{IntCounterVec, IntGauge, Opts};
use runner::Metrics;
use std::{sync::Arc, time::Duration};
use store::MatchEnd;

/// Interval between two counts of the matches that wait.
const COUNT_EVERY: Duration = Duration::from_secs(30);

/// Counters of matches, and the number of those that wait for a person.
#[derive(Clone)]
pub(crate) struct MatchMeasure {
    changes: IntCounterVec,
    waiting: IntGauge,
}

impl MatchMeasure {
    /// Registers the metrics.
    pub(crate) fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let changes = IntCounterVec::new(
            Opts::new("tillflow_matches_total", "Matches by what became of them"),
            &["result"],
        )?;
        let waiting = IntGauge::new(
            "tillflow_matches_waiting",
            "Matches of all stores that wait for a person; every replica has the same number",
        )?;
        metrics.registry().register(Box::new(changes.clone()))?;
        metrics.registry().register(Box::new(waiting.clone()))?;
        Ok(Self { changes, waiting })
    }

    pub(super) fn count(&self, result: &str, count: usize) {
        self.changes.with_label_values(&[result]).inc_by(count as u64);
    }

    pub(super) fn ended(&self, end: MatchEnd, count: usize) {
        let result = match end {
            MatchEnd::Linked => "linked",
            MatchEnd::Undone => "undone",
            MatchEnd::Superseded => "superseded",
        };
        self.count(result, count);
    }
}

/// Counts the matches that wait for a person, until it is aborted.
pub(crate) async fn count_waiting(shared: Arc<Shared>) {
    if !shared.matching.enabled {
        return;
    }
    loop {
        match shared.store.count_waiting_matches().await {
            Ok(count) => shared.match_measure.waiting.set(count),
            Err(error) => tracing::debug!(stage = STAGE, %error, "waiting matches can't be counted"),
        }
        tokio::time::sleep(COUNT_EVERY).await;
    }
}
