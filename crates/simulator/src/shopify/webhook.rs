//! Webhooks: one for each topic that an act concerns, all with the act's event id.

use super::api::API_VERSION;
use super::{sign, tree};
use crate::exchange::Outgoing;
use crate::ledger::{Change, Customer, Instant, Order, Product, Variant};
use crate::notation;
use crate::platform::Unsigned;
use crate::state::State;
use bytes::Bytes;
use chrono::SecondsFormat;
use serde_json::{Value, json};

/// The shop's time zone, in hours west of Greenwich.
const HOURS_WEST: i32 = 4;
/// A change of stock also causes `products/update` in one of this many cases.
const STOCK_TOUCHES_PRODUCT_ONE_IN: u32 = 3;

pub(super) fn announce(state: &mut State, changes: &[Change], url: &str, now: Instant) -> Vec<Outgoing> {
    let event_id = state.ids.uuid();
    let mut bodies: Vec<(&str, Value)> = Vec::new();
    for change in changes {
        match change {
            Change::ProductAdded(id) => {
                bodies.extend(product(state, id).map(|body| ("products/create", body)));
                bodies.extend(product(state, id).map(|body| ("products/update", body)));
            }
            Change::ProductEdited(id) => {
                bodies.extend(product(state, id).map(|body| ("products/update", body)));
            }
            Change::ProductDeleted(id) => bodies.push(("products/delete", json!({"id": id_number(id)}))),
            Change::Connected(item, location) => {
                bodies.push(("inventory_levels/connect", level(state, item, location)));
            }
            Change::Disconnected(item, location) => {
                let body = json!({"inventory_item_id": id_number(item), "location_id": id_number(location)});
                bodies.push(("inventory_levels/disconnect", body));
            }
            Change::Cancelled(id) => {
                let body = state.ledger.order(id).map(|order| self::order(order, &state.shop.currency));
                bodies.extend(body.clone().map(|body| ("orders/cancelled", body)));
                bodies.extend(body.map(|body| ("orders/updated", body)));
            }
            Change::Refunded(id) => {
                let body = state.ledger.order(id).map(|order| self::order(order, &state.shop.currency));
                bodies.extend(body.map(|body| ("orders/updated", body)));
            }
            Change::Level(item, location) => {
                bodies.push(("inventory_levels/update", level(state, item, location)));
                bodies.extend(touched(state, changes, item, now).map(|body| ("products/update", body)));
            }
            Change::Sold(id) => {
                let body = state.ledger.order(id).map(|order| self::order(order, &state.shop.currency));
                bodies.extend(body.map(|body| ("orders/create", body)));
            }
            Change::CustomerAdded(id) => {
                let body =
                    state.ledger.customer(id).map(|customer| self::customer(customer, &state.shop.currency));
                bodies.extend(body.map(|body| ("customers/create", body)));
            }
            // There is no webhook for the staff.
            Change::Hired(_) | Change::Left(_) => {}
        }
    }
    bodies.into_iter().map(|(topic, body)| sealed(state, topic, &body, &event_id, url, now)).collect()
}

/// Touches the product of a changed level at random and returns it, unless the act already reports the product.
fn touched(state: &mut State, changes: &[Change], item: &str, now: Instant) -> Option<Value> {
    let reported = changes.iter().any(|change| matches!(change, Change::ProductAdded(_)));
    if reported || !state.ids.one_in(STOCK_TOUCHES_PRODUCT_ONE_IN) {
        return None;
    }
    let id = state.ledger.find(item)?.0.id.clone();
    state.ledger.touch(&id, now);
    product(state, &id)
}

fn sealed(state: &mut State, topic: &str, body: &Value, event_id: &str, url: &str, now: Instant) -> Outgoing {
    let body = Bytes::from(body.to_string());
    let id = state.ids.uuid();
    let mut headers = sign::headers(&Unsigned {
        account: &state.shop.account,
        secret: &state.shop.webhook_secret,
        url,
        topic,
        id: &id,
        body: &body,
    });
    headers.extend([
        ("x-shopify-api-version", API_VERSION.to_owned()),
        ("x-shopify-event-id", event_id.to_owned()),
        ("x-shopify-triggered-at", now.to_rfc3339_opts(SecondsFormat::Millis, true)),
    ]);
    Outgoing { topic: topic.to_owned(), id, headers, body, url: url.to_owned() }
}

fn local(at: Instant) -> String {
    notation::local(at, HOURS_WEST, SecondsFormat::Secs)
}

fn id_number(id: &str) -> Value {
    id.parse::<u64>().map_or(Value::Null, Value::from)
}

