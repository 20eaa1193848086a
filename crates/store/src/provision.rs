//! Set-up of tenants, stores, locations and connections.

use crate::{
    Connection, Edited, Sealed, Store, StoreError,
    access_tokens::DISCARD_SEALED_OTHERWISE,
    columns::{id, json, signed},
    connection_states::{Owner, Refused, begin_anew},
    connections::{self, CREDENTIALS, Credentials, open, sealed},
    error::within,
    statement::{Bound, Statement, parameters, query, statements},
};
use model::{ConnectionId, Currency, ExternalId, LinkKind, LocationId, StoreId, TenantId};
use sqlx::{Row as _, postgres::PgRow};

/// The set-up of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSetup {
    /// The tenant.
    pub tenant: TenantId,
    /// Its id.
    pub id: StoreId,
    /// Its name, for people.
    pub name: String,
    /// The currency of amounts that are reported without one.
    pub currency: Option<Currency>,
    /// The IANA name of the time zone of its calendar days.
    pub timezone: String,
}

/// The set-up of a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationSetup {
    /// The tenant.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// Its id.
    pub id: LocationId,
    /// Its name, for people.
    pub name: String,
}

impl Store {
    /// Creates a tenant if there is none with that id.
    pub async fn upsert_tenant(&self, tenant: &TenantId) -> Result<(), StoreError> {
        let statement = query(UPSERT_TENANT).bind(tenant.as_str().to_owned());
        self.execute(statement).await.map(drop)
    }

    /// Creates or changes a store. Refuses to move it to another tenant.
    pub async fn upsert_store(&self, store: &StoreSetup) -> Result<(), StoreError> {
        let statement = query(UPSERT_STORE)
            .bind(store.id.as_str().to_owned())
            .bind(store.tenant.as_str().to_owned())
            .bind(store.name.clone())
            .bind(store.currency.map(|currency| currency.to_string()))
            .bind(store.timezone.clone());
        self.one_row(statement, "the store belongs to another tenant").await
    }

    /// Creates or renames a location. Refuses to move it to another store.
    pub async fn upsert_location(&self, location: &LocationSetup) -> Result<(), StoreError> {
        let statement = query(UPSERT_LOCATION)
            .bind(location.id.as_str().to_owned())
            .bind(location.tenant.as_str().to_owned())
            .bind(location.store.as_str().to_owned())
            .bind(location.name.clone());
        self.one_row(statement, "the location belongs to another store, or there is no such store").await
    }

    /// Creates or changes a connection and seals its credentials. Refuses to move it to another store or platform, and
    /// refuses an account of the platform that another connection of the store has. The currency belongs to the store
    /// and isn't written here. The rule for first contacts and the ignored locations are written only when the
    /// connection is created. The state is never written, but a change resets it to ok until a call shows otherwise.
    pub async fn upsert_connection(&self, connection: &Connection) -> Result<(), StoreError> {
        self.edit_connection(connection, None).await.map(drop)
    }

    /// Like [`Store::upsert_connection`], if the settings have the revision `from`: another one changes nothing, and so
    /// does a revision of a connection that doesn't exist.
    pub(crate) async fn edit_connection(
        &self,
        connection: &Connection,
        from: Option<i64>,
    ) -> Result<Edited, StoreError> {
        let credentials =
            Credentials { token: connection.token.clone(), secrets: connection.secrets.clone() };
        let plain = json(&credentials)?;
        let sealed = self.vault.seal(&connection.tenant, &connection.id, CREDENTIALS, plain.as_bytes())?;
        // Boxed: otherwise the future of every caller that sets up many things would include this large one.
        Box::pin(self.write_connection(connection, upsert(connection, sealed)?, from)).await
    }

