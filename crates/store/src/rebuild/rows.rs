//! Rows as the events produce them, as JSON by column.

use super::tables::Row;
use model::{
    LocationId, Money, ProductStatus, Quantity, StoreId, TenantId, Timestamp, VariantId,
    record::{Clocked, Movement, OrderRow, ProductRow, PromotionRow, VariantRow},
};
use serde_json::json;

pub(super) fn movement(line: &Movement) -> Row {
    Row {
        key: format!("{} {} {}", line.sequence, line.variant, line.location),
        columns: json!({
            "tenant": line.tenant, "store": line.store, "sequence": line.sequence, "variant": line.variant,
            "location": line.location, "delta": line.delta, "level": line.level,
            "reason": line.reason.as_str(), "connection": line.connection, "at": time(line.at),
        }),
    }
}

pub(super) fn level(
    tenant: &TenantId,
    store: &StoreId,
    (variant, location): &(VariantId, LocationId),
    quantity: Quantity,
) -> Row {
    Row {
        key: format!("{variant} {location}"),
        columns: json!({
            "tenant": tenant, "store": store, "variant": variant, "location": location, "quantity": quantity,
        }),
    }
}

pub(super) fn product(row: &ProductRow) -> Row {
    Row {
        key: row.id.to_string(),
        columns: json!({
            "id": row.id, "tenant": row.tenant, "store": row.store,
            "title": value(row.title.as_ref()), "title_at": clock(row.title.as_ref()),
            "description": value(row.description.as_ref()), "description_at": clock(row.description.as_ref()),
            "vendor": value(row.vendor.as_ref()), "vendor_at": clock(row.vendor.as_ref()),
            "category": value(row.category.as_ref()), "category_at": clock(row.category.as_ref()),
            "status": value(row.status.as_ref()).map(|status: &ProductStatus| status.as_str()),
            "status_at": clock(row.status.as_ref()),
            "tags": value(row.tags.as_ref()), "tags_at": clock(row.tags.as_ref()),
            "details": (!row.details.is_unknown()).then_some(&row.details),
            "deleted_at": row.deleted_at.map(time),
        }),
    }
}

pub(super) fn variant(row: &VariantRow) -> Row {
    let price = value(row.price.as_ref()).copied();
    let compared = value(row.compare_at_price.as_ref()).copied().flatten();
    Row {
        key: row.id.to_string(),
        columns: json!({
            "id": row.id, "tenant": row.tenant, "store": row.store, "product": row.product,
            "title": value(row.title.as_ref()), "title_at": clock(row.title.as_ref()),
            "sku": value(row.sku.as_ref()), "sku_at": clock(row.sku.as_ref()),
            "barcode": value(row.barcode.as_ref()), "barcode_at": clock(row.barcode.as_ref()),
            "price_minor": minor(price), "price_currency": currency(price), "price_at": clock(row.price.as_ref()),
            "compare_at_price_minor": minor(compared), "compare_at_price_currency": currency(compared),
            "compare_at_price_at": clock(row.compare_at_price.as_ref()),
            "details": (!row.details.is_unknown()).then_some(&row.details),
        }),
    }
}

pub(super) fn order(row: &OrderRow) -> Row {
    let order = &row.order;
    Row {
        key: row.id.to_string(),
        columns: json!({
            "id": row.id, "tenant": row.tenant, "store": row.store, "connection": row.connection,
            "external": order.external, "version": row.version, "status": order.status.as_str(),
            "total_minor": minor(order.total), "total_currency": currency(order.total),
            "is_refund": order.refund_of.is_some(),
            "placed_at": order.placed_at.map(time), "closed_at": order.closed_at.map(time), "body": order,
        }),
    }
}

pub(super) fn promotion(row: &PromotionRow) -> Row {
    let promotion = &row.promotion;
    Row {
        key: row.id.to_string(),
        columns: json!({
            "id": row.id, "tenant": row.tenant, "store": row.store, "connection": row.connection,
            "external": promotion.external, "version": row.version, "name": promotion.name,
            "is_on": promotion.is_on, "body": promotion, "deleted_at": row.deleted_at.map(time),
            "is_active": row.activity.is_some_and(|activity| activity.is_active),
            "active_since": row.activity.map(|activity| time(activity.since)), "watched_from": time(row.watched_from),
        }),
    }
}

fn value<T>(field: Option<&Clocked<T>>) -> Option<&T> {
    field.map(|field| &field.value)
}

fn clock<T>(field: Option<&Clocked<T>>) -> Option<String> {
    field.map(|field| time(field.at))
}

fn time(at: Timestamp) -> String {
    at.to_string()
}

fn minor(money: Option<Money>) -> Option<i64> {
    money.map(|money| money.minor)
}

fn currency(money: Option<Money>) -> Option<String> {
    money.map(|money| money.currency.to_string())
}
