//! The routes together, and the `OpenAPI` document that is generated from them.

use crate::{
    Gateway, authentication, body::BODY_BYTES_MAX, idempotency, problem::Problem, reference, routes,
};
use axum::{Router, extract::DefaultBodyLimit, middleware, response::IntoResponse};
use hyper::{StatusCode, Uri};
use std::sync::Arc;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Components, SecurityRequirement,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The description of the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tillflow management API",
        description = "Tenants, stores, locations, connections and keys.\n\n\
            Send a key in `Authorization: Bearer <key>`. A key of all tenants names the tenant of a request in \
            `Tillflow-Tenant`. Lists come in pages (`limit`, `cursor`). An edit names the revision that it was made from \
            in `If-Match`. A `POST` with an `Idempotency-Key` may be repeated: it takes effect once. Errors are Problem \
            Details (RFC 9457).",
        version = "1"
    ),
    components(schemas(crate::problem::ProblemBody)),
    modifiers(&Keys)
)]
struct Description;

/// The scheme of authentication.
struct Keys;

/// Its name in the document.
const SCHEME: &str = "key";

impl Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("tfk_…").build();
        openapi
            .components
            .get_or_insert_with(Components::new)
            .add_security_scheme(SCHEME, SecurityScheme::Http(scheme));
        openapi.security = Some(vec![SecurityRequirement::new(SCHEME, [""; 0])]);
    }
}

fn described() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(routes::caller::show))
        .routes(routes!(routes::tenants::list, routes::tenants::create))
        .routes(routes!(routes::keys::list, routes::keys::issue))
        .routes(routes!(routes::keys::revoke))
        .routes(routes!(routes::platforms::list))
        .routes(routes!(routes::stores::list, routes::stores::create))
        .routes(routes!(routes::stores::show, routes::stores::change))
        .routes(routes!(routes::locations::list, routes::locations::create))
        .routes(routes!(routes::locations::show, routes::locations::change))
        .routes(routes!(routes::connections::list, routes::connections::create))
        .routes(routes!(routes::connections::show, routes::connections::change))
        .routes(routes!(routes::connection_state::show))
        .routes(routes!(routes::connection_state::pause))
        .routes(routes!(routes::connection_state::resume))
        .routes(routes!(routes::connection_locations::list))
        .routes(routes!(routes::connection_locations::link))
        .routes(routes!(routes::connection_locations::ignore, routes::connection_locations::heed))
        .routes(routes!(routes::lists::list))
        .routes(routes!(routes::lists::read))
        .routes(routes!(routes::conflicts::list))
        .routes(routes!(routes::conflicts::show))
        .routes(routes!(routes::conflicts::resolve))
        .routes(routes!(routes::matches::list))
        .routes(routes!(routes::matches::show))
        .routes(routes!(routes::matches::accept))
        .routes(routes!(routes::matches::reject))
        .routes(routes!(routes::matches::undo))
        .routes(routes!(routes::credentials::replace))
        .routes(routes!(routes::credentials::rotate))
}

/// Returns the `OpenAPI` document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

/// Returns all routes.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let (managed, document) = described().split_for_parts();
    // The first layer is the innermost.
    let managed = managed
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), idempotency::once))
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), authentication::authenticate))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    managed.with_state(gateway).merge(reference::router(&document)).fallback(not_found)
}

async fn not_found(uri: Uri) -> impl IntoResponse {
    let detail = format!("there is no route {}; /openapi.json lists them", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "not-found", detail)
}

async fn method_not_allowed(uri: Uri) -> impl IntoResponse {
    let detail = format!("{} doesn't have this method; /openapi.json lists those of each route", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
}
