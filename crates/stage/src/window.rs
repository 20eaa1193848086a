//! The recently seen identities, limited in time and in number.

use model::Timestamp;
use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

/// The recently seen identities, each with a value.
#[derive(Debug)]
pub struct Window<K, V = ()> {
    span: Duration,
    remembered_max: usize,
    known: HashMap<K, V>,
    order: VecDeque<(Timestamp, K)>,
}

impl<K, V> Default for Window<K, V> {
    /// A window that remembers nothing.
    fn default() -> Self {
        Self { span: Duration::ZERO, remembered_max: 0, known: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Hash + Eq + Copy, V> Window<K, V> {
    /// Builds an empty window that remembers identities seen during `span`, and at most `remembered_max` of them.
    pub fn new(span: Duration, remembered_max: usize) -> Self {
        Self { span, remembered_max, known: HashMap::new(), order: VecDeque::new() }
    }

    /// Returns the value of an identity seen within the window, which ends at `now`.
    pub fn known(&mut self, identity: &K, now: Timestamp) -> Option<&V> {
        self.forget(now);
        self.known.get(identity)
    }

    /// Adds an identity that was seen. Identities have to be added in the order in which they were seen. `at` is
    /// the only clock.
    pub fn remember(&mut self, identity: K, value: V, at: Timestamp) {
        self.forget(at);
        if self.known.insert(identity, value).is_some() {
            // It was seen twice within the span, which is possible if the clocks of several intakes differ: the
            // later time counts.
            self.order.retain(|(_, known)| *known != identity);
        }
        self.order.push_back((at, identity));
        if self.order.len() > self.remembered_max {
            self.forget_oldest();
        }
    }

    /// Returns the number of remembered identities.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns whether it remembers no identity.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn forget(&mut self, now: Timestamp) {
        let span_micros = u64::try_from(self.span.as_micros()).unwrap_or(u64::MAX);
        while self.order.front().is_some_and(|(at, _)| now.micros_since(*at) > span_micros) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, identity)) = self.order.pop_front() {
            self.known.remove(&identity);
        }
    }
}

impl<K: Hash + Eq + Copy> Window<K> {
    /// Returns whether the identity is seen for the first time; it is remembered from then on.
    pub fn first_seen(&mut self, identity: K, at: Timestamp) -> bool {
        let first = self.known(&identity, at).is_none();
        if first {
            self.remember(identity, (), at);
        }
        first
    }
}

#[cfg(test)]
mod model_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use model::EventId;

    fn id(number: u8) -> EventId {
        EventId::from_bytes([number; 16])
    }

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn window(seconds: u64, remembered_max: usize) -> Window<EventId> {
        Window::new(Duration::from_secs(seconds), remembered_max)
    }

    fn see(window: &mut Window<EventId>, number: u8, at: i64) -> bool {
        window.first_seen(id(number), second(at))
    }

    #[test]
    fn an_event_goes_by_once_within_the_window_and_again_after_it() {
        let mut window = window(10, 100);
        assert!(see(&mut window, 1, 0));
        assert!(!see(&mut window, 1, 10));
        assert!(see(&mut window, 1, 11));
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_is_no_room() {
        let mut window = window(1000, 2);
        assert!(see(&mut window, 1, 0) && see(&mut window, 2, 0) && see(&mut window, 3, 0));
        assert_eq!(window.len(), 2);
        assert!(!see(&mut window, 3, 1));
        assert!(see(&mut window, 1, 1));
    }
}
