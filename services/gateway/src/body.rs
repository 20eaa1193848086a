//! Bodies and parameters of requests: read strictly, refused as problems.

use crate::problem::Problem;
use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::request::Parts,
};
use hyper::StatusCode;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// Upper limit of a request's body, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;
/// Upper limit of a text in a request unless another is named, in characters.
pub(crate) const TEXT_CHARS_MAX: usize = 200;

/// A body of JSON.
pub(crate) struct Body<T>(pub(crate) T);

/// The parameters of a path.
pub(crate) struct Path<T>(pub(crate) T);

/// The parameters of a query.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(of_json(&rejection)),
        }
    }
}

fn of_json(rejection: &JsonRejection) -> Problem {
    let (status, kind) = match rejection {
        JsonRejection::JsonDataError(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        JsonRejection::MissingJsonContentType(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type"),
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            (StatusCode::PAYLOAD_TOO_LARGE, "too-large")
        }
        _ => (StatusCode::BAD_REQUEST, "malformed"),
    };
    Problem::new(status, kind, rejection.body_text())
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(PathRejection::FailedToDeserializePathParams(refused)) => {
                Err(Problem::malformed(refused.body_text()))
            }
            Err(other) => Err(Problem::malformed(other.body_text())),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let refused = |rejection: QueryRejection| Problem::malformed(rejection.body_text());
        read.map(|axum::extract::Query(query)| Self(query)).map_err(refused)
    }
}

/// A field of an edit that may be missing, null, or a value.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) enum Field<T> {
    /// It stays as it is.
    #[default]
    Missing,
    /// It has this value from now on, or none.
    Set(Option<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Option::<T>::deserialize(value).map(Self::Set)
    }
}

/// Checks a text that people read: not empty, at most `max` characters, none of them a control character.
pub(crate) fn text(field: &str, text: &str, max: usize) -> Result<(), Problem> {
    if text.trim().is_empty() {
        return Err(Problem::invalid(field, "must not be empty"));
    }
    optional_text(field, text, max)
}

/// Checks a text that may be empty.
pub(crate) fn optional_text(field: &str, text: &str, max: usize) -> Result<(), Problem> {
    let length = text.chars().count();
    if length > max {
        return Err(Problem::invalid(field, format!("must have at most {max} characters, has {length}")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::invalid(field, "must have no control characters"));
    }
    Ok(())
}
