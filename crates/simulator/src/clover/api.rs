//! Clover's REST API v3, as far as it has items, their stock, orders, customers and employees.

use super::list::{self, Filter, Order};
use super::objects;
use crate::exchange::{Incoming, Reply, decode};
use crate::ledger::{Change, Instant, Product, Variant};
use crate::level::Entry;
use crate::state::State;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::str::FromStr;

/// Maximum number of related objects that one call expands.
const EXPANDED_MAX: usize = 3;

pub(super) fn failed(status: u16, message: &str) -> Reply {
    Reply::of(status, json!({"message": message}))
}

/// Status and message of a refused call.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) u16, pub(super) &'static str);

impl Refusal {
    fn reply(self) -> Reply {
        failed(self.0, self.1)
    }
}

const NOT_FOUND: Refusal = Refusal(404, "Not Found");

pub(super) fn respond(state: &mut State, call: &Incoming, now: Instant) -> Reply {
    let bearer = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let segments: Vec<String> = call.segments().into_iter().map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["v3", "merchants", merchant, path @ ..] = &segments[..] else { return NOT_FOUND.reply() };
    // A token is one merchant's: for another one, it lacks the permission.
    if bearer != Some(state.shop.token.as_str()) || *merchant != state.shop.account {
        return failed(401, "401 Unauthorized");
    }
    let expanded = match expanded(call) {
        Ok(expanded) => expanded,
        Err(refusal) => return refusal.reply(),
    };
    let related: Vec<&str> = expanded.iter().map(String::as_str).collect();
    let reply = match (call.method.as_str(), path) {
        ("GET", ["items"]) => items(state, call, &related),
        ("GET", ["items", id]) => found(
            on_sale(state, id).map(|(product, variant)| objects::item(state, product, variant, &related)),
        ),
        ("POST", ["items", id]) => body(call).and_then(|body| update_item(state, id, &body, now)),
        ("GET", ["item_stocks"]) => stocks(state, call),
        ("GET", ["item_stocks", id]) => {
            found(on_sale(state, id).and_then(|(_, variant)| objects::stock(state, variant)))
        }
        ("POST", ["item_stocks", id]) => body(call).and_then(|body| set_stock(state, id, &body, now)),
        ("GET", ["orders"]) => orders(state, call, &related),
        ("GET", ["orders", id, "line_items"]) => match state.ledger.order(id) {
            Some(order) => list::page(objects::lines(order), call),
            None => Err(NOT_FOUND),
        },
        ("GET", ["orders", id]) => {
            found(state.ledger.order(id).map(|order| objects::order(state, order, &related)))
        }
        ("GET", ["customers"]) => {
            let customers =
                state.ledger.customers().rev().map(|customer| objects::customer(customer, &related));
            list::page(customers.collect(), call)
        }
        // One who left is deleted.
        ("GET", ["employees"]) => {
            let employees = state.staff.all().filter(|held| held.is_active).map(objects::employee);
            list::page(employees.collect(), call)
        }
        ("GET", ["employees", id]) => {
            found(state.staff.find(id).filter(|held| held.is_active).map(objects::employee))
        }
        ("GET", ["customers", id]) => {
            found(state.ledger.customer(id).map(|customer| objects::customer(customer, &related)))
        }
        _ => Err(NOT_FOUND),
    };
    reply.unwrap_or_else(Refusal::reply)
}

/// The related objects to expand, at most three.
fn expanded(call: &Incoming) -> Result<Vec<String>, Refusal> {
    let given = call.parameter("expand").unwrap_or_default().split(',').filter(|name| !name.is_empty());
    let given: Vec<String> = given.map(str::to_owned).collect();
    if given.len() > EXPANDED_MAX { Err(Refusal(400, "Too many expansions")) } else { Ok(given) }
}

fn body(call: &Incoming) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(&call.body).map_err(|_| Refusal(400, "The body isn't a JSON object"))
}

/// A reply with one object, whose lists are cut off.
fn found(object: Option<Value>) -> Result<Reply, Refusal> {
    object.map(|object| Reply::ok(list::with_short_lists(object))).ok_or(NOT_FOUND)
}

/// An item that wasn't deleted.
fn on_sale<'a>(state: &'a State, id: &str) -> Option<(&'a Product, &'a Variant)> {
    state.ledger.find(id).filter(|(product, _)| product.id == id)
}

