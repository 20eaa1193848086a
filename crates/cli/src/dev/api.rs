//! The management API of a dev environment, with a key of its operator.

use super::{Servers, Services};
use crate::{api_keys, environment::write_secret, failure::Failed, port};
use gateway::{ApiKeyText, Config};
use model::{Role, Scope};
use outlet::CallsConfig;
use runner::Metrics;
use std::{net::SocketAddr, path::Path, time::Duration};
use store::Store;
use tokio::net::TcpListener;

/// The file of the key, in the folder of a dev environment.
const KEY_FILE: &str = "api-key";
/// The life of a key.
const KEY_LIFE: Duration = Duration::from_hours(24 * 365);
/// Requests a second, and at once, of one caller: development isn't limited.
const REQUESTS_MAX: u32 = 100_000;

/// A running management API.
pub(crate) struct Api {
    pub(crate) url: String,
    pub(crate) key: String,
}

/// Binds the listener of the API.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failed> {
    let listener = gateway::listen(address).await;
    listener.map_err(|failed| port::unavailable(address, "--api-listen", failed.into()))
}

/// Adds the API to the services.
pub(crate) async fn start(
    services: Services,
    servers: &Servers,
    metrics: Metrics,
    listener: TcpListener,
    ingest_url: &str,
    dir: &Path,
) -> Result<(Services, Api), Failed> {
    let address = listener.local_addr().map_err(|error| Failed::io("no address for the API", error))?;
    let key = key(&servers.store, dir).await?;
    let config = Config {
        webhooks_url: ingest_url.to_owned(),
        requests_per_second: REQUESTS_MAX,
        requests_burst: REQUESTS_MAX,
        calls: CallsConfig::simulated(),
        ..Config::default()
    };
    let store = servers.store.clone();
    let run = |service| gateway::serve(service, store, config, listener);
    let services = services.with("gateway", servers, metrics, run).await?;
    Ok((services, Api { url: format!("http://{address}"), key }))
}

/// The key of the operator: of the last start if it is still in force.
async fn key(store: &Store, dir: &Path) -> Result<String, Failed> {
    let file = dir.join(KEY_FILE);
    let known = std::fs::read_to_string(&file).ok().and_then(|text| ApiKeyText::parse(text.trim()));
    if let Some(known) = known
        && let Some(stored) = store.api_key(&known.id).await?
        && known.secret.has_digest(&stored.digest)
        && stored.key.is_in_force(runner::now())
    {
        return Ok(known.reveal());
    }
    let key = api_keys::issue(store, &Scope::All, (Role::PlatformOwner, "tillflow dev"), KEY_LIFE).await?;
    let text = key.reveal();
    write_secret(&file, text.as_bytes())?;
    Ok(text)
}
