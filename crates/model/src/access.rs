//! Access: the roles of people and programs, and their permissions.

use crate::{StoreId, TenantId};
use serde::{Deserialize, Serialize};

/// A permission, as a kind of access to a kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Reads the list of tenants.
    ReadTenants,
    /// Creates tenants.
    WriteTenants,
    /// Reads the keys of the tenant, without their secrets.
    ReadKeys,
    /// Issues and revokes keys.
    WriteKeys,
    /// Reads stores and their locations.
    ReadStores,
    /// Creates and changes stores and their locations.
    WriteStores,
    /// Reads connections, without their credentials, and the state of their synchronisation.
    ReadConnections,
    /// Creates, changes, pauses and removes connections, and enters their credentials.
    WriteConnections,
    /// Reads products, levels, orders, conflicts and matches.
    ReadRecord,
    /// Decides conflicts and matches.
    Decide,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 10] = [
        Self::ReadTenants,
        Self::WriteTenants,
        Self::ReadKeys,
        Self::WriteKeys,
        Self::ReadStores,
        Self::WriteStores,
        Self::ReadConnections,
        Self::WriteConnections,
        Self::ReadRecord,
        Self::Decide,
    ];
}

/// A role of a person or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Operates the installation: everything, for all tenants.
    PlatformOwner,
    /// Owns stores: everything within the tenant.
    StoreOwner,
    /// Manages stores: all but keys and the stores' own settings.
    Manager,
    /// Works in a store: reads its record.
    Employee,
    /// Connects stores to platforms: connections and their synchronisation, but not the record.
    Integrator,
    /// Reads everything but keys.
    ReadOnly,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [
        Self::PlatformOwner,
        Self::StoreOwner,
        Self::Manager,
        Self::Employee,
        Self::Integrator,
        Self::ReadOnly,
    ];

    /// The role's name, as stored and in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformOwner => "platform_owner",
            Self::StoreOwner => "store_owner",
            Self::Manager => "manager",
            Self::Employee => "employee",
            Self::Integrator => "integrator",
            Self::ReadOnly => "read_only",
        }
    }

    /// Returns the role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Returns true if the role has the permission, within its scope.
    pub const fn may(self, permission: Permission) -> bool {
        use Permission::{
            Decide, ReadConnections, ReadKeys, ReadRecord, ReadStores, ReadTenants, WriteConnections,
            WriteKeys, WriteStores, WriteTenants,
        };
        match permission {
            ReadTenants | WriteTenants => matches!(self, Self::PlatformOwner),
            ReadKeys | WriteKeys | WriteStores => matches!(self, Self::PlatformOwner | Self::StoreOwner),
            ReadStores => true,
            ReadConnections => !matches!(self, Self::Employee),
            WriteConnections => {
                matches!(self, Self::PlatformOwner | Self::StoreOwner | Self::Manager | Self::Integrator)
            }
            ReadRecord => !matches!(self, Self::Integrator),
            Decide => matches!(self, Self::PlatformOwner | Self::StoreOwner | Self::Manager),
        }
    }

    /// Returns true if this role may issue a key of the role `other`: one with no permission that it lacks.
    pub fn may_issue(self, other: Self) -> bool {
        self.may(Permission::WriteKeys)
            && Permission::ALL.into_iter().all(|permission| self.may(permission) || !other.may(permission))
    }
}

/// The rows that a caller has access to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All tenants.
    All,
    /// One tenant, with all of its stores.
    Tenant(TenantId),
    /// One store of a tenant.
    Store(TenantId, StoreId),
}

impl Scope {
    /// The tenant; `None` if the scope is all tenants.
    pub const fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::All => None,
            Self::Tenant(tenant) | Self::Store(tenant, _) => Some(tenant),
        }
    }

    /// The only store; `None` if the scope is wider.
    pub const fn store(&self) -> Option<&StoreId> {
        match self {
            Self::All | Self::Tenant(_) => None,
            Self::Store(_, store) => Some(store),
        }
    }

    /// Returns true if a store of the tenant is within the scope.
    pub fn has_store(&self, tenant: &TenantId, store: &StoreId) -> bool {
        match self {
            Self::All => true,
            Self::Tenant(own) => own == tenant,
            Self::Store(own, only) => own == tenant && only == store,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_these_permissions_and_no_others() {
        use Permission::{
            Decide, ReadConnections, ReadKeys, ReadRecord, ReadStores, WriteConnections, WriteKeys,
            WriteStores,
        };
        let table: [(Role, &[Permission]); 6] = [
            (Role::PlatformOwner, &Permission::ALL),
            (
                Role::StoreOwner,
                &[
                    ReadKeys,
                    WriteKeys,
                    ReadStores,
                    WriteStores,
                    ReadConnections,
                    WriteConnections,
                    ReadRecord,
                    Decide,
                ],
            ),
            (Role::Manager, &[ReadStores, ReadConnections, WriteConnections, ReadRecord, Decide]),
            (Role::Employee, &[ReadStores, ReadRecord]),
            (Role::Integrator, &[ReadStores, ReadConnections, WriteConnections]),
            (Role::ReadOnly, &[ReadStores, ReadConnections, ReadRecord]),
        ];
        for (role, expected) in table {
            let has: Vec<_> =
                Permission::ALL.into_iter().filter(|permission| role.may(*permission)).collect();
            assert_eq!(has, expected, "{role:?}");
        }
    }

    #[test]
    fn nobody_issues_a_key_with_a_permission_that_they_lack() {
        for issuer in Role::ALL {
            for issued in Role::ALL {
                let expected = match issuer {
                    Role::PlatformOwner => true,
                    Role::StoreOwner => issued != Role::PlatformOwner,
                    _ => false,
                };
                assert_eq!(issuer.may_issue(issued), expected, "{issuer:?} {issued:?}");
            }
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("owner"), None);
    }

    #[test]
    fn a_scope_has_its_own_stores_alone() {
        let tenant = |name: &str| TenantId::new(name).unwrap();
        let store = |name: &str| StoreId::new(name).unwrap();
        let only = Scope::Store(tenant("t1"), store("s1"));
        let all_of_one = Scope::Tenant(tenant("t1"));
        let table = [("t1", "s1", true, true), ("t1", "s2", false, true), ("t2", "s1", false, false)];
        for (of, named, in_store, in_tenant) in table {
            assert_eq!(only.has_store(&tenant(of), &store(named)), in_store, "{of} {named}");
            assert_eq!(all_of_one.has_store(&tenant(of), &store(named)), in_tenant, "{of} {named}");
            assert!(Scope::All.has_store(&tenant(of), &store(named)));
        }
    }
}
