//! Products, stock, discounts, customers, employees and transactions, as lists.

use super::api::{self, Area};
use crate::{
    CallContext, CallError, Collection, Collections, HttpReply, HttpRequest, ListPage, Listed, NextPage,
    Object, Range, Reads, Wanted,
    list::{self, Row},
};
use model::Timestamp;
use serde_json::json;
use stage::{Reject, RejectClass};
use std::{collections::BTreeMap, time::Duration};

/// Upper limit of a reply that is a whole list, in bytes: 50,000 products with long descriptions.
const LIST_BYTES_MAX: usize = 64 << 20;
/// Customers on a page, the platform's own default.
const CUSTOMERS_PER_PAGE: usize = 1_000;
/// The span of transactions in one request. A list of a longer span may be refused or cut (README, limits).
const TRANSACTIONS_SPAN: Duration = Duration::from_hours(24);
/// Time by which a change may be listed late. No document states one.
const OVERLAP: Duration = Duration::from_mins(5);

static ALL: [Collection; 6] = [
    Collection {
        name: "products",
        reads: Reads::ChangesAndWhole { overlap: OVERLAP },
        every: Duration::from_mins(10),
    },
    Collection { name: "levels", reads: Reads::Whole, every: Duration::from_mins(2) },
    Collection { name: "promotions", reads: Reads::Whole, every: Duration::from_mins(10) },
    Collection {
        name: "customers",
        reads: Reads::ChangesAndWhole { overlap: OVERLAP },
        every: Duration::from_mins(10),
    },
    Collection { name: "employees", reads: Reads::Whole, every: Duration::from_hours(1) },
    Collection { name: "orders", reads: Reads::Changes { overlap: OVERLAP }, every: Duration::from_mins(2) },
];

/// The list of discounts: those that are switched off too, so that what isn't listed is gone; with their targets.
const DISCOUNTS: &str = "/discounts/v2/list?includeInactive=true&includeInclusionExclusionData=true";

/// The fields of a package that its quantity is explained by.
const PACKAGE_FIELDS: [&str; 7] = [
    "inventoryId",
    "lastModifiedDateUtc",
    "packageId",
    "packageStatus",
    "productId",
    "quantityAvailable",
    "quantityUnits",
];
/// The fields of a customer that are mapped: no others of a person are kept, least of all a patient's.
const CUSTOMER_FIELDS: [&str; 9] = [
    "cellPhone",
    "customerId",
    "discountGroups",
    "emailAddress",
    "firstName",
    "lastModifiedDateUTC",
    "lastName",
    "mergedIntoCustomerId",
    "phone",
];
/// The fields of an employee that are mapped: no licences, and no name to log in with.
const EMPLOYEE_FIELDS: [&str; 4] = ["fullName", "groups", "status", "userId"];
/// The fields of a transaction that are mapped, or of use to whoever looks for the reason of an amount: nothing that
/// identifies a card.
const TRANSACTION_FIELDS: [&str; 25] = [
    "adjustmentForTransactionId",
    "cashPaid",
    "customerId",
    "debitPaid",
    "electronicPaid",
    "employeeId",
    "invoiceNumber",
    "isReturn",
    "isVoid",
    "items",
    "lastModifiedDateUTC",
    "orderIds",
    "orderSource",
    "orderType",
    "returnOnTransactionId",
    "subtotal",
    "tax",
    "tipAmount",
    "total",
    "totalBeforeTax",
    "totalDiscount",
    "transactionDate",
    "transactionId",
    "transactionType",
    "voidDate",
];

