//! Fetches the ticket that a status names and the products of a ticket or of a change of stock, and reads
//! products back.

use super::{LEVEL_ABSENT, api, api::escaped};
use crate::{CallContext, CallError, Fetch, HttpReply, HttpRequest, Object, Page, Reader, json};
use model::{ExternalId, Timestamp};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::collections::BTreeSet;

/// Upper limit of products of one ticket that are read again: as many ids as one product list accepts. Further products
/// keep their levels until they change or are polled.
const TICKET_PRODUCTS_MAX: usize = 50;

/// Upper limit of a quantity in a product list, shown for "this or more" (documented; not verified to be still
/// in force).
const LISTED_QUANTITY_LIMIT: f64 = 30.0;

/// The objects to look for in the reply.
enum FetchTarget {
    /// The ticket of this id.
    Ticket(String),
    /// The products of these ids, no more than one list accepts.
    Products(BTreeSet<String>),
}

/// The objects that a fetch looks for; `None` if the delivery names nothing that can be fetched.
fn fetch_target(wanted: &Fetch<'_>) -> Result<Option<FetchTarget>, Reject> {
    match *wanted {
        Fetch::Notified { topic: "TICKET_STATUS", body, .. } => {
            let missing = || Reject::at(RejectClass::Schema, "/data/ticket_id", "no id of a ticket");
            Ok(Some(FetchTarget::Ticket(ticket_id(body).ok_or_else(missing)?)))
        }
        Fetch::Notified { topic: "TICKET" | "TICKET_BY_STATUS", body, .. } => Ok(sold(body)),
        Fetch::Notified { topic: "INVENTORY", body, .. } => {
            let missing = || Reject::at(RejectClass::Schema, "/data/productId", "no id of a product");
            let named = body.pointer("/data/productId").or_else(|| body.get("productId")).and_then(text);
            let id = named.filter(|id| !id.is_empty()).ok_or_else(missing)?;
            Ok(Some(FetchTarget::Products(BTreeSet::from([id]))))
        }
        Fetch::Notified { .. } => Ok(None),
        Fetch::Level { item, .. } | Fetch::Product { product: item, .. } => {
            Ok(Some(FetchTarget::Products(BTreeSet::from([item.to_string()]))))
        }
    }
}

/// The products whose stock a ticket has changed: no webhook is documented to report that. An open ticket changes none.
fn sold(body: &Value) -> Option<FetchTarget> {
    let status = body.pointer("/data/order_status").and_then(Value::as_str)?.to_ascii_uppercase();
    if !matches!(&*status, "COMPLETED" | "CANCELED" | "CANCELLED") {
        return None;
    }
    let items = body.pointer("/data/items").and_then(Value::as_array)?;
    let ids = items.iter().filter_map(|item| item.get("product_id").and_then(text));
    let ids: BTreeSet<String> = ids.filter(|id| !id.is_empty() && !id.eq_ignore_ascii_case("n/a")).collect();
    let ids: BTreeSet<String> = ids.into_iter().take(TICKET_PRODUCTS_MAX).collect();
    (!ids.is_empty()).then_some(FetchTarget::Products(ids))
}

impl Reader for super::Treez {
    /// The request of a fetch. The level is read with its product, whatever the location: the list filters by a location's
    /// name, not by its id.
    fn request(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
        let path = match fetch_target(wanted)? {
            None => return Ok(None),
            Some(FetchTarget::Ticket(id)) => format!("ticket/{}", escaped(&id)),
            // Without `active=ALL` a deactivated product is left out, and its level would never be read.
            Some(FetchTarget::Products(ids)) => {
                let ids: Vec<String> = ids.iter().map(|id| escaped(id)).collect();
                format!("product/product_list?id={}&active=ALL", ids.join(","))
            }
        };
        api::get(context.access, &path).map(Some)
    }

