//! Rate limits of calls: each platform's limit, for each connection.

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use model::ConnectionId;
use platforms::{Platform, Rate};
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// Upper limit of connections counted at once.
const COUNTED_MAX: u64 = 100_000;
/// Time after which an idle connection is forgotten; its bucket is full again long before.
const QUIET_FOR: Duration = Duration::from_mins(10);

/// A budget for each connection; cheap to clone. The owner of a store's partition makes all its calls, so that no other
/// process spends it.
#[derive(Clone)]
pub struct Budgets(moka::sync::Cache<ConnectionId, Arc<DefaultDirectRateLimiter>>);

impl Default for Budgets {
    fn default() -> Self {
        Self(moka::sync::Cache::builder().max_capacity(COUNTED_MAX).time_to_idle(QUIET_FOR).build())
    }
}

impl Budgets {
    /// Waits until the connection may be called once more.
    pub async fn wait(&self, connection: &ConnectionId, platform: &dyn Platform) {
        let limiter = self.0.get_with(connection.clone(), || {
            let Rate { per_second, burst } = platform.spec().rate;
            let period = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::from_secs(1));
            let quota = Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN));
            Arc::new(RateLimiter::direct(
                quota.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN)),
            ))
        });
        limiter.until_ready().await;
    }
}
