//! The list of members of the team.

use super::{id, of, rows, with_cursor};
use crate::{Access, CallError, HttpRequest, Listed, Wanted, square::http};
use model::RawDigest;
use serde_json::{Map, Value, json};

/// Number of members on a page, the most that Square lists (SPEC).
const PAGE_MEMBERS: u32 = 200;
/// The fields of a member that are kept.
const MEMBER_FIELDS: [&str; 8] = [
    "id",
    "status",
    "given_name",
    "family_name",
    "email_address",
    "phone_number",
    "updated_at",
    "assigned_locations",
];

/// A page of all members, whatever their status.
pub(super) fn request(access: &Access, wanted: &Wanted<'_>) -> HttpRequest {
    let body = json!({"limit": PAGE_MEMBERS});
    http::post(access, "/v2/team-members/search", &with_cursor(body, wanted.cursor))
}

/// The members of a page, in the shape of the webhook, with the titles of their jobs and without their pay.
pub(super) fn listed(body: &Value) -> Result<Vec<Listed>, CallError> {
    let listed = rows(body, "team_members")?.iter().map(|member| {
        let id = id(member).unwrap_or_default();
        let kept = kept(member);
        let shown = json!({
            "type": "team_member.updated",
            "event_id": RawDigest::of(kept.to_string().as_bytes()).to_string(),
            "created_at": member.get("updated_at"),
            "data": {"type": "team_member", "id": id, "object": {"team_member": kept}},
        });
        of(id.to_owned(), "team_member.updated", &shown)
    });
    Ok(listed.collect())
}

fn kept(member: &Value) -> Value {
    let field = |name: &&str| Some(((*name).to_owned(), member.get(*name)?.clone()));
    let mut kept: Map<String, Value> = MEMBER_FIELDS.iter().filter_map(field).collect();
    if let Some(jobs) = member.pointer("/wage_setting/job_assignments").and_then(Value::as_array) {
        let titles: Vec<Value> = jobs.iter().map(|job| json!({"job_title": job.get("job_title")})).collect();
        kept.insert("wage_setting".to_owned(), json!({"job_assignments": titles}));
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_member_has_job_titles_and_no_pay() {
        let member = json!({"id": "TM", "reference_id": "secret", "status": "ACTIVE", "updated_at": "2021-03-11T01:16:03Z",
            "wage_setting": {"is_overtime_exempt": true, "job_assignments": [
                {"job_title": "Manager", "annual_rate": {"amount": 3_000_000, "currency": "USD"}}]}});
        let listed = listed(&json!({"team_members": [member]})).unwrap();
        let body = String::from_utf8(listed[0].object.body.clone()).unwrap();
        assert!(body.contains("Manager") && !body.contains("3000000") && !body.contains("secret"), "{body}");
        assert_eq!((listed[0].key.as_str(), listed[0].object.topic), ("TM", "team_member.updated"));
    }
}
