//! Lists that are read on a schedule: products with their variations, the levels of both, customers, orders.

mod place;
mod shapes;

use super::{
    LEVEL_ABSENT, PRODUCT_ABSENT, api,
    item::number,
    reader::{PAGE_VARIATIONS, next_page, variations_path},
};
use crate::{
    CallContext, CallError, Collection, Collections, HttpReply, HttpRequest, ListPage, Listed, Object, Range,
    Reads, Wanted, json, offset_list::OffsetPage,
};
use model::{ExternalId, Timestamp};
use place::{Place, Status, Variable};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Number of objects on a page. The API accepts 100; the products of a page may be some megabytes.
const PAGE_OBJECTS: u64 = 50;
/// Number of objects on a page of which few fields are shown, the most that the API accepts (README, limits).
const PAGE_LEVELS: u64 = 100;
/// Upper limit of a reply, in bytes: plugins add fields to each object.
const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Time by which a list of changes may lag behind: our caution. Times are those of the shop's own server.
const OVERLAP: Duration = Duration::from_mins(5);
const MICROS_PER_SECOND: i64 = 1_000_000;

/// The fields of a product that is listed for its level. WordPress leaves out all others.
const LEVEL_FIELDS: &str =
    "id,type,status,parent_id,variations,manage_stock,stock_quantity,date_modified_gmt";

/// The lists, in the order in which a first sync reads them. Customers have no list of changes.
static ALL: [Collection; 4] = [
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
    Collection { name: "customers", reads: Reads::Whole, every: Duration::from_hours(1) },
    Collection { name: "orders", reads: Reads::Changes { overlap: OVERLAP }, every: Duration::from_mins(5) },
];

/// A list of the API.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Products,
    Levels,
    Customers,
    Orders,
}

impl List {
    fn of(collection: &str) -> Result<Self, Reject> {
        Ok(match collection {
            "products" => Self::Products,
            "levels" => Self::Levels,
            "customers" => Self::Customers,
            "orders" => Self::Orders,
            _ => return Err(Reject::new(RejectClass::Config, "woocommerce lists no such objects")),
        })
    }

    const fn page_size(self) -> u64 {
        match self {
            Self::Levels => PAGE_LEVELS,
            Self::Products | Self::Customers | Self::Orders => PAGE_OBJECTS,
        }
    }

    /// Returns whether what is in the trash is listed by itself: a list of changes has to show deletions.
    fn has_trash(self, range: Range) -> bool {
        matches!(range, Range::Changed { .. }) && matches!(self, Self::Products | Self::Orders)
    }

    /// The path and the parameters of the list itself.
    const fn path(self) -> &'static str {
        match self {
            Self::Products | Self::Levels => "products",
            Self::Customers => "customers",
            Self::Orders => "orders",
        }
    }
}

