//! Parts of replies: errors, pages, lists, amounts.

use crate::exchange::Reply;
use crate::state::State;
use serde_json::{Map, Value, json};

/// Error of a refused call: status, category, code, message, and the invalid field.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) category: &'static str,
    pub(super) code: &'static str,
    pub(super) detail: String,
    pub(super) field: Option<String>,
}

impl Refusal {
    pub(super) fn bad(code: &'static str, detail: &str, field: &str) -> Self {
        let field = (!field.is_empty()).then(|| field.to_owned());
        Self { status: 400, category: "INVALID_REQUEST_ERROR", code, detail: detail.to_owned(), field }
    }

    pub(super) fn missing(field: &str) -> Self {
        Self::bad("MISSING_REQUIRED_PARAMETER", "Missing required parameter.", field)
    }

    pub(super) fn not_found(detail: &str) -> Self {
        Self { status: 404, ..Self::bad("NOT_FOUND", detail, "") }
    }

    pub(super) fn reply(self) -> Reply {
        let mut error = json!({"category": self.category, "code": self.code, "detail": self.detail});
        if let Some(field) = self.field {
            error["field"] = json!(field);
        }
        Reply::of(self.status, json!({"errors": [error]}))
    }
}

/// The list of texts in `body` called `name`; empty if it is missing.
pub(super) fn texts<'a>(body: &'a Map<String, Value>, name: &str) -> Vec<&'a str> {
    let list = body.get(name).and_then(Value::as_array);
    list.map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

pub(super) fn money(state: &State, minor: i64) -> Value {
    json!({"amount": minor, "currency": state.shop.currency})
}

/// One page of `all` from the position in `cursor`, and the cursor of the next page.
pub(super) fn page<T>(
    all: Vec<T>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let start = match cursor {
        None | Some("") => 0,
        Some(cursor) => {
            let index = cursor.strip_prefix("from-").and_then(|index| index.parse::<usize>().ok());
            index.ok_or_else(|| Refusal::bad("INVALID_CURSOR", "The cursor is invalid.", "cursor"))?
        }
    };
    let next = (start + limit < all.len()).then(|| format!("from-{}", start + limit));
    Ok((all.into_iter().skip(start).take(limit).collect(), next))
}

/// A list with its cursor; empty parts are left out, as the platform does.
pub(super) fn listing(name: &str, shown: Vec<Value>, next: Option<String>) -> Value {
    let mut body = Map::new();
    if !shown.is_empty() {
        body.insert(name.to_owned(), Value::Array(shown));
    }
    if let Some(next) = next {
        body.insert("cursor".to_owned(), Value::String(next));
    }
    Value::Object(body)
}
