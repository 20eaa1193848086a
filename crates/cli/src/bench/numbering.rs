//! The numbers of a load's stores, items and deliveries, and the values that each delivery reports.

use crate::cli::Load;

/// The level of each item before the first delivery.
pub(crate) const FIRST_LEVEL: i64 = 1000;

/// The first of the platform's ids.
const FIRST_ID: u64 = 9_000_000_000_000_000;
/// Number of ids of each store; the last one is its product's.
const IDS_PER_STORE: u64 = 1000;

/// A report of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LevelReport {
    /// The number of the store.
    pub(crate) store: u32,
    /// The number of the item within the store.
    pub(crate) item: u32,
    pub(crate) available: i64,
}

/// The deliveries of a load by their indexes: in turn one of each store, and of a store in turn one of each item. An
/// item's level grows by one each time, so that a level is that of one delivery only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbering {
    pub(crate) events: u64,
    pub(crate) stores: u32,
    pub(crate) items: u32,
}

impl Numbering {
    pub(crate) const fn of(load: &Load) -> Self {
        Self { events: load.events, stores: load.stores, items: load.items }
    }

    /// The number of levels: one per item of each store.
    pub(crate) const fn levels(self) -> u64 {
        self.stores as u64 * self.items as u64
    }

    /// The report of the delivery with that index.
    pub(crate) fn report(self, index: u64) -> LevelReport {
        let (stores, items) = (u64::from(self.stores), u64::from(self.items));
        let number = |number: u64| u32::try_from(number).unwrap_or(0);
        let turn = i64::try_from(index / self.levels()).unwrap_or(0);
        LevelReport {
            store: number(index % stores),
            item: number(index / stores % items),
            available: FIRST_LEVEL + 1 + turn,
        }
    }

    /// The index of the delivery with that report; `None` if there is none.
    pub(crate) fn index(self, report: &LevelReport) -> Option<u64> {
        let turn = u64::try_from(report.available.checked_sub(FIRST_LEVEL + 1)?).ok()?;
        let level = self.level_number(report.store, report.item);
        let index = turn.checked_mul(self.levels())?.checked_add(level)?;
        let is_known = report.store < self.stores && report.item < self.items && index < self.events;
        is_known.then_some(index)
    }

    /// The index of the first of the deliveries behind which no other one has a newer level of the same item.
    pub(crate) fn first_of_last(self) -> u64 {
        self.events.saturating_sub(self.levels())
    }

    /// The level of an item after all deliveries.
    pub(crate) fn last_level(self, store: u32, item: u32) -> i64 {
        let reports = self.events.saturating_sub(self.level_number(store, item)).div_ceil(self.levels());
        FIRST_LEVEL + i64::try_from(reports).unwrap_or(0)
    }

    /// The number of an item's level in a turn.
    fn level_number(self, store: u32, item: u32) -> u64 {
        u64::from(item) * u64::from(self.stores) + u64::from(store)
    }
}

/// The id of a store.
pub(crate) fn store_id(store: u32) -> String {
    format!("store-{store}")
}

/// The merchant's SKU of an item.
pub(crate) fn sku(store: u32, item: u32) -> String {
    format!("S{store}-{item}")
}

/// The platform's id of an item.
pub(crate) const fn item_id(store: u32, item: u32) -> u64 {
    FIRST_ID + store as u64 * IDS_PER_STORE + item as u64
}

/// The platform's id of a store's product.
pub(crate) const fn product_id(store: u32) -> u64 {
    item_id(store, 0) + IDS_PER_STORE - 1
}

/// The numbers of the store and the item with that id of the platform.
pub(crate) fn of_item_id(id: &str) -> Option<(u32, u32)> {
    let number = id.parse::<u64>().ok()?.checked_sub(FIRST_ID)?;
    Some((u32::try_from(number / IDS_PER_STORE).ok()?, u32::try_from(number % IDS_PER_STORE).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two stores with three items; the third turn ends after its fourth delivery.
    const NUMBERING: Numbering = Numbering { events: 16, stores: 2, items: 3 };

    #[test]
    fn a_delivery_is_found_by_its_report_and_by_no_other() {
        for index in 0..NUMBERING.events {
            assert_eq!(NUMBERING.index(&NUMBERING.report(index)), Some(index));
        }
        let report = LevelReport { store: 1, item: 2, available: FIRST_LEVEL + 2 };
        assert_eq!(NUMBERING.index(&report), Some(11));
        for unknown in [
            LevelReport { available: FIRST_LEVEL, ..report },
            LevelReport { available: FIRST_LEVEL + 3, ..report },
            LevelReport { available: i64::MIN, ..report },
            LevelReport { available: i64::MAX, ..report },
            LevelReport { store: 2, ..report },
            LevelReport { item: 3, ..report },
        ] {
            assert_eq!(NUMBERING.index(&unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn the_last_deliveries_are_those_of_each_items_last_level() {
        let last = NUMBERING.first_of_last()..NUMBERING.events;
        let mut items: Vec<_> = last
            .map(|index| NUMBERING.report(index))
            .inspect(|report| assert_eq!(report.available, NUMBERING.last_level(report.store, report.item)))
            .map(|report| (report.store, report.item))
            .collect();
        items.sort_unstable();
        assert_eq!(items, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
        let few = Numbering { events: 3, ..NUMBERING };
        assert_eq!((few.first_of_last(), few.last_level(0, 1), few.last_level(1, 1)), (0, 1001, 1000));
    }

    #[test]
    fn an_item_is_found_by_its_id() {
        assert_eq!(of_item_id(&item_id(12, 249).to_string()), Some((12, 249)));
        assert_eq!((of_item_id("1"), of_item_id("x")), (None, None));
    }
}