impl Collections for super::WooCommerce {
    fn all(&self) -> &'static [Collection] {
        &ALL
    }

    fn request(&self, wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject> {
        let list = List::of(wanted.collection)?;
        let place = Place::of(wanted)?;
        let path = match place.variable.first() {
            Some(product) => variations_path(product.id, place.page),
            None => list_path(list, &place, wanted.range),
        };
        let request = api::get(context.access, &path)?;
        Ok(HttpRequest { reply_bytes_max: REPLY_BYTES_MAX, ..request })
    }

    fn page(
        &self,
        wanted: &Wanted<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<ListPage, CallError> {
        // Its cursor is checked first.
        self.request(wanted, context)?;
        let (list, place) = (List::of(wanted.collection)?, Place::of(wanted)?);
        let (objects, next) = match place.variable.first() {
            Some(product) => variations(list, &place, product, reply)?,
            None => objects(list, place.clone(), wanted.range, reply)?,
        };
        let listed = objects.iter().filter(|listed| !listed.key.is_empty()).count();
        next.page(objects, listed, wanted.range)
    }

    /// The deletion of a product, an unknown level. A customer that the list lacks may have another role, and a page of
    /// variations that isn't there any more is no object by itself.
    fn missing(&self, collection: &str, key: &str, at: Timestamp) -> Option<Object> {
        let observed_at = at.to_string();
        match collection {
            "products" => {
                number(key).ok()?;
                Some(object(PRODUCT_ABSENT, &json!({ "id": key, "observed_at": observed_at })))
            }
            "levels" => {
                ExternalId::new(key).ok()?;
                Some(object(LEVEL_ABSENT, &json!({ "item": key, "observed_at": observed_at })))
            }
            _ => None,
        }
    }
}

/// The path of a page of the list. The order by id keeps pages from shifting when an object is saved.
fn list_path(list: List, place: &Place, range: Range) -> String {
    let (name, size, offset) = (list.path(), list.page_size(), place.list.offset);
    let further = match list {
        List::Products | List::Orders => format!("&status={}", place.status.as_str()),
        List::Levels => format!("&status={}&_fields={LEVEL_FIELDS}", place.status.as_str()),
        List::Customers => "&role=customer".to_owned(),
    };
    format!("{name}?per_page={size}&offset={offset}&orderby=id&order=asc{further}{}", changed(range))
}

/// The filters of a range, which leave out the second that they name. The times are UTC and name no zone: WordPress
/// converts one that does into the time of the site.
fn changed(range: Range) -> String {
    let text = |seconds: i64| {
        let at = Timestamp::from_micros(seconds.max(0).saturating_mul(MICROS_PER_SECOND));
        at.as_chrono().format("%Y-%m-%dT%H:%M:%S").to_string()
    };
    let second = |at: Timestamp| at.as_micros().div_euclid(MICROS_PER_SECOND);
    match range {
        Range::Whole => String::new(),
        Range::Changed { since, until } => {
            let until = until.map(|until| format!("&modified_before={}", text(second(until) + 1)));
            format!(
                "&dates_are_gmt=true&modified_after={}{}",
                text(second(since) - 1),
                until.unwrap_or_default()
            )
        }
    }
}

/// The objects of a page of the list, and the place behind it.
fn objects(
    list: List,
    mut place: Place,
    range: Range,
    reply: &HttpReply<'_>,
) -> Result<(Vec<Listed>, Place), CallError> {
    let rows = rows(reply)?;
    let total = total(reply);
    let keyed: Vec<(String, &Value)> = rows.iter().map(|row| (shapes::id(row), row)).collect();
    let read = place.list.read(&keyed, OffsetPage { size: list.page_size(), total }, key)?;
    let is_trash = place.status == Status::Trash;
    let mut objects = Vec::new();
    for (_, row) in read.rows {
        objects.extend(shapes::listed(list, row, is_trash));
        if !is_trash && matches!(list, List::Products | List::Levels) {
            place.variable.extend(Variable::of(row));
        }
    }
    place.read += read.rows.len() as u64;
    place.total = total.or(place.total);
    place.page = 1;
    place.go_on(read.next, list.has_trash(range));
    Ok((objects, place))
}

fn key<'a>((id, _): &'a (String, &Value)) -> Option<&'a str> {
    (!id.is_empty()).then_some(id)
}

/// The variations of a product, or their levels. A product that was deleted meanwhile has none.
fn variations(
    list: List,
    place: &Place,
    product: &Variable,
    reply: &HttpReply<'_>,
) -> Result<(Vec<Listed>, Place), CallError> {
    let rows = match api::check(reply) {
        Err(CallError::Gone) => Vec::new(),
        _ => rows(reply)?,
    };
    let next = next_page(reply).or_else(|| (rows.len() >= PAGE_VARIATIONS).then(|| place.page + 1));
    let objects = match list {
        List::Levels => rows.iter().filter_map(|row| shapes::level_of_variation(product.id, row)).collect(),
        _ if rows.is_empty() => Vec::new(),
        _ => vec![shapes::variations(product, place.page, total(reply), &rows)],
    };
    Ok((objects, place.behind_variations(next)))
}

/// The rows of a list. A list always exists: one that isn't found is a wrong address.
fn rows(reply: &HttpReply<'_>) -> Result<Vec<Value>, CallError> {
    match api::check(reply) {
        Ok(()) => {}
        Err(CallError::Gone) => {
            return Err(Reject::new(RejectClass::Config, "the shop has no such list").into());
        }
        Err(error) => return Err(error),
    }
    let unread = |error| CallError::transient(format!("the reply is {error}"));
    match json::reply(reply.body).map_err(unread)? {
        Value::Array(rows) => Ok(rows),
        _ => Err(CallError::transient("the reply is no list")),
    }
}

fn total(reply: &HttpReply<'_>) -> Option<u64> {
    reply.header("x-wp-total").and_then(|total| total.trim().parse().ok())
}

fn object(topic: &'static str, body: &Value) -> Object {
    Object { topic, body: body.to_string().into_bytes() }
}

#[cfg(test)]
mod tests;
