//! Lists that are read on a schedule: products, their levels, tickets and customers.

mod place;

use super::{
    PRODUCT_STOCK, api,
    reader::{as_webhook, check, deleted, list_in, text},
};
use crate::{
    CallContext, CallError, Collection, Collections, HttpReply, HttpRequest, ListPage, Listed, NextPage,
    Object, Range, Reads, Wanted, json,
};
use model::Timestamp;
use place::{Place, Tickets};
use serde_json::Value;
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Number of products on a page. The list accepts 1,000 (README, limits): a fifth of that is a reply of a megabyte.
const PAGE_PRODUCTS: u64 = 200;
/// Number of tickets on a page (README, limits).
const PAGE_TICKETS: u64 = 25;
/// Number of customers on a page (README, limits).
const PAGE_CUSTOMERS: u64 = 50;
/// Upper limit of an object's key, in bytes; a longer id is none.
const KEY_BYTES_MAX: usize = 1_000;
/// Upper limit of a reply, in bytes. A product with its descriptions and lab results has some kilobytes.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Time by which a list of changes may lag behind: nothing is documented, and lists are newest first, so that their pages
/// shift.
const OVERLAP: Duration = Duration::from_mins(5);

/// The time before every customer, as clients use it for the whole list.
const BEGINNING: Timestamp = Timestamp::from_micros(946_684_800_000_000);

/// The fields of a product that is listed for its levels.
const STOCK_FIELDS: [&str; 5] =
    ["product_id", "product_status", "last_updated_at", "sellable_quantity", "sellable_quantity_detail"];

/// The fields of a customer that are kept: none that describes documents, health or a place to live.
const CUSTOMER_FIELDS: [&str; 11] = [
    "customer_id",
    "status",
    "first_name",
    "last_name",
    "email",
    "phone",
    "signup_date",
    "last_update",
    "merged_into_customer_id",
    "merged_customer_ids",
    "customer_groups",
];

/// The fields of a ticket that aren't kept.
const TICKET_FIELDS_LEFT: [&str; 4] =
    ["delivery_address", "purchase_limit", "ticket_note", "ticket_patient_type"];

/// The lists, in the order in which a first sync reads them. `last_updated_at` doesn't change with stock: levels are read
/// as a whole, and more often.
static ALL: [Collection; 4] = [
    Collection {
        name: "products",
        reads: Reads::ChangesAndWhole { overlap: OVERLAP },
        every: Duration::from_mins(15),
    },
    Collection { name: "levels", reads: Reads::Whole, every: Duration::from_mins(10) },
    Collection {
        name: "customers",
        reads: Reads::ChangesAndWhole { overlap: OVERLAP },
        every: Duration::from_mins(30),
    },
    Collection { name: "orders", reads: Reads::Changes { overlap: OVERLAP }, every: Duration::from_mins(5) },
];

/// A list of the API, with what becomes of its objects.
#[derive(Clone, Copy)]
enum List {
    Products,
    Levels,
    Customers,
    Tickets,
}

impl List {
    fn of(collection: &str) -> Result<Self, Reject> {
        Ok(match collection {
            "products" => Self::Products,
            "levels" => Self::Levels,
            "customers" => Self::Customers,
            "orders" => Self::Tickets,
            _ => return Err(Reject::new(RejectClass::Config, "treez lists no such objects")),
        })
    }

