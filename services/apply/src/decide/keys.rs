//! Which rows a batch may touch.

use super::{identity, inventory, link};
use model::{
    CustomerId, Dismissal, EntityKind, Event, LinkKind, Mirror, MirrorKey, MirrorKind, OrderId, Payload,
    ProductId, VariantId,
    record::{Facts, FirstKeys, RowKeys},
};

/// What has to be known first: whether events were seen, which links enrich left open, which merchant's numbers may
/// name a variant.
pub fn first_keys<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    dismissals: impl IntoIterator<Item = &'a Dismissal>,
) -> FirstKeys {
    let stores = dismissals.into_iter().map(|dismissal| dismissal.origin.store.clone()).collect();
    let mut keys = FirstKeys { stores, ..FirstKeys::default() };
    for event in events {
        keys.events.insert((event.origin.connection.clone(), event.id));
        keys.stores.insert(event.origin.store.clone());
        let mut open = |kind, external: &model::ExternalId| {
            if event.link(kind, external).is_none() {
                keys.links.insert((event.origin.connection.clone(), kind, external.clone()));
            }
        };
        match &event.payload {
            Payload::Inventory(report) => open(LinkKind::Item, &report.item),
            Payload::Product(told) => {
                open(LinkKind::Product, &told.external);
                for variant in &told.variants {
                    open(LinkKind::Variant, &variant.external);
                    if let Some(item) = &variant.item {
                        open(LinkKind::Item, item);
                    }
                    if let Some(sku) = variant.sku.set() {
                        keys.skus.insert((event.origin.store.clone(), sku.clone()));
                    }
                }
            }
            Payload::Deleted { entity: EntityKind::Product, external } => open(LinkKind::Product, external),
            Payload::Order(_)
            | Payload::Customer(_)
            | Payload::Stocked(_)
            | Payload::Account(_)
            | Payload::Instruction { .. }
            | Payload::Deleted { .. } => {}
        }
    }
    keys
}

/// The rows, now that `facts` tell who is who. A product event of the batch may link what a later report is about, so
/// the links that it will make count as known here. Item mirrors that are found may need levels of their own places:
/// call it again with them in `facts`, until it names nothing new.
pub fn row_keys<'a>(events: impl IntoIterator<Item = &'a Event>, facts: &Facts) -> RowKeys {
    let mut facts = Facts { links: facts.links.clone(), ..facts.clone() };
    let mut keys = RowKeys::default();
    for event in events {
        one(event, &mut facts, &mut keys);
    }
    keys
}

fn one(event: &Event, facts: &mut Facts, keys: &mut RowKeys) {
    let connection = &event.origin.connection;
    let mirror = |kind, external: &model::ExternalId| MirrorKey {
        connection: connection.clone(),
        kind,
        external: external.clone(),
        place: None,
    };
    match &event.payload {
        Payload::Inventory(report) => {
            let Some(place) = inventory::location(event, report) else { return };
            let variant = link(event, facts, LinkKind::Item, &report.item);
            if let Some(variant) = variant.and_then(|id| VariantId::new(&id).ok()) {
                keys.levels.insert((variant, place.clone()));
            }
            let key = inventory::key(event, &report.item, place);
            // A product that comes later in the batch may link the item, and then needs the level of this place.
            facts.mirrors.entry(key.clone()).or_insert_with(|| Mirror::new(key.clone(), None));
            keys.mirrors.insert(key);
        }
        Payload::Product(told) => {
            let identity = identity::identify(event, told, facts);
            keys.mirrors.insert(mirror(MirrorKind::Product, &told.external));
            keys.products.insert(identity.product.clone());
            for (variant, id) in told.variants.iter().zip(&identity.variants) {
                keys.mirrors.insert(mirror(MirrorKind::Price, &variant.external));
                keys.variants.insert(id.clone());
                if let Some(item) = &variant.item {
                    keys.item_mirrors.insert((connection.clone(), item.clone()));
                    let places = facts.mirrors.keys().filter(|key| {
                        key.kind == MirrorKind::Inventory
                            && key.connection == *connection
                            && key.external == *item
                    });
                    keys.levels.extend(places.filter_map(|key| Some((id.clone(), key.place.clone()?))));
                }
            }
            facts.links.extend(identity::links(event, told, &identity));
        }
        Payload::Order(order) => {
            keys.orders.insert(OrderId::derive(connection, &order.external));
        }
        Payload::Customer(customer) => {
            keys.customers.insert(CustomerId::derive(connection, &customer.external));
        }
        Payload::Stocked(_) | Payload::Account(_) | Payload::Instruction { .. } => {}
        Payload::Deleted { entity, external } => match entity {
            EntityKind::Account => {}
            EntityKind::Product => {
                keys.mirrors.insert(mirror(MirrorKind::Product, external));
                let id = link(event, facts, LinkKind::Product, external);
                keys.products.extend(id.and_then(|id| ProductId::new(&id).ok()));
            }
            EntityKind::Inventory => {
                keys.item_mirrors.insert((connection.clone(), external.clone()));
            }
            EntityKind::Order => {
                keys.orders.insert(OrderId::derive(connection, external));
            }
            EntityKind::Customer => {
                keys.customers.insert(CustomerId::derive(connection, external));
            }
        },
    }
}
