//! Connections: stores' accounts on platforms, with the data needed to verify their deliveries and to call them.

use crate::{
    Health, Sealed, Store, StoreError, Vault,
    columns::{baseline_rule, currency, health, id, id_or_null, time_or_null, unreadable},
    statement::{query, statements},
};
use model::{
    BaselineRule, CallGate, ConnectionId, Currency, ExternalId, LocationId, PlatformName, StoreId, TenantId,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, postgres::PgRow, types::Json};
use std::{collections::BTreeSet, fmt};

/// The column that credentials are sealed for.
pub(crate) const CREDENTIALS: &str = "credentials";

/// The kinds of the store's values that are written to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Levels.
    pub propagate_inventory: bool,
    /// Prices.
    pub propagate_prices: bool,
    /// Titles and descriptions.
    pub propagate_products: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { propagate_inventory: true, propagate_prices: true, propagate_products: true }
    }
}

/// One account of a store on a platform.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// The tenant that owns the store.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The id of the connection.
    pub id: ConnectionId,
    /// The platform.
    pub platform: PlatformName,
    /// True if it isn't paused: its platform may be called.
    pub enabled: bool,
    /// Scheme, host and port of its API, without a slash at the end.
    pub base_url: String,
    /// The account's name on the platform, in the form that its API and its deliveries use: Shopify's shop
    /// domain, Square's merchant id, Treez' dispensary. A delivery that names another one is refused; empty if
    /// the name isn't known.
    pub account: String,
    /// The API version to request; empty for the platform's default.
    pub api_version: String,
    /// The access token; secret.
    pub token: String,
    /// Every active webhook secret: the present one and, during a rotation, the former one.
    pub secrets: Vec<String>,
    /// The URL as registered with the platform.
    pub notification_url: String,
    /// The location of levels that are reported without one.
    pub default_location: Option<LocationId>,
    /// A limit below the platform's own, if the merchant set one.
    pub requests_per_minute: Option<u32>,
    /// The kinds of values that are written to it.
    pub rules: Rules,
    /// State of the platform's acceptance of its calls; set from the results of calls,
    /// not by [`Store::upsert_connection`].
    pub health: Health,
    /// The reason for not being ok, in the platform's words or ours.
    pub health_reason: Option<String>,
    /// Time since which it isn't ok.
    pub health_since: Option<Timestamp>,
    /// Earliest time of the next probe call, which checks that the platform accepts calls again.
    pub probe_at: Option<Timestamp>,
    /// The side whose number is taken at a first contact. [`Store::upsert_connection`] writes it when it creates the
    /// connection; afterwards only an instruction changes it.
    pub baseline: BaselineRule,
    /// The platform's ids of the locations that are ignored. [`Store::upsert_connection`] writes them when it creates
    /// the connection; afterwards only [`Store::ignore_location`] changes them.
    pub ignored_locations: BTreeSet<ExternalId>,
    /// The store's currency, for amounts that are reported without one. Stored with the store: see `upsert_store`.
    pub currency: Option<Currency>,
}

impl fmt::Debug for Connection {
    // The token and the secrets are never logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("store", &self.store)
            .field("platform", &self.platform)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// The part of a connection that is sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) token: String,
    pub(crate) secrets: Vec<String>,
}

impl Connection {
    /// Returns true if `other` calls the platform in the same way: as the same account, with the same
    /// credentials and settings.
    pub(crate) fn is_set_up_like(&self, other: &Self) -> bool {
        self.enabled == other.enabled
            && self.base_url == other.base_url
            && self.account == other.account
            && self.api_version == other.api_version
            && self.token == other.token
            && self.secrets == other.secrets
            && self.notification_url == other.notification_url
            && self.default_location == other.default_location
            && self.requests_per_minute == other.requests_per_minute
            && self.rules == other.rules
    }

    /// Returns the facts that decide if its platform is called.
    pub const fn call_gate(&self) -> CallGate {
        CallGate { enabled: self.enabled, health: self.health, probe_at: self.probe_at }
    }

    /// Returns the connection as the origin of events.
    pub fn origin(&self) -> model::Origin {
        model::Origin {
            tenant: self.tenant.clone(),
            store: self.store.clone(),
            connection: self.id.clone(),
            platform: self.platform.clone(),
        }
    }
}

impl Store {
    /// Returns one connection; `None` if there is none with that id.
    pub async fn connection(&self, connection: &ConnectionId) -> Result<Option<Connection>, StoreError> {
        Ok(self.connections(std::slice::from_ref(connection)).await?.pop())
    }

