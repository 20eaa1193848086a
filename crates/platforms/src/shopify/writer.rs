//! Changes as GraphQL mutations, and the outcomes of their replies.

use super::{field::Object, graphql, reader};
use crate::{
    CallContext, CallError, HttpReply, HttpRequest, Step, Write, WriteLimits, Writer, Written,
    contract::spaced,
};
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

/// The field of a reply that answers [`SET_LEVEL`].
const LEVELS_FIELD: &str = "inventorySetQuantities";

/// Upper limit of levels in one request: Shopify accepts 250 elements (README, limits); smaller requests fail less
/// together.
const LEVELS_MAX: usize = 50;

const UNSAID: &str = "the reply doesn't say whether the change was made";

/// Error codes for an object that is missing, or isn't counted at the location.
const GONE_CODES: [&str; 6] = [
    "INVALID_INVENTORY_ITEM",
    "INVALID_LOCATION",
    "ITEM_NOT_STOCKED_AT_LOCATION",
    "NOT_FOUND",
    "PRODUCT_DOES_NOT_EXIST",
    "PRODUCT_VARIANT_DOES_NOT_EXIST",
];

impl Writer for super::Shopify {
    /// Levels are whole pieces under a key; prices and texts are absolute and need none. Levels are compared before they
    /// are set, so that one that is repeated in another batch can't count twice.
    fn limits(&self, kind: MirrorKind) -> Option<WriteLimits> {
        let (repeatable_for, batch_max) = match kind {
            MirrorKind::Inventory => (Some(KEY_KEPT_FOR), LEVELS_MAX),
            MirrorKind::Price | MirrorKind::Product => (None, 1),
        };
        Some(WriteLimits { quantity_decimals: 0, repeatable_for, batch_max })
    }

    /// Nothing has to be read first: the platform compares the level.
    fn step(
        &self,
        write: &Write,
        context: &CallContext<'_>,
        _read: Option<&HttpReply<'_>>,
    ) -> Result<Step, CallError> {
        match write {
            Write::Level { .. } => Ok(Step::Write(self.batch(std::slice::from_ref(write), context)?)),
            Write::Price { product, variant, to } => set_price(product, variant, *to, context),
            Write::Text { product, to } => set_text(product, to, context),
        }
    }

    /// Classifies the reply by its status, then by the errors of GraphQL, then by those of the mutation. A reply that shows
    /// none of the three is not accepted as success.
    fn outcome(&self, write: &Write, reply: &HttpReply<'_>) -> Result<Written, CallError> {
        let field = match write {
            Write::Level { .. } => LEVELS_FIELD,
            Write::Price { .. } => "productVariantsBulkUpdate",
            Write::Text { .. } => "productUpdate",
        };
        let data = graphql::data(reply)?;
        let payload = data.get(field).unwrap_or(&Value::Null);
        match payload.get("userErrors").and_then(Value::as_array) {
            Some(errors) if errors.is_empty() => {
                Ok(Written { version: version(payload), rendered: rendered(write, payload) })
            }
            Some(errors) => Err(refused(errors, payload)),
            None => Err(CallError::transient(UNSAID)),
        }
    }

    /// The mutation that sets the levels of `writes`, all of them under one key.
    fn batch(&self, writes: &[Write], context: &CallContext<'_>) -> Result<HttpRequest, CallError> {
        let quantities = writes.iter().map(quantity).collect::<Result<Vec<Value>, Reject>>();
        let input = json!({
            "name": "available",
            "reason": "correction",
            "referenceDocumentUri": format!("tillflow://{}", context.idempotency_key),
            "quantities": quantities.map_err(CallError::Rejected)?,
        });
        let variables = json!({ "input": input, "key": context.idempotency_key });
        Ok(graphql::request(SET_LEVEL, &variables, context))
    }

    /// Shopify makes all of the levels or none: an error names its level by the index in the input, and concerns all
    /// without one.
    fn outcomes(&self, writes: &[Write], reply: &HttpReply<'_>) -> Vec<Result<Written, CallError>> {
        let data = match graphql::data(reply) {
            Ok(data) => data,
            Err(error) => return vec![Err(error); writes.len()],
        };
        let payload = data.get(LEVELS_FIELD).unwrap_or(&Value::Null);
        let Some(errors) = payload.get("userErrors").and_then(Value::as_array) else {
            return vec![Err(CallError::transient(UNSAID)); writes.len()];
        };
        (0..writes.len()).map(|index| outcome_of_level(index, errors, payload)).collect()
    }
}

