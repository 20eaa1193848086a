//! Which rows a batch may touch.
//!
//! Rows are loaded in rounds: what is loaded may show that more is needed. [`row_keys`] names what isn't asked for yet; once
//! it names nothing new, everything that a decision can touch is there.

use super::{
    identity::{self, identify},
    inventory,
    sight::{Companions, Sight, keys_of},
};
use model::{
    Baseline, ConnectionId, CustomerId, Dismissal, Duty, EntityKind, Event, ExternalId, FieldKey, Instruction, LevelKey,
    LocationId, MirrorKey, OrderId, Payload, Product, VariantId,
    record::{ExternalKey, Facts, FirstKeys, RowKeys},
};
use std::collections::{BTreeMap, BTreeSet};

/// What has to be known first: whether events were seen, which links there are, which merchant's numbers may name a
/// variant.
pub fn first_keys<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    dismissals: impl IntoIterator<Item = &'a Dismissal>,
) -> FirstKeys {
    let stores = dismissals.into_iter().map(|dismissal| dismissal.origin.store.clone()).collect();
    let mut keys = FirstKeys { stores, ..FirstKeys::default() };
    for event in events {
        let connection = &event.origin.connection;
        keys.events.insert((connection.clone(), event.id));
        keys.stores.insert(event.origin.store.clone());
        let key = |external: &ExternalId| (connection.clone(), external.clone());
        match &event.payload {
            Payload::Product(product) => {
                keys.links.products.insert(key(&product.external), ());
                for variant in &product.variants {
                    keys.links.variants.insert(key(&variant.external), ());
                    if let Some(item) = &variant.item {
                        keys.links.items.insert(key(item), ());
                    }
                    if let Some(number) = identity::number(variant) {
                        keys.skus.insert((event.origin.store.clone(), number));
                    }
                }
            }
            Payload::Deleted { entity: EntityKind::Product, external } => {
                keys.links.products.insert(key(external), ());
            }
            Payload::Instruction { instruction: Instruction::Link { variant, .. }, .. }
            | Payload::Instruction { instruction: Instruction::Unlink { variant }, .. } => {
                keys.links.variants.insert(key(variant), ());
            }
            // Mirrors know the link of their item; only an item without one is looked up.
            Payload::Inventory(_)
            | Payload::Stocked(_)
            | Payload::Order(_)
            | Payload::Customer(_)
            | Payload::Account(_)
            | Payload::Instruction { .. }
            | Payload::Deleted { .. } => {}
        }
    }
    keys
}

/// The rows, now that `facts` show who is who. A product event of the batch may link what a later report is about: the
/// rows of both are among them.
pub fn row_keys<'a>(events: impl IntoIterator<Item = &'a Event>, facts: &Facts) -> RowKeys {
    let companions = Companions::of(&facts.mirrors);
    let sight = Sight { facts, companions: &companions };
    let events: Vec<&Event> = events.into_iter().collect();
    let prospects = Prospects::of(&events, &sight);
    let mut keys = RowKeys::default();
    for event in events {
        one(event, &sight, &prospects, &mut keys);
    }
    keys
}

/// What the events of a batch may make of items before a later one of them is decided.
#[derive(Default)]
struct Prospects {
    /// The variants that an item may come to be linked to.
    becomes: BTreeMap<ExternalKey, BTreeSet<VariantId>>,
    /// Items whose next number may be a first contact, whatever their mirrors say now.
    unsettled: BTreeSet<ExternalKey>,
}

impl Prospects {
    fn of(events: &[&Event], sight: &Sight<'_>) -> Self {
        let mut prospects = Self::default();
        // A number that one product event gives is one that another of the batch may be matched by.
        let mut by_number: BTreeMap<String, BTreeSet<VariantId>> = BTreeMap::new();
        let mut reported = Vec::new();
        for event in events {
            let key = |item: &ExternalId| (event.origin.connection.clone(), item.clone());
            match &event.payload {
                Payload::Product(product) => {
                    let identity = identify(event, product, sight);
                    for (variant, identified) in product.variants.iter().zip(identity.variants) {
                        let number = identity::number(variant);
                        let ids = [Some(identified.id), identified.instead_of, sight.variant(event, variant)];
                        let ids: BTreeSet<VariantId> = ids.into_iter().flatten().collect();
                        if let Some(number) = &number {
                            let of_record = sight.facts.skus.get(&(event.origin.store.clone(), number.clone()));
                            let known = by_number.entry(number.clone()).or_default();
                            known.extend(of_record.into_iter().flat_map(|found| found.keys().cloned()));
                            known.extend(ids.iter().cloned());
                        }
                        if let Some(item) = &variant.item {
                            reported.push((key(item), number, ids));
                        }
                    }
                }
                Payload::Inventory(report) if report.available.is_none() => {
                    prospects.unsettled.insert(key(&report.item));
                }
                Payload::Stocked(stocked) => drop(prospects.unsettled.insert(key(&stocked.item))),
                Payload::Deleted { entity: EntityKind::Inventory, external } => {
                    prospects.unsettled.insert(key(external));
                }
                _ => {}
            }
        }
        for (item, number, ids) in reported {
            let becomes = prospects.becomes.entry(item).or_default();
            becomes.extend(ids);
            becomes.extend(number.and_then(|number| by_number.get(&number)).into_iter().flatten().cloned());
        }
        prospects
    }

