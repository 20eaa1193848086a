//! Rows of one tenant, read behind row-level security, and its settings, changed by revision.

pub(crate) mod connections;
mod decisions;
pub(crate) mod locations;
pub(crate) mod stores;

pub use connections::{ConnectionEdit, ConnectionSettings};
pub use decisions::LatestPart;
pub use locations::LocationRow;
pub use stores::StoreRow;

use crate::{
    Store, StoreError,
    error::within,
    statement::{Bound, query, statements},
};
use model::TenantId;
use sqlx::{Postgres, Transaction, postgres::PgRow};

/// The result of an edit of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// The settings are as requested, and have this revision.
    Done(i64),
    /// The settings have another revision than the edit was made from; nothing was changed.
    Stale,
    /// There are no such settings of this tenant.
    Missing,
}

/// A part of a list: what comes after an id, in the order of ids.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The id that the part begins after; empty for the first part.
    pub after: &'a str,
    /// Upper limit of the number of rows; at most [`crate::LISTED_ROWS`].
    pub limit: i64,
}

/// The record as one tenant sees it. Every read is a transaction of the role `tillflow_tenant`: a row of another tenant
/// doesn't exist there, whatever the statement says. Cheap to clone.
#[derive(Clone)]
pub struct Tenancy {
    store: Store,
    tenant: TenantId,
}

impl Store {
    /// Returns the record as a tenant sees it.
    pub fn of_tenant(&self, tenant: TenantId) -> Tenancy {
        Tenancy { store: self.clone(), tenant }
    }

    /// Checks that the login may see the record as tenants do: it has to be a member of `tillflow_tenant`.
    pub async fn check_tenancy(&self) -> Result<(), StoreError> {
        let mut transaction = self.bounded(self.pool.begin()).await?;
        within(self.limit, query(ENTER).bind(String::new()).execute(&mut *transaction)).await?;
        within(self.limit, transaction.rollback()).await
    }

    /// Returns the ids of tenants, in their order.
    pub async fn tenants(&self, part: Part<'_>) -> Result<Vec<TenantId>, StoreError> {
        let statement = query(TENANTS).bind(part.after.to_owned()).bind(part.limit.min(crate::LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(|row| crate::columns::id(row, "id")).collect()
    }
}

impl Tenancy {
    /// The tenant.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Returns true if the tenant exists.
    pub async fn exists(&self) -> Result<bool, StoreError> {
        Ok(self.fetch_optional(query(TENANT).bind(self.tenant.as_str().to_owned())).await?.is_some())
    }

    /// Begins a transaction that sees the tenant's rows alone.
    async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut transaction = self.store.bounded(self.store.pool.begin()).await?;
        let enter = query(ENTER).bind(self.tenant.as_str().to_owned());
        within(self.store.limit, enter.execute(&mut *transaction)).await?;
        Ok(transaction)
    }

    pub(crate) async fn fetch_all(&self, statement: Bound) -> Result<Vec<PgRow>, StoreError> {
        let mut transaction = self.begin().await?;
        let rows = within(self.store.limit, statement.fetch_all(&mut *transaction)).await?;
        within(self.store.limit, transaction.commit()).await?;
        Ok(rows)
    }

    async fn fetch_optional(&self, statement: Bound) -> Result<Option<PgRow>, StoreError> {
        let mut transaction = self.begin().await?;
        let row = within(self.store.limit, statement.fetch_optional(&mut *transaction)).await?;
        within(self.store.limit, transaction.commit()).await?;
        Ok(row)
    }
}

statements! {
    const ENTER: ByKey(text) =
        "SELECT set_config('role', 'tillflow_tenant', true), set_config('tillflow.tenant', $1, true)";

    const TENANT: ByKey(text) = "SELECT id FROM tenants WHERE id = $1";

    const TENANTS: ByKey(text, int8) = "SELECT id FROM tenants WHERE id > $1 ORDER BY id LIMIT $2";
}
