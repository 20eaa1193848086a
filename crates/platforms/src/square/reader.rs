//! Fetches the objects that a thin notification names, and reads levels and products back.

use super::{COUNT_ABSENT, http, images::Images};
use crate::{Access, CallContext, CallError, Fetch, HttpReply, HttpRequest, Object, Page, Reader, json};
use model::{ExternalId, Timestamp};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::collections::BTreeSet;

/// Requested number of catalog objects per page. Advisory: Square may send more or fewer.
const PAGE_OBJECTS: u32 = 100;
const MICROS_PER_MILLISECOND: i64 = 1_000;

impl Reader for super::Square {
    /// The first request of a fetch.
    fn request(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
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
            Fetch::Product { product, .. } => Ok(Some(http::get(
                access,
                &format!(
                    "/v2/catalog/object/{}?include_related_objects=true",
                    http::segment(product.as_str())
                ),
            ))),
            Fetch::Level { item, location } => {
                let missing =
                    || Reject::new(RejectClass::Config, "square counts at locations, and none is set");
                let wanted = json!({
                    "catalog_object_ids": [item.as_str()],
                    "location_ids": [location.ok_or_else(missing)?.as_str()],
                    "states": ["IN_STOCK"],
                });
                Ok(Some(http::post(access, "/v2/inventory/counts/batch-retrieve", &wanted)))
            }
        }
    }

    /// The objects in a reply, as `map` expects them. A read-back of an object that doesn't exist gives an absent count or
    /// a deleted item with the current time.
    fn page(
        &self,
        wanted: &Fetch<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<Page, CallError> {
        match (http::check(reply), wanted) {
            (Ok(()), _) => {}
            (Err(CallError::Gone), Fetch::Level { item, location }) => {
                return Ok(absent(item, *location, context.now));
            }
            (Err(CallError::Gone), Fetch::Product { product, .. }) => {
                return Ok(deleted(product, context.now));
            }
            (Err(error), _) => return Err(error),
        }
        let unread = |error| CallError::transient(format!("the reply is {error}"));
        let body = json::reply(reply.body).map_err(unread)?;
        match *wanted {
            Fetch::Notified { topic: "catalog.version.updated", since, .. } => {
                let cursor = body.get("cursor").and_then(Value::as_str).filter(|cursor| !cursor.is_empty());
                let next = cursor.map(|cursor| search(context.access, since, Some(cursor)));
                Ok(Page { objects: items(&body), next })
            }
            Fetch::Notified { .. } => only(&body, "order", "order.object"),
            Fetch::Product { .. } => {
                let images = Images::among(array(&body, "related_objects"));
                let whole = body.get("object").map(|item| json!({"object": images.with(item)}));
                only(&whole.unwrap_or_default(), "object", "catalog.object")
            }
            Fetch::Level { item, location } => {
                let mut counts = array(&body, "counts").peekable();
                // Square lists no count of an item that was never counted at the location, or no longer is.
                if counts.peek().is_none() {
                    return Ok(absent(item, location, context.now));
                }
                Ok(objects(counts.map(|count| ("inventory.count", count))))
            }
        }
    }

    fn names_no_object(&self, topic: &str) -> bool {
        topic == "catalog.version.updated"
    }
}

/// One page of the catalog. A price is part of a variation, and its change need not change the item: changes are
/// therefore requested with the variations, each of which includes its item as a related object.
fn search(access: &Access, since: Option<Timestamp>, cursor: Option<&str>) -> HttpRequest {
    let types: &[&str] = if since.is_some() { &["ITEM", "ITEM_VARIATION"] } else { &["ITEM"] };
    let mut body = json!({
        "object_types": types,
        "include_deleted_objects": true,
        // The items of variations, and images.
        "include_related_objects": true,
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

/// The one object of a reply, which is required.
fn only(body: &Value, name: &str, topic: &'static str) -> Result<Page, CallError> {
    match body.get(name) {
        Some(object @ Value::Object(_)) => Ok(objects([(topic, object)])),
        _ => {
            Err(CallError::Rejected(Reject::new(RejectClass::Platform, format!("the reply holds no {name}"))))
        }
    }
}

/// A report that the item isn't counted at the location.
fn absent(item: &ExternalId, location: Option<&ExternalId>, now: Timestamp) -> Page {
    let absent = json!({
        "catalog_object_id": item.as_str(),
        "location_id": location.map(ExternalId::as_str),
        "observed_at": now.to_string(),
    });
    objects([(COUNT_ABSENT, &absent)])
}

/// A deletion as a search reports it. Versions are milliseconds that only grow, so that the current time is later than
/// all versions of the object.
fn deleted(product: &ExternalId, now: Timestamp) -> Page {
    let deleted = json!({
        "type": "ITEM",
        "id": product.as_str(),
        "version": now.as_micros().max(0) / MICROS_PER_MILLISECOND,
        "updated_at": now.to_string(),
        "is_deleted": true,
    });
    objects([("catalog.object", &deleted)])
}

/// The items among the objects and the related objects, without repeats, with those of their images that are listed.
fn items(body: &Value) -> Vec<Object> {
    let mut seen = BTreeSet::new();
    let images = Images::among(array(body, "related_objects"));
    array(body, "objects")
        .chain(array(body, "related_objects"))
        .filter(|object| object.get("type").and_then(Value::as_str) == Some("ITEM"))
        .filter(|object| seen.insert(object.get("id").and_then(Value::as_str)))
        .map(|object| Object { topic: "catalog.object", body: images.with(object).to_string().into_bytes() })
        .collect()
}

fn array<'a>(body: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    body.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn objects<'a>(found: impl IntoIterator<Item = (&'static str, &'a Value)>) -> Page {
    let object = |(topic, object): (_, &Value)| Object { topic, body: object.to_string().into_bytes() };
    Page { objects: found.into_iter().map(object).collect(), next: None }
}

#[cfg(test)]
mod tests;
