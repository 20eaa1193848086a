//! Connections: stores' accounts on platforms.

use crate::{
    BaselineRule, CallGate, ConnectionId, Currency, ExternalId, Health, LocationId, Origin, PlatformName,
    StoreId, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

/// The kinds of the store's values that are written to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Levels.
    pub propagate_inventory: bool,
    /// Prices.
    pub propagate_prices: bool,
    /// Titles and descriptions.
    pub propagate_products: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { propagate_inventory: true, propagate_prices: true, propagate_products: true }
    }
}

/// One account of a store on a platform.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// The tenant that owns the store.
    pub tenant: TenantId,
    /// The store.
    pub store: StoreId,
    /// The id of the connection.
    pub id: ConnectionId,
    /// The platform.
    pub platform: PlatformName,
    /// True if it isn't paused: its platform may be called.
    pub enabled: bool,
    /// Scheme, host and port of its API, without a slash at the end.
    pub base_url: String,
    /// The account's name on the platform, in the form that its API and its deliveries use. A delivery that names
    /// another one is refused; empty if the name isn't known.
    pub account: String,
    /// The API version to request; empty for the platform's default.
    pub api_version: String,
    /// The access token; secret.
    pub token: String,
    /// Every active webhook secret: the present one and, during a rotation, the former one.
    pub secrets: Vec<String>,
    /// The URL as registered with the platform.
    pub notification_url: String,
    /// The location of levels that are reported without one.
    pub default_location: Option<LocationId>,
    /// A limit below the platform's own, if the merchant set one.
    pub requests_per_minute: Option<u32>,
    /// The kinds of values that are written to it.
    pub rules: Rules,
    /// State of the platform's acceptance of its calls; set from the results of calls,
    /// never when the connection is set up.
    pub health: Health,
    /// The reason for not being ok, in the platform's words or ours.
    pub health_reason: Option<String>,
    /// Time since which it isn't ok.
    pub health_since: Option<Timestamp>,
    /// Earliest time of the next probe call, which checks that the platform accepts calls again.
    pub probe_at: Option<Timestamp>,
    /// The side whose number is taken at a first contact. Set when the connection is made; afterwards only an
    /// instruction changes it.
    pub baseline: BaselineRule,
    /// The platform's ids of the locations that are ignored. Set when the connection is made; afterwards each is
    /// added or removed alone.
    pub ignored_locations: BTreeSet<ExternalId>,
    /// The store's currency, for amounts that are reported without one. It is a setting of the store.
    pub currency: Option<Currency>,
}

impl fmt::Debug for Connection {
    // The token and the secrets are never logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("store", &self.store)
            .field("platform", &self.platform)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Returns whether `other` calls the platform in the same way: as the same account, with the same
    /// credentials and settings.
    pub fn is_set_up_like(&self, other: &Self) -> bool {
        self.enabled == other.enabled
            && self.base_url == other.base_url
            && self.account == other.account
            && self.api_version == other.api_version
            && self.token == other.token
            && self.secrets == other.secrets
            && self.notification_url == other.notification_url
            && self.default_location == other.default_location
            && self.requests_per_minute == other.requests_per_minute
            && self.rules == other.rules
    }

    /// Returns the facts that decide if its platform is called.
    pub const fn call_gate(&self) -> CallGate {
        CallGate { enabled: self.enabled, health: self.health, probe_at: self.probe_at }
    }

    /// Returns the connection as the origin of events.
    pub fn origin(&self) -> Origin {
        Origin {
            tenant: self.tenant.clone(),
            store: self.store.clone(),
            connection: self.id.clone(),
            platform: self.platform.clone(),
        }
    }
}
