//! `POST /webhook/{platform}/{connection}`.

use crate::{
    Answer, BodyRefusal, Holder, Intake,
    body::{self, BadBody, Coding, Workshop},
    room::{NoRoom, Room},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderValue, RETRY_AFTER},
};
use platforms::{Signed, Webhooks};
use runner::{Client, Listening, Service, problem};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// `Retry-After` for a sender during an outage.
const OUTAGE_RETRY: Duration = Duration::from_secs(5);
/// `Retry-After` for a sender that found no room.
const NO_ROOM_RETRY: Duration = Duration::from_secs(1);
/// `Retry-After` for a holder of too much of RAW: its bytes are discarded by the hour, or RAW becomes less full.
const HELD_RETRY: Duration = Duration::from_mins(5);

/// The state of the webhook server.
struct WebhookServer {
    intake: Arc<Intake>,
    room: Room,
    workshop: Workshop,
}

/// Serves until the service stops, then finishes the requests under way.
pub(crate) async fn serve(
    listener: TcpListener,
    listening: Listening,
    intake: Arc<Intake>,
    room: Room,
    service: &Service,
) {
    let server = Arc::new(WebhookServer { intake, room, workshop: Workshop::default() });
    let respond = move |request, client| {
        let server = Arc::clone(&server);
        async move { server.respond(request, client).await }
    };
    runner::serve(listener, listening, service.metrics.clone(), service.stop.clone(), respond).await;
}

impl WebhookServer {
    async fn respond(&self, request: Request<Incoming>, client: Client) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let inner = path.strip_prefix('/').unwrap_or(&path);
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        if inner.starts_with('/') || inner.ends_with('/') || inner.contains("//") {
            return say(Answer::Malformed("a path has no empty segments"));
        }
        let mut segments = inner.split('/');
        let (Some("webhook"), Some(platform), Some(connection), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            let detail = "webhooks go to /webhook/{platform}/{connection}";
            return problem(StatusCode::NOT_FOUND, "not-found", detail);
        };
        if request.method() != Method::POST {
            let mut refused =
                problem(StatusCode::METHOD_NOT_ALLOWED, "method", "webhooks are sent with POST");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return refused;
        }
        match self.take_in(platform, connection, request, &client).await {
            Ok(answer) => say(answer),
            Err(BadBody::Refused(refusal)) => refuse_body(refusal),
            Err(BadBody::NoRoom) => say(Answer::NoRoom),
            Err(BadBody::TooSlow) => {
                problem(StatusCode::REQUEST_TIMEOUT, "timeout", "the body didn't come in time")
            }
            Err(BadBody::CutOff) => problem(StatusCode::BAD_REQUEST, "body", "the body is cut off"),
        }
    }

    /// Accepts a webhook, the cheapest check first: no work is done on a request that the previous step
    /// hasn't justified.
    async fn take_in(
        &self,
        platform: &str,
        connection: &str,
        request: Request<Incoming>,
        client: &Client,
    ) -> Result<Answer, BadBody> {
        let taken = self.intake.take_up();
        let (parts, body) = request.into_parts();
        let refuse = |body, answer| {
            // A sender that waits for permission to send the body hasn't sent any of it.
            if !parts.headers.contains_key(EXPECT) {
                body::discard(body);
            }
            Ok(answer)
        };
        let known = platforms::find(platform);
        let webhooks = known.and_then(|platform| platform.webhooks());
        if let Some(answer) = webhooks.and_then(|webhooks| malformed(webhooks, &parts.headers)) {
            return refuse(body, taken.ends(answer));
        }
        let claim = match self.intake.claim(platform, connection, Some(client.origin())).await {
            Ok(claim) => claim,
            Err(answer) => return refuse(body, taken.ends(answer)),
        };
        let is_signed =
            claim.webhooks.signature_headers().iter().any(|name| parts.headers.contains_key(*name));
        if !is_signed {
            return refuse(body, taken.ends(claim.unsigned()));
        }
        let limit_bytes = claim.platform.spec().body_bytes_max;
        if body.size_hint().lower() > limit_bytes as u64 {
            let answer = self.intake.refuse(&claim, BodyRefusal::TooLarge { limit_bytes });
            return refuse(body, taken.ends(answer));
        }
        let Ok(mut room) = self.room.enter() else {
            return refuse(body, taken.ends(Answer::NoRoom));
        };
        let signed = match body::read(body, limit_bytes, &mut room).await {
            Ok(signed) => signed,
            Err(BadBody::Refused(refusal)) => return Ok(taken.ends(self.intake.refuse(&claim, refusal))),
            Err(BadBody::NoRoom) => return Ok(taken.ends(Answer::NoRoom)),
            Err(bad) => return Err(bad),
        };
        let headers: Arc<[_]> = texts(&parts.headers).into();
        let claim = Arc::new(claim);
        let proving = {
            let (claim, headers, signed) = (Arc::clone(&claim), Arc::clone(&headers), signed.clone());
            self.workshop.run(signed.len(), move || claim.prove(&Signed { headers: &headers, body: &signed }))
        };
        let proven = match proving.await? {
            Ok(proven) => proven,
            Err(answer) => return Ok(taken.ends(answer)),
        };
        if room.prove() == Err(NoRoom) {
            return Ok(taken.ends(Answer::NoRoom));
        }
        client.prove();
        let encodings = parts.headers.get_all(CONTENT_ENCODING);
        let plain = match Coding::of(encodings.iter().map(HeaderValue::as_bytes)) {
            Ok(coding) => self.workshop.decoded(coding, &signed, limit_bytes, &mut room).await,
            Err(bad) => Err(bad),
        };
        drop(signed);
        let answer = match plain {
            Ok(plain) => self.intake.accept(&proven, &headers, plain).await,
            Err(BadBody::Refused(refusal)) => self.intake.refuse(&claim, refusal),
            Err(BadBody::NoRoom) => Answer::NoRoom,
            Err(bad) => return Err(bad),
        };
        Ok(taken.ends(answer))
    }
}

