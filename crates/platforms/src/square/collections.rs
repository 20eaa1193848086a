//! Lists that are read on a schedule: catalog, counts, pricing rules, orders, customers, the team.

mod rules;
mod team;

use super::{COUNT_ABSENT, http, images::Images};
use crate::{
    Access, CallContext, CallError, Collection, Collections, HttpReply, HttpRequest, ListPage, Listed,
    NextPage, Object, Range, Reads, Wanted, json,
};
use model::{RawDigest, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::{collections::BTreeSet, time::Duration};

/// Requested number of objects per page. Advisory for the catalog and customers (SPEC).
const PAGE_OBJECTS: u32 = 100;
/// Requested number of counts per page: they are small.
const PAGE_COUNTS: u32 = 500;
/// Upper limit of locations in one search of orders (SPEC).
const LOCATIONS_MAX: usize = 10;
const MICROS_PER_MILLISECOND: i64 = 1_000;
/// Time by which a list may lag behind: our caution, Square states none.
const OVERLAP: Duration = Duration::from_mins(2);

static ALL: [Collection; 6] = [
    Collection {
        name: "products",
        reads: Reads::ChangesAndWhole { overlap: OVERLAP },
        every: Duration::from_mins(15),
    },
    Collection {
        name: "levels",
        reads: Reads::ChangesAndWhole { overlap: OVERLAP },
        every: Duration::from_mins(5),
    },
    Collection { name: "promotions", reads: Reads::Whole, every: Duration::from_mins(10) },
    Collection {
        name: "customers",
        reads: Reads::ChangesAndWhole { overlap: OVERLAP },
        every: Duration::from_mins(30),
    },
    Collection { name: "employees", reads: Reads::Whole, every: Duration::from_hours(1) },
    Collection {
        name: "orders",
        reads: Reads::Changes { overlap: Duration::from_mins(10) },
        every: Duration::from_mins(5),
    },
];

/// The place of a page in the search of orders, which is made for ten locations at a time.
#[derive(Serialize, Deserialize)]
struct OrdersCursor {
    /// Locations whose orders aren't read to the end; the first ones are searched.
    locations: Vec<String>,
    /// Square's cursor; `None` for the first page.
    cursor: Option<String>,
}

impl Collections for super::Square {
    fn all(&self) -> &'static [Collection] {
        &ALL
    }

    fn request(&self, wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject> {
        let access = context.access;
        match wanted.collection {
            "products" => Ok(products(access, wanted)),
            "levels" => Ok(levels(access, wanted)),
            "promotions" => Ok(rules::request(access, wanted)),
            "customers" => Ok(customers(access, wanted)),
            "employees" => Ok(team::request(access, wanted)),
            // The locations have to be named, and only Square knows all of them.
            "orders" if wanted.cursor.is_none() => Ok(http::get(access, "/v2/locations")),
            "orders" => orders(access, wanted),
            _ => Err(Reject::new(RejectClass::Config, "square has no such collection")),
        }
    }

    fn page(
        &self,
        wanted: &Wanted<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<ListPage, CallError> {
        self.request(wanted, context)?;
        http::check(reply)?;
        let unread = |error| CallError::transient(format!("the reply is {error}"));
        let body = json::reply(reply.body).map_err(unread)?;
        if !body.is_object() {
            return Err(CallError::transient("the reply is no object"));
        }
        match wanted.collection {
            "products" => Ok(ListPage { objects: items(&body)?, next: next(&body), total: None }),
            "levels" => Ok(ListPage { objects: counts(&body)?, next: next(&body), total: None }),
            "promotions" => Ok(ListPage { objects: rules::listed(&body)?, next: next(&body), total: None }),
            "customers" => Ok(ListPage { objects: people(&body)?, next: next(&body), total: None }),
            "employees" => Ok(ListPage { objects: team::listed(&body)?, next: next(&body), total: None }),
            _ => sales(wanted, &body),
        }
    }

    /// A deletion, with the time of the list as its version, as versions are milliseconds; an absent count. Customers
    /// without a name, an address or a number aren't listed at all (SPEC): nothing follows from their absence.
    fn missing(&self, collection: &str, key: &str, at: Timestamp) -> Option<Object> {
        let millis = at.as_micros().max(0) / MICROS_PER_MILLISECOND;
        match collection {
            "products" => Some(object(
                "catalog.object",
                &json!({"type": "ITEM", "id": key, "version": millis, "updated_at": at.to_string(), "is_deleted": true}),
            )),
            "promotions" => Some(rules::gone(key, millis, at)),
            "levels" => {
                let (item, location) = key.split_once('/')?;
                let absent = json!({
                    "catalog_object_id": item, "location_id": location, "observed_at": at.to_string(),
                });
                Some(object(COUNT_ABSENT, &absent))
            }
            _ => None,
        }
    }
}

/// A page of the catalog: whole items, or what changed. A price is part of a variation, whose change need not change its
/// item: changes are requested with variations, each of which includes its item as a related object.
fn products(access: &Access, wanted: &Wanted<'_>) -> HttpRequest {
    let mut body = match wanted.range {
        Range::Whole => json!({
            "object_types": ["ITEM"],
            "include_deleted_objects": false,
            // Images.
            "include_related_objects": true,
        }),
        Range::Changed { since, .. } => json!({
            "object_types": ["ITEM", "ITEM_VARIATION"],
            "include_deleted_objects": true,
            "include_related_objects": true,
            "begin_time": since.to_string(),
        }),
    };
    body["limit"] = PAGE_OBJECTS.into();
    http::post(access, "/v2/catalog/search", &with_cursor(body, wanted.cursor))
}

fn levels(access: &Access, wanted: &Wanted<'_>) -> HttpRequest {
    let mut body = json!({"states": ["IN_STOCK"], "limit": PAGE_COUNTS});
    if let Range::Changed { since, .. } = wanted.range {
        body["updated_after"] = since.to_string().into();
    }
    http::post(access, "/v2/inventory/counts/batch-retrieve", &with_cursor(body, wanted.cursor))
}

fn customers(access: &Access, wanted: &Wanted<'_>) -> HttpRequest {
    let mut body = json!({"limit": PAGE_OBJECTS, "query": {"sort": {"field": "CREATED_AT", "order": "ASC"}}});
    if let Range::Changed { since, until } = wanted.range {
        body["query"]["filter"] = json!({"updated_at": range(since, until)});
    }
    http::post(access, "/v2/customers/search", &with_cursor(body, wanted.cursor))
}

fn orders(access: &Access, wanted: &Wanted<'_>) -> Result<HttpRequest, Reject> {
    let OrdersCursor { locations, cursor } = orders_cursor(wanted)?;
    let searched = &locations[..locations.len().min(LOCATIONS_MAX)];
    let mut query = json!({"sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"}});
    if let Range::Changed { since, until } = wanted.range {
        query["filter"] = json!({"date_time_filter": {"updated_at": range(since, until)}});
    }
    let body = json!({"location_ids": searched, "limit": PAGE_OBJECTS, "query": query});
    Ok(http::post(access, "/v2/orders/search", &with_cursor(body, cursor.as_deref())))
}

fn orders_cursor(wanted: &Wanted<'_>) -> Result<OrdersCursor, Reject> {
    let unreadable = |_| Reject::new(RejectClass::Platform, "a cursor that isn't ours");
    serde_json::from_str(wanted.cursor.unwrap_or_default()).map_err(unreadable)
}

fn range(since: Timestamp, until: Option<Timestamp>) -> Value {
    let mut range = json!({"start_at": since.to_string()});
    if let Some(until) = until {
        range["end_at"] = until.to_string().into();
    }
    range
}

fn with_cursor(mut body: Value, cursor: Option<&str>) -> Value {
    if let Some(cursor) = cursor {
        body["cursor"] = cursor.into();
    }
    body
}

/// The items of a page, with their images. An item that is listed only because one of its variations changed may be on several pages, and so
/// isn't accounted for.
fn items(body: &Value) -> Result<Vec<Listed>, CallError> {
    let is_item = |object: &&Value| object.get("type").and_then(Value::as_str) == Some("ITEM");
    let listed: Vec<&Value> = rows(body, "objects")?.iter().filter(is_item).collect();
    let known: BTreeSet<&str> = listed.iter().filter_map(|item| id(item)).collect();
    let related = rows(body, "related_objects")?.iter().filter(is_item);
    let related = related.filter(|item| id(item).is_none_or(|id| !known.contains(id)));
    let images = Images::among(rows(body, "related_objects")?);
    let mut objects: Vec<Listed> = listed
        .iter()
        .map(|item| of(id(item).unwrap_or_default().to_owned(), "catalog.object", &images.with(item)))
        .collect();
    objects.extend(related.map(|item| of(String::new(), "catalog.object", item)));
    Ok(objects)
}

fn counts(body: &Value) -> Result<Vec<Listed>, CallError> {
    let key = |count: &Value| {
        let text = |name: &str| count.get(name).and_then(Value::as_str);
        let (item, location) = (text("catalog_object_id")?, text("location_id")?);
        (text("state") == Some("IN_STOCK")).then(|| format!("{item}/{location}"))
    };
    let listed = rows(body, "counts")?.iter();
    Ok(listed.map(|count| of(key(count).unwrap_or_default(), "inventory.count", count)).collect())
}

/// The customers of a page, in the shape of the webhook.
fn people(body: &Value) -> Result<Vec<Listed>, CallError> {
    let listed = rows(body, "customers")?.iter().map(|customer| {
        let id = id(customer).unwrap_or_default();
        let shown = json!({
            "type": "customer.updated",
            "event_id": RawDigest::of(customer.to_string().as_bytes()).to_string(),
            "created_at": customer.get("updated_at"),
            "data": {"type": "customer", "id": id, "object": {"customer": customer}},
        });
        of(id.to_owned(), "customer.updated", &shown)
    });
    Ok(listed.collect())
}

fn sales(wanted: &Wanted<'_>, body: &Value) -> Result<ListPage, CallError> {
    if wanted.cursor.is_none() {
        let locations: Vec<String> =
            rows(body, "locations")?.iter().filter_map(id).map(str::to_owned).collect();
        return Ok(ListPage { next: of_orders(locations, None)?, ..ListPage::default() });
    }
    let OrdersCursor { mut locations, .. } = orders_cursor(wanted)?;
    let listed = rows(body, "orders")?.iter();
    let objects =
        listed.map(|order| of(id(order).unwrap_or_default().to_owned(), "order.object", order)).collect();
    let cursor = next(body).map(|next| next.cursor);
    if cursor.is_none() {
        locations.drain(..locations.len().min(LOCATIONS_MAX));
    }
    Ok(ListPage { objects, next: of_orders(locations, cursor)?, total: None })
}

/// The next page of orders; `None` if no location is left.
fn of_orders(locations: Vec<String>, cursor: Option<String>) -> Result<Option<NextPage>, CallError> {
    if locations.is_empty() {
        return Ok(None);
    }
    let cursor = serde_json::to_string(&OrdersCursor { locations, cursor });
    let cursor = cursor.map_err(|_| CallError::transient("a cursor can't be written"))?;
    Ok(Some(NextPage { cursor, wait: Duration::ZERO }))
}

fn next(body: &Value) -> Option<NextPage> {
    let cursor = body.get("cursor").and_then(Value::as_str).filter(|cursor| !cursor.is_empty())?;
    Some(NextPage { cursor: cursor.to_owned(), wait: Duration::ZERO })
}

/// The rows under `name`: none if Square left the field out, as it does with empty lists.
fn rows<'a>(body: &'a Value, name: &str) -> Result<&'a [Value], CallError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(rows)) => Ok(rows),
        Some(_) => Err(CallError::transient(format!("the reply has no list of {name}"))),
    }
}

fn id(of: &Value) -> Option<&str> {
    of.get("id").and_then(Value::as_str)
}

fn of(key: String, topic: &'static str, body: &Value) -> Listed {
    Listed { key, object: object(topic, body) }
}

fn object(topic: &'static str, body: &Value) -> Object {
    Object { topic, body: body.to_string().into_bytes() }
}

#[cfg(test)]
mod tests;
