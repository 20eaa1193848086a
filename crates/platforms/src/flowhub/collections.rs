//! Products, stock, customers and orders, as lists.

use super::{
    api,
    place::{LOCATIONS_MAX, Place, Progress},
};
use crate::{
    CallContext, CallError, Collection, Collections, HttpReply, HttpRequest, ListPage, Listed, NextPage,
    Object, Range, Reads, Wanted,
    list::{self, Fields, Row},
};
use model::Timestamp;
use serde_json::json;
use stage::{Reject, RejectClass};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Upper limit of a reply that is a whole list, in bytes.
const LIST_BYTES_MAX: usize = 64 << 20;
/// Objects on a page: as many as a client in use asks for.
const PAGE_SIZE: usize = 500;
/// Time within which an order may still change: the list is by the day of its creation, so that a void or a refund is
/// noticed by reading those days again.
const ORDERS_OVERLAP: Duration = Duration::from_hours(48);
/// Time by which a changed customer may be listed late. No document states one.
const CUSTOMERS_OVERLAP: Duration = Duration::from_mins(5);
/// The longest distance between a date in UTC and the same moment's date in a store.
const DAY: Duration = Duration::from_hours(24);

static ALL: [Collection; 4] = [
    Collection { name: "products", reads: Reads::Whole, every: Duration::from_mins(30) },
    Collection { name: "levels", reads: Reads::Whole, every: Duration::from_mins(2) },
    Collection {
        name: "customers",
        reads: Reads::ChangesAndWhole { overlap: CUSTOMERS_OVERLAP },
        every: Duration::from_mins(15),
    },
    Collection {
        name: "orders",
        reads: Reads::Changes { overlap: ORDERS_OVERLAP },
        every: Duration::from_mins(10),
    },
];

/// The fields of a row that describe its product: the same for each of its packages, or the product has several prices
/// or numbers.
const PRODUCT_FIELDS: [&str; 23] = [
    "brand",
    "cannabinoidInformation",
    "category",
    "currencyCode",
    "customCategoryName",
    "effects",
    "isSoldByWeight",
    "parentProductId",
    "parentProductName",
    "priceInMinorUnits",
    "productDescription",
    "productId",
    "productName",
    "productPictureURL",
    "productUnitOfMeasure",
    "productWeight",
    "sku",
    "speciesName",
    "strainName",
    "tags",
    "terpenes",
    "variantName",
    "weightTierInformation",
];
/// The fields of a row that its quantity is explained by.
const PACKAGE_FIELDS: [&str; 5] =
    ["inventoryUnitOfMeasure", "locationId", "productId", "quantity", "regulatoryId"];
/// The fields of a customer that are mapped: no others of a person are kept.
const CUSTOMER_FIELDS: [&str; 7] = ["createdAt", "email", "groups", "id", "name", "phone", "updatedAt"];
/// The fields of a payment that are mapped: nothing that identifies a card.
const PAYMENT_FIELDS: [&str; 3] = ["_id", "amount", "paymentType"];
/// The fields of an order that are mapped, beside its payments: no names of persons.
const ORDER_FIELDS: [&str; 12] = [
    "budtenderId",
    "completedOn",
    "createdAt",
    "customerId",
    "id",
    "itemsInCart",
    "locationId",
    "orderStatus",
    "orderType",
    "originalSaleId",
    "totals",
    "voided",
];

