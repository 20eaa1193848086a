//! Lists that are read on a schedule: items, their stock, customers, employees, orders.

mod orders;

use super::http;
use crate::{
    Access, CallContext, CallError, Collection, Collections, HttpReply, HttpRequest, ListPage, Listed,
    NextPage, Object, Range, Reads, Wanted, json,
    offset_list::{OffsetPage, OffsetPlace},
};
use model::Timestamp;
use serde_json::{Map, Value, json};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Number of objects on a page with related ones: Clover's default (README, limits).
const PAGE_OBJECTS: u64 = 100;
/// Number of stocks on a page, the most that Clover lists (README, limits).
const PAGE_STOCKS: u64 = 1_000;
/// Upper limit of an object's key, in bytes; a longer id is none.
const KEY_BYTES_MAX: usize = 1_000;
/// Time by which a list of items may lag behind: our caution, Clover states none.
const OVERLAP: Duration = Duration::from_mins(5);
/// The same of orders: devices and servers have different clocks.
const OVERLAP_ORDERS: Duration = Duration::from_mins(15);
const MICROS_PER_MILLISECOND: i64 = 1_000;

/// The order of items and orders: one that changes while the list is read moves to its end, and is listed again.
const OLDEST_CHANGE_FIRST: &str = "modifiedTime ASC";

/// The fields of a customer that are kept.
const CUSTOMER_FIELDS: [&str; 6] =
    ["id", "firstName", "lastName", "emailAddresses", "phoneNumbers", "deletedTime"];

/// The fields of an employee that are kept. Clover lists PINs, as they are and hashed, among the others.
pub(super) const EMPLOYEE_FIELDS: [&str; 5] = ["id", "name", "email", "role", "deletedTime"];

/// The lists, in the order in which a first sync reads them. It isn't documented if `modifiedTime` changes with stock, and
/// stock has no list of changes: levels are read as a whole. Customers have no time of their last change.
static ALL: [Collection; 5] = [
    Collection {
        name: "products",
        reads: Reads::ChangesAndWhole { overlap: OVERLAP },
        every: Duration::from_mins(15),
    },
    Collection { name: "levels", reads: Reads::Whole, every: Duration::from_mins(5) },
    Collection { name: "customers", reads: Reads::Whole, every: Duration::from_hours(1) },
    Collection { name: "employees", reads: Reads::Whole, every: Duration::from_hours(1) },
    Collection {
        name: "orders",
        reads: Reads::Changes { overlap: OVERLAP_ORDERS },
        every: Duration::from_mins(5),
    },
];

