//! The record in memory: the data that `store` keeps in Postgres, and its steps around the decisions. It shows a
//! decision only the rows that the batch names, so that a key that isn't named is missing here, too.

use model::{
    AskedBy, Attention, CallResult, ConflictKind, ConnectionId, EventId, ExternalId, FieldMirror, FieldValue,
    LocationId, Mirror, MirrorKey, MirrorKind, MirrorValue, Partition, Position, ProductText, Settled,
    StoreId, Timestamp, VariantId,
    record::{
        Changes, ConnectionFacts, CustomerRow, Effect, EmployeeRow, ExternalKey, Facts, FirstKeys, Links,
        Mirrors, Movement, OrderRow, Ours, ProductRow, RowKeys, SkuCandidate, VariantRow, WriteLogEntry,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// The one partition of the world.
pub(crate) const PARTITION: Partition = Partition(0);

/// An open conflict: its connection, kind and subject.
pub(crate) type Open = (ConnectionId, ConflictKind, String);

/// The data of Postgres.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) seen: BTreeMap<(ConnectionId, EventId), Position>,
    pub(crate) dead: BTreeMap<(ConnectionId, EventId), Position>,
    pub(crate) connections: BTreeMap<ConnectionId, ConnectionFacts>,
    /// The store's locations that are linked to one of each connection.
    pub(crate) linked_places: BTreeMap<ConnectionId, BTreeSet<LocationId>>,
    pub(crate) links: Links<Ours>,
    pub(crate) stores: BTreeMap<StoreId, i64>,
    pub(crate) mirrors: Mirrors,
    pub(crate) levels: BTreeMap<(VariantId, LocationId), model::Quantity>,
    pub(crate) products: BTreeMap<model::ProductId, ProductRow>,
    pub(crate) variants: BTreeMap<VariantId, VariantRow>,
    pub(crate) orders: BTreeMap<model::OrderId, OrderRow>,
    pub(crate) customers: BTreeMap<model::CustomerId, CustomerRow>,
    pub(crate) employees: BTreeMap<model::EmployeeId, EmployeeRow>,
    pub(crate) open: BTreeSet<Open>,
    pub(crate) movements: Vec<Movement>,
    pub(crate) applied: Vec<model::record::Applied>,
    pub(crate) number: i64,
    pub(crate) position: Position,
    pub(crate) write_log: Vec<WriteLogEntry>,
    /// Events that the database refuses permanently unless they are re-ingested.
    pub(crate) refuses: BTreeSet<EventId>,
    /// Levels of which a write was abandoned with its outcome unknown.
    pub(crate) doubted: Vec<model::LevelKey>,
}

/// Data that a call for a mirror needs besides the mirror.
pub(crate) struct Target {
    pub(crate) level: Option<model::Quantity>,
    pub(crate) price: Option<model::Money>,
    pub(crate) text: Option<ProductText>,
    pub(crate) product: Option<ExternalId>,
}

impl Record {
    /// Loads the facts that determine the rows to load next.
    pub(crate) fn first(&self, keys: &FirstKeys, facts: &mut Facts) {
        for key in &keys.events {
            if let Some(position) = self.seen.get(key) {
                facts.seen.insert(key.clone(), *position);
            }
            if let Some(position) = self.dead.get(key) {
                facts.dead.insert(key.clone(), *position);
            }
        }
        for store in &keys.stores {
            facts.stores.insert(store.clone(), self.stores.get(store).copied().unwrap_or_default());
        }
        facts.connections.clone_from(&self.connections);
        for key in keys.links.products.keys() {
            if let Some(product) = self.links.products.get(key) {
                facts.links.products.insert(key.clone(), product.clone());
            }
        }
        for key in keys.links.variants.keys() {
            if let Some(variant) = self.links.variants.get(key) {
                facts.links.variants.insert(key.clone(), variant.clone());
            }
        }
        for key in keys.links.items.keys() {
            if let Some(variant) = self.links.items.get(key) {
                facts.links.items.insert(key.clone(), variant.clone());
            }
        }
        copy_keys(
            keys.links.variants.keys(),
            &self.links.variant_products,
            &mut facts.links.variant_products,
        );
        copy_keys(keys.links.items.keys(), &self.links.item_products, &mut facts.links.item_products);
        for (store, number) in &keys.skus {
            let has = |row: &&VariantRow| {
                row.sku.as_ref().is_some_and(|sku| sku.value == *number) && row.store == *store
            };
            for row in self.variants.values().filter(has) {
                let candidate =
                    SkuCandidate { product: row.product.clone(), linked_by: self.linked_by(&row.id) };
                facts
                    .skus
                    .entry((store.clone(), number.clone()))
                    .or_default()
                    .insert(row.id.clone(), candidate);
            }
        }
    }

    fn linked_by(&self, variant: &VariantId) -> BTreeSet<ConnectionId> {
        let links = self.links.variants.iter().filter(|(_, linked)| *linked == variant);
        links.map(|((connection, _), _)| connection.clone()).collect()
    }

    /// Loads the rows that a batch may change.
    pub(crate) fn rows(&self, keys: &RowKeys, facts: &mut Facts) {
        for key in &keys.mirrors {
            self.mirrors.get(key).into_iter().for_each(|mirror| facts.mirrors.insert(mirror));
        }
        for (key, mirror) in &self.mirrors.levels {
            let at = mirror.variant.clone().map(|variant| (variant, key.location.clone()));
            let is_waiting = mirror.attention() == Some(Attention::Decision);
            if keys.items.contains(&(key.connection.clone(), key.item.clone()))
                || at.is_some_and(|at| keys.contacts.contains(&at))
                || is_waiting && keys.waiting.contains(&key.connection)
            {
                facts.mirrors.levels.insert(key.clone(), mirror.clone());
            }
        }
        for key in &keys.links {
            if let Some(variant) = self.links.items.get(key) {
                facts.links.items.insert(key.clone(), variant.clone());
            }
        }
        copy(&keys.links, &self.links.item_products, &mut facts.links.item_products);
        for (key, product) in &self.links.products {
            if keys.products_of.contains(product) {
                facts.links.products.insert(key.clone(), product.clone());
            }
        }
        let is_asked = |variant: &VariantId| {
            self.variants.get(variant).is_some_and(|row| keys.products_of.contains(&row.product))
        };
        let is_listed = |key: &ExternalKey, listings: &BTreeMap<ExternalKey, ExternalId>| {
            listings.get(key).is_some_and(|it| keys.listed_by.contains(&(key.0.clone(), it.clone())))
        };
        let (own, to) = (&self.links, &mut facts.links);
        for (from, listings, to, listed) in [
            (&own.variants, &own.variant_products, &mut to.variants, &mut to.variant_products),
            (&own.items, &own.item_products, &mut to.items, &mut to.item_products),
        ] {
            let live = from.iter().filter(|(key, variant)| is_asked(variant) || is_listed(key, listings));
            for (key, variant) in live {
                to.insert(key.clone(), variant.clone());
                listed.extend(listings.get(key).map(|product| (key.clone(), product.clone())));
            }
        }
        copy(&keys.levels, &self.levels, &mut facts.levels);
        copy(&keys.products, &self.products, &mut facts.products);
        copy(&keys.variants, &self.variants, &mut facts.variants);
        for variant in &keys.variants {
            facts.linked_by.insert(variant.clone(), self.linked_by(variant));
        }
        copy(&keys.orders, &self.orders, &mut facts.orders);
        copy(&keys.customers, &self.customers, &mut facts.customers);
        copy(&keys.employees, &self.employees, &mut facts.employees);
    }

    /// Writes the decided changes.
    pub(crate) fn commit(&mut self, changes: Changes, number: i64, reached: Position) {
        for event_outcome in &changes.event_outcomes {
            let key = (event_outcome.connection.clone(), event_outcome.event);
            let is_dead = event_outcome.outcome == model::Outcome::Dead;
            self.dead.remove(&key);
            let ends = if is_dead { &mut self.dead } else { &mut self.seen };
            ends.insert(key, event_outcome.position);
        }
        for (store, step) in &changes.stores {
            if let Some(last) = step.last_sequence {
                self.stores.insert(store.clone(), last);
            }
        }
        for (key, product) in changes.links.products {
            relink(&mut self.links.products, key, product);
        }
        for (key, variant) in changes.links.variants {
            relink(&mut self.links.variants, key, variant);
        }
        for (key, variant) in changes.links.items {
            relink(&mut self.links.items, key, variant);
        }
        self.links.variant_products.extend(changes.links.variant_products);
        self.links.item_products.extend(changes.links.item_products);
        changes.mirrors.iter().for_each(|mirror| self.mirrors.insert(mirror));
        self.levels.extend(changes.levels);
        self.products.extend(changes.products);
        self.variants.extend(changes.variants);
        self.orders.extend(changes.orders);
        self.customers.extend(changes.customers.clone());
        self.employees.extend(changes.employees.clone());
        self.movements.extend(changes.movements);
        self.applied.extend(changes.applied.into_iter().map(|(_, applied)| applied));
        for (connection, rule) in changes.rules {
            self.connections.entry(connection).or_default().baseline = rule;
        }
        for (connection, erasure) in changes.erased {
            let decided = &changes.customers;
            let of = self.customers.values_mut().filter(|row| row.connection == connection);
            for row in of.filter(|row| !decided.contains_key(&row.id)) {
                *row = row.erased(erasure);
            }
            let of = self.employees.values_mut().filter(|row| row.connection == connection);
            for row in of.filter(|row| !changes.employees.contains_key(&row.id)) {
                *row = row.erased(erasure);
            }
        }
        for end in changes.conflicts_ended {
            self.open.retain(|(connection, kind, subject)| {
                let is_of = kind.is_of_store() || *connection == end.connection;
                !is_of || *kind != end.kind || *subject != end.subject
            });
        }
        for conflict in changes.conflicts {
            let is_open = |(_, kind, subject): &Open| *kind == conflict.kind && *subject == conflict.subject;
            if !(conflict.kind.is_of_store() && self.open.iter().any(is_open)) {
                self.open.insert((conflict.connection, conflict.kind, conflict.subject));
            }
        }
        for (id, connection) in &mut self.connections {
            let own = self.open.iter().filter(|(of, ..)| of == id);
            connection.open = own.map(|(_, kind, _)| *kind).collect();
        }
        self.number = number;
        self.position = reached;
    }

    /// Sets the desired values of platforms after changes, as `store::desired` does.
    pub(crate) fn set_desired(&mut self, effects: &[Effect], now: Timestamp) {
        let (mut levels, mut prices, mut texts) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for effect in effects {
            match effect {
                Effect::Level { variant, location, .. } => {
                    levels.insert((variant.clone(), location.clone()));
                }
                Effect::Price { variant, .. } => drop(prices.insert(variant.clone())),
                Effect::Text { product } => drop(texts.insert(product.clone())),
                Effect::Linked { variant } => {
                    levels.extend(self.levels.keys().filter(|(of, _)| of == variant).cloned());
                    prices.insert(variant.clone());
                    texts.extend(self.variants.get(variant).map(|row| row.product.clone()));
                }
            }
        }
        for (variant, location) in levels {
            self.set_desired_level(&variant, &location, now);
        }
        for variant in prices {
            self.set_desired_price(&variant, now);
        }
        for product in texts {
            self.set_desired_text(&product, now);
        }
    }

    fn takes(&self, connection: &ConnectionId, kind: MirrorKind) -> Option<u32> {
        let name = self.connections.get(connection)?.platform.as_ref()?;
        Some(platforms::find(name.as_str())?.write_limits(kind)?.quantity_decimals)
    }

    fn set_desired_level(&mut self, variant: &VariantId, location: &LocationId, now: Timestamp) {
        let Some(level) = self.levels.get(&(variant.clone(), location.clone())).copied() else { return };
        let items: Vec<_> = self
            .links
            .items
            .iter()
            .filter(|(_, linked)| *linked == variant)
            .map(|(key, _)| key.clone())
            .collect();
        for (connection, item) in items {
            let Some(decimals) = self.takes(&connection, MirrorKind::Inventory) else { continue };
            if self.linked_places.get(&connection).is_none_or(|linked| !linked.contains(location)) {
                continue;
            }
            let key = model::LevelKey { connection, item, location: location.clone() };
            let mirror = self
                .mirrors
                .levels
                .entry(key)
                .or_insert_with(|| model::LevelMirror::of(Some(variant.clone())));
            if mirror.variant.as_ref() == Some(variant) {
                mirror.set_desired(level, decimals, now, None);
            }
        }
    }

    fn set_desired_price(&mut self, variant: &VariantId, now: Timestamp) {
        let Some(price) =
            self.variants.get(variant).and_then(|row| row.price.as_ref()).map(|price| price.value)
        else {
            return;
        };
        let links: Vec<_> = self
            .links
            .variants
            .iter()
            .filter(|(_, linked)| *linked == variant)
            .map(|(key, _)| key.clone())
            .collect();
        for (connection, external) in links {
            if self.takes(&connection, MirrorKind::Price).is_none() {
                continue;
            }
            let key = model::FieldKey { connection, external };
            let mirror = self.mirrors.prices.entry(key).or_insert_with(|| FieldMirror::of(variant.clone()));
            if mirror.internal.as_ref() == Some(variant) {
                mirror.set_desired(price, now, None);
            }
        }
    }

    fn set_desired_text(&mut self, product: &model::ProductId, now: Timestamp) {
        let Some(text) = self.text(product) else { return };
        let links: Vec<_> = self
            .links
            .products
            .iter()
            .filter(|(_, linked)| *linked == product)
            .map(|(key, _)| key.clone())
            .collect();
        for (connection, external) in links {
            if self.takes(&connection, MirrorKind::Product).is_none() {
                continue;
            }
            let key = model::FieldKey { connection, external };
            let mirror = self.mirrors.texts.entry(key).or_insert_with(|| FieldMirror::of(product.clone()));
            if mirror.internal.as_ref() == Some(product) {
                let text = text.clone().over(mirror.platform_value().map(|held| &held.value));
                mirror.set_desired(text, now, None);
            }
        }
    }

    /// The store's text of a product that is still sold.
    pub(crate) fn text(&self, product: &model::ProductId) -> Option<ProductText> {
        let row = self.products.get(product).filter(|row| row.deleted_at.is_none())?;
        let value =
            |field: &Option<model::record::Clocked<String>>| field.as_ref().map(|field| field.value.clone());
        Some(ProductText { title: value(&row.title), description: value(&row.description) })
    }

    pub(crate) fn target(&self, mirror: &Mirror) -> Target {
        let mut target = Target { level: None, price: None, text: None, product: None };
        match mirror {
            Mirror::Level(key, mirror) => {
                let at = mirror.variant.clone().map(|variant| (variant, key.location.clone()));
                target.level = at.and_then(|at| self.levels.get(&at).copied());
            }
            Mirror::Price(key, mirror) => {
                let of = (key.connection.clone(), key.external.clone());
                let listing = self.links.variants.get(&of).and(self.links.variant_products.get(&of));
                let row = mirror.internal.as_ref().and_then(|variant| self.variants.get(variant));
                target.price = row.and_then(|row| row.price.as_ref()).map(|price| price.value);
                let links = self.links.products.iter();
                target.product = listing.cloned().or_else(|| {
                    let row = row?;
                    let mut of =
                        links.filter(|((by, _), product)| *by == key.connection && **product == row.product);
                    of.next().map(|((_, external), _)| external.clone())
                });
            }
            Mirror::Text(_, mirror) => {
                target.text = mirror.internal.as_ref().and_then(|product| self.text(product));
            }
        }
        target
    }

    /// Appends a mirror to the write log, for replays.
    pub(crate) fn log_write(&mut self, mirror: Mirror) {
        self.write_log.push(WriteLogEntry { after: self.position, mirror });
    }

    /// Notes that the write of a mirror is made in one request with others, as `store::claims` does.
    pub(crate) fn joins_batch(&mut self, key: &MirrorKey) {
        if let Some(mut mirror) = self.mirrors.get(key) {
            mirror.joins_batch();
            self.mirrors.insert(mirror);
        }
    }

    /// Ends a call, as `store::claims::settle` does.
    pub(crate) fn settle(
        &mut self,
        key: &MirrorKey,
        sent_key: &str,
        result: CallResult<MirrorValue>,
        now: Timestamp,
    ) -> Settled {
        let Some(mut mirror) = self.mirrors.get(key) else { return Settled::Passed };
        let (before, is_retry) = (mirror.clone(), matches!(result, CallResult::Retry { .. }));
        let settled = settle(&mut mirror, sent_key, result, now);
        if settled == Settled::Passed {
            return settled;
        }
        let (connection, subject) = (key.connection().clone(), key.subject());
        self.end_about(key, &before, &mirror);
        self.mirrors.insert(mirror.clone());
        if !is_retry {
            self.log_write(mirror);
        }
        match settled {
            Settled::Refused => drop(self.open.insert((connection, ConflictKind::WriteRefused, subject))),
            Settled::Flapping => drop(self.open.insert((connection, ConflictKind::Flapping, subject))),
            _ => {}
        }
        settled
    }

    /// Returns true if the database refuses an event's rows.
    pub(crate) fn refuses(&self, event: &model::Event) -> bool {
        event.attempt == 0 && self.refuses.contains(&event.id)
    }

    /// Notes that an object doesn't exist on its platform, as `store::claims::note_gone` does.
    pub(crate) fn note_gone(&mut self, asked_by: &AskedBy) {
        let Some(mut mirror) = self.mirrors.get(&asked_by.mirror) else { return };
        let (before, waiting) = (mirror.clone(), asked_by.waiting);
        match &mut mirror {
            Mirror::Level(_, mirror) => mirror.is_gone(waiting),
            Mirror::Price(_, mirror) => mirror.is_gone(waiting),
            Mirror::Text(_, mirror) => mirror.is_gone(waiting),
        }
        self.end_about(&asked_by.mirror, &before, &mirror);
        self.mirrors.insert(mirror.clone());
        self.log_write(mirror);
    }

    /// Ends the conflicts about a mirror that its new state resolves.
    fn end_about(&mut self, key: &MirrorKey, before: &Mirror, mirror: &Mirror) {
        for kind in mirror.ended_since(before) {
            self.open.remove(&(key.connection().clone(), kind, key.subject()));
        }
    }

    /// Returns true if a conflict about a subject is open.
    pub(crate) fn is_open(&self, connection: &ConnectionId, subject: &str) -> bool {
        self.open.iter().any(|(of, _, about)| of == connection && about == subject)
    }
}

/// Our id of a location.
pub(crate) fn location_id(place: usize) -> LocationId {
    LocationId::new(&format!("place-{place}")).unwrap_or_else(|_| unreachable!("a place's name is a token"))
}

/// The number of the location with our id.
pub(crate) fn place_of(location: &LocationId) -> usize {
    location.as_str().rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn copy<K: Ord + Clone, V: Clone>(keys: &BTreeSet<K>, from: &BTreeMap<K, V>, to: &mut BTreeMap<K, V>) {
    copy_keys(keys.iter(), from, to);
}

fn copy_keys<'k, K: Ord + Clone + 'k, V: Clone>(
    keys: impl Iterator<Item = &'k K>,
    from: &BTreeMap<K, V>,
    to: &mut BTreeMap<K, V>,
) {
    to.extend(keys.filter_map(|key| from.get_key_value(key)).map(|(key, row)| (key.clone(), row.clone())));
}

fn relink<T>(links: &mut BTreeMap<ExternalKey, T>, key: ExternalKey, to: Option<T>) {
    match to {
        Some(to) => drop(links.insert(key, to)),
        None => drop(links.remove(&key)),
    }
}

fn settle(mirror: &mut Mirror, key: &str, result: CallResult<MirrorValue>, now: Timestamp) -> Settled {
    match mirror {
        Mirror::Level(_, mirror) => mirror.settle(
            key,
            of_kind(result, |value| if let MirrorValue::Quantity(it) = value { Some(it) } else { None }),
            now,
        ),
        Mirror::Price(_, mirror) => field(
            mirror,
            key,
            result,
            |value| if let MirrorValue::Price(it) = value { Some(it) } else { None },
            now,
        ),
        Mirror::Text(_, mirror) => field(
            mirror,
            key,
            result,
            |value| if let MirrorValue::Text(it) = value { Some(it) } else { None },
            now,
        ),
    }
}

fn field<V: FieldValue>(
    mirror: &mut FieldMirror<V>,
    key: &str,
    result: CallResult<MirrorValue>,
    value: impl Fn(MirrorValue) -> Option<V>,
    now: Timestamp,
) -> Settled {
    mirror.settle(key, of_kind(result, value), now)
}

fn of_kind<V>(result: CallResult<MirrorValue>, value: impl Fn(MirrorValue) -> Option<V>) -> CallResult<V> {
    match result {
        CallResult::Taken { version, rendered } => {
            CallResult::Taken { version, rendered: rendered.and_then(value) }
        }
        CallResult::Conflict => CallResult::Conflict,
        CallResult::Retry { at, error } => CallResult::Retry { at, error },
        CallResult::TooOld { error } => CallResult::TooOld { error },
        CallResult::AccountRefused { error } => CallResult::AccountRefused { error },
        CallResult::Gone => CallResult::Gone,
        CallResult::Refused { error } => CallResult::Refused { error },
    }
}
