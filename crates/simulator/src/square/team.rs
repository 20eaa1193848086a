//! Members of the team, and their search.

use super::reply::{Refusal, listing, page};
use crate::exchange::Reply;
use crate::notation;
use crate::staff::Employee;
use crate::state::State;
use serde_json::{Map, Value, json};

/// Number of members on a page if none is requested, and the maximum.
const MEMBERS_PER_PAGE: (u64, u64) = (100, 200);

/// A member as webhooks show it: without jobs.
pub(super) fn member(employee: &Employee) -> Value {
    json!({
        "id": employee.id, "reference_id": "payroll-7", "is_owner": false,
        "status": if employee.is_active { "ACTIVE" } else { "INACTIVE" },
        "given_name": employee.given_name, "family_name": employee.family_name, "email_address": employee.email,
        "created_at": notation::utc(employee.at), "updated_at": notation::utc(employee.at),
        "assigned_locations": {"assignment_type": "ALL_CURRENT_AND_FUTURE_LOCATIONS"},
    })
}

/// A member as searches show it: with jobs and their pay.
fn with_jobs(state: &State, employee: &Employee) -> Value {
    let mut shown = member(employee);
    let rate = json!({"amount": 2_000, "currency": state.shop.currency});
    shown["wage_setting"] = json!({
        "team_member_id": employee.id, "is_overtime_exempt": true, "version": 1,
        "job_assignments": [{"job_title": employee.role, "pay_type": "HOURLY", "hourly_rate": rate}],
    });
    shown
}

pub(super) fn search(state: &State, body: &Map<String, Value>) -> Result<Reply, Refusal> {
    let status = body.get("query").and_then(|query| query.pointer("/filter/status")).and_then(Value::as_str);
    let (usual, most) = MEMBERS_PER_PAGE;
    let limit = body.get("limit").and_then(Value::as_u64).unwrap_or(usual);
    if limit == 0 || limit > most {
        return Err(Refusal::bad("VALUE_TOO_HIGH", "The limit is invalid.", "limit"));
    }
    let is_wanted = |held: &&Employee| status.is_none_or(|status| (status == "ACTIVE") == held.is_active);
    let found = state.staff.all().filter(is_wanted).map(|held| with_jobs(state, held)).collect();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (shown, next) = page(found, body.get("cursor").and_then(Value::as_str), limit)?;
    Ok(Reply::ok(listing("team_members", shown, next)))
}
