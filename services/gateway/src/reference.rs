//! The `OpenAPI` document, and the page to read it and try it.

use axum::{Router, routing::get};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use utoipa::openapi::OpenApi;

/// Returns the routes of the document and its page. They need no credentials.
pub(crate) fn router(document: &OpenApi) -> Router {
    let document = document.to_json().unwrap_or_default();
    let respond = move || {
        let document = document.clone();
        async move { ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], document) }
    };
    Router::new().route("/openapi.json", get(respond))
}
