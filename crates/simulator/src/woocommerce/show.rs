//! Products, variations, orders and customers as the API and the webhooks show them.

use super::html;
use crate::ledger::{Customer, Instant, Order, Product, Variant};
use crate::notation;
use crate::state::State;
use chrono::TimeDelta;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

/// The site's time zone, in hours west of Greenwich.
pub(super) const HOURS_WEST: i64 = 3;
/// The field of a variant with its regular price while it is reduced, in the smallest unit.
pub(super) const REGULAR: &str = "regular_minor";

/// The way in which a reply shows an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// To visitors: descriptions in paragraphs, inherited values.
    View,
    /// To editors: values as they are stored.
    Edit,
}

/// A time of the site, and the same in UTC; neither names its zone.
fn times(at: Instant) -> (String, String) {
    let text = |at: Instant| at.format("%Y-%m-%dT%H:%M:%S").to_string();
    (text(at - TimeDelta::hours(HOURS_WEST)), text(at))
}

fn set_times(fields: &mut Value, name: &str, at: Option<Instant>) {
    let (local, utc) = at.map(times).unzip();
    fields[name] = json!(local);
    fields[format!("{name}_gmt")] = json!(utc);
}

pub(super) fn number(id: &str) -> Value {
    id.parse::<u64>().map_or(Value::Null, Value::from)
}

/// Returns true for a product that is its own only variant.
pub(super) fn is_simple(product: &Product) -> bool {
    matches!(&product.variants[..], [only] if only.id == product.id)
}

/// The item's quantity at the shop's one place, if it is counted.
pub(super) fn counted(state: &State, variant: &Variant) -> Option<Decimal> {
    let place = state.shop.locations.first()?;
    let level = state.ledger.level(&variant.item, place)?;
    variant.tracked.then(|| level.quantity())
}

/// The time of an object's last save: each change of its stock is one, and each end of its stocking.
fn modified(state: &State, variant: &Variant, saved: Instant) -> Instant {
    let levels = state.ledger.levels_of(&variant.item).map(|(_, level)| level.calculated_at);
    let ended = state.ledger.unstocked_at(&variant.item);
    levels.chain(ended).fold(saved.max(variant.updated_at), Instant::max)
}

/// The time of a product's last save: each save of a variation is one of its product.
pub(super) fn saved(state: &State, product: &Product) -> Instant {
    let variants = product.variants.iter();
    variants.fold(product.updated_at, |saved, variant| modified(state, variant, saved))
}

/// A product. One that was deleted is in the trash.
pub(super) fn product(state: &State, product: &Product, context: Context) -> Value {
    let simple = product.variants.first().filter(|_| is_simple(product));
    let description = match context {
        Context::View => html::shown(&product.description),
        Context::Edit => product.description.clone(),
    };
    let variations = product.variants.iter().filter(|held| simple.is_none() && !held.deleted);
    let mut shown = json!({
        "id": number(&product.id), "name": html::name(&product.title),
        "slug": product.title.to_lowercase().replace(' ', "-"),
        "permalink": format!("https://{}/?p={}", state.shop.account, product.id),
        "type": if simple.is_some() { "simple" } else { "variable" },
        "status": if product.deleted { "trash" } else { "publish" }, "featured": false, "description": description,
        "short_description": "", "parent_id": 0,
        "categories": [{"id": 15, "name": "Uncategorized", "slug": "uncategorized"}], "tags": [], "images": [],
        "attributes": [], "meta_data": [], "grouped_products": [],
        "variations": variations.map(|held| number(&held.id)).collect::<Vec<_>>(),
    });
    set_times(&mut shown, "date_created", Some(product.created_at));
    set_times(&mut shown, "date_modified", Some(saved(state, product)));
    let unsold = || {
        json!({"sku": "", "price": "", "regular_price": "", "sale_price": "", "on_sale": false, "manage_stock": false,
            "stock_quantity": null, "stock_status": "instock", "backorders": "no"})
    };
    extend(&mut shown, simple.map_or_else(unsold, |variant| sold(state, variant)));
    shown
}

/// A variation as a product of its own, as webhooks and `/products/{id}` show it.
pub(super) fn variation_as_product(state: &State, product: &Product, variant: &Variant) -> Value {
    let mut shown = variation(state, product, variant);
    let further = json!({
        "name": html::name(&format!("{} - {}", product.title, option(product, variant))), "type": "variation",
        "parent_id": number(&product.id), "slug": variant.id, "categories": [], "tags": [], "images": [],
        "variations": [], "grouped_products": [],
    });
    extend(&mut shown, further);
    shown
}

