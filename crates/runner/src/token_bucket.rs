//! A limit on how often an operation begins.

use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A token bucket: an operation begins at once while the bucket holds tokens. Each operation takes one, and one is added
/// each period, up to the capacity.
#[derive(Debug)]
pub struct TokenBucket {
    capacity: u32,
    period: Duration,
    /// Time at which the bucket is full again.
    full_at: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket.
    pub const fn new(capacity: u32, period: Duration) -> Self {
        Self { capacity, period, full_at: None }
    }

    /// Takes a token, which is there at `now` or is added later; returns the time from which its operation may begin,
    /// `wait_max` after `now` at the latest. Operations that begin together take a token each; no later operation
    /// waits longer than `wait_max` for theirs.
    pub fn reserve(&mut self, now: Instant, wait_max: Duration) -> Instant {
        let saved_max = self.period * self.capacity;
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + self.period;
        let full_at = full_at.min(now + saved_max + wait_max);
        self.full_at = Some(full_at);
        full_at.checked_sub(saved_max).map_or(now, |due| due.max(now))
    }

    /// Takes the next token and waits until its operation may begin. With a token in the bucket no timer is involved:
    /// the shortest one takes a millisecond. A call that is dropped has taken its token.
    pub async fn take(&mut self) {
        let now = Instant::now();
        let due = self.reserve(now, self.period);
        if due > now {
            sleep_until(due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_begin_at_once_until_the_bucket_is_empty_and_then_once_each_period() {
        let (mut bucket, began) = (TokenBucket::new(3, Duration::from_millis(10)), Instant::now());
        let mut due_ms = |at_ms| {
            let due = bucket.reserve(began + Duration::from_millis(at_ms), Duration::from_millis(20));
            u64::try_from((due - began).as_millis()).unwrap()
        };
        assert_eq!([0, 1, 2, 3].map(&mut due_ms), [0, 1, 2, 10], "the fourth waits for a token");
        assert_eq!([11, 31].map(&mut due_ms), [20, 31], "one is added each period");
        assert_eq!(
            [100, 100, 100, 100, 100].map(&mut due_ms),
            [100, 100, 100, 110, 120],
            "never more than three"
        );
        assert_eq!([100, 100, 121].map(&mut due_ms), [120, 120, 130], "nobody waits longer than the limit");
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_a_token_waits_for_nothing() {
        let (mut bucket, began) = (TokenBucket::new(2, Duration::from_millis(10)), Instant::now());
        bucket.take().await;
        bucket.take().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        bucket.take().await;
        assert_eq!(began.elapsed(), Duration::from_millis(10));
    }
}
