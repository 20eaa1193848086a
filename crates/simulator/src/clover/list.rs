//! Pages of lists, their filters and their order.

use super::api::Refusal;
use crate::exchange::{Incoming, Reply};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Number of elements on a page if the call names none.
const PAGE_DEFAULT: usize = 100;
/// Maximum number of elements on a page.
const PAGE_MAX: usize = 1_000;
/// Maximum number of elements of a list within an object.
const NESTED_MAX: usize = 100;

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By the time of creation, the newest first, if a call names none.
    NewestFirst,
    /// By the time of the last change, the oldest first.
    OldestChangeFirst,
}

/// The order that a call names.
pub(super) fn order(call: &Incoming) -> Result<Order, Refusal> {
    match call.parameter("orderBy") {
        None => Ok(Order::NewestFirst),
        Some("modifiedTime ASC") => Ok(Order::OldestChangeFirst),
        Some(_) => Err(Refusal(400, "Only the order by the time of change is simulated")),
    }
}

/// The filters of a call: `filter=id in ('…','…')`, or the time of change.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    ids: Option<BTreeSet<&'a str>>,
    since: i64,
    until: i64,
}

impl<'a> Filter<'a> {
    pub(super) fn of(call: &'a Incoming) -> Result<Self, Refusal> {
        let mut filter = Self { ids: None, since: i64::MIN, until: i64::MAX };
        for (_, text) in call.query.iter().filter(|(name, _)| name == "filter") {
            let time =
                |comparison: &str| text.strip_prefix("modifiedTime")?.strip_prefix(comparison)?.parse().ok();
            if let Some(ids) = text.strip_prefix("id in (").and_then(|rest| rest.strip_suffix(')')) {
                filter.ids = Some(ids.split(',').map(|id| id.trim().trim_matches('\'')).collect());
            } else if let Some(since) = time(">=") {
                filter.since = since;
            } else if let Some(until) = time("<=") {
                filter.until = until;
            } else {
                return Err(Refusal(400, "Only ids and times of change are simulated"));
            }
        }
        Ok(filter)
    }

    pub(super) fn has(&self, id: &str, changed_at: i64) -> bool {
        (self.since..=self.until).contains(&changed_at)
            && self.ids.as_ref().is_none_or(|ids| ids.contains(id))
    }
}

/// The page of `all` that the call names.
pub(super) fn page(all: Vec<Value>, call: &Incoming) -> Result<Reply, Refusal> {
    let number = |name: &str, default: usize| match call.parameter(name) {
        None => Ok(default),
        Some(text) => text.parse::<usize>().map_err(|_| Refusal(400, "Not a number")),
    };
    let (limit, offset) = (number("limit", PAGE_DEFAULT)?.clamp(1, PAGE_MAX), number("offset", 0)?);
    let elements = all.into_iter().skip(offset).take(limit).map(with_short_lists);
    Ok(Reply::ok(json!({"elements": elements.collect::<Vec<_>>(), "href": call.path})))
}

/// The object with its lists cut off.
pub(super) fn with_short_lists(mut object: Value) -> Value {
    for related in object.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(elements) = related.get_mut("elements").and_then(Value::as_array_mut) {
            elements.truncate(NESTED_MAX);
        }
    }
    object
}
