//! How often a connection may send. Counted after the signature, so that an unauthenticated client can't spend a
//! connection's budget.

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _, clock::DefaultClock};
use model::ConnectionId;
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// Upper limit of connections that are counted at once; the least used are forgotten.
const COUNTED_MAX: u64 = 100_000;
/// Time after which a quiet connection is forgotten: longer than a burst of 1,000 takes to come back at one a minute, or
/// being forgotten would give it back too early.
const QUIET_FOR: Duration = Duration::from_hours(24);

/// A budget for each connection.
pub struct Limits {
    requests_per_minute: u32,
    requests_burst: u32,
    budgets: moka::sync::Cache<(ConnectionId, u32), Arc<DefaultDirectRateLimiter>>,
    clock: DefaultClock,
}

impl Limits {
    /// `requests_per_minute`, sustained, for each connection that has no limit of its own, and `requests_burst` at once
    /// for each connection, whatever its sustained limit; where that is higher it is the burst too.
    pub fn new(requests_per_minute: u32, requests_burst: u32) -> Self {
        let budgets = moka::sync::Cache::builder().max_capacity(COUNTED_MAX).time_to_idle(QUIET_FOR).build();
        Self { requests_per_minute, requests_burst, budgets, clock: DefaultClock::default() }
    }

    /// Takes one request out of the connection's budget, or gives the time until there is one.
    pub fn take(&self, connection: &ConnectionId, own_limit: Option<u32>) -> Result<(), Duration> {
        let per_minute = own_limit.unwrap_or(self.requests_per_minute);
        let Some(sustained) = NonZeroU32::new(per_minute) else { return Err(Duration::from_mins(1)) };
        let burst = NonZeroU32::new(self.requests_burst).map_or(sustained, |burst| burst.max(sustained));
        let budget = self.budgets.get_with((connection.clone(), per_minute), || {
            Arc::new(RateLimiter::direct(Quota::per_minute(sustained).allow_burst(burst)))
        });
        budget.check().map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_whatever_the_sustained_limit_and_then_the_limit_holds() {
        // The defaults' limit and burst, a connection's own limit: how many pass at once, and the longest wait after them.
        let cases = [
            (100, 1000, None, 1000, 600),
            (100, 1000, Some(20), 1000, 3_000),
            (100, 1000, Some(1), 1000, 60_000),
            (100, 1000, Some(2000), 2000, 30),
            (3, 3, None, 3, 20_000),
            (3, 0, None, 3, 20_000),
        ];
        for case @ (per_minute, burst, own_limit, passes, wait_ms) in cases {
            let limits = Limits::new(per_minute, burst);
            let id = ConnectionId::new("one").unwrap();
            let taken = (0..passes).filter(|_| limits.take(&id, own_limit).is_ok()).count();
            assert_eq!(taken, passes, "{case:?}");
            // A request or two may have come back meanwhile.
            let wait = (0..100).find_map(|_| limits.take(&id, own_limit).err()).expect("it is refused");
            assert!(wait > Duration::ZERO && wait <= Duration::from_millis(wait_ms), "{case:?}: {wait:?}");
        }
    }

    #[test]
    fn each_connection_has_a_budget_of_its_own() {
        let limits = Limits::new(3, 3);
        let [one, other] = ["one", "other"].map(|id| ConnectionId::new(id).unwrap());
        assert!((0..3).all(|_| limits.take(&one, None).is_ok()));
        let wait = limits.take(&one, None).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(20), "{wait:?}");
        assert!(limits.take(&other, None).is_ok());
        assert!(limits.take(&one, Some(600)).is_ok());
        assert_eq!(limits.take(&one, Some(0)), Err(Duration::from_mins(1)));
    }
}
