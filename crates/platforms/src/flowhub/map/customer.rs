//! Customers.

use crate::{Mapped, field::Object};
use model::{Action, Customer, Patch, Payload, SourceVersion};
use stage::Reject;

/// The customer's current state. Flowhub keeps the name of a person in one field: it stands in the place of the given
/// name, as nothing shows which part of it is the family name.
pub(super) fn customer(root: &Object<'_>) -> Result<Mapped, Reject> {
    let external = root.either_id("id")?.ok_or_else(|| root.missing("id"))?;
    let at = root.utc_time("updatedAt")?.ok_or_else(|| root.missing("updatedAt"))?;
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: Some(at),
        version: Some(SourceVersion::exact(at)),
        identity: vec!["customer".to_owned(), external.to_string(), at.to_string()],
        payload: Payload::Customer(Customer {
            external,
            first_name: root.stated_patch("name")?,
            last_name: Patch::Keep,
            email: root.stated_patch("email")?,
            phone: root.stated_patch("phone")?,
            tags: groups(root)?,
            merged_into: None,
        }),
    })
}

/// The names of the customer's groups; `None` if they aren't reported.
fn groups(root: &Object<'_>) -> Result<Option<Vec<String>>, Reject> {
    let Some(groups) = root.objects("groups")? else { return Ok(None) };
    let name = |group: &Object<'_>| Ok(group.stated("name")?.map(ToOwned::to_owned));
    groups.iter().map(name).filter_map(Result::transpose).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_in_one_field_stays_in_one() {
        let body = json!({"id": "a7bbef36", "updatedAt": "2023-06-15T22:57:35.836575Z", "name": "Ada Lovelace",
            "email": "", "groups": [{"name": "VIP"}, {"name": null}]});
        let mapped = customer(&Object::root(&body).unwrap()).unwrap();
        assert_eq!(mapped.identity, ["customer", "a7bbef36", "2023-06-15T22:57:35.836575Z"]);
        let Payload::Customer(customer) = mapped.payload else { panic!("a customer expected") };
        assert_eq!(customer.first_name, Patch::Set("Ada Lovelace".to_owned()));
        assert_eq!(
            (customer.last_name, customer.email, customer.phone),
            (Patch::Keep, Patch::Clear, Patch::Keep)
        );
        assert_eq!(customer.tags, Some(vec!["VIP".to_owned()]));
        assert_eq!(customer.merged_into, None);
    }
}
