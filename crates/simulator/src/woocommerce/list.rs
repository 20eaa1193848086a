//! Filters, order and pages of lists, with their headers.

use super::show::HOURS_WEST;
use crate::exchange::{Incoming, Reply};
use crate::ledger::Instant;
use crate::state::State;
use chrono::{DateTime, NaiveDateTime, TimeDelta};
use serde_json::{Map, Value};

/// Number of objects on a page if the call names none.
const PER_PAGE_DEFAULT: usize = 10;
/// Maximum number of objects on a page.
pub(super) const PER_PAGE_MAX: usize = 100;

/// An object of a list.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) created_at: Instant,
    /// Time of its last save, which it states in whole seconds.
    pub(super) modified_at: Instant,
    pub(super) shown: Value,
}

/// The rows that a call's filters by time leave, in its order: by default the newest first. `None` if its parameters
/// aren't valid.
pub(super) fn filtered(call: &Incoming, mut rows: Vec<Row>) -> Option<Vec<Value>> {
    let is_gmt = call.parameter("dates_are_gmt") == Some("true");
    let (after, before) = (time(call, "modified_after").ok()?, time(call, "modified_before").ok()?);
    rows.retain(|row| {
        let modified_at =
            if is_gmt { row.modified_at } else { row.modified_at - TimeDelta::hours(HOURS_WEST) };
        let second = modified_at.timestamp();
        after.is_none_or(|after| second > after) && before.is_none_or(|before| second < before)
    });
    match call.parameter("orderby").unwrap_or("date") {
        "id" => rows.sort_by_key(|row| row.id),
        "date" => rows.sort_by_key(|row| (row.created_at, row.id)),
        _ => return None,
    }
    match call.parameter("order").unwrap_or("desc") {
        "asc" => {}
        "desc" => rows.reverse(),
        _ => return None,
    }
    Some(rows.into_iter().map(|row| row.shown).collect())
}

/// The time that a call names, in seconds: one without a zone as it is, one with a zone in the time of the site, as
/// WordPress converts it.
fn time(call: &Incoming, name: &str) -> Result<Option<i64>, chrono::ParseError> {
    let Some(text) = call.parameter(name) else { return Ok(None) };
    let zoned = |_| {
        let at = DateTime::parse_from_rfc3339(text)?;
        Ok(at.naive_utc() - TimeDelta::hours(HOURS_WEST))
    };
    let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").or_else(zoned)?;
    Ok(Some(at.and_utc().timestamp()))
}

/// The object with the fields that a call names alone, if it names any.
fn with_fields(call: &Incoming, object: Value) -> Value {
    let (Some(names), Value::Object(fields)) = (call.parameter("_fields"), &object) else { return object };
    let kept = fields.iter().filter(|(name, _)| names.split(',').any(|kept| kept == *name));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}

/// The page of `all` that a call asks for; `None` if its parameters aren't valid.
pub(super) fn page(state: &State, call: &Incoming, all: Vec<Value>) -> Option<Reply> {
    let parameter = |name: &str, default: usize| match call.parameter(name) {
        None => Some(default),
        Some(text) => text.parse::<usize>().ok().filter(|number| *number > 0),
    };
    let size = parameter("per_page", PER_PAGE_DEFAULT).filter(|size| *size <= PER_PAGE_MAX)?;
    let page = parameter("page", 1)?;
    // An offset takes the place of the page's number.
    let offset = match call.parameter("offset") {
        None => (page - 1).saturating_mul(size),
        Some(text) => text.parse().ok()?,
    };
    let (total, pages) = (all.len(), all.len().div_ceil(size));
    let shown = all.into_iter().skip(offset).take(size).map(|object| with_fields(call, object)).collect();
    // A link has all parameters of the call, which `add_query_arg` doesn't encode.
    let others = call.query.iter().filter(|(name, _)| name != "page");
    let others: Vec<String> = others.map(|(name, value)| format!("{name}={value}&")).collect();
    let others = others.concat().replace(char::is_control, "");
    let link = |page: usize, relation: &str| {
        let host = &state.shop.account;
        format!("<https://{host}{}?{others}page={page}>; rel=\"{relation}\"", call.path)
    };
    let links = [(page > 1).then(|| link(page - 1, "prev")), (page < pages).then(|| link(page + 1, "next"))];
    let mut reply = Reply::ok(Value::Array(shown));
    reply.headers = vec![("x-wp-total", total.to_string()), ("x-wp-totalpages", pages.to_string())];
    let links: Vec<String> = links.into_iter().flatten().collect();
    if !links.is_empty() {
        reply.headers.push(("link", links.join(", ")));
    }
    Some(reply)
}
