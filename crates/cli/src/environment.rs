//! Selects the broker and the database of a verb.

use crate::{cli::Target, failure::Failed};
use bus::{Bus, BusConfig, Credentials, User, seed_file};
use model::PartitionCount;
use runner::Config;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use store::{Store, StoreConfig};

/// The environment of a running `tillflow dev`, which writes it when it is ready; other verbs read it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) nats_url: String,
    /// Number of partitions of the installation.
    pub(crate) partitions: PartitionCount,
    pub(crate) postgres_url: String,
    pub(crate) ingest_url: String,
    pub(crate) metrics_url: String,
    /// URL of the management API.
    #[serde(default)]
    pub(crate) api_url: String,
    /// A key of the management API, for all tenants.
    #[serde(default)]
    pub(crate) api_key: String,
    pub(crate) connections: Vec<RunningConnection>,
    pub(crate) simulators: Vec<RunningSimulator>,
    /// URL of the broker's monitoring endpoint.
    pub(crate) nats_monitoring_url: String,
    /// The folder of the keys of the broker's users.
    pub(crate) nats_users: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunningConnection {
    pub(crate) id: String,
    pub(crate) platform: String,
    pub(crate) store: String,
    pub(crate) webhook_url: String,
    pub(crate) secret: String,
    /// The account's name on the platform.
    #[serde(default)]
    pub(crate) account: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunningSimulator {
    pub(crate) platform: String,
    pub(crate) url: String,
}

const FILE: &str = "dev.json";
const KEY_FILE: &str = "key";
/// The folder of the keys of the broker's users, in that of a dev environment.
pub(crate) const USERS_FOLDER: &str = "nats-users";
/// Time limit for a verb to reach the broker.
const CONNECT_LIMIT_MS: u64 = 3_000;

impl Running {
    /// The file that it is written to.
    pub(crate) fn file(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// Reads it, if a `tillflow dev` runs there.
    pub(crate) fn find(dir: &Path) -> Result<Option<Self>, Failed> {
        let file = Self::file(dir);
        match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| Failed::Usage(format!("{} can't be read: {error}", file.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failed::io(format!("{} can't be read", file.display()), error)),
        }
    }

    /// Reads it; if there is none, returns an error with the remedy.
    pub(crate) fn expect(dir: &Path) -> Result<Self, Failed> {
        let none =
            || Failed::Usage(format!("no `tillflow dev` runs in {}; start one, or say --dir", dir.display()));
        Self::find(dir)?.ok_or_else(none)
    }
}

/// The database's configuration with the key that a dev environment seals credentials with; the key is made at the
/// first start.
pub(crate) fn dev_store_config(dir: &Path, url: &str) -> Result<StoreConfig, Failed> {
    let file = dir.join(KEY_FILE);
    let key = match std::fs::read_to_string(&file) {
        Ok(key) => key.trim().to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
            write_secret(&file, key.as_bytes())?;
            key
        }
        Err(error) => return Err(Failed::io(format!("{} can't be read", file.display()), error)),
    };
    let mut config = StoreConfig::new(url);
    config.keys.insert("dev".to_owned(), key);
    "dev".clone_into(&mut config.current_key);
    Ok(config)
}

/// Writes a file that only its owner can read.
pub(crate) fn write_secret(file: &Path, content: &[u8]) -> Result<(), Failed> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(0o600).open(file)?.write_all(content)
    };
    write().map_err(|error| Failed::io(format!("{} can't be written", file.display()), error))
}

/// The configuration of the verbs beyond `dev`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Own {
    pub(crate) store: StoreConfig,
}

/// The configurations of the broker and the database.
pub(crate) fn configuration(target: &Target) -> Result<(BusConfig, StoreConfig), Failed> {
    if let Some(running) = Running::find(&target.dir)? {
        return Ok((bus_config(&running), dev_store_config(&target.dir, &running.postgres_url)?));
    }
    let config = Config::<Own>::load()?;
    Ok((config.bus.of(&User::Operator), config.service.store))
}

/// The broker's configuration, as that user.
pub(crate) fn as_user(config: BusConfig, users: &Path, user: &User) -> BusConfig {
    let seed_file = seed_file(users, &user.name());
    BusConfig { credentials: Some(Credentials::Seed { seed_file }), ..config }.of(user)
}

fn bus_config(running: &Running) -> BusConfig {
    let config = BusConfig {
        servers: vec![running.nats_url.clone()],
        monitoring_url: Some(running.nats_monitoring_url.clone()),
        name: "tillflow".to_owned(),
        partitions: running.partitions,
        ..BusConfig::default()
    };
    as_user(config, &running.nats_users, &User::Operator)
}

/// Opens the database.
pub(crate) async fn open_store(target: &Target) -> Result<Store, Failed> {
    Ok(Store::open(&configuration(target)?.1).await?)
}

/// Connects to the broker, with a short time limit, so that a user learns soon that it can't be reached.
pub(crate) async fn open_bus(target: &Target) -> Result<Bus, Failed> {
    let mut config = configuration(target)?.0;
    config.connect_limit_ms = config.connect_limit_ms.min(CONNECT_LIMIT_MS);
    Ok(runner::connect(&config).await?)
}
