//! The record in memory, as in `store`: a batch sees only the rows that it names.

use super::*;
use crate::rebuild::Rebuilt;
use crate::worker::ROUNDS_MAX;
use model::record::{ExternalKey, FirstKeys, Movement, MovementReason, RowKeys, SkuCandidate, State};

/// The tables, and writes that have no row of their own.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) tables: Facts,
    /// Number of events received, including those that were recorded before.
    accepted: u64,
    pub(super) movements: Vec<Movement>,
    /// Effects of the committed changes on the store's values, in order.
    pub(super) effects: Vec<Effect>,
    /// Open conflicts.
    pub(super) conflicts: Vec<Conflict>,
    /// State rebuilt from the committed changes alone.
    rebuilt: Rebuilt,
}

fn state(tables: &Facts) -> State {
    let Facts { levels, products, variants, orders, promotions, .. } = tables.clone();
    State { levels, products, variants, orders, promotions }
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

    /// Decides and commits a batch, each event at the next position. Returns the outcome of each event, `None` for one
    /// that was recorded before.
    pub(super) fn commit(&mut self, mut events: Vec<Event>) -> Vec<Option<Outcome>> {
        for event in &mut events {
            self.accepted += 1;
            event.position = Position { raw_sequence: self.accepted, delivery: 0, event: 0 };
        }
        let identities: Vec<_> = events.iter().map(|event| event.id).collect();
        let (_, folded) = fold(self.load(&events), events);
        let mut event_outcomes = folded.changes.event_outcomes.iter().peekable();
        let outcomes = identities.into_iter().map(|id| {
            let event_outcome = event_outcomes.next_if(|event_outcome| event_outcome.event == id);
            event_outcome.map(|event_outcome| event_outcome.outcome)
        });
        let outcomes = outcomes.collect();
        self.write(folded);
        outcomes
    }

    /// Loads as the worker does: in rounds, and only the requested rows.
    fn load(&self, events: &[Event]) -> Facts {
        let (first, tables) = (first_keys(events, &[]), &self.tables);
        let mut facts = Facts {
            seen: named(&tables.seen, &first.events),
            connections: tables.connections.clone(),
            links: Links {
                products: linked_as(&tables.links.products, first.links.products.keys()),
                variants: linked_as(&tables.links.variants, first.links.variants.keys()),
                items: linked_as(&tables.links.items, first.links.items.keys()),
                locations: linked_as(&tables.links.locations, first.links.locations.keys()),
                variant_products: linked_as(&tables.links.variant_products, first.links.variants.keys()),
                item_products: linked_as(&tables.links.item_products, first.links.items.keys()),
            },
            skus: self.skus(&first),
            stores: named(&tables.stores, &first.stores),
            ..Facts::default()
        };
        for conflict in &self.conflicts {
            facts.connections.entry(conflict.connection.clone()).or_default().open.insert(conflict.kind);
        }
        if !first.linking.is_empty() {
            let links = &tables.links;
            let own = |(by, _): &&ExternalKey| first.linking.contains(by);
            facts.links.items.extend(linked_as(&links.items, links.items.keys().filter(own)));
            let live = links.items.keys().filter(own);
            facts.links.item_products.extend(linked_as(&links.item_products, live));
            facts.links.locations.extend(linked_as(&links.locations, links.locations.keys().filter(own)));
            facts.locations.clone_from(&tables.locations);
        }
        let mut asked = RowKeys::default();
        for _ in 0..ROUNDS_MAX {
            let keys = row_keys(events, &facts, &asked);
            let more = keys.without(&asked);
            if more.is_empty() {
                return facts;
            }
            self.rows(&more, &mut facts);
            asked = keys;
        }
        assert!(
            row_keys(events, &facts, &asked).without(&asked).is_empty(),
            "more rounds than the worker makes"
        );
        facts
    }

    fn linked_by(&self, variant: &VariantId) -> BTreeSet<ConnectionId> {
        let links = self.tables.links.variants.iter().filter(|(_, linked)| *linked == variant);
        links.map(|((connection, _), _)| connection.clone()).collect()
    }

    fn skus(&self, keys: &FirstKeys) -> BTreeMap<(StoreId, String), BTreeMap<VariantId, SkuCandidate>> {
        let mut found: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for row in self.tables.variants.values() {
            let Some(sku) = &row.sku else { continue };
            let key = (row.store.clone(), sku.value.clone());
            if keys.skus.contains(&key) {
                let linked_by = self.linked_by(&row.id);
                let candidate = SkuCandidate { product: row.product.clone(), linked_by };
                found.entry(key).or_default().insert(row.id.clone(), candidate);
            }
        }
        found
    }

    fn rows(&self, keys: &RowKeys, facts: &mut Facts) {
        let tables = &self.tables;
        for mirror in tables.mirrors.iter().filter(|mirror| is_named(mirror, keys)) {
            facts.mirrors.insert(mirror);
        }
        facts.links.items.extend(linked_as(&tables.links.items, keys.links.iter()));
        facts.links.item_products.extend(linked_as(&tables.links.item_products, keys.links.iter()));
        let products = tables.links.products.iter();
        let products = products.filter(|(_, product)| keys.products_of.contains(*product));
        facts.links.products.extend(products.map(|(key, product)| (key.clone(), product.clone())));
        let is_of = |variant: &VariantId| {
            tables.variants.get(variant).is_some_and(|row| keys.products_of.contains(&row.product))
        };
        let (from, to) = (&tables.links, &mut facts.links);
        live(
            keys,
            &is_of,
            (&from.variants, &from.variant_products),
            (&mut to.variants, &mut to.variant_products),
        );
        live(keys, &is_of, (&from.items, &from.item_products), (&mut to.items, &mut to.item_products));
        facts.levels.extend(named(&tables.levels, &keys.levels));
        facts.products.extend(named(&tables.products, &keys.products));
        facts.variants.extend(named(&tables.variants, &keys.variants));
        facts.linked_by.extend(keys.variants.iter().map(|id| (id.clone(), self.linked_by(id))));
        facts.orders.extend(named(&tables.orders, &keys.orders));
        facts.customers.extend(named(&tables.customers, &keys.customers));
        facts.employees.extend(named(&tables.employees, &keys.employees));
        facts.promotions.extend(named(&tables.promotions, &keys.promotions));
    }

    fn write(&mut self, folded: Folded) {
        let (tables, changes) = (&mut self.tables, folded.changes);
        let mut rebuilt = Vec::new();
        for event_outcome in
            changes.event_outcomes.iter().filter(|event_outcome| event_outcome.outcome != Outcome::Dead)
        {
            tables
                .seen
                .insert((event_outcome.connection.clone(), event_outcome.event), event_outcome.position);
        }
        for (_, applied) in changes.applied {
            rebuilt.extend(self.rebuilt.take(applied.clone()).unwrap());
            let last = tables.stores.entry(applied.event.origin.store).or_default();
            assert_eq!(applied.sequence, *last + 1, "the store's sequence has no gaps");
            *last = applied.sequence;
            self.effects.extend(applied.effects);
        }
        changes.mirrors.iter().for_each(|mirror| tables.mirrors.insert(mirror));
        let links = &changes.links;
        assert!(
            links.variant_products.keys().all(|key| links.variants.contains_key(key)),
            "a link's product"
        );
        assert!(links.item_products.keys().all(|key| links.items.contains_key(key)), "a link's product");
        write_links(&mut tables.links.products, changes.links.products);
        write_links(&mut tables.links.variants, changes.links.variants);
        write_links(&mut tables.links.items, changes.links.items);
        tables.links.locations.extend(changes.links.locations);
        tables.links.variant_products.extend(changes.links.variant_products);
        tables.links.item_products.extend(changes.links.item_products);
        for (connection, rule) in changes.rules {
            tables.connections.entry(connection).or_default().baseline = rule;
        }
        for end in changes.conflicts_ended {
            self.conflicts.retain(|conflict| !conflict.is_ended_by(&end));
        }
        self.conflicts.extend(changes.conflicts);
        for (connection, erasure) in changes.erased {
            let decided = |row: &&mut model::record::CustomerRow| !changes.customers.contains_key(&row.id);
            for row in
                tables.customers.values_mut().filter(|row| row.connection == connection).filter(decided)
            {
                *row = row.erased(erasure);
            }
            let of = tables.employees.values_mut().filter(|row| row.connection == connection);
            for row in of.filter(|row| !changes.employees.contains_key(&row.id)) {
                *row = row.erased(erasure);
            }
        }
        tables.levels.extend(changes.levels);
        tables.products.extend(changes.products);
        tables.variants.extend(changes.variants);
        tables.orders.extend(changes.orders);
        tables.customers.extend(changes.customers);
        tables.employees.extend(changes.employees);
        tables.promotions.extend(changes.promotions);
        assert_eq!(rebuilt, changes.movements, "the changes result in the ledger");
        self.movements.extend(changes.movements);
        self.assert_rebuilt();
    }

    /// Asserts that the committed changes alone result in the tables. They keep the older version of an order or a
    /// promotion that was reported again with a newer version and the same content.
    fn assert_rebuilt(&self) {
        assert!(self.rebuilt.recounted.is_empty(), "no level is ever lost");
        let (mut rebuilt, tables) = (self.rebuilt.state.clone(), state(&self.tables));
        for (id, order) in &mut rebuilt.orders {
            let version = tables.orders.get(id).and_then(|order| order.version);
            assert!(order.version <= version, "no version is made up");
            order.version = version;
        }
        for (id, promotion) in &mut rebuilt.promotions {
            let version = tables.promotions.get(id).and_then(|promotion| promotion.version);
            assert!(promotion.version <= version, "no version is made up");
            promotion.version = version;
        }
        assert_eq!(rebuilt, tables, "the changes result in the state");
    }

    /// The store's level of the variant at a location.
    pub(super) fn level(&self, at: &LocationId) -> Option<Quantity> {
        let mut found = self.tables.levels.iter().filter(|((_, location), _)| location == at);
        let level = found.next().map(|(_, level)| *level);
        assert!(found.next().is_none(), "there is one variant");
        level
    }

    /// Asserts that the ledger sums up to the levels, line by line, and begins with the count.
    pub(super) fn assert_balanced(&self) {
        let mut sums: BTreeMap<(VariantId, LocationId), Quantity> = BTreeMap::new();
        for line in &self.movements {
            let known = sums.insert((line.variant.clone(), line.location.clone()), line.level);
            let sum = known.unwrap_or_default().plus(line.delta);
            assert_eq!(sum, Some(line.level), "each line says what it came to");
            assert_eq!(known.is_none(), line.reason == MovementReason::FirstCount, "only the first counts");
        }
        assert_eq!(sums, self.tables.levels, "the ledger sums up to the levels");
    }
}

