//! Requests for connections that don't exist: each may cost a look-up in the database.

use runner::Origin;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Period of the limit, counted from an address' first unknown connection.
const WINDOW: Duration = Duration::from_mins(1);
/// Upper limit of addresses counted at once; the least used are forgotten.
const COUNTED_MAX: u64 = 100_000;

/// Counts the look-ups of unknown connections of each address.
#[derive(Clone)]
pub(crate) struct UnknownLimit {
    per_minute: u32,
    counts: moka::sync::Cache<Origin, Arc<AtomicU32>>,
}

impl UnknownLimit {
    pub(crate) fn new(per_minute: u32) -> Self {
        let counts = moka::sync::Cache::builder().max_capacity(COUNTED_MAX).time_to_live(WINDOW).build();
        Self { per_minute, counts }
    }

    /// Fails with the time to wait if the address has requested too many unknown connections.
    pub(crate) fn check(&self, origin: Origin) -> Result<(), Duration> {
        let count = self.counts.get(&origin).map_or(0, |count| count.load(Ordering::Relaxed));
        if count < self.per_minute { Ok(()) } else { Err(WINDOW) }
    }

    /// Counts a request for an unknown connection.
    pub(crate) fn note(&self, origin: Origin) {
        self.counts.get_with(origin, Arc::default).fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_a_limit_of_its_own() {
        let limit = UnknownLimit::new(3);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| Origin::of(text.parse().unwrap()));
        for _ in 0..3 {
            assert_eq!(limit.check(one), Ok(()));
            limit.note(one);
        }
        assert_eq!(limit.check(one), Err(WINDOW));
        assert_eq!(limit.check(other), Ok(()));
    }
}
