//! The lists of the API.

use super::{CLIENT, show};
use crate::exchange::{Incoming, Reply, decode};
use crate::ledger::Instant;
use crate::state::State;
use chrono::{NaiveDate, TimeDelta};
use serde_json::{Value, json};

/// The zone of every store, in hours west of Greenwich.
const HOURS_WEST: i64 = 7;
/// Objects on a page if the call names no number.
const PAGE_SIZE_DEFAULT: usize = 50;
/// Maximum number of objects on a page, whatever the call names. None is documented.
const PAGE_SIZE_MAX: usize = 100;

fn not_found(message: &str) -> Reply {
    Reply::of(404, json!({ "message": message }))
}

fn no_date(name: &str) -> Reply {
    not_found(&format!("{name} must be in format yyyy-mm-dd"))
}

pub(super) fn respond(state: &State, call: &Incoming) -> Reply {
    if call.header("clientid") != Some(CLIENT) || call.header("key") != Some(state.shop.token.as_str()) {
        return Reply::of(401, json!({"message": "Unauthorized"}));
    }
    let segments: Vec<String> = call.segments().into_iter().map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (call.method.as_str(), &segments[..]) {
        ("GET", ["v0", "clientsLocations"]) => {
            envelope(state.shop.locations.iter().map(|id| show::location(state, id)).collect())
        }
        ("GET", ["v0", "inventory"]) => envelope(stock(state, |_| true)),
        ("GET", ["v0", "inventoryNonZero"]) => envelope(stock(state, |row| row["quantity"] != 0)),
        ("GET", ["v0", "locations", id, "inventory"]) => {
            envelope(stock(state, |row| row["locationId"] == *id))
        }
        ("GET", ["v1", "orders", "findByLocationId", id]) => orders(state, call, id),
        ("GET", ["v1", "customers"]) => customers(state, call),
        _ => not_found("Not Found"),
    }
}

fn envelope(data: Vec<Value>) -> Reply {
    Reply::ok(json!({"status": 200, "data": Value::Array(data)}))
}

/// A row for each package at each location, of those that are listed.
fn stock(state: &State, is_listed: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut rows = Vec::new();
    for product in state.ledger.products().filter(|product| !product.deleted) {
        for variant in product.variants.iter().filter(|variant| variant.tracked) {
            for (location, level) in state.ledger.levels_of(&variant.item) {
                rows.extend(show::packages(state, (product, variant), location, level));
            }
        }
    }
    rows.retain(is_listed);
    rows
}

/// The dates of a call, of the store's zone.
struct Dates {
    after: Option<NaiveDate>,
    before: Option<NaiveDate>,
}

impl Dates {
    /// The dates of a call; the name of a parameter that is no date.
    fn of(call: &Incoming, what: &str) -> Result<Self, String> {
        let date = |end: &str| {
            let name = format!("{what}_{end}");
            let date = call.parameter(&name).map(str::parse::<NaiveDate>).transpose();
            date.map_err(|_| name)
        };
        Ok(Self { after: date("after")?, before: date("before")? })
    }

    /// Both days are part of the list.
    fn include(&self, at: Instant) -> bool {
        let day = (at - TimeDelta::hours(HOURS_WEST)).date_naive();
        self.after.is_none_or(|after| day >= after) && self.before.is_none_or(|before| day <= before)
    }
}

/// The page of `all` that a call asks for; they count from one.
fn page<T>(all: impl Iterator<Item = T>, call: &Incoming) -> Option<Vec<T>> {
    let number = |name: &str, default: usize| match call.parameter(name) {
        None => Some(default),
        Some(text) => text.parse::<usize>().ok().filter(|number| *number > 0),
    };
    let (page, size) = (number("page", 1)?, number("page_size", PAGE_SIZE_DEFAULT)?.min(PAGE_SIZE_MAX));
    Some(all.skip((page - 1).saturating_mul(size)).take(size).collect())
}

/// The orders of the location with that import id, by the day of their creation.
fn orders(state: &State, call: &Incoming, import_id: &str) -> Reply {
    let dates = match Dates::of(call, "created") {
        Ok(dates) => dates,
        Err(name) => return no_date(&name),
    };
    let Some(location) = state.shop.locations.iter().find(|id| show::import_id(id) == import_id) else {
        return not_found("location not found");
    };
    let held =
        || state.ledger.orders().filter(|order| order.location == *location && dates.include(order.at));
    let total = held().count();
    let listed =
        if call.parameter("order_by") == Some("asc") { page(held(), call) } else { page(held().rev(), call) };
    match listed {
        Some(orders) => {
            let orders: Vec<Value> = orders.into_iter().map(|order| show::order(state, order)).collect();
            Reply::ok(json!({"total": total, "orders": orders}))
        }
        None => Reply::of(400, json!({"message": "page and page_size must be positive"})),
    }
}

fn customers(state: &State, call: &Incoming) -> Reply {
    let dates = match Dates::of(call, "updated") {
        Ok(dates) => dates,
        Err(name) => return no_date(&name),
    };
    let held = state.ledger.customers().filter(|customer| dates.include(customer.at));
    match page(held, call) {
        Some(customers) => Reply::ok(customers.into_iter().map(show::customer).collect()),
        None => Reply::of(400, json!({"message": "page and page_size must be positive"})),
    }
}
