//! Error responses: Problem Details (RFC 9457).

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};
use store::StoreError;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, Schema, response::Response as Described},
};

/// `Retry-After` during an outage.
const OUTAGE_RETRY: Duration = Duration::from_secs(5);

/// An error response.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    field: Option<String>,
    retry_after: Option<Duration>,
}

/// An error, as Problem Details (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// The kind of the error: `urn:tillflow:problem:` and a word that doesn't change between versions.
    #[serde(rename = "type")]
    #[schema(example = "urn:tillflow:problem:not-found")]
    kind: String,
    /// The name of the status.
    #[schema(example = "Not Found")]
    title: &'static str,
    /// The status.
    #[schema(example = 404)]
    status: u16,
    /// Text for people: what was wrong, and where.
    #[schema(example = "there is no store sto_1")]
    detail: String,
    /// The field of the request that is wrong, as a JSON pointer, or the name of a parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/currency")]
    field: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), field: None, retry_after: None }
    }

    /// A request that can't be read.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// A field with a value that it can't have; `field` is a JSON pointer or the name of a parameter.
    pub(crate) fn invalid(field: &str, detail: impl std::fmt::Display) -> Self {
        let mut problem =
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", format!("{field}: {detail}"));
        problem.field = Some(field.to_owned());
        problem
    }

    /// A thing that doesn't exist, or not for the caller: the two are alike.
    pub(crate) fn not_found(kind: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no {kind} {id}"))
    }

    /// A request that contradicts the present state.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// An edit that was made from another revision.
    pub(crate) fn stale(kind: &str) -> Self {
        let detail = format!("the {kind} was changed since: read it again, and edit what it is now");
        Self::new(StatusCode::PRECONDITION_FAILED, "stale", detail)
    }

    /// A request without credentials, or with unusable ones.
    pub(crate) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// A request that the caller's role doesn't permit.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// Too many requests.
    pub(crate) fn too_many(wait: Duration) -> Self {
        let mut problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-requests",
            "too many requests: wait, then retry",
        );
        problem.retry_after = Some(wait);
        problem
    }

    /// Something that the request needs isn't available at the moment.
    pub(crate) fn unavailable(detail: &str) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        problem.retry_after = Some(OUTAGE_RETRY);
        problem
    }

    /// A refusal of the database that is a contradiction to what it has, where the request was otherwise checked.
    pub(crate) fn of_write(error: StoreError) -> Self {
        match error {
            StoreError::Refused { what } => Self::conflict(what),
            other => other.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_retryable() {
            tracing::warn!(
                service = crate::SERVICE,
                error = runner::chain(&error),
                "the database isn't available"
            );
            return Self::unavailable("the database isn't available: retry later");
        }
        tracing::error!(service = crate::SERVICE, error = runner::chain(&error), "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request failed; the log has the cause")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: format!("urn:tillflow:problem:{}", self.kind),
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: self.detail,
            field: self.field,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.retry_after {
            // Whole seconds, rounded up: a client that comes back earlier is refused again.
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tillflow\""));
        }
        response
    }
}

/// The error responses that every route may give.
pub(crate) struct Refusals;

/// The error responses of routes that change something.
pub(crate) struct WriteRefusals;

/// The statuses that every route may give.
const OF_ALL: [(u16, &str); 8] = [
    (400, "The request can't be read."),
    (401, "The request has no credentials, or unusable ones."),
    (403, "The caller's role doesn't permit it."),
    (404, "There is no such thing, or not for the caller."),
    (422, "A value can't be what it is; `field` names it."),
    (429, "Too many requests; `Retry-After` says how long to wait."),
    (500, "The request failed."),
    (503, "Something that is needed isn't available; retry."),
];
/// The further statuses of routes that change something.
const OF_WRITES: [(u16, &str); 5] = [
    (409, "It contradicts the present state."),
    (412, "The thing was changed since the revision in `If-Match`."),
    (413, "The body is too large."),
    (415, "The body isn't JSON."),
    (428, "The edit names no revision in `If-Match`."),
];

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        OF_ALL.into_iter().map(described).collect()
    }
}

impl IntoResponses for WriteRefusals {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        OF_ALL.into_iter().chain(OF_WRITES).map(described).collect()
    }
}

fn described((status, description): (u16, &str)) -> (String, RefOr<Described>) {
    let schema: RefOr<Schema> = RefOr::Ref(Ref::from_schema_name("Problem"));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response =
        ResponseBuilder::new().description(description).content("application/problem+json", content);
    (status.to_string(), response.build().into())
}
