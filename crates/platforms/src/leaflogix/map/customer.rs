//! Customers.

use crate::{Mapped, field::Object};
use model::{Action, Customer, Delivery, ExternalId, Patch, Payload, RawDigest, SourceVersion};
use stage::Reject;

/// The customer's current state. The time of the last change is a text whose form no document states: where it can't be
/// read, there is no version, and the content identifies the event.
pub(super) fn customer(delivery: &Delivery, root: &Object<'_>) -> Result<Mapped, Reject> {
    let external = root.id("customerId")?;
    let at = root.utc_time("lastModifiedDateUTC").ok().flatten();
    let merged_into = merged(root)?;
    let reported = match at {
        Some(at) => at.to_string(),
        None => RawDigest::of(&delivery.body).to_string(),
    };
    let target = merged_into.as_ref().map_or_else(String::new, ToString::to_string);
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: at,
        version: at.map(SourceVersion::exact),
        identity: vec!["customer".to_owned(), external.to_string(), reported, target],
        payload: Payload::Customer(Customer {
            external,
            first_name: root.stated_patch("firstName")?,
            last_name: root.stated_patch("lastName")?,
            email: root.stated_patch("emailAddress")?,
            phone: phone(root)?,
            tags: root.names("discountGroups")?,
            merged_into,
        }),
    })
}

/// The customer that this one was merged into; zero is none.
fn merged(root: &Object<'_>) -> Result<Option<ExternalId>, Reject> {
    if root.integer("mergedIntoCustomerId")?.is_none_or(|id| id == 0) {
        return Ok(None);
    }
    root.optional_id("mergedIntoCustomerId")
}

/// The number that is there: of the telephone at home or, failing that, of the mobile one.
fn phone(root: &Object<'_>) -> Result<Patch<String>, Reject> {
    match (root.stated_patch("phone")?, root.stated_patch("cellPhone")?) {
        (Patch::Set(phone), _) | (_, Patch::Set(phone)) => Ok(Patch::Set(phone)),
        (Patch::Keep, Patch::Keep) => Ok(Patch::Keep),
        _ => Ok(Patch::Clear),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_delivery;
    use super::*;
    use serde_json::{Value, json};

    fn mapped(changes: Value) -> (Mapped, Customer) {
        let mut body = json!({"customerId": 77, "firstName": "Ada", "lastName": "Lovelace", "phone": null,
            "cellPhone": "555-0100", "emailAddress": "ada@example.com", "discountGroups": ["Veterans", "N/A"],
            "mergedIntoCustomerId": null, "lastModifiedDateUTC": "2025-07-29T19:47:37.316"});
        if let Value::Object(changes) = changes {
            body.as_object_mut().unwrap().extend(changes);
        }
        let mapped = customer(&tests_delivery("customer", &body), &Object::root(&body).unwrap()).unwrap();
        let Payload::Customer(customer) = mapped.payload.clone() else { panic!("a customer expected") };
        (mapped, customer)
    }

    #[test]
    fn a_customer_has_the_number_that_is_there() {
        let (mapped, customer) = mapped(json!({}));
        assert_eq!(customer.phone, Patch::Set("555-0100".to_owned()));
        assert_eq!(customer.tags, Some(vec!["Veterans".to_owned()]));
        assert_eq!(mapped.identity, ["customer", "77", "2025-07-29T19:47:37.316Z", ""]);
        assert_eq!(self::mapped(json!({"phone": "N/A", "cellPhone": ""})).1.phone, Patch::Clear);
    }

    #[test]
    fn a_time_in_a_form_that_nobody_documents_is_no_version() {
        let (mapped, _) = mapped(json!({"lastModifiedDateUTC": "7/29/2025 7:47:37 PM"}));
        assert_eq!((mapped.version, mapped.occurred_at), (None, None));
        let (other, _) = self::mapped(json!({"lastModifiedDateUTC": "7/29/2025 7:47:37 PM", "phone": "1"}));
        assert_ne!(mapped.identity, other.identity);
    }

    #[test]
    fn a_merge_names_the_customer_that_is_left_and_zero_is_none() {
        let (mapped, customer) = mapped(json!({"mergedIntoCustomerId": 78}));
        assert_eq!(customer.merged_into.unwrap().as_str(), "78");
        assert_eq!(mapped.identity.last().unwrap(), "78");
        assert_eq!(self::mapped(json!({"mergedIntoCustomerId": 0})).1.merged_into, None);
    }
}
