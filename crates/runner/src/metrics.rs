//! Metrics of every stage. Names follow the conventions of Prometheus: base units, `_total` for counters.

use model::Timestamp;
use prometheus::{
    Encoder as _, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use stage::{RejectClass, Verdict};
use std::time::Duration;

/// Returns the label of an input's outcome in a stage: every input of a stage counts under exactly one. An input of
/// several rows counts as emitted if any of them is; each row that isn't is also counted as a dead letter.
pub fn outcome_label<Out>(verdict: &Verdict<Out>) -> &'static str {
    match verdict {
        Verdict::Emit(_) => "emitted",
        Verdict::Skip(skip) => skip.outcome().as_str(),
        Verdict::Rows(rows) if rows.iter().any(Result::is_ok) => "emitted",
        Verdict::Reject(_) | Verdict::Rows(_) => "dead",
    }
}

/// The metrics of a process; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    inputs: IntCounterVec,
    events: IntCounterVec,
    outputs: IntCounterVec,
    rejected: IntCounterVec,
    interruptions: IntCounterVec,
    permanent: IntCounterVec,
    foreign: IntCounterVec,
    members_ignored: IntGaugeVec,
    duration: HistogramVec,
    batch_records: HistogramVec,
    lag_seconds: GaugeVec,
    lag_events: IntGaugeVec,
    partitions: IntGaugeVec,
    connections_closed: IntCounterVec,
}

