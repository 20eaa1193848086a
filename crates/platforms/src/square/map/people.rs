//! Customers.

use crate::{Mapped, field::Object};
use model::{Action, Customer, EntityKind, ExternalId, Payload, SourceVersion, Timestamp};
use stage::Reject;

/// The customer's current state, or its deletion.
pub(super) fn customer(topic: &str, root: &Object<'_>) -> Result<Mapped, Reject> {
    let data = root.required_object("data")?;
    let external = data.text_id("id")?;
    let object = data.object("object")?;
    let fields = object.as_ref().map(|object| object.object("customer")).transpose()?.flatten();
    let fields = fields.as_ref();
    let updated_at = fields.map(|fields| fields.time("updated_at")).transpose()?.flatten();
    let occurred_at = updated_at.or(root.time("created_at")?);
    let version =
        fields.map(|fields| fields.integer("version")).transpose()?.flatten().map(SourceVersion::exact);
    if topic == "customer.deleted" || data.flag("deleted")? == Some(true) {
        return Ok(Mapped {
            action: Action::Deleted,
            occurred_at,
            version,
            // A deleted id isn't used again: there is one such event.
            identity: ["customer", external.as_str(), "deleted"].map(str::to_owned).into(),
            payload: Payload::Deleted { entity: EntityKind::Customer, external },
        });
    }
    let fields = fields.ok_or_else(|| data.missing("object"))?;
    changed(topic, root, fields, external, (occurred_at, version.or(updated_at.map(SourceVersion::exact))))
}

fn changed(
    topic: &str,
    root: &Object<'_>,
    fields: &Object<'_>,
    external: ExternalId,
    (occurred_at, version): (Option<Timestamp>, Option<SourceVersion>),
) -> Result<Mapped, Reject> {
    let reported = match version {
        Some(version) => version.number.0.to_string(),
        None => root.required_text("event_id")?.to_owned(),
    };
    Ok(Mapped {
        action: if topic == "customer.created" { Action::Created } else { Action::Updated },
        occurred_at,
        version,
        identity: vec!["customer".to_owned(), external.to_string(), reported],
        payload: Payload::Customer(Customer {
            external,
            first_name: fields.patch("given_name")?,
            last_name: fields.patch("family_name")?,
            email: fields.patch("email_address")?,
            phone: fields.patch("phone_number")?,
            tags: None,
            merged_into: None,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::{Action, EntityKind, Mapped, Object, Payload, Reject};
    use model::Patch;
    use serde_json::{Value, json};

    fn customer(topic: &str, body: &Value) -> Result<Mapped, Reject> {
        super::customer(topic, &Object::root(body).unwrap())
    }

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
