//! Links from platforms' ids to the store's own ids. A retired link keeps its target and is no longer found.

use super::together::{Loads, Writes};
use crate::{
    LISTED_ROWS, StoreError,
    columns::{id, id_or_null, unreadable},
    row::Row as _,
    statement::{query, statements},
};
use model::{
    ConnectionId, ExternalId, LinkKind, ProductId, StoreId, VariantId,
    record::{Changed, ExternalKey, Facts, Links, SkuCandidate},
};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;

/// The keys of links as three arrays.
struct Keys<'a> {
    connections: Vec<&'a str>,
    kinds: Vec<&'static str>,
    externals: Vec<&'a str>,
}

impl<'a> Keys<'a> {
    fn of(keys: impl Iterator<Item = (LinkKind, &'a ExternalKey)>) -> Self {
        let mut columns = Self { connections: Vec::new(), kinds: Vec::new(), externals: Vec::new() };
        for (kind, (connection, external)) in keys {
            columns.connections.push(connection.as_str());
            columns.kinds.push(kind.as_str());
            columns.externals.push(external.as_str());
        }
        columns
    }
}

/// Loads the live links of those keys, and the platform's products of all of them.
pub(super) fn load(loads: &mut Loads, keys: &Links<()>) {
    let products = keys.products.keys().map(|key| (LinkKind::Product, key));
    let variants = keys.variants.keys().map(|key| (LinkKind::Variant, key));
    let items = keys.items.keys().map(|key| (LinkKind::Item, key));
    let locations = keys.locations.keys().map(|key| (LinkKind::Location, key));
    known(loads, Keys::of(products.chain(variants).chain(items).chain(locations)));
}

/// Loads the live links of those items.
pub(super) fn of_items(loads: &mut Loads, keys: &BTreeSet<ExternalKey>) {
    known(loads, Keys::of(keys.iter().map(|key| (LinkKind::Item, key))));
}

fn known(loads: &mut Loads, keys: Keys<'_>) {
    loads.add(query(KNOWN).bind(keys.connections).bind(keys.kinds).bind(keys.externals), keep);
}

/// Loads every live location link of those connections, their item links (at most [`LISTED_ROWS`] of each), and the
/// locations of their stores.
pub(super) fn of_connections(loads: &mut Loads, keys: &BTreeSet<ConnectionId>) {
    let ids: Vec<&str> = keys.iter().map(ConnectionId::as_str).collect();
    loads.add(query(LIVE_OF_CONNECTIONS).bind(ids.as_slice()).bind(LISTED_ROWS), keep);
    loads.add(query(LOCATIONS_OF).bind(ids), |row, facts| {
        facts.locations.entry(id(row, "store")?).or_default().insert(id(row, "id")?);
        Ok(())
    });
}

/// Loads every live link to those products and to their variants, both as sold (variant) and as counted (item).
pub(super) fn of_products(loads: &mut Loads, keys: &BTreeSet<ProductId>) {
    let ids: Vec<&str> = keys.iter().map(ProductId::as_str).collect();
    loads.add(query(LIVE_OF_PRODUCTS).bind(ids), keep);
}

/// Loads every live link of a variant or item that those products of platforms list.
pub(super) fn listed_by(loads: &mut Loads, keys: &BTreeSet<ExternalKey>) {
    let statement = query(LIVE_OF_LISTED)
        .bind(keys.iter().map(|(connection, _)| connection.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, product)| product.as_str()).collect::<Vec<_>>());
    loads.add(statement, keep);
}

fn keep(row: &Row, facts: &mut Facts) -> Result<(), StoreError> {
    let key = (id::<ConnectionId>(row, "connection")?, id::<ExternalId>(row, "external")?);
    let kind = row.value::<&str>("kind")?;
    if let Some(product) = id_or_null::<ExternalId>(row, "product")? {
        match kind {
            "variant" => drop(facts.links.variant_products.insert(key.clone(), product)),
            "item" => drop(facts.links.item_products.insert(key.clone(), product)),
            _ => {}
        }
    }
    if row.value("is_retired")? {
        return Ok(());
    }
    match kind {
        "product" => drop(facts.links.products.insert(key, id(row, "internal")?)),
        "variant" => drop(facts.links.variants.insert(key, id(row, "internal")?)),
        "item" => drop(facts.links.items.insert(key, id(row, "internal")?)),
        "location" => drop(facts.links.locations.insert(key, id(row, "internal")?)),
        _ => {}
    }
    Ok(())
}

/// Loads the connections that link each of those variants.
pub(super) fn linked_by(loads: &mut Loads, keys: &BTreeSet<VariantId>) {
    let ids: Vec<&str> = keys.iter().map(VariantId::as_str).collect();
    loads.add(query(LINKED_BY).bind(ids), |row, facts| {
        facts.linked_by.insert(id(row, "variant")?, connections(row)?);
        Ok(())
    });
}

/// Loads every variant that has one of those numbers.
pub(super) fn numbers(loads: &mut Loads, keys: &BTreeSet<(StoreId, String)>) {
    let statement = query(BY_SKU)
        .bind(keys.iter().map(|(store, _)| store.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, sku)| sku.as_str()).collect::<Vec<_>>());
    loads.add(statement, |row, facts| {
        let candidate = SkuCandidate { product: id(row, "product")?, linked_by: connections(row)? };
        let key = (id(row, "store")?, row.value("sku")?);
        facts.skus.entry(key).or_default().insert(id(row, "variant")?, candidate);
        Ok(())
    });
}

