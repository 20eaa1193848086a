//! Customers.

use super::{id, meant, patch, read, required, some, time};
use crate::Mapped;
use model::{Action, Customer, Delivery, Patch, Payload, RawDigest, SourceVersion};
use serde::Deserialize;
use serde_json::Value;
use stage::Reject;

#[derive(Deserialize)]
struct Data {
    customer_id: Value,
    last_update: Option<String>,
    #[serde(default, deserialize_with = "patch")]
    first_name: Patch<String>,
    #[serde(default, deserialize_with = "patch")]
    last_name: Patch<String>,
    #[serde(default, deserialize_with = "patch")]
    email: Patch<String>,
    #[serde(default, deserialize_with = "patch")]
    phone: Patch<String>,
    customer_groups: Option<Vec<Value>>,
    merged_into_customer_id: Option<Value>,
}

/// The customer as they now are. One without a time of its last change is known by the body.
pub(super) fn customer(delivery: &Delivery, body: &Value) -> Result<Mapped, Reject> {
    let data: Data = read(body)?;
    let external = required(id(Some(&data.customer_id), "/data/customer_id")?, "/data/customer_id")?;
    let at = some(data.last_update).map(|text| time(&text, "/data/last_update")).transpose()?;
    let merged_into = id(data.merged_into_customer_id.as_ref(), "/data/merged_into_customer_id")?;
    let told = at.map_or_else(|| RawDigest::of(&delivery.body).to_string(), |at| at.to_string());
    let target = merged_into.as_ref().map_or_else(String::new, ToString::to_string);
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: at,
        version: at.map(SourceVersion::from),
        identity: vec!["customer".to_owned(), external.to_string(), told, target],
        payload: Payload::Customer(Customer {
            external,
            first_name: meant(data.first_name),
            last_name: meant(data.last_name),
            email: meant(data.email),
            phone: meant(data.phone),
            tags: data.customer_groups.map(names),
            merged_into,
        }),
    })
}

/// Groups that are named by a text; what else they may be isn't documented.
fn names(groups: Vec<Value>) -> Vec<String> {
    groups.into_iter().filter_map(|group| some(group.as_str().map(str::to_owned))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests_delivery;
    use super::*;
    use serde_json::json;

    fn mapped(data: &Value) -> (Mapped, Customer) {
        let body = json!({"event_type": "CUSTOMER", "data": data});
        let mapped = customer(&tests_delivery("CUSTOMER", &body), &body).unwrap();
        let Payload::Customer(customer) = mapped.payload.clone() else { panic!("a customer expected") };
        (mapped, customer)
    }

    #[test]
    fn not_applicable_and_null_are_empty_and_missing_is_unsaid() {
        let (mapped, customer) = mapped(
            &json!({"customer_id": "3904", "last_update": "2025-07-29T12:47:37.316-07:00",
            "first_name": "Ada", "last_name": "N/A", "email": null, "customer_groups": ["STAFF", {"id": 1}, "n/a"]}),
        );
        assert_eq!(customer.first_name, Patch::Set("Ada".to_owned()));
        assert_eq!(
            (customer.last_name, customer.email, customer.phone),
            (Patch::Clear, Patch::Clear, Patch::Keep)
        );
        assert_eq!(customer.tags, Some(vec!["STAFF".to_owned()]));
        assert_eq!(mapped.identity, ["customer", "3904", "2025-07-29T19:47:37.316Z", ""]);
    }

    #[test]
    fn a_merge_is_told_even_if_the_time_did_not_move() {
        let data = json!({"customer_id": 3904, "last_update": "2025-07-29T12:47:37.316-07:00"});
        let mut merged = data.clone();
        merged["merged_into_customer_id"] = "4000".into();
        let ((before, _), (after, customer)) = (mapped(&data), mapped(&merged));
        assert_ne!(before.identity, after.identity);
        assert_eq!(customer.merged_into.unwrap().as_str(), "4000");
    }

    #[test]
    fn without_a_time_the_body_tells_events_apart() {
        let one = mapped(&json!({"customer_id": 1, "last_update": null, "phone": "1"})).0;
        let other = mapped(&json!({"customer_id": 1, "last_update": null, "phone": "2"})).0;
        assert_eq!(one.version, None);
        assert_ne!(one.identity, other.identity);
    }
}
