//! Configuration: a file, then the environment; unknown keys are refused.

use bus::BusConfig;
use figment::{
    Figment,
    providers::{Env, Format as _, Toml},
};
use serde::{Deserialize, de::DeserializeOwned};
use std::{net::SocketAddr, path::PathBuf};

/// Where the file is, if there is one.
const FILE_VARIABLE: &str = "TILLFLOW_CONFIG";
/// What the other variables begin with; `__` separates sections: `TILLFLOW_BUS__REPLICAS=3`.
const PREFIX: &str = "TILLFLOW_";

/// The configuration of a service: what all have, and its own section `[service]`.
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
    /// What only this service has.
    #[serde(default)]
    pub service: Own,
}

/// Where metrics and health are served.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9100)) }
    }
}

/// How logs are written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// For machines or for people.
    pub format: LogFormat,
    /// Which levels, in the syntax of `tracing-subscriber`'s `EnvFilter`; `info` if empty.
    pub filter: String,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for a terminal.
    Text,
}

/// Why the configuration can't be used; says which key of which source.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key is unknown, missing or of another type.
    #[error("the configuration can't be used: {0}")]
    Invalid(#[source] Box<figment::Error>),
    /// The file that was named isn't there.
    #[error("the configuration file {0} doesn't exist")]
    NoFile(PathBuf),
}

impl<Own: DeserializeOwned + Default> Config<Own> {
    /// Reads the file that `TILLFLOW_CONFIG` names, then the variables that begin with `TILLFLOW_`, which win.
    pub fn load() -> Result<Self, ConfigError> {
        let file = Env::var(FILE_VARIABLE).map(PathBuf::from);
        let mut figment = Figment::new();
        if let Some(file) = file {
            if !file.is_file() {
                return Err(ConfigError::NoFile(file));
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        // Only names with a section are settings; TILLFLOW_CONFIG and those of the dev servers are not.
        let settings = Env::prefixed(PREFIX).filter(|name| name.as_str().contains("__")).split("__");
        Self::extract(&figment.merge(settings))
    }

    /// Reads a text in TOML.
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
