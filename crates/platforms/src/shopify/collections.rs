//! Lists that are read on a schedule: products, levels, customers, orders, in the shapes of their webhooks; discounts.

mod bulk;
mod discounts;
mod levels;
mod shapes;

use super::{PRODUCT_DELETED, graphql};
use crate::{
    CallContext, CallError, Collection, Collections, Files, HttpReply, HttpRequest, ListPage, Listed,
    NextPage, Object, Range, Reads, Wanted,
};
use model::{ExternalId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};
use std::time::Duration;

/// Time by which a list may lag behind: our caution, Shopify states none.
const OVERLAP: Duration = Duration::from_mins(2);

static ALL: [Collection; 5] = [
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
    Collection { name: "orders", reads: Reads::Changes { overlap: OVERLAP }, every: Duration::from_mins(5) },
];

/// A list that is read by ascending ids: the next page is asked for by the last id. Shopify ends lists that are read by
/// cursors after 25,000 objects.
struct List {
    /// The connection of the query root.
    name: &'static str,
    fields: &'static str,
    /// The list within each object: its arguments, its fields, and objects per page if it is part of many.
    within: Option<Within>,
    per_page: u32,
    shape: fn(&Value) -> Result<Listed, CallError>,
}

/// A list within an object. Its length costs points for each object of the page: where it doesn't end, the object is
/// asked for alone.
struct Within {
    name: &'static str,
    fields: &'static str,
    first: u32,
    first_alone: u32,
}

const VARIANT_FIELDS: &str =
    "legacyResourceId title sku barcode price compareAtPrice inventoryItem { legacyResourceId }";

const PRODUCTS: List = List {
    name: "products",
    fields: "legacyResourceId title descriptionHtml vendor productType status tags updatedAt",
    within: Some(Within { name: "variants", fields: VARIANT_FIELDS, first: 10, first_alone: 250 }),
    per_page: 10,
    shape: shapes::product,
};

const CUSTOMERS: List = List {
    name: "customers",
    fields: "legacyResourceId firstName lastName tags updatedAt defaultEmailAddress { emailAddress } \
        defaultPhoneNumber { phoneNumber }",
    within: None,
    per_page: 100,
    shape: shapes::customer,
};

const ORDERS: List = List {
    name: "orders",
    fields: "legacyResourceId name test currencyCode createdAt updatedAt cancelledAt closedAt \
        displayFinancialStatus displayFulfillmentStatus totalPriceSet { shopMoney { amount } } \
        totalTaxSet { shopMoney { amount } } totalDiscountsSet { shopMoney { amount } } \
        customer { legacyResourceId } retailLocation { legacyResourceId }",
    within: Some(Within {
        name: "lineItems",
        fields: "id title sku quantity variant { legacyResourceId } \
            originalUnitPriceSet { shopMoney { amount currencyCode } }",
        first: 15,
        first_alone: 150,
    }),
    per_page: 8,
    shape: shapes::order,
};

/// The place of a page in a list.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Place {
    /// The last id before the page.
    after: u64,
    /// True if the page is one object, with a long list within it.
    alone: bool,
}