/// A variation in the list of its product.
pub(super) fn variation(state: &State, product: &Product, variant: &Variant) -> Value {
    let mut shown = json!({
        "id": number(&variant.id), "description": "",
        "status": if variant.deleted || product.deleted { "trash" } else { "publish" },
        "attributes": [{"id": 6, "name": "Size", "option": option(product, variant)}], "meta_data": [],
    });
    set_times(&mut shown, "date_created", Some(product.created_at));
    set_times(&mut shown, "date_modified", Some(modified(state, variant, variant.updated_at)));
    extend(&mut shown, sold(state, variant));
    shown
}

/// The option that makes the variation: its place among the others.
fn option(product: &Product, variant: &Variant) -> String {
    let place = product.variants.iter().position(|held| held.id == variant.id);
    format!("Size {}", place.map_or(0, |place| place + 1))
}

/// Prices and stock.
fn sold(state: &State, variant: &Variant) -> Value {
    let (currency, stock) = (&state.shop.currency, counted(state, variant));
    let (regular, is_reduced) = (regular(variant), is_reduced(variant));
    let price = notation::amount(variant.price_minor, currency);
    let is_sold_out = stock.is_some_and(|stock| stock <= Decimal::ZERO);
    json!({
        "sku": variant.sku, "price": price, "regular_price": notation::amount(regular, currency),
        "sale_price": if is_reduced { price.clone() } else { String::new() }, "on_sale": is_reduced,
        "manage_stock": stock.is_some(), "stock_quantity": stock.map(notation::number), "backorders": "no",
        "stock_status": if is_sold_out { "outofstock" } else { "instock" },
    })
}

/// The regular price in the smallest unit.
pub(super) fn regular(variant: &Variant) -> i64 {
    let stored = variant.extra.get(REGULAR).and_then(Value::as_i64);
    stored.map_or(variant.price_minor, |stored| stored.max(variant.price_minor))
}

/// Returns true while the price is below the regular one.
pub(super) fn is_reduced(variant: &Variant) -> bool {
    regular(variant) > variant.price_minor
}

fn extend(shown: &mut Value, with: Value) {
    if let (Some(fields), Value::Object(with)) = (shown.as_object_mut(), with) {
        fields.extend::<Map<_, _>>(with);
    }
}

pub(super) fn order(state: &State, order: &Order) -> Value {
    let (line, currency) = (&order.line, &state.shop.currency);
    let amount = |minor| notation::amount(minor, currency);
    let (total, zero) = (amount(line.total_minor()), amount(0));
    let status = match (order.cancelled_at, order.refunded_at) {
        (Some(_), _) => "cancelled",
        (None, Some(_)) => "refunded",
        (None, None) => "completed",
    };
    let is_simple = line.variant == line.product;
    let refunds =
        order.refunded_at.map(|_| json!({"id": order.number, "reason": "", "total": format!("-{total}")}));
    let mut shown = json!({
        "id": number(&order.id), "parent_id": 0, "number": order.number.to_string(), "created_via": "checkout",
        "version": "10.3.5", "status": status, "currency": currency, "prices_include_tax": false,
        "discount_total": zero, "discount_tax": zero, "shipping_total": zero, "shipping_tax": zero, "cart_tax": zero,
        "total": total, "total_tax": zero, "customer_id": 0, "billing": {}, "shipping": {}, "meta_data": [],
        "payment_method": "bacs", "tax_lines": [], "shipping_lines": [], "fee_lines": [], "coupon_lines": [],
        "refunds": refunds.into_iter().collect::<Vec<_>>(),
        "line_items": [{
            "id": number(&line.id), "name": html::name(&line.title), "product_id": number(&line.product),
            "variation_id": if is_simple { json!(0) } else { number(&line.variant) },
            "quantity": notation::number(line.quantity), "subtotal": total, "subtotal_tax": zero, "total": total,
            "total_tax": zero, "taxes": [], "meta_data": [], "sku": line.sku,
            "price": notation::amount_number(line.price_minor, currency),
        }],
    });
    set_times(&mut shown, "date_created", Some(order.at));
    set_times(&mut shown, "date_modified", Some(order.updated_at()));
    set_times(&mut shown, "date_paid", Some(order.at));
    set_times(&mut shown, "date_completed", Some(order.at));
    shown
}

pub(super) fn customer(customer: &Customer) -> Value {
    let address = json!({"first_name": customer.given_name, "last_name": customer.family_name, "company": "",
        "address_1": "", "city": "", "postcode": "", "country": "", "email": customer.email, "phone": ""});
    let mut shown = json!({
        "id": number(&customer.id), "email": customer.email, "first_name": customer.given_name,
        "last_name": customer.family_name, "role": "customer", "username": customer.email, "billing": address,
        "shipping": address, "is_paying_customer": false, "avatar_url": "", "meta_data": [],
    });
    set_times(&mut shown, "date_created", Some(customer.at));
    set_times(&mut shown, "date_modified", None);
    shown
}
