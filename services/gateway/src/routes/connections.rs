//! Connections: accounts of stores on platforms.

use crate::{
    Gateway,
    access::{Access, OwnStore},
    body::{Body, Field, Path, Query, TEXT_CHARS_MAX, optional_text},
    idempotency::NewIds,
    page::{Page, PageQuery},
    precondition::{IfMatch, Revised, done},
    problem::{Problem, Refusals, WriteRefusals},
    routes::credentials::{SECRETS_MAX, secret},
    schema::{External, Line, Revision, Secret, Token},
};
use axum::Json;
use hyper::StatusCode;
use model::{
    BaselineRule, Connection, ConnectionId, ExternalId, Health, LocationId, Permission, PlatformName, Rules,
    StoreId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::{ConnectionEdit, ConnectionSettings, Edited};
use utoipa::ToSchema;

/// Upper limit of ignored locations.
const IGNORED_MAX: usize = 1000;
/// Upper limit of the calls a minute that a connection may be set to.
const REQUESTS_PER_MINUTE_MAX: u32 = 100_000;
/// Upper limit of the URL of an API, in characters.
const URL_CHARS_MAX: usize = 500;

/// The kinds of the store's values that are written to a connection.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rules)]
pub(crate) struct RulesBody {
    /// Levels.
    propagate_inventory: bool,
    /// Prices.
    propagate_prices: bool,
    /// Titles and descriptions.
    propagate_products: bool,
}

impl From<Rules> for RulesBody {
    fn from(rules: Rules) -> Self {
        Self {
            propagate_inventory: rules.propagate_inventory,
            propagate_prices: rules.propagate_prices,
            propagate_products: rules.propagate_products,
        }
    }
}

impl From<RulesBody> for Rules {
    fn from(rules: RulesBody) -> Self {
        Self {
            propagate_inventory: rules.propagate_inventory,
            propagate_prices: rules.propagate_prices,
            propagate_products: rules.propagate_products,
        }
    }
}

/// The side whose number is taken when a connection first reports an item that the store has another number of.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Baseline)]
pub(crate) enum BaselineBody {
    /// A person decides, in a conflict for each item.
    Ask,
    /// The store's.
    Store,
    /// The platform's.
    Platform,
}

impl From<BaselineBody> for BaselineRule {
    fn from(rule: BaselineBody) -> Self {
        match rule {
            BaselineBody::Ask => Self::Ask,
            BaselineBody::Store => Self::Store,
            BaselineBody::Platform => Self::Platform,
        }
    }
}

impl From<BaselineRule> for BaselineBody {
    fn from(rule: BaselineRule) -> Self {
        match rule {
            BaselineRule::Ask => Self::Ask,
            BaselineRule::Store => Self::Store,
            BaselineRule::Platform => Self::Platform,
        }
    }
}

/// A connection, without its credentials.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
pub(crate) struct ConnectionBody {
    /// Its id.
    #[schema(example = "con_00112233445566778899")]
    id: String,
    /// The store.
    store: String,
    /// The platform.
    platform: String,
    /// The account's name on the platform; empty if it isn't known.
    account: String,
    /// Scheme, host and port of its API.
    base_url: String,
    /// The API version to request; empty for the platform's default.
    api_version: String,
    /// The URL to which the platform sends webhooks.
    webhook_url: String,
    /// The location of levels that are reported without one.
    #[schema(required)]
    default_location: Option<String>,
    /// A limit of calls below the platform's own.
    #[schema(required)]
    requests_per_minute: Option<u32>,
    /// The kinds of values that are written to it.
    rules: RulesBody,
    /// The side whose number is taken at a first contact.
    baseline: BaselineBody,
    /// The platform's ids of the locations that are ignored.
    ignored_locations: Vec<String>,
    /// False while it is paused: its platform isn't called.
    enabled: bool,
    /// Time of its creation.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<ConnectionSettings> for ConnectionBody {
    fn from(settings: ConnectionSettings) -> Self {
        Self {
            id: settings.origin.connection.to_string(),
            store: settings.origin.store.to_string(),
            platform: settings.origin.platform.to_string(),
            account: settings.account,
            base_url: settings.base_url,
            api_version: settings.api_version,
            webhook_url: settings.notification_url,
            default_location: settings.default_location.map(|location| location.to_string()),
            requests_per_minute: settings.requests_per_minute,
            rules: settings.rules.into(),
            baseline: settings.baseline.into(),
            ignored_locations: settings.ignored_locations,
            enabled: settings.enabled,
            created_at: settings.created_at.to_string(),
        }
    }
}

impl From<ConnectionSettings> for Revised<ConnectionBody> {
    fn from(settings: ConnectionSettings) -> Self {
        let revision = settings.revision;
        Self { body: settings.into(), revision }
    }
}

/// A connection to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewConnection)]
pub(crate) struct NewConnectionBody {
    /// The platform, one of `GET /v1/platforms`.
    platform: String,
    /// The account's name on the platform, in the form that its API and its webhooks use. A webhook that names another one is
    /// refused; none is if this is empty.
    #[serde(default)]
    #[schema(value_type = Line)]
    account: String,
    /// Scheme, host and port of its API: `https` at a public address, unless the operator allows another.
    #[schema(max_length = 500)]
    base_url: String,
    /// The API version to request; the platform's default if empty.
    #[serde(default)]
    #[schema(value_type = Line)]
    api_version: String,
    /// The access token. It is sealed, and never returned.
    #[schema(value_type = Secret)]
    token: String,
    /// The secrets that sign webhooks: at most 4. They are sealed, and never returned.
    #[serde(default)]
    #[schema(value_type = Vec<Secret>, max_items = 4)]
    webhook_secrets: Vec<String>,
    /// The location of levels that are reported without one.
    #[serde(default)]
    #[schema(value_type = Option<Token>)]
    default_location: Option<String>,
    /// A limit of calls below the platform's own.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100_000)]
    requests_per_minute: Option<u32>,
    /// The kinds of values that are written to it: none unless given.
    #[serde(default)]
    rules: Option<RulesBody>,
    /// The side whose number is taken at a first contact: `ask` unless given.
    #[serde(default)]
    baseline: Option<BaselineBody>,
    /// The platform's ids of the locations that are ignored: at most 1,000.
    #[serde(default)]
    #[schema(value_type = Vec<External>, max_items = 1000)]
    ignored_locations: Vec<String>,
}

/// An edit of a connection's settings: fields that are missing stay as they are. Credentials have routes of their own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConnectionEdit)]
pub(crate) struct ConnectionEditBody {
    /// The account's name on the platform.
    #[serde(default)]
    #[schema(value_type = Option<Line>)]
    account: Option<String>,
    /// Scheme, host and port of its API.
    #[serde(default)]
    #[schema(max_length = 500)]
    base_url: Option<String>,
    /// The API version to request; empty for the platform's default.
    #[serde(default)]
    #[schema(value_type = Option<Line>)]
    api_version: Option<String>,
    /// The location of levels that are reported without one; null for none.
    #[serde(default)]
    #[schema(value_type = Option<Token>)]
    default_location: Field<String>,
    /// A limit of calls below the platform's own; null for none.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 100_000)]
    requests_per_minute: Field<u32>,
    /// The kinds of values that are written to it.
    #[serde(default)]
    rules: Option<RulesBody>,
}

/// Lists a store's connections.
#[utoipa::path(
    get, path = "/v1/stores/{store}/connections", tag = "connections", operation_id = "listConnections",
    params(("store" = inline(Token), Path, description = "The store's id."), PageQuery),
    responses((status = 200, body = Page<ConnectionBody>), Refusals),
)]
pub(crate) async fn list(
    access: Access,
    store: Path<StoreId>,
    page: Query<PageQuery>,
) -> Result<Json<Page<ConnectionBody>>, Problem> {
    let own = access.store(Permission::ReadConnections, &store.0).await?;
    let asked = page.0.read()?;
    let rows = own.tenancy.connections(&store.0, asked.part()).await?;
    Ok(Json(asked.page(rows, |row| row.origin.connection.to_string(), ConnectionBody::from)))
}

