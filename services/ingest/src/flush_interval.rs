//! One flush interval for all partitions of an intake: their appends reach the following stages together, and are
//! committed together.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Flush times at least a period apart, unless enough deliveries wait for an append of their own.
pub(crate) struct FlushInterval {
    period: Duration,
    enough: usize,
    latest: Mutex<Option<Instant>>,
    waiting: AtomicUsize,
    enough_wait: Notify,
}

impl FlushInterval {
    pub(crate) fn new(period: Duration, enough: usize) -> Self {
        let (waiting, enough_wait) = (AtomicUsize::new(0), Notify::new());
        Self { period, enough, latest: Mutex::new(None), waiting, enough_wait }
    }

    /// Counts one more waiting delivery.
    pub(crate) fn arrived(&self) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) + 1 >= self.enough {
            self.enough_wait.notify_waiters();
        }
    }

    /// Subtracts deliveries that no longer wait.
    pub(crate) fn taken(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    /// Waits until the next flush.
    pub(crate) async fn tick(&self) {
        let enough_wait = self.enough_wait.notified();
        if self.waiting.load(Ordering::Relaxed) >= self.enough {
            return;
        }
        tokio::select! {
            () = sleep_until(self.slot(Instant::now())) => {}
            () = enough_wait => {}
        }
    }

    /// Next flush time: `now` after a quiet period, otherwise the next tick, which all callers until then share.
    fn slot(&self, now: Instant) -> Instant {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = match *latest {
            Some(coming) if now <= coming => coming,
            Some(past) => now.max(past + self.period),
            None => now,
        };
        *latest = Some(slot);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_after_a_quiet_period_goes_at_once_and_the_others_go_together() {
        let (interval, began) = (FlushInterval::new(Duration::from_millis(16), 1), Instant::now());
        let slot_ms = |at_ms| {
            let slot = interval.slot(began + Duration::from_millis(at_ms));
            u64::try_from((slot - began).as_millis()).unwrap()
        };
        let asked_at_ms = [0, 0, 1, 9, 16, 17, 31, 33, 100, 101, 116, 132, 133];
        let slots_ms = asked_at_ms.map(slot_ms);
        assert_eq!(slots_ms, [0, 0, 16, 16, 16, 32, 32, 48, 100, 116, 116, 132, 148]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_the_interval_once_enough_wait_together() {
        let interval = FlushInterval::new(Duration::from_millis(16), 3);
        let began = Instant::now();
        interval.arrived();
        interval.tick().await;
        interval.taken(1);
        assert_eq!(began.elapsed(), Duration::ZERO, "the first finds the intake idle");

        interval.arrived();
        let two_more = async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            interval.arrived();
            interval.arrived();
        };
        tokio::join!(interval.tick(), two_more);
        assert_eq!(began.elapsed(), Duration::from_millis(5));
        interval.tick().await;
        assert_eq!(began.elapsed(), Duration::from_millis(5), "another partition goes with them");
        interval.taken(3);

        interval.arrived();
        interval.tick().await;
        assert_eq!(began.elapsed(), Duration::from_millis(16));
    }
}