    fn becomes(&self, connection: &ConnectionId, item: &ExternalId) -> impl Iterator<Item = &VariantId> {
        self.becomes.get(&(connection.clone(), item.clone())).into_iter().flatten()
    }

    fn may_be_contact(&self, connection: &ConnectionId, item: &ExternalId) -> bool {
        let key = (connection.clone(), item.clone());
        self.unsettled.contains(&key) || self.becomes.contains_key(&key)
    }
}

fn one(event: &Event, sight: &Sight<'_>, prospects: &Prospects, keys: &mut RowKeys) {
    let connection = &event.origin.connection;
    let field =
        |external: &ExternalId| FieldKey { connection: connection.clone(), external: external.clone() };
    match &event.payload {
        Payload::Inventory(report) => {
            if let Some(location) = inventory::location(event, report.location.as_ref()) {
                level(event, &report.item, location, sight, prospects, keys);
            }
        }
        Payload::Stocked(stocked) => item(event, &stocked.item, None, sight, keys),
        Payload::Product(product) => product_keys(event, product, sight, prospects, keys),
        Payload::Order(order) => drop(keys.orders.insert(OrderId::derive(connection, &order.external))),
        Payload::Customer(customer) => {
            keys.customers.insert(CustomerId::derive(connection, &customer.external));
        }
        Payload::Account(notice) => match notice.duty {
            Duty::EraseCustomer => {
                keys.customers.insert(CustomerId::derive(connection, &notice.external));
            }
            Duty::ReportCustomer | Duty::EraseAccount | Duty::AccessRevoked => {}
        },
        Payload::Instruction { instruction, .. } => {
            instruction_keys(event, instruction, sight, prospects, keys);
        }
        Payload::Deleted { entity, external } => match entity {
            EntityKind::Product => {
                keys.mirrors.insert(MirrorKey::Text(field(external)));
                if let Some(product) = sight.product(event, external) {
                    keys.products_of.insert((connection.clone(), product.clone()));
                    linked_variants(connection, sight, keys);
                    for (external, variant) in sight.variants_of(event, &product) {
                        keys.mirrors.insert(MirrorKey::Price(field(&external)));
                        for of in sight.items_of(event, &variant) {
                            item(event, &of, None, sight, keys);
                        }
                    }
                    keys.products.insert(product);
                }
            }
            EntityKind::Inventory => item(event, external, None, sight, keys),
            EntityKind::Order => drop(keys.orders.insert(OrderId::derive(connection, external))),
            EntityKind::Customer => {
                keys.customers.insert(CustomerId::derive(connection, external));
            }
            EntityKind::Account => {}
        },
    }
}

/// A level that is reported. A first number needs the other platforms' mirrors too, and the link of its item.
fn level(
    event: &Event,
    item: &ExternalId,
    location: LocationId,
    sight: &Sight<'_>,
    prospects: &Prospects,
    keys: &mut RowKeys,
) {
    let key = LevelKey { connection: event.origin.connection.clone(), item: item.clone(), location };
    let known = sight.facts.mirrors.levels.get(&key);
    let variant = match known {
        Some(mirror) => mirror.variant.clone(),
        None => {
            keys.links.insert((key.connection.clone(), item.clone()));
            sight.item_link(event, item)
        }
    };
    let is_settled = known.is_some_and(|mirror| mirror.proven && matches!(mirror.baseline, Baseline::Known(_)));
    let may_be_contact = !is_settled || prospects.may_be_contact(&key.connection, item);
    let becomes = prospects.becomes(&key.connection, item).cloned();
    for variant in variant.into_iter().chain(becomes) {
        let at = (variant, key.location.clone());
        if may_be_contact {
            keys.contacts.insert(at.clone());
        }
        keys.levels.insert(at);
    }
    keys.mirrors.insert(MirrorKey::Level(key));
}

