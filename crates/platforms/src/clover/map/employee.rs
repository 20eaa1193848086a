//! Employees, as fetched.

use super::{deleted, version};
use crate::{Mapped, field::Object};
use model::{Action, Employee, EntityKind, Payload, Workplaces};
use stage::Reject;

/// The employee's current state, or the deletion. An employee has no time of the last change, so no version either. The
/// merchant is one location.
pub(super) fn employee(root: &Object<'_>) -> Result<Mapped, Reject> {
    let external = root.text_id("id")?;
    if let Some(at) = deleted(root)? {
        return Ok(Mapped {
            action: Action::Deleted,
            occurred_at: Some(at),
            version: Some(version(at)),
            identity: vec!["employee".to_owned(), external.to_string(), "deleted".to_owned(), at.to_string()],
            payload: Payload::Deleted { entity: EntityKind::Employee, external },
        });
    }
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: None,
        version: None,
        identity: vec!["employee".to_owned(), external.to_string()],
        payload: Payload::Employee(Employee {
            name: root.patch("name")?,
            email: root.patch("email")?,
            roles: root.owned("role")?.map(|role| vec![role]),
            workplaces: Some(Workplaces::All),
            ..Employee::bare(external)
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Patch;
    use serde_json::json;

    #[test]
    fn an_employee_has_a_name_a_role_and_no_version() {
        let body = json!({"id": "E", "name": "Ada", "email": "", "role": "MANAGER"});
        let mapped = employee(&Object::root(&body).unwrap()).unwrap();
        assert_eq!((mapped.version, mapped.occurred_at), (None, None));
        let Payload::Employee(employee) = mapped.payload else { panic!("an employee expected") };
        assert_eq!((employee.name, employee.email), (Patch::Set("Ada".to_owned()), Patch::Clear));
        assert_eq!((employee.roles, employee.is_active), (Some(vec!["MANAGER".to_owned()]), None));
    }

    #[test]
    fn a_deleted_employee_is_gone() {
        let body = json!({"id": "E", "name": "Ada", "deletedTime": 1_546_559_370_000_i64});
        let mapped = employee(&Object::root(&body).unwrap()).unwrap();
        assert_eq!(mapped.action, Action::Deleted);
        assert!(matches!(mapped.payload, Payload::Deleted { entity: EntityKind::Employee, .. }));
    }
}
