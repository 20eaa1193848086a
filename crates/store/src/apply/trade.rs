//! Orders and customers.

use crate::{
    StoreError,
    columns::{id, id_or_null, json, time_or_null, unreadable},
    statement::{query, statements},
};
use model::{
    ConnectionId, Customer, CustomerId, ExternalId, Order, OrderId, Patch, Timestamp, VersionNumber,
    record::{CustomerRow, Erasure, Facts, OrderRow},
};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row as _, postgres::PgRow, types::Json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn orders(
    connection: &mut PgConnection,
    keys: &BTreeSet<OrderId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = query(LOCK_ORDERS)
        .bind(keys.iter().map(OrderId::as_str).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    for row in &rows {
        let order = OrderRow {
            id: id(row, "id")?,
            tenant: id(row, "tenant")?,
            store: id(row, "store")?,
            connection: id(row, "connection")?,
            version: row.try_get::<Option<i64>, _>("version")?.map(VersionNumber),
            order: row.try_get::<Json<Order>, _>("body")?.0,
        };
        facts.orders.insert(order.id.clone(), order);
    }
    Ok(())
}

pub(super) async fn write_orders(
    connection: &mut PgConnection,
    orders: &BTreeMap<OrderId, OrderRow>,
) -> Result<(), StoreError> {
    let rows = || orders.values();
    query(WRITE_ORDERS)
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
        .bind(rows().map(|row| json(&row.order)).collect::<Result<Vec<_>, _>>()?)
        .execute(connection)
        .await?;
    Ok(())
}

/// The personal fields of a customer as the database stores them: a field that was never reported is missing, one that
/// is empty on purpose is null.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Personal {
    #[serde(skip_serializing_if = "never_reported", with = "reported")]
    first_name: Patch<String>,
    #[serde(skip_serializing_if = "never_reported", with = "reported")]
    last_name: Patch<String>,
    #[serde(skip_serializing_if = "never_reported", with = "reported")]
    email: Patch<String>,
    #[serde(skip_serializing_if = "never_reported", with = "reported")]
    phone: Patch<String>,
}

fn never_reported(field: &Patch<String>) -> bool {
    matches!(field, Patch::Keep)
}

mod reported {
    use model::Patch;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(field: &Patch<String>, serializer: S) -> Result<S::Ok, S::Error> {
        field.set().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Patch<String>, D::Error> {
        Option::deserialize(deserializer).map(Patch::present)
    }
}

pub(super) async fn customers(
    connection: &mut PgConnection,
    keys: &BTreeSet<CustomerId>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let rows = query(LOCK_CUSTOMERS)
        .bind(keys.iter().map(CustomerId::as_str).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    for row in &rows {
        let customer = read_customer(row)?;
        facts.customers.insert(customer.id.clone(), customer);
    }
    Ok(())
}

fn read_customer(row: &PgRow) -> Result<CustomerRow, StoreError> {
    // The JSON error would quote personal data.
    let personal: Json<Personal> = row.try_get("personal").map_err(|_| unreadable("personal"))?;
    let Personal { first_name, last_name, email, phone } = personal.0;
    let tags: Option<Json<Vec<String>>> = row.try_get("tags")?;
    Ok(CustomerRow {
        id: id(row, "id")?,
        tenant: id(row, "tenant")?,
        store: id(row, "store")?,
        connection: id(row, "connection")?,
        version: row.try_get::<Option<i64>, _>("version")?.map(VersionNumber),
        customer: Customer {
            external: id(row, "external")?,
            first_name,
            last_name,
            email,
            phone,
            tags: tags.map(|tags| tags.0),
            merged_into: id_or_null(row, "merged_into")?,
        },
        deleted_at: time_or_null(row, "deleted_at")?,
    })
}

pub(super) async fn write_customers(
    connection: &mut PgConnection,
    customers: &BTreeMap<CustomerId, CustomerRow>,
) -> Result<(), StoreError> {
    let rows = || customers.values();
    let personal = |row: &CustomerRow| {
        let Customer { first_name, last_name, email, phone, .. } = row.customer.clone();
        json(&Personal { first_name, last_name, email, phone })
    };
    let tags = |row: &CustomerRow| row.customer.tags.as_ref().map(json).transpose();
    query(WRITE_CUSTOMERS)
        .bind(rows().map(|row| row.id.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.tenant.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.store.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.connection.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.customer.external.as_str()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.version.map(|version| version.0)).collect::<Vec<_>>())
        .bind(rows().map(personal).collect::<Result<Vec<_>, _>>()?)
        .bind(rows().map(tags).collect::<Result<Vec<_>, _>>()?)
        .bind(rows().map(|row| row.customer.merged_into.as_ref().map(ExternalId::as_str)).collect::<Vec<_>>())
        .bind(rows().map(|row| row.deleted_at.map(Timestamp::as_chrono)).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Number of customers that one statement erases.
const ERASED_MAX: i64 = 1_000;

/// Erases the next customers of a connection after `after`, except those among `decided`: at most [`ERASED_MAX`].
/// Returns the key after which the next ones begin; `None` if there are no more.
pub(super) async fn erase_customers(
    connection: &mut PgConnection,
    of: (&ConnectionId, Erasure),
    after: &str,
    decided: &BTreeMap<CustomerId, CustomerRow>,
) -> Result<Option<String>, StoreError> {
    let rows = query(LOCK_NEXT_CUSTOMERS)
        .bind(of.0.as_str())
        .bind(after)
        .bind(ERASED_MAX)
        .fetch_all(&mut *connection)
        .await?;
    let found = rows.iter().map(read_customer).collect::<Result<Vec<_>, _>>()?;
    let last = found.last().map(|row| row.id.to_string());
    let mut erased = BTreeMap::new();
    for row in found.iter().filter(|row| !decided.contains_key(&row.id)) {
        let without = row.erased(of.1);
        if without != *row {
            erased.insert(row.id.clone(), without);
        }
    }
    if !erased.is_empty() {
        write_customers(connection, &erased).await?;
    }
    Ok(last)
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
