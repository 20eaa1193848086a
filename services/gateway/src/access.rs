//! Access of routes to the record: only through a permission, and only to the caller's own rows.

use crate::{Gateway, authentication::Caller, problem::Problem};
use axum::{extract::FromRequestParts, http::request::Parts};
use model::{ConnectionId, LocationId, Permission, StoreId, TenantId};
use std::sync::Arc;
use store::{ConflictRow, ConnectionSettings, LocationRow, MatchRow, Store, StoreRow, Tenancy};

/// The record as the caller of a request may see it. Routes have no other way to it.
pub(crate) struct Access {
    gateway: Arc<Gateway>,
    caller: Caller,
}

impl FromRequestParts<Arc<Gateway>> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Problem::unauthenticated("the request has no credentials"))?;
        Ok(Self { gateway: Arc::clone(gateway), caller })
    }
}

impl Access {
    /// The sender of the request.
    pub(crate) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The settings of the service.
    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Refuses a caller without the permission.
    pub(crate) fn need(&self, permission: Permission) -> Result<(), Problem> {
        if self.caller.role.may(permission) {
            return Ok(());
        }
        let role = self.caller.role.as_str();
        Err(Problem::forbidden(format!("the role {role} doesn't permit this")))
    }

    /// Returns the record of all tenants, for routes about tenants themselves.
    pub(crate) fn all_tenants(&self, permission: Permission) -> Result<&Store, Problem> {
        self.need(permission)?;
        match self.caller.scope {
            model::Scope::All => Ok(&self.gateway.store),
            _ => Err(Problem::forbidden("only a key of all tenants may do this")),
        }
    }

    /// Returns the record of the tenant that the request is about.
    pub(crate) async fn tenancy(&self, permission: Permission) -> Result<Tenancy, Problem> {
        self.need(permission)?;
        let missing = "Tillflow-Tenant: name the tenant, for the key is of all tenants";
        let tenant = self.caller.about.clone().ok_or_else(|| Problem::malformed(missing))?;
        let tenancy = self.gateway.store.of_tenant(tenant);
        // A key's own tenant exists: the key refers to it.
        if self.caller.scope.tenant().is_none() && !tenancy.exists().await? {
            return Err(Problem::not_found("tenant", tenancy.tenant().as_str()));
        }
        Ok(tenancy)
    }

    /// Returns one store of the caller's.
    pub(crate) async fn store(&self, permission: Permission, store: &StoreId) -> Result<OwnStore, Problem> {
        let tenancy = self.tenancy(permission).await?;
        let missing = || Problem::not_found("store", store.as_str());
        if !self.sees(tenancy.tenant(), store) {
            return Err(missing());
        }
        let row = tenancy.store(store).await?.ok_or_else(missing)?;
        Ok(OwnStore { tenancy, row })
    }

    /// Returns one connection of the caller's stores.
    pub(crate) async fn connection(
        &self,
        permission: Permission,
        connection: &ConnectionId,
    ) -> Result<OwnConnection, Problem> {
        let tenancy = self.tenancy(permission).await?;
        let missing = || Problem::not_found("connection", connection.as_str());
        let settings = tenancy.connection(connection).await?.ok_or_else(missing)?;
        if !self.sees(tenancy.tenant(), &settings.origin.store) {
            return Err(missing());
        }
        Ok(OwnConnection { tenancy, settings })
    }

    /// Returns one location of the caller's stores.
    pub(crate) async fn location(
        &self,
        permission: Permission,
        location: &LocationId,
    ) -> Result<OwnLocation, Problem> {
        let tenancy = self.tenancy(permission).await?;
        let missing = || Problem::not_found("location", location.as_str());
        let row = tenancy.location(location).await?.ok_or_else(missing)?;
        if !self.sees(tenancy.tenant(), &row.setup.store) {
            return Err(missing());
        }
        Ok(OwnLocation { tenancy, row })
    }

    /// Returns one conflict of the caller's stores.
    pub(crate) async fn conflict(&self, permission: Permission, id: i64) -> Result<ConflictRow, Problem> {
        let tenancy = self.tenancy(permission).await?;
        let row = tenancy.conflict(id).await?;
        let own = row.filter(|row| self.sees(tenancy.tenant(), &row.conflict.store));
        own.ok_or_else(|| Problem::not_found("conflict", &id.to_string()))
    }

    /// Returns one match of the caller's stores.
    pub(crate) async fn find_match(&self, permission: Permission, id: i64) -> Result<MatchRow, Problem> {
        let tenancy = self.tenancy(permission).await?;
        let row = tenancy.match_by_id(id).await?;
        let own = row.filter(|row| self.sees(tenancy.tenant(), &row.origin.store));
        own.ok_or_else(|| Problem::not_found("match", &id.to_string()))
    }

    /// Returns true if a store is within the caller's scope.
    fn sees(&self, tenant: &TenantId, store: &StoreId) -> bool {
        self.caller.scope.has_store(tenant, store)
    }
}

/// A store of the caller's.
pub(crate) struct OwnStore {
    pub(crate) tenancy: Tenancy,
    pub(crate) row: StoreRow,
}

/// A connection of the caller's.
pub(crate) struct OwnConnection {
    pub(crate) tenancy: Tenancy,
    pub(crate) settings: ConnectionSettings,
}

/// A location of the caller's.
pub(crate) struct OwnLocation {
    pub(crate) tenancy: Tenancy,
    pub(crate) row: LocationRow,
}
