//! What dedupe remembers of a partition: bounded in time and in number.

use model::{EventId, Timestamp};
use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

/// The identities that went by lately. An event's id is derived from its connection too, so the id alone is enough to
/// tell tenants apart.
#[derive(Debug)]
pub struct Window {
    span: Duration,
    remembered_max: usize,
    seen: HashSet<EventId>,
    order: VecDeque<(Timestamp, EventId)>,
}

impl Window {
    /// Remembers what came in during `span`, and at most `remembered_max` of it.
    pub fn new(span: Duration, remembered_max: usize) -> Self {
        Self { span, remembered_max, seen: HashSet::new(), order: VecDeque::new() }
    }

    /// Whether the event is the first of its identity; it is remembered from then on. `received_at` is the only clock.
    pub fn first_seen(&mut self, id: EventId, received_at: Timestamp) -> bool {
        self.forget(received_at);
        let first = !self.seen.contains(&id);
        if first {
            self.remember(id, received_at);
        }
        first
    }

    /// Takes up an event that is known to have passed, in the order in which it did.
    pub fn remember(&mut self, id: EventId, received_at: Timestamp) {
        self.forget(received_at);
        if !self.seen.insert(id) {
            // It passed twice within the span, as it may where the clocks of several doors differ: the later time counts.
            self.order.retain(|(_, known)| *known != id);
        }
        self.order.push_back((received_at, id));
        if self.order.len() > self.remembered_max {
            self.forget_oldest();
        }
    }

    /// How many events it remembers.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether it remembers none.
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
        if let Some((_, id)) = self.order.pop_front() {
            self.seen.remove(&id);
        }
    }
}

#[cfg(test)]
mod model_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> EventId {
        EventId::from_bytes([number; 16])
    }

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn window(seconds: u64, remembered_max: usize) -> Window {
        Window::new(Duration::from_secs(seconds), remembered_max)
    }

    fn see(window: &mut Window, number: u8, at: i64) -> bool {
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
