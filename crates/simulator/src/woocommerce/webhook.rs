//! Webhooks: one for each topic that an act concerns, and the pings that check their URL.

use super::show::{self, Context};
use super::sign;
use crate::exchange::Outgoing;
use crate::ledger::{Change, Instant};
use crate::platform::Unsigned;
use crate::state::State;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The topics that a shop has webhooks for, each one of its own.
pub(super) const TOPICS: [&str; 11] = [
    "product.created",
    "product.updated",
    "product.deleted",
    "product.restored",
    "order.created",
    "order.updated",
    "order.deleted",
    "order.restored",
    "customer.created",
    "customer.updated",
    "customer.deleted",
];
/// Length of a delivery id, in hexadecimal digits: those of an MD5.
const DELIVERY_ID_DIGITS: usize = 32;

type Body = (&'static str, Value);

pub(super) fn announce(state: &mut State, changes: &[Change], url: &str, now: Instant) -> Vec<Outgoing> {
    for change in changes {
        // Both are a save of the product.
        if let Change::Connected(item, _) | Change::Disconnected(item, _) = change
            && let Some(id) = state.ledger.find(item).map(|(product, _)| product.id.clone())
        {
            state.ledger.touch(&id, now);
        }
    }
    let mut bodies: Vec<Body> = Vec::new();
    for change in changes {
        bodies.extend(bodies_of(state, change, changes));
    }
    bodies.into_iter().map(|(topic, body)| sealed(state, topic, &body, url, now)).collect()
}

fn bodies_of(state: &State, change: &Change, changes: &[Change]) -> Vec<Body> {
    let order = |topic, id: &str| {
        let shown = state.ledger.order(id).map(|order| show::order(state, order));
        shown.map(|body| (topic, body)).into_iter().collect()
    };
    match change {
        Change::ProductAdded(id) => with_variations(state, id, "product.created", |_| true),
        Change::ProductEdited(id) => {
            let saved = state.ledger.product(id).map(|product| product.updated_at);
            with_variations(state, id, "product.updated", |at| Some(at) == saved)
        }
        Change::ProductDeleted(id) => vec![("product.deleted", json!({"id": show::number(id)}))],
        Change::Level(item, location)
        | Change::Connected(item, location)
        | Change::Disconnected(item, location) => {
            // A payload is built when it is delivered: that of the creation shows the stock already.
            let product = state.ledger.find(item).map(|(product, _)| product.id.clone());
            let is_new = product.is_some_and(|id| changes.contains(&Change::ProductAdded(id)));
            let is_shown = state.shop.locations.first() == Some(location) && !is_new;
            if is_shown { counted(state, item) } else { Vec::new() }
        }
        Change::Sold(id) => order("order.created", id),
        Change::Cancelled(id) | Change::Refunded(id) => order("order.updated", id),
        Change::CustomerAdded(id) => {
            let shown = state.ledger.customer(id).map(show::customer);
            shown.map(|body| ("customer.created", body)).into_iter().collect()
        }
        // A shop's users are no employees of a till.
        Change::Hired(_) | Change::Left(_) => Vec::new(),
    }
}

/// The product, and those of its variations whose last save `is_reported`.
fn with_variations(
    state: &State,
    id: &str,
    topic: &'static str,
    is_reported: impl Fn(Instant) -> bool,
) -> Vec<Body> {
    let Some(product) = state.ledger.on_sale(id) else { return Vec::new() };
    let mut bodies = vec![(topic, show::product(state, product, Context::View))];
    if !show::is_simple(product) {
        let saved = product.variants.iter().filter(|held| !held.deleted && is_reported(held.updated_at));
        bodies.extend(saved.map(|held| (topic, show::variation_as_product(state, product, held))));
    }
    bodies
}

/// The object whose stock changed, and the product of a variation, which is saved with it.
fn counted(state: &State, item: &str) -> Vec<Body> {
    let Some((product, variant)) = state.ledger.find(item) else { return Vec::new() };
    let whole = ("product.updated", show::product(state, product, Context::View));
    if show::is_simple(product) {
        return vec![whole];
    }
    vec![("product.updated", show::variation_as_product(state, product, variant)), whole]
}

fn sealed(state: &State, topic: &'static str, body: &Value, url: &str, now: Instant) -> Outgoing {
    // PHP escapes slashes.
    let body = Bytes::from(body.to_string().replace('/', "\\/"));
    let id = delivery_id(state, topic, now);
    let headers = sign::headers(&Unsigned {
        account: &state.shop.account,
        secret: &state.shop.webhook_secret,
        url,
        topic,
        id: &id,
        body: &body,
    });
    Outgoing { topic: topic.to_owned(), id, headers, body, url: url.to_owned() }
}

/// The hash of the webhook's number and the second: two deliveries of one webhook within a second have the same.
fn delivery_id(state: &State, topic: &str, now: Instant) -> String {
    let hashed = format!("{}{}{}", state.shop.account, sign::number(topic), now.timestamp());
    let mut id = hex::encode(Sha256::digest(hashed));
    id.truncate(DELIVERY_ID_DIGITS);
    id
}

/// The requests that check the URL of each new webhook: forms, without a signature.
pub(super) fn pings(url: &str) -> Vec<Outgoing> {
    let ping = |topic: &&str| Outgoing {
        topic: "ping".to_owned(),
        id: sign::number(topic).to_string(),
        headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
        body: Bytes::from(format!("webhook_id={}", sign::number(topic))),
        url: url.to_owned(),
    };
    TOPICS.iter().map(ping).collect()
}
