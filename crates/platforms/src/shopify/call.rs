//! Changes as GraphQL mutations, and the outcomes of their replies.

use super::{fetch, field::Object, graphql};
use crate::{Call, CallContext, CallOutcome, HttpReply, Step, WriteLimits, contract::spaced};
use model::{ExternalId, MirrorKind, MirrorValue, Money, ProductText, Quantity, SourceVersion};
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value, json};
use stage::{Reject, RejectClass};
use std::time::Duration;

const SET_LEVEL: &str = "mutation($input: InventorySetQuantitiesInput!, $key: String!) { \
    inventorySetQuantities(input: $input) @idempotent(key: $key) { \
    inventoryAdjustmentGroup { id } userErrors { code field message } } }";

const SET_PRICE: &str = "mutation($product: ID!, $variants: [ProductVariantsBulkInput!]!) { \
    productVariantsBulkUpdate(productId: $product, variants: $variants) { \
    product { updatedAt } productVariants { id price } userErrors { code field message } } }";

// The errors of this mutation have no code.
const SET_TEXT: &str = "mutation($product: ProductUpdateInput!) { \
    productUpdate(product: $product) { product { title descriptionHtml updatedAt } \
    userErrors { field message } } }";

/// Time for which a key of `@idempotent` is relied on. Shopify documents a retention window; this is 24 hours less our
/// own margin (README, limits).
const KEY_KEPT_FOR: Duration = Duration::from_hours(23);

/// Error codes for an object that is missing, or isn't counted at the location.
const GONE_CODES: [&str; 6] = [
    "INVALID_INVENTORY_ITEM",
    "INVALID_LOCATION",
    "ITEM_NOT_STOCKED_AT_LOCATION",
    "NOT_FOUND",
    "PRODUCT_DOES_NOT_EXIST",
    "PRODUCT_VARIANT_DOES_NOT_EXIST",
];

/// The limits of writes: levels are whole pieces under a key; prices and texts are absolute and need none.
pub(super) const fn limits(kind: MirrorKind) -> WriteLimits {
    let repeatable_for = match kind {
        MirrorKind::Inventory => Some(KEY_KEPT_FOR),
        MirrorKind::Price | MirrorKind::Product => None,
    };
    WriteLimits { quantity_decimals: 0, repeatable_for }
}

/// The mutation that makes the change of `call`. Nothing has to be read first: the platform compares the level.
pub(super) fn call(call: &Call, context: &CallContext<'_>) -> Result<Step, CallOutcome> {
    let (query, variables) = match call {
        Call::SetLevel { item, location, to, from } => {
            let quantity = json!({
                "inventoryItemId": graphql::gid("InventoryItem", item)?,
                "locationId": graphql::gid("Location", fetch::needed(location.as_ref()).map_err(CallOutcome::Rejected)?)?,
                "quantity": whole(*to)?,
                "changeFromQuantity": whole(*from)?,
            });
            let input = json!({
                "name": "available",
                "reason": "correction",
                "referenceDocumentUri": format!("tillflow://{}", context.idempotency_key),
                "quantities": [quantity],
            });
            (SET_LEVEL, json!({ "input": input, "key": context.idempotency_key }))
        }
        Call::SetPrice { product, variant, to } => {
            let price = price(*to)?;
            let variant = json!({ "id": graphql::gid("ProductVariant", variant)?, "price": price });
            (SET_PRICE, json!({ "product": graphql::gid("Product", product)?, "variants": [variant] }))
        }
        Call::SetText { product, to } => {
            let mut input = Map::new();
            if let Some(title) = &to.title {
                if title.is_empty() {
                    return Err(Reject::new(RejectClass::Data, "the platform takes no empty title").into());
                }
                input.insert("title".to_owned(), title.as_str().into());
            }
            if let Some(description) = &to.description {
                input.insert("descriptionHtml".to_owned(), description.as_str().into());
            }
            if input.is_empty() {
                return Ok(Step::End(CallOutcome::DONE));
            }
            input.insert("id".to_owned(), graphql::gid("Product", product)?.into());
            (SET_TEXT, json!({ "product": input }))
        }
    };
    Ok(Step::Write(graphql::request(query, &variables, context)))
}

fn whole(quantity: Quantity) -> Result<i64, Reject> {
    let count = if quantity.is_whole() { quantity.decimal().to_i64() } else { None };
    count.ok_or_else(|| Reject::new(RejectClass::Data, "the platform counts whole pieces only"))
}

fn price(money: Money) -> Result<String, Reject> {
    if money.minor < 0 {
        return Err(Reject::new(RejectClass::Data, "the platform takes no negative price"));
    }
    Ok(money.decimal())
}

