//! Reads a level, a text or a price back. Webhooks carry whole objects, so that nothing else has to be fetched.

use super::{LEVEL_READ, PRODUCT_DELETED, PRODUCT_READ, graphql};
use crate::{CallContext, CallError, Fetch, HttpReply, HttpRequest, Page, Reader};
use model::{ExternalId, Timestamp};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};

const LEVEL: &str = "query($item: ID!, $location: ID!) { inventoryItem(id: $item) { tracked \
    inventoryLevel(locationId: $location) { updatedAt quantities(names: [\"available\"]) { name quantity } } } }";

const TEXT: &str = "query($product: ID!) { product(id: $product) { title descriptionHtml updatedAt } }";

const TEXT_AND_PRICE: &str = "query($product: ID!, $variant: ID!) { \
    product(id: $product) { title descriptionHtml updatedAt } productVariant(id: $variant) { price } }";

impl Reader for super::Shopify {
    /// The request for a read-back. The only thin topic, `orders/edited`, needs no fetch: the edit changes the order, and
    /// `orders/updated` carries all of it.
    fn request(&self, wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
        let (query, variables) = match *wanted {
            Fetch::Notified { .. } => return Ok(None),
            Fetch::Level { item, location } => {
                let item = graphql::gid("InventoryItem", item)?;
                let location = graphql::gid("Location", needed(location)?)?;
                (LEVEL, json!({ "item": item, "location": location }))
            }
            Fetch::Product { product, variant: None } => {
                (TEXT, json!({ "product": graphql::gid("Product", product)? }))
            }
            Fetch::Product { product, variant: Some(variant) } => {
                let variant = graphql::gid("ProductVariant", variant)?;
                (TEXT_AND_PRICE, json!({ "product": graphql::gid("Product", product)?, "variant": variant }))
            }
        };
        Ok(Some(graphql::request(query, &variables, context)))
    }

    /// The object in the reply, in the shape of the webhook `inventory_levels/update` or `products/update`. An item that
    /// doesn't exist, isn't stocked at the location or isn't tracked has a level of null: unknown, not zero. A product that
    /// doesn't exist becomes a `products/delete` with the current time.
    fn page(
        &self,
        wanted: &Fetch<'_>,
        context: &CallContext<'_>,
        reply: &HttpReply<'_>,
    ) -> Result<Page, CallError> {
        match *wanted {
            Fetch::Notified { .. } => Ok(Page::default()),
            Fetch::Level { item, location } => {
                Ok(Page::of_one(LEVEL_READ, &level(item, location, &graphql::data(reply)?)?))
            }
            Fetch::Product { product: id, variant } => {
                let (topic, body) = product(id, variant, &graphql::data(reply)?, context.now)?;
                Ok(Page::of_one(topic, &body))
            }
        }
    }
}

/// An object in `data`; `None` if the platform reports that it doesn't exist.
fn found<'a>(data: &'a Value, name: &str) -> Result<Option<&'a Value>, CallError> {
    match data.get(name) {
        Some(Value::Null) => Ok(None),
        Some(object @ Value::Object(_)) => Ok(Some(object)),
        _ => Err(CallError::transient(format!("the reply has no {name}"))),
    }
}

fn product(
    id: &ExternalId,
    variant: Option<&ExternalId>,
    data: &Value,
    now: Timestamp,
) -> Result<(&'static str, Value), CallError> {
    let number = graphql::number(id)?;
    let Some(product) = found(data, "product")? else {
        return Ok((PRODUCT_DELETED, json!({ "id": number, "updated_at": now.to_string() })));
    };
    let field = |of: &Value, name: &str| of.get(name).cloned().unwrap_or_default();
    let mut body = json!({
        "id": number,
        "title": field(product, "title"),
        "body_html": field(product, "descriptionHtml"),
        "updated_at": field(product, "updatedAt"),
    });
    if let Some(id) = variant {
        // Shopify has no report of a deleted variant whose product stays.
        let held = found(data, "productVariant")?.ok_or(CallError::Gone)?;
        body["variants"] = json!([{ "id": graphql::number(id)?, "price": field(held, "price") }]);
    }
    Ok((PRODUCT_READ, body))
}

/// Returns the location, which is required: Shopify counts per location, and a level without one is a mistake in the
/// connection's settings.
pub(super) fn needed(location: Option<&ExternalId>) -> Result<&ExternalId, Reject> {
    location.ok_or_else(|| Reject::new(RejectClass::Config, "the connection's location is not linked"))
}

fn level(item: &ExternalId, location: Option<&ExternalId>, data: &Value) -> Result<Value, CallError> {
    let location = needed(location).and_then(graphql::number)?;
    let number = graphql::number(item)?;
    let Some(found) = found(data, "inventoryItem")? else {
        return Ok(json!({ "inventory_item_id": number, "location_id": location, "available": null }));
    };
    let tracked = found.get("tracked") != Some(&Value::Bool(false));
    let level = found.get("inventoryLevel").filter(|level| level.is_object());
    let available = match level {
        Some(level) if tracked => available(level)?,
        _ => Value::Null,
    };
    let updated_at = level.and_then(|level| level.get("updatedAt")).cloned().unwrap_or_default();
    Ok(json!({
        "inventory_item_id": number,
        "location_id": location,
        "available": available,
        "updated_at": updated_at,
    }))
}

fn available(level: &Value) -> Result<Value, CallError> {
    let quantities = level.get("quantities").and_then(Value::as_array).into_iter().flatten();
    let named =
        quantities.filter(|quantity| quantity.get("name").and_then(Value::as_str) == Some("available"));
    let mut counts = named.filter_map(|quantity| quantity.get("quantity").and_then(Value::as_i64));
    counts.next().map(Value::from).ok_or_else(|| CallError::transient("the reply has no available quantity"))
}

#[cfg(test)]
mod tests;
