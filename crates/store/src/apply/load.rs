//! Loads of a batch: one statement for each kind of row, over the whole set of keys; none for an empty set.

use super::{catalog, links, stock, trade};
use crate::{
    StoreError,
    columns::{currency, hash_id, id, position},
    statement::{query, statements},
};
use model::{
    BaselineRule, ConflictKind, ConnectionId, EventId, ExternalId, PlatformName, StoreId,
    record::{ConnectionFacts, Facts, FirstKeys, RowKeys},
};
use sqlx::{PgConnection, Row as _, types::Json};
use std::collections::BTreeSet;

pub(super) async fn first(
    connection: &mut PgConnection,
    keys: &FirstKeys,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    // The stores first: a transaction that waited for another batch of a store must see everything that
    // the batch wrote.
    if !keys.stores.is_empty() {
        stores(&mut *connection, &keys.stores, facts).await?;
    }
    if !keys.events.is_empty() {
        seen(&mut *connection, &keys.events, facts).await?;
    }
    if !keys.links.is_empty() {
        links::load(&mut *connection, &keys.links, facts).await?;
    }
    if !keys.linking.is_empty() {
        links::of_connections(&mut *connection, &keys.linking, facts).await?;
    }
    if !keys.skus.is_empty() {
        links::numbers(&mut *connection, &keys.skus, facts).await?;
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
    if !keys.items.is_empty() {
        stock::item_mirrors(connection, &keys.items, facts).await?;
    }
    if !keys.contacts.is_empty() {
        stock::contact_mirrors(connection, &keys.contacts, facts).await?;
    }
    if !keys.waiting.is_empty() {
        stock::waiting_mirrors(connection, &keys.waiting, facts).await?;
    }
    if !keys.links.is_empty() {
        links::of_items(connection, &keys.links, facts).await?;
    }
    if !keys.products_of.is_empty() {
        links::of_products(connection, &keys.products_of, facts).await?;
    }
    if !keys.levels.is_empty() {
        stock::levels(connection, &keys.levels, facts).await?;
    }
    if !keys.products.is_empty() {
        catalog::products(connection, &keys.products, facts).await?;
    }
    if !keys.variants.is_empty() {
        catalog::variants(connection, &keys.variants, facts).await?;
        links::linked_by(connection, &keys.variants, facts).await?;
    }
    if !keys.orders.is_empty() {
        trade::orders(connection, &keys.orders, facts).await?;
    }
    if !keys.customers.is_empty() {
        trade::customers(connection, &keys.customers, facts).await?;
    }
    Ok(())
}

/// Locks the stores and loads the set-up of their connections: a first contact of one connection concerns the others.
async fn stores(
    connection: &mut PgConnection,
    keys: &BTreeSet<StoreId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = query(LOCK_STORES)
        .bind(keys.iter().map(StoreId::as_str).collect::<Vec<_>>())
        .bind(ConflictKind::ENDED_BY_REPORTS.map(ConflictKind::as_str).as_slice())
        .fetch_all(connection)
        .await?;
    for row in &rows {
        facts.stores.insert(id(row, "id")?, row.try_get("last_sequence")?);
        let code: Option<&str> = row.try_get("currency")?;
        let store_currency = code.map(|code| currency(code, "currency")).transpose()?;
        let found: Option<Json<Vec<ConnectionColumns>>> = row.try_get("connections")?;
        for found in found.into_iter().flat_map(|found| found.0) {
            let set_up = ConnectionFacts {
                currency: store_currency,
                baseline: found.baseline,
                platform: Some(found.platform),
                decimals: None,
                ignored_locations: found.ignored_locations,
                open: found.open.iter().filter_map(|kind| ConflictKind::parse(kind)).collect(),
            };
            facts.connections.insert(found.id, set_up);
        }
    }
    Ok(())
}

/// A connection's columns, as JSON.
#[derive(serde::Deserialize)]
struct ConnectionColumns {
    id: ConnectionId,
    platform: PlatformName,
    baseline: BaselineRule,
    ignored_locations: BTreeSet<ExternalId>,
    open: Vec<String>,
}

async fn seen(
    connection: &mut PgConnection,
    keys: &BTreeSet<(ConnectionId, EventId)>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = query(ENDED)
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

statements! {
    const LOCK_STORES: ByKey(text[], text[]) = "
        SELECT s.id, s.last_sequence, s.currency,
            (SELECT jsonb_agg(jsonb_build_object('id', c.id, 'platform', c.platform, 'baseline', c.baseline,
                                                 'ignored_locations', c.ignored_locations, 'open',
                    (SELECT coalesce(jsonb_agg(k.kind), '[]') FROM unnest($2::text[]) AS k(kind)
                     WHERE EXISTS (SELECT FROM conflicts o
                                   WHERE o.store = c.store AND o.connection = c.id AND o.kind = k.kind
                                       AND o.resolved_at IS NULL AND o.subject <> ''))))
             FROM connections c WHERE c.store = s.id) AS connections
        FROM stores s WHERE s.id = ANY($1) ORDER BY s.id FOR NO KEY UPDATE OF s";

    const ENDED: ByKey(text[], bytea[]) = "
        SELECT e.connection, e.event_id, e.outcome = 'dead' AS dead, e.raw_sequence, e.delivery_index, e.event_index
        FROM unnest($1::text[], $2::bytea[]) AS u(connection, event_id)
        JOIN event_outcomes e USING (connection, event_id)";
}