impl Collections for super::Leaflogix {
    fn all(&self) -> &'static [Collection] {
        &ALL
    }

    fn request(&self, wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject> {
        let access = context.access;
        let area = Area::of(access)?;
        let path = match (wanted.collection, area) {
            ("products", Area::Reporting) => changed("/reporting/products", wanted.range),
            ("products", Area::Inventory) => changed("/products", wanted.range),
            ("levels", Area::Reporting) => "/reporting/inventory".to_owned(),
            ("levels", Area::Inventory) => "/inventory".to_owned(),
            ("promotions", _) => DISCOUNTS.to_owned(),
            ("customers", _) => customers(wanted)?,
            ("employees", _) => "/employees".to_owned(),
            ("orders", _) => transactions(wanted, context.now)?,
            _ => return Err(unknown()),
        };
        api::get(access, &path, LIST_BYTES_MAX)
    }

    fn page(
        &self,
        wanted: &Wanted<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<ListPage, CallError> {
        api::check(reply)?;
        let text = list::text(reply.body);
        let rows = list::rows(&text)?;
        let (objects, next) = match wanted.collection {
            "products" => (list::objects("product", "productId", &rows, None), None),
            "levels" => (levels(&rows), None),
            "promotions" => (list::objects("discount", "id", &rows, None), None),
            "customers" => {
                // A page that isn't full isn't yet the last: the document asks for more until one is empty.
                let next = if rows.is_empty() { None } else { Some((page(wanted)? + 1).to_string()) };
                (list::objects("customer", "customerId", &rows, Some(&CUSTOMER_FIELDS)), next)
            }
            "employees" => (list::objects("employee", "userId", &rows, Some(&EMPLOYEE_FIELDS)), None),
            "orders" => {
                let next = span(wanted, context.now)?.next.map(|next| next.to_string());
                (list::objects("transaction", "transactionId", &rows, Some(&TRANSACTION_FIELDS)), next)
            }
            _ => return Err(unknown().into()),
        };
        let next = next.map(|cursor| NextPage { cursor, wait: Duration::ZERO });
        Ok(ListPage { objects, next, total: None })
    }

    /// The stock of a product that a complete list doesn't name is zero: only what has stock is listed. A discount that
    /// isn't listed is gone, as even those that are switched off are listed; so is an employee. A product or a customer that isn't listed may be hidden from this key.
    fn missing(&self, collection: &str, key: &str, at: Timestamp) -> Option<Object> {
        let id = key.parse::<u64>().ok()?;
        let (topic, body) = match collection {
            "levels" => ("inventory", json!({"productId": id, "rows": [], "observedAt": at.to_string()})),
            "employees" => ("employee_absent", json!({"userId": id, "observedAt": at.to_string()})),
            "promotions" => ("discount_absent", json!({"id": id, "observedAt": at.to_string()})),
            _ => return None,
        };
        Some(Object { topic, body: body.to_string().into_bytes() })
    }
}

fn unknown() -> Reject {
    Reject::new(RejectClass::Config, "leaflogix has no such collection")
}

/// The path of a list of products. Changes have no upper bound there: those after it come a second time later.
fn changed(path: &str, range: Range) -> String {
    match range {
        Range::Whole => path.to_owned(),
        Range::Changed { since, .. } => format!("{path}?fromLastModifiedDateUTC={since}"),
    }
}

/// The path of a page of customers. Anonymous ones are nobody.
fn customers(wanted: &Wanted<'_>) -> Result<String, Reject> {
    let page = page(wanted)?;
    let changed = match wanted.range {
        Range::Whole => String::new(),
        Range::Changed { since, until } => {
            let until = until.map(|until| format!("&toLastModifiedDateUTC={until}")).unwrap_or_default();
            format!("&fromLastModifiedDateUTC={since}{until}")
        }
    };
    let path = "/customer/customers-paginated";
    Ok(format!("{path}?PageNumber={page}&PageSize={CUSTOMERS_PER_PAGE}&includeAnonymous=false{changed}"))
}

/// The number of a page of customers; they count from zero.
fn page(wanted: &Wanted<'_>) -> Result<u32, Reject> {
    wanted.cursor.map_or(Ok(0), |cursor| cursor.parse().map_err(|_| no_cursor()))
}

fn no_cursor() -> Reject {
    Reject::new(RejectClass::Bug, "not a cursor of this collection")
}

/// The path of the transactions of one span.
fn transactions(wanted: &Wanted<'_>, now: Timestamp) -> Result<String, Reject> {
    let Span { from, to, .. } = span(wanted, now)?;
    let to = to.map(|to| format!("&ToLastModifiedDateUTC={to}")).unwrap_or_default();
    Ok(format!(
        "/reporting/transactions?FromLastModifiedDateUTC={from}{to}&IncludeDetail=true&IncludeOrderIds=true"
    ))
}

/// A span of transactions.
struct Span {
    from: Timestamp,
    /// `None` for everything after its beginning.
    to: Option<Timestamp>,
    /// The beginning of the span after it; `None` if it is the last.
    next: Option<Timestamp>,
}

/// The span that the cursor names; the first without one.
fn span(wanted: &Wanted<'_>, now: Timestamp) -> Result<Span, Reject> {
    let Range::Changed { since, until } = wanted.range else {
        return Err(Reject::new(RejectClass::Bug, "a list of all transactions has no end"));
    };
    let from = wanted.cursor.map_or(Ok(since), |cursor| Timestamp::parse(cursor).map_err(|_| no_cursor()))?;
    let end = from.after(TRANSACTIONS_SPAN);
    let has_next = end < until.unwrap_or(now);
    Ok(Span { from, to: if has_next { Some(end) } else { until }, next: has_next.then_some(end) })
}

/// One object for each product, with all its packages: the list is never split into pages.
fn levels(rows: &[Row<'_>]) -> Vec<Listed> {
    let mut packages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut listed = Vec::new();
    for row in rows {
        let fields = row.fields();
        let package = fields.kept(&PACKAGE_FIELDS);
        if let Some(id) = fields.id("productId") {
            packages.entry(id).or_default().push(package);
        } else {
            let body = list::grouped(None, vec![package]);
            listed.push(Listed { key: row.key_without_id(), object: Object { topic: "inventory", body } });
        }
    }
    let of_product = |(id, packages): (String, Vec<String>)| {
        let quoted = json!(id).to_string();
        // The platform's ids are numbers; `map` rejects any other.
        let written = if id.bytes().all(|byte| byte.is_ascii_digit()) { &id } else { &quoted };
        let body = list::grouped(Some(("productId", written)), packages);
        Listed { key: id, object: Object { topic: "inventory", body } }
    };
    listed.extend(packages.into_iter().map(of_product));
    listed
}

#[cfg(test)]
mod tests;
