//! Configuration: a file, then the environment; unknown keys are refused.

mod keys;

pub(crate) use keys::{Key, keys};

use bus::BusConfig;
use figment::{
    Figment,
    providers::{Env, Format as _, Toml},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::{net::SocketAddr, path::PathBuf};

/// The variable with the path of the file; optional.
const FILE_VARIABLE: &str = "TILLFLOW_CONFIG";
/// Prefix of the other variables; `__` separates sections: `TILLFLOW_BUS__REPLICAS=3`.
pub(crate) const PREFIX: &str = "TILLFLOW_";

/// The configuration of a service: the sections that all services share, and its own section `[service]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, bound = "Own: DeserializeOwned + Default")]
pub struct Config<Own> {
    /// The broker.
    #[serde(default)]
    pub bus: BusConfig,
    /// Metrics and health.
    #[serde(default)]
    pub admin: AdminConfig,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
    /// The section of this service.
    #[serde(default)]
    pub service: Own,
}

/// The listener of metrics and health.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// The address; port 0 selects a free one.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9100)) }
    }
}

/// The format and filter of logs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The format of log lines: for machines or for people.
    pub format: LogFormat,
    /// The levels to log, in the syntax of `tracing-subscriber`'s `EnvFilter`; `info` if empty.
    pub filter: String,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for a terminal.
    Text,
}

/// Reason for which the configuration can't be used; names the key and its source.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key is unknown, missing or of another type.
    #[error("the configuration can't be used: {0}")]
    Invalid(#[source] Box<figment::Error>),
    /// The configured file doesn't exist.
    #[error("the configuration file {0} doesn't exist")]
    NoFile(PathBuf),
}

impl<Own: DeserializeOwned + Default> Config<Own> {
    /// Reads the file named by `TILLFLOW_CONFIG`, then the variables that begin with `TILLFLOW_`,
    /// which take precedence.
    pub fn load() -> Result<Self, ConfigError> {
        let file = Env::var(FILE_VARIABLE).map(PathBuf::from);
        let mut figment = Figment::new();
        if let Some(file) = file {
            if !file.is_file() {
                return Err(ConfigError::NoFile(file));
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        // Only names with a section are settings; TILLFLOW_CONFIG and those of the dev servers aren't.
        let settings = Env::prefixed(PREFIX).filter(|name| name.as_str().contains("__")).split("__");
        Self::extract(&figment.merge(settings))
    }

    /// Reads a configuration from TOML.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::extract(&Figment::from(Toml::string(text)))
    }

    fn extract(figment: &Figment) -> Result<Self, ConfigError> {
        figment.extract().map_err(|error| ConfigError::Invalid(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Own {
        limit: u32,
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let wrong = Config::<Own>::from_toml("[service]\nlimt = 5").unwrap_err();
        assert!(wrong.to_string().contains("limt"), "{wrong}");
        let wrong = Config::<Own>::from_toml("[servce]\nlimit = 5").unwrap_err();
        assert!(wrong.to_string().contains("servce"), "{wrong}");
        let right = Config::<Own>::from_toml("[service]\nlimit = 5\n[log]\nformat = \"text\"").unwrap();
        assert_eq!((right.service.limit, right.log.format), (5, LogFormat::Text));
    }
}
