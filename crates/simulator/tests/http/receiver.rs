//! A receiver of webhooks.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A webhook as received.
pub(crate) struct Received {
    headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    arrived: mpsc::Receiver<Received>,
}

impl Receiver {
    /// Responds to the first webhooks with `statuses` and to all others with 200.
    pub(crate) async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks/in?shop=1", listener.local_addr().unwrap());
        let (send, arrived) = mpsc::channel(1_000);
        let statuses = Arc::new(Mutex::new(VecDeque::from(statuses.to_vec())));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (send, statuses) = (send.clone(), Arc::clone(&statuses));
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                        let (send, statuses) = (send.clone(), Arc::clone(&statuses));
                        async move {
                            let (parts, body) = request.into_parts();
                            let body = body.collect().await.unwrap().to_bytes();
                            let _ = send.send(Received { headers: parts.headers, body }).await;
                            let status = statuses.lock().unwrap().pop_front().unwrap_or(200);
                            let response = Response::builder().status(status).body(Full::<Bytes>::default());
                            Ok::<_, Infallible>(response.unwrap())
                        }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { url, arrived }
    }

    pub(crate) async fn next(&mut self) -> Received {
        tokio::time::timeout(Duration::from_secs(10), self.arrived.recv()).await.unwrap().unwrap()
    }

    /// Received webhooks that weren't read yet.
    pub(crate) fn rest(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.arrived.try_recv().ok()).collect()
    }
}
