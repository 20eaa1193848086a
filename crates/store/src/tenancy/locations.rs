//! Locations of a tenant's stores.

use super::{Edited, Part, Tenancy};
use crate::{
    LISTED_ROWS, LocationSetup, StoreError,
    columns::id,
    statement::{query, statements},
};
use model::{LocationId, StoreId};
use sqlx::{Row as _, postgres::PgRow};

/// A location's settings, with their revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationRow {
    /// The settings.
    pub setup: LocationSetup,
    /// The revision of the settings.
    pub revision: i64,
}

impl Tenancy {
    /// Returns the locations of a store.
    pub async fn locations(&self, store: &StoreId, part: Part<'_>) -> Result<Vec<LocationRow>, StoreError> {
        let statement = query(LIST)
            .bind(store.as_str().to_owned())
            .bind(part.after.to_owned())
            .bind(part.limit.min(LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns one location; `None` if the tenant has none with that id.
    pub async fn location(&self, location: &LocationId) -> Result<Option<LocationRow>, StoreError> {
        let statement = query(ONE).bind(location.as_str().to_owned());
        self.fetch_optional(statement).await?.map(|row| read(&row)).transpose()
    }

    /// Creates a location of one of the tenant's stores. Returns `false` if there is one with that id, of any tenant, or
    /// if the tenant has no such store.
    pub async fn create_location(&self, setup: &LocationSetup) -> Result<bool, StoreError> {
        let statement = query(CREATE)
            .bind(setup.id.as_str().to_owned())
            .bind(self.tenant.as_str().to_owned())
            .bind(setup.store.as_str().to_owned())
            .bind(setup.name.clone());
        Ok(self.store.execute(statement).await?.rows_affected() == 1)
    }

    /// Renames a location if its settings have the revision `from`; any revision if that is `None`.
    pub async fn rename_location(
        &self,
        location: &LocationId,
        name: &str,
        from: Option<i64>,
    ) -> Result<Edited, StoreError> {
        let statement = query(RENAME)
            .bind(location.as_str().to_owned())
            .bind(self.tenant.as_str().to_owned())
            .bind(name.to_owned())
            .bind(from);
        if let Some(row) = self.store.fetch_optional(statement).await? {
            return Ok(Edited::Done(row.try_get("revision")?));
        }
        Ok(if self.location(location).await?.is_some() { Edited::Stale } else { Edited::Missing })
    }
}

fn read(row: &PgRow) -> Result<LocationRow, StoreError> {
    let setup = LocationSetup {
        tenant: id(row, "tenant")?,
        store: id(row, "store")?,
        id: id(row, "id")?,
        name: row.try_get("name")?,
    };
    Ok(LocationRow { setup, revision: row.try_get("revision")? })
}

statements! {
    const LIST: ByKey(text, text, int8) = "
        SELECT id, tenant, store, name, revision FROM locations
        WHERE store = $1 AND id > $2 ORDER BY id LIMIT $3";

    const ONE: ByKey(text) = "SELECT id, tenant, store, name, revision FROM locations WHERE id = $1";

    const CREATE: ByKey(text, text, text, text) = "
        INSERT INTO locations (id, tenant, store, name)
        SELECT $1, s.tenant, s.id, $4 FROM stores s WHERE s.id = $3 AND s.tenant = $2
        ON CONFLICT (id) DO NOTHING";

    const RENAME: ByKey(text, text, text, int8) = "
        UPDATE locations SET name = $3
        WHERE id = $1 AND tenant = $2 AND revision = coalesce($4, revision)
        RETURNING revision";
}
