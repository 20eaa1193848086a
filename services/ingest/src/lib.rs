//! The intake: verifies deliveries, appends them to RAW, and only then confirms them.
//!
//! A 2xx means on disk: it is sent after the broker has acknowledged the batch that holds the delivery. Without an
//! acknowledgement in time the sender gets 503 and retries; the delivery's id makes the retry the same delivery.

mod body;
mod bus_intake;
mod claim;
mod directory;
mod flush_schedule;
mod http;
mod input_count;
mod intake;
mod limits;
mod log_limit;
#[cfg(test)]
mod memory;
mod public_keys;
mod quota;
mod raw;
mod refusals;
mod room;
mod unknown;

pub use body::decode_body;
pub use directory::{Directory, NotLookedUp};
pub use intake::{Intake, Reply, Webhook};
pub use limits::{ByteLimit, Limits};
pub use quota::{Holder, RawShares};
pub use raw::{NotKept, RawWriter, WAITING_MAX};
pub use refusals::BodyRefusal;

use bus::{Credentials, ReplyRule};
use ipnet::IpNet;
use outlet::CallsConfig;
use platforms::Platform;
use room::Room;
use runner::{Failure, Listening, Service};
use serde::Deserialize;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use store::{Store, StoreConfig};
use tokio::net::{TcpListener, TcpSocket};

/// Upper limit of connections that wait to be accepted, if the system allows as many (`net.core.somaxconn`). A client
/// that finds the queue full retries only after a second.
const BACKLOG_MAX: u32 = 4096;
/// Time limit for HTTP requests under way once the service was asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The configuration of the service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the listener for webhooks; port 0 selects a free one.
    pub listen: SocketAddr,
    /// Number of requests a minute that each connection may send, sustained, unless its own row sets another limit.
    pub requests_per_minute: u32,
    /// Number of requests that a connection may send at once after a quiet period: a bulk edit at a till
    /// sends hundreds.
    pub requests_burst: u32,
    /// Number of bytes of bodies a minute that each connection may send, sustained; larger in proportion if its row
    /// allows more requests. 16 MiB unless set.
    pub bytes_per_minute: u64,
    /// Number of bytes that a connection may send at once after a quiet period. 128 MiB unless set.
    pub bytes_burst: u64,
    /// Number of bytes of bodies a minute that all connections of a tenant may send, sustained. 64 MiB unless set.
    pub tenant_bytes_per_minute: u64,
    /// Number of bytes that a tenant may send at once after a quiet period. 512 MiB unless set.
    pub tenant_bytes_burst: u64,
    /// Share of a stream of RAW that one connection may hold at once while others need the room, from 0 to 1; larger in
    /// proportion if its row allows more requests. 0.0625 unless set.
    pub connection_raw_share: f64,
    /// Share that all connections of a tenant together may hold. 0.25 unless set.
    pub tenant_raw_share: f64,
    /// Time, in seconds, for which RAW keeps processed deliveries: apply's `replay_window_seconds`. Seven days
    /// unless set.
    pub raw_window_seconds: u64,
    /// Upper limit of HTTP connections at once. One more closes the oldest that has sent no verified delivery.
    pub connections_max: usize,
    /// Upper limit of HTTP connections of one address (IPv6: one /64); trusted proxies have none.
    pub connections_per_address_max: usize,
    /// Upper limit of requests on one HTTP connection.
    pub requests_per_http_connection_max: u64,
    /// Upper limit of the age of an HTTP connection, in seconds.
    pub connection_age_max_seconds: u64,
    /// Upper limit of HTTP requests under way.
    pub requests_in_flight_max: usize,
    /// Upper limit of the bodies that requests under way hold, over HTTP and the bus together, in bytes. At least twice
    /// the largest body of a platform.
    pub body_bytes_in_flight_max: usize,
    /// Networks of the proxies in front of ingest, such as `10.0.0.0/8`: their `X-Forwarded-For` names the client of
    /// a request.
    pub trusted_proxies: Vec<IpNet>,
    /// The permitted reply subjects.
    pub replies: Replies,
    /// Credentials of the connections that receive the messages of platforms that publish: of a user that can't append.
    /// Those of `bus.credentials` unless set.
    pub partner_credentials: Option<Credentials>,
    /// Origins that public keys may be fetched from besides public addresses.
    pub calls: CallsConfig,
    /// The database.
    pub store: StoreConfig,
}

