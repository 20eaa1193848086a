//! The record in memory, as `store` keeps it: a batch sees only the rows that it names.

use super::*;
use crate::rebuild::Rebuilt;
use model::record::{FirstKeys, Movement, MovementReason, RowKeys, SkuMatch, State};
use std::collections::BTreeSet;

/// The tables, and what was written to them that is no row of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) tables: Facts,
    /// How many events came in, those included that were recorded before.
    accepted: u64,
    pub(super) movements: Vec<Movement>,
    /// What the committed changes made of the store's values, in order.
    pub(super) effects: Vec<Effect>,
    /// What the committed changes alone come to.
    rebuilt: Rebuilt,
}

fn state(tables: &Facts) -> State {
    let Facts { levels, products, variants, orders, .. } = tables.clone();
    State { levels, products, variants, orders }
}

fn named<K: Ord + Clone, V: Clone>(table: &BTreeMap<K, V>, keys: &BTreeSet<K>) -> BTreeMap<K, V> {
    let found = keys.iter().filter_map(|key| table.get_key_value(key));
    found.map(|(key, row)| (key.clone(), row.clone())).collect()
}

impl Record {
    pub(super) fn of(tables: Facts) -> Self {
        let rebuilt = Rebuilt {
            sequence: tables.stores.values().copied().max().unwrap_or_default(),
            state: state(&tables),
            recounted: BTreeMap::new(),
        };
        Self { tables, rebuilt, ..Self::default() }
    }

    /// Decides and commits a batch, each event at the next place; tells how each ended, those aside that were recorded
    /// before.
    pub(super) fn commit(&mut self, mut events: Vec<Event>) -> Vec<Option<Outcome>> {
        for event in &mut events {
            self.accepted += 1;
            event.position = Position { raw_sequence: self.accepted, delivery: 0, event: 0 };
        }
        let identities: Vec<_> = events.iter().map(|event| event.id).collect();
        let (_, folded) = fold(self.load(&events), events);
        let mut endings = folded.changes.endings.iter().peekable();
        let outcomes = identities.into_iter().map(|id| {
            let ending = endings.next_if(|ending| ending.event == id);
            ending.map(|ending| ending.outcome)
        });
        let outcomes = outcomes.collect();
        self.write(folded);
        outcomes
    }

    fn load(&self, events: &[Event]) -> Facts {
        let first = first_keys(events, &[]);
        let mut facts = Facts {
            seen: named(&self.tables.seen, &first.events),
            links: named(&self.tables.links, &first.links),
            skus: self.skus(&first),
            stores: named(&self.tables.stores, &first.stores),
            ..Facts::default()
        };
        // Once more for the levels of places that only the mirrors of linked items tell of.
        for _ in 0..2 {
            let keys = row_keys(events, &facts);
            self.rows(&keys, &mut facts);
        }
        facts
    }

    fn skus(&self, keys: &FirstKeys) -> BTreeMap<(StoreId, String), SkuMatch> {
        let matching = |(store, sku): &(StoreId, String)| {
            let has = |row: &&model::record::VariantRow| {
                row.store == *store && row.sku.as_ref().is_some_and(|known| known.value == *sku)
            };
            let mut rows = self.tables.variants.values().filter(has);
            let (row, None) = (rows.next()?, rows.next()) else { return None };
            let linked = |((connection, kind, _), internal): (&(ConnectionId, LinkKind, _), &String)| {
                (*kind == LinkKind::Variant && internal == row.id.as_str()).then(|| connection.clone())
            };
            let linked_by = self.tables.links.iter().filter_map(linked).collect();
            Some(SkuMatch { variant: row.id.clone(), product: row.product.clone(), linked_by })
        };
        keys.skus.iter().filter_map(|key| Some((key.clone(), matching(key)?))).collect()
    }

