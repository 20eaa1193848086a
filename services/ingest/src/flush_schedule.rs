//! One flush schedule for all partitions of an intake: their appends reach the following stages together, and are
//! committed together.

use runner::TokenBucket;
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

/// Flush times: at once while the bucket has tokens or enough deliveries wait, otherwise when the next token is added.
/// The append of each partition takes a token.
pub(crate) struct FlushSchedule {
    interval_max: Duration,
    enough: usize,
    flushes: Mutex<Flushes>,
    waiting: AtomicUsize,
    enough_wait: Notify,
}

struct Flushes {
    bucket: TokenBucket,
    latest: Option<Instant>,
}

impl FlushSchedule {
    pub(crate) fn new(bucket: TokenBucket, interval_max: Duration, enough: usize) -> Self {
        let flushes = Mutex::new(Flushes { bucket, latest: None });
        Self { interval_max, enough, flushes, waiting: AtomicUsize::new(0), enough_wait: Notify::new() }
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

    /// Waits until the next flush; without a timer if it is due.
    pub(crate) async fn tick(&self) {
        let enough_wait = self.enough_wait.notified();
        if self.waiting.load(Ordering::Relaxed) >= self.enough {
            return;
        }
        let Some(due) = self.due() else { return };
        tokio::select! {
            () = sleep_until(due) => {}
            () = enough_wait => {}
        }
    }

    /// Time of the next flush; `None` if it is due.
    fn due(&self) -> Option<Instant> {
        let mut flushes = self.flushes.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: a caller behind another one never takes that one's flush for a coming one.
        let now = Instant::now();
        let due = flushes.due(now, self.interval_max);
        (due > now).then_some(due)
    }
}

impl Flushes {
    /// Time of the next flush. All callers until then share it.
    fn due(&mut self, now: Instant, interval_max: Duration) -> Instant {
        let due = self.bucket.reserve(now, interval_max);
        match self.latest {
            Some(coming) if now <= coming => coming,
            _ => *self.latest.insert(due),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(16);
    const LONGEST: Duration = Duration::from_millis(24);

    #[test]
    fn who_finds_a_token_goes_at_once_and_the_others_go_together() {
        let mut flushes = Flushes { bucket: TokenBucket::new(2, PERIOD), latest: None };
        let began = Instant::now();
        let mut due_ms = |at_ms| {
            let due = flushes.due(began + Duration::from_millis(at_ms), LONGEST);
            u64::try_from((due - began).as_millis()).unwrap()
        };
        let one_partition = [0, 1, 2, 17, 33].map(&mut due_ms);
        assert_eq!(one_partition, [0, 1, 16, 32, 48], "once a period after the tokens are used up");
        let four_partitions = [200, 200, 201, 201, 202, 225, 226, 227, 228, 250].map(&mut due_ms);
        assert_eq!(
            four_partitions,
            [200, 200, 216, 216, 216, 242, 242, 242, 242, 268],
            "all of them share a flush"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_token_once_enough_wait_together() {
        let schedule = FlushSchedule::new(TokenBucket::new(1, PERIOD), LONGEST, 3);
        let began = Instant::now();
        schedule.arrived();
        schedule.tick().await;
        schedule.taken(1);
        assert_eq!(began.elapsed(), Duration::ZERO, "the first finds the intake idle");

        tokio::time::sleep(Duration::from_millis(1)).await;
        schedule.arrived();
        let two_more = async {
            tokio::time::sleep(Duration::from_millis(4)).await;
            schedule.arrived();
            schedule.arrived();
        };
        tokio::join!(schedule.tick(), two_more);
        assert_eq!(began.elapsed(), Duration::from_millis(5));
        schedule.tick().await;
        assert_eq!(began.elapsed(), Duration::from_millis(5), "another partition goes with them");
        schedule.taken(3);

        schedule.arrived();
        schedule.tick().await;
        assert_eq!(began.elapsed(), PERIOD);
    }
}