/// The permitted reply subjects of requests: below prefixes of inboxes, and nowhere else.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Replies {
    /// For platforms that publish themselves; `{connection}` in a prefix stands for the connection.
    pub platforms: ReplyRule,
    /// For our own services and the command line: their `bus.inbox_prefix`, with a dot appended.
    pub services: ReplyRule,
}

impl Default for Replies {
    fn default() -> Self {
        Self { platforms: ReplyRule::of_partners(), services: ReplyRule::of_services() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            requests_per_minute: 100,
            requests_burst: 1000,
            bytes_per_minute: 16 << 20,
            bytes_burst: 128 << 20,
            tenant_bytes_per_minute: 64 << 20,
            tenant_bytes_burst: 512 << 20,
            connection_raw_share: 0.0625,
            tenant_raw_share: 0.25,
            raw_window_seconds: 7 * 24 * 3600,
            connections_max: 4096,
            connections_per_address_max: 1024,
            requests_per_http_connection_max: 10_000,
            connection_age_max_seconds: 600,
            requests_in_flight_max: 2048,
            body_bytes_in_flight_max: 64 * 1024 * 1024,
            trusted_proxies: Vec::new(),
            replies: Replies::default(),
            partner_credentials: None,
            calls: CallsConfig::default(),
            store: StoreConfig::default(),
        }
    }
}

/// Runs the service until it is asked to stop.
pub async fn run(service: Service, config: Config) -> Result<(), Failure> {
    let opened = runner::until_set_up(&service, "ingest", async || Store::open(&config.store).await).await?;
    let Some(store) = opened else { return Ok(()) };
    let listener = listen(config.listen)?;
    serve(service, store, config, listener).await
}

/// Binds the listener for webhooks.
pub fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let refused = |source| Failure::Io { what: format!("can't listen on {address} for webhooks"), source };
    let opened = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart can bind the address at once.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG_MAX)
    };
    opened().map_err(refused)
}

/// Runs the service on an open database and listener.
pub async fn serve(
    service: Service,
    store: Store,
    config: Config,
    listener: TcpListener,
) -> Result<(), Failure> {
    serve_platforms(service, store, config, listener, platforms::all()).await
}

/// Like [`serve`], for these platforms.
pub async fn serve_platforms(
    service: Service,
    store: Store,
    config: Config,
    listener: TcpListener,
    platforms: &'static [&'static dyn Platform],
) -> Result<(), Failure> {
    runner::need_descriptors(config.connections_max)?;
    let directory = Directory::new(store.clone());
    let of_connections = ByteLimit { per_minute: config.bytes_per_minute, burst: config.bytes_burst };
    let of_tenants =
        ByteLimit { per_minute: config.tenant_bytes_per_minute, burst: config.tenant_bytes_burst };
    let shares = RawShares {
        of_connections: config.connection_raw_share,
        of_tenants: config.tenant_raw_share,
        window: Duration::from_secs(config.raw_window_seconds),
    };
    let limits = Limits::new(config.requests_per_minute, config.requests_burst)
        .with_bytes(of_connections, of_tenants)
        .with_raw_shares(shares);
    let intake =
        Arc::new(Intake::of_platforms(&service, directory.clone(), limits, platforms, config.calls)?);
    let watch = tokio::spawn(directory.clone().forget_what_changes(service.stop.clone()));
    let replies = bus_intake::ReplySender::new(&service.metrics)?;
    let published = bus_intake::PublishedIntake {
        rule: config.replies.platforms,
        credentials: config.partner_credentials,
    };
    let room = Room::new(config.requests_in_flight_max, config.body_bytes_in_flight_max);
    let published = published.serve(&service, &intake, &replies, &room).await?;
    let fetchers =
        bus_intake::serve_services(&service, &intake, config.replies.services, &replies, &room).await?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(stage = "ingest", %address, "taking webhooks");
    }
    service.readiness.set(true);
    let listening = Listening {
        name: "webhooks",
        connections_max: config.connections_max,
        connections_per_address_max: config.connections_per_address_max,
        requests_per_connection_max: config.requests_per_http_connection_max,
        connection_age_max: Duration::from_secs(config.connection_age_max_seconds),
        trusted_proxies: config.trusted_proxies,
        drain_timeout: DRAIN_TIMEOUT,
    };
    http::serve(listener, listening, intake, room, &service).await;
    for task in published.into_iter().chain([watch, fetchers]) {
        if let Err(error) = task.await {
            tracing::error!(%error, "a task of the intake broke");
        }
    }
    Ok(())
}