impl Collections for super::Flowhub {
    fn all(&self) -> &'static [Collection] {
        &ALL
    }

    fn request(&self, wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject> {
        let path = match wanted.collection {
            "products" => "/v0/inventory".to_owned(),
            "levels" => "/v0/inventoryNonZero".to_owned(),
            "customers" => {
                let Progress { page, .. } = progress(wanted)?;
                let dates = dates(wanted.range, "updated");
                format!("/v1/customers/?page_size={PAGE_SIZE}&page={page}&order_by=asc{dates}")
            }
            "orders" => match place(wanted)? {
                None => "/v0/clientsLocations".to_owned(),
                Some(place) => {
                    let (location, page) = (place.location(), place.progress.page);
                    let dates = dates(wanted.range, "created");
                    let path = format!("/v1/orders/findByLocationId/{location}");
                    format!("{path}?page_size={PAGE_SIZE}&page={page}&order_by=asc{dates}")
                }
            },
            _ => return Err(unknown()),
        };
        api::get(context.access, &path, LIST_BYTES_MAX)
    }

    fn page(
        &self,
        wanted: &Wanted<'_>,
        _context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<ListPage, CallError> {
        api::check(reply)?;
        let text = list::text(reply.body);
        let (objects, next) = match wanted.collection {
            "products" => (products(&stock(&text)?), None),
            "levels" => (levels(&stock(&text)?), None),
            "customers" => {
                let rows = customers(&text)?;
                // A server that puts more on a page than it was asked for knows no pages.
                let knows_pages = rows.len() <= PAGE_SIZE;
                let next = progress(wanted)?.after(rows.len(), total(&text)).filter(|_| knows_pages);
                let objects = list::objects("customer", "id", &rows, Some(&CUSTOMER_FIELDS));
                (objects, next.map(|next| next.to_string()))
            }
            "orders" => match place(wanted)? {
                None => (Vec::new(), Place::first(locations(&text)?).map(|place| place.to_string())),
                Some(place) => {
                    let rows = rows(&text, &["orders"])?;
                    let next = place.after(rows.len(), total(&text));
                    let objects = rows.iter().map(|row| order(*row)).collect();
                    (objects, next.map(|next| next.to_string()))
                }
            },
            _ => return Err(unknown().into()),
        };
        let next = next.map(|cursor| NextPage { cursor, wait: Duration::ZERO });
        Ok(ListPage { objects, next, total: None })
    }

    /// The stock of a product that a complete list doesn't name is zero everywhere: only what has stock is listed. It
    /// isn't known if a product without packages is listed.
    fn missing(&self, collection: &str, key: &str, at: Timestamp) -> Option<Object> {
        let is_id = collection == "levels" && !key.is_empty() && !list::is_without_id(key);
        let body = json!({"productId": key, "rows": [], "observedAt": at.to_string()});
        is_id.then(|| Object { topic: "inventory", body: body.to_string().into_bytes() })
    }
}

fn unknown() -> Reject {
    Reject::new(RejectClass::Config, "flowhub has no such collection")
}

fn no_cursor() -> Reject {
    Reject::new(RejectClass::Bug, "not a cursor of this collection")
}

fn progress(wanted: &Wanted<'_>) -> Result<Progress, Reject> {
    wanted.cursor.map_or(Ok(Progress::FIRST), |cursor| Progress::parse(cursor).ok_or_else(no_cursor))
}

/// The page of orders to read; `None` if the locations aren't known yet.
fn place(wanted: &Wanted<'_>) -> Result<Option<Place>, Reject> {
    if wanted.range == Range::Whole {
        return Err(Reject::new(RejectClass::Bug, "a list of all orders has no end"));
    }
    wanted.cursor.map(|cursor| Place::parse(cursor).ok_or_else(no_cursor)).transpose()
}

/// The parameters of a range. They are dates of the store's zone, which isn't known here: the dates in UTC, a day more at
/// each end.
fn dates(range: Range, of: &str) -> String {
    let Range::Changed { since, until } = range else { return String::new() };
    let day_micros = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
    let before = Timestamp::from_micros(since.as_micros().saturating_sub(day_micros).max(0));
    let until = until.map(|until| format!("&{of}_before={}", date(until.after(DAY)))).unwrap_or_default();
    format!("&{of}_after={}{until}", date(before))
}

/// The date of a time in UTC.
fn date(time: Timestamp) -> String {
    time.to_string().chars().take("2026-07-01".len()).collect()
}

/// The list in a reply: the reply itself, or what is under the first of these names.
fn rows<'a>(text: &'a str, names: &[&str]) -> Result<Vec<Row<'a>>, CallError> {
    if text.trim_start().starts_with('[') {
        return list::rows(text);
    }
    let reply = Fields::of(text);
    let found = names.iter().find_map(|name| reply.json(name));
    list::rows(found.ok_or_else(|| CallError::transient("the reply has no list"))?)
}

