//! Our changes as GraphQL mutations, and what their replies mean.

use super::{fetch, field::Object, graphql};
use crate::{Call, CallContext, HttpReply, Reply, Step};
use model::{Money, Quantity, SourceVersion};
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Map, Value, json};
use stage::{Reject, RejectClass};

const SET_LEVEL: &str = "mutation($input: InventorySetQuantitiesInput!, $key: String!) { \
    inventorySetQuantities(input: $input) @idempotent(key: $key) { \
    inventoryAdjustmentGroup { id } userErrors { code field message } } }";

const SET_PRICE: &str = "mutation($product: ID!, $variants: [ProductVariantsBulkInput!]!) { \
    productVariantsBulkUpdate(productId: $product, variants: $variants) { \
    product { updatedAt } userErrors { code field message } } }";

// The errors of this one have no code.
const SET_TEXT: &str = "mutation($product: ProductUpdateInput!) { \
    productUpdate(product: $product) { product { updatedAt } userErrors { field message } } }";

/// The mutation that makes `call` true. Nothing has to be read first: the level is compared by the platform.
pub(super) fn call(call: &Call, context: &CallContext<'_>) -> Result<Step, Reject> {
    let (query, variables) = match call {
        Call::SetLevel { item, location, to, from } => {
            let quantity = json!({
                "inventoryItemId": graphql::gid("InventoryItem", item)?,
                "locationId": graphql::gid("Location", fetch::needed(location.as_ref())?)?,
                "quantity": whole(*to)?,
                // Null says that any level may be overwritten; leaving it out is an error since 2026-04.
                "changeFromQuantity": from.map(whole).transpose()?,
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
                    return Err(Reject::new(RejectClass::Data, "the platform takes no empty title"));
                }
                input.insert("title".to_owned(), title.as_str().into());
            }
            if let Some(description) = &to.description {
                input.insert("descriptionHtml".to_owned(), description.as_str().into());
            }
            if input.is_empty() {
                return Ok(Step::Done { version: None });
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

/// What the reply means: the status first, then the errors of GraphQL, then those of the mutation. A reply that
/// names none of the three is not taken for success.
pub(super) fn outcome(call: &Call, reply: &HttpReply<'_>) -> Reply {
    let field = match call {
        Call::SetLevel { .. } => "inventorySetQuantities",
        Call::SetPrice { .. } => "productVariantsBulkUpdate",
        Call::SetText { .. } => "productUpdate",
    };
    let data = match graphql::data(reply) {
        Ok(data) => data,
        Err(reply) => return reply,
    };
    let payload = data.get(field).unwrap_or(&Value::Null);
    match payload.get("userErrors").and_then(Value::as_array) {
        Some(errors) if errors.is_empty() => Reply::Done { version: version(payload) },
        Some(errors) => refused(errors),
        None => Reply::Retry { reason: "the reply doesn't say whether the change was made".to_owned() },
    }
}

/// The version of the product after the write, read as the webhook's `updated_at` is. What can't be read is none: the
/// write was made all the same.
fn version(payload: &Value) -> Option<SourceVersion> {
    let product = Object::root(payload.get("product")?).ok()?;
    product.time("updatedAt").ok().flatten().map(SourceVersion::from)
}

fn refused(errors: &[Value]) -> Reply {
    let code_of = |error: &Value| error.get("code").and_then(Value::as_str).map(graphql::code);
    let codes: Vec<String> = errors.iter().filter_map(code_of).collect();
    let says = |wanted: &str| codes.iter().any(|code| code == wanted);
    // Versions before 2026-04 name the comparison otherwise.
    // A retry of a write that was refused before its answer was lost is told only that it failed: most likely it was
    // stale, and reading again is right in any case.
    let stale =
        ["CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"];
    if stale.into_iter().any(says) {
        Reply::Stale
    } else if says("IDEMPOTENCY_CONCURRENT_REQUEST") {
        Reply::Retry { reason: "the platform is still at work on the same call".to_owned() }
    } else if says("IDEMPOTENCY_KEY_PARAMETER_MISMATCH") {
        Reply::Refused(Reject::new(RejectClass::Bug, "one idempotency key was used for two different calls"))
    } else if codes.is_empty() {
        Reply::Refused(Reject::new(
            RejectClass::Platform,
            "the platform refuses the change and gives no code",
        ))
    } else {
        let reason = format!("the platform refuses the change: {}", codes.join(", "));
        Reply::Refused(Reject::new(RejectClass::Platform, reason))
    }
}

#[cfg(test)]
mod tests;
