//! The arguments of `tillflow api-key`.

use super::Target;
use clap::{Args, Subcommand, ValueEnum};
use model::Role;

#[derive(Debug, Args)]
pub(crate) struct ApiKeys {
    #[command(subcommand)]
    pub(crate) what: ApiKeyVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyVerb {
    /// Issue a key, and print it. It isn't shown again.
    #[command(after_help = "Example:\n  tillflow api-key issue --role platform-owner --name operations\n  \
                      tillflow api-key issue --tenant acme --role integrator --store acme-1 --name 'till project' --days 30\n\n\
                      A key of a tenant needs that tenant to exist.\n\n\
                      Exit code 1 if there is no such tenant or store.")]
    Issue {
        /// Its role, which decides about its permissions.
        #[arg(long, value_enum)]
        role: NamedRole,
        /// The tenant; a key of a platform owner has none.
        #[arg(long)]
        tenant: Option<String>,
        /// The only store that it gives access to.
        #[arg(long, requires = "tenant")]
        store: Option<String>,
        /// Its name, for people.
        #[arg(long)]
        name: String,
        /// Its life, in days.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=400))]
        days: u32,
        #[command(flatten)]
        target: Target,
    },
    /// List keys, revoked and expired ones included: those of all tenants, or of one.
    #[command(
        after_help = "Example:\n  tillflow api-key ls\n  tillflow api-key ls --tenant acme --output json"
    )]
    Ls {
        /// The tenant.
        #[arg(long)]
        tenant: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Revoke a key: requests with it are refused from now on.
    #[command(after_help = "Example:\n  tillflow api-key revoke 0011223344556677\n\n\
                            Exit code 1 if there is no such key.")]
    Revoke {
        /// The key's id, which is the middle part of its text.
        #[arg(value_name = "KEY")]
        id: String,
        #[command(flatten)]
        target: Target,
    },
}

/// A role, as arguments name it.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum NamedRole {
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

impl From<NamedRole> for Role {
    fn from(role: NamedRole) -> Self {
        match role {
            NamedRole::PlatformOwner => Self::PlatformOwner,
            NamedRole::StoreOwner => Self::StoreOwner,
            NamedRole::Manager => Self::Manager,
            NamedRole::Employee => Self::Employee,
            NamedRole::Integrator => Self::Integrator,
            NamedRole::ReadOnly => Self::ReadOnly,
        }
    }
}
