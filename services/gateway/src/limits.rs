//! Limits of requests: of each caller, and of each address whose credentials were refused.

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use moka::sync::Cache;
use runner::Origin;
use std::{hash::Hash, num::NonZeroU32, sync::Arc, time::Duration};

/// Upper limit of callers, and of addresses, that are counted at once; the least used are forgotten.
const COUNTED_MAX: u64 = 100_000;
/// Time after which a quiet one is forgotten: longer than its budget takes to refill.
const QUIET_FOR: Duration = Duration::from_hours(1);
/// Number of refused credentials a minute that an address may send.
const REFUSED_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// One budget for each key.
struct Budgets<Key> {
    of: Cache<Key, Arc<DefaultDirectRateLimiter>>,
    quota: Quota,
    clock: DefaultClock,
}

impl<Key: Hash + Eq + Send + Sync + 'static> Budgets<Key> {
    fn new(quota: Quota) -> Self {
        let of = Cache::builder().max_capacity(COUNTED_MAX).time_to_idle(QUIET_FOR).build();
        Self { of, quota, clock: DefaultClock::default() }
    }

    fn take(&self, key: Key) -> Result<(), Duration> {
        let budget = self.of.get_with(key, || Arc::new(RateLimiter::direct(self.quota)));
        budget.check().map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

/// The limits of requests.
pub(crate) struct Limits {
    callers: Budgets<String>,
    refused: Budgets<Origin>,
    /// Addresses that have used up their budget, until the wait is over.
    shut_out: Cache<Origin, ()>,
}

/// Time for which an address is shut out that sent too many refused credentials.
const SHUT_OUT_FOR: Duration = Duration::from_secs(10);

impl Limits {
    pub(crate) fn new(requests_per_second: u32, requests_burst: u32) -> Self {
        let at_least_one = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota =
            Quota::per_second(at_least_one(requests_per_second)).allow_burst(at_least_one(requests_burst));
        Self {
            callers: Budgets::new(quota),
            refused: Budgets::new(Quota::per_minute(REFUSED_PER_MINUTE)),
            shut_out: Cache::builder().max_capacity(COUNTED_MAX).time_to_live(SHUT_OUT_FOR).build(),
        }
    }

    /// Counts a request of a caller, or returns the time to wait.
    pub(crate) fn take(&self, caller: &str) -> Result<(), Duration> {
        self.callers.take(caller.to_owned())
    }

    /// Counts refused credentials of an address.
    pub(crate) fn note_refused(&self, origin: Origin) {
        if self.refused.take(origin).is_err() {
            self.shut_out.insert(origin, ());
        }
    }

    /// Returns the time to wait if an address has sent too many refused credentials: nothing of it is looked up until then.
    pub(crate) fn wait_of(&self, origin: Origin) -> Option<Duration> {
        self.shut_out.contains_key(&origin).then_some(SHUT_OUT_FOR)
    }
}
