//! Searches of orders and customers by the time of their last change.

use super::api::{customer, order};
use super::reply::{Refusal, listing, page, texts};
use crate::exchange::Reply;
use crate::ledger::Instant;
use crate::notation;
use crate::state::State;
use serde_json::{Map, Value};

/// Maximum number of locations in a search of orders.
const LOCATIONS_MAX: usize = 10;
/// Number of orders on a page if none is requested, and the maximum.
const ORDERS_PER_PAGE: (u64, u64) = (500, 1_000);
/// Number of customers on a page if none is requested, and the maximum.
const CUSTOMERS_PER_PAGE: (u64, u64) = (100, 100);

/// The first and the last moment of a range; both are included.
struct Times {
    from: Option<Instant>,
    to: Option<Instant>,
}

impl Times {
    fn of(range: Option<&Value>, field: &str) -> Result<Self, Refusal> {
        let time = |name: &str| match range.and_then(|range| range.get(name)).and_then(Value::as_str) {
            None => Ok(None),
            Some(text) => notation::instant(text)
                .map(Some)
                .ok_or_else(|| Refusal::bad("INVALID_TIME", "Not RFC 3339.", &format!("{field}.{name}"))),
        };
        Ok(Self { from: time("start_at")?, to: time("end_at")? })
    }

    fn contain(&self, at: Instant) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at <= to)
    }
}

fn limit(body: &Map<String, Value>, (usual, most): (u64, u64)) -> Result<usize, Refusal> {
    let wanted = body.get("limit").and_then(Value::as_u64).unwrap_or(usual);
    if wanted == 0 || wanted > most {
        return Err(Refusal::bad("VALUE_TOO_HIGH", "The limit is invalid.", "limit"));
    }
    Ok(usize::try_from(wanted).unwrap_or(usize::MAX))
}

pub(super) fn orders(state: &State, body: &Map<String, Value>) -> Result<Reply, Refusal> {
    let locations = texts(body, "location_ids");
    if locations.is_empty() || locations.len() > LOCATIONS_MAX {
        return Err(Refusal::bad("INVALID_VALUE", "There must be 1 to 10 locations.", "location_ids"));
    }
    let query = body.get("query").cloned().unwrap_or_default();
    let filter = query.pointer("/filter/date_time_filter/updated_at");
    let sorted_by = query.pointer("/sort/sort_field").and_then(Value::as_str).unwrap_or("CREATED_AT");
    if filter.is_some() && sorted_by != "UPDATED_AT" {
        let detail = "The sort field must be the field of the date time filter.";
        return Err(Refusal::bad("BAD_REQUEST", detail, "query.sort.sort_field"));
    }
    let times = Times::of(filter, "query.filter.date_time_filter.updated_at")?;
    let found = state
        .ledger
        .orders()
        .filter(|order| locations.contains(&order.location.as_str()) && times.contain(order.updated_at()));
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|order| order.updated_at());
    let found = found.into_iter().map(|found| order(state, found)).collect();
    let (shown, next) =
        page(found, body.get("cursor").and_then(Value::as_str), limit(body, ORDERS_PER_PAGE)?)?;
    Ok(Reply::ok(listing("orders", shown, next)))
}

pub(super) fn customers(state: &State, body: &Map<String, Value>) -> Result<Reply, Refusal> {
    let query = body.get("query").cloned().unwrap_or_default();
    let times = Times::of(query.pointer("/filter/updated_at"), "query.filter.updated_at")?;
    let found = state.ledger.customers().filter(|found| times.contain(found.at)).map(customer).collect();
    let (shown, next) =
        page(found, body.get("cursor").and_then(Value::as_str), limit(body, CUSTOMERS_PER_PAGE)?)?;
    Ok(Reply::ok(listing("customers", shown, next)))
}
