//! Limits on the requests and bytes that a connection may send, and on the share of RAW that it may hold. Counted after
//! the signature, so that an unauthenticated client can't spend a connection's budget.

use crate::{Holder, RawShares, quota::Quotas};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _, clock::DefaultClock};
use model::{ConnectionId, TenantId, Timestamp};
use std::{hash::Hash, num::NonZeroU32, sync::Arc, time::Duration};

/// Upper limit of connections counted at once; the least used are forgotten.
const COUNTED_MAX: u64 = 100_000;
/// Time after which an idle connection is forgotten: longer than a burst of 1,000 takes to refill at one a minute,
/// since forgetting restores the full budget.
const QUIET_FOR: Duration = Duration::from_hours(24);
/// Wait that is returned if no wait helps: nothing is allowed, or less than one request takes.
const NEVER: Duration = Duration::from_mins(1);

/// The unit of byte budgets; a body takes at least one.
const UNIT_BYTES: u64 = 1 << 10;

/// A limit of received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteLimit {
    /// Sustained, per minute.
    pub per_minute: u64,
    /// At once, after a quiet period; at least the size that one body may have.
    pub burst: u64,
}

impl ByteLimit {
    /// Scales the limit for a connection whose limit of requests is `own` instead of `usual`.
    fn in_proportion(self, own: u32, usual: u32) -> Self {
        let scaled = |bytes: u64| bytes.saturating_mul(own.into()) / u64::from(usual.max(1));
        Self { per_minute: scaled(self.per_minute), burst: self.burst.max(scaled(self.burst)) }
    }

    fn quota(self) -> Option<Quota> {
        let units = |bytes: u64| NonZeroU32::new(u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX));
        Some(Quota::per_minute(units(self.per_minute)?).allow_burst(units(self.burst)?))
    }
}

/// One budget for each key.
struct Budgets<Key> {
    of: moka::sync::Cache<Key, Arc<DefaultDirectRateLimiter>>,
    clock: DefaultClock,
}

impl<Key: Hash + Eq + Clone + Send + Sync + 'static> Budgets<Key> {
    fn new() -> Self {
        let of = moka::sync::Cache::builder().max_capacity(COUNTED_MAX).time_to_idle(QUIET_FOR).build();
        Self { of, clock: DefaultClock::default() }
    }

    /// Takes `count` out of the budget, or returns the time until the budget has that much; a minute if it never has.
    fn take(&self, key: &Key, quota: Option<Quota>, count: u64) -> Result<(), Duration> {
        let (Some(quota), Ok(count)) = (quota, u32::try_from(count.max(1))) else { return Err(NEVER) };
        let budget = self.of.get_with(key.clone(), || Arc::new(RateLimiter::direct(quota)));
        match budget.check_n(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)) {
            Ok(taken) => taken.map_err(|refused| refused.wait_time_from(self.clock.now())),
            Err(_) => Err(NEVER),
        }
    }
}

/// The budgets of connections and tenants.
pub struct Limits {
    requests_per_minute: u32,
    requests_burst: u32,
    requests: Budgets<(ConnectionId, u32)>,
    bytes: Option<(ByteLimit, ByteLimit)>,
    connection_bytes: Budgets<(ConnectionId, u32)>,
    tenant_bytes: Budgets<TenantId>,
    quotas: Arc<Quotas>,
}

impl Limits {
    /// Limits each connection to `requests_per_minute`, sustained, unless it has a limit of its own, and to
    /// `requests_burst` at once, whatever its sustained limit; if that is higher it is the burst too. Bytes
    /// aren't limited.
    pub fn new(requests_per_minute: u32, requests_burst: u32) -> Self {
        let (requests, connection_bytes, tenant_bytes) = (Budgets::new(), Budgets::new(), Budgets::new());
        let quotas = Arc::new(Quotas::new(None));
        Self {
            requests_per_minute,
            requests_burst,
            requests,
            bytes: None,
            connection_bytes,
            tenant_bytes,
            quotas,
        }
    }

    /// Limits bytes as well: of each connection, in proportion to its own limit of requests, and of each tenant. All
    /// tenants share the room of RAW.
    #[must_use]
    pub fn with_bytes(self, of_connections: ByteLimit, of_tenants: ByteLimit) -> Self {
        Self { bytes: Some((of_connections, of_tenants)), ..self }
    }

    /// Limits the shares of RAW that connections and tenants hold as well.
    #[must_use]
    pub fn with_raw_shares(self, shares: RawShares) -> Self {
        Self { quotas: Arc::new(Quotas::new(Some(shares))), ..self }
    }

