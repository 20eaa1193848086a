//! Limits of requests: of each caller, and of each address whose keys were refused.

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
/// Number of refused keys a minute that an address may send.
const REFUSED_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// Time for which no unknown key of an address is looked up that sent too many refused ones.
const SHUT_OUT_FOR: Duration = Duration::from_secs(10);
/// Time for which a key that was accepted is looked up whatever its address.
const ACCEPTED_FOR: Duration = Duration::from_mins(5);

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
    /// The ids of keys that were accepted a short time ago.
    accepted: Cache<String, ()>,
}

impl Limits {
    pub(crate) fn new(requests_per_second: u32, requests_burst: u32) -> Self {
        let at_least_one = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota =
            Quota::per_second(at_least_one(requests_per_second)).allow_burst(at_least_one(requests_burst));
        Self {
            callers: Budgets::new(quota),
            refused: Budgets::new(Quota::per_minute(REFUSED_PER_MINUTE)),
            shut_out: Cache::builder().max_capacity(COUNTED_MAX).time_to_live(SHUT_OUT_FOR).build(),
            accepted: Cache::builder().max_capacity(COUNTED_MAX).time_to_live(ACCEPTED_FOR).build(),
        }
    }

    /// Counts a request of a caller, or returns the time to wait.
    pub(crate) fn take(&self, caller: &str) -> Result<(), Duration> {
        self.callers.take(caller.to_owned())
    }

    /// Remembers that a key was accepted.
    pub(crate) fn note_accepted(&self, key: &str) {
        self.accepted.insert(key.to_owned(), ());
    }

    /// Counts a refused key of an address.
    pub(crate) fn note_refused(&self, origin: Origin) {
        if self.refused.take(origin).is_err() {
            self.shut_out.insert(origin, ());
        }
    }

    /// Returns the time to wait before a key of an address is looked up that has sent too many refused ones. A key that was
    /// accepted a short time ago doesn't wait: others may share its address.
    pub(crate) fn wait_of(&self, origin: Origin, key: &str) -> Option<Duration> {
        (self.shut_out.contains_key(&origin) && !self.accepted.contains_key(key)).then_some(SHUT_OUT_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn an_address_with_many_refused_keys_waits_and_a_key_that_was_accepted_does_not() {
        let limits = Limits::new(10, 10);
        let origin = |last| Origin::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)));
        limits.note_accepted("known");
        for _ in 0..REFUSED_PER_MINUTE.get() {
            limits.note_refused(origin(1));
            assert_eq!(limits.wait_of(origin(1), "guess"), None);
        }
        limits.note_refused(origin(1));
        assert_eq!(limits.wait_of(origin(1), "guess"), Some(SHUT_OUT_FOR));
        assert_eq!(limits.wait_of(origin(1), "known"), None);
        assert_eq!(limits.wait_of(origin(2), "guess"), None);
    }
}