/// The rows of a list of stock, which are all that there are. No document knows pages of it; a client's notes do, so that
/// a reply that states several isn't taken for the whole list.
fn stock(text: &str) -> Result<Vec<Row<'_>>, CallError> {
    let pages = Fields::of(text).json("total_pages").and_then(|pages| pages.parse::<u64>().ok());
    if pages.is_some_and(|pages| pages > 1) {
        return Err(
            Reject::new(RejectClass::Platform, "the list of stock has pages, which aren't read").into()
        );
    }
    rows(text, &["data"])
}

/// The number of objects in the whole list, if the reply states one.
fn total(text: &str) -> Option<u64> {
    Fields::of(text).json("total")?.parse().ok()
}

/// The customers in a reply. Its form isn't known: a list, a list with an envelope, or the only customer.
fn customers(text: &str) -> Result<Vec<Row<'_>>, CallError> {
    let is_one = Fields::of(text).id("id").is_some();
    if is_one { Ok(list::only(text).into_iter().collect()) } else { rows(text, &["customers", "data"]) }
}

/// The ids by which the orders of the client's locations are listed, escaped.
fn locations(text: &str) -> Result<Vec<String>, CallError> {
    let rows = rows(text, &["data", "locations"])?;
    if rows.len() > LOCATIONS_MAX {
        let reason = format!("more than {LOCATIONS_MAX} locations");
        return Err(Reject::new(RejectClass::Platform, reason).into());
    }
    let ids = rows.iter().filter_map(|row| row.fields().id("importId"));
    Ok(ids.map(|id| api::escaped(&id)).collect())
}

/// One object for each product, with what its rows say of it and of its variants.
fn products(rows: &[Row<'_>]) -> Vec<Listed> {
    let mut products: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut listed = Vec::new();
    for row in rows {
        let fields = row.fields();
        let kept = fields.kept(&PRODUCT_FIELDS);
        if let Some(id) = fields.id("parentProductId").or_else(|| fields.id("productId")) {
            products.entry(id).or_default().insert(kept);
        } else {
            listed.push(without_id(*row, "product", kept));
        }
    }
    listed.extend(products.into_iter().map(|(id, rows)| {
        let body =
            list::grouped(Some(("parentProductId", &json!(id).to_string())), rows.into_iter().collect());
        Listed { key: id, object: Object { topic: "product", body } }
    }));
    listed
}

/// One object for each counted product, with all its packages at all locations: the list is never split into pages.
fn levels(rows: &[Row<'_>]) -> Vec<Listed> {
    let mut packages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut listed = Vec::new();
    for row in rows {
        let fields = row.fields();
        let kept = fields.kept(&PACKAGE_FIELDS);
        if let Some(id) = fields.id("productId") {
            packages.entry(id).or_default().push(kept);
        } else {
            listed.push(without_id(*row, "inventory", kept));
        }
    }
    listed.extend(packages.into_iter().map(|(id, packages)| {
        let body = list::grouped(Some(("productId", &json!(id).to_string())), packages);
        Listed { key: id, object: Object { topic: "inventory", body } }
    }));
    listed
}

/// A row that belongs to no product.
/// An order, with none but the mapped fields of its payments.
fn order(row: Row<'_>) -> Listed {
    let fields = row.fields();
    let key = fields.id("id").unwrap_or_else(|| row.key_without_id());
    let mut body = fields.kept(&ORDER_FIELDS);
    if let Some(Ok(payments)) = fields.json("payments").map(list::rows) {
        let kept: Vec<String> =
            payments.iter().map(|payment| payment.fields().kept(&PAYMENT_FIELDS)).collect();
        let is_first = body.pop() == Some('}') && body.ends_with('{');
        let comma = if is_first { "" } else { "," };
        body = format!("{body}{comma}\"payments\":[{}]}}", kept.join(","));
    }
    Listed { key, object: Object { topic: "order", body: body.into_bytes() } }
}

fn without_id(row: Row<'_>, topic: &'static str, kept: String) -> Listed {
    let body = list::grouped(None, vec![kept]);
    Listed { key: row.key_without_id(), object: Object { topic, body } }
}

#[cfg(test)]
mod tests;
