//! Connections of a tenant's stores, without their credentials.

use super::{Edited, Part, Tenancy};
use crate::{
    Connection, Health, LISTED_ROWS, StoreError,
    columns::{baseline_rule, health, id, id_or_null, time, time_or_null},
    connections::requests_per_minute,
    statement::{query, statements},
};
use model::{BaselineRule, ConnectionId, ExternalId, LocationId, Origin, Rules, StoreId, Timestamp};
use sqlx::{Row as _, postgres::PgRow, types::Json};

/// A connection's settings without the credentials, with their revision, and the platform's acceptance of its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// The tenant, the store, the connection and its platform.
    pub origin: Origin,
    /// True if it isn't paused.
    pub enabled: bool,
    /// Scheme, host and port of its API.
    pub base_url: String,
    /// The account's name on the platform; empty if it isn't known.
    pub account: String,
    /// The API version to request; empty for the platform's default.
    pub api_version: String,
    /// The URL to which the platform sends webhooks.
    pub notification_url: String,
    /// The location of levels that are reported without one.
    pub default_location: Option<LocationId>,
    /// A limit of calls below the platform's own.
    pub requests_per_minute: Option<u32>,
    /// The kinds of values that are written to it.
    pub rules: Rules,
    /// The side whose number is taken at a first contact.
    pub baseline: BaselineRule,
    /// The platform's ids of the locations that are ignored.
    pub ignored_locations: Vec<String>,
    /// State of the platform's acceptance of its calls.
    pub health: Health,
    /// The reason for not being ok.
    pub health_reason: Option<String>,
    /// Time since which it isn't ok.
    pub health_since: Option<Timestamp>,
    /// The time at which it was created.
    pub created_at: Timestamp,
    /// The revision of the settings.
    pub revision: i64,
}

/// An edit of a connection's settings: the connection as it is to be, and the revision that the edit was made from.
#[derive(Debug)]
pub struct ConnectionEdit<'a> {
    /// The connection as it is to be.
    pub connection: &'a Connection,
    /// The revision that the edit was made from; `None` for any.
    pub from: Option<i64>,
}

impl Tenancy {
    /// Returns the connections of a store.
    pub async fn connections(
        &self,
        store: &StoreId,
        part: Part<'_>,
    ) -> Result<Vec<ConnectionSettings>, StoreError> {
        let statement = query(LIST)
            .bind(store.as_str().to_owned())
            .bind(part.after.to_owned())
            .bind(part.limit.min(LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns one connection; `None` if the tenant has none with that id.
    pub async fn connection(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<ConnectionSettings>, StoreError> {
        let statement = query(ONE).bind(connection.as_str().to_owned());
        self.fetch_optional(statement).await?.map(|row| read(&row)).transpose()
    }

    /// Returns a connection of the tenant with its credentials; `None` if the tenant has none with that id.
    pub async fn connection_to_call(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<Connection>, StoreError> {
        let found = self.store.connection(connection).await?;
        Ok(found.filter(|found| found.tenant == self.tenant))
    }

    /// Changes a connection's settings and seals its credentials, as [`crate::Store::upsert_connection`] does, if they
    /// have the revision that the edit was made from.
    pub async fn change_connection(&self, edit: ConnectionEdit<'_>) -> Result<Edited, StoreError> {
        if edit.connection.tenant != self.tenant {
            return Ok(Edited::Missing);
        }
        self.store.edit_connection(edit.connection, edit.from).await
    }

    /// Returns the links of a connection's locations, the platform's id first: at most [`LISTED_ROWS`].
    pub async fn location_links(
        &self,
        connection: &ConnectionId,
    ) -> Result<Vec<(ExternalId, LocationId)>, StoreError> {
        match self.connection(connection).await? {
            Some(_) => self.store.location_links(connection).await,
            None => Ok(Vec::new()),
        }
    }
}

fn read(row: &PgRow) -> Result<ConnectionSettings, StoreError> {
    Ok(ConnectionSettings {
        origin: Origin {
            tenant: id(row, "tenant")?,
            store: id(row, "store")?,
            connection: id(row, "id")?,
            platform: id(row, "platform")?,
        },
        enabled: row.try_get("enabled")?,
        base_url: row.try_get("base_url")?,
        account: row.try_get("account")?,
        api_version: row.try_get("api_version")?,
        notification_url: row.try_get("notification_url")?,
        default_location: id_or_null(row, "default_location")?,
        requests_per_minute: requests_per_minute(row)?,
        rules: row.try_get::<Json<Rules>, _>("rules")?.0,
        baseline: baseline_rule(row, "baseline")?,
        ignored_locations: row.try_get("ignored_locations")?,
        health: health(row, "health")?,
        health_reason: row.try_get("health_reason")?,
        health_since: time_or_null(row, "health_since")?,
        created_at: time(row, "created_at")?,
        revision: row.try_get("revision")?,
    })
}

/// The columns that a tenant may read.
macro_rules! connections {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant, store, platform, enabled, base_url, account, api_version, notification_url,
                 default_location, requests_per_minute, rules, baseline, ignored_locations, health, health_reason,
                 health_since, created_at, revision
             FROM connections ",
            $rest
        )
    };
}

statements! {
    const LIST: ByKey(text, text, int8) = connections!("WHERE store = $1 AND id > $2 ORDER BY id LIMIT $3");

    const ONE: ByKey(text) = connections!("WHERE id = $1");
}