/// Every level mirror of an item, and the levels that they are of, or come to be of if it is linked to `becomes`.
fn item(
    event: &Event,
    external: &ExternalId,
    becomes: Option<&VariantId>,
    sight: &Sight<'_>,
    keys: &mut RowKeys,
) {
    let connection = &event.origin.connection;
    keys.items.insert((connection.clone(), external.clone()));
    for key in keys_of(&sight.facts.mirrors, connection, external) {
        let now = sight.facts.mirrors.levels.get(&key).and_then(|mirror| mirror.variant.as_ref());
        for variant in now.into_iter().chain(becomes) {
            let at = (variant.clone(), key.location.clone());
            keys.levels.insert(at.clone());
            keys.contacts.insert(at);
        }
    }
}

/// The rows of the variants that the connection links, as far as its links are loaded: which product they are of tells
/// whether their links are retired.
fn linked_variants(connection: &ConnectionId, sight: &Sight<'_>, keys: &mut RowKeys) {
    let links = sight.facts.links.variants.iter();
    keys.variants.extend(links.filter(|((by, _), _)| by == connection).map(|(_, variant)| variant.clone()));
}

fn product_keys(
    event: &Event,
    product: &Product,
    sight: &Sight<'_>,
    prospects: &Prospects,
    keys: &mut RowKeys,
) {
    let connection = &event.origin.connection;
    let field =
        |external: &ExternalId| FieldKey { connection: connection.clone(), external: external.clone() };
    let identity = identify(event, product, sight);
    keys.mirrors.insert(MirrorKey::Text(field(&product.external)));
    linked_variants(connection, sight, keys);
    let before = sight.product(event, &product.external);
    for product in before.into_iter().chain([identity.product.clone()]) {
        for (external, variant) in sight.variants_of(event, &product) {
            keys.mirrors.insert(MirrorKey::Price(field(&external)));
            for of in sight.items_of(event, &variant) {
                if product == identity.product {
                    item(event, &of, None, sight, keys);
                }
            }
        }
        keys.products_of.insert((connection.clone(), product.clone()));
        keys.products.insert(product);
    }
    for (variant, identified) in product.variants.iter().zip(&identity.variants) {
        keys.mirrors.insert(MirrorKey::Price(field(&variant.external)));
        keys.variants.insert(identified.id.clone());
        keys.variants.extend(identified.instead_of.clone());
        keys.variants.extend(sight.variant(event, variant));
        if let Some(of) = &variant.item {
            for becomes in prospects.becomes(connection, of) {
                item(event, of, Some(becomes), sight, keys);
                keys.variants.insert(becomes.clone());
            }
        }
        // Whoever has the number may be linked by then: its product's links decide.
        let number = identity::number(variant).map(|number| (event.origin.store.clone(), number));
        if let Some(candidates) = number.and_then(|number| sight.facts.skus.get(&number)) {
            keys.variants.extend(candidates.keys().cloned());
        }
    }
}

fn instruction_keys(
    event: &Event,
    instruction: &Instruction,
    sight: &Sight<'_>,
    prospects: &Prospects,
    keys: &mut RowKeys,
) {
    let connection = &event.origin.connection;
    match instruction {
        Instruction::Link { variant, .. } | Instruction::Unlink { variant } => {
            let to = match instruction {
                Instruction::Link { to, .. } => to.clone(),
                _ => VariantId::derive(connection, variant),
            };
            let field = FieldKey { connection: connection.clone(), external: variant.clone() };
            keys.mirrors.insert(MirrorKey::Price(field));
            if let Some(linked) = sight.variant_link(event, variant) {
                for of in sight.items_of(event, &linked) {
                    item(event, &of, Some(&to), sight, keys);
                }
                if let Some(row) = sight.facts.variants.get(&linked) {
                    keys.products_of.insert((connection.clone(), row.product.clone()));
                }
                keys.variants.insert(linked);
            }
            keys.variants.insert(to);
        }
        Instruction::Adopt { item, location, .. } => {
            level(event, item, location.clone(), sight, prospects, keys);
        }
        Instruction::Baseline(_) => {
            keys.waiting.insert(connection.clone());
            let of_connection =
                sight.facts.mirrors.levels.iter().filter(|(key, _)| key.connection == *connection);
            for (key, mirror) in of_connection {
                if let Some(variant) = &mirror.variant {
                    let at = (variant.clone(), key.location.clone());
                    keys.levels.insert(at.clone());
                    keys.contacts.insert(at);
                }
            }
        }
    }
}
