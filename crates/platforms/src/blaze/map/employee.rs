//! Employees.

use super::{deleted, instant, is_deleted};
use crate::{Mapped, field::Object};
use model::{Action, Delivery, Employee, EntityKind, ExternalId, Payload, SourceVersion, Workplaces};
use stage::{Reject, RejectClass};

/// The employee's current state. Without `modified` there is no version, and each read is an event of its own.
pub(super) fn employee(delivery: &Delivery, root: &Object<'_>) -> Result<Mapped, Reject> {
    let (external, at) = (root.text_id("id")?, instant(root, "modified")?);
    if is_deleted(root)? {
        return Ok(deleted(EntityKind::Employee, external, at.unwrap_or(delivery.received_at)));
    }
    let role = root.object("role")?;
    let role = role.as_ref().map(|role| role.owned("name")).transpose()?;
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: at,
        version: at.map(SourceVersion::exact),
        identity: vec![
            "employee".to_owned(),
            external.to_string(),
            at.unwrap_or(delivery.received_at).to_string(),
        ],
        payload: Payload::Employee(Employee {
            external,
            name: root.full_name(&["firstName", "lastName"])?,
            email: root.patch("email")?,
            phone: root.patch("phoneNumber")?,
            roles: role.map(|name| name.into_iter().collect()),
            is_active: root.flag("disabled")?.map(|is_disabled| !is_disabled),
            workplaces: workplaces(root)?,
        }),
    })
}

/// The shops of the employee.
fn workplaces(root: &Object<'_>) -> Result<Option<Workplaces>, Reject> {
    let Some(shops) = root.names("shops")? else { return Ok(None) };
    let ids: Result<Vec<_>, _> = shops.iter().map(|shop| ExternalId::new(shop)).collect();
    let ids = ids.map_err(|_| root.reject(RejectClass::Data, "shops", "not an id"))?;
    Ok(Some(Workplaces::Named(ids)))
}

#[cfg(test)]
mod tests {
    use super::super::tests_delivery;
    use super::*;
    use model::Patch;
    use serde_json::{Value, json};

    fn read(body: &Value) -> (Mapped, Employee) {
        let mapped = employee(&tests_delivery("employee", body), &Object::root(body).unwrap()).unwrap();
        let Payload::Employee(employee) = mapped.payload.clone() else { panic!("an employee expected") };
        (mapped, employee)
    }

    #[test]
    fn an_employee_who_is_disabled_is_not_active_and_one_of_whom_that_is_not_said_is_unknown() {
        let active =
            |disabled: Value| read(&json!({"id": "e", "modified": 1, "disabled": disabled})).1.is_active;
        assert_eq!(
            [active(json!(true)), active(json!(false)), active(json!(null))],
            [Some(false), Some(true), None]
        );
    }

    #[test]
    fn an_employee_has_a_role_shops_and_a_version_if_there_is_one() {
        let body = json!({"id": "e", "modified": 1_718_900_000_123_u64, "firstName": "Ada", "lastName": "Example",
            "email": "ada@example.com", "role": {"name": "Manager"}, "shops": ["s"]});
        let (mapped, employee) = read(&body);
        assert_eq!(employee.name, Patch::Set("Ada Example".to_owned()));
        assert_eq!(employee.roles, Some(vec!["Manager".to_owned()]));
        assert_eq!(employee.workplaces, Some(Workplaces::Named(vec![ExternalId::new("s").unwrap()])));
        assert_eq!(mapped.identity, ["employee", "e", "2024-06-20T16:13:20.123Z"]);
        assert!(mapped.version.is_some());
        let (mapped, employee) = read(&json!({"id": "e"}));
        assert_eq!((mapped.version, employee.workplaces, employee.roles), (None, None, None));
    }
}
