use crate::User;
use model::PartitionCount;
use serde::Deserialize;
use std::{fmt, path::PathBuf};

/// The prefix of inboxes that clients of NATS have unless reported otherwise.
const INBOX_OF_CLIENTS: &str = "_INBOX";

/// How the broker is reached and what it is to hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusConfig {
    /// Where servers are: `nats://host:port` or `tls://host:port`, without a user or password.
    pub servers: Vec<String>,
    /// Who we are, if the servers ask.
    pub credentials: Option<Credentials>,
    /// Whom to trust, and that nothing is sent in the clear; without it, `tls://` alone asks for TLS, with the system's
    /// authorities.
    pub tls: Option<Tls>,
    /// The name that the server shows for the connection.
    pub name: String,
    /// The prefix of the inboxes that answers are sent to; a user's permissions admit its own alone. That of the
    /// service's user unless set.
    pub inbox_prefix: Option<String>,
    /// Where the server tells about itself (`http://host:port`): by it a single server shows that it syncs.
    pub monitoring_url: Option<String>,
    /// How many milliseconds the first connection may take, all attempts together.
    pub connect_limit_ms: u64,
    /// How many partitions the installation has; chosen once.
    pub partitions: PartitionCount,
    /// Over how many streams a feed's partitions are spread; chosen once, at most as many as partitions.
    pub streams_per_feed: u16,
    /// How many servers hold each message: 1 or 3.
    pub replicas: u8,
    /// Whether to go on where an acknowledged message may be lost in a power cut.
    pub allow_unsafe: bool,
    /// How much one feed may hold, in bytes; a full feed is back-pressure.
    pub feed_max_bytes: u64,
    /// How much APPLIED may hold, in bytes.
    pub applied_max_bytes: u64,
    /// How much DEAD may hold, in bytes.
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
    /// The same, as that user: its name, and its inboxes unless others are set.
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
    /// Our own certificate, where the servers ask for one.
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

/// Who we are to the servers.
#[derive(Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Credentials {
    /// A user that the server knows.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A credentials file with a JWT and a seed.
    File {
        /// Where it is.
        file: PathBuf,
    },
    /// A key of which the server knows the public half.
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
