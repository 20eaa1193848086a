//! Members of the team: employees.

use crate::{Mapped, field::Object};
use model::{Action, Employee, ExternalId, Payload, RawDigest, SourceVersion, Workplaces};
use serde_json::json;
use stage::{Reject, RejectClass};

/// The employee's current state. Lists have job titles, webhooks don't, and a job may change without the member: both are
/// events of one version, which the titles distinguish.
pub(super) fn member(topic: &str, root: &Object<'_>) -> Result<Mapped, Reject> {
    let data = root.required_object("data")?;
    let object = data.required_object("object")?;
    let fields = object.required_object("team_member")?;
    let external = fields.text_id("id")?;
    let updated_at = fields.time("updated_at")?;
    let roles = job_titles(&fields)?;
    let reported = match updated_at {
        Some(at) => at.to_string(),
        None => root.required_text("event_id")?.to_owned(),
    };
    let titles = roles.as_ref().map(|roles| RawDigest::of(json!(roles).to_string().as_bytes()).to_string());
    let identity =
        ["employee".to_owned(), external.to_string(), reported].into_iter().chain(titles).collect();
    Ok(Mapped {
        action: if topic == "team_member.created" { Action::Created } else { Action::Updated },
        occurred_at: updated_at.or(root.time("created_at")?),
        version: updated_at.map(SourceVersion::exact),
        identity,
        payload: Payload::Employee(Employee {
            external,
            name: fields.full_name(&["given_name", "family_name"])?,
            email: fields.patch("email_address")?,
            phone: fields.patch("phone_number")?,
            roles,
            is_active: is_active(&fields)?,
            workplaces: workplaces(&fields)?,
        }),
    })
}

/// The status; `None` for one that isn't documented.
fn is_active(fields: &Object<'_>) -> Result<Option<bool>, Reject> {
    Ok(match fields.text("status")? {
        Some("ACTIVE") => Some(true),
        Some("INACTIVE") => Some(false),
        _ => None,
    })
}

/// The assigned locations. Explicit ones without a list are unknown: the document's own example lacks it.
fn workplaces(fields: &Object<'_>) -> Result<Option<Workplaces>, Reject> {
    let Some(assigned) = fields.object("assigned_locations")? else { return Ok(None) };
    if assigned.text("assignment_type")? == Some("ALL_CURRENT_AND_FUTURE_LOCATIONS") {
        return Ok(Some(Workplaces::All));
    }
    let Some(names) = assigned.names("location_ids")? else { return Ok(None) };
    let id = |name: &String| ExternalId::new(name);
    let ids: Result<Vec<_>, _> = names.iter().map(id).collect();
    let ids = ids.map_err(|_| assigned.reject(RejectClass::Data, "location_ids", "not an id"))?;
    Ok(Some(Workplaces::Named(ids)))
}

/// The titles of the jobs; `None` if the member was reported without jobs.
fn job_titles(fields: &Object<'_>) -> Result<Option<Vec<String>>, Reject> {
    let Some(wages) = fields.object("wage_setting")? else { return Ok(None) };
    let Some(jobs) = wages.objects("job_assignments")? else { return Ok(None) };
    let titles: Result<Vec<Option<String>>, Reject> = jobs.iter().map(|job| job.owned("job_title")).collect();
    Ok(Some(titles?.into_iter().flatten().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Patch;
    use serde_json::{Value, json};

    fn read(changes: Value) -> (Mapped, Employee) {
        let mut fields = json!({"id": "TM", "given_name": "Ada", "family_name": "Example", "status": "ACTIVE",
            "updated_at": "2021-03-11T01:16:03.697Z"});
        if let Value::Object(changes) = changes {
            fields.as_object_mut().unwrap().extend(changes);
        }
        let body = json!({"event_id": "E", "data": {"id": "TM", "object": {"team_member": fields}}});
        let mapped = member("team_member.updated", &Object::root(&body).unwrap()).unwrap();
        let Payload::Employee(employee) = mapped.payload.clone() else { panic!("an employee expected") };
        (mapped, employee)
    }

    #[test]
    fn a_member_works_everywhere_or_at_the_named_locations() {
        let assigned = |kind: &str, ids: Value| json!({"assigned_locations": {"assignment_type": kind, "location_ids": ids}});
        let works = |changes: Value| read(changes).1.workplaces;
        assert_eq!(works(json!({})), None);
        assert_eq!(works(assigned("ALL_CURRENT_AND_FUTURE_LOCATIONS", json!(null))), Some(Workplaces::All));
        assert_eq!(works(assigned("EXPLICIT_LOCATIONS", json!(null))), None);
        let at = |id: &str| ExternalId::new(id).unwrap();
        let named = Some(Workplaces::Named(vec![at("L1"), at("L2")]));
        assert_eq!(works(assigned("EXPLICIT_LOCATIONS", json!(["L1", "L2"]))), named);
    }

    #[test]
    fn job_titles_are_roles_and_distinguish_two_reports_of_one_version() {
        let jobs =
            json!({"wage_setting": {"job_assignments": [{"job_title": "Manager"}, {"job_title": null}]}});
        let (listed, employee) = read(jobs);
        assert_eq!(employee.roles, Some(vec!["Manager".to_owned()]));
        let (sent, employee) = read(json!({}));
        assert_eq!(employee.roles, None);
        assert_eq!(listed.version, sent.version);
        assert_ne!(listed.identity, sent.identity);
    }

    #[test]
    fn a_name_is_given_and_family_name_and_a_status_is_one_that_is_documented() {
        let (mapped, employee) = read(json!({"family_name": null, "phone_number": null}));
        assert_eq!((employee.name, employee.phone), (Patch::Set("Ada".to_owned()), Patch::Clear));
        assert_eq!(mapped.identity, ["employee", "TM", "2021-03-11T01:16:03.697Z"]);
        for (status, expected) in [("ACTIVE", Some(true)), ("INACTIVE", Some(false)), ("OTHER", None)] {
            assert_eq!(read(json!({ "status": status })).1.is_active, expected, "{status}");
        }
    }
}