impl Collections for super::Clover {
    fn all(&self) -> &'static [Collection] {
        &ALL
    }

    fn request(&self, wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject> {
        let access = context.access;
        match wanted.collection {
            "products" => items(access, wanted),
            "levels" => list(access, &format!("item_stocks?limit={PAGE_STOCKS}"), &place(wanted)?),
            "customers" => {
                let expanded = http::escaped(super::reader::CUSTOMER_EXPANDED);
                list(access, &format!("customers?expand={expanded}&limit={PAGE_OBJECTS}"), &place(wanted)?)
            }
            "employees" => list(access, &format!("employees?limit={PAGE_OBJECTS}"), &place(wanted)?),
            "orders" => orders::request(access, wanted),
            _ => Err(Reject::new(RejectClass::Config, "clover lists no such objects")),
        }
    }

    fn page(
        &self,
        wanted: &Wanted<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<ListPage, CallError> {
        // Its cursor is checked first.
        self.request(wanted, context)?;
        if wanted.collection == "orders" {
            return orders::page(wanted, reply);
        }
        let rows = rows(reply)?;
        let (topic, size, key): (_, _, fn(&Value) -> Option<&str>) = match wanted.collection {
            "products" => ("item", PAGE_OBJECTS, key),
            "levels" => ("item_stock", PAGE_STOCKS, stock_key),
            "employees" => ("employee", PAGE_OBJECTS, key),
            _ => ("customer", PAGE_OBJECTS, key),
        };
        let read = place(wanted)?.read(&rows, OffsetPage { size, total: None }, key)?;
        let listed = |row: &Value| {
            let body = match topic {
                "item_stock" => stock(row),
                "customer" => with_fields(row, &CUSTOMER_FIELDS),
                "employee" => with_fields(row, &EMPLOYEE_FIELDS),
                _ => row.clone(),
            };
            Listed { key: key(row).unwrap_or_default().to_owned(), object: object(topic, &body) }
        };
        let objects = read.rows.iter().map(listed).collect();
        Ok(ListPage { objects, next: read.next.map(|next| page_at(&next)).transpose()?, total: None })
    }

    /// The deletion of an item or an employee, at the beginning of the list; an unknown level. Nothing is documented about customers that
    /// a list leaves out.
    fn missing(&self, collection: &str, key: &str, at: Timestamp) -> Option<Object> {
        match collection {
            "products" => Some(object("item", &json!({"id": key, "deletedTime": millis(at)}))),
            "employees" => Some(object("employee", &json!({"id": key, "deletedTime": millis(at)}))),
            "levels" => Some(object("item_stock", &json!({"item": {"id": key}, "quantity": null}))),
            _ => None,
        }
    }
}

fn items(access: &Access, wanted: &Wanted<'_>) -> Result<HttpRequest, Reject> {
    let path = format!(
        "items?expand={}&limit={PAGE_OBJECTS}&orderBy={}{}",
        http::escaped(super::reader::ITEM_EXPANDED),
        http::escaped(OLDEST_CHANGE_FIRST),
        changed(wanted.range)
    );
    list(access, &path, &place(wanted)?)
}

fn list(access: &Access, path: &str, place: &OffsetPlace) -> Result<HttpRequest, Reject> {
    http::get(access, &format!("{path}&offset={}", place.offset))
}

/// The filters of a range.
fn changed(range: Range) -> String {
    let filter = |comparison: &str, at| {
        format!("&filter={}", http::escaped(&format!("modifiedTime{comparison}{}", millis(at))))
    };
    match range {
        Range::Whole => String::new(),
        Range::Changed { since, until } => {
            filter(">=", since) + &until.map(|until| filter("<=", until)).unwrap_or_default()
        }
    }
}

fn millis(at: Timestamp) -> i64 {
    at.as_micros().max(0) / MICROS_PER_MILLISECOND
}

/// The place that `wanted` names, or the beginning of its list.
fn place(wanted: &Wanted<'_>) -> Result<OffsetPlace, Reject> {
    let Some(cursor) = wanted.cursor else { return Ok(OffsetPlace::default()) };
    serde_json::from_str(cursor).map_err(|_| Reject::new(RejectClass::Platform, "a cursor that isn't ours"))
}

fn page_at(place: &impl serde::Serialize) -> Result<NextPage, CallError> {
    let cursor =
        serde_json::to_string(place).map_err(|_| CallError::transient("a cursor can't be written"))?;
    Ok(NextPage { cursor, wait: Duration::ZERO })
}

/// The rows of a list. A list always exists: one that isn't found is a wrong address.
fn rows(reply: &HttpReply<'_>) -> Result<Vec<Value>, CallError> {
    match http::check(reply) {
        Ok(()) => {}
        Err(CallError::Gone) => {
            return Err(Reject::new(RejectClass::Config, "clover has no such list: status 404").into());
        }
        Err(error) => return Err(error),
    }
    let unread = |error| CallError::transient(format!("the reply is {error}"));
    match json::reply(reply.body).map_err(unread)?.get_mut("elements").map(Value::take) {
        Some(Value::Array(rows)) => Ok(rows),
        _ => Err(CallError::transient("the reply is no list")),
    }
}

fn key(row: &Value) -> Option<&str> {
    row.get("id").and_then(Value::as_str).filter(|id| (1..=KEY_BYTES_MAX).contains(&id.len()))
}

fn stock_key(row: &Value) -> Option<&str> {
    key(row.get("item")?)
}

/// The stock of an item without what isn't read: its time and the rounded count.
fn stock(row: &Value) -> Value {
    let item = row.pointer("/item/id").cloned().unwrap_or_default();
    json!({"item": {"id": item}, "quantity": row.get("quantity")})
}

pub(super) fn with_fields(row: &Value, names: &[&str]) -> Value {
    let kept = names.iter().filter_map(|name| Some(((*name).to_owned(), row.get(name)?.clone())));
    Value::Object(kept.collect::<Map<_, _>>())
}

fn object(topic: &'static str, body: &Value) -> Object {
    Object { topic, body: body.to_string().into_bytes() }
}

#[cfg(test)]
mod tests;
