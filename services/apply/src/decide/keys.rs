//! Selects the rows that a batch may touch.
//!
//! Rows are loaded in rounds, because loaded rows may show that more are needed. [`row_keys`] names the rows not
//! requested yet; once it names nothing new, all rows that a decision can touch are loaded.

use super::link_candidates::LinkCandidates;
use super::{
    identity::{self, identify},
    locations,
    view::{LevelIndex, View, keys_of, links_of},
};
use model::{
    Baseline, CustomerId, DroppedInput, Duty, EmployeeId, EntityKind, Event, ExternalId, FieldKey,
    Instruction, InventoryReport, LevelKey, LevelMirror, LocationId, MatchedLink, MirrorKey, OrderId,
    Payload, Product, ProductId, PromotionId, StockedAt, VariantId,
    record::{Facts, FirstKeys, RowKeys},
};

/// Returns the keys that are loaded first: whether events were seen, the links, and the variants that the merchant's
/// numbers may name.
pub fn first_keys<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    dropped_inputs: impl IntoIterator<Item = &'a DroppedInput>,
) -> FirstKeys {
    let stores = dropped_inputs.into_iter().map(|dropped_input| dropped_input.origin.store.clone()).collect();
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
            | Payload::Instruction {
                instruction: Instruction::LinkMatched(MatchedLink { variant, .. }),
                ..
            }
            | Payload::Instruction { instruction: Instruction::Unlink { variant }, .. } => {
                keys.links.variants.insert(key(variant), ());
            }
            Payload::Instruction { instruction: Instruction::LinkLocation { .. }, .. } => {
                keys.linking.insert(connection.clone());
            }
            // Mirrors have the link of their item; only an item without a mirror is looked up. A location that enrich
            // didn't find may have been linked since.
            Payload::Inventory(InventoryReport { location, .. }) => {
                let missing = location.iter().filter(|it| event.location(Some(it)).is_none());
                keys.links.locations.extend(missing.map(|external| (key(external), ())));
            }
            Payload::Stocked(StockedAt { locations, .. }) => {
                let missing = locations.iter().filter(|it| event.location(Some(it)).is_none());
                keys.links.locations.extend(missing.map(|external| (key(external), ())));
            }
            Payload::Order(_)
            | Payload::Customer(_)
            | Payload::Employee(_)
            | Payload::Promotion(_)
            | Payload::Activity { .. }
            | Payload::Account(_)
            | Payload::Instruction { .. }
            | Payload::Deleted { .. } => {}
        }
    }
    keys
}

/// Returns the keys of the rows that the events may touch, given `facts` and the keys `asked` before, except for
/// settled reports. A product event of the batch may link the item of a later report: the rows of both are among them.
pub fn row_keys<'a>(events: impl IntoIterator<Item = &'a Event>, facts: &Facts, asked: &RowKeys) -> RowKeys {
    // No key selected here depends on other platforms' mirrors.
    let level_index = LevelIndex::default();
    let view = View { facts, level_index: &level_index };
    let mut keys = RowKeys::default();
    let events: Vec<&Event> = events.into_iter().collect();
    let candidates = LinkCandidates::of(&events, &view);
    let links_nothing = candidates.is_empty();
    for event in events {
        if !(links_nothing && is_settled(event, &view)) {
            one(event, &view, &candidates, asked, &mut keys);
        }
    }
    // The row of a linked variant names its product.
    keys.variants.extend(facts.links.variants.values().cloned());
    keys
}

/// Returns whether the event is the report of a level for which everything is loaded, as is the case for most after
/// one round.
fn is_settled(event: &Event, view: &View<'_>) -> bool {
    let Payload::Inventory(report) = &event.payload else { return false };
    let Some(location) = locations::of(event, report.location.as_ref(), view) else { return true };
    let key = LevelKey { connection: event.origin.connection.clone(), item: report.item.clone(), location };
    let Some(mirror) = view.facts.mirrors.levels.get(&key) else { return false };
    let Some(variant) = mirror.variant.clone() else { return false };
    is_past_first_contact(mirror) && view.facts.levels.contains_key(&(variant, key.location))
}

/// Returns whether the next number is no first contact.
fn is_past_first_contact(mirror: &LevelMirror) -> bool {
    mirror.proven && matches!(mirror.baseline, Baseline::Known(_))
}

