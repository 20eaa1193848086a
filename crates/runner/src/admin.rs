//! `/metrics`, `/livez` and `/readyz`.

use crate::Metrics;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
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

/// Whether the process takes work; false until everything is open, and again from the first signal to stop.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says it.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    /// Asks it.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
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
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(b"not ready\n")),
        _ => (StatusCode::NOT_FOUND, Bytes::from_static(b"try /metrics, /livez or /readyz\n")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}
