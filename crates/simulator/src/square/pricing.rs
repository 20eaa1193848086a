//! Pricing rules with the objects that they refer to: a discount, a set of products, a time period.

use super::catalog::{LIST_PER_PAGE, SEARCH_PER_PAGE};
use super::reply::{Refusal, listing, page};
use crate::exchange::Reply;
use crate::notation;
use crate::promotion::Promotion;
use crate::state::State;
use serde_json::{Map, Value, json};

/// The type of a rule among the objects of a catalog.
pub(super) const RULE: &str = "PRICING_RULE";

pub(super) fn search(state: &State, body: &Map<String, Value>) -> Result<Reply, Refusal> {
    if body.contains_key("begin_time") {
        return Err(Refusal::bad("INVALID_VALUE", "Changes of rules aren't simulated.", "begin_time"));
    }
    let limit =
        body.get("limit").and_then(Value::as_u64).unwrap_or(LIST_PER_PAGE as u64).clamp(1, SEARCH_PER_PAGE);
    // A rule has no switch: one that doesn't count is removed.
    let all = state.promotions.all().filter(|held| held.is_on).collect();
    let cursor = body.get("cursor").and_then(Value::as_str);
    let (shown, next) = page(all, cursor, usize::try_from(limit).unwrap_or(usize::MAX))?;
    let mut reply = listing("objects", shown.iter().map(|held| rule(held)).collect(), next);
    let is_related = body.get("include_related_objects").and_then(Value::as_bool).unwrap_or(false);
    if is_related && !shown.is_empty() {
        reply["related_objects"] = shown.iter().flat_map(|held| parts(held)).collect();
    }
    Ok(Reply::ok(reply))
}

fn object(held: &Promotion, kind: &str, id: &str, data: (&str, Value)) -> Value {
    let mut object = json!({
        "type": kind, "id": id, "updated_at": notation::utc(held.updated_at), "version": held.version,
        "is_deleted": false, "present_at_all_locations": true,
    });
    object[data.0] = data.1;
    object
}

fn rule(held: &Promotion) -> Value {
    let ([discount, products, period], set_up) = (&held.parts, &held.set_up);
    let mut data = json!({"name": set_up.title, "discount_id": discount, "match_products_id": products});
    let dates = [("valid_from", set_up.from), ("valid_until", set_up.until)];
    for (name, at) in dates.into_iter().filter_map(|(name, at)| Some((name, at?))) {
        // The shop is on universal time.
        data[format!("{name}_date")] = at.format("%Y-%m-%d").to_string().into();
        data[format!("{name}_local_time")] = at.format("%H:%M:%S").to_string().into();
    }
    if set_up.daily.is_some() {
        data["time_period_ids"] = json!([period]);
    }
    object(held, RULE, &held.id, ("pricing_rule_data", data))
}

fn parts(held: &Promotion) -> Vec<Value> {
    let ([discount, products, period], set_up) = (&held.parts, &held.set_up);
    let share = json!({
        "name": set_up.title, "discount_type": "FIXED_PERCENTAGE", "percentage": set_up.percent.to_string(),
        "pin_required": false,
    });
    let covered = set_up.product.as_ref().map_or_else(
        || json!({"all_products": true}),
        |product| json!({"product_ids_any": [product], "quantity_min": 1}),
    );
    let mut parts = vec![
        object(held, "DISCOUNT", discount, ("discount_data", share)),
        object(held, "PRODUCT_SET", products, ("product_set_data", covered)),
    ];
    if let Some((starts, ends)) = set_up.daily {
        let seconds = (ends - starts).num_seconds().rem_euclid(24 * 60 * 60);
        let event = format!(
            "BEGIN:VEVENT\nDTSTART:20200101T{}\nDURATION:PT{seconds}S\nRRULE:FREQ=DAILY\nEND:VEVENT",
            starts.format("%H%M%S")
        );
        parts.push(object(held, "TIME_PERIOD", period, ("time_period_data", json!({ "event": event }))));
    }
    parts
}
