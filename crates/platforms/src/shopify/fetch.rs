//! Reading a level back. Webhooks carry whole objects, so that nothing else has to be fetched.

use super::{LEVEL_READ, graphql};
use crate::{CallContext, Fetch, Fetched, HttpReply, HttpRequest, Reply};
use model::ExternalId;
use serde_json::{Value, json};
use stage::{Reject, RejectClass};

const LEVEL: &str = "query($item: ID!, $location: ID!) { inventoryItem(id: $item) { tracked \
    inventoryLevel(locationId: $location) { updatedAt quantities(names: [\"available\"]) { name quantity } } } }";

/// The request for a level. The only thin topic, `orders/edited`, asks for nothing: the edit changes the order, and
/// `orders/updated` brings it whole.
pub(super) fn fetch(wanted: &Fetch<'_>, context: &CallContext<'_>) -> Result<Option<HttpRequest>, Reject> {
    let Fetch::Level { item, location } = wanted else { return Ok(None) };
    let item = graphql::gid("InventoryItem", item)?;
    let location = graphql::gid("Location", needed(*location)?)?;
    Ok(Some(graphql::request(LEVEL, &json!({ "item": item, "location": location }), context)))
}

/// The level in the reply, in the shape of the webhook `inventory_levels/update`. An item that isn't stocked at the
/// location, or isn't tracked at all, has a level of null: unknown, not zero.
pub(super) fn fetched(wanted: &Fetch<'_>, reply: &HttpReply<'_>) -> Fetched {
    let Fetch::Level { item, location } = wanted else {
        return Fetched::Objects { objects: Vec::new(), next: None };
    };
    match graphql::data(reply).and_then(|data| level(item, *location, &data)) {
        Ok(body) => {
            Fetched::Objects { objects: vec![(LEVEL_READ, body.to_string().into_bytes())], next: None }
        }
        Err(reply) => Fetched::Failed(reply),
    }
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
