//! Customers, as fetched.

use super::{deleted, version};
use crate::{Mapped, field::Object};
use model::{Action, Customer, EntityKind, Patch, Payload, RawDigest};
use stage::Reject;

/// The customer's current state, or the deletion. A customer has no time of the last change, so no version either; the
/// content distinguishes two reports.
pub(super) fn customer(root: &Object<'_>) -> Result<Mapped, Reject> {
    let external = root.text_id("id")?;
    if let Some(at) = deleted(root)? {
        return Ok(Mapped {
            action: Action::Deleted,
            occurred_at: Some(at),
            version: Some(version(at)),
            // A deleted id isn't used again: there is one such event.
            identity: ["customer", external.as_str(), "deleted"].map(str::to_owned).into(),
            payload: Payload::Deleted { entity: EntityKind::Customer, external },
        });
    }
    let customer = Customer {
        external,
        first_name: root.patch("firstName")?,
        last_name: root.patch("lastName")?,
        email: contact(root, "emailAddresses", "emailAddress")?,
        phone: contact(root, "phoneNumbers", "phoneNumber")?,
        tags: None,
        merged_into: None,
    };
    let reported = [&customer.first_name, &customer.last_name, &customer.email, &customer.phone];
    let digest = RawDigest::of(serde_json::json!(reported).to_string().as_bytes()).to_string();
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: None,
        version: None,
        identity: vec!["customer".to_owned(), customer.external.to_string(), digest],
        payload: Payload::Customer(customer),
    })
}

/// The first of the addresses in a list; `Keep` if the customer was read without the list.
fn contact(root: &Object<'_>, list: &'static str, field: &str) -> Result<Patch<String>, Reject> {
    let address = super::first(root, list, |row| row.owned(field))?.flatten();
    Ok(root.patched(list, address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn mapped(body: &Value) -> (Mapped, Customer) {
        let mapped = customer(&Object::root(body).unwrap()).unwrap();
        let Payload::Customer(customer) = mapped.payload.clone() else { panic!("a customer expected") };
        (mapped, customer)
    }

    #[test]
    fn the_first_address_counts_and_an_empty_list_clears_it() {
        let addresses = json!({"elements": [{"id": "E", "emailAddress": "ada@example.com"}, {"emailAddress": "b@example.com"}]});
        let (_, customer) = mapped(&json!({"id": "C", "firstName": "Ada", "lastName": "",
            "emailAddresses": addresses, "phoneNumbers": {"elements": []}}));
        assert_eq!(customer.first_name, Patch::Set("Ada".to_owned()));
        assert_eq!(customer.email, Patch::Set("ada@example.com".to_owned()));
        assert_eq!((customer.last_name, customer.phone), (Patch::Clear, Patch::Clear));
        let (_, customer) = self::mapped(&json!({"id": "C"}));
        assert_eq!((customer.first_name, customer.email), (Patch::Keep, Patch::Keep));
    }

    #[test]
    fn two_states_are_two_events_although_a_customer_has_no_version() {
        let (one, _) = mapped(&json!({"id": "C", "firstName": "Ada"}));
        let (other, _) = mapped(&json!({"id": "C", "firstName": "Eve"}));
        assert_ne!(one.identity, other.identity);
        assert_eq!((one.version, one.occurred_at), (None, None));
    }

    #[test]
    fn a_deleted_customer_is_gone() {
        let body = json!({"id": "C", "deletedTime": 1_546_559_370_000_i64});
        let mapped = customer(&Object::root(&body).unwrap()).unwrap();
        assert_eq!(mapped.identity, ["customer", "C", "deleted"]);
        assert!(matches!(mapped.payload, Payload::Deleted { entity: EntityKind::Customer, .. }));
    }
}
