//! Employees.

use crate::{Mapped, field::Object};
use model::{Action, Delivery, Employee, EntityKind, Payload, SourceVersion};
use stage::Reject;

/// The employee's current state. There is no time of the last change, so no version either: each read is an event of its
/// own.
pub(super) fn employee(delivery: &Delivery, root: &Object<'_>) -> Result<Mapped, Reject> {
    let external = root.id("userId")?;
    let status = root.stated("status")?;
    let is_active = match status {
        Some(status) if status.eq_ignore_ascii_case("active") => Some(true),
        Some(status) if status.eq_ignore_ascii_case("inactive") => Some(false),
        // No document names the values.
        _ => None,
    };
    Ok(Mapped {
        action: Action::Updated,
        occurred_at: None,
        version: None,
        identity: vec!["employee".to_owned(), external.to_string(), delivery.received_at.to_string()],
        payload: Payload::Employee(Employee {
            name: root.stated_patch("fullName")?,
            roles: root.has("groups").then(|| root.stated("groups")).transpose()?.map(groups),
            is_active,
            ..Employee::bare(external)
        }),
    })
}

/// The groups. How the text separates several isn't documented: it stays whole.
fn groups(stated: Option<&str>) -> Vec<String> {
    stated.into_iter().map(str::to_owned).collect()
}

/// An employee that complete lists lack: it is gone, as of the beginning of the list.
pub(super) fn absent(root: &Object<'_>) -> Result<Mapped, Reject> {
    let external = root.id("userId")?;
    let at = root.time("observedAt")?.ok_or_else(|| root.missing("observedAt"))?;
    Ok(Mapped {
        action: Action::Deleted,
        occurred_at: Some(at),
        version: Some(SourceVersion::exact(at)),
        identity: vec!["employee".to_owned(), external.to_string(), "absent".to_owned(), at.to_string()],
        payload: Payload::Deleted { entity: EntityKind::Employee, external },
    })
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
    fn a_status_that_no_document_names_is_unknown() {
        for (status, expected) in [
            (json!("Active"), Some(true)),
            (json!("INACTIVE"), Some(false)),
            (json!("Suspended"), None),
            (json!(null), None),
        ] {
            assert_eq!(read(&json!({"userId": 5, "status": status})).1.is_active, expected, "{status}");
        }
    }

    #[test]
    fn an_employee_has_a_name_and_its_groups_as_they_are_written() {
        let (mapped, employee) =
            read(&json!({"userId": 5, "fullName": "Ada Example", "groups": "Budtender, Manager"}));
        assert_eq!(employee.name, Patch::Set("Ada Example".to_owned()));
        assert_eq!(employee.roles, Some(vec!["Budtender, Manager".to_owned()]));
        assert_eq!(mapped.version, None);
        let (_, employee) = read(&json!({"userId": 5, "fullName": "N/A", "groups": null}));
        assert_eq!((employee.name, employee.roles), (Patch::Clear, Some(Vec::new())));
        assert_eq!(read(&json!({"userId": 5})).1.roles, None);
    }
}