    /// The objects in a reply, in the form of the webhooks that report them. A read-back of an object that isn't listed
    /// gives an absent level or a deleted product with the current time.
    fn page(
        &self,
        wanted: &Fetch<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<Page, CallError> {
        let Some(target) = fetch_target(wanted)? else { return Ok(Page::default()) };
        if reply.status == 404 && matches!(target, FetchTarget::Ticket(_)) {
            return Err(CallError::Gone);
        }
        check(reply)?;
        let unread = |error| CallError::transient(format!("the reply is {error}"));
        let reply = json::reply(reply.body).map_err(unread)?;
        let (topic, list, key) = match target {
            FetchTarget::Ticket(_) => ("TICKET", "/ticketList", "ticket_id"),
            FetchTarget::Products(_) => ("PRODUCT", "/data/product_list", "product_id"),
        };
        let listed = list_in(&reply, list)?;
        let is_target = |object: &&Value| {
            object.get(key).and_then(text).is_some_and(|id| match &target {
                FetchTarget::Ticket(wanted) => *wanted == id,
                FetchTarget::Products(wanted) => wanted.contains(&id),
            })
        };
        let found: Vec<&Value> = listed.iter().filter(is_target).collect();
        let missing = missing(wanted, context, &found);
        let found = found.into_iter().map(|object| Object { topic, body: as_webhook(topic, object) });
        Ok(Page { objects: found.chain(missing).collect(), next: None })
    }
}

/// Returns the error that a reply states with its status; 429 isn't documented and is read as elsewhere. Lists name their
/// objects in the query, so that a path that doesn't exist is that of an account that doesn't exist.
pub(super) fn check(reply: &HttpReply<'_>) -> Result<(), CallError> {
    let status = reply.status;
    let reject = |class| Reject::new(class, format!("treez refused us: status {status}"));
    Err(match status {
        200..=299 => return Ok(()),
        429 => CallError::RateLimited { after: reply.retry_after },
        300..=399 | 402 | 404 | 423 => reject(RejectClass::Config).into(),
        401 | 403 => reject(RejectClass::Auth).into(),
        400..=407 | 409..=499 => reject(RejectClass::Platform).into(),
        _ => CallError::transient(format!("status {status}")),
    })
}

/// The report of a read-back besides the found objects: there is no such product, or no level of it.
fn missing(wanted: &Fetch<'_>, context: &CallContext<'_>, found: &[&Value]) -> Option<Object> {
    let now = context.now.to_string();
    match *wanted {
        Fetch::Notified { .. } => None,
        Fetch::Level { location, .. } if found.iter().any(|product| reports_level(product, location)) => None,
        Fetch::Level { item, location } => {
            let location = location.map(ExternalId::as_str);
            let absent = json!({"product_id": item.as_str(), "location_id": location, "observed_at": now});
            Some(Object { topic: LEVEL_ABSENT, body: as_webhook(LEVEL_ABSENT, &absent) })
        }
        Fetch::Product { .. } if !found.is_empty() => None,
        Fetch::Product { product, .. } => Some(deleted(product.as_str(), context.now)),
    }
}

/// Returns true if `map` finds a level at the location in a listed product; see there for parts and the list's
/// own limit.
fn reports_level(product: &Value, location: Option<&ExternalId>) -> bool {
    if product.get("product_status").and_then(Value::as_str) != Some("ACTIVE") {
        return true;
    }
    let number = |of: &Value| {
        let quantity = of.get("sellable_quantity")?;
        quantity.as_f64().or_else(|| quantity.as_str()?.trim().parse::<f64>().ok())
    };
    let total = number(product);
    let parts = product.get("sellable_quantity_detail").and_then(Value::as_array);
    let parts = parts.filter(|parts| !parts.is_empty());
    let located = parts.and_then(|parts| {
        let part = |part: &Value| Some((part.get("location_id").and_then(text)?, number(part)?));
        parts.iter().map(part).collect::<Option<Vec<_>>>()
    });
    let sum = located.as_ref().map_or(total, |parts| Some(parts.iter().map(|(_, amount)| amount).sum()));
    let is_limit = |amount: f64| (amount - LISTED_QUANTITY_LIMIT).abs() < f64::EPSILON;
    if total.is_some_and(is_limit) && sum.is_some_and(is_limit) {
        return false;
    }
    match (located, location) {
        (Some(parts), Some(location)) => parts.iter().any(|(id, _)| id == location.as_str()),
        (Some(_), None) => true,
        (None, _) => total.is_some(),
    }
}

/// The list at `pointer` in a reply. The reply to an expired access token has status 200 and JSON without the list.
pub(super) fn list_in<'a>(reply: &'a Value, pointer: &str) -> Result<&'a Vec<Value>, CallError> {
    if !reply.is_object() {
        return Err(CallError::transient("the reply is no object"));
    }
    let absent = || {
        Reject::new(RejectClass::Auth, "treez answered without a list, as it does to a token that ran out")
    };
    Ok(reply.pointer(pointer).and_then(Value::as_array).ok_or_else(absent)?)
}

/// The report of a product that isn't there.
pub(super) fn deleted(product: &str, at: Timestamp) -> Object {
    let deleted =
        json!({"product_id": product, "product_status": "DELETED", "last_updated_at": at.to_string()});
    Object { topic: "PRODUCT", body: as_webhook("PRODUCT", &deleted) }
}

pub(super) fn as_webhook(topic: &str, object: &Value) -> Vec<u8> {
    json!({"event_type": topic, "data": object}).to_string().into_bytes()
}

fn ticket_id(body: &Value) -> Option<String> {
    body.pointer("/data/ticket_id").and_then(text).filter(|id| !id.is_empty())
}

/// An id, as a text or a whole number.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
