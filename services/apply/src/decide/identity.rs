//! Who is who across platforms: a product and its variants by their links, or by the merchant's number.

use super::link;
use model::{
    Event, ExternalId, LinkKind, Product, ProductId, VariantId,
    record::{Facts, LinkKey, SkuMatch, VariantRow},
};
use std::collections::{BTreeMap, BTreeSet};

/// Who the product and its variants are in the store's own terms.
pub(super) struct Identity {
    /// The product.
    pub(super) product: ProductId,
    /// In the order of the report's variants.
    pub(super) variants: Vec<VariantId>,
}

/// By link, else by the merchant's number, else new. A number that this connection has linked to another variant
/// already, or that two variants of the report share, tells nothing.
pub(super) fn identify(event: &Event, told: &Product, facts: &Facts) -> Identity {
    let connection = &event.origin.connection;
    let mut taken = BTreeSet::new();
    let mut product =
        link(event, facts, LinkKind::Product, &told.external).and_then(|id| ProductId::new(&id).ok());
    let mut variants = Vec::new();
    for variant in &told.variants {
        let linked = link(event, facts, LinkKind::Variant, &variant.external)
            .or_else(|| variant.item.as_ref().and_then(|item| link(event, facts, LinkKind::Item, item)))
            .and_then(|id| VariantId::new(&id).ok());
        let by_number = || {
            let sku = variant.sku.set()?.clone();
            let found = facts.skus.get(&(event.origin.store.clone(), sku))?;
            let free = !found.linked_by.contains(connection) && !taken.contains(&found.variant);
            free.then(|| {
                product.get_or_insert_with(|| found.product.clone());
                found.variant.clone()
            })
        };
        let id =
            linked.or_else(by_number).unwrap_or_else(|| VariantId::derive(connection, &variant.external));
        taken.insert(id.clone());
        variants.push(id);
    }
    let product = product
        .or_else(|| variants.iter().find_map(|id| facts.variants.get(id)).map(|row| row.product.clone()))
        .unwrap_or_else(|| ProductId::derive(connection, &told.external));
    Identity { product, variants }
}

/// The links that the product event makes.
pub(super) fn links(event: &Event, told: &Product, identity: &Identity) -> BTreeMap<LinkKey, String> {
    let key = |kind, external: &ExternalId| (event.origin.connection.clone(), kind, external.clone());
    let mut links = BTreeMap::from([(key(LinkKind::Product, &told.external), identity.product.to_string())]);
    for (variant, id) in told.variants.iter().zip(&identity.variants) {
        links.insert(key(LinkKind::Variant, &variant.external), id.to_string());
        if let Some(item) = &variant.item {
            links.insert(key(LinkKind::Item, item), id.to_string());
        }
    }
    links
}

/// Notes the number of a variant that the fold has written, so that later events of the batch find it.
pub(super) fn note_sku(facts: &mut Facts, event: &Event, row: &VariantRow) {
    let Some(sku) = &row.sku else { return };
    let found =
        SkuMatch { variant: row.id.clone(), product: row.product.clone(), linked_by: BTreeSet::new() };
    let entry = facts.skus.entry((row.store.clone(), sku.value.clone())).or_insert(found);
    if entry.variant == row.id {
        entry.linked_by.insert(event.origin.connection.clone());
    }
}