/// Finds a repeated header that a request may carry only once: which of the two counts would depend on the reader.
fn malformed(webhooks: &dyn Webhooks, headers: &HeaderMap) -> Option<Answer> {
    let doubled = runner::doubled(headers, webhooks.single_headers());
    doubled.map(|_| {
        Answer::Malformed("a header that says whose the request is, or what, is there more than once")
    })
}

/// The headers with text values; names in lower case, as `http` stores them.
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
        Answer::Malformed(what) => problem(StatusCode::BAD_REQUEST, "malformed", what),
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
                "more than this connection or its tenant may send in a minute",
            ),
            wait,
        ),
        Answer::HoldsTooMuch(holder) => {
            later(problem(StatusCode::TOO_MANY_REQUESTS, "held", &held_too_much(holder)), HELD_RETRY)
        }
        Answer::TooManyUnknown(wait) => later(
            problem(
                StatusCode::TOO_MANY_REQUESTS,
                "unknown",
                "too many connections that don't exist were asked for from this address",
            ),
            wait,
        ),
        Answer::NoRoom => later(
            problem(StatusCode::SERVICE_UNAVAILABLE, "room", "too many requests are under way"),
            NO_ROOM_RETRY,
        ),
        Answer::Unavailable(unkept) => {
            later(problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &unkept.to_string()), OUTAGE_RETRY)
        }
    }
}

/// The text for a holder of too much of RAW.
pub(crate) fn held_too_much(holder: Holder) -> String {
    let who = match holder {
        Holder::Connection => "this connection",
        Holder::Tenant => "the tenant of this connection",
    };
    format!("{who} holds more than its share of what is kept for all")
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
        // RFC 9110, 15.5.16: the accepted codings, for machines too.
        BodyRefusal::UnknownCoding => {
            let detail = format!("a body may be in one of the content codings {}", body::CODINGS);
            let mut refused = problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", &detail);
            refused.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static(body::CODINGS));
            refused
        }
    }
}

fn json(status: StatusCode, media_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Adds `Retry-After` in whole seconds, rounded up (RFC 9110, 10.2.3).
fn later(mut response: Response<Full<Bytes>>, wait: Duration) -> Response<Full<Bytes>> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
    response
}
