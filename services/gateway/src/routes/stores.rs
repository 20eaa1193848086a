//! Stores.

use crate::{
    access::Access,
    body::{Body, Field, Path, Query, TEXT_CHARS_MAX, text},
    idempotency::NewIds,
    page::{Page, PageQuery},
    precondition::{IfMatch, Revised, done},
    problem::{Problem, Refusals, WriteRefusals},
    schema::{CurrencyCode, Revision, Title, Token},
};
use axum::Json;
use hyper::StatusCode;
use model::{Currency, Permission, StoreId, Zone};
use serde::{Deserialize, Serialize};
use store::{StoreRow, StoreSetup};
use utoipa::ToSchema;

/// A store: one merchant with its locations and connections, and the scope in which order matters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Store)]
pub(crate) struct StoreBody {
    /// Its id.
    #[schema(example = "sto_00112233445566778899")]
    id: String,
    /// Its name, for people.
    name: String,
    /// The currency of amounts that are reported without one, as ISO 4217 writes it.
    #[schema(required, example = "USD")]
    currency: Option<String>,
    /// The IANA name of the time zone of its calendar days.
    #[schema(example = "America/Denver")]
    timezone: String,
}

/// A store to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewStore)]
pub(crate) struct NewStoreBody {
    /// Its name, for people: 1 to 200 characters.
    #[schema(value_type = Title)]
    name: String,
    /// The currency of amounts that are reported without one, as ISO 4217 writes it.
    #[serde(default)]
    #[schema(value_type = Option<CurrencyCode>)]
    currency: Option<String>,
    /// The IANA name of the time zone of its calendar days.
    timezone: String,
}

/// An edit of a store's settings: fields that are missing stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StoreEdit)]
pub(crate) struct StoreEditBody {
    /// Its name, for people: 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<Title>)]
    name: Option<String>,
    /// The currency of amounts that are reported without one; null for none.
    #[serde(default)]
    #[schema(value_type = Option<CurrencyCode>)]
    currency: Field<String>,
    /// The IANA name of the time zone of its calendar days.
    #[serde(default)]
    timezone: Option<String>,
}

impl From<StoreSetup> for StoreBody {
    fn from(setup: StoreSetup) -> Self {
        Self {
            id: setup.id.to_string(),
            name: setup.name,
            currency: setup.currency.map(|currency| currency.to_string()),
            timezone: setup.timezone,
        }
    }
}

impl From<StoreRow> for Revised<StoreBody> {
    fn from(row: StoreRow) -> Self {
        Self { body: row.setup.into(), revision: row.revision }
    }
}

/// Lists the tenant's stores.
#[utoipa::path(
    get, path = "/v1/stores", tag = "stores", operation_id = "listStores",
    params(PageQuery),
    responses((status = 200, body = Page<StoreBody>), Refusals),
)]
pub(crate) async fn list(access: Access, page: Query<PageQuery>) -> Result<Json<Page<StoreBody>>, Problem> {
    let tenancy = access.tenancy(Permission::ReadStores).await?;
    let asked = page.0.read()?;
    let rows = match access.caller().scope.store() {
        // The only one is on the first page.
        Some(only) if asked.after().is_empty() => tenancy.store(only).await?.into_iter().collect(),
        Some(_) => Vec::new(),
        None => tenancy.stores(asked.part()).await?,
    };
    Ok(Json(asked.page(rows, |row| row.setup.id.to_string(), |row| row.setup.into())))
}

/// Creates a store.
#[utoipa::path(
    post, path = "/v1/stores", tag = "stores", operation_id = "createStore",
    request_body = NewStoreBody,
    responses((status = 201, body = StoreBody, headers(("ETag" = String))), WriteRefusals),
)]
pub(crate) async fn create(
    access: Access,
    ids: NewIds,
    body: Body<NewStoreBody>,
) -> Result<(StatusCode, Revised<StoreBody>), Problem> {
    let tenancy = access.tenancy(Permission::WriteStores).await?;
    if access.caller().scope.store().is_some() {
        return Err(Problem::forbidden("the key is of one store and can't create another"));
    }
    text("/name", &body.0.name, TEXT_CHARS_MAX)?;
    let setup = StoreSetup {
        tenant: tenancy.tenant().clone(),
        id: StoreId::new(&ids.id("sto")).map_err(|error| Problem::invalid("/id", error))?,
        name: body.0.name,
        currency: body.0.currency.as_deref().map(currency).transpose()?,
        timezone: zone(&body.0.timezone)?,
    };
    let is_new = tenancy.create_store(&setup).await?;
    let row = tenancy.store(&setup.id).await?.filter(|_| is_new || ids.may_repeat());
    let row = row.ok_or_else(|| Problem::conflict("the store's id exists: send the request again"))?;
    Ok((StatusCode::CREATED, row.into()))
}

/// Returns a store.
#[utoipa::path(
    get, path = "/v1/stores/{store}", tag = "stores", operation_id = "showStore",
    params(("store" = inline(Token), Path, description = "The store's id.")),
    responses((status = 200, body = StoreBody, headers(("ETag" = String))), Refusals),
)]
pub(crate) async fn show(access: Access, store: Path<StoreId>) -> Result<Revised<StoreBody>, Problem> {
    Ok(access.store(Permission::ReadStores, &store.0).await?.row.into())
}

/// Changes a store's settings.
#[utoipa::path(
    patch, path = "/v1/stores/{store}", tag = "stores", operation_id = "changeStore",
    params(
        ("store" = inline(Token), Path, description = "The store's id."),
        ("If-Match" = inline(Revision), Header, description = "The `ETag` of the settings that the edit was made from, or `*`."),
    ),
    request_body = StoreEditBody,
    responses((status = 200, body = StoreBody, headers(("ETag" = String))), WriteRefusals),
)]
pub(crate) async fn change(
    access: Access,
    store: Path<StoreId>,
    IfMatch(from): IfMatch,
    body: Body<StoreEditBody>,
) -> Result<Revised<StoreBody>, Problem> {
    let own = access.store(Permission::WriteStores, &store.0).await?;
    let mut setup = own.row.setup;
    if let Some(name) = body.0.name {
        text("/name", &name, TEXT_CHARS_MAX)?;
        setup.name = name;
    }
    if let Field::Set(wanted) = body.0.currency {
        setup.currency = wanted.as_deref().map(currency).transpose()?;
    }
    if let Some(timezone) = body.0.timezone {
        setup.timezone = zone(&timezone)?;
    }
    // Without a revision of the caller's, the one just read: what is written was edited from it.
    let edited = own.tenancy.change_store(&setup, from.or(Some(own.row.revision))).await?;
    let revision = done(edited, "store", store.0.as_str())?;
    Ok(Revised { body: setup.into(), revision })
}

fn currency(code: &str) -> Result<Currency, Problem> {
    let currency = Currency::new(code).map_err(|error| Problem::invalid("/currency", error))?;
    // The model reads lower case too, as platforms write it.
    if currency.to_string() != code {
        return Err(Problem::invalid("/currency", format!("must be in upper case: {currency}")));
    }
    Ok(currency)
}

fn zone(name: &str) -> Result<String, Problem> {
    let zone = Zone::parse(name).map_err(|error| Problem::invalid("/timezone", error))?;
    Ok(zone.name().to_owned())
}
