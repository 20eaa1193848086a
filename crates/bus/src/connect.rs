//! One connection, and its log lines.

use crate::{BusConfig, BusError, Credentials, Tls, error::Source};
use async_nats::{Client, ConnectOptions, Event, ServerError};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

/// Time limit of one attempt.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);
/// The longest pause between two attempts.
const MAX_RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// Interval of pings to a silent server; after two pings without a reply the connection is closed.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Upper limit of messages that wait for one subscriber; further ones are dropped. A pull request never asks for so
/// many, and a client that gets no response from the intake sends its request again.
const SUBSCRIPTION_CAPACITY: usize = 1024;

/// Connects; returns the client and the number of its connections so far. Readers start anew when that number changes.
pub(crate) async fn connect(config: &BusConfig) -> Result<(Client, watch::Receiver<u64>), BusError> {
    if config.servers.is_empty() {
        return Err(BusError::Config("servers is empty"));
    }
    if config.servers.iter().any(|server| server.contains('@')) {
        return Err(BusError::Config("a server's URL holds a user or password: give them as credentials"));
    }
    let (connections, mut connected) = watch::channel(0);
    let connections = Arc::new(connections);
    let deadline = Instant::now() + Duration::from_millis(config.connect_limit_ms);
    let mut attempts = 0;
    loop {
        let failed = |source: Source| BusError::Connect { servers: config.servers.join(", "), source };
        let options = options(config, &connections).await?;
        match options.connect(&config.servers).await {
            Ok(client) => {
                // The client reports its first connection from a task of its own, perhaps later than it returns: who
                // reads the number meanwhile would take the first connection for a second one.
                let first = connected.wait_for(|count| *count > 0);
                drop(timeout(ATTEMPT_LIMIT, first).await);
                return Ok((client, connected));
            }
            Err(error) if Instant::now() > deadline => return Err(failed(error.into())),
            Err(error) => tracing::debug!(%error, "no broker yet"),
        }
        attempts += 1;
        sleep(reconnect_pause(attempts)).await;
    }
}

async fn options(
    config: &BusConfig,
    connections: &Arc<watch::Sender<u64>>,
) -> Result<ConnectOptions, BusError> {
    let options = ConnectOptions::new()
        .name(&config.name)
        .custom_inbox_prefix(config.inbox_prefix())
        .connection_timeout(ATTEMPT_LIMIT)
        .ping_interval(PING_INTERVAL)
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .reconnect_delay_callback(reconnect_pause);
    let options = match &config.credentials {
        None => options,
        Some(Credentials::Password { user, password }) => {
            options.user_and_password(user.clone(), password.clone())
        }
        Some(Credentials::File { file }) => {
            options.credentials_file(file).await.map_err(|error| unusable(file)(error.into()))?
        }
        Some(Credentials::Seed { seed_file }) => options.nkey(seed(seed_file).await?),
    };
    let options = match &config.tls {
        None => options,
        Some(tls) => secured(options, tls)?,
    };
    let log = Arc::new(Log {
        name: config.name.clone(),
        connections: Arc::clone(connections),
        slow: AtomicBool::new(false),
    });
    Ok(options.event_callback(move |event| {
        log.write(&event);
        std::future::ready(())
    }))
}

/// Reads a seed; an error names the file, and never contains its content.
async fn seed(file: &Path) -> Result<String, BusError> {
    let text = tokio::fs::read_to_string(file).await.map_err(|error| unusable(file)(error.into()))?;
    let seed = text.trim();
    if nkeys::KeyPair::from_seed(seed).is_err() {
        return Err(unusable(file)("it holds no seed of a key".into()));
    }
    Ok(seed.to_owned())
}

fn unusable(file: &Path) -> impl FnOnce(Source) -> BusError {
    let file = file.display().to_string();
    move |source| BusError::Keyring { file, source }
}

fn secured(options: ConnectOptions, tls: &Tls) -> Result<ConnectOptions, BusError> {
    let mut options = options.require_tls(true);
    if let Some(file) = &tls.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    match (&tls.certificate_file, &tls.key_file) {
        (None, None) => Ok(options),
        (Some(certificate), Some(key)) => {
            Ok(options.add_client_certificate(certificate.clone(), key.clone()))
        }
        _ => Err(BusError::Config("tls.certificate_file and tls.key_file are given together or not at all")),
    }
}

/// Pause before a reconnect: doubles up to the longest pause, less up to a half of it at random, so that clients don't
/// reconnect all at once.
fn reconnect_pause(attempts: usize) -> Duration {
    let exponent = u32::try_from(attempts).unwrap_or(u32::MAX).min(10);
    let pause = Duration::from_millis(2_u64.saturating_pow(exponent)).min(MAX_RECONNECT_PAUSE);
    pause.mul_f64(rand::random_range(0.5..=1.0))
}

struct Log {
    /// The name of the connection: a process may have several.
    name: String,
    connections: Arc<watch::Sender<u64>>,
    /// True if a dropped message was logged: each makes an event, and one line is enough until the next connection.
    slow: AtomicBool,
}

impl Log {
    fn write(&self, event: &Event) {
        let name = self.name.as_str();
        match event {
            Event::Connected => {
                self.slow.store(false, Ordering::Relaxed);
                self.connections.send_modify(|count| *count += 1);
                tracing::info!(name, "connected to the broker");
            }
            Event::Disconnected => tracing::warn!(name, "the connection to the broker is lost"),
            Event::LameDuckMode => tracing::warn!(name, "the broker is about to stop"),
            Event::SlowConsumer(_) if self.slow.swap(true, Ordering::Relaxed) => {}
            Event::SlowConsumer(_) => tracing::warn!(name, "messages were dropped: a subscriber is too slow"),
            // A refused publish only times out; this event alone has the reason.
            Event::ServerError(ServerError::Other(text)) if text.to_lowercase().contains("permissions") => {
                tracing::error!(name, error = %text, "the broker does not permit what we do");
            }
            Event::ServerError(error) => tracing::warn!(name, %error, "the broker reports an error"),
            Event::ClientError(error) => {
                tracing::debug!(name, %error, "the client of the broker reports an error");
            }
            Event::Draining | Event::Closed => {
                tracing::debug!(name, %event, "the connection to the broker ends");
            }
        }
    }
}
