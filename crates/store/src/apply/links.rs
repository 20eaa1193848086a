//! Links from platforms' ids to the store's own ids. A retired link keeps its target and is no longer found.

use crate::{
    LISTED_ROWS, StoreError,
    columns::{id, signed},
    statement::{query, statements},
};
use model::{
    ConnectionId, ExternalId, LinkKind, ProductId, StoreId, VariantId,
    record::{Changed, ExternalKey, Facts, Links, SkuCandidate},
};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use std::collections::{BTreeMap, BTreeSet};

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

/// Loads the live links of those keys.
pub(super) async fn load(
    connection: &mut PgConnection,
    keys: &Links<()>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let products = keys.products.keys().map(|key| (LinkKind::Product, key));
    let variants = keys.variants.keys().map(|key| (LinkKind::Variant, key));
    let items = keys.items.keys().map(|key| (LinkKind::Item, key));
    let locations = keys.locations.keys().map(|key| (LinkKind::Location, key));
    let keys = Keys::of(products.chain(variants).chain(items).chain(locations));
    let rows = query(LIVE)
        .bind(keys.connections)
        .bind(keys.kinds)
        .bind(keys.externals)
        .fetch_all(connection)
        .await?;
    rows.iter().try_for_each(|row| keep(row, facts))
}

/// Loads the live links of those items.
pub(super) async fn of_items(
    connection: &mut PgConnection,
    keys: &BTreeSet<ExternalKey>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let items = keys.iter().map(|key| (key.clone(), ())).collect();
    load(connection, &Links { items, ..Links::default() }, facts).await
}

/// Loads every live location link of those connections, their item links (at most [`LISTED_ROWS`] of each), and the
/// locations of their stores.
pub(super) async fn of_connections(
    connection: &mut PgConnection,
    keys: &BTreeSet<ConnectionId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let ids: Vec<&str> = keys.iter().map(ConnectionId::as_str).collect();
    let rows =
        query(LIVE_OF_CONNECTIONS).bind(ids.clone()).bind(LISTED_ROWS).fetch_all(&mut *connection).await?;
    rows.iter().try_for_each(|row| keep(row, facts))?;
    let rows = query(LOCATIONS_OF).bind(ids).fetch_all(connection).await?;
    for row in &rows {
        facts.locations.entry(id(row, "store")?).or_default().insert(id(row, "id")?);
    }
    Ok(())
}

