//! Keys of this API.

use crate::{
    access::Access,
    api_key::ApiKeyText,
    body::{Body, Path, Query, TEXT_CHARS_MAX, text},
    idempotency::NewIds,
    page::{Page, PageQuery},
    problem::{Problem, Refusals, WriteRefusals},
    schema::{KeyId, Title, Token},
};
use axum::Json;
use hyper::StatusCode;
use model::{Permission, Role, Scope, StoreId};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::{ApiKey, NewApiKey};
use utoipa::ToSchema;

/// Upper limit of a key's life, in days.
const DAYS_MAX: u32 = 400;
/// A key's life unless the request names another, in days.
const DAYS_DEFAULT: u32 = 90;
/// Length of a day.
const DAY: Duration = Duration::from_hours(24);

/// A role of a key.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
pub(crate) enum RoleBody {
    /// Operates the installation: everything, for all tenants.
    PlatformOwner,
    /// Owns stores: everything within the tenant.
    StoreOwner,
    /// Manages stores: all but keys and the stores' own settings.
    Manager,
    /// Works in a store: reads its record.
    Employee,
    /// Connects stores to platforms, and doesn't see the record.
    Integrator,
    /// Reads everything but keys.
    ReadOnly,
}

impl From<RoleBody> for Role {
    fn from(role: RoleBody) -> Self {
        match role {
            RoleBody::PlatformOwner => Self::PlatformOwner,
            RoleBody::StoreOwner => Self::StoreOwner,
            RoleBody::Manager => Self::Manager,
            RoleBody::Employee => Self::Employee,
            RoleBody::Integrator => Self::Integrator,
            RoleBody::ReadOnly => Self::ReadOnly,
        }
    }
}

impl From<Role> for RoleBody {
    fn from(role: Role) -> Self {
        match role {
            Role::PlatformOwner => Self::PlatformOwner,
            Role::StoreOwner => Self::StoreOwner,
            Role::Manager => Self::Manager,
            Role::Employee => Self::Employee,
            Role::Integrator => Self::Integrator,
            Role::ReadOnly => Self::ReadOnly,
        }
    }
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub(crate) struct KeyBody {
    /// Its id.
    #[schema(example = "0011223344556677")]
    id: String,
    /// Its name, for people.
    name: String,
    /// Its role.
    role: RoleBody,
    /// The tenant; null for all tenants.
    #[schema(required)]
    tenant: Option<String>,
    /// The only store that it gives access to; null for all stores of the tenant.
    #[schema(required)]
    store: Option<String>,
    /// The caller that issued it.
    created_by: String,
    /// Time of its issue.
    #[schema(format = DateTime)]
    created_at: String,
    /// Its end.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Time at which it was revoked.
    #[schema(required, format = DateTime)]
    revoked_at: Option<String>,
}

impl From<ApiKey> for KeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            tenant: key.scope.tenant().map(ToString::to_string),
            store: key.scope.store().map(ToString::to_string),
            id: key.id,
            name: key.name,
            role: key.role.into(),
            created_by: key.created_by,
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.to_string(),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
        }
    }
}

/// A key to issue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub(crate) struct NewKeyBody {
    /// Its name, for people: 1 to 200 characters.
    #[schema(value_type = Title)]
    name: String,
    /// Its role: one with no permission that the caller lacks.
    role: RoleBody,
    /// The only store that it gives access to; all stores of the tenant unless given.
    #[serde(default)]
    #[schema(value_type = Option<Token>)]
    store: Option<String>,
    /// Its life, in days: 1 to 400, 90 unless given.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 400, default = 90)]
    expires_in_days: Option<u32>,
}

/// A key that was issued. Its text isn't shown again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IssuedKey)]
pub(crate) struct IssuedKeyBody {
    /// The key, for `Authorization: Bearer`. Keep it: it isn't shown again.
    text: String,
    /// The key as it is kept.
    key: KeyBody,
}

/// Lists the tenant's keys, revoked and expired ones included; those of all tenants if the request names none.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", operation_id = "listKeys",
    params(PageQuery),
    responses((status = 200, body = Page<KeyBody>), Refusals),
)]
pub(crate) async fn list(access: Access, page: Query<PageQuery>) -> Result<Json<Page<KeyBody>>, Problem> {
    let asked = page.0.read()?;
    let keys = match access.caller().about {
        None => access.all_tenants(Permission::ReadKeys)?.api_keys_of_all_tenants(asked.part()).await?,
        Some(_) => access.tenancy(Permission::ReadKeys).await?.api_keys(asked.part()).await?,
    };
    Ok(Json(asked.page(keys, |key| key.id.clone(), KeyBody::from)))
}