/// Creates a connection. It is read at once; nothing is written to it unless its rules say so.
#[utoipa::path(
    post, path = "/v1/stores/{store}/connections", tag = "connections", operation_id = "createConnection",
    params(("store" = inline(Token), Path, description = "The store's id.")),
    request_body = NewConnectionBody,
    responses((status = 201, body = ConnectionBody, headers(("ETag" = String))), WriteRefusals),
)]
pub(crate) async fn create(
    access: Access,
    store: Path<StoreId>,
    ids: NewIds,
    body: Body<NewConnectionBody>,
) -> Result<(StatusCode, Revised<ConnectionBody>), Problem> {
    let own = access.store(Permission::WriteConnections, &store.0).await?;
    let id = ConnectionId::new(&ids.id("con")).map_err(|error| Problem::invalid("/id", error))?;
    let connection = new(access.gateway(), &own, id, body.0).await?;
    if !ids.may_repeat() || own.tenancy.connection(&connection.id).await?.is_none() {
        let edit = ConnectionEdit { connection: &connection, from: None };
        own.tenancy.change_connection(edit).await.map_err(Problem::of_write)?;
    }
    let settings = own.tenancy.connection(&connection.id).await?;
    let settings = settings.ok_or_else(|| Problem::not_found("connection", connection.id.as_str()))?;
    Ok((StatusCode::CREATED, settings.into()))
}

