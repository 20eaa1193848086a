//! One rhythm for all partitions of a door: what they append then comes to the stages behind it together, and is committed
//! together.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Slots that lie at least a period apart.
pub(crate) struct Pace {
    period: Duration,
    latest: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(period: Duration) -> Self {
        Self { period, latest: Mutex::new(None) }
    }

    /// The slot of whoever has something from `now` on: at once after a quiet period, otherwise the next, which all share
    /// who ask until then.
    pub(crate) fn slot(&self, now: Instant) -> Instant {
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
        let (pace, began) = (Pace::new(Duration::from_millis(16)), Instant::now());
        let slot_ms = |at_ms| {
            let slot = pace.slot(began + Duration::from_millis(at_ms));
            u64::try_from((slot - began).as_millis()).unwrap()
        };
        let asked_at_ms = [0, 0, 1, 9, 16, 17, 31, 33, 100, 101, 116, 132, 133];
        let slots_ms = asked_at_ms.map(slot_ms);
        assert_eq!(slots_ms, [0, 0, 16, 16, 16, 32, 32, 48, 100, 116, 116, 132, 148]);
    }
}