    async fn write_connection(
        &self,
        connection: &Connection,
        statement: Bound,
        from: Option<i64>,
    ) -> Result<Edited, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let refused = within(self.limit, Refused::lock(&mut transaction, &connection.id)).await?;
        let known = query(LOCK_CONNECTION).bind(connection.id.as_str());
        let known = within(self.limit, known.fetch_optional(&mut *transaction)).await?;
        if let Some(from) = from {
            let Some(known) = &known else { return Ok(Edited::Missing) };
            if known.try_get::<i64, _>("revision")? != from {
                return Ok(Edited::Stale);
            }
        }
        let written = within(self.limit, statement.fetch_optional(&mut *transaction)).await;
        let Some(written) = written.map_err(one_account)? else {
            return Err(StoreError::refused(
                "the connection belongs to another store or platform, or there is no such store",
            ));
        };
        // Credentials that can't be opened because their key is missing count as changed.
        let is_changed = |row: &PgRow| {
            !connections::read(row, &self.vault).is_ok_and(|known| known.is_set_up_like(connection))
        };
        if known.as_ref().is_some_and(is_changed) {
            let owner = Owner { tenant: connection.tenant.clone(), store: connection.store.clone() };
            within(self.limit, begin_anew(&mut transaction, &owner, &connection.id, refused)).await?;
        }
        within(self.limit, transaction.commit()).await?;
        Ok(Edited::Done(written.try_get("revision")?))
    }

    /// Links a platform's location to one of the store's locations. Refuses a location of another store, a change of an
    /// existing link, and a second location of the platform for a location that already has one: a value due there
    /// could be written to only one of them.
    pub async fn upsert_location_link(
        &self,
        connection: &ConnectionId,
        external: &ExternalId,
        location: &LocationId,
    ) -> Result<(), StoreError> {
        let statement = |statement: Statement<LinkColumns>| {
            query(statement)
                .bind(connection.as_str().to_owned())
                .bind(external.as_str().to_owned())
                .bind(location.as_str().to_owned())
                .bind(LinkKind::Location.as_str())
        };
        let made = self.execute(statement(LINK_LOCATION));
        if made.await?.rows_affected() == 1 {
            return Ok(());
        }
        let found = self.fetch_all(statement(LINKS_OF_LOCATION));
        let found: Vec<(bool, bool)> = found
            .await?
            .iter()
            .map(|row| Ok((row.try_get("is_place")?, row.try_get("is_location")?)))
            .collect::<Result<_, sqlx::Error>>()?;
        Err(StoreError::refused(match found.as_slice() {
            [(true, true), ..] => return Ok(()),
            [(true, false), ..] => "the platform's location is linked to another one",
            [(false, _), ..] => "another location of the platform is linked to this one",
            [] => "there is no such connection, or the location isn't of its store",
        }))
    }

    /// Reseals with the current key everything sealed with another key; discards access tokens sealed with another key, which
    /// are issued again. Returns the number of those connections.
    pub async fn reseal_credentials(&self) -> Result<u64, StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        let rows = within(
            self.limit,
            query(LOCK_SEALED_OTHERWISE)
                .bind(self.vault.current_key().to_owned())
                .fetch_all(&mut *transaction),
        )
        .await?;
        for row in &rows {
            let (tenant, connection): (TenantId, ConnectionId) = (id(row, "tenant")?, id(row, "id")?);
            let plain = json(&open(&self.vault, &tenant, &connection, &sealed(row)?)?)?;
            let anew = self.vault.seal(&tenant, &connection, CREDENTIALS, plain.as_bytes())?;
            let statement =
                query(SEAL).bind(connection.as_str().to_owned()).bind(anew.bytes).bind(anew.key_id);
            within(self.limit, statement.execute(&mut *transaction)).await?;
        }
        // Issued tokens are issued again.
        let discarded = query(DISCARD_SEALED_OTHERWISE).bind(self.vault.current_key().to_owned());
        within(self.limit, discarded.execute(&mut *transaction)).await?;
        within(self.limit, transaction.commit()).await?;
        Ok(signed(rows.len())?.unsigned_abs())
    }

    /// Returns the store's locations with their names.
    pub async fn locations_of(&self, store: &StoreId) -> Result<Vec<LocationSetup>, StoreError> {
        let statement = query(LOCATIONS).bind(store.as_str().to_owned()).bind(crate::LISTED_ROWS);
        self.fetch_all(statement)
            .await?
            .iter()
            .map(|row| {
                Ok(LocationSetup {
                    tenant: id(row, "tenant")?,
                    store: id(row, "store")?,
                    id: id(row, "id")?,
                    name: row.try_get("name")?,
                })
            })
            .collect()
    }

    async fn one_row(&self, statement: Bound, otherwise: &str) -> Result<(), StoreError> {
        match self.execute(statement).await?.rows_affected() {
            1 => Ok(()),
            _ => Err(StoreError::refused(otherwise)),
        }
    }
}

/// Connection, the platform's id, our id and kind of a link.
type LinkColumns = parameters!(text, text, text, text);

