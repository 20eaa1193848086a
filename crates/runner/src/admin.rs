//! The endpoints `/metrics`, `/livez` and `/readyz`.

use crate::{Listening, Metrics, serve};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Upper limit of connections at once, separate from those of other listeners. One more closes the oldest.
const CONNECTIONS_MAX: usize = 64;
/// Upper limit of requests on one connection.
const REQUESTS_PER_CONNECTION_MAX: u64 = 10_000;
/// Greatest age of a connection.
const CONNECTION_AGE_MAX: Duration = Duration::from_mins(10);
/// Time limit for a response under way once the process ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Readiness of the process: false until everything is open, while something waits for a person to correct its set-up,
/// and again from the first signal to stop.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Ready>);

#[derive(Debug, Default)]
struct Ready {
    open: AtomicBool,
    /// The waiting parts, with the reason of each.
    blocked: Mutex<BTreeMap<String, String>>,
}

impl Readiness {
    /// Sets the flag that everything is open.
    pub fn set(&self, ready: bool) {
        self.0.open.store(ready, Ordering::Release);
    }

    /// Returns true if the process is ready.
    pub fn get(&self) -> bool {
        self.0.open.load(Ordering::Acquire) && self.blocked().is_empty()
    }

    /// Records that `name` waits for its set-up to be corrected, for the reason `reason`.
    pub fn block(&self, name: &str, reason: &str) {
        self.blocked().insert(name.to_owned(), reason.to_owned());
    }

    /// Records that `name` waits no longer.
    pub fn unblock(&self, name: &str) {
        self.blocked().remove(name);
    }

    /// Returns the reasons for not being ready, one per line.
    fn reasons(&self) -> String {
        let blocked = self.blocked();
        let reasons = blocked.iter().flat_map(|(name, reason)| [name.as_str(), ": ", reason.as_str(), "\n"]);
        std::iter::once("not ready\n").chain(reasons).collect()
    }

    fn blocked(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server of metrics and health.
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminServer {
    /// Binds the address.
    pub async fn bind(listen: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Returns the bound address, with the real port.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`.
    pub async fn serve(self, metrics: Metrics, readiness: Readiness, stop: CancellationToken) {
        let listening = Listening {
            name: "admin",
            connections_max: CONNECTIONS_MAX,
            connections_per_address_max: CONNECTIONS_MAX,
            requests_per_connection_max: REQUESTS_PER_CONNECTION_MAX,
            connection_age_max: CONNECTION_AGE_MAX,
            trusted_proxies: Vec::new(),
            drain_timeout: DRAIN_TIMEOUT,
        };
        let respond = {
            let metrics = metrics.clone();
            move |request: Request<Incoming>, _| {
                std::future::ready(respond(request.uri().path(), &metrics, &readiness))
            }
        };
        serve(self.listener, listening, metrics, stop, respond).await;
    }
}

fn respond(path: &str, metrics: &Metrics, readiness: &Readiness) -> Response<Full<Bytes>> {
    let (status, body) = match path {
        "/metrics" => (StatusCode::OK, metrics.render().into()),
        "/livez" => (StatusCode::OK, Bytes::from_static(b"ok\n")),
        "/readyz" if readiness.get() => (StatusCode::OK, Bytes::from_static(b"ok\n")),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, readiness.reasons().into()),
        _ => (StatusCode::NOT_FOUND, Bytes::from_static(b"try /metrics, /livez or /readyz\n")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn who_is_not_ready_says_why() {
        let (metrics, readiness) = (Metrics::new().unwrap(), Readiness::default());
        let ask = async || {
            let response = respond("/readyz", &metrics, &readiness);
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        assert_eq!(ask().await, (503, "not ready\n".to_owned()));
        readiness.set(true);
        readiness.block("apply, partition 3", "run the migrations");
        assert_eq!(ask().await, (503, "not ready\napply, partition 3: run the migrations\n".to_owned()));
        readiness.unblock("apply, partition 3");
        assert_eq!(ask().await, (200, "ok\n".to_owned()));
    }
}