/// Returns a connection.
#[utoipa::path(
    get, path = "/v1/connections/{connection}", tag = "connections", operation_id = "showConnection",
    params(("connection" = inline(Token), Path, description = "The connection's id.")),
    responses((status = 200, body = ConnectionBody, headers(("ETag" = String))), Refusals),
)]
pub(crate) async fn show(
    access: Access,
    connection: Path<ConnectionId>,
) -> Result<Revised<ConnectionBody>, Problem> {
    Ok(access.connection(Permission::ReadConnections, &connection.0).await?.settings.into())
}

/// Changes a connection's settings. What its platform refused before is tried again.
#[utoipa::path(
    patch, path = "/v1/connections/{connection}", tag = "connections", operation_id = "changeConnection",
    params(
        ("connection" = inline(Token), Path, description = "The connection's id."),
        ("If-Match" = inline(Revision), Header, description = "The `ETag` of the settings that the edit was made from, or `*`."),
    ),
    request_body = ConnectionEditBody,
    responses((status = 200, body = ConnectionBody, headers(("ETag" = String))), WriteRefusals),
)]
pub(crate) async fn change(
    access: Access,
    connection: Path<ConnectionId>,
    IfMatch(from): IfMatch,
    body: Body<ConnectionEditBody>,
) -> Result<Revised<ConnectionBody>, Problem> {
    let own = access.connection(Permission::WriteConnections, &connection.0).await?;
    let missing = || Problem::not_found("connection", connection.0.as_str());
    if from.is_some_and(|from| from != own.settings.revision) {
        return Err(Problem::stale("connection"));
    }
    let known = own.tenancy.connection_to_call(&connection.0).await?.ok_or_else(missing)?;
    let of_store = access.store(Permission::WriteConnections, &known.store).await?;
    let edited = edit(access.gateway(), &of_store, known, body.0).await?;
    // What is written was edited from the settings just read: never over a later edit.
    let from = Some(own.settings.revision);
    let changed = own.tenancy.change_connection(ConnectionEdit { connection: &edited, from }).await;
    done(changed.map_err(Problem::of_write)?, "connection", connection.0.as_str())?;
    Ok(own.tenancy.connection(&connection.0).await?.ok_or_else(missing)?.into())
}

