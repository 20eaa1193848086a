//! The loop of every HTTP listener: permits of connections, time limits, and the refusal of malformed requests.

mod client;
mod head;
mod origin;
mod permits;
mod stream;

pub use client::Client;
pub use origin::Origin;
pub use permits::NoPermit;

use crate::{Metrics, problem};
use bytes::Bytes;
use head::HEAD_BYTES_MAX;
use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use permits::{Permit, Permits};
use std::{
    convert::Infallible,
    error::Error as _,
    io,
    net::IpAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use stream::Watched;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Time limit for a request's head, counted from the time when the connection is ready for it; also the limit for
/// an idle connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for the last request of a connection that has reached its greatest age.
const AGED_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause before the next connection is accepted when the system has no room for one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time without such a pause after which the listener has all its permits again.
const SHORTAGE_OVER_AFTER: Duration = Duration::from_secs(10);
/// Interval between log lines about such pauses.
const ACCEPT_LOG_EVERY: Duration = Duration::from_secs(10);

/// A listener and its limits.
#[derive(Debug, Clone)]
pub struct Listening {
    /// The listener's name in metrics and logs.
    pub name: &'static str,
    /// Upper limit of connections at once. Beyond it the oldest unproven one is closed.
    pub connections_max: usize,
    /// Upper limit of connections of one address (IPv6: one /64); trusted proxies have none.
    pub connections_per_address_max: usize,
    /// Upper limit of requests on one connection; it is closed after the last.
    pub requests_per_connection_max: u64,
    /// Greatest age of a connection; its request is finished, then it is closed.
    pub connection_age_max: Duration,
    /// The networks of trusted proxies, whose reports of their clients' addresses are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Time limit for requests under way once the listener was asked to stop.
    pub drain_timeout: Duration,
}

/// Serves until `stop`, then finishes the requests under way.
pub async fn serve<Respond, Responding>(
    listener: TcpListener,
    listening: Listening,
    metrics: Metrics,
    stop: CancellationToken,
    respond: Respond,
) where
    Respond: Fn(Request<Incoming>, Client) -> Responding + Clone + Send + Sync + 'static,
    Responding: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let permits = Permits::new(listening.connections_max, listening.connections_per_address_max);
    let (listening, tasks) = (Arc::new(listening), TaskTracker::new());
    let mut shortage = Shortage::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => {
                // Responses are small, and the client waits for each.
                stream.set_nodelay(true).ok();
                (stream, peer.ip())
            }
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                shortage.note(listening.name, &error, Instant::now());
                permits.shrink();
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if shortage.has_passed(Instant::now()) {
            permits.restore();
        }
        let trusted = origin::is_trusted(&listening.trusted_proxies, peer);
        let permit = match permits.take((!trusted).then(|| Origin::of(peer))) {
            Ok(permit) => Arc::new(permit),
            Err(none) => {
                let cause = match none {
                    NoPermit::Full => "full",
                    NoPermit::Address => "address",
                };
                metrics.connection_closed(listening.name, cause);
                continue;
            }
        };
        let connection = Connection {
            listening: Arc::clone(&listening),
            peer,
            trusted,
            permit,
            requests: Arc::default(),
            stop: stop.clone(),
        };
        let (metrics, name, respond) = (metrics.clone(), listening.name, respond.clone());
        tasks.spawn(async move {
            let cause = connection.run(stream, respond).await;
            metrics.connection_closed(name, cause);
        });
    }
    drop(listener);
    tasks.close();
    // Each connection ends itself by then; this limit is for one that doesn't.
    if tokio::time::timeout(listening.drain_timeout * 2, tasks.wait()).await.is_err() {
        tracing::warn!(listener = listening.name, "connections didn't end");
    }
}

/// Serves one connection over any stream, in the same way as [`serve`]; returns the cause of its end.
pub async fn serve_connection<Stream, Respond, Responding>(
    stream: Stream,
    peer: IpAddr,
    listening: Listening,
    respond: Respond,
) -> Result<&'static str, NoPermit>
where
    Stream: AsyncRead + AsyncWrite + Unpin,
    Respond: Fn(Request<Incoming>, Client) -> Responding + Clone + Send + Sync + 'static,
    Responding: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let permits = Permits::new(listening.connections_max, listening.connections_per_address_max);
    let trusted = origin::is_trusted(&listening.trusted_proxies, peer);
    let permit = Arc::new(permits.take((!trusted).then(|| Origin::of(peer)))?);
    let listening = Arc::new(listening);
    let (requests, stop) = (Arc::default(), CancellationToken::new());
    Ok(Connection { listening, peer, trusted, permit, requests, stop }.run(stream, respond).await)
}

