//! Levels, which are lists of locations: first the locations, then the levels of each.

use super::{bulk, changed, connection, next, number, object};
use crate::{CallContext, CallError, HttpRequest, ListPage, Listed, Object, Wanted, shopify::graphql};
use model::{ExternalId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stage::{Reject, RejectClass};

const TOPIC: &str = "inventory_levels/update";

const LOCATIONS: &str = "locations(first: 250) { nodes { legacyResourceId } pageInfo { hasNextPage } }";

const LEVELS: &str = "query($location: ID!, $after: String, $filter: String) { location(id: $location) { \
    inventoryLevels(first: 100, after: $after, query: $filter) { nodes { updatedAt \
    quantities(names: [\"available\"]) { name quantity } item { legacyResourceId tracked } } \
    pageInfo { hasNextPage endCursor } } } }";

/// The place of a page among the levels of all locations.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    /// Locations whose levels aren't read to the end; the first one's are read.
    locations: Vec<u64>,
    /// Shopify's cursor within the first location.
    after: Option<String>,
}

pub(super) fn request(wanted: &Wanted<'_>, context: &CallContext<'_>) -> Result<HttpRequest, Reject> {
    let Some(Place { locations, after }) = place(wanted)? else {
        let query = format!("query {{ {LOCATIONS} {} }}", bulk::counted(wanted));
        return Ok(graphql::request(&query, &json!({}), context));
    };
    let location = locations.first().ok_or_else(unreadable)?;
    let filter = changed(wanted.range).join(" AND ");
    let filter = if filter.is_empty() { Value::Null } else { filter.into() };
    let location = format!("gid://shopify/Location/{location}");
    let variables = json!({ "location": location, "after": after, "filter": filter });
    Ok(graphql::request(LEVELS, &variables, context))
}

fn unreadable() -> Reject {
    Reject::new(RejectClass::Platform, "a cursor that isn't ours")
}

fn place(wanted: &Wanted<'_>) -> Result<Option<Place>, Reject> {
    wanted.cursor.map(|cursor| serde_json::from_str(cursor).map_err(|_| unreadable())).transpose()
}

pub(super) fn page(wanted: &Wanted<'_>, data: &Value) -> Result<ListPage, CallError> {
    let Some(Place { mut locations, .. }) = place(wanted)? else {
        let (nodes, has_next) = connection(data, "locations")?;
        if has_next {
            let reason = "more than 250 locations aren't listed";
            return Err(CallError::Rejected(Reject::new(RejectClass::Platform, reason)));
        }
        let locations =
            nodes.iter().map(|it| number(it, "legacyResourceId")).collect::<Result<Vec<_>, _>>()?;
        return Ok(ListPage { next: following(locations, None)?, ..ListPage::default() });
    };
    let location = *locations.first().ok_or_else(unreadable)?;
    let found = match data.get("location") {
        // The location was deleted meanwhile.
        Some(Value::Null) => None,
        Some(found @ Value::Object(_)) => Some(found),
        _ => return Err(CallError::transient("the reply has no location")),
    };
    let (nodes, has_next) =
        found.map_or(Ok((&[][..], false)), |found| connection(found, "inventoryLevels"))?;
    let objects = nodes.iter().map(|node| level(node, location)).collect::<Result<Vec<_>, _>>()?;
    let after = found.and_then(|found| found.pointer("/inventoryLevels/pageInfo/endCursor")?.as_str());
    if has_next && after.is_none() {
        return Err(CallError::transient("the reply has no cursor of the next page"));
    }
    let after = after.filter(|_| has_next).map(str::to_owned);
    if after.is_none() {
        locations.remove(0);
    }
    Ok(ListPage { objects, next: following(locations, after)?, total: None })
}

/// The next page; `None` if no location is left.
fn following(locations: Vec<u64>, after: Option<String>) -> Result<Option<crate::NextPage>, CallError> {
    if locations.is_empty() { Ok(None) } else { next(Place { locations, after }).map(Some) }
}

/// A level, as its webhook has it: null if the item isn't tracked.
pub(super) fn level(node: &Value, location: u64) -> Result<Listed, CallError> {
    let missing = || CallError::transient("a level has no item or quantity");
    let item = node.get("item").ok_or_else(missing)?;
    let id = number(item, "legacyResourceId")?;
    let quantities = node.get("quantities").and_then(Value::as_array).into_iter().flatten();
    let mut available = quantities.filter(|it| it.get("name").and_then(Value::as_str) == Some("available"));
    let available = available.next().and_then(|it| it.get("quantity")?.as_i64()).ok_or_else(missing)?;
    let is_tracked = item.get("tracked") != Some(&Value::Bool(false));
    let body = json!({
        "inventory_item_id": id,
        "location_id": location,
        "available": is_tracked.then_some(available),
        "updated_at": node["updatedAt"],
    });
    Ok(Listed { key: format!("{id}/{location}"), object: object(TOPIC, &body) })
}

/// A level of null: the item isn't stocked there any more.
pub(super) fn missing(key: &str, at: Timestamp) -> Option<Object> {
    let (item, location) = key.split_once('/')?;
    let number = |id: &str| graphql::number(&ExternalId::new(id).ok()?).ok();
    let body = json!({
        "inventory_item_id": number(item)?,
        "location_id": number(location)?,
        "available": null,
        "updated_at": at.to_string(),
    });
    Some(object(TOPIC, &body))
}
