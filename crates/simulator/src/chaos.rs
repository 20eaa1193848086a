//! Fault injection: rates, and the random draws from them.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// Fault rates. Shares are from 0 (never) to 1 (always); all are 0 by default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Chaos {
    /// Share of webhooks that are never sent.
    pub lost: f64,
    /// Share of webhooks that are sent a second time, behind all webhooks in the queue at that time.
    pub duplicate: f64,
    /// Share of webhooks that are overtaken by the next one in the queue.
    pub reorder: f64,
    /// Maximum delay of a webhook in milliseconds; evenly distributed from 0.
    pub delay_ms_max: u64,
    /// Share of calls that are throttled with 429, before they have an effect.
    pub throttle_429: f64,
    /// Share of calls that fail with 503, before they have an effect.
    pub server_error: f64,
    /// Share of calls that have their effect, then get a 500 response.
    pub error_after_success: f64,
    /// Share of calls that have their effect, then get no response: the connection is closed.
    pub reset_after_success: f64,
    /// Maximum delay of a response in milliseconds; evenly distributed from 0.
    pub response_ms_max: u64,
}

/// Fault drawn for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    NoFault,
    Throttled,
    Unavailable,
    LostReply,
    Reset,
}

/// Faults drawn for a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WebhookFault {
    pub(crate) lost: bool,
    pub(crate) duplicate: bool,
    pub(crate) reorder: bool,
    pub(crate) delay: Duration,
}

/// Fault rates with their random number generator.
#[derive(Debug)]
pub(crate) struct FaultInjector {
    pub(crate) chaos: Chaos,
    rng: StdRng,
}

impl FaultInjector {
    pub(crate) fn new(chaos: Chaos, seed: u64) -> Self {
        Self { chaos, rng: StdRng::seed_from_u64(seed) }
    }

    fn draws(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.random_bool(share.min(1.0))
    }

    pub(crate) fn call(&mut self) -> Call {
        let Chaos { throttle_429, server_error, error_after_success, reset_after_success, .. } = self.chaos;
        if self.draws(throttle_429) {
            Call::Throttled
        } else if self.draws(server_error) {
            Call::Unavailable
        } else if self.draws(error_after_success) {
            Call::LostReply
        } else if self.draws(reset_after_success) {
            Call::Reset
        } else {
            Call::NoFault
        }
    }

    /// Returns the delay of a response.
    pub(crate) fn response_delay(&mut self) -> Duration {
        self.delay(self.chaos.response_ms_max)
    }

    fn delay(&mut self, ms_max: u64) -> Duration {
        Duration::from_millis(if ms_max == 0 { 0 } else { self.rng.random_range(0..=ms_max) })
    }

    pub(crate) fn webhook(&mut self) -> WebhookFault {
        let Chaos { lost, duplicate, reorder, delay_ms_max, .. } = self.chaos;
        let delay = self.delay(delay_ms_max);
        let (duplicate, reorder, lost) = (self.draws(duplicate), self.draws(reorder), self.draws(lost));
        WebhookFault { lost, duplicate, reorder, delay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_wrong_by_default() {
        let mut faults = FaultInjector::new(Chaos::default(), 7);
        for _ in 0..1_000 {
            assert_eq!((faults.call(), faults.response_delay()), (Call::NoFault, Duration::ZERO));
            let fault = faults.webhook();
            let none = WebhookFault { lost: false, duplicate: false, reorder: false, delay: Duration::ZERO };
            assert_eq!(fault, none);
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_faults() {
        let chaos = Chaos { duplicate: 0.3, delay_ms_max: 40, throttle_429: 0.2, ..Chaos::default() };
        let throws = |seed| {
            let mut faults = FaultInjector::new(chaos, seed);
            (0..200).map(|_| (faults.call(), faults.webhook())).collect::<Vec<_>>()
        };
        assert_eq!(throws(1), throws(1));
        assert_ne!(throws(1), throws(2));
    }
}
