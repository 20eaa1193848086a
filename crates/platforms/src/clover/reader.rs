//! Fetches the objects that a notification names, and reads levels and products back.

use super::{
    collections::{EMPLOYEE_FIELDS, with_fields},
    http,
};
use crate::{Access, CallContext, CallError, Fetch, HttpReply, HttpRequest, Object, Page, Reader, json};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::collections::BTreeSet;

/// Related objects that are read with an item. Clover allows three in a call.
pub(super) const ITEM_EXPANDED: &str = "itemStock,categories,options";
/// Related objects that are read with an order.
pub(super) const ORDER_EXPANDED: &str = "lineItems,payments,customers";
/// Related objects that are read with a customer.
pub(super) const CUSTOMER_EXPANDED: &str = "emailAddresses,phoneNumbers";
/// Upper limit of the lines that Clover lists with an order; more aren't shown.
pub(super) const LINES_LISTED_MAX: usize = 100;
/// Upper limit of items of one order whose stock is read; Clover recommends no more than 100 ids in a call.
const ORDER_ITEMS_MAX: usize = 100;
const MICROS_PER_MILLISECOND: i64 = 1_000;

/// The object to read.
struct FetchTarget<'a> {
    /// The topic of its delivery.
    topic: &'static str,
    id: &'a str,
    /// Time of its deletion, in milliseconds, if Clover doesn't have it any more.
    deleted_time: i64,
}

/// The object that a fetch looks for; `None` if the notification names nothing that can be fetched.
fn fetch_target<'a>(
    wanted: &Fetch<'a>,
    context: &CallContext<'_>,
) -> Result<Option<FetchTarget<'a>>, Reject> {
    let now = context.now.as_micros().max(0) / MICROS_PER_MILLISECOND;
    let of_item = |id| FetchTarget { topic: "item", id, deleted_time: now };
    match *wanted {
        Fetch::Level { item: id, .. } | Fetch::Product { product: id, .. } => Ok(Some(of_item(id.as_str()))),
        Fetch::Notified { topic, body, .. } => {
            let topic = match topic {
                "I" | "IA" | "IS" => "item",
                "O" => "order",
                "C" => "customer",
                "E" => "employee",
                _ => return Ok(None),
            };
            let missing = || Reject::at(RejectClass::Schema, "/merchants", "no update of an object");
            let update = update(body).ok_or_else(missing)?;
            let object = update.get("objectId").and_then(Value::as_str).and_then(|id| id.split_once(':'));
            let (_, id) = object.filter(|(_, id)| !id.is_empty()).ok_or_else(missing)?;
            // The time of the notification rather than of the read: whatever happened after it is newer.
            let deleted_time = update.get("ts").and_then(Value::as_i64).unwrap_or(now);
            Ok(Some(FetchTarget { topic, id, deleted_time }))
        }
    }
}

/// The one update of a delivery.
fn update(body: &Value) -> Option<&Value> {
    body.get("merchants")?.as_object()?.values().next()?.get(0)
}

impl Reader for super::Clover {
    /// The request of a fetch. A level is read with its item, which shows if the item was deleted.
    fn request(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
        let Some(FetchTarget { topic, id, .. }) = fetch_target(wanted, context)? else { return Ok(None) };
        let (collection, expanded) = match topic {
            "order" => ("orders", ORDER_EXPANDED),
            "customer" => ("customers", CUSTOMER_EXPANDED),
            "employee" => {
                return http::get(context.access, &format!("employees/{}", http::escaped(id))).map(Some);
            }
            _ => ("items", ITEM_EXPANDED),
        };
        let path = format!("{collection}/{}?expand={}", http::escaped(id), http::escaped(expanded));
        http::get(context.access, &path).map(Some)
    }

    /// The objects in a reply. An object that doesn't exist is one that was deleted. An order is followed by the items
    /// that it sells: no webhook is documented to report what a sale does to their stock. An order with more lines than
    /// Clover shows is left to the list of orders, which reads them.
    fn page(
        &self,
        wanted: &Fetch<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<Page, CallError> {
        let Some(target) = fetch_target(wanted, context)? else { return Ok(Page::default()) };
        match http::check(reply) {
            Ok(()) => {}
            Err(CallError::Gone) => {
                let deleted = json!({"id": target.id, "deletedTime": target.deleted_time});
                return Ok(Page::of_one(target.topic, &deleted));
            }
            Err(error) => return Err(error),
        }
        let unread = |error| CallError::transient(format!("the reply is {error}"));
        let body = json::reply(reply.body).map_err(unread)?;
        if target.topic == "order"
            && let Some(items) = body.get("elements").and_then(Value::as_array)
        {
            let object = |item: &Value| Object { topic: "item", body: item.to_string().into_bytes() };
            return Ok(Page { objects: items.iter().map(object).collect(), next: None });
        }
        if body.get("id").and_then(Value::as_str) != Some(target.id) {
            let reason = format!("the reply isn't the {} that was asked for", target.topic);
            return Err(CallError::Rejected(Reject::new(RejectClass::Platform, reason)));
        }
        if target.topic == "employee" {
            // Nothing else of an employee is handed on, least of all a PIN.
            return Ok(Page::of_one(target.topic, &with_fields(&body, &EMPLOYEE_FIELDS)));
        }
        let next = if target.topic == "order" { sold(context.access, &body)? } else { None };
        if target.topic == "order" && has_all_lines_listed(&body) {
            return Ok(Page { next, ..Page::default() });
        }
        Ok(Page { next, ..Page::of_one(target.topic, &body) })
    }

    /// An item has no version of its stock: with ten pieces, nine, and ten again it is the same body twice.
    fn has_states_apart(&self) -> bool {
        false
    }
}

/// Returns true for an order with as many lines as Clover shows: it may have more.
fn has_all_lines_listed(order: &Value) -> bool {
    let lines = order.pointer("/lineItems/elements").and_then(Value::as_array);
    lines.is_some_and(|lines| lines.len() >= LINES_LISTED_MAX)
}

/// The request for the items in the lines of an order; `None` if they are of no item. No item is listed twice, so that one
/// page has them all.
fn sold(access: &Access, order: &Value) -> Result<Option<HttpRequest>, Reject> {
    let lines = order.pointer("/lineItems/elements").and_then(Value::as_array);
    let ids = lines.into_iter().flatten().filter_map(|line| line.pointer("/item/id")?.as_str());
    // A quote would end the text that the id is in the filter.
    let ids: BTreeSet<&str> = ids.filter(|id| !id.is_empty() && !id.contains('\'')).collect();
    if ids.is_empty() {
        return Ok(None);
    }
    let listed: Vec<String> = ids.into_iter().take(ORDER_ITEMS_MAX).map(|id| format!("'{id}'")).collect();
    let filter = format!("id in ({})", listed.join(","));
    let path = format!(
        "items?filter={}&expand={}&limit={ORDER_ITEMS_MAX}",
        http::escaped(&filter),
        http::escaped(ITEM_EXPANDED)
    );
    http::get(access, &path).map(Some)
}

#[cfg(test)]
mod tests;
