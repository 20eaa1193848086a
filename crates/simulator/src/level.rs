//! One level of stock: movements and counts in the order in which they happened, not in which they arrived.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

pub(crate) type Instant = DateTime<Utc>;

/// Maximum number of separate entries of a level; older ones are merged into one number.
const ENTRIES_MAX: usize = 256;

/// A movement or a count of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A count: the quantity on the shelf.
    Count(Decimal),
    /// A movement: the quantity added, or removed if negative.
    Delta(Decimal),
}

impl Entry {
    fn after(self, quantity: Decimal) -> Decimal {
        match self {
            Self::Count(counted) => counted,
            Self::Delta(by) => quantity + by,
        }
    }
}

/// The quantity of an item at a location.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    base: Decimal,
    base_at: Instant,
    entries: Vec<(Instant, Entry)>,
    quantity: Decimal,
    /// Total quantity ever sold from it.
    pub(crate) sold: Decimal,
    /// Time at which the quantity last changed.
    pub(crate) calculated_at: Instant,
}

impl Level {
    pub(crate) fn empty(at: Instant) -> Self {
        let base = Decimal::ZERO;
        Self { base, base_at: at, entries: Vec::new(), quantity: base, sold: base, calculated_at: at }
    }

    pub(crate) fn quantity(&self) -> Decimal {
        self.quantity
    }

    /// The quantity as text, without trailing zeros.
    pub(crate) fn text(&self) -> String {
        self.quantity.normalize().to_string()
    }

    pub(crate) fn enter(&mut self, at: Instant, entry: Entry) {
        // A count from before every separate entry was superseded by the merged ones.
        if at < self.base_at && matches!(entry, Entry::Count(_)) {
            return;
        }
        let index = self.entries.partition_point(|(other, _)| *other <= at);
        self.entries.insert(index, (at, entry));
        if self.entries.len() > ENTRIES_MAX {
            let (oldest_at, oldest) = self.entries.remove(0);
            self.base = oldest.after(self.base);
            self.base_at = self.base_at.max(oldest_at);
        }
        self.quantity = self.entries.iter().fold(self.base, |quantity, (_, entry)| entry.after(quantity));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn at(second: i64) -> Instant {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::seconds(second)
    }

    #[test]
    fn a_count_that_comes_late_does_not_undo_what_happened_after_it() {
        let mut level = Level::empty(at(0));
        level.enter(at(0), Entry::Count(Decimal::from(10)));
        level.enter(at(20), Entry::Delta(Decimal::from(-1)));
        level.enter(at(10), Entry::Count(Decimal::from(50)));
        assert_eq!(level.text(), "49");
    }

    #[test]
    fn a_movement_from_before_a_count_changes_nothing() {
        let mut level = Level::empty(at(0));
        level.enter(at(20), Entry::Count(Decimal::from(7)));
        level.enter(at(10), Entry::Delta(Decimal::from(-3)));
        assert_eq!(level.text(), "7");
    }

    #[test]
    fn a_long_history_sums_to_the_same_as_a_short_one() {
        let mut level = Level::empty(at(0));
        for second in 0..2_000 {
            level.enter(at(second), Entry::Delta(Decimal::ONE));
        }
        assert_eq!(level.text(), "2000");
        assert!(level.entries.len() <= ENTRIES_MAX);
    }
}
