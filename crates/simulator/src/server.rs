//! The HTTP server: receives calls, injects faults, passes calls to the platform, records them.

use crate::chaos::{Call, FaultInjector};
use crate::exchange::{ChangedLevel, Incoming, Reply, decode_form};
use crate::ledger::Change;
use crate::lock;
use crate::open_shop::OpenShop;
use crate::recent::Recent;
use crate::state::State;
use crate::webhooks::Outbox;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming as Body;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Maximum number of open connections; more wait.
const CONNECTIONS_MAX: usize = 256;
/// Maximum body size of a call, in bytes.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Time limit for the arrival of a call.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of recorded calls.
pub(crate) const CALLS_MAX: usize = 20_000;

/// A call that the platform received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCall {
    /// Time at which the call had arrived as a whole.
    pub arrived_at: DateTime<Utc>,
    /// Time of the response.
    pub at: DateTime<Utc>,
    /// The HTTP method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The name of the operation, as the platform distinguishes it; empty where method and path suffice.
    pub operation: String,
    /// The key by which the platform would recognise repetitions.
    pub idempotency_key: Option<String>,
    /// The W3C trace context that the caller sent.
    pub traceparent: Option<String>,
    /// The HTTP status of the response, faults included; 0 where the connection was closed instead.
    pub status: u16,
    /// The levels that the call changed, as they were after it; none of a repetition.
    pub levels: Vec<ChangedLevel>,
}

/// State shared by the server, the sender of webhooks and the shop's handles.
pub(crate) struct Inner {
    pub(crate) shop: Mutex<OpenShop>,
    pub(crate) faults: Mutex<FaultInjector>,
    pub(crate) outbox: Outbox,
    pub(crate) calls: Mutex<Recent<RecordedCall>>,
}

/// A reply that is never sent: its call had its effect, and the connection is closed instead.
#[derive(Debug)]
struct Reset(Box<Reply>);

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection ends without a response")
    }
}

impl std::error::Error for Reset {}

impl Inner {
    fn respond(&self, call: &Incoming) -> Result<Reply, Reset> {
        let chance = lock(&self.faults).call();
        let mut shop = lock(&self.shop);
        let now = shop.state.ledger.tick(Utc::now());
        if chance == Call::Throttled {
            return Ok(shop.throttled());
        }
        // While webhooks can't be enqueued, nothing may change.
        if chance == Call::Unavailable || self.outbox.is_full() {
            return Ok(Reply::of(503, json!({"errors": "Service unavailable"})));
        }
        let mut reply = shop.respond(call, now);
        reply.levels = levels(&shop.state, &reply.changes);
        let webhooks = shop.announce(&reply.changes, now);
        self.outbox.push(webhooks);
        match chance {
            Call::LostReply => {
                reply.status = 500;
                reply.body = json!({"errors": "Internal error"});
                reply.bytes = None;
            }
            Call::Reset => return Err(Reset(Box::new(reply))),
            Call::NoFault | Call::Throttled | Call::Unavailable => {}
        }
        Ok(reply)
    }

    fn record(&self, arrived_at: DateTime<Utc>, call: &Incoming, reply: &Reply, is_sent: bool) {
        lock(&self.calls).push(RecordedCall {
            arrived_at,
            at: Utc::now(),
            method: call.method.clone(),
            path: call.path.clone(),
            operation: reply.operation.clone(),
            idempotency_key: reply.idempotency_key.clone(),
            traceparent: call.header("traceparent").map(str::to_owned),
            status: if is_sent { reply.status } else { 0 },
            levels: reply.levels.clone(),
        });
    }
}

/// The levels among `changes`.
fn levels(state: &State, changes: &[Change]) -> Vec<ChangedLevel> {
    let level = |change: &Change| {
        let Change::Level(item, location) = change else { return None };
        let quantity = state.ledger.level(item, location)?.text();
        Some(ChangedLevel { item: item.clone(), location: location.clone(), quantity })
    };
    changes.iter().filter_map(level).collect()
}

/// Serves without end; drop it to stop it.
pub(crate) async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, Arc::clone(&inner)));
            }
            // Out of file descriptors, most likely: closed connections free some.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: TcpStream, inner: Arc<Inner>) {
    let service = service_fn(|request| {
        let inner = Arc::clone(&inner);
        async move { respond(request, &inner).await }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ARRIVAL_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn respond(request: Request<Body>, inner: &Inner) -> Result<Response<Full<Bytes>>, Reset> {
    let (parts, body) = request.into_parts();
    let collected = tokio::time::timeout(ARRIVAL_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let Ok(Ok(collected)) = collected else {
        return Ok(response(&Reply::of(413, json!({"errors": "Payload too large or too slow"}))));
    };
    let arrived_at = Utc::now();
    let text = |value: &hyper::header::HeaderValue| value.to_str().ok().map(str::to_owned);
    let headers = parts.headers.iter();
    let call = Incoming {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: decode_form(parts.uri.query().unwrap_or_default()),
        headers: headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect(),
        body: collected.to_bytes(),
    };
    let (outcome, delay) = (inner.respond(&call), lock(&inner.faults).response_delay());
    let reply = match &outcome {
        Ok(reply) => reply,
        Err(Reset(reply)) => reply.as_ref(),
    };
    inner.record(arrived_at, &call, reply, outcome.is_ok());
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    outcome.map(|reply| response(&reply))
}

fn response(reply: &Reply) -> Response<Full<Bytes>> {
    let mut builder = Response::builder().status(reply.status).header("content-type", "application/json");
    for (name, value) in &reply.headers {
        builder = builder.header(*name, value);
    }
    let body = reply.bytes.clone().map_or_else(|| Full::from(reply.body.to_string()), Full::from);
    builder.body(body).unwrap_or_else(|_| {
        let mut broken = Response::new(Full::default());
        *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        broken
    })
}
