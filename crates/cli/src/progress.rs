//! Progress and remaining time of long work.

use crate::output;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Interval between progress reports.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// The progress of one piece of work; cheap to clone. Reported on standard error.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Counts>);

struct Counts {
    what: &'static str,
    began: Instant,
    total: AtomicU64,
    done: AtomicU64,
    /// Milliseconds after `began`.
    reported_at: AtomicU64,
}

impl Progress {
    /// Progress of work on `what`.
    pub(crate) fn new(what: &'static str) -> Self {
        let zero = || AtomicU64::new(0);
        let counts = Counts { what, began: Instant::now(), total: zero(), done: zero(), reported_at: zero() };
        Self(Arc::new(counts))
    }

    /// Adds expected work.
    pub(crate) fn expect(&self, more: u64) {
        self.0.total.fetch_add(more, Ordering::Relaxed);
    }

    /// Adds completed work, and reports the progress if a report is due.
    pub(crate) fn add(&self, more: u64) {
        let counts = &self.0;
        let done = counts.done.fetch_add(more, Ordering::Relaxed) + more;
        let elapsed = counts.began.elapsed();
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let reported_at = counts.reported_at.load(Ordering::Relaxed);
        let due = u128::from(now.saturating_sub(reported_at)) >= REPORT_EVERY.as_millis();
        let mine = || {
            counts
                .reported_at
                .compare_exchange(reported_at, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        if due && mine() {
            let total = counts.total.load(Ordering::Relaxed);
            let left = remaining(elapsed, done, total);
            let percent = done.min(total) * 100 / total.max(1);
            output::progress(&format!("{percent} % of {}, {} s to go", counts.what, left.as_secs()));
        }
    }

    /// Reports the end of the work.
    pub(crate) fn finish(&self) {
        let (counts, elapsed) = (&self.0, self.0.began.elapsed());
        output::progress(&format!("{} done in {:.1} s", counts.what, elapsed.as_secs_f64()));
    }
}

/// Estimated remaining time, at the average speed so far.
fn remaining(elapsed: Duration, done: u64, total: u64) -> Duration {
    let left = u32::try_from(total.saturating_sub(done)).unwrap_or(u32::MAX);
    elapsed.checked_div(u32::try_from(done.max(1)).unwrap_or(u32::MAX)).unwrap_or_default() * left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_was_done() {
        assert_eq!(remaining(Duration::from_secs(10), 5, 10), Duration::from_secs(10));
        assert_eq!(remaining(Duration::from_secs(10), 10, 10), Duration::ZERO);
        assert_eq!(remaining(Duration::from_secs(1), 0, 3), Duration::from_secs(3));
    }
}
