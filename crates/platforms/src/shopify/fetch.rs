//! Reading a level, a text or a price back. Webhooks carry whole objects, so that nothing else has to be fetched.

use super::{LEVEL_READ, PRODUCT_READ, graphql};
use crate::{CallContext, Fetch, Fetched, HttpReply, HttpRequest, Reply};
use model::ExternalId;
use serde_json::{Value, json};
use stage::{Reject, RejectClass};

const LEVEL: &str = "query($item: ID!, $location: ID!) { inventoryItem(id: $item) { tracked \
    inventoryLevel(locationId: $location) { updatedAt quantities(names: [\"available\"]) { name quantity } } } }";

const TEXT: &str = "query($product: ID!) { product(id: $product) { title descriptionHtml updatedAt } }";

const TEXT_AND_PRICE: &str = "query($product: ID!, $variant: ID!) { \
    product(id: $product) { title descriptionHtml updatedAt } productVariant(id: $variant) { price } }";

/// The request for what is read back. The only thin topic, `orders/edited`, asks for nothing: the edit changes the order,
/// and `orders/updated` brings it whole.
pub(super) fn fetch(wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
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

/// What the reply holds, in the shape of the webhook `inventory_levels/update` or `products/update`. An item that isn't
/// stocked at the location, or isn't tracked at all, has a level of null: unknown, not zero.
pub(super) fn fetched(wanted: &Fetch<'_>, reply: &HttpReply<'_>) -> Fetched {
    let data = graphql::data(reply);
    let read = match *wanted {
        Fetch::Notified { .. } => return Fetched::Objects { objects: Vec::new(), next: None },
        Fetch::Level { item, location } => {
            data.and_then(|data| Ok((LEVEL_READ, level(item, location, &data)?)))
        }
        Fetch::Product { product: id, variant } => {
            data.and_then(|data| Ok((PRODUCT_READ, product(id, variant, &data)?)))
        }
    };
    match read {
        Ok((topic, body)) => {
            Fetched::Objects { objects: vec![(topic, body.to_string().into_bytes())], next: None }
        }
        Err(reply) => Fetched::Failed(reply),
    }
}

fn product(id: &ExternalId, variant: Option<&ExternalId>, data: &Value) -> Result<Value, Reply> {
    let found = |name: &str| {
        data.get(name).filter(|found| found.is_object()).ok_or_else(|| {
            Reply::Refused(Reject::new(RejectClass::Platform, "the platform has no such product or variant"))
        })
    };
    let product = found("product")?;
    let field = |of: &Value, name: &str| of.get(name).cloned().unwrap_or_default();
    let mut body = json!({
        "id": graphql::number(id).map_err(Reply::Refused)?,
        "title": field(product, "title"),
        "body_html": field(product, "descriptionHtml"),
        "updated_at": field(product, "updatedAt"),
    });
    if let Some(id) = variant {
        let price = field(found("productVariant")?, "price");
        let id = graphql::number(id).map_err(Reply::Refused)?;
        body["variants"] = json!([{ "id": id, "price": price }]);
    }
    Ok(body)
}

/// Shopify counts per location; a level without one is a mistake in what the connection was set up with.
pub(super) fn needed(location: Option<&ExternalId>) -> Result<&ExternalId, Reject> {
    location.ok_or_else(|| Reject::new(RejectClass::Config, "the connection's location is not linked"))
}

fn level(item: &ExternalId, location: Option<&ExternalId>, data: &Value) -> Result<Value, Reply> {
    let location = needed(location).and_then(graphql::number).map_err(Reply::Refused)?;
    let number = graphql::number(item).map_err(Reply::Refused)?;
    let found = data.get("inventoryItem").filter(|found| found.is_object());
    let found = found.ok_or_else(|| {
        Reply::Refused(Reject::new(RejectClass::Platform, "the platform has no such inventory item"))
    })?;
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

fn available(level: &Value) -> Result<Value, Reply> {
    let quantities = level.get("quantities").and_then(Value::as_array).into_iter().flatten();
    let named =
        quantities.filter(|quantity| quantity.get("name").and_then(Value::as_str) == Some("available"));
    let mut counts = named.filter_map(|quantity| quantity.get("quantity").and_then(Value::as_i64));
    counts
        .next()
        .map(Value::from)
        .ok_or_else(|| Reply::Retry { reason: "the reply has no available quantity".to_owned() })
}

#[cfg(test)]
mod tests;