struct Connection {
    listening: Arc<Listening>,
    peer: IpAddr,
    trusted: bool,
    permit: Arc<Permit>,
    requests: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl Connection {
    /// Serves the connection to its end; returns the cause of the end.
    async fn run<Stream, Respond, Responding>(self, stream: Stream, respond: Respond) -> &'static str
    where
        Stream: AsyncRead + AsyncWrite + Unpin,
        Respond: Fn(Request<Incoming>, Client) -> Responding + Clone + Send + Sync + 'static,
        Responding: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let (stream, ambiguous) = Watched::new(stream);
        let respond = service_fn(|request: Request<Incoming>| {
            let number = self.requests.fetch_add(1, Ordering::Relaxed);
            let is_last = number + 1 >= self.listening.requests_per_connection_max;
            let in_chunks = request.headers().contains_key(TRANSFER_ENCODING);
            let malformed = if ambiguous.is(number) {
                Some(
                    "the body's length is given twice: Content-Length beside another, or beside Transfer-Encoding",
                )
            } else {
                malformed(&request)
            };
            if self.trusted {
                // A proxy's connection has requests of many clients: each has to prove itself.
                self.permit.doubt();
            }
            let origin = origin::origin(&self.listening.trusted_proxies, self.peer, request.headers());
            let client = Client { origin, permit: Arc::clone(&self.permit) };
            let responding = malformed.is_none().then(|| respond(request, client));
            async move {
                let mut response = match (responding, malformed) {
                    (Some(responding), _) => responding.await,
                    (None, what) => problem(StatusCode::BAD_REQUEST, "malformed", what.unwrap_or_default()),
                };
                // Heads after a chunked body aren't checked, and the bytes after a malformed request can't be trusted.
                if is_last || in_chunks || malformed.is_some() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), respond)
        );
        let mut ending: Option<(&'static str, Instant)> = None;
        let aged = Instant::now() + self.listening.connection_age_max;
        loop {
            tokio::select! {
                biased;
                () = self.permit.evicted() => return "evicted",
                served = connection.as_mut() => {
                    return match (served, ending) {
                        (Err(error), _) => cause_of(&error),
                        (Ok(()), Some((cause, _))) => cause,
                        (Ok(()), None) => self.cause_of_a_clean_end(),
                    };
                }
                () = self.stop.cancelled(), if ending.is_none() => {
                    ending = Some(("stopped", Instant::now() + self.listening.drain_timeout));
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep_until(aged), if ending.is_none() => {
                    ending = Some(("age", Instant::now() + AGED_TIMEOUT));
                    connection.as_mut().graceful_shutdown();
                }
                cause = cut_off(ending), if ending.is_some() => {
                    tracing::debug!(listener = self.listening.name, cause, "a request was cut off");
                    return cause;
                }
            }
        }
    }

    fn cause_of_a_clean_end(&self) -> &'static str {
        let requests = self.requests.load(Ordering::Relaxed);
        if requests >= self.listening.requests_per_connection_max { "requests" } else { "done" }
    }
}

async fn cut_off(ending: Option<(&'static str, Instant)>) -> &'static str {
    let Some((cause, at)) = ending else { return std::future::pending().await };
    sleep_until(at).await;
    cause
}

/// Describes the error of a malformed request, for any target (RFC 9112, 3.2).
fn malformed(request: &Request<Incoming>) -> Option<&'static str> {
    let hosts = request.headers().get_all(HOST).iter().count();
    match hosts {
        0 if request.version() > Version::HTTP_10 => Some("a request names one host; this one names none"),
        0 | 1 => None,
        _ => Some("a request names one host; this one names several"),
    }
}

/// Returns the first of the headers `names` that occurs more than once.
pub fn doubled<'a>(headers: &HeaderMap, names: &[&'a str]) -> Option<&'a str> {
    names.iter().copied().find(|name| headers.get_all(*name).iter().nth(1).is_some())
}

fn cause_of(error: &hyper::Error) -> &'static str {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    if io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        "write_timeout"
    } else if error.is_timeout() {
        "header_timeout"
    } else if error.is_parse() {
        "malformed"
    } else {
        "broken"
    }
}

/// Returns true if an error of accepting concerns only one connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Shortages of room for connections (`EMFILE`, `ENFILE`, `ENOBUFS`), and their log state.
#[derive(Debug, Default)]
struct Shortage {
    logged_at: Option<Instant>,
    suppressed: u64,
    last: Option<Instant>,
}

impl Shortage {
    /// Counts one; returns true if it was logged.
    fn note(&mut self, listener: &'static str, error: &io::Error, now: Instant) -> bool {
        self.suppressed += 1;
        self.last = Some(now);
        let is_due = self.logged_at.is_none_or(|logged_at| now.duration_since(logged_at) >= ACCEPT_LOG_EVERY);
        if is_due {
            tracing::warn!(listener, %error, times = self.suppressed, "no connection can be accepted; trying again");
            (self.logged_at, self.suppressed) = (Some(now), 0);
        }
        is_due
    }

    /// Returns true, once, if there has been none for a while.
    fn has_passed(&mut self, now: Instant) -> bool {
        let is_over = |last: Instant| now.duration_since(last) >= SHORTAGE_OVER_AFTER;
        self.last.take_if(|last| is_over(*last)).is_some()
    }
}

#[cfg(test)]
mod tests;
