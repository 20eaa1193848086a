//! Delays between retries.

use std::time::Duration;

/// Doubling delays with full jitter, from 50 ms up to 5 s: a partition continues within seconds of the end of an
/// outage, and many partitions don't continue at the same moment.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(5);

    /// Longest delay while someone has to correct the set-up: the error doesn't end by itself, and each attempt costs
    /// resources that others need.
    pub const LONGEST_OF_SETUP: Duration = Duration::from_mins(1);

    /// Returns the next delay.
    pub fn next_delay(&mut self) -> Duration {
        self.delay_up_to(Self::LONGEST)
    }

    /// Returns the next delay while someone has to correct the set-up.
    pub fn next_delay_of_setup(&mut self) -> Duration {
        self.delay_up_to(Self::LONGEST_OF_SETUP)
    }

    fn delay_up_to(&mut self, longest: Duration) -> Duration {
        let ceiling = Self::FIRST.saturating_mul(1 << self.attempts.min(12)).min(longest);
        self.attempts = self.attempts.saturating_add(1);
        ceiling.mul_f64(rand::random_range(0.5..1.0))
    }

    /// Returns the number of delays since the last success.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Resets the delays after a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_limit_and_start_over_after_success() {
        let mut backoff = Backoff::default();
        assert!(backoff.next_delay() <= Backoff::FIRST);
        let later: Vec<_> = (0..20).map(|_| backoff.next_delay()).collect();
        assert!(later.iter().all(|delay| *delay <= Backoff::LONGEST));
        assert!(later.iter().skip(10).all(|delay| *delay >= Backoff::LONGEST / 2));
        let of_setup: Vec<_> = (0..20).map(|_| backoff.next_delay_of_setup()).collect();
        assert!(of_setup.iter().all(|delay| *delay <= Backoff::LONGEST_OF_SETUP));
        assert!(of_setup.iter().all(|delay| *delay >= Backoff::LONGEST_OF_SETUP / 2));
        backoff.reset();
        assert!(backoff.next_delay() <= Backoff::FIRST);
    }
}
