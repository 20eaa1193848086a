//! The list of discounts, automatic ones and codes.

use super::{connection, next, object};
use crate::{
    CallContext, CallError, HttpRequest, ListPage, Listed, Object, Wanted, shopify::DISCOUNT_READ,
    shopify::graphql,
};
use model::{ExternalId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};

/// Discounts on a page: with their lists of items, a call costs about 400 points of 1,000.
const PER_PAGE: u32 = 5;

/// The fields of discounts of the kinds that take a share or an amount off: with the first items of each list, of which a
/// longer one isn't mapped.
const BASIC: &str = "title startsAt endsAt updatedAt combinesWith { productDiscounts } \
    minimumRequirement { __typename } customerGets { appliesOnOneTimePurchase \
    value { ... on DiscountPercentage { percentage } \
    ... on DiscountAmount { amount { amount currencyCode } appliesOnEachItem } } \
    items { ... on AllDiscountItems { allItems } \
    ... on DiscountProducts { products(first: 20) { nodes { id } pageInfo { hasNextPage } } \
    productVariants(first: 20) { nodes { id } pageInfo { hasNextPage } } } \
    ... on DiscountCollections { collections(first: 20) { nodes { id } pageInfo { hasNextPage } } } } }";

/// The other kinds, of which a name and times are read.
const OTHERS: [&str; 6] = [
    "DiscountAutomaticApp",
    "DiscountAutomaticBxgy",
    "DiscountAutomaticFreeShipping",
    "DiscountCodeApp",
    "DiscountCodeBxgy",
    "DiscountCodeFreeShipping",
];

/// The place of a page.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    /// Shopify's cursor.
    after: String,
}

/// The request for a page.
pub(super) fn request(wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject> {
    let unreadable = |_| Reject::new(RejectClass::Platform, "a cursor that isn't ours");
    let place: Option<Place> = wanted.cursor.map(serde_json::from_str).transpose().map_err(unreadable)?;
    let others = OTHERS.map(|kind| format!("... on {kind} {{ title startsAt endsAt }} ")).concat();
    let query = format!(
        "query($after: String) {{ discountNodes(first: {PER_PAGE}, after: $after, sortKey: ID) {{ nodes {{ id \
         discount {{ __typename ... on DiscountAutomaticBasic {{ {BASIC} context {{ __typename }} }} \
         ... on DiscountCodeBasic {{ {BASIC} }} {others}}} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    Ok(graphql::request(&query, &json!({ "after": place.map(|place| place.after) }), context))
}

pub(super) fn page(data: &Value) -> Result<ListPage, CallError> {
    let (nodes, has_next) = connection(data, "discountNodes")?;
    let objects: Vec<Listed> = nodes.iter().map(listed).collect::<Result<_, _>>()?;
    let cursor = data.pointer("/discountNodes/pageInfo/endCursor").and_then(Value::as_str);
    let next = match (has_next, cursor) {
        (false, _) => None,
        (true, Some(cursor)) if !objects.is_empty() => Some(next(Place { after: cursor.to_owned() })?),
        (true, _) => return Err(CallError::transient("a page that isn't the last has no next one")),
    };
    Ok(ListPage { objects, next, total: None })
}

fn listed(node: &Value) -> Result<Listed, CallError> {
    let missing = || CallError::transient("a discount has no id");
    let gid = node.get("id").and_then(Value::as_str).ok_or_else(missing)?;
    let id: u64 = gid.rsplit('/').next().and_then(|id| id.parse().ok()).ok_or_else(missing)?;
    let body = json!({ "id": id, "discount": node.get("discount") });
    Ok(Listed { key: id.to_string(), object: object(DISCOUNT_READ, &body) })
}

/// A discount that complete lists lack.
pub(super) fn missing(key: &str, at: Timestamp) -> Option<Object> {
    let id = graphql::number(&ExternalId::new(key).ok()?).ok()?;
    Some(object(DISCOUNT_READ, &json!({ "id": id, "discount": null, "observed_at": at.to_string() })))
}
