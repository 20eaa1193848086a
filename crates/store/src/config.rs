//! Where the record is and how long it is waited for.

use serde::Deserialize;
use std::{fmt, time::Duration};

/// Where the record is and how long it is waited for.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// `postgres://…`, with the password: from the environment or a file, never from the command line.
    pub url: String,
    /// How many connections one process opens at most, the listener's aside.
    #[serde(default = "default_connections")]
    pub max_connections: u32,
    /// After how many milliseconds the server gives up a statement.
    #[serde(default = "default_statement_timeout_ms")]
    pub statement_timeout_ms: u64,
    /// How many milliseconds a free connection is waited for.
    #[serde(default = "default_acquire_timeout_ms")]
    pub acquire_timeout_ms: u64,
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
    /// The record at `url`, everything else as usual.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: default_connections(),
            statement_timeout_ms: default_statement_timeout_ms(),
            acquire_timeout_ms: default_acquire_timeout_ms(),
        }
    }

    pub(crate) const fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    pub(crate) const fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.statement_timeout_ms)
    }
}

impl fmt::Debug for StoreConfig {
    // The URL carries the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("max_connections", &self.max_connections)
            .field("statement_timeout_ms", &self.statement_timeout_ms)
            .finish_non_exhaustive()
    }
}