fn level(state: &State, item: &str, location: &str) -> Value {
    let (level, tracked) = (state.ledger.level(item, location), state.ledger.is_tracked(item));
    json!({
        "inventory_item_id": id_number(item),
        "location_id": id_number(location),
        "available": level.filter(|_| tracked).map(|level| notation::number(level.quantity())),
        "updated_at": level.map(|level| local(level.calculated_at)),
        "admin_graphql_api_id": tree::level_gid(item, location),
    })
}

fn product(state: &State, id: &str) -> Option<Value> {
    let product = state.ledger.on_sale(id)?;
    let variants = product.variants.iter().filter(|each| !each.deleted);
    let gids = variants.clone().map(|each| {
        let updated_at = each.updated_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        json!({"admin_graphql_api_id": tree::gid("ProductVariant", &each.id), "updated_at": updated_at})
    });
    let bodies = variants.clone().enumerate().map(|(index, each)| variant(state, product, each, index + 1));
    Some(json!({
        "id": id_number(id), "admin_graphql_api_id": tree::gid("Product", id),
        "title": product.title, "body_html": product.description,
        "handle": product.title.to_lowercase().replace(' ', "-"),
        "vendor": "Tillflow demo", "product_type": "", "status": "active", "tags": "", "published_scope": "web",
        "template_suffix": null, "created_at": local(product.created_at), "updated_at": local(product.updated_at),
        "published_at": local(product.created_at), "variants": bodies.collect::<Vec<_>>(),
        "options": [], "images": [], "media": [], "variant_gids": gids.collect::<Vec<_>>(),
        "has_variants_that_requires_components": false, "category": null,
    }))
}

fn variant(state: &State, product: &Product, variant: &Variant, position: usize) -> Value {
    let quantity = notation::number(state.ledger.total(&variant.item));
    json!({
        "id": id_number(&variant.id), "admin_graphql_api_id": tree::gid("ProductVariant", &variant.id),
        "product_id": id_number(&product.id), "title": variant.name,
        "price": notation::amount(variant.price_minor, &state.shop.currency), "compare_at_price": null,
        "sku": variant.sku, "barcode": variant.barcode, "position": position, "inventory_policy": "deny", "taxable": true,
        "option1": variant.name, "option2": null, "option3": null, "image_id": null,
        "inventory_item_id": id_number(&variant.item), "inventory_quantity": quantity,
        "old_inventory_quantity": quantity,
        "created_at": local(product.created_at), "updated_at": local(variant.updated_at),
    })
}

fn order(order: &Order, currency: &str) -> Value {
    let line = &order.line;
    let money = |minor| {
        let text = notation::amount(minor, currency);
        let one = json!({"amount": text, "currency_code": currency});
        (text, json!({"shop_money": one, "presentment_money": one}))
    };
    let (total, _) = money(line.total_minor());
    let (price, price_set) = money(line.price_minor);
    let quantity = notation::number(line.quantity);
    json!({
        "id": id_number(&order.id), "admin_graphql_api_id": tree::gid("Order", &order.id),
        "name": format!("#{}", order.number), "order_number": order.number, "app_id": 129_785,
        "source_name": "pos", "source_identifier": null, "currency": currency,
        "total_price": total, "subtotal_price": total, "total_tax": notation::amount(0, currency),
        "total_discounts": notation::amount(0, currency),
        "financial_status": if order.cancelled_at.or(order.refunded_at).is_some() { "refunded" } else { "paid" },
        "test": order.is_test,
        "fulfillment_status": "fulfilled", "created_at": local(order.at), "updated_at": local(order.updated_at()),
        "cancelled_at": order.cancelled_at.map(local), "closed_at": null, "location_id": id_number(&order.location),
        "line_items": [{
            "id": id_number(&line.id), "variant_id": id_number(&line.variant), "product_id": id_number(&line.product),
            "sku": line.sku, "title": line.title, "quantity": quantity, "current_quantity": quantity,
            "price": price, "price_set": price_set, "tax_lines": [],
        }],
        "refunds": order.refunded_at.map(|at| json!({"created_at": local(at)})).into_iter().collect::<Vec<_>>(),
        "customer": null,
    })
}

fn customer(customer: &Customer, currency: &str) -> Value {
    json!({
        "id": id_number(&customer.id), "admin_graphql_api_id": tree::gid("Customer", &customer.id),
        "email": customer.email, "first_name": customer.given_name, "last_name": customer.family_name,
        "phone": null, "state": "disabled", "verified_email": true, "note": null, "tax_exempt": false,
        "currency": currency, "created_at": local(customer.at), "updated_at": local(customer.at),
        "addresses": [], "default_address": null,
    })
}
