//! Locations of a store.

use crate::{
    access::Access,
    body::{Body, Path, Query, TEXT_CHARS_MAX, text},
    idempotency::NewIds,
    page::{Page, PageQuery},
    precondition::{IfMatch, Revised, done},
    problem::{Problem, Refusals, WriteRefusals},
    schema::{Revision, Title, Token},
};
use axum::Json;
use hyper::StatusCode;
use model::{LocationId, Permission, StoreId};
use serde::{Deserialize, Serialize};
use store::{LocationRow, LocationSetup};
use utoipa::ToSchema;

/// A location of a store: a place that has stock of its own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Location)]
pub(crate) struct LocationBody {
    /// Its id.
    #[schema(example = "loc_00112233445566778899")]
    id: String,
    /// The store.
    store: String,
    /// Its name, for people.
    name: String,
}

/// A location to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLocation)]
pub(crate) struct NewLocationBody {
    /// Its name, for people: 1 to 200 characters.
    #[schema(value_type = Title)]
    name: String,
}

/// An edit of a location's settings.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LocationEdit)]
pub(crate) struct LocationEditBody {
    /// Its name, for people: 1 to 200 characters.
    #[schema(value_type = Title)]
    name: String,
}

impl From<LocationSetup> for LocationBody {
    fn from(setup: LocationSetup) -> Self {
        Self { id: setup.id.to_string(), store: setup.store.to_string(), name: setup.name }
    }
}

impl From<LocationRow> for Revised<LocationBody> {
    fn from(row: LocationRow) -> Self {
        Self { body: row.setup.into(), revision: row.revision }
    }
}

/// Lists a store's locations.
#[utoipa::path(
    get, path = "/v1/stores/{store}/locations", tag = "locations", operation_id = "listLocations",
    params(("store" = inline(Token), Path, description = "The store's id."), PageQuery),
    responses((status = 200, body = Page<LocationBody>), Refusals),
)]
pub(crate) async fn list(
    access: Access,
    store: Path<StoreId>,
    page: Query<PageQuery>,
) -> Result<Json<Page<LocationBody>>, Problem> {
    let own = access.store(Permission::ReadStores, &store.0).await?;
    let asked = page.0.read()?;
    let rows = own.tenancy.locations(&store.0, asked.part()).await?;
    Ok(Json(asked.page(rows, |row| row.setup.id.to_string(), |row| row.setup.into())))
}

/// Creates a location of a store.
#[utoipa::path(
    post, path = "/v1/stores/{store}/locations", tag = "locations", operation_id = "createLocation",
    params(("store" = inline(Token), Path, description = "The store's id.")),
    request_body = NewLocationBody,
    responses((status = 201, body = LocationBody, headers(("ETag" = String))), WriteRefusals),
)]
pub(crate) async fn create(
    access: Access,
    store: Path<StoreId>,
    ids: NewIds,
    body: Body<NewLocationBody>,
) -> Result<(StatusCode, Revised<LocationBody>), Problem> {
    let own = access.store(Permission::WriteStores, &store.0).await?;
    text("/name", &body.0.name, TEXT_CHARS_MAX)?;
    let setup = LocationSetup {
        tenant: own.tenancy.tenant().clone(),
        store: store.0,
        id: LocationId::new(&ids.id("loc")).map_err(|error| Problem::invalid("/id", error))?,
        name: body.0.name,
    };
    let is_new = own.tenancy.create_location(&setup).await?;
    let row = own.tenancy.location(&setup.id).await?.filter(|_| is_new || ids.may_repeat());
    let row = row.ok_or_else(|| Problem::conflict("the location's id exists: send the request again"))?;
    Ok((StatusCode::CREATED, row.into()))
}

/// Returns a location.
#[utoipa::path(
    get, path = "/v1/locations/{location}", tag = "locations", operation_id = "showLocation",
    params(("location" = inline(Token), Path, description = "The location's id.")),
    responses((status = 200, body = LocationBody, headers(("ETag" = String))), Refusals),
)]
pub(crate) async fn show(
    access: Access,
    location: Path<LocationId>,
) -> Result<Revised<LocationBody>, Problem> {
    Ok(access.location(Permission::ReadStores, &location.0).await?.row.into())
}

/// Renames a location.
#[utoipa::path(
    patch, path = "/v1/locations/{location}", tag = "locations", operation_id = "changeLocation",
    params(
        ("location" = inline(Token), Path, description = "The location's id."),
        ("If-Match" = inline(Revision), Header, description = "The `ETag` of the settings that the edit was made from, or `*`."),
    ),
    request_body = LocationEditBody,
    responses((status = 200, body = LocationBody, headers(("ETag" = String))), WriteRefusals),
)]
pub(crate) async fn change(
    access: Access,
    location: Path<LocationId>,
    IfMatch(from): IfMatch,
    body: Body<LocationEditBody>,
) -> Result<Revised<LocationBody>, Problem> {
    let own = access.location(Permission::WriteStores, &location.0).await?;
    text("/name", &body.0.name, TEXT_CHARS_MAX)?;
    let edited = own.tenancy.rename_location(&location.0, &body.0.name, from).await?;
    let revision = done(edited, "location", location.0.as_str())?;
    let setup = LocationSetup { name: body.0.name, ..own.row.setup };
    Ok(Revised { body: setup.into(), revision })
}
