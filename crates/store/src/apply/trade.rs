//! Orders and customers.

use super::together::{Loads, Writes};
use crate::{
    StoreError,
    columns::{id, id_or_null, json, time_or_null},
    personal::{self, PersonalOfCustomer},
    row::Row as _,
    statement::{Bound, Session, query, statements},
};
use model::{
    ConnectionId, Customer, CustomerId, ExternalId, OrderId, Timestamp, VersionNumber,
    record::{CustomerRow, Erasure, Facts, OrderRow},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio_postgres::Row;

pub(super) fn orders(loads: &mut Loads, keys: &BTreeSet<OrderId>) {
    let statement = query(LOCK_ORDERS).bind(keys.iter().map(OrderId::as_str).collect::<Vec<_>>());
    loads.add(statement, |row, facts| {
        let order = OrderRow {
            id: id(row, "id")?,
            tenant: id(row, "tenant")?,
            store: id(row, "store")?,
            connection: id(row, "connection")?,
            version: row.value::<Option<i64>>("version")?.map(VersionNumber),
            order: row.json("body")?,
        };
        facts.orders.insert(order.id.clone(), order);
        Ok(())
    });
}

pub(super) fn write_orders(orders: &BTreeMap<OrderId, OrderRow>) -> Result<Bound, StoreError> {
    let rows = || orders.values();
    Ok(query(WRITE_ORDERS)
        .bind(rows().map(|row| row.id.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.tenant.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.store.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.connection.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.order.external.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.version.map(|version| version.0)).collect::<Vec<_>>())
        .bind(rows().map(|row| row.order.status.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.order.total.map(|total| total.minor)).collect::<Vec<_>>())
        .bind(rows().map(|row| row.order.total.map(|total| total.currency.to_string())).collect::<Vec<_>>())
        .bind(rows().map(|row| row.order.refund_of.is_some()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.order.placed_at.map(Timestamp::as_chrono)).collect::<Vec<_>>())
        .bind(rows().map(|row| row.order.closed_at.map(Timestamp::as_chrono)).collect::<Vec<_>>())
        .bind(rows().map(|row| json(&row.order)).collect::<Result<Vec<_>, _>>()?))
}

pub(super) fn customers(loads: &mut Loads, keys: &BTreeSet<CustomerId>) {
    let statement = query(LOCK_CUSTOMERS).bind(keys.iter().map(CustomerId::as_str).collect::<Vec<_>>());
    loads.add(statement, keep_customer);
}

fn keep_customer(row: &Row, facts: &mut Facts) -> Result<(), StoreError> {
    let customer = read_customer(row)?;
    facts.customers.insert(customer.id.clone(), customer);
    Ok(())
}

fn read_customer(row: &Row) -> Result<CustomerRow, StoreError> {
    let PersonalOfCustomer { first_name, last_name, email, phone } = personal::read(row)?;
    Ok(CustomerRow {
        id: id(row, "id")?,
        tenant: id(row, "tenant")?,
        store: id(row, "store")?,
        connection: id(row, "connection")?,
        version: row.value::<Option<i64>>("version")?.map(VersionNumber),
        customer: Customer {
            external: id(row, "external")?,
            first_name,
            last_name,
            email,
            phone,
            tags: row.json_or_null("tags")?,
            merged_into: id_or_null(row, "merged_into")?,
        },
        deleted_at: time_or_null(row, "deleted_at")?,
    })
}

pub(super) fn write_customers(customers: &BTreeMap<CustomerId, CustomerRow>) -> Result<Bound, StoreError> {
    let rows = || customers.values();
    let personal = |row: &CustomerRow| {
        let Customer { first_name, last_name, email, phone, .. } = row.customer.clone();
        json(&PersonalOfCustomer { first_name, last_name, email, phone })
    };
    let tags = |row: &CustomerRow| row.customer.tags.as_ref().map(json).transpose();
    Ok(query(WRITE_CUSTOMERS)
        .bind(rows().map(|row| row.id.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.tenant.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.store.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.connection.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.customer.external.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.version.map(|version| version.0)).collect::<Vec<_>>())
        .bind(rows().map(personal).collect::<Result<Vec<_>, _>>()?)
        .bind(rows().map(tags).collect::<Result<Vec<_>, _>>()?)
        .bind(rows().map(|row| row.customer.merged_into.as_ref().map(ExternalId::as_str)).collect::<Vec<_>>())
        .bind(rows().map(|row| row.deleted_at.map(Timestamp::as_chrono)).collect::<Vec<_>>()))
}

/// Number of customers that one statement erases.
const ERASED_MAX: i64 = 1_000;

/// Erases the next customers of a connection after `after`, except those among `decided`: at most [`ERASED_MAX`].
/// Returns the key after which the next ones begin; `None` if there are no more.
pub(super) async fn erase_customers(
    session: &mut Session,
    limit: Duration,
    of: (&ConnectionId, Erasure),
    after: &str,
    decided: &BTreeMap<CustomerId, CustomerRow>,
) -> Result<Option<String>, StoreError> {
    let mut loads = Loads::default();
    customers_after(&mut loads, of.0, after);
    let mut found = Facts::default();
    loads.send(session, limit, &mut found).await?;
    let last = found.customers.keys().next_back().map(CustomerId::to_string);
    let mut erased = BTreeMap::new();
    for (id, row) in found.customers {
        if !decided.contains_key(&id) {
            let without = row.erased(of.1);
            if without != row {
                erased.insert(id, without);
            }
        }
    }
    if !erased.is_empty() {
        let mut writes = Writes::default();
        writes.add(write_customers(&erased)?);
        writes.send(session, limit).await?;
    }
    Ok(last)
}

/// Loads and locks the customers of a connection after a key: at most [`ERASED_MAX`].
fn customers_after(loads: &mut Loads, connection: &ConnectionId, after: &str) {
    let statement = query(LOCK_NEXT_CUSTOMERS).bind(connection.as_str()).bind(after).bind(ERASED_MAX);
    loads.add(statement, keep_customer);
}

statements! {
    const LOCK_ORDERS: ByKey(text[]) =
        "SELECT o.* FROM orders o WHERE o.id = ANY($1) ORDER BY o.id FOR NO KEY UPDATE";

    const WRITE_ORDERS: ByKey(
        text[], text[], text[], text[], text[], int8[], text[], int8[], text[], bool[], timestamptz[],
        timestamptz[], text[]
    ) = "
        INSERT INTO orders (id, tenant, store, connection, external, version, status, total_minor, total_currency,
            is_refund, placed_at, closed_at, body)
        SELECT id, tenant, store, connection, external, version, status, total_minor, total_currency, is_refund,
            placed_at, closed_at, body::jsonb
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::text[], $8::int8[],
                $9::text[], $10::bool[], $11::timestamptz[], $12::timestamptz[], $13::text[])
            AS u(id, tenant, store, connection, external, version, status, total_minor, total_currency, is_refund,
                placed_at, closed_at, body)
        ON CONFLICT (id) DO UPDATE
        SET version = excluded.version, status = excluded.status, total_minor = excluded.total_minor,
            total_currency = excluded.total_currency, is_refund = excluded.is_refund, placed_at = excluded.placed_at,
            closed_at = excluded.closed_at, body = excluded.body";

    const LOCK_CUSTOMERS: ByKey(text[]) =
        "SELECT c.* FROM customers c WHERE c.id = ANY($1) ORDER BY c.id FOR NO KEY UPDATE";

    const WRITE_CUSTOMERS: ByKey(
        text[], text[], text[], text[], text[], int8[], text[], text[], text[], timestamptz[]
    ) = "
        INSERT INTO customers (id, tenant, store, connection, external, version, personal, tags, merged_into,
            deleted_at)
        SELECT id, tenant, store, connection, external, version, personal::jsonb, tags::jsonb, merged_into, deleted_at
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::text[], $8::text[],
                $9::text[], $10::timestamptz[])
            AS u(id, tenant, store, connection, external, version, personal, tags, merged_into, deleted_at)
        ON CONFLICT (id) DO UPDATE
        SET version = excluded.version, personal = excluded.personal, tags = excluded.tags,
            merged_into = excluded.merged_into, deleted_at = excluded.deleted_at";

    const LOCK_NEXT_CUSTOMERS: ByKey(text, text, int8) =
        "SELECT c.* FROM customers c WHERE c.connection = $1 AND c.id > $2 ORDER BY c.id LIMIT $3 FOR NO KEY UPDATE";
}