fn upsert(connection: &Connection, sealed: Sealed) -> Result<Bound, StoreError> {
    let requests = connection.requests_per_minute.map(i32::try_from).transpose();
    let ignored = connection.ignored_locations.iter().map(|location| location.as_str().to_owned());
    Ok(query(UPSERT_CONNECTION)
        .bind(connection.id.as_str().to_owned())
        .bind(connection.tenant.as_str().to_owned())
        .bind(connection.store.as_str().to_owned())
        .bind(connection.platform.as_str().to_owned())
        .bind(connection.enabled)
        .bind(connection.base_url.clone())
        .bind(connection.account.clone())
        .bind(connection.api_version.clone())
        .bind(connection.notification_url.clone())
        .bind(connection.default_location.as_ref().map(|location| location.as_str().to_owned()))
        .bind(requests.map_err(|_| StoreError::refused("requests per minute are too many"))?)
        .bind(json(&connection.rules)?)
        .bind(sealed.bytes)
        .bind(sealed.key_id)
        .bind(connection.baseline.as_str())
        .bind(ignored.collect::<Vec<_>>()))
}

/// Describes a violation of the index of accounts in words.
fn one_account(error: StoreError) -> StoreError {
    match error {
        StoreError::Refused { what } if what.contains("constraint connections_account") => {
            StoreError::refused("another connection of the store has this account of the platform")
        }
        other => other,
    }
}

statements! {
    const UPSERT_TENANT: ByKey(text) = "INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING";

    const UPSERT_STORE: ByKey(text, text, text, text, text) = "
        INSERT INTO stores AS s (id, tenant, name, currency, timezone) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO UPDATE
        SET name = excluded.name, currency = excluded.currency, timezone = excluded.timezone
        WHERE s.tenant = excluded.tenant";

    const UPSERT_LOCATION: ByKey(text, text, text, text) = "
        INSERT INTO locations AS l (id, tenant, store, name)
        SELECT $1, s.tenant, s.id, $4 FROM stores s WHERE s.id = $3 AND s.tenant = $2
        ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE l.store = excluded.store";

    const LOCK_CONNECTION: ByKey(text) = "
        SELECT c.*, s.currency FROM connections c JOIN stores s ON s.id = c.store
        WHERE c.id = $1 FOR NO KEY UPDATE OF c";

    const LINK_LOCATION: ByKey(text, text, text, text) = "
        INSERT INTO links (tenant, connection, kind, external, internal)
        SELECT c.tenant, c.id, $4, $2, l.id
        FROM connections c JOIN locations l ON l.store = c.store
        WHERE c.id = $1 AND l.id = $3
        ON CONFLICT DO NOTHING";

    const LINKS_OF_LOCATION: ByKey(text, text, text, text) = "
        SELECT external = $2 AS is_place, internal = $3 AS is_location FROM links
        WHERE connection = $1 AND kind = $4 AND (external = $2 OR internal = $3)";

    const LOCK_SEALED_OTHERWISE: Any(text) = "
        SELECT id, tenant, credentials, key_id FROM connections WHERE key_id <> $1
        ORDER BY id FOR NO KEY UPDATE";

    const SEAL: ByKey(text, bytea, text) = "UPDATE connections SET credentials = $2, key_id = $3 WHERE id = $1";

    const LOCATIONS: ByKey(text, int8) =
        "SELECT id, tenant, store, name FROM locations WHERE store = $1 ORDER BY id LIMIT $2";

    const UPSERT_CONNECTION: ByKey(
        text, text, text, text, bool, text, text, text, text, text, int4, text, bytea, text, text,
        text[]
    ) = "
        INSERT INTO connections AS c (id, tenant, store, platform, enabled, base_url, account, api_version,
            notification_url, default_location, requests_per_minute, rules, credentials, key_id, baseline,
            baseline_initial, ignored_locations)
        SELECT $1, s.tenant, s.id, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb, $13, $14, $15, $15, $16
        FROM stores s WHERE s.id = $3 AND s.tenant = $2
        ON CONFLICT (id) DO UPDATE
        SET enabled = excluded.enabled, base_url = excluded.base_url, account = excluded.account,
            api_version = excluded.api_version, notification_url = excluded.notification_url,
            default_location = excluded.default_location,
            requests_per_minute = excluded.requests_per_minute, rules = excluded.rules,
            credentials = excluded.credentials, key_id = excluded.key_id, updated_at = now()
        WHERE c.store = excluded.store AND c.platform = excluded.platform
        RETURNING c.revision";
}
