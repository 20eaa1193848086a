//! `POST /webhook/{platform}/{connection}`.

use crate::{
    Answer, BodyRefusal, Door, Webhook,
    body::{self, BadBody, Coding},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

/// How long a sender may take for its request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How large a request's head may be; hyper's own lower bound is 8 KiB.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// How long requests under way may take once the service was asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// After how long a sender that met an outage may come back.
const OUTAGE_RETRY: Duration = Duration::from_secs(5);

/// Serves until `stop`, then finishes the requests under way.
pub(crate) async fn serve(
    listener: TcpListener,
    door: Arc<Door>,
    connections_max: usize,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(connections_max));
    let graceful = GracefulShutdown::new();
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = stop.cancelled() => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((stream, _)) = accepted else { continue };
        let door = Arc::clone(&door);
        let answer = service_fn(move |request| {
            let door = Arc::clone(&door);
            async move { Ok::<_, Infallible>(respond(&door, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), answer);
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(%error, "a sender went away");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!(stage = "ingest", "requests under way were cut off");
    }
}

async fn respond(door: &Door, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let mut segments = path.trim_matches('/').split('/');
    let (Some("webhook"), Some(platform), Some(connection), None) =
        (segments.next(), segments.next(), segments.next(), segments.next())
    else {
        return problem(
            StatusCode::NOT_FOUND,
            "not-found",
            "webhooks go to /webhook/{platform}/{connection}",
        );
    };
    if request.method() != Method::POST {
        let mut refused = problem(StatusCode::METHOD_NOT_ALLOWED, "method", "webhooks are sent with POST");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return refused;
    }
    let headers = texts(request.headers());
    let limit_bytes =
        platforms::find(platform).map_or(platforms::BODY_BYTES_DEFAULT, platforms::Platform::body_bytes_max);
    match bodies(request, limit_bytes).await {
        Ok((signed, plain)) => {
            let webhook =
                Webhook { platform, connection, headers: &headers, signed_body: &signed, body: plain };
            say(door.webhook(webhook).await)
        }
        Err(BadBody::Refused(refusal)) => say(door.refuse(platform, connection, refusal).await),
        Err(BadBody::TooSlow) => {
            problem(StatusCode::REQUEST_TIMEOUT, "timeout", "the body didn't come in time")
        }
        Err(BadBody::CutOff) => problem(StatusCode::BAD_REQUEST, "body", "the body is cut off"),
    }
}

/// The body as it was sent and without its content coding, each within the limit.
async fn bodies(request: Request<Incoming>, limit_bytes: usize) -> Result<(Bytes, Bytes), BadBody> {
    let encodings = request.headers().get_all(CONTENT_ENCODING);
    let coding = Coding::of(encodings.iter().map(HeaderValue::as_bytes));
    // Read first: a sender that is still sending when it is refused may not see the answer.
    let signed = body::read(request.into_body(), limit_bytes).await?;
    let plain = coding?.decoded(&signed, limit_bytes)?;
    Ok((signed, plain))
}

/// Names in lower case, as `http` keeps them, and the values that are text.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&hyper::header::HeaderName, &HeaderValue)| {
        value.to_str().ok().map(|value| (name.as_str().to_owned(), value.to_owned()))
    };
    headers.iter().filter_map(text).collect()
}

fn say(answer: Answer) -> Response<Full<Bytes>> {
    match answer {
        Answer::Kept { delivery, .. } => {
            json(StatusCode::OK, "application/json", format!("{{\"kept\":true,\"delivery\":\"{delivery}\"}}"))
        }
        Answer::BodyRefused(refusal) => refuse_body(refusal),
        Answer::UnknownTopic => json(StatusCode::OK, "application/json", "{\"kept\":false}".to_owned()),
        Answer::Unverified(_) => {
            problem(StatusCode::UNAUTHORIZED, "signature", "the signature is missing or doesn't match")
        }
        Answer::UnknownConnection => {
            problem(StatusCode::NOT_FOUND, "connection", "there is no such connection of this platform")
        }
        Answer::TooMany(wait) => later(
            problem(
                StatusCode::TOO_MANY_REQUESTS,
                "limit",
                "more requests than this connection may send in a minute",
            ),
            wait,
        ),
        Answer::Unavailable(unkept) => {
            later(problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &unkept.to_string()), OUTAGE_RETRY)
        }
    }
}

fn refuse_body(refusal: BodyRefusal) -> Response<Full<Bytes>> {
    match refusal {
        BodyRefusal::TooLarge { limit_bytes } => {
            let detail = format!("a delivery may have {limit_bytes} bytes, as sent and decompressed");
            problem(StatusCode::PAYLOAD_TOO_LARGE, "size", &detail)
        }
        BodyRefusal::Malformed => {
            problem(StatusCode::BAD_REQUEST, "body", "the body isn't in the Content-Encoding that it names")
        }
        // RFC 9110, 15.5.16: the codings that are taken, for machines too.
        BodyRefusal::UnknownCoding => {
            let detail = format!("a body may be in one of the content codings {}", body::CODINGS);
            let mut refused = problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", &detail);
            refused.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(body::CODINGS));
            refused
        }
    }
}

/// Problem Details (RFC 9457).
fn problem(status: StatusCode, kind: &str, detail: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({
        "type": format!("urn:tillflow:problem:{kind}"),
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    });
    json(status, "application/problem+json", body.to_string())
}

fn json(status: StatusCode, media_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Whole seconds, rounded up (RFC 9110, 10.2.3).
fn later(mut response: Response<Full<Bytes>>, wait: Duration) -> Response<Full<Bytes>> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
    response
}
