//! Fetches the objects that a thin notification names, and reads levels and products back.

use super::{COUNT_ABSENT, http};
use crate::{Access, CallContext, CallOutcome, Fetch, Fetched, HttpReply, HttpRequest, json};
use model::{ExternalId, Timestamp};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::collections::BTreeSet;

/// Requested number of catalog objects per page. Advisory: Square may send more or fewer.
const PAGE_OBJECTS: u32 = 100;
const MICROS_PER_MILLISECOND: i64 = 1_000;

/// The first request of a fetch.
pub(super) fn request(wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
    let access = context.access;
    match *wanted {
        Fetch::Notified { topic: "catalog.version.updated", since, .. } => {
            Ok(Some(search(access, since, None)))
        }
        Fetch::Notified { topic: "order.created" | "order.updated", body, .. } => {
            let missing = || Reject::at(RejectClass::Schema, "/data/id", "no id of an order");
            let id = body.pointer("/data/id").and_then(Value::as_str).filter(|id| !id.is_empty());
            Ok(Some(http::get(access, &format!("/v2/orders/{}", http::segment(id.ok_or_else(missing)?)))))
        }
        Fetch::Notified { .. } => Ok(None),
        Fetch::Product { product, .. } => {
            Ok(Some(http::get(access, &format!("/v2/catalog/object/{}", http::segment(product.as_str())))))
        }
        Fetch::Level { item, location } => {
            let missing = || Reject::new(RejectClass::Config, "square counts at locations, and none is set");
            let wanted = json!({
                "catalog_object_ids": [item.as_str()],
                "location_ids": [location.ok_or_else(missing)?.as_str()],
                "states": ["IN_STOCK"],
            });
            Ok(Some(http::post(access, "/v2/inventory/counts/batch-retrieve", &wanted)))
        }
    }
}

/// One page of the catalog. A price is part of a variation, and its change need not change the item: changes are
/// therefore requested with the variations, each of which includes its item as a related object.
fn search(access: &Access, since: Option<Timestamp>, cursor: Option<&str>) -> HttpRequest {
    let types: &[&str] = if since.is_some() { &["ITEM", "ITEM_VARIATION"] } else { &["ITEM"] };
    let mut body = json!({
        "object_types": types,
        "include_deleted_objects": true,
        "include_related_objects": since.is_some(),
        "limit": PAGE_OBJECTS,
    });
    if let Some(since) = since {
        body["begin_time"] = Value::String(since.to_string());
    }
    if let Some(cursor) = cursor {
        body["cursor"] = Value::String(cursor.to_owned());
    }
    http::post(access, "/v2/catalog/search", &body)
}

/// The objects in a reply, as `map` expects them. A read-back of an object that doesn't exist gives an absent count or
/// a deleted item with the current time.
pub(super) fn fetched(wanted: &Fetch<'_>, context: &CallContext<'_>, reply: &HttpReply<'_>) -> Fetched {
    match (http::meaning(reply), wanted) {
        (CallOutcome::Done { .. }, _) => {}
        (CallOutcome::Gone, Fetch::Level { item, location }) => return absent(item, *location, context.now),
        (CallOutcome::Gone, Fetch::Product { product, .. }) => return deleted(product, context.now),
        (other, _) => return Fetched::Failed(other),
    }
    let body = match json::reply(reply.body) {
        Ok(read) => read,
        Err(error) => return Fetched::Failed(CallOutcome::Retry { reason: format!("the reply is {error}") }),
    };
    match *wanted {
        Fetch::Notified { topic: "catalog.version.updated", since, .. } => {
            let cursor = body.get("cursor").and_then(Value::as_str).filter(|cursor| !cursor.is_empty());
            let next = cursor.map(|cursor| search(context.access, since, Some(cursor)));
            Fetched::Objects { objects: items(&body), next }
        }
        Fetch::Notified { .. } => only(&body, "order", "order.object"),
        Fetch::Product { .. } => only(&body, "object", "catalog.object"),
        Fetch::Level { item, location } => {
            let mut counts = array(&body, "counts").peekable();
            // Square lists no count of an item that was never counted at the location, or no longer is.
            if counts.peek().is_none() {
                return absent(item, location, context.now);
            }
            objects(counts.map(|count| ("inventory.count", count)))
        }
    }
}

/// The one object of a reply, which is required.
fn only(body: &Value, name: &str, topic: &'static str) -> Fetched {
    match body.get(name) {
        Some(object @ Value::Object(_)) => objects([(topic, object)]),
        _ => Fetched::Failed(CallOutcome::Rejected(Reject::new(
            RejectClass::Platform,
            format!("the reply holds no {name}"),
        ))),
    }
}

/// A report that the item isn't counted at the location.
fn absent(item: &ExternalId, location: Option<&ExternalId>, now: Timestamp) -> Fetched {
    let absent = json!({
        "catalog_object_id": item.as_str(),
        "location_id": location.map(ExternalId::as_str),
        "observed_at": now.to_string(),
    });
    objects([(COUNT_ABSENT, &absent)])
}

/// A deletion as a search reports it. Versions are milliseconds that only grow, so that the current time is later than
/// all versions of the object.
fn deleted(product: &ExternalId, now: Timestamp) -> Fetched {
    let deleted = json!({
        "type": "ITEM",
        "id": product.as_str(),
        "version": now.as_micros().max(0) / MICROS_PER_MILLISECOND,
        "updated_at": now.to_string(),
        "is_deleted": true,
    });
    objects([("catalog.object", &deleted)])
}

/// The items among the objects and the related objects, without repeats.
fn items(body: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let mut seen = BTreeSet::new();
    array(body, "objects")
        .chain(array(body, "related_objects"))
        .filter(|object| object.get("type").and_then(Value::as_str) == Some("ITEM"))
        .filter(|object| seen.insert(object.get("id").and_then(Value::as_str)))
        .map(|object| ("catalog.object", object.to_string().into_bytes()))
        .collect()
}

fn array<'a>(body: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    body.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn objects<'a>(found: impl IntoIterator<Item = (&'static str, &'a Value)>) -> Fetched {
    let objects = found.into_iter().map(|(topic, object)| (topic, object.to_string().into_bytes())).collect();
    Fetched::Objects { objects, next: None }
}

#[cfg(test)]
mod tests;