    /// The topic of its objects, the list in a reply, and the field with an object's key.
    const fn shape(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Products => ("PRODUCT", "/data/product_list", "product_id"),
            Self::Levels => (PRODUCT_STOCK, "/data/product_list", "product_id"),
            Self::Customers => ("CUSTOMER", "/data", "customer_id"),
            Self::Tickets => ("TICKET", "/ticketList", "ticket_id"),
        }
    }

    const fn page_size(self) -> u64 {
        match self {
            Self::Products | Self::Levels => PAGE_PRODUCTS,
            Self::Customers => PAGE_CUSTOMERS,
            Self::Tickets => PAGE_TICKETS,
        }
    }

    /// The object without what isn't stored.
    fn kept(self, object: &Value) -> Value {
        let Some(fields) = object.as_object() else { return object.clone() };
        let is_kept = |name: &str| match self {
            Self::Products => true,
            Self::Levels => STOCK_FIELDS.contains(&name),
            Self::Customers => CUSTOMER_FIELDS.contains(&name),
            Self::Tickets => !TICKET_FIELDS_LEFT.contains(&name),
        };
        let kept = fields.iter().filter(|(name, _)| is_kept(name));
        Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

impl Collections for super::Treez {
    fn all(&self) -> &'static [Collection] {
        &ALL
    }

    fn request(&self, wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject> {
        let list = List::of(wanted.collection)?;
        let place = place(list, wanted, context)?;
        let request = api::get(context.access, &path(list, wanted.range, &place))?;
        Ok(HttpRequest { reply_bytes_max: REPLY_BYTES_MAX, ..request })
    }

    fn page(
        &self,
        wanted: &Wanted<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<ListPage, CallError> {
        let list = List::of(wanted.collection)?;
        let place = place(list, wanted, context)?;
        check(reply)?;
        let unread = |error| CallError::transient(format!("the reply is {error}"));
        let reply = json::reply(reply.body).map_err(unread)?;
        let (topic, pointer, key) = list.shape();
        let values = list_in(&reply, pointer)?;
        let objects = values.iter().map(|object| listed(list, topic, key, object)).collect();
        let total = reply.pointer("/data/total_count").and_then(Value::as_u64);
        let next = next(list, &place, wanted.range, context.now, values.len(), total);
        // Only the list of all products is known to state the number of its objects.
        let total = total.filter(|_| wanted.range == Range::Whole);
        Ok(ListPage { objects, next, total })
    }

    /// The deletion of a product that is missing. What is missing among customers may have been merged.
    fn missing(&self, collection: &str, key: &str, at: Timestamp) -> Option<Object> {
        (collection == "products").then(|| deleted(key, at))
    }
}

/// The place that `wanted` names, or the beginning of its list.
fn place(list: List, wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<Place, Reject> {
    match (wanted.cursor, list, wanted.range) {
        (Some(cursor), ..) => Place::parse(cursor),
        (None, List::Tickets, Range::Changed { since, .. }) => {
            Ok(Place::first(Tickets::first(since, context.now)))
        }
        (None, List::Tickets, Range::Whole) => Err(place::refused("treez lists tickets by time alone")),
        (None, ..) => Ok(Place::first(Tickets::None)),
    }
}

fn path(list: List, range: Range, place: &Place) -> String {
    let size = list.page_size();
    let in_path = format!("page/{}/pagesize/{size}", place.page);
    match (list, range) {
        (List::Products | List::Levels, range) => {
            let changed = match range {
                Range::Changed { since, .. } => format!("/lastUpdated/after/{}", moment(since)),
                Range::Whole => String::new(),
            };
            // Without `active=ALL` a deactivated product is left out, and would be taken for a missing one.
            let query = format!("active=ALL&include_discounts=FALSE&page={}&pagesize={size}", place.page);
            format!("product/product_list{changed}?{query}")
        }
        (List::Customers, range) => {
            let since = match range {
                Range::Changed { since, .. } => since,
                Range::Whole => BEGINNING,
            };
            format!("customer/lastUpdated/after/{}/{in_path}", moment(since))
        }
        (List::Tickets, _) => match place.tickets {
            Tickets::ClosedOn(day) => format!("ticket/closedate/{}/{in_path}", place::date(day)),
            Tickets::ChangedAfter(since) => format!("ticket/lastUpdated/after/{}/{in_path}", moment(since)),
            Tickets::None => format!("ticket/lastUpdated/after/{}/{in_path}", moment(BEGINNING)),
        },
    }
}

fn listed(list: List, topic: &'static str, key: &str, object: &Value) -> Listed {
    // An object without an id is reported, and rejected where it is mapped.
    let id = object.get(key).and_then(text).filter(|id| !id.trim().is_empty() && id.len() <= KEY_BYTES_MAX);
    let object = Object { topic, body: as_webhook(topic, &list.kept(object)) };
    Listed { key: id.unwrap_or_default(), object }
}

/// The place of the next page: behind this one, or in the tickets of the next day. A page that isn't full is the last,
/// unless more were announced: the list may accept smaller pages only.
fn next(
    list: List,
    place: &Place,
    range: Range,
    now: Timestamp,
    count: usize,
    total: Option<u64>,
) -> Option<NextPage> {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let read = place.read.saturating_add(count);
    let is_more = count > 0 && total.map_or(count >= list.page_size(), |total| read < total);
    let next = if is_more {
        Place { page: place.page.saturating_add(1), read, ..*place }
    } else {
        let until = match range {
            Range::Changed { until, .. } => until,
            Range::Whole => None,
        };
        Place::first(place.tickets.next(until, now)?)
    };
    Some(NextPage { cursor: next.cursor(), wait: Duration::ZERO })
}

/// A time as the lists accept it: with three digits of a second, and an offset.
fn moment(at: Timestamp) -> String {
    at.as_chrono().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests;
