//! Tenants, for the installation's operator.

use crate::{
    access::Access,
    body::{Body, Query},
    idempotency::NewIds,
    page::{Page, PageQuery},
    problem::{Problem, Refusals, WriteRefusals},
    schema::Token,
};
use axum::Json;
use hyper::StatusCode;
use model::{Permission, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub(crate) struct TenantBody {
    /// Its id.
    #[schema(example = "ten_00112233445566778899")]
    id: String,
}

/// A tenant to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTenant)]
pub(crate) struct NewTenantBody {
    /// Its id: 1 to 64 of A-Z a-z 0-9 _ -. One is made unless given.
    #[serde(default)]
    #[schema(value_type = Option<Token>)]
    id: Option<String>,
}

/// Lists the tenants.
#[utoipa::path(
    get, path = "/v1/tenants", tag = "tenants", operation_id = "listTenants",
    params(PageQuery),
    responses((status = 200, body = Page<TenantBody>), Refusals),
)]
pub(crate) async fn list(access: Access, page: Query<PageQuery>) -> Result<Json<Page<TenantBody>>, Problem> {
    let store = access.all_tenants(Permission::ReadTenants)?;
    let asked = page.0.read()?;
    let tenants = store.tenants(asked.part()).await?;
    Ok(Json(asked.page(tenants, ToString::to_string, |tenant| TenantBody { id: tenant.to_string() })))
}

/// Creates a tenant; one that exists stays as it is.
#[utoipa::path(
    post, path = "/v1/tenants", tag = "tenants", operation_id = "createTenant",
    request_body = NewTenantBody,
    responses((status = 201, body = TenantBody), WriteRefusals),
)]
pub(crate) async fn create(
    access: Access,
    ids: NewIds,
    body: Body<NewTenantBody>,
) -> Result<(StatusCode, Json<TenantBody>), Problem> {
    let store = access.all_tenants(Permission::WriteTenants)?;
    let id = body.0.id.unwrap_or_else(|| ids.id("ten"));
    let id = TenantId::new(&id).map_err(|error| Problem::invalid("/id", error))?;
    store.upsert_tenant(&id).await?;
    Ok((StatusCode::CREATED, Json(TenantBody { id: id.to_string() })))
}