impl Collections for super::Shopify {
    fn all(&self) -> &'static [Collection] {
        &ALL
    }

    fn request(&self, wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject> {
        if wanted.collection == "promotions" {
            return discounts::request(wanted, context);
        }
        if let Some(request) = bulk::request(wanted, context) {
            return Ok(request);
        }
        match list(wanted.collection)? {
            Some(list) => objects(&list, wanted, context),
            None => levels::request(wanted, context),
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
        let data = graphql::data(reply)?;
        if wanted.collection == "promotions" {
            return discounts::page(&data);
        }
        if let Some(page) = bulk::page(wanted, &data) {
            return page;
        }
        if let Some(begins) = bulk::begins(wanted, &data)? {
            return Ok(begins);
        }
        match list(wanted.collection)? {
            Some(list) => page(&list, wanted, &data),
            None => levels::page(wanted, &data),
        }
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn missing(&self, collection: &str, key: &str, at: Timestamp) -> Option<Object> {
        match collection {
            "products" => {
                let id = graphql::number(&ExternalId::new(key).ok()?).ok()?;
                Some(object(PRODUCT_DELETED, &json!({ "id": id, "updated_at": at.to_string() })))
            }
            "levels" => levels::missing(key, at),
            "promotions" => discounts::missing(key, at),
            // Orders are listed by their changes alone, and customers are redacted rather than deleted.
            _ => None,
        }
    }
}

/// The list of that name; `None` for levels, which belong to locations.
fn list(collection: &str) -> Result<Option<List>, Reject> {
    match collection {
        "products" => Ok(Some(PRODUCTS)),
        "customers" => Ok(Some(CUSTOMERS)),
        "orders" => Ok(Some(ORDERS)),
        "levels" => Ok(None),
        _ => Err(Reject::new(RejectClass::Config, "shopify has no such collection")),
    }
}

fn objects(list: &List, wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject> {
    let place = place(wanted)?;
    let (first, within) = match &list.within {
        None => (list.per_page, String::new()),
        Some(within) => {
            let of = if place.alone { within.first_alone } else { within.first };
            let selection = format!(
                "{}(first: {of}) {{ nodes {{ {} }} pageInfo {{ hasNextPage }} }}",
                within.name, within.fields
            );
            (if place.alone { 1 } else { list.per_page }, selection)
        }
    };
    let query = format!(
        "query($filter: String) {{ {}(first: {first}, query: $filter, sortKey: ID) {{ \
         nodes {{ {} {within} }} pageInfo {{ hasNextPage }} }} {} }}",
        list.name,
        list.fields,
        bulk::counted(wanted)
    );
    let after = (place.after > 0).then(|| format!("id:>={}", place.after.saturating_add(1)));
    let filter: Vec<String> = changed(wanted.range).into_iter().chain(after).collect();
    let filter = if filter.is_empty() { Value::Null } else { filter.join(" AND ").into() };
    Ok(graphql::request(&query, &json!({ "filter": filter }), context))
}

/// The filters of a range.
fn changed(range: Range) -> Vec<String> {
    match range {
        Range::Whole => Vec::new(),
        Range::Changed { since, until } => {
            let until = until.map(|until| format!("updated_at:<'{}'", whole_second(until)));
            std::iter::once(format!("updated_at:>='{}'", whole_second(since))).chain(until).collect()
        }
    }
}

/// A time without its fraction: Shopify's have none.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros() - at.as_micros().rem_euclid(1_000_000))
}

fn place(wanted: &Wanted<'_>) -> Result<Place, Reject> {
    let Some(cursor) = wanted.cursor else { return Ok(Place::default()) };
    serde_json::from_str(cursor).map_err(|_| Reject::new(RejectClass::Platform, "a cursor that isn't ours"))
}

fn page(list: &List, wanted: &Wanted<'_>, data: &Value) -> Result<ListPage, CallError> {
    let mut place = place(wanted)?;
    let (nodes, has_next) = connection(data, list.name)?;
    let mut objects = Vec::new();
    for node in nodes {
        let id = number(node, "legacyResourceId")?;
        let is_cut = match &list.within {
            Some(within) => connection(node, within.name)?.1,
            None => false,
        };
        if is_cut && !place.alone {
            return Ok(ListPage { objects, next: Some(next(Place { alone: true, ..place })?), total: None });
        }
        objects.push((list.shape)(node)?);
        if id <= place.after {
            return Err(CallError::transient("the list isn't in the order of ids"));
        }
        place.after = id;
    }
    if has_next && nodes.is_empty() {
        return Err(CallError::transient("an empty page that isn't the last"));
    }
    let next = has_next.then(|| next(Place { alone: false, ..place })).transpose()?;
    Ok(ListPage { objects, next, total: None })
}

fn next(place: impl Serialize) -> Result<NextPage, CallError> {
    let cursor =
        serde_json::to_string(&place).map_err(|_| CallError::transient("a cursor can't be written"))?;
    Ok(NextPage { cursor, wait: Duration::ZERO })
}

/// The objects of a connection, and whether more follow.
fn connection<'a>(of: &'a Value, name: &str) -> Result<(&'a [Value], bool), CallError> {
    let missing = || CallError::transient(format!("the reply has no {name}"));
    let found = of.get(name).ok_or_else(missing)?;
    let nodes = found.get("nodes").and_then(Value::as_array).ok_or_else(missing)?;
    let has_next = found.pointer("/pageInfo/hasNextPage").and_then(Value::as_bool).ok_or_else(missing)?;
    Ok((nodes, has_next))
}

/// The number of an object, which replies show as a text.
fn number(of: &Value, name: &str) -> Result<u64, CallError> {
    let missing = || CallError::transient(format!("an object has no {name}"));
    of.get(name).and_then(Value::as_str).and_then(|id| id.parse().ok()).ok_or_else(missing)
}

fn object(topic: &'static str, body: &Value) -> Object {
    Object { topic, body: body.to_string().into_bytes() }
}

#[cfg(test)]
mod tests;
