//! Locations of a connection's platform: linked to the store's, or ignored.

use crate::{
    access::Access,
    body::{Body, Path},
    problem::{Problem, Refusals, WriteRefusals},
    routes::decision::{Decided, OutcomeBody},
    schema::{External, Token},
};
use axum::Json;
use hyper::StatusCode;
use model::{ConnectionId, DeliveryId, ExternalId, Instruction, LocationId, Permission};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A location of the platform that is linked to one of the store's.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LocationLink)]
pub(crate) struct LinkBody {
    /// The platform's id of it.
    external: String,
    /// The store's location.
    location: String,
}

/// The locations of a connection's platform.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectionLocations)]
pub(crate) struct LocationsBody {
    /// Those that are linked, by the platform's ids.
    links: Vec<LinkBody>,
    /// The platform's ids of those that are ignored.
    ignored: Vec<String>,
}

/// The location of the store that a platform's location is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLocationLink)]
pub(crate) struct NewLinkBody {
    /// The store's location.
    #[schema(value_type = Token)]
    location: String,
}

/// Returns the locations of a connection's platform that are linked or ignored.
#[utoipa::path(
    get, path = "/v1/connections/{connection}/locations", tag = "connections", operation_id = "listConnectionLocations",
    params(("connection" = inline(Token), Path, description = "The connection's id.")),
    responses((status = 200, body = LocationsBody), Refusals),
)]
pub(crate) async fn list(
    access: Access,
    connection: Path<ConnectionId>,
) -> Result<Json<LocationsBody>, Problem> {
    let own = access.connection(Permission::ReadConnections, &connection.0).await?;
    let links = own.tenancy.location_links(&connection.0).await?;
    let link = |(external, location): (ExternalId, LocationId)| LinkBody {
        external: external.to_string(),
        location: location.to_string(),
    };
    let links = links.into_iter().map(link).collect();
    Ok(Json(LocationsBody { links, ignored: own.settings.ignored_locations }))
}

/// Links a location of the platform to one of the store's, in the store's order. Its items are read there.
#[utoipa::path(
    put, path = "/v1/connections/{connection}/locations/{external}", tag = "connections", operation_id = "linkLocation",
    params(
        ("connection" = inline(Token), Path, description = "The connection's id."),
        ("external" = inline(External), Path, description = "The platform's id of the location."),
    ),
    request_body = NewLinkBody,
    responses(
        (status = 200, body = OutcomeBody),
        (status = 202, body = OutcomeBody, description = "It was accepted, and takes effect later."),
        WriteRefusals,
    ),
)]
pub(crate) async fn link(
    access: Access,
    Path((connection, external)): Path<(ConnectionId, ExternalId)>,
    body: Body<NewLinkBody>,
) -> Result<(StatusCode, Json<OutcomeBody>), Problem> {
    const FIELD: &str = "/location";
    let own = access.connection(Permission::WriteConnections, &connection).await?;
    let to = LocationId::new(&body.0.location).map_err(|error| Problem::invalid(FIELD, error))?;
    let location = own.tenancy.location(&to).await?;
    if location.is_none_or(|location| location.setup.store != own.settings.origin.store) {
        return Err(Problem::invalid(FIELD, format!("the store has no location {to}")));
    }
    let links = own.tenancy.location_links(&connection).await?;
    if let Some((other, linked)) =
        links.iter().find(|(known, linked)| (*known == external) != (*linked == to))
    {
        return Err(Problem::conflict(format!("location {other} of the platform is linked to {linked}")));
    }
    let instruction = Instruction::LinkLocation { location: external.clone(), to };
    let random = DeliveryId::from_bytes(rand::random());
    let decisions = &access.gateway().decisions;
    let linked = decisions.instruct(&own.settings.origin, random, (&external, &instruction)).await;
    Decided::of_instruction(linked).response()
}

/// Ignores a location of the platform: what is reported of it is filtered, and no conflict is opened.
#[utoipa::path(
    put, path = "/v1/connections/{connection}/ignored-locations/{external}", tag = "connections", operation_id = "ignoreLocation",
    params(
        ("connection" = inline(Token), Path, description = "The connection's id."),
        ("external" = inline(External), Path, description = "The platform's id of the location."),
    ),
    responses((status = 204), WriteRefusals),
)]
pub(crate) async fn ignore(
    access: Access,
    path: Path<(ConnectionId, ExternalId)>,
) -> Result<StatusCode, Problem> {
    set_ignored(&access, &path.0, true).await
}

/// Stops ignoring a location of the platform.
#[utoipa::path(
    delete, path = "/v1/connections/{connection}/ignored-locations/{external}", tag = "connections", operation_id = "heedLocation",
    params(
        ("connection" = inline(Token), Path, description = "The connection's id."),
        ("external" = inline(External), Path, description = "The platform's id of the location."),
    ),
    responses((status = 204), WriteRefusals),
)]
pub(crate) async fn heed(
    access: Access,
    path: Path<(ConnectionId, ExternalId)>,
) -> Result<StatusCode, Problem> {
    set_ignored(&access, &path.0, false).await
}

async fn set_ignored(
    access: &Access,
    (connection, external): &(ConnectionId, ExternalId),
    ignored: bool,
) -> Result<StatusCode, Problem> {
    access.connection(Permission::WriteConnections, connection).await?;
    if !access.gateway().store.ignore_location(connection, external, ignored).await? {
        return Err(Problem::not_found("connection", connection.as_str()));
    }
    Ok(StatusCode::NO_CONTENT)
}
