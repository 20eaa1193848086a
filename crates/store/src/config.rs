//! Location of the database and time limits of its use.

use crate::{Store, StoreError, Vault};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt, time::Duration};

/// Location of the database and time limits of its use.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// `postgres://…`, with the password: from the environment or a file, never from the command line.
    #[serde(default = "default_url")]
    pub url: String,
    /// The keys for credentials, by name: 32 bytes in hexadecimal each. Every key can open.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
    /// The name of the key that seals new credentials.
    #[serde(default)]
    pub current_key: String,
    /// Upper limit of the connections of one process, without the listener's. A quarter of them, but two if
    /// there are four or more, are for the transactions of `apply` alone; at least two are needed.
    #[serde(default = "default_connections")]
    pub max_connections: u32,
    /// Time limit of a statement on the server, in milliseconds.
    #[serde(default = "default_statement_timeout_ms")]
    pub statement_timeout_ms: u64,
    /// Time limit of waiting for a free connection, in milliseconds.
    #[serde(default = "default_acquire_timeout_ms")]
    pub acquire_timeout_ms: u64,
}

/// One connection in so many is for the transactions of `apply`.
const APPLY_SHARE: u32 = 4;
/// Number of connections for them, where half of all are as many: a second transaction must not wait for the first.
const APPLY_LEAST: u32 = 2;

fn default_url() -> String {
    "postgres://localhost/tillflow".to_owned()
}
const fn default_connections() -> u32 {
    8
}
const fn default_statement_timeout_ms() -> u64 {
    10_000
}
const fn default_acquire_timeout_ms() -> u64 {
    5_000
}

impl StoreConfig {
    /// Returns the configuration of the database at `url`, with defaults for everything else.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            keys: BTreeMap::new(),
            current_key: String::new(),
            max_connections: default_connections(),
            statement_timeout_ms: default_statement_timeout_ms(),
            acquire_timeout_ms: default_acquire_timeout_ms(),
        }
    }

    /// The connections for the transactions of `apply`.
    pub(crate) fn apply_connections(&self) -> usize {
        let share = (self.max_connections / APPLY_SHARE).max(APPLY_LEAST).min(self.max_connections / 2);
        usize::try_from(share).unwrap_or(usize::MAX).max(1)
    }

    /// The connections for everything else.
    pub(crate) fn pool_connections(&self) -> u32 {
        let apply = u32::try_from(self.apply_connections()).unwrap_or(u32::MAX);
        self.max_connections.saturating_sub(apply).max(1)
    }

    pub(crate) const fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    pub(crate) const fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.statement_timeout_ms)
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self::new(default_url())
    }
}

impl StoreConfig {
    /// Builds the vault with the keys of the configuration.
    pub fn vault(&self) -> Result<Vault, StoreError> {
        let mut keys = BTreeMap::new();
        for (name, text) in &self.keys {
            let key = key(text).ok_or_else(|| StoreError::Setup {
                what: format!("the key {name} isn't 32 bytes in hexadecimal"),
                remedy: "correct the store's keys",
            })?;
            keys.insert(name.clone(), key);
        }
        Ok(Vault::from_keys(keys, &self.current_key)?)
    }
}

impl Store {
    /// Connects with the keys of the configuration, and refuses a database whose tables are of another version.
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let store = Self::connect(config, config.vault()?).await?;
        store.check_schema().await?;
        Ok(store)
    }
}

fn key(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(key)
}

impl fmt::Debug for StoreConfig {
    // The URL contains the password, and the keys are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("max_connections", &self.max_connections)
            .field("statement_timeout_ms", &self.statement_timeout_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apply_has_a_quarter_of_the_connections_and_two_where_half_are_as_many() {
        let shares = |max_connections| {
            let config = StoreConfig { max_connections, ..StoreConfig::default() };
            (config.apply_connections(), config.pool_connections())
        };
        let expected = [(2, (1, 1)), (3, (1, 2)), (4, (2, 2)), (8, (2, 6)), (16, (4, 12))];
        for (max_connections, share) in expected {
            assert_eq!(shares(max_connections), share, "of {max_connections}");
        }
    }
}