async fn new(
    gateway: &Gateway,
    store: &OwnStore,
    id: ConnectionId,
    body: NewConnectionBody,
) -> Result<Connection, Problem> {
    let platform = platform(&body.platform)?;
    optional_text("/account", &body.account, TEXT_CHARS_MAX)?;
    optional_text("/api_version", &body.api_version, TEXT_CHARS_MAX)?;
    if body.webhook_secrets.len() > SECRETS_MAX {
        return Err(Problem::invalid("/webhook_secrets", format!("must be at most {SECRETS_MAX}")));
    }
    if body.ignored_locations.len() > IGNORED_MAX {
        return Err(Problem::invalid("/ignored_locations", format!("must be at most {IGNORED_MAX}")));
    }
    for text in &body.webhook_secrets {
        secret("/webhook_secrets", text)?;
    }
    secret("/token", &body.token)?;
    let ignored = body.ignored_locations.iter().map(|text| ExternalId::new(text));
    let ignored: Result<BTreeSet<_>, _> = ignored.collect();
    Ok(Connection {
        tenant: store.tenancy.tenant().clone(),
        store: store.row.setup.id.clone(),
        notification_url: format!("{}/webhook/{platform}/{id}", gateway.webhooks_url),
        id,
        platform,
        enabled: true,
        base_url: base_url(gateway, &body.base_url)?,
        account: body.account,
        api_version: body.api_version,
        token: body.token,
        secrets: body.webhook_secrets,
        default_location: location(store, body.default_location.as_deref()).await?,
        requests_per_minute: requests(body.requests_per_minute)?,
        rules: body.rules.map_or(NO_WRITES, Rules::from),
        health: Health::Ok,
        health_reason: None,
        health_since: None,
        probe_at: None,
        baseline: body.baseline.map_or(BaselineRule::Ask, BaselineRule::from),
        ignored_locations: ignored.map_err(|error| Problem::invalid("/ignored_locations", error))?,
        currency: store.row.setup.currency,
    })
}

/// The rules of a connection to which nothing is written.
const NO_WRITES: Rules =
    Rules { propagate_inventory: false, propagate_prices: false, propagate_products: false };

async fn edit(
    gateway: &Gateway,
    store: &OwnStore,
    mut connection: Connection,
    body: ConnectionEditBody,
) -> Result<Connection, Problem> {
    if let Some(account) = body.account {
        optional_text("/account", &account, TEXT_CHARS_MAX)?;
        connection.account = account;
    }
    if let Some(version) = body.api_version {
        optional_text("/api_version", &version, TEXT_CHARS_MAX)?;
        connection.api_version = version;
    }
    if let Some(url) = body.base_url {
        connection.base_url = base_url(gateway, &url)?;
    }
    if let Field::Set(wanted) = body.default_location {
        connection.default_location = location(store, wanted.as_deref()).await?;
    }
    if let Field::Set(wanted) = body.requests_per_minute {
        connection.requests_per_minute = requests(wanted)?;
    }
    if let Some(rules) = body.rules {
        connection.rules = rules.into();
    }
    Ok(connection)
}

fn platform(name: &str) -> Result<PlatformName, Problem> {
    let known = platforms::all().iter().find(|platform| platform.name() == name);
    let unknown = || Problem::invalid("/platform", "isn't one of GET /v1/platforms");
    PlatformName::new(known.ok_or_else(unknown)?.name()).map_err(|error| Problem::invalid("/platform", error))
}

fn base_url(gateway: &Gateway, url: &str) -> Result<String, Problem> {
    optional_text("/base_url", url, URL_CHARS_MAX)?;
    let url = url.trim_end_matches('/');
    gateway.calls.check(url).map_err(|forbidden| Problem::invalid("/base_url", forbidden))?;
    Ok(url.to_owned())
}

async fn location(store: &OwnStore, id: Option<&str>) -> Result<Option<LocationId>, Problem> {
    const FIELD: &str = "/default_location";
    let Some(id) = id else { return Ok(None) };
    let location = LocationId::new(id).map_err(|error| Problem::invalid(FIELD, error))?;
    let row = store.tenancy.location(&location).await?;
    if row.is_none_or(|row| row.setup.store != store.row.setup.id) {
        return Err(Problem::invalid(FIELD, format!("the store has no location {location}")));
    }
    Ok(Some(location))
}

fn requests(wanted: Option<u32>) -> Result<Option<u32>, Problem> {
    match wanted {
        Some(count) if !(1..=REQUESTS_PER_MINUTE_MAX).contains(&count) => Err(Problem::invalid(
            "/requests_per_minute",
            format!("must be 1 to {REQUESTS_PER_MINUTE_MAX}, is {count}"),
        )),
        other => Ok(other),
    }
}

/// Returns the settings after an edit that doesn't name a revision.
pub(crate) fn edited(result: Edited, connection: &ConnectionId) -> Result<i64, Problem> {
    done(result, "connection", connection.as_str())
}