fn set_price(
    product: &ExternalId,
    variant: &ExternalId,
    to: Money,
    context: &CallContext<'_>,
) -> Result<Step, CallError> {
    if to.minor < 0 {
        return Err(Reject::new(RejectClass::Data, "the platform takes no negative price").into());
    }
    let variant = json!({ "id": graphql::gid("ProductVariant", variant)?, "price": to.decimal() });
    let variables = json!({ "product": graphql::gid("Product", product)?, "variants": [variant] });
    Ok(Step::Write(graphql::request(SET_PRICE, &variables, context)))
}

fn set_text(product: &ExternalId, to: &ProductText, context: &CallContext<'_>) -> Result<Step, CallError> {
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
        return Ok(Step::Done(Written::default()));
    }
    input.insert("id".to_owned(), graphql::gid("Product", product)?.into());
    Ok(Step::Write(graphql::request(SET_TEXT, &json!({ "product": input }), context)))
}

fn quantity(write: &Write) -> Result<Value, Reject> {
    let Write::Level { item, location, to, from } = write else {
        return Err(Reject::new(RejectClass::Bug, "only levels are set in batches"));
    };
    Ok(json!({
        "inventoryItemId": graphql::gid("InventoryItem", item)?,
        "locationId": graphql::gid("Location", reader::needed(location.as_ref())?)?,
        "quantity": whole(*to)?,
        "changeFromQuantity": whole(*from)?,
    }))
}

fn whole(quantity: Quantity) -> Result<i64, Reject> {
    let count = if quantity.is_whole() { quantity.decimal().to_i64() } else { None };
    count.ok_or_else(|| Reject::new(RejectClass::Data, "the platform counts whole pieces only"))
}

/// The result of one level of a batch whose reply has these errors.
fn outcome_of_level(index: usize, errors: &[Value], payload: &Value) -> Result<Written, CallError> {
    if errors.is_empty() {
        return Ok(Written::default());
    }
    let concerns = |error: &&Value| level_index(error).is_none_or(|of| of == index);
    let own: Vec<Value> = errors.iter().filter(concerns).cloned().collect();
    if own.is_empty() {
        return Err(CallError::transient("another level of the same request was refused"));
    }
    Err(refused(&own, payload))
}

/// The index of the level that an error names: its path is `input`, `quantities`, the index and a field.
fn level_index(error: &Value) -> Option<usize> {
    let path = error.get("field")?.as_array()?;
    let after = path.iter().position(|part| part.as_str() == Some("quantities"))? + 1;
    path.get(after)?.as_str()?.parse().ok()
}

/// The version of the product after the write, read like a webhook's `updated_at`. `None` if it can't be read: the
/// write was made all the same.
fn version(payload: &Value) -> Option<SourceVersion> {
    let product = Object::root(payload.get("product")?).ok()?;
    product.time("updatedAt").ok().flatten().map(SourceVersion::coarse)
}

/// The text or price as the platform rendered it; `None` if the reply doesn't contain it.
fn rendered(write: &Write, payload: &Value) -> Option<MirrorValue> {
    match write {
        Write::Level { .. } => None,
        Write::Price { variant, to, .. } => {
            price_of(variant, *to, payload.get("productVariants")?).map(MirrorValue::Price)
        }
        Write::Text { .. } => {
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

fn refused(errors: &[Value], payload: &Value) -> CallError {
    let code_of = |error: &Value| error.get("code").and_then(Value::as_str).map(graphql::code);
    let codes: Vec<String> = errors.iter().filter_map(code_of).collect();
    let says = |wanted: &str| codes.iter().any(|code| code == wanted);
    // Versions before 2026-04 have another name for the failed comparison. A retry of a write that was refused before
    // its response was lost reports only that the previous attempt failed: most likely the comparison had failed, and
    // reading again is right in any case.
    let conflicts =
        ["CHANGE_FROM_QUANTITY_STALE", "COMPARE_QUANTITY_STALE", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"];
    if conflicts.into_iter().any(says) {
        CallError::Conflict
    } else if says("IDEMPOTENCY_CONCURRENT_REQUEST") {
        CallError::transient("the platform is still at work on the same call")
    } else if says("IDEMPOTENCY_KEY_PARAMETER_MISMATCH") {
        let reason = "one idempotency key was used for two different calls";
        CallError::Rejected(Reject::new(RejectClass::Bug, reason))
    } else if GONE_CODES.into_iter().any(says) || names_no_product(errors, payload) {
        CallError::Gone
    } else if codes.is_empty() {
        let reason = "the platform refuses the change and gives no code";
        CallError::Rejected(Reject::new(RejectClass::Platform, reason))
    } else {
        let reason = format!("the platform refuses the change: {}", codes.join(", "));
        CallError::Rejected(Reject::new(RejectClass::Platform, reason))
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
