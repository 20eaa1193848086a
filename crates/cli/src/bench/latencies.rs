//! Durations and their quantiles.

use crate::failure::Failed;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// Decimal digits to which a duration is recorded.
const DIGITS: u8 = 3;

/// A histogram of durations, in µs.
#[derive(Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Result<Self, Failed> {
        let histogram = Histogram::new(DIGITS).map_err(|error| Failed::Other(error.to_string()))?;
        Ok(Self(histogram))
    }

    pub(crate) fn record(&mut self, duration: Duration) -> Result<(), Failed> {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.0.record(microseconds).map_err(|error| Failed::Other(error.to_string()))
    }

    pub(crate) fn add(&mut self, others: &Self) -> Result<(), Failed> {
        self.0.add(&others.0).map_err(|error| Failed::Other(error.to_string()))
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn quantiles_ms(&self) -> QuantilesMs {
        #[expect(clippy::cast_precision_loss, reason = "three digits are recorded")]
        let within_ms = |share: f64| self.0.value_at_quantile(share) as f64 / 1000.0;
        QuantilesMs {
            p50: within_ms(0.5),
            p90: within_ms(0.9),
            p99: within_ms(0.99),
            p999: within_ms(0.999),
            max: within_ms(1.0),
        }
    }
}

/// Times within which these shares of all were done, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct QuantilesMs {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl fmt::Display for QuantilesMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99, p999, max } = self;
        write!(f, "p50 {p50:.1}, p90 {p90:.1}, p99 {p99:.1}, p99.9 {p999:.1}, at most {max:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_them_are_below_the_median_and_a_minute_is_recorded_too() {
        let mut latencies = Latencies::new().unwrap();
        for milliseconds in [5, 1, 3, 2, 60_000] {
            latencies.record(Duration::from_millis(milliseconds)).unwrap();
        }
        let QuantilesMs { p50, max, .. } = latencies.quantiles_ms();
        assert!((p50 - 3.0).abs() < 0.01, "{p50}");
        assert!((max / 60_000.0 - 1.0).abs() < 0.001, "{max}");
    }
}
