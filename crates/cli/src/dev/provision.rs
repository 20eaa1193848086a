//! Creates stores and connections for development and demos.

use crate::{environment::RunningConnection, failure::Failed};
use model::{BaselineRule, ConnectionId, Currency, ExternalId, LocationId, PlatformName, StoreId, TenantId};
use std::collections::BTreeSet;
use store::{Connection, Health, LocationSetup, Rules, Store, StoreSetup};

/// The store's own location.
const MAIN: &str = "main";

/// A connection to create.
pub(crate) struct Wanted<'a> {
    pub(crate) platform: &'a str,
    pub(crate) base_url: String,
    pub(crate) account: String,
    pub(crate) token: String,
    pub(crate) secret: String,
    /// The platform's ids of its locations: the first is the store's main one, each other has a location of its own.
    pub(crate) locations: Vec<String>,
    /// The kinds of values that are written to it.
    pub(crate) rules: Rules,
}

/// The rules of a connection to which nothing is written.
pub(crate) const READ_ONLY: Rules =
    Rules { propagate_inventory: false, propagate_prices: false, propagate_products: false };

/// Creates a store; everything in it belongs to the tenant `demo`.
pub(crate) async fn store(store: &Store, id: &str) -> Result<(), Failed> {
    let (tenant, id) = (tenant()?, StoreId::new(id).map_err(unusable)?);
    store.upsert_tenant(&tenant).await?;
    let setup = StoreSetup {
        tenant: tenant.clone(),
        id: id.clone(),
        name: format!("Demo store {id}"),
        currency: Some(Currency::new("USD").map_err(unusable)?),
        timezone: "UTC".to_owned(),
    };
    Ok(store.upsert_store(&setup).await?)
}

/// The id of a store's connection to a platform.
pub(crate) fn connection_id(store_id: &str, platform: &str) -> String {
    format!("{store_id}-{platform}")
}

/// The URL to which a platform sends webhooks of a connection.
pub(crate) fn webhook_url(ingest_url: &str, platform: &str, connection: &str) -> String {
    format!("{ingest_url}/webhook/{platform}/{connection}")
}

/// Creates a connection of a store, and the locations that its own are linked to.
pub(crate) async fn connection(
    store: &Store,
    store_id: &str,
    ingest_url: &str,
    wanted: Wanted<'_>,
) -> Result<RunningConnection, Failed> {
    let id = connection_id(store_id, wanted.platform);
    let webhook_url = webhook_url(ingest_url, wanted.platform, &id);
    let id = ConnectionId::new(&id).map_err(unusable)?;
    let main = location(store, store_id, MAIN).await?;
    let connection = Connection {
        tenant: tenant()?,
        store: StoreId::new(store_id).map_err(unusable)?,
        id: id.clone(),
        platform: PlatformName::new(wanted.platform).map_err(unusable)?,
        enabled: true,
        base_url: wanted.base_url,
        account: wanted.account.clone(),
        api_version: String::new(),
        token: wanted.token,
        secrets: vec![wanted.secret.clone()],
        notification_url: webhook_url.clone(),
        default_location: Some(main.clone()),
        requests_per_minute: None,
        rules: wanted.rules,
        currency: Some(Currency::new("USD").map_err(unusable)?),
        health: Health::Ok,
        health_reason: None,
        health_since: None,
        probe_at: None,
        baseline: BaselineRule::Store,
        ignored_locations: BTreeSet::new(),
    };
    store.upsert_connection(&connection).await?;
    for (index, external) in wanted.locations.iter().enumerate() {
        let external = ExternalId::new(external).map_err(unusable)?;
        let name = match index {
            0 => main.clone(),
            _ => location(store, store_id, &format!("{}-{}", wanted.platform, index + 1)).await?,
        };
        store.upsert_location_link(&id, &external, &name).await?;
    }
    Ok(RunningConnection {
        id: id.to_string(),
        platform: wanted.platform.to_owned(),
        store: store_id.to_owned(),
        webhook_url,
        secret: wanted.secret,
        account: wanted.account,
    })
}

/// Creates the store `demo` with a connection of each platform, for `tillflow trigger`. No platform runs there, so
/// nothing is written to them.
pub(crate) async fn examples(store: &Store, ingest_url: &str) -> Result<Vec<RunningConnection>, Failed> {
    self::store(store, "demo").await?;
    let mut connections = Vec::new();
    for platform in platforms::all() {
        let wanted = Wanted {
            platform: platform.name(),
            base_url: "http://127.0.0.1:9".to_owned(),
            account: "demo".to_owned(),
            token: "demo:demo".to_owned(),
            secret: secret(),
            locations: crate::trigger::example_locations(platform.name()),
            rules: READ_ONLY,
        };
        connections.push(connection(store, "demo", ingest_url, wanted).await?);
    }
    Ok(connections)
}

/// Returns a random secret.
pub(crate) fn secret() -> String {
    format!("{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>())
}

fn tenant() -> Result<TenantId, Failed> {
    TenantId::new("demo").map_err(unusable)
}

/// Creates one of a store's locations.
async fn location(store: &Store, store_id: &str, name: &str) -> Result<LocationId, Failed> {
    let id = LocationId::new(&format!("{store_id}-{name}")).map_err(unusable)?;
    let of = StoreId::new(store_id).map_err(unusable)?;
    let setup = LocationSetup { tenant: tenant()?, store: of, id: id.clone(), name: name.to_owned() };
    store.upsert_location(&setup).await?;
    Ok(id)
}

fn unusable(error: impl std::fmt::Display) -> Failed {
    Failed::Usage(error.to_string())
}
