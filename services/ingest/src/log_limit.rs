//! Limits log entries and rows that unauthenticated clients may cause: to one a minute for each connection, unless the
//! limit has another interval.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// Minimum time between two log entries of one connection.
const LOG_EVERY: Duration = Duration::from_mins(1);
/// Upper limit of connections remembered as logged; beyond it new ones are only counted.
const LOGGED_MAX: usize = 10_000;

/// The recently logged keys, each with the time of its log entry.
#[derive(Debug)]
pub(crate) struct LogLimit<Of> {
    logged: HashMap<Of, Instant>,
    every: Duration,
}

impl<Of> Default for LogLimit<Of> {
    fn default() -> Self {
        Self::with_interval(LOG_EVERY)
    }
}

impl<Of> LogLimit<Of> {
    /// A limit of one entry in each interval.
    pub(crate) fn with_interval(every: Duration) -> Self {
        Self { logged: HashMap::new(), every }
    }
}

impl<Of: Clone + Eq + Hash> LogLimit<Of> {
    /// Returns true if `of` may be logged now; if so it is remembered.
    pub(crate) fn is_due(&mut self, of: &Of, now: Instant) -> bool {
        let every = self.every;
        let lately = |at: &Instant| now.saturating_duration_since(*at) < every;
        if self.logged.get(of).is_some_and(lately) {
            return false;
        }
        if self.logged.len() >= LOGGED_MAX {
            self.logged.retain(|_, at| lately(at));
        }
        if self.logged.len() >= LOGGED_MAX {
            return false;
        }
        self.logged.insert(of.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ConnectionId;

    #[test]
    fn the_connections_that_are_remembered_are_bounded_and_forgotten_after_a_minute() {
        let (mut logged, began) = (LogLimit::default(), Instant::now());
        let id = |number: usize| ConnectionId::new(&format!("c-{number}")).unwrap();
        assert!((0..LOGGED_MAX).all(|number| logged.is_due(&id(number), began)));
        assert!(!logged.is_due(&id(LOGGED_MAX), began));
        assert!(logged.is_due(&id(LOGGED_MAX), began + LOG_EVERY));
        assert_eq!(logged.logged.len(), 1);
    }
}