impl Metrics {
    /// Registers the families that every service has.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone())).map(|()| family)
        };
        let histograms = |name: &str, help: &str, buckets: Vec<f64>| {
            let family = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), &["stage"])?;
            registry.register(Box::new(family.clone())).map(|()| family)
        };
        let levels = |name: &str, help: &str, labels: &[&str]| {
            let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone())).map(|()| family)
        };
        let lag_seconds = GaugeVec::new(
            Opts::new("tillflow_stage_lag_seconds", "Age of the newest event that the stage has passed on"),
            &["stage", "partition"],
        )?;
        registry.register(Box::new(lag_seconds.clone()))?;
        Ok(Self {
            inputs: counters("tillflow_inputs_total", "Inputs that a stage consumed", &["stage"])?,
            events: counters(
                "tillflow_events_total",
                "Inputs of a stage by how they ended",
                &["stage", "outcome"],
            )?,
            outputs: counters("tillflow_outputs_total", "Events that a stage passed on", &["stage"])?,
            rejected: counters(
                "tillflow_rejected_total",
                "Dead letters by whose fault",
                &["stage", "class"],
            )?,
            interruptions: counters(
                "tillflow_interruptions_total",
                "Times that a partition had to stop and start again",
                &["stage", "cause"],
            )?,
            permanent: counters(
                "tillflow_permanent_errors_total",
                "Errors that don't pass by themselves, by what has to change",
                &["stage", "kind"],
            )?,
            foreign: counters(
                "tillflow_foreign_messages_total",
                "Messages in our streams that are not ours, each counted by every stage that met it",
                &["stage", "stream"],
            )?,
            members_ignored: levels(
                "tillflow_members_ignored",
                "Names that send heartbeats and get no partitions",
                &["stage"],
            )?,
            duration: histograms(
                "tillflow_stage_duration_seconds",
                "Time from consuming a batch to having passed it on",
                prometheus::exponential_buckets(0.000_5, 2.0, 14)?,
            )?,
            batch_records: histograms(
                "tillflow_batch_records",
                "Records in a batch that a stage consumed",
                prometheus::exponential_buckets(1.0, 2.0, 12)?,
            )?,
            lag_events: levels(
                "tillflow_stage_lag_events",
                "Records read but not yet passed on",
                &["stage", "partition"],
            )?,
            connections_closed: counters(
                "tillflow_connections_closed_total",
                "HTTP connections that ended, by reason",
                &["listener", "cause"],
            )?,
            partitions: levels("tillflow_partitions_owned", "Partitions that this replica owns", &["stage"])?,
            lag_seconds,
            registry,
        })
    }

    /// Returns the registry, in which a service registers its own families.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Counts `count` consumed inputs.
    pub fn consumed(&self, stage: &str, count: usize) {
        self.inputs.with_label_values(&[stage]).inc_by(count as u64);
    }

    /// Counts `count` inputs with the outcome `outcome`.
    pub fn ended(&self, stage: &str, outcome: &str, count: usize) {
        self.events.with_label_values(&[stage, outcome]).inc_by(count as u64);
    }

    /// Counts `count` events that were passed on.
    pub fn passed_on(&self, stage: &str, count: usize) {
        self.outputs.with_label_values(&[stage]).inc_by(count as u64);
    }

    /// Counts an input that became a dead letter.
    pub fn rejected(&self, stage: &str, class: RejectClass) {
        self.rejected.with_label_values(&[stage, class.as_str()]).inc();
    }

    /// Counts a permanent error: `input`, `setup` or `panic`.
    pub fn permanent(&self, stage: &str, kind: &str) {
        self.permanent.with_label_values(&[stage, kind]).inc();
    }

    /// Counts a foreign message in that stream.
    pub fn foreign(&self, stage: &str, stream: &str) {
        self.foreign.with_label_values(&[stage, stream]).inc();
    }

    /// Sets the number of ignored members.
    pub fn ignores(&self, stage: &str, members: usize) {
        let members = i64::try_from(members).unwrap_or(i64::MAX);
        self.members_ignored.with_label_values(&[stage]).set(members);
    }

    /// Counts an interruption of a partition: `fenced`, `fault`, `input`, `setup` or `panic`.
    pub fn interrupted(&self, stage: &str, cause: &str) {
        self.interruptions.with_label_values(&[stage, cause]).inc();
    }

    /// Records the size and the duration of a batch that was consumed and passed on.
    pub fn batch(&self, stage: &str, records: usize, took: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "batches hold hundreds of records")]
        self.batch_records.with_label_values(&[stage]).observe(records as f64);
        self.duration.with_label_values(&[stage]).observe(took.as_secs_f64());
    }

    /// Sets the lag of a partition: the age of the event that it passed on last, and the number of records read but
    /// not passed on.
    pub fn lag(&self, stage: &str, partition: &str, received_at: Timestamp, now: Timestamp, waiting: usize) {
        let age = Duration::from_micros(now.micros_since(received_at));
        self.lag_seconds.with_label_values(&[stage, partition]).set(age.as_secs_f64());
        self.waiting(stage, partition, waiting);
    }

    /// Sets the number of a partition's records that were read but not passed on.
    pub fn waiting(&self, stage: &str, partition: &str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.lag_events.with_label_values(&[stage, partition]).set(count);
    }

    /// Resets the number of waiting records when a partition is opened again: those from before an interruption are
    /// read again, or were passed on after all.
    pub fn opened(&self, stage: &str, partition: &str) {
        self.waiting(stage, partition, 0);
    }

    /// Removes the lag of a partition that this replica no longer owns: its next owner reports it.
    pub fn forget_lag(&self, stage: &str, partition: &str) {
        // Fails only if no lag was ever reported; then there is nothing to remove.
        drop(self.lag_seconds.remove_label_values(&[stage, partition]));
        drop(self.lag_events.remove_label_values(&[stage, partition]));
    }

    /// Sets the number of partitions that this replica owns.
    pub fn owns(&self, stage: &str, partitions: usize) {
        self.partitions.with_label_values(&[stage]).set(i64::try_from(partitions).unwrap_or(i64::MAX));
    }

    /// Counts the end of an HTTP connection of that listener, or its refusal for want of a permit.
    pub(crate) fn connection_closed(&self, listener: &str, cause: &str) {
        self.connections_closed.with_label_values(&[listener, cause]).inc();
    }

    /// Returns all metrics in the text format of Prometheus.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics can't be written");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_was_given_up_reports_no_lag() {
        let metrics = Metrics::new().unwrap();
        let lags = || {
            let page = String::from_utf8(metrics.render()).unwrap();
            page.lines().filter(|line| line.starts_with("tillflow_stage_lag_")).count()
        };
        let (began, now) = (Timestamp::from_micros(0), Timestamp::from_micros(5));
        metrics.lag("apply", "1", began, now, 3);
        metrics.lag("apply", "2", began, now, 3);
        assert_eq!(lags(), 4);
        metrics.opened("apply", "2");
        let page = String::from_utf8(metrics.render()).unwrap();
        assert!(page.contains("tillflow_stage_lag_events{partition=\"2\",stage=\"apply\"} 0"), "{page}");
        metrics.forget_lag("apply", "1");
        metrics.forget_lag("apply", "7");
        assert_eq!(lags(), 2);
    }
}