/// Issues a key. The response has its text, which isn't kept: the request takes no `Idempotency-Key`.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", operation_id = "issueKey",
    request_body = NewKeyBody,
    responses((status = 201, body = IssuedKeyBody), WriteRefusals),
)]
pub(crate) async fn issue(
    access: Access,
    ids: NewIds,
    body: Body<NewKeyBody>,
) -> Result<(StatusCode, Json<IssuedKeyBody>), Problem> {
    access.need(Permission::WriteKeys)?;
    if ids.may_repeat() {
        let detail =
            "Idempotency-Key: the response has a secret, which isn't kept; revoke a key that was lost";
        return Err(Problem::malformed(detail));
    }
    text("/name", &body.0.name, TEXT_CHARS_MAX)?;
    let role = Role::from(body.0.role);
    if !access.caller().role.may_issue(role) {
        return Err(Problem::forbidden("a key has no permission that its issuer lacks"));
    }
    let days = body.0.expires_in_days.unwrap_or(DAYS_DEFAULT);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Problem::invalid("/expires_in_days", format!("must be 1 to {DAYS_MAX}, is {days}")));
    }
    let scope = scope(&access, role, body.0.store.as_deref()).await?;
    let key = ApiKeyText::random();
    let now = runner::now();
    let expires_at = now.after(DAY.saturating_mul(days));
    let created_by = access.caller().name.as_ref();
    let new = NewApiKey {
        id: &key.id,
        scope: &scope,
        role,
        name: &body.0.name,
        digest: key.secret.digest(),
        created_by,
        expires_at,
    };
    if !access.gateway().store.create_api_key(&new).await? {
        return Err(Problem::conflict(
            "the store was removed, or the key's id exists: send the request again",
        ));
    }
    let stored = ApiKey {
        id: key.id.clone(),
        role,
        name: body.0.name,
        created_by: created_by.to_owned(),
        created_at: now,
        expires_at,
        revoked_at: None,
        scope,
    };
    Ok((StatusCode::CREATED, Json(IssuedKeyBody { text: key.reveal(), key: stored.into() })))
}

/// The rows that a new key gives access to.
async fn scope(access: &Access, role: Role, store: Option<&str>) -> Result<Scope, Problem> {
    let caller = access.caller();
    if role == Role::PlatformOwner {
        if store.is_some() {
            return Err(Problem::invalid("/store", "a key of all tenants has no store"));
        }
        access.all_tenants(Permission::WriteKeys)?;
        return Ok(Scope::All);
    }
    let tenancy = access.tenancy(Permission::WriteKeys).await?;
    let tenant = tenancy.tenant().clone();
    match (store, caller.scope.store()) {
        (None, None) => Ok(Scope::Tenant(tenant)),
        (None, Some(own)) => Ok(Scope::Store(tenant, own.clone())),
        (Some(store), _) => {
            let store = StoreId::new(store).map_err(|error| Problem::invalid("/store", error))?;
            access.store(Permission::WriteKeys, &store).await?;
            Ok(Scope::Store(tenant, store))
        }
    }
}

/// Revokes a key: requests with it are refused from now on.
#[utoipa::path(
    delete, path = "/v1/keys/{key}", tag = "keys", operation_id = "revokeKey",
    params(("key" = inline(KeyId), Path, description = "The key's id.")),
    responses((status = 204), Refusals),
)]
pub(crate) async fn revoke(access: Access, key: Path<String>) -> Result<StatusCode, Problem> {
    access.need(Permission::WriteKeys)?;
    let missing = || Problem::not_found("key", &key.0);
    let store = &access.gateway().store;
    let found = store.api_key(&key.0).await?.ok_or_else(missing)?.key;
    let caller = access.caller();
    let is_own = match (&found.scope, &caller.scope) {
        (_, Scope::All) => true,
        (Scope::All, _) => false,
        (Scope::Tenant(of), own) => own.tenant() == Some(of) && own.store().is_none(),
        (Scope::Store(of, store), own) => own.has_store(of, store),
    };
    if !is_own || !store.revoke_api_key(&key.0, found.scope.tenant()).await? {
        return Err(missing());
    }
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_written_as_the_model_names_them() {
        for role in Role::ALL {
            let body = serde_json::to_value(RoleBody::from(role)).unwrap();
            assert_eq!(body, role.as_str());
            assert_eq!(Role::from(serde_json::from_value::<RoleBody>(body).unwrap()), role);
        }
    }
}
