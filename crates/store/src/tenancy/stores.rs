//! A tenant's stores.

use super::{Edited, Part, Tenancy};
use crate::{
    LISTED_ROWS, StoreError, StoreSetup,
    columns::{currency, id},
    statement::{query, statements},
};
use model::StoreId;
use sqlx::{Row as _, postgres::PgRow};

/// A store's settings, with their revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreRow {
    /// The settings.
    pub setup: StoreSetup,
    /// The revision of the settings.
    pub revision: i64,
}

impl Tenancy {
    /// Returns the tenant's stores.
    pub async fn stores(&self, part: Part<'_>) -> Result<Vec<StoreRow>, StoreError> {
        let statement = query(LIST)
            .bind(self.tenant.as_str().to_owned())
            .bind(part.after.to_owned())
            .bind(part.limit.min(LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns one store; `None` if the tenant has none with that id.
    pub async fn store(&self, store: &StoreId) -> Result<Option<StoreRow>, StoreError> {
        let statement = query(ONE).bind(store.as_str().to_owned());
        self.fetch_optional(statement).await?.map(|row| read(&row)).transpose()
    }

    /// Creates a store with this id and these settings. Returns `false` if there is one with that id, of any tenant.
    pub async fn create_store(&self, setup: &StoreSetup) -> Result<bool, StoreError> {
        let statement = query(CREATE)
            .bind(setup.id.as_str().to_owned())
            .bind(self.tenant.as_str().to_owned())
            .bind(setup.name.clone())
            .bind(setup.currency.map(|currency| currency.to_string()))
            .bind(setup.timezone.clone());
        Ok(self.store.execute(statement).await?.rows_affected() == 1)
    }

    /// Changes a store's settings if they have the revision `from`; any revision if that is `None`.
    pub async fn change_store(&self, setup: &StoreSetup, from: Option<i64>) -> Result<Edited, StoreError> {
        let statement = query(CHANGE)
            .bind(setup.id.as_str().to_owned())
            .bind(self.tenant.as_str().to_owned())
            .bind(setup.name.clone())
            .bind(setup.currency.map(|currency| currency.to_string()))
            .bind(setup.timezone.clone())
            .bind(from);
        if let Some(row) = self.store.fetch_optional(statement).await? {
            return Ok(Edited::Done(row.try_get("revision")?));
        }
        Ok(if self.store(&setup.id).await?.is_some() { Edited::Stale } else { Edited::Missing })
    }
}

fn read(row: &PgRow) -> Result<StoreRow, StoreError> {
    let code: Option<&str> = row.try_get("currency")?;
    Ok(StoreRow {
        setup: StoreSetup {
            tenant: id(row, "tenant")?,
            id: id(row, "id")?,
            name: row.try_get("name")?,
            currency: code.map(|code| currency(code, "currency")).transpose()?,
            timezone: row.try_get("timezone")?,
        },
        revision: row.try_get("revision")?,
    })
}

statements! {
    const LIST: ByKey(text, text, int8) = "
        SELECT id, tenant, name, currency, timezone, revision FROM stores
        WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3";

    const ONE: ByKey(text) =
        "SELECT id, tenant, name, currency, timezone, revision FROM stores WHERE id = $1";

    const CREATE: ByKey(text, text, text, text, text) = "
        INSERT INTO stores (id, tenant, name, currency, timezone) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO NOTHING";

    const CHANGE: ByKey(text, text, text, text, text, int8) = "
        UPDATE stores SET name = $3, currency = $4, timezone = $5
        WHERE id = $1 AND tenant = $2 AND revision = coalesce($6, revision)
        RETURNING revision";
}