    fn rows(&self, keys: &RowKeys, facts: &mut Facts) {
        let of_item = |key: &MirrorKey| {
            key.kind == MirrorKind::Inventory
                && keys.item_mirrors.contains(&(key.connection.clone(), key.external.clone()))
        };
        let mirrors = self.tables.mirrors.iter().filter(|(key, _)| of_item(key));
        facts.mirrors = named(&self.tables.mirrors, &keys.mirrors);
        facts.mirrors.extend(mirrors.map(|(key, row)| (key.clone(), row.clone())));
        facts.levels = named(&self.tables.levels, &keys.levels);
        facts.products = named(&self.tables.products, &keys.products);
        facts.variants = named(&self.tables.variants, &keys.variants);
        facts.orders = named(&self.tables.orders, &keys.orders);
        facts.customers = named(&self.tables.customers, &keys.customers);
    }

    fn write(&mut self, folded: Folded) {
        let (tables, changes) = (&mut self.tables, folded.changes);
        let mut rebuilt = Vec::new();
        for ending in changes.endings.iter().filter(|ending| ending.outcome != Outcome::Dead) {
            tables.seen.insert((ending.connection.clone(), ending.event), ending.position);
        }
        for (_, applied) in changes.applied {
            rebuilt.extend(self.rebuilt.take(applied.clone()).unwrap());
            let last = tables.stores.entry(applied.event.origin.store).or_default();
            assert_eq!(applied.sequence, *last + 1, "the store's sequence has no gaps");
            *last = applied.sequence;
            self.effects.extend(applied.effects);
        }
        for (key, row) in changes.mirrors {
            match tables.mirrors.get_mut(&key) {
                None => drop(tables.mirrors.insert(key, row)),
                Some(known) => write_mirror(known, row),
            }
        }
        tables.links.extend(changes.links);
        tables.levels.extend(changes.levels);
        tables.products.extend(changes.products);
        tables.variants.extend(changes.variants);
        tables.orders.extend(changes.orders);
        tables.customers.extend(changes.customers);
        assert_eq!(rebuilt, changes.movements, "the changes tell the ledger");
        self.movements.extend(changes.movements);
        self.assert_rebuilt();
    }

    /// Asserts that the committed changes alone tell the tables. Of an order that was told again in a newer version, and
    /// otherwise as before, they tell the older version.
    fn assert_rebuilt(&self) {
        assert!(self.rebuilt.recounted.is_empty(), "no level is ever lost");
        let (mut rebuilt, tables) = (self.rebuilt.state.clone(), state(&self.tables));
        for (id, order) in &mut rebuilt.orders {
            let version = tables.orders.get(id).and_then(|order| order.version);
            assert!(order.version <= version, "no version is made up");
            order.version = version;
        }
        assert_eq!(rebuilt, tables, "the changes tell the state");
    }

    /// The store's level of the variant at a place.
    pub(super) fn level(&self, at: &LocationId) -> Option<Quantity> {
        let mut found = self.tables.levels.iter().filter(|((_, place), _)| place == at);
        let level = found.next().map(|(_, level)| *level);
        assert!(found.next().is_none(), "there is one variant");
        level
    }

    /// Asserts that the ledger sums up to the levels, line by line, and begins with the count.
    pub(super) fn assert_balanced(&self) {
        let mut sums: BTreeMap<(VariantId, LocationId), Quantity> = BTreeMap::new();
        for line in &self.movements {
            let known = sums.insert((line.variant.clone(), line.location.clone()), line.level);
            assert_eq!(known.unwrap_or_default() + line.delta, line.level, "each line tells what it came to");
            assert_eq!(known.is_none(), line.reason == MovementReason::FirstCount, "only the first counts");
        }
        assert_eq!(sums, self.tables.levels, "the ledger sums up to the levels");
    }
}

/// What was sent belongs to propagate; apply writes how far it has come, and what the platform told.
fn write_mirror(known: &mut Mirror, row: Mirror) {
    known.internal = row.internal.or_else(|| known.internal.take());
    (known.observed, known.held) = (row.observed, row.held);
    match (&mut known.sent, row.sent) {
        (Some(known), Some(sent)) => known.state = sent.state,
        (known @ None, sent) => *known = sent,
        (Some(_), None) => {}
    }
}
