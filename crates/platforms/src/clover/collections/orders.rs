//! The list of orders. Clover shows the first hundred lines of an order; those of one that has as many are read by
//! themselves.

use super::{OLDEST_CHANGE_FIRST, PAGE_OBJECTS, changed, key, list, object, page_at, rows};
use crate::{
    Access, CallError, HttpReply, HttpRequest, ListPage, Listed, Wanted,
    clover::{
        LINES_COMPLETE, http,
        reader::{LINES_LISTED_MAX, ORDER_EXPANDED},
    },
    offset_list::{OffsetPage, OffsetPlace},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};

/// Number of lines on a page, the most that Clover lists (README, limits). An order with as many isn't known to be complete.
const PAGE_LINES: usize = 1_000;
/// Upper limit of an order without its lines that a cursor keeps, in bytes. A larger one is reported as it was listed.
const ORDER_BYTES_MAX: usize = 64 * 1024;

/// The fields of an order that may contain names, notes, or objects that aren't read.
const FIELDS_LEFT: [&str; 4] = ["title", "note", "device", "href"];

/// The place in the list.
#[derive(Default, Serialize, Deserialize)]
struct Place {
    #[serde(flatten)]
    list: OffsetPlace,
    /// The order whose lines are read next, without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<Value>,
}

impl Place {
    fn of(wanted: &Wanted<'_>) -> Result<Self, Reject> {
        let Some(cursor) = wanted.cursor else { return Ok(Self::default()) };
        let place: Self = serde_json::from_str(cursor).map_err(|_| not_ours())?;
        match &place.order {
            Some(order) if key(order).is_none() => Err(not_ours()),
            _ => Ok(place),
        }
    }
}

fn not_ours() -> Reject {
    Reject::new(RejectClass::Platform, "a cursor that isn't ours")
}

pub(super) fn request(access: &Access, wanted: &Wanted<'_>) -> Result<HttpRequest, Reject> {
    let place = Place::of(wanted)?;
    if let Some(id) = place.order.as_ref().and_then(key) {
        let path = format!("orders/{}/line_items?limit={PAGE_LINES}&offset=0", http::escaped(id));
        return http::get(access, &path);
    }
    let path = format!(
        "orders?expand={}&limit={PAGE_OBJECTS}&orderBy={}{}",
        http::escaped(ORDER_EXPANDED),
        http::escaped(OLDEST_CHANGE_FIRST),
        changed(wanted.range)
    );
    list(access, &path, &place.list)
}

pub(super) fn page(wanted: &Wanted<'_>, reply: &HttpReply<'_>) -> Result<ListPage, CallError> {
    let Place { list, order } = Place::of(wanted)?;
    match order {
        Some(order) => lines(list, order, reply),
        None => orders(&list, reply),
    }
}

/// The orders of a page, up to the first one with more lines than are shown.
fn orders(place: &OffsetPlace, reply: &HttpReply<'_>) -> Result<ListPage, CallError> {
    let rows = rows(reply)?;
    let read = place.read(&rows, OffsetPage { size: PAGE_OBJECTS, total: None }, key)?;
    let mut objects = Vec::new();
    for (index, row) in read.rows.iter().enumerate() {
        let order = kept(row);
        if let Some(cut) = without_lines(&order) {
            let count = rows.len() - read.rows.len() + index + 1;
            let next = Place { list: place.behind(&rows, count, key), order: Some(cut) };
            return Ok(ListPage { objects, next: Some(page_at(&next)?), total: None });
        }
        objects.push(listed(&order));
    }
    let next = read.next.map(|list| page_at(&Place { list, order: None }));
    Ok(ListPage { objects, next: next.transpose()?, total: None })
}

/// The order with all its lines. One that was deleted meanwhile has none.
fn lines(list: OffsetPlace, mut order: Value, reply: &HttpReply<'_>) -> Result<ListPage, CallError> {
    let next = Some(page_at(&Place { list, order: None })?);
    if reply.status == 404 && http::check(reply) == Err(CallError::Gone) {
        return Ok(ListPage { next, ..ListPage::default() });
    }
    let lines = rows(reply)?;
    order[LINES_COMPLETE] = (lines.len() < PAGE_LINES).into();
    order["lineItems"] = json!({ "elements": lines });
    Ok(ListPage { objects: vec![listed(&order)], next, total: None })
}

/// The order without its lines, if it has as many as Clover shows and can be kept meanwhile.
fn without_lines(order: &Value) -> Option<Value> {
    let lines = order.pointer("/lineItems/elements").and_then(Value::as_array)?;
    key(order)?;
    let mut cut = order.clone();
    cut["lineItems"] = Value::Null;
    (lines.len() >= LINES_LISTED_MAX && cut.to_string().len() <= ORDER_BYTES_MAX).then_some(cut)
}

/// The order without personal data, and with the ids of its customers alone.
fn kept(row: &Value) -> Value {
    let Some(fields) = row.as_object() else { return row.clone() };
    let is_kept = |(name, _): &(&String, &Value)| !FIELDS_LEFT.contains(&name.as_str());
    let fields = fields.iter().filter(is_kept).map(|(name, value)| (name.clone(), value.clone()));
    let mut order = Value::Object(fields.collect());
    if let Some(customers) = order.pointer_mut("/customers/elements").and_then(Value::as_array_mut) {
        for customer in customers {
            *customer = json!({ "id": customer.get("id") });
        }
    }
    order
}

fn listed(order: &Value) -> Listed {
    Listed { key: key(order).unwrap_or_default().to_owned(), object: object("order", order) }
}
