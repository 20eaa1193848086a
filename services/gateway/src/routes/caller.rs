//! The caller itself.

use crate::{access::Access, problem::Refusals};
use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The sender of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallerBody {
    /// The kind of credentials and their id.
    #[schema(example = "key:0011223344556677")]
    name: String,
    /// The role, which decides about the permissions.
    #[schema(example = "store_owner")]
    role: &'static str,
    /// The tenant that this request is about; null if it names none.
    #[schema(required)]
    tenant: Option<String>,
    /// The only store that the credentials give access to; null for all stores of the tenant.
    #[schema(required)]
    store: Option<String>,
}

/// Returns the sender of the request, with its role.
#[utoipa::path(
    get, path = "/v1/caller", tag = "caller", operation_id = "showCaller",
    responses((status = 200, body = CallerBody), Refusals),
)]
pub(crate) async fn show(access: Access) -> Json<CallerBody> {
    let caller = access.caller();
    Json(CallerBody {
        name: caller.name.as_ref().to_owned(),
        role: caller.role.as_str(),
        tenant: caller.about.as_ref().map(ToString::to_string),
        store: caller.scope.store().map(ToString::to_string),
    })
}