    /// Returns those of the wanted connections that exist, in the order of their ids.
    pub async fn connections(&self, wanted: &[ConnectionId]) -> Result<Vec<Connection>, StoreError> {
        let statement = query(BY_ID).bind(wanted.iter().map(ConnectionId::as_str).collect::<Vec<_>>());
        self.read_connections(&self.fetch_all(statement).await?)
    }

    /// Returns every connection of those stores, in the order of their ids.
    pub async fn connections_of(&self, stores: &[StoreId]) -> Result<Vec<Connection>, StoreError> {
        let statement = query(OF_STORES).bind(stores.iter().map(StoreId::as_str).collect::<Vec<_>>());
        self.read_connections(&self.fetch_all(statement).await?)
    }

    /// Returns the stores after `after`, in the order of their ids: those that a service serves at start.
    /// At most [`crate::LISTED_ROWS`].
    pub async fn stores(&self, after: Option<&StoreId>) -> Result<Vec<StoreId>, StoreError> {
        let statement =
            query(STORES).bind(after.map_or("", |store| store.as_str()).to_owned()).bind(crate::LISTED_ROWS);
        self.fetch_all(statement).await?.iter().map(|row| id(row, "id")).collect()
    }

    fn read_connections(&self, rows: &[PgRow]) -> Result<Vec<Connection>, StoreError> {
        rows.iter().map(|row| read(row, &self.vault)).collect()
    }
}

pub(crate) fn read(row: &PgRow, vault: &Vault) -> Result<Connection, StoreError> {
    let tenant: TenantId = id(row, "tenant")?;
    let connection: ConnectionId = id(row, "id")?;
    let credentials = open(vault, &tenant, &connection, &sealed(row)?)?;
    let code: Option<&str> = row.try_get("currency")?;
    let requests: Option<i32> = row.try_get("requests_per_minute")?;
    let ignored: Vec<String> = row.try_get("ignored_locations")?;
    let ignored = ignored.into_iter().map(ExternalId::try_from).collect::<Result<_, _>>();
    Ok(Connection {
        store: id(row, "store")?,
        platform: id(row, "platform")?,
        enabled: row.try_get("enabled")?,
        base_url: row.try_get("base_url")?,
        account: row.try_get("account")?,
        api_version: row.try_get("api_version")?,
        token: credentials.token,
        secrets: credentials.secrets,
        notification_url: row.try_get("notification_url")?,
        default_location: id_or_null(row, "default_location")?,
        requests_per_minute: requests
            .map(|count| u32::try_from(count).map_err(|_| unreadable("requests_per_minute")))
            .transpose()?,
        rules: row.try_get::<Json<Rules>, _>("rules")?.0,
        health: health(row, "health")?,
        health_reason: row.try_get("health_reason")?,
        health_since: time_or_null(row, "health_since")?,
        probe_at: time_or_null(row, "probe_at")?,
        baseline: baseline_rule(row, "baseline")?,
        ignored_locations: ignored.map_err(|_| unreadable("ignored_locations"))?,
        currency: code.map(|code| currency(code, "currency")).transpose()?,
        tenant,
        id: connection,
    })
}

/// Reads the columns `credentials` and `key_id`.
pub(crate) fn sealed(row: &PgRow) -> Result<Sealed, StoreError> {
    Ok(Sealed { key_id: row.try_get("key_id")?, bytes: row.try_get(CREDENTIALS)? })
}

/// Opens a connection's credentials.
pub(crate) fn open(
    vault: &Vault,
    tenant: &TenantId,
    connection: &ConnectionId,
    sealed: &Sealed,
) -> Result<Credentials, StoreError> {
    let plain = vault.open(tenant, connection, CREDENTIALS, sealed)?;
    // The JSON error would quote the secret.
    serde_json::from_slice(&plain).map_err(|_| unreadable(CREDENTIALS))
}

statements! {
    const BY_ID: ByKey(text[]) = "
        SELECT c.*, s.currency FROM connections c JOIN stores s ON s.id = c.store
        WHERE c.id = ANY($1) ORDER BY c.id";

    const OF_STORES: ByKey(text[]) = "
        SELECT c.*, s.currency FROM connections c JOIN stores s ON s.id = c.store
        WHERE c.store = ANY($1) ORDER BY c.id";

    const STORES: ByKey(text, int8) = "SELECT id FROM stores WHERE id > $1 ORDER BY id LIMIT $2";
}
