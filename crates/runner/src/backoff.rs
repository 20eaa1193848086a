//! How long to wait before trying again.

use std::time::Duration;

/// Doubling delays with full jitter, from 50 ms up to 5 s: a partition that meets an outage comes back within seconds
/// of its end, and many of them don't come back at once.
#[derive(Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(5);

    /// The longest delay while someone has to put the set-up right: nothing passes by itself, and each attempt costs what
    /// others work with.
    pub const LONGEST_OF_SETUP: Duration = Duration::from_mins(1);

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        self.delay_up_to(Self::LONGEST)
    }

    /// The next delay while someone has to put the set-up right.
    pub fn next_delay_of_setup(&mut self) -> Duration {
        self.delay_up_to(Self::LONGEST_OF_SETUP)
    }

    fn delay_up_to(&mut self, longest: Duration) -> Duration {
        let ceiling = Self::FIRST.saturating_mul(1 << self.attempts.min(12)).min(longest);
        self.attempts = self.attempts.saturating_add(1);
        ceiling.mul_f64(rand::random_range(0.5..1.0))
    }

    /// How many delays were asked for since the last success.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// It works again.
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