fn is_named(mirror: &Mirror, keys: &RowKeys) -> bool {
    let Mirror::Level(key, level) = mirror else { return keys.mirrors.contains(&mirror.key()) };
    let contact = level.variant.clone().map(|variant| (variant, key.location.clone()));
    let waits = mirror.attention() == Some(model::Attention::Decision);
    keys.mirrors.contains(&mirror.key())
        || keys.items.contains(&(key.connection.clone(), key.item.clone()))
        || contact.is_some_and(|contact| keys.contacts.contains(&contact))
        || waits && keys.waiting.contains(&key.connection)
}

fn linked_as<'a, V: Clone>(
    table: &BTreeMap<ExternalKey, V>,
    keys: impl Iterator<Item = &'a ExternalKey>,
) -> BTreeMap<ExternalKey, V> {
    let found = keys.filter_map(|key| table.get_key_value(key));
    found.map(|(key, to)| (key.clone(), to.clone())).collect()
}

type Variants = BTreeMap<ExternalKey, VariantId>;
type Listings = BTreeMap<ExternalKey, ExternalId>;

/// Loads the live links of those products, and those that the named products of platforms list.
fn live(
    keys: &RowKeys,
    is_of: &impl Fn(&VariantId) -> bool,
    (from, listed): (&Variants, &Listings),
    (to, listings): (&mut Variants, &mut Listings),
) {
    for (key, variant) in from {
        let listing = listed.get(key);
        let is_listed =
            listing.is_some_and(|listing| keys.listed_by.contains(&(key.0.clone(), listing.clone())));
        if is_of(variant) || is_listed {
            to.insert(key.clone(), variant.clone());
            listings.extend(listing.map(|listing| (key.clone(), listing.clone())));
        }
    }
}

fn write_links<V>(table: &mut BTreeMap<ExternalKey, V>, changed: BTreeMap<ExternalKey, Option<V>>) {
    for (key, to) in changed {
        match to {
            Some(to) => drop(table.insert(key, to)),
            None => drop(table.remove(&key)),
        }
    }
}
