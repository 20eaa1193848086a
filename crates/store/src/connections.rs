//! Connections: stores' accounts on platforms, with the data needed to verify their deliveries and to call them.

use crate::{
    Sealed, Store, StoreError, Vault,
    columns::{baseline_rule, currency, health, id, id_or_null, time_or_null, unreadable},
    statement::{query, statements},
};
use model::{Connection, ConnectionId, ExternalId, Rules, StoreId, TenantId};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, postgres::PgRow, types::Json};

/// The column that credentials are sealed for.
pub(crate) const CREDENTIALS: &str = "credentials";

/// The part of a connection that is sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) token: String,
    pub(crate) secrets: Vec<String>,
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
        requests_per_minute: requests_per_minute(row)?,
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

/// Reads the column `requests_per_minute`.
pub(crate) fn requests_per_minute(row: &PgRow) -> Result<Option<u32>, StoreError> {
    let count: Option<i32> = row.try_get("requests_per_minute")?;
    count.map(|count| u32::try_from(count).map_err(|_| unreadable("requests_per_minute"))).transpose()
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
