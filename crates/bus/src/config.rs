use crate::User;
use model::PartitionCount;
use serde::Deserialize;
use std::{fmt, path::PathBuf};

/// The default inbox prefix of NATS clients.
const INBOX_OF_CLIENTS: &str = "_INBOX";

/// The connection to the broker, and the layout and capacity of its streams.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusConfig {
    /// The addresses of the servers: `nats://host:port` or `tls://host:port`, without a user or password.
    pub servers: Vec<String>,
    /// Our credentials, if the servers require any.
    pub credentials: Option<Credentials>,
    /// TLS settings; with them nothing is sent unencrypted. Without them, `tls://` alone requests TLS, with the
    /// system's authorities.
    pub tls: Option<Tls>,
    /// The name that the server shows for the connection.
    pub name: String,
    /// The prefix of the inboxes that responses are sent to; a user's permissions allow its own prefix only. Default:
    /// the prefix of the service's user.
    pub inbox_prefix: Option<String>,
    /// The server's monitoring URL (`http://host:port`): it is needed to show that a single server syncs.
    pub monitoring_url: Option<String>,
    /// Time limit of the first connection, all attempts together, in milliseconds.
    pub connect_limit_ms: u64,
    /// Number of partitions of the installation; chosen once.
    pub partitions: PartitionCount,
    /// Number of streams over which a feed's partitions are spread; chosen once, at most as many as partitions.
    pub streams_per_feed: u16,
    /// Number of servers that hold each message: 1 or 3.
    pub replicas: u8,
    /// True to continue even if an acknowledged message may be lost in a power cut.
    pub allow_unsafe: bool,
    /// Upper limit of one feed, in bytes; a full feed is back-pressure.
    pub feed_max_bytes: u64,
    /// Upper limit of APPLIED, in bytes.
    pub applied_max_bytes: u64,
    /// Upper limit of DEAD, in bytes.
    pub dead_max_bytes: u64,
}

impl Default for BusConfig {
    fn default() -> Self {
        const GIBIBYTE: u64 = 1 << 30;
        #[expect(clippy::expect_used, reason = "16 is a power of two")]
        let partitions = PartitionCount::new(16).expect("a power of two");
        Self {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
            credentials: None,
            tls: None,
            name: "tillflow".to_owned(),
            inbox_prefix: None,
            monitoring_url: None,
            connect_limit_ms: 30_000,
            partitions,
            streams_per_feed: 1,
            replicas: 1,
            allow_unsafe: false,
            feed_max_bytes: 2 * GIBIBYTE,
            applied_max_bytes: GIBIBYTE,
            dead_max_bytes: GIBIBYTE / 4,
        }
    }
}

impl BusConfig {
    /// Returns the configuration for that user: with its inboxes, unless others are set.
    #[must_use]
    pub fn of(self, user: &User) -> Self {
        let inbox_prefix = self.inbox_prefix.unwrap_or_else(|| user.inbox_prefix());
        Self { inbox_prefix: Some(inbox_prefix), ..self }
    }

    pub(crate) fn inbox_prefix(&self) -> &str {
        self.inbox_prefix.as_deref().unwrap_or(INBOX_OF_CLIENTS)
    }
}

/// TLS to the servers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A file with the certificates of the authorities that are trusted beside the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, if the servers require one.
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

/// Our credentials for the servers.
#[derive(Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Credentials {
    /// A user with a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A credentials file with a JWT and a seed.
    File {
        /// The path of the file.
        file: PathBuf,
    },
    /// A key of which the server has the public half.
    Seed {
        /// The file that holds the seed (`SU…`).
        seed_file: PathBuf,
    },
}

impl fmt::Debug for Credentials {
    // The password never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
            Self::File { file } => f.debug_struct("File").field("file", file).finish(),
            Self::Seed { seed_file } => f.debug_struct("Seed").field("seed_file", seed_file).finish(),
        }
    }
}