fn one(event: &Event, view: &View<'_>, candidates: &LinkCandidates, asked: &RowKeys, keys: &mut RowKeys) {
    let connection = &event.origin.connection;
    let field =
        |external: &ExternalId| FieldKey { connection: connection.clone(), external: external.clone() };
    match &event.payload {
        Payload::Inventory(report) => {
            let linked = locations::of(event, report.location.as_ref(), view);
            let linking = || candidates.of_location(connection, report.location.as_ref()?).cloned();
            if let Some(location) = linked.or_else(linking) {
                level(event, &report.item, location, view, candidates, asked, keys);
            }
        }
        Payload::Stocked(stocked) => item(event, &stocked.item, view, candidates, keys),
        Payload::Product(product) => product_keys(event, product, view, candidates, keys),
        Payload::Order(order) => drop(keys.orders.insert(OrderId::derive(connection, &order.external))),
        Payload::Customer(customer) => {
            keys.customers.insert(CustomerId::derive(connection, &customer.external));
        }
        Payload::Employee(employee) => {
            keys.employees.insert(EmployeeId::derive(connection, &employee.external));
        }
        Payload::Promotion(promotion) | Payload::Activity { promotion, .. } => {
            keys.promotions.insert(PromotionId::derive(connection, &promotion.external));
        }
        Payload::Account(notice) => match notice.duty {
            Duty::EraseCustomer => {
                keys.customers.insert(CustomerId::derive(connection, &notice.external));
            }
            Duty::ReportCustomer | Duty::EraseAccount | Duty::AccessRevoked => {}
        },
        Payload::Instruction { instruction, .. } => {
            instruction_keys(event, instruction, view, candidates, asked, keys);
        }
        Payload::Deleted { entity, external } => match entity {
            EntityKind::Product => {
                keys.mirrors.insert(MirrorKey::Text(field(external)));
                let product = view.product(event, external);
                listed_keys(event, (external, product.as_ref()), view, candidates, keys);
                keys.products_of.extend(product.clone());
                keys.products.extend(product);
            }
            EntityKind::Inventory => item(event, external, view, candidates, keys),
            EntityKind::Order => drop(keys.orders.insert(OrderId::derive(connection, external))),
            EntityKind::Customer => {
                keys.customers.insert(CustomerId::derive(connection, external));
            }
            EntityKind::Employee => {
                keys.employees.insert(EmployeeId::derive(connection, external));
            }
            EntityKind::Promotion => {
                keys.promotions.insert(PromotionId::derive(connection, external));
            }
            EntityKind::Account => {}
        },
    }
}

/// Adds the keys of a reported level. A first number also needs the other platforms' mirrors and, once it is known that
/// there is no mirror, the link of its item; most levels have a mirror.
fn level(
    event: &Event,
    item: &ExternalId,
    location: LocationId,
    view: &View<'_>,
    candidates: &LinkCandidates,
    asked: &RowKeys,
    keys: &mut RowKeys,
) {
    let key = LevelKey { connection: event.origin.connection.clone(), item: item.clone(), location };
    let known = view.facts.mirrors.levels.get(&key);
    let variant = if let Some(mirror) = known {
        mirror.variant.clone()
    } else {
        if asked.mirrors.contains(&MirrorKey::Level(key.clone())) {
            keys.links.insert((key.connection.clone(), item.clone()));
        }
        view.item_link(event, item)
    };
    if let Some(variant) = variant {
        let at = (variant, key.location.clone());
        if !known.is_some_and(is_past_first_contact) || candidates.is_unsettled(&key.connection, item) {
            keys.contacts.insert(at.clone());
        }
        keys.levels.insert(at);
    }
    for variant in candidates.of_item(&key.connection, item) {
        let at = (variant.clone(), key.location.clone());
        keys.contacts.insert(at.clone());
        keys.levels.insert(at);
    }
    keys.mirrors.insert(MirrorKey::Level(key));
}

/// Adds the keys of every level mirror of an item, and of the levels that they belong to, or may come to belong to.
fn item(
    event: &Event,
    external: &ExternalId,
    view: &View<'_>,
    candidates: &LinkCandidates,
    keys: &mut RowKeys,
) {
    let connection = &event.origin.connection;
    keys.items.insert((connection.clone(), external.clone()));
    for key in keys_of(&view.facts.mirrors, connection, external) {
        let now = view.facts.mirrors.levels.get(&key).and_then(|mirror| mirror.variant.as_ref());
        for variant in now.into_iter().chain(candidates.of_item(connection, external)) {
            let at = (variant.clone(), key.location.clone());
            keys.levels.insert(at.clone());
            keys.contacts.insert(at);
        }
    }
}

/// Adds the keys of everything that is linked as a variant of a platform's product, and of the products that it may leave.
fn listed_keys(
    event: &Event,
    (external, product): (&ExternalId, Option<&ProductId>),
    view: &View<'_>,
    candidates: &LinkCandidates,
    keys: &mut RowKeys,
) {
    let connection = &event.origin.connection;
    keys.listed_by.insert((connection.clone(), external.clone()));
    let mut variants = view.variants_listed_by(event, external, None);
    // Whether it is the only product that is linked to that one is known once the batch is decided.
    variants.extend(product.map(|product| view.variants_of(event, product)).unwrap_or_default());
    for (variant, linked) in variants {
        for of in view.items_of(event, &linked) {
            item(event, &of, view, candidates, keys);
        }
        let left = view.product_of(event, &linked).cloned();
        keys.products_of.extend(left.clone());
        keys.products.extend(left);
        keys.mirrors.insert(MirrorKey::Price(FieldKey { connection: connection.clone(), external: variant }));
    }
}

