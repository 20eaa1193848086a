//! Revisions of settings: `ETag` of responses, `If-Match` of edits.

use crate::problem::Problem;
use axum::{
    Json,
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use hyper::{
    HeaderMap, StatusCode,
    header::{ETAG, HeaderValue, IF_MATCH},
};
use serde::Serialize;
use store::Edited;

/// The revision that an edit was made from: `None` for any, which `If-Match: *` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IfMatch(pub(crate) Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(&parts.headers)
    }
}

fn read(headers: &HeaderMap) -> Result<IfMatch, Problem> {
    let mut values = headers.get_all(IF_MATCH).iter();
    let missing = || {
        let detail = "If-Match: send the `ETag` of what you edit, or * to overwrite whatever it is now";
        Problem::new(StatusCode::PRECONDITION_REQUIRED, "revision-needed", detail)
    };
    let value = values.next().ok_or_else(missing)?;
    let text = value.to_str().unwrap_or_default().trim();
    if values.next().is_some() || text.contains(',') {
        return Err(Problem::malformed("If-Match: name one revision"));
    }
    if text == "*" {
        return Ok(IfMatch(None));
    }
    let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let number = number.and_then(|number| number.parse::<i64>().ok()).filter(|number| *number > 0);
    number
        .map(|number| IfMatch(Some(number)))
        .ok_or_else(|| Problem::malformed("If-Match: isn't the `ETag` of a response, such as \"7\""))
}

/// A response with the revision of its settings.
#[derive(Debug)]
pub(crate) struct Revised<T> {
    pub(crate) body: T,
    pub(crate) revision: i64,
}

impl<T: Serialize> IntoResponse for Revised<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", self.revision)) {
            response.headers_mut().insert(ETAG, value);
        }
        response
    }
}

/// Returns an error unless the edit was made.
pub(crate) fn done(edited: Edited, kind: &str, id: &str) -> Result<i64, Problem> {
    match edited {
        Edited::Done(revision) => Ok(revision),
        Edited::Stale => Err(Problem::stale(kind)),
        Edited::Missing => Err(Problem::not_found(kind, id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_read_from_one_etag_alone() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IF_MATCH, HeaderValue::from_static(value));
            }
            headers
        };
        assert_eq!(read(&headers(&["\"7\""])).unwrap(), IfMatch(Some(7)));
        assert_eq!(read(&headers(&["*"])).unwrap(), IfMatch(None));
        let refused =
            [&[][..], &["7"], &["\"x\""], &["W/\"7\""], &["\"0\""], &["\"7\", \"8\""], &["\"7\"", "\"8\""]];
        for refused in refused {
            assert!(read(&headers(refused)).is_err(), "{refused:?}");
        }
    }
}
