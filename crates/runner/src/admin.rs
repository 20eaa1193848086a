//! `/metrics`, `/livez` and `/readyz`.

use crate::Metrics;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

/// How long a client may take to send its request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How many connections are served at once.
const CONNECTIONS_MAX: usize = 64;

/// Whether the process takes work; false until everything is open, while something waits for a person to put its set-up
/// right, and again from the first signal to stop.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Ready>);

#[derive(Debug, Default)]
struct Ready {
    open: AtomicBool,
    /// What waits, and for what.
    waits: Mutex<BTreeMap<String, String>>,
}

impl Readiness {
    /// Says whether everything is open.
    pub fn set(&self, ready: bool) {
        self.0.open.store(ready, Ordering::Release);
    }

    /// Returns whether the process takes work.
    pub fn get(&self) -> bool {
        self.0.open.load(Ordering::Acquire) && self.waits().is_empty()
    }

    /// Says that `who` waits for its set-up to be put right, and `why`.
    pub fn waits_for(&self, who: &str, why: &str) {
        self.waits().insert(who.to_owned(), why.to_owned());
    }

    /// Says that `who` waits no longer.
    pub fn goes_on(&self, who: &str) {
        self.waits().remove(who);
    }

    /// The reasons for not being ready, one a line.
    fn reasons(&self) -> String {
        let waits = self.waits();
        let reasons = waits.iter().flat_map(|(who, why)| [who.as_str(), ": ", why.as_str(), "\n"]);
        std::iter::once("not ready\n").chain(reasons).collect()
    }

    fn waits(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server of metrics and health.
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl AdminServer {
    /// Takes the address.
    pub async fn bind(listen: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address it has, with the real port.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`.
    pub async fn serve(self, metrics: Metrics, readiness: Readiness, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let (Ok((stream, _)), Ok(place)) = (accepted, Arc::clone(&places).try_acquire_owned()) else {
                continue;
            };
            let (metrics, readiness) = (metrics.clone(), readiness.clone());
            let answer = service_fn(move |request: Request<Incoming>| {
                let response = respond(request.uri().path(), &metrics, &readiness);
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(async move {
                let served = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "a reader of metrics went away");
                }
                drop(place);
            });
        }
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
        readiness.waits_for("apply, partition 3", "run the migrations");
        assert_eq!(ask().await, (503, "not ready\napply, partition 3: run the migrations\n".to_owned()));
        readiness.goes_on("apply, partition 3");
        assert_eq!(ask().await, (200, "ok\n".to_owned()));
    }
}