fn product_keys(
    event: &Event,
    product: &Product,
    view: &View<'_>,
    candidates: &LinkCandidates,
    keys: &mut RowKeys,
) {
    let connection = &event.origin.connection;
    let field =
        |external: &ExternalId| FieldKey { connection: connection.clone(), external: external.clone() };
    let identity = identify(event, product, view);
    keys.mirrors.insert(MirrorKey::Text(field(&product.external)));
    listed_keys(event, (&product.external, None), view, candidates, keys);
    let before = view.product(event, &product.external);
    let variants = product.variants.iter().flat_map(|it| candidates.of_variant(connection, &it.external));
    let others: Vec<_> = variants.filter_map(|variant| view.product_of(event, variant).cloned()).collect();
    for product in before.into_iter().chain([identity.product.clone()]).chain(others) {
        for (external, variant) in view.variants_of(event, &product) {
            keys.mirrors.insert(MirrorKey::Price(field(&external)));
            for of in view.items_of(event, &variant) {
                item(event, &of, view, candidates, keys);
            }
        }
        keys.products_of.insert(product.clone());
        keys.products.insert(product);
    }
    for identified in &identity.variants {
        let variant = identified.reported;
        keys.mirrors.insert(MirrorKey::Price(field(&variant.external)));
        // A newer report of the product that listed it last keeps it there.
        let listing = view.listing_of(event, &variant.external);
        keys.mirrors.extend(listing.map(|listing| MirrorKey::Text(field(listing))));
        keys.variants.insert(identified.id.clone());
        keys.variants.extend(candidates.of_variant(connection, &variant.external).cloned());
        if let Some(of) = &variant.item {
            item(event, of, view, candidates, keys);
        }
    }
}

fn instruction_keys(
    event: &Event,
    instruction: &Instruction,
    view: &View<'_>,
    candidates: &LinkCandidates,
    asked: &RowKeys,
    keys: &mut RowKeys,
) {
    let connection = &event.origin.connection;
    match instruction {
        Instruction::Link { variant, .. }
        | Instruction::LinkMatched(MatchedLink { variant, .. })
        | Instruction::Unlink { variant } => {
            let to = match instruction {
                Instruction::Link { to, .. } | Instruction::LinkMatched(MatchedLink { to, .. }) => to.clone(),
                _ => VariantId::derive(connection, variant),
            };
            let field = |external: &ExternalId| FieldKey {
                connection: connection.clone(),
                external: external.clone(),
            };
            keys.mirrors.insert(MirrorKey::Price(field(variant)));
            let listing = view.listing_of(event, variant);
            keys.mirrors.extend(listing.map(|listing| MirrorKey::Text(field(listing))));
            let ids: Vec<_> = candidates.of_variant(connection, variant).cloned().collect();
            for linked in ids {
                for of in view.items_of(event, &linked) {
                    item(event, &of, view, candidates, keys);
                }
                if let Some(row) = view.facts.variants.get(&linked) {
                    keys.products_of.insert(row.product.clone());
                    keys.products.insert(row.product.clone());
                    let own = links_of(&view.facts.links.products, connection);
                    let of_product = own.filter(|(_, product)| **product == row.product);
                    keys.mirrors.extend(of_product.map(|(external, _)| MirrorKey::Text(field(external))));
                }
                keys.variants.insert(linked);
            }
            keys.variants.insert(to);
        }
        Instruction::LinkLocation { to, .. } => {
            let levels = locations::levels_at(event, to, view);
            keys.mirrors.extend(levels.into_iter().map(MirrorKey::Level));
        }
        Instruction::Adopt { item, location, .. } => {
            level(event, item, location.clone(), view, candidates, asked, keys);
            // A count makes unproven zeros of others first contacts again, also if its own mirror is past its first.
            let key =
                LevelKey { connection: connection.clone(), item: item.clone(), location: location.clone() };
            let counted = view.facts.mirrors.levels.get(&key).and_then(|mirror| mirror.variant.clone());
            keys.contacts.extend(counted.map(|variant| (variant, location.clone())));
        }
        Instruction::Baseline(_) => {
            keys.waiting.insert(connection.clone());
            let of_connection =
                view.facts.mirrors.levels.iter().filter(|(key, _)| key.connection == *connection);
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
