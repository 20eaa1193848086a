//! Limits log entries that unauthenticated clients may cause to one a minute for each connection.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// Minimum time between two notes of one connection.
const NOTE_EVERY: Duration = Duration::from_mins(1);
/// Upper limit of connections remembered as noted; beyond it new ones are only counted.
const NOTED_MAX: usize = 10_000;

/// The recently noted keys, each with the time of its note.
#[derive(Debug)]
pub(crate) struct Noted<Of>(HashMap<Of, Instant>);

impl<Of> Default for Noted<Of> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<Of: Clone + Eq + Hash> Noted<Of> {
    /// Returns true if `of` is to be noted now; if so it is remembered.
    pub(crate) fn is_due(&mut self, of: &Of, now: Instant) -> bool {
        let lately = |at: &Instant| now.saturating_duration_since(*at) < NOTE_EVERY;
        if self.0.get(of).is_some_and(lately) {
            return false;
        }
        if self.0.len() >= NOTED_MAX {
            self.0.retain(|_, at| lately(at));
        }
        if self.0.len() >= NOTED_MAX {
            return false;
        }
        self.0.insert(of.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ConnectionId;

    #[test]
    fn the_connections_that_are_remembered_are_bounded_and_forgotten_after_a_minute() {
        let (mut noted, began) = (Noted::default(), Instant::now());
        let id = |number: usize| ConnectionId::new(&format!("c-{number}")).unwrap();
        assert!((0..NOTED_MAX).all(|number| noted.is_due(&id(number), began)));
        assert!(!noted.is_due(&id(NOTED_MAX), began));
        assert!(noted.is_due(&id(NOTED_MAX), began + NOTE_EVERY));
        assert_eq!(noted.0.len(), 1);
    }
}
