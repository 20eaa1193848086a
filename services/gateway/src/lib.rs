//! The management API: tenants, stores, locations, connections and keys, over HTTP.
//!
//! Every request is authenticated before its route is looked at, and every id in it is looked up inside the caller's
//! tenant, behind row-level security: what belongs to another tenant doesn't exist. The `OpenAPI` document is generated
//! from the routes ([`openapi`]).

mod access;
mod api;
mod api_key;
mod authentication;
mod body;
mod http;
mod idempotency;
mod limits;
mod page;
mod precondition;
mod problem;
mod reference;
mod routes;
mod schema;

pub use api::openapi;
pub use api_key::{ApiKeyText, KeySecret};

use axum::Router;
use bus::Bus;
use ipnet::IpNet;
use limits::Limits;
use outlet::{CallsConfig, Decisions};
use runner::{Failure, Listening, Service};
use serde::Deserialize;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use store::{Store, StoreConfig};
use tokio::net::TcpListener;

/// The name of the service.
pub(crate) const SERVICE: &str = "gateway";
/// Upper limit of requests on one HTTP connection.
const REQUESTS_PER_CONNECTION_MAX: u64 = 10_000;
/// Greatest age of an HTTP connection.
const CONNECTION_AGE_MAX: Duration = Duration::from_mins(10);
/// Time limit for requests under way once the service was asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for which the response to a person's decision waits for its outcome.
const DECISION_TIMEOUT: Duration = Duration::from_secs(10);

/// The configuration of the service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address of the listener; port 0 selects a free one.
    pub listen: SocketAddr,
    /// The URL of ingest as platforms reach it, without a slash at the end: webhook URLs of connections begin with it.
    pub webhooks_url: String,
    /// Number of requests a second that each caller may send, sustained.
    pub requests_per_second: u32,
    /// Number of requests that a caller may send at once after a quiet period.
    pub requests_burst: u32,
    /// Upper limit of HTTP connections at once. One more closes the oldest that has sent no authenticated request.
    pub connections_max: usize,
    /// Upper limit of HTTP connections of one address (IPv6: one /64); trusted proxies have none.
    pub connections_per_address_max: usize,
    /// Networks of the proxies in front of the gateway: their `X-Forwarded-For` names the client of a request.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins that connections may name besides public addresses.
    pub calls: CallsConfig,
    /// The database.
    pub store: StoreConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            webhooks_url: "http://127.0.0.1:8080".to_owned(),
            requests_per_second: 50,
            requests_burst: 300,
            connections_max: 1024,
            connections_per_address_max: 256,
            trusted_proxies: Vec::new(),
            calls: CallsConfig::default(),
            store: StoreConfig::default(),
        }
    }
}

/// The state that all routes share.
pub(crate) struct Gateway {
    store: Store,
    limits: Limits,
    decisions: Decisions,
    calls: CallsConfig,
    webhooks_url: String,
}

/// Runs the service until it is asked to stop.
pub async fn run(service: Service, config: Config) -> Result<(), Failure> {
    let opened = runner::until_set_up(&service, SERVICE, async || open(&config.store).await).await?;
    let Some(store) = opened else { return Ok(()) };
    let listener = listen(config.listen).await?;
    serve(service, store, config, listener).await
}

/// Opens the database, which the login has to be able to see as tenants do.
async fn open(config: &StoreConfig) -> Result<Store, store::StoreError> {
    let store = Store::open(config).await?;
    store.check_tenancy().await?;
    Ok(store)
}

/// Binds the listener.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let refused =
        |source| Failure::Io { what: format!("can't listen on {address} for the management API"), source };
    TcpListener::bind(address).await.map_err(refused)
}

/// Runs the service on an open database and listener.
pub async fn serve(
    service: Service,
    store: Store,
    config: Config,
    listener: TcpListener,
) -> Result<(), Failure> {
    runner::need_descriptors(config.connections_max)?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(service = SERVICE, %address, "serving the management API");
    }
    let forgetting = tokio::spawn(idempotency::forget_old(store.clone(), service.stop.clone()));
    let listening = Listening {
        name: "api",
        connections_max: config.connections_max,
        connections_per_address_max: config.connections_per_address_max,
        requests_per_connection_max: REQUESTS_PER_CONNECTION_MAX,
        connection_age_max: CONNECTION_AGE_MAX,
        trusted_proxies: config.trusted_proxies.clone(),
        drain_timeout: DRAIN_TIMEOUT,
    };
    service.readiness.set(true);
    http::serve(listener, listening, router(service.bus.clone(), store, config), &service).await;
    forgetting.abort();
    Ok(())
}

/// Returns the routes on an open broker and database.
pub fn router(bus: Bus, store: Store, config: Config) -> Router {
    let limits = Limits::new(config.requests_per_second, config.requests_burst);
    let webhooks_url = config.webhooks_url.trim_end_matches('/').to_owned();
    let decisions = Decisions::new(bus, store.clone(), DECISION_TIMEOUT, runner::now);
    api::router(Arc::new(Gateway { store, limits, decisions, calls: config.calls, webhooks_url }))
}
