//! The REST API `wc/v3`: products and their variations, orders, customers.

use super::list::{self, Row};
use super::oauth::{self, Nonces};
use super::show::{self, Context};
use super::{CONSUMER_KEY, mutate};
use crate::exchange::{Incoming, Reply, decode};
use crate::ledger::{Customer, Instant, Order, Product, Variant};
use crate::state::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// An error as the API writes it.
pub(super) fn failed(status: u16, code: &str, message: &str) -> Reply {
    Reply::of(status, json!({"code": code, "message": message, "data": {"status": status}}))
}

/// The refusal of a call, or of one object of a batch.
#[derive(Debug)]
pub(super) struct Denial {
    status: u16,
    code: &'static str,
    message: &'static str,
}

impl Denial {
    pub(super) const fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message }
    }

    pub(super) fn reply(&self) -> Reply {
        failed(self.status, self.code, self.message)
    }
}

fn no_route() -> Reply {
    failed(404, "rest_no_route", "No route was found matching the URL and request method.")
}

fn invalid_parameter() -> Reply {
    failed(400, "rest_invalid_param", "Invalid parameter(s): page, per_page")
}

pub(super) fn respond(nonces: &mut Nonces, state: &mut State, call: &Incoming, now: Instant) -> Reply {
    let segments: Vec<String> = call.segments().into_iter().map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["wp-json", "wc", "v3", path @ ..] = &segments[..] else { return no_route() };
    if let Err(refusal) = authenticate(nonces, state, call, now) {
        return refusal.reply();
    }
    match (call.method.as_str(), path) {
        ("GET", ["products"]) => products(state, call),
        ("GET", ["products", id]) => {
            object(state, call, id).unwrap_or_else(|| invalid_id(Kind::Product, 404).reply())
        }
        ("GET", ["products", product, "variations"]) => variations(state, call, product),
        ("GET", ["products", product, "variations", id]) => match variation(state, product, id) {
            Some((product, variant)) => Reply::ok(show::variation(state, product, variant)),
            None => invalid_id(Kind::Variation, 404).reply(),
        },
        ("GET", ["orders"]) => orders(state, call),
        ("GET", ["customers"]) => customers(state, call),
        ("PUT", ["products", id]) => mutate::one(state, None, id, call, now),
        ("PUT", ["products", product, "variations", id]) => mutate::one(state, Some(product), id, call, now),
        ("POST", ["products", "batch"]) => mutate::batch(state, None, call, now),
        ("POST", ["products", product, "variations", "batch"]) => {
            mutate::batch(state, Some(product), call, now)
        }
        _ => no_route(),
    }
}

/// Verifies that a call has the key and the secret, or is signed with them.
fn authenticate(nonces: &mut Nonces, state: &State, call: &Incoming, now: Instant) -> Result<(), Denial> {
    let account = (CONSUMER_KEY, state.shop.token.as_str());
    let given = call.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    if given.is_some_and(|given| given == STANDARD.encode(format!("{}:{}", account.0, account.1))) {
        return Ok(());
    }
    let nobody = Denial::new(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.");
    oauth::verify(nonces, call, account, now).unwrap_or(Err(nobody))
}

/// The kind of object that an id names.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Product,
    Variation,
}

/// The refusal of an id that names nothing; a read and a change refuse it with different statuses.
pub(super) const fn invalid_id(kind: Kind, status: u16) -> Denial {
    let code = match kind {
        Kind::Product => "woocommerce_rest_product_invalid_id",
        Kind::Variation => "woocommerce_rest_product_variation_invalid_id",
    };
    Denial::new(status, code, "Invalid ID.")
}

pub(super) fn context(call: &Incoming) -> Context {
    if call.parameter("context") == Some("edit") { Context::Edit } else { Context::View }
}

/// A product, or a variation in the shape of one.
fn object(state: &State, call: &Incoming, id: &str) -> Option<Reply> {
    if let Some(product) = state.ledger.product(id) {
        return Some(Reply::ok(show::product(state, product, context(call))));
    }
    let (product, variant) = state.ledger.find(id)?;
    Some(Reply::ok(show::variation_as_product(state, product, variant)))
}

pub(super) fn variation<'a>(state: &'a State, product: &str, id: &str) -> Option<(&'a Product, &'a Variant)> {
    let (held, variant) = state.ledger.find(id)?;
    (held.id == product && !show::is_simple(held)).then_some((held, variant))
}

/// The products of a status: by default all but those in the trash.
fn products(state: &State, call: &Incoming) -> Reply {
    let is_trash = match call.parameter("status").unwrap_or("any") {
        "any" => false,
        "trash" => true,
        _ => return invalid_parameter(),
    };
    let row = |product: &Product| Row {
        id: product.id.parse().unwrap_or_default(),
        created_at: product.created_at,
        modified_at: show::saved(state, product),
        shown: show::product(state, product, context(call)),
    };
    let listed = state.ledger.listed_products().filter(|product| product.deleted == is_trash);
    page(state, call, listed.map(row).collect())
}

/// The orders of a status. None of this shop is ever put into the trash.
fn orders(state: &State, call: &Incoming) -> Reply {
    let row = |order: &Order| Row {
        id: order.id.parse().unwrap_or_default(),
        created_at: order.at,
        modified_at: order.updated_at(),
        shown: show::order(state, order),
    };
    match call.parameter("status").unwrap_or("any") {
        "any" => page(state, call, state.ledger.orders().map(row).collect()),
        "trash" => page(state, call, Vec::new()),
        _ => invalid_parameter(),
    }
}

/// The customers with an account.
fn customers(state: &State, call: &Incoming) -> Reply {
    let row = |customer: &Customer| Row {
        id: customer.id.parse().unwrap_or_default(),
        created_at: customer.at,
        modified_at: customer.at,
        shown: show::customer(customer),
    };
    page(state, call, state.ledger.customers().map(row).collect())
}

fn page(state: &State, call: &Incoming, rows: Vec<Row>) -> Reply {
    let page = list::filtered(call, rows).and_then(|all| list::page(state, call, all));
    page.unwrap_or_else(invalid_parameter)
}

/// The variations of a product, by their ids. A product that doesn't exist has none.
fn variations(state: &State, call: &Incoming, product: &str) -> Reply {
    let held = state.ledger.product(product).filter(|held| !show::is_simple(held));
    let mut variants: Vec<(&Product, &Variant)> = Vec::new();
    if let Some(held) = held {
        variants
            .extend(held.variants.iter().filter(|variant| !variant.deleted).map(|variant| (held, variant)));
    }
    variants.sort_by_key(|(_, variant)| variant.id.parse::<u64>().unwrap_or_default());
    let all = variants.into_iter().map(|(held, variant)| show::variation(state, held, variant)).collect();
    list::page(state, call, all).unwrap_or_else(invalid_parameter)
}
