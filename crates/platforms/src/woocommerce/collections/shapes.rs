//! Listed objects in the shapes of their webhooks and readings, without personal data that isn't mapped and without what
//! differs between two replies that show the same.

use super::{List, object, place::Variable};
use crate::{
    Listed,
    woocommerce::{
        LEVEL_READ, PRODUCT_READ, VARIATIONS_READ,
        kind::Kind,
        reader::{mapped_fields, variations_body},
    },
};
use serde_json::{Map, Value, json};

/// The fields of a product that stay behind: a random list, links, and whatever plugins keep.
const PRODUCT_FIELDS_LEFT: [&str; 5] =
    ["related_ids", "meta_data", "_links", "yoast_head", "yoast_head_json"];

/// The fields of an order that stay behind: people, their addresses and devices, and whatever plugins keep.
const ORDER_FIELDS_LEFT: [&str; 10] = [
    "billing",
    "shipping",
    "customer_ip_address",
    "customer_user_agent",
    "customer_note",
    "order_key",
    "cart_hash",
    "payment_url",
    "meta_data",
    "_links",
];

/// The fields of a customer that are kept.
const CUSTOMER_FIELDS: [&str; 7] =
    ["id", "email", "first_name", "last_name", "role", "date_created_gmt", "date_modified_gmt"];

/// The fields of a product that its level is.
const LEVEL_FIELDS: [&str; 3] = ["manage_stock", "stock_quantity", "date_modified_gmt"];

/// The id of a row as text; empty if it has none.
pub(super) fn id(row: &Value) -> String {
    let id = row.get("id").and_then(Value::as_u64).filter(|id| *id > 0);
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// The object that a row is. What is in the trash isn't accounted for; neither is a product whose stock is that of its
/// variations listed for its level.
pub(super) fn listed(list: List, row: &Value, is_trash: bool) -> Option<Listed> {
    let key = if is_trash { String::new() } else { id(row) };
    let object = match list {
        List::Products => object(PRODUCT_READ, &without(row, &PRODUCT_FIELDS_LEFT)),
        List::Customers => object("customer.updated", &customer(row)),
        List::Orders => object("order.updated", &without(row, &ORDER_FIELDS_LEFT)),
        List::Levels => {
            let kind = Kind::of(row.get("type"), row.get("variations"));
            return (kind == Kind::Simple && !key.is_empty()).then(|| level(key, row));
        }
    };
    Some(Listed { key, object })
}

/// The level of a variation; none of one that is in the trash.
pub(super) fn level_of_variation(product: u64, row: &Value) -> Option<Listed> {
    let id = id(row);
    let is_trashed = row.get("status").and_then(Value::as_str) == Some("trash");
    (!is_trashed && !id.is_empty()).then(|| level(format!("{product}-{id}"), row))
}

fn level(item: String, row: &Value) -> Listed {
    let mut body = with(row, &LEVEL_FIELDS);
    body["item"] = item.as_str().into();
    Listed { key: item, object: object(LEVEL_READ, &body) }
}

/// A page of the variations of a product, in the shape of the reading that a webhook of the product leads to.
pub(super) fn variations(product: &Variable, page: u64, total: Option<u64>, rows: &[Value]) -> Listed {
    let is_complete = u64::try_from(rows.len()).is_ok_and(|count| total == Some(count));
    let rows: Vec<Value> = rows.iter().map(mapped_fields).collect();
    let body = variations_body(product.id, (&product.sku, &product.date_modified_gmt), is_complete, &rows);
    Listed { key: format!("{}/{page}", product.id), object: object(VARIATIONS_READ, &body) }
}

/// A customer, of whose address the telephone number alone is mapped.
fn customer(row: &Value) -> Value {
    let mut kept = with(row, &CUSTOMER_FIELDS);
    if let Some(phone) = row.pointer("/billing/phone") {
        kept["billing"] = json!({ "phone": phone });
    }
    kept
}

fn with(row: &Value, names: &[&str]) -> Value {
    let kept = names.iter().filter_map(|name| Some(((*name).to_owned(), row.get(name)?.clone())));
    Value::Object(kept.collect::<Map<_, _>>())
}

fn without(row: &Value, names: &[&str]) -> Value {
    let Some(fields) = row.as_object() else { return row.clone() };
    let kept = fields.iter().filter(|(name, _)| !names.contains(&name.as_str()));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}
