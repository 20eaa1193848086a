//! Square's Connect v2.

use super::reply::{Refusal, listing, money, page};
use super::{catalog, inventory, search, team};
use crate::exchange::{Incoming, Reply, decode};
use crate::ledger::{Customer, Instant, Order};
use crate::notation;
use crate::state::State;
use chrono::TimeDelta;
use serde_json::{Map, Value, json};

/// Maximum length of an idempotency key.
const KEY_LENGTH_MAX: usize = 128;
/// Maximum number of customers on a page.
const CUSTOMERS_PER_PAGE: usize = 100;

pub(super) fn throttled() -> Reply {
    let detail = "Your application is sending too many requests.".to_owned();
    Refusal { status: 429, category: "RATE_LIMIT_ERROR", code: "RATE_LIMITED", detail, field: None }.reply()
}

/// Replies to a call. `clock_lead` is the lead of the clock that computes the age of changes.
pub(super) fn respond(state: &mut State, call: &Incoming, clock_lead: TimeDelta, now: Instant) -> Reply {
    let bearer = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if bearer != Some(state.shop.token.as_str()) {
        let detail = "This request could not be authorized.".to_owned();
        let category = "AUTHENTICATION_ERROR";
        return Refusal { status: 401, category, code: "UNAUTHORIZED", detail, field: None }.reply();
    }
    if !call.header("square-version").is_some_and(is_date) {
        return Refusal::bad("INVALID_SQUARE_VERSION_FORMAT", "Square-Version must be YYYY-MM-DD.", "")
            .reply();
    }
    let segments: Vec<String> = call.segments().into_iter().map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let result = match (call.method.as_str(), &segments[..]) {
        ("POST", ["v2", "inventory", "changes", "batch-create"] | ["v2", "inventory", "batch-change"]) => {
            once(state, call, "inventory.changes.batch-create", |state, body| {
                inventory::change(state, body, now, clock_lead)
            })
        }
        ("POST", ["v2", "catalog", "object"]) => {
            once(state, call, "catalog.object.upsert", |state, body| catalog::upsert(state, body, now))
        }
        ("POST", ["v2", "inventory", "counts", "batch-retrieve"]) => {
            body(call).and_then(|body| inventory::counts(state, &body))
        }
        ("POST", ["v2", "catalog", "search"]) => body(call).and_then(|body| catalog::search(state, &body)),
        ("GET", ["v2", "catalog", "object", id]) => catalog::retrieve(state, id, call),
        ("GET", ["v2", "catalog", "list"]) => catalog::list(state, call),
        ("GET", ["v2", "orders", id]) => {
            let order = state.ledger.order(id).map(|order| json!({"order": self::order(state, order)}));
            order.map(Reply::ok).ok_or_else(|| Refusal::not_found("Order not found."))
        }
        ("POST", ["v2", "orders", "search"]) => body(call).and_then(|body| search::orders(state, &body)),
        ("POST", ["v2", "customers", "search"]) => {
            body(call).and_then(|body| search::customers(state, &body))
        }
        ("POST", ["v2", "team-members", "search"]) => body(call).and_then(|body| team::search(state, &body)),
        ("GET", ["v2", "customers"]) => customers(state, call),
        ("GET", ["v2", "locations"]) => Ok(Reply::ok(locations(state))),
        _ => Err(Refusal::not_found("Resource not found.")),
    };
    result.unwrap_or_else(Refusal::reply)
}

fn is_date(text: &str) -> bool {
    chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

fn body(call: &Incoming) -> Result<Map<String, Value>, Refusal> {
    if call.body.is_empty() {
        return Ok(Map::new());
    }
    let parsed = serde_json::from_slice(&call.body);
    parsed.map_err(|_| Refusal::bad("EXPECTED_JSON_BODY", "The body isn't a JSON object.", ""))
}

/// Runs `act` once for each idempotency key, which the body must have.
fn once(
    state: &mut State,
    call: &Incoming,
    operation: &str,
    act: impl FnOnce(&mut State, &Map<String, Value>) -> Result<Reply, Refusal>,
) -> Result<Reply, Refusal> {
    let body = body(call)?;
    let key = body.get("idempotency_key").and_then(Value::as_str).unwrap_or_default().to_owned();
    if key.is_empty() {
        return Err(Refusal::missing("idempotency_key"));
    }
    if key.len() > KEY_LENGTH_MAX {
        return Err(Refusal::bad("VALUE_TOO_LONG", "Field must not be longer than 128.", "idempotency_key"));
    }
    let request = json!([operation, body]);
    let mut reply = match state.replies.get(&key) {
        Some((earlier, reply)) if *earlier == request => Reply::ok(reply.clone()),
        Some(_) => {
            let detail = "The idempotency key was already used with a different request.";
            return Err(Refusal::bad("IDEMPOTENCY_KEY_REUSED", detail, "idempotency_key"));
        }
        None => {
            let reply = act(state, &body)?;
            state.replies.remember(&key, request, reply.body.clone());
            reply
        }
    };
    operation.clone_into(&mut reply.operation);
    reply.idempotency_key = Some(key);
    Ok(reply)
}

pub(super) fn order(state: &State, order: &Order) -> Value {
    let line = &order.line;
    let total = money(state, line.total_minor());
    json!({
        "id": order.id, "location_id": order.location, "state": "COMPLETED", "version": 1,
        "source": {"name": "Online shop"}, "reference_id": order.number.to_string(),
        "created_at": notation::utc(order.at), "updated_at": notation::utc(order.at),
        "closed_at": notation::utc(order.at), "total_money": total, "total_tax_money": money(state, 0),
        "total_discount_money": money(state, 0),
        "line_items": [{
            "uid": line.id, "catalog_object_id": line.variant, "name": line.title, "variation_name": "Regular",
            "quantity": line.quantity.normalize().to_string(), "item_type": "ITEM",
            "base_price_money": money(state, line.price_minor), "gross_sales_money": total, "total_money": total,
        }],
    })
}

pub(super) fn customer(customer: &Customer) -> Value {
    json!({
        "id": customer.id, "created_at": notation::utc(customer.at), "updated_at": notation::utc(customer.at),
        "given_name": customer.given_name, "family_name": customer.family_name, "email_address": customer.email,
        "creation_source": "DIRECTORY", "preferences": {"email_unsubscribed": false}, "version": customer.version,
    })
}

fn customers(state: &State, call: &Incoming) -> Result<Reply, Refusal> {
    let limit = call.parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(CUSTOMERS_PER_PAGE);
    let all: Vec<Value> = state.ledger.customers().map(customer).collect();
    let (shown, next) = page(all, call.parameter("cursor"), limit.clamp(1, CUSTOMERS_PER_PAGE))?;
    Ok(Reply::ok(listing("customers", shown, next)))
}

fn locations(state: &State) -> Value {
    let location = |id: &String| {
        json!({"id": id, "name": format!("Location {id}"), "status": "ACTIVE", "merchant_id": state.shop.account,
            "currency": state.shop.currency})
    };
    json!({"locations": state.shop.locations.iter().map(location).collect::<Vec<_>>()})
}