    /// The counts of the held bytes of RAW.
    pub(crate) fn quotas(&self) -> Arc<Quotas> {
        Arc::clone(&self.quotas)
    }

    /// Refuses another delivery of a connection that holds too much of that room of RAW, or whose tenant does.
    pub(crate) fn check_held(
        &self,
        room: usize,
        of: (&TenantId, &ConnectionId),
        own_limit: Option<u32>,
        now: Timestamp,
    ) -> Result<(), Holder> {
        let usual = f64::from(self.requests_per_minute.max(1));
        let in_proportion = own_limit.map_or(1.0, |own| f64::from(own) / usual);
        self.quotas.check(room, of, in_proportion, now)
    }

    /// Takes one request of `bytes` bytes out of the budgets of its connection and tenant, or returns the time until
    /// it fits.
    pub fn take(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        own_limit: Option<u32>,
        bytes: usize,
    ) -> Result<(), Duration> {
        let per_minute = own_limit.unwrap_or(self.requests_per_minute);
        let key = (connection.clone(), per_minute);
        let quota = NonZeroU32::new(per_minute).map(|sustained| {
            let burst = NonZeroU32::new(self.requests_burst).map_or(sustained, |burst| burst.max(sustained));
            Quota::per_minute(sustained).allow_burst(burst)
        });
        self.requests.take(&key, quota, 1)?;
        let Some((of_connections, of_tenants)) = self.bytes else { return Ok(()) };
        let units = u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(UNIT_BYTES);
        let own = own_limit
            .map_or(of_connections, |own| of_connections.in_proportion(own, self.requests_per_minute));
        self.connection_bytes.take(&key, own.quota(), units)?;
        self.tenant_bytes.take(tenant, of_tenants.quota(), units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(limits: &Limits, connection: &ConnectionId, own_limit: Option<u32>) -> Result<(), Duration> {
        limits.take(&TenantId::new("tenant").unwrap(), connection, own_limit, 1)
    }

    #[test]
    fn a_burst_passes_whatever_the_sustained_limit_and_then_the_limit_holds() {
        // The default limit and burst, a connection's own limit; the number that passes at once, and the longest wait
        // after it.
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
            let passed = (0..passes).filter(|_| taken(&limits, &id, own_limit).is_ok()).count();
            assert_eq!(passed, passes, "{case:?}");
            // A request or two may have been refilled meanwhile.
            let wait = (0..100).find_map(|_| taken(&limits, &id, own_limit).err()).expect("it is refused");
            assert!(wait > Duration::ZERO && wait <= Duration::from_millis(wait_ms), "{case:?}: {wait:?}");
        }
    }

    #[test]
    fn each_connection_has_a_budget_of_its_own() {
        let limits = Limits::new(3, 3);
        let [one, other] = ["one", "other"].map(|id| ConnectionId::new(id).unwrap());
        assert!((0..3).all(|_| taken(&limits, &one, None).is_ok()));
        let wait = taken(&limits, &one, None).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(20), "{wait:?}");
        assert!(taken(&limits, &other, None).is_ok());
        assert!(taken(&limits, &one, Some(600)).is_ok());
        assert_eq!(taken(&limits, &one, Some(0)), Err(Duration::from_mins(1)));
    }

    #[test]
    fn bytes_are_limited_for_each_connection_and_for_all_of_a_tenant() {
        const MIB: usize = 1 << 20;
        let mib =
            |per_minute: u64, burst: u64| ByteLimit { per_minute: per_minute << 20, burst: burst << 20 };
        let limits = Limits::new(100, 1000).with_bytes(mib(1, 8), mib(2, 20));
        let [one, other, third, fast] =
            ["one", "other", "third", "fast"].map(|id| ConnectionId::new(id).unwrap());
        let [tenant, neighbour] = ["tenant", "neighbour"].map(|id| TenantId::new(id).unwrap());
        let passes = |tenant, connection, own| {
            (0..40).take_while(|_| limits.take(tenant, connection, own, 4 * MIB).is_ok()).count()
        };
        assert_eq!(passes(&tenant, &one, None), 2, "its burst");
        let wait = limits.take(&tenant, &one, None, 4 * MIB).unwrap_err();
        assert!(wait > Duration::from_mins(3) && wait <= Duration::from_mins(4), "{wait:?}");
        assert_eq!(passes(&tenant, &other, None), 2);
        assert_eq!(passes(&tenant, &third, None), 1, "its tenant's burst");
        assert_eq!(passes(&neighbour, &fast, Some(200)), 4, "twice the requests, twice the bytes");
        assert_eq!(limits.take(&neighbour, &third, None, 9 * MIB), Err(NEVER), "more than its burst");
    }
}
