//! Keys of the management API.

use crate::{
    LISTED_ROWS, Part, Store, StoreError, Tenancy,
    columns::{id_or_null, time, time_or_null, unreadable},
    statement::{query, statements},
};
use model::{Role, Scope, StoreId, TenantId, Timestamp};
use sqlx::{Row as _, postgres::PgRow};

/// A key to create.
#[derive(Debug)]
pub struct NewApiKey<'a> {
    /// Its id, which is a part of its text.
    pub id: &'a str,
    /// The rows that it gives access to.
    pub scope: &'a Scope,
    /// The permissions that it gives.
    pub role: Role,
    /// Its name, for people.
    pub name: &'a str,
    /// SHA-256 of its secret.
    pub digest: [u8; 32],
    /// The caller that issues it.
    pub created_by: &'a str,
    /// Its end.
    pub expires_at: Timestamp,
}

/// A key, without the digest of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, which is a part of its text.
    pub id: String,
    /// The rows that it gives access to.
    pub scope: Scope,
    /// The permissions that it gives.
    pub role: Role,
    /// Its name, for people.
    pub name: String,
    /// The caller that issued it.
    pub created_by: String,
    /// Time of its issue.
    pub created_at: Timestamp,
    /// Its end.
    pub expires_at: Timestamp,
    /// Time at which it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A key with the digest of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredApiKey {
    /// The key.
    pub key: ApiKey,
    /// SHA-256 of its secret.
    pub digest: [u8; 32],
}

impl ApiKey {
    /// Returns true if the key is in force at `now`.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

impl Store {
    /// Creates a key. Returns `false` if there is one with that id, or if the store isn't the tenant's.
    pub async fn create_api_key(&self, key: &NewApiKey<'_>) -> Result<bool, StoreError> {
        let statement = query(CREATE)
            .bind(key.id.to_owned())
            .bind(key.scope.tenant().map(|tenant| tenant.as_str().to_owned()))
            .bind(key.scope.store().map(|store| store.as_str().to_owned()))
            .bind(key.role.as_str())
            .bind(key.name.to_owned())
            .bind(key.digest.to_vec())
            .bind(key.created_by.to_owned())
            .bind(key.expires_at.as_chrono());
        Ok(self.execute(statement).await?.rows_affected() == 1)
    }

    /// Returns the key with that id, in force or not; `None` if there is none.
    pub async fn api_key(&self, id: &str) -> Result<Option<StoredApiKey>, StoreError> {
        let Some(row) = self.fetch_optional(query(ONE).bind(id.to_owned())).await? else { return Ok(None) };
        let digest: &[u8] = row.try_get("digest")?;
        let digest = <[u8; 32]>::try_from(digest).map_err(|_| unreadable("digest"))?;
        Ok(Some(StoredApiKey { key: read(&row)?, digest }))
    }

    /// Returns the keys that give access to all tenants.
    pub async fn api_keys_of_all_tenants(&self, part: Part<'_>) -> Result<Vec<ApiKey>, StoreError> {
        let statement = query(OF_ALL).bind(part.after.to_owned()).bind(part.limit.min(LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Revokes a key of a tenant, or one that gives access to all of them. Returns `false` if there is none with that id. A
    /// key that was revoked before keeps that time.
    pub async fn revoke_api_key(&self, id: &str, tenant: Option<&TenantId>) -> Result<bool, StoreError> {
        let statement =
            query(REVOKE).bind(id.to_owned()).bind(tenant.map(|tenant| tenant.as_str().to_owned()));
        Ok(self.execute(statement).await?.rows_affected() == 1)
    }
}

impl Tenancy {
    /// Returns the tenant's keys.
    pub async fn api_keys(&self, part: Part<'_>) -> Result<Vec<ApiKey>, StoreError> {
        let statement = query(OF_TENANT)
            .bind(self.tenant().as_str().to_owned())
            .bind(part.after.to_owned())
            .bind(part.limit.min(LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }
}

fn read(row: &PgRow) -> Result<ApiKey, StoreError> {
    let tenant: Option<TenantId> = id_or_null(row, "tenant")?;
    let store: Option<StoreId> = id_or_null(row, "store")?;
    let scope = match (tenant, store) {
        (None, None) => Scope::All,
        (Some(tenant), None) => Scope::Tenant(tenant),
        (Some(tenant), Some(store)) => Scope::Store(tenant, store),
        (None, Some(_)) => return Err(unreadable("store")),
    };
    Ok(ApiKey {
        id: row.try_get("id")?,
        scope,
        role: Role::parse(row.try_get("role")?).ok_or_else(|| unreadable("role"))?,
        name: row.try_get("name")?,
        created_by: row.try_get("created_by")?,
        created_at: time(row, "created_at")?,
        expires_at: time(row, "expires_at")?,
        revoked_at: time_or_null(row, "revoked_at")?,
    })
}

statements! {
    const CREATE: ByKey(text, text, text, text, text, bytea, text, timestamptz) = "
        INSERT INTO api_keys (id, tenant, store, role, name, digest, created_by, expires_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8
        WHERE $3::text IS NULL OR EXISTS (SELECT FROM stores s WHERE s.id = $3 AND s.tenant = $2)
        ON CONFLICT (id) DO NOTHING";

    const ONE: ByKey(text) = "SELECT * FROM api_keys WHERE id = $1";

    const OF_ALL: ByKey(text, int8) =
        "SELECT * FROM api_keys WHERE tenant IS NULL AND id > $1 ORDER BY id LIMIT $2";

    const OF_TENANT: ByKey(text, text, int8) = "
        SELECT id, tenant, store, role, name, created_by, created_at, expires_at, revoked_at FROM api_keys
        WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3";

    const REVOKE: ByKey(text, text) = "
        UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
        WHERE id = $1 AND tenant IS NOT DISTINCT FROM $2";
}
