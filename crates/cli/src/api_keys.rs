//! Keys of the management API, issued at the database: the first one, before any key could issue another.

use crate::{
    cli::{ApiKeyVerb, ApiKeys, Output},
    environment::open_store,
    failure::Failed,
    output,
    table::{Table, left},
};
use gateway::ApiKeyText;
use model::{Role, Scope, StoreId, TenantId};
use serde_json::{Value, json};
use std::time::Duration;
use store::{ApiKey, LISTED_ROWS, NewApiKey, Part, Store};

/// Length of a day.
const DAY: Duration = Duration::from_hours(24);
/// The issuer that is kept with keys of the command line.
const ISSUER: &str = "tillflow api-key";
/// Upper limit of a key's name, in characters.
const NAME_CHARS_MAX: usize = 200;

pub(crate) async fn run(arguments: ApiKeys, output: Output) -> Result<(), Failed> {
    match arguments.what {
        ApiKeyVerb::Issue { role, tenant, store, name, days, target } => {
            let scope = scope(role.into(), tenant.as_deref(), store.as_deref())?;
            let record = open_store(&target).await?;
            let key = issue(&record, &scope, (role.into(), &name), DAY.saturating_mul(days)).await?;
            match output {
                Output::Json => output::json(&json!({ "text": key.reveal(), "id": key.id })),
                Output::Text => output::line(&key.reveal()),
            }
            Ok(())
        }
        ApiKeyVerb::Ls { tenant, target } => {
            let record = open_store(&target).await?;
            let part = Part { after: "", limit: LISTED_ROWS };
            let keys = match tenant {
                None => record.api_keys_of_all_tenants(part).await?,
                Some(tenant) => record.of_tenant(tenant_id(&tenant)?).api_keys(part).await?,
            };
            print(&keys, output);
            Ok(())
        }
        ApiKeyVerb::Revoke { id, target } => {
            let record = open_store(&target).await?;
            let missing = || Failed::Other(format!("there is no key {id}"));
            let found = record.api_key(&id).await?.ok_or_else(missing)?;
            if !record.revoke_api_key(&id, found.key.scope.tenant()).await? {
                return Err(missing());
            }
            match output {
                Output::Json => output::json(&json!({ "id": id, "revoked": true })),
                Output::Text => output::line(&format!("key {id} is revoked")),
            }
            Ok(())
        }
    }
}

/// Issues a key of a role with a name, at the database.
pub(crate) async fn issue(
    store: &Store,
    scope: &Scope,
    (role, name): (Role, &str),
    life: Duration,
) -> Result<ApiKeyText, Failed> {
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Failed::Usage(format!("--name has 1 to {NAME_CHARS_MAX} characters")));
    }
    if let Some(tenant) = scope.tenant()
        && !store.of_tenant(tenant.clone()).exists().await?
    {
        return Err(Failed::Other(format!("there is no tenant {tenant}")));
    }
    let key = ApiKeyText::random();
    let new = NewApiKey {
        id: &key.id,
        scope,
        role,
        name,
        digest: key.secret.digest(),
        created_by: ISSUER,
        expires_at: runner::now().after(life),
    };
    if !store.create_api_key(&new).await? {
        let store = scope.store().map(ToString::to_string).unwrap_or_default();
        return Err(Failed::Other(format!("the tenant has no store {store}")));
    }
    Ok(key)
}

fn scope(role: Role, tenant: Option<&str>, store: Option<&str>) -> Result<Scope, Failed> {
    match (role, tenant, store) {
        (Role::PlatformOwner, None, None) => Ok(Scope::All),
        (Role::PlatformOwner, ..) => {
            Err(Failed::Usage("a key of a platform owner is of all tenants: leave --tenant out".to_owned()))
        }
        (_, None, _) => Err(Failed::Usage(format!("a key of the role {} needs --tenant", role.as_str()))),
        (_, Some(tenant), None) => Ok(Scope::Tenant(tenant_id(tenant)?)),
        (_, Some(tenant), Some(store)) => {
            let store = StoreId::new(store).map_err(|error| Failed::Usage(error.to_string()))?;
            Ok(Scope::Store(tenant_id(tenant)?, store))
        }
    }
}

fn tenant_id(text: &str) -> Result<TenantId, Failed> {
    TenantId::new(text).map_err(|error| Failed::Usage(error.to_string()))
}

fn print(keys: &[ApiKey], output: Output) {
    match output {
        Output::Json => keys.iter().for_each(|key| output::json(&value(key))),
        Output::Text if keys.is_empty() => output::line("no keys"),
        Output::Text => {
            let columns = ["key", "role", "store", "name", "expires", "state"].map(left);
            let mut table = Table::new(columns);
            for key in keys {
                table.row([
                    key.id.clone(),
                    key.role.as_str().to_owned(),
                    key.scope.store().map_or_else(|| "all".to_owned(), ToString::to_string),
                    key.name.clone(),
                    key.expires_at.to_string(),
                    state(key).to_owned(),
                ]);
            }
            output::table(table);
        }
    }
}

fn state(key: &ApiKey) -> &'static str {
    match key.revoked_at {
        Some(_) => "revoked",
        None if key.is_in_force(runner::now()) => "in force",
        None => "expired",
    }
}

/// A key, for programs.
fn value(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "role": key.role.as_str(),
        "tenant": key.scope.tenant(),
        "store": key.scope.store(),
        "name": key.name,
        "created_by": key.created_by,
        "created_at": key.created_at.to_string(),
        "expires_at": key.expires_at.to_string(),
        "revoked_at": key.revoked_at.map(|at| at.to_string()),
        "state": state(key),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_decide_about_the_rows_of_a_key() {
        let all = scope(Role::PlatformOwner, None, None).unwrap();
        assert_eq!(all, Scope::All);
        let tenant = tenant_id("t1").unwrap();
        assert_eq!(scope(Role::Manager, Some("t1"), None).unwrap(), Scope::Tenant(tenant));
        assert!(scope(Role::Manager, Some("t1"), Some("s1")).unwrap().store().is_some());
        for (role, tenant, store) in [
            (Role::PlatformOwner, Some("t1"), None),
            (Role::Manager, None, None),
            (Role::Manager, Some("a b"), None),
            (Role::Manager, Some("t1"), Some("a b")),
        ] {
            assert!(
                matches!(scope(role, tenant, store), Err(Failed::Usage(_))),
                "{role:?} {tenant:?} {store:?}"
            );
        }
    }
}
