//! How often a connection may knock. Counted after the signature, so that a stranger can't spend a merchant's budget.

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _, clock::DefaultClock};
use model::ConnectionId;
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// How many connections are counted at once; the least used are forgotten.
const COUNTED_MAX: u64 = 100_000;
/// How long a quiet connection is remembered.
const QUIET_FOR: Duration = Duration::from_mins(5);

/// A budget for each connection.
pub struct Limits {
    requests_per_minute: u32,
    budgets: moka::sync::Cache<(ConnectionId, u32), Arc<DefaultDirectRateLimiter>>,
    clock: DefaultClock,
}

impl Limits {
    /// `requests_per_minute` for each connection that has no limit of its own.
    pub fn new(requests_per_minute: u32) -> Self {
        let budgets = moka::sync::Cache::builder().max_capacity(COUNTED_MAX).time_to_idle(QUIET_FOR).build();
        Self { requests_per_minute, budgets, clock: DefaultClock::default() }
    }

    /// Takes one request out of the connection's budget, or says after how long there is one.
    pub fn take(&self, connection: &ConnectionId, own_limit: Option<u32>) -> Result<(), Duration> {
        let per_minute = own_limit.unwrap_or(self.requests_per_minute);
        let Some(quota) = NonZeroU32::new(per_minute) else { return Err(Duration::from_mins(1)) };
        let budget = self.budgets.get_with((connection.clone(), per_minute), || {
            Arc::new(RateLimiter::direct(Quota::per_minute(quota)))
        });
        budget.check().map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_a_budget_of_its_own() {
        let limits = Limits::new(3);
        let [one, other] = ["one", "other"].map(|id| ConnectionId::new(id).unwrap());
        assert!((0..3).all(|_| limits.take(&one, None).is_ok()));
        let wait = limits.take(&one, None).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(20), "{wait:?}");
        assert!(limits.take(&other, None).is_ok());
        assert!(limits.take(&one, Some(600)).is_ok());
    }
}
