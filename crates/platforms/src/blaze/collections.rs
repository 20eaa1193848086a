//! Lists that are read on a schedule: products, their levels, promotions, transactions, members and employees.

use super::{
    EMPLOYEE, MEMBER, PRODUCT, PRODUCT_ABSENT, PRODUCT_STOCK, PROMOTION, PROMOTION_ABSENT, TRANSACTION, api,
    fields::{self, Fields},
};
use crate::{
    CallContext, CallError, Collection, Collections, HttpReply, HttpRequest, ListPage, Listed, NextPage,
    Object, Range, Reads, Wanted, json,
};
use model::Timestamp;
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Number of objects on a page; more are not sent, whatever is asked for (README, lists).
const PAGE_OBJECTS: u64 = 100;

/// Time by which a list of changes may lag behind: the most careful client that was found reads five minutes twice.
const OVERLAP: Duration = Duration::from_mins(5);

/// Upper limit of an object's key, in bytes; a longer id is none.
const KEY_BYTES_MAX: usize = 1_000;

const DAY: Duration = Duration::from_hours(24);

/// Number of days that one list of transactions covers (README, lists).
const WINDOW_DAYS: u32 = 7;

/// The lists, in the order in which a first sync reads them. A level may change without its product's `modified`: levels
/// are read as a whole, and more often.
static ALL: [Collection; 6] = [
    Collection {
        name: "products",
        reads: Reads::ChangesAndWhole { overlap: OVERLAP },
        every: Duration::from_mins(15),
    },
    Collection { name: "levels", reads: Reads::Whole, every: Duration::from_mins(5) },
    Collection { name: "promotions", reads: Reads::Whole, every: Duration::from_mins(15) },
    Collection {
        name: "customers",
        reads: Reads::ChangesAndWhole { overlap: OVERLAP },
        every: Duration::from_mins(30),
    },
    Collection { name: "employees", reads: Reads::Whole, every: Duration::from_hours(1) },
    Collection { name: "orders", reads: Reads::Changes { overlap: OVERLAP }, every: Duration::from_mins(10) },
];

/// A list of the API, with what becomes of its objects.
#[derive(Clone, Copy)]
enum List {
    Products,
    Levels,
    Promotions,
    Members,
    Employees,
    Transactions,
}

impl List {
    fn of(collection: &str) -> Result<Self, Reject> {
        Ok(match collection {
            "products" => Self::Products,
            "levels" => Self::Levels,
            "promotions" => Self::Promotions,
            "customers" => Self::Members,
            "employees" => Self::Employees,
            "orders" => Self::Transactions,
            _ => return Err(Reject::new(RejectClass::Config, "blaze lists no such objects")),
        })
    }

    const fn topic(self) -> &'static str {
        match self {
            Self::Products => PRODUCT,
            Self::Levels => PRODUCT_STOCK,
            Self::Promotions => PROMOTION,
            Self::Members => MEMBER,
            Self::Employees => EMPLOYEE,
            Self::Transactions => TRANSACTION,
        }
    }

    /// The object without what isn't stored.
    fn kept(self, object: &Value) -> Value {
        const fn fields(list: List) -> Option<&'static Fields> {
            match list {
                List::Products => Some(&fields::PRODUCT),
                List::Levels => Some(&fields::PRODUCT_STOCK),
                List::Promotions => Some(&fields::PROMOTION),
                List::Members => Some(&fields::MEMBER),
                List::Employees => Some(&fields::EMPLOYEE),
                List::Transactions => None,
            }
        }
        fields(self).map_or_else(|| fields::transaction(object), |fields| fields.of(object))
    }
}

/// The place in a list: the objects to skip, and a time that stays the same while the list is read.
#[derive(Clone, Copy)]
struct Place {
    /// The first day of transactions, or the end of a list of changes: what changes while pages are read can't move
    /// objects within them.
    at: Timestamp,
    skip: u64,
}

impl Place {
    /// The place that `wanted` names, or the beginning of its list.
    fn of(list: List, wanted: &Wanted<'_>, now: Timestamp) -> Result<Self, Reject> {
        let Some(cursor) = wanted.cursor else {
            let at = match (list, wanted.range) {
                (List::Transactions, Range::Changed { since, .. }) => earlier(since, DAY),
                (_, Range::Changed { until, .. }) => until.unwrap_or(now),
                (_, Range::Whole) => now,
            };
            return Ok(Self { at, skip: 0 });
        };
        let wrong = || Reject::new(RejectClass::Bug, "not a place in a list of blaze");
        let (at, skip) = cursor.split_once('/').ok_or_else(wrong)?;
        let at = Timestamp::parse(at).map_err(|_| wrong())?;
        Ok(Self { at, skip: skip.parse().map_err(|_| wrong())? })
    }

    fn cursor(self) -> String {
        format!("{}/{}", self.at, self.skip)
    }
}

