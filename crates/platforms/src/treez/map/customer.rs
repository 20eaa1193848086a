//! Customers.

use super::{id, is_placeholder, moment, patch, required_id, window};
use crate::{Mapped, field::Object, text};
use model::{Action, Customer, Delivery, Payload, RawDigest, SourceVersion};
use serde_json::Value;
use stage::{Reject, RejectClass};

/// The customer's current state. Without a time of the last change, the body identifies the event.
pub(super) fn customer(delivery: &Delivery, data: &Object<'_>) -> Result<Mapped, Reject> {
    let external = required_id(data, "customer_id")?;
    let at = moment(data, "last_update")?;
    let merged_into = id(data, "merged_into_customer_id")?;
    let reported = match at {
        Some(at) => at.to_string(),
        None => format!("{}/{}", RawDigest::of(&delivery.body), window(delivery)),
    };
    let target = merged_into.as_ref().map_or_else(String::new, ToString::to_string);
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: at,
        version: at.map(SourceVersion::exact),
        identity: vec!["customer".to_owned(), external.to_string(), reported, target],
        payload: Payload::Customer(Customer {
            external,
            first_name: patch(data, "first_name")?,
            last_name: patch(data, "last_name")?,
            email: patch(data, "email")?,
            phone: patch(data, "phone")?,
            tags: names(data, "customer_groups")?,
            merged_into,
        }),
    })
}

/// The texts in the list under `key`; other forms of a group aren't documented and are skipped.
fn names(data: &Object<'_>, key: &str) -> Result<Option<Vec<String>>, Reject> {
    let Some(groups) = data.value(key) else { return Ok(None) };
    let groups = groups.as_array().ok_or_else(|| data.reject(RejectClass::Schema, key, "not a list"))?;
    let names = groups.iter().filter_map(Value::as_str).map(str::trim);
    let names = names.filter(|name| !name.is_empty() && !is_placeholder(name));
    let readable = |name| text::readable(name).map(ToOwned::to_owned);
    let names = names.map(readable).collect::<Result<_, _>>();
    names.map(Some).map_err(|reason| data.reject(RejectClass::Data, key, reason))
}

#[cfg(test)]
mod tests {
    use super::super::tests_delivery;
    use super::*;
    use model::Patch;
    use serde_json::json;

    fn mapped(data: &Value) -> (Mapped, Customer) {
        let body = json!({"event_type": "CUSTOMER", "data": data});
        let mapped =
            customer(&tests_delivery("CUSTOMER", &body), &Object::root(&body["data"]).unwrap()).unwrap();
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
    fn a_merge_is_reported_even_if_the_time_did_not_move() {
        let data = json!({"customer_id": 3904, "last_update": "2025-07-29T12:47:37.316-07:00"});
        let mut merged = data.clone();
        merged["merged_into_customer_id"] = "4000".into();
        let ((before, _), (after, customer)) = (mapped(&data), mapped(&merged));
        assert_ne!(before.identity, after.identity);
        assert_eq!(customer.merged_into.unwrap().as_str(), "4000");
    }

    #[test]
    fn without_a_time_the_body_distinguishes_events() {
        let one = mapped(&json!({"customer_id": 1, "last_update": null, "phone": "1"})).0;
        let other = mapped(&json!({"customer_id": 1, "last_update": null, "phone": "2"})).0;
        assert_eq!(one.version, None);
        assert_ne!(one.identity, other.identity);
    }
}
