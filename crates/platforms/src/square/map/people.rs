//! Customers.

use super::{patch, read, time, trimmed};
use crate::Mapped;
use model::{Action, Customer, EntityKind, ExternalId, Patch, Payload, SourceVersion, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use stage::Reject;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "event_id")]
    told_as: String,
    created_at: Option<String>,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    id: ExternalId,
    deleted: Option<bool>,
    object: Option<Object>,
}

#[derive(Deserialize, Default)]
struct Object {
    customer: Option<Fields>,
}

#[derive(Deserialize, Default)]
struct Fields {
    version: Option<i64>,
    updated_at: Option<String>,
    #[serde(default, deserialize_with = "patch")]
    given_name: Patch<String>,
    #[serde(default, deserialize_with = "patch")]
    family_name: Patch<String>,
    #[serde(default, deserialize_with = "patch")]
    email_address: Patch<String>,
    #[serde(default, deserialize_with = "patch")]
    phone_number: Patch<String>,
}

/// The customer as it now is, or that it is gone.
pub(super) fn customer(topic: &str, body: &Value) -> Result<Mapped, Reject> {
    let event: Event = read(body)?;
    let fields = event.data.object.unwrap_or_default().customer.unwrap_or_default();
    let updated_at = when(fields.updated_at.as_deref(), "/data/object/customer/updated_at")?;
    let occurred_at = updated_at.or(when(event.created_at.as_deref(), "/created_at")?);
    let id = event.data.id;
    if topic == "customer.deleted" || event.data.deleted == Some(true) {
        return Ok(Mapped {
            action: Action::Deleted,
            occurred_at,
            version: fields.version.map(SourceVersion),
            // An id that is gone doesn't come back: there is one such event.
            identity: ["customer", id.as_str(), "deleted"].map(str::to_owned).into(),
            payload: Payload::Deleted { entity: EntityKind::Customer, external: id },
        });
    }
    let version = fields.version.map(SourceVersion).or(updated_at.map(SourceVersion::from));
    let told = version.map_or(event.told_as, |version| version.0.to_string());
    Ok(Mapped {
        action: if topic == "customer.created" { Action::Created } else { Action::Updated },
        occurred_at,
        version,
        identity: vec!["customer".to_owned(), id.to_string(), told],
        payload: Payload::Customer(Customer {
            external: id,
            first_name: trimmed(fields.given_name),
            last_name: trimmed(fields.family_name),
            email: trimmed(fields.email_address),
            phone: trimmed(fields.phone_number),
            tags: None,
            merged_into: None,
        }),
    })
}

fn when(text: Option<&str>, pointer: &str) -> Result<Option<Timestamp>, Reject> {
    text.map(|text| time(text, pointer)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(customer: &Value) -> Value {
        json!({"event_id": "E", "created_at": "2022-11-09T21:26:50Z", "data": {"id": "C", "object": {"customer": customer}}})
    }

    #[test]
    fn null_empties_a_field_and_a_missing_one_stays() {
        let body = event(
            &json!({"id": "C", "version": 1, "given_name": "Ada", "family_name": null, "phone_number": " "}),
        );
        let mapped = customer("customer.updated", &body).unwrap();
        let Payload::Customer(customer) = mapped.payload else { panic!("a customer expected") };
        assert_eq!(customer.first_name, Patch::Set("Ada".to_owned()));
        assert_eq!(
            (customer.last_name, customer.phone, customer.email),
            (Patch::Clear, Patch::Clear, Patch::Keep)
        );
        assert_eq!(mapped.identity, ["customer", "C", "1"]);
    }

    #[test]
    fn a_deleted_customer_is_gone_whatever_the_version_was() {
        let body = event(&json!({"id": "C", "version": 3, "given_name": "Ada"}));
        let mapped = customer("customer.deleted", &body).unwrap();
        assert_eq!(mapped.identity, ["customer", "C", "deleted"]);
        assert!(matches!(mapped.payload, Payload::Deleted { entity: EntityKind::Customer, .. }));
        let mut flagged = body;
        flagged["data"]["deleted"] = true.into();
        assert_eq!(customer("customer.updated", &flagged).unwrap().action, Action::Deleted);
        let bare = json!({"event_id": "E", "data": {"id": "C", "deleted": true}});
        assert_eq!(customer("customer.deleted", &bare).unwrap().version, None);
    }

    #[test]
    fn without_a_version_the_event_is_known_by_its_own_id() {
        let mapped = customer("customer.created", &event(&json!({"id": "C"}))).unwrap();
        assert_eq!((mapped.action, mapped.version), (Action::Created, None));
        assert_eq!(mapped.identity, ["customer", "C", "E"]);
    }
}
