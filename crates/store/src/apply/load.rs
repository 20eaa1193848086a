//! Loading: one statement for each kind of row, over the whole set of keys; none for an empty set.

use super::{catalog, stock, trade};
use crate::{
    StoreError,
    columns::{hash_id, id, position, unreadable},
    links,
};
use model::{
    ConnectionId, EventId, StoreId,
    record::{Facts, FirstKeys, RowKeys, SkuMatch},
};
use sqlx::{PgConnection, Row as _};
use std::collections::BTreeSet;

pub(super) async fn first(
    connection: &mut PgConnection,
    keys: &FirstKeys,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    // The stores first: whoever waits for another batch of a store must see all that it wrote.
    if !keys.stores.is_empty() {
        stores(connection, &keys.stores, facts).await?;
    }
    if !keys.events.is_empty() {
        seen(connection, &keys.events, facts).await?;
    }
    if !keys.links.is_empty() {
        let rows = links::select(&keys.links).fetch_all(&mut *connection).await?;
        facts.links.extend(links::read(&rows)?);
    }
    if !keys.skus.is_empty() {
        skus(connection, &keys.skus, facts).await?;
    }
    Ok(())
}

pub(super) async fn rows(
    connection: &mut PgConnection,
    keys: &RowKeys,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    if !keys.mirrors.is_empty() {
        stock::mirrors(connection, &keys.mirrors, facts).await?;
    }
    if !keys.item_mirrors.is_empty() {
        stock::item_mirrors(connection, &keys.item_mirrors, facts).await?;
    }
    if !keys.levels.is_empty() {
        stock::levels(connection, &keys.levels, facts).await?;
    }
    if !keys.products.is_empty() {
        catalog::products(connection, &keys.products, facts).await?;
    }
    if !keys.variants.is_empty() {
        catalog::variants(connection, &keys.variants, facts).await?;
    }
    if !keys.orders.is_empty() {
        trade::orders(connection, &keys.orders, facts).await?;
    }
    if !keys.customers.is_empty() {
        trade::customers(connection, &keys.customers, facts).await?;
    }
    Ok(())
}

async fn stores(
    connection: &mut PgConnection,
    keys: &BTreeSet<StoreId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT s.id, s.last_sequence FROM stores s WHERE s.id = ANY($1) ORDER BY s.id FOR NO KEY UPDATE",
    )
    .bind(keys.iter().map(StoreId::as_str).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    for row in &rows {
        facts.stores.insert(id(row, "id")?, row.try_get("last_sequence")?);
    }
    Ok(())
}

async fn seen(
    connection: &mut PgConnection,
    keys: &BTreeSet<(ConnectionId, EventId)>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT e.connection, e.event_id, e.outcome = 'dead' AS dead, e.raw_sequence, e.delivery_index, e.event_index
         FROM unnest($1::text[], $2::bytea[]) AS u(connection, event_id)
         JOIN endings e USING (connection, event_id)",
    )
    .bind(keys.iter().map(|(connection, _)| connection.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, event)| event.as_bytes().as_slice()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let found = if row.try_get("dead")? { &mut facts.dead } else { &mut facts.seen };
        found.insert((id(row, "connection")?, hash_id(row, "event_id")?), position::<i32>(row)?);
    }
    Ok(())
}

/// A number that two variants of the store have matches none of them.
async fn skus(
    connection: &mut PgConnection,
    keys: &BTreeSet<(StoreId, String)>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT found.*, ARRAY(SELECT DISTINCT l.connection FROM links l
                               WHERE l.internal = found.variant AND l.kind = 'variant') AS linked_by
         FROM (SELECT v.store, v.sku, min(v.id) AS variant, min(v.product) AS product
               FROM unnest($1::text[], $2::text[]) AS u(store, sku)
               JOIN variants v ON v.store = u.store AND left(v.sku, 255) = left(u.sku, 255) AND v.sku = u.sku
               WHERE v.sku IS NOT NULL
               GROUP BY v.store, v.sku
               HAVING count(*) = 1) AS found",
    )
    .bind(keys.iter().map(|(store, _)| store.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, sku)| sku.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let linked_by: Vec<String> = row.try_get("linked_by")?;
        let linked_by = linked_by.into_iter().map(ConnectionId::try_from).collect::<Result<_, _>>();
        let found = SkuMatch {
            variant: id(row, "variant")?,
            product: id(row, "product")?,
            linked_by: linked_by.map_err(|_| unreadable("linked_by"))?,
        };
        facts.skus.insert((id(row, "store")?, row.try_get("sku")?), found);
    }
    Ok(())
}