fn connections(row: &Row) -> Result<BTreeSet<ConnectionId>, StoreError> {
    let texts: Vec<String> = row.value("linked_by")?;
    let ids = texts.into_iter().map(ConnectionId::try_from).collect::<Result<_, _>>();
    ids.map_err(|_| unreadable("linked_by"))
}

/// Creates, changes and retires links.
pub(super) fn write(writes: &mut Writes, links: &Links<Changed>) {
    let mut changes: BTreeMap<(LinkKind, &ExternalKey), Option<&str>> = BTreeMap::new();
    changes.extend(
        links.products.iter().map(|(key, to)| ((LinkKind::Product, key), to.as_ref().map(ProductId::as_str))),
    );
    for (kind, of) in [(LinkKind::Variant, &links.variants), (LinkKind::Item, &links.items)] {
        changes.extend(of.iter().map(|(key, to)| ((kind, key), to.as_ref().map(VariantId::as_str))));
    }
    let locations = links.locations.iter();
    changes.extend(locations.map(|(key, to)| ((LinkKind::Location, key), Some(to.as_str()))));
    let product = |(kind, key): &(LinkKind, &ExternalKey)| match kind {
        LinkKind::Variant => links.variant_products.get(*key).map(ExternalId::as_str),
        LinkKind::Item => links.item_products.get(*key).map(ExternalId::as_str),
        LinkKind::Product | LinkKind::Location => None,
    };
    let keys = Keys::of(changes.keys().copied());
    let statement = query(WRITE)
        .bind(keys.connections)
        .bind(keys.kinds)
        .bind(keys.externals)
        .bind(changes.values().copied().collect::<Vec<_>>())
        .bind(changes.keys().map(product).collect::<Vec<_>>());
    writes.add_complete(statement, changes.len(), StoreError::refused("a link's connection isn't set up"));
}

statements! {
    const KNOWN: ByKey(text[], text[], text[]) = "
        SELECT l.connection, l.kind, l.external, l.internal, l.product, l.retired_at IS NOT NULL AS is_retired
        FROM unnest($1::text[], $2::text[], $3::text[]) AS u(connection, kind, external)
        JOIN links l USING (connection, kind, external)";

    const LIVE_OF_CONNECTIONS: ByKey(text[], int8) = "
        SELECT l.connection, l.kind, l.external, l.internal, l.product, false AS is_retired
        FROM unnest($1::text[]) AS u(connection)
        CROSS JOIN (VALUES ('item'), ('location')) AS k(kind)
        CROSS JOIN LATERAL (SELECT * FROM links o
                            WHERE o.connection = u.connection AND o.kind = k.kind AND o.retired_at IS NULL
                            ORDER BY o.external LIMIT $2) AS l";

    const LOCATIONS_OF: ByKey(text[]) =
        "SELECT DISTINCT l.store, l.id FROM connections c JOIN locations l ON l.store = c.store WHERE c.id = ANY($1)";

    const LIVE_OF_PRODUCTS: ByKey(text[]) = "
        SELECT l.connection, l.kind, l.external, l.internal, l.product, false AS is_retired
        FROM unnest($1::text[]) AS u(product)
        CROSS JOIN LATERAL (SELECT u.product AS id
                            UNION ALL (SELECT v.id FROM variants v WHERE v.product = u.product OFFSET 0)) AS v
        CROSS JOIN LATERAL (SELECT * FROM links k
                            WHERE k.internal = v.id AND k.kind IN ('product', 'variant', 'item')
                                AND k.retired_at IS NULL
                            OFFSET 0) AS l";

    const LIVE_OF_LISTED: ByKey(text[], text[]) = "
        SELECT l.connection, l.kind, l.external, l.internal, l.product, false AS is_retired
        FROM unnest($1::text[], $2::text[]) AS u(connection, product)
        CROSS JOIN LATERAL (SELECT * FROM links k
                            WHERE k.connection = u.connection AND k.product = u.product AND k.retired_at IS NULL
                            OFFSET 0) AS l";

    const LINKED_BY: ByKey(text[]) = "
        SELECT u.variant, ARRAY(SELECT DISTINCT l.connection FROM links l
                                WHERE l.internal = u.variant AND l.kind = 'variant' AND l.retired_at IS NULL)
                                    AS linked_by
        FROM unnest($1::text[]) AS u(variant)";

    const BY_SKU: ByKey(text[], text[]) = "
        SELECT v.store, v.sku, v.id AS variant, v.product,
            ARRAY(SELECT DISTINCT l.connection FROM links l
                  WHERE l.internal = v.id AND l.kind = 'variant' AND l.retired_at IS NULL) AS linked_by
        FROM unnest($1::text[], $2::text[]) AS u(store, sku)
        JOIN variants v ON v.store = u.store AND left(v.sku, 255) = left(u.sku, 255) AND v.sku = u.sku
        WHERE v.sku IS NOT NULL";

    // The platform's product stays known of a link that is retired, or made without it.
    const WRITE: ByKey(text[], text[], text[], text[], text[]) = "
        INSERT INTO links AS l (tenant, connection, kind, external, internal, retired_at, is_instructed, product)
        SELECT c.tenant, u.connection, u.kind, u.external, coalesce(u.internal, ''),
            CASE WHEN u.internal IS NULL THEN now() END, u.kind = 'location', u.product
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
            AS u(connection, kind, external, internal, product)
        JOIN connections c ON c.id = u.connection
        ON CONFLICT (connection, kind, external) DO UPDATE
        SET internal = CASE WHEN excluded.internal = '' THEN l.internal ELSE excluded.internal END,
            retired_at = excluded.retired_at,
            product = coalesce(excluded.product, l.product)";
}
