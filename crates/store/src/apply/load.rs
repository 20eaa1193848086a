//! Loads of a batch: one statement for each kind of row, over the whole set of keys; none for an empty set.

use super::{catalog, employees, links, promotions, stock, together::Loads, trade};
use crate::{
    columns::{currency, hash_id, id, position},
    row::Row as _,
    statement::{query, statements},
};
use model::{
    BaselineRule, ConflictKind, ConnectionId, EventId, ExternalId, PlatformName, StoreId,
    record::{ConnectionFacts, FirstKeys, RowKeys},
};
use std::collections::BTreeSet;

/// Returns the loads of the facts that decide which rows are needed next.
pub(super) fn first(keys: &FirstKeys) -> Loads {
    let mut loads = Loads::default();
    // The stores first: a transaction that waited for another batch of a store must see everything that
    // the batch wrote.
    if !keys.stores.is_empty() {
        stores(&mut loads, &keys.stores);
    }
    if !keys.events.is_empty() {
        seen(&mut loads, &keys.events);
    }
    if !keys.links.is_empty() {
        links::load(&mut loads, &keys.links);
    }
    if !keys.linking.is_empty() {
        links::of_connections(&mut loads, &keys.linking);
    }
    if !keys.skus.is_empty() {
        links::numbers(&mut loads, &keys.skus);
    }
    loads
}

/// Returns the loads of the rows that a batch may change, in the order of locks.
pub(super) fn rows(keys: &RowKeys) -> Loads {
    let mut loads = Loads::default();
    if !keys.mirrors.is_empty() {
        stock::mirrors(&mut loads, &keys.mirrors);
    }
    if !keys.items.is_empty() {
        stock::item_mirrors(&mut loads, &keys.items);
    }
    if !keys.contacts.is_empty() {
        stock::contact_mirrors(&mut loads, &keys.contacts);
    }
    if !keys.waiting.is_empty() {
        stock::waiting_mirrors(&mut loads, &keys.waiting);
    }
    if !keys.links.is_empty() {
        links::of_items(&mut loads, &keys.links);
    }
    if !keys.products_of.is_empty() {
        links::of_products(&mut loads, &keys.products_of);
    }
    if !keys.listed_by.is_empty() {
        links::listed_by(&mut loads, &keys.listed_by);
    }
    if !keys.levels.is_empty() {
        stock::levels(&mut loads, &keys.levels);
    }
    if !keys.products.is_empty() {
        catalog::products(&mut loads, &keys.products);
    }
    if !keys.variants.is_empty() {
        catalog::variants(&mut loads, &keys.variants);
        links::linked_by(&mut loads, &keys.variants);
    }
    if !keys.orders.is_empty() {
        trade::orders(&mut loads, &keys.orders);
    }
    if !keys.customers.is_empty() {
        trade::customers(&mut loads, &keys.customers);
    }
    if !keys.promotions.is_empty() {
        promotions::promotions(&mut loads, &keys.promotions);
    }
    if !keys.employees.is_empty() {
        employees::employees(&mut loads, &keys.employees);
    }
    loads
}

/// Locks the stores and loads the set-up of their connections: a first contact of one connection concerns the others.
fn stores(loads: &mut Loads, keys: &BTreeSet<StoreId>) {
    let statement = query(LOCK_STORES)
        .bind(keys.iter().map(StoreId::as_str).collect::<Vec<_>>())
        .bind(ConflictKind::ENDED_BY_REPORTS.map(ConflictKind::as_str).as_slice());
    loads.add(statement, |row, facts| {
        facts.stores.insert(id(row, "id")?, row.value("last_sequence")?);
        let code: Option<&str> = row.value("currency")?;
        let store_currency = code.map(|code| currency(code, "currency")).transpose()?;
        let found: Option<Vec<ConnectionColumns>> = row.json_or_null("connections")?;
        for found in found.into_iter().flatten() {
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
        Ok(())
    });
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

fn seen(loads: &mut Loads, keys: &BTreeSet<(ConnectionId, EventId)>) {
    let statement = query(ENDED)
        .bind(keys.iter().map(|(connection, _)| connection.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, event)| event.as_bytes().as_slice()).collect::<Vec<_>>());
    loads.add(statement, |row, facts| {
        let found = if row.value("dead")? { &mut facts.dead } else { &mut facts.seen };
        found.insert((id(row, "connection")?, hash_id(row, "event_id")?), position::<i32>(row)?);
        Ok(())
    });
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
