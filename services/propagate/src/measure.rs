//! Metrics of calls.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};
use runner::Metrics;
use std::time::Duration;

/// Counters of calls to platforms.
#[derive(Clone)]
pub(crate) struct Measure {
    calls: IntCounterVec,
    duration: HistogramVec,
}

impl Measure {
    pub(crate) fn new(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let calls = IntCounterVec::new(
            Opts::new("tillflow_platform_calls_total", "Writes to platforms by how they ended"),
            &["platform", "kind", "result"],
        )?;
        let duration = HistogramVec::new(
            HistogramOpts::new(
                "tillflow_platform_call_duration_seconds",
                "Time that a write to a platform took",
            )
            .buckets(prometheus::exponential_buckets(0.002, 2.0, 14)?),
            &["platform"],
        )?;
        metrics.registry().register(Box::new(calls.clone()))?;
        metrics.registry().register(Box::new(duration.clone()))?;
        Ok(Self { calls, duration })
    }

    pub(crate) fn called(&self, platform: &str, kind: &str, result: &str, took: Duration) {
        self.calls.with_label_values(&[platform, kind, result]).inc();
        self.duration.with_label_values(&[platform]).observe(took.as_secs_f64());
    }
}