/// Loads every live link to those products and to their variants, both as sold (variant) and as counted (item).
pub(super) async fn of_products(
    connection: &mut PgConnection,
    keys: &BTreeSet<ProductId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = query(LIVE_OF_PRODUCTS)
        .bind(keys.iter().map(ProductId::as_str).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    rows.iter().try_for_each(|row| keep(row, facts))
}

fn keep(row: &PgRow, facts: &mut Facts) -> Result<(), StoreError> {
    let key = (id::<ConnectionId>(row, "connection")?, id::<ExternalId>(row, "external")?);
    match row.try_get("kind")? {
        "product" => drop(facts.links.products.insert(key, id(row, "internal")?)),
        "variant" => drop(facts.links.variants.insert(key, id(row, "internal")?)),
        "item" => drop(facts.links.items.insert(key, id(row, "internal")?)),
        "location" => drop(facts.links.locations.insert(key, id(row, "internal")?)),
        _ => {}
    }
    Ok(())
}

/// Loads the connections that link each of those variants.
pub(super) async fn linked_by(
    connection: &mut PgConnection,
    keys: &BTreeSet<VariantId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = query(LINKED_BY)
        .bind(keys.iter().map(VariantId::as_str).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    for row in &rows {
        facts.linked_by.insert(id(row, "variant")?, connections(row)?);
    }
    Ok(())
}

/// Loads every variant that has one of those numbers.
pub(super) async fn numbers(
    connection: &mut PgConnection,
    keys: &BTreeSet<(StoreId, String)>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = query(BY_SKU)
        .bind(keys.iter().map(|(store, _)| store.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, sku)| sku.as_str()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    for row in &rows {
        let candidate = SkuCandidate { product: id(row, "product")?, linked_by: connections(row)? };
        let key = (id(row, "store")?, row.try_get("sku")?);
        facts.skus.entry(key).or_default().insert(id(row, "variant")?, candidate);
    }
    Ok(())
}

fn connections(row: &PgRow) -> Result<BTreeSet<ConnectionId>, StoreError> {
    let texts: Vec<String> = row.try_get("linked_by")?;
    let ids = texts.into_iter().map(ConnectionId::try_from).collect::<Result<_, _>>();
    ids.map_err(|_| crate::columns::unreadable("linked_by"))
}

/// Creates, changes and retires links.
pub(super) async fn write(connection: &mut PgConnection, links: &Links<Changed>) -> Result<(), StoreError> {
    let mut changes: BTreeMap<(LinkKind, &ExternalKey), Option<&str>> = BTreeMap::new();
    changes.extend(
        links.products.iter().map(|(key, to)| ((LinkKind::Product, key), to.as_ref().map(ProductId::as_str))),
    );
    for (kind, of) in [(LinkKind::Variant, &links.variants), (LinkKind::Item, &links.items)] {
        changes.extend(of.iter().map(|(key, to)| ((kind, key), to.as_ref().map(VariantId::as_str))));
    }
    let locations = links.locations.iter();
    changes.extend(locations.map(|(key, to)| ((LinkKind::Location, key), Some(to.as_str()))));
    let keys = Keys::of(changes.keys().copied());
    let written = query(WRITE)
        .bind(keys.connections)
        .bind(keys.kinds)
        .bind(keys.externals)
        .bind(changes.values().copied().collect::<Vec<_>>())
        .execute(connection)
        .await?;
    if written.rows_affected() == signed(changes.len())?.unsigned_abs() {
        Ok(())
    } else {
        Err(StoreError::refused("a link's connection isn't set up"))
    }
}

statements! {
    const LIVE: ByKey(text[], text[], text[]) = "
        SELECT l.connection, l.kind, l.external, l.internal
        FROM unnest($1::text[], $2::text[], $3::text[]) AS u(connection, kind, external)
        JOIN links l USING (connection, kind, external)
        WHERE l.retired_at IS NULL";

    const LIVE_OF_CONNECTIONS: ByKey(text[], int8) = "
        SELECT l.connection, l.kind, l.external, l.internal
        FROM unnest($1::text[]) AS u(connection)
        CROSS JOIN (VALUES ('item'), ('location')) AS k(kind)
        CROSS JOIN LATERAL (SELECT * FROM links o
                            WHERE o.connection = u.connection AND o.kind = k.kind AND o.retired_at IS NULL
                            ORDER BY o.external LIMIT $2) AS l";

    const LOCATIONS_OF: ByKey(text[]) =
        "SELECT DISTINCT l.store, l.id FROM connections c JOIN locations l ON l.store = c.store WHERE c.id = ANY($1)";

    const LIVE_OF_PRODUCTS: ByKey(text[]) = "
        SELECT l.connection, l.kind, l.external, l.internal
        FROM unnest($1::text[]) AS u(product)
        CROSS JOIN LATERAL (SELECT u.product AS id
                            UNION ALL (SELECT v.id FROM variants v WHERE v.product = u.product OFFSET 0)) AS v
        CROSS JOIN LATERAL (SELECT * FROM links k
                            WHERE k.internal = v.id AND k.kind IN ('product', 'variant', 'item')
                                AND k.retired_at IS NULL
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

    const WRITE: ByKey(text[], text[], text[], text[]) = "
        INSERT INTO links AS l (tenant, connection, kind, external, internal, retired_at, is_instructed)
        SELECT c.tenant, u.connection, u.kind, u.external, coalesce(u.internal, ''),
            CASE WHEN u.internal IS NULL THEN now() END, u.kind = 'location'
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u(connection, kind, external, internal)
        JOIN connections c ON c.id = u.connection
        ON CONFLICT (connection, kind, external) DO UPDATE
        SET internal = CASE WHEN excluded.internal = '' THEN l.internal ELSE excluded.internal END,
            retired_at = excluded.retired_at";
}