/// The items on sale.
fn items(state: &State, call: &Incoming, expanded: &[&str]) -> Result<Reply, Refusal> {
    let filter = Filter::of(call)?;
    let mut shown: Vec<&Product> = state.ledger.listed_products().filter(|held| !held.deleted).collect();
    let changed_at = |product: &Product| {
        let variants = product.variants.iter().map(|variant| variant.updated_at);
        variants.fold(product.updated_at, Instant::max).timestamp_millis()
    };
    shown.retain(|product| filter.has(&product.id, changed_at(product)));
    match list::order(call)? {
        Order::OldestChangeFirst => shown.sort_by_key(|product| changed_at(product)),
        Order::NewestFirst => shown.sort_by_key(|product| Reverse(product.created_at)),
    }
    let item = |product: &&Product| {
        product.variants.first().map(|variant| objects::item(state, product, variant, expanded))
    };
    list::page(shown.iter().filter_map(item).collect(), call)
}

fn orders(state: &State, call: &Incoming, expanded: &[&str]) -> Result<Reply, Refusal> {
    let filter = Filter::of(call)?;
    let mut shown: Vec<_> = state.ledger.orders().rev().collect();
    shown.retain(|order| filter.has(&order.id, order.updated_at().timestamp_millis()));
    if list::order(call)? == Order::OldestChangeFirst {
        shown.sort_by_key(|order| order.updated_at());
    }
    list::page(shown.into_iter().map(|order| objects::order(state, order, expanded)).collect(), call)
}

/// The stocks of all items, those that are newest first.
fn stocks(state: &State, call: &Incoming) -> Result<Reply, Refusal> {
    let mut shown: Vec<&Product> = state.ledger.listed_products().filter(|held| !held.deleted).collect();
    shown.sort_by_key(|product| Reverse(product.created_at));
    let variants = shown.iter().flat_map(|product| &product.variants);
    list::page(variants.filter_map(|variant| objects::stock(state, variant)).collect(), call)
}

/// Sets the fields in the body; the stock isn't one of them.
fn update_item(
    state: &mut State,
    id: &str,
    body: &Map<String, Value>,
    now: Instant,
) -> Result<Reply, Refusal> {
    on_sale(state, id).ok_or(NOT_FOUND)?;
    let mut changed = false;
    if let Some(price) = body.get("price") {
        let minor = price.as_i64().filter(|minor| *minor >= 0);
        let minor = minor.ok_or(Refusal(400, "A price is a whole number of cents"))?;
        changed |= state.set_price(id, id, minor, now);
    }
    if let Some(name) = body.get("name") {
        let name = name.as_str().filter(|name| !name.is_empty());
        let name = name.ok_or(Refusal(400, "An item needs a name"))?;
        changed |= state.set_title(id, name, now).map_err(|_| NOT_FOUND)?;
    }
    let shown = on_sale(state, id).map(|(product, variant)| objects::item(state, product, variant, &[]));
    let changes = changed.then(|| Change::ProductEdited(id.to_owned())).into_iter().collect();
    found(shown).map(|reply| reply.changing(changes))
}

/// Sets the stock of an item at the merchant's one location, whatever it was.
fn set_stock(state: &mut State, id: &str, body: &Map<String, Value>, now: Instant) -> Result<Reply, Refusal> {
    let item = on_sale(state, id).map(|(_, variant)| variant.item.clone()).ok_or(NOT_FOUND)?;
    let quantity = body.get("quantity").filter(|quantity| quantity.is_number());
    let quantity = quantity.and_then(|quantity| Decimal::from_str(&quantity.to_string()).ok());
    let quantity = quantity.ok_or(Refusal(400, "A quantity is a number"))?;
    let location = state.shop.locations.first().cloned().unwrap_or_default();
    // Other locations, of which Clover knows nothing, keep their part.
    let here = state.ledger.level(&item, &location).map(crate::level::Level::quantity).unwrap_or_default();
    let elsewhere = state.ledger.total(&item) - here;
    let changed = state.ledger.enter(&item, &location, now, Entry::Count(quantity - elsewhere), now);
    let shown = on_sale(state, id).and_then(|(_, variant)| objects::stock(state, variant));
    let changes = changed.then_some(Change::Level(item, location)).into_iter().collect();
    found(shown).map(|reply| reply.changing(changes))
}