impl Collections for super::Blaze {
    fn all(&self) -> &'static [Collection] {
        &ALL
    }

    fn request(&self, wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject> {
        let list = List::of(wanted.collection)?;
        let place = Place::of(list, wanted, context.now)?;
        let page = format!("skip={}&limit={PAGE_OBJECTS}", place.skip);
        let path = match (list, wanted.range) {
            (List::Transactions, range) => {
                let (first, last) = days(place.at, range, context.now);
                format!("transactions?startDate={}&endDate={}&{page}", date(first), date(last))
            }
            (List::Products | List::Levels, Range::Whole) => format!("products?{page}&omitTaxTables=true"),
            // Documented with `start`; whether `skip` is read too isn't known.
            (List::Promotions, _) => format!("loyalty/promotions?start={}&{page}", place.skip),
            // Documented with `start`, like promotions.
            (List::Employees, _) => format!("employees?start={}&{page}", place.skip),
            (List::Members, Range::Whole) => format!("members?{page}"),
            // This list is documented with `start` and called with `skip`.
            (List::Products | List::Levels, Range::Changed { since, .. }) => {
                let between = between(since, place.at);
                format!("store/inventory/products/dates?{between}&start={}&{page}", place.skip)
            }
            (List::Members, Range::Changed { since, .. }) => {
                format!("members?{}&{page}", between(since, place.at))
            }
        };
        api::get(context.access, &path)
    }

    fn page(
        &self,
        wanted: &Wanted<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<ListPage, CallError> {
        let list = List::of(wanted.collection)?;
        let place = Place::of(list, wanted, context.now)?;
        match api::check(reply) {
            Ok(()) => {}
            Err(CallError::Gone) => {
                let reason = "blaze has no such list: status 404";
                return Err(Reject::new(RejectClass::Config, reason).into());
            }
            Err(error) => return Err(error),
        }
        let unread = |error| CallError::transient(format!("the reply is {error}"));
        let reply = json::reply(reply.body).map_err(unread)?;
        let values = reply.get("values").and_then(Value::as_array);
        let values = values.ok_or_else(|| CallError::transient("the reply is no list"))?;
        let number = |key: &str| reply.get(key).and_then(Value::as_u64);
        if number("skip").is_some_and(|skip| skip != place.skip) {
            let reason = "blaze sent another page than the requested one";
            return Err(Reject::new(RejectClass::Platform, reason).into());
        }
        let objects = values.iter().map(|object| listed(list, object)).collect();
        let next = next(list, place, wanted.range, context.now, values.len(), number("total"));
        // A list of transactions is one of several windows: their number isn't that of all.
        let total = number("total").filter(|_| !matches!(list, List::Transactions));
        Ok(ListPage { objects, next, total })
    }

    /// The deletion of a product or a promotion that is missing. What is missing among customers may be another shop's.
    fn missing(&self, collection: &str, key: &str, at: Timestamp) -> Option<Object> {
        match collection {
            "products" => Some(absent(key, at)),
            "promotions" => Some(Object { topic: PROMOTION_ABSENT, ..absent(key, at) }),
            _ => None,
        }
    }
}

/// The report of a product that isn't there.
pub(super) fn absent(id: &str, at: Timestamp) -> Object {
    let body = json!({"id": id, "observed_at": at.to_string()});
    Object { topic: PRODUCT_ABSENT, body: body.to_string().into_bytes() }
}

/// The object of that topic with the fields that are kept.
pub(super) fn product(object: &Value) -> Object {
    Object { topic: PRODUCT, body: fields::PRODUCT.of(object).to_string().into_bytes() }
}

fn listed(list: List, object: &Value) -> Listed {
    // An object without an id is reported, and rejected where it is mapped.
    let key = object.get("id").and_then(Value::as_str).map(str::trim).filter(|id| id.len() <= KEY_BYTES_MAX);
    let body = list.kept(object).to_string().into_bytes();
    Listed { key: key.unwrap_or_default().to_owned(), object: Object { topic: list.topic(), body } }
}

/// The place of the next page: behind this one, or at the beginning of the next days' transactions.
fn next(
    list: List,
    place: Place,
    range: Range,
    now: Timestamp,
    count: usize,
    total: Option<u64>,
) -> Option<NextPage> {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let read = place.skip.saturating_add(count);
    let is_more = count > 0 && total.map_or(count >= PAGE_OBJECTS, |total| read < total);
    let next = if is_more {
        Place { at: place.at, skip: read }
    } else {
        let List::Transactions = list else { return None };
        let (_, last) = days(place.at, range, now);
        if last >= last_day(range, now) {
            return None;
        }
        // It isn't documented if the last day is part of the list: the next one begins with it.
        Place { at: last, skip: 0 }
    };
    Some(NextPage { cursor: next.cursor(), wait: Duration::ZERO })
}

/// The first and the last day of a list of transactions that begins on the day of `first`.
fn days(first: Timestamp, range: Range, now: Timestamp) -> (Timestamp, Timestamp) {
    (first, first.after(DAY * (WINDOW_DAYS - 1)).min(last_day(range, now)).max(first))
}

/// A time on the last day of transactions. Days are the shop's, whose time zone isn't known: one more is read at either end.
fn last_day(range: Range, now: Timestamp) -> Timestamp {
    let until = match range {
        Range::Changed { until, .. } => until.unwrap_or(now),
        Range::Whole => now,
    };
    until.after(DAY)
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().saturating_sub(by).max(0))
}

/// The parameters of a list of changes between two times.
fn between(since: Timestamp, until: Timestamp) -> String {
    let millis = |at: Timestamp| at.as_micros().div_euclid(1_000);
    format!("startDate={}&endDate={}", millis(since), millis(until))
}

/// A day as parameters of a list of transactions name it.
fn date(day: Timestamp) -> String {
    day.as_chrono().format("%m/%d/%Y").to_string()
}

#[cfg(test)]
mod tests;