/// Classifies the reply by its status, then by the errors of GraphQL, then by those of the mutation. A reply that shows
/// none of the three is not accepted as success.
pub(super) fn outcome(call: &Call, reply: &HttpReply<'_>) -> CallOutcome {
    let field = match call {
        Call::SetLevel { .. } => "inventorySetQuantities",
        Call::SetPrice { .. } => "productVariantsBulkUpdate",
        Call::SetText { .. } => "productUpdate",
    };
    let data = match graphql::data(reply) {
        Ok(data) => data,
        Err(outcome) => return outcome,
    };
    let payload = data.get(field).unwrap_or(&Value::Null);
    match payload.get("userErrors").and_then(Value::as_array) {
        Some(errors) if errors.is_empty() => {
            CallOutcome::Done { version: version(payload), rendered: rendered(call, payload) }
        }
        Some(errors) => refused(errors, payload),
        None => CallOutcome::Retry { reason: "the reply doesn't say whether the change was made".to_owned() },
    }
}

/// The version of the product after the write, read like a webhook's `updated_at`. `None` if it can't be read: the
/// write was made all the same.
fn version(payload: &Value) -> Option<SourceVersion> {
    let product = Object::root(payload.get("product")?).ok()?;
    product.time("updatedAt").ok().flatten().map(SourceVersion::from)
}

/// The text or price as the platform rendered it; `None` if the reply doesn't contain it.
fn rendered(call: &Call, payload: &Value) -> Option<MirrorValue> {
    match call {
        Call::SetLevel { .. } => None,
        Call::SetPrice { variant, to, .. } => {
            price_of(variant, *to, payload.get("productVariants")?).map(MirrorValue::Price)
        }
        Call::SetText { .. } => {
            let product = payload.get("product").filter(|product| product.is_object())?;
            let text = |name: &str| product.get(name).and_then(Value::as_str).map(spaced);
            Some(MirrorValue::Text(ProductText {
                title: text("title"),
                description: text("descriptionHtml"),
            }))
        }
    }
}

fn price_of(variant: &ExternalId, to: Money, variants: &Value) -> Option<Money> {
    let gid = graphql::gid("ProductVariant", variant).ok()?;
    let is_wanted = |held: &&Value| held.get("id").and_then(Value::as_str) == Some(gid.as_str());
    let price = variants.as_array()?.iter().find(is_wanted)?.get("price")?.as_str()?;
    Money::parse(price, to.currency).ok()
}

fn refused(errors: &[Value], payload: &Value) -> CallOutcome {
    let code_of = |error: &Value| error.get("code").and_then(Value::as_str).map(graphql::code);
    let codes: Vec<String> = errors.iter().filter_map(code_of).collect();
    let says = |wanted: &str| codes.iter().any(|code| code == wanted);
    // Versions before 2026-04 have another name for the failed comparison. A retry of a write that was refused before
    // its response was lost reports only that the previous attempt failed: most likely the comparison had failed, and
    // reading again is right in any case.
    let conflicts =
        ["CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"];
    if conflicts.into_iter().any(says) {
        CallOutcome::Conflict
    } else if says("IDEMPOTENCY_CONCURRENT_REQUEST") {
        CallOutcome::Retry { reason: "the platform is still at work on the same call".to_owned() }
    } else if says("IDEMPOTENCY_KEY_PARAMETER_MISMATCH") {
        let reason = "one idempotency key was used for two different calls";
        CallOutcome::Rejected(Reject::new(RejectClass::Bug, reason))
    } else if GONE_CODES.into_iter().any(says) || names_no_product(errors, payload) {
        CallOutcome::Gone
    } else if codes.is_empty() {
        let reason = "the platform refuses the change and gives no code";
        CallOutcome::Rejected(Reject::new(RejectClass::Platform, reason))
    } else {
        let reason = format!("the platform refuses the change: {}", codes.join(", "));
        CallOutcome::Rejected(Reject::new(RejectClass::Platform, reason))
    }
}

/// Returns true if `productUpdate`, whose errors have no code, found no product with the id.
fn names_no_product(errors: &[Value], payload: &Value) -> bool {
    let of_id = |error: &Value| {
        let path = error.get("field").and_then(Value::as_array);
        path.and_then(|path| path.last()).and_then(Value::as_str) == Some("id") && error.get("code").is_none()
    };
    payload.get("product").is_some_and(Value::is_null) && errors.iter().all(of_id)
}

#[cfg(test)]
mod tests;
