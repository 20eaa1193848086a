//! Checks of the server, before it is used.

use crate::{BusConfig, BusError};
use async_nats::{Client, ServerInfo};
use serde::Deserialize;
use std::{fmt, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The first version with all features in use (per-message time to live, `persist_mode`).
const OLDEST_VERSION: (u32, u32) = (2, 12);
/// Lower limit of the server's `max_payload`, in bytes. A delivery's body may have 4 MiB and shares its message with
/// its headers, a dead letter with the reason too, and events made of it may be larger than it. NATS accepts up to 64
/// MiB and advises against more than 8 MiB.
pub const PAYLOAD_BYTES_MIN: usize = 8 * 1024 * 1024;
/// Time limit of the monitoring URL's response.
const MONITORING_LIMIT: Duration = Duration::from_secs(5);
/// Upper limit of the monitoring URL's response, in bytes; the rest is not read.
const MONITORING_RESPONSE_BYTES_MAX: u64 = 1024 * 1024;
const REMEDY: &str = "set `jetstream { sync_interval: always }` in the server's configuration and monitoring_url in \
                      ours, or run three replicas, or say --allow-unsafe (allow_unsafe = true in [bus]) to go on without the promise";

const CLUSTER_REMEDY: &str =
    "run three servers as a cluster, or one with `jetstream { sync_interval: always }` and replicas = 1";

/// The server's version and limits, and its durability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its version.
    pub server_version: String,
    /// The largest message it accepts, in bytes.
    pub max_payload_bytes: usize,
    /// The durability of an acknowledged message.
    pub durability: Durability,
    /// The number of cores that a single server uses; `None` if its monitoring URL didn't show that it syncs.
    pub cores: Option<usize>,
}

/// The durability of a message that the broker has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// The message is on the server's disk.
    Synced,
    /// A majority of this many servers has the message.
    Replicated(u8),
    /// The message may be lost in a power cut; the configuration allows it.
    Unsafe {
        /// The reason why no better durability could be shown.
        reason: String,
    },
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Synced => f.write_str("synced to disk before the acknowledgement"),
            Self::Replicated(count) => {
                write!(f, "on {} of {count} servers before the acknowledgement", count / 2 + 1)
            }
            Self::Unsafe { reason } => write!(f, "unsafe: {reason}"),
        }
    }
}

pub(crate) async fn check(client: &Client, config: &BusConfig) -> Result<Profile, BusError> {
    let info = client.server_info();
    let unfit = |reason, remedy| Err(BusError::Unfit { reason, remedy });
    if !info.jetstream {
        return unfit("JetStream is off".to_owned(), "add a `jetstream` block to the server's configuration");
    }
    if version(&info.version).is_none_or(|version| version < OLDEST_VERSION) {
        return unfit(format!("its version is {}", info.version), "install nats-server 2.12 or newer");
    }
    if info.max_payload < PAYLOAD_BYTES_MIN {
        let reason = format!("its max_payload is {} bytes", info.max_payload);
        return unfit(reason, "set `max_payload: 8MB` in the server's configuration");
    }
    if config.replicas > 1 && info.cluster.is_none() {
        let reason = format!("it is a single server, and {} replicas are asked for", config.replicas);
        return unfit(reason, CLUSTER_REMEDY);
    }
    let (durability, cores) = match shown(&info, config).await {
        Ok(shown) => shown,
        Err(reason) if config.allow_unsafe => {
            tracing::warn!(%reason, "an acknowledged message may be lost in a power cut");
            (Durability::Unsafe { reason }, None)
        }
        Err(reason) => return unfit(reason, REMEDY),
    };
    Ok(Profile { server_version: info.version, max_payload_bytes: info.max_payload, durability, cores })
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The durability that can be shown, and the number of cores where the server was asked; or the reason why no
/// durability can be shown.
async fn shown(info: &ServerInfo, config: &BusConfig) -> Result<(Durability, Option<usize>), String> {
    if config.replicas >= 3 {
        return Ok((Durability::Replicated(config.replicas), None));
    }
    let Some(url) = &config.monitoring_url else {
        return Err(
            "that it syncs before it acknowledges can't be seen, since monitoring_url is not set".to_owned()
        );
    };
    let about = timeout(MONITORING_LIMIT, ask(url))
        .await
        .map_err(|_| format!("its monitoring URL did not answer within {MONITORING_LIMIT:?}"))??;
    if about.server_id != info.server_id {
        return Err("its monitoring URL is that of another server".to_owned());
    }
    if about.jetstream.config.sync_always {
        Ok((Durability::Synced, about.gomaxprocs))
    } else {
        Err("it acknowledges messages before they are on disk".to_owned())
    }
}

/// The part of `/varz` that matters (nats-server, `server/monitor.go`).
#[derive(Deserialize)]
struct Varz {
    server_id: String,
    /// The cores that its runtime uses, within the limits of a container.
    gomaxprocs: Option<usize>,
    jetstream: VarzJetStream,
}

#[derive(Deserialize)]
struct VarzJetStream {
    config: VarzConfig,
}

#[derive(Deserialize)]
struct VarzConfig {
    #[serde(default)]
    sync_always: bool,
}

/// Reads the monitoring page. Plain HTTP/1.0 on purpose: one page of one server, once per start.
async fn ask(url: &str) -> Result<Varz, String> {
    let failed = |error: std::io::Error| format!("its monitoring URL could not be read: {error}");
    let host = url.strip_prefix("http://").ok_or("its monitoring URL does not begin with http://")?;
    let host = host.trim_end_matches('/');
    let mut stream = TcpStream::connect(host).await.map_err(failed)?;
    let request = format!("GET /varz HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut response = Vec::new();
    stream.take(MONITORING_RESPONSE_BYTES_MAX).read_to_end(&mut response).await.map_err(failed)?;
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or_default();
    if head.split_whitespace().nth(1) != Some("200") {
        return Err("its monitoring URL has no page /varz".to_owned());
    }
    serde_json::from_str(body).map_err(|error| format!("its page /varz could not be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(version("2.9.25").unwrap() < OLDEST_VERSION);
        assert!(version("2.15.1-dev").unwrap() > OLDEST_VERSION);
        assert_eq!(version("latest"), None);
    }
}
