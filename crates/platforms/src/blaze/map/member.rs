//! Members: customers.

use super::{deleted, is_deleted, required_instant};
use crate::{Mapped, field::Object};
use model::{Action, Customer, EntityKind, Payload, SourceVersion};
use stage::Reject;

/// The customer's current state.
pub(super) fn member(root: &Object<'_>) -> Result<Mapped, Reject> {
    let (external, at) = (root.text_id("id")?, required_instant(root, "modified")?);
    if is_deleted(root)? {
        return Ok(deleted(EntityKind::Customer, external, at));
    }
    let group = root.object("memberGroup")?;
    let group = group.as_ref().map(|group| group.owned("name")).transpose()?;
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: Some(SourceVersion::exact(at)),
        identity: vec!["customer".to_owned(), external.to_string(), at.to_string()],
        payload: Payload::Customer(Customer {
            external,
            first_name: root.patch("firstName")?,
            last_name: root.patch("lastName")?,
            email: root.patch("email")?,
            phone: root.patch("primaryPhone")?,
            tags: group.map(|name| name.into_iter().collect()),
            merged_into: None,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Patch;
    use serde_json::{Value, json};

    fn read(body: &Value) -> (Mapped, Customer) {
        let mapped = member(&Object::root(body).unwrap()).unwrap();
        let Payload::Customer(customer) = mapped.payload.clone() else { panic!("a customer expected") };
        (mapped, customer)
    }

    #[test]
    fn null_and_empty_texts_clear_and_missing_is_unsaid() {
        let (mapped, customer) =
            read(&json!({"id": "m-1", "modified": 1_718_900_000_123_u64, "firstName": "Ada",
            "lastName": null, "email": ""}));
        assert_eq!(customer.first_name, Patch::Set("Ada".to_owned()));
        assert_eq!(
            (customer.last_name, customer.email, customer.phone),
            (Patch::Clear, Patch::Clear, Patch::Keep)
        );
        assert_eq!(customer.tags, None);
        assert_eq!(mapped.identity, ["customer", "m-1", "2024-06-20T16:13:20.123Z"]);
    }

    #[test]
    fn the_group_is_the_only_tag() {
        let tags = |group: Value| read(&json!({"id": "m", "modified": 1, "memberGroup": group})).1.tags;
        assert_eq!(tags(json!({"name": "Staff"})), Some(vec!["Staff".to_owned()]));
        assert_eq!(tags(json!({"name": null})), Some(Vec::new()));
        assert_eq!(tags(json!(null)), None);
    }
}
