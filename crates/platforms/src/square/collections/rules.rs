//! Pricing rules, each with the discount, the sets of products and the time periods that it refers to: a search returns
//! those with the rule, so that no rule waits for another list.

use super::{PAGE_OBJECTS, http, id, object, rows, with_cursor};
use crate::{Access, CallError, HttpRequest, Listed, Object, square::PRICING_RULE};
use model::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The fields of a rule that refer to one object, and the names of those objects beside the rule.
const REFERENCES: [(&str, &str); 4] = [
    ("discount_id", "discount"),
    ("match_products_id", "match_products"),
    ("apply_products_id", "apply_products"),
    ("exclude_products_id", "exclude_products"),
];

/// A page of rules with their related objects.
pub(super) fn request(access: &Access, wanted: &super::Wanted<'_>) -> HttpRequest {
    let body = json!({
        "object_types": ["PRICING_RULE"],
        "include_deleted_objects": false,
        "include_related_objects": true,
        "limit": PAGE_OBJECTS,
    });
    http::post(access, "/v2/catalog/search", &with_cursor(body, wanted.cursor))
}

/// The rules of a page. What a rule refers to and the page lacks is left out, which `map` understands as unknown.
pub(super) fn listed(body: &Value) -> Result<Vec<Listed>, CallError> {
    let shown = rows(body, "objects")?.iter().chain(rows(body, "related_objects")?);
    let known: BTreeMap<&str, &Value> = shown.filter_map(|object| Some((id(object)?, object))).collect();
    let is_rule = |object: &&Value| object.get("type").and_then(Value::as_str) == Some("PRICING_RULE");
    let rules = rows(body, "objects")?.iter().filter(is_rule);
    Ok(rules
        .map(|rule| super::of(id(rule).unwrap_or_default().to_owned(), PRICING_RULE, &whole(rule, &known)))
        .collect())
}

/// A rule with what it refers to.
fn whole(rule: &Value, known: &BTreeMap<&str, &Value>) -> Value {
    let data = &rule["pricing_rule_data"];
    let referred = |id: &Value| id.as_str().and_then(|id| known.get(id)).map(|object| (*object).clone());
    let mut whole = Map::new();
    whole.insert("rule".to_owned(), rule.clone());
    for (field, name) in REFERENCES {
        whole.extend(referred(&data[field]).map(|object| (name.to_owned(), object)));
    }
    let periods = data["time_period_ids"].as_array().into_iter().flatten().filter_map(referred);
    whole.insert("time_periods".to_owned(), periods.collect());
    Value::Object(whole)
}

/// A rule that complete lists lack.
pub(super) fn gone(id: &str, millis: i64, at: Timestamp) -> Object {
    let rule = json!({
        "type": "PRICING_RULE", "id": id, "version": millis, "updated_at": at.to_string(), "is_deleted": true,
    });
    object(PRICING_RULE, &json!({"rule": rule, "time_periods": []}))
}
