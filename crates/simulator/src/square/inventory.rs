//! Counts and adjustments of stock. They apply in the order of `occurred_at`, not of arrival.

use super::reply::{Refusal, listing, page, texts};
use crate::exchange::Reply;
use crate::ledger::{Change, Instant};
use crate::level::{Entry, Level};
use crate::notation;
use crate::state::State;
use chrono::TimeDelta;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Maximum number of changes in one request.
const CHANGES_MAX: usize = 100;
/// Maximum number of fractional digits of a quantity.
const SCALE_MAX: u32 = 5;
/// Maximum age of a change, in hours.
const AGE_HOURS_MAX: i64 = 24;
/// Maximum number of counts on a page.
const COUNTS_PER_PAGE: u64 = 1_000;

/// One change that passed its checks.
struct Checked {
    item: String,
    location: String,
    occurred_at: Instant,
    entry: Entry,
}

/// Enters changes of stock. `clock_lead` is the lead of the clock that computes their age.
pub(super) fn change(
    state: &mut State,
    body: &Map<String, Value>,
    now: Instant,
    clock_lead: TimeDelta,
) -> Result<Reply, Refusal> {
    let oldest = now + clock_lead - TimeDelta::hours(AGE_HOURS_MAX);
    let changes = body.get("changes").and_then(Value::as_array).ok_or_else(|| Refusal::missing("changes"))?;
    if changes.is_empty() || changes.len() > CHANGES_MAX {
        return Err(Refusal::bad("INVALID_VALUE", "There must be 1 to 100 changes.", "changes"));
    }
    let ignore = body.get("ignore_unchanged_counts").and_then(Value::as_bool).unwrap_or(true);
    let times = oldest..=now;
    let checked = changes.iter().map(|change| check(state, change, &times)).collect::<Result<Vec<_>, _>>()?;
    let (mut moved, mut counts) = (Vec::new(), Vec::new());
    for Checked { item, location, occurred_at, entry } in checked {
        let held = state.ledger.level(&item, &location).map(Level::quantity);
        let unchanged = matches!(entry, Entry::Count(counted) if held == Some(counted));
        if !(ignore && unchanged) && state.ledger.enter(&item, &location, occurred_at, entry, now) {
            moved.push(Change::Level(item.clone(), location.clone()));
        }
        counts.push((item, location));
    }
    counts.dedup();
    let rows = counts.iter().filter_map(|(item, location)| {
        state.ledger.level(item, location).map(|level| count(item, location, level))
    });
    Ok(Reply::ok(json!({"counts": rows.collect::<Vec<_>>()})).changing(moved))
}

fn check(state: &State, change: &Value, times: &RangeInclusive<Instant>) -> Result<Checked, Refusal> {
    let kind = change["type"].as_str().ok_or_else(|| Refusal::missing("changes.type"))?;
    let (given, field) = match kind {
        "PHYSICAL_COUNT" => (&change["physical_count"], "physical_count"),
        "ADJUSTMENT" => (&change["adjustment"], "adjustment"),
        _ => return Err(Refusal::bad("INVALID_VALUE", "Unsupported type of change.", "changes.type")),
    };
    let text = |name: &str| given[name].as_str().ok_or_else(|| Refusal::missing(&format!("{field}.{name}")));
    let item = text("catalog_object_id")?;
    if state.ledger.find(item).is_none() {
        return Err(Refusal::not_found("Catalog object not found."));
    }
    let location = text("location_id")?;
    if state.check_location(location).is_err() {
        return Err(Refusal::not_found("Location not found."));
    }
    let wrong = |name: &str| Refusal::bad("INVALID_VALUE", "Invalid value.", &format!("{field}.{name}"));
    let quantity = Decimal::from_str(text("quantity")?).map_err(|_| wrong("quantity"))?;
    if quantity < Decimal::ZERO || quantity.normalize().scale() > SCALE_MAX {
        return Err(wrong("quantity"));
    }
    let entry = if kind == "PHYSICAL_COUNT" {
        if text("state")? != "IN_STOCK" {
            return Err(wrong("state"));
        }
        Entry::Count(quantity)
    } else {
        if quantity.is_zero() {
            return Err(wrong("quantity"));
        }
        Entry::Delta(
            quantity * sign(text("from_state")?, text("to_state")?).ok_or_else(|| wrong("to_state"))?,
        )
    };
    let occurred_at = notation::instant(text("occurred_at")?);
    let occurred_at =
        occurred_at.ok_or_else(|| Refusal::bad("INVALID_TIME", "Not RFC 3339.", "occurred_at"))?;
    if !times.contains(&occurred_at) {
        let detail = "Must not be in the future nor more than 24 hours ago.";
        return Err(Refusal::bad("INVALID_TIME", detail, &format!("{field}.occurred_at")));
    }
    Ok(Checked { item: item.to_owned(), location: location.to_owned(), occurred_at, entry })
}

/// Returns 1 if an adjustment adds to the stock, -1 if it takes from it; `None` for other transitions.
fn sign(from: &str, to: &str) -> Option<Decimal> {
    match (from, to) {
        ("NONE" | "UNLINKED_RETURN", "IN_STOCK") => Some(Decimal::ONE),
        ("IN_STOCK", "SOLD" | "WASTE") => Some(Decimal::NEGATIVE_ONE),
        _ => None,
    }
}

pub(super) fn count(item: &str, location: &str, level: &Level) -> Value {
    row(item, location, "IN_STOCK", &level.text(), level)
}

/// The count of what was sold: `SOLD` is a state of the same variation.
pub(super) fn sold(item: &str, location: &str, level: &Level) -> Value {
    row(item, location, "SOLD", &level.sold.normalize().to_string(), level)
}

fn row(item: &str, location: &str, state: &str, quantity: &str, level: &Level) -> Value {
    json!({
        "calculated_at": notation::utc(level.calculated_at), "catalog_object_id": item,
        "catalog_object_type": "ITEM_VARIATION", "location_id": location, "quantity": quantity, "state": state,
    })
}

pub(super) fn counts(state: &State, body: &Map<String, Value>) -> Result<Reply, Refusal> {
    let (items, locations) = (texts(body, "catalog_object_ids"), texts(body, "location_ids"));
    let states = texts(body, "states");
    let after = match body.get("updated_after").and_then(Value::as_str) {
        Some(text) => {
            let after = notation::instant(text);
            Some(after.ok_or_else(|| Refusal::bad("INVALID_TIME", "Not RFC 3339.", "updated_after"))?)
        }
        None => None,
    };
    let allowed = |list: &[&str], id: &str| list.is_empty() || list.contains(&id);
    let levels = state.ledger.levels().filter(|(item, location, level)| {
        allowed(&items, item)
            && allowed(&locations, location)
            && allowed(&states, "IN_STOCK")
            && after.is_none_or(|after| level.calculated_at > after)
            && state.ledger.find(item).is_some_and(|(_, variant)| variant.tracked)
    });
    let mut rows: Vec<_> = levels.collect();
    rows.sort_by_key(|(_, _, level)| std::cmp::Reverse(level.calculated_at));
    let rows = rows.into_iter().map(|(item, location, level)| count(item, location, level)).collect();
    let limit = body.get("limit").and_then(Value::as_u64).unwrap_or(100).clamp(1, COUNTS_PER_PAGE);
    let cursor = body.get("cursor").and_then(Value::as_str);
    let (shown, next) = page(rows, cursor, usize::try_from(limit).unwrap_or(usize::MAX))?;
    Ok(Reply::ok(listing("counts", shown, next)))
}
