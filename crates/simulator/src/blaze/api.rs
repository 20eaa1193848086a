//! The partner API: lists, one object at a time, and nothing that writes.

use super::{PARTNER_KEY, objects};
use crate::exchange::{Incoming, Reply, decode};
use crate::ledger::{Instant, Product};
use crate::state::State;
use chrono::{DateTime, NaiveDate, TimeDelta};
use serde_json::{Value, json};

/// Maximum number of objects on a page; a call that asks for more gets as many.
const PAGE_MAX: usize = 100;
/// Maximum number of days between the first and the last day of a list of transactions.
const TRANSACTION_DAYS_MAX: i64 = 7;
/// The shop's time zone, in hours west of Greenwich: days of transactions are the shop's.
const HOURS_WEST: i64 = 7;

pub(super) fn failed(status: u16, message: &str) -> Reply {
    Reply::of(status, json!({"field": "", "message": message, "errorType": "BlazeError"}))
}

pub(super) fn invalid_key() -> Reply {
    failed(401, "Invalid PARTNER or Developer API key")
}

pub(super) fn respond(state: &State, call: &Incoming, now: Instant) -> Reply {
    let segments: Vec<String> = call.segments().into_iter().map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["api", "v1", "partner", path @ ..] = &segments[..] else {
        return Reply::of(404, json!("Not Found"));
    };
    // The documents name one header for the partner's key, older clients another.
    let partner = call.header("x-api-key").or_else(|| call.header("partner_key"));
    if partner != Some(PARTNER_KEY) || call.header("authorization") != Some(state.shop.token.as_str()) {
        return invalid_key();
    }
    if call.method != "GET" {
        return failed(405, "Method Not Allowed");
    }
    let with_taxes = call.parameter("omitTaxTables") != Some("true");
    match path {
        ["products"] | ["store", "inventory", "products"] => {
            let on_sale = state.ledger.listed_products().filter(|product| !product.deleted);
            products(state, call, on_sale, with_taxes)
        }
        ["store", "inventory", "products", "dates"] => changed_products(state, call, with_taxes, now),
        ["products", id] | ["store", "inventory", "products", id] => {
            let held = state.ledger.product(id);
            match held.and_then(|held| objects::product(state, held, with_taxes)) {
                Some(product) => Reply::ok(product),
                None => failed(404, "Product not found"),
            }
        }
        ["store", "inventory", "inventories"] => {
            page(call, state.shop.locations.iter().map(|id| objects::inventory(state, id)).collect())
        }
        ["transactions"] => transactions(state, call, now),
        ["loyalty", "promotions"] => {
            page(call, state.promotions.all().map(|held| objects::promotion(state, held)).collect())
        }
        ["members"] => members(state, call, now),
        ["employees"] => page(call, state.staff.all().map(|held| objects::employee(state, held)).collect()),
        _ => failed(404, "HTTP 404 Not Found"),
    }
}

/// One page of products; only those on it are rendered.
fn products<'a>(
    state: &State,
    call: &Incoming,
    listed: impl Iterator<Item = &'a Product>,
    with_taxes: bool,
) -> Reply {
    let all = listed.filter(|held| !held.variants.is_empty()).collect();
    page_of(call, all, |held| objects::product(state, held, with_taxes).unwrap_or_default())
}

/// One page of a list.
fn page(call: &Incoming, all: Vec<Value>) -> Reply {
    page_of(call, all, |value| value)
}

fn page_of<T>(call: &Incoming, all: Vec<T>, render: impl Fn(T) -> Value) -> Reply {
    let number = |name: &str| call.parameter(name).and_then(|text| text.parse::<usize>().ok());
    let skip = number("skip").or_else(|| number("start")).unwrap_or(0);
    let limit = number("limit").unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let total = all.len();
    let values: Vec<Value> = all.into_iter().skip(skip).take(limit).map(render).collect();
    Reply::ok(json!({"values": values, "skip": skip, "limit": limit, "total": total}))
}

/// The time under `name`, in milliseconds; `default` without one, and `None` for anything else.
fn millis(call: &Incoming, name: &str, default: Instant) -> Option<Instant> {
    match call.parameter(name) {
        None => Some(default),
        Some(text) => DateTime::from_timestamp_millis(text.parse().ok()?),
    }
}

/// The times between which a call asks for changes.
fn between(call: &Incoming, now: Instant) -> Option<(Instant, Instant)> {
    let (since, until) = (millis(call, "startDate", DateTime::UNIX_EPOCH)?, millis(call, "endDate", now)?);
    (since <= until).then_some((since, until))
}

fn changed_products(state: &State, call: &Incoming, with_taxes: bool, now: Instant) -> Reply {
    let Some((since, until)) = between(call, now) else { return failed(400, "Invalid dates") };
    let is_changed = |held: &&Product| since <= held.updated_at && held.updated_at <= until;
    let changed = state.ledger.listed_products().filter(is_changed);
    let mut reply = products(state, call, changed, with_taxes);
    reply.body["afterDate"] = since.timestamp_millis().into();
    reply.body["beforeDate"] = until.timestamp_millis().into();
    reply
}

/// Transactions that were completed from the first to the last day, the newest first.
fn transactions(state: &State, call: &Incoming, now: Instant) -> Reply {
    let day_of = |at: Instant| (at - TimeDelta::hours(HOURS_WEST)).date_naive();
    let day = |name: &str| match call.parameter(name) {
        None => Some(day_of(now)),
        Some(text) => NaiveDate::parse_from_str(text, "%m/%d/%Y").ok(),
    };
    let (Some(first), Some(last)) = (day("startDate"), day("endDate")) else {
        return failed(400, "Dates are MM/dd/yyyy");
    };
    if !(0..=TRANSACTION_DAYS_MAX).contains(&(last - first).num_days()) {
        return failed(400, "Date range exceeds seven days");
    }
    let mut found = Vec::new();
    for order in state.ledger.orders() {
        found.push((order.at, objects::sale(state, order)));
        found.extend(order.refunded_at.map(|at| (at, objects::refund(state, order, at))));
    }
    found.retain(|(at, _)| (first..=last).contains(&day_of(*at)));
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    page(call, found.into_iter().map(|(_, transaction)| transaction).collect())
}

fn members(state: &State, call: &Incoming, now: Instant) -> Reply {
    let Some((since, until)) = between(call, now) else { return failed(400, "Invalid dates") };
    let members = state.ledger.customers().filter(|member| since <= member.at && member.at <= until);
    page(call, members.map(|member| objects::member(state, member)).collect())
}
